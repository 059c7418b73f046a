internal import CommandLineTool

/// A file of groups of clients: options of the run, and then a section for each group with its own.
///
///     --duration 60
///     [devices]
///     --clients 10000
///     --publish d/%c/t
///     --every 60s
///     [dashboards]
///     --clients 5
///     --subscribe d/#
struct Scenario: Sendable {
  /// The options before the first section: weaker than those on the command line.
  let common: [OptionUse]
  /// A section each, whose options are stronger than all others.
  let groups: [(name: String, uses: [OptionUse])]
  /// What a report keeps of it: all but the lines that have secrets in them.
  let text: String

  /// Reads the scenario in a file.
  init(_ file: Argument) throws(UsageError) {
    let contents: [UInt8]
    do { contents = try System.contents(of: file.bytes) } catch {
      throw UsageError("--scenario: \(file.quoted): \(error.explanation)")
    }
    try self.init(contents, path: String(decoding: file.bytes, as: UTF8.self))
  }

  init(_ contents: [UInt8], path: String) throws(UsageError) {
    let options = BenchSettings.tool.commandLine.options
    let sections = try OptionsFile.sections(
      in: contents, path: path, table: OptionTable(tool: "mqbench", options: options))
    common = sections[0].uses
    var groups: [(name: String, uses: [OptionUse])] = []
    let isScenario = { (use: OptionUse) in options[use.option].name == "--scenario" }
    if let use = sections.lazy.flatMap(\.uses).first(where: isScenario) {
      throw use.mistake(UsageError("a scenario has no other one in it"))
    }
    let names =
      LoadSettings.groupOptions.map(\.description.name) + WorkloadSettings.options.map(\.description.name)
      + BenchSettings.connectionNames()
    try Self.check(sections.flatMap(\.uses))
    for section in sections.dropFirst() {
      guard let name = section.name else { continue }
      if groups.contains(where: { $0.name == name }) {
        throw UsageError("there are two groups of the name \(name)").at(section.place)
      }
      for use in section.uses where !names.contains(options[use.option].name) {
        throw use.mistake(UsageError("is about the whole run, and has its place before the first group"))
      }
      groups.append((name, section.uses))
    }
    guard !groups.isEmpty else { throw UsageError("\(path) has no groups: a line such as [devices] begins one") }
    guard groups.count <= 256 else { throw UsageError("\(path) has more than 256 groups") }
    self.groups = groups
    var lines = String(decoding: contents, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    for section in sections {
      for (use, line) in zip(section.uses, section.lines) where options[use.option].secret?(use.words) != nil {
        lines[line - 1] = "# \(use.spelling) is a secret"
      }
    }
    text = lines.joined(separator: "\n")
  }

  /// Refuses options that have no place beside a scenario, wherever they come from.
  static func check(_ uses: [OptionUse]) throws(UsageError) {
    let options = BenchSettings.tool.commandLine.options
    for use in uses where others.contains(options[use.option].name) {
      throw use.mistake(UsageError("the groups of a scenario say who publishes and subscribes to what"))
    }
  }

  private static let others = ["--publishers", "--subscribers", "--topics", "--topic-levels", "--filter"]
}
