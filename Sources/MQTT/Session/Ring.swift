/// A first-in-first-out queue with random access, in one piece of memory that is reused as it goes round.
struct Ring<Element: BitwiseCopyable & Sendable>: Sendable {
  private var storage: [Element] = []
  private var head = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      return storage[(head + index) & (storage.count - 1)]
    }
    set {
      precondition(index >= 0 && index < count)
      storage[(head + index) & (storage.count - 1)] = newValue
    }
  }

  mutating func append(_ element: Element) {
    if count == storage.count { grow(filledWith: element) }
    storage[(head + count) & (storage.count - 1)] = element
    count += 1
  }

  mutating func removeFirst() {
    precondition(count > 0)
    head = (head + 1) & (storage.count - 1)
    count -= 1
  }

  mutating func removeAll() {
    head = 0
    count = 0
  }

  /// Twice the room (always a power of two, so that going round is one mask), with the front at index 0 again.
  private mutating func grow(filledWith element: Element) {
    var larger: [Element] = []
    larger.reserveCapacity(max(8, storage.count * 2))
    for index in 0..<count { larger.append(self[index]) }
    while larger.count < max(8, storage.count * 2) { larger.append(element) }
    storage = larger
    head = 0
  }
}
