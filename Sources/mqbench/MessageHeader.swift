/// The first 16 bytes of each payload, big endian: who sent it, and which message it is. There is no time in it: the due time is
/// a function of publisher and sequence number, which the process that sent it knows.
///
/// ```
///  0      2      4      5      6               10                      16
/// ┌──────┬──────┬──────┬──────┬───────────────┬───────────────────────┐
/// │ magic│ run  │ group│ check│ publisher     │ sequence              │
/// └──────┴──────┴──────┴──────┴───────────────┴───────────────────────┘
/// ```
///
/// A payload of JSON begins with `{"mqbench":"` and has them behind it as 32 hexadecimal digits.
struct MessageHeader: Hashable, Sendable {
  static let size = 16
  private static let magic: UInt64 = 0x6D71  // "mq"

  /// A number that other runs hardly have.
  var run: UInt16
  var group: UInt8
  var publisher: UInt32
  /// Below 2⁴⁸.
  var sequence: UInt64

  /// What a payload turned out to be.
  enum Reading {
    case header(MessageHeader)
    /// Ours, but its length or its bytes are not what was sent.
    case corrupted
    /// Not of this run.
    case foreign
  }

  /// Writes the header of a payload of `count` bytes into its first 16 bytes.
  func write(to payload: UnsafeMutableRawBufferPointer, count: Int) {
    let (first, second) = words(count)
    payload.storeBytes(of: first.bigEndian, toByteOffset: 0, as: UInt64.self)
    payload.storeBytes(of: second.bigEndian, toByteOffset: 8, as: UInt64.self)
  }

  /// Reads the header of a payload.
  static func read(_ payload: UnsafeRawBufferPointer, ofRun run: UInt16) -> Reading {
    guard payload.count >= size else { return .foreign }
    guard payload[0] != UInt8(ascii: "{") else { return readJSON(payload, ofRun: run) }
    return read(word(payload, at: 0), word(payload, at: 8), payload.count, ofRun: run)
  }

  // MARK: As two words

  private func words(_ count: Int) -> (UInt64, UInt64) {
    let first = Self.magic << 48 | UInt64(run) << 32 | UInt64(group) << 24 | UInt64(publisher >> 16)
    let second = UInt64(publisher & 0xFFFF) << 48 | sequence
    return (first | UInt64(Self.check(first, second, count)) << 16, second)
  }

  private static func read(_ first: UInt64, _ second: UInt64, _ count: Int, ofRun run: UInt16) -> Reading {
    guard first >> 48 == magic, UInt16(truncatingIfNeeded: first >> 32) == run else { return .foreign }
    guard UInt8(truncatingIfNeeded: first >> 16) == check(first & ~0xFF_0000, second, count) else { return .corrupted }
    let publisher = UInt32(truncatingIfNeeded: first << 16 | second >> 48)
    return .header(
      MessageHeader(
        run: run, group: UInt8(truncatingIfNeeded: first >> 24), publisher: publisher,
        sequence: second & 0xFFFF_FFFF_FFFF))
  }

  private static func word(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt64 {
    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// A byte that depends on every other byte of the header and on the payload's length.
  private static func check(_ first: UInt64, _ second: UInt64, _ count: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: Schedule.mix(first ^ Schedule.mix(second ^ Schedule.mix(UInt64(count)))))
  }

  // MARK: In JSON

  static let jsonPrefix = Array(#"{"mqbench":""#.utf8)
  private static let jsonPrefixSize = 12
  private static let jsonSize = jsonPrefixSize + 2 * size

  /// Writes the digits of the header of a payload of `count` bytes behind its `jsonPrefix`.
  func writeJSON(to payload: UnsafeMutableRawBufferPointer, count: Int) {
    let (first, second) = words(count)
    for (place, word) in [first >> 32, first, second >> 32, second].enumerated() {
      payload.storeBytes(
        of: HexDigits.of(UInt32(truncatingIfNeeded: word)).bigEndian, toByteOffset: Self.jsonPrefixSize + 8 * place,
        as: UInt64.self)
    }
  }

  private static func readJSON(_ payload: UnsafeRawBufferPointer, ofRun run: UInt16) -> Reading {
    // Two words that overlap: `{"mqbenc` and `bench":"`.
    guard payload.count >= jsonSize, word(payload, at: 0) == 0x7B22_6D71_6265_6E63,
      word(payload, at: 4) == 0x6265_6E63_6822_3A22
    else { return .foreign }
    var words: (UInt64, UInt64) = (0, 0)
    for place in 0..<4 {
      guard let word = HexDigits.value(word(payload, at: jsonPrefixSize + 8 * place)) else { return .corrupted }
      words = (words.0 << 32 | words.1 >> 32, words.1 << 32 | UInt64(word))
    }
    return read(words.0, words.1, payload.count, ofRun: run)
  }
}

/// Eight hexadecimal digits, a byte each in one word, the first one highest.
private enum HexDigits {
  private static let ones: UInt64 = 0x0101_0101_0101_0101

  static func of(_ number: UInt32) -> UInt64 {
    var nibbles = UInt64(number)
    nibbles = (nibbles << 16 | nibbles) & 0x0000_FFFF_0000_FFFF
    nibbles = (nibbles << 8 | nibbles) & 0x00FF_00FF_00FF_00FF
    nibbles = (nibbles << 4 | nibbles) & 0x0F0F_0F0F_0F0F_0F0F
    let isLetter = (nibbles &+ 6 &* ones) >> 4 & ones
    return nibbles &+ 0x30 &* ones &+ 39 &* isLetter
  }

  /// Nil for what `of` does not make.
  static func value(_ digits: UInt64) -> UInt32? {
    var number = (digits & 0x0F0F_0F0F_0F0F_0F0F) &+ 9 &* (digits >> 6 & ones)
    number = (number | number >> 4) & 0x00FF_00FF_00FF_00FF
    number = (number | number >> 8) & 0x0000_FFFF_0000_FFFF
    let value = UInt32(truncatingIfNeeded: number | number >> 16)
    return of(value) == digits ? value : nil
  }
}
