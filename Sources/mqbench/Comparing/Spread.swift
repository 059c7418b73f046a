/// The same figure of several runs: runs, not samples, are what repeats.
struct Spread: Hashable, Sendable {
  private let sorted: [Double]

  /// One figure at least.
  init(_ figures: [Double]) { sorted = figures.sorted() }

  var least: Double { sorted.first ?? 0 }
  var most: Double { sorted.last ?? 0 }
  var median: Double { Self.median(ofSorted: sorted) }

  /// The middle one, or the mean of the two in the middle.
  static func median(_ figures: [Double]) -> Double { median(ofSorted: figures.sorted()) }

  private static func median(ofSorted sorted: [Double]) -> Double {
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    if !sorted.count.isMultiple(of: 2) || sorted[middle - 1] == sorted[middle] { return sorted[middle] }
    return (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// The middle one of values that may be endless or unknown; where there are two, the mean, or the longer one.
  static func median(_ values: [Times.Value]) -> Times.Value {
    let sorted = values.sorted()
    guard let last = sorted.last, last != .unknown, sorted.first != .unknown else { return .unknown }
    let middle = sorted.count / 2
    if case .nanoseconds(let one) = sorted[max(0, middle - 1)], case .nanoseconds(let other) = sorted[middle],
      sorted.count.isMultiple(of: 2)
    {
      return .nanoseconds((one + other) / 2)
    }
    return sorted[middle]
  }
}

extension Times.Value: Comparable {
  /// What is unknown comes first, what never ended last.
  static func < (one: Times.Value, other: Times.Value) -> Bool {
    switch (one, other) {
    case (.nanoseconds(let one), .nanoseconds(let other)): one < other
    case (.unknown, .unknown), (.endless, _), (_, .unknown): false
    case (.unknown, _), (_, .endless): true
    }
  }
}
