internal import CommandLineTool

/// The options of a run as a report keeps them, so that somebody can do the same.
enum SavedOptions {
  /// What is about the report, not about the run, or holds for one time only.
  private static let others = ["--save", "--json", "--again", "--goal", "--yes", "--scenario", "--start-at"]

  /// The options in effect, from all sources, with their words; without those that hold a secret.
  static func words(_ uses: [OptionUse], _ options: [OptionDescription]) -> [[String]] {
    uses.compactMap { use in
      let option = options[use.option]
      guard option.name != "--", option.section != .general, !others.contains(option.name) else { return nil }
      if option.secret?(use.words) != nil { return nil }
      return [option.name] + use.words.map { String(decoding: $0, as: UTF8.self) }
    }
  }

  /// The options of a report to be done again, weaker than all others. The seed is that of its first run.
  static func uses(of report: Report, _ options: [OptionDescription]) throws(UsageError) -> [OptionUse] {
    var words = report.options
    if let run = report.runs.first, Int(exactly: run.seed) != nil { words.append(["--seed", "\(run.seed)"]) }
    var parser = OptionParser(
      words.flatMap { $0.map { Array($0.utf8) } }, from: 0, table: OptionTable(tool: "mqbench", options: options))
    var uses: [OptionUse] = []
    while let use = try parser.next() { uses.append(use) }
    return uses
  }
}
