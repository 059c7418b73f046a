/// CONNECT (3.1): the client's first packet.
///
///     ┌──────┬──────┐
///     │ 0001 │ 0000 │  byte 1
///     ├──────┴──────┤
///     │ length      │
///     ├─────────────┤
///     │ name        │  00 04 "MQTT", on 3.1 00 06 "MQIsdp"
///     │ version     │  one byte: 3, 4 or 5
///     │ flags       │  one byte: user name, password, will retain, will QoS (two bits), will, clean start, 0
///     │ keep alive  │  two bytes, seconds
///     │ properties  │  MQTT 5
///     ├─────────────┤
///     │ client identifier
///     │ will properties (MQTT 5), will topic, will payload    where the will flag says so
///     │ user name                                             where its flag says so
///     │ password                                              where its flag says so
///     └─────────────┘
public struct ConnectPacket: Hashable, Sendable {
  /// The version that the packet is written in and asks for.
  public var protocolVersion: ProtocolVersion
  /// Who the client is; empty lets the server choose where the version can.
  public var clientIdentifier: Text
  /// Whether the server forgets an earlier session; 3.x calls it clean session.
  public var cleanStart: Bool
  /// Seconds; 0 turns it off.
  public var keepAlive: UInt16
  /// Who the user is.
  public var userName: Text?
  /// Text or any bytes.
  public var password: [UInt8]?
  /// What the server publishes when the connection is lost; `properties` are the will properties.
  public var will: Message?
  /// MQTT 5's properties.
  public var properties: Properties

  /// A CONNECT with a clean start, without keep alive, unless it is said.
  public init(
    protocolVersion: ProtocolVersion, clientIdentifier: Text = "", cleanStart: Bool = true, keepAlive: UInt16 = 0,
    userName: Text? = nil, password: [UInt8]? = nil, will: Message? = nil, properties: Properties = Properties()
  ) {
    self.protocolVersion = protocolVersion
    self.clientIdentifier = clientIdentifier
    self.cleanStart = cleanStart
    self.keepAlive = keepAlive
    self.userName = userName
    self.password = password
    self.will = will
    self.properties = properties
  }

  /// Connect flags (3.1.2.3).
  private enum Flag {
    static let reserved: UInt8 = 0x01
    static let cleanStart: UInt8 = 0x02
    static let will: UInt8 = 0x04
    static let willRetain: UInt8 = 0x20
    static let password: UInt8 = 0x40
    static let userName: UInt8 = 0x80
  }

  init(from reader: inout ByteReader) throws(ProtocolError) {
    let protocolName = try reader.text()
    guard let version = ProtocolVersion(rawValue: try reader.uint8()), version.protocolName == protocolName else {
      throw ProtocolError(.unsupportedProtocolVersion, "CONNECT has an unknown protocol name or version")
    }
    reader.version = version
    let flags = try reader.uint8()
    guard flags & Flag.reserved == 0 else { throw .malformed("CONNECT has its reserved flag set") }  // [MQTT-3.1.2-3]
    protocolVersion = version
    cleanStart = flags & Flag.cleanStart != 0
    keepAlive = try reader.uint16()
    properties = try reader.properties(for: .connect)
    clientIdentifier = try reader.text()
    will = try Self.will(flags: flags, from: &reader)
    guard flags & Flag.userName != 0 || flags & Flag.password == 0 || version.hasPasswordAlone else {
      throw .malformed("CONNECT has a password without a user name")  // [MQTT-3.1.2-22] of 3.1.1
    }
    userName = flags & Flag.userName != 0 ? try reader.text() : nil
    password = flags & Flag.password != 0 ? Array(try reader.binary()) : nil
  }

  private static func will(flags: UInt8, from reader: inout ByteReader) throws(ProtocolError) -> Message? {
    let qosBits = flags >> 3 & 0b11
    guard flags & Flag.will != 0 else {
      guard qosBits == 0, flags & Flag.willRetain == 0 else {
        throw .malformed("CONNECT has flags of a will, and no will")  // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
      }
      return nil
    }
    // [MQTT-3.1.2-12]
    guard let qos = QoS(rawValue: qosBits) else { throw .malformed("CONNECT has a will with QoS 3") }
    let properties = try reader.properties(for: .will)
    let topic = try TopicName(utf8: reader.utf8())
    return Message(
      topic: topic, payload: Array(try reader.binary()), qos: qos, retain: flags & Flag.willRetain != 0,
      properties: properties)
  }

  func write(to writer: inout ByteWriter) throws(ProtocolError) {
    try check()
    writer.version = protocolVersion
    writer.write(protocolVersion.protocolName)
    writer.write(protocolVersion.rawValue)
    writer.write(flags)
    writer.write(keepAlive)
    try writer.write(properties, for: .connect)
    writer.write(clientIdentifier)
    if let will {
      try writer.write(will.properties, for: .will)
      writer.write(utf8: will.topic.utf8)
      try writer.write(binary: will.payload)
    }
    if let userName { writer.write(userName) }
    if let password { try writer.write(binary: password) }
  }

  private var flags: UInt8 {
    var flags: UInt8 = cleanStart ? Flag.cleanStart : 0
    if let will {
      flags |= Flag.will | will.qos.rawValue << 3
      if will.retain { flags |= Flag.willRetain }
    }
    if password != nil { flags |= Flag.password }
    if userName != nil { flags |= Flag.userName }
    return flags
  }

  private func check() throws(ProtocolError) {
    guard password == nil || userName != nil || protocolVersion.hasPasswordAlone else {
      throw .protocolError("\(protocolVersion) has no password without a user name")  // [MQTT-3.1.2-22] of 3.1.1
    }
    guard clientIdentifier.utf8.isEmpty else { return }
    guard protocolVersion.hasEmptyClientIdentifier else {
      throw ProtocolError(.clientIdentifierNotValid, "\(protocolVersion) has no empty client identifier")
    }
    guard cleanStart || protocolVersion.hasAssignedClientIdentifier else {
      // [MQTT-3.1.3-7] of 3.1.1
      throw ProtocolError(.clientIdentifierNotValid, "a session that is kept needs a client identifier")
    }
  }
}
