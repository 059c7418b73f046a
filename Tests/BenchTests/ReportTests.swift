import Testing

@testable import CommandLineTool
@testable import mqbench

/// A report with known figures.
private func sample(lost: Int = 0, runs: Int = 1, messages: Int = 20_000) -> Report {
  var report = Report()
  report.options = [["--rate", "1000"], ["--qos", "1"]]
  report.scenario = [.init(name: "publishers", value: "10"), .init(name: "bytes", value: "64")]
  report.environment = [
    .init(name: "broker", value: "<script>alert(1)</script>\u{202E}\u{1B}[31m"),
    .init(name: "protocol", value: "MQTT 5"),
  ]
  for number in 0..<runs {
    var run = Report.Run()
    run.word = "bafo\(number)"
    run.seed = 18_446_744_073_709_551_615
    run.start = "2026-11-22T12:55:34Z"
    (run.windowStart, run.window, run.drain) = (5, 20, 32)
    var times = Times()
    // 1 µs to 20 ms, evenly.
    for message in 1...messages { times.record(Int64(message) * 20_000_000 / Int64(messages)) }
    times.recordEndless(lost)
    run.times = [
      .endToEnd: times, .acknowledgement: times, .endToEndService: times, .acknowledgementService: times,
      .sendDelay: times,
      .sendDelayWindow: Times([.init(nanoseconds: 0, count: messages)]),
      .sendDelaySocket: Times([.init(nanoseconds: 0, count: messages)]),
      .sendDelayTool: times, .loopLag: times, .connect: Times([.init(nanoseconds: 3_000_000, count: 20)]),
    ]
    run.rates = [
      .offered: 1000, .sent: 1000, .acknowledged: 1000, .delivered: 999.5, .bytesSent: 123_456_789, .bytesReceived: 1e9,
    ]
    run.counts = [.offered: messages, .sent: messages, .expected: messages, .delivered: messages - lost, .lost: lost]
    run.sequences = [0...99, nil]
    run.evidence = [.init(name: "sent of offered", value: "100.00 %")]
    for second in -5..<21 {
      run.seconds.append(
        .init(
          number: second, sent: 1000, acknowledged: 1000, delivered: 999,
          samples: [.init(nanoseconds: 1_000_000, count: 9)],
          values: [("backlog", 2.5)]))
    }
    report.runs.append(run)
  }
  return report
}

private func bytes(_ json: JSON) -> [UInt8] {
  var buffer = OutputBuffer(descriptor: -1, limit: .max)
  json.append(to: &buffer)
  return buffer.withBytes { Array($0) }
}

struct ReportTests {
  @Test("what is saved as JSON is read again as it was", arguments: [(0, 1), (500, 3)])
  func roundTrip(lost: Int, runs: Int) throws {
    let report = sample(lost: lost, runs: runs)
    let saved = bytes(JSONReport.json(report))
    let read = try #require(JSONReport.report(try JSON(text: saved)))
    #expect(bytes(JSONReport.json(read)) == saved)
    #expect(read.runs.count == runs && read.runs[0].seed == .max && read.runs[0].sequences == [0...99, nil])
    #expect(read.runs[0].times[.endToEnd]?.maximum == 20_000_000)
    #expect(read.runs[0].times[.endToEnd]?.endless == lost)
    #expect(read.runs[0].seconds.first?.number == -5)
  }

  @Test(
    "a file that somebody has changed is refused and stops nobody",
    arguments: [
      #""histogram":[1]"#, #""histogram":[-1,1]"#, #""histogram":[5,0]"#,
      #""histogram":[5,99999999999999,6,99999999999999]"#,
      #""lost":9223372036854775807"#, #""max_ns":-5"#, #""window_s":-1"#, #""window_s":1e300"#, #""expected":-3"#,
      #""second":4611686018427387904"#, #""verdict":"nobody""#, #""delivered":1e99"#,
    ])
  func damaged(text: String) throws {
    let saved = String(decoding: bytes(JSONReport.json(sample())), as: UTF8.self)
    // The members of that name get another value.
    let name = text.prefix { $0 != ":" } + ":"
    let parts = saved.split(separator: name, omittingEmptySubsequences: false)
    #expect(parts.count > 1)
    let changed = try JSON(text: Array(parts.joined(separator: text + ",\"x\":").utf8))
    #expect(JSONReport.report(changed) == nil, "\(text)")
  }

  @Test("the text fits a screen of 80 columns and 24 lines", arguments: [1, 5])
  func screen(runs: Int) throws {
    let goals = try Goal.goals(in: Argument(Array("p99<5ms loss=0".utf8), from: Source(.commandLine)))
    var report = sample(lost: 500, runs: runs)
    // As long as it gets.
    (report.runs[0].isSteady, report.runs[0].verdict) = (false, .broker)
    report.runs[0].signs = ["offered rate not reached", "not steady"]
    let text = TextReport.text(report, goals: goals.map { GoalResult($0, report) })
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= 24 && lines.allSatisfy { $0.unicodeScalars.count <= 80 }, "\(text)")
    #expect(!text.contains("\u{1B}") && !text.contains("\u{202E}"))
  }

  @Test("a percentile among what never came says how long was waited")
  func lost() {
    let text = TextReport.text(sample(lost: 500))
    // 500 of 20,500 never came: p90 came, p99 did not.
    let row = text.split(separator: "\n").first { $0.hasPrefix("end to end") }?.split(separator: " ").dropFirst(3) ?? []
    #expect(row.dropFirst(2).dropLast() == [">32s", ">32s", "–", ">32s"], "\(text)")
    #expect(row.prefix(2).compactMap { Double($0) }.map { ($0 * 10).rounded() } == [103, 185], "\(text)")
    #expect(text.contains("> 32 s (lost)"))
    #expect(!TextReport.text(sample()).contains("lost)"))
  }

  @Test("goals: met, missed, and what cannot be told")
  func goals() throws {
    func outcome(_ text: String, _ report: Report) throws -> Bool? {
      GoalResult(try Goal.goals(in: Argument(Array(text.utf8), from: Source(.commandLine)))[0], report).isMet
    }
    let report = sample()
    #expect(try outcome("p99<20ms", report) == true)
    #expect(try outcome("p99<19ms", report) == false)
    #expect(try outcome("p99.9<20ms", report) == true)
    #expect(try outcome("p99.99<1s", report) == nil)
    #expect(try outcome("loss=0", report) == true)
    #expect(try outcome("rate>=999.5", report) == true)
    #expect(try outcome("connect<3ms", report) == false)
    #expect(try outcome("loss<3%", sample(lost: 500)) == true)
    #expect(try outcome("p99<1000s", sample(lost: 500)) == false)
    #expect(try outcome("max<1000s", sample(lost: 1)) == false)
    var blamed = report
    blamed.runs[0].verdict = .tool
    #expect(try outcome("p99<20ms", blamed) == nil)
    // What is published takes a thousand samples; a search at a slow rate has to do with fewer.
    let goals = try Goal.goals(in: Argument(Array("p99<19.9ms".utf8), from: Source(.commandLine)))
    #expect(try outcome("p99<19.9ms", sample(messages: 200)) == nil)
    #expect(Measurement.judge(sample(messages: 200), goals, keptUp: true) == .passed)
    #expect(Measurement.judge(sample(messages: 200), goals, keptUp: false) == .failed("the backlog grew"))
    #expect(
      Measurement.judge(sample(messages: 90), goals, keptUp: true) == .failed("p99<19.9ms (20.00 ms of 90 messages)"))
    #expect(
      GoalResult.status([
        GoalResult(try Goal.goals(in: Argument(Array("p50<1s".utf8), from: Source(.commandLine)))[0], blamed)
      ]) == .notMeasurable)
  }

  @Test("the page shows what came from outside as text, needs no other file, and has every figure")
  func page() {
    let page = HTMLReport.text(sample(lost: 500, runs: 3), goals: [])
    #expect(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
    #expect(!page.contains("\u{202E}") && !page.contains("\u{1B}"))
    for word in ["http:", "https:", "src=", "href=", "@import", "url("] { #expect(!page.contains(word), "\(word)") }
    for word in [
      "prefers-color-scheme:dark", "18.46", "The runs", "never came", "<svg", "What the figures mean", "1,500",
    ] {
      #expect(page.contains(word), "\(word)")
    }
    // What is opened is closed.
    for tag in ["section", "table", "tr", "td", "th", "svg", "text", "dl", "ul", "div", "p", "h2"] {
      let (opened, closed) = (
        page.components(of: "<\(tag)>") + page.components(of: "<\(tag) "), page.components(of: "</\(tag)>")
      )
      #expect(opened == closed, "\(tag)")
    }
  }

  @Test(
    "pictures of what was observed: the process, what was asked for by name, and what moves of what the broker tells")
  func observed() {
    var report = sample()
    report.environment.append(.init(name: "observed process", value: "17 (mosquitto)"))
    for place in report.runs[0].seconds.indices {
      let number = Double(report.runs[0].seconds[place].number)
      report.runs[0].seconds[place].values += [
        ("$SYS/broker/load/sockets/1min", number), ("$SYS/broker/uptime (seconds)", 500 + number),
        ("$SYS/broker/clients/total", 20), ("$SYS/broker/bytes/sent", 1_000_000 + 1000 * (number + 5)),
        ("$SYS/broker/store/messages/count", Double(place / 10)), ("jobs<1>", number), ("huge", 1e300), ("none", .nan),
        ("pid_processors", 0.25), ("pid_switches", 10_000 + 30 * number),
      ]
    }
    let table = SeriesTable(report.runs[0])
    #expect(table.observedNames.count == 8)
    let pictures = table.observed(process: "mosquitto")
    #expect(
      pictures.map(\.title) == [
        "Processors that mosquitto used", "How often mosquitto waited for something", "jobs<1>",
        "$SYS/broker/bytes/sent", "$SYS/broker/store/messages/count",
      ])
    #expect(pictures[1].points.allSatisfy { $0.value == 30 } && pictures[2].least == -5)
    // A total that was there before is shown by its growth.
    #expect(pictures[3].least == 0 && pictures[3].most == 25_000 && pictures[3].words == "grew by 25,000")
    let page = HTMLReport.text(report, goals: [])
    #expect(page.contains("Processors that mosquitto used") && page.contains("jobs&lt;1&gt;"))
    #expect(page.components(of: "<figure>") == 6 && !page.contains("huge") && !page.contains("nan"))
    #expect(!HTMLReport.text(sample(), goals: []).contains("What was observed"))
  }

  @Test("the time series has a line for each second of each run, and as many cells in each")
  func series() {
    let lines = CSVReport.text(sample(runs: 2)).split(separator: "\r\n")
    #expect(lines.count == 1 + 2 * 26)
    #expect(lines[0] == "run,second,sent,acknowledged,delivered,p50_ms,p90_ms,p99_ms,max_ms,backlog")
    #expect(lines[1] == "1,-5,1000,1000,999,1.0,1.0,1.0,1.0,2.5")
    #expect(lines[27].hasPrefix("2,-5,"))
  }

  @Test(
    "the percentiles as HdrHistogram's tools read them: rising, to the last sample, and with those that never came in the total"
  )
  func percentiles() throws {
    let text = PercentileReport.text(sample(lost: 500))
    let rows = text.split(separator: "\n").dropFirst().filter { !$0.hasPrefix("#") }.map {
      $0.split(separator: " ").map { Double($0)! }
    }
    #expect(rows.count > 25)
    #expect(zip(rows, rows.dropFirst()).allSatisfy { $0[0] <= $1[0] && $0[1] < $1[1] && $0[2] < $1[2] })
    let last = try #require(rows.last)
    #expect(last[0] == 20 && last[2] == 20_000 && abs(last[1] - 20_000.0 / 20_500) < 1e-9)
    #expect(text.contains("Total count    =        20500]") && text.contains("#[Lost    =          500]"))
  }

  @Test(
    "dates in UTC",
    arguments: [
      (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (1_795_373_734, "2026-11-22T18:55:34Z"),
      (4_107_542_399, "2100-02-28T23:59:59Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
    ])
  func dates(seconds: Int64, text: String) { #expect(UTC.text(seconds) == text) }

  @Test("numbers as people read them")
  func figures() {
    #expect(Figures.milliseconds(Int64(999_600)) == "1.000" && Figures.milliseconds(Int64(12_345_678)) == "12.35")
    #expect(Figures.milliseconds(Int64(1_234_567_890)) == "1235" && Figures.milliseconds(Int64(99_999_999)) == "100.0")
    #expect(
      [0, 0.04567, 0.5, 3, 12.34, 99.96, 999.4, 1234.5, 999_600, 20_000_000, -1.25e9].map { Figures.short($0) } == [
        "0", "0.046", "0.5", "3", "12.3", "100", "999", "1,235", "1M", "20M", "−1.25G",
      ])
    #expect(Figures.grouped(1_234_567) == "1,234,567" && Figures.grouped(100) == "100")
    #expect(
      Figures.percentile(9999) == "p99.99" && Figures.percentile(9990) == "p99.9" && Figures.percentile(5000) == "p50")
    #expect(abs(decades(1000) - 3) < 1e-9 && abs(decades(0.02) + 1.698_970_004) < 1e-9 && decades(1) == 0)
  }
}

extension String {
  /// How often the text occurs.
  fileprivate func components(of text: String) -> Int {
    split(separator: text, omittingEmptySubsequences: false).count - 1
  }
}
