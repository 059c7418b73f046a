import MQTT
import TestSupport
import Testing

/// CONNECT and CONNACK, and how a session begins, goes on and ends.
@Suite struct SessionConnectTests {
  private static let names: [ProtocolVersion: String] = [
    .v31: "s* 'MQIsdp' 03", .v311: "s* 'MQTT' 04", .v5: "s* 'MQTT' 05",
  ]

  /// CONNECT with these flags and properties.
  private func connect(
    _ version: ProtocolVersion, flags: String, properties: String = "", identifier: String = "c"
  ) -> WireNotation {
    let properties = version.hasProperties ? "[ \(properties) ]" : ""
    return "10 r* \(Self.names[version]!) \(flags) n0 \(properties) s* '\(identifier)'"
  }

  @Test(
    "[MQTT-3.1.0-1] CONNECT is the first packet, with a clean start for a session of one connection",
    arguments: ProtocolVersion.allCases)
  func networkConnection(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    for _ in 0..<2 {
      try pair.session.connectionOpened(at: pair.now)
      pair.expectSent(connect(version, flags: "02"))
      #expect(!pair.isConnected)
      #expect(!pair.canPublish)
      pair.accept()
      #expect(pair.events() == [.connected(republished: 0)])
      #expect(pair.isConnected)
      pair.session.disconnect()
      pair.expectSent("E0 r0")
      #expect(pair.isDisconnecting)
      pair.close()
    }
  }

  @Test("A session of this process does not begin clean, but where it is told to, and ends with DISCONNECT: expiry 0")
  func process() throws {
    let pair = SessionPair(.v5) { $0.lifetime = .process }
    try pair.session.connectionOpened(at: pair.now)
    pair.expectSent(connect(.v5, flags: "00", properties: "11 N3600"))
    pair.close()
    pair.session.settings.startsClean = true
    try pair.session.connectionOpened(at: pair.now)
    pair.expectSent(connect(.v5, flags: "02", properties: "11 N3600"))
    pair.accept()
    #expect(pair.events() == [.connected(republished: 0)])
    pair.close()
    pair.session.settings.startsClean = false
    try pair.session.connectionOpened(at: pair.now)
    pair.expectSent(connect(.v5, flags: "00", properties: "11 N3600"))
    pair.accept(sessionPresent: true)
    #expect(pair.events() == [.connected(republished: 0)])
    pair.session.disconnect()
    pair.expectSent("E0 r* 00 [ 11 N0 ]")
  }

  @Test("On 3.x a session that is to outlive a connection cannot begin clean", arguments: [ProtocolVersion.v31, .v311])
  func processOn3(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version) { $0.lifetime = .process }
    for _ in 0..<2 {
      try pair.session.connectionOpened(at: pair.now)
      pair.expectSent(connect(version, flags: "00"))
      pair.accept()
      #expect(pair.events() == [.connected(republished: 0)])
      pair.session.disconnect()
      pair.expectSent("E0 r0")
      pair.close()
    }
  }

  @Test(
    "A persistent session never begins clean, and DISCONNECT leaves its expiry alone",
    arguments: ProtocolVersion.allCases)
  func persistent(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version) {
      $0.lifetime = .persistent
      $0.connect.properties[.sessionExpiryInterval] = 77
    }
    try pair.session.connectionOpened(at: pair.now)
    pair.expectSent(connect(version, flags: "00", properties: "11 N77"))
    pair.accept(sessionPresent: true)
    #expect(pair.events() == [.connected(republished: 0)], "session present without a state of our own is normal")
    pair.session.disconnect()
    pair.expectSent("E0 r0")
  }

  @Test(
    "[MQTT-3.2.2-2] Session present after a clean start is a protocol error", arguments: [ProtocolVersion.v311, .v5])
  func sessionPresentAfterCleanStart(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.accept(sessionPresent: true)
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent(version.hasProperties ? "E0 r1 82" : "")
  }

  @Test("[MQTT-3.2.2-16] The identifier that the broker assigned is used from then on")
  func assignedIdentifier() throws {
    let pair = SessionPair(.v5) {
      $0.lifetime = .process
      $0.connect.clientIdentifier = ""
    }
    try pair.connect(properties: "12 s* 'made-up'")
    pair.close()
    try pair.session.connectionOpened(at: pair.now)
    pair.expectSent(connect(.v5, flags: "00", properties: "11 N3600", identifier: "made-up"))
  }

  @Test("What CONNACK says about the broker holds for its connection, and the defaults where it says nothing")
  func limits() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "21 n5 24 00 25 00 27 N100 22 n9 28 00 29 00 2A 00")
    let limits = pair.session.limits
    #expect(limits.receiveMaximum == 5)
    #expect(limits.maximumQoS == .atMostOnce)
    #expect(!limits.retainAvailable)
    #expect(limits.maximumPacketSize == 100)
    #expect(limits.topicAliasMaximum == 9)
    #expect(!limits.wildcardSubscriptionAvailable)
    #expect(!limits.subscriptionIdentifiersAvailable)
    #expect(!limits.sharedSubscriptionAvailable)
    pair.close()
    try pair.connect()
    #expect(pair.session.limits == ServerLimits())
    #expect(pair.session.limits.receiveMaximum == 65_535)
    #expect(pair.session.limits.topicAliasMaximum == 0)
  }

  @Test(
    "[MQTT-3.2.2-7] A refusal ends the connection with its reason code",
    arguments: [0x80, 0x84, 0x87, 0x8C, 0x9F, 0xF0] as [UInt8])
  func refusal(_ code: UInt8) throws {
    let pair = SessionPair(.v5)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.send([0x20, 3, 0, code, 0])
    #expect(pair.events() == [.refused(ReasonCode(rawValue: code), returnCode: nil)])
    #expect(!pair.isConnected)
    pair.expectNothingSent()
  }

  @Test(
    "3.1.1: 3.2.2.3 A return code is told as it came, and as MQTT 5 would say it",
    arguments: [
      (1, .unsupportedProtocolVersion), (2, .clientIdentifierNotValid), (3, .serverUnavailable),
      (4, .badUserNameOrPassword), (5, .notAuthorized), (6, .unspecifiedError), (0x82, .protocolError),
    ] as [(UInt8, ReasonCode)])
  func returnCodes(code: UInt8, reasonCode: ReasonCode) throws {
    let pair = SessionPair(.v311)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.send([0x20, 2, 0, code])
    #expect(pair.events() == [.refused(reasonCode, returnCode: code)])
  }

  @Test(
    "3.2.2.2: A reason code in CONNACK that is neither success nor failure is a protocol error",
    arguments: [0x01, 0x05, 0x7F] as [UInt8])
  func oddReasonCode(_ code: UInt8) throws {
    let pair = SessionPair(.v5)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.send([0x20, 3, 0, code, 0])
    #expect(pair.events() == [.failed(.protocolError)])
  }

  @Test("[MQTT-3.2.0-2] A second CONNACK is a protocol error", arguments: ProtocolVersion.allCases)
  func secondConnack(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    pair.accept()
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent(version.hasProperties ? "E0 r1 82" : "")
  }

  @Test(
    "[MQTT-3.2.0-1] Any other packet before CONNACK is a protocol error",
    arguments: [
      "30 r* s* 't'", "40 r2 m1", "50 r2 m1", "62 r2 m1", "70 r2 m1", "90 r3 m1 00", "B0 r2 m1", "D0 r0", "E0 r0",
    ])
  func beforeConnack(_ packet: String) throws {
    for version in ProtocolVersion.allCases {
      let pair = SessionPair(version)
      try pair.session.connectionOpened(at: pair.now)
      _ = pair.output()
      pair.send(WireNotation(packet))
      #expect(pair.events() == [.failed(.protocolError)])
      #expect(pair.explanation.hasSuffix("came before CONNACK"))
      pair.expectSent(version.hasProperties ? "E0 r1 82" : "")
      pair.accept()
      #expect(pair.events() == [], "what comes later is not looked at")
    }
  }

  @Test("[MQTT-4.12.0-6] AUTH is for those who named an authentication method, also before CONNACK")
  func authentication() throws {
    let pair = SessionPair(.v5) { $0.connect.properties[.authenticationMethod] = "M" }
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.send("F0 r* 18 [ 15 s* 'M' ]")
    #expect(pair.events() == [.authentication(.continueAuthentication)])
    var answer = AuthPacket(reasonCode: .continueAuthentication)
    answer.properties[.authenticationMethod] = "M"
    try pair.session.authenticate(answer)
    pair.expectSent("F0 r* 18 [ 15 s* 'M' ]")
    pair.accept()
    #expect(pair.events() == [.connected(republished: 0)])

    let without = SessionPair(.v5)
    try without.session.connectionOpened(at: without.now)
    _ = without.output()
    without.send("F0 r* 18 [ 15 s* 'M' ]")
    #expect(without.events() == [.failed(.protocolError)])
    without.expectSent("E0 r1 82")
  }

  @Test("CONNACK and what follows may come in any pieces")
  func pieces() throws {
    let pair = SessionPair(.v5)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    var seen: [SessionPair.Seen] = []
    for byte in TestSupport.wire("20 r* 00 00 [] | 30 r* s* 'a' [] 'x' | 32 r* s* 'a' m1 [] 'y'") {
      pair.send([byte])
      seen += pair.events()
    }
    #expect(seen == [.connected(republished: 0), .message("a", "x", .atMostOnce), .message("a", "y", .atLeastOnce)])
  }

  @Test("3.14.4: DISCONNECT from the broker ends the connection with its reason")
  func disconnected() throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    pair.send("30 r* s* 'a' [] 'x' | E0 r1 8E | 30 r* s* 'a' [] 'y'")
    #expect(pair.events() == [.message("a", "x", .atMostOnce), .disconnected(.sessionTakenOver)])
    #expect(!pair.isConnected)
    pair.expectNothingSent()
  }

  @Test("DISCONNECT says why, and leaves behind everything else", arguments: ProtocolVersion.allCases)
  func disconnect(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    try pair.publish("t", "p", .atMostOnce)
    pair.session.disconnect(.disconnectWithWillMessage)
    let disconnect = version.hasProperties ? "E0 r1 04" : "E0 r0"
    pair.expectSent("30 r* s* 't' \(version.noProperties) 'p' | \(disconnect)")
    pair.send("32 r* s* 'a' m1 \(version.noProperties) 'late'")
    #expect(pair.events() == [])
    #expect(!pair.canPublish)
    pair.session.disconnect()
    pair.expectNothingSent()
    #expect(pair.session.nextDeadline == nil)
  }

  @Test("Taking leave before CONNACK sends nothing more")
  func disconnectBeforeConnack() throws {
    let pair = SessionPair(.v5)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.session.disconnect()
    #expect(pair.isDisconnecting)
    pair.expectNothingSent()
    pair.accept()
    #expect(pair.events() == [])
  }

  @Test("CONNECT that cannot be encoded is thrown, and the session can be closed and opened again")
  func invalidConnect() throws {
    let pair = SessionPair(.v311) { $0.connect.password = [1] }
    #expect(reasonCode { try pair.session.connectionOpened(at: pair.now) } == .protocolError)
    pair.expectNothingSent()
    pair.close()
    pair.session.settings.connect.password = nil
    try pair.connect()
  }

  @Test("The observer sees every packet once, in both directions, however the network takes them")
  func observer() throws {
    let pair = SessionPair(.v311)
    var seen: [(isSent: Bool, bytes: [UInt8])] = []
    pair.session.observer = { isSent, packet in seen.append((isSent, Array(packet))) }
    try pair.connect()
    seen = []
    try pair.publish("t", "1", .atMostOnce)
    try pair.publish("t", "2", .atLeastOnce)
    while pair.session.outputCount > 0 {
      pair.session.withOutput { #expect(!$0.isEmpty) }
      pair.session.outputTaken(1, at: pair.now)
    }
    pair.send("40 r2 m1")
    _ = pair.events()
    #expect(seen.map(\.isSent) == [true, true, false])
    #expect(
      seen.map(\.bytes) == [
        TestSupport.wire("30 r* s* 't' '1'"), TestSupport.wire("32 r* s* 't' m1 '2'"), TestSupport.wire("40 r2 m1"),
      ])
  }
}
