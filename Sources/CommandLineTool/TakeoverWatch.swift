public import MQTT
public import MQTTClient

/// Recognizes that another client uses our client identifier: by the reason code of MQTT 5, and where the broker does not send
/// it, by connections that it closes soon after they were made, several within a short time, while no attempt to connect fails.
///
/// A connection that is reset says nothing: a broker that throws a client out may leave bytes of it unread, but networks break
/// connections that way, too.
public struct TakeoverWatch: Sendable {
  /// How it was recognized.
  public enum Sign: Sendable {
    /// The broker said so.
    case told
    /// It looks like it.
    case pattern

    /// What happened and what to do, for the client with this identifier.
    public func explanation(identifier: Text) -> String {
      let advice = "give each client an identifier of its own (-i, or -I for a prefix)"
      return switch self {
      case .told:
        "session taken over: another client connected with the client identifier '\(identifier)'; \(advice)"
      case .pattern:
        "the broker closed three connections soon after they were made: most probably another client uses the client "
          + "identifier '\(identifier)'; \(advice)"
      }
    }
  }

  /// Whether the identifier is one that another client may have.
  private let identifierWasChosen: Bool
  private var connectedSince: Instant?
  /// When short connections were closed.
  private var closes: [Instant] = []

  /// How long a connection lasts at most that may have been closed for that: as long as a rival waits before it connects again.
  private static let shortTime: Duration = .seconds(5)
  private static let patternLength = 3
  private static let patternTime: Duration = .seconds(20)

  /// A watch over the connections of one client.
  public init(identifierWasChosen: Bool) { self.identifierWasChosen = identifierWasChosen }

  /// The broker accepted.
  public mutating func connected(at now: Instant) { connectedSince = now }

  /// A connection was lost, or an attempt failed.
  public mutating func ended(_ error: ConnectionError, at now: Instant) -> Sign? {
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
