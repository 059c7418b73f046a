import Foundation
import TestSupport
import Testing

/// `mqsub --exec`: a command deals with each message, and the broker learns of it when it has.
@Suite struct ExecTests {
  /// mqsub on MQTT 3.1.1 with a command, connected to a broker that granted QoS 2.
  private func started(
    _ broker: ScriptedBroker, _ command: String, _ options: [String] = [], environment: [String: String] = [:]
  ) throws -> (tool: ToolProcess, connection: ScriptedConnection) {
    let tool = try ToolProcess(
      "mqsub", broker.options + ["-V", "311", "-q", "2", "-t", "t", "--exec", command] + options,
      environment: environment)
    let connection = try broker.acceptConnect()
    try acceptSubscription(connection)
    return (tool, connection)
  }

  private func acceptSubscription(_ connection: ScriptedConnection) throws {
    try connection.expect("82 r* m1 s* 't' 02")
    try connection.send("90 r* m1 02")
  }

  @Test("the command gets the payload and all else, and its output is ours", .needs("mosquitto"), arguments: versions)
  func commandRuns(version: String) throws {
    let broker = try RealBroker()
    let tool = try ToolProcess(
      "mqsub",
      broker.options + [
        "-V", version, "-q", "1", "-t", "a/#", "-C", "2", "--log", "notice", "--exec",
        #"printf '%s %s %s: ' "$MESSAGE_TOPIC" "$MESSAGE_QOS" "${MQTOOLS_PASSWORD-none}"; cat; echo"#,
      ], environment: ["MQTOOLS_PASSWORD": "hunter2", "MQTOOLS_USERNAME": "ann"])
    try tool.waitForErrors("subscribed to")
    for (topic, payload) in [("a/x y", "one"), ("a/$(id)", "`two`")] {
      let publish = try ToolProcess.run("mqpub", broker.options + ["-q", "1", "-t", topic, "-m", payload])
      #expect(publish.end == .exited(0))
    }
    #expect(try tool.wait() == .exited(0), "\(tool.errorText)")
    #expect(tool.outputText == "a/x y 1 none: one\na/$(id) 1 none: `two`\n")
  }

  @Test("a message is acknowledged when its command has succeeded, and keep alive goes on meanwhile")
  func acknowledgedAfterSuccess() throws {
    let broker = try ScriptedBroker()
    let folder = try TemporaryFolder()
    let command = "until [ -e '\(folder.path)/go' ]; do sleep 0.01; done"
    let (tool, connection) = try started(broker, command, ["-k", "1"])
    try connection.send("32 r* s* 't' m7 'x' | 34 r* s* 't' m8 'y'")
    try connection.expect("c0 00")
    try connection.send("d0 00")
    _ = try folder.write("go", "")
    try connection.expect("40 r2 m7 | 50 r2 m8")
    try connection.send("62 r2 m8")
    try connection.expect("70 r2 m8")
    tool.signal(15)
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
  }

  @Test("[MQTT-4.6.0-2] several commands run at a time, and acknowledgements leave in the order of the messages")
  func severalJobs() throws {
    let broker = try ScriptedBroker()
    let folder = try TemporaryFolder()
    // The first one ends after the second and the third.
    let command = """
      cd '\(folder.path)'; n=$(cat); [ $n = 1 ] && until [ -e 2 -a -e 3 ]; do sleep 0.01; done; touch $n
      """
    let (tool, connection) = try started(broker, command, ["--exec-jobs", "3"])
    try connection.send("32 r* s* 't' m1 '1' | 32 r* s* 't' m2 '2' | 32 r* s* 't' m3 '3'")
    try connection.expect("40 r2 m1 | 40 r2 m2 | 40 r2 m3")
    tool.signal(15)
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
  }

  @Test("69: a command that fails is the end, and its message stays with the broker")
  func stop() throws {
    let broker = try ScriptedBroker()
    let (tool, connection) = try started(broker, "[ $(cat) = good ] || exit 3")
    try connection.send("32 r* s* 't' m1 'good' | 32 r* s* 't' m2 'bad' | 32 r* s* 't' m3 'good'")
    try connection.expect("40 r2 m1")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(69))
    #expect(tool.errorText == "mqsub: Error: the command for 't' failed with status 3\n")
  }

  @Test("skip acknowledges what the command could not deal with")
  func skip() throws {
    let broker = try ScriptedBroker()
    let (tool, connection) = try started(broker, "[ $(cat) = good ] || exit 3", ["--exec-failure", "skip", "-C", "3"])
    try connection.send("32 r* s* 't' m1 'good' | 32 r* s* 't' m2 'bad' | 32 r* s* 't' m3 'good'")
    try connection.expect("40 r2 m1 | 40 r2 m2 | 40 r2 m3 | e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.errorText == "mqsub: Warning: the command for 't' failed with status 3\n")
  }

  @Test("retry runs the command until it succeeds, and keeps the order")
  func retry() throws {
    let broker = try ScriptedBroker()
    let folder = try TemporaryFolder()
    let (tool, connection) = try started(
      broker, "cd '\(folder.path)'; cat; [ -e tried ] || { touch tried; exit 1; }",
      ["--exec-failure", "retry", "-C", "2"])
    try connection.send("32 r* s* 't' m1 'a' | 34 r* s* 't' m2 'b'")
    try connection.expect("40 r2 m1 | 50 r2 m2")
    try connection.send("62 r2 m2")
    try connection.expect("70 r2 m2 | e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "aab")
    #expect(tool.errorText == "mqsub: Warning: the command for 't' failed with status 1; trying again in 1.0 seconds\n")
  }

  @Test("--exec-timeout ends a command and all that it started")
  func timeLimit() throws {
    let broker = try ScriptedBroker()
    let (tool, connection) = try started(broker, "sleep 30 | sleep 30", ["--exec-timeout", "50ms"])
    try connection.send("32 r* s* 't' m1 'x'")
    try connection.expect("e0 00")
    connection.close()
    // Nothing holds standard output any more.
    #expect(try tool.wait() == .exited(69))
    #expect(tool.errorText.contains("took longer than 0.05 seconds"))
  }

  @Test("a signal lets what runs come to its end, and begins nothing new")
  func signal() throws {
    let broker = try ScriptedBroker()
    let folder = try TemporaryFolder()
    let command = "cat; echo; until [ -e '\(folder.path)/go' ]; do sleep 0.01; done"
    let (tool, connection) = try started(broker, command)
    try connection.send("32 r* s* 't' m1 'a' | 32 r* s* 't' m2 'b'")
    try tool.waitForOutput("a\n")
    tool.signal(15)
    // Connected still: what follows is answered.
    try connection.send("62 r2 m9")
    try connection.expect("70 r2 m9")
    _ = try folder.write("go", "")
    try connection.expect("40 r2 m1 | e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "a\n")
  }

  @Test("what a lost connection took from the queue is dealt with once when it comes again")
  func connectionLost() throws {
    let broker = try ScriptedBroker()
    let folder = try TemporaryFolder()
    let command = "cat; until [ -e '\(folder.path)/go' ]; do sleep 0.01; done"
    let (tool, connection) = try started(broker, command, ["-c", "-i", "worker"])
    try connection.send("32 r* s* 't' m1 'a' | 32 r* s* 't' m2 'b' | 34 r* s* 't' m3 'c'")
    try tool.waitForOutput("a")
    connection.close()
    let second = try broker.acceptUnanswered()
    try second.respondConnack(sessionPresent: true)
    // The first is under way, and cannot be called back: at least once.
    try second.send("3a r* s* 't' m1 'A' | 3a r* s* 't' m2 'b' | 3c r* s* 't' m3 'c'")
    _ = try folder.write("go", "")
    try second.expect("40 r2 m1 | 40 r2 m2 | 50 r2 m3")
    try second.send("62 r2 m3")
    try second.expect("70 r2 m3")
    tool.signal(15)
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "acAb", "\(tool.outputText)")
  }

  @Test("nothing more is read while a slow command has enough to do")
  func backpressure() throws {
    let peer = try CountingPeer()
    let folder = try TemporaryFolder()
    let tool = try ToolProcess(
      "mqsub", peer.options + ["-t", "flood", "--exec", "until [ -e '\(folder.path)/go' ]; do sleep 0.01; done"])
    peer.flood(count: 1_000_000, payloadSize: 1_000)
    // The sockets and a queue fill up, and then it stands still.
    var sent = -1
    Expect.eventually(within: .seconds(20)) {
      defer { sent = peer.counts.floodSent }
      usleep(200_000)
      return sent > 0 && peer.counts.floodSent == sent
    }
    #expect(peer.counts.floodSent < 100_000)
    tool.signal(15)
    _ = try folder.write("go", "")
    #expect(try tool.wait() == .exited(0))
  }

  @Test(
    "1: options that need a command say so", arguments: ["--exec-jobs=2", "--exec-failure=skip", "--exec-timeout=1"])
  func withoutCommand(option: String) throws {
    let tool = try ToolProcess.run("mqsub", ["-t", "t", option])
    #expect(tool.end == .exited(1))
    #expect(tool.errorText.contains("\(option.prefix { $0 != "=" }): needs --exec COMMAND"))
  }
}
