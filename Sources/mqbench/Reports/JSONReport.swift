internal import CommandLineTool

/// A report as JSON: all of it, to be read by programs and by mqbench itself. Times are in nanoseconds; a percentile is null where
/// there are too few samples to tell, and "lost" where it falls among what never came.
enum JSONReport {
  /// Changes when a reader of the present one would misunderstand the next.
  static let schema = 1

  static func json(_ report: Report) -> JSON {
    .object([
      ("schema", .integer(schema)), ("tool", .string("mqbench")), ("version", .string(report.version)),
      ("options", .array(report.options.map { .array($0.map(JSON.string)) })),
      ("scenario", json(report.scenario)), ("scenario_text", .string(report.scenarioText)),
      ("shards", json(report.shards)), ("environment", json(report.environment)),
      ("verdict", .string(report.verdict.rawValue)),
      ("runs", .array(report.runs.map(json))),
    ])
  }

  private static func json(_ items: [Report.Item]) -> JSON { .object(items.map { ($0.name, .string($0.value)) }) }

  private static func json(_ shards: Report.Shards?) -> JSON {
    guard let shards else { return .null }
    return .object([("numbers", .array(shards.numbers.map(JSON.integer))), ("count", .integer(shards.count))])
  }

  private static func json(_ run: Report.Run) -> JSON {
    .object([
      ("run", .string(run.word)), ("seed", .string("\(run.seed)")), ("start", .string(run.start)),
      ("window_start_s", .number(run.windowStart)), ("window_s", .number(run.window)), ("drain_s", .number(run.drain)),
      ("closed", .boolean(run.isClosed)),
      ("interrupted", .boolean(run.isInterrupted)), ("steady", .boolean(run.isSteady)),
      ("verdict", .string(run.verdict.rawValue)), ("signs", .array(run.signs.map(JSON.string))),
      ("evidence", json(run.evidence)),
      (
        "rates",
        .object(RateMetric.allCases.compactMap { metric in run.rates[metric].map { (metric.rawValue, .number($0)) } })
      ),
      ("counts", json(run.counts)),
      (
        "times",
        .object(TimeMetric.allCases.compactMap { metric in run.times[metric].map { (metric.rawValue, json($0)) } })
      ),
      (
        "sequences",
        .array(run.sequences.map { $0.map { .array([.integer($0.lowerBound), .integer($0.upperBound)]) } ?? .null })
      ),
      (
        "groups",
        .array(
          run.groups.map {
            .object([("name", .string($0.name)), ("counts", json($0.counts)), ("end_to_end", json($0.times))])
          })
      ), ("seconds", .array(run.seconds.map(json))),
    ])
  }

  private static func json(_ counts: [CountMetric: Int]) -> JSON {
    .object(CountMetric.allCases.compactMap { metric in counts[metric].map { (metric.rawValue, .integer($0)) } })
  }

  /// The percentiles of tables.
  static let percentiles = [5000, 9000, 9900, 9990, 9999]

  private static func json(_ times: Times) -> JSON {
    var members: [(name: String, value: JSON)] = [
      ("count", .integer(times.count)), ("lost", .integer(times.endless)),
      ("min_ns", times.hasEnded ? .integer(Int(times.minimum)) : .null),
    ]
    for percentile in percentiles {
      members.append((Figures.percentile(percentile) + "_ns", json(times.percentile(percentile))))
    }
    members += [
      ("max_ns", times.hasEnded ? .integer(Int(times.maximum)) : .null),
      ("mean_ns", times.hasEnded ? .number(times.mean) : .null),
      ("stddev_ns", times.hasEnded ? .number(times.standardDeviation) : .null),
      ("histogram", json(times.samples)),
    ]
    return .object(members)
  }

  static func json(_ value: Times.Value) -> JSON {
    switch value {
    case .nanoseconds(let time): .integer(Int(time))
    case .endless: .string("lost")
    case .unknown: .null
    }
  }

  /// Times and how often they occurred, in turn.
  private static func json(_ samples: [Times.Sample]) -> JSON {
    .array(samples.flatMap { [.integer(Int($0.nanoseconds)), .integer($0.count)] })
  }

  private static func json(_ second: Report.Second) -> JSON {
    let times = Times(second.samples)
    return .object(
      [
        ("second", .integer(second.number)), ("sent", .integer(second.sent)),
        ("acknowledged", .integer(second.acknowledged)),
        ("delivered", .integer(second.delivered)), ("p50_ns", json(times.rank(5000))),
        ("p99_ns", json(times.rank(9900))),
        ("max_ns", times.isEmpty ? .null : .integer(Int(times.maximum))),
      ] + second.values.map { ($0.name, .number($0.value)) } + [("histogram", json(second.samples))])
  }

  // MARK: - Reading

  /// The report in a file. What is wrong with it is said with its name.
  static func read(_ path: [UInt8]) throws(UsageError) -> Report {
    let name = Argument(path, from: Source(.commandLine)).quoted
    let text: [UInt8]
    do { text = try System.contents(of: path) } catch { throw UsageError("\(name): \(error.explanation)") }
    let json: JSON
    do { json = try JSON(text: text) } catch { throw UsageError("\(name) is not JSON") }
    guard json["tool"].text == "mqbench", let schema = json["schema"].integer else {
      throw UsageError("\(name) is not a report that mqbench saved")
    }
    guard schema <= Self.schema else { throw UsageError("\(name) was saved by a later mqbench") }
    guard let report = report(json) else { throw UsageError("\(name) is a damaged report of mqbench") }
    return report
  }

  /// A report that was saved, or nil where something is impossible.
  static func report(_ json: JSON) -> Report? {
    var report = Report()
    report.version = json["version"].text ?? ""
    report.options = json["options"].elements.map { $0.elements.compactMap(\.text) }.filter { !$0.isEmpty }
    report.scenario = items(json["scenario"])
    report.scenarioText = json["scenario_text"].text ?? ""
    report.environment = items(json["environment"])
    if let count = json["shards"]["count"].integer {
      let numbers = json["shards"]["numbers"].elements.compactMap(\.integer)
      guard !numbers.isEmpty, numbers == Set(numbers).sorted(), numbers.allSatisfy({ $0 >= 1 && $0 <= count }) else {
        return nil
      }
      report.shards = Report.Shards(numbers: numbers, count: count)
    }
    for element in json["runs"].elements {
      guard let run = run(element) else { return nil }
      report.runs.append(run)
    }
    return report.runs.isEmpty ? nil : report
  }

  private static func items(_ json: JSON) -> [Report.Item] {
    json.members.compactMap { member in member.value.text.map { Report.Item(name: member.name, value: $0) } }
  }

  private static func run(_ json: JSON) -> Report.Run? {
    guard let verdict = json["verdict"].text.flatMap(Verdict.init), let window = json["window_s"].double,
      let drain = json["drain_s"].double, let start = json["window_start_s"].double,
      [window, drain, start].allSatisfy((0...1e9).contains)
    else { return nil }
    var run = Report.Run()
    run.word = json["run"].text ?? ""
    run.seed = json["seed"].text.flatMap { UInt64($0) } ?? 0
    run.start = json["start"].text ?? ""
    (run.windowStart, run.window, run.drain, run.verdict) = (start, window, drain, verdict)
    run.isClosed = json["closed"].isTrue
    run.isInterrupted = json["interrupted"].isTrue
    run.isSteady = json["steady"].isTrue
    run.signs = json["signs"].elements.compactMap(\.text)
    run.evidence = items(json["evidence"])
    for (name, value) in json["rates"].members {
      guard let rate = value.double, (0...1e12).contains(rate) else { return nil }
      if let metric = RateMetric(rawValue: name) { run.rates[metric] = rate }
    }
    guard let counts = counts(json["counts"]) else { return nil }
    run.counts = counts
    for element in json["groups"].elements {
      guard let counts = Self.counts(element["counts"]), let times = times(element["end_to_end"]) else { return nil }
      run.groups.append(Report.Group(name: element["name"].text ?? "", counts: counts, times: times))
    }
    for (name, value) in json["times"].members {
      guard let times = times(value) else { return nil }
      if let metric = TimeMetric(rawValue: name) { run.times[metric] = times }
    }
    run.sequences = json["sequences"].elements.map { pair in
      guard pair.elements.count == 2, let first = pair.elements[0].integer, let last = pair.elements[1].integer,
        first <= last
      else { return nil }
      return first...last
    }
    for element in json["seconds"].elements {
      guard let second = second(element) else { return nil }
      run.seconds.append(second)
    }
    return run
  }

  /// No count is larger: sums of some of them, times 10,000, are numbers still.
  private static let most = 100_000_000_000_000

  private static func counts(_ json: JSON) -> [CountMetric: Int]? {
    var counts: [CountMetric: Int] = [:]
    for (name, value) in json.members {
      guard let count = value.integer, (0...most).contains(count) else { return nil }
      if let metric = CountMetric(rawValue: name) { counts[metric] = count }
    }
    return counts
  }

  private static func times(_ json: JSON) -> Times? {
    guard let samples = samples(json["histogram"]), let endless = json["lost"].integer, (0...most).contains(endless)
    else {
      return nil
    }
    let (least, longest) = (Int64(json["min_ns"].integer ?? 0), Int64(json["max_ns"].integer ?? 0))
    guard least >= 0, least <= longest, longest <= most else { return nil }
    return Times(samples, endless: endless, from: least, to: longest)
  }

  private static func samples(_ json: JSON) -> [Times.Sample]? {
    let numbers = json.elements.compactMap(\.integer)
    guard numbers.count == json.elements.count, numbers.count.isMultiple(of: 2), numbers.count < 1_000_000 else {
      return nil
    }
    var samples: [Times.Sample] = []
    var total = 0
    for place in stride(from: 0, to: numbers.count, by: 2) {
      let (time, count) = (numbers[place], numbers[place + 1])
      guard (0...120_000_000_000).contains(time), (1...most).contains(count), total + count <= most else { return nil }
      total += count
      samples.append(Times.Sample(nanoseconds: Int64(time), count: count))
    }
    return samples
  }

  private static func second(_ json: JSON) -> Report.Second? {
    var second = Report.Second()
    guard let samples = samples(json["histogram"]) else { return nil }
    second.samples = samples
    for (name, value) in json.members {
      switch name {
      case "second":
        guard let number = value.integer, (-1_000_000...1_000_000_000).contains(number) else { return nil }
        second.number = number
      case "sent", "acknowledged", "delivered":
        guard let count = value.integer, (0...most).contains(count) else { return nil }
        switch name {
        case "sent": second.sent = count
        case "acknowledged": second.acknowledged = count
        default: second.delivered = count
        }
      case "p50_ns", "p99_ns", "max_ns", "histogram": break
      default: if let number = value.double { second.values.append((name, number)) }
      }
    }
    return second
  }
}
