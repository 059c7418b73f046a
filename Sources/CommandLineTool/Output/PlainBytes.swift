/// Looks for the few bytes of a text that need care, eight bytes at a time.
enum PlainBytes {
  /// How many bytes from `start` on are blanks or visible ASCII, in JSON without quotes and backslashes.
  @inline(__always)
  static func count(in bytes: UnsafeRawBufferPointer, from start: Int, ofJSON: Bool) -> Int {
    guard let base = bytes.baseAddress else { return 0 }
    var position = start
    while bytes.count &- position >= 8 {
      let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      var suspects = word | isBelowBlank(word) | isEqual(word, to: 0x7F)
      if ofJSON { suspects |= isEqual(word, to: UInt8(ascii: "\"")) | isEqual(word, to: UInt8(ascii: "\\")) }
      let marks = suspects & eight(0x80)
      if marks != 0 { return position &+ marks.trailingZeroBitCount / 8 &- start }
      position &+= 8
    }
    while position < bytes.count, isPlain(bytes[position], ofJSON: ofJSON) { position &+= 1 }
    return position &- start
  }

  @inline(__always)
  private static func isPlain(_ byte: UInt8, ofJSON: Bool) -> Bool {
    byte &- 0x20 < 0x5F && !(ofJSON && (byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")))
  }

  // A borrow can mark bytes above one that is marked rightly, and no others: the first mark is always right.

  /// The high bit of each byte that is below 0x20.
  @inline(__always)
  private static func isBelowBlank(_ word: UInt64) -> UInt64 { (word &- eight(0x20)) & ~word }

  /// The high bit of each byte that is `byte`.
  @inline(__always)
  private static func isEqual(_ word: UInt64, to byte: UInt8) -> UInt64 {
    let difference = word ^ eight(byte)
    return (difference &- eight(0x01)) & ~difference
  }

  @inline(__always)
  private static func eight(_ byte: UInt8) -> UInt64 { 0x0101_0101_0101_0101 &* UInt64(byte) }
}
