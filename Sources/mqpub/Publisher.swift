internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Publishes what the plan says over one connection, waits for the acknowledgements, and finds the exit status that is true.
struct Publisher: ~Copyable {
  /// Where the messages come from.
  enum Input {
    /// One message, known before the connection is made.
    case message([UInt8])
    /// A message for each line of a descriptor.
    case lines(Int32)
  }

  private let plan: PublishPlan
  private let connection: ConnectionPlan
  private let compatibility: Compatibility
  private let input: Input
  private let endpoint: Endpoint
  private let diagnostics: Diagnostics
  private let signals: Signals
  private let client: Client
  private var driver = Driver()
  private var lines: InputLines?
  private var isMessagePublished = false
  private var tally = Tally()
  private var isLeaving = false
  /// The signal that ends the run, and when it ends at the latest.
  private var ending: (signal: Signal, deadline: Instant)?
  /// Outages are told once when they begin and once when they end.
  private var isOutageTold = false

  /// After a signal: how long acknowledgements are waited for.
  private static let acknowledgementPatience: Duration = .seconds(2)
  /// After a signal with nothing left to wait for: how long taking leave may take.
  private static let leavePatience: Duration = .milliseconds(700)

  init(
    _ plan: PublishPlan, input: Input, over connection: ConnectionPlan, as compatibility: Compatibility,
    diagnostics: Diagnostics, signals: consuming Signals
  ) {
    self.plan = plan
    self.input = input
    self.connection = connection
    self.compatibility = compatibility
    self.diagnostics = diagnostics
    self.signals = signals
    let settings: ClientSettings
    if case .lines(let descriptor) = input {
      lines = InputLines(descriptor: descriptor)
      // Exactly once needs a session that outlives a connection; at QoS 1 what was not acknowledged is published again anyhow.
      settings = connection.client(
        retryLimit: .foreverAfterFirstConnection, lifetime: plan.qos == .exactlyOnce ? .process : .networkConnection)
    } else {
      settings = connection.client(retryLimit: .retries(0), lifetime: .networkConnection)
    }
    endpoint = settings.endpoint
    client = Client(settings)
  }

  /// Publishes everything; ends the process itself when a signal is to do that.
  mutating func run() -> ExitStatus {
    let limit = connection.timeout.map { Instant.now + $0 }
    client.trace(to: diagnostics)
    driver.watch(signals.descriptor, .readable)
    driver.add(client)
    while true {
      switch driver.next(until: earliest(limit, ending?.deadline)) {
      case .client(_, .session(let event)): handle(event)
      case .client(_, .outage(let error, let delay)): outage(error, retryIn: delay)
      case .client(_, .failed(let error)): return failed(error)
      case .client(_, .closed): return left()
      case .ready(let descriptor, _):
        if descriptor == signals.descriptor {
          signalled()
        } else {
          readLines()
        }
      case .idle: publish()
      case .deadline:
        if let ending, driver.now >= ending.deadline { return stopped() }
        return timedOut()
      }
    }
  }

  // MARK: - Publishing

  private mutating func publish() {
    guard client.isConnected, !isLeaving else { return }
    if ending != nil {
      if client.publishesInFlight == 0 { leave() }
      return
    }
    switch input {
    case .message(let payload):
      if !isMessagePublished {
        isMessagePublished = true
        payload.withUnsafeBytes { publish($0) }
      }
    case .lines: publishLines()
    }
    let isInputDone = lines?.isExhausted ?? isMessagePublished
    if isInputDone, client.publishesInFlight == 0 { leave() }
  }

  private mutating func leave() {
    isLeaving = true
    client.disconnect(properties: connection.disconnectProperties, at: driver.now)
  }

  private mutating func publishLines() {
    guard var lines = lines.take() else { return }
    let client = client
    let isDry = lines.forEachLine(while: { client.canPublish }, { publish($0) })
    // Input is read when the broker takes more, and only then.
    driver.watch(lines.descriptor, isDry && !lines.isAtEnd ? .readable : nil)
    self.lines = consume lines
  }

  private mutating func readLines() {
    switch lines?.read() {
    case .failed(let number):
      diagnostics.error("standard input: \(String(cString: strerror(number)))")
      tally.count(.usage)
      leave()
    case .end, .more, nil: break
    }
  }

  private mutating func publish(_ payload: UnsafeRawBufferPointer) {
    for topic in plan.topics {
      do throws(ProtocolError) {
        _ = try topic.utf8.withBytes { (topic) throws(ProtocolError) in
          try client.publish(
            topic: topic, payload: payload, qos: plan.qos, retain: plan.retain, properties: plan.properties,
            at: driver.now)
        }
        tally.handedOver += 1
      } catch {
        refused(ExitStatus(error), error.explanation)
      }
    }
  }

  // MARK: - What happened

  private mutating func handle(_ event: Session.Event) {
    switch event {
    case .connected(let packet, let republished):
      if isOutageTold { diagnostics.warning("connected again to \(endpoint)") }
      isOutageTold = false
      diagnostics.notice(
        "connected to \(endpoint), \(client.version)\(packet.sessionPresent ? ", session present" : "")")
      if republished > 0 {
        tally.republished += republished
        diagnostics.warning("the broker had forgotten the session: \(republished) messages are published again")
      }
    case .published(_, let reason, let text):
      if reason.isFailure {
        refused(.reasonCode(reason.rawValue), "the broker refused: \(reason)" + (text.map { ": \($0)" } ?? ""))
      }
    case .tolerated(let tolerance): diagnostics.warning("\(tolerance)")
    default: break
    }
  }

  private mutating func refused(_ status: ExitStatus, _ explanation: String) {
    // A thousand lines refused for one reason are one line here, and a number at the end.
    if tally.count(status) {
      let place = plan.topics.count == 1 ? "topic '\(plan.topics[0])': " : ""
      diagnostics.error(place + explanation)
    }
  }

  private mutating func outage(_ error: ConnectionError, retryIn delay: Duration) {
    if isOutageTold {
      diagnostics.debug("\(error)")
    } else {
      isOutageTold = true
      diagnostics.warning("\(error); trying again")
    }
  }

  private mutating func signalled() {
    guard let signal = signals.next(), ending == nil else { return }
    driver.watch(lines?.descriptor ?? -1, nil)
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
    diagnostics.error("\(error)")
    return finish(compatibility.status(of: error))
  }

  private mutating func timedOut() -> ExitStatus {
    diagnostics.error("the time limit of \(connection.timeout.map { "\($0)" } ?? "") ran out")
    return finish(.timedOut)
  }

  /// A signal ends the run: with work undone that is a failure, else it is the signal's own doing.
  private mutating func stopped() -> ExitStatus {
    tally.unpublished = lines?.remainingCount ?? (isMessagePublished ? 0 : 1)
    if client.publishesInFlight > 0 || client.unsentCount > 0 || tally.unpublished > 0 {
      return finish(.connectionLost)
    }
    if let signal = ending?.signal { Signals.die(of: signal) }
    return .connectionLost
  }

  private mutating func finish(_ status: ExitStatus) -> ExitStatus {
    let unacknowledged = client.publishesInFlight + tally.unpublished
    if unacknowledged > 0 { diagnostics.error("\(unacknowledged) messages were not acknowledged") }
    if tally.failed > 1 { diagnostics.error("\(tally.failed) messages were not published") }
    if tally.republished > 0 {
      diagnostics.warning("\(tally.republished) messages were published again and may have come twice")
    }
    return status == .ok ? tally.status : status
  }
}

/// What became of the messages.
private struct Tally {
  var handedOver = 0
  var republished = 0
  /// Messages that were read and not handed over.
  var unpublished = 0
  private(set) var failed = 0
  private var statuses: [ExitStatus] = []

  /// Counts a message that was not published; true when it is the first with this status.
  @discardableResult
  mutating func count(_ status: ExitStatus) -> Bool {
    failed += 1
    if statuses.contains(status) { return false }
    statuses.append(status)
    return true
  }

  /// All that failed, failed for one reason: that one. For several reasons: partly.
  var status: ExitStatus {
    statuses.count > 1 ? .partly : statuses.first ?? .ok
  }
}

private func earliest(_ one: Instant?, _ other: Instant?) -> Instant? {
  guard let one, let other else { return one ?? other }
  return min(one, other)
}
