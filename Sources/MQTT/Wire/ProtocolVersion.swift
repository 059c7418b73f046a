/// A version of MQTT; the raw value is the protocol version of CONNECT's variable header (3.1.2.2).
///
/// Code asks it for a feature, never for its number.
public enum ProtocolVersion: UInt8, CaseIterable, Sendable, CustomStringConvertible {
  /// MQTT 3.1
  case v31 = 3
  /// MQTT 3.1.1
  case v311 = 4
  /// MQTT 5.0
  case v5 = 5

  /// The version that has everything. Property lists exist only there.
  public static var latest: Self { .v5 }

  /// How the version is called in texts.
  public var description: String {
    switch self {
    case .v31: "MQTT 3.1"
    case .v311: "MQTT 3.1.1"
    case .v5: "MQTT 5"
    }
  }

  /// The protocol name in CONNECT (3.1.2.1).
  public var protocolName: Text {
    switch self {
    case .v31: "MQIsdp"
    case .v311, .v5: "MQTT"
    }
  }

  /// Packets carry properties (2.2.2).
  public var hasProperties: Bool { self == .v5 }

  /// Acknowledgements, UNSUBACK and DISCONNECT carry reason codes (2.4), and CONNACK's is not a 3.x return code.
  public var hasReasonCodes: Bool { self == .v5 }

  /// The AUTH packet exists (3.15).
  public var hasAuthentication: Bool { self == .v5 }

  /// The server may send DISCONNECT (3.14).
  public var hasServerDisconnect: Bool { self == .v5 }

  /// SUBSCRIBE carries no local, retain as published and retain handling besides the QoS (3.8.3.1).
  public var hasSubscriptionOptions: Bool { self == .v5 }

  /// CONNACK says whether the server kept the session (3.2.2.1.1).
  public var hasSessionPresent: Bool { self != .v31 }

  /// CONNECT may have a password without a user name (3.1.2.9).
  public var hasPasswordAlone: Bool { self == .v5 }

  /// The server makes up an identifier for a client that sends an empty one (3.1.3.1).
  public var hasEmptyClientIdentifier: Bool { self != .v31 }

  /// A client with an empty identifier may ask for a session that is kept: the server tells it which one it got.
  public var hasAssignedClientIdentifier: Bool { self == .v5 }

  /// PUBREL, SUBSCRIBE and UNSUBSCRIBE are marked as duplicates when they are sent again (MQTT 3.1, 2.1).
  var hasDuplicateFlagBeyondPublish: Bool { self == .v31 }

  /// A variable byte integer must take as few bytes as it can [MQTT-1.5.5-1].
  var requiresMinimalLengths: Bool { self == .v5 }

  /// A received topic name may hold `+`: brokers on MQTT 3.x that are not MQTT inside let it through.
  var toleratesPlusInTopicName: Bool { self != .v5 }
}
