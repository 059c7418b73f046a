internal import CommandLineTool

/// What mqbench says of a load: what was done and where, and what each run came to. Every kind of report is made of it, and it is
/// what is saved and read again.
struct Report: Sendable {
  /// Something with a name.
  struct Item: Hashable, Sendable {
    var name: String
    var value: String
  }

  /// The version of mqtools that measured.
  var version = Version.number
  /// The options in effect from all sources, each with its words, for a run like this one. Without secrets.
  var options: [[String]] = []
  /// What was done, in words. Two reports with the same scenario may be compared.
  var scenario: [Item] = []
  /// The file that the scenario was read from, without what is secret in it.
  var scenarioText = ""
  /// Where: broker, connection, machine.
  var environment: [Item] = []
  var runs: [Run] = []
  /// Which parts of the scenario the runs are; nil when they are all of it.
  var shards: Shards?

  /// Parts of a load.
  struct Shards: Hashable, Sendable {
    /// Those that there are, from 1, in their order.
    var numbers: [Int]
    /// How many there were to be.
    var count: Int

    var isWhole: Bool { numbers.count == count }

    /// `shard 2 of 4`, `3 of 4 shards` or `all 4 shards`.
    var text: String {
      if isWhole { return "all \(count) shards" }
      return numbers.count == 1 ? "shard \(numbers[0]) of \(count)" : "\(numbers.count) of \(count) shards"
    }
  }

  /// What one run came to.
  struct Run: Sendable {
    /// The word that its topics and client identifiers begin with.
    var word = ""
    var seed: UInt64 = 0
    /// The start of the arrivals, or of nothing but connections: `2026-11-22T12:55:34.539Z`.
    var start = ""
    /// Seconds from the start of the arrivals to the window.
    var windowStart = 0.0
    /// Seconds of the window.
    var window = 0.0
    /// Seconds after the window in which messages could come.
    var drain = 0.0
    var isClosed = false
    var isInterrupted = false
    var isSteady = true
    var verdict = Verdict.none
    /// What speaks for the verdict, and the figures that it rests on.
    var signs: [String] = []
    var evidence: [Item] = []
    var times: [TimeMetric: Times] = [:]
    var counts: [CountMetric: Int] = [:]
    var rates: [RateMetric: Double] = [:]
    var seconds: [Second] = []
    /// Where several groups publish, each of them.
    var groups: [Group] = []
    /// The first and the last sequence number in the window of each publisher.
    var sequences: [ClosedRange<Int>?] = []
  }

  /// What became of the messages of one group that publishes.
  struct Group: Sendable {
    var name = ""
    var counts: [CountMetric: Int] = [:]
    /// End-to-end times.
    var times = Times()
  }

  /// One second of a run.
  struct Second: Sendable {
    /// Seconds from the start of the window to its beginning: 0 is the first one that counts, -1 the last of the warm-up.
    var number = 0
    var sent = 0
    var acknowledged = 0
    var delivered = 0
    /// End-to-end times of what came in this second.
    var samples: [Times.Sample] = []
    /// Further figures by name.
    var values: [(name: String, value: Double)] = []
  }

  /// The scenario as one reads it aloud: `10 publishers, 10 subscribers, 10 topics, QoS 1, 64 bytes, 1,000 messages a second`.
  var sentence: String { partText + Self.sentence(scenario) }

  /// `shard 2 of 4 of `, before what the load is; nothing when that is what was done.
  var partText: String { shards.map { "\($0.text) of " } ?? "" }

  static func sentence(_ scenario: [Item]) -> String {
    scenario.map { item in
      switch item.name {
      case "publishers", "subscribers", "topics", "bytes", "clients":
        "\(item.value) \(item.value == "1" ? String(item.name.dropLast()) : item.name)"
      case "rate": "\(item.value) messages a second"
      case "connections a second": "\(item.value) \(item.name)"
      case "seconds": "\(item.value) s"
      default: item.value.isEmpty ? item.name : "\(item.name) \(item.value)"
      }
    }.joined(separator: ", ")
  }

  /// A metric's title for tables. In a closed loop all times are since sent, and nothing is above them.
  func title(_ metric: TimeMetric) -> String {
    switch metric {
    case .endToEndService where isClosed: "received"
    case .acknowledgementService where isClosed: "acknowledged"
    default: metric.title
    }
  }

  /// What limited the runs: the worst of them.
  var verdict: Verdict { Verdict.worst(of: runs.map(\.verdict)) }

  var isSteady: Bool { runs.allSatisfy(\.isSteady) }
  var isClosed: Bool { runs.contains { $0.isClosed } }
}

extension Report.Run {
  /// The distribution that a report is about.
  var headline: TimeMetric {
    if times[.endToEnd] != nil { return .endToEnd }
    if times[.endToEndService] != nil { return .endToEndService }
    if times[.acknowledgement] != nil { return .acknowledgement }
    if times[.acknowledgementService] != nil { return .acknowledgementService }
    return times[.sendDelay] != nil ? .sendDelay : .connect
  }

  /// Nothing but connections.
  var isConnect: Bool { counts[.clients] != nil }

  func count(_ metric: CountMetric) -> Int { counts[metric] ?? 0 }
  func rate(_ metric: RateMetric) -> Double { rates[metric] ?? 0 }

  /// What was due and never sent.
  var unsent: Int { isClosed ? 0 : max(0, count(.offered) - count(.sent)) }

  /// The seconds that had come to their end when the run did.
  var wholeSeconds: [Report.Second] { seconds.filter { Double($0.number + 1) <= window + drain } }

  /// Sent in proportion to offered; of nothing but connections, those that were accepted in proportion to those that were tried.
  var achieved: Double {
    if isConnect { return count(.clients) > 0 ? Double(count(.connected)) / Double(count(.clients)) : 1 }
    return rate(.offered) > 0 ? rate(.sent) / rate(.offered) : 1
  }

  /// A percentile that falls among what never came is longer than this, in nanoseconds: nothing was waited for less.
  var patience: Int64 { Int64(drain * 1e9) }
}
