internal import CommandLineTool

/// Lines as they may be kept: what only the user may see is masked.
enum Secrets {
  private static let mask = Array("****".utf8)

  /// The line with `****` in the place of passwords; nil where it cannot be known what in it is one.
  static func masked(_ line: [UInt8]) -> [UInt8]? {
    let parsed: Line
    do { parsed = try Line(line) } catch {
      return mayHaveSecrets(line) ? nil : line
    }
    guard case .commands(let commands) = parsed else { return line }
    var hidden: [Range<Int>] = []
    for command in commands { hidden += secrets(of: command.words[...], in: line) }
    var masked = line
    for range in hidden.sorted(by: { $0.lowerBound > $1.lowerBound }) { masked.replaceSubrange(range, with: mask) }
    return masked
  }

  private static func mayHaveSecrets(_ line: [UInt8]) -> Bool {
    let signs: [StaticString] = ["-P", "pw", "pass", "psk", "secret", "token", "@", "auth"]
    return signs.contains { holds(line, $0) }
  }

  /// Where secrets stand. `open` may be behind other verbs, as in `fails open`.
  private static func secrets(of words: ArraySlice<Word>, in line: [UInt8]) -> [Range<Int>] {
    guard let start = words.firstIndex(where: { Verb.isOpen($0) }) else { return [] }
    let words = Array(words[(start + 1)...])
    let plain = words.map(\.written)
    let table = OptionTable(tool: "open", options: OpenWords.options.descriptions)
    var hidden: [Range<Int>] = []
    var position = 0
    while position < words.count {
      guard plain[position].first == UInt8(ascii: "-"), plain[position].count > 1 else {
        if let secret = ConnectionSettings.urlDescription.secret?([plain[position]]) {
          hidden.append(range(of: secret, in: words[position], line))
        }
        position += 1
        continue
      }
      var parser = OptionParser(plain, from: position, table: table)
      guard let use = try? parser.next() else {
        position += 1
        continue
      }
      if let value = use.words.last, let secret = table.options[use.option].secret?(use.words) {
        // In its word the value may stand behind the option.
        let word = words[parser.position - 1]
        let offset = plain[parser.position - 1].count - value.count
        hidden.append(range(of: offset + secret.lowerBound..<offset + secret.upperBound, in: word, line))
      }
      position = max(position + 1, parser.position)
    }
    return hidden
  }

  /// Where bytes of a word stand in the line: all of the word where it is not written as it is meant.
  private static func range(of range: Range<Int>, in word: Word, _ line: [UInt8]) -> Range<Int> {
    guard word.written.elementsEqual(line[word.range]) else { return word.range }
    return word.range.lowerBound + range.lowerBound..<word.range.lowerBound + range.upperBound
  }
}

extension Word {
  /// The word without its quotes; variables are not filled in.
  fileprivate var written: [UInt8] {
    pieces.flatMap { piece in
      switch piece {
      case .bytes(let bytes): bytes
      case .variable(let name, _): Array("${\(name)}".utf8)
      }
    }
  }
}

extension Verb {
  fileprivate static func isOpen(_ word: Word) -> Bool {
    word.isBare && word.pieces == [.bytes(Array("open".utf8))]
  }
}
