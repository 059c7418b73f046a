import MQTT
import Testing

@Suite("CONNECT")
struct ConnectPacketTests {
  @Test(
    "is refused",
    arguments: [
      ("[MQTT-3.1.2-1] another protocol name", "0004 'MQTX' 04 02 0000 0000", ReasonCode.unsupportedProtocolVersion),
      ("another protocol name's case", "0004 'mqtt' 04 02 0000 0000", .unsupportedProtocolVersion),
      ("the name of 3.1 with the version of 3.1.1", "0006 'MQIsdp' 04 02 0000 0000", .unsupportedProtocolVersion),
      ("[MQTT-3.1.2-2] another version", "0004 'MQTT' 06 02 0000 0000", .unsupportedProtocolVersion),
      ("[MQTT-3.1.2-3] reserved flag", "0004 'MQTT' 04 03 0000 0000", .malformedPacket),
      ("[MQTT-3.1.2-11] will QoS without will", "0004 'MQTT' 04 0a 0000 0000", .malformedPacket),
      ("[MQTT-3.1.2-13] will retain without will", "0004 'MQTT' 04 22 0000 0000", .malformedPacket),
      ("[MQTT-3.1.2-12] will QoS 3", "0004 'MQTT' 04 1e 0000 0000 0001 't' 0000", .malformedPacket),
      ("[MQTT-3.1.2-22] password alone on 3.1.1", "0004 'MQTT' 04 42 0000 0000 0000", .malformedPacket),
      ("will topic with a wildcard", "0004 'MQTT' 04 06 0000 0000 0001 '#' 0000", .topicNameInvalid),
      ("empty will topic", "0004 'MQTT' 04 06 0000 0000 0000 0000", .topicNameInvalid),
      ("no user name where its flag is set", "0004 'MQTT' 04 82 0000 0000", .malformedPacket),
      ("client identifier with U+0000", "0004 'MQTT' 04 02 0000 0001 00", .malformedPacket),
    ])
  func isRefused(name: String, body: String, expected: ReasonCode) {
    for version in ProtocolVersion.allCases { #expect(refusal(packet(0x10, wire(body)), version) == expected) }
  }

  @Test("[MQTT-3.1.2-22] is not written with a password alone on 3.x", arguments: [ProtocolVersion.v31, .v311])
  func isNotWrittenWithAPasswordAlone(version: ProtocolVersion) {
    let packet = ConnectPacket(protocolVersion: version, clientIdentifier: "c", password: [1])
    #expect(refusalToEncode(.connect(packet), version) == .protocolError)
  }

  @Test("[MQTT-3.1.3-7] is written with an empty identifier where the version has one")
  func isWrittenWithoutIdentifier() throws {
    func refusal(_ version: ProtocolVersion, cleanStart: Bool) -> ReasonCode? {
      refusalToEncode(.connect(ConnectPacket(protocolVersion: version, cleanStart: cleanStart)), version)
    }
    #expect(refusal(.v31, cleanStart: true) == .clientIdentifierNotValid)
    #expect(refusal(.v311, cleanStart: false) == .clientIdentifierNotValid)
    #expect(refusal(.v311, cleanStart: true) == nil)
    #expect(refusal(.v5, cleanStart: false) == nil)
  }

  @Test("is not written with a password or a will's payload beyond 65,535 bytes")
  func isNotWrittenTooLong() throws {
    let long = [UInt8](repeating: 0, count: 65_536)
    let password = ConnectPacket(protocolVersion: .v311, userName: "u", password: long)
    #expect(refusalToEncode(.connect(password), .v311) == .malformedPacket)
    let will = ConnectPacket(protocolVersion: .v311, will: Message(topic: try TopicName("t"), payload: long))
    #expect(refusalToEncode(.connect(will), .v311) == .malformedPacket)
  }
}

@Suite("CONNACK")
struct ConnackPacketTests {
  @Test(
    "of 3.x has the reason that MQTT 5 would give",
    arguments: [
      (UInt8(0), UInt8(0x00)), (1, 0x84), (2, 0x85), (3, 0x88), (4, 0x86), (5, 0x87), (6, 0x80), (0x7F, 0x80),
      (0x80, 0x80), (0x82, 0x82), (0xFF, 0xFF),
    ])
  func mapsReturnCodes(returnCode: UInt8, reasonCode: UInt8) throws {
    // The last one: a server of 3.x answers an MQTT 5 CONNECT in its own form.
    for version in [ProtocolVersion.v31, .v311, .v5] {
      guard case .connack(let packet)? = try decode([0x20, 2, 0, returnCode], version) else {
        Issue.record("no CONNACK")
        return
      }
      #expect(packet.returnCode == returnCode)
      #expect(packet.reasonCode.rawValue == reasonCode)
      #expect(packet.reasonCode.isFailure == (returnCode != 0))
    }
  }

  @Test("of MQTT 5 has no return code")
  func hasNoReturnCodeOn5() throws {
    #expect(try decode(wire("20 03 00 87 00"), .v5) == .connack(ConnackPacket(reasonCode: .notAuthorized)))
    #expect(ConnackPacket(reasonCode: .notAuthorized).returnCode == nil)
  }

  @Test("is written to a client of 3.x with the return code nearest to its reason")
  func isWrittenOn3() throws {
    #expect(try encode(.connack(ConnackPacket(reasonCode: .notAuthorized)), .v311) == wire("20 02 00 05"))
    #expect(try encode(.connack(ConnackPacket(reasonCode: .banned)), .v311) == wire("20 02 00 8a"))
  }

  @Test("[MQTT-3.2.2-1] has no other flags than session present, which 3.1 does not have")
  func hasNoOtherFlags() throws {
    for flags in UInt8(2)...255 {
      #expect(refusal([0x20, 2, flags, 0], .v311) == .malformedPacket)
      #expect(refusal([0x20, 2, flags, 0], .v5) == .malformedPacket)
      #expect(refusal([0x20, 3, flags, 0, 0], .v5) == .malformedPacket)
      #expect(try decode([0x20, 2, flags, 0], .v31) == .connack(ConnackPacket(returnCode: 0)))
    }
  }
}

@Suite("PUBACK, PUBREC, PUBREL and PUBCOMP")
struct AcknowledgementPacketTests {
  @Test(
    "[MQTT-2.2.1-3] have a packet identifier that is not 0",
    arguments: AcknowledgementPacket.AcknowledgementType.allCases)
  func haveAnIdentifier(type: AcknowledgementPacket.AcknowledgementType) {
    let first = type.packetType.rawValue << 4 | (type == .pubrel ? 2 : 0)
    for version in ProtocolVersion.allCases {
      #expect(refusal([first, 2, 0, 0], version) == .protocolError)
      #expect(refusal([first, 1, 1], version) == .malformedPacket)
      #expect(refusal([first, 0], version) == .malformedPacket)
      let packet = AcknowledgementPacket(type: type, packetIdentifier: 0)
      #expect(refusalToEncode(ControlPacket(packet), version) == .protocolError)
    }
    #expect(refusal([first, 3, 0, 1, 0], .v311) == .malformedPacket)
    #expect(refusal([first, 3, 0, 1, 0], .v31) == .malformedPacket)
  }

  @Test(
    "report a reason code that they do not have (tables 3-4 to 3-7)",
    arguments: [
      (
        AcknowledgementPacket.AcknowledgementType.puback, [UInt8(0x00), 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
      ),
      (.pubrec, [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]), (.pubrel, [0x00, 0x92]),
      (.pubcomp, [0x00, 0x92]),
    ])
  func reportUnknownReasons(type: AcknowledgementPacket.AcknowledgementType, known: [UInt8]) {
    for value in UInt8.min...UInt8.max {
      let packet = AcknowledgementPacket(type: type, packetIdentifier: 1, reasonCode: ReasonCode(rawValue: value))
      #expect(packet.tolerated == (known.contains(value) ? nil : .unknownReasonCode), "\(value)")
    }
  }

  @Test("are written in the case of their type only")
  func areWrittenAsTheirType() {
    let puback = AcknowledgementPacket(type: .puback, packetIdentifier: 1)
    #expect(refusalToEncode(.pubrec(puback), .v5) == .protocolError)
  }
}

@Suite("SUBSCRIBE and UNSUBSCRIBE")
struct SubscribePacketTests {
  @Test(
    "are refused",
    arguments: [
      ("[MQTT-3.8.3-2] without a filter", UInt8(0x82), "0001 00", ReasonCode.protocolError),
      ("[MQTT-3.10.3-2] without a filter", 0xA2, "0001 00", .protocolError),
      ("[MQTT-2.2.1-3] with identifier 0", 0x82, "0000 00 0001 'a' 00", .protocolError),
      ("[MQTT-2.2.1-3] with identifier 0", 0xA2, "0000 00 0001 'a'", .protocolError),
      ("[MQTT-3.8.3-5] with reserved bits", 0x82, "0001 00 0001 'a' 40", .malformedPacket),
      ("[MQTT-3.8.3-5] with reserved bits", 0x82, "0001 00 0001 'a' 80", .malformedPacket),
      ("3.8.3.1 with QoS 3", 0x82, "0001 00 0001 'a' 03", .malformedPacket),
      ("3.8.3.1 with retain handling 3", 0x82, "0001 00 0001 'a' 30", .protocolError),
      ("[MQTT-3.8.3-4] with no local on a shared subscription", 0x82, "0001 00 000a '$share/g/a' 04", .protocolError),
      ("with a filter that is none", 0x82, "0001 00 0002 'a#' 00", .topicFilterInvalid),
      ("with a filter that is none", 0xA2, "0001 00 0002 '#/'", .topicFilterInvalid),
      ("with an empty filter", 0x82, "0001 00 0000 00", .topicFilterInvalid),
      ("with a filter that is not UTF-8", 0x82, "0001 00 0001 ff 00", .malformedPacket),
      ("without options", 0x82, "0001 00 0001 'a'", .malformedPacket),
    ])
  func areRefused(name: String, first: UInt8, body: String, expected: ReasonCode) {
    #expect(refusal(packet(first, wire(body)), .v5) == expected)
  }

  @Test("have nothing but a QoS on 3.x [MQTT-3.8.3-4 of 3.1.1]", arguments: [ProtocolVersion.v31, .v311])
  func haveOnlyAQoSOn3(version: ProtocolVersion) throws {
    for options in UInt8(3)...255 {
      #expect(refusal(packet(0x82, wire("0001 0001 'a'") + [options]), version) == .malformedPacket)
    }
    let options = SubscriptionOptions(
      qos: .exactlyOnce, noLocal: true, retainAsPublished: true, retainHandling: .doNotSend)
    let subscribe = SubscribePacket(
      packetIdentifier: 1, subscriptions: [Subscription(filter: try TopicFilter("a"), options: options)])
    #expect(try encode(.subscribe(subscribe), version) == wire("82 06 0001 0001 'a' 02"))
  }

  @Test("are not written without a filter, with identifier 0, or with no local on a shared subscription")
  func areNotWritten() throws {
    let filter = try TopicFilter("$share/g/a")
    let noLocal = Subscription(filter: filter, options: SubscriptionOptions(noLocal: true))
    for version in ProtocolVersion.allCases {
      #expect(
        refusalToEncode(.subscribe(SubscribePacket(packetIdentifier: 1, subscriptions: [])), version) == .protocolError)
      #expect(
        refusalToEncode(.unsubscribe(UnsubscribePacket(packetIdentifier: 1, filters: [])), version) == .protocolError)
      #expect(
        refusalToEncode(.unsubscribe(UnsubscribePacket(packetIdentifier: 0, filters: [filter])), version)
          == .protocolError)
      #expect(
        refusalToEncode(.subscribe(SubscribePacket(packetIdentifier: 1, subscriptions: [noLocal])), version)
          == (version == .v5 ? .protocolError : nil))
    }
  }

  @Test("are answered with at least one reason code, but UNSUBACK on 3.x")
  func areAnsweredWithReasons() {
    #expect(refusal(wire("90 03 0001 00"), .v5) == .malformedPacket)
    #expect(refusal(wire("90 02 0001"), .v311) == .malformedPacket)
    #expect(refusal(wire("b0 03 0001 00"), .v5) == .malformedPacket)
    #expect(refusal(wire("b0 03 0001 00"), .v311) == .malformedPacket)
    #expect(refusal(wire("90 04 0000 00 00"), .v5) == .protocolError)
    #expect(refusalToEncode(.suback(SubackPacket(packetIdentifier: 1, reasonCodes: [])), .v311) == .protocolError)
    #expect(refusalToEncode(.unsuback(UnsubackPacket(packetIdentifier: 1)), .v5) == .protocolError)
  }

  @Test("are answered with unknown reason codes, which is reported (3.9.3, 3.11.3)")
  func reportUnknownReasons() {
    let suback: Set<UInt8> = [0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]
    let unsuback: Set<UInt8> = [0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]
    for value in UInt8.min...UInt8.max {
      let codes = [ReasonCode.success, ReasonCode(rawValue: value)]
      #expect(
        SubackPacket(packetIdentifier: 1, reasonCodes: codes).tolerated
          == (suback.contains(value) ? nil : .unknownReasonCode))
      #expect(
        UnsubackPacket(packetIdentifier: 1, reasonCodes: codes).tolerated
          == (unsuback.contains(value) ? nil : .unknownReasonCode))
    }
  }
}

@Suite("PINGREQ, PINGRESP, DISCONNECT and AUTH")
struct OtherPacketTests {
  @Test("are refused with bytes that they do not have", arguments: ProtocolVersion.allCases)
  func areRefused(version: ProtocolVersion) {
    #expect(refusal(wire("c0 01 00"), version) == .malformedPacket)
    #expect(refusal(wire("d0 01 00"), version) == .malformedPacket)
    if version == .v5 {
      #expect(refusal(wire("e0 03 00 00 00"), version) == .malformedPacket)
      #expect(refusal(wire("f0 01 18"), version) == .malformedPacket)
    } else {
      #expect(refusal(wire("e0 01 00"), version) == .malformedPacket)
      #expect(refusalToEncode(.auth(AuthPacket()), version) == .protocolError)
    }
  }
}

@Suite("Reason codes (2.4)")
struct ReasonCodeTests {
  @Test("that the specification has are told in words, others as a number")
  func areTold() {
    let known: Set<UInt8> = Set([0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19] + Array(0x80...0xA2))
    for value in UInt8.min...UInt8.max {
      let code = ReasonCode(rawValue: value)
      #expect(code.description.hasPrefix("reason code 0x") != known.contains(value), "\(value)")
      #expect(code.isFailure == (value >= 0x80))
    }
    #expect(ReasonCode(rawValue: 0x87).description == "not authorized")
    #expect(ReasonCode(rawValue: 0x0C).description == "reason code 0x0C")
    #expect(ReasonCode(rawValue: 0xEE).description == "reason code 0xEE")
    #expect(ProtocolError.malformed("no topic").description == "malformed packet: no topic")
  }
}
