/// What an option is called, what it takes and what the manual says of it: all that parser, help and manual page need.
/// Its texts may name options in braces, `{--port}`; the manual page prints these in bold, and a test fails when there
/// is no such option.
public struct OptionDescription: Sendable {
  /// The words that belong to an option.
  public enum Value: Sendable {
    /// It is a switch.
    case none
    /// One word, called by this name in the help.
    case one(String)
    /// Several words, called by this name in the help; they end when `isComplete` says so.
    case several(String, isComplete: @Sendable (_ words: [[UInt8]]) -> Bool)
  }

  /// Where help and manual page list an option; in this order.
  public enum Section: String, CaseIterable, Sendable {
    case messages = "Messages"
    case subscriptions = "Subscriptions"
    case output = "Output"
    case connection = "Connection"
    case session = "Client and session"
    case will = "Will"
    case time = "Time and reconnecting"
    case diagnostics = "Diagnostics"
    case general = "General"
  }

  /// What stands behind one dash; empty when there is no short form.
  public var short: String
  /// What stands behind two dashes; empty when there is no long form. With neither, the description is that of the
  /// words that are no options.
  public var long: String
  /// The words that belong to the option.
  public var value: Value
  /// Where help and manual page list the option.
  public var section: Section
  /// One short line without a full stop, for `--help`.
  public var summary: String
  /// More for the manual page, in whole sentences; the summary stands before them.
  public var details: String
  /// The variable that stands for the option in the environment; empty when there is none.
  public var environment: String
  /// Whether files may not hold the option.
  public var isForCommandLineOnly: Bool
  /// Whether help and manual page leave the option out: it serves the project's own scripts.
  public var isHidden: Bool

  /// A description; at least one of `short` and `long` names an option.
  public init(
    short: String = "", long: String = "", value: Value = .none, section: Section, summary: String,
    details: String = "", environment: String = "", isForCommandLineOnly: Bool = false, isHidden: Bool = false
  ) {
    self.short = short
    self.long = long
    self.value = value
    self.section = section
    self.summary = summary
    self.details = details
    self.environment = environment
    self.isForCommandLineOnly = isForCommandLineOnly
    self.isHidden = isHidden
  }

  /// The option as it is typed: the long form if there is one.
  public var name: String { long.isEmpty ? "-\(short)" : "--\(long)" }

  /// Every way to spell the option.
  public var spellings: [String] { (short.isEmpty ? [] : ["-\(short)"]) + (long.isEmpty ? [] : ["--\(long)"]) }

  /// What the help calls the option's words, or nil for a switch.
  public var valueName: String? {
    switch value {
    case .none: nil
    case .one(let name), .several(let name, _): name
    }
  }

  /// Whether the words that are no options are meant.
  var isOperand: Bool { short.isEmpty && long.isEmpty }
}

/// An option and what it does to a tool's settings. Groups of settings have tables of their own, which a tool joins:
///
///     ConnectionSettings.options.map { $0.on(\.connection) } + …
public struct Option<Settings>: Sendable {
  /// What the option is called and takes.
  public var description: OptionDescription
  /// Stores what was typed. It looks at each value alone: what values mean together is judged when all are there.
  public var apply: @Sendable (inout Settings, OptionUse) throws(UsageError) -> Void

  /// A switch.
  @inlinable
  public init(_ description: OptionDescription, set: @escaping @Sendable (inout Settings) -> Void) {
    self.description = description
    self.apply = { (settings, _) throws(UsageError) in set(&settings) }
  }

  /// An option that takes one word.
  @inlinable
  public init(
    _ description: OptionDescription,
    set: @escaping @Sendable (inout Settings, Argument) throws(UsageError) -> Void
  ) {
    self.description = description
    self.apply = { (settings, use) throws(UsageError) in try set(&settings, use.arguments[0]) }
  }

  /// An option that needs to see its whole use: all its words, or the source.
  @inlinable
  public init(
    byUse description: OptionDescription,
    set: @escaping @Sendable (inout Settings, OptionUse) throws(UsageError) -> Void
  ) {
    self.description = description
    self.apply = set
  }

  /// The same option for a tool that holds these settings as one part of its own.
  @inlinable
  public func on<Tool>(_ part: any WritableKeyPath<Tool, Settings> & Sendable) -> Option<Tool> {
    Option<Tool>(byUse: description) { [apply] (tool, use) throws(UsageError) in
      try apply(&tool[keyPath: part], use)
    }
  }
}
