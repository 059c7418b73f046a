/// The manual page of a tool, in the man(7) macros that groff and mandoc know. The same input always gives the same
/// bytes: man/ holds them, and a test compares.
public enum ManPage {
  /// The whole page.
  public static func text(_ tool: ToolDescription, options: [OptionDescription]) -> String {
    let name = tool.name.rawValue
    var page = Roff()
    page.macro("TH", name.uppercased(), "1", Version.date, "mqtools \(Version.number)", "mqtools")
    page.macro("SH", "NAME")
    page.line(Roff.escaped("\(name) - ") + Roff.escaped(tool.purpose))

    page.macro("SH", "SYNOPSIS")
    for (index, form) in tool.synopsis.enumerated() {
      if index > 0 { page.macro("br") }
      page.line("\\fB\(name)\\fR \(synopsis(form))")
    }

    page.macro("SH", "DESCRIPTION")
    page.paragraphs(tool.paragraphs)

    if !tool.commands.isEmpty {
      page.macro("SH", "COMMANDS")
      for command in tool.commands {
        page.macro("TP")
        page.line("\\fB\(command.name)\\fR \(synopsis(command.synopsis))")
        page.prose(sentence(command.summary))
        page.prose(command.details)
      }
    }

    page.macro("SH", "OPTIONS")
    for section in OptionDescription.Section.allCases {
      let members = options.filter { $0.section == section && !$0.isHidden }
      guard !members.isEmpty else { continue }
      page.macro("SS", section.rawValue)
      for option in members {
        page.macro("TP")
        page.line(heading(option))
        page.prose(sentence(option.summary))
        if !option.details.isEmpty { page.prose(option.details) }
        if !option.environment.isEmpty {
          page.line("Environment: \\fB\(Roff.escaped(option.environment))\\fR.")
        }
      }
    }

    for chapter in tool.chapters {
      page.macro("SH", chapter.title)
      page.paragraphs(chapter.paragraphs)
      for entry in chapter.entries { page.item(entry.name, entry.explanation) }
      if !chapter.remarks.isEmpty { page.macro("PP") }
      page.paragraphs(chapter.remarks)
    }

    page.macro("SH", "EXIT STATUS")
    for row in ExitStatus.table where row.tools.contains(tool.name) {
      page.item("\(row.status.rawValue)", sentence(row.meaning))
    }
    page.item(
      "128-162",
      """
      The reason code with which the broker refused, MQTT 5 only; 128 also when MQTT 3.1.1 refuses a subscription. \
      A shell shows the same numbers for a program that a signal ended.
      """)

    let variables = options.filter { !$0.environment.isEmpty && !$0.isHidden }
    if !variables.isEmpty || !tool.environment.isEmpty {
      page.macro("SH", "ENVIRONMENT")
      for option in variables { page.item(option.environment, "Stands for {\(option.name)}, which is stronger.") }
      for entry in tool.environment { page.item(entry.name, entry.explanation) }
    }
    if !tool.files.isEmpty {
      page.macro("SH", "FILES")
      for entry in tool.files { page.item(entry.name, entry.explanation) }
    }

    page.macro("SH", "EXAMPLES")
    for (index, example) in (tool.examples + tool.commands.flatMap(\.examples)).enumerated() {
      if index > 0 { page.macro("PP") }
      page.prose(example.explanation)
      page.code(example.command)
    }
    page.macro("SH", "SEE ALSO")
    let others = ToolName.allCases.filter { $0 != tool.name }
    page.line(others.map { "\\fB\($0.rawValue)\\fR(1)" }.joined(separator: ",\n"))
    return page.text
  }

  private static func heading(_ option: OptionDescription) -> String {
    let names = option.spellings.map { "\\fB\(Roff.escaped($0))\\fR" }.joined(separator: ", ")
    return names + (option.valueName.map { " \\fI\(Roff.escaped($0))\\fR" } ?? "")
  }

  /// Options bold, names of values in italics.
  private static func synopsis(_ form: String) -> String {
    form.split(separator: " ").map { word in
      let core = word.drop { "[(".contains($0) }.prefix { !"]).|".contains($0) }
      let isValue = !core.isEmpty && core.allSatisfy { $0.isUppercase }
      let font = core.hasPrefix("-") ? "B" : isValue ? "I" : ""
      if font.isEmpty { return Roff.escaped(word) }
      return Roff.escaped(word[..<core.startIndex]) + "\\f\(font)\(Roff.escaped(core))\\fR"
        + Roff.escaped(word[core.endIndex...])
    }.joined(separator: " ")
  }

  private static func sentence(_ text: String) -> String { text.capitalizedFirst + "." }
}

/// Lines of roff.
private struct Roff {
  private(set) var text = ""

  mutating func line(_ line: String) { text += line + "\n" }

  mutating func macro(_ name: String, _ arguments: String...) {
    line(([".\(name)"] + arguments.map { $0.contains(" ") || $0.isEmpty ? "\"\($0)\"" : $0 }).joined(separator: " "))
  }

  /// A line of escaped text, which may begin with the point that would make it a macro.
  mutating func textLine(_ text: some StringProtocol) { line((text.hasPrefix(".") ? "\\&" : "") + text) }

  /// Text whose options become bold, each sentence on a line.
  mutating func prose(_ text: String) {
    let roff = ManualText.pieces(of: text).map { piece in
      switch piece {
      case .words(let words): Self.escaped(words)
      case .option(let spelling): "\\fB\(Self.escaped(spelling))\\fR"
      }
    }.joined()
    var sentence = ""
    for word in roff.split(separator: " ") {
      sentence += sentence.isEmpty ? String(word) : " \(word)"
      if word.hasSuffix(".") {
        textLine(sentence)
        sentence = ""
      }
    }
    if !sentence.isEmpty { textLine(sentence) }
  }

  /// Lines as they are.
  mutating func code(_ text: String) {
    macro("PP")
    macro("RS", "4")
    macro("nf")
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) { textLine(Self.escaped(line)) }
    macro("fi")
    macro("RE")
  }

  mutating func paragraphs(_ paragraphs: [String]) {
    for (index, paragraph) in paragraphs.enumerated() {
      if index > 0 { macro("PP") }
      prose(paragraph)
    }
  }

  mutating func item(_ name: String, _ text: String) {
    macro("TP")
    line("\\fB\(Self.escaped(name))\\fR")
    prose(text)
  }

  /// Text as roff input: each character means itself, wherever the line is broken.
  static func escaped(_ text: some StringProtocol) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\e"
      case "-": escaped += "\\-"
      case "'": escaped += "\\(aq"
      case "`": escaped += "\\(ga"
      case "^": escaped += "\\(ha"
      case "~": escaped += "\\(ti"
      case "\"": escaped += "\\(dq"
      default:
        if scalar.isASCII {
          escaped.unicodeScalars.append(scalar)
        } else {
          escaped += "\\[u\(hexadecimal(scalar.value))]"
        }
      }
    }
    return escaped
  }

  private static func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
