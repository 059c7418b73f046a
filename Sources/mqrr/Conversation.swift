internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What a conversation is for: asking, pinging or answering. Nothing in it waits.
protocol Role: AnyObject {
  /// The broker accepted; also after an outage. The moment to subscribe, the first time.
  func connected(_ packet: ConnackPacket)
  /// The broker accepted the subscription.
  func subscribed()
  /// A message; its bytes are good until this returns.
  func take(_ message: MessageView, _ delivery: Delivery?)
  /// A publish came to its end.
  func published(_ number: Int, _ reason: ReasonCode, _ text: Text?)
  /// A descriptor that the role has the driver watch is ready.
  func ready(_ descriptor: Int32)
  /// All that has arrived was told, or `deadline` has passed: the moment to publish.
  func work()
  /// Whether it takes more messages at the moment.
  var wantsMessages: Bool { get }
  /// When to `work` though nothing has happened.
  var deadline: Instant? { get }
  /// The time limit of the run is over: says so, and says the status.
  func timedOut() -> ExitStatus
  /// A signal asks for the end.
  func interrupted(by signal: Signal)
  /// The last call, when the conversation is over for that reason: statistics are printed here.
  func end(_ ending: Ending) -> Ending
}

extension Role {
  func published(_ number: Int, _ reason: ReasonCode, _ text: Text?) {}
  func ready(_ descriptor: Int32) {}
  var wantsMessages: Bool { true }
}

/// How the process ends.
enum Ending {
  case status(ExitStatus)
  case signal(Signal)
}

/// A connection over which messages go both ways: one subscription, and publishes. It has the loop, the output and the end, and a
/// role says what to do with them.
final class Conversation {
  let client: Client
  let connection: ConnectionPlan
  let diagnostics: Diagnostics
  let endpoint: Endpoint
  var driver = Driver()
  var output = StandardOutput()
  /// Acknowledged when the output is written.
  private var unwritten: [Delivery] = []
  let compatibility: Compatibility
  private let limit: Instant?
  private let signals: Signals
  private var subscriptions: [Subscription] = []
  private var outageReport = OutageReport()
  private var phase = Phase.running

  private enum Phase {
    case running
    /// Nothing more is wanted; the last acknowledgements are under way.
    case completing(ExitStatus, until: Instant)
    /// DISCONNECT is under way.
    case leaving(Ending, until: Instant)
  }

  /// How long the last acknowledgements, and taking leave, may take.
  private static let patience: Duration = .milliseconds(900)

  init(
    over connection: ConnectionPlan, retryLimit: ReconnectPolicy.Limit, as compatibility: Compatibility,
    until limit: Instant?, diagnostics: Diagnostics, signals: consuming Signals
  ) {
    self.connection = connection
    self.compatibility = compatibility
    self.limit = limit
    self.diagnostics = diagnostics
    self.signals = signals
    let settings = connection.client(retryLimit: retryLimit, lifetime: .networkConnection)
    endpoint = settings.endpoint
    client = Client(settings)
  }

  // MARK: - What a role asks for

  /// Whether anything new is to be begun.
  var isRunning: Bool { if case .running = phase { true } else { false } }

  /// Subscribes; `Role.subscribed` follows.
  func subscribe(_ subscriptions: [Subscription], _ properties: Properties) {
    self.subscriptions = subscriptions
    do throws(ProtocolError) {
      try client.subscribe(subscriptions, properties: properties, at: driver.now)
    } catch {
      diagnostics.error(error.explanation)
      leave(.status(ExitStatus(error)))
    }
  }

  /// Subscribes to where replies come, and says where that is; nil when it cannot be, and the conversation ends.
  func awaitReplies(_ exchange: RequestPlan.Exchange, _ packet: ConnackPacket) -> TopicName? {
    guard client.version.hasProperties || exchange.responseTopic != nil || exchange.topic == nil else {
      diagnostics.error(
        "\(endpoint) speaks \(client.version), on which a request cannot say where to reply: name the topic with -e")
      leave(.status(.notSupported))
      return nil
    }
    do throws(ProtocolError) {
      var topic = exchange.responseTopic
      if topic == nil { topic = try Unique.topic(client: connection.connect.clientIdentifier, packet) }
      guard let topic else { return nil }
      let filter = try TopicFilter(utf8: topic.utf8)
      subscribe([Subscription(filter: filter, options: exchange.options)], exchange.subscribeProperties)
      return topic
    } catch {
      diagnostics.error(error.explanation)
      leave(.status(ExitStatus(error)))
      return nil
    }
  }

  /// Acknowledges the message when what is in the output now is written.
  func acknowledgeWhenWritten(_ delivery: Delivery?) {
    if let delivery { unwritten.append(delivery) }
  }

  /// Nothing more is wanted: ends when the output is written and acknowledgements have come.
  func complete(_ status: ExitStatus) {
    if isRunning { phase = .completing(status, until: driver.now + Self.patience) }
  }

  /// Ends at once, but for DISCONNECT: without it the broker would publish the will.
  func leave(_ ending: Ending) {
    if case .leaving = phase { return }
    phase = .leaving(ending, until: driver.now + Self.patience)
    client.disconnect(properties: connection.disconnectProperties, at: driver.now)
  }

  // MARK: - The loop

  /// Runs until something ends it, and finds the exit status that is true; ends the process itself when a signal is to do that.
  func run(_ role: any Role) -> ExitStatus {
    client.trace(to: diagnostics)
    driver.watch(signals.descriptor, .readable)
    output.start(&driver)
    driver.add(client)
    let ending = role.end(loop(role))
    let written = output.finish(diagnostics)
    switch ending {
    case .status(let status): return status == .ok ? written : status
    case .signal(let signal): Signals.die(of: signal)
    }
  }

  private func loop(_ role: any Role) -> Ending {
    while true {
      switch driver.next(until: deadline(role)) {
      case .client(_, .session(.message(let message, let delivery))):
        // What comes behind the last message wanted is not acknowledged: it stays with the broker.
        if isRunning { role.take(message, delivery) }
      case .client(_, .session(let event)): handle(event, role)
      case .client(_, .outage(let error, _)): outageReport.failed(error, to: diagnostics)
      case .client(_, .failed(let error)): return lost(error)
      case .client(_, .closed):
        if case .leaving(let ending, _) = phase { return ending }
        return .status(.ok)
      case .ready(let descriptor, let readiness): ready(descriptor, readiness, role)
      case .idle: work(role)
      case .deadline: if let ending = deadlineReached(role) { return ending }
      }
    }
  }

  private func handle(_ event: Session.Event, _ role: any Role) {
    switch event {
    case .connected(let packet, _):
      outageReport.connected(to: endpoint, diagnostics)
      diagnostics.debug(
        "connected to \(endpoint), \(client.version)\(packet.sessionPresent ? ", session present" : "")")
      role.connected(packet)
    case .subscribed(_, let packet): subscribed(packet, role)
    case .published(let number, let reason, let text): if isRunning { role.published(number, reason, text) }
    case .dropped(let error):
      diagnostics.error(error.explanation)
      leave(.status(ExitStatus(error)))
    case .tolerated(let tolerance): diagnostics.warning("\(tolerance)")
    default: break
    }
  }

  private func subscribed(_ packet: SubackPacket, _ role: any Role) {
    var answers = SubscriptionAnswers()
    answers.take(packet, for: subscriptions, diagnostics)
    if let status = answers.judge(isStrict: false, diagnostics) { return leave(.status(status)) }
    diagnostics.notice("connected to \(endpoint), \(client.version), subscribed to \(answers.names)")
    role.subscribed()
  }

  private func ready(_ descriptor: Int32, _ readiness: Readiness, _ role: any Role) {
    if descriptor == signals.descriptor {
      if let signal = signals.next() { role.interrupted(by: signal) }
    } else if descriptor == output.buffer.descriptor {
      output.ready(readiness)
      work(role)
    } else {
      role.ready(descriptor)
    }
  }

  // MARK: - Output

  private func work(_ role: any Role) {
    if isRunning { role.work() }
    if case .leaving = phase { return }
    switch output.write(&driver, diagnostics) {
    case .over(let status): return leave(.status(status))
    case .waiting: return client.pauseReading()
    case .written: break
    }
    if isRunning, !role.wantsMessages { client.pauseReading() } else { client.resumeReading(at: driver.now) }
    for delivery in unwritten { client.acknowledge(delivery) }
    unwritten.removeAll(keepingCapacity: true)
    if case .completing(let status, _) = phase, client.deliveriesUnreleased == 0, client.publishesInFlight == 0 {
      leave(.status(status))
    }
  }

  // MARK: - The end

  private func deadline(_ role: any Role) -> Instant? {
    switch phase {
    case .running:
      guard let limit else { return role.deadline }
      return min(limit, role.deadline ?? limit)
    case .completing(_, let until), .leaving(_, let until): return until
    }
  }

  private func deadlineReached(_ role: any Role) -> Ending? {
    switch phase {
    case .running:
      if let limit, driver.now >= limit { leave(.status(role.timedOut())) } else { work(role) }
    case .completing(let status, _): leave(.status(status))
    case .leaving(let ending, _): return ending
    }
    return nil
  }

  private func lost(_ error: ConnectionError) -> Ending {
    switch phase {
    case .leaving(let ending, _): return ending
    case .completing(let status, _): return .status(status)
    case .running:
      diagnostics.error("\(error)")
      return .status(compatibility.status(of: error))
    }
  }
}
