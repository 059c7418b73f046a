/// A figure of a run, second by second, to be followed with the eye.
struct Series: Sendable {
  /// What a reader who knows no manual takes it for.
  var title: String
  var unit = ""
  /// Seconds from the start of the window, and values.
  var points: [(second: Double, value: Double)]
  /// Whether the values are what a total has grown by.
  var isGrowth = false

  var least: Double { points.map(\.value).min() ?? 0 }
  var most: Double { points.map(\.value).max() ?? 0 }
  var median: Double { Spread(points.map(\.value)).median }

  /// The figure in figures.
  var words: String {
    if isGrowth { return "grew by \(Figures.short(most))" }
    return "median \(Figures.short(median)), most \(Figures.short(most))\(unit.isEmpty ? "" : " \(unit)")"
  }

  /// How often the value became another one.
  fileprivate var changes: Int { zip(points, points.dropFirst()).count { $0.value != $1.value } }

  /// A number that has only grown, and by little of itself, is a total: how much it has grown is what there is to see.
  fileprivate var asGrowth: Series {
    let isRising = zip(points, points.dropFirst()).allSatisfy { $0.value <= $1.value }
    guard isRising, least > 0, most - least < 0.5 * most else { return self }
    return Series(title: title, points: points.map { ($0.second, $0.value - least) }, isGrowth: true)
  }
}

/// The figures of a run's seconds by the names that they have in files.
struct SeriesTable: Sendable {
  /// What was observed besides, in its order.
  private(set) var observedNames: [String] = []
  private var points: [String: [(second: Double, value: Double)]] = [:]
  private let window: Double

  /// Pictures of what was observed, at most.
  private static let limit = 12

  /// What no axis holds is left out: files come from anywhere.
  init(_ run: Report.Run) {
    window = run.window
    let own = Self.ownFigures.map(\.name) + ["due"]
    for second in run.wholeSeconds {
      for (name, value) in second.values where abs(value) <= Plot.limit / 1024 {
        if points[name] == nil, !own.contains(name) { observedNames.append(name) }
        points[name, default: []].append((Double(second.number) + 0.5, value))
      }
    }
  }

  /// A figure as it was observed.
  func raw(_ name: String) -> Series { Series(title: name, points: points[name] ?? []) }

  private func points(_ name: String, _ factor: Double) -> [(second: Double, value: Double)] {
    (points[name] ?? []).map { ($0.second, $0.value * factor) }
  }

  // MARK: - mqbench itself

  /// How mqbench and its machine fared. What never happened is left out.
  var own: [Series] {
    Self.ownFigures.compactMap { figure in
      let points = points(figure.name, figure.factor).filter { point in
        !figure.isOfWindow || (point.second >= 0 && point.second < window)
      }
      let series = Series(title: figure.title, unit: figure.unit, points: points)
      return points.count > 1 && series.most > 0 ? series : nil
    }
  }

  private static let ownFigures: [(name: String, title: String, unit: String, factor: Double, isOfWindow: Bool)] = [
    ("backlog", "Due and not come yet", "messages", 1, false),
    ("errors", "Refused messages and lost connections", "", 1, false),
    ("tool_processors", "Processors that mqbench used", "", 1, true),
    ("tool_lag_ms", "How late mqbench was at most", "ms", 1, true),
    ("soft_interrupt_share", "Processor time for network packets", "%", 100, false),
    ("stolen_share", "Processor time taken by the machine underneath", "%", 100, false),
  ]

  // MARK: - What was observed

  /// What is worth a picture: the process first, then what was asked for by name, then what the broker tells, the liveliest first.
  func observed(process: String) -> [Series] {
    let ofProcess = Self.processFigures(process).compactMap { figure -> Series? in
      var points = points(figure.name, figure.factor)
      if figure.isCounter {
        points = zip(points, points.dropFirst()).map { ($1.second, $1.value - $0.value) }
      }
      let series = Series(title: figure.title, unit: figure.unit, points: points)
      return points.count > 1 && series.most > 0 ? series : nil
    }
    let others = observedNames.enumerated().filter { _, name in
      !name.hasPrefix("pid_") && !Self.isSlow(name)
    }.compactMap { place, name -> (series: Series, rank: (Int, Int, Int))? in
      let series = raw(name)
      guard series.points.count > 1, series.least < series.most else { return nil }
      return (series.asGrowth, (name.hasPrefix("$") ? 1 : 0, -series.changes, place))
    }.sorted { $0.rank < $1.rank }
    return Array((ofProcess + others.map(\.series)).prefix(Self.limit))
  }

  /// Whether a topic is about more time than a run has: mosquitto's averages over minutes, and how long a broker is up.
  private static func isSlow(_ name: String) -> Bool {
    let levels = name.split(separator: "/")
    return levels.first == "$SYS" && levels.contains { $0 == "load" || $0.hasPrefix("uptime") }
  }

  private static func processFigures(
    _ name: String
  ) -> [(
    name: String, title: String, unit: String, factor: Double, isCounter: Bool
  )] {
    [
      ("pid_processors", "Processors that \(name) used", "", 1, false),
      ("pid_resident_kib", "Memory of \(name)", "MiB", 1.0 / 1024, false),
      ("pid_switches", "How often \(name) waited for something", "a second", 1, true),
      ("pid_involuntary_switches", "How often a processor was taken from \(name)", "a second", 1, true),
    ]
  }
}
