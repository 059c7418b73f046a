import Testing

@testable import CommandLineTool
@testable import mqbench

private func argument(_ text: String) -> Argument { Argument(Array(text.utf8), from: Source(.commandLine)) }

/// What went wrong, in words.
private func failure(_ body: () throws(UsageError) -> Void) -> String? {
  do throws(UsageError) { try body() } catch { return error.message }
  return nil
}

struct ShardTests {
  @Test(
    "the parts of a load have all of its clients, topics and rates, each about as many", arguments: [1, 2, 3, 4, 7])
  func division(count: Int) throws {
    var load = LoadSettings()
    (load.publishers, load.subscribers, load.topics, load.pace, load.clients) = (10, 13, 7, .rate(1234), 20)
    let shards = (1...count).map { Shard(number: $0, count: count) }
    let parts = try shards.map { try load.part($0, .publishersAndSubscribers) }
    for clients in [\LoadSettings.publishers, \.subscribers] {
      #expect(parts.map { $0[keyPath: clients] }.reduce(0, +) == load[keyPath: clients])
      #expect(Set(parts.map { $0[keyPath: clients] }).count <= 2)
    }
    #expect(parts.compactMap(\.topics).reduce(0, +) == 7)
    // A publisher publishes as often as in the whole.
    for part in parts {
      #expect(abs(part.pace.rate(part.publishers) / Double(part.publishers) - 123.4) < 1e-6)
    }
    var first = 0
    for part in parts {
      #expect(part.firstPublisher == first)
      first += part.publishers
    }
    #expect(try shards.map { try load.part($0, .connecting).clients ?? 0 }.reduce(0, +) == 20)
    load.pace = .every(.seconds(2))
    let groups = try shards.map { try load.part($0, .group) }
    #expect(groups.compactMap(\.clients).reduce(0, +) == 20 && groups.allSatisfy { $0.pace.rate(2) == 1 })
  }

  @Test("what cannot be divided is refused with what can")
  func indivisible() throws {
    var load = LoadSettings()
    let shard = Shard(number: 1, count: 4)
    load.subscribers = 1
    #expect(
      failure { () throws(UsageError) in _ = try load.part(shard, .publishersAndSubscribers) }
        == "--shard: 1 subscriber cannot be divided among 4: --subscribers 4 or more can")
    // Nobody subscribes in any part.
    load.subscribers = 0
    #expect(failure { () throws(UsageError) in _ = try load.part(shard, .publishersAndSubscribers) } == nil)
    load.topics = 3
    #expect(
      failure { () throws(UsageError) in _ = try load.part(shard, .publishersAndSubscribers) }?.contains(
        "--topics 4 or more can") == true)
    load.topics = nil
    load.arrivals = .bursts(of: 15)
    #expect(
      failure { () throws(UsageError) in _ = try load.part(shard, .publishersAndSubscribers) }?.contains(
        "a multiple of 10 can") == true)
    load.publishers = 8
    #expect(
      failure { () throws(UsageError) in _ = try load.part(shard, .publishersAndSubscribers) }?.contains(
        "a multiple of 4 can") == true)
    load.arrivals = .bursts(of: 12)
    #expect(try load.part(shard, .publishersAndSubscribers).arrivals == .bursts(of: 3))
    load.published = [try TopicPattern(topic: argument("%r/%c"))]
    #expect(try load.part(shard, .publishersAndSubscribers).publishers == 2)
    load.subscribed = [try TopicPattern(filter: argument("%%r/#"))]
    #expect(
      failure { () throws(UsageError) in _ = try load.part(shard, .publishersAndSubscribers) }?.contains(
        "%r in it makes it each part's own") == true)
    for text in ["0/4", "5/4", "1/", "/4", "4", "1/2/3", "1/0", "-1/2", "1/99999999999"] {
      #expect(failure { () throws(UsageError) in _ = try argument(text).shard() } != nil, "\(text)")
    }
    #expect(try argument("2/4").shard() == Shard(number: 2, count: 4))
  }

  @Test("with the same seed the random arrivals of the parts are those of the whole load")
  func arrivals() throws {
    var load = LoadSettings()
    (load.publishers, load.pace, load.arrivals) = (10, .rate(1000), .poisson)
    func schedule(_ load: LoadSettings) -> Schedule {
      Schedule(
        publishers: load.publishers, messagesPerSecond: load.pace.rate(load.publishers), arrivals: load.arrivals,
        seed: 7,
        firstPublisher: load.firstPublisher)
    }
    let whole = schedule(load)
    var seen = Set<[Int64]>()
    for number in 1...3 {
      let shard = Shard(number: number, count: 3)
      let part = try load.part(shard, .publishersAndSubscribers)
      for publisher in 0..<part.publishers {
        let times = (0..<100).map { schedule(part).due(publisher, $0) }
        let same = (0..<100).map { whole.due(part.firstPublisher + publisher, $0) }
        // The rate is kept in whole messages per million seconds.
        #expect(zip(times, same).allSatisfy { abs($0 - $1) < 1000 })
        seen.insert(times)
      }
    }
    #expect(seen.count == 10)
  }

  @Test(
    "a start is a date with its zone, or the next time of day in UTC that was not within the last hour",
    arguments: [
      ("2026-11-22T12:55:34Z", "2026-11-22T12:55:34.000Z"), ("2026-11-22T12:55:34.5+01:00", "2026-11-22T11:55:34.500Z"),
      ("23:50", "2026-11-22T23:50:00.000Z"), ("00:05:07", "2026-11-23T00:05:07.000Z"),
      ("14:30", "2026-11-23T14:30:00.000Z"),
      ("22:41:59", "2026-11-23T22:41:59.000Z"), ("22:42", "2026-11-22T22:42:00.000Z"),
    ])
  func starts(text: String, date: String) throws {
    let now = try #require(WallTime(Array("2026-11-22T23:42:00Z".utf8)))
    #expect(UTC.text(try argument(text).startTime(now)) == date)
    for wrong in ["24:00", "12:60", "12", "", "+30s", "2026-11-22T12:55:34", "2026-11-22", "now"] {
      #expect(failure { () throws(UsageError) in _ = try argument(wrong).startTime(now) } != nil, "\(wrong)")
    }
  }
}

/// A shard's report of runs with these times in microseconds.
private func report(_ numbers: [Int], of count: Int, _ runs: [[Int64]], start: Int = 0, lost: Int = 0) -> Report {
  var report = Report()
  report.options = [["--rate", "1000"], ["--shard", "\(numbers[0])/\(count)"]]
  report.scenario = [.init(name: "publishers", value: "10")]
  report.environment = [.init(name: "broker", value: "a:1883"), .init(name: "load before", value: "0.\(numbers[0])")]
  report.shards = .init(numbers: numbers, count: count)
  for (number, samples) in runs.enumerated() {
    var run = Report.Run()
    run.word = "w\(numbers[0])\(number)"
    run.start = UTC.text(WallTime(seconds: Int64(1_795_373_734 + 100 * number + start), nanoseconds: 0))
    (run.windowStart, run.window, run.drain) = (1, 2, Double(5 + numbers[0]))
    var times = Times()
    for sample in samples { times.record(sample * 1000) }
    times.recordEndless(lost)
    run.times = [.endToEnd: times]
    run.counts = [.offered: samples.count, .lost: lost, .expected: samples.count, .largestDisplacement: numbers[0]]
    run.rates = [.offered: Double(samples.count) / 2, .sent: Double(samples.count) / 2]
    run.sequences = [0...(samples.count - 1)]
    run.groups = [.init(name: "all", counts: [.delivered: samples.count], times: times)]
    run.seconds = [-1, 0, 1].map { second in
      .init(
        number: second, sent: samples.count, acknowledged: 1, delivered: 2,
        samples: times.samples, values: [("backlog", 1.5), ("tool_lag_ms", Double(numbers[0]))])
    }
    report.runs.append(run)
  }
  return report
}

struct ShardReportTests {
  private func together(_ reports: [Report], isForced: Bool = false) throws(UsageError) -> Report {
    try Report(together: reports, isForced: isForced)
  }

  @Test("two halves of the same samples are the whole: percentiles, counts, rates, seconds", arguments: [0, 300])
  func halves(lost: Int) throws {
    let samples = (1...20_000).map { Int64($0 * $0 % 99_991 + 7) }
    let (odd, even) = (0..<20_000).reduce(into: ([Int64](), [Int64]())) { halves, place in
      if place.isMultiple(of: 3) { halves.0.append(samples[place]) } else { halves.1.append(samples[place]) }
    }
    let whole = report([1], of: 1, [samples], lost: lost).runs[0]
    // As files have them.
    let halves = try [
      report([2], of: 2, [even], start: 1, lost: lost - lost / 3), report([1], of: 2, [odd], lost: lost / 3),
    ]
    .map { report in
      var buffer = OutputBuffer(descriptor: -1, limit: .max)
      JSONReport.json(report).append(to: &buffer)
      return try #require(JSONReport.report(try JSON(text: buffer.withBytes { Array($0) })))
    }
    let merged = try together(halves)
    let run = merged.runs[0]
    #expect(merged.runs.count == 1 && merged.shards == .init(numbers: [1, 2], count: 2))
    for percentile in [1, 100, 5000, 9000, 9900, 9990, 9999, 10_000] {
      #expect(run.times[.endToEnd]?.rank(percentile) == whole.times[.endToEnd]?.rank(percentile), "\(percentile)")
    }
    #expect(run.times[.endToEnd]?.samples == whole.times[.endToEnd]?.samples)
    #expect(run.times[.endToEnd]?.minimum == whole.times[.endToEnd]?.minimum)
    #expect(
      run.groups.map(\.counts) == whole.groups.map(\.counts)
        && run.groups[0].times.samples == whole.groups[0].times.samples)
    #expect(run.counts == whole.counts.merging([.largestDisplacement: 2]) { $1 })
    #expect(run.rates == whole.rates)
    #expect(run.word == "w10 w20" && run.drain == 6 && run.sequences.count == 2)
    #expect(run.seconds.map(\.number) == [-1, 0, 1] && run.seconds.map(\.sent) == [20_000, 20_000, 20_000])
    #expect(run.seconds[1].samples == whole.seconds[1].samples)
    #expect(run.seconds[1].values.map(\.value) == [3, 2])
    // What is done again is done as a whole.
    #expect(merged.options == [["--rate", "1000"]])
    #expect(merged.environment.map(\.value) == ["a:1883", "0.1; 0.2"])
    #expect(merged.sentence.hasPrefix("all 2 shards of 10 publishers"))
  }

  @Test("runs are joined by their number, the worst verdict counts, and parts of parts can be added")
  func runs() throws {
    var parts = (1...3).map { report([$0], of: 4, [[1, 2], [3, 4, 5]]) }
    parts[1].runs[1].verdict = .broker
    parts[2].runs[1].verdict = .network
    (parts[1].runs[1].signs, parts[2].runs[1].signs) = (["not steady"], ["full link"])
    let merged = try together([try together([parts[2], parts[0]]), parts[1]])
    #expect(merged.runs.map { $0.count(.offered) } == [6, 9])
    #expect(merged.runs.map(\.verdict) == [.none, .network] && merged.runs[1].signs == ["full link"])
    #expect(merged.sentence.hasPrefix("3 of 4 shards of "))
  }

  @Test("what is no sum is refused: a part twice, parts of other loads, and parts of other times")
  func refused() throws {
    let parts = (1...4).map { report([$0], of: 4, [[1, 2, 3]]) }
    #expect(
      failure { () throws(UsageError) in _ = try together([parts[0], parts[1], parts[0]]) }
        == "shard 1 of 4 is there twice")
    #expect(failure { () throws(UsageError) in _ = try together([parts[0], parts[0]], isForced: true) } != nil)
    let late = report([2], of: 4, [[1]], start: 60)
    #expect(failure { () throws(UsageError) in _ = try together([parts[0], late]) }?.contains("60.0 s apart") == true)
    #expect(try together([parts[0], late], isForced: true).runs[0].count(.offered) == 4)
    let other = report([2], of: 3, [[1]])
    #expect(failure { () throws(UsageError) in _ = try together([parts[0], other], isForced: true) } != nil)
    let longer = report([2], of: 4, [[1], [2]])
    #expect(failure { () throws(UsageError) in _ = try together([parts[0], longer]) } != nil)
    var whole = parts[0]
    whole.shards = nil
    #expect(failure { () throws(UsageError) in _ = try together([whole, parts[1]]) } != nil)
    // Two whole loads are two runs, and the same one twice is not.
    let later = (1...4).map { report([$0], of: 4, [[1, 2, 3]], start: 600) }
    #expect(try together([try together(parts), try together(later)]).runs.count == 2)
    #expect(
      failure { () throws(UsageError) in _ = try together([try together(parts), try together(parts)]) }?.hasSuffix(
        "is there twice, and would count as two; --yes takes it so") == true)
  }
}
