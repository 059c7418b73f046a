internal import CommandLineTool

/// The report as one page for people who were not there: pictures first, then figures, then what they mean and where they come
/// from. It needs nothing else: no script, no other file, and no manual.
struct HTMLReport {
  private let report: Report
  private let goals: [GoalResult]
  private var page = ""

  static func text(_ report: Report, goals: [GoalResult]) -> String {
    var writer = HTMLReport(report, goals)
    writer.write()
    return writer.page
  }

  private init(_ report: Report, _ goals: [GoalResult]) {
    self.report = report
    self.goals = goals
  }

  private mutating func put(_ html: String) { page += html + "\n" }

  private func escaped(_ text: String) -> String { HTML.escaped(text) }

  /// The run whose pictures stand for all: its headline's p99 is the median, or the next above.
  private var typical: Int {
    let order = report.runs.indices.sorted {
      (report.runs[$0].times[headline]?.rank(9900) ?? .unknown)
        < (report.runs[$1].times[headline]?.rank(9900) ?? .unknown)
    }
    return order.isEmpty ? 0 : order[order.count / 2]
  }

  private var headline: TimeMetric { report.runs.first?.headline ?? .endToEnd }

  private mutating func write() {
    guard !report.runs.isEmpty else { return }
    let title = "mqbench: " + scenarioText
    put("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")
    put(
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">"
    )
    put("<title>\(escaped(title))</title>\n<style>\n\(Self.style)\n</style>\n</head>\n<body>\n<main>")
    heading()
    tiles()
    percentilePicture()
    timePictures()
    observedPictures()
    timesTable()
    countsTable()
    groupsTable()
    if report.runs.count > 1 { runsTable() }
    ownPictures()
    items("What the verdict rests on", report.runs[typical].evidence, whichRun)
    items("What was done", report.scenario + [commandLine])
    if !report.scenarioText.isEmpty {
      put("<section class=\"card\"><details><summary>The scenario’s file</summary><div class=\"scroll\">")
      put("<pre>\(escaped(report.scenarioText))</pre></div></details></section>")
    }
    items("Where", report.environment)
    definitions()
    put(
      "<footer>Written by mqbench, mqtools \(escaped(report.version)). The times of each message are by the monotonic clock of one process.</footer>"
    )
    put("</main>\n</body>\n</html>")
  }

  private var isConnect: Bool { report.runs.contains { $0.isConnect } }

  private var scenarioText: String {
    if report.scenarioText.isEmpty { return report.sentence }
    let groups = report.scenario.map(\.name).filter { !["closed loop", "seconds"].contains($0) }
    return "a scenario of \(groups.count == 1 ? "the group" : "the groups") \(groups.joined(separator: ", "))"
  }

  private var commandLine: Report.Item {
    let words = report.options.map { $0.joined(separator: " ") }
    return Report.Item(name: "options", value: words.isEmpty ? "none" : words.joined(separator: " "))
  }

  // MARK: - At first sight

  private mutating func heading() {
    func value(_ name: String) -> String? { report.environment.first { $0.name == name }?.value }
    let first = report.runs[0]
    put("<header><p class=\"eyebrow\">mqbench \(isConnect ? "connect" : "load") report</p>")
    put("<h1>\(escaped(value("broker") ?? "MQTT broker"))</h1>")
    put("<p class=\"lead\">\(escaped(scenarioText))</p>")
    let count = report.runs.count
    let length =
      isConnect
      ? ", held for \(Figures.short(first.window)) s"
      : " of \(Figures.short(first.window)) s, after \(Figures.short(first.windowStart)) s of warm-up"
    put(
      "<p class=\"muted\">\(escaped(String(first.start.prefix(19)).replacingT)) UTC · \(count == 1 ? "one run" : "\(count) runs")"
        + "\(length)\(value("shared host").map { " · \(escaped($0))" } ?? "")</p></header>")
    put("<section class=\"verdict \(report.verdict.rawValue)\"><strong>\(Self.headline(report))</strong>")
    put("<p>\(Self.explanation(report, because: escaped(TextReport.because(report))))</p>")
    if !report.isSteady {
      put(
        "<p><b>Not steady:</b> the backlog grew or the latency drifted while it was measured; a longer window would say something else.</p>"
      )
    }
    if report.runs.contains(where: \.isInterrupted) {
      put("<p><b>Interrupted:</b> the figures are about what there was until then.</p>")
    }
    put("</section>")
    if !goals.isEmpty {
      put("<ul class=\"goals\">")
      for goal in goals {
        let kind = goal.isMet == true ? "met" : goal.isMet == false ? "missed" : "unknown"
        put("<li class=\"\(kind)\"><code>\(escaped(goal.goal.text))</code> \(escaped(goal.outcome))</li>")
      }
      put("</ul>")
    }
  }

  private static func headline(_ report: Report) -> String {
    switch report.verdict {
    case .none: report.runs.contains { $0.isConnect } ? "All were accepted" : "The load was carried"
    case .broker: report.isClosed ? "As fast as it goes" : "The broker was the limit"
    case .network: "The network was the limit"
    case .tool: "mqbench was the limit"
    }
  }

  private static func explanation(_ report: Report, because: String) -> String {
    switch report.verdict {
    case .none: "Up to p99 neither mqbench nor the network held anything up: the figures are the broker’s."
    case .broker:
      report.isClosed
        ? "In a closed loop each publisher waits for its acknowledgements: nothing here says how long messages take under a given load."
        : "It did not carry the load\(because). Neither mqbench nor the network held anything up."
    case .network:
      "It held messages up between mqbench and the broker\(because). The figures say little about the broker."
    case .tool:
      "mqbench or its machine was late itself\(because). The figures say what mqbench could do here, not what the broker can."
    }
  }

  private mutating func tiles() {
    let all = report.runs.compactMap { $0.times[headline] }
    put("<section class=\"tiles\">")
    for (percentile, words) in [(5000, "half"), (9900, "1 of 100"), (9990, "1 of 1,000")] {
      let values = all.map { $0.percentile(percentile) }
      tile(
        "\(Figures.percentile(percentile)) \(headlineWords)", cell(Spread.median(values)), unit(Spread.median(values)),
        values.count > 1 ? range(values) : values.contains(where: \.isTime) ? "\(words) slower" : "")
    }
    let offered = report.runs[0].rates[.offered].map { "\(Figures.rate($0)) \(isConnect ? "tried" : "due")" } ?? ""
    for metric in [RateMetric.delivered, .sent, .connected] where report.runs[0].rates[metric] != nil {
      let spread = Spread(report.runs.map { $0.rate(metric) })
      tile(
        "\(metric.rawValue)", Figures.rate(spread.median), "/s",
        report.runs.count > 1 ? "\(Figures.rate(spread.least)) – \(Figures.rate(spread.most))" : offered)
      break
    }
    let lost = report.runs.reduce(0) { $0 + $1.count(.lost) }
    let expected = report.runs.reduce(0) { $0 + $1.count(.expected) }
    if expected > 0 {
      tile("lost", Figures.grouped(lost), "of \(Figures.grouped(expected))", share(lost, expected), isBad: lost > 0)
    }
    put("</section>")
  }

  private func share(_ part: Int, _ whole: Int) -> String {
    if part == 0 { return "all came" }
    return part >= whole / 10
      ? "\(Figures.decimals(Double(part) / Double(whole) * 100, 1)) %" : "1 of \(Figures.grouped(whole / part))"
  }

  private var headlineWords: String {
    switch headline {
    case .endToEnd: "end to end"
    case .endToEndService: "from sent to received"
    case .acknowledgement: "until acknowledged"
    case .acknowledgementService: "from sent to acknowledged"
    default: headline.title.trimmed
    }
  }

  private mutating func tile(_ name: String, _ value: String, _ unit: String, _ range: String, isBad: Bool = false) {
    put(
      "<div class=\"tile\(isBad ? " alarm" : "")\"><span>\(escaped(name))</span><b>\(escaped(value))</b><i>\(escaped(unit))</i>"
        + (range.isEmpty ? "" : "<small>\(escaped(range))</small>") + "</div>")
  }

  private func range(_ values: [Times.Value]) -> String {
    guard values.count > 1, !values.contains(.unknown), let least = values.min(), let most = values.max() else {
      return ""
    }
    return "\(cell(least)) – \(cell(most))"
  }

  private func cell(_ value: Times.Value) -> String {
    switch value {
    case .nanoseconds(let time): Figures.milliseconds(time)
    case .endless: "lost"
    case .unknown: "–"
    }
  }

  private func unit(_ value: Times.Value) -> String {
    switch value {
    case .nanoseconds: "ms"
    case .endless: "never came"
    case .unknown: "too few samples"
    }
  }

  // MARK: - Pictures

  private mutating func percentilePicture() {
    var shown: [(metric: TimeMetric, colour: String)] = [(headline, "a")]
    let second = report.isClosed ? TimeMetric.acknowledgementService : .acknowledgement
    if second != headline, report.runs[typical].times[second] != nil { shown.append((second, "b")) }
    let all = shown.flatMap { curve in report.runs.compactMap { $0.times[curve.metric] } }.filter(\.hasEnded)
    guard let least = all.map(\.minimum).min(), let most = all.map(\.maximum).max() else { return }
    let range = Plot.roundRange(max(0.001, Double(least) / 1e6), max(0.002, Double(most) / 1e6 * 1.2))
    let count = max(20, all.map(\.count).max() ?? 20)
    var plot = Plot(
      "Latency by percentile", horizontal: .linear(from: 0, to: decades(Double(count))),
      vertical: .logarithmic(from: range.lowerBound, to: range.upperBound))
    for value in Plot.roundTicks(range) { plot.verticalTick(value, "\(Figures.short(value)) ms") }
    for percentile in [0, 5000, 9000, 9900, 9990, 9999] where 10_000 <= (10_000 - percentile) * count {
      plot.horizontalTick(
        decades(10_000 / Double(10_000 - percentile)), percentile == 0 ? "0 %" : Self.share(percentile))
    }
    plot.caption("share that took no longer")
    let main = report.runs[typical].times[headline]
    if let main, main.endless > 0 {
      plot.shade(
        from: decades(Double(main.count) / Double(main.endless)), to: decades(Double(count)), "never came", isBad: true)
    }
    for (index, run) in report.runs.enumerated() where index != typical {
      if let times = run.times[headline] { plot.line(Self.curve(times), colour: "faint") }
    }
    for curve in shown.reversed() {
      if let times = report.runs[typical].times[curve.metric] { plot.line(Self.curve(times), colour: curve.colour) }
    }
    if let main {
      for percentile in JSONReport.percentiles where percentile != 9999 || main.count >= 200_000 {
        guard case .nanoseconds(let time) = main.percentile(percentile) else { continue }
        plot.mark(
          (decades(10_000 / Double(10_000 - percentile)), Double(time) / 1e6), colour: "a",
          label: "\(Figures.percentile(percentile))  \(Figures.milliseconds(time)) ms")
      }
    }
    var legend = [(headline == .endToEnd ? "end to end, from due to received" : headlineWords, "a")]
    if shown.count > 1 { legend.append(("until acknowledged", "b")) }
    if report.runs.count > 1 { legend.append(("the other runs", "faint")) }
    picture(
      isConnect ? "How long connecting took" : "How long messages took",
      "Above 99 % stands how long 99 of 100 took at most. The right end is the slowest one.",
      legend, plot)
  }

  /// The share of messages, as decades of what is left, and the time in milliseconds. Neighbours that look the same are left out.
  private static func curve(_ times: Times) -> [(Double, Double)] {
    var points: [(Double, Double)] = []
    var before = 0
    let count = times.count
    for sample in times.samples {
      let place = decades(Double(count) / Double(count - before))
      before += sample.count
      let end = before < count ? decades(Double(count) / Double(count - before)) : decades(Double(count))
      let time = Double(min(sample.nanoseconds, times.maximum)) / 1e6
      if let last = points.last, end - last.0 < 0.004 { continue }
      if points.isEmpty || place - points[points.count - 1].0 > 0.05 { points.append((place, time)) }
      points.append((end, time))
    }
    return points
  }

  private mutating func timePictures() {
    let run = report.runs[typical]
    guard let last = run.seconds.last, run.seconds.count > 1 else { return }
    let (start, end) = (Double(run.seconds[0].number), Double(last.number + 1))
    func frame(_ plot: inout Plot) {
      for tick in Plot.ticks(upTo: end) where tick <= end { plot.horizontalTick(tick, "\(Figures.short(tick)) s") }
      plot.shade(from: start, to: 0, start < 0.06 * (start - end) ? "warm-up" : "")
      plot.shade(from: run.window, to: end, end - run.window > 0.06 * (end - start) ? "drain" : "")
    }
    let whole = run.wholeSeconds
    let sent = whole.map { (Double($0.number) + 0.5, Double($0.sent)) }
    let delivered = whole.map { (Double($0.number) + 0.5, Double($0.delivered)) }
    let most = max(1, (sent + delivered).map(\.1).max() ?? 1)
    let ticks = Plot.ticks(upTo: most * 1.05)
    var rates = Plot(
      "Messages a second over time", horizontal: .linear(from: start, to: end),
      vertical: .linear(from: 0, to: ticks.last ?? most))
    for tick in ticks { rates.verticalTick(tick, Figures.grouped(Int(tick))) }
    frame(&rates)
    var legend = [("sent", "b")]
    if run.rates[.delivered] != nil {
      rates.line(delivered, colour: "a")
      legend.insert(("delivered", "a"), at: 0)
    }
    rates.line(sent, colour: "b dashed")
    picture("Messages a second", whichRun + "Level lines mean that the load was carried evenly.", legend, rates)

    // What comes late stands alone in its second, unless much does.
    let rows = run.seconds.filter { !$0.samples.isEmpty && (Double($0.number) < run.window || run.drain >= 2) }.map {
      (Double($0.number) + 0.5, Times($0.samples))
    }
    guard let least = rows.map(\.1.minimum).min(), let longest = rows.map(\.1.maximum).max(), rows.count > 1 else {
      return
    }
    let range = Plot.roundRange(max(0.001, Double(least) / 1e6), max(0.002, Double(longest) / 1e6))
    var latency = Plot(
      "Latency over time", horizontal: .linear(from: start, to: end),
      vertical: .logarithmic(from: range.lowerBound, to: range.upperBound))
    for value in Plot.roundTicks(range) { latency.verticalTick(value, "\(Figures.short(value)) ms") }
    frame(&latency)
    latency.line(rows.map { ($0.0, Double($0.1.maximum) / 1e6) }, colour: "c")
    latency.line(rows.compactMap { Self.point($0.0, $0.1.rank(9900)) }, colour: "b")
    latency.line(rows.compactMap { Self.point($0.0, $0.1.rank(5000)) }, colour: "a")
    picture(
      report.isClosed ? "Times over time" : "Latency over time",
      whichRun + headlineWords.capitalized + ", by the second in which they came.",
      [("half were faster", "a"), ("99 % were faster", "b"), ("slowest", "c")], latency)
  }

  private static func point(_ x: Double, _ value: Times.Value) -> (Double, Double)? {
    if case .nanoseconds(let time) = value { (x, Double(time) / 1e6) } else { nil }
  }

  /// Says which of several runs something is of.
  private var whichRun: String {
    report.runs.count > 1 ? "Run \(typical + 1) of \(report.runs.count), whose p99 is the median. " : ""
  }

  private mutating func observedPictures() {
    let run = report.runs[typical]
    let table = SeriesTable(run)
    let names = table.observedNames
    guard !names.isEmpty else { return }
    let process = report.environment.first { $0.name == "observed process" }?.value.split(separator: "(").last
    let name = process.map { String($0.prefix { $0 != ")" }) } ?? "the process"
    put("<section class=\"card\"><h2>What was observed besides</h2>")
    put("<p class=\"muted\">\(escaped(whichRun))Second by second, grey where nothing counts.</p>")
    smallPictures(table.observed(process: name), run)
    put("<details><summary>All observed values</summary><div class=\"scroll\"><table><thead><tr><th></th>")
    put("<th>at first</th><th>least</th><th>most</th><th>at last</th></tr></thead><tbody>")
    for name in names.prefix(Self.rowLimit) {
      let series = table.raw(name)
      guard let first = series.points.first, let last = series.points.last else { continue }
      let cells = [first.value, series.least, series.most, last.value].map { "<td>\(Figures.short($0))</td>" }
      put("<tr><th>\(escaped(name))</th>\(cells.joined())</tr>")
    }
    put("</tbody></table></div>")
    if names.count > Self.rowLimit { put("<p class=\"muted\">\(names.count - Self.rowLimit) more are left out.</p>") }
    put("</details></section>")
  }

  private static let rowLimit = 200

  private mutating func ownPictures() {
    let run = report.runs[typical]
    let series = SeriesTable(run).own
    guard !series.isEmpty else { return }
    put("<section class=\"card\"><h2>How mqbench and its machine fared</h2>")
    put("<p class=\"muted\">\(escaped(whichRun))Second by second, grey where nothing counts.</p>")
    smallPictures(series, run)
    put("</section>")
  }

  /// A small picture of each, beside each other.
  private mutating func smallPictures(_ all: [Series], _ run: Report.Run) {
    guard let last = run.seconds.last, !all.isEmpty else { return }
    let (start, end) = (Double(run.seconds[0].number), Double(last.number + 1))
    put("<div class=\"small\">")
    for series in all {
      // Numbers below 0 have an axis without round numbers.
      let ticks = Plot.ticks(upTo: series.most, 2)
      let low = min(0, series.least)
      var plot = Plot(
        "\(series.title): \(series.words)", .small, horizontal: .linear(from: start, to: end),
        vertical: .linear(from: low, to: max(ticks.last ?? 1, low + 0.001)))
      for tick in series.most > 0 ? ticks : [0] { plot.verticalTick(tick, Figures.short(tick)) }
      if low < 0 { plot.verticalTick(low, Figures.short(low)) }
      for tick in Plot.ticks(upTo: end, 3) where tick <= end { plot.horizontalTick(tick, "\(Figures.short(tick)) s") }
      plot.shade(from: start, to: 0, "")
      plot.shade(from: run.window, to: end, "")
      plot.line(series.points, colour: "a")
      put(
        "<figure><figcaption><b>\(escaped(series.title))</b> <span>\(escaped(series.words))</span></figcaption>\(plot.svg)</figure>"
      )
    }
    put("</div>")
  }

  private mutating func picture(_ title: String, _ words: String, _ legend: [(String, String)], _ plot: Plot) {
    put(
      "<section class=\"card\"><h2>\(escaped(title))</h2><p class=\"muted\">\(escaped(words))</p><ul class=\"legend\">")
    for (name, colour) in legend { put("<li><span class=\"swatch \(colour)\"></span>\(escaped(name))</li>") }
    put("</ul><div class=\"scroll\">\(plot.svg)</div></section>")
  }

  private static func share(_ hundredths: Int) -> String { "\(Figures.percentile(hundredths).dropFirst()) %" }

  // MARK: - Tables

  private mutating func timesTable() {
    let heads = JSONReport.percentiles.map(Figures.percentile) + ["max", "mean"]
    put("<section class=\"card\"><h2>Times in milliseconds</h2><div class=\"scroll\"><table><thead><tr><th></th>")
    put(heads.map { "<th>\($0)</th>" }.joined() + "</tr></thead><tbody>")
    for metric in TimeMetric.allCases {
      let all = report.runs.compactMap { $0.times[metric] }
      guard all.contains(where: { !$0.isEmpty }) else { continue }
      var cells = JSONReport.percentiles.map { percentile in cell(Spread.median(all.map { $0.percentile(percentile) }))
      }
      cells.append(
        cell(Spread.median(all.map { $0.endless > 0 ? .endless : $0.hasEnded ? .nanoseconds($0.maximum) : .unknown })))
      cells.append(cell(Spread.median(all.map { $0.hasEnded ? .nanoseconds(Int64($0.mean)) : .unknown })))
      let isPart = report.title(metric).hasPrefix(" ")
      put(
        "<tr\(metric == headline ? " class=\"main\"" : "")><th\(isPart ? " class=\"part\"" : "")>\(escaped(report.title(metric)))</th>"
          + cells.map { "<td>\(escaped($0))</td>" }.joined() + "</tr>")
    }
    put(
      "</tbody></table></div><p class=\"muted\">\(report.runs.count > 1 ? "Medians of the runs. " : "")"
        + "A dash stands where fewer than ten samples lie beyond the percentile.</p></section>")
  }

  private mutating func countsTable() {
    put(
      "<section class=\"card\"><h2>What became of the \(isConnect ? "clients" : "messages")</h2><dl class=\"counts\">")
    for metric in CountMetric.allCases {
      let values = report.runs.compactMap { $0.counts[metric] }
      guard !values.isEmpty else { continue }
      let total = values.reduce(0, +)
      let isBad = total > 0 && [.lost, .corrupted, .inDoubt, .refused, .lostConnections].contains(metric)
      put(
        "<div title=\"\(escaped(metric.definition))\"\(isBad ? " class=\"alarm\"" : "")><dt>\(escaped(metric.rawValue.spaced))</dt>"
          + "<dd>\(Figures.grouped(total))</dd></div>")
    }
    for metric in RateMetric.allCases where report.runs.contains(where: { $0.rates[metric] != nil }) {
      let rate = Spread(report.runs.map { $0.rate(metric) }).median
      put(
        "<div title=\"\(escaped(metric.definition))\"><dt>\(escaped(metric.rawValue.spaced)) a second</dt>"
          + "<dd>\(Figures.rate(rate))</dd></div>")
    }
    put("</dl></section>")
  }

  /// A row for each group that publishes, where there are several.
  private mutating func groupsTable() {
    guard let first = report.runs.first, !first.groups.isEmpty else { return }
    let counts: [CountMetric] = [.offered, .sent, .expected, .delivered, .lost].filter {
      first.groups[0].counts[$0] != nil
    }
    let percentiles = [5000, 9900, 9990]
    let heads = counts.map(\.rawValue) + percentiles.map { Figures.percentile($0) + ", ms" }
    put("<section class=\"card\"><h2>The groups</h2><div class=\"scroll\"><table><thead><tr><th></th>")
    put(heads.map { "<th>\($0)</th>" }.joined() + "</tr></thead><tbody>")
    for (index, group) in first.groups.enumerated() {
      let all = report.runs.compactMap { index < $0.groups.count ? $0.groups[index] : nil }
      let sums = counts.map { count in Figures.grouped(all.reduce(0) { $0 + ($1.counts[count] ?? 0) }) }
      let times = percentiles.map { percentile in cell(Spread.median(all.map { $0.times.percentile(percentile) })) }
      put(
        "<tr><th>\(escaped(group.name))</th>" + (sums + times).map { "<td>\(escaped($0))</td>" }.joined() + "</tr>")
    }
    put("</tbody></table></div></section>")
  }

  private mutating func runsTable() {
    put(
      "<section class=\"card\"><h2>The runs</h2><div class=\"scroll\"><table><thead><tr><th></th><th>p50, ms</th><th>p99, ms</th>"
    )
    put(
      "<th>p99.9, ms</th><th>sent/s</th><th>delivered/s</th><th>lost</th><th>steady</th><th>limited by</th></tr></thead><tbody>"
    )
    for (index, run) in report.runs.enumerated() {
      let times = run.times[headline] ?? Times()
      put(
        "<tr><th>\(index + 1) <small>\(escaped(run.word))</small></th>"
          + [5000, 9900, 9990].map { "<td>\(escaped(cell(times.percentile($0))))</td>" }.joined()
          + "<td>\(Figures.rate(run.rate(.sent)))</td><td>\(Figures.rate(run.rate(.delivered)))</td>"
          + "<td>\(Figures.grouped(run.count(.lost)))</td><td>\(run.isSteady ? "yes" : "no")</td><td>\(run.verdict.rawValue)</td></tr>"
      )
    }
    put("</tbody></table></div></section>")
  }

  private mutating func items(_ title: String, _ items: [Report.Item], _ words: String = "") {
    guard !items.isEmpty else { return }
    put("<section class=\"card\"><h2>\(escaped(title))</h2>")
    if !words.isEmpty { put("<p class=\"muted\">\(escaped(words))</p>") }
    put("<dl class=\"items\">")
    for item in items {
      put("<dt>\(escaped(item.name))</dt><dd>\(escaped(item.value.isEmpty ? "yes" : item.value))</dd>")
    }
    put("</dl></section>")
  }

  private mutating func definitions() {
    put("<section class=\"card\"><details><summary>What the figures mean</summary><dl class=\"items\">")
    for metric in TimeMetric.allCases where report.runs.contains(where: { $0.times[metric] != nil }) {
      put("<dt>\(escaped(report.title(metric).trimmed))</dt><dd>\(escaped(metric.definition))</dd>")
    }
    for metric in CountMetric.allCases where report.runs.contains(where: { $0.counts[metric] != nil }) {
      put("<dt>\(escaped(metric.rawValue.spaced))</dt><dd>\(escaped(metric.definition))</dd>")
    }
    put(
      "<dt>percentile</dt><dd>By nearest rank over all messages that were due in the window, those that never came among them; "
    )
    put("shown only where at least ten samples lie beyond it.</dd></dl></details></section>")
  }
}

extension String {
  fileprivate var spaced: String { String(map { $0 == "_" ? " " : $0 }) }
  fileprivate var replacingT: String { String(map { $0 == "T" ? " " : $0 }) }
  fileprivate var capitalized: String { prefix(1).uppercased() + dropFirst() }
  fileprivate var trimmed: String { String(drop { $0 == " " }) }
}

extension Times.Value {
  fileprivate var isTime: Bool { if case .nanoseconds = self { true } else { false } }
}

extension HTMLReport {
  fileprivate static let style = """
    :root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#1b2230;--muted:#626c7c;--rule:#e3e7ed;--grid:#e9ecf1;
    --a:#1d5fd1;--b:#c2570c;--c:#8a94a6;--good:#17803d;--bad:#c02626;--warn:#a15c07;--shade:#8b98ad1c}
    @media (prefers-color-scheme:dark){:root{--page:#12151b;--card:#1b2029;--ink:#e7ebf2;--muted:#98a3b5;--rule:#2c3340;--grid:#29303c;
    --a:#74a9ff;--b:#ffa35c;--c:#7c879a;--good:#4ec77c;--bad:#ff7b74;--warn:#f0b353;--shade:#8b98ad1f}}
    *{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
    "DejaVu Sans",sans-serif}main{max-width:980px;margin:0 auto;padding:32px 20px 48px}h1{font-size:30px;line-height:1.2;margin:2px 0 6px;
    overflow-wrap:anywhere}h2{font-size:18px;margin:0 0 2px}p{margin:0 0 6px}.eyebrow{color:var(--a);font-weight:600;font-size:13px;
    letter-spacing:.06em;text-transform:uppercase;margin:0}.lead{font-size:18px}.muted{color:var(--muted);font-size:14px}
    .verdict{margin:18px 0;padding:14px 18px;border-radius:10px;background:var(--card);border:1px solid var(--rule);
    border-left:6px solid var(--good)}.verdict strong{font-size:18px}.verdict p{margin:2px 0 0}.verdict.broker{border-left-color:var(--warn)}
    .verdict.network,.verdict.tool{border-left-color:var(--bad)}
    .goals{list-style:none;display:flex;flex-wrap:wrap;gap:8px;padding:0;margin:0 0 18px}.goals li{padding:4px 12px;border-radius:99px;
    border:1px solid var(--rule);background:var(--card);font-size:14px}.goals .met{border-color:var(--good)}.goals .missed{border-color:var(--bad)}
    .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0 0 18px}.tile{background:var(--card);
    border:1px solid var(--rule);border-radius:10px;padding:12px 16px;display:grid;grid-template-columns:auto 1fr;column-gap:6px;
    align-items:baseline;align-content:start}.tile span{grid-column:1/-1;color:var(--muted);font-size:13px}.tile b{font-size:26px;font-weight:650;
    font-variant-numeric:tabular-nums;line-height:1.25}.tile i{font-style:normal;color:var(--muted);font-size:13px}.tile small{grid-column:1/-1;
    color:var(--muted);font-variant-numeric:tabular-nums}.alarm b,.alarm dd{color:var(--bad)}
    .card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:16px 18px;margin:0 0 18px}
    .legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;margin:6px 0 4px;font-size:14px}.swatch{display:inline-block;
    width:18px;height:3px;border-radius:2px;vertical-align:middle;margin-right:7px;background:var(--c)}.swatch.a{background:var(--a)}
    .swatch.b{background:var(--b)}.swatch.faint{opacity:.6}
    svg{display:block;width:100%;height:auto;overflow:visible}svg text{fill:var(--muted);font-size:13px;font-variant-numeric:tabular-nums}
    svg .label{fill:var(--ink);font-weight:600;paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
    .grid{stroke:var(--grid);stroke-width:1}.shade{fill:var(--shade)}.bad{fill:var(--bad);opacity:.14}
    .line{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke:var(--c)}.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}
    .line.c{stroke-width:1.5}.line.dashed{stroke-dasharray:5 4}.line.faint{stroke-width:1.2;opacity:.6}
    .small{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:14px 20px;margin:10px 0 4px}figure{margin:0;display:flex;
    flex-direction:column;justify-content:space-between}
    figcaption{font-size:13px;line-height:1.35;margin:0 0 2px;overflow-wrap:anywhere}figcaption b{display:block;font-weight:600}
    figcaption span{color:var(--muted)}.card>.scroll>svg{min-width:600px}
    pre{font-size:13px;line-height:1.4;margin:8px 0}
    .mark{fill:var(--card);stroke:var(--a);stroke-width:2.2}
    .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums;margin:6px 0 8px}
    th,td{padding:5px 8px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}th{font-weight:500;color:var(--muted)}
    th:first-child{text-align:left;color:var(--ink)}th.part{padding-left:24px!important;color:var(--muted)!important}.main th,.main td{font-weight:650}
    .counts{display:grid;grid-template-columns:repeat(auto-fill,minmax(180px,1fr));gap:6px 18px;margin:8px 0 0}.counts div{display:flex;
    justify-content:space-between;border-bottom:1px solid var(--rule);padding:3px 0;font-size:14px}.counts dt{color:var(--muted)}.counts dd{margin:0;
    font-variant-numeric:tabular-nums}
    .items{display:grid;grid-template-columns:minmax(120px,max-content) 1fr;gap:5px 18px;margin:8px 0 0;font-size:14px}.items dt{color:var(--muted)}
    .items dd{margin:0;overflow-wrap:anywhere}summary{cursor:pointer;font-size:18px;font-weight:700}footer{color:var(--muted);font-size:13px}
    @media print{body{background:#fff}.card,.tile{break-inside:avoid}}
    """
}
