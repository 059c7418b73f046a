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
      let plain = PlainBytes.count(in: bytes, from: position, ofJSON: false)
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

  /// Appends what stands at `position` and begins with no plain byte; returns how many bytes that was.
  private static func appendUnusual(
    _ bytes: UnsafeRawBufferPointer, at position: Int, to output: inout OutputBuffer
  ) -> Int {
    guard let scalar = UTF8Scalar(bytes, at: position) else {
      output.append(literal: "\\x")
      Hex.append(UnsafeRawBufferPointer(rebasing: bytes[position...position]), uppercase: true, to: &output)
      return 1
    }
    switch scalar.value {
    case 0x0A: output.append(literal: "\\n")
    case 0x0D: output.append(literal: "\\r")
    case 0x09: output.append(literal: "\\t")
    case ..<0x80:
      output.append(literal: "\\x")
      Hex.append(UnsafeRawBufferPointer(rebasing: bytes[position...position]), uppercase: true, to: &output)
    case _ where scalar.steersTerminals:
      output.append(literal: "\\u{")
      withUnsafeBytes(of: UInt16(truncatingIfNeeded: scalar.value).bigEndian) {
        Hex.append($0, uppercase: true, to: &output)
      }
      output.append(UInt8(ascii: "}"))
    default:
      output.append(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + scalar.count)]))
    }
    return scalar.count
  }
}
