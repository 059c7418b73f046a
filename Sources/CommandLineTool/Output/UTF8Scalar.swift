/// A Unicode scalar where it stands in bytes from elsewhere.
package struct UTF8Scalar {
  let value: UInt32
  /// The length of its UTF-8.
  let count: Int

  /// The scalar at `position`, or nil where no valid UTF-8 of one begins (Unicode, table 3-7).
  init?(_ bytes: UnsafeRawBufferPointer, at position: Int) {
    let first = bytes[position]
    let count: Int
    switch first {
    case 0x00...0x7F:
      (value, self.count) = (UInt32(first), 1)
      return
    case 0xC2...0xDF: count = 2
    case 0xE0...0xEF: count = 3
    case 0xF0...0xF4: count = 4
    default: return nil
    }
    guard bytes.count - position >= count else { return nil }
    var value = UInt32(first) & (0xFF >> (UInt32(count) + 1))
    for byte in bytes[(position + 1)..<(position + count)] {
      guard byte & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    let isShortest = value >= (count == 2 ? 0x80 : count == 3 ? 0x800 : 0x1_0000)
    guard isShortest, Unicode.Scalar(value) != nil else { return nil }
    (self.value, self.count) = (value, count)
  }

  /// Whether a terminal would not show it but obey it: control characters, and those that turn the writing direction.
  /// None of them is beyond U+FFFF.
  var steersTerminals: Bool { Self.steersTerminals(value) }

  /// The same of a scalar's number.
  package static func steersTerminals(_ value: UInt32) -> Bool {
    switch value {
    case ..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
