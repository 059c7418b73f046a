/// The time series of a report as CSV (RFC 4180): a line for each second of each run, times in milliseconds, with a line of names.
enum CSVReport {
  static func text(_ report: Report) -> String {
    var names: [String] = []
    for second in report.runs.flatMap(\.seconds) {
      for value in second.values where !names.contains(value.name) { names.append(value.name) }
    }
    let heads = ["run", "second", "sent", "acknowledged", "delivered", "p50_ms", "p90_ms", "p99_ms", "max_ms"] + names
    var text = line(heads)
    for (index, run) in report.runs.enumerated() {
      for second in run.seconds {
        let times = Times(second.samples)
        var cells = [
          "\(index + 1)", "\(second.number)", "\(second.sent)", "\(second.acknowledged)", "\(second.delivered)",
        ]
        for percentile in [5000, 9000, 9900] { cells.append(milliseconds(times.rank(percentile))) }
        cells.append(times.isEmpty ? "" : milliseconds(.nanoseconds(times.maximum)))
        cells += names.map { name in second.values.first { $0.name == name }.map { "\($0.value)" } ?? "" }
        text += line(cells)
      }
    }
    return text
  }

  private static func milliseconds(_ value: Times.Value) -> String {
    if case .nanoseconds(let time) = value { "\(Double(time) / 1e6)" } else { "" }
  }

  private static func line(_ cells: [String]) -> String { cells.map(quoted).joined(separator: ",") + "\r\n" }

  private static func quoted(_ cell: String) -> String {
    guard cell.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return cell }
    return "\"" + cell.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
