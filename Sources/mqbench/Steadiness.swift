/// Whether a run had settled: a broker that falls behind a little more each second has figures that depend on when one stops.
struct Steadiness: Sendable {
  /// Messages a second by which the backlog grew over the window, by least squares over its seconds; nil in a closed loop, and in
  /// windows of less than three seconds.
  var slope: Double?
  /// Messages a second that were due.
  var rate: Double
  /// Seconds of the window.
  var seconds: Double
  /// The p99 of the messages that were due in either half of the window.
  var halves: (first: Times.Value, second: Times.Value)

  /// Whether the backlog grew by at most half a percent of what was due. Three messages do not make a trend, at whatever rate.
  var isBacklogSteady: Bool {
    guard let slope else { return true }
    return slope <= 0.005 * rate || slope * seconds < 3
  }

  /// Whether the two halves' p99 are within 20 % or 1 ms of each other, whichever is more; true where either is unknown.
  var areTimesSteady: Bool {
    switch halves {
    case (.nanoseconds(let first), .nanoseconds(let second)):
      Double(abs(first - second)) <= max(0.2 * Double(min(first, second)), 1e6)
    case (.nanoseconds, .endless), (.endless, .nanoseconds): false
    default: true
    }
  }

  var isSteady: Bool { isBacklogSteady && areTimesSteady }

  /// The slope of the straight line that fits values at 0, 1, 2 … best.
  static func slope(_ values: [Double]) -> Double? {
    guard values.count >= 3 else { return nil }
    let middle = Double(values.count - 1) / 2
    var (products, squares) = (0.0, 0.0)
    for (place, value) in values.enumerated() {
      let distance = Double(place) - middle
      products += distance * value
      squares += distance * distance
    }
    return products / squares
  }
}
