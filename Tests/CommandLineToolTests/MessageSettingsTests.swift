import MQTT
import Testing

@testable import CommandLineTool

struct PublishOptionTests {
  static let rows: [Row<PublishPlan>] = [
    Row("-t", "a/b", "-m", "hello") { ($0.topics, $0.payload) = ([topic("a/b")], .bytes(bytes("hello"))) },
    Row("--topic", "$x", "--message", "") { ($0.topics, $0.payload) = ([topic("$x")], .bytes([])) },
    Row("-t", "a", "-t", "b", "-m", "x") { $0.topics = [topic("a"), topic("b")] },
    Row("-t", "t", "-n") { $0.payload = .bytes([]) },
    Row("-t", "t", "--null-message") { $0.payload = .bytes([]) },
    Row("-t", "t", "-f", "/dev/stdin") { $0.payload = .file(path: bytes("/dev/stdin")) },
    Row("-t", "t", "--file", "-") { $0.payload = .file(path: bytes("-")) },
    Row("-t", "t", "-s") { $0.payload = .standardInput },
    Row("-t", "t", "--stdin-file") { $0.payload = .standardInput },
    Row("-t", "t", "-l") { $0.payload = lines() },
    Row("-t", "t", "--stdin-line") { $0.payload = lines() },
    Row("-t", "t", "-l", "-0") { $0.payload = lines { $0.end = 0 } },
    Row("-0", "--line-topic") {
      ($0.topics, $0.payload) = (
        [],
        lines {
          $0.end = 0
          $0.content = .topicAndPayload(separator: nil)
        }
      )
    },
    Row("-l", "--line-topic", "--line-separator", "; ") {
      ($0.topics, $0.payload) = ([], lines { $0.content = .topicAndPayload(separator: bytes("; ")) })
    },
    Row("-t", "t", "-m", "x", "--require-subscribers") { ($0.requiresSubscribers, $0.qos) = (true, .atLeastOnce) },
    Row("-t", "t", "-m", "x", "--require-subscribers", "-q", "2") {
      ($0.requiresSubscribers, $0.qos) = (true, .exactlyOnce)
    },
    Row("--stdin-json") { ($0.topics, $0.payload) = ([], lines { $0.content = .json }) },
    Row("--stdin-json", "-0", "-t", "t") {
      $0.payload = lines {
        $0.content = .json
        $0.end = 0
      }
    },
    Row("--replay", "r") { ($0.topics, $0.payload) = ([], .recording(Replay(path: bytes("r"), speed: 1))) },
    Row("--replay", "-", "-t", "t", "--speed", "0.5") { $0.payload = .recording(Replay(path: nil, speed: 0.5)) },
    Row("-t", "t", "--replay", "r", "--speed", "max") {
      $0.payload = .recording(Replay(path: bytes("r"), speed: nil))
    },
    Row("-t", "t", "-m", "x", "--template") { $0.isTemplate = true },
    Row("-t", "t", "-m", "x", "--encoding", "text") { _ in },
    Row("-t", "t", "-m", "x", "--encoding", "hex") { $0.encoding = .hex },
    Row("-t", "t", "-m", "x", "--encoding", "base64") { $0.encoding = .base64 },
    Row("-t", "t", "-m", "x", "--repeat", "3") { $0.repetition.count = 3 },
    Row("-t", "t", "-m", "x", "--repeat-delay", "0.5") { $0.repetition.pace = .afterDelivery(.milliseconds(500)) },
    Row("-t", "t", "-m", "x", "--every", "1m") { $0.repetition = Repetition(count: nil, pace: .every(.seconds(60))) },
    Row("-t", "t", "-m", "x", "--every", "2", "--repeat", "9") {
      $0.repetition = Repetition(count: 9, pace: .every(.seconds(2)))
    },
    // mosquitto_pub does not repeat lines either.
    Row("-t", "t", "-l", "--repeat", "3") { ($0.payload, $0.repetition.count) = (lines(), 3) },
    Row("-t", "t", "-m", "a", "-m", "x") { _ in },
    Row("-t", "t", "-m", "x", "-q", "1") { $0.qos = .atLeastOnce },
    Row("-t", "t", "-m", "x", "--qos=2") { $0.qos = .exactlyOnce },
    Row("-t", "t", "-m", "x", "-r") { $0.retain = true },
    Row("-t", "t", "-m", "x", "--retain") { $0.retain = true },
    Row("-t", "t", "-m", "x", "-D", "publish", "content-type", "c") {
      $0.properties = CommandLineToolTests.properties { $0[.contentType] = "c" }
    },
    Row("-L", "mqtt://h/a%2Fb", "-m", "x") { $0.topics = [topic("a%2Fb")] },
    Row("-L", "mqtt://h//a", "-t", "t", "-m", "x") { $0.topics = [topic("/a"), topic("t")] },
  ]

  private static func lines(_ change: (inout LineFormat) -> Void = { _ in }) -> PayloadSource {
    var format = LineFormat()
    change(&format)
    return .lines(format)
  }

  @Test("each option means what the interface says", arguments: rows)
  func meaning(row: Row<PublishPlan>) throws {
    var expected = PublishPlan(
      topics: [topic("t")], payload: .bytes(bytes("x")), qos: .atMostOnce, retain: false, properties: Properties())
    row.change(&expected)
    #expect(try publishing(row.words).publish == expected)
  }

  @Test("every option of the group has a row above")
  func completeness() {
    let words = Self.rows.flatMap(\.words).map { $0.hasPrefix("--qos") ? "--qos" : $0 }
    for option in PublishSettings.options.map(\.description) {
      #expect(option.spellings.allSatisfy { words.contains($0) }, "\(option.name)")
    }
  }

  @Test("a payload is any bytes")
  func binaryPayload() throws {
    let words: [[UInt8]] = [bytes("mqpub"), bytes("-t"), bytes("t"), bytes("-m"), [0xFF, 0xFE]]
    guard
      case .run(let invocation) = try Publishing.tool.commandLine.request(
        words, .own(.mqpub), environment: { _ in nil })
    else { return #expect(Bool(false)) }
    var settings = Publishing()
    try Publishing.tool.apply(invocation.uses, to: &settings)
    #expect(try settings.publish.plan(settings.connection, .own(.mqpub)).payload == .bytes([0xFF, 0xFE]))
  }

  @Test(
    "what is missing or too much is told",
    arguments: [
      (["-m", "x"], "no topic: name one with -t"),
      (["-t", "t"], "no message: give one with -m, -n, -f, -s, -l, --stdin-json or --replay"),
      ([], "no topic: name one with -t"),
      (["-t", "t", "-m", "x", "-n"], "-n: cannot stand together with -m"),
      (["-t", "t", "-l", "-s"], "-s: cannot stand together with -l"),
      (["-t", "t", "-s", "--file", "f"], "--file: cannot stand together with -s"),
      (["-t", "t", "-f", "f", "--message=x"], "--message: cannot stand together with -f"),
      (["-t", "a/#", "-m", "x"], "-t: \"a/#\": a topic name has no wildcards + and #"),
      (["-t", "", "-m", "x"], "-t: \"\": a topic name is at least one character long"),
      (["-L", "mqtt://h/+", "-m", "x"], "-L: \"+\": a topic name has no wildcards + and #"),
      (["-t", "t", "-m", "x", "-q", "3"], "-q: \"3\" is not 0, 1 or 2"),
      (["-t", "t", "-m", "x", "-q", "abc"], "-q: \"abc\" is not 0, 1 or 2"),
      (
        ["-t", "t", "-m", "x", "--require-subscribers", "-q", "0"],
        "--require-subscribers: needs -q 1 or 2: QoS 0 is not acknowledged"
      ),
      (
        ["-t", "t", "-m", "x", "--require-subscribers", "-V", "311"],
        "--require-subscribers: needs MQTT 5, and -V asks for MQTT 3.1.1"
      ),
      (["-t", "t", "-m", "x", "-0"], "-0: needs messages that are lines: -l or --stdin-json"),
      (["-t", "t", "--line-topic"], "--line-topic: cannot stand together with -t"),
      (["--line-topic", "--template"], "--template: is not for lines that have topics"),
      (["--stdin-json", "--line-topic"], "--line-topic: cannot stand together with --stdin-json"),
      (["--stdin-json", "--line-separator", ":"], "--line-separator: needs --line-topic"),
      (["--stdin-json", "--encoding", "hex"], "--encoding: is not for --stdin-json, which has payload_base64"),
      (["--stdin-json", "--every", "1"], "--every: is for one message, and lines are published as they come"),
      (["--line-topic", "-m", "x"], "-m: cannot stand together with -l"),
      (["-t", "t", "-l", "--line-separator", ":"], "--line-separator: needs --line-topic"),
      (["--line-topic", "--line-separator", ""], "--line-separator: is empty"),
      (["-t", "t", "-m", "x", "--encoding", "hexa"], "--encoding: \"hexa\" is not text, hex or base64"),
      (["-t", "t", "-m", "x", "--repeat", "0"], "--repeat: \"0\" is not a number from 1"),
      (
        ["-t", "t", "-m", "x", "--repeat-delay", "soon"],
        "--repeat-delay: \"soon\" is not a time such as 10, 0.5, 500ms, 2s, 5m, 1h or 7d"
      ),
      (["-t", "t", "-m", "x", "--every", "0"], "--every: \"0\" is not a time above zero"),
      (
        ["-t", "t", "-m", "x", "--every", "1", "--repeat-delay", "1"],
        "--every: cannot stand together with --repeat-delay"
      ),
      (
        ["-t", "t", "-l", "--every", "1"],
        "--every: is for one message, and lines are published as they come"
      ),
      (["-t", "t", "-v"], "-v: unknown option; it belongs to mqsub"),
      (["-t", "t", "--filter-out", "x"], "--filter-out: unknown option; it belongs to mqsub"),
    ])
  func mistakes(words: [String], message: String) {
    #expect(throws: UsageError(message)) { try publishing(words) }
  }

  @Test("--require-subscribers asks for MQTT 5, also under mosquitto's name")
  func latestVersion() throws {
    for program in ["mqpub", "mosquitto_pub"] {
      let plan = try publishing(["-t", "t", "-m", "x", "--require-subscribers"], as: program)
      #expect(plan.connection.version == .fixed(.v5))
    }
  }

  @Test("under mosquitto's name the last topic wins")
  func lastTopic() throws {
    #expect(
      try publishing(["-t", "a", "-t", "b", "-n"], as: "mosquitto_pub").publish.topics == [topic("b")])
  }

  @Test("the command line says the message that a file said otherwise")
  func sources() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("-t a\n-t b\n-l\n-q 2\n", to: "options")
    #expect(try publishing(["-o", file]).publish.payload == .lines(LineFormat()))
    // The topics of a file do not stand in the way of lines that have theirs.
    #expect(try publishing(["-o", file, "--line-topic"]).publish.topics == [])
    let plan = try publishing(["-o", file, "-m", "x", "-t", "c"]).publish
    #expect((plan.payload, plan.topics, plan.qos) == (.bytes(bytes("x")), [topic("c")], .exactlyOnce))
  }
}

struct SubscribeOptionTests {
  static let rows: [Row<SubscribePlan>] = [
    Row("-t", "a/#") { $0[0].filter = filter("a/#") },
    Row("--topic", "$share/g/+") { $0[0].filter = filter("$share/g/+") },
    Row("-t", "t", "-t", "u") { $0.add(Subscription(filter: filter("u"))) },
    Row("-L", "mqtt://h/a/#") { $0[0].filter = filter("a/#") },
    Row("-L", "mqtt://h/t", "-t", "u") { $0.add(Subscription(filter: filter("u"))) },
    Row("-t", "t", "-U", "a", "--unsubscribe", "b/#") { $0.unsubscribed = [filter("a"), filter("b/#")] },
    Row("-U", "a") { ($0.requests, $0.unsubscribed) = ([], [filter("a")]) },
    Row("-t", "t", "-q", "2") { $0[0].options.qos = .exactlyOnce },
    Row("-t", "t", "--qos", "1") { $0[0].options.qos = .atLeastOnce },
    Row("--subscribe", "qos=2 t") { $0[0].options.qos = .exactlyOnce },
    Row("--subscribe", " t") { _ in },
    Row("--subscribe", "nl,rap,rh=2 a b/#", "-q", "1") {
      $0[0].filter = filter("a b/#")
      $0[0].options = SubscriptionOptions(
        qos: .atLeastOnce, noLocal: true, retainAsPublished: true, retainHandling: .doNotSend)
      $0.optionForLatestVersion = "--subscribe"
    },
    // Filters with one identifier go into one packet.
    Row("-t", "t", "--subscribe", "id=5 a", "--subscribe", "id=5,rh=1 b", "--subscribe", "id=6,qos=0 c", "-t", "d") {
      $0.add(Subscription(filter: filter("d")))
      $0.requests += [5, 6].map { identifier in
        SubscribeRequest([], properties: CommandLineToolTests.properties { $0[.subscriptionIdentifier] = identifier })
      }
      $0.requests[1].subscriptions = [
        Subscription(filter: filter("a")),
        Subscription(filter: filter("b"), options: SubscriptionOptions(retainHandling: .sendIfNew)),
      ]
      $0.requests[2].subscriptions = [Subscription(filter: filter("c"))]
      $0.optionForLatestVersion = "--subscribe"
    },
    Row("-t", "t", "--retain-handling", "always") { _ in },
    Row("-t", "t", "--retain-handling", "new") { $0[0].options.retainHandling = .sendIfNew },
    Row("-t", "t", "--retain-handling", "never") { $0[0].options.retainHandling = .doNotSend },
    Row("-t", "t", "--retain-as-published") { $0[0].options.retainAsPublished = true },
    Row("-t", "t", "--strict-subscribe") { $0.isStrict = true },
    Row("-t", "t", "--on-ready", "echo") { $0.readyCommand = bytes("echo") },
    Row("-t", "t", "-D", "subscribe", "subscription-identifier", "3") {
      $0.requests[0].properties = CommandLineToolTests.properties { $0[.subscriptionIdentifier] = 3 }
    },
    Row("-t", "t", "-D", "unsubscribe", "user-property", "a", "b") {
      $0.unsubscribeProperties = CommandLineToolTests.properties { $0.userProperties = [UserProperty("a", "b")] }
    },

    Row("-t", "t", "-T", "a/+", "--filter-out", "b") { $0.selection.filtersOut = [filter("a/+"), filter("b")] },
    Row("-t", "t", "--where", "payload = 1", "--where", "qos=0") {
      $0.selection.tests = [test("payload = 1"), test("qos=0")]
    },
    Row("-t", "t", "-R") {
      $0.selection.retained = .hidden
      $0[0].options.retainHandling = .doNotSend
    },
    Row("-t", "t", "-R", "--retain-handling", "new") {
      $0.selection.retained = .hidden
      $0[0].options.retainHandling = .sendIfNew
    },
    Row("-t", "t", "--retained-only") {
      $0.selection.retained = .alone
      $0.end = .retainedEnd(needsMessage: false, endsAtLive: true)
    },
    Row("-t", "t", "--random-filter", "12.5") { $0.selection.part = .init(percent: 12.5) },
    Row("-t", "t", "--remove-retained") {
      $0.removesRetained = true
      $0.end = .retainedEnd(needsMessage: false, endsAtLive: false)
    },
    Row("-t", "t", "--remove-retained", "-R") {
      $0.removesRetained = true
      $0.selection.retained = .hidden
      $0.end = .retainedEnd(needsMessage: false, endsAtLive: false)
    },
    Row("-t", "t", "--clear-retained") {
      ($0.clearing, $0.removesRetained) = (.removal(wideFilter: nil), true)
      $0.selection.retained = .alone
      $0.end = .retainedEnd(needsMessage: false, endsAtLive: false)
    },
    Row("-t", "t", "-t", "+/a", "--clear-retained") {
      $0.add(Subscription(filter: filter("+/a")))
      ($0.clearing, $0.removesRetained) = (.removal(wideFilter: filter("+/a")), true)
      $0.selection.retained = .alone
      $0.end = .retainedEnd(needsMessage: false, endsAtLive: false)
    },
    Row("-t", "t", "-t", "#", "--clear-retained", "--yes") {
      $0.add(Subscription(filter: filter("#")))
      ($0.clearing, $0.removesRetained) = (.removal(wideFilter: nil), true)
      $0.selection.retained = .alone
      $0.end = .retainedEnd(needsMessage: false, endsAtLive: false)
    },
    Row("-t", "t", "--clear-retained", "--dry-run") {
      $0.clearing = .dryRun
      $0.selection.retained = .alone
      $0.end = .retainedEnd(needsMessage: false, endsAtLive: false)
    },
    Row("-t", "t", "--message-rate", "-C", "1") { $0.showsRate = true },

    Row("-t", "t", "-C", "1") { $0.count = 1 },
    Row("-t", "t", "-E") { $0.end = .subscribed },
    Row("-t", "t", "--get") {
      $0.selection.retained = .alone
      $0.end = .retainedEnd(needsMessage: true, endsAtLive: false)
    },
    Row("-t", "t", "--until", ".a=1", "--until", "retain=0") { $0.finalTests = [test(".a=1"), test("retain=0")] },
    Row("-t", "t", "--idle", "1.5") { $0.idleTime = .milliseconds(1500) },
    Row("--end-session", "-i", "x") { ($0.requests, $0.end) = ([], .connected) },
    Row("-t", "t", "--on-takeover", "exit") { _ in },
    Row("-t", "t", "--on-takeover", "retry") { $0.takeover = .retry },
  ]

  @Test("each option means what the interface says", arguments: rows)
  func meaning(row: Row<SubscribePlan>) throws {
    var expected = SubscribePlan(requests: [SubscribeRequest([Subscription(filter: filter("t"))])])
    row.change(&expected)
    #expect(try subscribing(row.words).subscribe == expected)
  }

  @Test("every option of the group has a row above")
  func completeness() {
    let words = Self.rows.flatMap(\.words)
    for option in SubscribeSettings.options.map(\.description) {
      #expect(option.spellings.allSatisfy { words.contains($0) }, "\(option.name)")
    }
  }

  @Test("under mosquitto_sub's name --remove-retained goes on")
  func strict() throws {
    #expect(try subscribing(["-t", "t", "--remove-retained"], as: "mosquitto_sub").subscribe.end == .none)
    let both = try subscribing(["-t", "t", "--remove-retained", "--retained-only"], as: "mosquitto_sub").subscribe.end
    #expect(both == .retainedEnd(needsMessage: false, endsAtLive: true))
  }

  @Test("[MQTT-3.3.4-9] -C asks the broker not to send many more messages, unless the user says it or they are many")
  func receiveMaximum() throws {
    func announced(_ words: String...) throws -> UInt16? {
      var (connection, plan) = try subscribing(["-t", "t"] + words)
      plan.adapt(&connection)
      return connection.connect.properties[.receiveMaximum]
    }
    #expect(try announced() == nil)
    #expect(try announced("-C", "1") == 1)
    #expect(try announced("-C", "19") == 19)
    #expect(try announced("-C", "20") == nil)
    #expect(try announced("-C", "1", "-D", "connect", "receive-maximum", "7") == 7)
  }

  @Test("[3.1.2.11.2] --end-session begins clean and lets the session end with the connection")
  func endSession() throws {
    var (connection, plan) = try subscribing(["-i", "x", "-c", "-x", "100", "--end-session"])
    #expect(!connection.connect.cleanStart)
    plan.adapt(&connection)
    #expect(connection.connect.cleanStart)
    #expect(connection.connect.properties[.sessionExpiryInterval] == nil)
  }

  @Test(
    "what is missing or wrong is told",
    arguments: [
      ([], "no topic: name one with -t, or with -U to unsubscribe"),
      (["-t", "a#"], "-t: \"a#\": + and # take a whole level of a topic filter"),
      (["-t", "#/a"], "-t: \"#/a\": # is the last level of a topic filter"),
      (["-t", "t", "-T", "$share/x"], "-T: \"$share/x\": a shared subscription is $share/NAME/FILTER"),
      (["-U", ""], "-U: \"\": a topic filter is at least one character long"),
      (["-t", "t", "-C", "0"], "-C: \"0\" is not a number from 1"),
      (["-t", "t", "-q", "-1"], "-q: \"-1\" is not 0, 1 or 2"),
      (["--subscribe", "t"], "--subscribe: \"t\" is not OPTIONS FILTER, such as 'qos=1,nl a/#'"),
      (
        ["--subscribe", "qos=1,x a"],
        "--subscribe: \"x\" is not one of qos=N, nl, rap, rh=N and id=N; they end at the first blank"
      ),
      (["--subscribe", "rh=3 a"], "--subscribe: \"3\" is not 0, 1 or 2"),
      (["--subscribe", "id=0 a"], "--subscribe: \"0\" is not a number from 1 to 268435455"),
      (["--subscribe", "nl $share/g/a"], "--subscribe: nl is not for a shared subscription"),
      (["--subscribe", "nl a", "-V", "311"], "--subscribe: needs MQTT 5, and -V asks for MQTT 3.1.1"),
      (["-t", "t", "-R", "--retained-only"], "-R: cannot stand together with --retained-only"),
      (["-t", "t", "-R", "--get"], "-R: cannot stand together with --get"),
      (["-t", "t", "-E", "--get"], "-E: cannot stand together with --get"),
      (["--end-session"], "--end-session: needs a client identifier, -i"),
      (["-t", "t", "--random-filter", "0"], "--random-filter: \"0\" is not a percentage above 0 and up to 100"),
      (["-t", "t", "--random-filter", "nan"], "--random-filter: \"nan\" is not a percentage above 0 and up to 100"),
      (["-t", "t", "--idle", "0"], "--idle: \"0\" is not a time above zero"),
      (["-t", "t", "--until", "payload"], "--until: behind the field comes one of = != < <= > >= ~ !~"),
    ])
  func mistakes(words: [String], message: String) {
    #expect(throws: UsageError(message)) { try subscribing(words) }
  }

  @Test("a part of the messages is that part", arguments: [0.1, 10, 50, 99, 100])
  func part(percent: Double) throws {
    var selection = MessageSelection()
    selection.part = .init(percent: percent)
    let count = 100_000
    let wanted = try PublishPacket(topic: bytes("t")).with { message in
      (0..<count).count { _ in selection.wants(message) }
    }
    // Six standard deviations: once in five hundred million runs it is more.
    let (expected, part) = (Double(count) * percent / 100, percent / 100)
    #expect(abs(Double(wanted) - expected) <= 6 * (expected * (1 - part)).squareRoot())
  }
}

extension SubscribePlan {
  /// A subscription of the first request.
  fileprivate subscript(index: Int) -> Subscription {
    get { requests[0].subscriptions[index] }
    set { requests[0].subscriptions[index] = newValue }
  }

  fileprivate mutating func add(_ subscription: Subscription) { requests[0].subscriptions.append(subscription) }
}

private func test(_ text: String) -> TestExpression { try! TestExpression(bytes(text)) }

struct OutputOptionTests {
  static let rows: [Row<OutputPlan>] = [
    Row { _ in },
    Row("-v") { $0.style = .verbose(showsTime: false) },
    Row("--verbose") { $0.style = .verbose(showsTime: false) },
    Row("-vv") { $0.style = .verbose(showsTime: true) },
    Row("-v", "-v") { $0.style = .verbose(showsTime: false) },
    Row("-F", "%t") { $0.style = .custom(try! FormatString(bytes("%t"))) },
    Row("-F", "%t", "-v") { $0.style = .custom(try! FormatString(bytes("%t"))) },
    Row("-N") { $0.terminator = nil },
    Row("-0") { $0.terminator = 0 },
    Row("--json") { $0.style = .json },
    Row("--hexdump") { $0.style = .hexadecimalDump(showsTopic: false) },
    Row("--hexdump", "-v") { $0.style = .hexadecimalDump(showsTopic: true) },
    Row("--hexdump", "-vv") { $0.style = .hexadecimalDump(showsTopic: true, showsTime: true) },
    Row("--pretty") { $0.isPretty = true },
    Row("--raw") { $0.isRaw = true },
    Row("--color", "always") { $0.color = .always },
    Row("--color", "never") { $0.color = .never },
    Row("--color=auto") { $0.color = .auto },
  ]

  @Test("each option means what the interface says", arguments: rows)
  func meaning(row: Row<OutputPlan>) throws {
    var expected = OutputPlan()
    row.change(&expected)
    #expect(try showing(row.words) == expected)
  }

  @Test("every option of the group has a row above")
  func completeness() {
    let words = Self.rows.flatMap(\.words) + ["--color"]
    for option in OutputSettings.options.map(\.description) {
      #expect(option.spellings.allSatisfy { words.contains($0) }, "\(option.name)")
    }
  }

  @Test("under mosquitto_sub's name nothing has colours unless they are asked for")
  func strict() throws {
    #expect(try showing([], as: "mosquitto_sub").color == .never)
    #expect(try showing(["--color", "auto"], as: "mosquitto_sub").color == .auto)
  }

  @Test(
    "what cannot be meant is told",
    arguments: [
      (["-F", "%z"], "-F: there is no '%z'; for a percent sign write %%"),
      (["-F", "%t", "--json"], "--json: cannot stand together with -F"),
      (["--json", "--hexdump"], "--hexdump: cannot stand together with --json"),
      (["-0", "-N"], "-0: cannot stand together with -N"),
      (["-vvv"], "-v: takes no value, but \"-vvv\" gives it one; options are not joined, write each by itself"),
      (["--color", "yes"], "--color: \"yes\" is not auto, always or never"),
    ])
  func mistakes(words: [String], message: String) {
    #expect(throws: UsageError(message)) { try showing(words) }
  }
}

struct OptionTableTests {
  private let tables = [Publishing.tool.commandLine.options, Subscribing.tool.commandLine.options]

  @Test("the tables keep the rules of all tables")
  func invariants() {
    for table in tables { checkInvariants(of: table) }
  }

  @Test("no text names an option that does not exist")
  func crossReferences() {
    for tool in [Publishing.tool.commandLine, Subscribing.tool.commandLine] {
      #expect(ManualText.unknownOptions(in: tool.description, tool.options) == [])
    }
  }

  @Test("a letter has one long name in all tools, and the letters are mosquitto's")
  func letters() {
    var names: [String: String] = [:]
    for option in tables.joined() where !option.short.isEmpty {
      #expect(names.updateValue(option.long, forKey: option.short) ?? option.long == option.long)
    }
    #expect(
      names.keys.sorted().joined(separator: " ")
        == "0 A C D E F I L M N P R S T U V W c d f h i k l m n o p q r s t u v vv x")
  }

  @Test("help fits a terminal of 80 columns")
  func help() {
    for tool in [Publishing.tool.commandLine, Subscribing.tool.commandLine] {
      let lines = HelpText.text(tool.description, options: tool.options).split(separator: "\n")
      for line in lines { #expect(line.count <= 80, "\(line)") }
    }
  }
}
