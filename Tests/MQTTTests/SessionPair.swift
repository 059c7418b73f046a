import MQTT
import TestSupport
import Testing

/// A session and the broker at its other end: the test plays the broker in wire notation, and time passes only when told.
///
/// It proves what leaves and what is told, byte by byte; not that a broker would have answered like this.
final class SessionPair {
  /// What the session told, with everything borrowed copied.
  enum Seen: Equatable {
    case connected(republished: Int)
    case refused(ReasonCode, returnCode: UInt8?)
    case message(String, String, QoS)
    case published(Int, ReasonCode)
    case dropped(ReasonCode)
    case received(Int)
    case released
    case subscribed(Int, [ReasonCode])
    case unsubscribed(Int, [ReasonCode]?)
    case authentication(ReasonCode)
    case pong
    case disconnected(ReasonCode)
    case tolerated(Tolerance)
    case failed(ReasonCode)
    case silent
  }

  var session: Session
  /// The session's clock.
  private(set) var now = Instant(nanoseconds: 1_000_000_000_000)
  /// What came with received messages, in their order.
  private(set) var deliveries: [Delivery] = []
  /// The last broken rule in words, for failures that need explaining.
  private(set) var explanation = ""

  var version: ProtocolVersion { session.settings.version }
  // `#expect` cannot ask a session, which is not copyable.
  var canPublish: Bool { session.canPublish }
  var isConnected: Bool { session.isConnected }
  var isDisconnecting: Bool { session.isDisconnecting }

  init(_ version: ProtocolVersion, keepAlive: UInt16 = 0, _ configure: (inout SessionSettings) -> Void = { _ in }) {
    var settings = SessionSettings(
      connect: ConnectPacket(protocolVersion: version, clientIdentifier: "c", keepAlive: keepAlive), version: version)
    settings.maximumInflight = 65_535  // 3.x would begin with fewer
    configure(&settings)
    session = Session(settings)
  }

  // MARK: The network

  /// Opens a network connection and has it accepted; `properties` are CONNACK's. CONNECT is not looked at.
  func connect(
    sessionPresent: Bool = false, properties: String = "", republished: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try session.connectionOpened(at: now)
    #expect(output().first == 0x10, "CONNECT", sourceLocation: sourceLocation)
    accept(sessionPresent: sessionPresent, properties: properties)
    #expect(nextEvent() == .connected(republished: republished), sourceLocation: sourceLocation)
  }

  /// Sends a CONNACK that accepts.
  func accept(sessionPresent: Bool = false, properties: String = "") {
    let flags = sessionPresent ? "01" : "00"
    send(WireNotation(version.hasProperties ? "20 r* \(flags) 00 [ \(properties) ]" : "20 r2 \(flags) 00"))
  }

  /// The broker sends.
  func send(_ notation: WireNotation, sourceLocation: SourceLocation = #_sourceLocation) {
    send(TestSupport.wire(notation, sourceLocation: sourceLocation))
  }

  func send(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { session.receive($0, at: now) }
  }

  /// Everything that wants to leave, which the network takes.
  func output() -> [UInt8] {
    session.fillOutput()
    let bytes = session.withOutput { Array($0) }
    if !bytes.isEmpty { session.outputTaken(bytes.count, at: now) }
    return bytes
  }

  /// Everything that wants to leave is this, packets with `|` between them.
  func expectSent(_ notation: WireNotation, sourceLocation: SourceLocation = #_sourceLocation) {
    let (sent, expected) = (output(), TestSupport.wire(notation, sourceLocation: sourceLocation))
    guard sent != expected else { return }
    Issue.record(
      "sent     \(WireNotation.describe(sent))\nexpected \(WireNotation.describe(expected))",
      sourceLocation: sourceLocation)
  }

  func expectNothingSent(sourceLocation: SourceLocation = #_sourceLocation) {
    expectSent("", sourceLocation: sourceLocation)
  }

  /// The network connection breaks.
  func close() { session.connectionClosed() }

  // MARK: Time

  /// Lets time pass; what becomes due meanwhile is done in time.
  func advance(by duration: Duration) {
    let end = now + duration
    var count = 0
    while let deadline = session.nextDeadline, deadline <= end {
      now = max(now, deadline)
      session.deadlineReached(at: now)
      count += 1
      if count == 10_000 { return #expect(Bool(false), "a deadline that does not go away") }
    }
    now = end
  }

  // MARK: The application

  @discardableResult
  func publish(
    _ topic: String, _ payload: String, _ qos: QoS, retain: Bool = false,
    properties: Properties = Properties()
  ) throws -> Int? {
    try Array(topic.utf8).withUnsafeBytes { topic in
      try Array(payload.utf8).withUnsafeBytes { payload in
        try session.publish(
          topic: topic, payload: payload, qos: qos, retain: retain, properties: properties, at: now)
      }
    }
  }

  @discardableResult
  func publish(_ qos: QoS, retain: Bool = false, properties: Properties = Properties()) throws -> Int? {
    try publish("t", "p", qos, retain: retain, properties: properties)
  }

  func subscribe(_ filters: String..., qos: QoS = .atMostOnce) throws -> Int {
    let subscriptions = try filters.map {
      Subscription(filter: try TopicFilter($0), options: SubscriptionOptions(qos: qos))
    }
    return try session.subscribe(subscriptions, at: now)
  }

  func unsubscribe(_ filters: String...) throws -> Int {
    try session.unsubscribe(filters.map { try TopicFilter($0) }, at: now)
  }

  /// All that happened since the last call.
  func events() -> [Seen] {
    var events: [Seen] = []
    while let event = nextEvent() { events.append(event) }
    return events
  }

  func nextEvent() -> Seen? {
    guard let event = session.nextEvent(at: now) else { return nil }
    switch event {
    case .connected(_, let republished): return .connected(republished: republished)
    case .refused(let packet): return .refused(packet.reasonCode, returnCode: packet.returnCode)
    case .message(let message, let delivery):
      if let delivery { deliveries.append(delivery) }
      return .message(
        String(decoding: message.topic, as: UTF8.self), String(decoding: message.payload, as: UTF8.self), message.qos)
    case .published(let number, let reasonCode, _): return .published(number, reasonCode)
    case .dropped(let error): return .dropped(error.reasonCode)
    case .received(let number): return .received(number)
    case .released: return .released
    case .subscribed(let number, let packet): return .subscribed(number, packet.reasonCodes)
    case .unsubscribed(let number, let packet): return .unsubscribed(number, packet?.reasonCodes)
    case .authentication(let packet): return .authentication(packet.reasonCode)
    case .pong: return .pong
    case .disconnected(let packet): return .disconnected(packet.reasonCode)
    case .tolerated(let tolerance): return .tolerated(tolerance)
    case .failed(let error):
      explanation = error.explanation
      return .failed(error.reasonCode)
    case .silent: return .silent
    }
  }
}

extension ProtocolVersion {
  /// An empty property list where the version has one.
  var noProperties: String { hasProperties ? "[]" : "" }
}

/// The reason code that `body` throws.
func reasonCode(of body: () throws -> Void) -> ReasonCode? {
  do {
    try body()
    return nil
  } catch {
    return (error as? ProtocolError)?.reasonCode
  }
}

extension SeededGenerator {
  /// A number from 0 up to, but not including, `limit`.
  mutating func next(_ limit: Int) -> Int { Int(next(upperBound: UInt(limit))) }
}
