internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Publishes what a source has over one connection, waits for the acknowledgements, and finds the exit status that is true.
struct Publisher: ~Copyable {
  private let plan: PublishPlan
  private let connection: ConnectionPlan
  private let compatibility: Compatibility
  /// When the run ends at the latest.
  private let limit: Instant?
  private let source: any MessageSource
  private let templates: MessageTemplates?
  private let endpoint: Endpoint
  /// Whether the broker was asked to keep the session when a connection is lost.
  private let outlivesConnections: Bool
  private let diagnostics: Diagnostics
  private let signals: Signals
  private let client: Client
  private var driver = Driver()
  /// Topics of the plan that the source's present message went to.
  private var topicsDone = 0
  private var tally = Tally()
  /// Messages that were published again because the broker had forgotten the session.
  private var republished = 0
  /// Whether it was told that the version spoken has no properties.
  private var hasLostProperties = false
  private var isLeaving = false
  /// The signal that ends the run, and when it ends at the latest.
  private var ending: (signal: Signal, deadline: Instant)?
  /// Whether a message of QoS 0 was published on the present network connection, or the last one.
  private var hasAtMostOnce = false
  private var outageReport = OutageReport()

  /// After a signal: how long acknowledgements are waited for.
  private static let acknowledgementPatience: Duration = .seconds(2)
  /// After a signal with nothing left to wait for: how long taking leave may take.
  private static let leavePatience: Duration = .milliseconds(700)

  init(
    _ plan: PublishPlan, from source: any MessageSource, filling templates: MessageTemplates?,
    over connection: ConnectionPlan, as compatibility: Compatibility, until limit: Instant?,
    diagnostics: Diagnostics, signals: consuming Signals
  ) {
    self.plan = plan
    self.source = source
    self.templates = templates
    self.connection = connection
    self.compatibility = compatibility
    self.limit = limit
    self.diagnostics = diagnostics
    self.signals = signals
    // Exactly once needs a session that outlives a connection; at QoS 1 what was not acknowledged is published again anyhow.
    let settings = connection.client(
      retryLimit: plan.isStream ? .foreverAfterFirstConnection : .retries(0),
      lifetime: plan.hasExactlyOnce ? .process : .networkConnection)
    outlivesConnections = settings.session.lifetime != .networkConnection
    endpoint = settings.endpoint
    client = Client(settings)
  }

  /// Publishes everything; ends the process itself when a signal is to do that.
  mutating func run() -> ExitStatus {
    client.trace(to: diagnostics)
    driver.watch(signals.descriptor, .readable)
    driver.add(client)
    while true {
      switch driver.next(until: earliest(earliest(limit, ending?.deadline), awaitedTime)) {
      case .client(_, .session(let event)): handle(event)
      case .client(_, .outage(let error, let delay)): outage(error, retryIn: delay)
      case .client(_, .failed(let error)): return failed(error)
      case .client(_, .closed): return left()
      case .ready(let descriptor, _):
        if descriptor == signals.descriptor { signalled() } else { read() }
      case .idle: publish()
      case .deadline:
        if let ending, driver.now >= ending.deadline { return stopped() }
        if let limit, driver.now >= limit { return timedOut() }
        publish()
      }
    }
  }

  // MARK: - Publishing

  /// When the source has more, if it could be published then. If not, becoming able to is what is waited for.
  private var awaitedTime: Instant? {
    isLeaving || ending != nil || !client.canPublish ? nil : source.awaitedTime
  }

  private mutating func publish() {
    guard client.isConnected, !isLeaving else { return }
    if ending == nil { handOver() }
    if ending != nil || source.isExhausted, client.publishesInFlight == 0 { leave() }
  }

  private mutating func leave() {
    isLeaving = true
    client.disconnect(properties: connection.disconnectProperties, at: driver.now)
  }

  private mutating func handOver() {
    let client = client
    let source = source
    source.handOver(at: driver.now, isDelivered: { client.publishesInFlight == 0 }) { take($0) }
    watchInput()
  }

  /// Input is read when the broker takes more, and only then.
  private mutating func watchInput() {
    guard let descriptor = source.descriptor else { return }
    driver.watch(descriptor, source.wantsToRead && client.canPublish ? .readable : nil)
  }

  private mutating func read() {
    do throws(SystemError) {
      try source.read()
    } catch {
      if tally.note(.usage) { diagnostics.error("\(source.place): \(error.explanation)") }
    }
    watchInput()
  }

  /// Publishes an item of the source; false when it has to come again.
  private mutating func take(_ item: OutgoingItem) -> Bool {
    switch item {
    case .message(let message): return publish(message)
    case .fault(let line, let explanation):
      refused(.badText, explanation, line: line)
      return true
    case .fragment(let line):
      diagnostics.warning("line \(line) was cut off when it was recorded, and is left out")
      return true
    }
  }

  private mutating func publish(_ message: OutgoingMessage) -> Bool {
    if let topic = message.topic {
      guard client.canPublish else { return false }
      publish(message, to: topic)
      return true
    }
    if plan.topics.isEmpty { refused(.badText, "no topic, neither there nor with -t", line: message.line) }
    while topicsDone < plan.topics.count {
      guard client.canPublish else { return false }
      if let templates {
        publish(message, filling: templates)
      } else {
        plan.topics[topicsDone].utf8.withBytes { publish(message, to: $0) }
      }
      topicsDone += 1
    }
    topicsDone = 0
    return true
  }

  private mutating func publish(_ message: OutgoingMessage, filling templates: MessageTemplates) {
    if topicsDone == 0 { templates.next() }
    templates.withMessage(topic: topicsDone, payload: message.payload) { topic, payload in
      var message = message
      message.payload = payload
      publish(message, to: topic)
    }
  }

  private mutating func publish(_ message: OutgoingMessage, to topic: UnsafeRawBufferPointer) {
    let qos = message.qos ?? plan.qos
    if qos == .atMostOnce, plan.requiresSubscribers {
      return refused(.usage, "QoS 0 cannot tell whether somebody subscribes to it", line: message.line, topic: topic)
    }
    if message.properties != nil, !client.version.hasProperties, !hasLostProperties {
      hasLostProperties = true
      diagnostics.warning("line \(message.line ?? 0): properties are left out, for \(client.version) has none")
    }
    do throws(ProtocolError) {
      try client.publish(
        topic: topic, payload: message.payload, qos: qos, retain: message.retain ?? plan.retain,
        properties: message.properties ?? plan.properties, at: driver.now)
      if qos == .atMostOnce { hasAtMostOnce = true }
    } catch {
      refused(ExitStatus(error), error.explanation, line: message.line, topic: topic)
    }
  }

  // MARK: - What happened

  private mutating func handle(_ event: Session.Event) {
    switch event {
    case .connected(let packet, let republished):
      outageReport.connected(to: endpoint, diagnostics)
      hasAtMostOnce = client.publishesUnsent > 0
      diagnostics.notice(
        "connected to \(endpoint), \(client.version)\(packet.sessionPresent ? ", session present" : "")")
      self.republished += republished
      if republished > 0, outlivesConnections {
        diagnostics.warning("the broker had forgotten the session: \(messages(republished)) published again")
      }
    case .published(_, let reason, let text):
      if reason.isFailure {
        refused(.reasonCode(reason.rawValue), "the broker refused: \(reason)" + (text.map { ": \($0)" } ?? ""))
      } else if reason == .noMatchingSubscribers, plan.requiresSubscribers {
        refused(.nothingThere, "nobody subscribes to it")
      }
    case .dropped(let error): refused(ExitStatus(error), error.explanation)
    case .tolerated(let tolerance): diagnostics.warning("\(tolerance)")
    default: break
    }
  }

  /// Counts a message that is not published. A thousand lines refused for one reason are one line here, and a number at the end.
  private mutating func refused(
    _ status: ExitStatus, _ explanation: String, line: Int? = nil, topic: UnsafeRawBufferPointer? = nil
  ) {
    guard tally.count(status) else { return }
    var place = line.map { "line \($0): " } ?? ""
    if let topic {
      place += "topic '\(String(decoding: topic, as: UTF8.self))': "
    } else if line == nil, plan.topics.count == 1 {
      place += "topic '\(plan.topics[0])': "
    }
    diagnostics.error(place + explanation)
  }

  private mutating func outage(_ error: ConnectionError, retryIn delay: Duration) {
    watchInput()
    outageReport.failed(error, lossAtMostOnce, to: diagnostics)
  }

  /// What may have been lost with a network connection though nobody can know it: nothing is sent back for QoS 0.
  private var lossAtMostOnce: String {
    guard hasAtMostOnce, !outageReport.isOpen else { return "" }
    let beginning = "; messages of QoS 0 on their way may be lost"
    guard let count = client.unacknowledgedCount, count > 0 else { return beginning + ", how many is not known" }
    return beginning + ": \(count) bytes had not reached the broker's machine, what it had not read is not known"
  }

  private mutating func signalled() {
    guard let signal = signals.next(), ending == nil else { return }
    if let descriptor = source.descriptor { driver.watch(descriptor, nil) }
    if client.publishesInFlight > 0, client.isConnected {
      ending = (signal, driver.now + Self.acknowledgementPatience)
    } else {
      ending = (signal, driver.now + Self.leavePatience)
      leave()
    }
  }

  // MARK: - The end

  /// The connection was closed as we wished.
  private mutating func left() -> ExitStatus {
    if ending != nil { return stopped() }
    return finish(.ok)
  }

  private mutating func failed(_ error: ConnectionError) -> ExitStatus {
    if ending != nil { return stopped() }
    return finish(compatibility.status(of: error), "\(error)\(refusal(in: error))\(lossAtMostOnce)")
  }

  /// Before MQTT 5 a broker has no other way to refuse a message than to close the connection.
  private func refusal(in error: ConnectionError) -> String {
    guard case .closed(.connected) = error, client.publishesInFlight > 0, !client.version.hasServerDisconnect else {
      return ""
    }
    return ", which on \(client.version) may mean that it refuses the topic, QoS or size"
  }

  private mutating func timedOut() -> ExitStatus {
    let stage = client.isConnected ? "" : " while \(client.stage)"
    return finish(.timedOut, "the time limit of \(connection.timeout.map { "\($0)" } ?? "") ran out\(stage)")
  }

  /// A signal ends the run: with work undone that is a failure, else it is the signal's own doing.
  private mutating func stopped() -> ExitStatus {
    if client.publishesInFlight > 0 || client.publishesUnsent > 0 || source.remainingCount > 0 {
      return finish(.connectionLost)
    }
    if let signal = ending?.signal { Signals.die(of: signal) }
    return .connectionLost
  }

  /// Says in one line why the run ends, if it is not as it should, and what is left undone.
  private mutating func finish(_ status: ExitStatus, _ cause: String? = nil) -> ExitStatus {
    var line = cause.map { [$0] } ?? []
    if client.publishesInFlight > 0 { line.append("\(messages(client.publishesInFlight)) not acknowledged") }
    let unsent = client.publishesUnsent + (plan.isStream ? source.remainingCount : 0)
    if unsent > 0 { line.append("\(messages(unsent)) not sent any more") }
    if tally.failed > 1 { line.append("\(messages(tally.failed)) not published") }
    if !line.isEmpty { diagnostics.error(line.joined(separator: "; ")) }
    if republished > 0 {
      diagnostics.warning("\(messages(republished)) published again and may have come twice")
    }
    return status == .ok ? tally.status : status
  }
}

/// "1 message was", "2 messages were".
private func messages(_ count: Int) -> String { count == 1 ? "1 message was" : "\(count) messages were" }

private func earliest(_ one: Instant?, _ other: Instant?) -> Instant? {
  guard let one, let other else { return one ?? other }
  return min(one, other)
}
