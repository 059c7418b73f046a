/// Why output could not be written.
public enum OutputError: Error, Hashable, Sendable {
  /// Nobody reads it any more: a reason to end quietly.
  case closed
  /// The system refused.
  case system(SystemError)
}

/// Bytes on their way to a descriptor: collected in one piece of memory, written with as few calls as possible.
///
/// Appending never fails. When the buffer writes by itself and cannot, it keeps the reason, takes nothing more, and the
/// next flush throws it.
public struct OutputBuffer: ~Copyable, @unchecked Sendable {
  /// Where the bytes go.
  public let descriptor: Int32

  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var filled = 0
  private let limit: Int
  private var failure: OutputError?

  /// A buffer before `descriptor`. Once it holds more than `limit` bytes it writes them by itself, and waits for that.
  public init(descriptor: Int32, limit: Int = 65_536) {
    self.descriptor = descriptor
    self.limit = limit
  }

  deinit { memory.deallocate() }

  /// Bytes not written yet.
  public var count: Int { filled }

  /// Whether the descriptor is a terminal; asks the system.
  public var isTerminal: Bool { System.isTerminal(descriptor) }

  // MARK: Appending

  /// Appends bytes as they are.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let destination = reserve(bytes.count) else { return }
    destination.copyMemory(from: bytes)
    filled += bytes.count
    if filled > limit { try? flush() }  // A failure is kept, and thrown by the flush that somebody asks for.
  }

  /// Appends one byte.
  public mutating func append(_ byte: UInt8) {
    withUnsafeBytes(of: byte) { append($0) }
  }

  /// Appends bytes as they are.
  public mutating func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { append($0) }
  }

  /// Appends the same byte several times.
  public mutating func append(_ byte: UInt8, count: Int) {
    guard let destination = reserve(count) else { return }
    destination.initializeMemory(as: UInt8.self, repeating: byte)
    filled += count
    if filled > limit { try? flush() }
  }

  /// Appends the UTF-8 of a text.
  public mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  /// Appends a number in decimal digits, filled up with zeros on the left to `width` of them.
  public mutating func append(decimal number: Int, width: Int = 1) {
    withUnsafeTemporaryAllocation(byteCount: 40, alignment: 1) { digits in
      var start = digits.count
      var rest = number.magnitude
      let least = digits.count - min(width, 20)
      while rest > 0 || start > least {
        start -= 1
        let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
        digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
        rest = quotient
      }
      if number < 0 {
        start -= 1
        digits[start] = UInt8(ascii: "-")
      }
      append(UnsafeRawBufferPointer(rebasing: digits[start...]))
    }
  }

  /// Memory for `count` more bytes, or nil when there are none to come or nothing more is taken.
  private mutating func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer? {
    guard count > 0, failure == nil else { return nil }
    if memory.count - filled < count {
      let capacity = max(4096, memory.count * 2, filled + count)
      let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
      larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[..<filled]))
      memory.deallocate()
      memory = larger
    }
    return UnsafeMutableRawBufferPointer(rebasing: memory[filled..<(filled + count)])
  }

  // MARK: Writing

  /// Writes everything, and waits as long as that takes.
  public mutating func flush() throws(OutputError) { try flush(waiting: true) }

  /// Writes what the reader takes without waiting; `count` tells what is left. Whoever waits for `descriptor` to become
  /// writable can do other things meanwhile, such as keep a connection alive.
  public mutating func flushWithoutWaiting() throws(OutputError) { try flush(waiting: false) }

  private mutating func flush(waiting: Bool) throws(OutputError) {
    if let failure { throw failure }
    var written = 0
    defer { removeFirst(written) }
    while written < filled {
      var piece = memory[written..<filled]
      if !waiting {
        // A descriptor without O_NONBLOCK (ours is shared with others, who would be surprised) takes this much without
        // waiting when poll says that it is writable: PIPE_BUF.
        guard System.isWritable(descriptor, waiting: false) else { return }
        piece = piece.prefix(4096)
      }
      do {
        written += try System.write(UnsafeRawBufferPointer(rebasing: piece), to: descriptor)
      } catch  where error.isWouldBlock {
        if !waiting { return }
        _ = System.isWritable(descriptor, waiting: true)
      } catch {
        let reason = error.isClosedPipe ? OutputError.closed : .system(error)
        failure = reason
        written = filled
        throw reason
      }
    }
  }

  private mutating func removeFirst(_ count: Int) {
    let rest = memory[count..<filled]
    filled = rest.count
    if filled > 0 {
      UnsafeMutableRawBufferPointer(rebasing: memory[..<filled]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: rest))
    } else if memory.count > 1 << 20 {
      // One large message must not hold its memory for ever.
      memory.deallocate()
      memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }
  }

  // MARK: Looking

  /// Lends the bytes not written yet.
  public borrowing func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(rebasing: memory[..<filled]))
  }

  /// Forgets the bytes not written yet.
  public mutating func removeAll() { filled = 0 }
}
