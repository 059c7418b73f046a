internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Runs a load and watches over it: connects, waits until all subscriptions are made, lets the arrivals begin, and collects what is
/// still under way when they end.
struct LoadRun: ~Copyable {
  private let plan: LoadPlan
  private let diagnostics: Diagnostics
  private let signals: Signals
  private let state = RunState()
  private var driver = Driver()
  /// The signal that ended the run before its time.
  private(set) var interruption: Signal?
  private var isInterrupted: Bool { interruption != nil }

  private static let look: Duration = .milliseconds(50)

  init(_ plan: LoadPlan, diagnostics: Diagnostics, signals: consuming Signals) {
    self.diagnostics = diagnostics
    self.signals = signals
    self.plan = plan.changingClients { [state] client in
      client.reportTLS = { state.tell($0) }
    }
  }

  /// Returns nil when a signal came before there was anything to measure.
  ///
  /// - Throws: what made the run impossible.
  mutating func run() throws(ConnectionError) -> Summary? {
    driver.watch(signals.descriptor, .readable)
    let state = state
    let workers = (0..<plan.workers).map { Worker($0, plan, state) }
    let begin = waitForConnecting()
    if isInterrupted { return nil }
    for worker in workers { worker.startThread(connectingFrom: begin) }
    observer = Observer(plan.observation)
    if !plan.observation.filters.isEmpty { observeTopics() }
    let clientCount = plan.clientCount
    // Connecting takes its time; a broker that answers nothing for ten seconds is given up by the clients themselves.
    wait(progress: { "connecting \($0.connected.now) of \(clientCount)" }) { state, _ in state.ready.now >= clientCount
    }
    var start: Instant?
    let environment = Host.facts
    if !isInterrupted, state.error == nil {
      let first = arrivalStart()
      start = first
      state.begin(at: first)
      let windowEnd = first + .nanoseconds(plan.windowEnd)
      watchFrom(first)
      wait(progress: progressText(from: first)) { _, now in now >= windowEnd }
      lookAtHost(.now)
      if let problem = observer.end() { diagnostics.warning(problem) }
      watch.end(after: Double((Instant.now - first).nanoseconds) / 1e9)
      state.enter(.stopping)
      drain(until: Instant.now + plan.drainLimit)
    }
    let end = Instant.now
    state.enter(.leaving)
    let workerCount = plan.workers
    let leaveLimit = Instant.now + .seconds(5)
    while state.finishedWorkers.now < workerCount {
      look()
      // A broker that reads nothing would be waited for much longer.
      if Instant.now >= leaveLimit { state.enter(.over) }
    }
    clearProgress()
    if let error = state.error { throw error }
    // Those who have connected until a signal came are worth telling.
    guard let start = start ?? (plan.connectsOnly ? end : nil) else { return nil }
    var summary = Summary(
      plan, workers, start: start, end: end, date: date(of: plan.connectsOnly ? begin : start), watch: watch,
      environment: environment + observer.facts, isInterrupted: isInterrupted)
    summary.lateness = lateness
    summary.tls = state.tls
    return summary
  }

  // MARK: - When

  /// By how much the arrivals, or nothing but connections, began later than they were to.
  private var lateness = Duration.zero

  /// When the plan wants to begin.
  private var wantedStart: Instant? { plan.startTime.map { Instant.now + $0.since(.now) } }

  /// The calendar's name for a moment not long ago.
  private func date(of moment: Instant) -> WallTime { WallTime.now.advanced(by: moment - Instant.now) }

  /// Waits until it is time to connect, or nearly so. Returns when the first connection is due.
  private mutating func waitForConnecting() -> Instant {
    guard let wantedStart else { return .now }
    let begin = Instant.now + max(.zero, wantedStart - .now - plan.connectLead)
    // Threads have to be started, too.
    wait(progress: { _ in "beginning in \((wantedStart - .now).nanoseconds / 1_000_000_000) s" }) { _, now in
      begin - now <= .milliseconds(100)
    }
    if plan.connectsOnly { lateness = begin - wantedStart }
    return begin
  }

  /// All is ready: when the arrivals begin.
  private mutating func arrivalStart() -> Instant {
    guard let wantedStart, !plan.connectsOnly else { return .now + plan.settle }
    // Workers look for it every 50 ms.
    let first = max(wantedStart, .now + .milliseconds(100))
    lateness = first - wantedStart
    if lateness > .zero {
      diagnostics.warning(
        "the arrivals begin \(Figures.milliseconds(lateness.nanoseconds)) ms later than --start-at says: connecting took long"
      )
    }
    return first
  }

  // MARK: - The machine

  private var watch = HostWatch()
  private var observer = Observer(Observation())
  /// The number of the second that is under way, and when it ends.
  private var second = (number: 0, end: Instant(nanoseconds: .max))
  private var firstArrival = Instant(nanoseconds: 0)

  private mutating func watchFrom(_ first: Instant) {
    watch = HostWatch()
    observer.begin()
    firstArrival = first
    second = (0, first + .nanoseconds(plan.end(ofSecond: 0)))
  }

  private mutating func lookAtHost(_ now: Instant) {
    while now >= second.end {
      watch.ended(second: second.number, observed: observer.values())
      second = (second.number + 1, firstArrival + .nanoseconds(plan.end(ofSecond: second.number + 1)))
    }
  }

  // MARK: - Waiting

  /// Waits until `isDone`, or until something ends the run.
  private mutating func wait(progress: (RunState) -> String, until isDone: (RunState, Instant) -> Bool) {
    while !isInterrupted, state.error == nil, !isDone(state, .now) {
      look()
      lookAtHost(.now)
      show(progress(state))
    }
  }

  /// Waits until nothing is missing, or nothing has come for five seconds and for ten times as long as nearly all took.
  private mutating func drain(until limit: Instant) {
    var last = (state.distinct.now, state.outstanding.now)
    var quietSince = Instant.now
    // What workers say is up to a twentieth of a second old.
    let earliest = quietSince + .milliseconds(150)
    while !isInterrupted, state.error == nil {
      look()
      let now = Instant.now
      let present = (state.distinct.now, state.outstanding.now)
      if now >= earliest, present.1 == 0, present.0 >= state.expected.now, state.lostConnections.now == 0 { return }
      if present != last {
        last = present
        quietSince = now
      }
      let patience = max(Duration.seconds(5), .nanoseconds(10 * Int64(state.slowest.now)))
      if now - quietSince > patience || now >= limit { return }
      show("waiting for \(max(0, state.expected.now - present.0)) messages")
    }
  }

  private mutating func look() {
    switch driver.next(until: Instant.now + Self.look) {
    case .ready:
      guard let signal = signals.next() else { return }
      if isInterrupted { Signals.die(of: signal) }
      interruption = signal
    case .client(_, .session(.message(let message, _))): observer.take(message)
    case .client(_, .session(.subscribed(_, let packet))):
      if let refusal = packet.reasonCodes.first(where: \.isFailure) {
        diagnostics.warning("the broker refuses to be observed: \(refusal)")
      }
    case .client(_, .failed(let error)): diagnostics.warning("what the broker tells of itself: \(error)")
    default: break
    }
  }

  /// Subscribes to what is to be observed, by a connection that has no part in the load.
  private mutating func observeTopics() {
    var settings = plan.client
    settings.session.connect.clientIdentifier = Text(stringLiteral: "mqbench-\(plan.run)-sys")
    let client = Client(settings)
    // It throws for what a broker's limits forbid, and there is none yet.
    try! client.subscribe(
      plan.observation.filters.map { Subscription(filter: $0, options: SubscriptionOptions(qos: .atMostOnce)) },
      at: driver.now)
    driver.add(client)
  }

  // MARK: - Progress on a terminal

  private var shown = Instant(nanoseconds: 0)

  private func progressText(from start: Instant) -> (RunState) -> String {
    let plan = plan
    let rates = RecentRates()
    return { state in
      let time = (Instant.now - start).nanoseconds
      let rate = rates.rates(state, at: time)
      let left = max(0, (plan.windowEnd - time) / 1_000_000_000)
      let phase = time < plan.windowStart ? "warm-up" : "measuring"
      let recent = state.recent
      let times =
        recent.second < 0
        ? "" : ", p50 \(Figures.milliseconds(recent.p50)) p99 \(Figures.milliseconds(recent.p99)) ms"
      return "\(phase): \(rate.sent) sent/s, \(rate.delivered) delivered/s\(times), \(left) s left"
    }
  }

  private mutating func show(_ text: String) {
    guard diagnostics.isTerminal, Instant.now - shown >= .milliseconds(500) else { return }
    shown = .now
    var line = OutputBuffer(descriptor: 2, limit: .max)
    line.append("\r")
    // A line that wraps could not be taken back.
    var text = text
    _ = text.withUTF8 {
      TerminalText.append(UnsafeRawBufferPointer($0), columns: System.terminalSize(2).columns - 1, to: &line)
    }
    line.append("\u{1B}[K")
    try? line.flush()
  }

  private func clearProgress() {
    guard diagnostics.isTerminal, shown.nanoseconds != 0 else { return }
    var line = OutputBuffer(descriptor: 2, limit: .max)
    line.append("\r\u{1B}[K")
    try? line.flush()
  }
}

/// Rates since somebody asked last.
private final class RecentRates {
  private var time: Int64 = 0
  private var sent = 0
  private var delivered = 0
  private var last = (sent: 0, delivered: 0)

  func rates(_ state: RunState, at now: Int64) -> (sent: Int, delivered: Int) {
    let elapsed = now - time
    guard elapsed >= 500_000_000 else { return last }
    let present = (sent: state.sent.now, delivered: state.delivered.now)
    last.sent = Int((Double(present.sent - sent) * 1e9 / Double(elapsed)).rounded())
    last.delivered = Int((Double(present.delivered - delivered) * 1e9 / Double(elapsed)).rounded())
    (time, sent, delivered) = (now, present.sent, present.delivered)
    return last
  }
}
