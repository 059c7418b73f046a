internal import Histogram

/// The distribution of a time in nanoseconds, up to a minute, with three significant digits, and how often it
/// never came to an end.
struct Times: Sendable {
  private(set) var histogram = Histogram<UInt64>(
    lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
  /// Samples that are longer than anything: what was expected did not come.
  private(set) var endless = 0
  /// The longest one, exactly.
  private(set) var maximum: Int64 = 0
  private(set) var minimum = Int64.max

  init() {}

  /// Times that were recorded before; `minimum` and `maximum` are exact where they are known.
  init(_ samples: [Sample], endless: Int = 0, from minimum: Int64? = nil, to maximum: Int64? = nil) {
    add(samples)
    self.endless = endless
    if let minimum, let maximum, !samples.isEmpty { (self.minimum, self.maximum) = (minimum, maximum) }
  }

  /// Samples, the endless ones among them.
  var count: Int { Int(histogram.totalCount) + endless }
  var isEmpty: Bool { count == 0 }
  /// Whether any of them came to an end.
  var hasEnded: Bool { histogram.totalCount > 0 }

  mutating func record(_ nanoseconds: Int64) {
    maximum = max(maximum, nanoseconds)
    minimum = min(minimum, nanoseconds)
    _ = histogram.record(UInt64(min(max(0, nanoseconds), 60_000_000_000)))
  }

  /// What never came.
  mutating func recordEndless(_ count: Int) { endless += count }

  /// Forgets all samples.
  mutating func removeAll() {
    histogram.reset()
    (endless, maximum, minimum) = (0, 0, .max)
  }

  mutating func add(_ other: Times) {
    histogram.add(other.histogram)
    endless += other.endless
    maximum = max(maximum, other.maximum)
    minimum = min(minimum, other.minimum)
  }

  /// A value of the distribution.
  enum Value: Hashable, Sendable {
    case nanoseconds(Int64)
    /// The rank falls among what never came.
    case endless
    /// Too few samples to tell.
    case unknown
  }

  /// The percentile `hundredths` (9,990 for p99.9) by nearest rank over all samples; unknown when fewer than ten are beyond it.
  func percentile(_ hundredths: Int) -> Value {
    count >= (100_000 + 9_999 - hundredths) / (10_000 - hundredths) ? rank(hundredths) : .unknown
  }

  /// The same whatever the number of samples.
  func rank(_ hundredths: Int) -> Value {
    guard count > 0 else { return .unknown }
    // In two parts, for what is merged may be more than ten thousand times a number can be.
    let rank = max(1, count / 10_000 * hundredths + (count % 10_000 * hundredths + 9_999) / 10_000)
    let finite = Int(histogram.totalCount)
    if rank > finite { return .endless }
    if rank == finite { return .nanoseconds(maximum) }
    // The library takes a share and rounds: the middle between two ranks cannot be missed.
    let value = histogram.valueAtPercentile((Double(rank) - 0.5) / Double(finite) * 100)
    return .nanoseconds(min(Int64(value), maximum))
  }

  /// The values that occurred, and how often: small where there are few.
  var samples: [Sample] {
    histogram.recordedValues().map { Sample(nanoseconds: Int64($0.value), count: Int($0.count)) }
  }

  /// A time that occurred so often.
  struct Sample: Hashable, Sendable {
    var nanoseconds: Int64
    var count: Int
  }

  mutating func add(_ samples: [Sample]) {
    for sample in samples {
      _ = histogram.record(UInt64(sample.nanoseconds), count: UInt64(sample.count))
      maximum = max(maximum, sample.nanoseconds)
      minimum = min(minimum, sample.nanoseconds)
    }
  }

  /// Over what came to an end.
  var mean: Double { histogram.mean }
  var standardDeviation: Double { histogram.stdDeviation }
}
