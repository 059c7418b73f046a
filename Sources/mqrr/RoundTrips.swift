internal import CommandLineTool
internal import MQTT

/// How long replies took, in nanoseconds, and how many there were.
struct RoundTrips {
  /// Requests that were made.
  var sent = 0
  /// Requests whose reply may still come.
  var awaited = 0
  /// Messages that answered nothing, or for the second time.
  var ignored = 0
  /// How long it took to connect, once.
  var connectTime: Int?
  private(set) var times: [Int] = []

  /// Percentiles that are shown, in hundredths.
  static let percentiles = [5_000, 9_500, 9_900]

  mutating func append(_ time: Int) { times.append(time) }

  var received: Int { times.count }
  var lost: Int { sent - awaited - received }
  var longest: Int? { times.max() }

  /// Lost requests in millionths of a percent of those that are no longer awaited.
  var lostShare: Int { sent == awaited ? 0 : lost * 100_000_000 / (sent - awaited) }

  /// What is known at the end.
  struct Summary {
    var minimum = 0
    var mean = 0
    var maximum = 0
    var deviation = 0
    /// Those of `percentiles`.
    var percentiles: [Int] = []
    /// All times, rising.
    var sorted: [Int] = []
  }

  /// What is known of the times; nil when there are none.
  var summary: Summary? {
    let sorted = times.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let mean = sorted.reduce(0.0) { $0 + Double($1) } / Double(sorted.count)
    let variance = sorted.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(sorted.count)
    return Summary(
      minimum: first, mean: Int(mean), maximum: last, deviation: Int(variance.squareRoot()),
      percentiles: Self.percentiles.map { Goal.percentile($0, of: sorted) ?? 0 }, sorted: sorted)
  }

  /// How a goal came out; nil when there is too little to tell.
  func isMet(_ goal: Goal, _ summary: Summary?) -> Bool? {
    switch goal.metric {
    case .lost: return goal.isMet(by: lost)
    case .lostShare: return goal.isMet(by: lostShare)
    case .connect: return connectTime.map { goal.isMet(by: $0) }
    case .minimum: return summary.map { goal.isMet(by: $0.minimum) }
    case .mean: return summary.map { goal.isMet(by: $0.mean) }
    case .maximum: return summary.map { goal.isMet(by: $0.maximum) }
    case .percentile(let hundredths):
      guard let summary, received >= Goal.samplesNeeded(forPercentile: hundredths) else { return nil }
      return Goal.percentile(hundredths, of: summary.sorted).map { goal.isMet(by: $0) }
    case .rate: return nil
    }
  }
}

extension OutputBuffer {
  /// Appends a time as mosquitto_rr writes it: `Latency: 29.644000µs`.
  mutating func append(latency: Duration) {
    let nanoseconds = Int(latency.nanoseconds)
    append("Latency: ")
    if nanoseconds < 1_000 {
      append("\(nanoseconds)ns\n")
    } else if nanoseconds < 1_000_000 {
      append(nanoseconds, per: 1_000, digits: 6)
      append("µs\n")
    } else if nanoseconds < 1_000_000_000 {
      append(nanoseconds, per: 1_000_000, digits: 6)
      append("ms\n")
    } else {
      append(nanoseconds, per: 1_000_000_000, digits: 9)
      append("s\n")
    }
  }

  /// Appends nanoseconds as milliseconds with three digits behind the point.
  mutating func append(milliseconds nanoseconds: Int) { append(nanoseconds, per: 1_000_000, digits: 3) }

  /// Appends a count of small units in a larger one, with so many digits behind the point; further ones are left out.
  mutating func append(_ count: Int, per unit: Int, digits: Int) {
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    append(decimal: count / unit)
    append(UInt8(ascii: "."))
    append(decimal: Int(Double(count % unit) * Double(scale) / Double(unit)), width: digits)
  }
}
