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
    case report = "Reports"
    case subscriptions = "Subscriptions"
    case selection = "Selection"
    case output = "Output"
    case ping = "Ping"
    case commands = "Commands"
    case ending = "When to end"
    case connection = "Connection"
    case tls = "TLS"
    case session = "Client and session"
    case will = "Will"
    case spool = "Spool"
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
  /// The option that this one is another way to say, or takes the place of, such as `--log` for `--debug`; empty when its
  /// setting is its own.
  public var setting: String
  /// One short line without a full stop, for `--help`. `; may be repeated` at its end means that the uses of the option
  /// add up, and parentheses hold what is the case without the option: `(1883)`.
  public var summary: String
  /// More for the manual page, in whole sentences; the summary stands before them.
  public var details: String
  /// The variable that stands for the option in the environment; empty when there is none.
  public var environment: String
  /// Other options that change what is the case without this one, and the values that they make of it.
  public var implications: [(by: String, value: String)]
  /// Whether files may not hold the option.
  public var isForCommandLineOnly: Bool
  /// Finds the bytes of the last word that nobody but the user may see, if there are any: they are hidden from other
  /// users of the machine, and shown as `****`.
  public var secret: (@Sendable (_ words: [[UInt8]]) -> Range<Int>?)?
  /// Whether help and manual page leave the option out: it serves the project's own scripts.
  public var isHidden: Bool

  /// A description; at least one of `short` and `long` names an option.
  public init(
    short: String = "", long: String = "", value: Value = .none, section: Section, setting: String = "",
    summary: String, details: String = "", environment: String = "", implications: [(by: String, value: String)] = [],
    isForCommandLineOnly: Bool = false,
    isHidden: Bool = false, secret: (@Sendable (_ words: [[UInt8]]) -> Range<Int>?)? = nil
  ) {
    self.short = short
    self.long = long
    self.value = value
    self.section = section
    self.setting = setting
    self.summary = summary
    self.details = details
    self.environment = environment
    self.implications = implications
    self.isForCommandLineOnly = isForCommandLineOnly
    self.isHidden = isHidden
    self.secret = secret
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

  /// The summary without the braces around options.
  public var plainSummary: String { ManualText.plain(summary) }

  /// The same for a tool that has only these options: texts name the others as plain words.
  public func naming(only spellings: [String]) -> OptionDescription {
    let renamed = { (text: String) in
      ManualText.pieces(of: text).map { piece in
        switch piece {
        case .words(let words): String(words)
        case .option(let spelling): spellings.contains(String(spelling)) ? "{\(spelling)}" : String(spelling)
        }
      }.joined()
    }
    var description = self
    description.summary = renamed(summary)
    description.details = renamed(details)
    return description
  }

  /// Whether the uses of the option add up.
  var isRepeatable: Bool { summary.hasSuffix("; may be repeated") }

  /// What is the case without the option, where the summary tells it.
  var defaultValue: String? {
    guard summary.hasSuffix(")"), let start = summary.lastIndex(of: "(") else { return nil }
    return String(summary[summary.index(after: start)...].dropLast())
  }

  /// Whether the words that are no options are meant.
  var isOperand: Bool { short.isEmpty && long.isEmpty }
}

/// An option and what it does to settings.
public struct Option<Settings>: Sendable {
  /// How an option stores what was typed. It looks at each value alone: what values mean together is judged when all
  /// are there.
  public enum Action: Sendable {
    /// A switch.
    case flag(@Sendable (inout Settings) -> Void)
    /// One word.
    case word(@Sendable (inout Settings, Argument) throws(UsageError) -> Void)
    /// All that is known: several words, the source of a switch.
    case use(@Sendable (inout Settings, OptionUse) throws(UsageError) -> Void)
  }

  /// What the option is called and takes.
  public var description: OptionDescription
  /// What it does.
  public var action: Action

  /// A switch.
  public init(_ description: OptionDescription, set: @escaping @Sendable (inout Settings) -> Void) {
    self.description = description
    action = .flag(set)
  }

  /// An option that takes one word.
  public init(
    _ description: OptionDescription,
    set: @escaping @Sendable (inout Settings, Argument) throws(UsageError) -> Void
  ) {
    self.description = description
    action = .word(set)
  }

  /// An option that needs to see its whole use: all its words, or the source.
  public init(
    byUse description: OptionDescription,
    set: @escaping @Sendable (inout Settings, OptionUse) throws(UsageError) -> Void
  ) {
    self.description = description
    action = .use(set)
  }

  /// Stores what was typed.
  public func apply(_ use: OptionUse, to settings: inout Settings) throws(UsageError) {
    switch action {
    case .flag(let set): set(&settings)
    case .word(let set): try set(&settings, Argument(use.words[0], from: use.source))
    case .use(let set): try set(&settings, use)
    }
  }
}

/// The options of a tool, or a part of them, and how they change the tool's settings. A tool joins tables with `+`.
public struct Options<Settings>: Sendable {
  /// What the options are called and take.
  public var descriptions: [OptionDescription]
  /// Carries out the use of the option at this position.
  public var apply: @Sendable (inout Settings, Int, OptionUse) throws(UsageError) -> Void

  /// One option that needs to see all of the tool's settings.
  @inlinable
  public init(
    _ description: OptionDescription,
    set: @escaping @Sendable (inout Settings, Argument) throws(UsageError) -> Void
  ) {
    descriptions = [description]
    apply = { (settings, _, use) throws(UsageError) in try set(&settings, Argument(use.words[0], from: use.source)) }
  }

  /// A table for a part of the tool's settings, which `lend` gives away for a moment: `{ $1(&$0.connection) }`. (A key
  /// path would say it in fewer signs, and costs every start a twentieth of a millisecond.)
  @inlinable
  public init<Part>(
    _ options: [Option<Part>], lend: @escaping @Sendable (inout Settings, (inout Part) -> Void) -> Void
  ) {
    descriptions = []
    descriptions.reserveCapacity(options.count)
    for option in options { descriptions.append(option.description) }
    apply = { (settings, index, use) throws(UsageError) in
      var failure: UsageError?
      lend(&settings) { part in
        do throws(UsageError) { try options[index].apply(use, to: &part) } catch { failure = error }
      }
      if let failure { throw failure }
    }
  }

  /// Both tables.
  @inlinable
  public static func + (one: Options, other: Options) -> Options {
    var sum = one
    let count = one.descriptions.count
    sum.descriptions.append(contentsOf: other.descriptions)
    sum.apply = { (settings, index, use) throws(UsageError) in
      if index < count { try one.apply(&settings, index, use) } else { try other.apply(&settings, index - count, use) }
    }
    return sum
  }
}
