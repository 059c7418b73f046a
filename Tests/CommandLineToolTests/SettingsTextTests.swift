import MQTT
import Testing

@testable import CommandLineTool

struct SettingsTextTests {
  /// What `--show-settings` prints.
  private func shown<Settings>(
    _ tool: Tool<Settings>, _ words: [String], as program: String, environment: [String: String]
  ) throws -> String {
    let compatibility = Compatibility.of(tool.commandLine.description.name, calledAs: bytes(program))
    let request = try tool.commandLine.request(
      [program, "--show-settings"].map(bytes) + words.map(bytes), compatibility,
      environment: { environment[$0].map(bytes) })
    guard case .run(let invocation) = request else { throw UsageError("there is nothing to run") }
    #expect(invocation.showsSettings)
    return SettingsText.text(invocation, options: tool.commandLine.options)
  }

  /// The lines about some settings, with one blank between the columns that a person sees.
  private func rows(
    _ names: String..., words: [String], as program: String = "mqpub", environment: [String: String] = [:]
  ) throws -> [String] {
    let text = try shown(Publishing.tool, words, as: program, environment: environment)
    return text.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
      .filter { line in names.contains { line.hasPrefix($0 + " ") } }
  }

  @Test("each setting has a line with its value and its source, in columns and in the order of the help")
  func layout() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("# comment\n-h broker.example\n", to: "options")
    let words = ["-o", file, "-t", "a/b", "-t", "é", "-m", " x", "-D", "publish", "user-property", "a", "b c"]
    let expected = """
      Messages:
        --message   " x"                         command line
        -n          no                           default
        --topic     a/b                          command line
        --topic     é                            command line
        --property  publish user-property a b c  command line

      Output:
        -vv         no                           default

      Connection:
        --host      broker.example               \(file):2
        --port      99                           environment, SAMPLE_PORT

      """
    #expect(try shown(sampleTool, words, as: "mqpub", environment: ["SAMPLE_PORT": "99"]) == expected)
    let long = String(repeating: "long ", count: 20) + "end"
    let text = try shown(sampleTool, ["-m", long], as: "mqpub", environment: [:])
    #expect(text.contains("  --message   \(long)  command line\n"))
    #expect(text.contains("  --port      1883" + String(repeating: " ", count: 30) + "default\n"))
  }

  @Test("no secret is shown, and not how long it is")
  func secrets() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("-P hunter2\n", to: "options")
    let words = ["-D", "connect", "authentication-data", "hunter2"]
    #expect(
      try rows("--pw", "--property", words: words + ["-o", file])
        == ["--pw **** \(file):1", "--property connect authentication-data **** command line"])
    #expect(
      try rows("--pw", words: [], environment: ["MQTOOLS_PASSWORD": "hunter2"])
        == ["--pw **** environment, MQTOOLS_PASSWORD"])
    #expect(
      try rows("--pw-from", words: ["--pw-from", "command:echo hunter2"]) == ["--pw-from command:**** command line"])
  }

  @Test("the strongest source is shown: command line, options file, environment, own file")
  func precedence() throws {
    let folder = try TemporaryFolder()
    let options = try folder.write("-u filed\n", to: "options")
    let own = try folder.write("-u own\n-p 1884\n", to: ".config/mqpub")
    let environment = ["HOME": folder.path, "MQTOOLS_USERNAME": "set"]
    #expect(
      try rows("--username", words: ["-o", options, "-u", "typed"], environment: environment)
        == ["--username typed command line"])
    #expect(
      try rows("--username", words: ["-o", options], environment: environment)
        == ["--username filed \(options):1"])
    #expect(
      try rows("--username", "--port", words: [], environment: environment)
        == ["--port 1884 \(own):2", "--username set environment, MQTOOLS_USERNAME"])
    #expect(
      try rows("--username", "--port", words: [], environment: ["HOME": folder.path])
        == ["--port 1884 \(own):2", "--username own \(own):1"])
    #expect(
      try rows("--username", "--port", words: []) == [
        "--port 1883, with TLS 8883, WebSocket 80 or 443 default", "--username none default",
      ])
  }

  @Test("what adds up is shown as a whole, from the strongest source only")
  func accumulation() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("-t a\n-t b\n", to: "options")
    #expect(try rows("--topic", words: ["-o", file]) == ["--topic a \(file):1", "--topic b \(file):2"])
    #expect(try rows("--topic", words: ["-o", file, "-t", "c"]) == ["--topic c command line"])
    #expect(try rows("--host", words: ["-h", "a", "-h", "b"]) == ["--host b command line"])
  }

  @Test("a URL is shown as what it says; a user and a password that its host does not get are not")
  func urls() throws {
    let names = ("--host", "--port", "--username", "--pw", "--topic")
    func rows(_ words: [String], _ environment: [String: String] = [:]) throws -> [String] {
      try self.rows(names.0, names.1, names.2, names.3, names.4, words: words, environment: environment)
    }
    #expect(
      try rows(["-L", "mqtt://ann:hunter2@h/a b"]) == [
        "--topic a b command line, --url", "--host h command line, --url", "--port 1883 command line, --url",
        "--username ann command line, --url", "--pw **** command line, --url",
      ])
    #expect(
      try rows(["-h", "h2"], ["MQTOOLS_URL": "mqtt://ann:hunter2@h:99"]) == [
        "--topic none default", "--host h2 command line", "--port 99 environment, MQTOOLS_URL",
        "--username none default", "--pw none default",
      ])
    #expect(
      try rows(["-h", "h2"], ["MQTOOLS_URL": "mqtt://ann:hunter2@h", "MQTOOLS_PASSWORD": "x"]).suffix(2)
        == ["--username none default", "--pw **** environment, MQTOOLS_PASSWORD"])
    #expect(
      try rows(["-u", "eve", "-L", "mqtt://ann:hunter2@h", "-h", "h2"]).suffix(2)
        == ["--username eve command line", "--pw none default"])
  }

  @Test(
    "an option that says the same as another, or takes its place, is shown in that one's place",
    arguments: [
      (["--debug"], "--debug", "--debug yes command line"),
      (["-d", "--log", "error"], "--log", "--log error command line"),
      (["-I", "a-"], "--id-prefix", "--id-prefix a- command line"),
      (["-n"], "--null-message", "--null-message yes command line"),
      (["-f", "x"], "--file", "--file x command line"), (["-l"], "--stdin-line", "--stdin-line yes command line"),
      (["-P", "x", "--pw-from", "env:A"], "--pw-from", "--pw-from env:A command line"),
      (["-P", "x", "--pw-file", "a"], "--pw-file", "--pw-file a command line"),
      (["--pw-from", "command:echo hunter2"], "--pw-from", "--pw-from command:**** command line"),
    ])
  func replacement(words: [String], name: String, row: String) throws {
    #expect(try rows(name, words: words) == [row])
    let all = try rows(
      "--log", "--debug", "--pw", "--pw-from", "--pw-file", "--id", "--id-prefix", "--message", "--file",
      "--null-message", "--stdin-line", words: words)
    #expect(all.count == 4)
  }

  @Test("under the name of a mosquitto client its defaults are shown")
  func strictMode() throws {
    let names = ("--protocol-version", "--id")
    #expect(
      try rows(names.0, names.1, words: [], as: "mosquitto_pub")
        == ["--protocol-version 311 default", "--id the broker's choice default"])
    #expect(
      try rows(names.0, names.1, words: [])
        == ["--protocol-version auto default", "--id the tool's name and random letters default"])
  }

  @Test("text from elsewhere stays on its line and steers nothing")
  func escaping() throws {
    #expect(
      try rows("--message", words: ["-m", "\u{1B}[31m\n\u{202E}"])
        == ["--message \\x1B[31m\\n\\u{202E} command line"])
    #expect(try rows("--message", words: ["-m", ""]) == ["--message \"\" command line"])
  }

  @Test("a default that the help tells is what no option means")
  func defaults() throws {
    // Words for what an option cannot say, one that also asks for MQTT 5, and some that go with others.
    let told = [
      "--id", "--port", "--tls-name", "--ciphers", "--keyform", "--tls-version", "--will-payload", "--retry", "--log",
      "-x", "--repeat-delay", "--ws-path", "--speed",
    ]
    var count = 0
    for option in Publishing.tool.commandLine.options where !told.contains(option.name) {
      guard let value = option.defaultValue else { continue }
      let words = ["-t", "a", "-n", "-i", "me"]
      let (plain, given) = (try publishing(words), try publishing(words + [option.name, value]))
      #expect(given.connection == plain.connection && given.publish == plain.publish, "\(option.name) \(value)")
      count += 1
    }
    for option in SubscribeSettings.options.map(\.description) {
      guard let value = option.defaultValue else { continue }
      let words = ["-t", "a", "-i", "me"]
      #expect(
        try subscribing(words).subscribe == subscribing(words + [option.name, value]).subscribe, "\(option.name)")
      count += 1
    }
    #expect(count >= 8)
  }

  @Test("what is the case without an option may follow from another one")
  func implied() throws {
    #expect(try rows("--qos", words: ["-t", "t", "-n"]) == ["--qos 0 default"])
    #expect(
      try rows("--qos", words: ["-t", "t", "-n", "--require-subscribers"]) == [
        "--qos 1 because of --require-subscribers"
      ])
    #expect(
      try rows("--qos", words: ["-t", "t", "-n", "--require-subscribers", "-q", "2"]) == ["--qos 2 command line"])
  }
}
