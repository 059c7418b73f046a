import Foundation
import TestSupport
import Testing

/// What mqbench makes its topics, payloads and clients of, as a broker and other clients see it.
struct BenchWorkloadTests {
  private static let short = ["--warm-up", "0", "--duration", "1", "--qos", "1", "--json"]

  private func run(_ broker: RealBroker, _ words: [String]) throws -> BenchReport {
    let tool = try ToolProcess.run("mqbench", ["load"] + broker.options + Self.short + words, timeout: .seconds(30))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    return try BenchReport(tool)
  }

  /// The messages of a load as another client sees them, one line each.
  private func watch(_ broker: RealBroker, _ words: [String], format: String) throws -> (BenchReport, [String]) {
    let watcher = try ToolProcess(
      "mqsub", broker.options + ["-q", "1", "-t", "mqbench/#", "-F", "%t \(format)", "--log", "notice"])
    try watcher.waitForErrors("subscribed to")
    let report = try run(broker, words)
    // In the order of messages at the broker, this is behind all of them.
    _ = try ToolProcess.run("mqpub", broker.options + ["-q", "1", "-t", "mqbench/end", "-m", "end"])
    #expect(Expect.eventually { watcher.outputText.contains("mqbench/end") })
    let lines = watcher.outputText.split(separator: "\n").filter { !$0.contains("mqbench/end") }
    return (report, lines.map { String($0.split(separator: " ", maxSplits: 1)[1]) })
  }

  @Test(
    "topics of different popularity: each message is accounted for, whoever sends and subscribes", .needs("mosquitto"),
    arguments: [
      ["--topics", "30"], ["--topics", "3", "--subscribers", "6", "--qos", "2"], ["--topics", "6", "--share"],
    ])
  func popularity(words: [String]) throws {
    let broker = try RealBroker()
    let report = try run(
      broker,
      ["--popularity", "zipf:1", "--publishers", "5", "--subscribers", "3", "--rate", "400", "--threads", "2"] + words)
    let expected = words.contains("6") && words.contains("3") ? 800 : 400
    #expect(report.counts("expected", "delivered") == [expected, expected], "\(report.text)")
    #expect(report.counts("lost", "duplicates", "reordered", "corrupted", "foreign") == [0, 0, 0, 0, 0])
    #expect(report.text.contains(#""popularity":"zipf:1.0""#))
  }

  @Test(
    "the first of ten topics gets a third of all messages with zipf:1, and the last a thirtieth", .needs("mosquitto"))
  func shares() throws {
    let (_, lines) = try watch(
      RealBroker(), ["--popularity", "zipf:1", "--topics", "10", "--rate", "3000", "--seed", "5"], format: "%t")
    var counts: [String: Int] = [:]
    for line in lines { counts[String(line.split(separator: "/")[2]), default: 0] += 1 }
    #expect(counts.values.reduce(0, +) == 3000)
    for topic in 0..<10 {
      let share = 3000 / (2.929 * Double(topic + 1))
      #expect(abs(Double(counts["\(topic)"] ?? 0) / share - 1) < 0.35, "\(counts)")
    }
  }

  @Test("what is lost or comes twice on common topics is counted exactly", .needs("mosquitto"))
  func faults() throws {
    let words = ["--qos", "0", "--drain", "2", "--popularity", "zipf:1", "--topics", "20"]
    let dropped = try BenchFaultTests.run(.drop(every: 50), rate: 2000, seconds: 1, words: words)
    BenchFaultTests.expectCounts(dropped.report, lost: 40)
    #expect(dropped.report.counts("expected", "delivered") == [2000, 1960])
    let doubled = try BenchFaultTests.run(.double(every: 300), rate: 2000, seconds: 1, words: words)
    BenchFaultTests.expectCounts(doubled.report, duplicates: doubled.proxy.faults)
  }

  @Test("payloads are JSON, files or a recording, and tell who sent them all the same", .needs("mosquitto"))
  func payloads() throws {
    let broker = try RealBroker()
    let (report, lines) = try watch(broker, ["--payload", "json", "--size", "100..300"], format: "%p")
    #expect(report.counts("delivered", "lost", "foreign") == [100, 0, 0], "\(report.text)")
    for line in lines {
      let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
      #expect((object["mqbench"] as? String)?.count == 32 && (object["values"] as? [Int])?.isEmpty == false)
    }
    #expect(Set(lines.map(\.utf8.count)).count > 50 && lines.allSatisfy { (100...300).contains($0.utf8.count) })

    let folder = try TemporaryFolder()
    _ = try folder.write("one", "first")
    _ = try folder.write("two", "second payload")
    let files = try watch(broker, ["--payload", "file:\(folder.path)"], format: "%x")
    #expect(files.0.counts("delivered", "lost") == [100, 0], "\(files.0.text)")
    #expect(Set(files.1.map { $0.dropFirst(32) }) == ["6669727374", "7365636f6e64207061796c6f6164"])

    let recording = try folder.write("recording", #"{"topic":"a","payload_base64":"AP8="}"# + "\n")
    let (bare, recorded) = try watch(broker, ["--payload", "record:\(recording)", "--no-sequence"], format: "%x")
    #expect(Set(recorded) == ["00ff"] && recorded.count == 100)
    #expect(bare.count("lost") == -1 && bare.text.contains("without sequence numbers"))
  }

  @Test(
    "without sequence numbers the report is about acknowledgements, and says what it does not know", .needs("mosquitto")
  )
  func bare() throws {
    let broker = try RealBroker()
    let report = try run(broker, ["--no-sequence", "--size", "0..3"])
    #expect(report.counts("sent", "acknowledged") == [100, 100])
    #expect(report.rate("delivered") > 50)
    for name in ["lost", "expected", "duplicates", "reordered"] { #expect(report.count(name) == -1, "\(name)") }
    #expect(report.time("end_to_end", "p50") == nil && report.time("acknowledgement", "p50") != nil)
    let screen = try ToolProcess.run(
      "mqbench",
      ["load"] + broker.options + ["--warm-up", "0", "--duration", "1", "--no-sequence", "--goal", "loss=0"])
    #expect(screen.outputText.contains("Payloads do not say which message they are"))
    #expect(screen.outputText.contains("goal: loss=0 cannot be told"))
    #expect(screen.end == .exited(32))
  }

  @Test("each client is who its line says, and passwords are in no report", .needs("mosquitto"))
  func identities() throws {
    let users = ["ann": "pw-of-ann", "bob": "pw-of-bob", "eve": "pw,of \"eve\""]
    let broker = try RealBroker(users: users)
    let table = try broker.folder.write(
      "clients.csv",
      """
      username,password,id
      ann,pw-of-ann,sensor-1
      bob,pw-of-bob,
      eve,"pw,of ""eve""\","sensor,3"

      """)
    chmod(table, 0o600)
    let saved = broker.folder.path("report.json")
    let words = ["--publishers", "2", "--subscribers", "1", "--rate", "50", "--identities", table]
    let tool = try ToolProcess.run("mqbench", ["load"] + broker.options + Self.short + words + ["--save", saved])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(try BenchReport(tool).counts("delivered", "lost") == [50, 0])
    #expect(tool.errorText == "")
    let log = broker.log
    #expect(log.contains("as sensor-1 (") && log.contains("u'ann'") && log.contains("as sensor,3 ("))
    #expect(log.contains("-p1 (") && log.contains("u'bob'") && log.contains("u'eve'"))
    let report = try String(contentsOfFile: saved, encoding: .utf8)
    #expect(report.contains("clients.csv") && !report.contains("pw-of") && !report.contains("pw,of"))
    // The saved report can be done again: it names the file.
    let again = try ToolProcess.run("mqbench", ["load", "--again", saved, "--json"])
    #expect(try BenchReport(again).counts("delivered", "lost") == [50, 0], "\(again.errorText)")

    chmod(table, 0o644)
    let few = try ToolProcess.run("mqbench", ["load"] + broker.options + ["--identities", table])
    #expect(few.end == .exited(1))
    #expect(few.errorText.contains("publishers need 10 lines, and 3 are left for them"))
    #expect(!few.errorText.contains("pw-of"))
    let terminal = try Terminal("mqbench", ["load"] + broker.options + ["--identities", table])
    try terminal.wait()
    #expect(terminal.outputText.contains("others can read the file: chmod 600"))
  }

  @Test(
    "each group of a scenario has payloads, topics and addresses of its own, and lines of a common table",
    .needs("mosquitto"))
  func scenario() throws {
    let broker = try RealBroker()
    let table = try broker.folder.write("clients.csv", (0..<5).map { "client-\($0)\n" }.joined())
    let file = try broker.folder.write(
      "scenario",
      """
      --warm-up 0
      --duration 1
      --identities \(table)
      [devices]
      --clients 3
      --publish d/%c/t
      --publish d/%c/u
      --popularity zipf:1
      --payload json
      --source-address 127.0.0.5
      [dashboards]
      --clients 2
      --subscribe d/#
      --idle-subscriptions 5
      """)
    let tool = try ToolProcess.run("mqbench", ["load", "--scenario", file, "--json"] + broker.options)
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(try BenchReport(tool).counts("expected", "delivered", "lost") == [200, 200, 0])
    let log = broker.log
    for client in 0..<5 {
      let lines = log.split(separator: "\n").filter { $0.contains("as client-\(client) (") }
      #expect(lines.count == 1 && lines[0].contains("from 127.0.0.5:") == (client < 3), "\(log)")
    }
  }

  @Test("each client connects with the certificate of its line", .needs("mosquitto"))
  func certificates() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(
      try certificates.issue(),
      lines: ["cafile \(certificates.root.certificate)", "require_certificate true", "use_identity_as_username true"])
    let broker = try RealBroker(listeners: [listener])
    let lines = try ["one", "two", "three"].map { name in
      let pair = try certificates.issue("/CN=\(name)")
      return "\(pair.certificate),\(pair.key)\n"
    }
    let table = try broker.folder.write("clients.csv", "cert,key\n" + lines.joined())
    let words = ["load", "-h", "127.0.0.1", "--publishers", "2", "--subscribers", "1", "--identities", table]
    let tool = try ToolProcess.run(
      "mqbench",
      words + ["-p", "\(broker.port(of: listener))", "--cafile", certificates.root.certificate] + Self.short)
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(try BenchReport(tool).counts("delivered", "lost") == [100, 0])
    for name in ["one", "two", "three"] { #expect(broker.log.contains("u'\(name)'"), "\(broker.log)") }
    let plain = try ToolProcess.run("mqbench", words)
    #expect(plain.errorText.contains("--identities: there are certificates in it, and no TLS"), "\(plain.errorText)")
  }

  @Test("clients connect from the addresses in turn", .needs("mosquitto"))
  func addresses() throws {
    let broker = try RealBroker()
    let report = try run(
      broker, ["--publishers", "3", "--subscribers", "3", "--source-address", "127.0.0.2..127.0.0.3"])
    #expect(report.count("lost") == 0)
    let log = broker.log
    for address in ["127.0.0.2", "127.0.0.3"] {
      #expect(log.components(separatedBy: "New client connected from \(address):").count == 4, "\(log)")
    }
    #expect(report.text.contains("broker and mqbench share"))
    #expect(report.text.contains(#""source addresses":"2""#))
  }

  @Test(
    "topics have as many levels as wanted, subscriptions wildcards, and others have nothing to do", .needs("mosquitto"),
    arguments: [("exact", "N/4/5"), ("plus", "+/+"), ("hash", "#")])
  func filters(filter: String, end: String) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let (report, topics) = try watch(
      broker,
      [
        "--topic-levels", "5", "--filter", filter, "--idle-subscriptions", "450", "--subscribers", "2", "--topics", "4",
      ],
      format: "%t")
    #expect(report.counts("delivered", "lost", "duplicates") == [100, 0, 0], "\(report.text)")
    #expect(topics.allSatisfy { $0.hasSuffix("/4/5") } && Set(topics).count == 4)
    let log = broker.log
    #expect(log.components(separatedBy: "/idle/").count > 450)
    let filters = filter == "exact" ? "/4/5 (QoS 1)" : "/\(end) (QoS 1)"
    #expect(log.contains(filters), "\(log)")
    // 225 idle filters and two others are two packets for each of two subscribers, and one is the watcher's.
    #expect(log.components(separatedBy: "Received SUBSCRIBE").count == 1 + 2 * 2 + 1)
  }

  @Test(
    "what does not fit together is said in one line",
    arguments: [
      (["--payload", "json", "--size", "57"], "--size: JSON needs 58 bytes"),
      (["--payload", "json", "--size", "5", "--no-sequence"], "--size: JSON needs 13 bytes"),
      (["--payload", "record:x", "--size", "57"], "--size: what --payload reads has sizes of its own"),
      (["--payload", "record:/no/such"], "--payload: \"/no/such\": No such file"),
      (["--idle-subscriptions", "5", "--subscribers", "0"], "--idle-subscriptions: there are no subscribers"),
      (["--popularity", "uniform", "--topics", "1000001"], "--popularity: goes for 1000000 topics at most"),
      (["--popularity", "zipf:0"], "--popularity: \"zipf:0\" is not uniform, or zipf:S"),
      (["--size", "normal:5"], "--size: \"normal:5\" is not a size"),
      (["--identities", "/no/such"], "--identities: \"/no/such\": No such file"),
    ])
  func mistakes(words: [String], text: String) throws {
    let tool = try ToolProcess.run("mqbench", ["load", "-h", "127.0.0.1"] + words)
    #expect(tool.end == .exited(1) && tool.outputText == "")
    #expect(tool.errorText.contains(text) && tool.errorText.split(separator: "\n").count == 1, "\(tool.errorText)")
  }
}
