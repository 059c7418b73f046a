internal import CommandLineTool

/// How a goal came out.
struct GoalResult: Sendable {
  let goal: Goal
  /// Nil when it cannot be told.
  let isMet: Bool?
  /// What was measured.
  let measured: String

  /// Judges a report; a verdict against mqbench leaves everything open. Percentiles and rates are the median of the runs, losses
  /// those of all.
  ///
  /// - Parameter needsSamples: whether a percentile has to have ten samples beyond it.
  init(_ goal: Goal, _ report: Report, needsSamples: Bool = true) {
    self.goal = goal
    let isMet: Bool?
    switch goal.metric {
    case .percentile(let hundredths):
      (isMet, measured) = Self.judge(goal, report) { run in
        needsSamples ? run.headlineTimes.percentile(hundredths) : run.headlineTimes.rank(hundredths)
      }
    case .minimum: (isMet, measured) = Self.judge(goal, report) { $0.headlineTimes.ended(\.minimum) }
    case .mean: (isMet, measured) = Self.judge(goal, report) { $0.headlineTimes.ended { Int64($0.mean) } }
    case .maximum:
      (isMet, measured) = Self.judge(goal, report) {
        $0.headlineTimes.endless > 0 ? .endless : $0.headlineTimes.ended(\.maximum)
      }
    case .connect: (isMet, measured) = Self.judge(goal, report) { ($0.times[.connect] ?? Times()).ended(\.maximum) }
    case .lost:
      let missing = report.runs.reduce(0) { $0 + $1.missing }
      isMet = Self.hasSubscribers(report) ? goal.isMet(by: missing) : nil
      measured = Self.hasSubscribers(report) ? "\(missing)" : "nobody subscribes"
    case .lostShare:
      let missing = report.runs.reduce(0) { $0 + $1.missing }
      let came = report.runs.reduce(0) { $0 + $1.count(.delivered) }
      let share = Double(missing) / Double(max(1, missing + came))
      isMet = Self.hasSubscribers(report) ? goal.isMet(by: Int(share * 1e8)) : nil
      measured = Self.hasSubscribers(report) ? Figures.decimals(share * 100, 4) + " %" : "nobody subscribes"
    case .rate:
      let metric = [RateMetric.delivered, .connected].first { report.runs[0].rates[$0] != nil } ?? .sent
      let rate = Spread.median(report.runs.map { $0.rate(metric) })
      isMet = goal.isMet(by: Int(min(rate, 1e12) * 1e6))
      measured = "\(Figures.rate(rate)) a second \(metric.rawValue)"
    }
    // What mqbench itself held up says nothing of a broker.
    self.isMet = report.verdict == .tool ? nil : isMet
  }

  private static func hasSubscribers(_ report: Report) -> Bool { report.runs.contains { $0.counts[.lost] != nil } }

  private static func judge(_ goal: Goal, _ report: Report, _ value: (Report.Run) -> Times.Value) -> (Bool?, String) {
    switch Spread.median(report.runs.map(value)) {
    case .nanoseconds(let time): (goal.isMet(by: Int(time)), "\(Figures.milliseconds(time)) ms")
    case .endless: (goal.isMet(by: .max), "lost")
    case .unknown: (nil, "too few samples")
    }
  }

  /// `met: 1.204 ms`
  var outcome: String {
    switch isMet {
    case true: "met: \(measured)"
    case false: "missed: \(measured)"
    case nil: "cannot be told (\(measured))"
    }
  }

  /// What the goals of a report make of the exit status.
  static func status(_ results: [GoalResult]) -> ExitStatus {
    if results.isEmpty { return .ok }
    if results.contains(where: { $0.isMet == false }) { return .goalMissed }
    return results.contains { $0.isMet == nil } ? .notMeasurable : .ok
  }
}

extension Goal {
  /// Whether it is about what subscribers get.
  var isAboutDeliveries: Bool {
    switch metric {
    case .lost, .lostShare: true
    default: false
    }
  }
}

extension Report.Run {
  /// What was due and did not come, as far as anybody can tell: lost deliveries, and messages refused, in doubt or never sent.
  fileprivate var missing: Int {
    count(.lost) + count(.refused) + count(.inDoubt) + unsent
      + (count(.lostConnections) > 0 ? count(.undeliverable) : 0)
  }

  fileprivate var headlineTimes: Times { times[headline] ?? Times() }
}

extension Times {
  /// A figure over what came to an end.
  fileprivate func ended(_ figure: (Times) -> Int64) -> Value { hasEnded ? .nanoseconds(figure(self)) : .unknown }
}
