import MQTT
import Testing

/// Reads a PUBLISH as a message view.
private func withView(
  _ bytes: [UInt8], _ version: ProtocolVersion, _ body: (MessageView) throws -> Void
) throws {
  var decoder = PacketDecoder(version: version)
  bytes.withUnsafeBytes { decoder.append($0) }
  let slice = try #require(try decoder.nextSlice())
  try body(MessageView.decode(flags: slice.flags, body: slice.body, version: version))
  // The decoder has to live until here: the view borrows from it.
  let remaining = decoder.bufferedCount
  #expect(remaining == 0)
}

@Suite("PUBLISH")
struct PublishPacketTests {
  @Test("is viewed where it was received")
  func isViewed() throws {
    let bytes = wire("3b 16  0003 'a/b' 0007  0c 23 0009 26 0001 'k' 0002 'vv' 01  'xy'")
    // One byte too many in the list: the property at its end is cut.
    #expect(refusal(bytes, .v5) == .malformedPacket)
    try withView(wire("3b 15  0003 'a/b' 0007  0b 23 0009 26 0001 'k' 0002 'vv'  'xy'"), .v5) { view in
      #expect(Array(view.topic) == Array("a/b".utf8))
      #expect(Array(view.payload) == Array("xy".utf8))
      #expect(view.qos == .atLeastOnce)
      #expect(view.retain)
      #expect(view.isDuplicate)
      #expect(view.packetIdentifier == 7)
      #expect(view.topicAlias == 9)
      #expect(Array(view.propertyBytes) == wire("23 0009 26 0001 'k' 0002 'vv'"))
      #expect(view.properties.userProperties == [UserProperty("k", "vv")])
      #expect(view.properties[.topicAlias] == 9)
      #expect(view.tolerated == nil)
    }
  }

  @Test(
    "[MQTT-3.3.2-1] [MQTT-1.5.4-1] is refused with a topic name that is not UTF-8", arguments: ProtocolVersion.allCases)
  func refusesTopicsThatAreNotUTF8(version: ProtocolVersion) {
    for topic in ["ff", "00", "c0af", "eda080", "'a' 00", "'abcdefgh' 80"] {
      let utf8 = wire(topic)
      #expect(refusal(packet(0x30, [0, UInt8(utf8.count)] + utf8 + [0]), version) == .malformedPacket, "\(topic)")
    }
  }

  @Test("[MQTT-3.3.2-2] is refused with a wildcard in its topic name; + is tolerated on 3.x")
  func treatsWildcards() throws {
    for topic in ["a/+", "+", "a long topic/with a +/in it"] {
      let body = [0, UInt8(topic.utf8.count)] + Array(topic.utf8)
      #expect(refusal(packet(0x30, body + [0]), .v5) == .topicNameInvalid)
      for version in [ProtocolVersion.v31, .v311] {
        try withView(packet(0x30, body), version) { view in
          #expect(view.tolerated == .wildcardInTopicName)
          #expect(Array(view.topic) == Array(topic.utf8))
        }
      }
    }
    for version in ProtocolVersion.allCases {
      #expect(refusal(packet(0x30, wire("0003 'a/#' 00")), version) == .topicNameInvalid)
      #expect(refusal(packet(0x30, wire("0003 '+/#' 00")), version) == .topicNameInvalid)
    }
  }

  @Test("has a topic name or a topic alias (3.3.2.1)")
  func hasATopic() throws {
    #expect(refusal(wire("30 03 0000 00"), .v5) == .protocolError)
    #expect(refusal(wire("30 02 0000"), .v311) == .protocolError)
    #expect(refusal(wire("30 02 0000"), .v31) == .protocolError)
    try withView(wire("30 06 0000 03 23 0001"), .v5) { #expect($0.topicAlias == 1 && $0.topic.isEmpty) }
  }

  @Test("[MQTT-2.2.1-3] has a packet identifier that is not 0 with QoS 1 and 2", arguments: ProtocolVersion.allCases)
  func hasAnIdentifier(version: ProtocolVersion) {
    for flags: UInt8 in [0b0010, 0b0100, 0b1010, 0b1100] {
      #expect(refusal(packet(0x30 | flags, wire("0001 'a' 0000 00")), version) == .protocolError)
      #expect(refusal(packet(0x30 | flags, wire("0001 'a' 00")), version) == .malformedPacket)
      #expect(refusal(packet(0x30 | flags, wire("0001 'a'")), version) == .malformedPacket)
    }
  }

  @Test("with a property of a will or of CONNECT is tolerated without it")
  func toleratesMisplacedProperties() throws {
    let list = wire("18 0000000a 26 0001 'k' 0001 'v' 11 00000001 23 0004 21 0000 18 00000000")
    try withView(packet(0x30, wire("0001 'a'") + [UInt8(list.count)] + list + wire("'x'")), .v5) { view in
      #expect(view.tolerated == .misplacedProperty)
      #expect(view.properties.userProperties == [UserProperty("k", "v")])
      #expect(view.properties.map { $0.property.name } == ["user-property", "topic-alias"])
      #expect(view.topicAlias == 4)
      #expect(Array(view.payload) == Array("x".utf8))
    }
    #expect(refusal(wire("30 08 0001 'a' 04 18 000000"), .v5) == .malformedPacket, "it has to parse")
    #expect(refusal(wire("30 09 0001 'a' 05 13 0001 24 01"), .v5) == .malformedPacket, "those of CONNACK are refused")
  }

  // MARK: Encoding

  private func append(
    topic: String = "a", payload: Int = 0, qos: QoS = .atMostOnce, duplicate: Bool = false,
    properties: Properties = Properties(), alias: UInt16? = nil, _ version: ProtocolVersion
  ) throws -> [UInt8] {
    var queue = ByteQueue()
    queue.append(0xEE)
    let payload = [UInt8](repeating: 0x78, count: payload)
    let result = Result {
      try Array(topic.utf8).withUnsafeBytes { topic in
        try payload.withUnsafeBytes { payload in
          try queue.appendPublish(
            topic: topic, payload: payload, qos: qos, retain: false, isDuplicate: duplicate, properties: properties,
            topicAlias: alias, version: version)
        }
      }
    }
    let bytes = queue.withBytes { Array($0) }
    if case .failure = result { #expect(bytes == [0xEE], "nothing is appended") }
    try result.get()
    return Array(bytes.dropFirst())
  }

  @Test("is written with the topic alias behind its properties, and without both on 3.x")
  func writesTopicAliases() throws {
    let listed = properties { $0[.payloadFormatIndicator] = 1 }
    let alias = properties { $0[.topicAlias] = 1 }
    #expect(try append(payload: 1, properties: listed, alias: 258, .v5) == wire("30 0a 0001 'a' 05 01 01 23 0102 'x'"))
    #expect(try append(topic: "", alias: 1, .v5) == wire("30 06 0000 03 23 0001"))
    #expect(try append(payload: 1, properties: listed, alias: 258, .v311) == wire("30 04 0001 'a' 'x'"))
    #expect(try append(topic: "", properties: alias, .v5) == wire("30 06 0000 03 23 0001"))
  }

  @Test("that MQTT does not allow is not written", arguments: ProtocolVersion.allCases)
  func refusesToWrite(version: ProtocolVersion) {
    #expect(reason(try append(topic: "", version)) == .topicNameInvalid)
    #expect(reason(try append(topic: "a/+", version)) == .topicNameInvalid)
    #expect(reason(try append(topic: "a\0", version)) == .topicNameInvalid)
    #expect(reason(try append(qos: .atLeastOnce, version)) == .protocolError)
    #expect(reason(try append(duplicate: true, version)) == .protocolError)
    let long = String(repeating: "a", count: 65_536)
    #expect(reason(try append(topic: long, version)) == .topicNameInvalid)
    let alias = properties { $0[.topicAlias] = 1 }
    if version.hasProperties {
      #expect(reason(try append(alias: 0, version)) == .topicAliasInvalid)
      #expect(reason(try append(properties: alias, alias: 1, version)) == .topicAliasInvalid)
    } else {
      #expect(
        reason(try append(topic: "", properties: alias, alias: 1, version)) == .topicNameInvalid)
    }
  }

  @Test("is at most 268,435,455 bytes long behind its length")
  func isLimited() throws {
    // The payload is never touched: its size alone is refused.
    let payload = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: 4096), count: 268_435_453)
    var queue = ByteQueue()
    let topic = [UInt8(ascii: "a")]
    let error = reason(
      try topic.withUnsafeBytes { topic in
        try queue.appendPublish(topic: topic, payload: payload, qos: .atMostOnce, retain: false, version: .v311)
      })
    #expect(error == .packetTooLarge)
  }

  @Test(
    "has a length of one, two, three or four bytes",
    arguments: [
      (124, "7f"), (125, "8001"), (16_380, "ff7f"), (16_381, "808001"), (2_097_148, "ffff7f"), (2_097_149, "80808001"),
    ])
  func writesLengths(payload: Int, length: String) throws {
    let bytes = try append(payload: payload, .v311)
    #expect(hex(Array(bytes.prefix(1 + length.count / 2))) == hex(wire("30 \(length)")))
    #expect(bytes.count == 1 + length.count / 2 + 3 + payload)
  }
}
