import MQTT
import Testing

/// A packet or will whose property list is the bytes given: what stands before and behind the list.
private struct PropertyPlace: CustomTestStringConvertible, Sendable {
  var name: String
  var firstByte: UInt8
  var before: [UInt8]
  var behind: [UInt8]

  var testDescription: String { name }

  init(_ name: String, _ firstByte: UInt8, _ before: String, _ behind: String = "") {
    self.name = name
    self.firstByte = firstByte
    self.before = wire(before)
    self.behind = wire(behind)
  }

  func packet(_ list: [UInt8]) -> [UInt8] {
    precondition(list.count < 128)
    return MQTTTests.packet(firstByte, before + [UInt8(list.count)] + list + behind)
  }
}

private let places = [
  PropertyPlace("CONNECT", 0x10, "0004 'MQTT' 05 02 0000", "0000"),
  PropertyPlace("will", 0x10, "0004 'MQTT' 05 06 0000 00 0000", "0001 't' 0000"),
  PropertyPlace("CONNACK", 0x20, "00 00"),
  PropertyPlace("PUBLISH", 0x30, "0001 't'"),
  PropertyPlace("PUBACK", 0x40, "0001 00"),
  PropertyPlace("PUBREC", 0x50, "0001 00"),
  PropertyPlace("PUBREL", 0x62, "0001 00"),
  PropertyPlace("PUBCOMP", 0x70, "0001 00"),
  PropertyPlace("SUBSCRIBE", 0x82, "0001", "0001 't' 00"),
  PropertyPlace("SUBACK", 0x90, "0001", "00"),
  PropertyPlace("UNSUBSCRIBE", 0xA2, "0001", "0001 't'"),
  PropertyPlace("UNSUBACK", 0xB0, "0001", "00"),
  PropertyPlace("DISCONNECT", 0xE0, "00"),
  PropertyPlace("AUTH", 0xF0, "18"),
]

private let acknowledgements = ["PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBACK", "UNSUBACK"]

/// A row of the specification's table 2-4, with a value on the wire.
private struct PropertyRow: CustomTestStringConvertible, Sendable {
  var identifier: UInt8
  var name: String
  var value: [UInt8]
  var decoded: PropertyValue
  var places: Set<String>

  var testDescription: String { name }

  init(_ identifier: UInt8, _ name: String, _ value: String, _ decoded: PropertyValue, _ places: [String]) {
    self.identifier = identifier
    self.name = name
    self.value = wire(value)
    self.decoded = decoded
    self.places = Set(places)
  }

  var bytes: [UInt8] { [identifier] + value }
}

private let rows = [
  PropertyRow(0x01, "payload-format-indicator", "01", .byte(1), ["PUBLISH", "will"]),
  PropertyRow(0x02, "message-expiry-interval", "00000000", .fourByteInteger(0), ["PUBLISH", "will"]),
  PropertyRow(0x03, "content-type", "0001 'c'", .text("c"), ["PUBLISH", "will"]),
  PropertyRow(0x08, "response-topic", "0003 'r/t'", .text("r/t"), ["PUBLISH", "will"]),
  PropertyRow(0x09, "correlation-data", "0002 00ff", .binary([0, 0xFF]), ["PUBLISH", "will"]),
  PropertyRow(0x0B, "subscription-identifier", "ff7f", .variableByteInteger(16_383), ["PUBLISH", "SUBSCRIBE"]),
  PropertyRow(
    0x11, "session-expiry-interval", "ffffffff", .fourByteInteger(0xFFFF_FFFF), ["CONNECT", "CONNACK", "DISCONNECT"]),
  PropertyRow(0x12, "assigned-client-identifier", "0001 'i'", .text("i"), ["CONNACK"]),
  PropertyRow(0x13, "server-keep-alive", "0000", .twoByteInteger(0), ["CONNACK"]),
  PropertyRow(0x15, "authentication-method", "0000", .text(""), ["CONNECT", "CONNACK", "AUTH"]),
  PropertyRow(0x16, "authentication-data", "0000", .binary([]), ["CONNECT", "CONNACK", "AUTH"]),
  PropertyRow(0x17, "request-problem-information", "00", .byte(0), ["CONNECT"]),
  PropertyRow(0x18, "will-delay-interval", "0000003c", .fourByteInteger(60), ["will"]),
  PropertyRow(0x19, "request-response-information", "01", .byte(1), ["CONNECT"]),
  PropertyRow(0x1A, "response-information", "0001 'i'", .text("i"), ["CONNACK"]),
  PropertyRow(0x1C, "server-reference", "0001 's'", .text("s"), ["CONNACK", "DISCONNECT"]),
  PropertyRow(0x1F, "reason-string", "0002 'no'", .text("no"), ["CONNACK", "DISCONNECT", "AUTH"] + acknowledgements),
  PropertyRow(0x21, "receive-maximum", "0001", .twoByteInteger(1), ["CONNECT", "CONNACK"]),
  PropertyRow(0x22, "topic-alias-maximum", "0000", .twoByteInteger(0), ["CONNECT", "CONNACK"]),
  PropertyRow(0x23, "topic-alias", "ffff", .twoByteInteger(65_535), ["PUBLISH"]),
  PropertyRow(0x24, "maximum-qos", "01", .byte(1), ["CONNACK"]),
  PropertyRow(0x25, "retain-available", "00", .byte(0), ["CONNACK"]),
  PropertyRow(0x26, "user-property", "0001 'k' 0000", .userProperty(UserProperty("k", "")), places.map { $0.name }),
  PropertyRow(0x27, "maximum-packet-size", "00000001", .fourByteInteger(1), ["CONNECT", "CONNACK"]),
  PropertyRow(0x28, "wildcard-subscription-available", "01", .byte(1), ["CONNACK"]),
  PropertyRow(0x29, "subscription-identifier-available", "00", .byte(0), ["CONNACK"]),
  PropertyRow(0x2A, "shared-subscription-available", "01", .byte(1), ["CONNACK"]),
]

extension ControlPacket {
  /// Its properties; a will's where there is one.
  fileprivate var properties: Properties {
    switch self {
    case .connect(let packet): packet.will?.properties ?? packet.properties
    case .connack(let packet): packet.properties
    case .publish(let packet): packet.properties
    case .puback(let packet), .pubrec(let packet), .pubrel(let packet), .pubcomp(let packet): packet.properties
    case .subscribe(let packet): packet.properties
    case .suback(let packet): packet.properties
    case .unsubscribe(let packet): packet.properties
    case .unsuback(let packet): packet.properties
    case .pingreq, .pingresp: Properties()
    case .disconnect(let packet): packet.properties
    case .auth(let packet): packet.properties
    }
  }
}

@Suite("A property")
struct PropertiesTests {
  /// Authentication data needs the method before it (3.1.2.11.10).
  private func list(_ row: PropertyRow) -> [UInt8] {
    row.identifier == 0x16 ? wire("15 0001 'm'") + row.bytes : row.bytes
  }

  @Test("has the identifier and name of table 2-4", arguments: zip(rows, PropertyDescription.all))
  private func isDescribed(row: PropertyRow, property: PropertyDescription) {
    #expect(property.identifier == row.identifier)
    #expect(property.name == row.name)
    #expect(property.type == row.decoded.type)
    #expect(PropertyDescription.all.count == rows.count)
  }

  @Test("stands where table 2-4 says", arguments: rows, places)
  private func isTakenInItsPlaces(row: PropertyRow, place: PropertyPlace) throws {
    let bytes = place.packet(list(row))
    if row.places.contains(place.name) {
      let packet = try #require(try decode(bytes, .v5))
      let last = try #require(Array(packet.properties).last)
      #expect(last.property.identifier == row.identifier)
      #expect(last.value == row.decoded)
      // Encoding gives the short form of no list nowhere, as the list is not empty.
      #expect(try encode(packet, .v5) == bytes)
    } else if place.name == "PUBLISH" && !row.places.isDisjoint(with: ["CONNECT", "will"]) {
      #expect(try decode(bytes, .v5)?.properties.isEmpty == true, "tolerated and left out")
    } else {
      #expect(refusal(bytes, .v5) == .malformedPacket)
    }
  }

  @Test("stands once, but for user properties and the subscription identifiers of PUBLISH", arguments: rows, places)
  private func isRefusedTwice(row: PropertyRow, place: PropertyPlace) throws {
    guard row.places.contains(place.name) else { return }
    let bytes = place.packet(list(row) + row.bytes)
    if row.identifier == 0x26 || (row.identifier == 0x0B && place.name == "PUBLISH") {
      #expect(try decode(bytes, .v5)?.properties.map { $0.value } == [row.decoded, row.decoded])
    } else {
      #expect(refusal(bytes, .v5) == .protocolError)
    }
  }

  @Test("is refused when the list ends within it", arguments: rows)
  private func isRefusedWhenCut(row: PropertyRow) {
    for place in places where row.places.contains(place.name) {
      for length in 1..<row.bytes.count {
        #expect(refusal(place.packet(Array(row.bytes[..<length])), .v5) == .malformedPacket, "\(place.name), \(length)")
      }
    }
  }

  @Test("that does not exist is refused (2.2.2.2)", arguments: places)
  private func isRefusedWhenUnknown(place: PropertyPlace) {
    let known = Set(rows.map { $0.identifier })
    for identifier in UInt8.min...UInt8.max where !known.contains(identifier) {
      #expect(refusal(place.packet([identifier, 0, 0, 0, 0]), .v5) == .malformedPacket, "\(identifier)")
    }
  }

  @Test(
    "has a value that it may have",
    arguments: [
      ("PUBLISH", "01 02", ReasonCode.protocolError), ("PUBLISH", "01 ff", .protocolError),
      ("will", "01 02", .protocolError), ("PUBLISH", "0b 00", .protocolError), ("SUBSCRIBE", "0b 00", .protocolError),
      ("PUBLISH", "0b ffffffff7f", .malformedPacket), ("PUBLISH", "0b 8000", .malformedPacket),
      ("PUBLISH", "0b 8100", .malformedPacket), ("CONNECT", "17 02", .protocolError),
      ("CONNECT", "19 02", .protocolError), ("CONNECT", "21 0000", .protocolError),
      ("CONNACK", "21 0000", .protocolError), ("PUBLISH", "23 0000", .topicAliasInvalid),
      ("CONNACK", "24 02", .protocolError), ("CONNACK", "25 02", .protocolError),
      ("CONNECT", "27 00000000", .protocolError), ("CONNACK", "27 00000000", .protocolError),
      ("CONNACK", "28 02", .protocolError), ("CONNACK", "29 02", .protocolError), ("CONNACK", "2a 02", .protocolError),
      ("PUBLISH", "03 0001 ff", .malformedPacket), ("PUBLISH", "03 0001 00", .malformedPacket),
      ("PUBLISH", "26 0001 ff 0000", .malformedPacket), ("PUBLISH", "26 0000 0001 ff", .malformedPacket),
      ("PUBLISH", "08 0003 'a/+'", .protocolError), ("PUBLISH", "08 0001 '#'", .protocolError),
      ("PUBLISH", "08 0000", .protocolError), ("CONNECT", "16 0001 00", .protocolError),
      ("CONNACK", "16 0001 00", .protocolError), ("AUTH", "16 0001 00", .protocolError),
    ])
  func isRefusedWithOtherValues(name: String, notation: String, expected: ReasonCode) throws {
    let place = try #require(places.first { $0.name == name })
    #expect(refusal(place.packet(wire(notation)), .v5) == expected)
  }

  @Test("list longer than its packet is refused", arguments: places)
  private func isRefusedWhenTheListIsTooLong(place: PropertyPlace) {
    let body = place.before + [0x7F] + wire("26 0000 0000")
    #expect(refusal(packet(place.firstByte, body), .v5) == .malformedPacket)
  }

  @Test("list does not exist on 3.x: it is not written", arguments: [ProtocolVersion.v31, .v311])
  func isLeftOutOn3(version: ProtocolVersion) throws {
    let listed = properties { $0[.reasonString] = "why" }
    let puback = AcknowledgementPacket(
      type: .puback, packetIdentifier: 1, reasonCode: .quotaExceeded, properties: listed)
    #expect(try encode(.puback(puback), version) == wire("40 02 0001"))
    #expect(try encode(.disconnect(DisconnectPacket(properties: listed)), version) == wire("e0 00"))
  }

  // MARK: Encoding

  @Test("is not written into a packet that it does not belong to")
  func isRefusedWhenEncodedElsewhere() throws {
    let delay = properties { $0[.willDelayInterval] = 1 }
    #expect(refusalToEncode(.publish(PublishPacket(topic: [0x61], properties: delay)), .v5) == .protocolError)
    #expect(refusalToEncode(.connack(ConnackPacket(properties: delay)), .v5) == .malformedPacket)
    let zero = properties { $0[.receiveMaximum] = 0 }
    #expect(refusalToEncode(.connack(ConnackPacket(properties: zero)), .v5) == .protocolError)
    let qos2 = properties { $0[.maximumQoS] = .exactlyOnce }
    #expect(refusalToEncode(.connack(ConnackPacket(properties: qos2)), .v5) == .protocolError)
    let twice = properties { $0.subscriptionIdentifiers = [1, 2] }
    let subscribe = SubscribePacket(
      packetIdentifier: 1, subscriptions: [Subscription(filter: try TopicFilter("a"))], properties: twice)
    #expect(refusalToEncode(.subscribe(subscribe), .v5) == .protocolError)
  }

  // MARK: The Swift side

  @Test("is read and written by its key")
  func isReadAndWritten() {
    var properties = Properties()
    #expect(properties.isEmpty)
    #expect(properties[.receiveMaximum] == nil)
    properties[.receiveMaximum] = 10
    properties[.contentType] = "a"
    properties[.receiveMaximum] = 20
    #expect(properties[.receiveMaximum] == 20)
    #expect(properties[.contentType] == "a")
    #expect(properties.map { $0.property.name } == ["content-type", "receive-maximum"])
    #expect(properties.encodedSize == 7)
    properties[.contentType] = nil
    #expect(properties.map { $0.value } == [.twoByteInteger(20)])
    properties[.retainAvailable] = false
    properties[.maximumQoS] = .atLeastOnce
    properties[.subscriptionIdentifier] = 268_435_455
    #expect(properties[.retainAvailable] == false)
    #expect(properties[.maximumQoS] == .atLeastOnce)
    #expect(properties[.subscriptionIdentifier] == 268_435_455)
  }

  @Test("that may stand there several times keeps its order")
  func severalKeepTheirOrder() {
    var properties = Properties()
    properties.userProperties = [UserProperty("b", "1"), UserProperty("a", "2"), UserProperty("b", "1")]
    properties.subscriptionIdentifiers = [3, 1]
    #expect(properties.userProperties == [UserProperty("b", "1"), UserProperty("a", "2"), UserProperty("b", "1")])
    #expect(properties.subscriptionIdentifiers == [3, 1])
    #expect(properties[.subscriptionIdentifier] == 3)
    properties.userProperties = []
    #expect(properties.userProperties.isEmpty)
    #expect(properties.subscriptionIdentifiers == [3, 1])
  }

  @Test("from outside is refused with a wrong type or value, and nothing is added")
  func isRefusedFromOutside() throws {
    func property(_ name: String) throws -> PropertyDescription {
      try #require(PropertyDescription.all.first { $0.name == name })
    }
    var properties = Properties()
    let wrong: [(String, PropertyValue)] = [
      ("receive-maximum", .byte(1)), ("receive-maximum", .twoByteInteger(0)), ("maximum-qos", .byte(2)),
      ("subscription-identifier", .variableByteInteger(0)), ("subscription-identifier", .variableByteInteger(-1)),
      ("subscription-identifier", .variableByteInteger(268_435_456)), ("response-topic", .text("+")),
      ("correlation-data", .binary([UInt8](repeating: 0, count: 65_536))), ("topic-alias", .twoByteInteger(0)),
    ]
    for (name, value) in wrong {
      let described = try property(name)
      #expect(throws: ProtocolError.self, "\(name)") { try properties.append(value, for: described) }
    }
    #expect(properties.isEmpty)
    try properties.append(.binary([UInt8](repeating: 0, count: 65_535)), for: property("correlation-data"))
    #expect(properties[.correlationData]?.count == 65_535)
  }

  @Test("text is compared byte by byte")
  func comparesBytes() {
    #expect(properties { $0[.contentType] = "\u{E9}" } != properties { $0[.contentType] = "e\u{301}" })
  }
}
