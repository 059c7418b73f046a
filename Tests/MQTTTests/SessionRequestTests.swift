import MQTT
import TestSupport
import Testing

/// SUBSCRIBE and UNSUBSCRIBE and their answers.
@Suite struct SessionRequestTests {
  private func connected(
    _ version: ProtocolVersion, isStrict: Bool = false, properties: String = ""
  ) throws -> SessionPair {
    let pair = SessionPair(version) { $0.isStrict = isStrict }
    try pair.connect(properties: properties)
    return pair
  }

  @Test(
    "[MQTT-3.8.4-2] SUBSCRIBE ends with its SUBACK, a reason code for each filter", arguments: ProtocolVersion.allCases)
  func subscribe(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    let p = version.noProperties
    let number = try pair.subscribe("a/+", "b/#", qos: .atLeastOnce)
    pair.expectSent("82 r* m1 \(p) s* 'a/+' 01 s* 'b/#' 01")
    pair.send("90 r* m1 \(p) 01 80")
    #expect(pair.events() == [.subscribed(number, [.grantedQoS1, .unspecifiedError])])
    #expect(pair.session.nextDeadline == nil)
  }

  @Test("[MQTT-3.10.4-4] UNSUBSCRIBE ends with its UNSUBACK", arguments: ProtocolVersion.allCases)
  func unsubscribe(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    let number = try pair.unsubscribe("a", "b")
    pair.expectSent("A2 r* m1 \(version.noProperties) s* 'a' s* 'b'")
    pair.send(WireNotation(version.hasProperties ? "B0 r* m1 [] 00 11" : "B0 r2 m1"))
    #expect(pair.events() == [.unsubscribed(number, version.hasProperties ? [.success, .noSubscriptionExisted] : [])])
    #expect(pair.session.nextDeadline == nil)
  }

  @Test("Several may be open, and are answered in any order", arguments: ProtocolVersion.allCases)
  func severalOpen(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    let numbers = [try pair.subscribe("a"), try pair.subscribe("b"), try pair.subscribe("c")]
    let p = version.noProperties
    pair.send("90 r* m3 \(p) 00 | 90 r* m1 \(p) 00 | 90 r* m2 \(p) 00")
    #expect(pair.events() == [numbers[2], numbers[0], numbers[1]].map { .subscribed($0, [.success]) })
  }

  @Test(
    "[MQTT-3.8.4-6] A SUBACK with another number of reason codes is a protocol error",
    arguments: ProtocolVersion.allCases, ["00", "00 00 00"])
  func wrongCount(_ version: ProtocolVersion, _ codes: String) throws {
    let pair = try connected(version)
    _ = try pair.subscribe("a", "b")
    _ = pair.output()
    pair.send("90 r* m1 \(version.noProperties) \(codes)")
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent(version.hasProperties ? "E0 r1 82" : "")
  }

  @Test("3.11.3: An UNSUBACK with another number of reason codes is a protocol error")
  func wrongCountOfUnsuback() throws {
    let pair = try connected(.v5)
    _ = try pair.unsubscribe("a", "b")
    pair.send("B0 r* m1 [] 00")
    #expect(pair.events() == [.failed(.protocolError)])
  }

  @Test(
    "A SUBACK or UNSUBACK that nothing asked for is a protocol error",
    arguments: [
      "90 r* m9 [] 00", "B0 r* m9 [] 00", "B0 r* m1 [] 00", "90 r* m2 [] 00", "90 r* m1 [] 00 | 90 r* m1 [] 00",
    ])
  func notAskedFor(_ answer: String) throws {
    let pair = try connected(.v5)
    _ = try pair.subscribe("a")
    _ = try pair.unsubscribe("a")
    pair.send(WireNotation(answer))
    #expect(pair.events().last == .failed(.protocolError))
  }

  @Test("SUBSCRIBE that is not answered within 30 s is the broker's fault", arguments: ProtocolVersion.allCases)
  func noSuback(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    _ = try pair.subscribe("a")
    _ = pair.output()
    pair.advance(by: .milliseconds(29_999))
    #expect(pair.events() == [])
    pair.advance(by: .milliseconds(1))
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent(version.hasProperties ? "E0 r1 82" : "")
  }

  @Test(
    "UNSUBSCRIBE that is not answered within 30 s is done, warned of once, and a late UNSUBACK is nothing",
    arguments: ProtocolVersion.allCases)
  func noUnsuback(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    let numbers = [try pair.unsubscribe("a"), try pair.unsubscribe("b")]
    pair.advance(by: .milliseconds(29_999))
    #expect(pair.events() == [])
    pair.advance(by: .milliseconds(1))
    #expect(
      pair.events() == [.tolerated(.missingUnsuback), .unsubscribed(numbers[0], nil), .unsubscribed(numbers[1], nil)])
    pair.send(WireNotation(version.hasProperties ? "B0 r* m1 [] 00" : "B0 r2 m1"))
    #expect(pair.events() == [])
    #expect(pair.isConnected)
  }

  @Test("In strict mode a missing UNSUBACK closes")
  func noUnsubackInStrictMode() throws {
    let pair = try connected(.v5, isStrict: true)
    _ = try pair.unsubscribe("a")
    _ = pair.output()
    pair.advance(by: .seconds(30))
    #expect(pair.events() == [.failed(.protocolError)])
    pair.expectSent("E0 r1 82")
  }

  @Test("A request that is answered leaves the deadline to the next one")
  func deadlines() throws {
    let pair = try connected(.v311)
    _ = try pair.subscribe("a")
    pair.advance(by: .seconds(20))
    _ = try pair.subscribe("b")
    pair.send("90 r3 m1 00")
    _ = pair.events()
    #expect(pair.session.nextDeadline == pair.now + .seconds(30))
    pair.advance(by: .seconds(29))
    #expect(pair.isConnected)
  }

  @Test("While reading is paused no answer is missing; afterwards it has 30 s again")
  func paused() throws {
    let pair = try connected(.v311)
    let number = try pair.subscribe("a")
    pair.session.readingPaused()
    #expect(pair.session.nextDeadline == nil)
    pair.session.deadlineReached(at: pair.now + .seconds(100))
    pair.advance(by: .seconds(100))
    pair.session.readingResumed(at: pair.now)
    pair.advance(by: .milliseconds(29_999))
    pair.send("90 r3 m1 00")
    #expect(pair.events() == [.subscribed(number, [.success])])
  }

  @Test("4.1: A request ends with its network connection, and its identifier is free")
  func lostConnection() throws {
    let pair = SessionPair(.v311) { $0.lifetime = .persistent }
    try pair.connect()
    _ = try pair.subscribe("a")
    _ = try pair.unsubscribe("b")
    _ = try pair.publish(.atLeastOnce)
    pair.close()
    try pair.connect(sessionPresent: true)
    pair.expectSent("3A r* s* 't' m3 'p'")
    pair.advance(by: .seconds(100))
    #expect(pair.events() == [])
    pair.send("90 r3 m1 00")
    #expect(pair.events() == [.failed(.protocolError)])
  }

  // MARK: What the broker said it cannot do

  @Test(
    "3.2.2.3: What the broker does not offer is refused before anything is sent",
    arguments: [
      ("28 00", "a/+", ReasonCode.wildcardSubscriptionsNotSupported),
      ("28 00", "#", .wildcardSubscriptionsNotSupported),
      ("2A 00", "$share/g/a", .sharedSubscriptionsNotSupported), ("27 N10", "a/long/filter", .packetTooLarge),
    ])
  func notOffered(properties: String, filter: String, reasonCode code: ReasonCode) throws {
    let pair = try connected(.v5, properties: properties)
    #expect(reasonCode { _ = try pair.subscribe(filter) } == code)
    pair.expectNothingSent()
    #expect(pair.session.nextDeadline == nil)
    _ = try pair.subscribe("a")
    pair.expectSent("82 r* m1 [] s* 'a' 00")
  }

  @Test("3.2.2.3.12: A subscription identifier is refused where the broker takes none")
  func subscriptionIdentifier() throws {
    let pair = try connected(.v5, properties: "29 00")
    var properties = Properties()
    properties[.subscriptionIdentifier] = 3
    let subscription = Subscription(filter: try TopicFilter("a"))
    #expect(
      reasonCode { _ = try pair.session.subscribe([subscription], properties: properties, at: pair.now) }
        == .subscriptionIdentifiersNotSupported)
    pair.expectNothingSent()
  }

  @Test("[MQTT-3.8.3-2] [MQTT-3.10.3-2] Nothing leaves for no filters")
  func noFilters() throws {
    let pair = try connected(.v5)
    #expect(reasonCode { _ = try pair.session.subscribe([], at: pair.now) } == .protocolError)
    #expect(reasonCode { _ = try pair.session.unsubscribe([], at: pair.now) } == .protocolError)
    pair.expectNothingSent()
    #expect(pair.session.nextDeadline == nil)
  }
}
