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
  private var received = 0
  private var outageReport = OutageReport()
  private var phase = Phase.running

  private enum Phase {
    case running
    /// Nothing more is wanted: the sink finishes, then the last acknowledgements are under way.
    case completing(ExitStatus, until: Instant?)
    /// DISCONNECT is under way.
    case leaving(ExitStatus, until: Instant)
    /// There is no connection any more, and the sink finishes.
    case over(ExitStatus)
  }

  /// How long the last QoS 2 handshakes and taking leave may take.
  private static let leavePatience: Duration = .milliseconds(900)

  init(
    _ plan: SubscribePlan, to sink: any MessageSink, over connection: ConnectionPlan, as compatibility: Compatibility,
    diagnostics: Diagnostics, signals: consuming Signals
  ) {
    self.plan = plan
    self.sink = sink
    self.connection = connection
    self.compatibility = compatibility
    self.diagnostics = diagnostics
    self.signals = signals
    limit = connection.timeout.map { Instant.now + $0 }
    let settings = connection.client(retryLimit: .foreverAfterFirstConnection, lifetime: .networkConnection)
    endpoint = settings.endpoint
    client = Client(settings)
  }

  mutating func run() -> ExitStatus {
    client.trace(to: diagnostics)
    driver.watch(signals.descriptor, .readable)
    sink.start(&driver)
    let status = subscribe() ?? loop()
    sink.end(&driver)
    return status
  }

  private mutating func loop() -> ExitStatus {
    driver.add(client)
    while true {
      switch driver.next(until: deadline) {
      case .client(_, .session(.message(let message, let delivery))): take(message, delivery)
      case .client(_, .session(let event)): handle(event)
      case .client(_, .outage(let error, _)): outageReport.failed(error, to: diagnostics)
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
      if !plan.subscriptions.isEmpty {
        try client.subscribe(plan.subscriptions, properties: plan.subscribeProperties, at: driver.now)
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
    guard isWanted(message) else {
      if let delivery { client.acknowledge(delivery) }
      return
    }
    isSinkDone = false
    sink.take(message, delivery)
    received += 1
    if received == plan.count { complete(.ok) }
  }

  private func isWanted(_ message: MessageView) -> Bool {
    if message.retain, plan.hidesRetained { return false }
    return !plan.filtersOut.contains { $0.matches(message.topic) }
  }

  /// Whether the sink has dealt with all that it took.
  private var isSinkDone = true

  private mutating func work() {
    if case .leaving = phase { return }
    switch sink.work(client, &driver) {
    case .done:
      isSinkDone = true
      client.resumeReading(at: driver.now)
      if case .completing(let status, let until) = phase { finish(status, until) }
    case .busy: client.resumeReading(at: driver.now)
    case .full: client.pauseReading()
    case .over(let status):
      isSinkDone = true
      leave(status)
    }
  }

  // MARK: - What happened

  private mutating func handle(_ event: Session.Event) {
    switch event {
    case .connected(let packet, _):
      outageReport.connected(to: endpoint, diagnostics)
      diagnostics.debug(
        "connected to \(endpoint), \(client.version)\(packet.sessionPresent ? ", session present" : "")")
    case .subscribed(_, let packet): subscribed(packet)
    case .tolerated(let tolerance): diagnostics.warning("\(tolerance)")
    default: break
    }
    sink.handle(event)
  }

  private mutating func subscribed(_ packet: SubackPacket) {
    let refused = zip(plan.subscriptions, packet.reasonCodes).filter { $0.1.isFailure }
    for (subscription, reason) in refused {
      let text = packet.properties[.reasonString].map { ": \($0)" } ?? ""
      let line = "the broker refused the subscription to '\(subscription.filter)': \(reason)" + text
      if refused.count == plan.subscriptions.count { diagnostics.error(line) } else { diagnostics.warning(line) }
    }
    if let first = refused.first, refused.count == plan.subscriptions.count {
      leave(.reasonCode(first.1.rawValue))
      return
    }
    let names = plan.subscriptions.map { "'\($0.filter)'" }.joined(separator: ", ")
    diagnostics.notice("connected to \(endpoint), \(client.version), subscribed to \(names)")
  }

  // MARK: - The end

  private var deadline: Instant? {
    var deadline = sink.deadline
    func consider(_ instant: Instant?) {
      if let instant { deadline = min(instant, deadline ?? instant) }
    }
    switch phase {
    case .running, .over: consider(limit)
    case .completing(_, let until):
      consider(limit)
      consider(until)
    case .leaving(_, let until): deadline = until
    }
    return deadline
  }

  private mutating func deadlineReached() -> ExitStatus? {
    if case .leaving(let status, let until) = phase { return driver.now >= until ? status : nil }
    if case .completing(let status, let until?) = phase, driver.now >= until {
      leave(status)
    } else if let limit, driver.now >= limit {
      let stage = client.stage == .connected ? "" : " while \(client.stage)"
      diagnostics.error("timed out after \(connection.timeout.map { "\($0)" } ?? "")\(stage)")
      if case .over = phase { return .timedOut }
      leave(.timedOut)
    } else {
      work()
    }
    return nil
  }

  /// A signal came.
  private mutating func stop() {
    if case .over(let status) = phase {
      phase = .leaving(status, until: driver.now)
      return
    }
    let patience = sink.stop()
    if patience > .zero, case .running = phase {
      phase = .completing(.ok, until: driver.now + patience)
      work()
    } else {
      leave(.ok)
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
      leave(status)
    } else if until == nil {
      phase = .completing(status, until: driver.now + Self.leavePatience)
    }
  }

  private mutating func leave(_ status: ExitStatus) {
    switch phase {
    case .leaving: return
    case .over: phase = .leaving(status, until: driver.now)
    case .running, .completing:
      phase = .leaving(status, until: driver.now + Self.leavePatience)
      client.disconnect(properties: connection.disconnectProperties, at: driver.now)
    }
  }

  /// The connection is lost for good.
  private mutating func lost(_ error: ConnectionError) -> ExitStatus? {
    switch phase {
    case .leaving(let status, _): return status
    case .completing(let status, _): phase = .over(status)
    case .running:
      diagnostics.error("\(error)")
      phase = .over(compatibility.status(of: error))
    case .over: return nil
    }
    // Nothing that is begun now could be acknowledged.
    _ = sink.stop()
    return nil
  }
}
