/// Bytes in Base64 (RFC 4648, section 4: the common alphabet, padded, in one line).
public enum Base64 {
  /// How many characters stand for so many bytes.
  public static func characterCount(forBytes count: Int) -> Int { (count + 2) / 3 * 4 }

  /// Writes four characters for each three bytes to `characters`, which has room for `characterCount(forBytes:)`.
  public static func encode(_ bytes: UnsafeRawBufferPointer, into characters: UnsafeMutableRawBufferPointer) {
    var written = 0
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - start)
      var bits = UInt32(bytes[start]) << 16
      if count > 1 { bits |= UInt32(bytes[start + 1]) << 8 }
      if count > 2 { bits |= UInt32(bytes[start + 2]) }
      for index in 0..<4 {
        characters[written] =
          index <= count
          ? character(UInt8(truncatingIfNeeded: bits >> (18 - UInt32(index) * 6)) & 0x3F) : UInt8(ascii: "=")
        written += 1
      }
    }
  }

  /// The characters as bytes of their own.
  static func encoded(_ bytes: [UInt8]) -> [UInt8] {
    let count = characterCount(forBytes: bytes.count)
    return [UInt8](unsafeUninitializedCapacity: count) { characters, initializedCount in
      bytes.withUnsafeBytes { encode($0, into: UnsafeMutableRawBufferPointer(characters)) }
      initializedCount = count
    }
  }

  private static func character(_ value: UInt8) -> UInt8 {
    switch value {
    case 0..<26: UInt8(ascii: "A") + value
    case 26..<52: UInt8(ascii: "a") + (value - 26)
    case 52..<62: UInt8(ascii: "0") + (value - 52)
    case 62: UInt8(ascii: "+")
    default: UInt8(ascii: "/")
    }
  }

  /// The bytes that `text` stands for, or nil if it is anything but what `encode` writes: no blanks, no missing
  /// padding, no bits that are left over.
  public static func decode(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    let padding = text.reversed().prefix(2).prefix { $0 == UInt8(ascii: "=") }.count
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    for character in text.dropLast(padding) {
      guard let value = value(character) else { return nil }
      bits = bits << 6 | UInt32(value)
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
        bits &= (1 << bitCount) - 1
      }
    }
    return bits == 0 ? bytes : nil
  }

  private static func value(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
