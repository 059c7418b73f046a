internal import CSystem
internal import MQTT

/// Lines of a descriptor: read in large pieces, handed out where they lie.
///
/// It holds what was read and not handed out, and reads no further while there is a whole line of it. So a slow broker makes the
/// program that writes the lines wait, and memory grows with the longest line only.
public struct InputLines: ~Copyable {
  /// Where the lines are read from.
  public let descriptor: Int32
  private let end: UInt8
  private var bytes = ByteQueue()
  /// Bytes at the front that were searched and hold no end of a line.
  private var searched = 0
  /// Whether no whole line is left.
  public private(set) var isDry = true
  /// Whether there is nothing more to read.
  public private(set) var isAtEnd = false
  /// The number of the line that is next, from 1.
  public private(set) var nextNumber = 1

  private static let pieceSize = 1 << 17

  /// Lines of `descriptor`, each with the byte `end` behind it.
  public init(descriptor: Int32, end: UInt8) {
    self.descriptor = descriptor
    self.end = end
  }

  /// Whether everything was read and handed out.
  public var isExhausted: Bool { isAtEnd && bytes.isEmpty }

  /// Lines that were read and not handed out; the last may lack its end.
  public var remainingCount: Int {
    bytes.withBytes { bytes in bytes.count { $0 == end } + (bytes.isEmpty || bytes.last == end ? 0 : 1) }
  }

  /// Reads once. To be called when the descriptor is readable. After an error nothing more is read.
  public mutating func read() throws(SystemError) {
    var failure: Int32 = 0
    let descriptor = descriptor
    let before = bytes.count
    bytes.append(minimumCapacity: Self.pieceSize) { space in
      while true {
        let count = CSystem.read(descriptor, space.baseAddress, min(space.count, Self.pieceSize))
        if count >= 0 { return count }
        failure = currentErrno()
        if failure != EINTR { return 0 }
      }
    }
    if failure == EAGAIN || failure == EWOULDBLOCK { return }
    isDry = false
    isAtEnd = bytes.count == before
    if failure != 0 { throw SystemError(call: "read", number: failure) }
  }

  /// Hands out lines, without their ends, as long as `take` returns true; a line that it did not take comes again next time. What
  /// follows the last end is a line when the input has ended.
  public mutating func forEachLine(_ take: (_ line: UnsafeRawBufferPointer, _ number: Int) -> Bool) {
    var start = 0
    let end = Int32(end)
    bytes.withBytes { bytes in
      guard let base = bytes.baseAddress else {
        isDry = true
        return
      }
      while true {
        let from = max(start, searched)
        if let found = memchr(base + from, end, bytes.count - from) {
          let count = UnsafeRawPointer(found) - base - start
          // It is not searched again for nothing when it comes again.
          searched = start + count
          guard take(UnsafeRawBufferPointer(start: base + start, count: count), nextNumber) else { return }
          start += count + 1
          searched = start
        } else if isAtEnd, start < bytes.count {
          searched = bytes.count
          guard take(UnsafeRawBufferPointer(start: base + start, count: bytes.count - start), nextNumber) else {
            return
          }
          start = bytes.count
        } else {
          searched = bytes.count
          isDry = true
          return
        }
        nextNumber += 1
      }
    }
    bytes.consume(start)
    searched -= start
  }
}
