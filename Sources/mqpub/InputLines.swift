internal import CSystem
internal import MQTT

/// Lines of a descriptor, one message each: read in large pieces, handed out where they lie.
///
/// It holds what was read and not handed out, and reads no further while there is a whole line of it. So a slow broker makes the
/// program that writes the lines wait, and memory grows with the longest line only.
struct InputLines: ~Copyable {
  /// What became of a read.
  enum Read { case more, end, failed(Int32) }

  let descriptor: Int32
  private let separator: UInt8
  private var bytes = ByteQueue()
  /// Bytes at the front that were searched and hold no separator.
  private var searched = 0
  private(set) var isAtEnd = false

  private static let pieceSize = 1 << 17

  init(descriptor: Int32, separator: UInt8 = UInt8(ascii: "\n")) {
    self.descriptor = descriptor
    self.separator = separator
  }

  /// Whether everything was read and handed out.
  var isExhausted: Bool { isAtEnd && bytes.isEmpty }

  /// Lines that were read and not handed out; the last may lack its separator.
  var remainingCount: Int {
    bytes.withBytes { bytes in
      bytes.count { $0 == separator } + (bytes.isEmpty || bytes.last == separator ? 0 : 1)
    }
  }

  /// Reads once. To be called when the descriptor is readable.
  mutating func read() -> Read {
    var result = Read.more
    let descriptor = descriptor
    bytes.append(minimumCapacity: Self.pieceSize) { space in
      while true {
        let count = CSystem.read(descriptor, space.baseAddress, min(space.count, Self.pieceSize))
        if count > 0 { return count }
        if count == 0 {
          result = .end
          return 0
        }
        let number = currentErrno()
        if number == EAGAIN || number == EWOULDBLOCK { return 0 }
        if number != EINTR {
          result = .failed(number)
          return 0
        }
      }
    }
    if case .end = result { isAtEnd = true }
    return result
  }

  /// Hands out lines, without their separators, while `wantsMore` says so. What follows the last separator is a line when the
  /// input has ended.
  ///
  /// - Returns: whether it stopped because no whole line is left.
  mutating func forEachLine(while wantsMore: () -> Bool, _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
    var start = 0
    var isDry = false
    let separator = Int32(separator)
    bytes.withBytes { bytes in
      guard let base = bytes.baseAddress else {
        isDry = true
        return
      }
      while wantsMore() {
        let from = max(start, searched)
        if let found = memchr(base + from, separator, bytes.count - from) {
          let end = UnsafeRawPointer(found) - base
          body(UnsafeRawBufferPointer(start: base + start, count: end - start))
          start = end + 1
          searched = start
        } else if isAtEnd, start < bytes.count {
          body(UnsafeRawBufferPointer(start: base + start, count: bytes.count - start))
          start = bytes.count
        } else {
          searched = bytes.count
          isDry = true
          return
        }
      }
    }
    bytes.consume(start)
    searched = max(0, searched - start)
    return isDry
  }
}
