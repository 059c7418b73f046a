internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Subscribes to what the plan says and writes what comes, until something ends it, and finds the exit status that is true.
///
/// A message is acknowledged after it was written. While the reader of the output is slow nothing is read from the broker, so
/// that messages wait where they are kept.
struct Subscriber: ~Copyable {
  private let plan: SubscribePlan
  private let connection: ConnectionPlan
  private let compatibility: Compatibility
  private let endpoint: Endpoint
  private let diagnostics: Diagnostics
  private let signals: Signals
  private let client: Client
  private var driver = Driver()
  private var output = OutputBuffer(descriptor: 1, limit: .max)
  private let isTerminal: Bool
  /// What was shown, or left out on purpose, and is acknowledged when the output is written. What came behind the last message
  /// wanted is not among them: it stays with the broker.
  private var dealtWith: [Delivery] = []
  private var received = 0
  private var outageReport = OutageReport()
  private var phase = Phase.running

  private enum Phase {
    case running
    /// The count is reached: the last acknowledgements are under way.
    case completing(until: Instant)
    case leaving(ExitStatus, until: Instant)
  }

  /// How long the last QoS 2 handshakes and taking leave may take.
  private static let leavePatience: Duration = .milliseconds(900)

  init(
    _ plan: SubscribePlan, over connection: ConnectionPlan, as compatibility: Compatibility, diagnostics: Diagnostics,
    signals: consuming Signals
  ) {
    self.plan = plan
    self.connection = connection
    self.compatibility = compatibility
    self.diagnostics = diagnostics
    self.signals = signals
    let settings = connection.client(retryLimit: .foreverAfterFirstConnection, lifetime: .networkConnection)
    endpoint = settings.endpoint
    client = Client(settings)
    isTerminal = output.isTerminal
  }

  mutating func run() -> ExitStatus {
    let limit = connection.timeout.map { Instant.now + $0 }
    client.trace(to: diagnostics)
    driver.watch(signals.descriptor, .readable)
    // Tells when the reader of the output goes away, also while nothing comes.
    driver.watch(output.descriptor, [])
    do throws(ProtocolError) {
      if !plan.subscriptions.isEmpty {
        try client.subscribe(plan.subscriptions, properties: plan.subscribeProperties, at: driver.now)
      }
      if !plan.unsubscribed.isEmpty {
        try client.unsubscribe(plan.unsubscribed, properties: plan.unsubscribeProperties, at: driver.now)
      }
    } catch {
      diagnostics.error(error.explanation)
      return ExitStatus(error)
    }
    driver.add(client)
    while true {
      switch driver.next(until: deadline(limit)) {
      case .client(_, .session(.message(let message, let delivery))): take(message, delivery)
      case .client(_, .session(let event)):
        if let status = handle(event) { return status }
      case .client(_, .outage(let error, _)): outageReport.failed(error, to: diagnostics)
      case .client(_, .failed(let error)):
        diagnostics.error("\(error)")
        return ended(compatibility.status(of: error))
      case .client(_, .closed): return ended(.ok)
      case .ready(let descriptor, let readiness):
        if descriptor == signals.descriptor {
          if signals.next() != nil { leave(.ok) }
        } else if readiness.contains(.hungUp) {
          return .ok
        } else if let status = write() {
          return status
        }
      case .idle:
        if let status = write() { return status }
      case .deadline:
        if let status = deadlineReached(limit) { return status }
      }
    }
  }

  // MARK: - Messages

  private mutating func take(_ message: MessageView, _ delivery: Delivery?) {
    guard case .running = phase else { return }
    if let delivery { dealtWith.append(delivery) }
    if message.retain, plan.hidesRetained { return }
    if plan.filtersOut.contains(where: { $0.matches(message.topic) }) { return }
    append(message)
    received += 1
    if received == plan.count { phase = .completing(until: driver.now + Self.leavePatience) }
  }

  private mutating func append(_ message: MessageView) {
    if plan.showsTopic {
      append(message.topic)
      output.append(UInt8(ascii: " "))
      if message.payload.isEmpty {
        output.append("(null)")
      } else {
        append(message.payload)
      }
    } else {
      append(message.payload)
      // An empty payload leaves no trace at all, as mosquitto_sub has it.
      if message.payload.isEmpty { return }
    }
    if plan.endsLines { output.append(UInt8(ascii: "\n")) }
  }

  private mutating func append(_ bytes: UnsafeRawBufferPointer) {
    if isTerminal {
      TerminalText.append(bytes, to: &output)
    } else {
      output.append(bytes)
    }
  }

  /// Writes what the reader takes, and acknowledges when that was all.
  private mutating func write() -> ExitStatus? {
    do throws(OutputError) {
      try output.flushWithoutWaiting()
    } catch {
      switch error {
      case .closed: return .ok
      case .system(let error):
        diagnostics.error("standard output: \(error.explanation)")
        return .output
      }
    }
    if output.count > 0 {
      client.pauseReading()
      driver.watch(output.descriptor, .writable)
      return nil
    }
    driver.watch(output.descriptor, [])
    client.resumeReading(at: driver.now)
    for delivery in dealtWith { client.acknowledge(delivery) }
    dealtWith.removeAll(keepingCapacity: true)
    if case .completing = phase, client.deliveriesUnreleased == 0 { leave(.ok) }
    return nil
  }

  // MARK: - What happened

  private mutating func handle(_ event: Session.Event) -> ExitStatus? {
    switch event {
    case .connected(let packet, _):
      outageReport.connected(to: endpoint, diagnostics)
      diagnostics.debug(
        "connected to \(endpoint), \(client.version)\(packet.sessionPresent ? ", session present" : "")")
    case .subscribed(_, let packet): return subscribed(packet)
    case .tolerated(let tolerance): diagnostics.warning("\(tolerance)")
    default: break
    }
    return nil
  }

  private mutating func subscribed(_ packet: SubackPacket) -> ExitStatus? {
    let refused = zip(plan.subscriptions, packet.reasonCodes).filter { $0.1.isFailure }
    for (subscription, reason) in refused {
      let text = packet.properties[.reasonString].map { ": \($0)" } ?? ""
      let line = "the broker refused the subscription to '\(subscription.filter)': \(reason)" + text
      if refused.count == plan.subscriptions.count { diagnostics.error(line) } else { diagnostics.warning(line) }
    }
    if let first = refused.first, refused.count == plan.subscriptions.count {
      leave(.reasonCode(first.1.rawValue))
      return nil
    }
    let names = plan.subscriptions.map { "'\($0.filter)'" }.joined(separator: ", ")
    diagnostics.notice("connected to \(endpoint), \(client.version), subscribed to \(names)")
    return nil
  }

  // MARK: - The end

  private func deadline(_ limit: Instant?) -> Instant? {
    switch phase {
    case .running: limit
    case .completing(let until), .leaving(_, let until): until
    }
  }

  private mutating func deadlineReached(_ limit: Instant?) -> ExitStatus? {
    switch phase {
    case .running:
      diagnostics.error("timed out after \(connection.timeout.map { "\($0)" } ?? "")")
      leave(.timedOut)
      return nil
    case .completing:
      leave(.ok)
      return nil
    case .leaving(let status, _): return status
    }
  }

  private mutating func leave(_ status: ExitStatus) {
    if case .leaving = phase { return }
    phase = .leaving(status, until: driver.now + Self.leavePatience)
    client.disconnect(properties: connection.disconnectProperties, at: driver.now)
  }

  private func ended(_ status: ExitStatus) -> ExitStatus {
    if case .leaving(let status, _) = phase { return status }
    return status
  }
}
