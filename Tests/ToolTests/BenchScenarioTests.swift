import Foundation
import TestSupport
import Testing

/// Several groups of clients at once, from a file.
@Suite(.needs("mosquitto"))
struct BenchScenarioTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func file(_ text: String) throws -> String {
    let path = "\(folder.path)/scenario"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  /// A house: what each message has to reach can be counted by hand.
  private static let house = """
    # All of it ends soon.
    --duration 2
    --warm-up 0.2
    --drain 10
    --connect-rate 1000
    [sensors]
    --clients 8
    --publish house/%c/t
    --publish house/%c/h
    --every 100ms
    --size 20..60
    [lamps]
    --clients 2
    --publish lamp/%c/is
    --subscribe lamp/%c/be
    --rate 10
    -u lamp
    -P geheim
    [switch]
    --publish lamp/0/be
    --publish lamp/1/be
    --rate 20
    --qos 2
    [screens]
    --clients 3
    --subscribe house/#
    --subscribe lamp/+/is
    [workers]
    --clients 4
    --subscribe house/+/t
    --share
    [idle]
    --clients 5
    """

  @Test("each message is owed to those whose filters match it, in all groups")
  func house() throws {
    let broker = try RealBroker()
    let saved = "\(folder.path)/r.json"
    let tool = try ToolProcess.run(
      "mqbench", ["load", "--scenario", try file(Self.house), "--save", saved, "--seed", "7"] + broker.options,
      timeout: .seconds(60))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let text = try String(contentsOfFile: saved, encoding: .utf8)
    #expect(!text.contains("geheim"))
    let report = try BenchReport(text)
    // 80 a second, of which 40 go to three screens and a worker and 40 to the screens; 10 to the screens; 20 to a lamp each.
    #expect(report.count("sent") == 2 * 110)
    #expect(report.count("expected") == 2 * (40 * 4 + 40 * 3 + 10 * 3 + 20))
    #expect(report.count("delivered") == report.count("expected"))
    #expect(report.counts("lost", "duplicates", "reordered", "foreign", "undeliverable") == [0, 0, 0, 0, 0])
    #expect(report.groups.map(\.name) == ["sensors", "lamps", "switch"])
    #expect(report.groups.map { $0.counts["delivered"] } == [2 * (40 * 4 + 40 * 3), 2 * 10 * 3, 2 * 20])
    #expect(tool.outputText.contains("sensors: 8 clients, publishing house/%c/t and house/%c/h"))

    // The same again, from the report alone.
    let again = try ToolProcess.run(
      "mqbench", ["load", "--again", saved, "--duration", "1", "--json"] + broker.options, timeout: .seconds(60))
    #expect(again.end == .exited(0), "\(again.errorText)")
    let second = try BenchReport(again)
    #expect(second.run["seed"] as? String == "7")
    #expect(second.count("sent") == 110)
    #expect(second.count("delivered") == 40 * 4 + 40 * 3 + 10 * 3 + 20)
  }

  @Test(
    "clients that leave and come again are owed nothing while they are away, and all else", arguments: ["311", "5"])
  func comingAgain(version: String) throws {
    let broker = try RealBroker()
    let scenario = """
      --duration 3
      --warm-up 0
      --connect-rate 1000
      [steady]
      --clients 2
      --publish a/%c
      --rate 200
      [walkers]
      --clients 4
      --subscribe a/+
      --publish b/%c
      --rate 40
      --reconnect-every 800ms
      [listener]
      --subscribe b/#
      """
    let tool = try ToolProcess.run(
      "mqbench", ["load", "--scenario", try file(scenario), "--json", "-V", version] + broker.options,
      timeout: .seconds(60))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect(report.count("sent") == 3 * 240)
    #expect(report.count("lost") == 0)
    #expect(report.count("duplicates") == 0)
    #expect(report.count("lost_connections") == 0)
    // Each of four is away three times; nobody owes the second before.
    let away = report.count("undeliverable")
    #expect(away >= 0 && away < 4 * 3 * 200)
    #expect(report.count("expected") + away == 3 * (200 * 4 + 40))
    // Seven first connections, and those that came again: the broker has seen as many.
    let times = report.run["times"] as? [String: [String: Any]]
    let connects = try #require(times?["connect"]?["count"] as? Int)
    #expect(connects >= 7 + 4 * 3)
    #expect(broker.log.components(separatedBy: "New client connected").count - 1 >= connects)
  }

  @Test(
    "what is wrong with a scenario is said with its line",
    arguments: [
      ("--duration 5\n", "has no groups"),
      ("[a]\n--duration 5\n", ":2: --duration: is about the whole run"),
      ("[a]\n--publish x\n[a]\n", ":3: there are two groups of the name a"),
      ("[a b]\n", ":1: a section's name has letters"),
      ("[a]\n--publish x/+\n", ":2: --publish: "),
      ("[a]\n--publish x/%n\n", ":2: --publish: "),
      ("[a]\n--colour red\n", ":2: "),
      ("[a]\n--qos 0\n--window 3\n--publish x\n", "[a]: --window: "),
      ("[a]\n--publish x\n[b]\n--subscribe x\n--subscribe #\n", "match the topic 'x'"),
      ("--topics 3\n[a]\n", ":1: --topics: the groups of a scenario say"),
      ("[a]\n--filter plus\n", ":2: --filter: the groups of a scenario say"),
      ("--scenario other\n[a]\n", ":1: --scenario: "),
    ])
  func mistakes(text: String, message: String) throws {
    let tool = try ToolProcess.run("mqbench", ["load", "--scenario", try file(text), "-p", "1"])
    #expect(tool.end == .exited(1), "\(tool.end)")
    #expect(tool.errorText.contains(message), "\(tool.errorText)")
    #expect(tool.errorText.split(separator: "\n").count == 1)
  }

  @Test("topics and filters can be typed without a scenario")
  func typed() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "mqbench",
      [
        "load", "--publishers", "3", "--subscribers", "2", "--publish", "site/%c/t", "--subscribe", "site/+/t",
        "--rate",
        "30", "--warm-up", "0", "--duration", "1", "--json",
      ] + broker.options)
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect(report.count("sent") == 30)
    #expect(report.count("delivered") == 60)
  }
}
