import MQTT
import TestSupport
import Testing

/// PINGREQ, and how soon a dead connection is found (3.1.2.10).
@Suite struct SessionKeepAliveTests {
  private func connected(
    _ version: ProtocolVersion = .v311, keepAlive: UInt16 = 60, properties: String = ""
  ) throws -> SessionPair {
    let pair = SessionPair(version, keepAlive: keepAlive)
    try pair.connect(properties: properties)
    return pair
  }

  @Test(
    "[MQTT-3.1.2-20] PINGREQ leaves when nothing was sent for the keep alive, not a moment earlier",
    arguments: ProtocolVersion.allCases)
  func ping(_ version: ProtocolVersion) throws {
    let pair = try connected(version)
    for _ in 0..<3 {
      pair.advance(by: .seconds(60) - .nanoseconds(1))
      pair.expectNothingSent()
      pair.advance(by: .nanoseconds(1))
      pair.expectSent("C0 r0")
      pair.send("D0 r0")
      #expect(pair.events() == [.pong])
    }
  }

  @Test("What we send puts the ping off, while the broker lives")
  func sendingPutsOff() throws {
    let pair = try connected()
    for _ in 0..<3 {
      pair.advance(by: .seconds(59))
      pair.send("30 r* s* 'a' 'x'")
      try pair.publish(.atMostOnce)
      pair.expectSent("30 r* s* 't' 'p'")
    }
    pair.advance(by: .seconds(59))
    pair.expectNothingSent()
    pair.advance(by: .seconds(1))
    pair.expectSent("C0 r0")
  }

  @Test("[MQTT-3.1.2-20] What we only receive does not put the ping off")
  func receivingDoesNotPutOff() throws {
    let pair = try connected()
    for _ in 0..<59 {
      pair.advance(by: .seconds(1))
      pair.send("30 r* s* 'a' 'x'")
      pair.expectNothingSent()
    }
    pair.advance(by: .seconds(1))
    pair.expectSent("C0 r0")
  }

  @Test(
    "A half-open connection is found 1.5 times the keep alive after the last sign of life",
    arguments: ProtocolVersion.allCases, [1, 10, 60, 65_535] as [UInt16])
  func halfOpen(_ version: ProtocolVersion, _ keepAlive: UInt16) throws {
    let pair = try connected(version, keepAlive: keepAlive)
    pair.advance(by: .seconds(Int(keepAlive)))
    pair.expectSent("C0 r0")
    pair.advance(by: .milliseconds(500 * Int(keepAlive)) - .nanoseconds(1))
    #expect(pair.events() == [])
    pair.advance(by: .nanoseconds(1))
    #expect(pair.events() == [.silent])
    #expect(!pair.isConnected)
    pair.expectNothingSent()
    #expect(pair.session.nextDeadline == nil)
  }

  @Test("One-way silence is found 1.5 times the keep alive after the last byte, while we keep sending")
  func oneWaySilence() throws {
    let pair = try connected(.v311)
    pair.advance(by: .seconds(10))
    pair.send("30 r* s* 'a' 'x'")
    #expect(pair.events().count == 1)
    var pings = 0
    for second in 1...90 {
      pair.advance(by: .seconds(1))
      if second == 90 { break }
      #expect(pair.events() == [])
      try pair.publish(.atMostOnce)
      let output = pair.output()
      if output.starts(with: [0xC0, 0]) {
        pings += 1
        #expect(second == 60)
      }
    }
    #expect(pings == 1)
    #expect(pair.events() == [.silent])
  }

  @Test("Bytes that arrive put giving up off, for PINGRESP may stand behind a long message; pings go on")
  func longMessage() throws {
    let pair = try connected(.v311)
    pair.advance(by: .seconds(60))
    pair.expectSent("C0 r0")
    pair.send([0x30, 0xFF, 0x7F])  // a PUBLISH of 16,383 bytes
    for _ in 0..<6 {
      pair.advance(by: .seconds(20))
      pair.send([UInt8](repeating: 0, count: 10))
    }
    #expect(pair.events() == [])
    pair.expectSent("C0 r0 | C0 r0")
    pair.advance(by: .seconds(30))
    #expect(pair.events() == [.silent])
  }

  @Test("A ping that the application wants is answered or missed like any other")
  func pingByHand() throws {
    let pair = try connected()
    pair.advance(by: .seconds(10))
    pair.session.ping(at: pair.now)
    pair.expectSent("C0 r0")
    pair.advance(by: .seconds(29))
    pair.send("D0 r0")
    #expect(pair.events() == [.pong])
    pair.advance(by: .seconds(30))
    pair.expectNothingSent()
    pair.advance(by: .seconds(1))
    pair.expectSent("C0 r0")
    pair.advance(by: .seconds(30))
    #expect(pair.events() == [.silent])
  }

  @Test(
    "[MQTT-3.2.2-21] The broker's keep alive is used instead of ours",
    arguments: [(60, 5), (5, 60), (0, 10)] as [(UInt16, Int)])
  func serverKeepAlive(ours: UInt16, theirs: Int) throws {
    let pair = try connected(.v5, keepAlive: ours, properties: "13 n\(theirs)")
    #expect(pair.session.keepAliveSeconds == theirs)
    pair.advance(by: .seconds(theirs) - .nanoseconds(1))
    pair.expectNothingSent()
    pair.advance(by: .nanoseconds(1))
    pair.expectSent("C0 r0")
    pair.close()
    try pair.connect()
    #expect(pair.session.keepAliveSeconds == Int(ours), "it holds for its connection only")
  }

  @Test("[MQTT-3.1.2-22] Keep alive 0 sends no pings and waits for ever", arguments: ["", "13 n0"])
  func off(_ properties: String) throws {
    let pair = try connected(.v5, keepAlive: properties.isEmpty ? 0 : 60, properties: properties)
    #expect(pair.session.nextDeadline == nil)
    pair.session.ping(at: pair.now)
    pair.advance(by: .seconds(1_000_000))
    #expect(pair.events() == [])
    pair.expectSent("C0 r0")
  }

  @Test("Before CONNACK and after the end nothing is due")
  func notConnected() throws {
    let pair = SessionPair(.v5, keepAlive: 10)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    #expect(pair.session.nextDeadline == nil)
    pair.session.deadlineReached(at: pair.now + .seconds(100))
    pair.accept()
    _ = pair.events()
    #expect(pair.session.nextDeadline == pair.now + .seconds(10))
    pair.close()
    #expect(pair.session.nextDeadline == nil)
    pair.expectNothingSent()
  }

  // MARK: Reading that is paused

  @Test("While reading is paused pings go on, and a missing PINGRESP does not count")
  func paused() throws {
    let pair = try connected()
    pair.session.readingPaused()
    for _ in 0..<5 {
      pair.advance(by: .seconds(60))
      pair.expectSent("C0 r0")
    }
    #expect(pair.events() == [])
    pair.session.readingResumed(at: pair.now)
    pair.advance(by: .seconds(29))
    #expect(pair.events() == [])
    pair.send("D0 r0 | D0 r0")
    #expect(pair.events() == [.pong, .pong])
    pair.advance(by: .seconds(59))
    #expect(pair.events() == [])
  }

  @Test("Silence is counted anew from where reading goes on", arguments: [false, true])
  func resumed(pingedBefore: Bool) throws {
    let pair = try connected()
    if pingedBefore { pair.advance(by: .seconds(60)) }
    pair.session.readingPaused()
    pair.advance(by: .seconds(500))
    pair.session.readingResumed(at: pair.now)
    pair.advance(by: .milliseconds(29_999))
    #expect(pair.events() == [])
    pair.advance(by: .milliseconds(60_001))
    #expect(pair.events() == [.silent])
  }

  @Test("Reading may be paused before CONNACK is looked at")
  func pausedBeforeConnack() throws {
    let pair = SessionPair(.v311, keepAlive: 10)
    try pair.session.connectionOpened(at: pair.now)
    _ = pair.output()
    pair.accept()
    pair.session.readingPaused()
    #expect(pair.events() == [.connected(republished: 0)])
    pair.advance(by: .seconds(100))
    #expect(pair.events() == [])
  }
}
