internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Delivers what waits in a spool: one connection, one window of publishes at a time, each step on the disk before the broker sees
/// it. `SpoolDrain` decides, this carries out.
struct SpoolDelivery: ~Copyable {
  /// How a delivery ended.
  enum End {
    /// Nothing waits any more, but for what was put aside.
    case delivered
    /// The broker was not reached, was lost, or does not take messages now; what is left waits.
    case postponed(String)
    /// Another run is delivering.
    case busy
    /// A signal came.
    case stopped(Signal)
    /// The spool itself failed.
    case failed(SpoolError)
  }

  private let spool: Spool
  private let policy: SessionLossPolicy
  private let settings: ClientSettings
  private let diagnostics: Diagnostics
  private let disconnectProperties: Properties
  private let limit: Instant?
  private(set) var deliveredCount = 0
  private(set) var quarantinedCount = 0

  /// - Parameter settings: the client for the broker; identifier and session are the spool's.
  init(
    _ spool: Spool, policy: SessionLossPolicy, over settings: ClientSettings, disconnectProperties: Properties,
    until limit: Instant?, diagnostics: Diagnostics
  ) {
    self.spool = spool
    self.policy = policy
    self.limit = limit
    self.diagnostics = diagnostics
    self.disconnectProperties = disconnectProperties
    var settings = settings
    settings.session.lifetime = .persistent
    if let identifier = spool.clientIdentifier, let text = try? Text(identifier) {
      settings.session.connect.clientIdentifier = text
    }
    settings.session.connect.properties[.sessionExpiryInterval] = Spool.sessionExpiry
    self.settings = settings
  }

  /// Delivers until nothing waits or nothing goes.
  mutating func run(signals: borrowing Signals) -> End {
    do throws(SpoolError) {
      // A run that stored its message while we were finishing has left it to us.
      repeat {
        guard let drain = try spool.drain(onSessionLoss: policy) else { return .busy }
        guard try spool.hasWaiting else { return .delivered }
        if let end = try deliver(drain, signals: signals) { return end }
      } while try spool.hasWaiting
      return .delivered
    } catch {
      return .failed(error)
    }
  }

  /// Delivers over one client; nil when all was delivered.
  private mutating func deliver(_ drain: consuming SpoolDrain, signals: borrowing Signals) throws(SpoolError) -> End? {
    var drain = drain
    defer {
      deliveredCount += drain.deliveredCount
      quarantinedCount += drain.quarantinedCount
      tell(drain)
    }
    var settings = settings
    settings.session.startsClean = drain.startsClean
    let client = Client(settings)
    client.leavesPublishesToCaller()
    client.trace(to: diagnostics)
    var driver = Driver()
    driver.watch(signals.descriptor, .readable)
    driver.add(client)
    var end: End?
    var isLeaving = false
    while true {
      switch driver.next(until: limit) {
      case .client(_, .session(.connected(let packet, _))):
        diagnostics.notice("connected to \(settings.endpoint), \(client.version)")
        try drain.connected(sessionPresent: packet.sessionPresent)
      case .client(_, .session(let event)): try drain.handle(event)
      case .client(_, .outage(let error, _)):
        if error.mayBeForMessage { try drain.connectionEnded() }
        diagnostics.debug("\(error)")
      case .client(_, .failed(let error)):
        if isLeaving { return end }
        if error.mayBeForMessage { try drain.connectionEnded() }
        _ = try drain.finish(at: .wallClock)
        return .postponed("\(error)")
      case .client(_, .closed): return end
      case .ready:
        if let signal = signals.next() {
          end = .stopped(signal)
          isLeaving = true
          client.disconnect(at: driver.now)
        }
      case .deadline:
        _ = try drain.finish(at: .wallClock)
        return .postponed("the time limit ran out")
      case .idle:
        if client.isConnected, !isLeaving, let leave = try advance(&drain, client, at: driver.now) {
          isLeaving = true
          end = leave.end
          client.disconnect(properties: leave.properties, at: driver.now)
        }
      }
    }
  }

  /// Does all that can be done now; how to leave, when there is nothing more to do.
  private func advance(
    _ drain: inout SpoolDrain, _ client: Client, at now: Instant
  ) throws(SpoolError) -> (end: End?, properties: Properties)? {
    while true {
      switch try drain.next(canPublish: client.canPublish, at: .wallClock) {
      case .publish(let stored, let isDuplicate):
        let message = stored.message
        do throws(ProtocolError) {
          try client.publish(message, numbered: stored.sequence, isDuplicate: isDuplicate, at: now)
        } catch {
          diagnostics.error("a message to '\(message.topic)' cannot be delivered: \(error.explanation)")
          try drain.refused(stored.sequence, error)
        }
      case .resumeRelease(let sequence): client.resumeRelease(sequence)
      case .release(let sequence): client.release(sequence)
      case .ping: client.ping(at: now)
      case .wait: return nil
      case .done:
        var properties = disconnectProperties
        // The broker need not keep a session in which nothing is open.
        if try drain.finish(at: .wallClock), client.version.hasProperties { properties[.sessionExpiryInterval] = 0 }
        return (nil, properties)
      case .backOff(let reason):
        _ = try drain.finish(at: .wallClock)
        return (.postponed("the broker takes no message now: \(reason)"), disconnectProperties)
      }
    }
  }

  private func tell(_ drain: borrowing SpoolDrain) {
    for warning in spool.takeWarnings() { diagnostics.warning(warning) }
    if drain.expiredCount > 0 { diagnostics.warning("\(drain.expiredCount) messages had expired and were dropped") }
    if drain.possiblyDuplicatedCount > 0 {
      diagnostics.warning(
        "the broker had forgotten the session: \(drain.possiblyDuplicatedCount) messages were published again and may have come twice"
      )
    }
  }
}

extension Instant {
  /// Nanoseconds since the beginning of 1970, for what other runs read.
  static var wallClock: Instant {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }
}

extension ConnectionError {
  /// Whether a broker that does not like a message could have ended the connection so.
  fileprivate var mayBeForMessage: Bool {
    switch self {
    case .closed(.connected), .system("recv", _, _), .system("send", _, _): true
    case .disconnected(let packet):
      switch packet.reasonCode {
      case .unspecifiedError, .malformedPacket, .protocolError, .implementationSpecificError, .notAuthorized,
        .topicNameInvalid, .packetTooLarge, .payloadFormatInvalid, .retainNotSupported, .qosNotSupported:
        true
      default: false
      }
    default: false
    }
  }
}
