import Foundation
import TestSupport
import Testing

/// Passwords come from where they are kept, and are seen by nobody on the way.
@Suite struct SecretsTests {
  /// The words that make each tool connect, apart from the broker.
  static let tools = [["mqpub", "-t", "t", "-m", "x", "-V", "5"], ["mqsub", "-t", "t", "-V", "5"]]

  private func start(
    _ words: [String], _ broker: ScriptedBroker, _ options: [String], environment: [String: String?] = [:],
    home: TemporaryFolder? = nil
  ) throws -> ToolProcess {
    try ToolProcess(
      words[0], Array(words.dropFirst()) + broker.options + options, environment: environment, home: home)
  }

  private func password(_ broker: ScriptedBroker) throws -> String? {
    try broker.accept().expectConnect().password.map { String(decoding: $0, as: UTF8.self) }
  }

  /// A tool by its path, for scripts that start it.
  private func path(_ tool: String) -> String {
    let folder =
      ProcessInfo.processInfo.environment["MQTOOLS_BIN"]
      ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
    return "\(folder)/\(tool)"
  }

  @Test("each source of a password reaches the broker", arguments: tools)
  func sources(words: [String]) throws {
    let home = try TemporaryFolder()
    try home.write("secret", "s3cret\n")
    for (options, environment) in [
      (["--pw-from", "file:secret"], [:]), (["--pw-file", "secret"], [:]), (["--pw-file=secret"], [:]),
      (["--pw-from", "env:KEPT"], ["KEPT": "s3cret"]), (["--pw-from", "command:cat secret"], [:]),
      (["-P", "s3cret"], [:]), ([], ["MQTOOLS_PASSWORD": "s3cret"]),
      (["-P", "other", "--pw-file", "secret"], [:]), (["--pw-file", "other", "-P", "s3cret"], [:]),
      (["--pw-from", "env:MQTOOLS_PASSWORD"], ["MQTOOLS_PASSWORD": "s3cret"]),
    ] as [([String], [String: String])] {
      let broker = try ScriptedBroker()
      let tool = try start(words, broker, options, environment: environment, home: home)
      #expect(try password(broker) == "s3cret", "\(options) \(tool.errorText)")
    }
  }

  @Test("a descriptor that the caller opened is a source")
  func descriptor() throws {
    let broker = try ScriptedBroker()
    let script =
      "echo s3cret | { exec '\(path("mqpub"))' -t t -m x --pw-from fd:7 \(broker.options.joined(separator: " ")) 7<&0; }"
    let tool = try ToolProcess("/bin/sh", ["-c", script])
    #expect(try password(broker) == "s3cret")
    _ = tool
  }

  @Test("a command is asked again at each connection, because tokens expire")
  func commandAgain() throws {
    let broker = try ScriptedBroker()
    let home = try TemporaryFolder()
    let tool = try start(
      ["mqsub", "-t", "t", "-V", "5"], broker, ["--pw-from", "command:echo x >> n; wc -l < n"], home: home)
    for count in 1...3 {
      let connection = try broker.accept()
      let connect = try connection.expectConnect()
      #expect(connect.password == Array("\(count)".utf8))
      try connection.respondConnack()
      _ = try connection.nextPacket()
      connection.close()
    }
    _ = tool
  }

  @Test("a fall-back to another version is the same attempt: the command is not asked again")
  func commandAndFallback() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqsub", broker.options + ["-t", "t", "-u", "ann", "--pw-from", "command:echo x >> n; wc -l < n"])
    for level in [5, 4] as [UInt8] {
      let connection = try broker.accept()
      let connect = try connection.expectConnect(level: level)
      #expect(connect.password == Array("1".utf8))
      if level == 5 { try connection.send("20 02 00 01") }
    }
    _ = tool
  }

  @Test("69: a command that fails is tried as often as a connection, then it is the end", arguments: tools)
  func commandFails(words: [String]) throws {
    let home = try TemporaryFolder()
    let broker = try ScriptedBroker()
    let options = ["--pw-from", "command:echo x >> n; echo hunter2; exit 3"]
    var tool = try start(words, broker, options, home: home)
    #expect(try tool.wait() == .exited(69))
    #expect(tool.errorText == "\(words[0]): Error: password: the command failed with status 3; run it to see why\n")
    #expect(try home.read("n").count == 2)
    tool = try start(words, broker, options + ["--retry", "1"], home: home)
    #expect(try tool.wait() == .exited(69))
    #expect(try home.read("n").count == 6)
    try broker.noConnection(for: .zero)
  }

  @Test("a command that fails during an outage is tried again")
  func commandRecovers() throws {
    let broker = try ScriptedBroker()
    let home = try TemporaryFolder()
    // Succeeds the first and the third time.
    let command = "command:echo x >> n; test $(wc -l < n) != 2 && wc -l < n"
    let tool = try start(["mqsub", "-t", "t", "-V", "5"], broker, ["--pw-from", command], home: home)
    for count in [1, 3] {
      let connection = try broker.accept()
      #expect(try connection.expectConnect().password == Array("\(count)".utf8))
      try connection.respondConnack()
      _ = try connection.nextPacket()
      connection.close()
    }
    _ = tool
  }

  @Test("27: a command has no longer than the whole run", arguments: tools)
  func commandAndTimeout(words: [String]) throws {
    let broker = try ScriptedBroker()
    let tool = try start(words, broker, ["--pw-from", "command:sleep 100", "-W", "300ms"])
    #expect(try tool.wait(timeout: .seconds(3)) == .exited(27))
  }

  @Test("a signal ends a tool that waits for its command", arguments: tools)
  func commandAndSignal(words: [String]) throws {
    let broker = try ScriptedBroker()
    let home = try TemporaryFolder()
    let tool = try start(words, broker, ["--pw-from", "command:touch started; sleep 100"], home: home)
    let deadline = ContinuousClock.now + .seconds(5)
    while access(home.path("started"), F_OK) != 0, ContinuousClock.now < deadline { usleep(1_000) }
    tool.signal(15)
    // mqpub has a message that it did not publish.
    #expect(try tool.wait(timeout: .seconds(1)) == .exited(words[0] == "mqpub" ? 7 : 0))
  }

  @Test("1: a source that has no password is told before anything is sent", arguments: tools)
  func unusable(words: [String]) throws {
    let home = try TemporaryFolder()
    try home.write("empty", "\n")
    let broker = try ScriptedBroker()
    for (source, fault) in [
      ("file:missing", "password: \"missing\": No such file or directory"),
      ("file:empty", "password: \"empty\" is empty"), ("env:MISSING", "password: the variable MISSING is not set"),
      ("fd:9", "password: descriptor 9: Bad file descriptor"),
      ("hunter2", "--pw-from: is not file:PATH, env:NAME, fd:N, prompt or command:CMD"),
    ] {
      let tool = try start(words, broker, ["--pw-from", source], home: home)
      #expect(try tool.wait() == .exited(1))
      #expect(tool.errorText == "\(words[0]): \(fault)\n")
    }
    let tool = try start(words, broker, ["--pw-from", "prompt"], home: home)
    #expect(try tool.wait() == .exited(1))
    #expect(tool.errorText.contains("there is no terminal to ask at"))
    try broker.noConnection(for: .zero)
  }

  @Test("75: with a spool, a message is stored although there is no password, and delivered when there is one")
  func spool() throws {
    let broker = try ScriptedBroker()
    let home = try TemporaryFolder()
    let words = ["-t", "t", "-m", "x", "-V", "5", "--spool", "spool", "--pw-file", "secret"] + broker.options
    let first = try ToolProcess.run("mqpub", words, home: home)
    #expect(first.end == .exited(75), "\(first.errorText)")
    #expect(first.errorText.contains("\"secret\": No such file or directory"))
    try broker.noConnection(for: .zero)
    try home.write("secret", "s3cret")
    let second = try ToolProcess("mqpub", words + ["--flush"], home: home)
    #expect(try password(broker) == "s3cret")
    _ = second
  }

  // MARK: - Prompt

  @Test("a prompt asks at the terminal and shows nothing of what is typed")
  func prompt() throws {
    let broker = try ScriptedBroker()
    let terminal = try Terminal(
      "mqpub", broker.options + ["-t", "t", "-m", "x", "-V", "5", "-u", "ann", "--pw-from", "prompt"])
    try terminal.read(until: "Password of ann at \(broker.host): ")
    try terminal.type("s3cret\r")
    #expect(try password(broker) == "s3cret")
    try terminal.read(until: "\r\n")
    #expect(!terminal.outputText.contains("s3cret"))
  }

  @Test("27: a prompt waits no longer than the whole run may take", arguments: ["mqpub", "mqsub"])
  func promptTimeLimit(tool: String) throws {
    let words = tool == "mqpub" ? ["-m", "x"] : []
    let terminal = try Terminal(tool, ["-t", "t", "-u", "ann", "--pw-from", "prompt", "-W", "100ms"] + words)
    #expect(try terminal.wait() == .exited(27))
    #expect(terminal.outputText.contains("password: nobody typed one before the time limit ran out"))
  }

  @Test(
    "1: standard input cannot have both the password and the messages",
    arguments: [
      ["-l", "-t", "t"], ["-s", "-t", "t"], ["--stdin-json"], ["--replay", "-"], ["-l", "-t", "t", "--spool", "spool"],
    ])
  func inputForBoth(options: [String]) throws {
    let tool = try ToolProcess.run("mqpub", ["-u", "ann", "--pw-from", "fd:0"] + options, input: .text("secret\n"))
    #expect(tool.end == .exited(1))
    #expect(tool.errorText.hasPrefix("mqpub: --pw-from: fd:0 is standard input, which -"), "\(tool.errorText)")
  }

  @Test("a prompt leaves standard input to the messages")
  func promptBesideInput() throws {
    let broker = try ScriptedBroker()
    let options = broker.options.joined(separator: " ")
    let terminal = try Terminal(
      "/bin/sh", ["-c", "echo line | '\(path("mqpub"))' -V 5 -t t -l --pw-from prompt \(options)"])
    try terminal.read(until: "Password for \(broker.host): ")
    try terminal.type("s3cret\r")
    let connection = try broker.accept()
    #expect(try connection.expectConnect().password == Array("s3cret".utf8))
    try connection.respondConnack()
    try connection.expect("30 r* s1 't' 00 'line'")
  }

  @Test(
    "whatever ends a prompt, the terminal shows again what is typed",
    arguments: [("s3cret\r", "0"), ("\u{3}", "130"), ("\r", "1"), ("\u{4}", "1"), ("\u{1C}s3cret\r", "131")])
  func terminalIsRestored(keys: String, status: String) throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      guard status == "0" else { return }
      let connection = try broker.acceptConnect()
      _ = try connection.nextPacket()
      connection.close()
    }
    let options = broker.options.joined(separator: " ")
    // A shell would end with the tool that it waits for, if a signal ended that.
    let script = """
      trap : INT QUIT; '\(path("mqpub"))' -V 5 -t t -m x --pw-from prompt \(options); echo status $?; stty -a; echo end
      """
    let terminal = try Terminal("/bin/sh", ["-c", script])
    try terminal.read(until: "Password for \(broker.host): ")
    try terminal.type(keys)
    let shown = try terminal.read(until: "end")
    #expect(shown.contains("status \(status)\r\n"), "\(shown)")
    #expect(shown.contains(" echo "), "\(shown)")
    #expect(shown.contains(" -echonl "), "\(shown)")
    #expect(!shown.contains("s3cret"))
    try broker.finish()
  }

  @Test(
    "a signal from elsewhere restores the terminal too", .enabled(if: access("/proc/self", F_OK) == 0),
    arguments: [15, 1] as [Int32])
  func signalAtPrompt(signal: Int32) throws {
    let terminal = try Terminal(
      "/bin/sh", ["-c", "trap : HUP; '\(path("mqpub"))' -t t -m x --pw-from prompt; stty -a; echo end"])
    try terminal.read(until: "Password for localhost: ")
    let children = try String(
      contentsOfFile: "/proc/\(terminal.pid)/task/\(terminal.pid)/children", encoding: .utf8)
    kill(try #require(Int32(children.split(separator: " ").first ?? "")), signal)
    #expect(try terminal.read(until: "end").contains(" echo "))
  }

  // MARK: - What others see

  @Test(
    "the list of processes shows no password, in whatever form it was typed",
    .enabled(if: access("/proc/self", F_OK) == 0),
    arguments: tools,
    [
      ["-P", "hunter2"], ["-Phunter2"], ["--pw", "hunter2"], ["--pw=hunter2"], ["-L", "mqtt://ann:hunter2@HOST/u"],
      ["-Lmqtt://ann:hunter2@HOST/u"], ["--url", "mqtt://ann:hunter2@HOST"], ["--url=mqtt://ann:hunter2@HOST"],
      ["-D", "connect", "authentication-method", "m", "-D", "connect", "authentication-data", "hunter2"],
      ["--pw-from", "command:echo hunter2"],
    ])
  func processList(words: [String], options: [String]) throws {
    let broker = try ScriptedBroker()
    let options = options.map { $0.replacingOccurrences(of: "HOST", with: "\(broker.host):\(broker.port)") }
    let tool = try start(words, broker, options)
    let connection = try broker.accept()  // Held: the tool goes on as long as it is open.
    let connect = try connection.expectConnect()
    let words = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(tool.pid)/cmdline"))
    let shown = String(decoding: words, as: UTF8.self)
    #expect(!shown.contains("hunter2"), "\(shown)")
    #expect(shown.contains("*******"), "\(shown)")
    #expect(String(decoding: connect.packet.bytes, as: UTF8.self).contains("hunter2"))
    connection.close()
  }

  @Test("a child gets no password in its environment", arguments: tools)
  func environmentOfChildren(words: [String]) throws {
    let command = "command:echo \"${MQTOOLS_PASSWORD-none} ${MQTOOLS_URL-none} ${KEPT-none}\""
    for (environment, expected) in [
      (["MQTOOLS_PASSWORD": "hunter2", "MQTOOLS_URL": "mqtt://ann:hunter2@h"], "none none none"),
      (["MQTOOLS_URL": "mqtt://ann@h", "KEPT": "x"], "none mqtt://ann@h x"),
    ] {
      let broker = try ScriptedBroker()
      let tool = try start(words, broker, ["--pw-from", command], environment: environment)
      #expect(try password(broker) == expected)
      _ = tool
    }
  }

  @Test("neither debug output nor a trace shows a password", arguments: tools)
  func traces(words: [String]) throws {
    let home = try TemporaryFolder()
    try home.write("secret", "hunter2")
    for options in [
      ["-u", "ann", "-P", "hunter2"], ["-L", "mqtt://ann:hunter2@HOST/u"], ["--pw-file", "secret"],
      ["--pw-from", "command:echo hunter2"], ["-D", "connect", "authentication-data", "hunter2"],
    ] {
      for level in ["-d", "--trace"] {
        let broker = try ScriptedBroker()
        let options = options.map { $0.replacingOccurrences(of: "HOST", with: "\(broker.host):\(broker.port)") }
        let tool = try start(
          words, broker, options + [level, "-D", "connect", "authentication-method", "m"], home: home)
        let connection = try broker.acceptConnect()
        _ = try connection.nextPacket()
        connection.close()
        try tool.waitForErrors("CONNECT")
        #expect(tool.errorText.contains("sent CONNECT"))
        #expect(!tool.errorText.contains("hunter2"), "\(tool.errorText)")
      }
    }
  }

  // MARK: - Advice

  @Test("on a terminal, a secret in a file that others can read is told", arguments: tools)
  func exposedFiles(words: [String]) throws {
    let home = try TemporaryFolder()
    let files = [
      try home.write("secret", "hunter2"), try home.write("options", "-P hunter2\n-u ann"),
      try home.write(".config/\(words[0])", "-L mqtt://ann:hunter2@127.0.0.1"),
      try home.write("harmless", "-u ann\n"),
    ]
    let broker = try ScriptedBroker()
    let broken = broker.options + ["--connect-timeout", "100ms"]
    for (mode, isTold) in [(0o600, false), (0o640, true), (0o604, true)] {
      for file in files { chmod(file, mode_t(mode)) }
      for (options, file) in [
        (["--pw-file", "secret", "-o", "harmless"], "secret"), (["-o", "options"], "options"),
        ([], files[2]), (["-o", "harmless"], nil),
      ] {
        let words = words + broken + options
        let terminal = try Terminal(words[0], Array(words.dropFirst()), home: home)
        try terminal.wait()
        let line =
          "\(words[0]): Warning: there is a secret in \"\(file ?? "")\", and others can read the file: chmod 600\r\n"
        #expect(terminal.outputText.contains(line) == (isTold && file != nil), "\(options) \(terminal.outputText)")
        #expect(terminal.outputText.contains("secret in") == (isTold && file != nil))
        let tool = try ToolProcess.run(words[0], Array(words.dropFirst()), home: home)
        #expect(!tool.errorText.contains("secret in"))
      }
    }
  }

  @Test("on a terminal, a password that leaves the machine unencrypted is told")
  func unencrypted() throws {
    // Nobody answers at these addresses (RFC 5737, RFC 6761).
    for (options, isTold) in [
      (["-h", "192.0.2.1", "-u", "ann", "-P", "hunter2"], true), (["-h", "127.invalid", "-P", "hunter2"], true),
      (["-h", "192.0.2.1", "--pw-from", "command:true"], true), (["-h", "192.0.2.1", "-u", "ann"], false),
      (["-h", "127.0.0.2", "-p", "1", "-P", "hunter2"], false), (["-h", "LOCALHOST", "-p", "1", "-P", "x"], false),
      (["-h", "::1", "-p", "1", "-P", "x"], false),
    ] {
      let words = ["-t", "t", "-m", "x", "-V", "5", "--connect-timeout", "100ms"] + options
      let terminal = try Terminal("mqpub", words)
      try terminal.wait()
      let line = "mqpub: Warning: the password goes to \(options[1]) unencrypted: whoever is on the way can read it\r\n"
      #expect(terminal.outputText.contains(line) == isTold, "\(options) \(terminal.outputText)")
      #expect(terminal.outputText.contains("unencrypted") == isTold)
      let tool = try ToolProcess.run("mqpub", words)
      #expect(!tool.errorText.contains("unencrypted"))
    }
  }

  // MARK: - Settings

  @Test("--show-settings asks for no password, connects to nobody and exits 0", arguments: tools)
  func showSettings(words: [String]) throws {
    let broker = try ScriptedBroker()
    let home = try TemporaryFolder()
    for program in [words[0], words[0] == "mqpub" ? "mosquitto_pub" : "mosquitto_sub"] {
      let tool = try ToolProcess.run(
        words[0],
        broker.options + [
          "--show-settings", "-u", "ann", "-P", "hunter2", "--pw-from", "command:touch ran; echo hunter2",
        ],
        arg0: program, home: home)
      #expect(tool.end == .exited(0))
      #expect(tool.errorText == "")
      #expect(tool.outputText.contains("--username "))
      #expect(tool.outputText.contains(" command:**** "))
      #expect(!tool.outputText.contains("hunter2"))
    }
    #expect(access(home.path("ran"), F_OK) != 0)
    try broker.noConnection(for: .zero)
    let wrong = try ToolProcess.run(words[0], ["--show-settings", "-p", "65536"])
    #expect(wrong.end == .exited(1))
    #expect(wrong.output.isEmpty)
  }
}
