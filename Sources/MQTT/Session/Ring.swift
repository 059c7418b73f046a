/// A first-in-first-out queue with random access, in one piece of memory that is reused as it goes round.
package struct Ring<Element: BitwiseCopyable & Sendable>: Sendable {
  @usableFromInline var storage: [Element] = []
  @usableFromInline var head = 0
  @usableFromInline package internal(set) var count = 0

  @inlinable package var isEmpty: Bool { count == 0 }

  @inlinable package init() {}

  @inlinable package subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      return storage[(head + index) & (storage.count - 1)]
    }
    set {
      precondition(index >= 0 && index < count)
      storage[(head + index) & (storage.count - 1)] = newValue
    }
  }

  @inlinable package mutating func append(_ element: Element) {
    if count == storage.count { grow(filledWith: element) }
    storage[(head + count) & (storage.count - 1)] = element
    count += 1
  }

  @inlinable package mutating func removeFirst() {
    precondition(count > 0)
    head = (head + 1) & (storage.count - 1)
    count -= 1
  }

  @inlinable package mutating func removeAll() {
    head = 0
    count = 0
  }

  /// Twice the room (always a power of two, so that going round is one mask), with the front at index 0 again.
  @usableFromInline mutating func grow(filledWith element: Element) {
    var larger: [Element] = []
    larger.reserveCapacity(max(8, storage.count * 2))
    for index in 0..<count { larger.append(self[index]) }
    while larger.count < max(8, storage.count * 2) { larger.append(element) }
    storage = larger
    head = 0
  }
}
