import Foundation
import TestSupport
import Testing

/// What `mqbench load --json` printed of its last run.
struct BenchReport {
  let text: String
  let run: [String: Any]

  init(_ tool: ToolProcess) throws { try self.init(tool.outputText) }

  init(_ text: String) throws {
    self.text = text
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    run = try #require((object?["runs"] as? [[String: Any]])?.last)
  }

  /// A count by its name: `lost`, `reordered`.
  func count(_ name: String) -> Int { (run["counts"] as? [String: Any])?[name] as? Int ?? -1 }

  func counts(_ names: String...) -> [Int] { names.map(count) }

  /// The groups that publish, with their counts.
  var groups: [(name: String, counts: [String: Int])] {
    (run["groups"] as? [[String: Any]] ?? []).map {
      ($0["name"] as? String ?? "", $0["counts"] as? [String: Int] ?? [:])
    }
  }

  /// A rate a second by its name.
  func rate(_ name: String) -> Double { (run["rates"] as? [String: Any])?[name] as? Double ?? -1 }

  /// A value in milliseconds of a distribution, both by name (`end_to_end`, `p99`); nil when it is not known or infinite.
  func time(_ metric: String, _ value: String) -> Double? {
    let times = (run["times"] as? [String: Any])?[metric] as? [String: Any]
    return (times?[value + "_ns"] as? Double).map { $0 / 1e6 }
  }

  /// Whether a percentile falls among what never came.
  func isLost(_ metric: String, _ value: String) -> Bool {
    ((run["times"] as? [String: Any])?[metric] as? [String: Any])?[value + "_ns"] as? String == "lost"
  }

  /// The share of a distribution's samples that are longer than this.
  func share(_ metric: String, above limit: Duration) -> Double {
    let times = (run["times"] as? [String: Any])?[metric] as? [String: Any]
    let histogram = (times?["histogram"] as? [NSNumber] ?? []).map(\.intValue)
    let lost = times?["lost"] as? Int ?? 0
    let nanoseconds = Int(limit / .nanoseconds(1))
    var (above, all) = (lost, lost)
    for place in stride(from: 0, to: histogram.count - 1, by: 2) {
      all += histogram[place + 1]
      if histogram[place] > nanoseconds { above += histogram[place + 1] }
    }
    return all == 0 ? .nan : Double(above) / Double(all)
  }

  /// The numbers of each second by name.
  var seconds: [[String: Double]] {
    (run["seconds"] as? [[String: Any]] ?? []).map { second in second.compactMapValues { $0 as? Double } }
  }

  var verdict: String { run["verdict"] as? String ?? "" }
  var signs: [String] { run["signs"] as? [String] ?? [] }
  /// The figures that the verdict rests on.
  var evidence: [String: String] { run["evidence"] as? [String: String] ?? [:] }
}
