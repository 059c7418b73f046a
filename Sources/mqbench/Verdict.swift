/// What limited a run: whether its figures are about the broker.
enum Verdict: String, Hashable, Sendable {
  case tool, network, broker, none

  init(_ summary: Summary) {
    let p99 = Self.nanoseconds(summary.headline.rank(9900))
    let lag = Self.nanoseconds(summary.measured.loopLag.rank(9900))
    let delay = Self.nanoseconds(summary.measured.sendDelayTool.rank(9900))
    let busy = summary.load.slices > 0 ? Double(summary.load.busySlices) / Double(summary.load.slices) : 0
    if lag > 1e6 && lag > 0.1 * p99 || delay > 1e6 && delay > 0.05 * p99 || busy > 0.05 {
      self = .tool
    } else if summary.achieved < 0.99 || !summary.isSteady {
      self = .broker
    } else {
      self = .none
    }
  }

  private static func nanoseconds(_ value: Times.Value) -> Double {
    switch value {
    case .nanoseconds(let time): Double(time)
    case .endless: .infinity
    case .unknown: 0
    }
  }
}
