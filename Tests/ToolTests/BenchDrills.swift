import Foundation
import TestSupport
import Testing

/// Whether what mqbench says is true, at full size: for a machine that does nothing else. Run by `Scripts/drills`.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["MQTOOLS_DRILLS"] != nil, "run Scripts/drills"))
struct BenchDrills {
  private func figure(_ text: String) { print("▶ \(text)") }

  private func format(_ number: Double?, digits: Int = 3) -> String {
    number.map { String(format: "%.\(digits)f", $0) } ?? "–"
  }

  /// A sink that forwards, in a process of its own, and its port.
  private func sink() throws -> (process: ToolProcess, options: [String]) {
    let port = try freePort()
    let process = try ToolProcess(
      "mqbench", ["sink", "--forward", "-h", "127.0.0.1", "-p", "\(port)", "--log", "notice"])
    try process.waitForErrors("sink on port")
    return (process, ["-h", "127.0.0.1", "-p", "\(port)"])
  }

  private func load(_ words: [String], seconds: Int) throws -> (report: BenchReport, tool: ToolProcess) {
    let tool = try ToolProcess.run(
      "mqbench", ["load", "--duration", "\(seconds)", "--json"] + words, timeout: .seconds(seconds + 90))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    return (try BenchReport(tool), tool)
  }

  // MARK: - Precision

  @Test("100,000 messages a second in the open loop: mqbench is late by 200 µs at p99 and 2 ms at p99.9, or says so")
  func precision() throws {
    let sink = try sink()
    let report = try load(sink.options + ["--rate", "100000", "--qos", "0", "--warm-up", "2"], seconds: 10).report
    sink.process.signal(15)
    let delays = ["p50", "p99", "p99.9", "max"].map { report.time("send_delay_tool", $0) }
    figure(
      "100,000 a second: sent \(format(report.rate("sent"), digits: 0)), late in mqbench by "
        + zip(["p50", "p99", "p99.9", "max"], delays).map { "\($0) \(format($1)) ms" }.joined(separator: ", ")
        + "; limited by \(report.verdict) \(report.signs)")
    #expect(report.verdict == "tool" || (delays[1] ?? .infinity) <= 0.2 && (delays[2] ?? .infinity) <= 2)
    #expect(report.count("lost") == 0 && report.count("duplicates") == 0 && report.count("reordered") == 0)
  }

  @Test("p50 and p99 are those that a proxy measured on the same messages, within 5 % or 200 µs", .needs("mosquitto"))
  func recorded() throws {
    let (proxy, report, _) = try BenchFaultTests.run(nil, rate: 2000, seconds: 10, words: ["--qos", "1"])
    let recording = Recording(proxy.passages, publishers: 4, rate: 2000)
    #expect(recording.times.count == report.count("delivered"))
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
      let told = try #require(report.time("end_to_end", name))
      let seen = recording.percentile(share)
      figure("\(name): mqbench \(format(told)) ms, the proxy \(format(seen)) ms")
      #expect(abs(told - seen) <= max(0.05 * seen, 0.2))
    }
  }

  // MARK: - Planted faults

  @Test("a message in 500 that comes 200 ms late: p99.9 and the maximum show it within 1 %", .needs("mosquitto"))
  func delayed() throws {
    let (proxy, report, _) = try BenchFaultTests.run(
      .delay(every: 500, by: .milliseconds(200)), rate: 2000, seconds: 10)
    let times = ["p50", "p99", "p99.9", "max"].map { report.time("end_to_end", $0) }
    figure("\(proxy.faults) of 20,000 delayed by 200 ms: p50, p99, p99.9, max are \(times.map { format($0) }) ms")
    for time in times.suffix(2) { #expect(time.map { $0 >= 200 && $0 <= 202 } ?? false) }
    BenchFaultTests.expectCounts(report, reordered: Recording.reordered(proxy.passages))
  }

  @Test("one in 10,000 lost at QoS 0, two that change places, and doubles: each is counted", .needs("mosquitto"))
  func counted() throws {
    let dropped = try BenchFaultTests.run(.drop(every: 10_000), rate: 5000, seconds: 10)
    figure("\(dropped.proxy.faults) of 50,000 dropped: \(dropped.report.count("lost")) lost")
    BenchFaultTests.expectCounts(dropped.report, lost: 5)
    let swapped = try BenchFaultTests.run(.swap(every: 3000), rate: 5000, seconds: 4)
    BenchFaultTests.expectCounts(swapped.report, reordered: Recording.reordered(swapped.proxy.passages))
    let doubled = try BenchFaultTests.run(.double(every: 5000), rate: 5000, seconds: 4)
    BenchFaultTests.expectCounts(doubled.report, duplicates: 4)
  }

  // MARK: - Size

  @Test("9,900 connections are held in less than 80 MB")
  func memory() throws {
    let sink = try sink()
    let tool = try ToolProcess.run(
      "mqbench",
      ["connect"] + sink.options + ["--clients", "9900", "--connect-rate", "2000", "--duration", "3", "--json"],
      timeout: .seconds(60))
    sink.process.signal(15)
    let report = try BenchReport(tool)
    let megabytes = Double(tool.usage?.maximumResidentBytes ?? .max) / 1e6
    figure(
      "9,900 connections: \(format(megabytes, digits: 1)) MB, CONNACK at p99 \(format(report.time("connect", "p99"))) ms"
    )
    #expect(report.counts("connected", "failed_attempts", "lost_connections") == [9900, 0, 0])
    #expect(megabytes < 80)
  }

  @Test("1,000 connections publish 20,000 messages a second for a minute: at most 0.1 % of them more than 5 ms late")
  func thousandPublishers() throws {
    let sink = try sink()
    let (report, tool) = try load(
      sink.options + [
        "--publishers", "1000", "--subscribers", "0", "--rate", "20000", "--connect-rate", "2000", "--warm-up", "2",
      ], seconds: 60)
    sink.process.signal(15)
    let late = report.share("send_delay", above: .milliseconds(5))
    figure(
      "1,000 publishers, 20,000 a second: \(format(late * 100)) % more than 5 ms late, p99.9 "
        + "\(format(report.time("send_delay", "p99.9"))) ms, "
        + "\(format(Double(tool.usage?.maximumResidentBytes ?? 0) / 1e6, digits: 1)) MB; limited by \(report.verdict)")
    #expect(late <= 0.001)
  }

  // MARK: - Cost

  @Test("processor time a message: no more than mosquitto's clients, and against the sink a tenth", .needs("mosquitto"))
  func cost() throws {
    let broker = try RealBroker(lines: ["max_queued_messages 0", "max_inflight_messages 0"])
    func cost(_ tool: ToolProcess, _ count: Int) -> Double {
      (tool.usage.map { $0.cpuTime / .microseconds(1) } ?? .nan) / Double(count)
    }
    // The peers: half a million lines of the same size, through the same broker.
    let count = 200_000
    let line = String(repeating: "x", count: 63) + "\n"
    let subscriber = try ToolProcess(
      "mosquitto_sub", broker.options + ["-t", "cost", "-C", "\(count)", "-q", "0"])
    #expect(Expect.eventually { broker.log.contains("New client connected") })
    let publisher = try ToolProcess.run(
      "mosquitto_pub", broker.options + ["-t", "cost", "-l", "-q", "0"],
      input: .bytes(Array(String(repeating: line, count: count).utf8)), timeout: .seconds(120))
    let isWhole = try subscriber.wait(timeout: .seconds(60)) == .exited(0)
    let peers = cost(publisher, count) + cost(subscriber, count)
    let words = ["--publishers", "1", "--subscribers", "1", "--qos", "0", "--warm-up", "0", "--closed"]
    let own = try load(broker.options + words, seconds: 5)
    let ownCost = cost(own.tool, own.report.count("delivered"))
    let sink = try sink()
    let ideal = try load(sink.options + words, seconds: 5)
    sink.process.signal(15)
    let idealCost = cost(ideal.tool, ideal.report.count("delivered"))
    figure(
      "processor time for a message published and received: mosquitto's clients \(format(peers)) µs\(isWhole ? "" : " (not all)"), "
        + "mqbench \(format(ownCost)) µs, against its sink \(format(idealCost)) µs "
        + "(\(format(ideal.report.rate("delivered"), digits: 0)) a second)")
    #expect(ownCost <= peers)
    #expect(idealCost <= peers / 10)
  }

  // MARK: - Verdicts

  @Test(
    "a modest rate on a machine that has nothing else to do: limited by none, ten times of ten", .needs("mosquitto"))
  func none() throws {
    let broker = try RealBroker()
    let verdicts = try (0..<10).map { _ in
      try load(broker.options + ["--rate", "500", "--warm-up", "1"], seconds: 5).report.verdict
    }
    figure("500 a second, ten times: \(verdicts)")
    #expect(verdicts.allSatisfy { $0 == "none" })
  }

  @Test("mqbench held to a tenth of a processor: limited by the tool", .needs("mosquitto"))
  func slowTool() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess(
      "mqbench", ["load"] + broker.options + ["--rate", "500", "--warm-up", "1", "--duration", "5", "--json"])
    try throttled([tool.pid]) { _ = try tool.wait(timeout: .seconds(60)) }
    let report = try BenchReport(tool)
    figure("mqbench for a tenth of the time: limited by \(report.verdict) \(report.signs)")
    #expect(report.verdict == "tool")
  }

  @Test(
    "the broker held to a tenth of a processor: limited by the broker", .needs("mosquitto"), arguments: [3000, 20_000])
  func slowBroker(rate: Int) throws {
    let broker = try RealBroker()
    let report = try throttled([try #require(broker.pid)]) {
      try load(broker.options + ["--rate", "\(rate)", "--qos", "1", "--warm-up", "1", "--drain", "5"], seconds: 8)
        .report
    }
    figure("mosquitto for a tenth of the time, \(rate) a second: limited by \(report.verdict) \(report.signs)")
    #expect(report.verdict == "broker")
  }

  @Test("a slow link that drops what it cannot carry: limited by the network", .needs("mosquitto"))
  func slowLink() throws {
    guard let bin = ProcessInfo.processInfo.environment["MQTOOLS_BIN"], let link = try? SlowLink() else {
      figure("a slow link: there are no network namespaces to be had here")
      return
    }
    let port = try freePort()
    let broker = try RealBroker(lines: ["listener \(port) \(link.address)", "allow_anonymous true"])
    let tool = try ToolProcess.run(
      "ip",
      [
        "netns", "exec", link.name, "\(bin)/mqbench", "load", "-h", link.address, "-p", "\(port)", "--rate", "4000",
        "--qos",
        "0", "--warm-up", "1", "--duration", "5", "--drain", "5", "--json",
      ], timeout: .seconds(60))
    let report = try BenchReport(tool)
    figure(
      "a link of 2 Mbit/s: limited by \(report.verdict) \(report.signs), sent again "
        + "\(report.evidence["TCP segments sent again"] ?? "–")")
    #expect(report.verdict == "network")
    _ = broker
  }
}

/// A network namespace whose way out carries 2 Mbit/s and keeps little of what comes faster.
private final class SlowLink {
  let name = "mqbench\(ProcessInfo.processInfo.processIdentifier)"
  let address = "10.77.0.1"

  init() throws {
    try ip("netns", "add", name)
    let (outside, inside) = ("mqb0", "mqb1")
    try ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
    try ip("addr", "add", "\(address)/30", "dev", outside)
    try ip("link", "set", outside, "up")
    try ip("-n", name, "addr", "add", "10.77.0.2/30", "dev", inside)
    try ip("-n", name, "link", "set", inside, "up")
    try run(
      "tc", ["-n", name, "qdisc", "add", "dev", inside, "root", "tbf", "rate", "2mbit", "burst", "4kb", "limit", "8kb"])
  }

  deinit { try? ip("netns", "del", name) }

  private func ip(_ words: String...) throws { try run("ip", words) }

  private func run(_ program: String, _ words: [String]) throws {
    guard try ToolProcess.run(program, words).end == .exited(0) else { throw CocoaError(.executableNotLoadable) }
  }
}
