/// The fields of a CONNECT, taken apart by the specification (MQTT 5 §3.1, MQTT 3.1.1 §3.1) and by none of our decoders.
///
/// Texts are for reading; tests of exact bytes compare `packet.bytes`.
public struct ReceivedConnect: Sendable {
  /// The whole packet.
  public let packet: ScriptedConnection.Packet
  /// `MQTT`, or `MQIsdp` in 3.1.
  public let protocolName: String
  /// 3, 4 or 5 for MQTT 3.1, 3.1.1 and 5.
  public let protocolLevel: UInt8
  /// The connect flags byte.
  public let flags: UInt8
  /// In seconds.
  public let keepAlive: UInt16
  /// The bytes of the properties, without their length; empty on 3.x.
  public let properties: [UInt8]
  /// Empty if the broker shall assign one.
  public let clientIdentifier: String
  /// The properties' bytes, topic and payload of the will.
  public let will: (properties: [UInt8], topic: String, payload: [UInt8])?
  /// Nil if it is not there.
  public let userName: String?
  /// Nil if it is not there.
  public let password: [UInt8]?

  /// Clean session (3.x) or clean start (5).
  public var cleanStart: Bool { flags & 0x02 != 0 }
  /// The QoS of the will, as a number.
  public var willQoS: UInt8 { flags >> 3 & 0x03 }
  /// Whether the will is to be retained.
  public var willRetain: Bool { flags & 0x20 != 0 }

  init?(_ packet: ScriptedConnection.Packet) {
    guard packet.type == 1 else { return nil }
    var reader = FieldReader(rest: packet.body[...])
    guard let name = reader.string(), let level = reader.byte(), let flags = reader.byte(),
      let keepAlive = reader.twoBytes()
    else { return nil }
    guard let properties = level == 5 ? reader.properties() : [] else { return nil }
    guard let clientIdentifier = reader.string() else { return nil }
    var will: ([UInt8], String, [UInt8])?
    if flags & 0x04 != 0 {
      guard let properties = level == 5 ? reader.properties() : [], let topic = reader.string(),
        let payload = reader.string()
      else { return nil }
      will = (properties, String(decoding: topic, as: UTF8.self), payload)
    }
    let userName = flags & 0x80 != 0 ? reader.string() : nil
    let password = flags & 0x40 != 0 ? reader.string() : nil
    guard reader.rest.isEmpty, (userName != nil) == (flags & 0x80 != 0), (password != nil) == (flags & 0x40 != 0) else {
      return nil
    }
    self.packet = packet
    protocolName = String(decoding: name, as: UTF8.self)
    (protocolLevel, self.flags, self.keepAlive, self.properties) = (level, flags, keepAlive, properties)
    self.clientIdentifier = String(decoding: clientIdentifier, as: UTF8.self)
    self.will = will
    self.userName = userName.map { String(decoding: $0, as: UTF8.self) }
    self.password = password
  }
}

/// Takes fields off the front of bytes; nil when they are cut off.
private struct FieldReader {
  var rest: ArraySlice<UInt8>

  mutating func byte() -> UInt8? { rest.popFirst() }

  mutating func twoBytes() -> UInt16? {
    guard let high = rest.popFirst(), let low = rest.popFirst() else { return nil }
    return UInt16(high) << 8 | UInt16(low)
  }

  mutating func string() -> [UInt8]? {
    twoBytes().flatMap { bytes(Int($0)) }
  }

  mutating func properties() -> [UInt8]? {
    guard let length = variableByteInteger(rest) else { return nil }
    rest = rest.dropFirst(length.length)
    return bytes(length.value)
  }

  private mutating func bytes(_ count: Int) -> [UInt8]? {
    guard rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
}
