/// PUBACK (3.4), PUBREC (3.5), PUBREL (3.6) or PUBCOMP (3.7): a step in the delivery of a QoS 1 or QoS 2 message.
///
///     ┌──────┬──────┐
///     │ type │ 00x0 │  byte 1; x is 1 in PUBREL
///     ├──────┴──────┤
///     │ length      │  2, 3 or more
///     ├─────────────┤
///     │ identifier  │  two bytes
///     │ reason code │  one byte, MQTT 5; left out with the properties where it is success and there are none
///     │ properties  │  MQTT 5; left out where there are none
///     └─────────────┘
public struct AcknowledgementPacket: Hashable, Sendable {
  /// Which of the four.
  public enum AcknowledgementType: Hashable, Sendable, CaseIterable {
    /// QoS 1: the message was received.
    case puback
    /// QoS 2: the message was received.
    case pubrec
    /// QoS 2: it will not be sent again.
    case pubrel
    /// QoS 2: its identifier is free.
    case pubcomp

    /// The type in the fixed header.
    public var packetType: PacketType {
      switch self {
      case .puback: .puback
      case .pubrec: .pubrec
      case .pubrel: .pubrel
      case .pubcomp: .pubcomp
      }
    }
  }

  /// Which of the four.
  public var type: AcknowledgementType
  /// The identifier of the message.
  public var packetIdentifier: UInt16
  /// How the step came out; always success on 3.x.
  public var reasonCode: ReasonCode
  /// MQTT 5's properties.
  public var properties: Properties

  /// An acknowledgement, of success unless it is said.
  public init(
    type: AcknowledgementType, packetIdentifier: UInt16, reasonCode: ReasonCode = .success,
    properties: Properties = Properties()
  ) {
    self.type = type
    self.packetIdentifier = packetIdentifier
    self.reasonCode = reasonCode
    self.properties = properties
  }

  init(_ type: AcknowledgementType, from reader: inout ByteReader) throws(ProtocolError) {
    let packetIdentifier = try reader.packetIdentifier()
    self.init(type: type, packetIdentifier: packetIdentifier)
    guard reader.version.hasReasonCodes, !reader.isAtEnd else { return }
    reasonCode = ReasonCode(rawValue: try reader.uint8())
    guard !reader.isAtEnd else { return }
    properties = try reader.properties(for: type.packetType.propertyContext)
  }

  /// Decodes a whole packet.
  init(_ type: AcknowledgementType, _ slice: PacketSlice, version: ProtocolVersion) throws(ProtocolError) {
    var reader = ByteReader(slice.body, version: version)
    try self.init(type, from: &reader)
    guard reader.isAtEnd else { throw .malformed("\(slice.type) goes on behind its last field") }
  }

  /// Whether the reason code is one that this packet does not have.
  public var tolerated: Tolerance? {
    switch (type, reasonCode) {
    case (_, .success), (.pubrel, .packetIdentifierNotFound), (.pubcomp, .packetIdentifierNotFound): nil
    case (.pubrel, _), (.pubcomp, _): .unknownReasonCode
    case (_, .noMatchingSubscribers), (_, .unspecifiedError), (_, .implementationSpecificError), (_, .notAuthorized),
      (_, .topicNameInvalid), (_, .packetIdentifierInUse), (_, .quotaExceeded), (_, .payloadFormatInvalid):
      nil
    default: .unknownReasonCode
    }
  }

  func encode(as version: ProtocolVersion, to queue: inout ByteQueue) throws(ProtocolError) {
    guard version.hasProperties, !properties.isEmpty else {
      return try queue.appendAcknowledgement(
        type, packetIdentifier: packetIdentifier, reasonCode: reasonCode, version: version)
    }
    var writer = ByteWriter(version: version)
    try writer.write(packetIdentifier: packetIdentifier)
    writer.write(reasonCode.rawValue)
    try writer.write(properties, for: type.packetType.propertyContext)
    try queue.append(type.packetType, body: writer.bytes)
  }
}

extension ByteQueue {
  /// Appends an acknowledgement without properties: four bytes, five where MQTT 5 has a reason to give.
  public mutating func appendAcknowledgement(
    _ type: AcknowledgementPacket.AcknowledgementType, packetIdentifier: UInt16, reasonCode: ReasonCode = .success,
    version: ProtocolVersion
  ) throws(ProtocolError) {
    guard packetIdentifier != 0 else { throw .protocolError("packet identifier 0") }
    let hasReasonCode = version.hasReasonCodes && reasonCode != .success
    let packetType = type.packetType
    var place = reserve(5)
    let start = place
    Self.writeFixedHeader(packetType, flags: packetType.flags, remainingLength: hasReasonCode ? 3 : 2, at: &place)
    Self.write(packetIdentifier, at: &place)
    if hasReasonCode { Self.write(reasonCode.rawValue, at: &place) }
    commit(place - start)
  }
}
