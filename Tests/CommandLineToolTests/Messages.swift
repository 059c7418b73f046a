import MQTT
import TestSupport
import Testing

@testable import CommandLineTool

/// A PUBLISH from its bytes: `body` begins with the topic name, and the flags are those of its first byte (3.3).
struct SampleMessage: Sendable, CustomTestStringConvertible {
  var body: WireNotation
  var flags: UInt8 = 0
  var version = ProtocolVersion.v5

  var testDescription: String { "\(body), flags \(flags)" }

  /// Hands the message to `use`.
  func with<Result>(_ use: (MessageView) throws -> Result) throws -> Result {
    try wire(body).withUnsafeBytes { try use(MessageView.decode(flags: flags, body: $0, version: version)) }
  }
}

extension Timestamp {
  /// It is always 12:55:34 on 2026-11-22, an hour ahead of UTC.
  static let fixed = Timestamp { _ in
    System.LocalTime(year: 2026, month: 11, day: 22, hour: 12, minute: 55, second: 34, offset: 3600)
  }
}

extension WallTime {
  /// The time that goes with `Timestamp.fixed`.
  static let fixed = WallTime(seconds: 1_795_348_534, nanoseconds: 539_884_001)
}

extension PublishPacket {
  /// The packet on the wire.
  func encoded(as version: ProtocolVersion) throws -> [UInt8] {
    var queue = ByteQueue()
    try topic.withUnsafeBytes { topic in
      try payload.withUnsafeBytes { payload in
        try queue.appendPublish(
          topic: topic, payload: payload, qos: qos, retain: retain, isDuplicate: isDuplicate,
          packetIdentifier: packetIdentifier, properties: properties, version: version)
      }
    }
    return queue.withBytes { Array($0) }
  }

  /// Hands the packet, as it would be received, to `use`.
  func with<Result>(version: ProtocolVersion = .v5, _ use: (MessageView) throws -> Result) throws -> Result {
    try encoded(as: version).withUnsafeBytes { bytes in
      var decoder = PacketDecoder(version: version)
      decoder.append(bytes)
      let slice = try #require(try decoder.nextSlice())
      return try use(MessageView.decode(flags: slice.flags, body: slice.body, version: version))
    }
  }

  /// Any message; its list of properties ends with the user properties.
  static func random(_ random: inout SeededRandom) -> PublishPacket {
    var packet = PublishPacket(topic: random.text(1...20).utf8.filter { !"+#".utf8.contains($0) } + [0x74])
    packet.payload = random.chance ? random.bytes(0...60) : random.text(0...30).utf8
    packet.qos = QoS(rawValue: UInt8.random(in: 0...2, using: &random))!
    packet.retain = random.chance
    if packet.qos != .atMostOnce {
      packet.packetIdentifier = UInt16.random(in: 1 ... .max, using: &random)
      packet.isDuplicate = random.chance
    }
    if random.chance { packet.properties[.payloadFormatIndicator] = UInt8.random(in: 0...1, using: &random) }
    if random.chance { packet.properties[.messageExpiryInterval] = UInt32.random(in: 0 ... .max, using: &random) }
    if random.chance { packet.properties[.contentType] = random.text(0...10) }
    if random.chance { packet.properties[.responseTopic] = "answer/é" }
    if random.chance { packet.properties[.correlationData] = random.bytes(0...20) }
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      packet.properties.userProperties.append(UserProperty(random.text(0...5), random.text(0...5)))
    }
    return packet
  }
}

/// Random numbers that a seed decides (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
  var state: UInt64
  /// The characters of texts.
  var alphabet = Array(
    "aZ09 \"\\/{}[]:,%@\n\r\t\u{1}\u{1B}\u{7F}\u{85}é日😀\u{202E}\u{FFFD}\u{2028}e\u{301}".unicodeScalars)

  init(state: UInt64) { self.state = state }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// True half the time.
  var chance: Bool { mutating get { next() & 1 == 0 } }

  mutating func bytes(_ count: ClosedRange<Int>) -> [UInt8] {
    (0..<Int.random(in: count, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
  }

  /// Text that MQTT can carry, of characters that writers and readers are likely to get wrong.
  mutating func text(_ count: ClosedRange<Int>) -> Text {
    var string = ""
    for _ in 0..<Int.random(in: count, using: &self) {
      string.unicodeScalars.append(alphabet.randomElement(using: &self)!)
    }
    return try! Text(string)
  }
}
