internal import CommandLineTool

/// A word of a command with its variables filled in. What came in by a variable is never looked at as language again.
struct Term {
  var bytes: [UInt8]
  /// See `Word.isBare`.
  var isBare: Bool
  var blanks: [UInt8]
  var column: Int

  /// Whether it is that word, without quotes.
  func isWord(_ word: StaticString) -> Bool { isBare && bytes.elementsEqual(word.description.utf8) }

  /// For the readers that the options of all tools have.
  var argument: Argument { Argument(bytes, from: Source(.commandLine)) }
}

/// What `${NAME}` stands for.
struct Variables {
  /// What `let` has set.
  private(set) var named: [[UInt8]: [UInt8]] = [:]
  /// A word that nobody else uses, the same for as long as this shell runs.
  let run: [UInt8]

  init(run: [UInt8]) { self.run = run }

  /// The names that are given already, with a sentence for the manual.
  static let reserved: [(name: String, meaning: String)] = [
    ("run", "a random word, the same for as long as mqshell runs, for topics and identifiers that nobody else uses"),
    ("now", "the time, as 2026-11-22T12:55:34.539884+01:00"),
    ("last.topic", "the topic of the message that came last"),
    ("last.payload", "its payload"),
    ("last.json.PATH", "a part of its payload that is JSON: ${last.json.a.b[0]}"),
    ("env.NAME", "a variable of the environment"),
  ]

  /// Gives a variable its value.
  mutating func set(_ name: Term, to value: [UInt8]) throws(ShellError) {
    let text = mqshell.text(name.bytes)
    guard !name.bytes.isEmpty, name.bytes.allSatisfy({ isNameByte($0) || $0 == UInt8(ascii: "-") }) else {
      throw .usage("\"\(text)\" is no name of a variable: letters, digits, - and _")
    }
    guard !["run", "now", "last", "env"].contains(text) else { throw .usage("${\(text)} is set by mqshell itself") }
    named[name.bytes] = value
  }

  /// The word with its variables filled in.
  func fill(_ word: Word, last: KeptMessage?) throws(ShellError) -> Term {
    var bytes: [UInt8] = []
    for piece in word.pieces {
      switch piece {
      case .bytes(let more): bytes += more
      case .variable(let name, let column):
        guard let value = value(of: name, last: last) else {
          throw .language(LanguageError(message: Self.unknown(name, last: last), column: column))
        }
        bytes += value
      }
    }
    return Term(bytes: bytes, isBare: word.isBare, blanks: word.blanks, column: word.column)
  }

  private static func unknown(_ name: String, last: KeptMessage?) -> String {
    if name.hasPrefix("env.") { return "the environment has no variable \(name.dropFirst(4))" }
    if name.hasPrefix("last."), last == nil { return "no message has come that ${\(name)} could be about" }
    if name.hasPrefix("last.json.") { return "the payload of the last message has no \(name.dropFirst(9))" }
    return "unknown variable ${\(name)}; 'let \(name) VALUE' sets it, and \\${ is no variable"
  }

  private static func text(of time: WallTime) -> [UInt8] {
    var output = OutputBuffer(descriptor: -1, limit: .max)
    var timestamp = Timestamp()
    timestamp.append(seconds: time.seconds, nanoseconds: time.nanoseconds, zone: .extended, to: &output)
    return output.withBytes { Array($0) }
  }

  private func value(of name: String, last: KeptMessage?) -> [UInt8]? {
    switch name {
    case "run": return run
    case "now": return Self.text(of: .now)
    case "last.topic": return last?.topic
    case "last.payload": return last?.payload
    default:
      if name.hasPrefix("env.") { return System.environment(String(name.dropFirst(4))) }
      if name.hasPrefix("last.json.") { return last?.json(String(name.dropFirst(10))) }
      return named[Array(name.utf8)]
    }
  }
}
