internal import CommandLineTool

/// A comparison for eyes and for programs.
enum ComparisonReport {
  static func text(_ comparison: Comparison, _ names: (first: String, second: String)) -> String {
    var text =
      "A: \(names.first), \(runs(comparison.counts.first))\nB: \(names.second), \(runs(comparison.counts.second))\n\n"
    text += Figures.left("median", 18) + Figures.right("A", 11) + Figures.right("B", 11) + Figures.right("B − A", 11)
    text += "   95 % interval\n"
    for row in comparison.rows {
      text +=
        Figures.left(row.name, 18)
        + [row.first.median, row.second.median].map { Figures.right(figure($0, row), 11) }.joined()
      text += Figures.right(signed(row.difference, row), 11)
      text += "   \(signed(row.interval.lowerBound, row)) to \(signed(row.interval.upperBound, row))\(unit(row))\n"
      if let word = row.word {
        let share = row.share.map { abs($0) >= 0.0005 ? " by \(Figures.decimals(abs($0) * 100, 1)) %" : "" } ?? ""
        text += "  \(word.rawValue)\(word == .noDifference ? "" : share)\n"
      }
    }
    if min(comparison.counts.first, comparison.counts.second) < Comparison.leastRuns {
      text += "\nFewer than \(Comparison.leastRuns) runs on a side: nothing can be called better or worse.\n"
    }
    return text
  }

  /// Percents have theirs in each figure.
  private static func unit(_ row: Comparison.Row) -> String { row.unit == "%" ? "" : " \(row.unit)" }

  private static func runs(_ count: Int) -> String { count == 1 ? "1 run" : "\(count) runs" }

  private static func figure(_ number: Double, _ row: Comparison.Row) -> String {
    switch row.unit {
    case "ms": Figures.milliseconds(number * 1e6)
    case "/s": Figures.rate(number)
    default: Figures.decimals(number, 2) + " %"
    }
  }

  private static func signed(_ number: Double, _ row: Comparison.Row) -> String {
    let text = figure(abs(number), row)
    return number > 0 ? "+\(text)" : number < 0 ? "−\(text)" : text
  }

  static func json(_ comparison: Comparison, _ names: (first: String, second: String)) -> JSON {
    .object([
      ("schema", .integer(JSONReport.schema)), ("tool", .string("mqbench")), ("first", .string(names.first)),
      ("second", .string(names.second)), ("first_runs", .integer(comparison.counts.first)),
      ("second_runs", .integer(comparison.counts.second)),
      (
        "metrics",
        .array(
          comparison.rows.map { row in
            .object([
              ("name", .string(row.name)), ("unit", .string(row.unit)), ("first_median", .number(row.first.median)),
              ("second_median", .number(row.second.median)), ("difference", .number(row.difference)),
              ("interval", .array([.number(row.interval.lowerBound), .number(row.interval.upperBound)])),
              ("word", row.word.map { .string($0.rawValue) } ?? .null),
            ])
          })
      ),
    ])
  }
}
