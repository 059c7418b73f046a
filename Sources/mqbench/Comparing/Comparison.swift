/// Two series of runs against each other: how far apart the medians are, and whether chance alone could have done it.
///
/// Runs are the unit, not messages: the messages of one run have the same broker, the same cache and the same neighbours, so that
/// a million of them say little about the next run. The interval is a bootstrap over runs: both series are drawn again from their
/// own runs, many times, and 95 % of the differences of the medians lie in it.
struct Comparison: Sendable {
  /// What a difference is called.
  enum Word: String, Sendable {
    case better, worse
    case noDifference = "no difference shown"
  }

  /// One metric.
  struct Row: Sendable {
    var name: String
    var unit: String
    var isLessBetter: Bool
    var first: Spread
    var second: Spread
    /// The second median less the first.
    var difference: Double
    /// Where the difference lies, in 95 of 100 cases.
    var interval: ClosedRange<Double>
    /// Nil where there are too few runs for one.
    var word: Word?

    /// The difference in proportion to the first median; nil where that is 0.
    var share: Double? { first.median != 0 ? difference / first.median : nil }
  }

  private(set) var rows: [Row] = []
  let counts: (first: Int, second: Int)

  /// With fewer runs on a side nothing is called better or worse.
  static let leastRuns = 4
  /// With fewer than this the medians have to be farther apart than the runs of either side are among themselves.
  static let manyRuns = 7
  private static let resamples = 2000

  init(_ first: [Report.Run], _ second: [Report.Run]) {
    counts = (first.count, second.count)
    let figures = Self.figures.compactMap { figure -> (Figure, [Double], [Double])? in
      let (some, others) = (first.compactMap(figure.value), second.compactMap(figure.value))
      // A figure that a run has not, as too few messages have come, is compared for none.
      return some.count == first.count && others.count == second.count ? (figure, some, others) : nil
    }
    let headline = first.first.map { "\($0.headline.title.drop { $0 == " " }) " } ?? ""
    for (figure, some, others) in figures {
      rows.append(
        Self.row(
          (figure.isOfHeadline ? headline : "") + figure.name, figure.unit, figure.isLessBetter, some, others,
          of: figures.count))
    }
  }

  /// One metric of as many as `count`.
  ///
  /// Among several metrics one or the other differs by chance more often than one alone: the word is given when the interval that is
  /// wider by their number (Bonferroni) has no 0 in it, so that a broker against itself is better or worse in anything in one of
  /// twenty comparisons at most. Few runs look more alike than they are, so that these have to lie farther apart besides.
  static func row(
    _ name: String, _ unit: String, _ isLessBetter: Bool, _ first: [Double], _ second: [Double], of count: Int = 1
  ) -> Row {
    let differences = differences(first, second)
    let interval = Self.interval(differences, 0.95)
    let strict = Self.interval(differences, 1 - 0.05 / Double(max(1, count)))
    let difference = Spread.median(second) - Spread.median(first)
    var word: Word?
    let fewer = min(first.count, second.count)
    if fewer >= leastRuns {
      word = .noDifference
    }
    let spreads = [Spread(first), Spread(second)]
    if fewer >= manyRuns || (fewer >= leastRuns && abs(difference) > spreads.map { $0.most - $0.least }.max() ?? 0) {
      if strict.lowerBound > 0 { word = isLessBetter ? .worse : .better }
      if strict.upperBound < 0 { word = isLessBetter ? .better : .worse }
    }
    return Row(
      name: name, unit: unit, isLessBetter: isLessBetter, first: Spread(first), second: Spread(second),
      difference: difference, interval: interval, word: word)
  }

  /// Differences of the medians of runs drawn again, in their order. The same runs always give the same.
  private static func differences(_ first: [Double], _ second: [Double]) -> [Double] {
    var generator = SplitMix(seed: 0x6D71_6265_6E63_6821)
    // What never differs, as a loss of 0 does not, need not be drawn.
    if Set(first).count == 1, Set(second).count == 1 { return [second[0] - first[0]] }
    var draw: [Double] = []
    func median(_ runs: [Double]) -> Double {
      draw.removeAll(keepingCapacity: true)
      for _ in runs { draw.append(runs[Int(generator.next() % UInt64(runs.count))]) }
      return Spread.median(draw)
    }
    return (0..<resamples).map { _ in median(second) - median(first) }.sorted()
  }

  private static func interval(_ sorted: [Double], _ level: Double) -> ClosedRange<Double> {
    let beyond = Int(Double(sorted.count) * (1 - level) / 2)
    return sorted[beyond]...sorted[sorted.count - 1 - beyond]
  }

  /// The worst that was found.
  var word: Word? {
    let words = rows.compactMap(\.word)
    if words.contains(.worse) { return .worse }
    if words.contains(.better) { return .better }
    return words.first
  }

  // MARK: - What is compared

  private struct Figure: Sendable {
    var name: String
    var unit: String
    var isLessBetter = true
    /// A percentile of the headline, whose name stands before it.
    var isOfHeadline = false
    var value: @Sendable (Report.Run) -> Double?
  }

  private static let figures: [Figure] =
    [5000, 9000, 9900, 9990].map { percentile in
      Figure(name: Figures.percentile(percentile), unit: "ms", isOfHeadline: true) { run in
        guard case .nanoseconds(let time) = (run.times[run.headline] ?? Times()).percentile(percentile) else {
          return nil
        }
        return Double(time) / 1e6
      }
    } + [
      Figure(name: "delivered", unit: "/s", isLessBetter: false) { $0.isClosed ? $0.rates[.delivered] : nil },
      Figure(name: "sent", unit: "/s", isLessBetter: false) { $0.isClosed ? $0.rates[.sent] : nil },
      Figure(name: "sent of offered", unit: "%", isLessBetter: false) { run in
        run.isClosed || run.isConnect ? nil : (min(1, run.achieved) * 1000).rounded() / 10
      },
      Figure(name: "accepted of tried", unit: "%", isLessBetter: false) { run in
        run.isConnect ? (run.achieved * 1000).rounded() / 10 : nil
      },
      Figure(name: "lost of expected", unit: "%") { run in
        run.count(.expected) > 0 ? Double(run.count(.lost)) / Double(run.count(.expected)) * 100 : nil
      },
      Figure(name: "refused or in doubt", unit: "%") { run in
        let count = run.count(.refused) + run.count(.inDoubt)
        return run.count(.sent) > 0 ? Double(count) / Double(run.count(.sent)) * 100 : nil
      },
    ]

  /// Reports of different things cannot be compared: what differs, as it is named in them.
  static func difference(between reports: [Report]) -> String? {
    guard let first = reports.first else { return nil }
    for report in reports.dropFirst() {
      for name in (first.scenario + report.scenario).map(\.name) {
        let values = [first, report].map { $0.scenario.first { $0.name == name }?.value ?? "none" }
        if values[0] != values[1] { return "\(name): \(values[0]) and \(values[1])" }
      }
    }
    return nil
  }
}

/// Random numbers that are the same each time: good enough to draw runs with.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
