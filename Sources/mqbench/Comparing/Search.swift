/// Looks for the highest rate that meets all conditions, without knowing what a rate costs: it says which rate to try next, and is told
/// how that went.
///
/// Doubling until something breaks, or mqbench is the limit, then halving the distance until it is 5 %, then 95 % of the answer for
/// longer. What cannot be confirmed is stepped down from.
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
  }

  /// A step that was made.
  struct Entry: Hashable, Sendable {
    var rate: Double
    var isConfirmation: Bool
    var outcome: Outcome
  }

  private(set) var entries: [Entry] = []
  private(set) var next: Step
  /// The highest rate that passed, the lowest that did not, and the lowest at which mqbench was the limit.
  private var passed: Double?
  private var failed: Double?
  private var toolLimit: Double?
  private var brokenBy = ""
  private var confirmations = 0

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
      note(rate, outcome)
      next = step(after: rate)
    case .confirm(let rate):
      entries.append(Entry(rate: rate, isConfirmation: true, outcome: outcome))
      confirmations += 1
      switch outcome {
      case .passed: next = .finished(isToolLimited ? .atLeast(rate) : .rate(rate, brokenBy: brokenBy))
      case .toolLimited where confirmations >= Self.mostConfirmations,
        .failed where confirmations >= Self.mostConfirmations:
        next = .finished(.unconfirmed(rate))
      case .failed(let what):
        if brokenBy.isEmpty { brokenBy = what }
        next = .confirm(rate * 0.9)
      case .toolLimited:
        note(rate, outcome)
        next = .confirm(rate * 0.9)
      }
    }
  }

  /// Whether what lies above says nothing of the broker.
  private var isToolLimited: Bool { (toolLimit ?? .infinity) < (failed ?? .infinity) }

  /// There is time for a confirmation, and for nothing else.
  mutating func hurry() {
    if case .probe = next, let passed { next = .confirm(passed * 0.95) }
  }

  /// Whether higher rates passed than some that failed, or what passed did not last: another search would end elsewhere.
  var isNoisy: Bool {
    let failed = entries.filter { if case .failed = $0.outcome { true } else { false } }
    return failed.contains { failed in
      failed.isConfirmation || entries.contains { $0.outcome == .passed && $0.rate > failed.rate }
    }
  }

  /// There is no time for more steps.
  mutating func stop() {
    if case .finished = next { return }
    next = .finished(passed.map(Answer.unconfirmed) ?? .below(failed ?? Self.least, brokenBy: brokenBy))
  }

  private mutating func note(_ rate: Double, _ outcome: Outcome) {
    switch outcome {
    case .passed: passed = max(passed ?? 0, rate)
    case .failed(let what):
      if rate < failed ?? .infinity {
        failed = rate
        brokenBy = what
      }
    case .toolLimited: toolLimit = min(toolLimit ?? .infinity, rate)
    }
  }

  private func step(after rate: Double) -> Step {
    switch (passed, [failed, toolLimit].compactMap(\.self).min()) {
    case (let passed?, nil): return .probe(passed * 2)
    case (nil, let above?):
      if above / 2 >= Self.least { return .probe(above / 2) }
      return .finished(isToolLimited ? .atLeast(0) : .below(above, brokenBy: brokenBy))
    case (let passed?, let above?):
      return above <= passed * (1 + Self.precision) ? .confirm(passed * 0.95) : .probe((passed + above) / 2)
    case (nil, nil): return .probe(rate)
    }
  }
}
