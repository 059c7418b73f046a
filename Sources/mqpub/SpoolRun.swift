internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// A run of mqpub with a spool: stores what was given, then delivers what waits, as far as the broker is there.
struct SpoolRun {
  private let settings: PubSettings
  private let path: [UInt8]
  private let invocation: Invocation
  private var connection: ConnectionPlan
  private let diagnostics: Diagnostics
  private var storedCount = 0
  /// Targets of the source's present message that are stored.
  private var targetsDone = 0

  init(_ settings: PubSettings, path: [UInt8], _ invocation: Invocation) throws(UsageError) {
    self.settings = settings
    self.path = path
    self.invocation = invocation
    connection = try settings.connection.plan(invocation.compatibility, forLatestVersion: nil)
    diagnostics = settings.connection.diagnostics(invocation.compatibility)
  }

  mutating func run() throws(UsageError) -> ExitStatus {
    if settings.spool.isStatusOnly { return status() }
    let limit = connection.timeout.map { Instant.now + $0 }
    let messages = try settings.spool.isFlushOnly ? nil : messages(until: limit)
    do throws(SpoolError) {
      let spool = try Spool(path, of: owner, creating: !settings.spool.isFlushOnly)
      spool.limits = settings.spool.limits
      if settings.spool.retriesBad { _ = try spool.retryBad() }
      for warning in spool.takeWarnings() { diagnostics.warning(warning) }
      guard let messages else { return deliver(spool, until: limit) }
      do throws(SpoolError) {
        try store(messages, in: spool)
      } catch {
        // A spool that an outage has filled is emptied first, if the broker is back.
        guard case .full = error, deliver(spool, until: limit) == .ok else { throw error }
        try store(messages, in: spool)
      }
      return deliver(spool, until: limit)
    } catch {
      return failed(error)
    }
  }

  private var client: ClientSettings {
    connection.client(retryLimit: .retries(0), lifetime: .persistent)
  }

  private var owner: SpoolOwner {
    SpoolOwner(broker: Array("\(client.endpoint)".utf8), user: connection.connect.userName?.utf8)
  }

  // MARK: - Storing

  private struct Messages {
    var plan: PublishPlan
    var source: any MessageSource
    var templates: MessageTemplates?
  }

  private func messages(until limit: Instant?) throws(UsageError) -> Messages {
    var publish = settings.publish
    try publish.beStored()
    let plan = try publish.plan(settings.connection, invocation.compatibility)
    if case .recording = plan.payload { throw UsageError("--spool: cannot stand together with --replay") }
    if plan.repetition != .once { throw UsageError("--spool: cannot stand together with --repeat and --every") }
    try connection.checkInput(for: plan.payload)
    let (source, templates) = try PubSettings.source(of: plan, until: limit)
    return Messages(plan: plan, source: source, templates: templates)
  }

  /// Stores every message of the source; throws when one cannot be stored.
  private mutating func store(_ messages: Messages, in spool: Spool) throws(SpoolError) {
    let source = messages.source
    var droppedCount = 0
    var failure: SpoolError?
    while !source.isExhausted, failure == nil {
      source.handOver(at: .now, isDelivered: { true }) { item in
        do throws(SpoolError) {
          switch item {
          case .fragment: break
          case .fault(let line, let explanation):
            throw .notSendable(.malformed("line \(line): \(explanation)"))
          case .message(let message):
            for target in try targets(of: message, messages)[targetsDone...] {
              let receipt = try spool.enqueue(
                stored(message, to: target, messages), replacing: settings.spool.replacesOlder, at: .wallClock)
              targetsDone += 1
              storedCount += 1
              droppedCount += receipt.dropped
            }
            targetsDone = 0
          }
        } catch {
          failure = error
        }
        return failure == nil
      }
      if source.wantsToRead, !source.isExhausted {
        do throws(SystemError) { try source.read() } catch { failure = .system(error, place: "standard input") }
      }
    }
    if droppedCount > 0 { diagnostics.warning("\(droppedCount) of the oldest messages were dropped to make room") }
    if let failure { throw failure }
  }

  private struct Target {
    var topic: TopicName
    var payload: [UInt8]
  }

  /// Where a message goes, and with which payload.
  private func targets(of message: OutgoingMessage, _ messages: Messages) throws(SpoolError) -> [Target] {
    do throws(ProtocolError) {
      if let topic = message.topic {
        return [Target(topic: try TopicName(utf8: topic), payload: Array(message.payload))]
      }
      if messages.plan.topics.isEmpty {
        throw .topicNameInvalid("line \(message.line ?? 0): no topic, neither there nor with -t")
      }
      guard let templates = messages.templates else {
        return messages.plan.topics.map { Target(topic: $0, payload: Array(message.payload)) }
      }
      templates.next()
      return try messages.plan.topics.indices.map { (index) throws(ProtocolError) in
        var filled: (topic: [UInt8], payload: [UInt8]) = ([], [])
        templates.withMessage(topic: index, payload: message.payload) { filled = (Array($0), Array($1)) }
        return Target(topic: try TopicName(utf8: filled.topic), payload: filled.payload)
      }
    } catch {
      throw .notSendable(error)
    }
  }

  /// A message with QoS 0 of its own is stored with QoS 1: what is stored is delivered until it was acknowledged.
  private func stored(_ message: OutgoingMessage, to target: Target, _ messages: Messages) -> Message {
    Message(
      topic: target.topic, payload: target.payload, qos: max(message.qos ?? messages.plan.qos, .atLeastOnce),
      retain: message.retain ?? messages.plan.retain, properties: message.properties ?? messages.plan.properties)
  }

  // MARK: - Delivering

  private mutating func deliver(_ spool: Spool, until limit: Instant?) -> ExitStatus {
    do throws(UsageError) {
      try connection.readPassword(invocation, diagnostics)
    } catch {
      // What is stored is safe: a password that is missing for the moment is like a broker that is.
      if storedCount > 0 {
        tellOutage(spool, error.message)
        return .spooled
      }
      diagnostics.error(error.message)
      return .usage
    }
    do throws(SystemError) {
      let signals = try Signals()
      var delivery = SpoolDelivery(
        spool, policy: settings.spool.sessionLoss, over: client, disconnectProperties: connection.disconnectProperties,
        until: limit, diagnostics: diagnostics)
      let end = delivery.run(signals: signals)
      if delivery.quarantinedCount > 0 {
        diagnostics.error(
          "\(delivery.quarantinedCount) messages were refused for good and put aside in the spool's folder bad")
      }
      switch end {
      case .delivered:
        tellEndOfOutage(spool, deliveredCount: delivery.deliveredCount)
        return delivery.quarantinedCount > 0 ? .quarantined : .ok
      case .busy:
        diagnostics.notice((storedCount > 0 ? "stored; " : "") + "another run is delivering")
        return .spooled
      case .postponed(let reason):
        tellOutage(spool, reason)
        return .spooled
      case .stopped(let signal):
        if (try? spool.hasWaiting) ?? true { return .spooled }
        Signals.die(of: signal)
      case .failed(let error): return failed(error)
      }
    } catch {
      diagnostics.error("\(error.call): \(error.explanation)")
      return .internalError
    }
  }

  /// An outage is told by the first run that meets it: a job that runs every minute must not mail every minute. The exit status
  /// tells it each time.
  private func tellOutage(_ spool: Spool, _ reason: String) {
    let isFirst = (try? spool.beginOutage(at: .wallClock)) ?? true
    let line = "stored, and not delivered yet: \(reason); the next run tries again"
    if isFirst { diagnostics.warning(line) } else { diagnostics.notice(line) }
  }

  private func tellEndOfOutage(_ spool: Spool, deliveredCount: Int) {
    guard let since = (try? spool.endOutage()) ?? nil, deliveredCount > 0 else { return }
    let seconds = (Instant.wallClock - since).components.seconds
    diagnostics.warning("delivered \(deliveredCount) stored messages, after \(seconds) s without the broker")
  }

  private func failed(_ error: SpoolError) -> ExitStatus {
    diagnostics.error("\(error)")
    return ExitStatus(error)
  }

  // MARK: - Status

  private func status() -> ExitStatus {
    var output = OutputBuffer(descriptor: 1)
    do throws(SpoolError) {
      let status = try Spool(path, of: nil, creating: false).status()
      if settings.spool.isJSON {
        status.appendJSON(at: .wallClock, to: &output)
      } else {
        status.appendText(at: .wallClock, to: &output)
      }
    } catch {
      return failed(error)
    }
    do throws(OutputError) {
      try output.flush()
    } catch {
      guard case .system(let error) = error else { return .ok }
      diagnostics.error("standard output: \(error.explanation)")
      return .output
    }
    return .ok
  }
}
