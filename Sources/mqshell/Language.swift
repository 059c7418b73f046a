/// The language of mqshell: how a line falls into commands and words. Nothing is substituted and nothing is run here.
///
///     line     = blank | comment | "!" shell command | command { ";" command }
///     command  = [ "@" NAME ] VERB { word }
///     word     = bare | 'verbatim' | "with \n and ${name}" | JSON
///
/// A topic stands as it is: `#` begins a comment as the first character of a line only, and `$` means something in `${name}`
/// only. A word that begins with `{` or `[` is JSON and reaches to the bracket that closes it.
enum Line: Equatable {
  /// Commands in their order; none in an empty line and in a comment.
  case commands([Command])
  /// What a shell is to run; it is taken as it is.
  case shell([UInt8])

  /// Reads a line without its end.
  init(_ text: [UInt8]) throws(LanguageError) {
    var text = text
    if text.last == UInt8(ascii: "\r") { text.removeLast() }  // of a script written elsewhere
    let start = text.firstIndex { !isBlank($0) } ?? text.endIndex
    switch text[start...].first {
    case nil, UInt8(ascii: "#"): self = .commands([])
    case UInt8(ascii: "!"): self = .shell(Array(text[(start + 1)...]))
    default:
      var lexer = Lexer(text: text, position: start)
      self = .commands(try lexer.commands())
    }
  }
}

/// What is wrong with a line, and where.
struct LanguageError: Error, Equatable {
  /// One sentence without a full stop.
  var message: String
  /// The character of the line that it is about, the first being 1.
  var column: Int
}

/// A verb and its words, perhaps for a connection that is named.
struct Command: Equatable {
  /// NAME of `@NAME`.
  var connection: [UInt8]?
  /// The verb first; there is at least that.
  var words: [Word]

  /// A command whose first word may be `@NAME`. Commands in commands, as behind `fails`, begin alike.
  init(_ words: some Collection<Word>) throws(LanguageError) {
    var words = Array(words)
    if let first = words.first, let name = try first.connectionName() {
      connection = name
      words.removeFirst()
      guard !words.isEmpty else {
        throw LanguageError(message: "a command is missing behind @\(mqshell.text(name))", column: first.column)
      }
    }
    self.words = words
  }
}

/// A word as it was typed.
struct Word: Equatable {
  enum Piece: Equatable {
    case bytes([UInt8])
    /// NAME of `${NAME}`.
    case variable(String, column: Int)
  }

  /// What it consists of; nothing in an empty pair of quotes.
  var pieces: [Piece]
  /// Whether it stands there without quotes and is no JSON: only then it can be an option, `@NAME` or `within`.
  var isBare: Bool
  /// The blanks before it, which belong to a payload of several words.
  var blanks: [UInt8]
  /// Its first character, the first of the line being 1.
  var column: Int
  /// Where it stands in the line, with its quotes.
  var range: Range<Int>

  /// NAME, where the word is `@NAME`.
  fileprivate func connectionName() throws(LanguageError) -> [UInt8]? {
    guard isBare, case .bytes(let bytes)? = pieces.first, bytes.first == UInt8(ascii: "@") else { return nil }
    guard pieces.count == 1, isConnectionName(bytes[1...]) else {
      throw LanguageError(message: "a name of letters, digits and - _ . : belongs behind @", column: column)
    }
    return Array(bytes[1...])
  }
}

/// Whether a connection may be called so.
func isConnectionName(_ name: ArraySlice<UInt8>) -> Bool {
  !name.isEmpty && name.allSatisfy { $0 < 0x80 && isNameByte($0) || "-.:[]".utf8.contains($0) }
}

/// A letter, a digit, an underscore, or a part of a letter beyond ASCII.
func isNameByte(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
    true
  default: false
  }
}

func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

/// Whether `part` stands somewhere in the bytes.
func holds(_ bytes: [UInt8], _ part: StaticString) -> Bool {
  let part = Array(part.description.utf8)
  return bytes.indices.contains { bytes[$0...].starts(with: part) }
}

func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// Walks over a line.
private struct Lexer {
  let text: [UInt8]
  var position: Int

  private var next: UInt8? { position < text.count ? text[position] : nil }

  mutating func commands() throws(LanguageError) -> [Command] {
    var commands: [Command] = []
    var words: [Word] = []
    while true {
      let start = position
      while let byte = next, isBlank(byte) { position += 1 }
      let blanks = Array(text[start..<position])
      guard let byte = next, byte != UInt8(ascii: ";") else {
        if !words.isEmpty { commands.append(try Command(words)) }
        words = []
        if next == nil { return commands }
        position += 1
        continue
      }
      let first = position
      let (pieces, isBare) = try pieces(of: byte)
      words.append(
        Word(pieces: pieces, isBare: isBare, blanks: blanks, column: column(of: first), range: first..<position))
    }
  }

  private mutating func pieces(of first: UInt8) throws(LanguageError) -> (pieces: [Word.Piece], isBare: Bool) {
    switch first {
    case UInt8(ascii: "'"): (try single(), false)
    case UInt8(ascii: "\""): (try double(), false)
    case UInt8(ascii: "{"), UInt8(ascii: "["): (try json(), false)
    // A backslash in front makes it text, whatever it looks like.
    default: (try bare(), first != UInt8(ascii: "\\"))
    }
  }

  // MARK: The four kinds of words

  private mutating func bare() throws(LanguageError) -> [Word.Piece] {
    var pieces = Pieces()
    while let byte = next, !isBlank(byte), byte != UInt8(ascii: ";") {
      switch byte {
      case UInt8(ascii: "\\"):
        guard position + 1 < text.count else { throw error("a backslash at the end of the line stands for nothing") }
        pieces.append(text[position + 1])
        position += 2
      case UInt8(ascii: "'"), UInt8(ascii: "\""):
        throw error("a quote within a word: put all of it into quotes, or a backslash before the quote")
      default: try piece(to: &pieces)
      }
    }
    return pieces.all
  }

  private mutating func single() throws(LanguageError) -> [Word.Piece] {
    let start = position
    guard let end = text[(start + 1)...].firstIndex(of: UInt8(ascii: "'")) else { throw neverClosed(start) }
    position = end + 1
    try checkEnd("quote")
    return end == start + 1 ? [] : [.bytes(Array(text[(start + 1)..<end]))]
  }

  private mutating func double() throws(LanguageError) -> [Word.Piece] {
    let start = position
    position += 1
    var pieces = Pieces()
    while true {
      switch next {
      case nil: throw neverClosed(start)
      case UInt8(ascii: "\"")?:
        position += 1
        try checkEnd("quote")
        return pieces.all
      case UInt8(ascii: "\\")?: pieces.append(try escape())
      case _?: try piece(to: &pieces)
      }
    }
  }

  private mutating func escape() throws(LanguageError) -> UInt8 {
    let letters: [(Character, UInt8)] = [
      ("n", 0x0A), ("r", 0x0D), ("t", 0x09), ("\"", 0x22), ("\\", 0x5C), ("$", 0x24),
    ]
    let rest = text[(position + 1)...]
    if let (_, byte) = letters.first(where: { $0.0.asciiValue == rest.first }) {
      position += 2
      return byte
    }
    if rest.first == UInt8(ascii: "x"), rest.count >= 3,
      let byte = UInt8(mqshell.text(rest.dropFirst().prefix(2)), radix: 16), rest[position + 2] != UInt8(ascii: "+")
    {
      position += 4
      return byte
    }
    throw error("in double quotes a backslash stands before n, r, t, \", \\, $ or xHH")
  }

  private mutating func json() throws(LanguageError) -> [Word.Piece] {
    let start = position
    var open: [Int] = []
    var isInString = false
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\\") where isInString: position += 1
      case UInt8(ascii: "\""): isInString.toggle()
      case _ where isInString: break
      case UInt8(ascii: "{"), UInt8(ascii: "["): open.append(position)
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        // The closing brackets of ASCII come two behind the opening ones.
        guard text[open.removeLast()] == byte - 2 else { throw error("this bracket closes one of the other kind") }
        if open.isEmpty {
          position += 1
          try checkEnd("bracket")
          return [.bytes(Array(text[start..<position]))]
        }
      default: break
      }
      position += 1
    }
    throw neverClosed(open.last ?? start)
  }

  /// A byte that means itself, or a variable.
  private mutating func piece(to pieces: inout Pieces) throws(LanguageError) {
    let start = position
    position += 1
    guard text[start] == UInt8(ascii: "$"), next == UInt8(ascii: "{") else { return pieces.append(text[start]) }
    let name = text[(start + 2)...].prefix { isNameByte($0) || "-.[]".utf8.contains($0) }
    guard !name.isEmpty, name.endIndex < text.count, text[name.endIndex] == UInt8(ascii: "}") else {
      position = start
      throw error("${ is followed by a name and }; a backslash before it makes it text")
    }
    position = name.endIndex + 1
    pieces.append(.variable(mqshell.text(name), column: column(of: start)))
  }

  // MARK: Mistakes

  private func checkEnd(_ what: String) throws(LanguageError) {
    guard let byte = next, !isBlank(byte), byte != UInt8(ascii: ";") else { return }
    throw error("something stands right behind the closing \(what)")
  }

  private func neverClosed(_ start: Int) -> LanguageError {
    let opening = UnicodeScalar(text[start])
    return LanguageError(message: "this \(opening) is never closed", column: column(of: start))
  }

  private func error(_ message: String) -> LanguageError {
    LanguageError(message: message, column: column(of: position))
  }

  /// Characters are counted, not bytes: all but the later bytes of a UTF-8 sequence.
  private func column(of position: Int) -> Int { text[..<position].count { $0 & 0xC0 != 0x80 } + 1 }
}

/// Pieces as they come: neighbouring bytes become one.
private struct Pieces {
  private var done: [Word.Piece] = []
  private var bytes: [UInt8] = []

  var all: [Word.Piece] { bytes.isEmpty ? done : done + [.bytes(bytes)] }

  mutating func append(_ byte: UInt8) { bytes.append(byte) }

  mutating func append(_ variable: Word.Piece) {
    done = all + [variable]
    bytes = []
  }
}
