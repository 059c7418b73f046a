import CommandLineTool
import Foundation
import TestSupport
import Testing

@testable import mqshell

/// The examples of `help` and of the manual page, word for word but for the broker and for times that nobody wants to wait.
@Suite(.needs("mosquitto"))
struct VerbExampleTests {
  /// What an example may take for granted: connections of some names, values, subscriptions and messages.
  private static let before = """
    open hall=BROKER
    open b=BROKER
    open localhost=BROKER
    @b serve devices/lamp/get echo
    @b serve jobs echo
    let base site/7
    sub #
    pub -q 1 -r home/desk/temp 21.5
    pub -q 1 -r home/door {"battery": 15}
    pub -q 1 home/a/lamp {"state": "ON"}
    pub -q 1 home/b/lamp {"state": "ON"}
    pub -q 1 lamp ON
    pub -q 1 t/ready 1
    pub -q 1 t/last {"id": 7}

    """

  /// The examples that do not end with 0. An access list of mosquitto says nothing about subscriptions.
  private static let statuses: [String: Int32] = ["fails @b sub forbidden/#": 30]

  @Test(
    "each example of a verb is a command that does something", arguments: Verb.all.map(\.name).filter { $0 != "probe" })
  func verb(name: String) throws {
    let verb = try #require(Verb.named(Array(name.utf8)))
    let broker = try RealBroker(
      acl: "topic deny forbidden/#\ntopic readwrite #\ntopic read $SYS/#\n",
      lines: [
        "max_queued_messages 1000"
      ])
    for example in verb.examples {
      let folder = try TemporaryFolder()
      for file in ["lamp.mq", example.command.hasPrefix("source") ? "session.mq" : "other.mq"] {
        try folder.write(file, "let x 1\n")
      }
      let command = adapted(example.command, to: broker)
      let tool = try ToolProcess.run(
        "mqshell", ["-c", adapted(Self.before, to: broker) + command],
        environment: ["PW": "any", "PATH": try path()], home: folder)
      #expect(
        tool.end == .exited(Self.statuses[example.command] ?? 0), "\(example.command)\n\(command)\n\(tool.errorText)")
    }
  }

  private func adapted(_ command: String, to broker: RealBroker) -> String {
    var command = command
    for (old, new) in [
      ("open localhost", "open localhost=BROKER"), ("a=localhost", "a=BROKER"), ("broker.example", "BROKER"),
      ("--pw-from prompt", "--pw-from env:PW"), ("sleep 10s", "sleep 10ms"), ("-C 10", "-C 2"),
      ("localhost=BROKER=BROKER", "localhost=BROKER"), ("BROKER", "127.0.0.1:\(broker.port)"),
    ] { command = command.replacingOccurrences(of: old, with: new) }
    return command
  }

  /// Where `!mqshell` finds it.
  private func path() throws -> String {
    let folder = URL(fileURLWithPath: try locate("mqshell")).deletingLastPathComponent().path
    return folder + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
  }

  @Test("the examples of the manual page run")
  func page() throws {
    let broker = try RealBroker(acl: "topic deny forbidden/#\ntopic readwrite #\n", lines: ["max_queued_messages 1000"])
    let folder = try TemporaryFolder()
    let examples = try ToolProcess.run("mqshell", ["--generate", "man"]).outputText.components(separatedBy: "\n.nf\n")
      .dropFirst().map { part in
        part.components(separatedBy: "\n.fi")[0].replacing("\\-", with: "-").replacing("\\(aq", with: "'")
          .replacing("\\(dq", with: "\"").replacing("\\e", with: "\\")
      }
    #expect(examples.count == 4)
    let script = try #require(examples.last)
    try folder.write("lamp.mq", script.replacing("=localhost", with: "=127.0.0.1:\(broker.port)"))
    for example in examples.dropLast() {
      let command = example.replacing("mqshell localhost", with: "mqshell 127.0.0.1:\(broker.port)")
        .replacing("sub home", with: "sub home/#; pub home/desk/temp 21; sub home")
      let tool = try ToolProcess.run("sh", ["-c", command], environment: ["PATH": try path()], home: folder)
      #expect(tool.end == .exited(0), "\(command)\n\(tool.errorText)")
    }
  }
}
