internal import CommandLineTool

/// What is done with saved reports.
struct CompareCommand {
  let settings: BenchSettings

  /// `compare A… -- B…`
  func run(_ words: [Argument], _ diagnostics: Diagnostics) throws(UsageError) -> ExitStatus {
    if !settings.report.goals.isEmpty { throw UsageError("--goal: a comparison knows only same") }
    let sides = words.split(
      separator: Argument(Array("--".utf8), from: Source(.commandLine)), omittingEmptySubsequences: false)
    guard sides.count == 2, sides.allSatisfy({ !$0.isEmpty }) else {
      throw UsageError("compare: two groups of saved reports with -- between them, as in base.json -- new.json")
    }
    let reports = [try merged(sides[0], diagnostics), try merged(sides[1], diagnostics)]
    let names = sides.map { $0.map { String(decoding: $0.bytes, as: UTF8.self) }.joined(separator: " ") }
    return try compare(reports[0], reports[1], (names[0], names[1]), diagnostics)
  }

  func compare(
    _ first: Report, _ second: Report, _ names: (first: String, second: String), _ diagnostics: Diagnostics
  ) throws(UsageError) -> ExitStatus {
    if !settings.report.isForced {
      if let difference = Comparison.difference(between: [first, second]) {
        throw UsageError("the two sides are not of the same load (\(difference)); --yes compares them all the same")
      }
      let parts = [first, second].map { report in report.shards.flatMap { $0.isWhole ? nil : $0.text } ?? "all of it" }
      if parts[0] != parts[1] {
        throw UsageError(
          "the two sides are not of the same part of the load (\(parts[0]) and \(parts[1])); --yes compares them all the same"
        )
      }
      if first.verdict == .tool || second.verdict == .tool {
        diagnostics.error(
          "mqbench was the limit of some of the runs, which say little of a broker; --yes compares them all the same")
        return .notMeasurable
      }
    }
    let comparison = Comparison(first.runs, second.runs)
    let printed =
      settings.report.isJSON
      ? Measurement.print(ComparisonReport.json(comparison, names), diagnostics)
      : Measurement.print(ComparisonReport.text(comparison, names), diagnostics)
    if printed != .ok { return printed }
    guard settings.report.wantsSame else { return .ok }
    switch comparison.word {
    case .worse:
      let worse = comparison.rows.filter { $0.word == .worse }.map(\.name).joined(separator: ", ")
      diagnostics.error("worse: \(worse)")
      return .differs
    case .better, .noDifference: return .ok
    case nil:
      diagnostics.error("fewer than \(Comparison.leastRuns) runs on a side: whether anything is worse cannot be told")
      return .notMeasurable
    }
  }

  /// `merge FILE…`
  func merge(_ words: [Argument], _ diagnostics: Diagnostics) throws(UsageError) -> ExitStatus {
    guard !words.isEmpty else { throw UsageError("merge: which saved reports?") }
    try settings.report.saved.check()
    return settings.report.finish(try merged(words[...], diagnostics), diagnostics)
  }

  /// Several reports as one.
  private func merged(_ words: ArraySlice<Argument>, _ diagnostics: Diagnostics) throws(UsageError) -> Report {
    var reports: [Report] = []
    for word in words { reports.append(try JSONReport.read(word.bytes)) }
    let report = try Report(together: reports, isForced: settings.report.isForced)
    if let shards = report.shards, !shards.isWhole {
      diagnostics.warning("the figures are those of \(shards.text)")
    }
    return report
  }
}
