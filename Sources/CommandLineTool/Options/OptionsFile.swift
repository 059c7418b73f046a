/// Options in a file, one a line, in the form of mosquitto's clients:
///
///     # A comment has its # in the first column.
///     -h broker.example
///     -m  two blanks: the first ends the option, the second belongs to the value, as do quotes and blanks at the end
///     -D connect user-property site the rest of the line
///
/// Lines may be of any length, and the last word of an option that takes several is the rest of its line.
public enum OptionsFile {
  /// The options in `contents`; `path` is for messages.
  static func uses(
    in contents: [UInt8], path: String, kind: SourceKind, table: OptionTable
  ) throws(UsageError) -> [OptionUse] {
    var uses: [OptionUse] = []
    for (number, line) in lines(contents) {
      let source = Source(kind, place: "\(path):\(number)")
      if let use = try use(in: line, source: source, table: table) { uses.append(use) }
    }
    return uses
  }

  /// The options behind a line such as `[sensors]`, up to the next such line.
  public struct Section: Sendable {
    /// Nil for what stands before the first of these lines.
    public var name: String?
    /// Where its name stands, for messages.
    public var place: String
    /// Its options, in their order.
    public var uses: [OptionUse] = []
    /// The numbers of the lines that its options stand in, from 1 on.
    public var lines: [Int] = []
  }

  /// The options in a file that has sections; the first section is the one without a name.
  public static func sections(
    in contents: [UInt8], path: String, table: OptionTable
  ) throws(UsageError) -> [Section] {
    var sections = [Section(name: nil, place: path)]
    for (number, line) in lines(contents) {
      let source = Source(.optionsFile, place: "\(path):\(number)")
      let text = line.trimmingBlanks
      if text.first == UInt8(ascii: "["), text.last == UInt8(ascii: "]") {
        let name = text.dropFirst().dropLast()
        guard !name.isEmpty, name.allSatisfy(isLetter) else {
          throw UsageError("a section's name has letters, digits, - and _, as in [sensors-2]").at(source.place)
        }
        sections.append(Section(name: String(decoding: name, as: UTF8.self), place: source.place))
      } else if let use = try use(in: line, source: source, table: table) {
        sections[sections.count - 1].uses.append(use)
        sections[sections.count - 1].lines.append(number)
      }
    }
    return sections
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private static func lines(_ contents: [UInt8]) -> [(number: Int, line: ArraySlice<UInt8>)] {
    contents.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().map { ($0 + 1, $1) }
  }

  private static func use(
    in line: ArraySlice<UInt8>, source: Source, table: OptionTable
  ) throws(UsageError) -> OptionUse? {
    if line.first == UInt8(ascii: "#") { return nil }
    var line = line
    while line.last == UInt8(ascii: "\r") { line.removeLast() }
    line = line.drop { $0 == blank }
    guard !line.isEmpty else { return nil }

    var rest: ArraySlice<UInt8>? = line
    let word = takeWord(&rest)
    let match: OptionTable.Match
    do { match = try table.match(word) } catch { throw error.at(source.place) }
    let description = table.options[match.option]
    var use = OptionUse(
      option: match.option, spelling: String(decoding: match.spelling, as: UTF8.self), words: [], source: source)
    if description.isForCommandLineOnly { throw use.mistake(UsageError("is for the command line only")) }

    var values = match.attachedValue.map { [Array($0)] } ?? []
    switch description.value {
    case .none:
      if !values.isEmpty { throw use.mistake(.needsNoValue(word)) }
      if let blanks = rest, blanks.allSatisfy({ $0 == blank }) { rest = nil }
    case .one(let name):
      if values.isEmpty, let value = rest {
        values.append(Array(value))
        rest = nil
      }
      if values.isEmpty { throw use.mistake(.needsValue(name)) }
    case .several(let name, let isComplete):
      while !isComplete(values) {
        guard let value = rest else { throw use.mistake(.needsValue(name)) }
        if isComplete(values + [Array(value)]) {
          values.append(Array(value))
          rest = nil
        } else {
          values.append(takeWord(&rest))
        }
      }
    }
    if let rest {
      throw use.mistake(UsageError("\"\(String(decoding: rest, as: UTF8.self))\" is more than the option takes"))
    }
    use.words = values
    return use
  }

  /// The bytes before the first blank. What is behind it stays in `rest`: nil when there is no blank.
  private static func takeWord(_ rest: inout ArraySlice<UInt8>?) -> [UInt8] {
    guard let line = rest else { return [] }
    let word = line.prefix { $0 != blank }
    rest = word.endIndex == line.endIndex ? nil : line[word.endIndex...].dropFirst()
    return Array(word)
  }

  private static var blank: UInt8 { UInt8(ascii: " ") }
}

extension ArraySlice<UInt8> {
  fileprivate var trimmingBlanks: ArraySlice<UInt8> {
    var text = drop { $0 == UInt8(ascii: " ") }
    while let last = text.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\r") { text.removeLast() }
    return text
  }
}
