import Foundation
import TestSupport
import Testing

/// What takes long, or compares times: run by `Scripts/drills`, each prints its figures.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["MQTOOLS_DRILLS"] != nil, "run Scripts/drills"))
struct Drills {
  /// A line for whoever reads the figures.
  private func figure(_ text: String) { print("▶ \(text)") }

  private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  private func seconds(_ duration: Duration) -> Double { duration / .seconds(1) }

  private func format(_ number: Double, digits: Int = 3) -> String { String(format: "%.\(digits)f", number) }

  // MARK: - Nothing is lost

  @Test("the load average once a second for a minute, in nine streams, is complete and in order", .needs("mosquitto"))
  func loadAverage() throws {
    let broker = try RealBroker()
    let duration = 60
    var streams: [(topic: String, publisher: ToolProcess, subscriber: ToolProcess)] = []
    for version in versions {
      for qos in qualities {
        let topic = "load/\(version)/\(qos)"
        let subscriber = try ToolProcess(
          "mqsub", broker.options + ["-V", version, "-q", qos, "-t", topic, "-C", "\(duration)", "--log", "notice"])
        try subscriber.waitForErrors("subscribed to")
        let publisher = try ToolProcess(
          "mqpub", broker.options + ["-V", version, "-q", qos, "-t", topic, "-l"], input: .held)
        streams.append((topic, publisher, subscriber))
      }
    }
    var lines: [String] = []
    for _ in 0..<duration {
      let line = try String(contentsOfFile: "/proc/loadavg", encoding: .utf8)
      lines.append(line)
      for stream in streams { stream.publisher.write(line) }
      sleep(1)
    }
    for stream in streams {
      stream.publisher.closeInput()
      #expect(try stream.publisher.wait() == .exited(0))
      #expect(try stream.subscriber.wait() == .exited(0))
      Expect.text(stream.subscriber.output, lines.joined(), "\(stream.topic)")
    }
    figure("load average: \(streams.count) streams of \(duration) values, all complete and in order")
  }

  @Test("a connection that is cut 20 times: every line exactly once", arguments: versions)
  func cutTwentyTimes(version: String) throws {
    var rules = CountingPeer.Rules()
    rules.keepsSessions = true
    let peer = try CountingPeer(rules: rules)
    let proxy = try CuttingProxy(to: peer.port)
    proxy.cutEach(afterRandom: 5_000...200_000, times: 20)
    let count = 200_000
    let tool = try ToolProcess.run(
      "mqpub", proxy.options + ["-V", version, "-q", "2", "-t", "t", "-l"], input: .bytes(numberedLines(upTo: count)),
      timeout: .seconds(180))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(proxy.cuts == 20)
    #expect(peer.counts.received == count)
    #expect(peer.counts.numbers.count == count)
    #expect(peer.counts.numbers.repeated == 0)
    #expect(peer.counts.violations == [])
    figure("cut 20 times (-V \(version)): \(peer.counts)")
  }

  @Test(
    "a real broker stopped in mid-stream at QoS 2: every line exactly once", .needs("mosquitto"),
    arguments: ["311", "5"])
  func stoppedBroker(version: String) throws {
    let broker = try RealBroker(persistence: .atStop)
    let count = 50_000
    let subscribe = ["-c", "-i", "counter", "-q", "2", "-t", "t", "-V", "311"]
    _ = try ToolProcess.run("mqsub", broker.options + subscribe + ["-W", "300ms"])
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", version, "-q", "2", "-t", "t", "-l", "--log", "notice"],
      input: .bytes(numberedLines(upTo: count)))
    try tool.waitForErrors("connected to")
    for _ in 0..<3 {
      usleep(300_000)
      try broker.restart()
    }
    #expect(try tool.wait(timeout: .seconds(120)) == .exited(0), "\(tool.errorText)")
    let received = try ToolProcess.run(
      "mqsub", broker.options + subscribe + ["-C", "\(count)", "-W", "60"], timeout: .seconds(70))
    Expect.bytes(received.output, numberedLines(upTo: count))
    figure("stopped and started 3 times (-V \(version)): \(count) of \(count) lines, each once, in order")
  }

  @Test(
    "a real broker that is killed forgets; every line is sent until it was acknowledged", .needs("mosquitto"),
    arguments: ["311", "5"])
  func killedBroker(version: String) throws {
    let broker = try RealBroker(persistence: .off)
    let count = 50_000
    let subscriber = try ToolProcess(
      "mqsub", broker.options + ["-q", "2", "-t", "t", "-V", version, "--log", "notice"])
    try subscriber.waitForErrors("subscribed to")
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", version, "-q", "2", "-t", "t", "-l", "--log", "notice"],
      input: .bytes(numberedLines(upTo: count)))
    try tool.waitForErrors("connected to")
    for _ in 0..<5 {
      usleep(300_000)
      try broker.kill()
      try broker.restart()
    }
    #expect(try tool.wait(timeout: .seconds(120)) == .exited(0), "\(tool.errorText)")
    usleep(500_000)
    subscriber.signal(15)
    try subscriber.wait()
    let numbers = subscriber.outputText.split(separator: "\n").compactMap { Int($0) }
    let republished = tool.errorText.split(separator: "\n").filter { $0.contains("published again") }
    figure(
      """
      killed 5 times (-V \(version)): all \(count) lines acknowledged; a live subscriber saw \(Set(numbers).count) of them, \
      \(numbers.count - Set(numbers).count) twice, \(count - Set(numbers).count) were acknowledged and forgotten by the \
      broker or came while the subscriber was away; mqpub said: \(republished.joined(separator: " | "))
      """)
    #expect(tool.errorText.contains("connected again"))
  }

  @Test(
    "a real broker restarts five times and the connection is cut five times", .needs("mosquitto"),
    arguments: ["1", "2"])
  func manyLines(qos: String) throws {
    let broker = try RealBroker(persistence: .atStop)
    let proxy = try CuttingProxy(to: broker.port)
    let count = qos == "1" ? 1_000_000 : 100_000
    let folder = try TemporaryFolder()
    let file = try folder.write("lines", numberedLines(upTo: count))
    let subscribe = ["-c", "-i", "counter", "-q", qos, "-t", "t", "-V", "311", "--log", "notice", "-F", "%p %m"]
    let subscriber = try ToolProcess("mqsub", broker.options + subscribe)
    try subscriber.waitForErrors("subscribed to")
    let tool = try ToolProcess(
      "mqpub", proxy.options + ["-q", qos, "-t", "t", "-l", "--log", "notice"], input: .file(file))
    try tool.waitForErrors("connected to")
    var outages = 0
    while tool.end == nil, outages < 10 {
      usleep(700_000)
      if outages.isMultiple(of: 2) { proxy.cut() } else { try broker.restart() }
      outages += 1
      let told = outages
      Expect.eventually(within: .seconds(30)) {
        tool.end != nil || tool.errorText.components(separatedBy: "connected again").count > told
      }
    }
    #expect(try tool.wait(timeout: .seconds(240)) == .exited(0), "\(tool.errorText)")
    // Number and packet identifier of each message.
    var messages: [(number: Int, identifier: Int)] = []
    Expect.eventually(within: .seconds(60)) {
      messages = subscriber.outputText.split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ")
        guard words.count == 2, let number = Int(words[0]), let identifier = Int(words[1]) else { return nil }
        return (number, identifier)
      }
      return Set(messages.lazy.map(\.number)).count >= count
    }
    // After a restart mosquitto 2.0 sends some QoS 2 messages again whose PUBREL it had sent: the subscriber cannot know them for
    // what they are. They have their old identifier; what mqpub had published twice would have another.
    var identifiers: [Int: Int] = [:]
    var (twice, sentTwice) = (0, 0)
    for message in messages {
      guard let old = identifiers.updateValue(message.identifier, forKey: message.number) else { continue }
      if qos == "2", old == message.identifier { sentTwice += 1 } else { twice += 1 }
    }
    figure(
      """
      QoS \(qos), \(outages) outages: \(identifiers.count) of \(count) lines, \(twice) of them twice; besides \(sentTwice) that \
      the broker sent again after their PUBREL
      """)
    #expect(outages == 10)
    #expect(identifiers.count == count)
    // At most a window of 20 for each outage of mqpub, and for each of mqsub.
    #expect(twice <= (qos == "1" ? 20 * 10 + 20 * 5 : 0), "\(tool.errorText)\(subscriber.errorText)")
  }

  @Test(
    "a session that is kept, at QoS 2 over restarts of the broker and cut connections: every number once, in order",
    .needs("mosquitto"))
  func soak() throws {
    let duration = ProcessInfo.processInfo.environment["MQTOOLS_SOAK"].flatMap { Int($0) } ?? 120
    let broker = try RealBroker(persistence: .atStop)
    let proxy = try CuttingProxy(to: broker.port)
    let subscribers = try ["311", "5"].map { version in
      let tool = try ToolProcess(
        "mqsub",
        proxy.options + ["-V", version, "-c", "-i", "soak-\(version)", "-q", "2", "-t", "t", "--log", "notice"])
      try tool.waitForErrors("subscribed to")
      return tool
    }
    let publisher = try ToolProcess("mqpub", proxy.options + ["-q", "2", "-t", "t", "-l"], input: .held)
    var random = SplitMix(state: 1)
    let clock = ContinuousClock()
    let end = clock.now + .seconds(duration)
    // Connections that are closed within five seconds, again and again, would look like another client with the same identifier.
    var nextOutage: ContinuousClock.Instant? = clock.now + .seconds(3)
    var (count, outages) = (0, 0)
    while clock.now < end {
      var lines: [UInt8] = []
      for _ in 0..<10 {
        count += 1
        lines += "\(count)\n".utf8
      }
      publisher.write(lines)
      usleep(10_000)
      if let time = nextOutage {
        guard clock.now >= time else { continue }
        if outages.isMultiple(of: 2) { proxy.cut() } else { try broker.restart() }
        outages += 1
        nextOutage = nil
      } else if count.isMultiple(of: 500), subscribers.allSatisfy({ $0.returns == outages }) {
        nextOutage = clock.now + .milliseconds(Int64.random(in: 5_200...7_000, using: &random))
      }
    }
    publisher.closeInput()
    #expect(try publisher.wait(timeout: .seconds(60)) == .exited(0), "\(publisher.errorText)")
    for tool in subscribers {
      try tool.waitForOutput(lines: count, timeout: .seconds(60))
      tool.signal(15)
      #expect(try tool.wait() == .exited(0), "\(tool.errorText)")
      Expect.bytes(tool.output, numberedLines(upTo: count))
    }
    figure(
      "soak of \(duration) s: \(count) numbers, each once and in order at two subscribers, over \(outages) outages")
  }

  // MARK: - The spool

  /// Starts `mqpub --spool` again and again, each time with the next three numbers, and lets `kill` end it. What a run that ended by
  /// itself has stored must arrive; nothing may arrive twice at QoS 2.
  private func spoolAndKill(
    qos: String, runs: Int, _ kill: (_ run: Int, _ arguments: [String], _ input: String) throws -> ToolProcess
  ) throws -> (peer: CountingPeer, promised: Set<Int>) {
    var rules = CountingPeer.Rules()
    rules.keepsSessions = true
    rules.recordsMessages = true
    let peer = try CountingPeer(rules: rules)
    let folder = try TemporaryFolder()
    let options = peer.options + ["-q", qos, "--spool", folder.path("spool")]
    var promised: Set<Int> = []
    for run in 0..<runs {
      let numbers = (1...3).map { run * 3 + $0 }
      let tool = try kill(run, options + ["-t", "t", "-l"], numbers.map { "\($0)\n" }.joined())
      let end = try tool.wait()
      if end == .exited(0) || end == .exited(75) {
        promised.formUnion(numbers)
      } else if case .exited(let status) = end {
        #expect(status == 137, "\(tool.errorText)")
      }
    }
    let flush = try ToolProcess.run("mqpub", options + ["--flush"], timeout: .seconds(30))
    #expect(flush.end == .exited(0), "\(flush.errorText)")
    return (peer, promised)
  }

  private func judge(_ what: String, qos: String, _ peer: CountingPeer, promised: Set<Int>) {
    let delivered = peer.messages.compactMap { Int(String(decoding: $0.payload, as: UTF8.self)) }
    let missing = promised.subtracting(delivered)
    #expect(missing.isEmpty, "\(missing.sorted())")
    if qos == "2" { #expect(Set(delivered).count == delivered.count) }
    #expect(peer.counts.violations == [])
    figure(
      """
      \(what), QoS \(qos): \(promised.count) messages of runs that ended by themselves, \(missing.count) missing; \
      \(Set(delivered).count) delivered in all, \(delivered.count - Set(delivered).count) more than once
      """)
  }

  @Test("mqpub killed at 200 random moments while it spools and delivers", arguments: ["1", "2"])
  func killedAtRandom(qos: String) throws {
    var random = SystemRandomNumberGenerator()
    // As long as the longest run that ended by itself, and a quarter more: about one in four is left to end.
    var longest = Duration.milliseconds(20)
    let (peer, promised) = try spoolAndKill(qos: qos, runs: 200) { run, arguments, input in
      let begin = ContinuousClock.now
      let tool = try ToolProcess("mqpub", arguments, input: .text(input))
      if run.isMultiple(of: 10) {
        try tool.wait()
        longest = max(longest, ContinuousClock.now - begin)
        return tool
      }
      usleep(UInt32(Double.random(in: 0...1.25, using: &random) * (longest / .microseconds(1))))
      tool.signal(9)
      return tool
    }
    judge("killed at 200 random moments", qos: qos, peer, promised: promised)
  }

  @Test("mqpub killed at each of its system calls in turn", .needs("strace"), arguments: ["1", "2"])
  func killedAtEachCall(qos: String) throws {
    let tool = try #require(ProcessInfo.processInfo.environment["MQTOOLS_BIN"]) + "/mqpub"
    let (peer, promised) = try spoolAndKill(qos: qos, runs: 320) { run, arguments, input in
      try ToolProcess(
        "strace", ["-f", "-qqq", "-o", "/dev/null", "-e", "inject=all:signal=KILL:when=\(run + 1)", tool] + arguments,
        input: .text(input))
    }
    judge("killed at each system call", qos: qos, peer, promised: promised)
  }

  // MARK: - Side by side with mosquitto's clients

  @Test("a one-shot publish takes no longer than mosquitto_pub's", .needs("mosquitto", "mosquitto_pub"))
  func oneShot() throws {
    let broker = try RealBroker()
    for qos in qualities {
      var times: [String: [Double]] = [:]
      for round in 0..<110 {
        for (name, version) in [("mqpub", "5"), ("mqpub", "311"), ("mosquitto_pub", "311")] {
          let clock = ContinuousClock()
          var tool: ToolProcess?
          let time = try clock.measure {
            tool = try ToolProcess(
              name, broker.options + ["-V", version, "-t", "t", "-m", "21.5", "-q", qos])
            try tool?.wait()
          }
          try #require(tool?.end == .exited(0))
          if round >= 10 { times["\(name) -V \(version)", default: []].append(seconds(time) * 1000) }
        }
      }
      for (name, values) in times.sorted(by: { $0.key < $1.key }) {
        figure("one-shot QoS \(qos), \(name): median \(format(median(values))) ms, least \(format(values.min()!)) ms")
      }
      #expect(median(times["mqpub -V 311"]!) <= median(times["mosquitto_pub -V 311"]!))
      #expect(median(times["mqpub -V 5"]!) <= median(times["mosquitto_pub -V 311"]!))
    }
  }

  @Test("a request and its reply take no longer than with mosquitto_rr", .needs("mosquitto", "mosquitto_rr"))
  func request() throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-t", "get", "-e", "got", "--serve-echo"])
    var times: [String: [Double]] = [:]
    for round in 0..<110 {
      for name in ["mqrr", "mosquitto_rr"] {
        for version in ["311", "5"] {
          var tool: ToolProcess?
          let time = try ContinuousClock().measure {
            tool = try ToolProcess(name, broker.options + ["-V", version, "-t", "get", "-e", "got", "-m", "21.5"])
            try tool?.wait()
          }
          try #require(tool?.end == .exited(0) && tool?.outputText == "21.5\n")
          if round >= 10 { times["\(name) -V \(version)", default: []].append(seconds(time) * 1000) }
        }
      }
    }
    for (name, values) in times.sorted(by: { $0.key < $1.key }) {
      figure("one request, \(name): median \(format(median(values))) ms, least \(format(values.min()!)) ms")
    }
    #expect(median(times["mqrr -V 311"]!) <= median(times["mosquitto_rr -V 311"]!))
    #expect(median(times["mqrr -V 5"]!) <= median(times["mosquitto_rr -V 5"]!))
    responder.signal(15)
  }

  @Test("a responder answers thousands of requests a second", .needs("mosquitto"), arguments: ["0", "1"])
  func requests(qos: String) throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-t", "get", "--serve-echo"])
    let count = 20_000
    var tool: ToolProcess?
    let time = try ContinuousClock().measure {
      tool = try ToolProcess.run(
        "mqrr", broker.options + ["-t", "get", "-l", "-q", qos], input: .bytes(numberedLines(upTo: count)),
        timeout: .seconds(60))
    }
    #expect(tool?.end == .exited(0))
    #expect(tool?.output.count { $0 == 10 } == count)
    figure("requests of mqrr -l to mqrr --serve-echo, QoS \(qos): \(Int(Double(count) / seconds(time))) a second")
    responder.signal(15)
  }

  @Test(
    "a one-shot publish over TLS takes at most 8 ms and a fifth of mosquitto_pub's time, at most 0.8 of its CPU, resumed 0.7",
    .needs("mosquitto", "mosquitto_pub", "openssl", "perf"))
  func tlsOneShot() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue())
    let broker = try RealBroker(listeners: [listener])
    let home = try TemporaryFolder()
    let options =
      broker.options(of: listener) + ["--cafile", certificates.root.certificate, "-V", "311", "-t", "t", "-m", "21.5"]
    let runs: [(name: String, tool: String, environment: [String: String?])] = [
      ("mqpub", "mqpub", ["XDG_CACHE_HOME": "/dev/null"]), ("mqpub resumed", "mqpub", [:]),
      ("mosquitto_pub", "mosquitto_pub", [:]),
    ]
    var times: [String: [Double]] = [:]
    var cpu: [String: [Double]] = [:]
    for round in 0..<110 {
      for run in runs {
        let clock = ContinuousClock()
        var tool: ToolProcess?
        let time = try clock.measure {
          tool = try ToolProcess(run.tool, options, environment: run.environment, home: home)
          try tool?.wait()
        }
        try #require(tool?.end == .exited(0))
        if round < 10 { continue }
        times[run.name, default: []].append(seconds(time) * 1000)
      }
    }
    // From exec on: what it costs a test to start a process is no part of it.
    for _ in 0..<15 {
      for run in runs {
        let perf = try ToolProcess.run(
          "perf", ["stat", "-x", ";", "-e", "task-clock", "-r", "10", try locate(run.tool)] + options,
          environment: run.environment, home: home)
        let text = perf.errorText.split(separator: "\n").last?.prefix { $0 != ";" } ?? ""
        cpu[run.name, default: []].append(try #require(Double(text), "\(perf.errorText)"))
      }
    }
    for (name, _, _) in runs {
      figure(
        """
        one-shot over TLS, \(name): median \(format(median(times[name]!))) ms, least \(format(times[name]!.min()!)) ms, \
        CPU \(format(median(cpu[name]!))) ms, least \(format(cpu[name]!.min()!)) ms
        """)
    }
    let theirs = (time: median(times["mosquitto_pub"]!), cpu: median(cpu["mosquitto_pub"]!))
    for (name, share) in [("mqpub", 0.8), ("mqpub resumed", 0.7)] {
      #expect(median(times[name]!) <= 8)
      #expect(median(times[name]!) <= theirs.time / 5)
      #expect(median(cpu[name]!) <= theirs.cpu * share, "\(name)")
    }
  }

  /// CPU seconds of the fastest of some runs: the one that was disturbed least.
  private func leastTime(_ runs: Int = 5, _ run: () throws -> ToolProcess) throws -> Double {
    var times: [Double] = []
    for _ in 0..<runs {
      let tool = try run()
      try #require(tool.end == .exited(0), "\(tool.errorText)")
      times.append(seconds(try #require(tool.usage).cpuTime))
    }
    return times.min()!
  }

  @Test("500,000 lines at QoS 0 take at most a tenth of mosquitto_pub's CPU time", .needs("mosquitto_pub"))
  func linesTime() throws {
    let folder = try TemporaryFolder()
    let count = 500_000
    let file = try folder.write("lines", numberedLines(upTo: count))
    func time(_ name: String) throws -> Double {
      try leastTime {
        let peer = try CountingPeer()
        let tool = try ToolProcess.run(
          name, peer.options + ["-V", "311", "-t", "t", "-l"], input: .file(file), timeout: .seconds(60))
        try peer.wait(for: "all lines") { $0.received == count }
        return tool
      }
    }
    let (ours, theirs) = (try time("mqpub"), try time("mosquitto_pub"))
    figure(
      "500,000 lines QoS 0: mqpub \(format(ours)) s, mosquitto_pub \(format(theirs)) s, a \(format(ours / theirs)) part"
    )
    #expect(ours <= theirs / 10)
  }

  @Test("500,000 messages of 16 bytes take at most a tenth of mosquitto_sub's CPU time", .needs("mosquitto_sub"))
  func messagesTime() throws {
    let count = 500_000
    func time(_ name: String) throws -> Double {
      try leastTime {
        let peer = try CountingPeer()
        peer.flood(count: count, payloadSize: 16, topic: "t")
        let tool = try ToolProcess.run(
          name, peer.options + ["-V", "311", "-t", "t", "-C", "\(count)"], timeout: .seconds(60))
        try #require(tool.output.count == count * 17)
        return tool
      }
    }
    let (ours, theirs) = (try time("mqsub"), try time("mosquitto_sub"))
    figure(
      "500,000 messages: mqsub \(format(ours)) s, mosquitto_sub \(format(theirs)) s, a \(format(ours / theirs)) part")
    #expect(ours <= theirs / 10)
  }

  @Test(
    "a live line goes from standard input through a broker to standard output in well under a millisecond",
    .needs("mosquitto"))
  func liveLine() throws {
    let broker = try RealBroker()
    let subscriber = try ToolProcess("mqsub", broker.options + ["-t", "t", "--log", "notice"])
    try subscriber.waitForErrors("subscribed to")
    let publisher = try ToolProcess("mqpub", broker.options + ["-t", "t", "-l"], input: .held)
    var times: [Double] = []
    for number in 1...300 {
      let clock = ContinuousClock()
      let time = try clock.measure {
        publisher.write("\(number)\n")
        try subscriber.waitForOutput(lines: number)
      }
      if number > 20 { times.append(seconds(time) * 1_000_000) }
      usleep(2_000)
    }
    publisher.closeInput()
    #expect(try publisher.wait() == .exited(0))
    figure(
      "live line through mosquitto: median \(format(median(times), digits: 0)) µs, most \(format(times.max()!, digits: 0)) µs"
    )
    #expect(median(times) < 1000)
  }

  @Test(
    "--top keeps up with 50,000 messages a second on 10,000 topics, all of them expanded", .needs("mosquitto"))
  func topTime() throws {
    let broker = try RealBroker()
    let terminal = try Terminal("mqsub", broker.options + ["-t", "#", "--top"], columns: 200, rows: 50)
    try terminal.waitForScreen("subscribed", columns: 200, rows: 50) { $0.row(with: "subscribed to") != nil }
    try terminal.type("Ess")  // By rate: the rows move.
    let publisher = try ToolProcess("mqpub", broker.options + ["-l", "--line-topic"], input: .held)
    let beats = 100
    var next = ContinuousClock.now
    for beat in 0..<beats {
      publisher.write(
        (0..<5_000).map { "site/\($0 % 10)/device-\($0 / 10 % 100)/\((beat + $0 / 1000) % 10) \($0).\(beat)\n" }
          .joined())
      next += .milliseconds(100)
      usleep(UInt32(max(0, (next - .now) / .microseconds(1))))
    }
    publisher.closeInput()
    #expect(try publisher.wait(timeout: .seconds(30)) == .exited(0))
    try terminal.waitForScreen("all of them", columns: 200, rows: 50, timeout: .seconds(30)) {
      $0.text(1).hasPrefix("10,000 topics, 500,000 messages, ")
    }
    try terminal.type("q")
    #expect(try terminal.wait() == .exited(0))
    let usage = try #require(terminal.usage)
    figure(
      """
      --top, 500,000 messages on 10,000 topics within 10 s, 200 by 50: \(format(seconds(usage.cpuTime))) s of CPU time \
      (\(format(seconds(usage.userTime))) user), \(terminal.output.count / 1000) kB to the terminal
      """)
    #expect(usage.cpuTime < .seconds(5))
  }
}

extension ToolProcess {
  /// How many outages it has told the end of.
  fileprivate var returns: Int { errorText.components(separatedBy: "connected again").count - 1 }
}
