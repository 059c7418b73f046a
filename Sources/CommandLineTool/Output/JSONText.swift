/// Writes strings in JSON.
public enum JSONText {
  /// Appends a string in quotes whose UTF-8 is `bytes`. Escaped is what JSON wants escaped, and `isForTerminal` what
  /// would steer one. Bytes that are no UTF-8, which JSON cannot carry, become U+FFFD.
  public static func append(_ bytes: UnsafeRawBufferPointer, isForTerminal: Bool, to output: inout OutputBuffer) {
    output.append(UInt8(ascii: "\""))
    append(bytes, isPlain: { JSONScanner.isPlain($0) && $0 < 0x7F }, isForTerminal: isForTerminal, to: &output)
    output.append(UInt8(ascii: "\""))
  }

  /// Appends what is JSON already, with that escaped which would steer a terminal. It can stand in strings only, where
  /// the escape means the same.
  static func appendSafely(_ json: UnsafeRawBufferPointer, to output: inout OutputBuffer) {
    append(json, isPlain: { $0 < 0x7F }, isForTerminal: true, to: &output)
  }

  @inline(__always)
  private static func append(
    _ bytes: UnsafeRawBufferPointer, isPlain: (UInt8) -> Bool, isForTerminal: Bool, to output: inout OutputBuffer
  ) {
    var start = 0
    var position = 0
    while position < bytes.count {
      if isPlain(bytes[position]) {
        position += 1
        continue
      }
      let scalar = UTF8Scalar(bytes, at: position)
      let count = scalar?.count ?? 1
      if let scalar, scalar.value >= 0x7F, !(isForTerminal && scalar.steersTerminals) {
        position += count
        continue
      }
      output.append(UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
      appendEscape(scalar?.value ?? 0xFFFD, to: &output)
      position += count
      start = position
    }
    output.append(UnsafeRawBufferPointer(rebasing: bytes[start...]))
  }

  private static func appendEscape(_ scalar: UInt32, to output: inout OutputBuffer) {
    switch scalar {
    case 0x22: output.append("\\\"")
    case 0x5C: output.append("\\\\")
    case 0x08: output.append("\\b")
    case 0x0C: output.append("\\f")
    case 0x0A: output.append("\\n")
    case 0x0D: output.append("\\r")
    case 0x09: output.append("\\t")
    default:
      output.append("\\u")
      withUnsafeBytes(of: UInt16(truncatingIfNeeded: scalar).bigEndian) { Hex.append($0, to: &output) }
    }
  }
}
