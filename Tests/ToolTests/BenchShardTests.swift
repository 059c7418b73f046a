import Foundation
import TestSupport
import Testing

/// One load that several processes share.
struct BenchShardTests {
  /// Seconds from now, as `--start-at` wants it.
  private func start(in seconds: Int) -> String {
    ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: Double(seconds)))
  }

  @Test("two parts of a load begin at the same time, and merged they are the load", .needs("mosquitto"))
  func load() throws {
    let broker = try RealBroker()
    let folder = try TemporaryFolder()
    let start = start(in: 7)
    let names = (0..<5).map { "pub\($0)" } + (0..<5).map { "sub\($0)" }
    let table = try folder.write("names", "id\n" + names.joined(separator: "\n"))
    let parts = try (1...2).map { number in
      try ToolProcess(
        "mqbench",
        ["load"] + broker.options + [
          "--publishers", "5", "--subscribers", "5", "--topics", "5", "--identities", table, "--rate", "500",
          "--warm-up", "0", "--duration",
          "2",
          "--shard", "\(number)/2", "--start-at", start, "--save", folder.path("\(number).json"), "--json",
        ])
    }
    for part in parts { #expect(try part.wait(timeout: .seconds(40)) == .exited(0), "\(part.errorText)") }
    let reports = try parts.map(BenchReport.init)
    #expect(reports.map { $0.count("offered") } == [600, 400])
    for report in reports {
      #expect(report.text.contains(start.dropLast()), "\(start)")
      #expect(report.counts("foreign", "lost") == [0, 0])
    }
    for name in names { #expect(broker.log.split(separator: " as \(name) ").count == 2, "\(name)") }
    let merged = try ToolProcess.run(
      "mqbench", ["merge", folder.path("2.json"), folder.path("1.json"), "--json", "--save", folder.path("whole.html")])
    #expect(merged.end == .exited(0) && merged.errorText == "")
    let whole = try BenchReport(merged)
    for name in ["offered", "sent", "acknowledged", "expected", "delivered", "publish_bytes"] {
      #expect(whole.count(name) == reports[0].count(name) + reports[1].count(name), "\(name)")
    }
    #expect(whole.count("offered") == 1000 && whole.rate("offered") == 500)
    #expect(whole.time("end_to_end", "max") == reports.compactMap { $0.time("end_to_end", "max") }.max())
    let page = try String(contentsOfFile: folder.path("whole.html"), encoding: .utf8)
    #expect(page.contains("all 2 shards of 5 publishers"))
    let one = try ToolProcess.run("mqbench", ["merge", folder.path("2.json")])
    #expect(one.end == .exited(0) && one.errorText.contains("Warning: the figures are those of shard 2 of 2"))
    let twice = try ToolProcess.run("mqbench", ["merge", folder.path("2.json"), folder.path("2.json")])
    #expect(twice.end == .exited(1) && twice.errorText.contains("shard 2 of 2 is there twice"))
  }

  @Test("parts of connections, of two runs each", .needs("mosquitto"))
  func connect() throws {
    let broker = try RealBroker()
    let folder = try TemporaryFolder()
    let start = start(in: 3)
    let parts = try (1...2).map { number in
      try ToolProcess(
        "mqbench",
        ["connect"] + broker.options + [
          "--clients", "9", "--connect-rate", "100", "--duration", "100ms", "--connect-timeout", "1", "--shard",
          "\(number)/2", "--start-at", start, "--runs", "2", "--pause", "0", "--save", folder.path("\(number).json"),
        ])
    }
    for part in parts { #expect(try part.wait(timeout: .seconds(40)) == .exited(0), "\(part.errorText)") }
    let merged = try ToolProcess.run("mqbench", ["merge", folder.path("1.json"), folder.path("2.json"), "--json"])
    #expect(merged.end == .exited(0), "\(merged.errorText)")
    #expect(try BenchReport(merged).counts("clients", "connected") == [9, 9], "\(merged.outputText)")
  }

  @Test("a start that has passed, or that leaves no time to connect, is refused before anything happens")
  func refused() throws {
    let past = try ToolProcess.run("mqbench", ["load", "-p", "1", "--start-at", start(in: -5)])
    #expect(past.end == .exited(1) && past.errorText.contains(" s ago"), "\(past.errorText)")
    let soon = try ToolProcess.run("mqbench", ["load", "-p", "1", "--publishers", "5000", "--start-at", start(in: 5)])
    #expect(soon.end == .exited(1) && soon.errorText.contains("to connect 5010 clients takes 10.0 s at least"))
    let few = try ToolProcess.run("mqbench", ["load", "-p", "1", "--subscribers", "1", "--shard", "1/4"])
    #expect(few.end == .exited(1))
    #expect(
      few.errorText.contains("1 subscriber cannot be divided among 4: --subscribers 4 or more"), "\(few.errorText)")
  }

  @Test("arrivals that begin too late are told, and the report says by how much", .needs("mosquitto"))
  func late() throws {
    let broker = try RealBroker()
    let pid = try #require(broker.pid)
    kill(pid, SIGSTOP)
    let end = Date(timeIntervalSinceNow: 2.5)
    let tool = try ToolProcess(
      "mqbench",
      ["load", "-V", "5"] + broker.options + [
        "--publishers", "1", "--subscribers", "1", "--warm-up", "0", "--duration", "1", "--start-at", start(in: 2),
      ])
    #expect(Expect.eventually { Date() > end })
    kill(pid, SIGCONT)
    #expect(try tool.wait(timeout: .seconds(30)) == .exited(0))
    #expect(tool.errorText.contains("ms later than --start-at says"), "\(tool.errorText)")
    #expect(tool.outputText.contains("\nbegan later than it was to by "), "\(tool.outputText)")
  }
}
