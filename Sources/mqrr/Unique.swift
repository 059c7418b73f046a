internal import CommandLineTool
internal import MQTT

/// What makes a reply one to us: topics and correlation data that nobody else has.
enum Unique {
  /// `mqrr/CLIENT-IDENTIFIER/RANDOM`, behind the response information that the broker gave (4.10.1). An access list can allow it
  /// by the client identifier.
  static func topic(client identifier: Text, _ packet: ConnackPacket) throws(ProtocolError) -> TopicName {
    var topic: [UInt8] = []
    if let information = packet.properties[.responseInformation] {
      topic += information.utf8
      if topic.last != UInt8(ascii: "/") { topic.append(UInt8(ascii: "/")) }
    }
    topic += "mqrr/".utf8
    let identifier = packet.properties[.assignedClientIdentifier] ?? identifier
    // An identifier may have wildcards in it, and be long.
    if !identifier.utf8.isEmpty, identifier.utf8.count < 1000, (try? TopicName(utf8: identifier.utf8)) != nil {
      topic += identifier.utf8
      topic.append(UInt8(ascii: "/"))
    }
    var random = UInt64.random(in: 0 ... .max)
    for _ in 0..<8 {
      let digit = UInt8(truncatingIfNeeded: random % 36)
      topic.append(digit < 26 ? UInt8(ascii: "a") + digit : UInt8(ascii: "0") + digit - 26)
      random /= 36
    }
    return try TopicName(utf8: topic)
  }
}

/// Correlation data of one run: random bytes and a number.
struct CorrelationData {
  private let run = UInt64.random(in: 0 ... .max)
  private var number: UInt32 = 0

  /// Data that were never used.
  mutating func next() -> [UInt8] {
    number &+= 1
    var bytes: [UInt8] = []
    withUnsafeBytes(of: run.bigEndian) { bytes += $0 }
    withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
    return bytes
  }
}

extension MessageView {
  /// The correlation data, where they lie; nil where there are none.
  var correlationData: UnsafeRawBufferPointer? {
    propertyViews.first { $0.property.identifier == PropertyKey.correlationData.property.identifier }?.bytes
  }

  /// The response topic, where it lies; nil where there is none.
  var responseTopic: UnsafeRawBufferPointer? {
    propertyViews.first { $0.property.identifier == PropertyKey.responseTopic.property.identifier }?.bytes
  }
}
