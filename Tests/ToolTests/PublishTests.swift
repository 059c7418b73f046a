import TestSupport
import Testing

/// mqpub against a real broker, as far as that can tell.
@Suite(.needs("mosquitto", "mosquitto_sub"))
struct PublishTests {
  /// What Debian's mosquitto_sub receives while `publish` runs.
  private func received(
    _ count: Int, at broker: RealBroker, _ options: [String] = [], while publish: () throws -> Void
  ) throws -> ToolProcess {
    let subscriber = try ToolProcess(
      "mosquitto_sub", broker.options + ["-t", "#", "-q", "2", "-C", "\(count)", "-W", "20"] + options)
    // Its own output does not tell, while it goes into a pipe.
    Expect.eventually { broker.log.contains("Sending SUBACK") }
    try publish()
    try subscriber.wait(timeout: .seconds(20))
    return subscriber
  }

  private func messages(_ subscriber: ToolProcess) -> [Substring] {
    subscriber.outputText.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
  }

  @Test("a value reaches a subscriber", arguments: versions, qualities)
  func value(version: String, qos: String) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let subscriber = try received(1, at: broker, ["-F", "%t %q %r %p"]) {
      expectSuccess(
        try ToolProcess.run("mqpub", broker.options + ["-V", version, "-q", qos, "-t", "home/temp", "-m", "21.5 °C"]))
    }
    #expect(messages(subscriber) == ["home/temp \(qos) 0 21.5 °C"])
  }

  @Test("each source of the payload is taken byte for byte")
  func sources() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let binary = (0...255).map { UInt8($0) } + [0, 10, 13]
    let folder = try TemporaryFolder()
    let file = try folder.write("payload", binary)
    let hex = binary.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let subscriber = try received(5, at: broker, ["-F", "%t=%x"]) {
      let options = broker.options + ["-q", "1"]
      expectSuccess(try ToolProcess.run("mqpub", options + ["-t", "f", "-f", file]))
      expectSuccess(try ToolProcess.run("mqpub", options + ["-t", "s", "-s"], input: .bytes(binary)))
      expectSuccess(try ToolProcess.run("mqpub", options + ["-t", "n", "-n"]))
      expectSuccess(try ToolProcess.run("mqpub", options + ["-t", "m", "-m", ""]))
      expectSuccess(try ToolProcess.run("mqpub", options + ["-t", "m", "-m", "-n"]))
    }
    #expect(messages(subscriber) == ["f=\(hex)", "s=\(hex)", "n=", "m=", "m=2d6e"])
  }

  @Test("lines end at LF only, an empty line is an empty message, and the last line needs no LF", arguments: versions)
  func lines(version: String) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let subscriber = try received(5, at: broker, ["-F", "%x"]) {
      expectSuccess(
        try ToolProcess.run(
          "mqpub", broker.options + ["-V", version, "-q", "1", "-t", "t", "-l"],
          input: .bytes(Array("one\n\ntwo\r\n\0\u{7f}\nlast".utf8))))
    }
    #expect(messages(subscriber) == ["6f6e65", "", "74776f0d", "007f", "6c617374"])
  }

  @Test("standard input without a line is no message and no failure")
  func noLines() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    expectSuccess(try ToolProcess.run("mqpub", broker.options + ["-t", "t", "-l"]))
  }

  @Test("a message goes to every topic, and is kept where that was asked for")
  func topicsAndRetain() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    expectSuccess(
      try ToolProcess.run("mqpub", broker.options + ["-t", "a", "-t", "b/c", "-m", "kept", "-r", "-q", "1"]))
    let subscriber = try ToolProcess.run(
      "mosquitto_sub", broker.options + ["-t", "#", "-C", "2", "-W", "5", "-F", "%t %r %p"])
    #expect(Set(subscriber.outputText.split(separator: "\n")) == ["a 1 kept", "b/c 1 kept"])
  }

  @Test("6: with --require-subscribers nobody there is a failure, somebody there is none")
  func requiredSubscribers() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let options = broker.options + ["-t", "home/temp", "-m", "x"]
    expectSuccess(try ToolProcess.run("mqpub", options + ["-V", "5", "-q", "1"]))
    let alone = try ToolProcess.run("mqpub", options + ["--require-subscribers"])
    #expect(alone.end == .exited(6))
    #expect(alone.errorText == "mqpub: Error: topic 'home/temp': nobody subscribes to it\n")
    let subscriber = try received(1, at: broker) {
      expectSuccess(try ToolProcess.run("mqpub", options + ["--require-subscribers"]))
    }
    #expect(messages(subscriber) == ["x"])
  }

  @Test("6: --require-subscribers believes PUBREC, which mosquitto does not use for it")
  func requiredSubscribersExactlyOnce() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-t", "t", "-m", "x", "-q", "2", "--require-subscribers"])
    let connection = try broker.acceptUnanswered()
    try connection.send("20 03 00 00 00")
    try connection.expect("34 r* s* 't' m1 00 'x'")
    try connection.send("50 r3 m1 10")
    try connection.expect("62 r2 m1")
    try connection.send("70 r2 m1")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(6))
  }

  @Test(
    "lines of QoS 0 come with their topics, though most leave with an alias",
    arguments: [[], ["-D", "publish", "topic-alias", "3"]])
  func aliases(options: [String]) throws {
    let broker = try RealBroker(lines: ["log_type all"])  // it takes ten aliases
    let subscriber = try received(6, at: broker, ["-F", "%t=%p"]) {
      let tool = try ToolProcess(
        "mqpub", broker.options + ["-t", "home/temp", "-t", "home/hum", "-l", "--trace"] + options,
        input: .text("1\n2\n3\n"))
      #expect(try tool.wait() == .exited(0))
      // From the third message to a topic on, unless one alias is to stand for both.
      #expect(tool.errorText.contains("PUBLISH '' ") == options.isEmpty, "\(tool.errorText)")
    }
    #expect(
      messages(subscriber) == ["home/temp=1", "home/hum=1", "home/temp=2", "home/hum=2", "home/temp=3", "home/hum=3"])
  }

  @Test("a line is published while the input is still open")
  func liveLine() throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-l"], input: .held)
    try peer.wait(for: "connection") { $0.connects == 1 }
    tool.write("now\n")
    try peer.wait(for: "line") { $0.received == 1 }
    tool.closeInput()
    #expect(try tool.wait() == .exited(0))
  }
}
