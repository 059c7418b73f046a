import Foundation
import TestSupport
import Testing

/// mqrr asking, against a real broker and a responder.
@Suite(.needs("mosquitto"))
struct RequestTests {
  private func ask(_ broker: RealBroker, _ words: [String], input: String = "") throws -> ToolProcess {
    try ToolProcess.run("mqrr", broker.options + words, input: .text(input))
  }

  @Test("a reply is printed, and the exit status is 0", arguments: ["311", "5"], qualities)
  func reply(version: String, qos: String) throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-V", version, "-t", "get", "-e", "got", "--serve-echo"])
    let tool = try ask(broker, ["-V", version, "-q", qos, "-t", "get", "-e", "got", "-m", "21.5 °C", "-W", "8"])
    expectSuccess(tool)
    #expect(tool.outputText == "21.5 °C\n")
    responder.signal(15)
    #expect(try responder.wait() == .exited(0))
  }

  @Test("without -e each run has a topic of its own below its client identifier")
  func ownTopic() throws {
    let broker = try RealBroker(acl: "topic readwrite get\npattern write mqrr/#\npattern read mqrr/%c/#\n")
    let responder = try responder(broker, ["-t", "get", "--serve-echo"])
    for name in ["one", "two"] {
      let tool = try ask(broker, ["-i", name, "-t", "get", "-m", name, "-v", "-W", "8"])
      expectSuccess(tool)
      #expect(
        tool.outputText.hasPrefix("mqrr/\(name)/") && tool.outputText.hasSuffix(" \(name)\n"), "\(tool.outputText)")
    }
    responder.signal(15)
  }

  @Test("a retained message on the response topic is no reply", arguments: ["31", "311", "5"])
  func staleReply(version: String) throws {
    for retainHandling in [[], ["--retain-handling", "always"], ["-R"]] {
      let broker = try RealBroker(lines: ["log_type all"])
      expectSuccess(try ToolProcess.run("mqpub", broker.options + ["-t", "got", "-m", "stale", "-r", "-q", "1"]))
      let options = ["-V", version, "-i", "asker", "-t", "get", "-e", "got", "-m", "?", "-W", "8"]
      let tool = try ToolProcess("mqrr", broker.options + options + retainHandling)
      Expect.eventually { broker.log.contains("Received PUBLISH from asker") }
      expectSuccess(try ToolProcess.run("mqpub", broker.options + ["-t", "got", "-m", "fresh"]))
      #expect(try tool.wait() == .exited(0))
      #expect(tool.outputText == "fresh\n")
    }
  }

  @Test("of two that ask over one response topic each gets its own reply")
  func sharedTopic() throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-t", "get", "--serve-echo"])
    let tools = try ["a", "b", "c"].map {
      try ToolProcess("mqrr", broker.options + ["-t", "get", "-e", "got", "-m", $0, "-C", "1", "--idle", "5"])
    }
    for (name, tool) in zip(["a", "b", "c"], tools) {
      #expect(try tool.wait() == .exited(0))
      #expect(tool.outputText == "\(name)\n")
    }
    responder.signal(15)
  }

  @Test("correlation data that -D names are asked for; others, and none, answer nothing", .needs("mosquitto_pub"))
  func namedCorrelationData() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let options = ["-i", "asker", "-t", "get", "-e", "got", "-m", "?", "-W", "8"]
    let tool = try ToolProcess(
      "mqrr", broker.options + options + ["-D", "publish", "correlation-data", "hex:00ff"])
    Expect.eventually { broker.log.contains("Received PUBLISH from asker") }
    for data in [
      [], ["-D", "publish", "correlation-data", "other"], ["-D", "publish", "correlation-data", "hex:00ff"],
    ] {
      expectSuccess(
        try ToolProcess.run("mqpub", broker.options + ["-t", "got", "-m", data.last ?? "none", "-q", "1"] + data))
    }
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "hex:00ff\n")
  }

  @Test("a responder that knows no correlation data is heard as well", .needs("mosquitto_sub", "mosquitto_pub"))
  func simpleResponder() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess(
      "mqrr", broker.options + ["-i", "asker", "-t", "get", "-e", "got", "-m", "?", "-W", "8"])
    Expect.eventually { broker.log.contains("Received PUBLISH from asker") }
    expectSuccess(try ToolProcess.run("mosquitto_pub", broker.options + ["-t", "got", "-m", "here"]))
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "here\n")
  }

  @Test("27 and one line without a reply; at QoS 1 it says that nobody subscribes", arguments: ["0", "1"])
  func noReply(qos: String) throws {
    let broker = try RealBroker()
    let tool = try ask(broker, ["-V", "5", "-t", "nobody", "-m", "?", "-q", qos, "-W", "300ms"])
    #expect(tool.end == .exited(27))
    #expect(tool.output.isEmpty)
    #expect(tool.errorText.hasPrefix("mqrr: Error: no reply to the request on 'nobody' within "), "\(tool.errorText)")
    #expect(tool.errorText.contains("nobody subscribes") == (qos == "1"))
    #expect(tool.errorText.split(separator: "\n").count == 1)
  }

  @Test("it says DISCONNECT, so that no will is published", .needs("mosquitto_sub"), arguments: ["311", "5"])
  func noWill(version: String) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let responder = try responder(broker, ["-t", "get", "-e", "got", "--serve-echo"])
    let witness = try ToolProcess(
      "mosquitto_sub", broker.options + ["-t", "gone", "-t", "done", "-C", "1", "-W", "20"])
    Expect.eventually { broker.log.components(separatedBy: "Sending SUBACK").count > 2 }
    let will = ["--will-topic", "gone", "--will-payload", "bye"]
    let options = ["-V", version, "-t", "get", "-e", "got", "-m", "x"]
    expectSuccess(try ask(broker, options + will + ["-W", "8"]))
    #expect(
      try ask(broker, ["-V", version, "-t", "nobody", "-e", "got", "-m", "x", "-W", "0.1"] + will).end == .exited(27))
    expectSuccess(try ToolProcess.run("mqpub", broker.options + ["-t", "done", "-m", "no will"]))
    try witness.wait(timeout: .seconds(20))
    #expect(witness.outputText == "no will\n")
    responder.signal(15)
  }

  @Test("each line is a request; on 5 many are under way, on 3.x one", arguments: ["311", "5"])
  func lines(version: String) throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-V", version, "-t", "get", "-e", "got", "--serve-echo"])
    let tool = try ToolProcess.run(
      "mqrr", broker.options + ["-V", version, "-t", "get", "-e", "got", "-l", "-q", "1", "-W", "20"],
      input: .bytes(numberedLines(upTo: 500)), timeout: .seconds(20))
    expectSuccess(tool)
    let replies = tool.outputText.split(separator: "\n").compactMap { Int($0) }
    #expect(replies.sorted() == Array(1...500))
    if version == "311" { #expect(replies == Array(1...500)) }
    responder.signal(15)
  }

  @Test("-0 reads and prints pieces that end with NUL, and --encoding decodes them")
  func pieces() throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-t", "get", "--serve-echo"])
    let tool = try ask(
      broker, ["-t", "get", "-l", "-0", "-M", "1", "--encoding", "base64", "-W", "8"], input: "YQpi\0Yw==\0")
    expectSuccess(tool)
    Expect.text(tool.output, "a\nb\0c\0")
    responder.signal(15)
  }

  @Test("-C collects so many replies, --idle all that come; fewer than asked for are 27")
  func severalReplies() throws {
    let broker = try RealBroker()
    let responders = try (1...3).map { try responder(broker, ["-t", "who", "--serve", "printf \($0)"]) }
    let all = try ask(broker, ["-t", "who", "-n", "--idle", "400ms", "-W", "8"])
    expectSuccess(all)
    #expect(all.outputText.split(separator: "\n").sorted() == ["1", "2", "3"])
    let two = try ask(broker, ["-t", "who", "-n", "-C", "2", "-W", "8"])
    expectSuccess(two)
    #expect(two.outputText.split(separator: "\n").count == 2)
    let four = try ask(broker, ["-t", "who", "-n", "-C", "4", "--idle", "300ms", "-W", "8"])
    #expect(four.end == .exited(27))
    #expect(four.outputText.split(separator: "\n").count == 3)
    #expect(four.errorText.contains("only 3 replies"), "\(four.errorText)")
    #expect(try ask(broker, ["-t", "nobody", "-n", "--idle", "100ms", "-W", "8"]).end == .exited(27))
    for responder in responders { responder.signal(15) }
  }

  @Test("--where leaves replies out, and --until ends with the one that passes")
  func tests() throws {
    let broker = try RealBroker()
    let responders = try (1...3).map {
      try responder(broker, ["-t", "who", "--serve", "sleep 0.\($0); printf '{\"n\":\($0)}'"])
    }
    let chosen = try ask(broker, ["-t", "who", "-n", "--where", ".n > 1", "-W", "8"])
    expectSuccess(chosen)
    #expect(chosen.outputText == "{\"n\":2}\n")
    let last = try ask(broker, ["-t", "who", "-n", "--until", ".n = 2", "-W", "8"])
    expectSuccess(last)
    #expect(last.outputText == "{\"n\":1}\n{\"n\":2}\n")
    let never = try ask(broker, ["-t", "who", "-n", "--until", ".n = 9", "--idle", "600ms"])
    #expect(never.end == .exited(27))
    for responder in responders { responder.signal(15) }
  }

  @Test("formats of mosquitto_rr, and JSON")
  func formats() throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-t", "get", "--serve-echo"])
    let options = ["-t", "get", "-e", "got", "-m", "abc", "-W", "8"]
    for (words, output) in [
      (["-v"], "got abc\n"), (["--verbose"], "got abc\n"), (["-N"], "abc"), (["-F", "%t:%l:%x"], "got:3:616263\n"),
      (["--hexdump"], "00000000  61 62 63"),
    ] {
      let tool = try ask(broker, options + words)
      expectSuccess(tool)
      #expect(tool.outputText.hasPrefix(output), "\(words) \(tool.outputText)")
    }
    let pretty = try ask(broker, ["-t", "get", "-m", #"{"a":[1]}"#, "--pretty", "-W", "8"])
    #expect(pretty.outputText == "{\n\t\"a\":\t[1]\n}\n", "\(pretty.outputText)")
    let json = try ask(broker, options + ["--json", "-q", "1"])
    #expect(json.outputText.contains(#""topic":"got","qos":1,"retain":false,"dup":false,"id":1,"payload":"abc""#))
    #expect(json.outputText.contains(#""properties":{"correlation_data_base64":""#))
    let latency = try ask(broker, options + ["--latency"])
    #expect(latency.outputText.wholeMatch(of: /abc\nLatency: [0-9.]+(ns|µs|ms|s)\n/) != nil, "\(latency.outputText)")
    responder.signal(15)
  }

  @Test("--retain-as-published: a reply may have the retain flag")
  func retainedReply() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess(
      "mqrr",
      broker.options + ["-i", "asker", "-t", "get", "-e", "got", "-m", "?", "-W", "8", "-F", "%r %p"]
        + ["--retain-as-published"])
    Expect.eventually { broker.log.contains("Received PUBLISH from asker") }
    expectSuccess(try ToolProcess.run("mqpub", broker.options + ["-t", "got", "-m", "kept", "-r"]))
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "1 kept\n")
  }

  @Test("a reply on a terminal cannot steer it")
  func terminal() throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-t", "get", "--serve-echo"])
    let terminal = try Terminal("mqrr", broker.options + ["-t", "get", "-m", "a\u{1b}[2Jb\nc", "-W", "8"])
    #expect(try terminal.wait() == .exited(0))
    #expect(terminal.outputText.contains(#"a\x1B[2Jb\nc"#), "\(terminal.outputText)")
    responder.signal(15)
  }
}

extension RequestTests {
  @Test("a reader that has gone ends it with status 0, and DISCONNECT")
  func readerGone() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess("mqrr", broker.options + ["-i", "asker", "-t", "nobody", "-m", "x", "--log", "notice"])
    try tool.waitForErrors("subscribed to")
    try tool.closeOutput()
    #expect(try tool.wait(timeout: .seconds(1)) == .exited(0))
    Expect.eventually { broker.log.contains("Received DISCONNECT from asker") }
  }

  @Test("74: the reply cannot be written", .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func fullOutput() throws {
    let broker = try RealBroker()
    let options = broker.options.joined(separator: " ")
    let tool = try ToolProcess.run("sh", ["-c", "exec '\(try locate("mqrr"))' \(options) -t t -e t -m x > /dev/full"])
    #expect(tool.end == .exited(74))
    #expect(tool.errorText.split(separator: "\n").count == 1)
  }

  @Test("Ctrl-C while a reply is awaited ends it as the signal would", arguments: [Int32(2), 15])
  func interrupted(signal: Int32) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess("mqrr", broker.options + ["-i", "asker", "-t", "nobody", "-m", "x", "-q", "1"])
    Expect.eventually { broker.log.contains("Sending PUBACK to asker") }
    usleep(20_000)  // Until it has come nobody can see it from outside.
    tool.signal(signal)
    #expect(try tool.wait(timeout: .seconds(1)) == .signaled(signal))
    Expect.eventually { broker.log.contains("Received DISCONNECT from asker") }
  }
}

extension RequestTests {
  /// The commands of the manual page, and what they print where everybody answers with what was asked.
  static let scenes = [
    ("mqrr -t home/lamp/get -m state -W 10", "state\n"),
    ("mqrr -h broker.example --ping -C 5 --interval 100ms", " received, 0 lost"),
    ("mqrr -t upper --serve 'tr a-z A-Z'", ""),
    ("mqrr -t who/is/there -n --idle 2s", ""),
    ("mqrr -t get -e got -m temperature -V 311", "temperature\n"),
  ]

  @Test("each example of the manual page does what it says", arguments: scenes)
  func example(command: String, output: String) throws {
    let broker = try RealBroker()
    let answering = try responder(
      broker, ["-t", "home/lamp/get", "-t", "who/#", "-t", "get", "-e", "got", "--serve-echo"])
    let words = command.replacing("-h broker.example ", with: "").replacing(
      "mqrr ", with: "exec \(try locate("mqrr")) ")
    let tool = try ToolProcess("sh", ["-c", words], environment: ["MQTOOLS_URL": "mqtt://127.0.0.1:\(broker.port)"])
    if command.contains("--serve") {
      let asking = broker.options + ["-t", "upper", "-m", "loud", "-W", "1"]
      try Expect.eventually { try ToolProcess.run("mqrr", asking).outputText == "LOUD\n" }
      tool.signal(15)
    }
    #expect(try tool.wait() == .exited(0), "\(tool.errorText)")
    // Foundation finds no empty text in any.
    #expect(output.isEmpty ? tool.output.isEmpty : tool.outputText.contains(output))
    answering.signal(15)
  }

  @Test("the examples of the manual page are those that are tried")
  func allExamples() throws {
    #expect(try examples(of: "mqrr") == Self.scenes.map(\.0))
  }
}

/// mqrr answering, and ready to.
func responder(_ broker: RealBroker, _ words: [String]) throws -> ToolProcess {
  let tool = try ToolProcess("mqrr", broker.options + words + ["--log", "notice"])
  try tool.waitForErrors("subscribed to")
  return tool
}
