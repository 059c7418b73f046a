import Foundation
import TestSupport
import Testing

/// The options that mqpub has from mosquitto_pub, as a real broker sees them.
@Suite(.needs("mosquitto"))
struct PublishOptionsTests {
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
    Row("-t", "a/b", "-m", "hello", log: "Received PUBLISH from ", "(d0, q0, r0, m0, 'a/b', ... (5 bytes))"),
    Row("--topic", "a", "--message", "", log: "'a', ... (0 bytes))"),
    Row("-t", "a", "-t", "b", "-m", "x", log: "'a', ... (1 bytes))", "'b', ... (1 bytes))"),
    Row("-t", "t", "-n", log: "'t', ... (0 bytes))"),
    Row("-t", "t", "--null-message", "-r", log: "(d0, q0, r1, m0, 't', ... (0 bytes))"),
    Row("-t", "t", "-f", "/proc/self/comm", log: "'t', ... (6 bytes))"),
    Row("-t", "t", "--file", "/dev/null", log: "'t', ... (0 bytes))"),
    Row("-t", "t", "-s", log: "'t', ... (8 bytes))"),
    Row("-t", "t", "--stdin-file", log: "'t', ... (8 bytes))"),
    Row("-t", "t", "-l", log: "'t', ... (3 bytes))", "'t', ... (4 bytes))"),
    Row("-t", "t", "--stdin-line", log: "'t', ... (3 bytes))", "'t', ... (4 bytes))"),
    Row("-t", "t", "-n", "-q", "1", log: "(d0, q1, r0, m1, 't', ... (0 bytes))", "Sending PUBACK"),
    Row("-t", "t", "-n", "--qos", "2", log: "(d0, q2, r0, m1, 't', ... (0 bytes))", "Sending PUBCOMP"),
    Row("-t", "t", "-n", "--retain", log: "(d0, q0, r1, m0, 't', ... (0 bytes))"),
    Row("-t", "t", "-n", "-q", "1", "--repeat", "3", log: "m1, 't'", "m2, 't'", "m3, 't'"),
    Row("-t", "t", "-n", "-q", "1", "--repeat", "2", "--repeat-delay", "0.01", log: "m1, 't'", "m2, 't'"),
    Row("-t", "t", "-n", "-i", "me", log: " as me (p5, c1, k60)."),
    Row("-t", "t", "-n", "--id", "me", "-V", "5", log: " as me (p5, c1, k60)."),
    Row("-t", "t", "-n", "-i", "me", "-V", "mqttv5", log: " as me (p5, c1, k60)."),
    Row("-t", "t", "-n", "-i", "me", "-V", "311", log: " as me (p2, c1, k60)."),
    Row("-t", "t", "-n", "-i", "me", "--protocol-version", "mqttv311", log: " as me (p2, c1, k60)."),
    Row("-t", "t", "-n", "-i", "me", "-V", "31", log: " as me (p1, c1, k60)."),
    Row("-t", "t", "-n", "-i", "me", "-V", "mqttv31", log: " as me (p1, c1, k60)."),
    Row("-t", "t", "-n", "-I", "pre-", log: " as pre-"),
    Row("-t", "t", "-n", "--id-prefix", "pre-", log: " as pre-"),
    Row("-t", "t", "-n", "-i", "me", "-c", log: " as me (p5, c0, k60)."),
    Row("-t", "t", "-n", "-i", "me", "--disable-clean-session", "-x", "10", log: " as me (p5, c0, k60)."),
    Row("-t", "t", "-n", "-i", "me", "-k", "30", log: " as me (p5, c1, k30)."),
    Row("-t", "t", "-n", "-i", "me", "--keepalive", "5", log: " as me (p5, c1, k5)."),
    Row("-t", "t", "-n", "-i", "me", "-u", "ann", "-P", "pw", log: " as me (p5, c1, k60, u'ann')."),
    Row("-t", "t", "-n", "-i", "me", "--username", "ann", "--pw", "pw", log: " as me (p5, c1, k60, u'ann')."),
    Row("-t", "t", "-n", "-A", "127.0.0.2", log: "New client connected from 127.0.0.2:"),
    Row("-t", "t", "-n", "--nodelay", "-M", "1", log: "Received PUBLISH"),
    Row("-t", "t", "-n", "-D", "publish", "content-type", "c", log: "Received PUBLISH"),
    Row(
      "-t", "t", "-n", "--will-topic", "gone", "--will-payload", "bye", "--will-qos", "1", "--will-retain",
      log: "Will message specified (3 bytes) (r1, q1).", "\tgone"),
  ]

  /// What the tests below run: mqpub, or what stands for mosquitto_pub.
  private func run(
    _ broker: RealBroker, _ words: [String], arg0: String? = nil, input: String = "one\nfour"
  ) throws -> ToolProcess {
    try ToolProcess.run("mqpub", broker.options + words, arg0: arg0, input: .text(input))
  }

  @Test("the broker sees what each option says", arguments: rows)
  func meaning(row: Row) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try run(broker, row.words)
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
        "mqpub", ["-L", "mqtt://ann:p%40w@127.0.0.1:\(broker.port)/url/topic", "-m", "x", "-i", "one"]))
    expectSuccess(
      try ToolProcess.run("mqpub", ["--url", "mqtt://127.0.0.1:\(broker.port)", "-t", "url", "-m", "x"]))
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "options", Array("# a comment\n-h 127.0.0.1\n-p \(broker.port)\n-i two\n-t of file\n-m x y\n".utf8))
    expectSuccess(try ToolProcess.run("mqpub", ["-o", file]))
    for text in ["as one (p5, c1, k60, u'ann').", "'url/topic', ", "'url', ", "as two (", "'of file', ... (3 bytes))"] {
      Expect.eventually("\(text)\n\(broker.log)") { broker.log.contains(text) }
    }
  }

  @Test("-d says on standard error what happens, and standard output stays empty", arguments: ["-d", "--debug"])
  func debug(option: String) throws {
    let broker = try RealBroker()
    let tool = try run(broker, ["-t", "t", "-n", option])
    #expect(tool.end == .exited(0))
    #expect(tool.output.isEmpty)
    #expect(tool.errorText.contains("connected to"))
  }

  @Test("--quiet says nothing of a failure, but of a mistake")
  func quiet() throws {
    let broker = try RealBroker(acl: "topic read x\n")
    let refused = try run(broker, ["-t", "t", "-m", "x", "-q", "1", "--quiet"])
    #expect(refused.end == .exited(135))
    #expect(refused.errorText == "")
    let mistaken = try run(broker, ["-t", "t", "-q", "3", "--quiet"])
    #expect(mistaken.end == .exited(1))
    #expect(mistaken.errorText.contains("-q"))
  }

  @Test("-M 1 sends a message only after the one before was acknowledged")
  func maximumInflight() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", "5", "-t", "t", "-l", "-q", "1", "-M", "1"], input: .text("1\n2\n"))
    let connection = try broker.acceptUnanswered()
    try connection.send("20 03 00 00 00")
    try connection.expect("32 r* s* 't' m1 00 '1'")
    try connection.silence(for: .milliseconds(100))
    try connection.send("40 02 m1")
    try connection.expect("32 r* s* 't' m2 00 '2'")
    try connection.send("40 02 m2")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
  }

  @Test("--help and --version", arguments: ["--help", "--version"])
  func help(option: String) throws {
    let own = try ToolProcess.run("mqpub", [option])
    #expect(own.end == .exited(0))
    #expect(own.outputText.contains("mqpub"))
    #expect(own.errorText == "")
    #expect(try ToolProcess.run("mqpub", [option], arg0: "mosquitto_pub").end == .exited(1))
  }

  @Test(
    "under mosquitto_pub's name: 3.1.1, a client identifier of the broker's, the last topic, one status for no connection"
  )
  func strict() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    expectSuccess(try run(broker, ["-t", "first", "-t", "last", "-m", "x"], arg0: "mosquitto_pub"))
    Expect.eventually("\(broker.log)") { broker.log.contains("'last', ... (1 bytes))") }
    #expect(!broker.log.contains("'first', "))
    let connected = broker.log.split(separator: "\n").filter { $0.contains("New client connected") }.last ?? ""
    #expect(connected.contains(" as auto-"))
    #expect(connected.contains("(p2, c1, k60)"))
    try broker.stop()
    let failed = try run(broker, ["-t", "t", "-m", "x"], arg0: "mosquitto_pub")
    #expect(failed.end == .exited(1))
    #expect(failed.errorText.hasPrefix("mosquitto_pub: Error: cannot connect to "))
  }
}
