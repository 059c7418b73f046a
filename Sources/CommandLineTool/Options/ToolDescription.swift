/// What help and manual page say of a tool besides its options.
public struct ToolDescription: Sendable {
  /// A command to try, and what it does.
  public struct Example: Sendable {
    /// One sentence.
    public var explanation: String
    /// The command line.
    public var command: String

    /// An example for the end of help and manual page.
    public init(_ explanation: String, _ command: String) {
      self.explanation = explanation
      self.command = command
    }
  }

  /// One of several things that a tool does, named by the first word that is no option: `mqbench load`.
  public struct Command: Sendable {
    /// The word.
    public var name: String
    /// What stands behind the word.
    public var synopsis: String
    /// One short line without a full stop.
    public var summary: String
    /// More for the manual page, in whole sentences.
    public var details: String
    /// Commands to try.
    public var examples: [Example]
    /// The names of the options that it takes, besides those that every tool has.
    public var optionNames: @Sendable () -> [String]

    /// A command.
    public init(
      _ name: String, synopsis: String, summary: String, details: String, examples: [Example],
      optionNames: @escaping @Sendable () -> [String]
    ) {
      self.name = name
      self.synopsis = synopsis
      self.summary = summary
      self.details = details
      self.examples = examples
      self.optionNames = optionNames
    }
  }

  /// A file or an environment variable, and what it is for.
  public struct Entry: Sendable {
    /// The path or variable.
    public var name: String
    /// Sentences.
    public var explanation: String

    /// An entry of the manual page's FILES or ENVIRONMENT.
    public init(_ name: String, _ explanation: String) {
      self.name = name
      self.explanation = explanation
    }
  }

  /// A part of the manual page about something that several options have in common.
  public struct Chapter: Sendable {
    /// In capitals.
    public var title: String
    /// What stands before the entries.
    public var paragraphs: [String]
    /// What there is to choose from.
    public var entries: [Entry]
    /// What stands behind them.
    public var remarks: [String]

    /// A chapter; its texts are like those of `ToolDescription.paragraphs`.
    public init(_ title: String, _ paragraphs: [String], entries: [Entry] = [], remarks: [String] = []) {
      self.title = title
      self.paragraphs = paragraphs
      self.entries = entries
      self.remarks = remarks
    }
  }

  /// The tool's name.
  public var name: ToolName
  /// What it does, for the manual page's NAME: lower case, no full stop.
  public var purpose: String
  /// The shapes of its command line, without the tool's name.
  public var synopsis: [String]
  /// Paragraphs. Options stand in braces, `{--port}`.
  public var paragraphs: [String]
  /// Commands to try; the help shows the first three.
  public var examples: [Example]
  /// What the manual page explains between options and exit status.
  public var chapters: [Chapter] { makeChapters() }
  // Only the manual page needs them: they would be a good part of each start.
  private let makeChapters: @Sendable () -> [Chapter]
  /// What the tool does where that depends on a first word.
  public var commands: [Command] { makeCommands() }
  private let makeCommands: @Sendable () -> [Command]
  /// What to tell people who come from other tools and type a letter that means something else there: `-c`, and a sentence.
  public var hints: [Entry]
  /// What the tool reads and writes by itself.
  public var files: [Entry]
  /// Variables that stand for no option.
  public var environment: [Entry]

  /// A description of the tool `name`.
  public init(
    name: ToolName, purpose: String, synopsis: [String], paragraphs: [String], examples: [Example],
    chapters: @escaping @autoclosure @Sendable () -> [Chapter] = [],
    commands: @escaping @autoclosure @Sendable () -> [Command] = [], hints: [Entry] = [], files: [Entry] = [],
    environment: [Entry] = []
  ) {
    self.name = name
    self.purpose = purpose
    self.synopsis = synopsis
    self.paragraphs = paragraphs
    self.examples = examples
    makeChapters = chapters
    makeCommands = commands
    self.hints = hints
    self.files = files
    self.environment = environment
  }
}

/// A text of the manual in pieces: words, and options to be set off from them.
public enum ManualText {
  enum Piece: Equatable {
    case words(Substring)
    /// The spelling of an option, without its braces.
    case option(Substring)
  }

  /// `{-t}` and `{--topic}` are options; other braces are text.
  static func pieces(of text: String) -> [Piece] {
    var pieces: [Piece] = []
    var rest = text[...]
    var position = text.startIndex
    while let brace = text[position...].firstIndex(of: "{") {
      position = text.index(after: brace)
      guard text[position...].first == "-", let end = text[position...].firstIndex(of: "}") else { continue }
      if brace > rest.startIndex { pieces.append(.words(rest[..<brace])) }
      pieces.append(.option(text[position..<end]))
      position = text.index(after: end)
      rest = text[position...]
    }
    if !rest.isEmpty { pieces.append(.words(rest)) }
    return pieces
  }

  /// The text without braces.
  public static func plain(_ text: String) -> String {
    pieces(of: text).map { piece in
      switch piece {
      case .words(let text), .option(let text): String(text)
      }
    }.joined()
  }

  /// The options that the texts of a manual name although there are none such.
  static func unknownOptions(in description: ToolDescription, _ options: [OptionDescription]) -> [String] {
    let texts =
      description.paragraphs + description.examples.map(\.explanation)
      + (description.files + description.environment).map(\.explanation)
      + description.commands.flatMap { [$0.summary, $0.details] + $0.examples.map(\.explanation) }
      + description.chapters.flatMap { $0.paragraphs + $0.entries.map(\.explanation) + $0.remarks }
      + options.flatMap { [$0.summary, $0.details] }
    let known = options.flatMap(\.spellings)
    return texts.flatMap { pieces(of: $0) }.compactMap { piece in
      if case .option(let spelling) = piece, !known.contains(String(spelling)) { return String(spelling) }
      return nil
    }
  }
}
