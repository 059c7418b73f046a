/// The headline's distribution over all runs, in the text that the tools around HdrHistogram read (`.hgrm`): value in milliseconds,
/// percentile, number of samples up to it, and 1/(1−percentile). What never came has no value: the last percentiles are missing
/// then, and the line of the total says how many there are.
enum PercentileReport {
  static func text(_ report: Report) -> String {
    guard let headline = report.runs.first?.headline else { return "" }
    var times = Times()
    for run in report.runs { if let some = run.times[headline] { times.add(some) } }
    var text = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
    let (count, finite) = (times.count, times.count - times.endless)
    var upTo = 0
    // Five steps for each halving of what is left, as HdrHistogram has them.
    var share = 0.0
    for sample in times.samples {
      upTo += sample.count
      let reached = Double(upTo) / Double(count)
      guard reached >= share || upTo == finite else { continue }
      let rest = 1 - reached
      text +=
        column(Double(min(sample.nanoseconds, times.maximum)) / 1e6, 3, 12) + " " + column(reached, 12, 14) + " "
        + Figures.right("\(upTo)", 10)
      text += (upTo < count ? " " + column(1 / rest, 2, 14) : "") + "\n"
      while share <= reached, upTo < count { share = next(share) }
    }
    text += "#[Mean    = \(column(times.hasEnded ? times.mean / 1e6 : 0, 3, 12)), StdDeviation   = "
    text += "\(column(times.hasEnded ? times.standardDeviation / 1e6 : 0, 3, 12))]\n"
    text += "#[Max     = \(column(times.hasEnded ? Double(times.maximum) / 1e6 : 0, 3, 12)), Total count    = "
    text += "\(Figures.right("\(count)", 12))]\n"
    if times.endless > 0 { text += "#[Lost    = \(Figures.right("\(times.endless)", 12))]\n" }
    return text
  }

  /// The next share to print: a fifth of half of what is left.
  private static func next(_ share: Double) -> Double {
    var half = 1.0
    while share >= 1 - half / 2 { half /= 2 }
    return share + half / 10
  }

  private static func column(_ number: Double, _ decimals: Int, _ width: Int) -> String {
    Figures.right(Figures.decimals(number, decimals), width)
  }
}
