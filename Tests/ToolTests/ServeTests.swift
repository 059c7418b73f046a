import Foundation
import TestSupport
import Testing

/// `mqrr --serve`: commands answer requests.
@Suite struct ServeTests {
  private func ask(_ broker: RealBroker, _ words: [String]) throws -> ToolProcess {
    try ToolProcess.run("mqrr", broker.options + words + ["-W", "8"])
  }

  @Test("a command gets the request, and what it prints is the reply, byte for byte", .needs("mosquitto"))
  func command() throws {
    let broker = try RealBroker()
    let responder = try responder(
      broker, ["-t", "up/+", "--serve", #"printf '%s|' "$MESSAGE_TOPIC" "$MESSAGE_QOS"; tr a-z A-Z"#])
    for qos in qualities {
      let tool = try ask(broker, ["-t", "up/$(id)", "-m", "a\nb", "-q", qos, "-F", "%q %p"])
      expectSuccess(tool)
      #expect(tool.outputText == "\(qos) up/$(id)|\(qos)|A\nB\n")
    }
    responder.signal(15)
    #expect(try responder.wait() == .exited(0))
  }

  @Test("a command that fails or takes too long gives no reply, and the next request is answered", .needs("mosquitto"))
  func failure() throws {
    let broker = try RealBroker()
    let responder = try responder(
      broker, ["-t", "t", "--serve", "read word; eval \"$word\"", "--exec-timeout", "300ms"])
    for (request, text) in [("exit 3", "failed with status 3"), ("sleep 5", "took longer")] {
      #expect(
        try ToolProcess.run("mqrr", broker.options + ["-t", "t", "-m", request, "-W", "800ms"]).end == .exited(27))
      try responder.waitForErrors(text)
    }
    let tool = try ask(broker, ["-t", "t", "-m", "echo fine"])
    #expect(tool.outputText == "fine\n\n")
    responder.signal(2)
    #expect(try responder.wait() == .exited(0))
  }

  @Test("69 with --exec-failure stop, and the request is not acknowledged")
  func stop() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqrr", broker.options + ["-V", "5", "-t", "t", "--serve", "false", "--exec-failure", "stop"])
    let connection = try broker.acceptConnect()
    try connection.expect("82 r* m1 00 s* 't' 22")
    try connection.send("90 r* m1 00 01 | 32 r* s* 't' m5 [ 08 s* 'r' ] 'x'")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(69))
  }

  @Test("the reply has correlation data and QoS of its request, which is acknowledged when the reply was")
  func reply() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqrr", broker.options + ["-V", "5", "-t", "t", "--serve", "cat; echo !", "-D", "publish", "content-type", "c"])
    let connection = try broker.acceptConnect()
    try connection.expect("82 r* m1 00 s* 't' 22")
    try connection.send("90 r* m1 00 01 | 32 r* s* 't' m5 [ 08 s* 'r/1' 09 0003 00ff01 ] 'x'")
    try connection.expect("32 r* s* 'r/1' m2 [ 03 s* 'c' 09 0003 00ff01 ] 'x!' 0a")
    try connection.silence(for: .milliseconds(100))
    try connection.send("40 02 m2")
    try connection.expect("40 02 m5")
    try connection.send("30 r* s* 't' [ 08 s* 'r/2' ] 'y'")
    try connection.expect("30 r* s* 'r/2' [ 03 s* 'c' ] 'y!' 0a")
    tool.signal(15)
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
  }

  @Test("a request without a response topic is told once and left alone; one that is retained, too")
  func unanswerable() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqrr", broker.options + ["-V", "5", "-t", "t", "--serve-echo"])
    let connection = try broker.acceptConnect()
    _ = try connection.nextPacket()
    try connection.send("90 r* m1 00 02")
    try connection.send("30 r* s* 't' 00 'a' | 30 r* s* 't' 00 'b' | 31 r* s* 't' [ 08 s* 'r' ] 'c'")
    try connection.send("32 r* s* 't' m1 00 'd' | 30 r* s* 't' [ 08 s* 'r' ] 'e'")
    try connection.expect("40 02 m1 | 30 r* s* 'r' 00 'e'")
    tool.signal(15)
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.errorText.split(separator: "\n").count == 1)
    #expect(tool.errorText.contains("-e"))
  }

  @Test("several commands run at a time with --exec-jobs", .needs("mosquitto"))
  func jobs() throws {
    let broker = try RealBroker()
    let folder = try TemporaryFolder()
    // Each command waits for the other one to have begun.
    let command =
      "read n; touch '\(folder.path)'/$n; until [ -e '\(folder.path)'/$((3 - n)) ]; do sleep 0.01; done; printf $n"
    let responder = try responder(broker, ["-t", "t", "--serve", command, "--exec-jobs", "2"])
    let tool = try ToolProcess.run(
      "mqrr", broker.options + ["-t", "t", "-l", "-W", "8"], input: .text("1\n2\n"))
    expectSuccess(tool)
    #expect(tool.outputText.split(separator: "\n").sorted() == ["1", "2"])
    responder.signal(15)
  }

  @Test("it answers again after the broker was away", .needs("mosquitto"), arguments: ["311", "5"])
  func outage(version: String) throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-V", version, "-t", "t", "-e", "r", "--serve-echo"])
    try broker.restart()
    try responder.waitForErrors("connected again")
    try Expect.eventually(within: .seconds(10)) {
      try ToolProcess.run("mqrr", broker.options + ["-V", version, "-t", "t", "-e", "r", "-m", "x", "-W", "500ms"]).end
        == .exited(0)
    }
    responder.signal(15)
    #expect(try responder.wait() == .exited(0))
  }

  @Test("a signal lets a command come to its end, and its reply leaves", .needs("mosquitto"))
  func stopping() throws {
    let broker = try RealBroker()
    let folder = try TemporaryFolder()
    let responder = try responder(
      broker, ["-t", "t", "--serve", "touch '\(folder.path)/begun'; sleep 0.3; printf done"])
    let tool = try ToolProcess("mqrr", broker.options + ["-t", "t", "-m", "x", "-q", "1", "-W", "8"])
    Expect.eventually { FileManager.default.fileExists(atPath: "\(folder.path)/begun") }
    responder.signal(15)
    #expect(try responder.wait() == .exited(0))
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "done\n")
  }

  @Test("--on-ready runs when requests are answered, and its failure is 69", .needs("mosquitto"))
  func onReady() throws {
    let broker = try RealBroker()
    let folder = try TemporaryFolder()
    let tool = try ToolProcess(
      "mqrr", broker.options + ["-t", "t", "--serve-echo", "--on-ready", "touch '\(folder.path)/ready'; echo here"])
    try tool.waitForErrors("here")
    #expect(try ask(broker, ["-t", "t", "-m", "x"]).outputText == "x\n")
    tool.signal(15)
    #expect(try tool.wait() == .exited(0))
    #expect(tool.output.isEmpty)
    let failing = try ToolProcess.run("mqrr", broker.options + ["-t", "t", "--serve-echo", "--on-ready", "exit 3"])
    #expect(failing.end == .exited(69))
    #expect(failing.errorText == "mqrr: Error: --on-ready: the command failed with status 3\n")
  }
}
