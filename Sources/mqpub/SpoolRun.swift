internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// A run of mqpub with a spool: stores what was given, then delivers what waits, as far as the broker is there.
struct SpoolRun {
  private let settings: PubSettings
  private let path: [UInt8]
  private let invocation: Invocation
  private let compatibility: Compatibility
  private var connection: ConnectionPlan
  private let diagnostics: Diagnostics

  init(_ settings: PubSettings, path: [UInt8], _ invocation: Invocation) throws(UsageError) {
    self.settings = settings
    self.path = path
    self.invocation = invocation
    compatibility = invocation.compatibility
    connection = try settings.connection.plan(invocation.compatibility, forLatestVersion: nil)
    diagnostics = settings.connection.diagnostics(invocation.compatibility)
  }

  mutating func run() throws(UsageError) -> ExitStatus {
    if settings.spool.isStatusOnly { return status() }
    let limit = connection.timeout.map { Instant.now + $0 }
    let messages = try settings.spool.isFlushOnly ? nil : source()
    let spool: Spool
    var storedCount = 0
    do throws(SpoolError) {
      spool = try Spool(path, of: owner, creating: !settings.spool.isFlushOnly)
      spool.limits = settings.spool.limits
      if settings.spool.retriesBad { _ = try spool.retryBad() }
      if let messages { storedCount = try store(messages, in: spool) }
    } catch {
      return failed(error)
    }
    do throws(UsageError) {
      try connection.readPassword(invocation, diagnostics)
    } catch {
      // What is stored is safe: a password that is missing for the moment is like a broker that is.
      tellOutage(spool, error.message)
      return .spooled
    }
    return deliver(spool, storedCount: storedCount, until: limit)
  }

  private var client: ClientSettings {
    connection.client(retryLimit: .retries(0), lifetime: .persistent)
  }

  private var owner: SpoolOwner {
    SpoolOwner(broker: Array("\(client.endpoint)".utf8), user: connection.connect.userName?.utf8)
  }

  // MARK: - Storing

  private func source() throws(UsageError) -> (plan: PublishPlan, source: any MessageSource) {
    var publish = settings.publish
    try publish.beStored()
    let plan = try publish.plan(settings.connection, compatibility)
    if plan.repetition != .once { throw UsageError("--spool: cannot stand together with --repeat and --every") }
    return (plan, try PubSettings.source(of: plan))
  }

  /// Stores every message of the source; throws when one cannot be stored.
  private func store(
    _ messages: (plan: PublishPlan, source: any MessageSource), in spool: Spool
  ) throws(SpoolError) -> Int {
    let (plan, source) = messages
    var storedCount = 0
    var droppedCount = 0
    var failure: SpoolError?
    func store(_ payload: UnsafeRawBufferPointer, to topic: TopicName) {
      guard failure == nil else { return }
      do throws(SpoolError) {
        let receipt = try spool.enqueue(
          Message(
            topic: topic, payload: Array(payload), qos: plan.qos, retain: plan.retain, properties: plan.properties),
          replacing: settings.spool.replacesOlder, at: .wallClock)
        storedCount += 1
        droppedCount += receipt.dropped
      } catch {
        failure = error
      }
    }
    while !source.isExhausted, failure == nil {
      source.handOver(at: .now, isDelivered: { true }) { item in
        switch item {
        case .fault(let line, let explanation):
          failure = .notSendable(ProtocolError(.malformedPacket, "line \(line): \(explanation)"))
        case .message(let message):
          if let topic = message.topic {
            do throws(ProtocolError) {
              store(message.payload, to: try TopicName(utf8: topic))
            } catch {
              failure = .notSendable(error)
            }
          } else {
            for topic in plan.topics { store(message.payload, to: topic) }
          }
        }
        return failure == nil
      }
      if source.wantsToRead, !source.isExhausted {
        do throws(SystemError) { try source.read() } catch { failure = .system(error, place: "standard input") }
      }
    }
    if droppedCount > 0 { diagnostics.warning("\(droppedCount) of the oldest messages were dropped to make room") }
    if let failure { throw failure }
    return storedCount
  }

  // MARK: - Delivering

  private func deliver(_ spool: Spool, storedCount: Int, until limit: Instant?) -> ExitStatus {
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
        diagnostics.notice("stored; another run is delivering")
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
