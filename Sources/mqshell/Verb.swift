internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// A command of the shell: what help and manual page say of it, and what it does.
struct Verb: Sendable {
  enum Section: String, CaseIterable, Sendable {
    case connections = "Connections"
    case messages = "Messages"
    case requests = "Requests"
    case scripts = "Scripts"
    case broker = "The broker"
    case shell = "The shell"
  }

  struct Example: Sendable {
    var explanation: String
    var command: String

    init(_ explanation: String, _ command: String) {
      self.explanation = explanation
      self.command = command
    }
  }

  let name: String
  let section: Section
  /// What stands behind the name, for people.
  let form: String
  /// One line without a full stop.
  let summary: String
  /// Sentences.
  var details = ""
  /// Its options; they have the names that they have in the other tools.
  var options: [OptionDescription] = []
  /// The names of those that `help` tells about, where there are too many for a screen.
  var mainOptions: [String] = []
  let examples: [Example]
  /// Whether `--tap` counts it.
  var isTestPoint = false
  let run: @Sendable (Shell, Call) throws(ShellError) -> Void

  /// The verb that a command begins with.
  static func named(_ command: Command) -> Verb? {
    guard let word = command.words.first, word.isBare, case .bytes(let name)? = word.pieces.first,
      word.pieces.count == 1
    else { return nil }
    return named(name)
  }

  static func named(_ name: some Collection<UInt8>) -> Verb? {
    let name = name.elementsEqual("exit".utf8) ? Array("quit".utf8) : Array(name)
    return all.first { $0.name.utf8.elementsEqual(name) }
  }

  /// The words of other shells, and what they are called here.
  private static let otherNames: [(String, String)] = [
    ("connect", "open"), ("con", "open"), ("reconnect", "open"), ("disconnect", "close"), ("dis", "close"),
    ("publish", "pub"), ("subscribe", "sub"), ("unsubscribe", "unsub"), ("switch", "use"), ("list", "conns"),
    ("ls", "conns or subs"), ("wait", "expect"), ("jobs", "every"), ("kill", "stop"), ("status", "info"),
    ("?", "help"), ("tail", "last"), ("bye", "quit"), ("cls", "Ctrl-L, which clears the screen"),
    ("man", "!man mqshell"), ("version", "!mqshell --version"),
  ]

  static func unknown(_ command: Command) -> ShellError {
    guard let word = command.words.first, case .bytes(let bytes)? = word.pieces.first, word.pieces.count == 1 else {
      return .usage("a command begins with a verb; 'help' lists them")
    }
    let name = text(bytes)
    let other = otherNames.first { $0.0 == name }?.1
    let near = other ?? all.map(\.name).first { $0.hasPrefix(name) }
    let advice = near.map { "did you mean \($0)? " } ?? ""
    return .usage("\"\(name)\" is no command; \(advice)'help' lists them")
  }

  /// The option table, for parsers.
  var table: OptionTable {
    OptionTable(tool: name, options: options, help: mainOptions.isEmpty ? "help \(name)" : "man mqshell")
  }

  /// Its name and its form.
  var usage: String { form.isEmpty ? name : "\(name) \(form)" }
}

extension Verb {
  /// Whether the word is one of its options.
  fileprivate func knows(_ term: Term) -> Bool {
    options.contains { $0.spellings.contains { $0.utf8.elementsEqual(term.bytes) } }
  }
}

/// A command that runs: its words, and for which connection it is.
struct Call {
  let verb: Verb
  let connectionName: [UInt8]?
  /// What stands behind the verb; variables are not filled in.
  let words: ArraySlice<Word>
}

/// The words of a command with their variables filled in, taken one after the other.
struct Terms {
  private let verb: Verb
  private(set) var rest: ArraySlice<Term>

  init(_ call: Call, _ shell: Shell) throws(ShellError) {
    verb = call.verb
    rest = try shell.fill(call.words)[...]
  }

  var isEmpty: Bool { rest.isEmpty }
  var first: Term? { rest.first }

  /// The options that stand here.
  mutating func options() throws(ShellError) -> Flags {
    Flags(table: verb.options, uses: try options(in: verb.table))
  }

  mutating func options(in table: OptionTable) throws(ShellError) -> [OptionUse] {
    var parser = OptionParser(rest.map(\.bytes), from: 0, table: table)
    var uses: [OptionUse] = []
    let terms = Array(rest)
    while parser.position < terms.count, terms[parser.position].isOption {
      let term = terms[parser.position]
      if Self.leftOut.contains(mqshell.text(term.bytes)), !verb.knows(term) {
        throw term.mistake("\(mqshell.text(term.bytes)) is left out here: \(verb.usage)")
      }
      if let use = try reading({ () throws(UsageError) in try parser.next() }) { uses.append(use) }
    }
    rest = rest.dropFirst(parser.position)
    return uses
  }

  /// What the options of other clients call words that need no name here.
  private static let leftOut = ["-t", "--topic", "-m", "--message", "-h", "--host"]

  /// Throws where an option follows that stands at the wrong place: it would silently be a part of the text.
  func checkText() throws(ShellError) {
    guard let term = rest.first, term.isBare, verb.knows(term) || Self.leftOut.contains(mqshell.text(term.bytes)) else {
      return
    }
    throw term.mistake("options stand before the topic: \(verb.usage); in quotes this is text")
  }

  /// The next word, which has to be there.
  mutating func next(_ what: String) throws(ShellError) -> Term {
    guard let term = rest.popFirst() else {
      throw .usage("\(verb.name): \(what) is missing: \(verb.usage)")
    }
    return term
  }

  mutating func nextIfAny() -> Term? { rest.popFirst() }

  /// Takes the word if it comes next.
  mutating func take(_ word: StaticString) -> Bool {
    guard rest.first?.isWord(word) == true else { return false }
    rest.removeFirst()
    return true
  }

  /// Takes a number if one comes next.
  mutating func number() -> Int? {
    guard let term = rest.first, term.isBare, let number = try? term.argument.number(in: 1 ... .max) else { return nil }
    rest.removeFirst()
    return number
  }

  /// Takes `within T` at the end.
  mutating func within() throws(ShellError) -> Duration? {
    guard rest.count >= 2, rest[rest.endIndex - 2].isWord("within"), let time = rest.last, time.isBare else {
      return nil
    }
    let duration = try reading { () throws(UsageError) in try time.argument.duration() }
    rest.removeLast(2)
    return duration
  }

  mutating func filter() throws(ShellError) -> TopicFilter {
    let term = try next("FILTER")
    do { return try TopicFilter(utf8: term.bytes) } catch { throw term.mistake(error.explanation) }
  }

  mutating func topic() throws(ShellError) -> TopicName {
    let term = try next("TOPIC")
    do { return try TopicName(utf8: term.bytes) } catch { throw term.mistake(error.explanation) }
  }

  mutating func duration(_ what: String) throws(ShellError) -> Duration {
    let term = try next(what)
    return try reading { () throws(UsageError) in try term.argument.durationAboveZero() }
  }

  /// The rest as one text, with the blanks as they were typed.
  mutating func text() -> [UInt8] {
    var text: [UInt8] = []
    for (index, term) in rest.enumerated() { text += (index == 0 ? [] : term.blanks) + term.bytes }
    rest = []
    return text
  }

  /// Nothing more may stand there.
  func end() throws(ShellError) {
    guard let term = rest.first else { return }
    throw term.mistake("unexpected word '\(mqshell.text(term.bytes))': \(verb.usage)")
  }
}

/// The options that a command was given, for verbs that look at them one by one.
struct Flags {
  let table: [OptionDescription]
  let uses: [OptionUse]

  func has(_ name: String) -> Bool { uses.contains { table[$0.option].name == name } }

  /// The value of an option that takes a number.
  func number(_ name: String) throws(ShellError) -> Int? {
    guard let use = uses.last(where: { table[$0.option].name == name }) else { return nil }
    let word = Argument(use.words[0], from: use.source)
    return try reading { () throws(UsageError) in
      do throws(UsageError) { return try word.number(in: 1...1_000_000) } catch { throw use.mistake(error) }
    }
  }
}

extension Term {
  /// A mistake in this word.
  func mistake(_ message: String) -> ShellError { .language(LanguageError(message: message, column: column)) }

  /// Whether it can be nothing but an option.
  var isOption: Bool { isBare && bytes.count > 1 && bytes[0] == UInt8(ascii: "-") }
}
