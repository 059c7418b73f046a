import TestSupport
import Testing

/// Faults that somebody else plants among the messages of a load are found, and counted exactly.
struct BenchFaultTests {
  /// One to one over a proxy, at QoS 0.
  static func run(
    _ fault: MessageProxy.Fault?, rate: Int, seconds: Int, words: [String] = ["--qos", "0"]
  ) throws -> (proxy: MessageProxy, report: BenchReport, tool: ToolProcess) {
    let broker = try RealBroker()
    let proxy = try MessageProxy(to: broker.port, planting: fault)
    let tool = try ToolProcess.run(
      "mqbench",
      [
        "load", "-h", "127.0.0.1", "-p", "\(proxy.port)", "--publishers", "4", "--subscribers", "4", "--rate",
        "\(rate)",
        "--warm-up", "0", "--duration", "\(seconds)", "--json",
      ] + words, timeout: .seconds(60 + 2 * seconds))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    return (proxy, try BenchReport(tool), tool)
  }

  static func expectCounts(
    _ report: BenchReport, lost: Int = 0, duplicates: Int = 0, reordered: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(report.count("lost") == lost, "\(report.text)", sourceLocation: sourceLocation)
    #expect(report.count("duplicates") == duplicates, "\(report.text)", sourceLocation: sourceLocation)
    #expect(report.count("reordered") == reordered, "\(report.text)", sourceLocation: sourceLocation)
  }

  @Test("a message in 500 that comes 200 ms late shows in p99.9 and in the maximum", .needs("mosquitto"))
  func delayed() throws {
    let (proxy, report, _) = try Self.run(.delay(every: 500, by: .milliseconds(200)), rate: 5000, seconds: 2)
    #expect(proxy.faults == 20)
    let p999 = try #require(report.time("end_to_end", "p99.9"))
    let maximum = try #require(report.time("end_to_end", "max"))
    #expect(p999 >= 200 && p999 < 300 && maximum >= p999 && maximum < 400, "\(report.text)")
    let p50 = try #require(report.time("end_to_end", "p50"))
    #expect(p50 < 100)
    Self.expectCounts(report, reordered: Recording.reordered(proxy.passages))
  }

  @Test("a publisher that a slow broker holds back is not late itself", .needs("mosquitto"))
  func heldBack() throws {
    let broker = try RealBroker()
    let words = ["--publishers", "2", "--subscribers", "2", "--rate", "2000", "--window", "1"]
    let report = try throttled([try #require(broker.pid)]) {
      try BenchReport(
        try ToolProcess.run(
          "mqbench",
          ["load"] + broker.options + words + ["--warm-up", "0", "--duration", "4", "--json"],
          timeout: .seconds(60)))
    }
    // Messages were due seconds ago when their turn came, and the thread had nothing else to do than to wait for acknowledgements.
    let delay = try #require(report.time("send_delay_window", "p90"))
    let lag = try #require(report.time("loop_lag", "p50"))
    #expect(delay > 300 && lag < 20 && !report.signs.contains("loop lag"), "\(delay) \(lag) \(report.signs)")
  }

  @Test("a publisher whose connection breaks while its window is full goes on with the next one", .needs("mosquitto"))
  func cutWhileHeld() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let proxy = try CuttingProxy(to: broker.port)
    let tool = try ToolProcess(
      "mqbench",
      ["load", "--closed", "--publishers", "1", "--subscribers", "0", "--window", "1"] + proxy.options + [
        "--warm-up", "0", "--duration", "4", "--json",
      ])
    Expect.eventually { broker.log.contains("Received PUBLISH") }
    proxy.cut()
    #expect(try tool.wait(timeout: .seconds(30)) == .exited(0), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect(report.count("lost_connections") == 1)
    #expect(report.seconds.filter { $0["second"] == 3 }.contains { $0["sent"] ?? 0 > 0 })
  }

  @Test("messages that do not come at QoS 0 are lost, each of them", .needs("mosquitto"))
  func dropped() throws {
    let (proxy, report, _) = try Self.run(
      .drop(every: 50), rate: 2000, seconds: 1, words: ["--qos", "0", "--drain", "2"])
    #expect(proxy.faults == 40)
    Self.expectCounts(report, lost: 40)
    #expect(report.count("expected") == 2000 && report.count("delivered") == 1960)
    // One in fifty never came: what a hundredth exceeds is longer than anything.
    #expect(report.isLost("end_to_end", "p99"), "\(report.text)")
  }

  @Test("messages that change places are reordered, and those that come twice are duplicates", .needs("mosquitto"))
  func swappedAndDoubled() throws {
    let swapped = try Self.run(.swap(every: 300), rate: 2000, seconds: 1)
    #expect(swapped.proxy.faults > 0)
    Self.expectCounts(swapped.report, reordered: Recording.reordered(swapped.proxy.passages))
    let doubled = try Self.run(.double(every: 300), rate: 2000, seconds: 1)
    Self.expectCounts(doubled.report, duplicates: doubled.proxy.faults)
  }

  @Test("what the proxy saw pass is what the report counts, and its times are the report's", .needs("mosquitto"))
  func recorded() throws {
    let (proxy, report, _) = try Self.run(nil, rate: 2000, seconds: 2, words: ["--qos", "1"])
    Self.expectCounts(report)
    let recording = Recording(proxy.passages, publishers: 4, rate: 2000)
    #expect(recording.times.count == report.count("delivered"))
    #expect(proxy.passages.count { !$0.isDelivery } == report.count("sent"))
    // This machine may be busy now, which makes the tool late behind the proxy, but never early. A drill looks more closely.
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
      let told = try #require(report.time("end_to_end", name))
      #expect(told > 0.95 * recording.percentile(share) - 1, "\(name)")
    }
    #expect(try #require(report.time("end_to_end", "p50")) < recording.percentile(0.5) + 20, "\(report.text)")
  }

  @Test("a broker that is killed: nothing is counted as delivered that was not", .needs("mosquitto"))
  func killedBroker() throws {
    let broker = try RealBroker()
    let proxy = try MessageProxy(to: broker.port)
    let tool = try ToolProcess(
      "mqbench",
      [
        "load", "-h", "127.0.0.1", "-p", "\(proxy.port)", "--publishers", "4", "--subscribers", "4", "--rate", "2000",
        "--warm-up", "0", "--duration", "3", "--drain", "1", "--qos", "1", "--json",
      ])
    #expect(Expect.eventually { proxy.passages.count { $0.isDelivery } > 1000 })
    try broker.kill()
    #expect(try tool.wait(timeout: .seconds(30)) == .exited(7), "\(tool.errorText)")
    #expect(tool.errorText.contains("messages were never sent"))
    let report = try BenchReport(tool)
    let seen = Set(proxy.passages.filter(\.isDelivery).map { $0.publisher << 32 | $0.sequence }).count
    let came = report.count("delivered")
    #expect(came <= seen && came > 0, "\(seen)\n\(report.text)")
    // Whatever was acknowledged either came or is lost; what was not is in doubt, or was never sent.
    let lost = report.count("lost")
    let acknowledged = report.count("acknowledged")
    #expect(report.count("expected") == acknowledged && lost >= acknowledged - came, "\(report.text)")
    #expect(report.count("lost_connections") == 8, "\(report.text)")
    // Most messages were due and never sent: no percentile looks good because of that.
    #expect(report.time("end_to_end", "p99") == nil && report.time("send_delay", "p90") == nil, "\(report.text)")
  }
}

/// End-to-end times by the clock of a proxy: from when a message was due, which follows from its number, to when it went to the
/// subscriber. What it cannot see is when the first message was due: it takes the moment at which the most punctual one passed.
struct Recording {
  /// In milliseconds, rising.
  let times: [Double]

  init(
    _ passages: [MessageProxy.Passage], publishers: Int, rate: Int, from first: Double = 0, to last: Double = .infinity
  ) {
    func due(_ passage: MessageProxy.Passage) -> Double {
      Double(passage.sequence * publishers + passage.publisher) * 1000 / Double(rate)
    }
    let start = passages.lazy.filter { !$0.isDelivery }.map { Double($0.time) / 1e6 - due($0) }.min() ?? 0
    times = passages.lazy.filter { $0.isDelivery && due($0) >= first && due($0) < last }
      .map { Double($0.time) / 1e6 - due($0) - start }.sorted()
  }

  /// How many deliveries came behind later ones of the same publisher.
  static func reordered(_ passages: [MessageProxy.Passage]) -> Int {
    var highest: [Int: Int] = [:]
    return passages.count { passage in
      guard passage.isDelivery else { return false }
      let isLate = passage.sequence < highest[passage.publisher, default: -1]
      highest[passage.publisher] = max(passage.sequence, highest[passage.publisher, default: -1])
      return isLate
    }
  }

  func percentile(_ share: Double) -> Double {
    times.isEmpty ? .nan : times[max(0, Int((Double(times.count) * share).rounded(.up)) - 1)]
  }
}
