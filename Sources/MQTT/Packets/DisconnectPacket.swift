/// DISCONNECT (3.14): the last packet; on 3.x only from the client.
///
///     ┌──────┬──────┐
///     │ 1110 │ 0000 │  byte 1
///     ├──────┴──────┤
///     │ length      │  0 on 3.x
///     ├─────────────┤
///     │ reason code │  one byte, MQTT 5; left out with the properties where it is normal and there are none
///     │ properties  │  MQTT 5; left out where there are none
///     └─────────────┘
public struct DisconnectPacket: Hashable, Sendable {
  /// Why the connection ends.
  public var reasonCode: ReasonCode
  /// MQTT 5's properties.
  public var properties: Properties

  /// A normal disconnection unless it is said.
  public init(reasonCode: ReasonCode = .normalDisconnection, properties: Properties = Properties()) {
    self.reasonCode = reasonCode
    self.properties = properties
  }

  init(from reader: inout ByteReader) throws(ProtocolError) {
    self.init()
    guard reader.version.hasReasonCodes, !reader.isAtEnd else { return }
    reasonCode = ReasonCode(rawValue: try reader.uint8())
    guard !reader.isAtEnd else { return }
    properties = try reader.properties(for: .disconnect)
  }

  func write(to writer: inout ByteWriter) throws(ProtocolError) {
    guard writer.version.hasReasonCodes, reasonCode != .normalDisconnection || !properties.isEmpty else { return }
    writer.write(reasonCode.rawValue)
    if !properties.isEmpty { try writer.write(properties, for: .disconnect) }
  }
}
