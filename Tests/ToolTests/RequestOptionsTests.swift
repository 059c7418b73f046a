import Foundation
import TestSupport
import Testing

/// The options that mqrr has from mosquitto_rr, as a real broker sees them. Requests go to their own response topic, so that they
/// are their own replies.
@Suite(.needs("mosquitto"))
struct RequestOptionsTests {
  /// What was typed, what is printed, and what the broker then says.
  struct Row: Sendable, CustomTestStringConvertible {
    var words: [String]
    var output: String
    var log: [String]
    var testDescription: String { words.joined(separator: " ") }

    init(_ words: String..., prints output: String = "x\n", log: String...) {
      (self.words, self.output, self.log) = (words, output, log)
    }
  }

  static let rows: [Row] = [
    Row("-m", "x", log: "'t', ... (1 bytes))"),
    Row("--message", "x", "--topic", "t", log: "'t', ... (1 bytes))"),
    Row("-n", prints: "", log: "'t', ... (0 bytes))"),
    Row("--null-message", "-v", prints: "t (null)\n", log: "'t', ... (0 bytes))"),
    Row("-f", "/proc/self/comm", "-N", prints: "mqrr\n", log: "'t', ... (5 bytes))"),
    Row("--file", "/dev/null", prints: "", log: "'t', ... (0 bytes))"),
    Row("-s", prints: "one\nfour\n", log: "'t', ... (8 bytes))"),
    Row("--stdin-file", "-N", prints: "one\nfour", log: "'t', ... (8 bytes))"),
    Row("-l", "-V", "311", prints: "one\nfour\n", log: "'t', ... (3 bytes))", "'t', ... (4 bytes))"),
    Row("-m", "x", "-q", "1", log: "(d0, q1, r0, m2, 't', ... (1 bytes))", "(QoS 1)"),
    Row("-m", "x", "--qos", "2", log: "(d0, q2, r0, m2, 't', ... (1 bytes))", "(QoS 2)", "Received PUBCOMP"),
    Row("-m", "x", "-i", "me", log: " as me (p5, c1, k60)."),
    Row("-m", "x", "--id", "me", "-V", "mqttv5", log: " as me (p5, c1, k60)."),
    Row("-m", "x", "-i", "me", "-V", "311", log: " as me (p2, c1, k60)."),
    Row("-m", "x", "-i", "me", "--protocol-version", "mqttv31", log: " as me (p1, c1, k60)."),
    Row("-m", "x", "-I", "pre-", log: " as pre-"),
    Row("-m", "x", "--id-prefix", "pre-", log: " as pre-"),
    Row("-m", "x", "-i", "me", "-c", log: " as me (p5, c0, k60)."),
    Row("-m", "x", "-i", "me", "--disable-clean-session", "-x", "10", log: " as me (p5, c0, k60)."),
    Row("-m", "x", "-i", "me", "-k", "30", log: " as me (p5, c1, k30)."),
    Row("-m", "x", "-i", "me", "--keepalive", "5", log: " as me (p5, c1, k5)."),
    Row("-m", "x", "-i", "me", "-u", "ann", "-P", "pw", log: " as me (p5, c1, k60, u'ann')."),
    Row("-m", "x", "-i", "me", "--username", "ann", "--pw", "pw", log: " as me (p5, c1, k60, u'ann')."),
    Row("-m", "x", "-A", "127.0.0.2", log: "New client connected from 127.0.0.2:"),
    Row("-m", "x", "--nodelay", "-M", "1", log: "Received PUBLISH"),
    Row("-m", "x", "-D", "publish", "content-type", "c", "-F", "%C %p", prints: "c x\n", log: "Received PUBLISH"),
    Row("-m", "x", "-R", "--retain-handling", "new", log: "Received PUBLISH"),
    Row("-m", "x", "--retain-handling", "always", "--retain-as-published", log: "Received PUBLISH"),
    Row("-m", "x", "--verbose", prints: "t x\n", log: "Received PUBLISH"),
    Row("-m", "x", "-F", "%t|%p|%q", "-q", "2", prints: "t|x|2\n", log: "Received PUBLISH"),
    Row("-m", "[1]", "--pretty", prints: "[1]\n", log: "Received PUBLISH"),
    Row(
      "-m", "x", "--will-topic", "gone", "--will-payload", "bye", "--will-qos", "1", "--will-retain",
      log: "Will message specified (3 bytes) (r1, q1).", "\tgone", "Received DISCONNECT"),
  ]

  private func run(_ broker: RealBroker, _ words: [String]) throws -> ToolProcess {
    try ToolProcess.run(
      "mqrr", broker.options + ["-t", "t", "-e", "t", "-W", "8"] + words, input: .text("one\nfour"))
  }

  @Test("the broker sees what each option says", arguments: rows)
  func meaning(row: Row) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try run(broker, row.words)
    expectSuccess(tool)
    #expect(tool.outputText == row.output)
    // The broker writes its log when it comes to it.
    for text in row.log { Expect.eventually("\(text)\n\(broker.log)") { broker.log.contains(text) } }
  }

  @Test("-L and -o say the same in other places, also with mosquitto_rr's own file")
  func otherPlaces() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let url = "mqtt://ann:p%40w@127.0.0.1:\(broker.port)/url/topic"
    expectSuccess(try ToolProcess.run("mqrr", ["-L", url, "-e", "url/topic", "-m", "x", "-i", "one", "-W", "8"]))
    let lines = "# a comment\n-h 127.0.0.1\n-p \(broker.port)\n-t of file\n-e of file\n-m x y\n-W 8\n"
    let folder = try TemporaryFolder()
    let file = try folder.write("options", Array(lines.utf8))
    #expect(try ToolProcess.run("mqrr", ["-o", file]).outputText == "x y\n")
    try FileManager.default.createDirectory(atPath: folder.path(".config"), withIntermediateDirectories: true)
    try folder.write(".config/mosquitto_rr", Array(lines.utf8))
    for name in ["mqrr", "mosquitto_rr"] {
      #expect(try ToolProcess.run("mqrr", [], arg0: name, home: folder).outputText == "x y\n")
    }
    Expect.eventually { broker.log.contains("as one (p5, c1, k60, u'ann').") }
  }

  @Test("-d says on standard error what happens, and standard output has the reply", arguments: ["-d", "--debug"])
  func debug(option: String) throws {
    let broker = try RealBroker()
    let tool = try run(broker, ["-m", "x", option])
    #expect(tool.end == .exited(0))
    #expect(tool.outputText == "x\n")
    #expect(tool.errorText.contains("received PUBLISH"))
  }

  @Test("--quiet says nothing of a failure, but of a mistake")
  func quiet() throws {
    let broker = try RealBroker(acl: "topic read t\n")
    let refused = try run(broker, ["-V", "5", "-m", "x", "-q", "1", "--quiet"])
    #expect(refused.end == .exited(135))
    #expect(refused.errorText == "")
    let mistaken = try run(broker, ["-q", "3", "--quiet"])
    #expect(mistaken.end == .exited(1))
    #expect(mistaken.errorText.contains("-q"))
  }

  @Test("--help and --version", arguments: ["--help", "--version"])
  func help(option: String) throws {
    let own = try ToolProcess.run("mqrr", [option])
    #expect(own.end == .exited(0))
    #expect(own.outputText.contains("mqrr"))
    #expect(own.errorText == "")
    #expect(try ToolProcess.run("mqrr", [option], arg0: "mosquitto_rr").end == .exited(1))
  }
}
