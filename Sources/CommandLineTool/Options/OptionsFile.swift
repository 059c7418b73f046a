/// Options in a file, one a line, in the form of mosquitto's clients:
///
///     # A comment has its # in the first column.
///     -h broker.example
///     -m  two blanks: the first ends the option, the second belongs to the value, as do quotes and blanks at the end
///     -D connect user-property site the rest of the line
///
/// Lines may be of any length, and the last word of an option that takes several is the rest of its line.
enum OptionsFile {
  /// The options in `contents`; `path` is for messages.
  static func uses(
    in contents: [UInt8], path: String, kind: SourceKind, table: OptionTable
  ) throws(UsageError) -> [OptionUse] {
    var uses: [OptionUse] = []
    var number = 0
    for line in contents.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      let source = Source(kind, place: "\(path):\(number)")
      if let use = try use(in: line, source: source, table: table) { uses.append(use) }
    }
    return uses
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
