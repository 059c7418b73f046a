/// UNSUBSCRIBE (3.10)
///
///     ┌──────┬──────┐
///     │ 1010 │ 0010 │  byte 1
///     ├──────┴──────┤
///     │ length      │
///     ├─────────────┤
///     │ identifier  │  two bytes
///     │ properties  │  MQTT 5
///     │ filter      │  two bytes of length, UTF-8; at least once
///     └─────────────┘
public struct UnsubscribePacket: Hashable, Sendable {
  /// What UNSUBACK answers with.
  public var packetIdentifier: UInt16
  /// At least one, as they were subscribed with.
  public var filters: [TopicFilter]
  /// MQTT 5's properties.
  public var properties: Properties

  /// An UNSUBSCRIBE.
  public init(packetIdentifier: UInt16, filters: [TopicFilter], properties: Properties = Properties()) {
    self.packetIdentifier = packetIdentifier
    self.filters = filters
    self.properties = properties
  }

  private static var isEmpty: ProtocolError { .protocolError("UNSUBSCRIBE without a topic filter") }  // [MQTT-3.10.3-2]

  init(from reader: inout ByteReader) throws(ProtocolError) {
    packetIdentifier = try reader.packetIdentifier()
    properties = try reader.properties(for: .unsubscribe)
    filters = []
    while !reader.isAtEnd { filters.append(try TopicFilter(utf8: reader.utf8())) }
    guard !filters.isEmpty else { throw Self.isEmpty }
  }

  func write(to writer: inout ByteWriter) throws(ProtocolError) {
    guard !filters.isEmpty else { throw Self.isEmpty }
    try writer.write(packetIdentifier: packetIdentifier)
    try writer.write(properties, for: .unsubscribe)
    for filter in filters { writer.write(utf8: filter.utf8) }
  }
}

/// UNSUBACK (3.11)
///
///     ┌──────┬──────┐
///     │ 1011 │ 0000 │  byte 1
///     ├──────┴──────┤
///     │ length      │  2 on 3.x
///     ├─────────────┤
///     │ identifier  │  two bytes
///     │ properties  │  MQTT 5
///     │ reason code │  MQTT 5: one byte for each filter, in their order
///     └─────────────┘
public struct UnsubackPacket: Hashable, Sendable {
  /// That of the UNSUBSCRIBE.
  public var packetIdentifier: UInt16
  /// At least one; on 3.x none.
  public var reasonCodes: [ReasonCode]
  /// MQTT 5's properties.
  public var properties: Properties

  /// An UNSUBACK.
  public init(packetIdentifier: UInt16, reasonCodes: [ReasonCode] = [], properties: Properties = Properties()) {
    self.packetIdentifier = packetIdentifier
    self.reasonCodes = reasonCodes
    self.properties = properties
  }

  init(from reader: inout ByteReader) throws(ProtocolError) {
    packetIdentifier = try reader.packetIdentifier()
    properties = try reader.properties(for: .unsuback)
    reasonCodes = []
    guard reader.version.hasReasonCodes else { return }
    reasonCodes = reader.rest().map { ReasonCode(rawValue: $0) }
    guard !reasonCodes.isEmpty else { throw .malformed("UNSUBACK without a reason code") }
  }

  /// Whether a reason code is one that UNSUBACK does not have.
  public var tolerated: Tolerance? {
    let areKnown = reasonCodes.allSatisfy {
      switch $0 {
      case .success, .noSubscriptionExisted, .unspecifiedError, .implementationSpecificError, .notAuthorized,
        .topicFilterInvalid, .packetIdentifierInUse:
        true
      default: false
      }
    }
    return areKnown ? nil : .unknownReasonCode
  }

  func write(to writer: inout ByteWriter) throws(ProtocolError) {
    try writer.write(packetIdentifier: packetIdentifier)
    try writer.write(properties, for: .unsuback)
    guard writer.version.hasReasonCodes else { return }
    guard !reasonCodes.isEmpty else { throw .protocolError("UNSUBACK without a reason code") }
    writer.write(reasonCodes.map(\.rawValue))
  }
}
