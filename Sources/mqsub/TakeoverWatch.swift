internal import MQTT
internal import MQTTClient

/// Recognizes that another client uses our client identifier: by the reason code of MQTT 5, and where the broker does not send
/// it, by connections that it closes soon after they were made, several within a short time, while no attempt to connect fails.
///
/// A connection that is reset says nothing: a broker that throws a client out may leave bytes of it unread, but networks break
/// connections that way, too.
struct TakeoverWatch {
  /// How it was recognized.
  enum Sign { case told, pattern }

  /// Whether the identifier is one that another client may have.
  private let identifierWasChosen: Bool
  private var connectedSince: Instant?
  /// When short connections were closed.
  private var closes: [Instant] = []

  /// How long a connection lasts at most that may have been closed for that: as long as a rival waits before it connects again.
  private static let shortTime: Duration = .seconds(5)
  private static let patternLength = 3
  private static let patternTime: Duration = .seconds(20)

  init(identifierWasChosen: Bool) { self.identifierWasChosen = identifierWasChosen }

  /// The broker accepted.
  mutating func connected(at now: Instant) { connectedSince = now }

  /// A connection was lost, or an attempt failed.
  mutating func ended(_ error: ConnectionError, at now: Instant) -> Sign? {
    if case .disconnected(let packet) = error, packet.reasonCode == .sessionTakenOver { return .told }
    guard identifierWasChosen else { return nil }
    let since = connectedSince
    connectedSince = nil
    guard let since, now - since <= Self.shortTime else {
      closes = []
      return nil
    }
    guard case .closed(.connected) = error else { return nil }
    closes.append(now)
    closes.removeAll { now - $0 > Self.patternTime }
    guard closes.count == Self.patternLength else { return nil }
    closes = []
    return .pattern
  }
}
