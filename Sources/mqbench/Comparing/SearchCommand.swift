internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// The command that finds the highest rate.
extension Measurement {
  /// A step of the table.
  private struct Row {
    var rate: Double
    var isConfirmation: Bool
    var report: Report?
    var outcome: Search.Outcome
  }

  /// When the whole search has to be over.
  private static let limit = Duration.seconds(290)
  private static let probe: (warmUp: Duration, window: Duration) = (.seconds(5), .seconds(10))
  private static let confirmation: (warmUp: Duration, window: Duration) = (.seconds(5), .seconds(30))

  /// How long a step takes with connecting, settling, draining and leaving.
  private static func time(_ step: (warmUp: Duration, window: Duration), _ plan: LoadPlan) -> Duration {
    plan.leastConnectTime + step.warmUp + step.window + .seconds(4)
  }

  func search() throws(UsageError) -> ExitStatus {
    var load = settings.load
    (load.warmUp, load.duration, load.drain) = (Self.probe.warmUp, Self.probe.window, .seconds(10))
    // The password is asked for once.
    let first = try plan(load)
    var plan = first
    let goals = try goals(plan)
    let deadline = Instant.now + Self.limit
    let firstRate = settings.load.isRateGiven || plan.scenarioText != nil ? plan.messagesPerSecond : 1000
    var search = Search(from: firstRate)
    var rows: [Row] = []
    do {
      let idle = try ping(plan)
      while true {
        let left = deadline - .now
        // The first window of 30 seconds may well fail.
        if left < Self.time(Self.probe, plan) + Self.time(Self.confirmation, plan) * 2 { search.hurry() }
        let (rate, isConfirmation): (Double, Bool)
        switch search.next {
        case .probe(let next): (rate, isConfirmation) = (next, false)
        case .confirm(let next): (rate, isConfirmation) = (next, true)
        case .finished: return say(search, rows, goals, first)
        }
        let times = isConfirmation ? Self.confirmation : Self.probe
        if left < Self.time(times, plan) {
          search.stop()
          continue
        }
        (plan.warmUp, plan.duration) = times
        plan = plan.publishing(rate)
        if diagnostics.isTerminal {
          diagnostics.notice("\(isConfirmation ? "confirming" : "trying") \(Figures.rate(rate)) messages a second")
        }
        guard let row = try step(plan, rate, isConfirmation, goals, isFirst: rows.isEmpty) else {
          return ended(say(search, rows, goals, first))
        }
        rows.append(row)
        search.take(row.outcome)
        if row.outcome != .passed { try recover(plan, idle: idle, until: min(deadline, .now + .seconds(10))) }
      }
    } catch is Interrupted {
      return ended(say(search, rows, goals, first))
    } catch {
      // The broker is gone; what it did before is worth telling.
      if !rows.isEmpty { _ = say(search, rows, goals, first) }
      return status(error)
    }
  }

  /// What a step has to reach.
  private func goals(_ plan: LoadPlan) throws(UsageError) -> [Goal] {
    if plan.publishings.isEmpty { throw UsageError("search: no group publishes anything (see --publish)") }
    let goals = settings.report.goals
    if !plan.followsMessages, let goal = goals.first(where: \.isAboutDeliveries) {
      throw UsageError(
        "--goal: \(goal.text) cannot be told when nobody subscribes, nor when messages have no numbers (--no-sequence)")
    }
    if !goals.isEmpty { return goals }
    let usual = plan.followsMessages ? "p99<50ms loss=0" : "p99<50ms"
    return try Goal.goals(in: Argument(Array(usual.utf8), from: Source(.commandLine)))
  }

  /// Nil when a signal came.
  private func step(
    _ plan: LoadPlan, _ rate: Double, _ isConfirmation: Bool, _ goals: [Goal], isFirst: Bool
  ) throws -> Row? {
    let summary: Summary
    do {
      guard let whole = try run(plan), !whole.isInterrupted else { return nil }
      summary = whole
    } catch let error as ConnectionError {
      // Where nothing has worked yet, nothing is searched for, nor where there is no broker any more.
      if isFirst { throw error }
      _ = try ping(plan)
      return Row(rate: rate, isConfirmation: isConfirmation, outcome: .failed("\(error)"))
    }
    let report = Report([summary], options: [])
    let outcome = Self.judge(report, goals, keptUp: summary.steadiness.isBacklogSteady)
    return Row(rate: rate, isConfirmation: isConfirmation, report: report, outcome: outcome)
  }

  /// What a step came to: mqbench's own limits first, then what was asked for.
  ///
  /// Of steadiness only the backlog counts here: how long messages may take is what the goals say, and a p99 that goes from 1 to 3 ms
  /// in a window of ten seconds is no limit where 50 ms are allowed.
  static func judge(_ report: Report, _ goals: [Goal], keptUp: Bool) -> Search.Outcome {
    if report.verdict == .tool { return .toolLimited }
    for goal in goals {
      // A slow rate has few messages in a short window: that percentile is then one of the longest times, or the longest.
      let result = GoalResult(goal, report, needsSamples: false)
      if result.isMet != true {
        let isFew = GoalResult(goal, report).isMet == nil
        let count = report.runs.first.flatMap { $0.times[$0.headline]?.count } ?? 0
        return .failed("\(goal.text) (\(result.measured)\(isFew ? " of \(count) messages" : ""))")
      }
    }
    guard let run = report.runs.first else { return .failed("no run") }
    if run.achieved < 0.99 {
      return .failed("only \(Figures.decimals(run.achieved * 100, 1)) % of the offered rate sent")
    }
    if !keptUp { return .failed("the backlog grew") }
    return report.verdict == .network ? .failed("network") : .passed
  }

  /// A signal came.
  private struct Interrupted: Error {}

  /// The median of a few messages over a moment, in nanoseconds: how long the broker takes when it has nothing to do.
  private func ping(_ plan: LoadPlan) throws -> Int64? {
    guard let summary = try run(plan.pinging()), !summary.isInterrupted else { throw Interrupted() }
    if case .nanoseconds(let time) = summary.headline.rank(5000) { return time }
    return nil
  }

  /// Waits until the broker answers about as fast as it did before the first step.
  private func recover(_ plan: LoadPlan, idle: Int64?, until limit: Instant) throws {
    guard let idle else { return }
    while Instant.now < limit {
      if let time = try ping(plan), time <= max(2 * idle, 1_000_000) { return }
    }
  }

  // MARK: - What is said

  private func say(_ search: Search, _ rows: [Row], _ goals: [Goal], _ plan: LoadPlan) -> ExitStatus {
    let answer = if case .finished(let answer) = search.next { answer } else { Search.Answer?.none }
    let printed =
      settings.report.isJSON
      ? Self.print(Self.json(search, rows, goals, answer), diagnostics)
      : Self.print(Self.text(search, rows, goals, plan, answer), diagnostics)
    if printed != .ok { return printed }
    if case .rate? = answer {} else if answer != nil { diagnostics.error(Self.words(answer)) }
    switch answer {
    case .rate: return .ok
    case .below: return .goalMissed
    case .atLeast, .unconfirmed, .noTime: return .notMeasurable
    case nil: return .ok
    }
  }

  private static func text(
    _ search: Search, _ rows: [Row], _ goals: [Goal], _ plan: LoadPlan, _ answer: Search.Answer?
  ) -> String {
    var text = TextReport.wrapped(
      "mqbench search: \(goals.map(\.text).joined(separator: " ")); \(Report.sentence(plan.clientsInWords))")
    text +=
      "\n" + Figures.right("messages/s", 12) + Figures.right("p50, ms", 10) + Figures.right("p99, ms", 10)
      + Figures.right("sent", 9)
    text += "\n"
    for row in rows {
      let run = row.report?.runs.first
      let times = run.flatMap { $0.times[$0.headline] }
      text += Figures.right(Figures.rate(row.rate), 12)
      for percentile in [5000, 9900] {
        switch times?.rank(percentile) {
        case .nanoseconds(let time): text += Figures.right(Figures.milliseconds(time), 10)
        case .endless: text += Figures.right("lost", 10)
        default: text += Figures.right("–", 10)
        }
      }
      text += Figures.right(run.map { Figures.decimals(min(1, $0.achieved) * 100, 1) + " %" } ?? "–", 9) + "  "
      text += (row.isConfirmation ? "30 s: " : "") + words(row.outcome) + "\n"
    }
    text += "\n" + TextReport.wrapped(words(answer))
    if let gap = search.gap {
      text += TextReport.wrapped(
        "There was no time to look closer between \(Figures.rate(gap.lowerBound)) and \(Figures.rate(gap.upperBound)).")
    }
    if let noise = noise(search) { text += TextReport.wrapped(noise) }
    return text
  }

  private static func words(_ outcome: Search.Outcome) -> String {
    switch outcome {
    case .passed: "passed"
    case .failed(let what): what
    case .toolLimited: "mqbench was the limit"
    }
  }

  private static func words(_ answer: Search.Answer?) -> String {
    switch answer {
    case .rate(let rate, let what):
      "\(Figures.rate(rate)) messages a second for 30 s; above that broke first: \(what.isEmpty ? "nothing" : what)"
    case .atLeast(let rate):
      rate > 0
        ? "at least \(Figures.rate(rate)) messages a second; mqbench is the limit"
        : "nothing can be said: mqbench is the limit"
    case .below(let rate, let what): "fewer than \(Figures.rate(rate)) messages a second; what broke: \(what)"
    case .unconfirmed(let rate): "about \(Figures.rate(rate)) messages a second, which a longer window did not confirm"
    case .noTime: "nothing can be said: connecting alone takes longer than a search has time for (see --connect-rate)"
    case nil: "interrupted"
    }
  }

  /// How far the steps contradict each other, for people; nil where they do not.
  private static func noise(_ search: Search) -> String? {
    guard let lowest = search.refuted.map(\.rate).min() else { return nil }
    return
      "Noisy: \(search.refuted.count) of \(search.entries.count) windows did not pass although the same rate or a higher one did, "
      + "the lowest at \(Figures.rate(lowest)); another search may end elsewhere."
  }

  private static func json(_ search: Search, _ rows: [Row], _ goals: [Goal], _ answer: Search.Answer?) -> JSON {
    var members: [(name: String, value: JSON)] = [
      ("schema", .integer(JSONReport.schema)), ("tool", .string("mqbench")),
      ("goals", .array(goals.map { .string($0.text) })), ("answer", .string(words(answer))),
    ]
    let (kind, rate, what): (String, Double?, String) =
      switch answer {
      case .rate(let rate, let what): ("rate", rate, what)
      case .atLeast(let rate): ("at_least", rate, "")
      case .below(let rate, let what): ("below", rate, what)
      case .unconfirmed(let rate): ("unconfirmed", rate, "")
      case .noTime: ("no_time", nil, "")
      case nil: ("interrupted", nil, "")
      }
    members += [
      ("kind", .string(kind)), ("rate", rate.map(JSON.number) ?? .null), ("broken_by", .string(what)),
      ("noisy", .boolean(!search.refuted.isEmpty)), ("refuted_steps", .integer(search.refuted.count)),
      (
        "steps",
        .array(
          rows.map { row in
            let run = row.report?.runs.first
            let times = run.flatMap { $0.times[$0.headline] } ?? Times()
            return .object([
              ("rate", .number(row.rate)), ("confirmation", .boolean(row.isConfirmation)),
              ("passed", .boolean(row.outcome == .passed)), ("outcome", .string(words(row.outcome))),
              ("p50_ns", JSONReport.json(times.rank(5000))), ("p99_ns", JSONReport.json(times.rank(9900))),
              ("achieved", run.map { .number($0.achieved) } ?? .null),
              ("verdict", row.report.map { .string($0.verdict.rawValue) } ?? .null),
            ])
          })
      ),
    ]
    return .object(members)
  }
}
