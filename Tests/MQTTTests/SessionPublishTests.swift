import MQTT
import TestSupport
import Testing

/// What leaves when the application publishes, and what ends it.
@Suite struct SessionPublishTests {
  @Test(
    "[MQTT-4.3.1-1] A QoS 0 publish leaves at once, without packet identifier and DUP",
    arguments: ProtocolVersion.allCases)
  func atMostOnce(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    #expect(try pair.publish("a/b", "hello", .atMostOnce) == nil)
    pair.expectSent("30 r* s* 'a/b' \(version.noProperties) 'hello'")
    #expect(pair.session.publishesInFlight == 0)
  }

  @Test("[MQTT-4.3.2-1] A QoS 1 publish ends with its PUBACK", arguments: ProtocolVersion.allCases)
  func atLeastOnce(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    let number = try #require(try pair.publish("a", "x", .atLeastOnce, retain: true))
    pair.expectSent("33 r* s* 'a' m1 \(version.noProperties) 'x'")
    #expect(pair.session.publishesInFlight == 1)
    pair.send("40 r2 m1")
    #expect(pair.events() == [.published(number, .success)])
    #expect(pair.session.publishesInFlight == 0)
    pair.expectNothingSent()
  }

  @Test(
    "[MQTT-4.3.3-4] A QoS 2 publish answers PUBREC with PUBREL and ends with PUBCOMP",
    arguments: ProtocolVersion.allCases)
  func exactlyOnce(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    let number = try #require(try pair.publish("a", "x", .exactlyOnce))
    pair.expectSent("34 r* s* 'a' m1 \(version.noProperties) 'x'")
    pair.send("50 r2 m1")
    #expect(pair.events() == [])
    pair.expectSent("62 r2 m1")
    #expect(pair.session.publishesInFlight == 1)
    pair.send("70 r2 m1")
    #expect(pair.events() == [.published(number, .success)])
    #expect(pair.session.publishesInFlight == 0)
  }

  @Test("[table 3-5, MQTT 5] PUBREC without matching subscribers is what the publish ends with")
  func pubrecReasonCode() throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    let number = try #require(try pair.publish(.exactlyOnce))
    _ = pair.output()
    pair.send("50 r3 m1 10")  // no matching subscribers
    #expect(pair.events() == [])
    pair.expectSent("62 r2 m1")
    pair.send("70 r2 m1")
    #expect(pair.events() == [.published(number, .noMatchingSubscribers)])
  }

  @Test("[MQTT-4.3.3-4] A PUBREC that comes twice is answered twice")
  func repeatedPubrec() throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    let number = try #require(try pair.publish(.exactlyOnce))
    _ = pair.output()
    pair.send("50 r2 m1 | 50 r2 m1")
    #expect(pair.events() == [])
    pair.expectSent("62 r2 m1 | 62 r2 m1")
    pair.send("70 r2 m1 | 70 r2 m1")
    #expect(pair.events() == [.published(number, .success)], "the second PUBCOMP answers the second PUBREL")
  }

  @Test(
    "[MQTT-4.3.3-4] A PUBREC with a failure ends the publish, without PUBREL",
    arguments: [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] as [UInt8])
  func pubrecWithFailure(_ code: UInt8) throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    let number = try #require(try pair.publish(.exactlyOnce))
    _ = pair.output()
    pair.send([0x50, 3, 0, 1, code])
    #expect(pair.events() == [.published(number, ReasonCode(rawValue: code))])
    pair.expectNothingSent()
    #expect(pair.session.publishesInFlight == 0)
  }

  @Test(
    "3.4.2.1: PUBACK brings its reason code, and a reason string on the way",
    arguments: [0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] as [UInt8])
  func pubackWithReason(_ code: UInt8) throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    let number = try #require(try pair.publish(.atLeastOnce))
    pair.send([0x40, 9, 0, 1, code, 5, 0x1F, 0, 2, 0x6E, 0x6F])
    guard case .published(number, let reasonCode, reasonString: "no") = pair.session.nextEvent(at: pair.now) else {
      return #expect(Bool(false), "a reason string")
    }
    #expect(reasonCode.rawValue == code)
  }

  @Test("3.7.2.1: PUBCOMP with packet identifier not found is an end like any other")
  func pubcompNotFound() throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    let number = try #require(try pair.publish(.exactlyOnce))
    pair.send("50 r2 m1 | 70 r3 m1 92")
    #expect(pair.events() == [.published(number, .success)])
  }

  @Test("PUBREL waits for release where it does not follow by itself", arguments: ProtocolVersion.allCases)
  func releaseByHand(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    pair.session.releasesByItself = false
    try pair.connect()
    let number = try #require(try pair.publish(.exactlyOnce))
    _ = pair.output()
    pair.session.release(number)
    pair.expectNothingSent()
    pair.send("50 r2 m1 | 50 r2 m1")
    #expect(pair.events() == [.received(number)], "told once")
    pair.expectNothingSent()
    pair.session.release(number)
    pair.session.release(number)
    pair.session.release(number + 1)
    pair.session.release(-1)
    pair.expectSent("62 r2 m1")
    pair.send("70 r2 m1")
    #expect(pair.events() == [.published(number, .success)])
    pair.session.release(number)
    pair.expectNothingSent()
  }

  // MARK: Packet identifiers (2.2.1)

  @Test(
    "begin numbers on from an earlier process: identifier = number modulo 65,535, plus 1",
    arguments: [
      (0, 1), (65_533, 65_534), (65_534, 65_535), (65_535, 1), (131_070, 1), (7_000_000, 53_291),
    ])
  func begin(number: Int, identifier: Int) throws {
    let pair = SessionPair(.v311)
    pair.session.begin(at: number)
    try pair.connect()
    #expect(try pair.publish(.atLeastOnce) == number)
    pair.expectSent("32 r* s* 't' m\(identifier) 'p'")
    pair.send("40 r2 m\(identifier)")
    #expect(pair.events() == [.published(number, .success)])
  }

  @Test("[MQTT-2.2.1-3] Identifiers go from 65,535 on to 1", arguments: ProtocolVersion.allCases)
  func wrap(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    for number in 0..<66_000 {
      #expect(try pair.publish(.atLeastOnce) == number)
      let identifier = UInt16(number % 65_535 + 1)
      let output = pair.output()
      try #require(output[5] == UInt8(identifier >> 8) && output[6] == UInt8(identifier & 0xFF))
      pair.send([0x40, 2, output[5], output[6]])
      try #require(pair.nextEvent() == .published(number, .success))
    }
  }

  @Test("[MQTT-2.2.1-3] A publish that is never acknowledged keeps its identifier while 70,000 others go by")
  func neverAcknowledged() throws {
    let pair = SessionPair(.v311)
    try pair.connect()
    pair.session.releasesByItself = false
    let stuck = try #require(try pair.publish("stuck", "s", .exactlyOnce))
    pair.expectSent("34 r* s* 'stuck' m1 's'")
    let request = try pair.subscribe("f")
    pair.expectSent("82 r* m2 s* 'f' 00")
    var used = Set<Int>()
    for index in 0..<70_000 {
      try #require(pair.canPublish)
      let number = try #require(try pair.publish(.atLeastOnce))
      let output = pair.output()
      try #require(output.count == 8, "\(index): \(WireNotation.describe(output))")
      let identifier = Int(output[5]) << 8 | Int(output[6])
      try #require(identifier > 2)
      used.insert(identifier)
      pair.send([0x40, 2, output[5], output[6]])
      try #require(pair.nextEvent() == .published(number, .success))
    }
    #expect(used.count == 65_533)
    #expect(pair.session.publishesInFlight == 1)

    pair.send("50 r2 m1 | 90 r3 m2 00")
    #expect(pair.events() == [.received(stuck), .subscribed(request, [.success])])
    pair.close()
    try pair.connect(republished: 1)
    pair.expectSent("34 r* s* 'stuck' m1 's'")
    pair.send("50 r2 m1")
    #expect(pair.events() == [.received(stuck)])
    pair.session.release(stuck)
    pair.expectSent("62 r2 m1")
    pair.send("70 r2 m1")
    #expect(pair.events() == [.published(stuck, .success)])
  }

  @Test(
    "[MQTT-4.4.0-1] A publish that is never acknowledged is not sent again on its connection, also while others wait for quota"
  )
  func neverAcknowledgedAndNoQuota() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "21 n2")
    try pair.publish("stuck", "s", .atLeastOnce)
    _ = pair.output()
    try pair.publish(.atLeastOnce)
    try pair.publish(.atLeastOnce)
    for _ in 0..<66_000 {
      let output = pair.output()
      try #require(output.count == 9 && output[4] == 0x74, "sent \(WireNotation.describe(output))")
      // One is on its way, and two behind it wait.
      try pair.publish(.atLeastOnce)
      pair.send([0x40, 2, output[5], output[6]])
      guard case .published? = pair.nextEvent() else { break }
    }
    #expect(pair.session.publishesInFlight == 3)
  }

  @Test("[MQTT-2.2.1-3] With all identifiers in use nothing more is taken in, and SUBSCRIBE still finds one")
  func allIdentifiersInUse() throws {
    let pair = SessionPair(.v311)
    try pair.connect()
    var used = Set<Int>()
    while pair.canPublish {
      try pair.publish(.atLeastOnce)
      let output = pair.output()
      #expect(used.insert(Int(output[5]) << 8 | Int(output[6])).inserted)
    }
    #expect(used.count == 65_000)
    for _ in 0..<535 {
      _ = try pair.subscribe("f")
      let output = pair.output()
      #expect(used.insert(Int(output[2]) << 8 | Int(output[3])).inserted)
    }
    #expect(used == Set(1...65_535))
    #expect(reasonCode { _ = try pair.subscribe("f") } == .quotaExceeded)
    #expect(reasonCode { _ = try pair.unsubscribe("f") } == .quotaExceeded)
    pair.expectNothingSent()
    pair.send("40 r2 m700 | 40 r2 m1")
    #expect(pair.events() == [.published(699, .success), .published(0, .success)])
    #expect(try pair.publish(.atLeastOnce) == 65_535)
    pair.expectSent("32 r* s* 't' m1 'p'")
    #expect(try pair.publish(.atLeastOnce) == 65_535 + 699)
    pair.expectSent("32 r* s* 't' m700 'p'")
  }

  // MARK: Send quota (4.9)

  @Test("[MQTT-4.9.0-2] No more are unacknowledged than the broker's receive maximum, and no identifier is lost")
  func receiveMaximum() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "21 n2")
    #expect(pair.session.limits.receiveMaximum == 2)
    let numbers = try ["a", "b", "c", "d"].map { try #require(try pair.publish("t", $0, .atLeastOnce)) }
    pair.expectSent("32 r* s* 't' m1 [] 'a' | 32 r* s* 't' m2 [] 'b'")
    #expect(!pair.canPublish)
    pair.send("40 r2 m1")
    #expect(pair.events() == [.published(numbers[0], .success)])
    pair.expectSent("32 r* s* 't' m3 [] 'c'")
    pair.send("40 r2 m2 | 40 r2 m3")
    #expect(pair.events() == [.published(numbers[1], .success), .published(numbers[2], .success)])
    pair.expectSent("32 r* s* 't' m4 [] 'd'")
    #expect(pair.canPublish)
  }

  @Test("4.9: PUBREC does not give quota back, PUBCOMP and a PUBREC with a failure do")
  func quotaOfExactlyOnce() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "21 n1")
    for payload in ["a", "b", "c"] { try pair.publish("t", payload, .exactlyOnce) }
    pair.expectSent("34 r* s* 't' m1 [] 'a'")
    pair.send("50 r2 m1")
    #expect(pair.events() == [])
    pair.expectSent("62 r2 m1")
    pair.send("70 r2 m1")
    #expect(pair.events() == [.published(0, .success)])
    pair.expectSent("34 r* s* 't' m2 [] 'b'")
    pair.send("50 r3 m2 97")
    #expect(pair.events() == [.published(1, .quotaExceeded)])
    pair.expectSent("34 r* s* 't' m3 [] 'c'")
  }

  @Test("[MQTT-4.9.0-3] QoS 0 and SUBSCRIBE need no quota")
  func othersNeedNoQuota() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "21 n1")
    try pair.publish(.atLeastOnce)
    try pair.publish(.atLeastOnce)
    _ = pair.output()
    try pair.publish("t", "0", .atMostOnce)
    _ = try pair.subscribe("f")
    pair.session.ping(at: pair.now)
    pair.expectSent("30 r* s* 't' [] '0' | 82 r* m3 [] s* 'f' 00 | C0 r0")
  }

  @Test("What we want in flight counts where the broker would take more", arguments: ProtocolVersion.allCases)
  func maximumInflight(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version) { $0.maximumInflight = 1 }
    try pair.connect()
    try pair.publish("t", "a", .atLeastOnce)
    try pair.publish("t", "b", .atLeastOnce)
    pair.expectSent("32 r* s* 't' m1 \(version.noProperties) 'a'")
    pair.send("40 r2 m1")
    _ = pair.events()
    pair.expectSent("32 r* s* 't' m2 \(version.noProperties) 'b'")
  }

  @Test(
    "Where nothing is said, 1,000 are in flight, and 20 on 3.x, where a broker cannot tell",
    arguments: ProtocolVersion.allCases)
  func defaultInflight(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version) { $0.maximumInflight = nil }
    try pair.connect()
    while pair.canPublish { try pair.publish(.atLeastOnce) }
    #expect(pair.session.publishesInFlight == (version.hasProperties ? 1_000 : 20))
  }

  @Test("canPublish turns false while 4 MiB are unacknowledged")
  func inflightBytesLimit() throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    let payload = String(repeating: "x", count: (1 << 20) - 8)
    for _ in 0..<4 {
      #expect(pair.canPublish)
      try pair.publish("t", payload, .atLeastOnce)
      _ = pair.output()
    }
    #expect(!pair.canPublish)
    pair.send("40 r2 m3")
    _ = pair.events()
    #expect(pair.canPublish)
  }

  @Test("canPublish turns false while much output waits, and true again when the network has taken it")
  func outputLimit() throws {
    let pair = SessionPair(.v5)
    #expect(!pair.canPublish)
    try pair.connect()
    #expect(pair.canPublish)
    try pair.publish("t", String(repeating: "x", count: 200_000), .atMostOnce)
    #expect(!pair.canPublish)
    let count = pair.session.outputCount
    pair.session.outputTaken(count - 10, at: pair.now)
    #expect(pair.session.outputCount == 10)
    #expect(pair.canPublish)
  }

  // MARK: What the broker said it cannot do (3.2.2.3)

  @Test("[MQTT-3.2.2-11] A QoS above the broker's maximum is refused before anything is sent")
  func maximumQoS() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "24 01")
    #expect(reasonCode { try pair.publish(.exactlyOnce) } == .qosNotSupported)
    #expect(pair.session.publishesInFlight == 0)
    pair.expectNothingSent()
    #expect(try pair.publish(.atLeastOnce) == 0, "the identifier was not used up")
  }

  @Test("[MQTT-3.2.2-14] Retain is refused where the broker keeps no retained messages", arguments: QoS.allCases)
  func retainAvailable(_ qos: QoS) throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "25 00")
    #expect(reasonCode { try pair.publish(qos, retain: true) } == .retainNotSupported)
    pair.expectNothingSent()
    try pair.publish(qos)
  }

  @Test(
    "[MQTT-3.2.2-15] A packet that is larger than the broker takes is refused, to the byte", arguments: QoS.allCases)
  func maximumPacketSize(_ qos: QoS) throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "27 N20")
    // Fixed header 2, topic 3, identifier 2 but for QoS 0, property length 1.
    let room = qos == .atMostOnce ? 14 : 12
    #expect(reasonCode { try pair.publish("t", String(repeating: "x", count: room + 1), qos) } == .packetTooLarge)
    pair.expectNothingSent()
    try pair.publish("t", String(repeating: "x", count: room), qos)
    #expect(pair.output().count == 20)
  }

  @Test("[MQTT-3.2.2-17] [MQTT-3.2.2-18] A topic alias above the broker's maximum is refused")
  func topicAliasMaximum() throws {
    let pair = SessionPair(.v5)
    var properties = Properties()
    properties[.topicAlias] = 3
    try pair.connect()
    #expect(reasonCode { try pair.publish(.atMostOnce, properties: properties) } == .topicAliasInvalid)
    #expect(reasonCode { try pair.publish(.atLeastOnce, properties: properties) } == .topicAliasInvalid)
    pair.expectNothingSent()
    pair.close()
    try pair.connect(properties: "22 n3")
    try pair.publish(.atMostOnce, properties: properties)
    pair.expectSent("30 r* s* 't' [ 23 n3 ] 'p'")
  }

  @Test("Without properties 3.x has no limits, whatever the application puts into a publish")
  func noLimits() throws {
    let pair = SessionPair(.v311)
    var properties = Properties()
    properties[.topicAlias] = 3
    try pair.connect()
    try pair.publish(.exactlyOnce, retain: true, properties: properties)
    pair.expectSent("35 r* s* 't' m1 'p'")
  }

  @Test("[MQTT-3.3.2-2] A topic with wildcards is refused", arguments: ["a/+", "#", ""])
  func topicWithWildcards(_ topic: String) throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    for qos in QoS.allCases { #expect(reasonCode { try pair.publish(topic, "p", qos) } == .topicNameInvalid) }
    pair.expectNothingSent()
  }

  // MARK: Identifiers that nothing waits for

  @Test("PUBACK for an unknown identifier is a protocol error", arguments: ProtocolVersion.allCases)
  func pubackForAnUnknownIdentifierIsAProtocolError(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    pair.send("40 r2 m9")
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent(version.hasProperties ? "E0 r1 82" : "")
  }

  @Test("PUBACK for a publish that waits for quota is a protocol error: it was never sent")
  func pubackForWhatWasNotSent() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "21 n1")
    try pair.publish(.atLeastOnce)
    try pair.publish(.atLeastOnce)
    pair.send("40 r2 m2")
    #expect(pair.events() == [.failed(.protocolError)])
    #expect(pair.session.publishesInFlight == 2)
  }

  @Test(
    "4.3.3: PUBREC for an unknown identifier is answered with PUBREL, packet identifier not found",
    arguments: ProtocolVersion.allCases)
  func pubrecForUnknown(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    pair.send("50 r2 m9")
    #expect(pair.events() == [])
    pair.expectSent(version.hasProperties ? "62 r3 m9 92" : "62 r2 m9")
    pair.send("70 r2 m9")
    #expect(pair.events() == [], "its PUBCOMP is nobody's")
    pair.expectNothingSent()
  }

  @Test("3.5.2.1: PUBREC with a failure for an unknown identifier wants no PUBREL")
  func failedPubrecForUnknown() throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    pair.send("50 r3 m9 80")
    #expect(pair.events() == [])
    pair.expectNothingSent()
  }

  @Test("PUBREC for a publish that waits for quota belongs to an earlier process")
  func pubrecForWhatWasNotSent() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "21 n1")
    try pair.publish("t", "a", .exactlyOnce)
    try pair.publish("t", "b", .exactlyOnce)
    _ = pair.output()
    pair.send("50 r2 m2")
    #expect(pair.events() == [])
    pair.expectSent("62 r3 m2 92")
    pair.send("50 r2 m1 | 70 r2 m1")
    #expect(pair.events() == [.published(0, .success)])
    pair.expectSent("62 r2 m1 | 34 r* s* 't' m2 [] 'b'")
  }

  @Test(
    "4.3.3: PUBREL for an unknown identifier is answered with PUBCOMP, packet identifier not found",
    arguments: ProtocolVersion.allCases)
  func pubrelForUnknown(_ version: ProtocolVersion) throws {
    let pair = SessionPair(version)
    try pair.connect()
    pair.send("62 r2 m9")
    #expect(pair.events() == [])
    pair.expectSent(version.hasProperties ? "70 r3 m9 92" : "70 r2 m9")
  }

  @Test(
    "An acknowledgement of another kind than what is awaited is a protocol error",
    arguments: [
      (QoS.atLeastOnce, "50 r2 m1"), (.atLeastOnce, "70 r2 m1"), (.atLeastOnce, "90 r4 m1 00 00"),
      (.exactlyOnce, "70 r2 m1"), (.exactlyOnce, "50 r2 m1 | 40 r2 m1"), (.exactlyOnce, "B0 r4 m1 00 00"),
    ])
  func wrongKind(qos: QoS, answer: String) throws {
    let pair = SessionPair(.v5)
    try pair.connect()
    try pair.publish(qos)
    pair.send(WireNotation(answer))
    #expect(pair.events() == [.failed(.protocolError)])
  }
}
