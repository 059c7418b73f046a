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
    for section in OptionDescription.Section.allCases {
      let members = options.filter { $0.section == section && !$0.isHidden }
      guard !members.isEmpty else { continue }
      lines += ["", "\(section.rawValue):"]
      for option in members { lines += entry(option) }
    }
    lines += ["", "Examples:"]
    for example in tool.examples.prefix(3) {
      lines += wrapped("# \(ManualText.plain(example.explanation))", first: "  ", indent: 4)
      lines.append("  \(example.command)")
    }
    lines += ["", "Exit status: 0 when all that was asked for happened; see 'man \(name)'."]
    return lines.map { $0 + "\n" }.joined()
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
