internal import CommandLineTool

extension Report {
  /// Reports of one load as one report: parts of it are added up, and of several whole ones the runs stand side by side.
  ///
  /// - Parameters:
  ///   - isForced: whether they may be of different loads, or of different times.
  ///   - names: what the reports are called in errors.
  init(together reports: [Report], isForced: Bool) throws(UsageError) {
    self = reports[0]
    if !isForced, let difference = Comparison.difference(between: reports) {
      throw UsageError("the reports are not of the same load (\(difference)); --yes takes them all the same")
    }
    if reports.allSatisfy({ $0.shards?.isWhole ?? true }) {
      runs = reports.flatMap(\.runs)
      var seen: Set<[String]> = []
      for run in runs where !seen.insert([run.word, run.start]).inserted && !isForced {
        throw UsageError("the run that began at \(run.start) is there twice, and would count as two; --yes takes it so")
      }
    } else {
      try self.init(shards: reports, isForced: isForced)
    }
  }

  /// How far apart parts of one run may have begun, in seconds.
  private static let tolerance = 2.0

  private init(shards reports: [Report], isForced: Bool) throws(UsageError) {
    self = reports[0]
    guard let count = shards?.count, reports.allSatisfy({ $0.shards?.count == count }) else {
      throw UsageError("only shards of one load can be added up, and whole loads stand side by side: these are of both")
    }
    let ordered = reports.sorted { ($0.shards?.numbers[0] ?? 0) < ($1.shards?.numbers[0] ?? 0) }
    let numbers = ordered.flatMap { $0.shards?.numbers ?? [] }.sorted()
    for (number, next) in zip(numbers, numbers.dropFirst()) where number == next {
      throw UsageError("shard \(number) of \(count) is there twice")
    }
    shards = Shards(numbers: numbers, count: count)
    guard Set(reports.map(\.runs.count)).count == 1 || isForced else {
      throw UsageError("the shards have different numbers of runs; --yes takes those that all of them have")
    }
    runs = []
    for number in 0..<(reports.map(\.runs.count).min() ?? 0) {
      let parts = ordered.map { $0.runs[number] }
      let starts = parts.compactMap { WallTime(Array($0.start.utf8)) }
      if !isForced, let first = starts.min(by: { $1.since($0) > .zero }),
        let last = starts.max(by: { $1.since($0) > .zero }),
        case let distance = last.since(first) / .seconds(1), distance > Self.tolerance
      {
        throw UsageError(
          "run \(number + 1) of the shards began \(Figures.decimals(distance, 1)) s apart (see --start-at); "
            + "--yes adds them up all the same")
      }
      runs.append(Run(shards: parts))
    }
    environment = Self.joined(ordered.map(\.environment))
    // To be done again as a whole.
    options.removeAll { $0.first == "--shard" }
  }

  /// Items of several lists by their names; values that differ stand behind one another.
  fileprivate static func joined(_ lists: [[Item]]) -> [Item] {
    var items: [Item] = []
    for item in lists.joined() where !items.contains(where: { $0.name == item.name }) {
      var values: [String] = []
      for list in lists {
        for other in list where other.name == item.name && !values.contains(other.value) { values.append(other.value) }
      }
      items.append(Item(name: item.name, value: values.joined(separator: "; ")))
    }
    return items
  }
}

extension Report.Run {
  /// The parts of a run as one: counts and rates are sums, distributions and seconds are added, and the verdict is the worst.
  init(shards: [Report.Run]) {
    self = shards[0]
    word = shards.map(\.word).joined(separator: " ")
    start = shards.map(\.start).min() ?? ""
    window = shards.map(\.window).max() ?? 0
    // What never came was waited for at least so long.
    drain = shards.map(\.drain).min() ?? 0
    isInterrupted = shards.contains { $0.isInterrupted }
    isSteady = shards.allSatisfy(\.isSteady)
    verdict = Verdict.worst(of: shards.map(\.verdict))
    signs = Evidence.Sign.allCases.map(\.rawValue).filter { sign in
      shards.contains { $0.verdict == verdict && $0.signs.contains(sign) }
    }
    evidence = Report.joined(shards.map(\.evidence))
    for shard in shards.dropFirst() {
      times.merge(shard.times) { one, other in
        var sum = one
        sum.add(other)
        return sum
      }
      for (metric, count) in shard.counts {
        let own = counts[metric] ?? 0
        counts[metric] = metric == .largestDisplacement ? max(own, count) : own + count
      }
      rates.merge(shard.rates, uniquingKeysWith: +)
      sequences += shard.sequences
      for group in shard.groups {
        guard let place = groups.firstIndex(where: { $0.name == group.name }) else {
          groups.append(group)
          continue
        }
        groups[place].counts.merge(group.counts, uniquingKeysWith: +)
        groups[place].times.add(group.times)
      }
    }
    let numbers = Set(shards.flatMap { $0.seconds.map(\.number) }).sorted()
    seconds = numbers.map { number in
      Report.Second(shards: shards.flatMap { $0.seconds.filter { $0.number == number } })
    }
  }
}

extension Report.Second {
  /// What each part has its own of, so that the whole has the sum. Of all other further figures it has the largest.
  private static let sums = ["due", "backlog", "errors", "tool_processors"]

  fileprivate init(shards: [Report.Second]) {
    self = shards[0]
    for shard in shards.dropFirst() {
      sent += shard.sent
      acknowledged += shard.acknowledged
      delivered += shard.delivered
      for (name, value) in shard.values {
        guard let place = values.firstIndex(where: { $0.name == name }) else {
          values.append((name, value))
          continue
        }
        values[place].value = Self.sums.contains(name) ? values[place].value + value : max(values[place].value, value)
      }
    }
    if shards.count > 1 { samples = Times(shards.flatMap(\.samples)).samples }
  }
}
