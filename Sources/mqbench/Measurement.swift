internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Measures as often as it is wanted, and says what came of it.
struct Measurement {
  let settings: BenchSettings
  private let invocation: Invocation
  let diagnostics: Diagnostics
  private let savedOptions: [[String]]
  private let command: BenchSettings.Command

  init(
    _ settings: BenchSettings, _ command: BenchSettings.Command, _ invocation: Invocation, savedOptions: [[String]]
  ) throws(UsageError) {
    self.command = command
    self.settings = settings
    self.invocation = invocation
    self.savedOptions = savedOptions
    diagnostics = settings.diagnostics(invocation)
    try settings.report.saved.check()
    if command == .connect, let goal = settings.report.goals.first(where: \.isAboutDeliveries) {
      throw UsageError("--goal: \(goal.text) is about messages, and connect sends none")
    }
    if settings.report.wantsSame, settings.words.first?.bytes.elementsEqual("ab".utf8) != true {
      throw UsageError("--goal: same is for compare and ab")
    }
  }

  /// A plan for the broker of the settings, or for another one.
  func plan(_ load: LoadSettings, at broker: BrokerURL? = nil) throws(UsageError) -> LoadPlan {
    let connections = try connectionPlans(broker)
    var own = try groups(load, load.shard, connections)
    let all = load.shard == nil ? own : try groups(load, nil, connections)
    try own.readIdentities(load.shard, of: all, diagnostics)
    try own.checkDescriptors()
    try own.checkPorts()
    var plan = try plan(load, own)
    var whole = plan
    if let shard = load.shard {
      whole = try self.plan(load, all)
      plan.part = LoadPlan.Part(shard: shard, scenario: whole.scenario)
      // All parts are done with connecting at the same time.
      plan.connectRate *= Double(plan.clientCount) / Double(whole.clientCount)
    }
    plan.startTime = load.startTime
    try plan.checkStart(.now)
    if !settings.report.isForced { try whole.checkBroker() }
    if command != .connect { warn(whole) }
    try plan.observation.check()
    return plan
  }

  /// Says what is allowed, and hardly meant.
  private func warn(_ plan: LoadPlan) {
    if plan.publishings.isEmpty {
      diagnostics.warning("no group publishes anything (see --publish)")
    } else if plan.hasSubscribers, plan.routing.deliveriesPerMessage == 0 {
      diagnostics.warning("no filter that is subscribed to matches any topic that is published to")
    }
  }

  private func plan(_ load: LoadSettings, _ groups: [LoadGroup]) throws(UsageError) -> LoadPlan {
    var plan = command == .connect ? try load.connectPlan(groups) : try load.plan(groups)
    plan.scenarioText = settings.scenario?.text
    return plan
  }

  /// The groups, or the part of each that a shard has.
  private func groups(
    _ load: LoadSettings, _ shard: Shard?, _ connections: [ConnectionPlan]
  ) throws(UsageError) -> [LoadGroup] {
    if settings.scenario == nil {
      if command == .connect {
        return try load.part(shard, .connecting).connectGroups(connections[0])
      }
      return try load.part(shard, .publishersAndSubscribers).groups(connections[0])
    }
    var groups: [LoadGroup] = []
    for (number, group) in settings.groups.enumerated() {
      do throws(UsageError) {
        let part = try group.settings.load.part(shard, .group)
        groups.append(try part.group(group.name, number, connections[number]))
      } catch {
        throw error.at("[\(group.name)]")
      }
    }
    return groups
  }

  /// How to connect, for each group of a scenario, or for all clients.
  private func connectionPlans(_ broker: BrokerURL?) throws(UsageError) -> [ConnectionPlan] {
    if settings.scenario == nil { return [try connectionPlan(settings.connection, broker)] }
    var plans: [ConnectionPlan] = []
    for group in settings.groups {
      do throws(UsageError) { plans.append(try connectionPlan(group.settings.connection, broker)) } catch {
        throw error.at("[\(group.name)]")
      }
    }
    return plans
  }

  private func connectionPlan(
    _ connection: ConnectionSettings, _ broker: BrokerURL?
  ) throws(UsageError) -> ConnectionPlan {
    var connection = connection
    if let broker { connection.take(broker) }
    try connection.checkProperties(only: .connect)
    var plan = try connection.plan(invocation.compatibility)
    try plan.readPassword(invocation, diagnostics)
    // Each connection is agreed on anew: with sessions of an earlier run some would be faster than others.
    plan.tls?.configuration.sessionFolder = nil
    return plan
  }

  /// The signal that ended a run, if one did.
  private final class Interruption {
    var signal: Signal?
  }

  private let interruption = Interruption()

  /// Ends as the signal does that came, so that loops of a shell stop with it; what there was to report is reported by now.
  func ended(_ status: ExitStatus) -> ExitStatus {
    if status == .output { return status }
    if let signal = interruption.signal { Signals.die(of: signal) }
    return status
  }

  /// One run of a plan. Returns nil when a signal came before there was anything to measure.
  func run(_ plan: LoadPlan) throws -> Summary? {
    var plan = plan
    plan.run = RunWord()
    var run = LoadRun(plan, diagnostics: diagnostics, signals: try Signals())
    defer { interruption.signal = run.interruption }
    return try run.run()
  }

  /// What an error means; it is told.
  func status(_ error: any Error) -> ExitStatus {
    diagnostics.error("\(error)")
    return if let error = error as? ConnectionError { ExitStatus(error) } else { .internalError }
  }

  /// Waits between two runs. False when a signal came.
  private func pause(_ time: Duration) throws -> Bool {
    let signals = try Signals()
    var driver = Driver()
    driver.watch(signals.descriptor, .readable)
    let end = Instant.now + time
    while Instant.now < end {
      if case .ready = driver.next(until: end), let signal = signals.next() {
        interruption.signal = signal
        return false
      }
    }
    return true
  }

  // MARK: - load

  func load() throws(UsageError) -> ExitStatus {
    var plan = try plan(settings.load)
    if settings.report.calibrates { try plan.checkCalibration() }
    var summaries: [Summary] = []
    var failure: ExitStatus?
    let count = settings.report.runs ?? 1
    do {
      for number in 0..<count {
        if number > 0 {
          plan.startTime = plan.startTime?.advanced(by: plan.longestRun + settings.report.pause)
          if try !pause(settings.report.pause) { break }
        }
        if count > 1, diagnostics.isTerminal { diagnostics.notice("run \(number + 1) of \(count)") }
        guard let summary = try run(plan), summary.seconds > 0 || plan.connectsOnly else { break }
        summaries.append(summary)
        if summary.isInterrupted { break }
      }
    } catch {
      // What the earlier runs found is worth telling.
      failure = status(error)
    }
    guard !summaries.isEmpty else {
      if failure == nil { diagnostics.notice("interrupted before anything was measured") }
      return failure ?? ended(.ok)
    }
    var report = Report(summaries, options: savedOptions)
    if settings.report.calibrates, failure == nil, !summaries.contains(where: \.isInterrupted) {
      do {
        if let calibration = try calibrate(plan, agreed: summaries[0].tls) {
          report.environment += calibration.items(Spread.median(summaries.map { $0.headline.percentile(9900) }))
        }
      } catch {
        failure = status(error)
      }
    }
    let status = ended(settings.report.finish(report, diagnostics))
    return failure ?? (status == .ok ? connectionStatus(summaries, report) : status)
  }

  /// What lost or refused connections make of the status of a report that is fine otherwise. Lost messages are told, too, even where
  /// no goal is about them.
  private func connectionStatus(_ summaries: [Summary], _ report: Report) -> ExitStatus {
    if summaries.contains(where: \.isInterrupted) { return .ok }
    func sum(_ metric: CountMetric) -> Int { report.runs.reduce(0) { $0 + $1.count(metric) } }
    if report.runs.contains(where: \.isConnect) {
      let failures = summaries.reduce(into: [:]) { $0.merge($1.measured.failures, uniquingKeysWith: +) }
      if sum(.connected) > 0, sum(.lostConnections) > 0 {
        diagnostics.error("\(sum(.lostConnections)) of \(sum(.connected)) connections were lost while they were held")
        return .connectionLost
      }
      let count = sum(.failedAttempts)
      guard count > 0, let failure = failures.max(by: { $0.value < $1.value })?.key else { return .ok }
      let isAll = count == sum(.clients)
      diagnostics.error(
        isAll ? failure.reason : "\(count) of \(Figures.grouped(sum(.clients))) clients failed: \(failure.reason)")
      return failure.status
    }
    let unsent = report.runs.reduce(0) { $0 + $1.unsent }
    let isAsked = settings.report.goals.contains(where: \.isAboutDeliveries)
    if sum(.lost) > 0, !isAsked {
      diagnostics.warning(
        "\(Figures.grouped(sum(.lost))) of \(Figures.grouped(sum(.expected))) deliveries were lost (--goal loss=0 makes it a status)"
      )
    }
    guard unsent > 0, sum(.lostConnections) > 0 else { return .ok }
    diagnostics.error("connections were lost, and \(unsent) of \(sum(.offered)) messages were never sent")
    return .connectionLost
  }

  static func print(_ json: JSON, _ diagnostics: Diagnostics) -> ExitStatus {
    var buffer = OutputBuffer(descriptor: 1, limit: .max)
    json.append(isForTerminal: System.isTerminal(1), to: &buffer)
    buffer.append(UInt8(ascii: "\n"))
    return flush(&buffer, diagnostics)
  }

  static func print(_ text: String, _ diagnostics: Diagnostics) -> ExitStatus {
    var buffer = OutputBuffer(descriptor: 1, limit: .max)
    buffer.append(text)
    return flush(&buffer, diagnostics)
  }

  private static func flush(_ buffer: inout OutputBuffer, _ diagnostics: Diagnostics) -> ExitStatus {
    do throws(OutputError) {
      try buffer.flush()
    } catch {
      guard case .system(let error) = error else { return .ok }
      diagnostics.error("standard output: \(error.explanation)")
      return .output
    }
    return .ok
  }

  // MARK: - ab

  /// Measures two brokers in the order A B B A A B B A…
  func compare(_ words: [Argument]) throws(UsageError) -> ExitStatus {
    guard words.count == 2 else { throw UsageError("ab: two URLs are to be compared, as in mqtt://HOST:PORT") }
    var plans: [LoadPlan] = []
    for word in words {
      plans.append(try plan(settings.load, at: try BrokerURL(word)))
    }
    let count = settings.report.runs ?? 5
    var summaries: [[Summary]] = [[], []]
    do {
      // That the second broker is not there is found out before the first one is measured.
      if !plans[1].publishings.isEmpty {
        guard let first = try run(plans[1].pinging()), !first.isInterrupted else { return ended(.ok) }
      }
      for number in 0..<(2 * count) {
        let side = number % 4 == 1 || number % 4 == 2 ? 1 : 0
        if number > 0, try !pause(settings.report.pause) { return ended(.ok) }
        if diagnostics.isTerminal { diagnostics.notice("run \(number + 1) of \(2 * count), \(side == 0 ? "A" : "B")") }
        guard let summary = try run(plans[side]), !summary.isInterrupted else { return ended(.ok) }
        summaries[side].append(summary)
      }
    } catch {
      return status(error)
    }
    let reports = summaries.map { Report($0, options: savedOptions) }
    let names = plans.map { "\($0.client.endpoint)" }
    return try CompareCommand(settings: settings).compare(reports[0], reports[1], (names[0], names[1]), diagnostics)
  }
}
