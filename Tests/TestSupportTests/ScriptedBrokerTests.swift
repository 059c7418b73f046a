import Testing

@testable import TestSupport

@Suite struct ScriptedBrokerTests {
  private func connect(to broker: ScriptedBroker, _ family: SocketFamily = .ipv4) throws -> ScriptedConnection {
    family == .unix
      ? try ScriptedConnection(path: broker.path) : try ScriptedConnection(to: family, port: broker.port)
  }

  @Test(arguments: SocketFamily.allCases)
  func aConversationIsPlayed(family: SocketFamily) throws {
    try ScriptedBroker(family).play { broker in
      let connection = try broker.acceptConnect(level: 4)
      try connection.expect("32 r* s* 'topic' m7 'payload'")
      try connection.send("40 02 m7")
      try connection.expect("e0 00")
      #expect(try connection.waitForClose() == .orderly)
    } against: { broker in
      let client = try connect(to: broker, family)
      try client.send("10 r* s* 'MQTT' 04 02 n60 s* 'me'")
      try client.expect("20 02 00 00")
      try client.send("32 r* s* 'topic' m7 'payload'")
      try client.expect("40 02 m7")
      try client.send("e0 00")
      client.close()
    }
  }

  @Test(
    "[MQTT5 §3.1] all fields of a CONNECT are remembered",
    arguments: [
      ("10 r* s* 'MQIsdp' 03 02 n60 s* 'me'", 3), ("10 r* s* 'MQTT' 04 02 n60 s* 'me'", 4),
      ("10 r* s* 'MQTT' 05 02 n60 [ 21 n20 ] s* 'me'", 5),
    ] as [(WireNotation, UInt8)])
  func fieldsOfAConnectAreRemembered(notation: WireNotation, level: UInt8) throws {
    let broker = try ScriptedBroker()
    let client = try connect(to: broker)
    try client.send(notation)
    let connection = try broker.accept()
    let fields = try connection.expectConnect(level: level)
    #expect(fields.protocolName == (level == 3 ? "MQIsdp" : "MQTT"))
    #expect(fields.protocolLevel == level)
    #expect(fields.cleanStart)
    #expect(fields.keepAlive == 60)
    #expect(fields.clientIdentifier == "me")
    #expect(fields.will == nil && fields.userName == nil && fields.password == nil)
    Expect.bytes(fields.properties, level == 5 ? [0x21, 0x00, 0x14] : [])
    try connection.respondConnack(sessionPresent: true, code: 0, properties: "22 n5")
    try client.expect(level == 5 ? "20 06 01 00 03 22 0005" : "20 02 01 00")
  }

  @Test func theWillAndTheCredentialsAreRemembered() throws {
    let broker = try ScriptedBroker()
    let client = try connect(to: broker)
    try client.send("10 r* s* 'MQTT' 05 ee n0 [] s* '' [ 18 N5 ] s* 'gone' s* 'by' s* 'ann' s1 ff")
    let fields = try broker.accept().expectConnect()
    #expect(fields.will?.topic == "gone")
    Expect.text(fields.will?.payload ?? [], "by")
    Expect.bytes(fields.will?.properties ?? [], [0x18, 0x00, 0x00, 0x00, 0x05])
    #expect(fields.willQoS == 1)
    #expect(fields.willRetain)
    #expect(fields.userName == "ann")
    Expect.bytes(fields.password ?? [], [0xff])
  }

  @Test func packetsAreToldOneByOneHoweverTheyArrive() throws {
    let broker = try ScriptedBroker()
    let client = try connect(to: broker)
    let connection = try broker.accept()
    for byte in wire("30 r* s* 'a' 'x' | c0 00") { try client.sendBytes([byte]) }
    let publish = try connection.nextPacket()
    #expect(publish.name == "PUBLISH")
    #expect(publish.type == 3)
    Expect.bytes(publish.body, wire("s* 'a' 'x'"))
    #expect(try connection.nextPacket().name == "PINGREQ")
    // A long one: its remaining length takes three bytes.
    let payload = String(repeating: "y", count: 300_000)
    let sent = wire("30 r* s* 'a' '\(payload)'")
    broker.start { _ in try client.sendBytes(sent) }
    Expect.bytes(try connection.nextPacket().bytes, sent)
    try broker.finish()
  }

  @Test func aFailureShowsExpectedReceivedAndTranscript() throws {
    let broker = try ScriptedBroker()
    let client = try connect(to: broker)
    try client.send("32 r* s* 'topic' m7 'payload'")
    let connection = try broker.accept()
    let failure = try #require(throws: TestFailure.self) { try connection.expect("32 r* s* 'topic' m8 'payload'") }
    #expect(failure.description.contains("TestSupportTests/ScriptedBrokerTests.swift:"))
    #expect(failure.description.contains("expected: 32 r* s* 'topic' m8 'payload'"))
    #expect(failure.description.contains("received: 32 r16 s5 'topic' m7 'payload'"))
    #expect(failure.description.contains("offset 10: expected 08, received 07"))
    #expect(failure.description.contains("1 ← PUBLISH 32 r16 s5 'topic' m7 'payload'"))
  }

  @Test func nothingIsWaitedForWithoutLimit() throws {
    let broker = try ScriptedBroker()
    #expect(throws: TestFailure.self) { try broker.accept(timeout: .milliseconds(10)) }
    try broker.noConnection(for: .milliseconds(10))
    _ = try connect(to: broker)
    #expect(throws: TestFailure.self) { try broker.noConnection(for: .seconds(5)) }
    let client = try connect(to: broker)
    #expect(throws: TestFailure.self) { try client.expect("20 02 00 00", timeout: .milliseconds(10)) }
    #expect(throws: TestFailure.self) { try client.waitForClose(timeout: .milliseconds(10)) }
    broker.start { _ in _ = try client.nextPacket(timeout: .seconds(5)) }
    #expect(throws: TestFailure.self) { try broker.finish(timeout: .milliseconds(10)) }
  }

  @Test func silenceIsBrokenByBytesAndByTheEnd() throws {
    let broker = try ScriptedBroker()
    let client = try connect(to: broker)
    let connection = try broker.accept()
    try connection.silence(for: .milliseconds(10))
    try client.send("c0 00")
    #expect(throws: TestFailure.self) { try connection.silence(for: .seconds(5)) }
    #expect(throws: TestFailure.self) { try connection.waitForClose() }
    try connection.expect("c0 00")
    client.close()
    #expect(throws: TestFailure.self) { try connection.silence(for: .seconds(5)) }
  }

  @Test func aResetIsToldFromAnOrderlyEnd() throws {
    let broker = try ScriptedBroker()
    let first = try connect(to: broker)
    try broker.accept().reset()
    #expect(try first.waitForClose() == .reset)

    let second = try connect(to: broker)
    let connection = try broker.accept()
    try second.send("c0 00")
    // Even with bytes that nobody read.
    connection.close()
    #expect(try second.waitForClose() == .orderly)
    #expect(throws: TestFailure.self) { try connection.send("d0 00") }
  }

  @Test func afterTheEndOfDataTheOtherDirectionStaysOpen() throws {
    let broker = try ScriptedBroker()
    let client = try connect(to: broker)
    let connection = try broker.accept()
    connection.finishSending()
    #expect(try client.waitForClose() == .orderly)
    try client.send("c0 00")
    try connection.expect("c0 00")
  }

  @Test func aBrokerThatStoppedListeningRefuses() throws {
    let broker = try ScriptedBroker()
    broker.stopListening()
    #expect(throws: TestFailure.self) { try connect(to: broker) }
  }

  @Test func whatScriptAndBodyThrowIsToldTogether() throws {
    let failure = try #require(throws: TestFailure.self) {
      try ScriptedBroker().play { broker in
        try broker.accept().expect("c0 00")
      } against: { broker in
        let client = try connect(to: broker)
        client.close()
        throw Unfortunate()
      }
    }
    #expect(failure.description.contains("Unfortunate"))
    #expect(failure.description.contains("and the script: "))
    #expect(failure.description.contains("closed by the other side, still expected: c0 00"))
  }

  @Test func wrongNotationIsAFailureAndNoCrash() throws {
    let broker = try ScriptedBroker()
    let client = try connect(to: broker)
    #expect(throws: TestFailure.self) { try client.send("what?") }
    #expect(throws: TestFailure.self) { try client.send("30 ...") }
    #expect(throws: TestFailure.self) { try client.expect("what?") }
  }

  @Test func whatIsNoPacketIsReadAsBytes() throws {
    let broker = try ScriptedBroker()
    let client = try connect(to: broker)
    let connection = try broker.accept()
    try client.send("05 01 00 'GET / HTTP/1.1' 0d0a0d0a 'rest'")
    Expect.bytes(try connection.read(count: 3), [5, 1, 0])
    #expect(try connection.readText(until: "\r\n\r\n") == "GET / HTTP/1.1\r\n\r\n")
    try client.send("ff ff ff ff ff ff")
    Expect.text(try connection.read(count: 4), "rest")
    #expect(throws: TestFailure.self) { try connection.nextPacket() }
  }
}

private struct Unfortunate: Error {}
