/// What a broker did against the specification, and we live with: it is worth a warning, and in strict mode the end.
public enum Tolerance: Hashable, Sendable, CustomStringConvertible {
  /// A CONNACK in the form of MQTT 3.x answered an MQTT 5 CONNECT: the broker speaks 3.x.
  case version3Connack
  /// A reason code that the specification does not have for this packet: below 0x80 success, else failure.
  case unknownReasonCode
  /// PUBLISH has a property of a will or of CONNECT, which is left out.
  case misplacedProperty
  /// On 3.x the topic name of a PUBLISH contains `+`.
  case wildcardInTopicName
  /// On 3.x a remaining length takes more bytes than it needs.
  case lengthNotMinimal
  /// PUBACK answered a QoS 2 publish, where PUBREC was due: taken as its end.
  case pubackForExactlyOnce
  /// More QoS 1 and 2 messages came than our receive maximum allows.
  case receiveMaximumExceeded
  /// UNSUBSCRIBE was not answered.
  case missingUnsuback

  /// In words, for a warning.
  public var description: String {
    switch self {
    case .version3Connack: "CONNACK has the form of MQTT 3.x"
    case .unknownReasonCode: "an acknowledgement has a reason code that it may not have"
    case .misplacedProperty: "PUBLISH has a property that belongs to a will or to CONNECT"
    case .wildcardInTopicName: "a received topic name contains +"
    case .lengthNotMinimal: "a remaining length takes more bytes than it needs"
    case .pubackForExactlyOnce: "PUBACK answered a QoS 2 publish"
    case .receiveMaximumExceeded: "more messages came unacknowledged than the receive maximum allows"
    case .missingUnsuback: "UNSUBSCRIBE was not answered"
    }
  }

  /// What strict mode closes with.
  var error: ProtocolError {
    switch self {
    case .lengthNotMinimal: .malformed(description)
    case .wildcardInTopicName: .topicNameInvalid(description)
    case .receiveMaximumExceeded: .receiveMaximumExceeded(description)
    default: .protocolError(description)
    }
  }
}
