/// What to tell somebody who typed a word that is no option of the tool.
extension OptionTable {
  func notAnOption(_ word: [UInt8]) -> UsageError {
    UsageError("\"\(String(decoding: word, as: UTF8.self))\" is not an option; '\(help)' lists them")
  }

  func unknownOption(_ spelling: ArraySlice<UInt8>) -> UsageError {
    let spelling = String(decoding: spelling, as: UTF8.self)
    return UsageError("\(spelling): unknown option; \(advice(on: spelling))")
  }

  private func advice(on spelling: String) -> String {
    let owners = otherTools.filter { tool in
      tool.options().contains { option in
        option.spellings.contains { $0 == spelling || ($0.utf8.count == 2 && spelling.hasPrefix($0)) }
      }
    }
    if !owners.isEmpty { return "it belongs to \(owners.map(\.name).joined(separator: " and "))" }
    if let hint = hints.first(where: { spelling.hasPrefix($0.name) }) { return ManualText.plain(hint.explanation) }
    if let name = nearestName(to: spelling) { return "did you mean \(name)?" }
    return "'\(help)' lists all"
  }

  /// The visible long name that differs least, if it is plausible that it was meant.
  private func nearestName(to spelling: String) -> String? {
    guard spelling.utf8.count > 3, spelling.hasPrefix("--") else { return nil }
    var nearest: (name: String, distance: Int)?
    var least = (Int.max, Int.max, Int.max)
    for option in options where !option.long.isEmpty && !option.isHidden {
      // The beginning of a name is close to it, however much is missing; of names that are as near, it is that of which less is.
      let isBeginning = option.name.hasPrefix(spelling)
      let edits = editDistance(spelling, option.name)
      let rank = (isBeginning ? 1 : edits, edits, isBeginning ? 0 : 1)
      if rank < least { (nearest, least) = ((option.name, rank.0), rank) }
    }
    guard let nearest, nearest.distance <= 1 + (spelling.utf8.count - 2) / 4 else { return nil }
    return nearest.name
  }
}

/// How many bytes to insert, remove, replace or swap with their neighbour to make one text of the other.
private func editDistance(_ one: String, _ other: String) -> Int {
  let one = Array(one.utf8)
  let other = Array(other.utf8)
  var beforeLast: [Int] = []
  var last = Array(0...other.count)
  for row in one.indices {
    var current = [row + 1]
    for column in other.indices {
      var least = min(last[column + 1], current[column]) + 1
      least = min(least, last[column] + (one[row] == other[column] ? 0 : 1))
      if row > 0, column > 0, one[row] == other[column - 1], one[row - 1] == other[column] {
        least = min(least, beforeLast[column - 1] + 1)
      }
      current.append(least)
    }
    beforeLast = last
    last = current
  }
  return last[other.count]
}
