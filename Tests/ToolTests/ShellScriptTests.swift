import Foundation
import TestSupport
import Testing

/// Scripts of mqshell against a real broker.
@Suite(.needs("mosquitto", "mosquitto_pub"))
struct ShellScriptTests {
  /// A broker that allows everything but topics that begin with `forbidden`.
  static func broker() throws -> RealBroker {
    try RealBroker(
      acl: """
        topic readwrite t/#
        topic readwrite home/#
        topic readwrite mqshell/#
        topic read $SYS/#

        """,
      // Without a limit mosquitto 2.0.11 closes a connection some time after it has refused a publish.
      lines: ["max_queued_messages 1000"])
  }

  /// Runs commands, each on its line, with a connection to the broker.
  private func run(
    _ broker: RealBroker, _ commands: String..., options: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> ToolProcess {
    // The broker ends with the last reference to it.
    try withExtendedLifetime(broker) {
      try ToolProcess.run("mqshell", broker.options + options + ["-c", commands.joined(separator: "\n")])
    }
  }

  // MARK: The example of the manual

  private static let example = """
    # offline delivery and will
    open a=BROKER -i dev-${run} -c -V 5 -x 60 --will-topic t/${run}/will --will-payload gone
    open b=BROKER
    finally @b clear t/${run}/#
    @a sub -q 1 t/${run}/cmd
    @b sub t/${run}/will
    # --drop ends the TCP connection without DISCONNECT, so the will is due
    @a close --drop
    @b expect t/${run}/will payload = gone within 5s
    @b pub -q 1 t/${run}/cmd {"n":1}
    open a=BROKER -i dev-${run} -c -V 5 -x 60
    @a expect t/${run}/cmd .n = 1 within 5s
    fails 135 @b pub -q 1 forbidden/x 1
    """

  private func runExample(_ broker: RealBroker, _ options: [String], _ change: (String) -> String) throws -> ToolProcess
  {
    let folder = try TemporaryFolder()
    let script = change(Self.example).replacingOccurrences(of: "BROKER", with: "127.0.0.1:\(broker.port)")
    return try withExtendedLifetime(broker) {
      try ToolProcess.run("mqshell", options + [try folder.write("example.mq", script)])
    }
  }

  @Test("the example of the manual passes on a broker with an access list, and says nothing")
  func example() throws {
    let broker = try Self.broker()
    let tool = try runExample(broker, []) { $0 }
    expectSuccess(tool)
    let tap = try runExample(broker, ["--tap"]) {
      $0.replacingOccurrences(of: "@a close", with: "test \"the will\"\n@a close")
    }
    expectSuccess(tap)
    #expect(
      tap.outputText == """
        ok 1 - the will: @b expect t/${run}/will payload = gone within 5s
        ok 2 - the will: @a expect t/${run}/cmd .n = 1 within 5s
        ok 3 - the will: fails 135 @b pub -q 1 forbidden/x 1
        1..3

        """)
  }

  /// A change of the example, the line that fails then, and what is said there.
  struct Change: Sendable, CustomTestStringConvertible {
    var old: String
    var new: String
    var status: Int32 = 30
    var line: Int
    var words: [String]

    init(_ old: String, _ new: String, _ status: Int32 = 30, line: Int, _ words: String...) {
      (self.old, self.new, self.status, self.line, self.words) = (old, new, status, line, words)
    }
    var testDescription: String { "\(old) → \(new)" }
  }

  private static let firstOpen = "open a=BROKER -i dev-${run} -c -V 5 -x 60 --will"
  private static let secondOpen = "open a=BROKER -i dev-${run} -c -V 5 -x 60\n"
  private static let sessionIsGone = "a has no subscription with which a message on 't/"

  /// Every value of the example, changed. Whatever else holds of them: host and identifier of b, and how long the session
  /// is kept after its second connection, could be others.
  static let changes = [
    Change(firstOpen, "open a=127.0.0.1:1 -V 5 --will", 14, line: 2, "cannot connect to 127.0.0.1:1"),
    Change("open a=BROKER", "open c=BROKER", 1, line: 5, "there is no connection a"),
    Change(firstOpen, "open a=BROKER -i other-${run} -c -V 5 -x 60 --will", 1, line: 12, sessionIsGone),
    Change(firstOpen, "open a=BROKER -i dev-${run} -c -V 311 -x 60 --will", 1, line: 2, "-x: needs MQTT 5"),
    Change(firstOpen, "open a=BROKER -i dev-${run} -c -V 5 -x 0 --will", 1, line: 12, sessionIsGone),
    Change("--will-topic t/${run}/will", "--will-topic t/${run}/other", line: 9, "on 't/", "nothing came"),
    Change("--will-payload gone", "--will-payload went", line: 9, "payload = \"gone\"", "payload was went"),
    Change("open b=BROKER", "open b=127.0.0.1:1", 14, line: 3, "cannot connect to 127.0.0.1:1"),
    Change("open b=BROKER", "open d=BROKER", 1, line: 6, "there is no connection b"),
    Change("finally @b clear", "finally @c clear", 1, line: 4, "there is no connection c"),
    Change("finally @b clear t/${run}/#", "finally @b clear t/#/x", 1, line: 4, "# is the last level"),
    Change("@a sub -q 1", "@a sub -q 0", line: 12, "on 't/", "nothing came"),
    Change("@a sub -q 1", "@b sub -q 1", line: 12, "on 't/", "nothing came"),
    Change("sub -q 1 t/${run}/cmd", "sub -q 1 t/${run}/other", line: 12, "on 't/", "nothing came"),
    Change("@b sub t/${run}/will", "@a sub t/${run}/will", 1, line: 9, "b has no subscription"),
    Change("@b sub t/${run}/will", "@b sub t/${run}/other", 1, line: 9, "b has no subscription"),
    Change("close --drop", "close", line: 9, "expected a message on", "nothing came"),
    Change("@a close", "@b close", 1, line: 9, "there is no connection b"),
    Change("expect t/${run}/will", "expect t/${run}/other", 1, line: 9, "b has no subscription"),
    Change("expect t/${run}/will payload", "expect t/${run}/will paylode", 1, line: 9, "a test begins with"),
    Change("payload = gone", "qos = 1", line: 9, "with qos = \"1\"", "qos was 0"),
    Change("payload = gone", "payload != gone", line: 9, "with payload != \"gone\"", "payload was gone"),
    Change("payload = gone", "payload = here", line: 9, "with payload = \"here\"", "payload was gone"),
    Change("@b pub -q 1 t", "@c pub -q 1 t", 1, line: 10, "there is no connection c"),
    Change("pub -q 1 t", "pub -q 0 t", line: 12, "nothing came"),
    Change("pub -q 1 t/${run}/cmd", "pub -q 1 t/${run}/other", line: 12, "nothing came"),
    Change("${run}/cmd {", "${runs}/cmd {", 1, line: 10, "column 15: unknown variable ${runs}"),
    Change("{\"n\":1}", "{\"n\":\"2\"}", line: 12, "with .n = \"1\"", ".n was \"2\""),
    Change("{\"n\":1}", "{\"m\":1}", line: 12, "with .n = \"1\"", "it has no .n"),
    Change(secondOpen, "open c=BROKER\n", 1, line: 12, "there is no connection a"),
    Change(secondOpen, "open a=BROKER -i other-${run} -c -V 5 -x 60\n", 1, line: 12, sessionIsGone),
    Change(secondOpen, "open a=BROKER -i dev-${run} -V 5 -x 60\n", 1, line: 12, sessionIsGone),
    Change("@a expect", "@b expect", 1, line: 12, "b has no subscription"),
    Change("expect t/${run}/cmd", "expect 2 t/${run}/cmd", line: 12, "expected 2 messages on", "only 1 came"),
    Change(".n = 1", ".m = 1", line: 12, "with .m = \"1\"", "it has no .m"),
    Change(".n = 1", ".n > 1", line: 12, "with .n > \"1\"", ".n was 1"),
    Change(".n = 1", ".n = 2", line: 12, "with .n = \"2\"", ".n was 1"),
    Change("fails 135", "fails 128", line: 13, "it failed with status 135, not 128: the broker refused"),
    Change("@b pub -q 1 forbidden", "@c pub -q 1 forbidden", 1, line: 13, "there is no connection c"),
    Change("pub -q 1 forbidden", "pub -q 0 forbidden", line: 13, "it did not fail with status 135"),
    Change("forbidden/x", "t/allowed", line: 13, "it did not fail with status 135"),
  ]

  @Test(
    "with any of its values changed it fails, and one line says where, what was wanted and what came",
    arguments: changes)
  func exampleChanged(change: Change) throws {
    let tool = try runExample(try Self.broker(), []) { script in
      #expect(script.components(separatedBy: change.old).count >= 2)
      // The first place that has it.
      let changed = script.replacing(change.old, with: change.new, maxReplacements: 1)
      return changed.replacingOccurrences(of: "within 5s", with: "within 300ms")
    }
    #expect(tool.end == .exited(change.status), "\(tool.errorText)")
    // Without b there is no cleaning up, which says so itself.
    let lines = tool.errorText.split(separator: "\n").filter { !$0.contains("example.mq:4: there is no connection b") }
    #expect(lines.count == 1, "\(tool.errorText)")
    #expect(lines.first?.contains("example.mq:\(change.line): ") == true, "\(tool.errorText)")
    for words in change.words { #expect(tool.errorText.contains(words), "\(tool.errorText)") }
  }

  // MARK: Statuses

  static let statuses: [(String, Int32)] = [
    ("sub t/#", 0), ("nonsense", 1), ("pub", 1), ("sub a/#/b", 1), ("expect a+", 1), ("pub 'open", 1),
    ("pub t/x ${nothing}", 1),
    ("get t/nothing", 6), ("show", 6), ("pub -q 1 --require-subscribers t/x 1", 6),
    ("pub -q 1 forbidden/x 1", 135), ("pub -q 2 forbidden/x 1", 135),
    ("open x=127.0.0.1:1", 14), ("open x=no-such-host.invalid", 20), ("close; pub t/x 1", 1),
    ("!exit 3", 69), ("req t/x hello within 200ms", 27), ("sub t/#; expect t/x within 100ms", 30),
    ("fails pub -q 1 t/x 1", 30), ("fails 135 pub -q 1 forbidden/x 1", 0), ("source /no/such/file", 1),
    ("pub t/x @/no/such/file", 1), ("save /dev/null", 74), ("sub t/#; finally nonsense", 1),
    ("clear +/x", 1), ("use nobody", 1), ("stop 3", 1), ("set qos 3", 1), ("let run 1", 1),
    ("sub t/x; quit; nonsense", 0),
  ]

  @Test("a script ends with the status of its first command that fails", arguments: statuses)
  func status(commands: String, status: Int32) throws {
    let tool = try run(try Self.broker(), commands)
    #expect(tool.end == .exited(status), "\(tool.errorText)")
    #expect((tool.errorText == "") == (status == 0), "\(tool.errorText)")
  }

  @Test("--timeout limits the whole run")
  func timeLimit() throws {
    let tool = try run(try Self.broker(), "sleep 1h", options: ["--timeout", "300ms"])
    #expect(tool.end == .exited(27))
  }

  @Test("finally runs whatever happens, last first, and does not change the status")
  func finally() throws {
    let broker = try Self.broker()
    let tool = try run(broker, "sub t/#", "finally pub t/end 1", "finally pub t/end 2", "pub -q 1 t/x go", "nonsense")
    #expect(tool.end == .exited(1))
    let all = try run(
      broker, "sub t/#", "finally sleep 100ms", "finally pub t/end 1", "finally pub t/end 2", "pub -q 1 t/x go")
    #expect(all.outputText == "t/x go\nt/end 2\nt/end 1\n")
  }

  @Test("a signal ends a script by that signal, after finally", arguments: [2, 15] as [Int32])
  func signals(signal: Int32) throws {
    let broker = try Self.broker()
    let tool = try ToolProcess(
      "mqshell", broker.options + ["-c", "sub t/#\nfinally pub -q 1 t/end now\npub t/ready 1\nsleep 1h"])
    try tool.waitForOutput("t/ready 1\n")
    tool.signal(signal)
    #expect(try tool.wait(timeout: .seconds(3)) == .signaled(signal))
    #expect(tool.outputText.contains("t/end now"))
  }

  // MARK: Expectations

  @Test("an expectation consumes what it matched, and looks at what has come before it waits")
  func consumption() throws {
    let tool = try run(
      try Self.broker(), "sub t/#", "pub t/a 1; pub t/b 2; pub t/a 3; pub -q 1 t/c 4",
      "expect t/c payload = 4", "expect 2 t/a", "expect next t/b payload = 2", "fails 30 expect t/a within 100ms",
      "fails 30 expect no t/d payload = 5 within 0s", "expect no t/d within 100ms")
    // The last but one does not fail, so that 'fails' does.
    #expect(tool.end == .exited(30))
    #expect(tool.errorText.contains("it did not fail with status 30"))
  }

  @Test("next wants the very next message to pass, and no looks back to the last test")
  func nextAndNone() throws {
    let tool = try run(
      try Self.broker(), "sub t/#", "pub -q 1 t/a 1; pub -q 1 t/a 2", "fails 30 expect next t/a payload = 2",
      "expect next t/a payload = 2", "pub -q 1 t/bad x", "fails 30 expect no t/bad within 100ms", "test \"afterwards\"",
      "expect no t/bad within 100ms")
    expectSuccess(tool)
  }

  @Test("a message that comes while an expectation waits fulfils it at once")
  func waiting() throws {
    let broker = try Self.broker()
    let tool = try ToolProcess(
      "mqshell", broker.options + ["-c", "sub t/#\npub t/ready 1\nexpect t/late .a[1] >= 2.5 within 20s"])
    try tool.waitForOutput("t/ready")
    _ = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", "t/late", "-m", "{\"a\":[1,2.5]}"])
    #expect(try tool.wait(timeout: .seconds(3)) == .exited(0))
  }

  @Test("expect retained asks the broker, and shows what is there instead")
  func retained() throws {
    let tool = try run(
      try Self.broker(), "pub -q 1 -r t/kept/a {\"v\": 1}", "expect retained t/kept/+ .v = 1",
      "fails 30 expect retained t/kept/b", "expect retained t/kept/a .v = 2")
    #expect(tool.end == .exited(30))
    #expect(tool.errorText.contains("there is: t/kept/a  {\"v\": 1}   .v was 1"), "\(tool.errorText)")
  }

  @Test(
    "expect closed wants the broker's reason, in number and name", arguments: ["", "142", "0x8E", "session-taken-over"])
  func closed(reason: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqshell", broker.options + ["-V", "5", "-c", "expect closed \(reason)"])
    let connection = try broker.acceptConnect()
    try connection.send("e0 r* 8e")
    #expect(try tool.wait() == .exited(0))
    let other = try ToolProcess(
      "mqshell", broker.options + ["-V", "5", "-c", "fails 30 expect closed 0x8B within 100ms"])
    try broker.acceptConnect().send("e0 r* 8e")
    #expect(try other.wait() == .exited(0))
  }

  @Test("keep-going makes a script report each expectation that is not met")
  func keepGoing() throws {
    let tool = try run(
      try Self.broker(), "set keep-going on; set within 50ms", "sub t/#", "expect t/1", "expect t/2", "pub -q 1 t/3 x",
      "expect t/3", options: ["--tap"])
    #expect(tool.end == .exited(30))
    let points = tool.outputText.split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(points == ["not ok 1 - expect t/1", "not ok 2 - expect t/2", "ok 3 - expect t/3", "1..3"])
    #expect(tool.outputText.contains("# expected a message on 't/1', and waited"))
  }

  // MARK: Payloads and variables

  @Test("payloads are the rest of the line, or bytes, or a file, or nothing")
  func payloads() throws {
    let broker = try Self.broker()
    let folder = try TemporaryFolder()
    let file = try folder.write("payload", "from a file")
    let tool = try run(
      broker, "sub t/#", "pub t/1 two  words ", "pub t/2 'a;b'", "pub t/3 {\"a\": [1,  2]}; pub t/4 hex:4142 43",
      "pub t/5 base64:aGk=", "pub t/6 @\(file)", "pub t/7 null", "pub t/8", "pub t/9 \\@file", "pub t/10 'null'",
      "pub t/11 \\hex:41", "pub t/12 $SYS # ${now} x", "pub -q 1 t/13 \"tab\\there\"")
    expectSuccess(tool)
    let lines = tool.outputText.split(separator: "\n")
    #expect(
      lines.prefix(11) == [
        "t/1 two  words", "t/2 a;b", "t/3 {\"a\": [1,  2]}", "t/4 ABC", "t/5 hi", "t/6 from a file", "t/7 (null)",
        "t/8 (null)", "t/9 @file", "t/10 null", "t/11 hex:41",
      ])
    #expect(lines[11].hasPrefix("t/12 $SYS # 20") && lines[11].hasSuffix(" x"))
    #expect(lines[12] == "t/13 tab\there")
  }

  @Test("properties and flags are those of mqpub, and arrive")
  func properties() throws {
    let tool = try run(
      try Self.broker(), "sub --retain-as-published -q 2 t/#",
      "pub -q 2 -r -D publish content-type text/plain -D publish user-property a b t/x hello",
      "expect t/x content-type = text/plain user.a = b qos = 2 retain = 1", "show", "clear t/#")
    expectSuccess(tool)
    #expect(tool.outputText.contains("t/x  QoS 2, retained, 5 bytes"))
    #expect(tool.outputText.contains("  content-type  'text/plain'\n  user-property  'a' 'b'\nhello\n"))
  }

  @Test("variables come from let, the environment and the last message, and are not read as language again")
  func variables() throws {
    let broker = try Self.broker()
    defer { withExtendedLifetime(broker) {} }
    let tool = try ToolProcess.run(
      "mqshell",
      broker.options + [
        "-c",
        """
        sub t/#
        let base t/${run}
        pub -q 1 ${base}/a {"id": 7, "name": "x; ${run} y"}
        expect ${base}/a
        pub -q 1 ${base}/b "${last.json.id} ${env.MINE} ${last.topic}"
        expect ${base}/b payload ~ "^7 a;b [$] t/[a-z0-9]{8}/a$"
        """,
      ], environment: ["MINE": "a;b $"])
    expectSuccess(tool)
  }

  // MARK: Standard input, jobs, requests

  @Test("lines of a pipe are run as they come, and messages written as they come")
  func pipe() throws {
    let broker = try Self.broker()
    let tool = try ToolProcess("mqshell", broker.options, input: .held)
    tool.write("sub t/#\npub t/a 1\n")
    try tool.waitForOutput("t/a 1\n")
    _ = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", "t/b", "-m", "meanwhile"])
    try tool.waitForOutput("t/b meanwhile\n")
    tool.write("pub t/c last line without its end")
    tool.closeInput()
    #expect(try tool.wait() == .exited(0))
    let failing = try ToolProcess.run("mqshell", broker.options, input: .text("\n# nothing\nnonsense\npub t/x 1\n"))
    #expect(failing.end == .exited(1))
    #expect(failing.errorText.contains("line 3: \"nonsense\" is no command; 'help' lists them"))
  }

  @Test("every runs on its beat beside the commands, until stop")
  func every() throws {
    let tool = try run(
      try Self.broker(), "sub t/#", "every 50ms pub t/beat x", "expect 3 t/beat within 5s", "stop",
      "test \"stopped\"", "expect no t/beat within 200ms")
    expectSuccess(tool)
  }

  @Test("requests are answered by echo and by commands, each its own")
  func requests() throws {
    let broker = try Self.broker()
    let tool = try run(
      broker, "open b=127.0.0.1:\(broker.port)", "@127.0.0.1 serve t/echo echo",
      "serve t/shout 'tr a-z A-Z; echo $MESSAGE_TOPIC'",
      "@127.0.0.1 req t/echo hello  there", "@127.0.0.1 req -q 1 t/shout {\"a\": 1} within 5s", "stop 1",
      "fails 27 req t/echo x within 100ms")
    expectSuccess(tool)
    let replies = tool.outputText.split(separator: "\n").filter { !$0.hasPrefix("t/") }
    #expect(replies == ["hello  there", "{\"A\": 1}t/shout"])
  }

  @Test("get, clear and save work on what is kept")
  func kept() throws {
    let broker = try Self.broker()
    let folder = try TemporaryFolder()
    let tool = try run(
      broker, "pub -q 1 -r t/a {\"v\":1}; pub -q 1 -r t/b {\"v\":2}", "get t/# .v > 1", "clear --dry-run t/#",
      "clear t/a",
      "get t/#", "sub t/#", "save messages \(folder.path("saved.json"))")
    expectSuccess(tool)
    #expect(tool.outputText == "t/b {\"v\":2}\nt/a\nt/b\nt/a\nt/b {\"v\":2}\nt/b {\"v\":2}\n")
    let saved = String(decoding: try folder.read("saved.json"), as: UTF8.self)
    #expect(saved.contains("\"topic\":\"t/b\"") && saved.split(separator: "\n").count == 1)
  }

  @Test("a script is told when more messages came than are kept, for its expectations could be wrong")
  func overflow() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess(
      "mqshell", broker.options + ["-c", "sub -q 1 t/#\npub t/ready 1\nexpect t/end within 20s\nexpect t/last"])
    try tool.waitForOutput("t/ready")
    let lines = numberedLines(upTo: 10_100)
    _ = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", "t/flood", "-l", "-q", "1"], input: .bytes(lines))
    _ = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", "t/end", "-m", "x", "-q", "1"])
    #expect(try tool.wait() == .exited(1))
    #expect(tool.errorText.contains("more messages came on 127.0.0.1 than are kept (10000)"), "\(tool.errorText)")
  }
}
