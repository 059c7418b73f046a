import Foundation
import TestSupport
import Testing

/// `mqsub --top` on a terminal.
@Suite(.needs("mosquitto", "mosquitto_pub"))
struct TopTests {
  private func publish(_ broker: RealBroker, _ topic: String, _ payload: String, _ options: String...) throws {
    let tool = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", topic, "-m", payload] + options)
    try #require(tool.end == .exited(0))
  }

  /// A terminal with `--top` that is subscribed, has shown that, and shows so many topics.
  private func top(_ broker: RealBroker, _ options: [String] = [], topics: Int = 0) throws -> Terminal {
    let terminal = try Terminal("mqsub", broker.options + ["-t", "#", "--top"] + options)
    try terminal.waitForScreen("\(topics) topics") {
      $0.row(with: "subscribed to") != nil && $0.row(with: "\(topics) topics") == 1
    }
    return terminal
  }

  /// Home with four topics.
  private func home() throws -> RealBroker {
    let broker = try RealBroker()
    try publish(broker, "home/desk/lamp", "ON", "-r")
    try publish(broker, "home/desk/temp", "21.5 °C", "-r")
    try publish(broker, "home/hall/temp", "19", "-r")
    try publish(broker, "log", "{\"level\":\"info\",\"n\":[1,2]}", "-r")
    return broker
  }

  /// The rows of topics up to their figures.
  private func topics(_ screen: VirtualScreen) -> [String] {
    screen.texts.dropFirst(3).dropLast().map { row in
      let topic = row.prefix(20)
      return String(
        topic.prefix((topic.lastIndex { $0 != " " }.map { topic.distance(from: topic.startIndex, to: $0) } ?? -1) + 1))
    }.filter { !$0.isEmpty }
  }

  private let all = ["- home", "  - desk", "      lamp", "      temp", "  - hall", "      temp", "  log"]

  /// The terminal as it was before.
  private func expectRestored(_ terminal: Terminal, sourceLocation: SourceLocation = #_sourceLocation) {
    let screen = terminal.screen()
    #expect(!screen.isAlternate && screen.isCursorVisible && screen.wraps, sourceLocation: sourceLocation)
    #expect(terminal.takesLines, sourceLocation: sourceLocation)
    #expect(screen.mistakes == [], sourceLocation: sourceLocation)
  }

  @Test("it shows topics as a tree, with figures and last values, and totals above")
  func tree() throws {
    let broker = try home()
    let terminal = try top(broker, topics: 4)
    #expect(!terminal.takesLines)
    try publish(broker, "home/desk/temp", "22")
    let screen = try terminal.waitForScreen("five messages") { $0.row(with: "4 topics, 5 messages") == 1 }
    #expect(screen.text(0).hasPrefix("127.0.0.1:\(broker.port)  '#'"))
    #expect(screen.text(0).contains("connected, MQTT 5  "))
    #expect(screen.text(2) == "TOPIC                      COUNT    RATE  BYTES  AGE  Q LAST VALUE")
    #expect(screen.reversedRows == [2])
    #expect(topics(screen) == all)
    let rows = screen.texts.map { $0.split(separator: " ").joined(separator: " ") }
    #expect(rows[3].hasPrefix("- home 4 "))
    #expect(rows[6].hasPrefix("temp 2 ") && rows[6].hasSuffix("s 0 22"))
    #expect(rows[6].contains(" 10 "))
    #expect(rows[9].hasPrefix("log 1 ") && rows[9].contains("s 0r {\"level\":\"info\",\"n\":["))
    try terminal.type("q")
    #expect(try terminal.wait() == .exited(0))
    expectRestored(terminal)
  }

  @Test("keys select, collapse, expand, sort, filter, and show what is selected")
  func keys() throws {
    let broker = try home()
    try publish(broker, "log", "{\"level\":\"info\",\"n\":[1,2]}", "-r", "-q", "1")
    let terminal = try top(broker, topics: 4)
    func see(_ what: String, after keys: String, _ condition: (VirtualScreen) -> Bool) throws {
      try terminal.type(keys)
      try terminal.waitForScreen(what, condition)
    }
    try see("the first topic selected", after: "j") { $0.reversedRows == [2, 3] }
    try see("the next but one", after: "\u{1b}[Bj") { $0.reversedRows == [2, 5] }
    try see("nothing to collapse: one level up", after: "\u{1b}[D") { $0.reversedRows == [2, 4] }
    try see("collapsed", after: "\u{1b}[D") {
      topics($0) == ["- home", "  + desk", "  - hall", "      temp", "  log"] && $0.reversedRows == [2, 4]
    }
    try see("expanded", after: "\u{1b}OC") { topics($0) == all }
    try see("collapsed by Enter", after: "\r") { topics($0).count == 5 }
    try see("all collapsed, with the topic above selected", after: "C") {
      topics($0) == ["+ home", "  log"] && $0.reversedRows == [2, 3]
    }
    try see("inside what was just expanded", after: "ll") { $0.reversedRows == [2, 4] }
    try see("all expanded", after: "E") { topics($0) == all }
    try see("the last", after: "\u{1b}[F") { $0.reversedRows == [2, 9] }
    try see("the first", after: "\u{1b}[1~") { $0.reversedRows == [2, 3] }

    // The selected topic is the same wherever it moves.
    try see("the last", after: "\u{1b}[4~") { $0.reversedRows == [2, 9] }
    try see("by count", after: "s") { $0.row(with: "by count") == 1 }
    try see("reversed", after: "r") { topics($0).first == "  log" && $0.reversedRows == [2, 3] }
    try see("as before", after: "rssss") { topics($0) == all && $0.row(with: "by topic") == 1 }

    try see("filtered", after: "/tEMP") {
      topics($0) == ["- home", "  - desk", "      temp", "  - hall", "      temp"]
        && $0.text(23).hasPrefix("filter: tEMP")
    }
    try see("changed", after: "\u{7f}\u{7f}\u{7f}\u{7f}é\u{7f}lamp\r") {
      topics($0) == ["- home", "  - desk", "      lamp"] && $0.text(23).hasPrefix("filter: lamp (Esc")
    }
    try see("not filtered", after: "\u{1b}") { topics($0) == all }

    try see("details", after: "\u{1b}[Fd") {
      $0.texts[2] == "DETAILS" && $0.texts[3] == "Topic       log" && $0.row(with: "QoS         0, retained") != nil
        && $0.row(with: "|   \"level\": \"info\",") != nil && $0.row(with: "Payload     26 bytes") != nil
    }
    try see("in hexadecimal", after: "x") { $0.row(with: "| 00000000  7b 22 6c 65 76 65 6c 22") != nil }
    try see("back, still in hexadecimal", after: "\u{1b}") { $0.text(9).hasSuffix("0r 7b 22 6c 65 76 65 6c 22…") }
    try see("help", after: "?") { $0.texts[2] == "KEYS" && $0.row(with: "PgUp PgDn") != nil }
    try see("no help", after: "x") { topics($0) == all }
    // Ctrl-C is a signal; a half of a key's sequence is the escape key when nothing follows.
    try terminal.type("\u{1b}")
    try terminal.type("\u{3}")
    #expect(try terminal.wait() == .exited(0))
    expectRestored(terminal)
  }

  @Test("pause keeps the display as it is while counting goes on")
  func pause() throws {
    let broker = try home()
    let terminal = try top(broker, topics: 4)
    try terminal.type("p")
    let paused = try terminal.waitForScreen("paused") { $0.text(1).hasSuffix("PAUSED") }
    try publish(broker, "new", "1")
    // The details of another topic are drawn after the new message came, and show the same.
    try terminal.type("Gjd")
    try terminal.waitForScreen("details") { $0.texts[2] == "DETAILS" }
    try terminal.type("d")
    let later = try terminal.waitForScreen("topics") { $0.texts[2].hasPrefix("TOPIC") }
    #expect(later.texts[3...22].map { $0 } == paused.texts[3...22].map { $0 })
    try terminal.type("p")
    try terminal.waitForScreen("all that was counted") { $0.row(with: "5 topics, 5 messages") == 1 }
  }

  @Test("properties of a message are shown, and where a payload is cut")
  func properties() throws {
    let broker = try RealBroker()
    let terminal = try top(broker)
    try publish(
      broker, "t", String(repeating: "long ", count: 10_000), "-V", "5", "-D", "publish", "content-type", "text/plain",
      "-D", "publish", "user-property", "who", "me")
    try terminal.waitForScreen("a topic") { $0.row(with: "1 topics, 1 messages") == 1 }
    try terminal.type("jd")
    let screen = try terminal.waitForScreen("details") { $0.texts[2] == "DETAILS" }
    #expect(screen.row(with: "            content-type: text/plain") != nil)
    #expect(screen.row(with: "            user-property: who = me") != nil)
    #expect(screen.row(with: "Payload     50,000 bytes, of which the first 16,3") != nil)
    try terminal.type("\u{1b}[F")
    let end = try terminal.waitForScreen("the end") { $0.row(with: "Payload") == nil }
    #expect(end.text(22).hasPrefix("| "))
  }

  @Test("a new size is followed at once, the smallest too", .timeLimit(.minutes(1)))
  func resizing() throws {
    let broker = try home()
    let terminal = try top(broker, topics: 4)
    for (columns, rows) in [(200, 50), (40, 10), (1, 1), (2, 2), (9, 3), (30, 5), (500, 200), (80, 24)] {
      try terminal.resize(columns: columns, rows: rows)
      try terminal.waitForScreen("\(columns) by \(rows)", columns: columns, rows: rows, timeout: .seconds(3)) {
        screen in
        switch rows {
        case 1: screen.text(0) == "…"
        case 2: screen.text(0) == "+"
        case 3: screen.text(1).hasPrefix("+ home")
        case 5: screen.text(3).hasPrefix("+ home")
        default: screen.text(3).hasPrefix("- home") && screen.row(with: "  log") == 9 || rows == 10
        }
      }
    }
    // What was sent for the last size fits into it.
    let last = try #require(terminal.outputText.range(of: "\u{1b}[2J", options: .backwards))
    let screen = VirtualScreen(columns: 80, rows: 24, Array(terminal.outputText[last.lowerBound...].utf8))
    #expect(screen.mistakes == [])
  }

  @Test(
    "the terminal is as it was after every end",
    arguments: [
      ("q", nil, .exited(0)), ("\u{3}", nil, .exited(0)), ("", SIGTERM, .exited(0)), ("", SIGHUP, .exited(0)),
      ("\u{1c}", nil, .signaled(SIGQUIT)), ("", SIGSEGV, .signaled(SIGSEGV)), ("", SIGABRT, .signaled(SIGABRT)),
      ("", SIGILL, .signaled(SIGILL)), ("", SIGTRAP, .signaled(SIGTRAP)), ("", SIGBUS, .signaled(SIGBUS)),
    ] as [(String, Int32?, ToolProcess.End)])
  func ends(keys: String, signal: Int32?, end: ToolProcess.End) throws {
    let broker = try RealBroker()
    let terminal = try top(broker)
    #expect(!terminal.takesLines)
    try terminal.type(keys)
    if let signal { terminal.signal(signal) }
    #expect(try terminal.wait() == end)
    expectRestored(terminal)
    // Nothing stays on the main screen.
    #expect(terminal.outputText.hasSuffix("\u{1b}[?1049l"))
  }

  @Test("Ctrl-Z gives the terminal back, and fg takes it again")
  func stopping() throws {
    let broker = try home()
    let tool = try locate("mqsub")
    let terminal = try Terminal(
      "/bin/sh",
      ["-mc", "\"$@\"; stty -a | tr ';' '\\n'; read line; fg", "sh", tool] + broker.options + ["-t", "#", "--top"])
    try terminal.waitForScreen("topics") { $0.row(with: "4 topics") == 1 }
    try terminal.type("j")
    try terminal.waitForScreen("a selection") { $0.reversedRows == [2, 3] }
    try terminal.type("\u{1a}")
    try terminal.read(until: "isig icanon")
    #expect(!terminal.screen().isAlternate)
    try terminal.type("\r")
    try terminal.waitForScreen("topics") { $0.isAlternate && topics($0) == all && $0.reversedRows == [2, 3] }
    try terminal.type("q")
    #expect(try terminal.wait() == .exited(0))
    expectRestored(terminal)
  }

  @Test("an outage is told on the screen, and over when it is over")
  func outage() throws {
    let broker = try home()
    let terminal = try top(broker, topics: 4)
    try broker.stop()
    try terminal.waitForScreen("an outage") {
      $0.text(0).contains("not connected") && $0.text(23).contains("trying again") && topics($0) == all
    }
    try broker.restart()
    try terminal.waitForScreen("connected") {
      $0.text(0).contains(" connected, MQTT 5") && $0.row(with: "subscribed") == 23
    }
    try terminal.type("q")
    #expect(try terminal.wait() == .exited(0))
    #expect(terminal.outputText.hasSuffix("\u{1b}[?1049l"))
    expectRestored(terminal)
  }

  @Test("an error that ends it is told when the terminal is as it was")
  func error() throws {
    let broker = try RealBroker()
    let terminal = try top(broker, ["--no-reconnect"])
    try broker.stop()
    #expect(try terminal.wait() == .exited(7))
    expectRestored(terminal)
    let rest = terminal.outputText.components(separatedBy: "\u{1b}[?1049l").last
    #expect(rest?.hasPrefix("mqsub: Error: ") == true, "\(rest ?? "")")
  }

  @Test("what a message holds cannot steer the terminal")
  func hostile() throws {
    let broker = try ScriptedBroker()
    let terminal = try Terminal("mqsub", broker.options + ["-V", "311", "-t", "#", "--top"])
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    try connection.sendBytes([0x90, 3] + identifier + [0])
    try connection.send("30 r* s* 'a\u{1b}[2J\u{9b}1m' '\u{1b}]0;y\u{7}'")
    try connection.send("30 r* s* '日本/e\u{301}' '温度 20 °C'")
    try connection.send("30 r* s* '/' 'line\u{202e}' 0a 'forged' ff")
    let screen = try terminal.waitForScreen("three topics") { $0.row(with: "3 topics, 3 messages") == 1 }
    #expect(screen.mistakes == [])
    #expect(
      topics(screen).map { $0.prefix(18) } == ["- \"\"", "    \"\"", "  a\\x1B[2J\\u{009B}", "- 日本", "    e\u{301}"])
    #expect(
      screen.text(4).hasSuffix(" line\\u{202E}\\nforged\\xFF") || screen.text(4).hasSuffix(" line\\u{202E}\\nforge…"))
    #expect(screen.text(7).hasSuffix(" 温度 20 °C"))
    try terminal.type("Gjjjd")
    let details = try terminal.waitForScreen("details") { $0.texts[2] == "DETAILS" }
    #expect(details.mistakes == [])
  }

  @Test("-T, -R and -C choose for it as they do for lines")
  func choosing() throws {
    let broker = try home()
    let terminal = try top(broker, ["-T", "no/#", "-R", "-C", "2"])
    try publish(broker, "no/1", "1")
    try publish(broker, "yes", "2")
    try terminal.waitForScreen("one topic") { topics($0) == ["  yes"] && $0.row(with: "1 topics, 1 messages") == 1 }
    try publish(broker, "yes", "3")
    #expect(try terminal.wait() == .exited(0))
    expectRestored(terminal)
  }

  @Test("it wants a terminal that can place the cursor", arguments: ["--top", "--watch"])
  func noTerminal(option: String) throws {
    let pipe = try ToolProcess.run("mqsub", ["-t", "#", option])
    #expect(pipe.end == .exited(1))
    #expect(pipe.errorText == "mqsub: \(option): standard output is not a terminal\n")
    let dumb = try Terminal("mqsub", ["-t", "#", option], environment: ["TERM": "dumb"])
    #expect(try dumb.wait() == .exited(1))
    #expect(dumb.outputText == "mqsub: \(option): the terminal cannot place the cursor: TERM is dumb\r\n")
    for other in [["--raw"], ["--exec", "cat"], ["--clear-retained", "--dry-run"]] {
      let tool = try ToolProcess.run("mqsub", ["-t", "t", option] + other)
      #expect(tool.end == .exited(1))
      #expect(tool.errorText.contains("\(other[0])") && tool.errorText.contains("cannot stand together with"))
    }
  }

  @Test("ten thousand topics are counted as fast as they come", .timeLimit(.minutes(2)))
  func manyTopics() throws {
    let broker = try RealBroker()
    let terminal = try top(broker)
    let lines = (0..<100_000).map { "site/\($0 % 10)/device-\($0 / 10 % 100)/\($0 / 1000 % 10) \($0)\n" }.joined()
    let tool = try ToolProcess.run(
      "mqpub", broker.options + ["-l", "--line-topic"], input: .text(lines), timeout: .seconds(60))
    #expect(tool.end == .exited(0))
    let screen = try terminal.waitForScreen("all of them", timeout: .seconds(30)) {
      $0.text(1).hasPrefix("10,000 topics, 100,000 messages, ")
    }
    #expect(screen.text(3).contains(" 100000 "))
    #expect(screen.mistakes == [])
  }
}

/// `mqsub --watch` on a terminal.
@Suite(.needs("mosquitto", "mosquitto_pub"))
struct WatchTests {
  private func publish(_ broker: RealBroker, _ topic: String, _ payload: String) throws {
    let tool = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", topic, "-m", payload])
    try #require(tool.end == .exited(0))
  }

  @Test("each topic has a line, which its next message takes")
  func lines() throws {
    let broker = try RealBroker()
    let terminal = try Terminal("mqsub", broker.options + ["-t", "#", "-w", "-F", "%t: %p|%l"])
    try terminal.waitForScreen("subscribed") { $0.row(with: "subscribed to") == 0 }
    try publish(broker, "b", "a long value")
    try publish(broker, "a", "\u{1b}[2J\ntwo")
    try publish(broker, "b", "x")
    let screen = try terminal.waitForScreen("three messages") { $0.text(1) == "b: x|1" }
    #expect(screen.text(0).hasPrefix("Broker: 127.0.0.1:\(broker.port)"))
    #expect(screen.text(2) == "a: \\x1B[2J\\ntwo|8")
    #expect(screen.texts.dropFirst(3).allSatisfy { $0.isEmpty })
    #expect(screen.mistakes == [])
    try terminal.type("q")
    #expect(try terminal.wait() == .exited(0))
    #expect(terminal.takesLines && !terminal.screen().isAlternate)
  }

  @Test("topics beyond the screen are counted, and come in when it grows")
  func manyTopics() throws {
    let broker = try RealBroker()
    let terminal = try Terminal("mqsub", broker.options + ["-t", "#", "--watch", "-v"], columns: 40, rows: 6)
    try terminal.waitForScreen("subscribed", columns: 40, rows: 6) { $0.row(with: "connected") == 0 }
    let lines = (1...20).map { "t/\($0) value\n" }.joined()
    let tool = try ToolProcess.run("mqpub", broker.options + ["-l", "--line-topic"], input: .text(lines))
    #expect(tool.end == .exited(0))
    try terminal.waitForScreen("four of them", columns: 40, rows: 6) {
      $0.texts.dropFirst() == ["t/1 value", "t/2 value", "t/3 value", "t/4 value", "… and 16 more topics"]
    }
    try terminal.resize(columns: 20, rows: 30)
    try terminal.waitForScreen("all of them", columns: 20, rows: 30) { $0.text(20) == "t/20 value" }
    terminal.signal(SIGTERM)
    #expect(try terminal.wait() == .exited(0))
    #expect(terminal.takesLines)
  }
}
