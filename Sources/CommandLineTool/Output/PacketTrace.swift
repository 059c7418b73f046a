public import MQTT
public import MQTTClient

extension Client {
  /// Tells every packet to `diagnostics`, if these are for somebody who looks for a mistake.
  public func trace(to diagnostics: Diagnostics) {
    guard diagnostics.level >= .debug else { return }
    var trace = PacketTrace(isDetailed: diagnostics.level >= .trace)
    observe { isSent, packet in diagnostics.debug((isSent ? "sent " : "received ") + trace.line(packet)) }
  }
}

/// Control packets as lines for people: `PUBLISH 'a/b' QoS 1, 12 bytes, identifier 7`.
public struct PacketTrace: Sendable {
  /// Whether properties, user names and payloads' beginnings are told as well.
  public var isDetailed: Bool
  /// The version of the last CONNECT.
  private var version = ProtocolVersion.latest

  /// A trace for `--log trace` where `isDetailed`, else for `--debug`.
  public init(isDetailed: Bool) {
    self.isDetailed = isDetailed
  }

  /// The line for a whole packet, without direction; not escaped for terminals.
  public mutating func line(_ bytes: UnsafeRawBufferPointer) -> String {
    var decoder = PacketDecoder(version: version)
    decoder.append(bytes)
    do throws(ProtocolError) {
      guard let packet = try decoder.nextPacket() else { return "an incomplete packet" }
      if case .connect(let connect) = packet { version = connect.protocolVersion }
      return line(packet)
    } catch {
      return "a packet that cannot be decoded (\(error.explanation))"
    }
  }

  private func line(_ packet: ControlPacket) -> String {
    switch packet {
    case .connect(let connect):
      var words = "CONNECT \(connect.protocolVersion) '\(connect.clientIdentifier)' keep alive \(connect.keepAlive) s"
      if connect.cleanStart { words += ", clean start" }
      if let name = connect.userName { words += ", user name '\(name)'" }
      if connect.password != nil { words += ", password ****" }
      if let will = connect.will { words += ", will \(message(will.topic.utf8, will.payload, will.qos, will.retain))" }
      return words + properties(connect.properties)
    case .connack(let connack):
      let session = connack.sessionPresent ? "session present" : "no session present"
      return "CONNACK \(reason(connack.reasonCode)), \(session)" + properties(connack.properties)
    case .publish(let publish):
      var words = "PUBLISH \(message(publish.topic, publish.payload, publish.qos, publish.retain))"
      if publish.isDuplicate { words += ", duplicate" }
      if publish.qos != .atMostOnce { words += ", identifier \(publish.packetIdentifier)" }
      return words + properties(publish.properties)
    case .puback(let packet): return "PUBACK" + acknowledgement(packet)
    case .pubrec(let packet): return "PUBREC" + acknowledgement(packet)
    case .pubrel(let packet): return "PUBREL" + acknowledgement(packet)
    case .pubcomp(let packet): return "PUBCOMP" + acknowledgement(packet)
    case .subscribe(let subscribe):
      let filters = subscribe.subscriptions.map { "'\($0.filter)' QoS \($0.options.qos.rawValue)" }
      return "SUBSCRIBE identifier \(subscribe.packetIdentifier): " + filters.joined(separator: ", ")
        + properties(subscribe.properties)
    case .suback(let suback):
      let reasons = suback.reasonCodes.map { reason($0) }
      return "SUBACK identifier \(suback.packetIdentifier): " + reasons.joined(separator: ", ")
        + properties(suback.properties)
    case .unsubscribe(let unsubscribe):
      let filters = unsubscribe.filters.map { "'\($0)'" }
      return "UNSUBSCRIBE identifier \(unsubscribe.packetIdentifier): " + filters.joined(separator: ", ")
        + properties(unsubscribe.properties)
    case .unsuback(let unsuback):
      let reasons = unsuback.reasonCodes.map { reason($0) }
      return "UNSUBACK identifier \(unsuback.packetIdentifier)"
        + (reasons.isEmpty ? "" : ": " + reasons.joined(separator: ", ")) + properties(unsuback.properties)
    case .pingreq: return "PINGREQ"
    case .pingresp: return "PINGRESP"
    case .disconnect(let disconnect):
      return "DISCONNECT \(reason(disconnect.reasonCode))" + properties(disconnect.properties)
    case .auth(let auth): return "AUTH \(reason(auth.reasonCode))" + properties(auth.properties)
    }
  }

  private func message(_ topic: [UInt8], _ payload: [UInt8], _ qos: QoS, _ retain: Bool) -> String {
    var words = "'\(String(decoding: topic, as: UTF8.self))' QoS \(qos.rawValue), \(payload.count) bytes"
    if retain { words += ", retain" }
    if isDetailed, !payload.isEmpty {
      words += " '\(String(decoding: payload.prefix(64), as: UTF8.self))\(payload.count > 64 ? "…" : "")'"
    }
    return words
  }

  private func acknowledgement(_ packet: AcknowledgementPacket) -> String {
    let words = " identifier \(packet.packetIdentifier)"
    return words + (packet.reasonCode == .success ? "" : ": \(reason(packet.reasonCode))")
      + properties(packet.properties)
  }

  private func reason(_ code: ReasonCode) -> String { "\(code.rawValue) (\(code))" }

  private func properties(_ properties: Properties) -> String {
    guard isDetailed else { return "" }
    return properties.map { ", \($0.property.name) \(Self.value(of: $0))" }.joined()
  }

  /// What a property says, in words; not escaped for terminals.
  public static func value(of property: Property) -> String {
    switch property.value {
    case .byte(let number): "\(number)"
    case .twoByteInteger(let number): "\(number)"
    case .fourByteInteger(let number): "\(number)"
    case .variableByteInteger(let number): "\(number)"
    case .text(let text): "'\(text)'"
    // Challenges and proofs of a login are nobody's business.
    case .binary where property.property.identifier == PropertyKey.authenticationData.property.identifier: "****"
    case .binary(let bytes): "\(bytes.count) bytes"
    case .userProperty(let pair): "'\(pair.name)' '\(pair.value)'"
    }
  }
}
