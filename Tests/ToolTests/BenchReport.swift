import TestSupport

/// What `mqbench load` printed, as numbers.
struct BenchReport {
  let text: String

  init(_ tool: ToolProcess) { text = tool.outputText }

  /// The number in front of this word, in the lines that account for messages.
  func count(_ word: String) -> Int? {
    for line in text.split(separator: "\n") where line.hasPrefix("deliveries:") || line.hasPrefix("messages:") {
      for part in line.split(whereSeparator: { $0 == "," || $0 == ":" || $0 == ";" }) where part.hasSuffix(" " + word) {
        return part.split(separator: " ").first.flatMap { Int($0) }
      }
    }
    return nil
  }

  /// A time in milliseconds, by the names of its row and its column; nil when it is not known.
  func time(_ row: String, _ column: String) -> Double? {
    let lines = text.split(separator: "\n")
    guard let heads = lines.first(where: { $0.hasPrefix("time, ms") })?.dropFirst(8).split(separator: " "),
      let place = heads.firstIndex(where: { $0 == column }),
      let line = lines.first(where: { $0.drop { $0 == " " }.hasPrefix(row + "  ") })
    else { return nil }
    let values = line.split(separator: " ").suffix(heads.count)
    return Double(values[values.startIndex + place])
  }

  var verdict: String {
    let line = text.split(separator: "\n").first { $0.hasPrefix("limited by: ") }
    return line?.dropFirst(12).split(separator: " ").first.map { String($0) } ?? ""
  }
}
