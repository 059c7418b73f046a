// PUBLISH (3.3)
//
//     ┌──────┬─────┬─────┬────────┐
//     │ 0011 │ DUP │ QoS │ RETAIN │  byte 1; QoS takes two bits
//     ├──────┴─────┴─────┴────────┤
//     │ remaining length          │
//     ├───────────────────────────┤
//     │ topic name                │  two bytes of length, UTF-8
//     │ packet identifier         │  two bytes; only with QoS 1 and 2
//     │ properties                │  MQTT 5
//     │ payload                   │  all the rest
//     └───────────────────────────┘
//
// Three faces: `MessageView` borrows a received PUBLISH, `ByteQueue.appendPublish` writes one from borrowed bytes,
// `PublishPacket` owns one, for tests and traces.

/// A received application message; everything is borrowed from the receive buffer and checked.
public struct MessageView {
  /// The topic name; empty where `topicAlias` stands for it.
  public var topic: UnsafeRawBufferPointer
  /// The payload.
  public var payload: UnsafeRawBufferPointer
  /// How surely it is delivered.
  public var qos: QoS
  /// Whether it was sent because it is retained, or is to be retained.
  public var retain: Bool
  /// Whether it may have been sent before.
  public var isDuplicate: Bool
  /// 0 with QoS 0.
  public var packetIdentifier: UInt16
  /// What the server's messages call this topic from now on, or what it called it before.
  public var topicAlias: UInt16? { propertyList.topicAlias }
  /// What the packet did that is tolerated.
  public var tolerated: Tolerance?
  private var propertyList: PropertyList
  /// Bytes of the packet behind the fixed header.
  private var remainingLength: Int

  /// Bytes of the whole packet.
  public var packetSize: Int { 1 + VariableByteInteger.size(remainingLength) + remainingLength }

  /// The property list on the wire, without its length.
  public var propertyBytes: UnsafeRawBufferPointer { propertyList.bytes }

  /// The properties where they lie. Nothing is allocated.
  public var propertyViews: PropertyViews { PropertyViews(propertyList) }

  /// The properties, copied, without tolerated ones that PUBLISH does not have.
  public var properties: Properties { Properties(propertyList) }

  /// Reads and checks the body of a PUBLISH. Nothing is allocated.
  public static func decode(
    flags: UInt8, body: UnsafeRawBufferPointer, version: ProtocolVersion
  ) throws(ProtocolError) -> MessageView {
    guard let qos = QoS(rawValue: flags >> 1 & 0b11) else { throw .malformed("PUBLISH with QoS 3") }  // [MQTT-3.3.1-4]
    let isDuplicate = flags & 0b1000 != 0
    guard !isDuplicate || qos != .atMostOnce else { throw .malformed("PUBLISH with DUP and QoS 0") }  // [MQTT-3.3.1-2]

    var reader = ByteReader(body, version: version)
    let topic = try reader.binary()
    let packetIdentifier = qos == .atMostOnce ? 0 : try reader.packetIdentifier()
    let propertyList = try reader.propertyList(for: .publish)
    var tolerated: Tolerance? = propertyList.hasMisplaced ? .misplacedProperty : nil
    if topic.count == 0 {
      guard propertyList.topicAlias != nil else { throw .protocolError("PUBLISH without topic name and topic alias") }
    } else if !Text.isValidWithoutWildcards(topic) {
      tolerated = try toleratedTopic(topic, version: version)
    }
    return MessageView(
      topic: topic, payload: reader.rest(), qos: qos, retain: flags & 1 != 0, isDuplicate: isDuplicate,
      packetIdentifier: packetIdentifier, tolerated: tolerated, propertyList: propertyList,
      remainingLength: body.count)
  }

  /// Some brokers on 3.x translate topics of other protocols, so that one may have a `+`.
  @inline(never)
  private static func toleratedTopic(
    _ topic: UnsafeRawBufferPointer, version: ProtocolVersion
  ) throws(ProtocolError) -> Tolerance {
    guard Text.isValid(topic) else { throw .malformed("the topic name is not UTF-8 or contains U+0000") }
    guard version.toleratesPlusInTopicName, !topic.contains(UInt8(ascii: "#")) else {
      throw .topicNameInvalid("the topic name of a PUBLISH has a wildcard")  // [MQTT-3.3.2-2]
    }
    return .wildcardInTopicName
  }
}

extension ByteQueue {
  /// Appends a PUBLISH, straight from borrowed bytes. An empty topic stands for the one that `topicAlias` was given
  /// before; `packetIdentifier` counts with QoS 1 and 2; on 3.x properties and topic alias are left out.
  ///
  /// Throws where MQTT does not allow the packet; nothing is appended then.
  public mutating func appendPublish(
    topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, qos: QoS, retain: Bool, isDuplicate: Bool = false,
    packetIdentifier: UInt16 = 0, properties: borrowing Properties = Properties(), topicAlias: UInt16? = nil,
    version: ProtocolVersion
  ) throws(ProtocolError) {
    var remainingLength = 2 &+ topic.count &+ payload.count
    if qos != .atMostOnce {
      guard packetIdentifier != 0 else { throw .protocolError("packet identifier 0") }  // [MQTT-2.2.1-3]
      remainingLength &+= 2
    } else {
      guard !isDuplicate else { throw .protocolError("PUBLISH with DUP and QoS 0") }  // [MQTT-3.3.1-2]
    }

    var hasTopicAlias = false
    var propertyLength = 0
    if version.hasProperties {
      propertyLength = properties.bytes.count
      hasTopicAlias = try properties.checkedTopicAlias(for: .publish) != nil
      if let topicAlias {
        guard topicAlias != 0, !hasTopicAlias else {
          throw .topicAliasInvalid("topic-alias is 0 or stands there twice")
        }
        hasTopicAlias = true
        propertyLength &+= 3
      }
      remainingLength &+= VariableByteInteger.size(propertyLength) &+ propertyLength
    }
    if topic.count > 0 || !hasTopicAlias { try TopicName.check(topic) }
    guard remainingLength <= VariableByteInteger.maximum else { throw Self.packetTooLarge(remainingLength) }

    let flags = (isDuplicate ? 0b1000 : 0) | qos.rawValue << 1 | (retain ? 1 : 0)
    var place = reserve(5 &+ remainingLength)
    let start = place
    Self.writeFixedHeader(.publish, flags: flags, remainingLength: remainingLength, at: &place)
    Self.write(UInt16(truncatingIfNeeded: topic.count), at: &place)
    Self.write(topic, at: &place)
    if qos != .atMostOnce { Self.write(packetIdentifier, at: &place) }
    if version.hasProperties {
      Self.write(variableByteInteger: propertyLength, at: &place)
      properties.bytes.withUnsafeBytes { Self.write($0, at: &place) }
      if let topicAlias {
        Self.write(PropertyKey.topicAlias.property.identifier, at: &place)
        Self.write(topicAlias, at: &place)
      }
    }
    Self.write(payload, at: &place)
    commit(place - start)
  }
}

/// A PUBLISH that owns its bytes.
public struct PublishPacket: Hashable, Sendable {
  /// The topic name; empty where the topic alias among the properties stands for it.
  public var topic: [UInt8]
  /// The payload.
  public var payload: [UInt8]
  /// How surely it is delivered.
  public var qos: QoS
  /// The RETAIN flag.
  public var retain: Bool
  /// The DUP flag.
  public var isDuplicate: Bool
  /// 0 with QoS 0.
  public var packetIdentifier: UInt16
  /// MQTT 5's properties, the topic alias among them.
  public var properties: Properties

  /// A PUBLISH of QoS 0 unless it is said.
  public init(
    topic: [UInt8], payload: [UInt8] = [], qos: QoS = .atMostOnce, retain: Bool = false, isDuplicate: Bool = false,
    packetIdentifier: UInt16 = 0, properties: Properties = Properties()
  ) {
    self.topic = topic
    self.payload = payload
    self.qos = qos
    self.retain = retain
    self.isDuplicate = isDuplicate
    self.packetIdentifier = packetIdentifier
    self.properties = properties
  }

  /// A copy of a received message.
  public init(_ view: MessageView) {
    self.init(
      topic: Array(view.topic), payload: Array(view.payload), qos: view.qos, retain: view.retain,
      isDuplicate: view.isDuplicate, packetIdentifier: view.packetIdentifier, properties: view.properties)
  }

  func encode(as version: ProtocolVersion, to queue: inout ByteQueue) throws(ProtocolError) {
    try topic.withBytes { (topic) throws(ProtocolError) in
      try payload.withBytes { (payload) throws(ProtocolError) in
        try queue.appendPublish(
          topic: topic, payload: payload, qos: qos, retain: retain, isDuplicate: isDuplicate,
          packetIdentifier: packetIdentifier, properties: properties, version: version)
      }
    }
  }
}
