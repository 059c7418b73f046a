import Foundation
import TestSupport
import Testing

/// The options that mqsub has in common with mosquitto's other clients, as a real broker sees them.
@Suite(.needs("mosquitto"))
struct SubscribeOptionsTests {
  /// What was typed, and what the broker then says.
  struct Row: Sendable, CustomTestStringConvertible {
    var words: [String]
    var log: [String]
    var testDescription: String { words.joined(separator: " ") }

    init(_ words: String..., log: String...) {
      (self.words, self.log) = (words, log)
    }
  }

  static let rows: [Row] = [
    Row("-t", "a/#", log: "\ta/# (QoS 0)"),
    Row("--topic", "a", "-t", "b", log: "\ta (QoS 0)", "\tb (QoS 0)"),
    Row("-t", "t", "-q", "1", log: "\tt (QoS 1)"),
    Row("-t", "t", "--qos", "2", log: "\tt (QoS 2)"),
    Row("--subscribe", "qos=2,nl a b", log: "\ta b (QoS 2)"),
    Row("-t", "$share/g/a", log: "\t$share/g/a (QoS 0)"),
    // A session that has just begun has nothing to give up.
    Row("-U", "old", log: " as mqsub-"),
    Row("-t", "new", "--unsubscribe", "old", log: "\tnew (QoS 0)"),
    Row("-t", "t", "-i", "me", log: " as me (p5, c1, k60)."),
    Row("-t", "t", "--id", "me", "-V", "5", log: " as me (p5, c1, k60)."),
    Row("-t", "t", "-i", "me", "-V", "mqttv5", log: " as me (p5, c1, k60)."),
    Row("-t", "t", "-i", "me", "-V", "311", log: " as me (p2, c1, k60)."),
    Row("-t", "t", "-i", "me", "--protocol-version", "mqttv311", log: " as me (p2, c1, k60)."),
    Row("-t", "t", "-i", "me", "-V", "31", log: " as me (p1, c1, k60)."),
    Row("-t", "t", "-i", "me", "-V", "mqttv31", log: " as me (p1, c1, k60)."),
    Row("-t", "t", "-I", "pre-", log: " as pre-"),
    Row("-t", "t", "--id-prefix", "pre-", log: " as pre-"),
    Row("-t", "t", "-i", "me", "-c", log: " as me (p5, c0, k60)."),
    Row("-t", "t", "-i", "me", "-c", "-V", "311", log: " as me (p2, c0, k60)."),
    Row("-t", "t", "-i", "me", "--disable-clean-session", "-x", "10", log: " as me (p5, c0, k60)."),
    Row("-i", "me", "-c", "--end-session", log: " as me (p5, c1, k60)."),
    Row("-t", "t", "-i", "me", "-k", "30", log: " as me (p5, c1, k30)."),
    Row("-t", "t", "-i", "me", "--keepalive", "5", log: " as me (p5, c1, k5)."),
    Row("-t", "t", "-i", "me", "-u", "ann", "-P", "pw", log: " as me (p5, c1, k60, u'ann')."),
    Row("-t", "t", "-i", "me", "--username", "ann", "--pw", "pw", log: " as me (p5, c1, k60, u'ann')."),
    Row("-t", "t", "-A", "127.0.0.2", log: "New client connected from 127.0.0.2:"),
    Row("-t", "t", "--nodelay", "-M", "1", log: "Sending SUBACK"),
    Row("-t", "t", "-D", "connect", "user-property", "a", "b", log: "Sending SUBACK"),
    Row(
      "-t", "t", "--will-topic", "gone", "--will-payload", "bye", "--will-qos", "1", "--will-retain",
      log: "Will message specified (3 bytes) (r1, q1).", "\tgone"),
  ]

  @Test("-E ends with the broker's answer, and it has seen what each option says", arguments: rows)
  func meaning(row: Row) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess.run("mqsub", broker.options + row.words + ["-E"])
    expectSuccess(tool)
    #expect(tool.output.isEmpty)
    // The broker writes its log when it comes to it.
    for text in row.log { Expect.eventually("\(text)\n\(broker.log)") { broker.log.contains(text) } }
  }

  @Test("-L and -o say the same in other places")
  func otherPlaces() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    expectSuccess(
      try ToolProcess.run(
        "mqsub", ["-L", "mqtt://ann:p%40w@127.0.0.1:\(broker.port)/url/#", "-t", "beside", "-i", "one", "-E"]))
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "options", Array("# a comment\n-h 127.0.0.1\n-p \(broker.port)\n-i two\n-t of file\n-E\n".utf8))
    expectSuccess(try ToolProcess.run("mqsub", ["-o", file]))
    for text in ["as one (p5, c1, k60, u'ann').", "\turl/# (", "\tbeside (", "as two (", "\tof file ("] {
      Expect.eventually("\(text)\n\(broker.log)") { broker.log.contains(text) }
    }
  }

  @Test("-d says on standard error what happens, and standard output stays empty", arguments: ["-d", "--debug"])
  func debug(option: String) throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run("mqsub", broker.options + ["-t", "t", "-E", option])
    #expect(tool.end == .exited(0))
    #expect(tool.output.isEmpty)
    #expect(tool.errorText.contains("connected to"))
  }

  @Test("--quiet says nothing of a failure, but of a mistake")
  func quiet() throws {
    let tool = try ToolProcess.run("mqsub", ["-h", "127.0.0.1", "-p", "\(try freePort())", "-t", "t", "--quiet"])
    #expect(tool.end == .exited(14))
    #expect(tool.errorText == "")
    let mistaken = try ToolProcess.run("mqsub", ["-t", "t", "-C", "0", "--quiet"])
    #expect(mistaken.end == .exited(1))
    #expect(mistaken.errorText.contains("-C"))
  }

  @Test("--help and --version", arguments: ["--help", "--version"])
  func help(option: String) throws {
    let own = try ToolProcess.run("mqsub", [option])
    #expect(own.end == .exited(0))
    #expect(own.outputText.contains("mqsub"))
    #expect(own.errorText == "")
    #expect(try ToolProcess.run("mqsub", [option], arg0: "mosquitto_sub").end == .exited(1))
  }

  @Test("under mosquitto_sub's name: 3.1.1, a client identifier of the broker's, one status for no connection")
  func strict() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    expectSuccess(try ToolProcess.run("mqsub", broker.options + ["-t", "t", "-E"], arg0: "mosquitto_sub"))
    Expect.eventually("\(broker.log)") { broker.log.contains("(p2, c1, k60)") }
    let connected = broker.log.split(separator: "\n").filter { $0.contains("New client connected") }.last ?? ""
    #expect(connected.contains(" as auto-"))
    try broker.stop()
    let failed = try ToolProcess.run("mqsub", broker.options + ["-t", "t"], arg0: "mosquitto_sub")
    #expect(failed.end == .exited(1))
    #expect(failed.errorText.hasPrefix("mosquitto_sub: Error: cannot connect to "))
  }

  @Test(
    "[MQTT-3.14.4-3] a signal and -W take leave so that no will is published, under mosquitto_sub's name so that it is",
    .needs("mosquitto_sub"), arguments: ["mqsub", "mosquitto_sub"])
  func will(name: String) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let witness = try ToolProcess(
      "mosquitto_sub", broker.options + ["-t", "gone/#", "-t", "end", "-v", "-C", name == "mqsub" ? "1" : "3"])
    Expect.eventually { broker.log.contains("Sending SUBACK") }
    func options(_ end: String) -> [String] {
      broker.options + [
        "-V", "5", "-t", "t", "--will-topic", "gone/\(end)", "--will-payload", "bye", "--log", "notice",
      ]
    }
    let stopped = try ToolProcess("mqsub", options("signal"), arg0: name)
    try stopped.waitForErrors("subscribed to")
    stopped.signal(15)
    #expect(try stopped.wait() == .exited(0))
    #expect(try ToolProcess.run("mqsub", options("time") + ["-W", "0.2"], arg0: name).end == .exited(27))
    expectSuccess(try ToolProcess.run("mqpub", broker.options + ["-t", "end", "-m", "x"]))
    #expect(try witness.wait() == .exited(0))
    #expect(witness.outputText == (name == "mqsub" ? "" : "gone/signal bye\ngone/time bye\n") + "end x\n")
  }
}
