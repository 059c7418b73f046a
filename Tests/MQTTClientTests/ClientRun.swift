import Foundation
import MQTT
import Testing

@testable import MQTTClient

/// All tests of this module, one after the other: they measure time and processor time on what may be a small machine.
@Suite(.serialized) struct MQTTClientTests {}

/// Clients and their driver in the hands of a test, which runs them until something happens. What happened is kept as lines of text.
struct ClientRun: ~Copyable {
  var driver = Driver()
  /// Everything that happened but `idle`, as `0 connected`: the index of the client, and what `text` makes of it.
  private(set) var lines: [String] = []
  private(set) var idleCount = 0
  /// Called when the driver tells `idle`.
  var whenIdle: ((Instant) -> Void)?

  struct TimedOut: Error, CustomStringConvertible { var description: String }

  init(_ clients: Client...) {
    for client in clients { driver.add(client) }
  }

  /// Runs until a line begins with `beginning`, and returns it.
  @discardableResult
  mutating func wait(for beginning: String, within limit: Duration = .seconds(5)) throws -> String {
    let deadline = Instant.now + limit
    while true {
      let occurrence = driver.next(until: deadline)
      if let line = keep(occurrence), line.hasPrefix(beginning) { return line }
      if case .deadline = occurrence {
        throw TimedOut(description: "no \"\(beginning)\" within \(limit), but: \(lines)")
      }
    }
  }

  /// Runs for so long.
  mutating func run(for time: Duration) {
    let deadline = Instant.now + time
    while true {
      let occurrence = driver.next(until: deadline)
      _ = keep(occurrence)
      if case .deadline = occurrence { return }
      if Instant.now >= deadline + .seconds(5) {
        Issue.record("the deadline was not told")
        return
      }
    }
  }

  private mutating func keep(_ occurrence: Driver.Occurrence) -> String? {
    switch occurrence {
    case .client(let index, let event): lines.append("\(index) \(text(event))")
    case .ready(let descriptor, let readiness): lines.append("ready \(descriptor) \(text(readiness))")
    case .idle:
      idleCount += 1
      whenIdle?(driver.now)
      return nil
    case .deadline: return nil
    }
    return lines.last
  }
}

private func text(_ readiness: Readiness) -> String {
  [(Readiness.readable, "readable"), (.writable, "writable"), (.hungUp, "hungUp")]
    .filter { readiness.contains($0.0) }.map(\.1).joined(separator: " ")
}

private func text(_ event: Client.Event) -> String {
  switch event {
  case .session(let event): text(event)
  case .outage(let error, _): "outage: \(error)"
  case .failed(let error): "failed: \(error)"
  case .closed: "closed"
  }
}

private func text(_ event: Session.Event) -> String {
  switch event {
  case .connected(let packet, let republished):
    "connected" + (packet.sessionPresent ? " session present" : "")
      + (republished > 0 ? " republished \(republished)" : "")
  case .refused(let packet): "refused \(packet.reasonCode.rawValue)"
  case .message(let message, _):
    "message \(String(decoding: message.topic, as: UTF8.self)) \(String(decoding: message.payload, as: UTF8.self))"
  case .published(let number, let reason, _): "published \(number) \(reason.rawValue)"
  case .dropped(let error): "dropped \(error.explanation)"
  case .received(let number): "received \(number)"
  case .released: "released"
  case .subscribed(_, let packet): "subscribed \(packet.reasonCodes.map(\.rawValue))"
  case .unsubscribed: "unsubscribed"
  case .authentication: "authentication"
  case .pong: "pong"
  case .disconnected(let packet): "disconnected \(packet.reasonCode.rawValue)"
  case .tolerated(let tolerance): "tolerated \(tolerance)"
  case .failed(let error): "protocol error \(error.explanation)"
  case .silent: "silent"
  }
}

extension Client {
  /// A client with the identifier "me" that does not connect again, unless it is said.
  convenience init(
    _ endpoint: Endpoint, as identifier: Text = "me", version: ProtocolVersion = .v5, fallback: [ProtocolVersion] = [],
    keepAlive: UInt16 = 60,
    lifetime: SessionLifetime = .networkConnection, reconnect: ReconnectPolicy = ReconnectPolicy(.retries(0)),
    connectTimeout: Duration = .seconds(10), from localAddress: String? = nil, lookUp: Resolver.LookUp? = nil,
    layers: Connection.MakeLayers? = nil
  ) {
    let connect = ConnectPacket(protocolVersion: version, clientIdentifier: identifier, keepAlive: keepAlive)
    var session = SessionSettings(connect: connect, version: version)
    session.lifetime = lifetime
    var settings = ClientSettings(endpoint: endpoint, session: session, reconnect: reconnect)
    settings.fallbackVersions = fallback
    settings.connectTimeout = connectTimeout
    settings.localAddress = localAddress
    self.init(settings, lookUp: lookUp ?? Resolver.system, layers: layers)
  }

  /// Publishes text.
  func publish(_ topic: String, _ payload: String, qos: QoS = .atMostOnce, at now: Instant = .now) throws {
    try publish(topic, Array(payload.utf8), qos: qos, at: now)
  }

  func publish(_ topic: String, _ payload: [UInt8], qos: QoS = .atMostOnce, at now: Instant = .now) throws {
    let topic = Array(topic.utf8)
    let properties = Properties()
    try topic.withUnsafeBytes { topic in
      _ = try payload.withUnsafeBytes { payload in
        try publish(topic: topic, payload: payload, qos: qos, retain: false, properties: properties, at: now)
      }
    }
  }

  func subscribe(_ filter: String, qos: QoS = .atMostOnce, at now: Instant = .now) throws {
    try subscribe([try subscription(filter, qos: qos)], at: now)
  }
}

func subscription(_ filter: String, qos: QoS = .atMostOnce) throws -> Subscription {
  Subscription(filter: try TopicFilter(filter), options: SubscriptionOptions(qos: qos))
}

extension Endpoint {
  static func local(_ port: Int) -> Endpoint { .tcp(host: "127.0.0.1", port: UInt16(port)) }
}

/// The processor time that this thread takes for `body`: what a loop that should have waited gives away.
func processorTime(of body: () throws -> Void) rethrows -> Duration {
  func used() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
  let before = used()
  try body()
  return used() - before
}

/// The time that `body` takes.
func time(of body: () throws -> Void) rethrows -> Duration {
  let before = Instant.now
  try body()
  return Instant.now - before
}
