internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Subscribes to what the plan says and hands what comes to a sink, until something ends it, and finds the exit status that is
/// true.
struct Subscriber: ~Copyable {
  private let plan: SubscribePlan
  private let sink: any MessageSink
  private let connection: ConnectionPlan
  private let compatibility: Compatibility
  private let endpoint: Endpoint
  private let diagnostics: Diagnostics
  private let signals: Signals
  private let client: Client
  private var driver = Driver()
  /// When the run ends at the latest.
  private let limit: Instant?
  private var phase = Phase.running

  private var selection: MessageSelection
  /// Whether every message is wanted, so that none need be looked at.
  private let wantsAll: Bool
  private var received = 0
  /// Whether the sink has dealt with all that it took, and whether it has enough for the time being.
  private var isSinkDone = true
  private var isSinkFull = false
  private var removal = RetainedRemoval()
  private var recording: Recording?

  private var answers = SubscriptionAnswers()
  /// Whether all requests were answered once.
  private var wasReady = false
  private var readyCommand: ReadyCommand?
  /// Whether a signal or the time limit ends the run.
  private var isInterrupted = false
  /// Since when no message has come while the subscriptions stand.
  private var quietSince: Instant?
  /// Whether the broker has answered the PINGREQ behind the subscriptions.
  private var hasPong = false
  private var outageReport = OutageReport()
  private var takeover: TakeoverWatch

  private enum Phase {
    case running
    /// Nothing more is wanted: what was begun is finished, the last acknowledgements are under way.
    case completing(ExitStatus, until: Instant?)
    /// DISCONNECT is under way.
    case leaving(ExitStatus, until: Instant)
    /// There is no connection any more, and the sink finishes.
    case over(ExitStatus)
  }

  /// How long the last QoS 2 handshakes and taking leave may take.
  private static let leavePatience: Duration = .milliseconds(900)
  /// How long to leave an identifier to somebody else.
  private static let takeoverPause: Duration = .seconds(30)

  init(
    _ plan: SubscribePlan, to sink: any MessageSink, recordingTo recording: consuming Recording?,
    over connection: ConnectionPlan, as compatibility: Compatibility, until limit: Instant?,
    diagnostics: Diagnostics, signals: consuming Signals
  ) {
    self.plan = plan
    self.sink = sink
    self.connection = connection
    self.compatibility = compatibility
    self.diagnostics = diagnostics
    self.signals = signals
    self.recording = recording
    selection = plan.selection
    wantsAll = plan.selection == MessageSelection() && !plan.removesRetained
    self.limit = limit
    var settings = connection.client(
      retryLimit: plan.isOneShot ? .retries(0) : .foreverAfterFirstConnection, lifetime: .networkConnection)
    settings.retriesTakeover = plan.takeover == .retry
    takeover = TakeoverWatch(identifierWasChosen: connection.hasGivenIdentifier)
    endpoint = settings.endpoint
    client = Client(settings)
  }

  mutating func run() -> ExitStatus {
    client.trace(to: diagnostics)
    driver.watch(signals.descriptor, .readable)
    sink.prepare(client)
    sink.start(&driver)
    let status = subscribe() ?? loop()
    sink.end(&driver)
    // What the user began goes on, unless the user ends it all.
    if !isInterrupted { readyCommand?.leave() }
    return status
  }

  private mutating func loop() -> ExitStatus {
    driver.add(client)
    while true {
      switch driver.next(until: deadline) {
      case .client(_, .session(.message(let message, let delivery))): take(message, delivery)
      case .client(_, .session(let event)): handle(event)
      case .client(_, .outage(let error, _)): outage(error)
      case .client(_, .failed(let error)): if let status = lost(error) { return status }
      case .client(_, .closed):
        if case .leaving(let status, _) = phase { return status }
        return .ok
      case .ready(let descriptor, let readiness):
        if descriptor == signals.descriptor {
          if signals.next() != nil { stop() }
        } else if case .leaving = phase {
          driver.watch(descriptor, nil)
        } else {
          sink.ready(descriptor, readiness)
          work()
        }
      case .idle: work()
      case .deadline: if let status = deadlineReached() { return status }
      }
      if case .over(let status) = phase, isSinkDone { return status }
    }
  }

  /// Asks for the subscriptions; they are sent with the first connection.
  private mutating func subscribe() -> ExitStatus? {
    do throws(ProtocolError) {
      for request in plan.requests {
        try client.subscribe(request.subscriptions, properties: request.properties, at: driver.now)
      }
      if !plan.unsubscribed.isEmpty {
        try client.unsubscribe(plan.unsubscribed, properties: plan.unsubscribeProperties, at: driver.now)
      }
      return nil
    } catch {
      diagnostics.error(error.explanation)
      return ExitStatus(error)
    }
  }

  // MARK: - Messages

  private mutating func take(_ message: MessageView, _ delivery: Delivery?) {
    // What comes behind the last message wanted is not acknowledged: it stays with the broker.
    guard case .running = phase else { return }
    if quietSince != nil { quietSince = driver.now }
    guard wantsAll || isWanted(message) else {
      if let delivery { client.acknowledge(delivery) }
      return
    }
    isSinkDone = false
    recording?.append(message, at: .now)
    sink.take(message, delivery)
    received += 1
    if received == plan.count || isFinal(message) { complete(.ok) }
  }

  private mutating func isWanted(_ message: MessageView) -> Bool {
    if plan.removesRetained {
      if removal.isEcho(message) { return false }
      if message.retain, !message.payload.isEmpty, selection.passes(message) { removal.remove(message.topic) }
    }
    if !message.retain, case .retainedEnd(_, endsAtLive: true) = plan.end { complete(.ok) }
    return selection.wants(message)
  }

  private func isFinal(_ message: MessageView) -> Bool {
    !plan.finalTests.isEmpty && plan.finalTests.allSatisfy { $0.passes(message) }
  }

  /// All that has arrived was taken: the sink and the rest of us do what there is to do.
  private mutating func work() {
    switch phase {
    case .leaving: return
    case .over: break
    case .running, .completing: removal.work(client, diagnostics, at: driver.now)
    }
    // Before the sink can acknowledge anything.
    do throws(OutputError) { try recording?.flush() } catch {
      if case .system(let error) = error { diagnostics.error("--record: \(error.explanation)") }
      isSinkDone = true
      return leave(.output)
    }
    switch sink.work(client, &driver) {
    case .done:
      isSinkDone = true
      goOn()
      if case .completing(let status, let until) = phase, removal.isDone { finish(status, until) }
    case .busy: goOn()
    case .full:
      isSinkFull = true
      client.pauseReading()
    case .over(let status):
      isSinkDone = true
      leave(status)
    }
  }

  private mutating func goOn() {
    guard isSinkFull else { return }
    isSinkFull = false
    client.resumeReading(at: driver.now)
    // What came meanwhile was not read.
    if quietSince != nil { quietSince = driver.now }
  }

  // MARK: - What happened

  private mutating func handle(_ event: Session.Event) {
    switch event {
    case .connected(let packet, _):
      diagnostics.debug(
        "connected to \(endpoint), \(client.version)\(packet.sessionPresent ? ", session present" : "")")
      takeover.connected(at: driver.now)
      answers = SubscriptionAnswers()
      if plan.end == .connected { return leave(.ok) }
      if !client.awaitsAnswers { standing() }
    case .subscribed(let number, let packet):
      answers.take(packet, for: client.subscriptions(ofRequest: number), diagnostics)
      if !client.awaitsAnswers { standing() }
    case .unsubscribed(_, let packet):
      for reason in packet?.reasonCodes ?? [] where reason.isFailure {
        diagnostics.warning("the broker refused to end a subscription: \(reason)")
      }
      if !client.awaitsAnswers { standing() }
    case .pong: hasPong = quietSince != nil
    case .published:
      if let topic = removal.handle(event, diagnostics) {
        isSinkDone = false
        sink.removed(topic)
      }
    case .tolerated(let tolerance): diagnostics.warning("\(tolerance)")
    default: break
    }
    sink.handle(event)
  }

  /// The broker has answered all requests: that ends an outage, for some accept and then cut off who subscribes.
  private mutating func standing() {
    guard case .running = phase else { return }
    outageReport.connected(to: endpoint, diagnostics)
    if let status = answers.judge(isStrict: plan.isStrict, diagnostics) { return leave(status) }
    quietSince = driver.now
    if !answers.names.isEmpty {
      diagnostics.notice("connected to \(endpoint), \(client.version), subscribed to \(answers.names)")
    }
    if !wasReady { ready() }
    switch plan.end {
    case .subscribed: complete(.ok)
    case .retainedEnd: client.ping(at: driver.now)
    case .none, .connected: break
    }
  }

  /// The subscriptions stand for the first time.
  private mutating func ready() {
    wasReady = true
    if compatibility.readsEnvironment { notifyServiceManager() }
    guard let command = plan.readyCommand else { return }
    do throws(SystemError) {
      readyCommand = try ReadyCommand(command, at: driver.now)
    } catch {
      readyCommandFailed(.notStarted(error))
    }
  }

  private mutating func readyCommandFailed(_ failure: HelperError) {
    diagnostics.error("--on-ready: the command \(failure.explanation)")
    leave(.helper)
  }

  private mutating func outage(_ error: ConnectionError) {
    let sign = takeover.ended(error, at: driver.now)
    quietSince = nil
    hasPong = false
    guard let sign else { return outageReport.failed(error, to: diagnostics) }
    if plan.takeover == .exit {
      diagnostics.error(sign.explanation(identifier: connection.connect.clientIdentifier))
      // Only the broker's word is worth the status that says it.
      return leave(sign == .told ? .reasonCode(ReasonCode.sessionTakenOver.rawValue) : .connectionLost)
    }
    client.holdOff(until: driver.now + Self.takeoverPause)
    outageReport.failed(
      sign.explanation(identifier: connection.connect.clientIdentifier),
      ", in \(Self.takeoverPause.components.seconds) s", to: diagnostics)
  }

  // MARK: - Time

  /// When nothing having come ends the run.
  private var quietDeadline: Instant? {
    guard case .running = phase, let quietSince, !isSinkFull else { return nil }
    if case .retainedEnd = plan.end {
      return hasPong ? quietSince + (plan.idleTime ?? SubscribePlan.retainedPatience) : nil
    }
    return plan.idleTime.map { quietSince + $0 }
  }

  private var deadline: Instant? {
    if case .leaving(_, let until) = phase { return until }
    var deadline = limit
    func consider(_ instant: Instant?) {
      if let instant { deadline = min(instant, deadline ?? instant) }
    }
    consider(sink.deadline)
    consider(quietDeadline)
    consider(readyCommand?.deadline)
    if case .completing(_, let until) = phase { consider(until) }
    return deadline
  }

  private mutating func deadlineReached() -> ExitStatus? {
    let now = driver.now
    switch phase {
    case .leaving(let status, let until): return now >= until ? status : nil
    case .completing(let status, let until?) where now >= until:
      leave(status)
      return nil
    default: break
    }
    if let limit, now >= limit {
      let stage = client.stage == .connected ? "" : " while \(client.stage)"
      diagnostics.error("timed out after \(connection.timeout.map { "\($0)" } ?? "")\(stage)")
      isInterrupted = true
      if case .over = phase { return .timedOut }
      leave(.timedOut, compatibility.interruptionReason)
      return nil
    }
    if let deadline = readyCommand?.deadline, now >= deadline { lookAtReadyCommand() }
    if let quietDeadline, now >= quietDeadline { quiet() }
    work()
    return nil
  }

  private mutating func lookAtReadyCommand() {
    do throws(HelperError) {
      if try readyCommand?.hasEnded(at: driver.now) == true { readyCommand = nil }
    } catch {
      readyCommand = nil
      readyCommandFailed(error)
    }
  }

  /// Nothing has come for as long as was asked for.
  private mutating func quiet() {
    if case .retainedEnd(let needsMessage, _) = plan.end {
      if needsMessage, received == 0 { diagnostics.error("the broker keeps no value for \(answers.names)") }
      return complete(needsMessage && received == 0 ? .nothingThere : .ok)
    }
    if plan.count == nil, plan.finalTests.isEmpty { return complete(.ok) }
    let time = plan.idleTime.map { "\($0)" } ?? ""
    let wanted = plan.count.map { "\(received) of \($0) messages" } ?? "no message that passes --until"
    diagnostics.error("nothing came for \(time): \(wanted)")
    leave(.timedOut)
  }

  // MARK: - The end

  /// A signal came.
  private mutating func stop() {
    isInterrupted = true
    if case .over(let status) = phase {
      phase = .leaving(status, until: driver.now)
      return
    }
    let patience = sink.stop()
    if patience > .zero, case .running = phase {
      phase = .completing(.ok, until: driver.now + patience)
      work()
    } else {
      leave(.ok, compatibility.interruptionReason)
    }
  }

  /// Nothing more is wanted.
  private mutating func complete(_ status: ExitStatus) {
    guard case .running = phase else { return }
    phase = .completing(status, until: nil)
  }

  /// The sink has done its part; what it acknowledged is under way.
  private mutating func finish(_ status: ExitStatus, _ until: Instant?) {
    if client.deliveriesUnreleased == 0 {
      leave(removal.status ?? status)
    } else if until == nil {
      phase = .completing(status, until: driver.now + Self.leavePatience)
    }
  }

  private mutating func leave(_ status: ExitStatus, _ reason: ReasonCode = .normalDisconnection) {
    switch phase {
    case .leaving: return
    case .over: phase = .leaving(status, until: driver.now)
    case .running, .completing:
      phase = .leaving(status, until: driver.now + Self.leavePatience)
      client.disconnect(reason, properties: connection.disconnectProperties, at: driver.now)
    }
  }

  /// The connection is lost for good.
  private mutating func lost(_ error: ConnectionError) -> ExitStatus? {
    switch phase {
    case .leaving(let status, _): return status
    case .completing(let status, _) where removal.isDone: phase = .over(removal.status ?? status)
    case .running, .completing:
      let sign = takeover.ended(error, at: driver.now)
      let identifier = connection.connect.clientIdentifier
      diagnostics.error(sign == .told ? TakeoverWatch.Sign.told.explanation(identifier: identifier) : "\(error)")
      phase = .over(compatibility.status(of: error))
    case .over: return nil
    }
    // Nothing that is begun now could be acknowledged.
    _ = sink.stop()
    return nil
  }
}
