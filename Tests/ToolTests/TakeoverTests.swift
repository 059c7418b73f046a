import Foundation
import TestSupport
import Testing

/// Two clients with one identifier throw each other out for ever, unless one of them understands.
@Suite struct TakeoverTests {
  @Test("[3.14.2.1] reason 0x8E: one line that names the identifier and the cause, status 142")
  func told() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqsub", broker.options + ["-V", "5", "-i", "logger", "-t", "t"])
    let connection = try broker.acceptConnect()
    _ = try connection.nextPacket()
    try connection.send("e0 01 8e")
    #expect(try tool.wait() == .exited(142))
    #expect(tool.errorText.split(separator: "\n").count == 1)
    #expect(tool.errorText.contains("another client connected with the client identifier 'logger'"))
  }

  @Test("--on-takeover retry says so and leaves the identifier to the other one for half a minute")
  func retried() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqsub", broker.options + ["-V", "5", "-i", "logger", "-t", "t", "--on-takeover", "retry"])
    let connection = try broker.acceptConnect()
    _ = try connection.nextPacket()
    try connection.send("e0 01 8e")
    try tool.waitForErrors("trying again, in 30 s")
    try broker.noConnection(for: .seconds(2))
    tool.signal(15)
    #expect(try tool.wait(timeout: .seconds(1)) == .exited(0))
  }

  @Test(
    "two at mosquitto, which gives no reason: one stays, the other says within 10 s what it most probably is",
    .needs("mosquitto"), arguments: ["311", "5"], [false, true])
  func fight(version: String, isKept: Bool) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let words =
      broker.options + ["-V", version, "-i", "logger", "-t", "t", "--log", "notice"]
      + (isKept ? ["-c", "-q", "1"] : [])
    let first = try ToolProcess("mqsub", words)
    try first.waitForErrors("subscribed to")
    let second = try ToolProcess("mqsub", words)
    Expect.eventually(within: .seconds(10)) { first.end != nil || second.end != nil }
    let (loser, winner) = first.end != nil ? (first, second) : (second, first)
    #expect(try loser.wait() == .exited(7))
    let errors = loser.errorText.split(separator: "\n").filter { $0.contains("Error") }
    #expect(errors.count == 1)
    #expect(errors.first?.contains("another client uses the client identifier 'logger'") == true)
    // At most 4 CONNECTs of each in 15 s.
    let connects = broker.log.components(separatedBy: " as logger (").count - 1
    #expect(connects <= 8)
    // The other one has its peace.
    try Expect.eventually {
      _ = try ToolProcess.run("mqpub", broker.options + ["-t", "t", "-m", "peace", "-q", "1"])
      return winner.outputText.contains("peace")
    }
    winner.signal(15)
    #expect(try winner.wait() == .exited(0))
  }

  @Test("an identifier that mqsub made up has no rival: connections that break soon are outages like others")
  func ownIdentifier() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqsub", broker.options + ["-V", "311", "-t", "t"])
    for _ in 0..<4 {
      let connection = try broker.acceptConnect()
      try acceptSubscription(connection)
      connection.close()
    }
    _ = try broker.acceptConnect()
    #expect(tool.end == nil)
    #expect(!tool.errorText.contains("identifier"))
  }

  @Test("a network that resets connections is no rival")
  func resets() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqsub", broker.options + ["-V", "311", "-i", "logger", "-t", "t"])
    for _ in 0..<4 {
      let connection = try broker.acceptConnect()
      try acceptSubscription(connection)
      connection.reset()
    }
    _ = try broker.acceptConnect()
    #expect(tool.end == nil)
    #expect(!tool.errorText.contains("identifier"))
  }

  @Test("a broker that is away in between is no rival")
  func outagesBetween() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqsub", broker.options + ["-V", "311", "-i", "logger", "-t", "t"])
    for round in 0..<4 {
      let connection = try broker.acceptConnect()
      try acceptSubscription(connection)
      connection.close()
      // A connection that ends before CONNACK is an attempt that failed.
      if round % 2 == 1 { try broker.accept().close() }
    }
    _ = try broker.acceptConnect()
    #expect(tool.end == nil)
    #expect(!tool.errorText.contains("identifier"))
  }

  /// Answers SUBSCRIBE: a close before that would be an answer of its own.
  private func acceptSubscription(_ connection: ScriptedConnection) throws {
    let packet = try connection.nextPacket()
    try connection.sendBytes([0x90, 3, packet.body[0], packet.body[1], 0])
  }
}
