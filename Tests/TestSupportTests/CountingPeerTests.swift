import Foundation
import Testing

@testable import TestSupport

@Suite struct CountingPeerTests {
  /// Connects as a client identifier; the CONNACK must be as expected.
  private func connect(
    _ peer: CountingPeer, as identifier: String = "me", level: UInt8 = 4, clean: Bool = true,
    properties: String = "", expecting connack: WireNotation? = nil
  ) throws -> ScriptedConnection {
    let connection = try ScriptedConnection(port: peer.port)
    let flags = clean ? "02" : "00"
    switch level {
    case 3: try connection.send("10 r* s* 'MQIsdp' 03 \(flags) n60 s* '\(identifier)'")
    case 4: try connection.send("10 r* s* 'MQTT' 04 \(flags) n60 s* '\(identifier)'")
    default: try connection.send("10 r* s* 'MQTT' 05 \(flags) n60 [ \(properties) ] s* '\(identifier)'")
    }
    try connection.expect(connack ?? (level == 5 ? "20 r* 00 00 []" : "20 02 00 00"))
    return connection
  }

  @Test(arguments: [3, 4, 5] as [UInt8])
  func everyQoSIsAnsweredInEveryVersion(level: UInt8) throws {
    let peer = try CountingPeer()
    let client = try connect(peer, level: level)
    let none = level == 5 ? "00" : ""
    try client.send("30 r* s* 't' \(none) '1'")
    try client.send("32 r* s* 't' m1 \(none) '2'")
    try client.expect("40 02 m1")
    try client.send("34 r* s* 't' m2 \(none) '3'")
    try client.expect("50 02 m2")
    try client.send("62 02 m2")
    try client.expect("70 02 m2")
    try client.send("82 r* m3 \(none) s* 'a' 01 s* 'b' 02")
    try client.expect(level == 5 ? "90 r* m3 00 01 02" : "90 r* m3 01 02")
    try client.send("a2 r* m4 \(none) s* 'a'")
    try client.expect(level == 5 ? "b0 r* m4 00 00" : "b0 r* m4")
    try client.send("c0 00")
    try client.expect("d0 00")
    try client.send("e0 00")
    try client.waitForClose()
    let counts = peer.counts
    #expect((counts.connects, counts.publishes, counts.received, counts.payloadBytes) == (1, 3, 3, 3))
    #expect((counts.subscriptions, counts.pings, counts.disconnects, counts.ended) == (2, 1, 1, 1))
    #expect(counts.numbers.missing(upTo: 4) == [4])
    #expect(counts.violations == [])
  }

  @Test("[MQTT-4.3.3-10] a QoS 2 message that comes again is delivered once, until its identifier is released")
  func qos2IsCountedOnce() throws {
    let peer = try CountingPeer()
    let client = try connect(peer)
    try client.send("34 r* s* 't' m7 '1'")
    try client.expect("50 02 m7")
    try client.send("3c r* s* 't' m7 '1'")
    try client.expect("50 02 m7")
    #expect((peer.counts.received, peer.counts.suppressed, peer.counts.resent) == (1, 1, 1))
    try client.send("62 02 m7")
    try client.expect("70 02 m7")
    // Released: the same identifier is a new message.
    try client.send("34 r* s* 't' m7 '2'")
    try client.expect("50 02 m7")
    #expect((peer.counts.received, peer.counts.suppressed) == (2, 1))
    #expect((peer.counts.numbers.count, peer.counts.numbers.repeated) == (2, 0))
    #expect(peer.counts.violations == [])
  }

  @Test("[MQTT-3.2.2-2] a session is kept over a reconnect, with the QoS 2 identifiers in it", arguments: [3, 4, 5])
  func aSessionIsKept(level: UInt8) throws {
    var rules = CountingPeer.Rules()
    rules.keepsSessions = true
    let peer = try CountingPeer(rules: rules)
    let expiry = "11 N100"
    let first = try connect(peer, level: level, clean: false, properties: expiry)
    let none = level == 5 ? "00" : ""
    try first.send("34 r* s* 't' m7 \(none) '1'")
    try first.expect("50 02 m7")
    first.reset()
    // MQTT 3.1 has no session present flag.
    let present: WireNotation = level == 5 ? "20 r* 01 00 []" : level == 4 ? "20 02 01 00" : "20 02 00 00"
    let second = try connect(peer, level: level, clean: false, properties: expiry, expecting: present)
    try second.send("3c r* s* 't' m7 \(none) '1'")
    try second.expect("50 02 m7")
    try second.send("62 02 m7")
    try second.expect("70 02 m7")
    #expect((peer.counts.received, peer.counts.suppressed, peer.counts.resumedSessions) == (1, 1, 1))
    // PUBREL again, because PUBCOMP could have been lost.
    try second.send("62 02 m7")
    try second.expect(level == 5 ? "70 03 m7 92" : "70 02 m7")
    // A clean start ends it.
    second.reset()
    _ = try connect(peer, level: level, clean: true, properties: expiry)
    #expect(peer.counts.violations == [])
  }

  @Test func withoutASessionAResentMessageIsDeliveredAgain() throws {
    let peer = try CountingPeer()
    for _ in 1...2 {
      let client = try connect(peer, clean: false)
      try client.send("3c r* s* 't' m7 '1'")
      try client.expect("50 02 m7")
      client.reset()
    }
    #expect((peer.counts.received, peer.counts.suppressed, peer.counts.numbers.repeated) == (2, 0, 1))
  }

  @Test func gapsAndDisorderOfNumbersAreTold() {
    var numbers = CountingPeer.Numbers()
    for number in [1, 2, 5, 4, 5, 200_000] { numbers.insert(number) }
    #expect(numbers.missing(upTo: 5) == [3])
    #expect(numbers.missing(upTo: 0) == [])
    #expect((numbers.count, numbers.repeated, numbers.outOfOrder, numbers.greatest) == (5, 1, 1, 200_000))
    #expect(numbers.missing(upTo: 200_000).count == 100)
  }

  @Test func messagesAreRecordedInTheirOrder() throws {
    var rules = CountingPeer.Rules()
    rules.recordsMessages = true
    let peer = try CountingPeer(rules: rules)
    let client = try connect(peer)
    try client.send("31 r* s* 'a' 'x' | 32 r* s* 'b' m1 00ff")
    try client.expect("40 02 m1")
    #expect(
      peer.messages == [
        .init(topic: Array("a".utf8), payload: Array("x".utf8), qos: 0, retain: true),
        .init(topic: Array("b".utf8), payload: [0x00, 0xff], qos: 1, retain: false),
      ])
  }

  @Test func limitsAreAnnouncedAndAliasesResolved() throws {
    var rules = CountingPeer.Rules()
    (rules.receiveMaximum, rules.topicAliasMaximum, rules.maximumQoS) = (2, 5, 1)
    rules.recordsMessages = true
    let peer = try CountingPeer(rules: rules)
    let client = try connect(peer, level: 5, expecting: "20 r* 00 00 [ 21 n2 22 n5 24 01 ]")
    try client.send("32 r* s* 'topic' m1 [ 23 n5 ] 'x' | 32 r* s* '' m2 [ 01 01 23 n5 ] 'y'")
    try client.expect("40 02 m1 | 40 02 m2")
    #expect(peer.messages.map { String(decoding: $0.topic, as: UTF8.self) } == ["topic", "topic"])
    try client.send("82 r* m3 00 s* 'a' 02")
    try client.expect("90 r* m3 00 01")
    #expect(peer.counts.violations == [])
    try client.send("32 r* s* '' m2 [ 23 n4 ] 'y'")
    try client.waitForClose()
    #expect(peer.counts.violations == ["unknown topic alias 4 [MQTT5 §3.3.2.3.4]"])
  }

  @Test("[MQTT-3.3.4-7] more PUBLISH packets than the receive maximum are a violation, whatever is answered in a batch")
  func theReceiveMaximumIsHeldTo() throws {
    var rules = CountingPeer.Rules()
    rules.receiveMaximum = 2
    let peer = try CountingPeer(rules: rules)
    let client = try connect(peer, level: 5, expecting: "20 r* 00 00 [ 21 n2 ]")
    for identifier in 1...4 {
      try client.send("32 r* s* 't' m\(identifier) [] 'x' | 34 r* s* 't' m\(identifier + 100) [] 'x'")
      try client.expect("40 02 m\(identifier) | 50 02 m\(identifier + 100)")
      try client.send("62 02 m\(identifier + 100)")
      try client.expect("70 02 m\(identifier + 100)")
    }
    #expect(peer.counts.violations == [])
    try client.send("32 r* s* 't' m1 [] 'x' | 32 r* s* 't' m2 [] 'x' | 32 r* s* 't' m3 [] 'x'")
    try client.expect("40 02 m1 | 40 02 m2 | 40 02 m3")
    #expect(peer.counts.violations == ["more than 2 PUBLISH unacknowledged [MQTT-3.3.4-7]"])
  }

  @Test(arguments: [
    ("c0 00", "the first packet is no CONNECT [MQTT-3.1.0-1]"),
    ("10 r* s* 'MQTT' 04 02 n0 s* 'a' | 32 r* s* 't' m0", "packet identifier 0 [MQTT-2.2.1-3]"),
    ("10 r* s* 'MQTT' 04 02 n0 s* 'a' | 36 r* s* 't' m1", "malformed PUBLISH [MQTT5 §3.3]"),
    ("10 r* s* 'MQTT' 04 02 n0 s* 'a' | 30 r* s9 't'", "malformed PUBLISH [MQTT5 §3.3]"),
    ("10 r* s* 'MQTT' 04 02 n0 s* 'a' | 60 02 m1", "malformed PUBREL [MQTT-3.6.1-1]"),
    (
      "10 r* s* 'MQTT' 04 02 n0 s* 'a' | 30 ff ff ff ff 01",
      "remaining length of more than four bytes [MQTT5 §1.5.5]"
    ),
  ])
  func whatAClientMayNotDoEndsItsConnection(notation: String, violation: String) throws {
    let peer = try CountingPeer()
    let client = try ScriptedConnection(port: peer.port)
    try client.send(WireNotation(notation))
    try peer.wait(for: "end") { $0.ended == 1 }
    #expect(peer.counts.violations == [violation])
  }

  @Test func anIdentifierUsedAgainTooEarlyIsAViolation() throws {
    let peer = try CountingPeer()
    let client = try connect(peer)
    try client.send("34 r* s* 't' m7 '1' | 34 r* s* 't' m7 '2'")
    try client.expect("50 02 m7 | 50 02 m7")
    #expect(peer.counts.violations == ["identifier 7 used again before PUBCOMP [MQTT-2.2.1-4]"])
    #expect(peer.counts.received == 1)
  }

  @Test func messagesAreRefusedAfterSoMany() throws {
    var rules = CountingPeer.Rules()
    rules.refusal = (reasonCode: 0x97, after: 1)
    let peer = try CountingPeer(rules: rules)
    let client = try connect(peer, level: 5)
    try client.send("32 r* s* 't' m1 [] '1' | 32 r* s* 't' m2 [] '2' | 34 r* s* 't' m3 [] '3'")
    try client.expect("40 02 m1 | 40 03 m2 97 | 50 03 m3 97")
    #expect((peer.counts.received, peer.counts.refused) == (1, 2))
    // A refused identifier is free again.
    peer.rules.refusal = nil
    try client.send("34 r* s* 't' m3 [] '3'")
    try client.expect("50 02 m3")
    #expect((peer.counts.received, peer.counts.violations) == (2, []))
  }

  @Test func answersAreHeldBackAndDelayed() throws {
    let peer = try CountingPeer()
    let client = try connect(peer)
    peer.rules.acknowledges = false
    try client.send("32 r* s* 't' m1 '1' | c0 00")
    try client.expect("d0 00")
    peer.rules.acknowledges = true
    peer.rules.answerDelay = .milliseconds(40)
    let start = ContinuousClock.now
    try client.send("32 r* s* 't' m2 '2' | 32 r* s* 't' m3 '3'")
    try client.expect("40 02 m2 | 40 02 m3")
    #expect(ContinuousClock.now - start >= .milliseconds(40))
    #expect(peer.counts.received == 3)
  }

  @Test func aPeerThatDoesNotReadFillsTheSocket() throws {
    let peer = try CountingPeer()
    let client = try connect(peer)
    peer.rules.reads = false
    let packet = wire("30 r* s* 't' '\(String(repeating: "x", count: 100_000))'")
    let much = (0..<200).flatMap { _ in packet }
    #expect(throws: TestFailure.self) { try client.sendBytes(much, timeout: .milliseconds(50)) }
    #expect(peer.counts.publishes == 0)
    peer.rules.reads = true
    try peer.wait(for: "messages that the socket held") { $0.publishes > 0 }
  }

  @Test func theLastPacketBeforeADropTakesEffectAndItsAnswerIsLost() throws {
    var rules = CountingPeer.Rules()
    rules.keepsSessions = true
    (rules.dropsAfter, rules.drops) = (2...2, 1)
    let peer = try CountingPeer(rules: rules)
    let first = try connect(peer, clean: false)
    try first.send("34 r* s* 't' m1 '1' | 34 r* s* 't' m2 '2' | 34 r* s* 't' m3 '3'")
    try first.expect("50 02 m1")
    try first.waitForClose()
    #expect((peer.counts.received, peer.counts.dropped) == (2, 1))
    let second = try connect(peer, clean: false, expecting: "20 02 01 00")
    try second.send("3c r* s* 't' m1 '1' | 3c r* s* 't' m2 '2' | 3c r* s* 't' m3 '3'")
    try second.expect("50 02 m1 | 50 02 m2 | 50 02 m3")
    #expect((peer.counts.received, peer.counts.suppressed, peer.counts.dropped) == (3, 2, 1))
    peer.dropConnections()
    try second.waitForClose()
  }

  @Test("[MQTT-3.1.4-3] a second connection takes the session over", arguments: [4, 5])
  func aSecondConnectionTakesOver(level: UInt8) throws {
    var rules = CountingPeer.Rules()
    rules.keepsSessions = true
    let peer = try CountingPeer(rules: rules)
    let first = try connect(peer, level: level, clean: false, properties: "11 N9")
    _ = try connect(
      peer, level: level, clean: false, properties: "11 N9",
      expecting: level == 5 ? "20 r* 01 00 []" : "20 02 01 00")
    if level == 5 { try first.expect("e0 01 8e") }
    try first.waitForClose()
  }

  @Test func anEmptyClientIdentifierIsAssigned() throws {
    let peer = try CountingPeer()
    _ = try connect(peer, as: "", level: 5, expecting: "20 r* 00 00 [ 12 s* 'assigned-1' ]")
  }

  @Test func packetsMayComeInPiecesAndBeLarge() throws {
    let peer = try CountingPeer()
    let client = try connect(peer)
    for byte in wire("30 r* s* 'topic' '1' | 32 r* s* 'topic' m1 '2'") { try client.sendBytes([byte]) }
    try client.expect("40 02 m1")
    let large = String(repeating: "x", count: 3_000_000)
    try client.sendBytes(wire("32 r* s* 't' m2 '\(large)' | 32 r* s* 't' m3 '3'"))
    try client.expect("40 02 m2 | 40 02 m3")
    #expect((peer.counts.received, peer.counts.payloadBytes) == (4, 3_000_003))
  }

  @Test(arguments: SocketFamily.allCases)
  func itListensEverywhere(family: SocketFamily) throws {
    let peer = try CountingPeer(family)
    let client =
      family == .unix
      ? try ScriptedConnection(path: peer.path) : try ScriptedConnection(to: family, port: peer.port)
    try client.send("10 r* s* 'MQTT' 04 02 n60 s* 'me'")
    try client.expect("20 02 00 00")
  }

  // MARK: Floods

  @Test func aFloodIsNumberedAndAcknowledged() throws {
    let peer = try CountingPeer()
    peer.flood(count: 3, payloadSize: 4, qos: 2, topic: "f")
    let client = try connect(peer)
    try client.send("82 r* m1 s* '#' 02")
    try client.expect("90 03 m1 02 | 34 r* s* 'f' m1 '0001' | 34 r* s* 'f' m2 '0002' | 34 r* s* 'f' m3 '0003'")
    try client.send("50 02 m2 | 50 02 m1 | 50 02 m3")
    try client.expect("62 02 m2 | 62 02 m1 | 62 02 m3")
    try client.send("70 02 m1 | 70 02 m2")
    try peer.wait(for: "acknowledgements") { $0.floodAcknowledged == 2 }
    try client.send("70 02 m2")
    try peer.wait(for: "violation") { !$0.violations.isEmpty }
    #expect(peer.counts.violations == ["PUBCOMP for identifier 2, which is not in use"])
  }

  @Test("[MQTT-3.3.4-9] a flood keeps to the client's receive maximum, and to the subscription's QoS")
  func aFloodKeepsToTheReceiveMaximum() throws {
    let peer = try CountingPeer()
    peer.flood(count: 3, payloadSize: 1, qos: 2, topic: "f")
    let client = try connect(peer, level: 5, properties: "21 n2")
    try client.send("82 r* m1 00 s* '#' 01")
    try client.expect("90 r* m1 00 01 | 32 r* s* 'f' m1 [] '1' | 32 r* s* 'f' m2 [] '2'")
    try client.silence(for: .milliseconds(20))
    try client.send("40 02 m1")
    try client.expect("32 r* s* 'f' m3 [] '3'")
  }

  @Test func aLongFloodGoesRoundTheIdentifiers() throws {
    let peer = try CountingPeer()
    peer.flood(count: 70_000, payloadSize: 0, qos: 1, topic: "f")
    let client = try connect(peer)
    try client.send("82 r* m1 s* '#' 01")
    try client.expect("90 03 m1 01")
    for number in 1...70_000 {
      let packet = try client.nextPacket()
      guard number > 69_000 || number % 10_000 == 0 else {
        try client.sendBytes([0x40, 0x02] + packet.body[3..<5])
        continue
      }
      let identifier = (number - 1) % 65_535 + 1
      Expect.bytes(packet.bytes, wire("32 r* s* 'f' m\(identifier) '\(number)'"))
      try client.send("40 02 m\(identifier)")
    }
    try peer.wait(for: "acknowledgements") { $0.floodAcknowledged == 70_000 }
  }

  // MARK: With clients of others

  @Test(.needs("mosquitto_pub"), arguments: ["mqttv31", "mqttv311", "mqttv5"], [0, 1, 2])
  func mosquittoPubIsCounted(version: String, qos: Int) throws {
    let peer = try CountingPeer()
    let lines = (1...2_000).map { "\($0)\n" }.joined()
    let tool = try ToolProcess.run(
      "mosquitto_pub", ["-p", "\(peer.port)", "-V", version, "-q", "\(qos)", "-t", "t", "-l"], input: .text(lines))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect((peer.counts.received, peer.counts.numbers.count, peer.counts.violations) == (2_000, 2_000, []))
    #expect(peer.counts.numbers.missing(upTo: 2_000) == [])
  }

  @Test(.needs("mosquitto_sub"), arguments: ["mqttv31", "mqttv311", "mqttv5"], [0, 1, 2])
  func mosquittoSubIsFlooded(version: String, qos: Int) throws {
    let peer = try CountingPeer()
    peer.flood(count: 2_000, payloadSize: 4, qos: 2, topic: "a/b")
    let tool = try ToolProcess.run(
      "mosquitto_sub",
      ["-p", "\(peer.port)", "-V", version, "-q", "\(qos)", "-t", "a/#", "-C", "2000", "-W", "9"])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    Expect.text(tool.output, (1...2_000).map { String(format: "%04d\n", $0) }.joined())
    #expect(peer.counts.violations == [])
  }

  // MARK: Throughput

  @Test(arguments: [0, 1, 2] as [UInt8])
  func itKeepsUpWithABlaster(qos: UInt8) throws {
    let peer = try CountingPeer()
    let connection = try Address.ipv4(port: peer.port).connect(until: .now + .seconds(5))
    connection.write(wire("10 r* s* 'MQTT' 04 02 n60 s* 'blaster'"))
    // Every identifier once, as QoS 2 with its PUBREL; sent again and again.
    let payload = String(repeating: "x", count: 64)
    var round: [UInt8] = []
    let packet = wire("\(hex(0x30 | qos << 1)) r* s* 'bench/topic' \(qos > 0 ? "m0" : "") '\(payload)'")
    for identifier in 1...65_535 {
      round += packet
      let bytes = [UInt8(identifier >> 8), UInt8(identifier & 0xff)]
      if qos > 0 { round.replaceSubrange((round.count - 66)..<(round.count - 64), with: bytes) }
      if qos == 2 { round += [0x62, 0x02] + bytes }
    }
    let rounds = 16
    // Answers are read by somebody else, or the sockets would fill.
    let answers = Thread { while connection.wait(for: POLLIN, until: .now + .seconds(20)), connection.hasMore() {} }
    answers.start()
    let deadline = ContinuousClock.now + .seconds(60)
    for _ in 0..<rounds {
      var position = 0
      while position < round.count, connection.wait(for: POLLOUT, until: deadline) {
        let sent = round.withUnsafeBytes { connection.send(UnsafeRawBufferPointer(rebasing: $0[position...])) }
        position += try #require(sent)
      }
    }
    let count = rounds * 65_535
    try peer.wait(for: "all messages", timeout: .seconds(60)) { $0.received >= count }
    connection.finishSending()
    let counts = peer.counts
    #expect(counts.received == count)
    #expect(counts.violations == [])
    print("CountingPeer, QoS \(qos), payloads of 64 bytes: \(Int(counts.publishesPerSecond)) PUBLISH packets a second")
    #expect(counts.publishesPerSecond > leastRate)
  }
}

/// PUBLISH packets a second that every machine reaches, also with the thread sanitizer and other work to do.
private let leastRate = 50_000.0

@Suite struct FloodThroughputTests {
  @Test func aFloodKeepsUpWithAReader() throws {
    let count = 1_000_000
    let peer = try CountingPeer()
    peer.flood(count: count, payloadSize: 64, qos: 0, topic: "bench/topic")
    let connection = try Address.ipv4(port: peer.port).connect(until: .now + .seconds(5))
    let start = ContinuousClock.now
    connection.write(wire("10 r* s* 'MQTT' 04 02 n60 s* 'reader' | 82 r* m1 s* '#' 00"))
    let expected = 4 + 5 + count * (2 + 2 + 11 + 64)
    var received = 0
    while received < expected, connection.wait(for: POLLIN, until: start + .seconds(30)) {
      if case .bytes(let bytes) = connection.read(1 << 18) { received += bytes.count }
    }
    let rate = Double(count) / ((ContinuousClock.now - start) / .seconds(1))
    #expect(received == expected)
    #expect(peer.counts.floodSent == count)
    print("CountingPeer, flood at QoS 0, payloads of 64 bytes: \(Int(rate)) PUBLISH packets a second")
    #expect(rate > leastRate)
  }
}

extension Descriptor {
  /// Reads and throws away; false at the end.
  fileprivate func hasMore() -> Bool {
    if case .end = read(1 << 18) { false } else { true }
  }
}
