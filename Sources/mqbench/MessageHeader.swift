/// The first 16 bytes of each payload, big endian: who sent it, and which message it is. There is no time in it: the due time is
/// a function of publisher and sequence number, which the process that sent it knows.
///
/// ```
///  0      2      4      5      6               10                      16
/// ┌──────┬──────┬──────┬──────┬───────────────┬───────────────────────┐
/// │ magic│ run  │ group│ check│ publisher     │ sequence              │
/// └──────┴──────┴──────┴──────┴───────────────┴───────────────────────┘
/// ```
struct MessageHeader: Hashable, Sendable {
  static let size = 16
  private static let magic: UInt16 = 0x6D71  // "mq"

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
    payload.storeBytes(of: Self.magic.bigEndian, toByteOffset: 0, as: UInt16.self)
    payload.storeBytes(of: run.bigEndian, toByteOffset: 2, as: UInt16.self)
    payload[4] = group
    payload.storeBytes(of: publisher.bigEndian, toByteOffset: 6, as: UInt32.self)
    let word = (UInt64(publisher & 0xFFFF) << 48 | sequence).bigEndian
    payload.storeBytes(of: word, toByteOffset: 8, as: UInt64.self)
    payload[5] = Self.check(UnsafeRawBufferPointer(payload), count)
  }

  /// Reads the header of a payload.
  static func read(_ payload: UnsafeRawBufferPointer, ofRun run: UInt16) -> Reading {
    guard payload.count >= size, UInt16(bigEndian: payload.loadUnaligned(as: UInt16.self)) == magic,
      UInt16(bigEndian: payload.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) == run
    else { return .foreign }
    guard payload[5] == check(payload, payload.count) else { return .corrupted }
    let publisher = UInt32(bigEndian: payload.loadUnaligned(fromByteOffset: 6, as: UInt32.self))
    let word = UInt64(bigEndian: payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    return .header(MessageHeader(run: run, group: payload[4], publisher: publisher, sequence: word & 0xFFFF_FFFF_FFFF))
  }

  /// A byte that depends on every other byte of the header and on the payload's length.
  private static func check(_ payload: UnsafeRawBufferPointer, _ count: Int) -> UInt8 {
    let first = UInt64(bigEndian: payload.loadUnaligned(as: UInt64.self)) & ~(0xFF << 16)
    let second = UInt64(bigEndian: payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    return UInt8(truncatingIfNeeded: Schedule.mix(first ^ Schedule.mix(second ^ Schedule.mix(UInt64(count)))))
  }
}
