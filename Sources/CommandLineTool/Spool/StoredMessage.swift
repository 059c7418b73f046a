public import MQTT

/// A message in the spool.
public struct StoredMessage: Sendable {
  /// Its place in the order of delivery, and its packet identifier.
  public var sequence: Int
  /// When it was stored, on the wall clock: nanoseconds since the beginning of 1970.
  public var storedAt: Instant
  /// The message. Its message expiry interval is that of the time when it was stored.
  public var message: Message
}

extension StoredMessage {
  /// The message expiry interval that is left at `time`: nil where it never expires, 0 when it has.
  ///
  /// A clock that was set back has not made any message older.
  func expiry(at time: Instant) -> UInt32? {
    guard let interval = message.properties[.messageExpiryInterval] else { return nil }
    let (waited, overflow) = time.nanoseconds.subtractingReportingOverflow(storedAt.nanoseconds)
    if overflow { return waited < 0 ? 0 : interval }
    let seconds = max(0, waited) / 1_000_000_000
    return seconds >= Int64(interval) ? 0 : interval - UInt32(truncatingIfNeeded: seconds)
  }
}

// The file of a message; numbers have their most significant byte first.
//
//     ┌────────────┬─────────┬──────────┬────────┬───────────┬─────────────────┐
//     │ "mqspool\n"│ version │ checksum │ length │ stored at │ PUBLISH, MQTT 5 │
//     │     8      │    4    │    4     │   8    │     8     │     length      │
//     └────────────┴─────────┴──────────┴────────┴───────────┴─────────────────┘
//
// The checksum covers everything behind it.

extension StoredMessage {
  private static let magic = Array("mqspool\n".utf8)
  private static let version: UInt32 = 1
  private static let checkedFrom = 16
  private static let headerSize = 32

  /// Bytes of the largest file that a message can need.
  static let maximumFileSize = headerSize + 5 + 268_435_455

  /// The file for a message. A topic alias would mean nothing on another connection, and is left out.
  static func file(for message: Message, at time: Instant) throws(ProtocolError) -> [UInt8] {
    var properties = message.properties
    if !properties.isEmpty { properties[.topicAlias] = nil }
    var packet = ByteQueue()
    try message.topic.utf8.withBytes { (topic) throws(ProtocolError) in
      try message.payload.withBytes { (payload) throws(ProtocolError) in
        try packet.appendPublish(
          topic: topic, payload: payload, qos: message.qos, retain: message.retain, packetIdentifier: 1,
          properties: properties, version: .latest)
      }
    }
    var checked: [UInt8] = []
    checked.reserveCapacity(headerSize - checkedFrom + packet.count)
    append(UInt64(packet.count), to: &checked)
    append(time.nanoseconds, to: &checked)
    packet.withBytes { checked += $0 }

    var file = magic
    file.reserveCapacity(checkedFrom + checked.count)
    append(version, to: &file)
    append(checked.withUnsafeBytes { Checksum.of($0) }, to: &file)
    return file + checked
  }

  /// Reads a file back; the text says in a few words what is wrong with it.
  init(sequence: Int, file: [UInt8]) throws(DamagedFile) {
    self = try file.withBytes { (bytes) throws(DamagedFile) in try Self(sequence: sequence, bytes: bytes) }
  }

  private init(sequence: Int, bytes: UnsafeRawBufferPointer) throws(DamagedFile) {
    guard bytes.count >= Self.headerSize else { throw DamagedFile("it is cut off") }
    guard bytes.prefix(Self.magic.count).elementsEqual(Self.magic) else { throw DamagedFile("it is no message") }
    guard Self.number(UInt32.self, in: bytes, at: 8) == Self.version else {
      throw DamagedFile("its version is unknown")
    }
    let length = Self.number(UInt64.self, in: bytes, at: 16)
    guard length == UInt64(bytes.count - Self.headerSize) else { throw DamagedFile("its length is wrong") }
    let checked = UnsafeRawBufferPointer(rebasing: bytes[Self.checkedFrom...])
    guard Self.number(UInt32.self, in: bytes, at: 12) == Checksum.of(checked) else {
      throw DamagedFile("its checksum is wrong")
    }
    var decoder = PacketDecoder(version: .latest, maximumPacketSize: Self.maximumFileSize)
    decoder.append(UnsafeRawBufferPointer(rebasing: bytes[Self.headerSize...]))
    do throws(ProtocolError) {
      guard case .publish(let packet) = try decoder.nextPacket(), packet.qos != .atMostOnce else {
        throw .malformed("it is no PUBLISH of QoS 1 or 2")
      }
      self.sequence = sequence
      storedAt = Instant(nanoseconds: Self.number(Int64.self, in: bytes, at: 24))
      message = Message(
        topic: try TopicName(utf8: packet.topic), payload: packet.payload, qos: packet.qos, retain: packet.retain,
        properties: packet.properties)
    } catch {
      throw DamagedFile(error.explanation)
    }
  }

  private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
  }

  private static func number<I: FixedWidthInteger & BitwiseCopyable>(
    _: I.Type, in bytes: UnsafeRawBufferPointer, at offset: Int
  ) -> I {
    I(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: I.self))
  }
}

/// A file that does not hold what it should.
struct DamagedFile: Error {
  var problem: String

  init(_ problem: String) { self.problem = problem }
}
