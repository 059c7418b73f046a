import MQTT
import TestSupport
import Testing

/// What the broker does against the protocol: what closes with its reason (4.13), and what is lived with.
@Suite struct SessionErrorTests {
  private func connected(_ version: ProtocolVersion, isStrict: Bool = false) throws -> SessionPair {
    let pair = SessionPair(version) { $0.isStrict = isStrict }
    try pair.connect()
    return pair
  }

  @Test(
    "[MQTT-4.13.1-1] DISCONNECT says what was wrong, and is the last packet",
    arguments: [
      ("30 r* s1", 0x81), ("30 r* s* 'a' [ 7F 00 ]", 0x81), ("36 r* s* 'a' m1 []", 0x81), ("38 r* s* 'a' []", 0x81),
      ("32 r* s* 'a' m0 []", 0x82), ("30 r* s0 []", 0x82), ("30 r* s* 'a/#' []", 0x90), ("30 r* s* 'a/+' []", 0x90),
      ("30 r* s* 'a' [ 01 00 01 00 ]", 0x82), ("30 r* s* 'a' [ 01 02 ]", 0x82), ("30 r* s2 C3 28 []", 0x81),
      ("30 FF FF FF FF", 0x81), ("30 80 00", 0x81), ("00 r0", 0x81), ("40 r1 00", 0x81), ("41 r2 m1", 0x81),
      ("60 r2 m1", 0x81), ("40 r2 m0", 0x82), ("D0 r1 00", 0x81), ("90 r* m1 []", 0x81),
      ("10 r* s* 'MQTT' 05 02 n0 [] s* 'c'", 0x82), ("82 r* m1 [] s* 'a' 00", 0x82), ("A2 r* m1 [] s* 'a'", 0x82),
      ("C0 r0", 0x82),
    ] as [(String, UInt8)])
  func answered(packet: String, code: UInt8) throws {
    let pair = try connected(.v5)
    pair.send(WireNotation(packet))
    pair.send("30 r* s* 'a' [] 'later'")
    #expect(pair.events() == [.failed(ReasonCode(rawValue: code))])
    #expect(!pair.explanation.isEmpty)
    #expect(!pair.isConnected)
    #expect(pair.output() == [0xE0, 1, code])
  }

  @Test(
    "3.x has no reason to give: the same mistakes close in silence",
    arguments: [
      "30 r* s1", "36 r* s* 'a' m1", "32 r* s* 'a' m0", "30 r* s* 'a/#'", "00 r0", "F0 r0", "40 r1 00", "D0 r1 00",
      "10 r* s* 'MQTT' 04 02 n0 s* 'c'", "C0 r0", "E0 r0", "62 r3 m1 00", "70 r3 m1 00",
    ])
  func silent(_ packet: String) throws {
    for version in [ProtocolVersion.v31, .v311] {
      let pair = try connected(version)
      pair.send(WireNotation(packet))
      guard case .failed? = pair.events().last else { return #expect(Bool(false), "\(packet) closes on \(version)") }
      pair.expectNothingSent()
      #expect(!pair.isConnected)
    }
  }

  @Test(
    "[MQTT-3.1.2-24] A packet above our maximum size closes with 0x95 as soon as its length is known",
    arguments: [false, true])
  func packetTooLarge(isAnnounced: Bool) throws {
    let pair = SessionPair(.v5) {
      if isAnnounced { $0.connect.properties[.maximumPacketSize] = 20 } else { $0.maximumPacketSize = 20 }
    }
    try pair.connect()
    pair.send("30 r18 s* 'a' [] '1234567890abcd'")
    #expect(pair.events() == [.message("a", "1234567890abcd", .atMostOnce)])
    pair.send([0x30, 19])
    #expect(pair.events() == [.failed(.packetTooLarge)])
    pair.expectSent("E0 r1 95")
  }

  @Test("What stood before the bad packet is told first")
  func before() throws {
    let pair = try connected(.v5)
    try pair.publish(.atLeastOnce)
    _ = pair.output()
    pair.send("30 r* s* 'a' [] 'x' | 40 r2 m1 | 00 r0")
    #expect(pair.events() == [.message("a", "x", .atMostOnce), .published(0, .success), .failed(.malformedPacket)])
  }

  @Test(
    "A malformed CONNACK is answered too",
    arguments: [("20 r3 02 00 00", 0x81), ("20 r* 00 00 [ 21 n0 ]", 0x82), ("20 r1 00", 0x81)] as [(String, UInt8)])
  func malformedConnack(packet: String, code: UInt8) throws {
    let pair = SessionPair(.v5)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.send(WireNotation(packet))
    #expect(pair.events() == [.failed(ReasonCode(rawValue: code))])
    #expect(pair.output() == [0xE0, 1, code])
  }

  @Test("Random bytes never trap, whatever the state", arguments: 0..<8)
  func randomBytes(seed: UInt64) throws {
    var random = SeededGenerator(state: seed)
    for round in 0..<300 {
      let version = ProtocolVersion.allCases[round % 3]
      let pair = SessionPair(version, keepAlive: 10) {
        $0.lifetime = .persistent
        $0.connect.properties[.topicAliasMaximum] = 3
        $0.connect.properties[.receiveMaximum] = 3
      }
      try pair.session.connectionOpened(at: pair.now)
      for _ in 0..<3 {
        if random.next(4) > 0 {
          pair.accept()
          _ = pair.events()
        }
        if pair.canPublish {
          for qos in QoS.allCases { try pair.publish(qos) }
          _ = try pair.subscribe("f")
          _ = try pair.unsubscribe("f")
        }
        for _ in 0..<6 {
          // Packets whose fixed header is right reach deeper than noise.
          let type = UInt8(random.next(16))
          let flags: UInt8 = type == 3 ? UInt8(random.next(16)) : [6, 8, 10].contains(type) ? 2 : 0
          let body = (0..<random.next(12)).map { _ in
            random.next(3) > 0 ? UInt8(random.next(6)) : UInt8(random.next(256))
          }
          pair.send([type << 4 | flags, UInt8(body.count)] + body)
          _ = pair.events()
          if random.next(2) == 0 { pair.session.acknowledgeAll() }
          pair.advance(by: .seconds(random.next(8)))
        }
        _ = pair.events()
        _ = pair.output()
        pair.close()
        try pair.session.connectionOpened(at: pair.now)
      }
    }
  }

  // MARK: What is lived with: the whole list

  /// A case of tolerance: what is sent, what is told besides the tolerance, and how strict mode closes.
  struct Case: CustomTestStringConvertible, Sendable {
    var tolerance: Tolerance
    var version: ProtocolVersion
    var prepare: @Sendable (SessionPair) throws -> Void = { _ in }
    var packet: String
    var events: [SessionPair.Seen]
    var strict: ReasonCode = .protocolError

    var testDescription: String { "\(tolerance): \(packet)" }
  }

  private static let publish: @Sendable (QoS) -> @Sendable (SessionPair) throws -> Void = { qos in
    { pair in try pair.publish(qos) }
  }

  static let cases: [Case] = [
    Case(
      tolerance: .unknownReasonCode, version: .v5, prepare: publish(.atLeastOnce), packet: "40 r3 m1 01",
      events: [.published(0, ReasonCode(rawValue: 0x01))]),
    Case(
      tolerance: .unknownReasonCode, version: .v5, prepare: publish(.atLeastOnce), packet: "40 r3 m1 F0",
      events: [.published(0, ReasonCode(rawValue: 0xF0))]),
    Case(
      tolerance: .unknownReasonCode, version: .v5, prepare: publish(.exactlyOnce), packet: "50 r3 m1 01 | 70 r2 m1",
      events: [.published(0, .success)]),
    Case(
      tolerance: .unknownReasonCode, version: .v5, prepare: publish(.exactlyOnce), packet: "50 r3 m1 A2",
      events: [.published(0, ReasonCode(rawValue: 0xA2))]),
    Case(
      tolerance: .unknownReasonCode, version: .v5, prepare: publish(.exactlyOnce), packet: "50 r2 m1 | 70 r3 m1 80",
      events: [.published(0, .unspecifiedError)]),
    Case(tolerance: .unknownReasonCode, version: .v5, packet: "62 r3 m1 10", events: []),
    Case(
      tolerance: .unknownReasonCode, version: .v5, prepare: { _ = try $0.subscribe("f") }, packet: "90 r* m1 [] 03",
      events: [.subscribed(0, [ReasonCode(rawValue: 0x03)])]),
    Case(
      tolerance: .unknownReasonCode, version: .v5, prepare: { _ = try $0.unsubscribe("f") }, packet: "B0 r* m1 [] 01",
      events: [.unsubscribed(0, [ReasonCode(rawValue: 0x01)])]),
    Case(
      tolerance: .pubackForExactlyOnce, version: .v5, prepare: publish(.exactlyOnce), packet: "40 r2 m1",
      events: [.published(0, .success)]),
    Case(
      tolerance: .pubackForExactlyOnce, version: .v311, prepare: publish(.exactlyOnce), packet: "40 r2 m1",
      events: [.published(0, .success)]),
    Case(
      tolerance: .misplacedProperty, version: .v5, packet: "30 r* s* 'a' [ 18 N5 ] 'x'",
      events: [.message("a", "x", .atMostOnce)]),
    Case(
      tolerance: .misplacedProperty, version: .v5, packet: "30 r* s* 'a' [ 11 N5 ] 'x'",
      events: [.message("a", "x", .atMostOnce)]),
    Case(
      tolerance: .wildcardInTopicName, version: .v311, packet: "30 r* s* 'a/+' 'x'",
      events: [.message("a/+", "x", .atMostOnce)], strict: .topicNameInvalid),
    Case(
      tolerance: .wildcardInTopicName, version: .v31, packet: "30 r* s* 'a+b' 'x'",
      events: [.message("a+b", "x", .atMostOnce)], strict: .topicNameInvalid),
    Case(
      tolerance: .lengthNotMinimal, version: .v311, packet: "30 84 00 s* 'a' 'x'",
      events: [.message("a", "x", .atMostOnce)], strict: .malformedPacket),
  ]

  @Test("What the tolerance list names is lived with, and warned of once", arguments: cases)
  func tolerated(_ row: Case) throws {
    let pair = try connected(row.version)
    try row.prepare(pair)
    pair.send(WireNotation(row.packet))
    let events = pair.events()
    #expect(events.filter { $0 != .tolerated(row.tolerance) } == row.events)
    #expect(events.filter { $0 == .tolerated(row.tolerance) }.count == 1)
    #expect(pair.isConnected)
    pair.send(WireNotation(row.packet.contains("30 ") ? row.packet : "62 r2 m1"))
    #expect(!pair.events().contains(.tolerated(row.tolerance)), "once")
    #expect(pair.isConnected)
  }

  @Test("In strict mode it closes with its reason", arguments: cases)
  func strict(_ row: Case) throws {
    let pair = try connected(row.version, isStrict: true)
    try row.prepare(pair)
    _ = pair.output()
    pair.send(WireNotation(row.packet))
    #expect(pair.events() == [.failed(row.strict)])
    #expect(pair.output().suffix(3) == (row.version.hasProperties ? [0xE0, 1, row.strict.rawValue] : []))
  }

  @Test(
    "A 3.x-form CONNACK to an MQTT 5 CONNECT says that the broker speaks 3.x",
    arguments: [
      (0, .success), (1, .unsupportedProtocolVersion), (5, .notAuthorized),
    ] as [(UInt8, ReasonCode)])
  func version3Connack(code: UInt8, reasonCode: ReasonCode) throws {
    let pair = SessionPair(.v5)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.send([0x20, 2, 0, code])
    #expect(pair.events() == [.refused(reasonCode, returnCode: code)])
    #expect(!pair.isConnected)
    pair.expectNothingSent()
    pair.close()
    pair.session.settings.version = .v311
    try pair.connect()

    let strict = SessionPair(.v5) { $0.isStrict = true }
    try strict.session.connectionOpened(at: strict.now)
    _ = strict.output()
    strict.send([0x20, 2, 0, code])
    #expect(strict.events() == [.failed(.protocolError)])
    strict.expectSent("E0 r1 82")
  }

  @Test(
    "A reason code that the specification has is not warned of",
    arguments: [
      "40 r3 m1 10", "40 r3 m1 80", "40 r3 m1 83", "40 r3 m1 87", "40 r3 m1 90", "40 r3 m1 91", "40 r3 m1 97",
      "40 r3 m1 99",
      "62 r3 m5 92",
    ])
  func knownReasonCodes(_ packet: String) throws {
    let pair = try connected(.v5, isStrict: true)
    try pair.publish(.atLeastOnce)
    pair.send(WireNotation(packet))
    _ = pair.events()
    #expect(pair.isConnected)
  }
}
