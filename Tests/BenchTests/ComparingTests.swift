import Testing

@testable import mqbench

struct ComparisonTests {
  /// About normal, around 0 with a deviation of 1.
  private func noise(_ random: inout SplitMix) -> Double {
    (0..<3).reduce(-3) { sum, _ in sum + Double.random(in: 0..<2, using: &random) }
  }

  /// A run whose times are around `middle` milliseconds, as some runs are slower than others, with a tail.
  private func run(_ middle: Double, _ random: inout SplitMix) -> Report.Run {
    let level = middle * (1 + 0.1 * noise(&random))
    var run = Report.Run()
    var times = Times()
    for _ in 0..<1000 {
      let tail = Double.random(in: 0..<1, using: &random) < 0.02 ? Double.random(in: 0..<4, using: &random) : 0
      times.record(Int64(max(0.01, level * (1 + 0.2 * noise(&random)) + tail) * 1e6))
    }
    run.times[.endToEnd] = times
    run.rates = [.offered: 100, .sent: 100]
    run.counts = [.expected: 1000, .lost: 0]
    return run
  }

  @Test("a broker against itself is better or worse in two of forty comparisons at most", arguments: [4, 7])
  func same(runs: Int) {
    var random = SplitMix(seed: 1 + UInt64(runs))
    // Percentiles of one run go up and down together, the higher ones with a tail.
    func side() -> [[Double]] {
      let all = (0..<runs).map { _ in
        let level = 1 + 0.1 * noise(&random)
        return [level, 1.5 * level + 0.1 * noise(&random), 3 * level + Double.random(in: 0..<2, using: &random)]
      }
      return (0..<3).map { metric in all.map { $0[metric] } }
    }
    var found = 0
    for _ in 0..<40 {
      let rows = zip(side(), side()).map { Comparison.row("x", "ms", true, $0, $1, of: 3) }
      if rows.contains(where: { $0.word != .noDifference }) { found += 1 }
    }
    #expect(found <= 2)
  }

  @Test("five milliseconds more are found every time, and five less are better", arguments: [4, 7])
  func slower(runs: Int) {
    var random = SplitMix(seed: 7)
    for _ in 0..<3 {
      let (fast, slow) = ((0..<runs).map { _ in run(1, &random) }, (0..<runs).map { _ in run(6, &random) })
      #expect(Comparison(fast, slow).word == .worse)
      let reverse = Comparison(slow, fast)
      #expect(reverse.word == .better)
      let row = reverse.rows[0]
      #expect(row.interval.upperBound < -3 && row.interval.contains(row.difference))
    }
  }

  @Test("fewer than four runs on a side get no word, and the same runs the same figures")
  func few() {
    var random = SplitMix(seed: 3)
    let (some, others) = ((0..<3).map { _ in run(1, &random) }, (0..<9).map { _ in run(9, &random) })
    let comparison = Comparison(some, others)
    #expect(comparison.word == nil && comparison.rows.allSatisfy { $0.word == nil })
    #expect(comparison.rows.map(\.interval) == Comparison(some, others).rows.map(\.interval))
    // 1,000 samples are too few for a p99.9.
    #expect(
      comparison.rows.map(\.name).contains("end to end p99")
        && !comparison.rows.map(\.name).contains("end to end p99.9"))
  }

  @Test("the interval of a bootstrap over runs is that of the differences of their medians")
  func interval() {
    // One run on each side leaves nothing to draw.
    let row = Comparison.row("x", "ms", true, [2], [5])
    #expect(row.difference == 3 && row.interval == 3...3)
    // Two runs on one side: each is drawn alone in a quarter of the cases.
    #expect(Comparison.row("x", "ms", true, [1, 3], [5]).interval == 2...4)
    #expect(Comparison.row("x", "ms", true, [1, 3], [5]).difference == 3)
  }

  @Test("reports of different things are told apart by name")
  func scenarios() {
    var one = Report()
    one.scenario = [.init(name: "QoS", value: "1"), .init(name: "bytes", value: "64")]
    var other = one
    #expect(Comparison.difference(between: [one, other]) == nil)
    other.scenario[1].value = "1000"
    #expect(Comparison.difference(between: [one, other]) == "bytes: 64 and 1000")
  }

  @Test("medians of values that may have no end")
  func medians() {
    #expect(Spread.median([.nanoseconds(3), .endless, .nanoseconds(1)]) == .nanoseconds(3))
    #expect(Spread.median([.nanoseconds(3), .endless]) == .endless)
    #expect(Spread.median([.nanoseconds(3), .nanoseconds(5)]) == .nanoseconds(4))
    #expect(Spread.median([.nanoseconds(3), .unknown, .nanoseconds(1)]) == .unknown)
    #expect(Spread.median([Times.Value]()) == .unknown)
    #expect(Spread.median([4.0, 1, 3]) == 3 && Spread.median([4.0, 1]) == 2.5)
  }
}

struct SearchTests {
  /// Searches a broker that carries `capacity` for a moment and `lasting` for long, and returns what was found and in how many steps.
  ///
  /// - Parameter chance: how likely it is that a window below that fails all the same.
  private func search(
    from start: Double, capacity: Double, lasting: Double? = nil, tool: Double = .infinity, chance: Double = 0,
    seed: UInt64 = 11
  ) -> (Search.Answer, Search) {
    var search = Search(from: start)
    var random = SplitMix(seed: seed)
    for _ in 0..<60 {
      let (rate, isLong): (Double, Bool)
      switch search.next {
      case .finished(let answer): return (answer, search)
      case .probe(let next): (rate, isLong) = (next, false)
      case .confirm(let next): (rate, isLong) = (next, true)
      }
      let limit = isLong ? lasting ?? capacity : capacity
      let isUnlucky = !isLong && Double.random(in: 0..<1, using: &random) < chance
      search.take(rate > tool ? .toolLimited : rate > limit || isUnlucky ? .failed("p99<5ms") : .passed)
    }
    Issue.record("no end")
    return (.unconfirmed(0), search)
  }

  @Test(
    "the answer is within a tenth below what a broker carries, wherever it begins",
    arguments: [3.0, 700, 12_345, 99_000])
  func finds(capacity: Double) {
    for start in [1.0, 100, 1000, 200_000] {
      let (answer, search) = search(from: start, capacity: capacity)
      guard case .rate(let rate, "p99<5ms") = answer else {
        Issue.record("\(answer)")
        continue
      }
      #expect(rate <= capacity && rate >= 0.9 * capacity, "\(rate)")
      #expect(search.entries.count <= 26 && search.entries.last?.isConfirmation == true)
      #expect(search.refuted.isEmpty)
    }
  }

  @Test("what does not last is stepped down from")
  func stepsDown() {
    let (answer, search) = search(from: 1000, capacity: 10_000, lasting: 8_000)
    guard case .rate(let rate, _) = answer else {
      Issue.record("\(answer)")
      return
    }
    #expect(rate <= 8_000 && rate > 6_500)
    #expect(!search.refuted.isEmpty)
  }

  @Test("when mqbench is the limit, the answer is what passed, and that it is at least so much")
  func tool() {
    let (answer, search) = search(from: 1000, capacity: 1_000_000, tool: 20_000)
    #expect(answer == .atLeast(19_000))
    let rates =
      [1000, 2000, 4000, 8000, 16_000, 32_000, 32_000, 24_000, 20_000, 22_000, 21_000, 21_000, 19_000] as [Double]
    #expect(search.entries.map(\.rate) == rates)
    #expect(self.search(from: 1000, capacity: 5000, tool: 500).0 == .atLeast(475))
    #expect(self.search(from: 1000, capacity: 5000, tool: 0.1).0 == .atLeast(0))
    guard case .rate = self.search(from: 1000, capacity: 5000, tool: 8000).0 else {
      Issue.record("the broker was the limit, below mqbench's own")
      return
    }
  }

  @Test("a broker that does not even carry a message a second")
  func nothing() {
    guard case .below(let rate, "p99<5ms") = search(from: 100, capacity: 0.1).0 else {
      Issue.record("an answer")
      return
    }
    #expect(rate < 2)
  }

  @Test(
    "a window that fails by chance is no limit: of a thousand searches on a noisy machine all but a few find the same")
  func noisy() {
    let capacity = 20_000.0
    var wrong = 0
    var steps: [Int] = []
    for seed in 0..<1000 as Range<UInt64> {
      let (answer, search) = search(from: 1000, capacity: capacity, chance: 0.1, seed: seed)
      guard case .rate(let rate, _) = answer else {
        Issue.record("\(answer)")
        continue
      }
      #expect(rate <= capacity)
      steps.append(search.entries.count)
      if rate < 0.9 * capacity { wrong += 1 }
    }
    #expect(wrong <= 100, "\(wrong)")
    #expect(steps.sorted()[900] <= 20, "\(steps.sorted()[900])")
  }

  @Test("a failure that the same rate refutes makes the search noisy, and no limit")
  func refuted() {
    var search = Search(from: 1000)
    search.take(.passed)
    search.take(.failed("not steady"))
    #expect(search.next == .probe(2000))
    search.take(.passed)
    #expect(search.next == .probe(4000))
    #expect(search.refuted == [.init(rate: 2000, isConfirmation: false, outcome: .failed("not steady"))])
    for outcome in [.failed("loss=0"), .failed("loss=0"), .passed, .passed, .passed, .passed] as [Search.Outcome] {
      search.take(outcome)
    }
    // The bisection is done; its end has failed twice before.
    #expect(search.next == .confirm(3875 * 0.95))
    search.take(.passed)
    #expect(search.next == .finished(.rate(3875 * 0.95, brokenBy: "loss=0")))
  }

  @Test("time that runs out leaves what passed")
  func time() {
    var search = Search(from: 1000)
    search.take(.passed)
    search.take(.passed)
    search.hurry()
    #expect(search.next == .confirm(1900))
    search.stop()
    #expect(search.next == .finished(.unconfirmed(2000)) && search.gap == nil)
    var hurried = Search(from: 1000)
    for outcome in [.passed, .failed("loss=0"), .failed("loss=0")] as [Search.Outcome] { hurried.take(outcome) }
    hurried.hurry()
    hurried.take(.passed)
    #expect(hurried.next == .finished(.rate(950, brokenBy: "loss=0")) && hurried.gap == 1000...2000)
    var nothing = Search(from: 1000)
    nothing.hurry()
    #expect(nothing.next == .probe(1000))
    nothing.take(.failed("loss=0"))
    nothing.stop()
    #expect(nothing.next == .finished(.below(1000, brokenBy: "loss=0")))
    var unable = Search(from: 1000)
    unable.take(.toolLimited)
    unable.stop()
    #expect(unable.next == .finished(.atLeast(0)))
    var late = Search(from: 1000)
    late.stop()
    #expect(late.next == .finished(.noTime))
  }
}
