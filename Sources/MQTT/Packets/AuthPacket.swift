/// AUTH (3.15): a step of an exchange that proves who is there; MQTT 5.
///
///     ┌──────┬──────┐
///     │ 1111 │ 0000 │  byte 1
///     ├──────┴──────┤
///     │ length      │
///     ├─────────────┤
///     │ reason code │  one byte; left out with the properties where it is success and there are none
///     │ properties  │
///     └─────────────┘
public struct AuthPacket: Hashable, Sendable {
  /// Success, continue authentication or re-authenticate.
  public var reasonCode: ReasonCode
  /// Authentication method and data among them.
  public var properties: Properties

  /// A step of the exchange.
  public init(reasonCode: ReasonCode = .success, properties: Properties = Properties()) {
    self.reasonCode = reasonCode
    self.properties = properties
  }

  init(from reader: inout ByteReader) throws(ProtocolError) {
    self.init()
    guard !reader.isAtEnd else { return }
    reasonCode = ReasonCode(rawValue: try reader.uint8())
    properties = try reader.properties(for: .auth)
  }

  func write(to writer: inout ByteWriter) throws(ProtocolError) {
    guard writer.version.hasAuthentication else { throw .protocolError("\(writer.version) has no AUTH") }
    guard reasonCode != .success || !properties.isEmpty else { return }
    writer.write(reasonCode.rawValue)
    try writer.write(properties, for: .auth)
  }
}
