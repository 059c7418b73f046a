/// Bytes from elsewhere, made safe to show: on a terminal they can neither move the cursor nor turn the writing
/// direction, and each text stays on its line.
///
/// Shown as `\n`, `\r`, `\t` or `\x1B`: the control characters. As `\u{202E}`: those that steer the writing direction
/// and the control characters above U+007F. As `\xFF`: bytes that are no UTF-8. All else is shown as it is, the
/// backslash too: this is for eyes, not for parsers.
public enum TerminalText {
  /// Appends `bytes` in their safe form to `output`.
  public static func append(_ bytes: UnsafeRawBufferPointer, to output: inout OutputBuffer) {
    var position = 0
    while position < bytes.count {
      let plain = countOfPlainBytes(bytes, from: position)
      output.append(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + plain)]))
      position += plain
      if position < bytes.count { position += appendUnusual(bytes, at: position, to: &output) }
    }
  }

  /// Appends the UTF-8 of `text` in its safe form to `output`.
  public static func append(_ text: String, to output: inout OutputBuffer) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0), to: &output) }
  }

  /// How many bytes from `start` on are visible ASCII or blanks; most text is nothing else.
  private static func countOfPlainBytes(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
    var position = start
    while position < bytes.count, bytes[position] &- 0x20 < 0x5F { position += 1 }
    return position - start
  }

  /// Appends what stands at `position` and begins with no plain byte; returns how many bytes that was.
  private static func appendUnusual(
    _ bytes: UnsafeRawBufferPointer, at position: Int, to output: inout OutputBuffer
  ) -> Int {
    guard let (scalar, count) = scalar(bytes, at: position) else {
      output.append("\\x")
      Hex.append(UnsafeRawBufferPointer(rebasing: bytes[position...position]), uppercase: true, to: &output)
      return 1
    }
    switch scalar {
    case 0x0A: output.append("\\n")
    case 0x0D: output.append("\\r")
    case 0x09: output.append("\\t")
    case ..<0x80:
      output.append("\\x")
      Hex.append(UnsafeRawBufferPointer(rebasing: bytes[position...position]), uppercase: true, to: &output)
    case 0x80...0x9F, 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069:
      output.append("\\u{")
      withUnsafeBytes(of: UInt16(truncatingIfNeeded: scalar).bigEndian) {
        Hex.append($0, uppercase: true, to: &output)
      }
      output.append(UInt8(ascii: "}"))
    default:
      output.append(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)]))
    }
    return count
  }

  /// The Unicode scalar at `position` and the length of its UTF-8, or nil where that is not valid (Unicode, table 3-7).
  private static func scalar(_ bytes: UnsafeRawBufferPointer, at position: Int) -> (UInt32, count: Int)? {
    let first = bytes[position]
    let count: Int
    switch first {
    case 0x00...0x7F: return (UInt32(first), 1)
    case 0xC2...0xDF: count = 2
    case 0xE0...0xEF: count = 3
    case 0xF0...0xF4: count = 4
    default: return nil
    }
    guard bytes.count - position >= count else { return nil }
    var scalar = UInt32(first) & (0xFF >> (UInt32(count) + 1))
    for byte in bytes[(position + 1)..<(position + count)] {
      guard byte & 0xC0 == 0x80 else { return nil }
      scalar = scalar << 6 | UInt32(byte & 0x3F)
    }
    let isShortest = scalar >= (count == 2 ? 0x80 : count == 3 ? 0x800 : 0x1_0000)
    return isShortest && Unicode.Scalar(scalar) != nil ? (scalar, count) : nil
  }
}
