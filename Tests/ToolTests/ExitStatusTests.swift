import TestSupport
import Testing

/// What mqpub, mqsub and mqrr exit with, and that they say why in one line.
@Suite struct ExitStatusTests {
  /// The words that make each tool do its smallest piece of work.
  static let tools = [
    ["mqpub", "-t", "t", "-m", "x", "-q", "1"], ["mqsub", "-t", "t"], ["mqrr", "-t", "t", "-m", "x", "-e", "r"],
  ]

  private func run(_ words: [String], _ options: [String], timeout: Duration = .seconds(10)) throws -> ToolProcess {
    try ToolProcess.run(words[0], Array(words.dropFirst()) + options, timeout: timeout)
  }

  private func expect(
    _ tool: ToolProcess, _ status: Int32, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(tool.end == .exited(status), "\(tool.errorText)", sourceLocation: sourceLocation)
    #expect(tool.output.isEmpty, sourceLocation: sourceLocation)
    let lines = tool.errorText.split(separator: "\n")
    #expect(lines.count == 1, "\(tool.errorText)", sourceLocation: sourceLocation)
    for word in words { #expect(tool.errorText.contains(word), "\(tool.errorText)", sourceLocation: sourceLocation) }
  }

  @Test("1: an option that does not exist, a value that is none, a combination that cannot be", arguments: tools)
  func usage(words: [String]) throws {
    expect(try run(words, ["--prot", "1"]), 1, "--prot", "--port")
    expect(try run(words, ["-q", "3"]), 1, "-q", "3")
    expect(try run(words, ["-p", "1883junk"]), 1, "1883junk")
    expect(try run(words, ["-V", "311", "-x", "10"]), 1, "-x", "-V")
  }

  @Test("14: nothing listens there", arguments: tools)
  func refused(words: [String]) throws {
    let port = try freePort()
    expect(try run(words, ["-h", "127.0.0.1", "-p", "\(port)"]), 14, "127.0.0.1:\(port)", "Connection refused")
  }

  @Test("20: the host's name is not found", arguments: tools)
  func name(words: [String]) throws {
    expect(try run(words, ["-h", "no-such-host.invalid"], timeout: .seconds(15)), 20, "no-such-host.invalid")
  }

  @Test("27: a broker that never answers is named with the stage reached", arguments: tools)
  func silentBroker(words: [String]) throws {
    let broker = try ScriptedBroker()
    expect(try run(words, broker.options + ["--connect-timeout", "300ms"]), 27, "CONNACK")
  }

  @Test("1 to 5: a refusal by CONNACK on 3.x is the return code", arguments: tools, 1...5)
  func refusal3(words: [String], code: Int) throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send("20 02 00 0\(code)")
      try connection.waitForClose()
    }
    expect(try run(words, broker.options + ["-V", "311"]), Int32(code), "refused")
    try broker.finish()
  }

  @Test("128 to 162: a refusal by CONNACK on 5 is the reason code", arguments: tools, [0x80, 0x86, 0x87, 0x8A, 0x9F])
  func refusal5(words: [String], code: Int) throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send("20 03 00 \(String(code, radix: 16)) 00")
      try connection.waitForClose()
    }
    expect(try run(words, broker.options + ["-V", "5"]), Int32(code), "refused")
    try broker.finish()
  }

  @Test("135: what an access list forbids is told on 5", .needs("mosquitto"))
  func accessList() throws {
    let broker = try RealBroker(acl: "topic read allowed/#\n")
    for qos in ["1", "2"] {
      expect(
        try run(["mqpub", "-t", "allowed/x", "-m", "x", "-q", qos], broker.options + ["-V", "5"]), 135, "not authorized"
      )
    }
  }

  @Test("4 and 5, 134 and 135: bad user name or password", .needs("mosquitto", "mosquitto_passwd"), arguments: tools)
  func credentials(words: [String]) throws {
    let broker = try RealBroker(users: ["ann": "secret"])
    expect(try run(words, broker.options + ["-V", "311", "-u", "ann", "-P", "wrong"]), 5, "refused")
    expect(try run(words, broker.options + ["-V", "5", "-u", "ann", "-P", "wrong"]), 135, "refused")
    let right = try run(words, broker.options + ["-u", "ann", "-P", "secret", "-W", "1"])
    #expect(right.end == .exited(words[0] == "mqpub" ? 0 : 27))
  }

  @Test("142: another client took the session over", arguments: [("mqsub", 142)])
  func takenOver(tool: String, status: Int32) throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send("20 03 00 00 00")
      _ = try connection.nextPacket()
      try connection.send("e0 01 8e")
      try connection.waitForClose()
    }
    expect(try run([tool, "-t", "t"], broker.options + ["-V", "5"]), status, "session taken over")
    try broker.finish()
  }

  @Test("21: a broker that breaks the protocol", arguments: tools)
  func brokersFault(words: [String]) throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send("20 03 00 00 00  f7 00")
      if words[0] != "mqpub" { _ = try connection.nextPacket() }
      try connection.expect("e0 01 81")
    }
    expect(try run(words, broker.options + ["-V", "5"]), 21, "protocol")
    try broker.finish()
  }

  @Test("128: a refused subscription", arguments: ["311", "5"])
  func refusedSubscription(version: String) throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send(version == "5" ? "20 03 00 00 00" : "20 02 00 00")
      let subscribe = try connection.nextPacket()
      let identifier = subscribe.body.prefix(2)
      try connection.sendBytes(version == "5" ? [0x90, 4] + identifier + [0, 0x80] : [0x90, 3] + identifier + [0x80])
      try connection.expect("e0 00")
    }
    expect(try run(["mqsub", "-t", "t"], broker.options + ["-V", version]), 128, "refused", "'t'")
    try broker.finish()
  }

  @Test("10: what the broker does not offer is not sent")
  func notOffered() throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send("20 07 00 00 04 24 00 25 00")  // maximum QoS 0, retain not available
      try connection.expect("e0 00")
    }
    expect(try run(["mqpub", "-t", "t", "-m", "x", "-r"], broker.options + ["-V", "5"]), 10, "retained")
    try broker.finish()
  }

  @Test("25: a message above the broker's maximum packet size is not sent")
  func tooLarge() throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send("20 08 00 00 05 27 00000014")
      try connection.expect("e0 00")
    }
    let message = String(repeating: "x", count: 50)
    expect(try run(["mqpub", "-t", "t", "-m", message], broker.options + ["-V", "5"]), 25, "20")
    try broker.finish()
  }

  @Test("7: a connection that is lost with work undone")
  func lost() throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send("20 03 00 00 00")
      _ = try connection.nextPacket()
      connection.close()
    }
    let tool = try run(["mqpub", "-t", "t", "-m", "x", "-q", "1"], broker.options + ["-V", "5"])
    #expect(tool.end == .exited(7))
    #expect(tool.errorText.contains("1 message"))
    try broker.finish()
  }

  @Test("19: nothing comes for one and a half times the keep alive")
  func silence() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqsub", broker.options + ["-t", "t", "-V", "5", "-k", "1", "--no-reconnect"])
    let connection = try broker.acceptUnanswered()
    try connection.send("20 03 00 00 00")
    #expect(try tool.wait() == .exited(19))
    #expect(tool.errorText.contains("keep alive"))
    connection.close()
  }
}
