/// A UTF-8 encoded string as MQTT has it (1.5.4): up to 65,535 bytes, without U+0000. It is compared byte by byte, where
/// two Strings are equal already when they look the same ("é" has two spellings).
public struct Text: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The text on the wire, without its length.
  public let utf8: [UInt8]

  /// Throws `malformed` where MQTT cannot carry the text.
  public init(_ string: String) throws(ProtocolError) {
    try self.init(utf8: string.utf8)
  }

  /// Throws `malformed` where the bytes are not UTF-8 or MQTT cannot carry them.
  public init(utf8 bytes: some Collection<UInt8>) throws(ProtocolError) {
    let utf8 = Array(bytes)
    guard utf8.count <= UInt16.max else { throw .malformed("a text is longer than 65,535 bytes") }
    guard utf8.withUnsafeBytes(Text.isValid) else { throw .malformed("a text is not UTF-8 or contains U+0000") }
    self.utf8 = utf8
  }

  /// For texts in the source; one that MQTT cannot carry is a mistake there.
  public init(stringLiteral string: String) {
    do {
      try self.init(string)
    } catch {
      preconditionFailure(error.explanation)
    }
  }

  /// Bytes that `isValid` has seen and whose length came from two bytes.
  init(validated bytes: UnsafeRawBufferPointer) {
    utf8 = Array(bytes)
  }

  /// The text as a String.
  public var description: String { String(decoding: utf8, as: UTF8.self) }
}

// MARK: Validation

/// A byte repeated eight times.
@inline(__always)
private func eight(_ byte: UInt8) -> UInt64 { 0x0101_0101_0101_0101 &* UInt64(byte) }

/// Not zero where one of eight bytes is not ASCII or is U+0000: subtracting one sets the high bit of a zero byte.
@inline(__always)
private func suspects(_ word: UInt64) -> UInt64 {
  (word | (word &- eight(1))) & eight(0x80)
}

/// The same with `+` (0x2B) and `#` (0x23), which differ in one bit.
@inline(__always)
private func topicSuspects(_ word: UInt64) -> UInt64 {
  let zeroIfWildcard = (word & ~eight(0x08)) ^ eight(0x23)
  return suspects(word) | ((zeroIfWildcard &- eight(1)) & eight(0x80))
}

/// Whether there are no suspects, looked at eight bytes a step: the last step overlaps the one before it.
@inline(__always)
private func isPlain(_ bytes: UnsafeRawBufferPointer, _ suspects: (UInt64) -> UInt64) -> Bool {
  let count = bytes.count
  guard let start = bytes.baseAddress, count >= 4 else { return false }
  guard count >= 8 else {
    let first = start.loadUnaligned(as: UInt32.self)
    let last = start.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
    return suspects(UInt64(first) << 32 | UInt64(last)) == 0
  }
  var found = suspects(start.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self))
  var offset = 0
  while offset < count &- 8 {
    found |= suspects(start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    offset &+= 8
  }
  return found == 0
}

extension Text {
  /// Whether the bytes are well-formed UTF-8 without U+0000. Noncharacters and control characters are allowed
  /// (1.5.4 has receivers that may refuse them; ours does not).
  public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    isPlain(bytes, suspects) || isWellFormed(bytes, allowsWildcards: true)
  }

  /// Whether the bytes are well-formed UTF-8 without U+0000, `+` and `#`.
  static func isValidWithoutWildcards(_ bytes: UnsafeRawBufferPointer) -> Bool {
    isPlain(bytes, topicSuspects) || isWellFormed(bytes, allowsWildcards: false)
  }

  static func isWildcard(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "+") || byte == UInt8(ascii: "#") }

  /// Table 3-7 of the Unicode standard: what may follow a first byte.
  private static func isWellFormed(_ bytes: UnsafeRawBufferPointer, allowsWildcards: Bool) -> Bool {
    var index = 0
    while index < bytes.count {
      let first = bytes[index]
      let length: Int
      var second: ClosedRange<UInt8> = 0x80...0xBF
      switch first {
      case 0x01...0x7F:
        guard allowsWildcards || !isWildcard(first) else { return false }
        index &+= 1
        continue
      case 0xC2...0xDF: length = 2
      case 0xE0: (length, second) = (3, 0xA0...0xBF)  // below: overlong
      case 0xED: (length, second) = (3, 0x80...0x9F)  // above: surrogates
      case 0xE1...0xEF: length = 3
      case 0xF0: (length, second) = (4, 0x90...0xBF)  // below: overlong
      case 0xF1...0xF3: length = 4
      case 0xF4: (length, second) = (4, 0x80...0x8F)  // above: beyond U+10FFFF
      default: return false
      }
      guard bytes.count &- index >= length, second.contains(bytes[index &+ 1]) else { return false }
      for following in 2..<max(2, length) where bytes[index &+ following] & 0xC0 != 0x80 { return false }
      index &+= length
    }
    return true
  }
}
