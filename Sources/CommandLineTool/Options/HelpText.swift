/// The text of `--help`, for terminals of 80 columns.
public enum HelpText {
  private static let width = 80
  /// Where summaries begin.
  private static let column = 28

  /// The whole text.
  public static func text(_ tool: ToolDescription, options: [OptionDescription]) -> String {
    let name = tool.name.rawValue
    var lines: [String] = []
    for (index, form) in tool.synopsis.enumerated() {
      lines += wrapped("\(name) \(form)", first: index == 0 ? "Usage: " : "       ", indent: 11 + columns(name))
    }
    lines += sections(options) + self.examples(tool.examples.prefix(3))
    lines += ["", "Exit status: 0 when all that was asked for happened; see 'man \(name)'."]
    return lines.map { $0 + "\n" }.joined()
  }

  /// What the commands of a tool are.
  static func overview(_ tool: ToolDescription, _ commands: [ToolDescription.Command]) -> String {
    let name = tool.name.rawValue
    var lines = wrapped("\(name) COMMAND [OPTION]...", first: "Usage: ", indent: 7) + ["", "Commands:"]
    for command in commands {
      let head = "  \(command.name)"
      lines += wrapped(
        ManualText.plain(command.summary), first: head + String(repeating: " ", count: 14 - columns(head)), indent: 14)
    }
    lines += examples(tool.examples.prefix(3))
    lines += ["", "'\(name) COMMAND --help' lists the options of a command; 'man \(name)' has it all."]
    return lines.map { $0 + "\n" }.joined()
  }

  /// What one command does, and the options that it takes.
  static func text(
    _ tool: ToolDescription, _ command: ToolDescription.Command, options: [OptionDescription]
  ) -> String {
    let name = "\(tool.name.rawValue) \(command.name)"
    var lines = wrapped("\(name) \(command.synopsis)", first: "Usage: ", indent: 8 + columns(name))
    lines += [""] + wrapped(ManualText.plain(command.summary).capitalizedFirst + ".", first: "", indent: 0)
    lines += sections(options) + examples(command.examples.prefix(3))
    lines += ["", "Exit status: 0 when all that was asked for happened; see 'man \(tool.name.rawValue)'."]
    return lines.map { $0 + "\n" }.joined()
  }

  private static func sections(_ options: [OptionDescription]) -> [String] {
    var lines: [String] = []
    for section in OptionDescription.Section.allCases {
      let members = options.filter { $0.section == section && !$0.isHidden }
      guard !members.isEmpty else { continue }
      lines += ["", "\(section.rawValue):"]
      for option in members { lines += entry(option) }
    }
    return lines
  }

  private static func examples(_ examples: ArraySlice<ToolDescription.Example>) -> [String] {
    if examples.isEmpty { return [] }
    var lines = ["", "Examples:"]
    for example in examples {
      lines += wrapped("# \(ManualText.plain(example.explanation))", first: "  ", indent: 4)
      lines.append("  \(example.command)")
    }
    return lines
  }

  private static func entry(_ option: OptionDescription) -> [String] {
    let short = option.short.isEmpty ? "    " : "-\(option.short)\(option.long.isEmpty ? "" : ", ")"
    let value = option.valueName.map { " \($0)" } ?? ""
    let names = "  \(short)\(option.long.isEmpty ? "" : "--\(option.long)")\(value)"
    let summary = ManualText.plain(option.summary)
    if columns(names) + 2 <= column {
      return wrapped(summary, first: names + String(repeating: " ", count: column - columns(names)), indent: column)
    }
    return [names] + wrapped(summary, first: String(repeating: " ", count: column), indent: column)
  }

  private static func columns(_ text: some StringProtocol) -> Int { text.unicodeScalars.count }

  /// The words of `text` in lines of at most `width` columns; the first line begins with `first`, the others with
  /// `indent` blanks.
  private static func wrapped(_ text: String, first: String, indent: Int) -> [String] {
    var lines: [String] = []
    var line = first
    var isEmpty = true
    for word in text.split(separator: " ") {
      if !isEmpty && columns(line) + 1 + columns(word) > width {
        lines.append(line)
        line = String(repeating: " ", count: indent)
        isEmpty = true
      }
      line += isEmpty ? "\(word)" : " \(word)"
      isEmpty = false
    }
    return lines + [line]
  }
}

extension String {
  /// With a capital at the beginning.
  var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
