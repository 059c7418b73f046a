/// One option as it was found in a source, before it does anything.
public struct OptionUse: Sendable {
  /// The option's position in its table.
  public var option: Int
  /// The option as it was typed.
  public var spelling: String
  /// The words that belong to it.
  public var words: [[UInt8]]
  /// Where it stands.
  public var source: Source

  /// A mistake in this use, with its place in front.
  public func mistake(_ error: UsageError) -> UsageError { error.at(spelling).at(source.place) }
}

/// The options that a tool knows, to look words up in.
public struct OptionTable: Sendable {
  /// A tool's name and its options.
  public typealias Tool = (name: String, options: @Sendable () -> [OptionDescription])

  /// The options of the tool.
  public var options: [OptionDescription]
  /// The tool's name, for advice.
  public var tool: String
  /// The other tools, asked only to advise somebody who typed an unknown option.
  public var otherTools: [Tool]

  /// What lists the options, for advice.
  var help: String
  /// What to say of letters that mean something in tools of other people.
  var hints: [ToolDescription.Entry]

  /// The table of `tool`; `help` is the command that lists it.
  public init(
    tool: String, options: [OptionDescription], otherTools: [Tool] = [], help: String? = nil,
    hints: [ToolDescription.Entry] = []
  ) {
    self.hints = hints
    self.tool = tool
    self.help = help ?? "\(tool) --help"
    self.options = options
    self.otherTools = otherTools
  }

  /// An option that a word names, and the value if the same word holds it as well.
  struct Match {
    var option: Int
    var spelling: ArraySlice<UInt8>
    var attachedValue: ArraySlice<UInt8>?
  }

  /// Finds the option of `word`: an exact spelling before `--long=value` before `-Svalue`.
  func match(_ word: [UInt8]) throws(UsageError) -> Match {
    let dash = UInt8(ascii: "-")
    guard word.count > 1, word[0] == dash, word != [dash, dash] else {
      guard let operand = options.firstIndex(where: \.isOperand) else {
        throw word == [dash, dash] ? unknownOption(word[...]) : notAnOption(word)
      }
      return Match(option: operand, spelling: [], attachedValue: word[...])
    }
    if word[1] == dash {
      let name = word[2...].prefix { $0 != UInt8(ascii: "=") }
      guard !name.isEmpty, let index = index(ofLong: name) else { throw unknownOption(word[..<name.endIndex]) }
      let rest = word[name.endIndex...]
      return Match(
        option: index, spelling: word[..<name.endIndex], attachedValue: rest.isEmpty ? nil : rest.dropFirst())
    }
    if let index = index(ofShort: word[1...]) { return Match(option: index, spelling: word[...], attachedValue: nil) }
    guard let index = index(ofShort: word[1...1]) else { throw unknownOption(word[...]) }
    return Match(option: index, spelling: word[...1], attachedValue: word[2...])
  }

  private func index(ofLong name: ArraySlice<UInt8>) -> Int? {
    options.firstIndex { $0.long.utf8.elementsEqual(name) && !$0.long.isEmpty }
  }

  private func index(ofShort name: ArraySlice<UInt8>) -> Int? {
    options.firstIndex { $0.short.utf8.elementsEqual(name) }
  }
}

/// Walks the words of a command line: which options stand there, and which words belong to them.
///
/// The word after an option that takes one is its value, whatever it looks like: `-m -n` sends "-n". Nothing is
/// bundled, abbreviated or optional, and `--` is a word like others where words may stand that are no options.
public struct OptionParser {
  private let table: OptionTable
  private let words: [[UInt8]]
  /// How many words were walked.
  public private(set) var position: Int
  private let source = Source(.commandLine)

  /// Walks `words` from the position `start` on; the program's name is no option.
  public init(_ words: [[UInt8]], from start: Int, table: OptionTable) {
    self.words = words
    position = start
    self.table = table
  }

  /// The next option with its words, or nil at the end.
  public mutating func next() throws(UsageError) -> OptionUse? {
    guard let word = nextWord() else { return nil }
    let match = try table.match(word)
    let description = table.options[match.option]
    var use = OptionUse(
      option: match.option, spelling: String(decoding: match.spelling, as: UTF8.self), words: [], source: source)
    var values = match.attachedValue.map { [Array($0)] } ?? []
    switch description.value {
    case .none:
      if !values.isEmpty { throw use.mistake(.needsNoValue(word)) }
    case .one(let name):
      if values.isEmpty, let word = nextWord() { values.append(word) }
      if values.isEmpty { throw use.mistake(.needsValue(name)) }
    case .several(let name, let isComplete):
      while !isComplete(values) {
        guard let word = nextWord() else { throw use.mistake(.needsValue(name)) }
        values.append(word)
      }
    }
    use.words = values
    return use
  }

  private mutating func nextWord() -> [UInt8]? {
    guard position < words.count else { return nil }
    defer { position += 1 }
    return words[position]
  }
}

extension UsageError {
  static func needsValue(_ name: String) -> UsageError { UsageError("needs \(name) behind it") }

  /// `word` is a switch with something attached: perhaps switches joined as other programs allow.
  static func needsNoValue(_ word: [UInt8]) -> UsageError {
    let word = String(decoding: word, as: UTF8.self)
    return UsageError("takes no value, but \"\(word)\" gives it one; options are not joined, write each by itself")
  }
}
