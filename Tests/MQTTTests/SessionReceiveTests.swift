import MQTT
import TestSupport
import Testing

/// What the session makes of received messages, and when it acknowledges them.
@Suite struct SessionReceiveTests {
  @Test("A QoS 0 message is handed out and answered with nothing", arguments: ProtocolVersion.allCases)
  func atMostOnce(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    pair.send("31 r* s* 'a/b' \(version.noProperties) 'hello'")
    #expect(pair.events() == [.message("a/b", "hello", .atMostOnce)])
    #expect(pair.deliveries.isEmpty)
    pair.expectNothingSent()
  }

  @Test(
    "[MQTT-4.3.2-4] PUBACK leaves when the application has finished with the message",
    arguments: ProtocolVersion.allCases)
  func atLeastOnce(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    pair.send("32 r* s* 'a' m7 \(version.noProperties) 'x'")
    #expect(pair.events() == [.message("a", "x", .atLeastOnce)])
    pair.expectNothingSent()
    #expect(pair.session.deliveriesInFlight == 1)
    pair.session.acknowledge(pair.deliveries[0])
    pair.expectSent("40 r2 m7")
    #expect(pair.session.deliveriesInFlight == 0)
    pair.session.acknowledge(pair.deliveries[0])
    pair.expectNothingSent()
  }

  @Test("[MQTT-4.3.3-8] PUBREC, then PUBCOMP when PUBREL has come", arguments: ProtocolVersion.allCases)
  func exactlyOnce(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    pair.send("34 r* s* 'a' m7 \(version.noProperties) 'x'")
    #expect(pair.events() == [.message("a", "x", .exactlyOnce)])
    pair.expectNothingSent()
    #expect(pair.session.deliveriesUnreleased == 0)
    pair.session.acknowledge(pair.deliveries[0])
    pair.expectSent("50 r2 m7")
    #expect(pair.session.deliveriesInFlight == 0)
    #expect(pair.session.deliveriesUnreleased == 1)
    pair.send("62 r2 m7")
    #expect(pair.events() == [])
    pair.expectSent("70 r2 m7")
    #expect(pair.session.deliveriesUnreleased == 0)
  }

  @Test(
    "[MQTT-4.3.3-10] A QoS 2 message that comes again before PUBREL is not handed out twice",
    arguments: ProtocolVersion.allCases)
  func duplicate(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    pair.send("34 r* s* 'a' m7 \(version.noProperties) 'x' | 3C r* s* 'a' m7 \(version.noProperties) 'x'")
    #expect(pair.events() == [.message("a", "x", .exactlyOnce)])
    pair.expectNothingSent()
    pair.session.acknowledge(pair.deliveries[0])
    pair.expectSent("50 r2 m7")
    pair.send("3C r* s* 'a' m7 \(version.noProperties) 'x'")
    #expect(pair.events() == [])
    pair.expectSent("50 r2 m7")
  }

  @Test("[MQTT-4.3.3-12] After PUBCOMP the identifier stands for a new message")
  func identifierIsFreeAfterPubcomp() throws {
    let pair = SessionPair(.v311)
    try pair.connect()
    for payload in ["x", "y"] {
      pair.send("34 r* s* 'a' m7 '\(payload)'")
      #expect(pair.events() == [.message("a", payload, .exactlyOnce)])
      pair.session.acknowledgeAll()
      pair.send("62 r2 m7")
      #expect(pair.events() == [])
      pair.expectSent("50 r2 m7 | 70 r2 m7")
    }
  }

  @Test(
    "[MQTT-4.6.0-2] [MQTT-4.6.0-3] Acknowledgements leave in the order of arrival, however the application finishes",
    arguments: [
      [0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 0, 3, 1], [3, 0, 1, 2],
    ])
  func order(finished: [Int]) throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    pair.send("32 r* s* 'a' m1 [] '0' | 34 r* s* 'a' m2 [] '1' | 32 r* s* 'a' m3 [] '2' | 34 r* s* 'a' m4 [] '3'")
    #expect(pair.events().count == 4)
    var sent: [UInt8] = []
    for (count, index) in finished.enumerated() {
      pair.session.acknowledge(pair.deliveries[index])
      sent += pair.output()
      let done = finished[...count]
      let ready = (0..<4).prefix { done.contains($0) }.count
      #expect(sent.count == 4 * ready, "what is finished and what came before it")
    }
    #expect(sent == TestSupport.wire("40 r2 m1 | 50 r2 m2 | 40 r2 m3 | 50 r2 m4"))
  }

  @Test("acknowledgeAll finishes everything so far, and nothing that comes later")
  func acknowledgeAll() throws {
    let pair = SessionPair(.v311)
    try pair.connect()
    pair.session.acknowledgeAll()
    pair.send("32 r* s* 'a' m1 '0' | 34 r* s* 'a' m2 '1'")
    _ = pair.events()
    pair.session.acknowledgeAll()
    pair.expectSent("40 r2 m1 | 50 r2 m2")
    pair.send("32 r* s* 'a' m3 '2'")
    _ = pair.events()
    pair.expectNothingSent()
  }

  @Test("A thousand QoS 2 messages may wait for PUBREL at a time")
  func manyReceived() throws {
    let pair = SessionPair(.v311)
    try pair.connect()
    for identifier in 1...1000 { pair.send("34 r* s* 'a' m\(identifier) 'x'") }
    #expect(pair.events().count == 1000)
    pair.session.acknowledgeAll()
    #expect(pair.output().count == 4000)
    for identifier in 1...1000 { pair.send("3C r* s* 'a' m\(identifier) 'x'") }
    #expect(pair.events() == [])
    pair.close()
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.accept()
    _ = pair.events()
    pair.send("3C r* s* 'a' m999 'x'")
    #expect(pair.events() == [.message("a", "x", .exactlyOnce)], "a clean start: nothing is known")
  }

  // MARK: Over lost connections

  private func persistent(_ version: ProtocolVersion) throws -> SessionPair {
    let pair = SessionPair(version) { $0.lifetime = .persistent }
    try pair.connect()
    return pair
  }

  @Test(
    "4.3.3: A QoS 2 message that is sent again over the next connection is not handed out twice",
    arguments: ProtocolVersion.allCases)
  func duplicateOverReconnect(_ version: ProtocolVersion) throws {
    let pair = try persistent(version)
    pair.send("34 r* s* 'a' m7 \(version.noProperties) 'x'")
    #expect(pair.events() == [.message("a", "x", .exactlyOnce)])
    pair.session.acknowledge(pair.deliveries[0])
    for _ in 0..<3 {
      pair.close()
      try pair.connect(sessionPresent: true)
      pair.expectNothingSent()
      pair.send("3C r* s* 'a' m7 \(version.noProperties) 'x'")
      #expect(pair.events() == [])
      pair.expectSent("50 r2 m7")
    }
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.send("62 r2 m7")
    #expect(pair.events() == [])
    pair.expectSent("70 r2 m7")
  }

  @Test(
    "4.3.3: What an earlier process has done with a QoS 2 message counts in the same session",
    arguments: ["present", "lost"])
  func resumed(session: String) throws {
    let pair = SessionPair(.v5) { $0.lifetime = .persistent }
    pair.session.resumeDeliveries([7, 8])
    try pair.connect(sessionPresent: session == "present")
    pair.send("3C r* s* 'a' m7 [] 'x'")
    if session == "lost" {
      #expect(pair.session.deliveredIdentifiers == [])
      #expect(pair.events() == [.message("a", "x", .exactlyOnce)])
      return pair.expectNothingSent()
    }
    #expect(pair.events() == [])
    pair.expectSent("50 r2 m7")
    #expect(pair.session.deliveredIdentifiers == [7, 8])
    pair.send("62 r2 m7 | 62 r2 m8")
    #expect(pair.events() == [.released, .released])
    #expect(pair.session.deliveredIdentifiers == [])
    pair.expectSent("70 r2 m7 | 70 r2 m8")
    pair.send("34 r* s* 'a' m7 [] 'new'")
    #expect(pair.events() == [.message("a", "new", .exactlyOnce)])
  }

  @Test("Delivered is what the application has finished with and the broker has not released, over connections")
  func deliveredIdentifiers() throws {
    let pair = try persistent(.v311)
    pair.send("34 r* s* 'a' m9 'x' | 34 r* s* 'a' m3 'y' | 32 r* s* 'a' m4 'z'")
    #expect(pair.events().count == 3)
    #expect(pair.session.deliveredIdentifiers == [])
    pair.session.acknowledge(pair.deliveries[1])
    pair.session.acknowledge(pair.deliveries[2])
    #expect(pair.session.deliveredIdentifiers == [3])
    pair.close()
    #expect(pair.session.deliveredIdentifiers == [3])
    pair.session.acknowledge(pair.deliveries[0])
    #expect(pair.session.deliveredIdentifiers == [3, 9])
    try pair.connect(sessionPresent: true)
    pair.send("3C r* s* 'a' m9 'x' | 3C r* s* 'a' m3 'y'")
    #expect(pair.events() == [])
    #expect(pair.session.deliveredIdentifiers == [3, 9])
    pair.send("62 r2 m3")
    #expect(pair.events() == [])
    #expect(pair.session.deliveredIdentifiers == [9])
  }

  @Test(
    "A QoS 2 message that the application still holds when the connection breaks is acknowledged once it is finished")
  func duplicateWhileHeld() throws {
    let pair = try persistent(.v5)
    pair.send("34 r* s* 'a' m7 [] 'x' | 34 r* s* 'a' m8 [] 'y'")
    #expect(pair.events().count == 2)
    for _ in 0..<2 {
      pair.close()
      try pair.connect(sessionPresent: true)
      pair.send("3C r* s* 'a' m7 [] 'x' | 3C r* s* 'a' m8 [] 'y'")
      #expect(pair.events() == [])
      pair.expectNothingSent()
    }
    pair.session.acknowledge(pair.deliveries[1])
    pair.expectNothingSent()
    pair.session.acknowledge(pair.deliveries[0])
    pair.expectSent("50 r2 m7 | 50 r2 m8")
    pair.send("62 r2 m7 | 62 r2 m8")
    #expect(pair.events() == [])
    pair.expectSent("70 r2 m7 | 70 r2 m8")
  }

  @Test("A QoS 2 message that is finished between two connections is acknowledged when it comes again")
  func finishedBetweenConnections() throws {
    let pair = try persistent(.v311)
    pair.send("34 r* s* 'a' m7 'x'")
    _ = pair.events()
    pair.close()
    pair.session.acknowledge(pair.deliveries[0])
    try pair.connect(sessionPresent: true)
    pair.expectNothingSent()
    pair.send("3C r* s* 'a' m7 'x'")
    #expect(pair.events() == [])
    pair.expectSent("50 r2 m7")
  }

  @Test("A QoS 1 message comes again after a lost connection, and the old delivery acknowledges nothing")
  func staleDelivery() throws {
    let pair = try persistent(.v5)
    pair.send("32 r* s* 'a' m7 [] 'x'")
    _ = pair.events()
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.send("3A r* s* 'a' m7 [] 'x'")
    #expect(pair.events() == [.message("a", "x", .atLeastOnce)])
    pair.session.acknowledge(pair.deliveries[0])
    pair.expectNothingSent()
    pair.session.acknowledge(pair.deliveries[1])
    pair.expectSent("40 r2 m7")
  }

  @Test("[MQTT-3.2.2-5] When the broker has forgotten the session, a known QoS 2 identifier stands for a new message")
  func sessionLost() throws {
    let pair = try persistent(.v5)
    pair.send("34 r* s* 'a' m7 [] 'x' | 34 r* s* 'a' m8 [] 'y'")
    _ = pair.events()
    pair.session.acknowledge(pair.deliveries[0])
    pair.close()
    try pair.connect(sessionPresent: false)
    pair.send("34 r* s* 'a' m7 [] 'z' | 34 r* s* 'a' m8 [] 'w'")
    #expect(pair.events() == [.message("a", "z", .exactlyOnce), .message("a", "w", .exactlyOnce)])
    pair.session.acknowledge(pair.deliveries[1])
    pair.expectNothingSent()
    pair.session.acknowledge(pair.deliveries[3])
    pair.session.acknowledge(pair.deliveries[2])
    pair.expectSent("50 r2 m7 | 50 r2 m8")
  }

  @Test("PUBREL before PUBREC has left is a protocol error", arguments: [false, true])
  func earlyPubrel(overReconnect: Bool) throws {
    let pair = try persistent(.v5)
    pair.send("34 r* s* 'a' m7 [] 'x'")
    _ = pair.events()
    if overReconnect {
      pair.close()
      try pair.connect(sessionPresent: true)
    }
    pair.send("62 r2 m7")
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent("E0 r1 82")
  }

  // MARK: Topic aliases (3.3.2.3.4)

  private func aliases(_ maximum: UInt16) throws -> SessionPair {
    let pair = SessionPair(.v5) { $0.connect.properties[.topicAliasMaximum] = maximum }
    try pair.connect()
    return pair
  }

  @Test("[MQTT-3.3.2-10] [MQTT-3.3.2-11] An alias stands for its topic, until it is given another one")
  func topicAlias() throws {
    let pair = try aliases(2)
    pair.send("30 r* s* 'first' [ 23 n1 ] 'a' | 30 r* s* 'second' [ 23 n2 ] 'b' | 30 r* s0 [ 23 n1 ] 'c'")
    pair.send("30 r* s* 'third' [ 23 n1 ] 'd' | 30 r* s0 [ 23 n1 ] 'e' | 30 r* s0 [ 23 n2 ] 'f'")
    #expect(
      pair.events() == [
        .message("first", "a", .atMostOnce), .message("second", "b", .atMostOnce), .message("first", "c", .atMostOnce),
        .message("third", "d", .atMostOnce), .message("third", "e", .atMostOnce), .message("second", "f", .atMostOnce),
      ])
  }

  @Test("[MQTT-3.3.2-7] Aliases end with their network connection")
  func aliasesEndWithTheConnection() throws {
    let pair = try aliases(2)
    pair.send("30 r* s* 'first' [ 23 n1 ] 'a'")
    _ = pair.events()
    pair.close()
    try pair.connect()
    pair.send("30 r* s0 [ 23 n1 ] 'c'")
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent("E0 r1 82")
  }

  @Test(
    "[MQTT-3.3.2-9] An alias above our maximum, 0, or without any maximum is invalid",
    arguments: [
      (2, "n3"), (2, "n0"), (2, "n65535"), (0, "n1"),
    ])
  func aliasOutOfRange(maximum: UInt16, alias: String) throws {
    let pair = try aliases(maximum)
    pair.send(WireNotation("30 r* s* 't' [ 23 \(alias) ] 'a'"))
    #expect(pair.events() == [.failed(.topicAliasInvalid)])
    pair.expectSent("E0 r1 94")
  }

  @Test("3.3.2.3.4: An alias that was never defined is a protocol error", arguments: [1, 2])
  func aliasUndefined(_ alias: Int) throws {
    let pair = try aliases(2)
    pair.send(WireNotation("30 r* s0 [ 23 n\(alias) ] 'a'"))
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent("E0 r1 82")
  }

  @Test("All 65,535 aliases can be used")
  func allAliases() throws {
    let pair = try aliases(65_535)
    for alias in [65_535, 1, 300] {
      pair.send("30 r* s* 'to/\(alias)' [ 23 n\(alias) ]")
      pair.send("30 r* s0 [ 23 n\(alias) ]")
      let expected = SessionPair.Seen.message("to/\(alias)", "", .atMostOnce)
      #expect(pair.events() == [expected, expected])
    }
  }

  // MARK: Receive maximum (3.1.2.11.3)

  private func receiveMaximum(_ maximum: UInt16, isStrict: Bool = false) throws -> SessionPair {
    let pair = SessionPair(.v5) {
      $0.connect.properties[.receiveMaximum] = maximum
      $0.isStrict = isStrict
      $0.lifetime = .persistent
    }
    try pair.connect()
    return pair
  }

  @Test(
    "[MQTT-3.3.4-9] One message more than our receive maximum is lived with, and warned of once",
    arguments: ["32", "34"])
  func receiveMaximumExceeded(_ first: String) throws {
    let pair = try receiveMaximum(2)
    pair.send("\(first) r* s* 'a' m1 [] '1' | \(first) r* s* 'a' m2 [] '2' | 30 r* s* 'a' [] '0'")
    #expect(!pair.events().contains(.tolerated(.receiveMaximumExceeded)))
    pair.send("\(first) r* s* 'a' m3 [] '3' | \(first) r* s* 'a' m4 [] '4'")
    #expect(pair.events().filter { $0 == .tolerated(.receiveMaximumExceeded) }.count == 1)
    #expect(pair.deliveries.count == 4)
  }

  @Test("[MQTT-3.3.4-9] In strict mode it closes with 0x93", arguments: ["32", "34"])
  func receiveMaximumExceededInStrictMode(_ first: String) throws {
    let pair = try receiveMaximum(1, isStrict: true)
    pair.send("\(first) r* s* 'a' m1 [] '1'")
    #expect(pair.events().count == 1)
    pair.send("\(first) r* s* 'a' m2 [] '2'")
    #expect(pair.events() == [.failed(.receiveMaximumExceeded)])
    pair.expectSent("E0 r1 93")
  }

  @Test("4.9: PUBACK and PUBCOMP make room for another message, PUBREC does not")
  func receiveMaximumIsGivenBack() throws {
    let pair = try receiveMaximum(1, isStrict: true)
    for identifier in 1...3 {
      pair.send("32 r* s* 'a' m\(identifier) [] '1'")
      #expect(pair.events() == [.message("a", "1", .atLeastOnce)])
      pair.session.acknowledgeAll()
    }
    for identifier in 4...6 {
      pair.send("34 r* s* 'a' m\(identifier) [] '2'")
      #expect(pair.events() == [.message("a", "2", .exactlyOnce)])
      pair.session.acknowledgeAll()
      pair.send("3C r* s* 'a' m\(identifier) [] '2' | 62 r2 m\(identifier)")
      #expect(pair.events() == [])
    }
    pair.send("34 r* s* 'a' m7 [] '2'")
    _ = pair.events()
    pair.session.acknowledgeAll()
    pair.send("32 r* s* 'a' m8 [] '1'")
    #expect(pair.events() == [.failed(.receiveMaximumExceeded)])
  }

  @Test("4.9: What earlier connections left does not count against the receive maximum of this one")
  func receiveMaximumBeginsAnew() throws {
    let pair = try receiveMaximum(1, isStrict: true)
    pair.send("34 r* s* 'a' m1 [] '1'")
    _ = pair.events()
    pair.session.acknowledgeAll()
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.send("34 r* s* 'a' m2 [] '2'")
    #expect(pair.events() == [.message("a", "2", .exactlyOnce)])
    pair.send("3C r* s* 'a' m1 [] '1'")
    #expect(pair.events() == [.failed(.receiveMaximumExceeded)])
  }

  @Test("3.x has no receive maximum, whatever CONNECT would say on 5")
  func noReceiveMaximum() throws {
    let pair = SessionPair(.v311) {
      $0.connect.properties[.receiveMaximum] = 1
      $0.connect.properties[.maximumPacketSize] = 5
      $0.isStrict = true
    }
    try pair.connect()
    pair.send("32 r* s* 'a' m1 '1' | 32 r* s* 'a' m2 '2'")
    #expect(pair.events().count == 2)
  }

  @Test("65,535 messages may be unacknowledged without a receive maximum, and not one more")
  func floodOfMessages() throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    let message = TestSupport.wire("32 r* s* 'a' m1 []")
    pair.send([UInt8]((0..<65_535).map { _ in message }.joined()))
    var count = 0
    while case .message? = pair.nextEvent() { count += 1 }
    #expect(count == 65_535)
    pair.send(message)
    #expect(pair.events() == [.failed(.receiveMaximumExceeded)])
    pair.expectSent("E0 r1 93")
  }
}
