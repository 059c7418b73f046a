internal import MQTT
internal import MQTTClient

/// Recognizes that another client uses our client identifier: by the reason code of MQTT 5, and where the broker does not send
/// it, by connections that end soon after they were made, one after the other, while no attempt to connect fails.
struct TakeoverWatch {
  /// How it was recognized.
  enum Sign { case told, pattern }

  /// Whether the identifier is one that another client may have.
  let identifierWasChosen: Bool
  private var connectedSince: Instant?
  private var shortConnections = 0

  /// How long a connection lasts at most that may have been ended for that, and how many of them are needed.
  private static let shortTime: Duration = .seconds(5)
  private static let patternLength = 3

  init(identifierWasChosen: Bool) { self.identifierWasChosen = identifierWasChosen }

  /// The broker accepted.
  mutating func connected(at now: Instant) { connectedSince = now }

  /// A connection was lost, or an attempt failed.
  mutating func ended(_ error: ConnectionError, at now: Instant) -> Sign? {
    if case .disconnected(let packet) = error, packet.reasonCode == .sessionTakenOver { return .told }
    let since = connectedSince
    connectedSince = nil
    guard identifierWasChosen, let since, now - since <= Self.shortTime, Self.isClose(error) else {
      shortConnections = 0
      return nil
    }
    shortConnections += 1
    guard shortConnections == Self.patternLength else { return nil }
    shortConnections = 0
    return .pattern
  }

  private static func isClose(_ error: ConnectionError) -> Bool {
    switch error {
    case .closed(.connected), .system("recv", _, _), .system("send", _, _): true
    default: false
    }
  }
}
