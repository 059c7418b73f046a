import Foundation
import TestSupport
import Testing

/// What mqbench says of two brokers, over many comparisons, and of how much one carries: run by `Scripts/drills`, with figures.
@Suite(
  .serialized, .needs("mosquitto"),
  .enabled(if: ProcessInfo.processInfo.environment["MQTOOLS_DRILLS"] != nil, "run Scripts/drills"))
struct CompareDrills {
  /// The words of one comparison of short runs, metric by metric.
  private func words(_ ports: [Int], runs: Int = 5) throws -> [String] {
    let tool = try ToolProcess.run(
      "mqbench",
      ["ab"] + ports.map { "mqtt://127.0.0.1:\($0)" }
        + [
          "--publishers", "4", "--subscribers", "4", "--rate", "1000", "--warm-up", "0.2", "--duration", "1", "--runs",
          "\(runs)", "--pause", "0", "--yes", "--json",
        ], timeout: .seconds(240))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let object = try JSONSerialization.jsonObject(with: Data(tool.output)) as? [String: Any]
    return (object?["metrics"] as? [[String: Any]] ?? []).compactMap { $0["word"] as? String }
  }

  @Test("a broker against itself is better or worse in two of forty comparisons at most")
  func withItself() throws {
    let broker = try RealBroker()
    let count = ProcessInfo.processInfo.environment["MQTOOLS_COMPARISONS"].flatMap { Int($0) } ?? 40
    let found = try (0..<count).count { _ in
      let words = try words([broker.port, broker.port])
      #expect(words.count >= 3)
      return words.contains { $0 != "no difference shown" }
    }
    print("▶ compare: \(found) of \(count) comparisons of a broker with itself found a difference")
    #expect(found * 20 <= count)
  }

  @Test("five milliseconds of delay are found every time")
  func delayed() throws {
    let broker = try RealBroker()
    let proxies = [
      try MessageProxy(to: broker.port, planting: nil),
      try MessageProxy(to: broker.port, planting: .delay(every: 1, by: .milliseconds(5))),
    ]
    let count = 10
    let found = try (0..<count).count { _ in try words(proxies.map(\.port)).contains("worse") }
    print("▶ compare: 5 ms of delay found \(found) times of \(count)")
    #expect(found == count)
  }

  @Test("three searches for what a broker carries are within 20 %, or say how noisy it was")
  func searches() throws {
    let broker = try RealBroker()
    var rates: [Double] = []
    var isNoisy = false
    for _ in 0..<3 {
      let start = ContinuousClock.now
      let tool = try ToolProcess.run(
        "mqbench", ["search"] + broker.options + ["--goal", "p99<50ms loss=0", "--rate", "4000", "--json"],
        timeout: .seconds(320))
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      #expect(seconds < 300)
      #expect([.exited(0), .exited(32)].contains(tool.end), "\(tool.errorText)")
      let object = try #require(try JSONSerialization.jsonObject(with: Data(tool.output)) as? [String: Any])
      isNoisy = isNoisy || object["noisy"] as? Bool == true
      if let rate = object["rate"] as? Double { rates.append(rate) }
      print("▶ search: \(object["answer"] ?? "") after \(Int(seconds)) s\(isNoisy ? ", noisy" : "")")
    }
    #expect(isNoisy || rates.max()! <= 1.2 * rates.min()!)
  }
}
