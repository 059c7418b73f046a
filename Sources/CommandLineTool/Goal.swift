/// What a measurement has to reach, for `--goal 'p99<5ms loss=0'`: a metric, an operator and a value.
///
/// | metric | what it is | value |
/// |---|---|---|
/// | `p50` … `p99.99` | percentile of the times, by nearest rank | a time: `300us`, `5ms`, `2s` |
/// | `min`, `mean`, `max` | of the times | a time |
/// | `connect` | from the beginning of an attempt to connect to CONNACK | a time |
/// | `loss` | messages that were sent and did not come | a number, or a share: `0.1%` |
/// | `rate` | messages a second | a number |
///
/// A time without a unit is in seconds. Operators are `<`, `<=`, `>`, `>=` and `=`. Several goals stand with blanks between them, and
/// all have to be met.
public struct Goal: Hashable, Sendable {
  /// What is measured.
  public enum Metric: Hashable, Sendable {
    /// The time that so many hundredths of a percent do not exceed: 9,999 for `p99.99`.
    case percentile(Int)
    case minimum, mean, maximum, connect
    /// Messages.
    case lost
    /// Messages in proportion to those that were sent.
    case lostShare
    case rate
  }

  private enum Comparison: Hashable, Sendable {
    case less, lessOrEqual, greater, greaterOrEqual, equal
  }

  /// The goal as it was typed.
  public let text: String
  /// What is measured.
  public let metric: Metric
  private let comparison: Comparison
  private let value: Int

  /// Whether the measured value is what was wanted: nanoseconds for times, a number of messages, millionths of a percent for a
  /// share, millionths of a message a second for a rate.
  public func isMet(by measured: Int) -> Bool {
    switch comparison {
    case .less: measured < value
    case .lessOrEqual: measured <= value
    case .greater: measured > value
    case .greaterOrEqual: measured >= value
    case .equal: measured == value
    }
  }

  /// The replies that a percentile needs so that it is more than the longest time of all: 100 for p99.
  public static func samplesNeeded(forPercentile hundredths: Int) -> Int {
    (10_000 + (10_000 - hundredths) - 1) / (10_000 - hundredths)
  }

  /// The percentile by nearest rank; nil where there are no values. `sorted` rises.
  public static func percentile(_ hundredths: Int, of sorted: [Int]) -> Int? {
    sorted.isEmpty ? nil : sorted[max(0, (sorted.count * hundredths + 9_999) / 10_000 - 1)]
  }
}

extension Goal {
  private static let times = [("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("", 1_000_000_000)]

  /// The goals that the word names, one at least.
  public static func goals(in word: Argument) throws(UsageError) -> [Goal] {
    var goals: [Goal] = []
    for part in word.bytes.split(separator: UInt8(ascii: " ")) { goals.append(try Goal(part, in: word)) }
    guard !goals.isEmpty else { throw UsageError("\(word.quoted) names no goal such as p99<5ms or loss=0") }
    return goals
  }

  private init(_ bytes: ArraySlice<UInt8>, in word: Argument) throws(UsageError) {
    text = String(decoding: bytes, as: UTF8.self)
    let name = bytes.prefix { !"<>=".utf8.contains($0) }
    var rest = bytes.dropFirst(name.count)
    let operators: [(String, Comparison)] = [
      ("<=", .lessOrEqual), (">=", .greaterOrEqual), ("<", .less), (">", .greater), ("=", .equal),
    ]
    guard let (sign, comparison) = operators.first(where: { rest.starts(with: $0.0.utf8) }) else {
      throw UsageError("'\(text)' is no goal such as p99<5ms: it needs <, <=, >, >= or =")
    }
    self.comparison = comparison
    rest = rest.dropFirst(sign.utf8.count)
    let value = Argument(Array(rest), from: word.source)
    let isShare = rest.last == UInt8(ascii: "%")
    let metric = try Self.metric(name, isShare: isShare)
    self.metric = metric
    let units: [(String, Int)]
    switch metric {
    case .lost: units = [("", 1)]
    case .lostShare: units = [("%", 1_000_000)]
    case .rate: units = [("", 1_000_000)]
    default: units = Self.times
    }
    guard let number = value.quantity(units) else {
      let example =
        units[0].0.isEmpty ? "a number" : isShare ? "a share such as 0.1%" : "a time such as 300us, 5ms or 2s"
      throw UsageError("'\(text)': \(value.quoted) is not \(example)")
    }
    self.value = number
  }

  private static func metric(_ name: ArraySlice<UInt8>, isShare: Bool) throws(UsageError) -> Metric {
    let metrics: [(String, Metric)] = [
      ("min", .minimum), ("mean", .mean), ("max", .maximum), ("connect", .connect),
      ("loss", isShare ? .lostShare : .lost), ("rate", .rate),
    ]
    if let found = metrics.first(where: { name.elementsEqual($0.0.utf8) }) { return found.1 }
    if name.first == UInt8(ascii: "p"),
      let hundredths = Argument(Array(name.dropFirst()), from: Source(.commandLine)).quantity([("", 100)]),
      (1..<10_000).contains(hundredths)
    {
      return .percentile(hundredths)
    }
    let text = String(decoding: name, as: UTF8.self)
    throw UsageError("'\(text)' is not one of p50 to p99.99, min, mean, max, connect, loss and rate")
  }
}
