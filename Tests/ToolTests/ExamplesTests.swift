import Foundation
import TestSupport
import Testing

/// The examples of mqsub's manual page, word for word, but for the host: the environment leads them to a real broker.
@Suite(.needs("mosquitto"))
struct ExamplesTests {
  /// What one of them meets, and what it prints.
  struct Scene: Sendable, CustomTestStringConvertible {
    var command: String
    /// Lines of `TOPIC PAYLOAD`: what the broker keeps, and what comes when the example has subscribed.
    var kept: [String] = []
    var live: [String] = []
    var output: String
    /// It goes on until it is stopped.
    var goesOn = false
    var testDescription: String { command }
  }

  static let scenes: [Scene] = [
    Scene(command: "mqsub -t 'home/#' -v", live: ["home/a 1"], output: "home/a 1\n", goesOn: true),
    Scene(
      command: "mqsub -h broker.example -t home/desk/temp -C 1 -W 10", live: ["home/desk/temp 21.5"], output: "21.5\n"),
    Scene(
      command: "mqsub -c -i logger -q 1 -t 'log/#' >> log.txt; cat log.txt", live: ["log/a x"], output: "x\n",
      goesOn: true),
    Scene(
      command: "mqsub -c -i worker -q 1 -t 'jobs/#' --exec 'echo $MESSAGE_TOPIC; cat' --exec-failure retry",
      live: ["jobs/a 42"], output: "jobs/a\n42", goesOn: true),
    Scene(command: "mqsub -t 'home/#' --get -v", kept: ["home/a 1", "home/b 2"], output: "home/a 1\nhome/b 2\n"),
    Scene(
      command: "mqsub -t home/lamp/status --until 'payload = ONLINE' -W 1m", kept: ["home/lamp/status OFFLINE"],
      live: ["home/lamp/status ONLINE"], output: "OFFLINE\nONLINE\n"),
    Scene(
      command: "mqsub -t 'zigbee/+' --where '.battery < 20' -F '%t'",
      live: ["zigbee/a {\"battery\":21}", "zigbee/b {\"battery\":19.5}"], output: "zigbee/b\n", goesOn: true),
    Scene(
      command: "mqsub -t answer -C 1 -W 5 --on-ready 'mqpub -t question -m 42'", live: ["answer yes"], output: "yes\n"),
    Scene(
      command: "mqsub -h one.example -t '#' --json | mqpub -h two.example --stdin-json", output: "", goesOn: true),
    Scene(
      command: "mqsub -t '#' -F '@H:@M:@S %-40.40t %8l'", live: ["a/b hello"],
      output: "a/b" + String(repeating: " ", count: 37) + "        5\n", goesOn: true),
    Scene(
      command: "mqsub -t 'old/#' --remove-retained -v", kept: ["old/a 1", "new/a 2"], output: "old/a 1\n"),
  ]

  @Test("each does what it says", arguments: scenes)
  func example(scene: Scene) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let folder = URL(fileURLWithPath: try locate("mqsub")).deletingLastPathComponent().path
    let path = folder + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
    let environment = ["MQTOOLS_URL": "mqtt://127.0.0.1:\(broker.port)", "PATH": path]
    for line in scene.kept { try publish(line, to: broker, ["-r", "-q", "1"]) }
    let hosts = scene.command.replacing(#/-h [a-z]+\.example /#, with: "")
    // The shell outlives what it stops, and gives its status.
    let tool = try ToolProcess(
      "sh", ["-c", scene.goesOn ? hosts.replacing("mqsub", with: "timeout -s TERM --preserve-status 1 mqsub") : hosts],
      environment: environment)
    Expect.eventually("\(broker.log)\(tool.errorText)") { broker.log.contains("Sending SUBACK") }
    for line in scene.live { try publish(line, to: broker, []) }
    #expect(try tool.wait() == .exited(0), "\(tool.errorText)")
    #expect(tool.errorText == "")
    // Times are not to be known before.
    #expect(tool.outputText.replacing(#/\d\d:\d\d:\d\d /#, with: "") == scene.output)
  }

  private func publish(_ line: String, to broker: RealBroker, _ options: [String]) throws {
    expectSuccess(try ToolProcess.run("mqpub", broker.options + ["--line-topic"] + options, input: .text(line + "\n")))
  }

  @Test("there is a scene for each example of the page")
  func completeness() throws {
    let commands = try examples(of: "mqsub")
    #expect(commands.count >= 9)
    for command in commands {
      #expect(Self.scenes.contains { $0.command.hasPrefix(command) }, "\(command)")
    }
  }
}

/// The examples of mqpub's manual page, seen by a subscriber.
@Suite(.needs("mosquitto")) struct PublishExamplesTests {
  /// The commands, and what a subscriber that shows topics, QoS and retain flag gets of them; nothing for one that goes on.
  static let scenes: [(command: String, received: [String])] = [
    ("mqpub -t home/desk/temp -m 21.5", ["home/desk/temp 0 0 21.5"]),
    ("mqpub -h broker.example -t home/lamp -m ON -r -q 1", ["home/lamp 1 1 ON"]),
    ("vmstat 1 | mqpub -t server/vmstat -l -q 1", ["server/vmstat 1 0 one", "server/vmstat 1 0 two"]),
    (
      "mqpub -t home/load -m \"$(cut -d' ' -f1 /proc/loadavg)\" --spool \"$HOME/mqpub-spool\"",
      [#"home/load 1 0 \d+\.\d\d"#]
    ),
    (
      #"printf 'home/desk 21.5\nhome/hall 19\n' | mqpub -l --line-topic -r"#,
      ["home/desk 0 1 21.5", "home/hall 0 1 19"]
    ),
    ("mqpub -t 'site/alive' -m '{n} {timestamp}' --template --every 10s", [#"site/alive 0 0 1 \d{4}-.*"#]),
    ("mqpub -t home/lamp -r -n -q 1", ["home/lamp 1 1 "]),
  ]

  @Test("each does what it says", arguments: scenes)
  func example(command: String, received: [String]) throws {
    let broker = try RealBroker()
    let subscriber = try ToolProcess(
      "mqsub",
      broker.options
        + ["-q", "2", "-t", "#", "--retain-as-published", "-F", "%t %q %r %p", "-C", "\(received.count)", "-W", "20"]
        + ["--log", "notice"])
    try subscriber.waitForErrors("subscribed to")
    let words = command.replacing("-h broker.example ", with: "").replacing("mqpub ", with: "'\(try locate("mqpub"))' ")
    let tool = try ToolProcess(
      "sh", ["-c", "vmstat() { echo one; echo two; }\n" + (command.contains("--every") ? "exec " : "") + words],
      environment: ["MQTOOLS_URL": "mqtt://127.0.0.1:\(broker.port)"])
    #expect(try subscriber.wait(timeout: .seconds(20)) == .exited(0), "\(subscriber.errorText)\(tool.errorText)")
    let lines = subscriber.outputText.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
    for (line, pattern) in zip(lines, received) {
      #expect(try Regex(pattern).wholeMatch(in: line) != nil, "\(line)")
    }
    if command.contains("--every") {
      tool.signal(15)
      #expect(try tool.wait() == .signaled(15))
    } else {
      #expect(try tool.wait() == .exited(0), "\(tool.errorText)")
    }
    #expect(tool.errorText == "")
    #expect(tool.outputText == "")
  }

  @Test("there is a scene for each example of the page")
  func completeness() throws {
    #expect(try examples(of: "mqpub") == Self.scenes.map(\.command))
  }
}

/// The first lines of the commands among the examples of a tool's manual page.
func examples(of tool: String) throws -> [String] {
  try ToolProcess.run(tool, ["--generate", "man"]).outputText.components(separatedBy: "\n.nf\n").dropFirst().map {
    part in
    [("\\-", "-"), ("\\(aq", "'"), ("\\(dq", "\""), ("\\(ti", "~"), ("\\e", "\\")].reduce(
      String(part.prefix { $0 != "\n" })
    ) {
      $0.replacing($1.0, with: $1.1)
    }
  }
}
