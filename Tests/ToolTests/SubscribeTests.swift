import TestSupport
import Testing

/// mqsub against a real broker and a real publisher.
@Suite(.needs("mosquitto", "mosquitto_pub"))
struct SubscribeTests {
  private func publish(_ broker: RealBroker, _ options: [String]) throws {
    let tool = try ToolProcess.run("mosquitto_pub", broker.options + options)
    try #require(tool.end == .exited(0))
  }

  /// mqsub, connected and subscribed.
  private func subscriber(_ broker: RealBroker, _ options: [String]) throws -> ToolProcess {
    let tool = try ToolProcess("mqsub", broker.options + options + ["--log", "notice"])
    try tool.waitForErrors("subscribed to")
    return tool
  }

  @Test("messages are printed as they came", arguments: versions, qualities)
  func values(version: String, qos: String) throws {
    let broker = try RealBroker()
    let tool = try subscriber(broker, ["-V", version, "-q", qos, "-t", "home/#", "-C", "2"])
    try publish(broker, ["-t", "home/a", "-m", "21.5 °C", "-q", qos])
    try publish(broker, ["-t", "home/b", "-m", "", "-q", qos])
    try publish(broker, ["-t", "home/c", "-m", "tab\there", "-q", qos])
    #expect(try tool.wait() == .exited(0))
    // An empty payload leaves no trace, but counts.
    #expect(tool.outputText == "21.5 °C\n")
  }

  @Test("-v puts the topic in front, and -N leaves the end of the line out")
  func verboseAndNoEnd() throws {
    let broker = try RealBroker()
    let verbose = try subscriber(broker, ["-t", "+/x", "-v", "-C", "2"])
    let bare = try subscriber(broker, ["-t", "a/x", "-N", "-C", "1"])
    try publish(broker, ["-t", "a/x", "-m", "one"])
    try publish(broker, ["-t", "b/x", "-n"])
    #expect(try verbose.wait() == .exited(0))
    #expect(try bare.wait() == .exited(0))
    #expect(verbose.outputText == "a/x one\nb/x (null)\n")
    #expect(bare.outputText == "one")
  }

  @Test("several filters, -T and -R choose what is shown", arguments: ["311", "5"])
  func choosing(version: String) throws {
    let broker = try RealBroker()
    try publish(broker, ["-t", "a/kept", "-m", "old", "-r"])
    let tool = try subscriber(
      broker, ["-V", version, "-t", "a/#", "-t", "b", "-T", "a/no/+", "-R", "-v", "-C", "2"])
    try publish(broker, ["-t", "a/no/1", "-m", "hidden"])
    try publish(broker, ["-t", "c", "-m", "not subscribed"])
    try publish(broker, ["-t", "a/yes", "-m", "1"])
    try publish(broker, ["-t", "b", "-m", "2"])
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "a/yes 1\nb 2\n")
  }

  @Test("a pipe gets the bytes of a payload, whatever they are")
  func binary() throws {
    let broker = try RealBroker()
    let payload = Array((0...255).map { UInt8($0) })
    let folder = try TemporaryFolder()
    let tool = try subscriber(broker, ["-t", "t", "-N", "-C", "1"])
    try publish(broker, ["-t", "t", "-f", try folder.write("payload", payload)])
    #expect(try tool.wait() == .exited(0))
    Expect.bytes(tool.output, payload)
  }

  @Test("a terminal gets no control character of a payload or topic")
  func terminal() throws {
    let broker = try ScriptedBroker()  // mosquitto refuses such topics
    let terminal = try Terminal(
      "mqsub", broker.options + ["-V", "311", "-t", "#", "-v", "-C", "1", "--color", "never"])
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    try connection.sendBytes([0x90, 3] + identifier + [0])
    try connection.send("30 r* s* 'a\u{1b}[2J' 'x\u{1b}]0;y\u{7}' 0a 'forged line\u{202e}'")
    #expect(try terminal.wait() == .exited(0))
    #expect(terminal.outputText.contains("forged line"))
    #expect(!terminal.output.contains(0x1b))
    #expect(!terminal.outputText.contains("\nforged"))
    #expect(!terminal.outputText.contains("\u{202e}"))
  }

  @Test("-W ends the wait with status 27, also before CONNACK")
  func timeLimit() throws {
    let broker = try RealBroker()
    let quiet = try ToolProcess.run("mqsub", broker.options + ["-t", "t", "-W", "300ms"])
    #expect(quiet.end == .exited(27))
    let silent = try ScriptedBroker()
    let tool = try ToolProcess.run("mqsub", silent.options + ["-t", "t", "-W", "0.3"])
    #expect(tool.end == .exited(27))
    #expect(tool.errorText.split(separator: "\n").count == 1)
  }

  @Test("a reader that has gone ends it with status 0, on a silent topic too")
  func readerGone() throws {
    let broker = try RealBroker()
    let tool = try subscriber(broker, ["-t", "silent"])
    try tool.closeOutput()
    #expect(try tool.wait(timeout: .seconds(1)) == .exited(0))
  }

  @Test("mqsub | head -1 ends within a second, with the topic silent or busy", arguments: [true, false])
  func head(isBusy: Bool) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess(
      "sh", ["-c", "\"$0\" \"$@\" | head -1", try locate("mqsub")] + broker.options + ["-t", "t"])
    Expect.eventually { broker.log.contains("Sending SUBACK") }
    try publish(broker, ["-t", "t", "-m", "1"])
    try tool.waitForOutput("1\n")
    if isBusy { for _ in 0..<5 { try publish(broker, ["-t", "t", "-m", "2"]) } }
    #expect(try tool.wait(timeout: .seconds(1)) == .exited(0))
    #expect(tool.outputText == "1\n")
  }

  @Test(
    "output that cannot be written ends it with status 74, and nothing of it is acknowledged",
    arguments: [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
  func unwritable(redirection: String, reason: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "sh",
      ["-c", "exec \"$0\" \"$@\" \(redirection)", try locate("mqsub")] + broker.options + [
        "-V", "311", "-q", "1", "-t", "t",
      ])
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    try connection.sendBytes([0x90, 3] + identifier + [1])
    try connection.send("32 r* s* 't' m7 'x'")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(74))
    #expect(tool.errorText == "mqsub: Error: standard output: \(reason)\n")
  }

  @Test("what a lost connection brought is written before the end")
  func writtenAtTheEnd() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqsub", broker.options + ["-V", "311", "-t", "t", "--no-reconnect"])
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    try connection.sendBytes([0x90, 3] + identifier + [0])
    try connection.send("30 r* s* 't' 'last words'")
    connection.close()
    #expect(try tool.wait() == .exited(7))
    #expect(tool.outputText == "last words\n")
  }

  @Test("it subscribes again after the broker was away", arguments: ["311", "5"])
  func resubscribes(version: String) throws {
    let broker = try RealBroker()
    let tool = try subscriber(broker, ["-V", version, "-t", "t", "-C", "1"])
    try broker.restart()
    try tool.waitForErrors("connected again")
    // The message comes behind the subscription, which follows CONNACK at once.
    try Expect.eventually(within: .seconds(10), "delivered") {
      try publish(broker, ["-t", "t", "-m", "back"])
      return tool.end != nil
    }
    #expect(tool.end == .exited(0))
    #expect(tool.outputText == "back\n")
  }

  @Test("with -c nothing at QoS 1 and 2 is lost between two runs", arguments: versions, ["1", "2"])
  func persistentSession(version: String, qos: String) throws {
    let broker = try RealBroker()
    let options = ["-V", version, "-q", qos, "-c", "-i", "tail", "-t", "t"]
    let first = try subscriber(broker, options)
    try publish(broker, ["-t", "t", "-m", "1", "-q", qos])
    try first.waitForOutput("1\n")
    first.signal(15)
    #expect(try first.wait() == .exited(0))
    for number in 2...4 { try publish(broker, ["-t", "t", "-m", "\(number)", "-q", qos]) }
    let second = try ToolProcess.run("mqsub", broker.options + options + ["-C", "2"])
    let third = try ToolProcess.run("mqsub", broker.options + options + ["-C", "1"])
    #expect(second.outputText + third.outputText == "2\n3\n4\n")
  }

  @Test("-U ends a subscription that the session has", arguments: versions)
  func unsubscribes(version: String) throws {
    let broker = try RealBroker()
    let options = ["-V", version, "-q", "1", "-c", "-i", "tail"]
    let first = try subscriber(broker, options + ["-t", "old"])
    first.signal(15)
    try first.wait()
    let second = try subscriber(broker, options + ["-U", "old", "-t", "new", "-C", "1"])
    try publish(broker, ["-t", "new", "-m", "wanted", "-q", "1"])
    #expect(try second.wait() == .exited(0))
    try publish(broker, ["-t", "old", "-m", "unwanted", "-q", "1"])
    try publish(broker, ["-t", "new", "-m", "again", "-q", "1"])
    let third = try ToolProcess.run("mqsub", broker.options + options + ["-t", "new", "-v", "-C", "1"])
    #expect(second.outputText + third.outputText == "wanted\nnew again\n")
  }
}
