/// Looks for the highest rate that meets all conditions, without knowing what a rate costs: it says which rate to try next, and is told
/// how that went.
///
/// Doubling until something breaks, or mqbench is the limit, then halving the distance until it is 5 %, then 95 % of the answer for
/// longer. What ends the doubling, and in the end what the answer rests on, is tried once more before it is believed, for a single
/// window may fail by chance. What cannot be confirmed is stepped down from.
struct Search: Sendable {
  /// What to do next.
  enum Step: Hashable, Sendable {
    /// A short window at this many messages a second.
    case probe(Double)
    /// A longer one.
    case confirm(Double)
    case finished(Answer)
  }

  /// How a step went.
  enum Outcome: Hashable, Sendable {
    case passed
    /// What broke: `p99`, `sent of offered`.
    case failed(String)
    /// mqbench was the limit: higher rates say nothing about the broker.
    case toolLimited
  }

  /// What was found.
  enum Answer: Hashable, Sendable {
    /// This many messages a second, confirmed; and what broke first above.
    case rate(Double, brokenBy: String)
    /// At least this many; mqbench is the limit.
    case atLeast(Double)
    /// Not even this few.
    case below(Double, brokenBy: String)
    /// The time ran out before anything was confirmed; this many passed a short window.
    case unconfirmed(Double)
    /// There was no time for a single step.
    case noTime
  }

  /// A step that was made.
  struct Entry: Hashable, Sendable {
    var rate: Double
    var isConfirmation: Bool
    var outcome: Outcome
  }

  private(set) var entries: [Entry] = []
  private(set) var next: Step

  /// - Parameter start: where to begin, in messages a second.
  init(from start: Double) { next = .probe(start) }

  /// Lower than this is not looked for.
  private static let least = 1.0
  /// How near the two ends come.
  static let precision = 0.05
  private static let mostConfirmations = 4

  /// Takes how the step went that `next` asked for.
  mutating func take(_ outcome: Outcome) {
    switch next {
    case .finished: return
    case .probe(let rate):
      entries.append(Entry(rate: rate, isConfirmation: false, outcome: outcome))
      next = nextStep(from: rate)
    case .confirm(let rate):
      entries.append(Entry(rate: rate, isConfirmation: true, outcome: outcome))
      if outcome == .passed {
        next = .finished(isToolLimited ? .atLeast(rate) : .rate(rate, brokenBy: brokenBy))
      } else if entries.count(where: \.isConfirmation) == Self.mostConfirmations {
        next = .finished(.unconfirmed(rate))
      } else {
        next = .confirm(rate * 0.9)
      }
    }
  }

  /// There is time for a confirmation, and for nothing else.
  mutating func hurry() {
    if case .probe = next, let passed { next = .confirm(passed * 0.95) }
  }

  /// There is no time for more steps.
  mutating func stop() {
    if case .finished = next { return }
    switch (passed, limit) {
    case (let passed?, _): next = .finished(.unconfirmed(passed))
    case (nil, let limit?): next = .finished(isToolLimited ? .atLeast(0) : .below(limit, brokenBy: brokenBy))
    case (nil, nil): next = .finished(.noTime)
    }
  }

  /// The steps that did not pass although the same rate or a higher one did: where there are any, another search may end elsewhere.
  var refuted: [Entry] {
    guard let passed else { return [] }
    return entries.filter { $0.outcome != .passed && $0.rate <= passed }
  }

  /// The rates between what passed and what did not, where the time ran out before the distance was small; nil where it was.
  var gap: ClosedRange<Double>? {
    guard case .finished = next, let passed, let limit, limit > passed * (1 + Self.precision) else { return nil }
    return passed...limit
  }

  // MARK: - What the steps say

  /// The highest rate that passed a short window.
  private var passed: Double? {
    entries.lazy.filter { !$0.isConfirmation && $0.outcome == .passed }.map(\.rate).max()
  }

  /// The lowest rate that did not pass, unless a higher one did.
  private var limit: Double? { above.map(\.rate).min() }

  /// The steps at rates higher than all that passed.
  private var above: [Entry] {
    let passed = passed ?? 0
    return entries.filter { $0.rate > passed }
  }

  /// Whether what lies above says nothing of the broker.
  private var isToolLimited: Bool {
    entries.contains { $0.outcome == .toolLimited && ($0.isConfirmation || $0.rate == limit) }
  }

  /// What broke at the limit; where nothing did, what did not last.
  private var brokenBy: String {
    let limit = limit
    for entry in above.filter({ $0.rate == limit }) + entries.filter(\.isConfirmation) {
      if case .failed(let what) = entry.outcome { return what }
    }
    return ""
  }

  private func nextStep(from rate: Double) -> Step {
    switch (passed, limit) {
    case (let passed?, nil): return .probe(passed * 2)
    case (nil, let limit?):
      if limit / 2 >= Self.least { return .probe(limit / 2) }
      return .finished(isToolLimited ? .atLeast(0) : .below(limit, brokenBy: brokenBy))
    case (let passed?, let limit?):
      if above.count == 1, rate == limit { return .probe(limit) }
      if limit > passed * (1 + Self.precision) { return .probe((passed + limit) / 2) }
      return above.count { $0.rate == limit } < 2 ? .probe(limit) : .confirm(passed * 0.95)
    case (nil, nil): return .probe(rate)
    }
  }
}
