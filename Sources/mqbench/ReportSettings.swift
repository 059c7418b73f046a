internal import CommandLineTool

/// What was typed about reports and repeats.
struct ReportSettings: Sendable {
  var saved = SavedFiles()
  var goals: [Goal] = []
  /// `--goal same`, of a comparison.
  var wantsSame = false
  var isJSON = false
  var runs: Int?
  var pause = Duration.seconds(2)
  var isForced = false
  var calibrates = false

  static let options: [Option<ReportSettings>] =
    [
      Option(
        OptionDescription(
          long: "save", value: .one("FILE"), section: .report,
          summary: "write the report to FILE.json, .csv, .hgrm or .html; may be repeated",
          details: """
            The ending says what: .json has everything, for programs, {--again}, and the commands compare and merge; .csv the run \
            second by second; .hgrm the percentiles as tools around HdrHistogram read them; .html is a page for people that needs no \
            other file. A file is written whole or not at all, and whether it can be is found out before the run.
            """)
      ) { (settings, value) throws(UsageError) in try settings.saved.append(value) },
      Option(
        OptionDescription(
          long: "json", section: .report, summary: "print the report as JSON, with all that a saved one has")
      ) { $0.isJSON = true },
      goal,
      Option(
        OptionDescription(
          long: "runs", value: .one("N"), section: .report,
          summary: "measure so often, each time with fresh connections (1, ab 5)",
          details: """
            The report has the median of the runs, with the least and the most of the headline. Figures to be published need five, \
            a comparison four on each side at least.
            """)
      ) { (settings, value) throws(UsageError) in settings.runs = try value.number(in: 1...1000) },
      Option(
        OptionDescription(long: "pause", value: .one("TIME"), section: .report, summary: "time between two runs (2s)")
      ) { (settings, value) throws(UsageError) in settings.pause = try value.duration() },
      Option(
        OptionDescription(
          long: "calibrate", section: .report,
          summary: "measure mqbench itself as well: the same load with next to no broker",
          details: """
            Afterwards the load is put on a sink {--forward} in a process of its own, at its rate and at twice and four times that, for \
            ten seconds at most each, over TLS and WebSocket where the broker is talked to so: with the version and the cipher that the \
            broker chose, and a certificate that the sink makes for itself and that is not verified. The report has the floor, the times that mqbench and the system take without a broker, and the \
            ceiling, the highest of these rates at which mqbench was not the limit. A p99 within twice the floor is marked.
            """)
      ) { $0.calibrates = true },
      Option(
        OptionDescription(
          long: "yes", section: .report, summary: "do what is refused otherwise because it is hardly meant",
          details: """
            Load a broker beyond this machine and private networks with more than 100 messages a second or 100 clients, or as fast as \
            it can. Compare reports of different things, or reports that say that mqbench was the limit.
            """)
      ) { $0.isForced = true },
    ]

  private static let goal = Option<ReportSettings>(
    OptionDescription(
      long: "goal", value: .one("GOALS"), section: .report,
      summary: "end with 31 unless all are met: 'p99<5ms loss=0'; may be repeated",
      details: """
        Metrics are p50 to p99.99, min, mean and max of the headline's times, connect (the slowest), loss (what was due and did not come: \
        lost, refused, in doubt or never sent; a number, or a share such as 0.1%) and rate (delivered, or sent where nobody subscribes, \
        or connected); operators are <, <=, >, >= and =. Of several runs the median counts, and the losses of all. When mqbench was the limit, or there are too few samples for a percentile, the goal can not be \
        told, and the status is 32. In a comparison, {--goal} same ends with 33 when anything is worse.
        """)
  ) { (settings, value) throws(UsageError) in
    if value.bytes.elementsEqual("same".utf8) {
      settings.wantsSame = true
    } else {
      settings.goals += try Goal.goals(in: value)
    }
  }

  static func names(_ wanted: String...) -> [String] { wanted }
}

extension ReportSettings {
  /// Saves and prints a report, and judges the goals.
  func finish(_ report: Report, _ diagnostics: Diagnostics) -> ExitStatus {
    let goals = goals.map { GoalResult($0, report) }
    let saved = saved.write(report, goals: goals, diagnostics)
    let printed: ExitStatus
    if isJSON {
      printed = Measurement.print(JSONReport.json(report), diagnostics)
    } else {
      printed = Measurement.print(TextReport.text(report, goals: goals), diagnostics)
    }
    if saved != .ok { return saved }
    if printed != .ok { return printed }
    let status = GoalResult.status(goals)
    for goal in goals where goal.isMet == false && status == .goalMissed {
      diagnostics.error("the goal \(goal.goal.text) was \(goal.outcome)")
    }
    if status == .notMeasurable {
      diagnostics.error(
        report.verdict == .tool
          ? "mqbench or its machine was the limit: whether the broker meets the goals cannot be told"
          : goals.contains { $0.isMet == nil && $0.goal.isAboutDeliveries }
            ? "nobody subscribes: whether anything is lost cannot be told"
            : "too few samples for a goal: measure longer")
    }
    return status
  }
}
