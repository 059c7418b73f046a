internal import CommandLineTool

/// The report for eyes: all that matters on one screen of 80 columns and 24 lines.
struct TextReport {
  private var text = ""

  static func text(_ report: Report, goals: [GoalResult] = []) -> String {
    var writer = TextReport()
    writer.heading(report)
    writer.times(report)
    writer.rates(report)
    writer.counts(report)
    writer.groups(report)
    writer.conclusion(report, goals)
    return writer.text
  }

  private mutating func line(_ words: String = "") { text += words + "\n" }

  private mutating func lines(_ words: String) { text += Self.wrapped(words) }

  /// Words in as many lines as they need, the further ones indented.
  static func wrapped(_ words: String) -> String {
    let indent = 2
    var text = ""
    var columns = 0
    for word in words.split(separator: " ") {
      let width = word.unicodeScalars.count
      if columns > 0, columns + 1 + width > Self.width {
        text += "\n" + String(repeating: " ", count: indent)
        columns = indent
      } else if columns > 0 {
        text += " "
        columns += 1
      }
      text += word
      columns += width
    }
    return text + "\n"
  }

  private static let width = 80

  // MARK: - Parts

  private mutating func heading(_ report: Report) {
    let command = report.runs.contains(where: \.isConnect) ? "connect" : "load"
    let runs = report.runs.count > 1 ? ", medians of \(report.runs.count) runs" : ""
    if report.scenarioText.isEmpty {
      lines("mqbench \(command): \(Self.safe(report.sentence))\(runs)")
    } else {
      line("mqbench \(command): \(report.partText)a scenario\(runs)")
      for item in report.scenario { lines(Self.safe("\(item.name): \(item.value)")) }
    }
    func value(_ name: String) -> String? { report.environment.first { $0.name == name }.map { Self.safe($0.value) } }
    var place = "broker \(value("broker") ?? "unknown")"
    if let version = value("protocol") { place += ", \(version)" }
    if let tls = value("TLS") { place += ", \(tls)" }
    if let shared = value("shared host") { place += "; \(shared)" }
    lines(place)
    line()
  }

  private mutating func times(_ report: Report) {
    guard let first = report.runs.first else { return }
    let headline = first.headline
    let heads = JSONReport.percentiles.map(Figures.percentile) + ["max", "mean"]
    let count = report.runs.count
    line(
      Figures.left("time, ms", Self.names)
        + heads.map { Figures.right($0, Self.column) }.joined())
    var hasLost = false
    for metric in TimeMetric.allCases where metric.isOnScreen || first.isConnect && metric.isStage {
      let all = report.runs.compactMap { $0.times[metric] }
      guard all.contains(where: { !$0.isEmpty }) else { continue }
      // The screen is small: of several runs there are no parts, and a part that was nothing goes without saying.
      let isPart = report.title(metric).hasPrefix(" ")
      if isPart, !first.isConnect, count > 1 || all.allSatisfy({ $0.maximum == 0 }) { continue }
      let columns = Self.columns(all)
      hasLost = hasLost || columns.contains { $0.contains { $0 == .endless } }
      let isHeadline = metric == headline && count > 1
      row(report.title(metric), columns.map(Spread.median), report)
      if isHeadline {
        row("  least", columns.map { $0.min() ?? .unknown }, report)
        row("  most", columns.map { $0.max() ?? .unknown }, report)
      }
    }
    if hasLost, !first.isConnect {
      let seconds = Self.patience(report)
      line(">\(seconds)s is > \(seconds) s (lost): so many never came that the figure falls among them")
    }
    if report.isClosed { line("A closed loop: times since sent, which do not tell how a given load would fare.") }
    line()
  }

  /// What a row shows of each run: a list of values for each column.
  private static func columns(_ all: [Times]) -> [[Times.Value]] {
    JSONReport.percentiles.map { percentile in all.map { $0.percentile(percentile) } } + [
      all.map { $0.isEmpty ? .unknown : $0.endless > 0 ? .endless : .nanoseconds($0.maximum) },
      all.map { $0.hasEnded ? .nanoseconds(Int64($0.mean)) : .unknown },
    ]
  }

  private mutating func row(_ name: String, _ values: [Times.Value], _ report: Report) {
    line(Figures.left(name, Self.names) + cells(values, report))
  }

  private func cells(_ values: [Times.Value], _ report: Report) -> String {
    values.map { value in
      let text =
        switch value {
        case .nanoseconds(let time): Figures.milliseconds(time)
        case .endless: report.runs.contains(where: \.isConnect) ? "failed" : ">\(Self.patience(report))s"
        case .unknown: "–"
        }
      return Figures.right(text, Self.column)
    }.joined()
  }

  /// What never came was waited for at least this many seconds.
  private static func patience(_ report: Report) -> String {
    Figures.decimals(Double(report.runs.map(\.patience).min() ?? 0) / 1e9, 0)
  }

  private mutating func rates(_ report: Report) {
    func has(_ metric: RateMetric) -> Bool { report.runs.contains { $0.rates[metric] != nil } }
    let metrics = RateMetric.allCases.filter { $0.isCount && has($0) }
    line(Figures.left("a second", Self.names) + metrics.map { Figures.right($0.rawValue, 15) }.joined())
    let medians = metrics.map { metric in Spread(report.runs.map { $0.rate(metric) }) }
    line(Figures.left("rate", Self.names) + medians.map { Figures.right(Figures.rate($0.median), 15) }.joined())
    if report.runs.count > 1 {
      let ranges = medians.map { "\(Figures.rate($0.least))–\(Figures.rate($0.most))" }
      line(Figures.left("  least–most", Self.names) + ranges.map { Figures.right($0, 15) }.joined())
    }
    if has(.bytesSent) {
      func median(_ metric: RateMetric) -> String { Figures.rate(Spread(report.runs.map { $0.rate(metric) }).median) }
      line("bytes a second: \(median(.bytesSent)) sent, \(median(.bytesReceived)) received by all connections")
    }
  }

  private mutating func counts(_ report: Report) {
    func sum(_ metric: CountMetric) -> Int { report.runs.reduce(0) { $0 + $1.count(metric) } }
    func told(_ metric: CountMetric) -> String { Figures.grouped(sum(metric)) }
    if report.runs.contains(where: \.isConnect) {
      line(
        "clients: \(told(.clients)) tried, \(told(.connected)) accepted, \(told(.failedAttempts)) failed, "
          + "\(told(.lostConnections)) lost later")
      for item in report.runs.flatMap(\.evidence) where item.name.hasPrefix("failed to connect") {
        lines("\(item.name): \(Self.safe(item.value))")
      }
      return
    }
    func named(_ metrics: [(CountMetric, String)]) -> String {
      metrics.filter { sum($0.0) > 0 }.map { ", \(told($0.0)) \($0.1)" }.joined()
    }
    if report.runs.contains(where: { $0.rates[.delivered] != nil && $0.counts[.lost] == nil }) {
      lines("Payloads do not say which message they are: what became of each, and how long it took, is not known.")
    } else if sum(.expected) > 0 || sum(.delivered) > 0 {
      lines(
        "deliveries: \(told(.expected)) expected, \(told(.delivered)) came, \(told(.lost)) lost, \(told(.duplicates)) duplicates, "
          + "\(told(.reordered)) reordered"
          + named([
            (.corrupted, "corrupted"), (.foreign, "foreign"), (.undeliverable, "to absent clients"),
          ]))
    }
    lines(
      "messages: \(told(.offered)) due, \(told(.sent)) sent, \(told(.acknowledged)) acknowledged, \(told(.refused)) refused, "
        + "\(told(.inDoubt)) in doubt"
        + named([
          (.withoutSubscribers, "without subscribers"), (.lostConnections, "connections lost"),
          (.failedAttempts, "attempts to connect failed"), (.reconnections, "reconnections"),
        ]))
  }

  /// A row for each group that publishes, where there are several.
  private mutating func groups(_ report: Report) {
    guard let first = report.runs.first, !first.groups.isEmpty else { return }
    line()
    let counts: [CountMetric] = [.offered, .expected, .delivered, .lost].filter {
      first.groups[0].counts[$0] != nil
    }
    let heads = counts.map { $0 == .offered ? "due" : $0 == .delivered ? "came" : $0.rawValue } + ["p50", "p99", "max"]
    line(Figures.left("group", Self.names) + heads.map { Figures.right($0, Self.column) }.joined())
    for (index, group) in first.groups.enumerated() {
      let all = report.runs.map { index < $0.groups.count ? $0.groups[index] : Report.Group() }
      let sums = counts.map { count in Figures.grouped(all.reduce(0) { $0 + ($1.counts[count] ?? 0) }) }
      let times =
        [5000, 9900].map { percentile in Spread.median(all.map { $0.times.percentile(percentile) }) }
        + [Spread.median(all.map { $0.times.rank(10_000) })]
      line(
        Figures.left(Self.safe(group.name), Self.names) + sums.map { Figures.right($0, Self.column) }.joined()
          + cells(times, report))
    }
  }

  private mutating func conclusion(_ report: Report, _ goals: [GoalResult]) {
    if report.runs.contains(where: \.isInterrupted) {
      line("interrupted: the figures are about what there was until then")
    }
    for item in report.runs.flatMap(\.evidence) where item.name == Report.Run.lateness {
      lines("\(item.name) \(Self.safe(item.value))")
    }
    if !report.isSteady { line("not steady: too short a window, or more than can be carried for long") }
    lines("limited by: \(report.verdict.rawValue) – \(Self.explanation(report))")
    for item in report.environment where item.name == "floor" || item.name == "ceiling" {
      lines("\(item.name): \(Self.safe(item.value))")
    }
    for goal in goals { lines("goal: \(Self.safe(goal.goal.text)) \(goal.outcome)") }
  }

  /// What the verdict means.
  static func explanation(_ report: Report) -> String {
    let because = because(report)
    return switch report.verdict {
    case .tool: "mqbench or its machine was; the figures are no better than that\(because)"
    case .network: "what lies between mqbench and the broker\(because)"
    case .broker where report.runs.contains(where: \.isConnect): "not all clients were accepted\(because)"
    case .broker: report.isClosed ? "as fast as broker and window allow" : "it did not carry the load\(because)"
    case .none: report.runs.contains(where: \.isConnect) ? "all were accepted" : "the load was carried"
    }
  }

  /// What speaks for the verdict, in parentheses.
  static func because(_ report: Report) -> String {
    let signs = report.runs.filter { $0.verdict == report.verdict }.flatMap(\.signs)
    var unique: [String] = []
    for sign in signs where !unique.contains(sign) { unique.append(sign) }
    return unique.isEmpty ? "" : " (\(unique.joined(separator: ", ")))"
  }

  private static let names = 17
  private static let column = 9

  /// What comes from outside, made safe for a terminal.
  private static func safe(_ text: String) -> String {
    var buffer = OutputBuffer(descriptor: -1, limit: .max)
    var text = text
    text.withUTF8 { TerminalText.append(UnsafeRawBufferPointer($0), to: &buffer) }
    return buffer.withBytes { String(decoding: $0, as: UTF8.self) }
  }
}
