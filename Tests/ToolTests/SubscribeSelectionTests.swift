import TestSupport
import Testing

/// Which messages mqsub prints, how, and when it ends, with a real broker.
@Suite(.needs("mosquitto"))
struct SubscribeSelectionTests {
  // MARK: - Which

  @Test("--where leaves out what does not pass all tests")
  func tests() throws {
    let scene = try SubscribeRun()
    let tool = try scene.start("-t", "#", "--where", ".t > 20", "--where", "topic ~ ^a/", "-v", "-C", "2")
    try scene.publish(#"a/1 {"t":21}"#, #"b/1 {"t":22}"#, "a/2 none", #"a/3 {"t":19.9}"#, #"a/4 {"t":1e2}"#)
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "a/1 {\"t\":21}\na/4 {\"t\":1e2}\n")
  }

  @Test("--random-filter lets a part of the messages through, the whole with 100")
  func part() throws {
    let scene = try SubscribeRun()
    let tenth = try scene.start("-t", "t", "-q", "1", "--random-filter", "10", "--until", "payload = 2000")
    let whole = try scene.start("-t", "t", "-q", "1", "--random-filter", "100", "--until", "payload = 2000")
    let published = try ToolProcess.run(
      "mqpub", scene.broker.options + ["-t", "t", "-q", "1", "-l"], input: .bytes(numberedLines(upTo: 2000)))
    expectSuccess(published)
    #expect(try whole.wait() == .exited(0))
    Expect.bytes(whole.output, numberedLines(upTo: 2000))
    tenth.signal(15)
    try tenth.wait()
    // 200 are expected; this is eight standard deviations off.
    #expect((93...307).contains(tenth.outputText.split(separator: "\n").count))
  }

  @Test("[MQTT-3.3.1-9] retained messages: -R hides them", arguments: versions)
  func hidden(version: String) throws {
    let scene = try SubscribeRun()
    try scene.retain("a old")
    let tool = try scene.start("-V", version, "-t", "a", "-R", "-C", "1")
    try scene.publish("a new")
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "new\n")
  }

  @Test("--retained-only shows them alone and ends after them, also on a quiet topic", arguments: versions)
  func alone(version: String) throws {
    let scene = try SubscribeRun()
    try scene.retain("a/1 x", "a/2 y")
    let tool = try scene.run("-V", version, "-t", "a/#", "--retained-only", "-v")
    expectSuccess(tool)
    #expect(tool.outputText == "a/1 x\na/2 y\n")
    expectSuccess(try scene.run("-V", version, "-t", "b/#", "--retained-only"))
  }

  @Test("--retained-only ends at the first other message")
  func endsAtLive() throws {
    let scene = try SubscribeRun()
    let tool = try scene.start("-t", "a", "--retained-only", "--idle", "9")
    try scene.publish("a live")
    #expect(try tool.wait() == .exited(0))
    #expect(tool.output.isEmpty)
  }

  @Test("--remove-retained removes what it prints and ends; -T keeps, -R only hides", arguments: versions)
  func removed(version: String) throws {
    let scene = try SubscribeRun()
    try scene.retain("a/1 x", "a/2 y", "a/3 z", "b w")
    let tool = try scene.run("-V", version, "-t", "a/#", "--remove-retained", "-T", "a/2", "-v")
    expectSuccess(tool)
    #expect(tool.outputText == "a/1 x\na/3 z\n")
    #expect(try scene.kept("#") == ["a/2 y", "b w"])
    let hidden = try scene.run("-V", version, "-t", "#", "--remove-retained", "-R")
    expectSuccess(hidden)
    #expect(hidden.output.isEmpty)
    #expect(try scene.kept("#") == [])
  }

  @Test("--remove-retained --retained-only, the recipe of mosquitto_sub's manual, ends under either name")
  func recipe() throws {
    let scene = try SubscribeRun()
    for name in ["mqsub", "mosquitto_sub"] {
      try scene.retain("a/1 x", "a/2 y")
      let tool = try ToolProcess.run(
        "mqsub", scene.broker.options + ["-t", "#", "--remove-retained", "--retained-only", "-v"], arg0: name)
      expectSuccess(tool)
      #expect(tool.outputText == "a/1 x\na/2 y\n")
      #expect(try scene.kept("#") == [])
    }
  }

  @Test("what the broker forbids to remove is told, with its reason as the status")
  func forbidden() throws {
    // Without the last line mosquitto 2.0.11 ends the connection behind its refusal.
    let broker = try RealBroker(
      acl: "topic read #\nuser admin\ntopic readwrite #\n", lines: ["max_queued_messages 1000"])
    _ = try ToolProcess.run("mqpub", broker.options + ["-u", "admin", "-t", "a", "-m", "x", "-r", "-q", "1"])
    let tool = try ToolProcess.run("mqsub", broker.options + ["-t", "a", "--remove-retained", "-V", "5"])
    #expect(tool.end == .exited(135), "\(tool.errorText)\n\(broker.log)")
    #expect(tool.errorText.contains("'a' cannot be removed"))
    #expect(tool.outputText == "x\n")
  }

  @Test(
    "--retain-handling: always, only for a new subscription, never",
    arguments: [("always", 2), ("new", 1), ("never", 0)])
  func retainHandling(choice: String, times: Int) throws {
    let scene = try SubscribeRun()
    try scene.retain("a kept")
    let options = ["-V", "5", "-t", "a", "--retain-handling", choice, "-i", "me", "-c", "--idle", "0.3"]
    var output = ""
    for _ in 0..<2 {
      let tool = try ToolProcess.run("mqsub", scene.broker.options + options)
      expectSuccess(tool)
      output += tool.outputText
    }
    #expect(output == String(repeating: "kept\n", count: times))
  }

  @Test("--retain-as-published and rap keep the flag of live messages", arguments: [true, false])
  func retainAsPublished(asOption: Bool) throws {
    let scene = try SubscribeRun()
    let words = asOption ? ["-t", "a", "--retain-as-published"] : ["--subscribe", "rap a"]
    let kept = try ToolProcess(
      "mqsub", scene.broker.options + words + ["-V", "5", "-F", "%r %p", "-C", "1", "--log", "notice"])
    try kept.waitForErrors("subscribed to")
    let plain = try scene.start("-t", "a", "-V", "5", "-F", "%r %p", "-C", "1")
    try scene.retain("a x")
    for tool in [kept, plain] { #expect(try tool.wait() == .exited(0)) }
    #expect(kept.outputText == "1 x\n")
    #expect(plain.outputText == "0 x\n")
  }

  @Test("--subscribe gives each filter its identifier and its QoS")
  func subscriptionIdentifiers() throws {
    let scene = try SubscribeRun()
    let tool = try scene.start(
      "--subscribe", "id=7,qos=1 a/#", "--subscribe", "id=8 b/+", "-t", "c", "-F", "%t %q %S", "-C", "3")
    try scene.publish("a/x 1", "b/x 2", "c 3", options: ["-q", "2"])
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "a/x 1 7\nb/x 0 8\nc 0 \n")
  }

  @Test("[MQTT-4.8.2] a shared subscription shares: each message comes to one", arguments: ["311", "5"])
  func shared(version: String) throws {
    let scene = try SubscribeRun()
    let tools = try (0..<2).map { _ in
      try scene.start("-V", version, "-t", "$share/g/s", "-t", "end", "--until", "topic = end", "-v")
    }
    try scene.publish("s 1", "s 2", "s 3", "s 4", "end x")
    for tool in tools { #expect(try tool.wait() == .exited(0)) }
    let lines = tools.flatMap { $0.outputText.split(separator: "\n").dropLast() }
    #expect(lines.sorted() == ["s 1", "s 2", "s 3", "s 4"])
  }

  // MARK: - When to end

  @Test(
    "-C leaves what comes behind it with the broker, whatever that sends at a time", arguments: versions, ["1", "2"])
  func count(version: String, qos: String) throws {
    let scene = try SubscribeRun()
    let words = ["-V", version, "-i", "me", "-c", "-q", qos, "-t", "t"]
    expectSuccess(try ToolProcess.run("mqsub", scene.broker.options + words + ["-E"]))
    let published = try ToolProcess.run(
      "mqpub", scene.broker.options + ["-t", "t", "-q", qos, "-l"], input: .bytes(numberedLines(upTo: 60)))
    expectSuccess(published)
    var output: [UInt8] = []
    for count in ["1", "3", "25", "31"] {
      let tool = try ToolProcess.run("mqsub", scene.broker.options + words + ["-C", count, "-W", "9"])
      #expect(tool.end == .exited(0), "\(tool.errorText)")
      output += tool.output
    }
    Expect.bytes(output, numberedLines(upTo: 60))
  }

  @Test("-C writes all its messages to a slow reader before it ends")
  func slowReader() throws {
    let peer = try CountingPeer()
    let count = 100_000
    peer.flood(count: count, payloadSize: 16, topic: "t")
    let tool = try ToolProcess(
      "sh",
      ["-c", "\"$0\" \"$@\" | (sleep 1.5; wc -lc)", try locate("mqsub")] + peer.options + ["-t", "t", "-C", "\(count)"])
    try tool.wait(timeout: .seconds(20))
    #expect(tool.outputText.split(separator: " ").map { $0.filter(\.isNumber) } == ["\(count)", "\(count * 17)"])
  }

  @Test("--until ends with the first message that passes all its tests, which is printed")
  func until() throws {
    let scene = try SubscribeRun()
    let tool = try scene.start("-t", "#", "--until", "payload = ONLINE", "--until", "topic = b")
    try scene.publish("a OFFLINE", "a ONLINE", "b OFFLINE", "b ONLINE", "b later")
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "OFFLINE\nONLINE\nOFFLINE\nONLINE\n")
  }

  @Test("--idle ends when nothing came: 0, or 27 when -C or --until is unmet")
  func idle() throws {
    let scene = try SubscribeRun()
    expectSuccess(try scene.run("-t", "t", "--idle", "200ms"))
    for words in [["-C", "2"], ["--until", "payload=x"]] {
      let tool = try ToolProcess.run("mqsub", scene.broker.options + ["-t", "t", "--idle", "0.2"] + words)
      #expect(tool.end == .exited(27))
      #expect(tool.errorText.contains("nothing came"))
    }
    // A message puts the end off.
    let tool = try scene.start("-t", "t", "--idle", "600ms")
    try scene.publish("t 1")
    try tool.waitForOutput("1\n")
    try scene.publish("t 2")
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "1\n2\n")
  }

  @Test("--get prints what the broker keeps and ends: 6 when that is nothing", arguments: versions)
  func get(version: String) throws {
    let scene = try SubscribeRun()
    try scene.retain("a/1 x", "a/2 y", "b z")
    let all = try scene.run("-V", version, "-t", "a/#", "-t", "b", "--get", "-v")
    expectSuccess(all)
    #expect(all.outputText.split(separator: "\n").sorted() == ["a/1 x", "a/2 y", "b z"])
    let one = try scene.run("-V", version, "-t", "a/+", "--get", "-C", "1")
    expectSuccess(one)
    #expect(one.outputText == "x\n")
    let none = try scene.run("-V", version, "-t", "c/#", "--get")
    #expect(none.end == .exited(6))
    #expect(none.output.isEmpty)
    #expect(none.errorText.contains("keeps no value for 'c/#'"))
  }

  @Test("--get waits for PINGRESP however slow the broker is, and for the values behind it")
  func slowBroker() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqsub", broker.options + ["-V", "311", "-t", "#", "--get", "--idle", "0.4"])
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    try connection.sendBytes([0x90, 3] + identifier + [0])
    try connection.expect("c0 00")
    try connection.silence(for: .milliseconds(700))
    try connection.send("30 r* s* 'live' 'no' | 31 r* s* 'a' '1' | d0 00")
    try connection.silence(for: .milliseconds(200))
    try connection.send("31 r* s* 'b' '2'")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "1\n2\n")
  }

  @Test("--message-rate prints the number of messages once a second, and nothing else")
  func rate() throws {
    let scene = try SubscribeRun()
    let tool = try scene.start("-t", "t", "-q", "1", "--message-rate", "-C", "1", "-v")
    try scene.publish("t 1", "t 2", "t 3", options: ["-q", "1"])
    try tool.waitForOutput(lines: 2)
    tool.signal(2)
    #expect(try tool.wait() == .exited(0))
    let lines = tool.outputText.split(separator: "\n")
    #expect(lines.allSatisfy { $0.wholeMatch(of: /\d+ msgs\/s/) != nil })
    #expect(lines.compactMap { Int($0.prefix { $0 != " " }) }.reduce(0, +) == 3)
  }

  // MARK: - Sessions and refusals

  @Test("--end-session makes the broker forget the session", arguments: versions)
  func endSession(version: String) throws {
    let scene = try SubscribeRun()
    let session = ["-V", version, "-i", "me", "-c", "-q", "1"]
    expectSuccess(try ToolProcess.run("mqsub", scene.broker.options + session + ["-t", "t", "-E"]))
    try scene.publish("t kept", options: ["-q", "1"])
    expectSuccess(try ToolProcess.run("mqsub", scene.broker.options + session + ["--end-session"]))
    let tool = try ToolProcess.run("mqsub", scene.broker.options + session + ["-t", "t", "--idle", "0.3"])
    expectSuccess(tool)
    #expect(tool.output.isEmpty)
  }

  @Test("some filters refused: a warning, and status 36 with --strict-subscribe")
  func someRefused() throws {
    for isStrict in [false, true] {
      let broker = try ScriptedBroker()
      let tool = try ToolProcess(
        "mqsub",
        broker.options + ["-V", "5", "-t", "yes", "-t", "no", "-C", "1"] + (isStrict ? ["--strict-subscribe"] : []))
      let connection = try broker.acceptConnect()
      let identifier = try connection.nextPacket().body.prefix(2)
      try connection.sendBytes([0x90, 5] + identifier + [0, 0, 0x87])
      if !isStrict { try connection.send("30 r* s* 'yes' 00 'x'") }
      try connection.expect("e0 00")
      connection.close()
      #expect(try tool.wait() == .exited(isStrict ? 36 : 0))
      #expect(tool.errorText.hasPrefix("mqsub: \(isStrict ? "Error" : "Warning"): the broker refused"))
      #expect(tool.errorText.contains("'no': not authorized"))
    }
  }

  // MARK: - How

  @Test("-0 ends messages with NUL, -vv begins with the time, --pretty and --hexdump show what is inside")
  func formats() throws {
    let scene = try SubscribeRun()
    let words = [["-0"], ["-vv"], ["--pretty"], ["--hexdump", "-v"], ["-F", "%t=%p"], ["-F", "%x", "-N"]]
    let tools = try words.map { words in
      let tool = try ToolProcess("mqsub", scene.broker.options + ["-t", "t", "-C", "1", "--log", "notice"] + words)
      try tool.waitForErrors("subscribed to")
      return tool
    }
    try scene.publish(#"t {"a":1}"#)
    for tool in tools { #expect(try tool.wait() == .exited(0)) }
    #expect(tools[0].outputText == "{\"a\":1}\0")
    #expect(tools[1].outputText.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 t \{"a":1\}\n/) != nil)
    #expect(tools[2].outputText == "{\n\t\"a\":\t1\n}\n")
    #expect(
      tools[3].outputText
        == "t (7 bytes)\n00000000  7b 22 61 22 3a 31 7d                              |{\"a\":1}|\n")
    #expect(tools[4].outputText == "t={\"a\":1}\n")
    #expect(tools[5].outputText == "7b2261223a317d")
  }

  @Test("%J of what is not JSON is told on standard error, and leaves an empty line")
  func notJSON() throws {
    let scene = try SubscribeRun()
    let tool = try scene.start("-t", "t", "-F", "%J", "-C", "2")
    try scene.publish("t no", "t [1]")
    #expect(try tool.wait() == .exited(0))
    #expect(tool.errorText.contains("the payload on 't' is not JSON"))
    #expect(tool.outputText.split(separator: "\n", omittingEmptySubsequences: false).count == 3)
    #expect(tool.outputText.hasSuffix("\"payloadlen\":3,\"payload\":[1]}\n"))
  }
}
