/// Bytes in one contiguous piece of memory: appended at the back, consumed at the front. It has one owner, so it is
/// never copied behind anybody's back.
///
/// Memory follows what is held: none before the first append, doubled when it is full, given back when a queue that
/// grew beyond 256 KiB runs empty or keeps only a small part of it. So one message of 5 MB does not cost its
/// connection 5 MB for ever, and an idle connection costs what its last small packets took.
public struct ByteQueue: ~Copyable, @unchecked Sendable {
  private var memory: UnsafeMutableRawPointer?
  private var capacity = 0
  /// Where the held bytes begin and end in `memory`.
  private var head = 0
  private var tail = 0

  private static let smallestCapacity = 256
  private static let largeCapacity = 256 * 1024

  /// An empty queue, without memory.
  public init() {}

  deinit { memory?.deallocate() }

  /// How many bytes are held.
  public var count: Int { tail - head }

  /// Whether no bytes are held.
  public var isEmpty: Bool { head == tail }

  /// The held bytes. They move with the next append and may be gone with the next `consume`.
  var bytes: UnsafeRawBufferPointer {
    guard let memory else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: memory + head, count: tail - head)
  }

  /// Reads the held bytes.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try body(bytes)
  }

  // MARK: At the back

  /// Appends a copy of the bytes.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
    tail += bytes.count
  }

  /// Appends one byte.
  public mutating func append(_ byte: UInt8) {
    reserve(1).storeBytes(of: byte, as: UInt8.self)
    tail += 1
  }

  /// Appends a copy of the bytes.
  public mutating func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { append($0) }
  }

  /// Gives `body` at least `minimumCapacity` writable bytes at the back; it returns how many it filled.
  public mutating func append<E: Error>(
    minimumCapacity: Int, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) {
    let start = reserve(minimumCapacity)
    let filled = try body(UnsafeMutableRawBufferPointer(start: start, count: capacity - tail))
    precondition(filled >= 0 && filled <= capacity - tail, "more bytes filled than there was room for")
    tail += filled
  }

  /// The place behind the last byte, with room for `byteCount` more; `commit` makes them part of the queue.
  mutating func reserve(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if let memory, capacity - tail >= byteCount { return memory + tail }
    return makeRoom(byteCount)
  }

  /// Takes in `byteCount` bytes that were written where `reserve` said.
  mutating func commit(_ byteCount: Int) {
    assert(byteCount <= capacity - tail)
    tail += byteCount
  }

  @inline(never)
  private mutating func makeRoom(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let held = count
    let needed = held + byteCount
    let isOversized = capacity > Self.largeCapacity && needed < capacity / 4
    // Moving no more than what was consumed since the last move keeps the cost of a byte constant.
    if let memory, held <= head, needed <= capacity, !isOversized {
      memory.copyMemory(from: memory + head, byteCount: held)
      (head, tail) = (0, held)
    } else {
      move(toCapacity: isOversized ? 2 * needed : max(needed, 2 * capacity, Self.smallestCapacity))
    }
    return memory! + tail
  }

  /// Puts the held bytes at the front of new memory, and gives the old one back.
  @inline(never)
  private mutating func move(toCapacity newCapacity: Int) {
    let held = count
    let newMemory = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
    if let memory {
      newMemory.copyMemory(from: memory + head, byteCount: held)
      memory.deallocate()
    }
    (memory, capacity, head, tail) = (newMemory, newCapacity, 0, held)
  }

  // MARK: At the front

  /// Forgets the first `count` bytes; constant time, but for the move of a small rest out of large memory.
  public mutating func consume(_ count: Int) {
    precondition(count >= 0 && count <= self.count, "more bytes consumed than are held")
    head += count
    if head == tail {
      removeAll()
    } else if capacity > 4 * Self.largeCapacity, self.count <= Self.largeCapacity / 2 {
      move(toCapacity: max(2 * self.count, Self.smallestCapacity))
    }
  }

  /// Forgets everything; the memory is kept for reuse unless it is large.
  public mutating func removeAll() {
    head = 0
    tail = 0
    if capacity > Self.largeCapacity {
      memory?.deallocate()
      memory = nil
      capacity = 0
    }
  }

  /// Forgets the last bytes, so that `count` are held: what a packet that could not be encoded had written.
  mutating func truncate(to count: Int) {
    assert(count <= self.count)
    tail = head + count
  }
}

extension [UInt8] {
  /// `withUnsafeBytes` that keeps the type of what `body` throws.
  @inlinable
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try withUnsafeBufferPointer { (buffer) throws(E) in try body(UnsafeRawBufferPointer(buffer)) }
  }
}
