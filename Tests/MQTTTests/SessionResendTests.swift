import MQTT
import TestSupport
import Testing

/// What is sent again when a connection was lost (4.4), and what is not.
@Suite struct SessionResendTests {
  private func connected(_ version: ProtocolVersion, properties: String = "") throws -> SessionPair {
    let pair = SessionPair(version) { $0.lifetime = .persistent }
    try pair.connect(properties: properties)
    return pair
  }

  @Test(
    "[MQTT-4.4.0-1] [MQTT-3.3.1-1] Unacknowledged publishes are resent in order, with DUP and their identifiers",
    arguments: ProtocolVersion.allCases)
  func publishes(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    let p = version.noProperties
    for (index, qos) in [QoS.atLeastOnce, .exactlyOnce, .atLeastOnce, .exactlyOnce].enumerated() {
      try pair.publish("t", "\(index)", qos)
    }
    _ = pair.output()
    pair.send("40 r2 m3")
    #expect(pair.events() == [.published(2, .success)])
    for _ in 0..<2 {
      pair.close()
      try pair.connect(sessionPresent: true)
      pair.expectSent("3A r* s* 't' m1 \(p) '0' | 3C r* s* 't' m2 \(p) '1' | 3C r* s* 't' m4 \(p) '3'")
    }
    pair.send("40 r2 m1 | 50 r2 m2 | 50 r2 m4 | 70 r2 m2 | 70 r2 m4")
    #expect(pair.events() == [.published(0, .success), .published(1, .success), .published(3, .success)])
    #expect(pair.session.publishesInFlight == 0)
  }

  @Test("[MQTT-4.4.0-1] PUBREL is resent with its identifier, the message is not", arguments: ProtocolVersion.allCases)
  func release(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    let p = version.noProperties
    try pair.publish("t", "0", .exactlyOnce)
    try pair.publish("t", "1", .exactlyOnce)
    pair.send("50 r2 m1")
    _ = pair.events()
    _ = pair.output()
    for _ in 0..<2 {
      pair.close()
      try pair.connect(sessionPresent: true)
      pair.expectSent("62 r2 m1 | 3C r* s* 't' m2 \(p) '1'")
    }
    pair.send("70 r2 m1")
    #expect(pair.events() == [.published(0, .success)])
  }

  @Test("What was never sent is sent without DUP, behind what was")
  func firstAttempt() throws {
    let pair = try connected(.v5, properties: "21 n1")
    try pair.publish("t", "0", .atLeastOnce)
    try pair.publish("t", "1", .atLeastOnce)
    pair.expectSent("32 r* s* 't' m1 [] '0'")
    pair.close()
    try pair.publish("t", "2", .exactlyOnce)
    try pair.connect(sessionPresent: true)
    pair.expectSent("3A r* s* 't' m1 [] '0' | 32 r* s* 't' m2 [] '1' | 34 r* s* 't' m3 [] '2'")
  }

  @Test("A connection that ends before CONNACK changes nothing")
  func noConnack() throws {
    let pair = try connected(.v311)
    try pair.publish("t", "0", .atLeastOnce)
    _ = pair.output()
    for _ in 0..<3 {
      pair.close()
      try pair.session.connectionOpened(at: pair.now)
      #expect(pair.output().first == 0x10)
    }
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.expectSent("3A r* s* 't' m1 '0'")
  }

  // MARK: Send quota on the next connection (4.9)

  @Test("[MQTT-4.9.0-2] A smaller receive maximum on the next connection is kept, in order")
  func smallerReceiveMaximum() throws {
    let pair = try connected(.v5)
    for index in 0..<3 { try pair.publish("t", "\(index)", .atLeastOnce) }
    _ = pair.output()
    pair.close()
    try pair.connect(sessionPresent: true, properties: "21 n1")
    for index in 0..<3 {
      pair.expectSent("3A r* s* 't' m\(index + 1) [] '\(index)'")
      pair.send("40 r2 m\(index + 1)")
      #expect(pair.events() == [.published(index, .success)])
    }
    try pair.publish("t", "3", .atLeastOnce)
    try pair.publish("t", "4", .atLeastOnce)
    pair.expectSent("32 r* s* 't' m4 [] '3'")
  }

  @Test("[MQTT-4.9.0-3] PUBREL leaves without quota, and publishes wait until the broker has room")
  func releasesComeFirst() throws {
    let pair = try connected(.v5)
    for index in 0..<4 { try pair.publish("t", "\(index)", index == 0 ? .atLeastOnce : .exactlyOnce) }
    pair.send("50 r2 m2 | 50 r2 m3")
    _ = pair.events()
    _ = pair.output()
    pair.close()
    try pair.connect(sessionPresent: true, properties: "21 n1")
    pair.expectSent("62 r2 m2 | 62 r2 m3")
    pair.send("70 r2 m2")
    #expect(pair.events() == [.published(1, .success)])
    pair.expectNothingSent()
    pair.send("70 r2 m3")
    #expect(pair.events() == [.published(2, .success)])
    pair.expectSent("3A r* s* 't' m1 [] '0'")
    pair.send("40 r2 m1")
    #expect(pair.events() == [.published(0, .success)])
    pair.expectSent("3C r* s* 't' m4 [] '3'")
    #expect(!pair.canPublish)
  }

  @Test("4.9: Quota that an acknowledgement of the last connection would have given back is not counted twice")
  func quotaBeginsAnew() throws {
    let pair = try connected(.v5, properties: "21 n2")
    try pair.publish("t", "0", .atLeastOnce)
    try pair.publish("t", "1", .atLeastOnce)
    _ = pair.output()
    pair.close()
    try pair.connect(sessionPresent: true, properties: "21 n2")
    _ = pair.output()
    #expect(!pair.canPublish)
    pair.send("40 r2 m1")
    _ = pair.events()
    #expect(pair.canPublish)
    try pair.publish("t", "2", .atLeastOnce)
    #expect(!pair.canPublish)
  }

  @Test("A publish that the broker acknowledges before it is resent is done")
  func acknowledgedBeforeResent() throws {
    let pair = try connected(.v5)
    try pair.publish("t", "0", .atLeastOnce)
    try pair.publish("t", "1", .atLeastOnce)
    try pair.publish("t", "2", .exactlyOnce)
    _ = pair.output()
    pair.close()
    try pair.connect(sessionPresent: true, properties: "21 n1")
    pair.expectSent("3A r* s* 't' m1 [] '0'")
    pair.send("40 r2 m2 | 50 r2 m3 | 70 r2 m3 | 40 r2 m1")
    #expect(pair.events() == [.published(1, .success), .published(2, .success), .published(0, .success)])
    pair.expectSent("62 r2 m3")
    try pair.publish("t", "3", .atLeastOnce)
    try pair.publish("t", "4", .atLeastOnce)
    pair.expectSent("32 r* s* 't' m4 [] '3'")
  }

  // MARK: The broker has forgotten the session

  @Test(
    "[MQTT-3.2.2-5] Without session present everything begins from the start, is counted, and bears no DUP",
    arguments: [ProtocolVersion.v311, .v5])
  func sessionLost(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    let p = version.noProperties
    try pair.publish("t", "0", .atLeastOnce)
    try pair.publish("t", "1", .exactlyOnce)
    try pair.publish("t", "2", .exactlyOnce)
    try pair.publish("t", "3", .exactlyOnce)
    pair.send("50 r2 m2 | 50 r2 m4 | 70 r2 m4")
    #expect(pair.events() == [.published(3, .success)])
    _ = pair.output()
    pair.close()
    try pair.connect(sessionPresent: false, republished: 3)
    pair.expectSent("32 r* s* 't' m1 \(p) '0' | 34 r* s* 't' m2 \(p) '1' | 34 r* s* 't' m3 \(p) '2'")
    pair.send("50 r2 m2")
    _ = pair.events()
    pair.expectSent("62 r2 m2")
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.expectSent("62 r2 m2 | 3A r* s* 't' m1 \(p) '0' | 3C r* s* 't' m3 \(p) '2'")
  }

  @Test("What was never sent is not counted as published anew")
  func countOfRepublished() throws {
    let pair = try connected(.v5, properties: "21 n1")
    for index in 0..<3 { try pair.publish("t", "\(index)", .exactlyOnce) }
    _ = pair.output()
    pair.close()
    try pair.connect(republished: 1)
    pair.close()
    try pair.connect(republished: 3)
  }

  @Test("3.1 has no session present flag: a session that was to be kept counts as kept")
  func version31() throws {
    let pair = try connected(.v31)
    try pair.publish("t", "0", .atLeastOnce)
    _ = pair.output()
    pair.close()
    try pair.connect()
    pair.expectSent("3A r* s* 't' m1 '0'")

    let clean = SessionPair(.v31)
    try clean.connect()
    try clean.publish("t", "0", .atLeastOnce)
    _ = clean.output()
    clean.close()
    try clean.connect(republished: 1)
    clean.expectSent("32 r* s* 't' m1 '0'")
  }

  @Test("A session of one connection begins every publish anew", arguments: ProtocolVersion.allCases)
  func cleanStart(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    try pair.publish("t", "0", .exactlyOnce)
    pair.send("50 r2 m1")
    _ = pair.events()
    _ = pair.output()
    pair.close()
    try pair.connect(republished: 1)
    pair.expectSent("34 r* s* 't' m1 \(version.noProperties) '0'")
  }

  // MARK: release by hand

  @Test("A publish that waits for release is told again on the next connection")
  func awaitingRelease() throws {
    let pair = try connected(.v5)
    pair.session.releasesByItself = false
    try pair.publish("t", "0", .exactlyOnce)
    try pair.publish("t", "1", .exactlyOnce)
    pair.send("50 r2 m1 | 50 r2 m2")
    #expect(pair.events() == [.received(0), .received(1)])
    _ = pair.output()
    pair.close()
    pair.session.release(1)
    try pair.connect(sessionPresent: true)
    pair.expectSent("62 r2 m2")
    #expect(pair.events() == [.received(0)])
    pair.session.release(0)
    pair.expectSent("62 r2 m1")
    pair.send("70 r2 m1 | 70 r2 m2")
    #expect(pair.events() == [.published(0, .success), .published(1, .success)])
  }

  // MARK: What the next connection's broker does not take

  @Test(
    "3.2.2.3: What the limits of the next connection forbid ends with the reason, and is not sent",
    arguments: [
      ("24 01", QoS.exactlyOnce, false, ReasonCode.qosNotSupported), ("24 00", .atLeastOnce, false, .qosNotSupported),
      ("25 00", .atLeastOnce, true, .retainNotSupported), ("27 N10", .exactlyOnce, false, .packetTooLarge),
    ])
  func smallerLimits(properties: String, qos: QoS, retain: Bool, reasonCode: ReasonCode) throws {
    for wasSent in [true, false] {
      let pair = try connected(.v5)
      if wasSent {
        try pair.publish("t", "payload", qos, retain: retain)
        _ = pair.output()
        pair.close()
      } else {
        pair.close()
        try pair.publish("t", "payload", qos, retain: retain)
      }
      try pair.connect(sessionPresent: true, properties: properties)
      pair.expectNothingSent()
      #expect(pair.events() == [.published(0, reasonCode)])
      #expect(pair.session.publishesInFlight == 0)
      pair.close()
      try pair.connect(sessionPresent: true)
      pair.expectNothingSent()
    }
  }

  @Test("[MQTT-3.3.2-7] A topic alias that the next connection does not have is not sent")
  func aliasOfAnotherConnection() throws {
    let pair = try connected(.v5, properties: "22 n5")
    var properties = Properties()
    properties[.topicAlias] = 5
    try pair.publish("t", "0", .atLeastOnce, properties: properties)
    try pair.publish("", "1", .atLeastOnce, properties: properties)
    pair.expectSent("32 r* s* 't' m1 [ 23 n5 ] '0' | 32 r* s0 m2 [ 23 n5 ] '1'")
    pair.close()
    try pair.connect(sessionPresent: true, properties: "22 n5")
    pair.expectSent("3A r* s* 't' m1 [ 23 n5 ] '0'")
    #expect(pair.events() == [.published(1, .topicAliasInvalid)])
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.expectNothingSent()
    #expect(pair.events() == [.published(0, .topicAliasInvalid)])
  }

  @Test("How a publish ended is told also when the connection is lost before anybody asked")
  func endIsKept() throws {
    let pair = try connected(.v5)
    try pair.publish("t", "payload", .exactlyOnce)
    pair.close()
    try pair.connect(sessionPresent: true, properties: "24 01")
    pair.close()
    #expect(pair.events() == [.published(0, .qosNotSupported)])
  }

  // MARK: QoS 0

  @Test(
    "QoS 0 publishes that the network never took whole leave on the next connection, once, in order",
    arguments: ProtocolVersion.allCases)
  func unsentAtMostOnce(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    let p = version.noProperties
    for index in 0..<4 { try pair.publish("t", "\(index)", .atMostOnce, retain: index == 3) }
    try pair.publish("t", "q", .atLeastOnce)
    let size = TestSupport.wire("30 r* s* 't' \(p) '0'").count
    #expect(pair.session.publishesUnsent == 4, "the one of QoS 1 is kept anyhow")
    pair.session.outputTaken(size + 1, at: pair.now)
    #expect(pair.session.publishesUnsent == 3, "the second is not taken whole")
    pair.close()
    #expect(pair.session.publishesUnsent == 3)
    #expect(pair.session.outputCount == 0)
    for _ in 0..<2 {
      try pair.session.connectionOpened(at: pair.now)
      _ = pair.output()
      pair.close()
    }
    try pair.connect(sessionPresent: true)
    let resent = TestSupport.wire("3A r* s* 't' m1 \(p) 'q'").count
    pair.session.outputTaken(resent + size, at: pair.now)
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.expectSent("3A r* s* 't' m1 \(p) 'q' | 30 r* s* 't' \(p) '2' | 31 r* s* 't' \(p) '3'")
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.expectSent("3A r* s* 't' m1 \(p) 'q'")
  }

  @Test(
    "A QoS 0 publish that was kept and that the next broker would not take is dropped, and that is told",
    arguments: [("25 00", ReasonCode.retainNotSupported), ("27 N8", .packetTooLarge)])
  func unsentBeyondLimits(_ properties: String, _ reasonCode: ReasonCode) throws {
    let pair = try connected(.v5)
    try pair.publish("t", "payload", .atMostOnce, retain: true)
    pair.close()
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.accept(properties: properties)
    #expect(pair.events() == [.connected(republished: 0), .dropped(reasonCode)])
    pair.expectNothingSent()
  }

  @Test("PINGREQ, acknowledgements, SUBSCRIBE and DISCONNECT that were not sent end with their connection")
  func othersEndWithTheConnection() throws {
    let pair = try connected(.v311)
    pair.send("32 r* s* 'a' m9 'x'")
    _ = pair.events()
    pair.session.acknowledgeAll()
    _ = try pair.subscribe("f")
    pair.session.ping(at: pair.now)
    pair.session.disconnect()
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.expectNothingSent()
  }

  @Test("A large backlog is resent whole after many of it were acknowledged")
  func compaction() throws {
    let pair = try connected(.v311)
    let payload = String(repeating: "x", count: 10_000)
    for index in 0..<400 { try pair.publish("t", "\(index) " + payload, .atLeastOnce) }
    _ = pair.output()
    for identifier in 2...399 where identifier % 100 != 0 {
      pair.send([0x40, 2, UInt8(identifier >> 8), UInt8(identifier & 0xFF)])
    }
    #expect(pair.events().count == 395)
    try pair.publish("t", "last", .atLeastOnce)
    _ = pair.output()
    pair.close()
    try pair.connect(sessionPresent: true)
    let expected =
      [0, 99, 199, 299, 399].map { "3A r* s* 't' m\($0 + 1) '\($0) \(payload)'" } + ["3A r* s* 't' m401 'last'"]
    pair.expectSent(WireNotation(expected.joined(separator: " | ")))
  }
}
