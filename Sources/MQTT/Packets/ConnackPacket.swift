/// CONNACK (3.2): the server's answer to CONNECT.
///
///     ┌──────┬──────┐
///     │ 0010 │ 0000 │  byte 1
///     ├──────┴──────┤
///     │ length      │  2 on 3.x
///     ├─────────────┤
///     │ flags       │  one byte: bit 0 is session present, not on 3.1
///     │ reason code │  one byte; on 3.x the return code
///     │ properties  │  MQTT 5
///     └─────────────┘
public struct ConnackPacket: Hashable, Sendable {
  /// Whether the server has kept the session.
  public var sessionPresent: Bool
  /// Whether the connection is accepted; on 3.x what MQTT 5 would say.
  public var reasonCode: ReasonCode
  /// The byte on the wire of a 3.x CONNACK. When it answers an MQTT 5 CONNECT, the server speaks 3.x.
  public var returnCode: UInt8?
  /// MQTT 5's properties.
  public var properties: Properties

  /// A CONNACK of MQTT 5; on 3.x the reason is written as the return code nearest to it.
  public init(
    sessionPresent: Bool = false, reasonCode: ReasonCode = .success, properties: Properties = Properties()
  ) {
    self.sessionPresent = sessionPresent
    self.reasonCode = reasonCode
    self.properties = properties
  }

  /// A CONNACK of 3.x.
  public init(sessionPresent: Bool = false, returnCode: UInt8) {
    self.init(sessionPresent: sessionPresent, reasonCode: Self.reasonCode(returnCode))
    self.returnCode = returnCode
  }

  /// The return codes of 3.x (3.1.1: 3.2.2.3). Some brokers write reason codes of MQTT 5 there, which stay what they
  /// are; every other one is a refusal as well.
  private static func reasonCode(_ returnCode: UInt8) -> ReasonCode {
    switch returnCode {
    case 0: .success
    case 1: .unsupportedProtocolVersion
    case 2: .clientIdentifierNotValid
    case 3: .serverUnavailable
    case 4: .badUserNameOrPassword
    case 5: .notAuthorized
    case 6..<0x80: .unspecifiedError
    default: ReasonCode(rawValue: returnCode)
    }
  }

  private static func returnCode(_ reasonCode: ReasonCode) -> UInt8 {
    switch reasonCode {
    case .unsupportedProtocolVersion: 1
    case .clientIdentifierNotValid: 2
    case .serverUnavailable: 3
    case .badUserNameOrPassword: 4
    case .notAuthorized: 5
    default: reasonCode.rawValue
    }
  }

  init(from reader: inout ByteReader) throws(ProtocolError) {
    // A server that does not know MQTT 5 answers in its own form.
    let hasReturnCode = !reader.version.hasReasonCodes || reader.remaining == 2
    let flags = try reader.uint8()
    let code = try reader.uint8()
    if hasReturnCode {
      self.init(returnCode: code)
    } else {
      self.init(reasonCode: ReasonCode(rawValue: code))
      properties = try reader.properties(for: .connack)
    }
    guard reader.version.hasSessionPresent else { return }
    guard flags & ~1 == 0 else { throw .malformed("CONNACK has flags \(flags)") }  // [MQTT-3.2.2-1]
    sessionPresent = flags == 1
  }

  func write(to writer: inout ByteWriter) throws(ProtocolError) {
    writer.write(sessionPresent && writer.version.hasSessionPresent ? 1 as UInt8 : 0)
    guard returnCode == nil, writer.version.hasReasonCodes else {
      return writer.write(returnCode ?? Self.returnCode(reasonCode))
    }
    writer.write(reasonCode.rawValue)
    try writer.write(properties, for: .connack)
  }
}
