import Foundation
import TestSupport
import Testing

/// mqshell on a terminal, against a real broker.
@Suite(.needs("mosquitto", "mosquitto_pub"))
struct ShellTerminalTests {
  /// A shell that is connected and shows `filter`.
  private func shell(
    _ broker: RealBroker, subscribedTo filter: String = "t/#", environment: [String: String?] = [:],
    home: TemporaryFolder? = nil
  ) throws -> Terminal {
    let terminal = try Terminal(
      "mqshell", ["127.0.0.1:\(broker.port)", "--color", "never"], environment: environment, home: home)
    try terminal.read(until: "127.0.0.1> ")
    try terminal.type("sub \(filter)\r")
    try terminal.read(until: "subscribed \(filter)")
    try terminal.read(until: "127.0.0.1> ")
    return terminal
  }

  private func publish(_ broker: RealBroker, _ topic: String, _ payloads: [String]) throws {
    let tool = try ToolProcess.run(
      "mosquitto_pub", broker.options + ["-t", topic, "-l"],
      input: .text(payloads.map { $0 + "\n" }.joined()))
    try #require(tool.end == .exited(0))
  }

  @Test("half a line stays while 100 messages come, and is completed and sent")
  func halfALine() throws {
    let broker = try RealBroker()
    let terminal = try shell(broker, subscribedTo: "#")
    try terminal.type("pub t/half 'typed before")
    try terminal.read(until: "typed before")
    try publish(broker, "other", (1...100).map { "message \($0)" })
    try terminal.read(until: "other  message 100\r\n")
    // The line is drawn again below the message.
    try terminal.read(until: "127.0.0.1> pub t/half 'typed before")
    try terminal.type(" and after'\r")
    try terminal.read(until: "t/half  typed before and after\r\n")
    try terminal.read(until: "127.0.0.1> ")
    try terminal.type("\u{4}")
    #expect(try terminal.wait() == .exited(0))
    Expect.eventually { broker.log.contains("disconnected.") }
  }

  @Test("messages that come faster than anybody reads are counted, kept, and told")
  func flood() throws {
    let broker = try RealBroker()
    let terminal = try shell(broker)
    try terminal.type("pub t/mine still")
    try publish(broker, "t/flood", (1...3000).map { "\($0)" })
    try terminal.read(until: " messages not shown, they come too fast")
    try terminal.read(until: "unread]> pub t/mine still")
    try terminal.type(" here\rlast 1\r")
    try terminal.read(until: "t/mine  still here")
    #expect(terminal.outputText.split(separator: "\n").count { $0.contains("t/flood  ") } < 500)
    try terminal.type("last 2 t/flood\r")
    try terminal.read(until: "t/flood  2999\r\n")
    try terminal.read(until: "t/flood  3000\r\n")
  }

  @Test("the history is searched while messages come")
  func search() throws {
    let broker = try RealBroker()
    let terminal = try shell(broker)
    try terminal.type("pub t/lamp first\r")
    try terminal.read(until: "t/lamp  first")
    try terminal.type("pub t/desk second\r")
    try terminal.read(until: "t/desk  second")
    try terminal.type("\u{12}lam")
    try terminal.read(until: "lam\u{1b}[27m")  // what was found stands out
    try publish(broker, "t/x", ["meanwhile"])
    try terminal.read(until: "t/x  meanwhile\r\n")
    try terminal.read(until: "i-search)`lam': pub t/")
    try terminal.type("\r")
    try terminal.read(until: "t/lamp  first\r\n")
  }

  @Test("the line is still there when the window becomes narrow and wide again")
  func resize() throws {
    let broker = try RealBroker()
    let terminal = try shell(broker)
    let words = "pub t/x this line takes more than forty columns"
    try terminal.type(words)
    try terminal.read(until: "columns")
    try terminal.resize(columns: 40, rows: 20)
    try publish(broker, "t/y", ["narrow"])
    try terminal.read(until: "t/y  narrow\r\n")
    try terminal.resize(columns: 80, rows: 24)
    try publish(broker, "t/y", ["wide"])
    try terminal.read(until: "t/y  wide\r\n")
    try terminal.read(until: "127.0.0.1> " + words)
    try terminal.type(" yes\r")
    try terminal.read(until: "t/x  this line takes more than forty columns yes\r\n")
  }

  @Test("a dumb terminal gets no escape sequence, and works")
  func dumb() throws {
    let broker = try RealBroker()
    let terminal = try Terminal("mqshell", ["127.0.0.1:\(broker.port)"], environment: ["TERM": "dumb"])
    try terminal.read(until: "127.0.0.1> ")
    try terminal.type("sub t/#\r")
    try terminal.read(until: "subscribed t/#")
    try terminal.read(until: "127.0.0.1> ")
    try terminal.type("pub t/half typed")
    try publish(broker, "t/x", ["meanwhile"])
    try terminal.read(until: "t/x  meanwhile")
    try terminal.type(" whole\r")
    try terminal.read(until: "t/half  typed whole")
    try terminal.type("quit\r")
    #expect(try terminal.wait() == .exited(0))
    #expect(!terminal.output.contains(0x1B))
  }

  @Test("TAB completes verbs, options, properties, connections, and topics level by level")
  func completion() throws {
    let broker = try RealBroker()
    for topic in ["home/desk/temp", "home/desk/lamp", "home/hall/temp"] {
      _ = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", topic, "-m", "x", "-r"])
    }
    let terminal = try shell(broker)
    // Retained topics are asked for; nobody has subscribed to them.
    try terminal.type("get ho\t")
    try terminal.read(until: "get home/")
    try terminal.type("d\tt\t")
    try terminal.read(until: "desk/temp ")
    try terminal.type("\r")
    try terminal.read(until: "home/desk/temp  x  [r]")
    for (typed, completed) in [
      ("uns\t", "unsub "), ("sub --no-\t", "sub --no-local "), ("@127\t", "@127.0.0.1 "), ("set mu\ton", "set mute on"),
      ("pub -D pub\tcontent-\t", "pub -D publish content-type "), ("fails 6 get home/h\t", "fails 6 get home/hall/"),
      ("unsub t\t", "unsub t/# "), ("open loc\t", "open localhost "),
    ] {
      try terminal.type(typed)
      try terminal.read(until: completed)
      try terminal.type("\u{3}")
      try terminal.read(until: "127.0.0.1> ")
    }
  }

  @Test("Ctrl-C gives up the line or the command, and Ctrl-D leaves")
  func keys() throws {
    let broker = try RealBroker()
    let terminal = try shell(broker)
    try terminal.type("pub t/never sent\u{3}")
    try terminal.read(until: "^C")
    try terminal.read(until: "127.0.0.1> ")
    try terminal.type("sleep 1h\r")
    try terminal.read(until: "sleep 1h\r\n")
    // The terminal is the command's by now: it echoes.
    try Expect.eventually {
      try terminal.type("\u{3}"); return terminal.outputText.hasSuffix("127.0.0.1> ")
    }
    try terminal.type("pub t/sent yes\r")
    try terminal.read(until: "t/sent  yes\r\n")
    #expect(!terminal.outputText.contains("t/never  "))
    try terminal.type("nonsense\r")
    try terminal.read(until: "\"nonsense\" is no command")
    try terminal.read(until: "127.0.0.1> ")
    try terminal.type("\u{4}")
    #expect(try terminal.wait() == .exited(0))
  }

  @Test("the history is kept for the next shell, private, without secrets and repeats")
  func history() throws {
    let broker = try RealBroker()
    let home = try TemporaryFolder()
    let terminal = try shell(broker, home: home)
    for line in ["pub t/a 1", "pub t/b 2", "pub t/a 1"] {
      try terminal.type(line + "\r")
      try terminal.read(until: "t/")
      try terminal.read(until: "127.0.0.1> ")
    }
    try terminal.type("open x=127.0.0.1:\(broker.port) -u ann -P hidden\r")
    try terminal.read(until: "x> ")
    try terminal.type("\u{4}")
    #expect(try terminal.wait() == .exited(0))
    let kept = String(decoding: try home.read(".local/state/mqshell/history"), as: UTF8.self)
    #expect(kept.hasSuffix("pub t/a 1\npub t/b 2\npub t/a 1\nopen x=127.0.0.1:\(broker.port) -u ann -P ****\n"))
    let attributes = try FileManager.default.attributesOfItem(atPath: home.path(".local/state/mqshell/history"))
    #expect(attributes[.posixPermissions] as? Int == 0o600)

    let next = try shell(broker, home: home)
    // sub, open, pub t/a, pub t/b: each is there once.
    try next.type("\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[A\r")
    try next.read(until: "t/b  2\r\n")
    try next.type("history 2\r")
    try next.read(until: "pub t/b 2\r\nhistory 2\r\n")
  }

  @Test("Ctrl-C at a question for a password ends the question, and a probe cleans up after it")
  func interruptedQuestions() throws {
    let broker = try RealBroker()
    let terminal = try shell(broker)
    try terminal.type("open other=127.0.0.1:\(broker.port) -u ann --pw-from prompt\r")
    try terminal.read(until: "Password of ann at 127.0.0.1: ")
    try terminal.type("\u{3}")
    try terminal.read(until: "password: ")
    try terminal.read(until: "127.0.0.1> ")
    try terminal.type("probe\r")
    try terminal.read(until: "retain as published")
    try terminal.type("\u{3}")
    try terminal.read(until: "127.0.0.1> ")
    try terminal.type("get mqshell-probe/#\r")
    try terminal.read(until: "the broker keeps no value of 'mqshell-probe/#'")
  }

  @Test("rows that the terminal has broken anew are taken off before the line is drawn again")
  func rebroken() throws {
    let broker = try RealBroker()
    let terminal = try shell(broker)
    // 11 columns of prompt and 100 more: two rows of 80, and the cursor in the third of 40, in the sixth of 20.
    try terminal.type("pub t/x " + String(repeating: "y", count: 91) + "!")
    try terminal.read(until: "!")
    for (columns, above) in [(40, "\u{1b}[2A"), (20, "\u{1b}[5A"), (80, "\u{1b}[1A")] {
      try terminal.resize(columns: columns, rows: 24)
      try terminal.read(until: "\r\(above)\u{1b}[J")
      try terminal.read(until: "!")
    }
    try terminal.resize(columns: 120, rows: 24)
    try terminal.read(until: "\r\u{1b}[J")
    try terminal.type("\r")
    try terminal.read(until: "t/x  " + String(repeating: "y", count: 91) + "!\r\n")
  }

  @Test("an outage is told above the line, and in the prompt")
  func outage() throws {
    let broker = try RealBroker()
    let terminal = try shell(broker)
    try terminal.type("pub t/later x")
    try broker.stop()
    try terminal.read(until: "127.0.0.1: the broker closed the connection; trying again\r\n")
    try terminal.read(until: "127.0.0.1 (reconnecting)> pub t/later x")
    try broker.restart()
    try terminal.read(until: "127.0.0.1: connected again\r\n")
    try terminal.read(until: "127.0.0.1> pub t/later x")
    try terminal.type("\r")
    try terminal.read(until: "t/later  x\r\n")
  }

  @Test("nothing from the network steers the terminal")
  func hostile() throws {
    let broker = try ScriptedBroker()
    let terminal = try Terminal("mqshell", broker.options + ["-V", "311", "--color", "never"])
    let connection = try broker.acceptConnect()
    try terminal.read(until: "127.0.0.1")
    try connection.send("30 r* s* 'a\u{1b}[2J' 'x\u{1b}]0;y\u{7}' 0a 'forged line\u{202e}'")
    try terminal.read(until: "forged line")
    let shown = terminal.outputText
    #expect(!shown.contains("\u{1b}[2J") && !shown.contains("\u{1b}]0") && !shown.contains("\u{202e}"))
    #expect(!shown.contains("\nforged"))
  }

  @Test("the first five minutes: from nothing to live messages in three commands")
  func firstFiveMinutes() throws {
    let broker = try RealBroker()
    for (topic, payload) in [("home/desk/temp", "21.5"), ("home/desk/lamp", "{\"state\":\"ON\"}")] {
      _ = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", topic, "-m", payload, "-r"])
    }
    let terminal = try Terminal("mqshell", ["--color", "never"])
    try terminal.read(until: "Not connected. Try:  open localhost     (help for more, Ctrl-D to leave)\r\n")
    try terminal.read(until: "mq> ")
    try terminal.type("help\r")
    try terminal.read(until: "show every message")
    try terminal.read(until: "mq> ")
    try terminal.type("open localhost:\(broker.port)\r")
    try terminal.read(until: "localhost:\(broker.port)  MQTT 5, session new, mosquitto \(RealBroker.version), ")
    try terminal.read(until: "localhost> ")
    try terminal.type("sub home/#\r")
    try terminal.read(until: "subscribed home/#  QoS 0  2 retained\r\n")
    try terminal.read(until: "  home/desk/temp  21.5  [r]\r\n")
    try terminal.read(until: "  home/desk/lamp  {\"state\":\"ON\"}  [r]\r\n")
    try terminal.read(until: "localhost> ")
    try terminal.type("pub home/desk/lamp {\"state\":\"OFF\"}\r")
    try terminal.read(until: "  home/desk/lamp  {\"state\":\"OFF\"}\r\n")
    try terminal.read(until: "localhost> ")
    try terminal.type("expect home/desk/temp payload > 21.6 within 10s\r")
    try terminal.read(until: "within 10s\r\n")
    _ = try ToolProcess.run("mosquitto_pub", broker.options + ["-t", "home/desk/temp", "-m", "21.7"])
    try terminal.read(until: "ok  home/desk/temp  21.7  after ")
    try terminal.read(until: "localhost> ")
    try terminal.type("show\r")
    try terminal.read(until: "home/desk/temp  QoS 0, 4 bytes, ")
    try terminal.read(until: "21.7\r\n")
    try terminal.type("save session.mq\r")
    try terminal.read(until: "4 lines saved in session.mq")
    try terminal.read(until: "localhost> ")
    try terminal.type("\u{4}")
    #expect(try terminal.wait() == .exited(0))
    Expect.text(
      try terminal.home.read("session.mq"),
      """
      open localhost:\(broker.port)
      sub home/#
      pub home/desk/lamp {"state":"OFF"}
      expect home/desk/temp payload > 21.6 within 10s

      """)
  }
}
