/// How an operation came out (2.4). A value that the specification does not know is a reason code too.
public struct ReasonCode: RawRepresentable, Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  /// The byte on the wire.
  public var rawValue: UInt8

  /// The reason code of a byte, known or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  private init(_ rawValue: UInt8) { self.rawValue = rawValue }

  /// 0x80 and above: the operation failed.
  public var isFailure: Bool { rawValue >= 0x80 }

  /// A refusal or a DISCONNECT for this reason may be over when one tries again.
  public var isTransient: Bool {
    switch self {
    case .unspecifiedError, .implementationSpecificError, .serverUnavailable, .serverBusy, .serverShuttingDown,
      .keepAliveTimeout, .messageRateTooHigh, .quotaExceeded, .administrativeAction, .connectionRateExceeded,
      .maximumConnectTime:
      true
    default: false
    }
  }
}

// MARK: Table 2-6

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension ReasonCode {
  public static let success = Self(0x00)
  public static let normalDisconnection = Self(0x00)
  public static let grantedQoS0 = Self(0x00)
  public static let grantedQoS1 = Self(0x01)
  public static let grantedQoS2 = Self(0x02)
  public static let disconnectWithWillMessage = Self(0x04)
  public static let noMatchingSubscribers = Self(0x10)
  public static let noSubscriptionExisted = Self(0x11)
  public static let continueAuthentication = Self(0x18)
  public static let reauthenticate = Self(0x19)
  public static let unspecifiedError = Self(0x80)
  public static let malformedPacket = Self(0x81)
  public static let protocolError = Self(0x82)
  public static let implementationSpecificError = Self(0x83)
  public static let unsupportedProtocolVersion = Self(0x84)
  public static let clientIdentifierNotValid = Self(0x85)
  public static let badUserNameOrPassword = Self(0x86)
  public static let notAuthorized = Self(0x87)
  public static let serverUnavailable = Self(0x88)
  public static let serverBusy = Self(0x89)
  public static let banned = Self(0x8A)
  public static let serverShuttingDown = Self(0x8B)
  public static let badAuthenticationMethod = Self(0x8C)
  public static let keepAliveTimeout = Self(0x8D)
  public static let sessionTakenOver = Self(0x8E)
  public static let topicFilterInvalid = Self(0x8F)
  public static let topicNameInvalid = Self(0x90)
  public static let packetIdentifierInUse = Self(0x91)
  public static let packetIdentifierNotFound = Self(0x92)
  public static let receiveMaximumExceeded = Self(0x93)
  public static let topicAliasInvalid = Self(0x94)
  public static let packetTooLarge = Self(0x95)
  public static let messageRateTooHigh = Self(0x96)
  public static let quotaExceeded = Self(0x97)
  public static let administrativeAction = Self(0x98)
  public static let payloadFormatInvalid = Self(0x99)
  public static let retainNotSupported = Self(0x9A)
  public static let qosNotSupported = Self(0x9B)
  public static let useAnotherServer = Self(0x9C)
  public static let serverMoved = Self(0x9D)
  public static let sharedSubscriptionsNotSupported = Self(0x9E)
  public static let connectionRateExceeded = Self(0x9F)
  public static let maximumConnectTime = Self(0xA0)
  public static let subscriptionIdentifiersNotSupported = Self(0xA1)
  public static let wildcardSubscriptionsNotSupported = Self(0xA2)
}

extension ReasonCode {
  /// The reason in words, as in `not authorized`.
  public var description: String {
    switch self {
    case .success: "success"
    case .grantedQoS1: "granted QoS 1"
    case .grantedQoS2: "granted QoS 2"
    case .disconnectWithWillMessage: "disconnect with will message"
    case .noMatchingSubscribers: "no matching subscribers"
    case .noSubscriptionExisted: "no subscription existed"
    case .continueAuthentication: "continue authentication"
    case .reauthenticate: "re-authenticate"
    case .unspecifiedError: "unspecified error"
    case .malformedPacket: "malformed packet"
    case .protocolError: "protocol error"
    case .implementationSpecificError: "implementation specific error"
    case .unsupportedProtocolVersion: "unsupported protocol version"
    case .clientIdentifierNotValid: "client identifier not valid"
    case .badUserNameOrPassword: "bad user name or password"
    case .notAuthorized: "not authorized"
    case .serverUnavailable: "server unavailable"
    case .serverBusy: "server busy"
    case .banned: "banned"
    case .serverShuttingDown: "server shutting down"
    case .badAuthenticationMethod: "bad authentication method"
    case .keepAliveTimeout: "keep alive timeout"
    case .sessionTakenOver: "session taken over"
    case .topicFilterInvalid: "topic filter invalid"
    case .topicNameInvalid: "topic name invalid"
    case .packetIdentifierInUse: "packet identifier in use"
    case .packetIdentifierNotFound: "packet identifier not found"
    case .receiveMaximumExceeded: "receive maximum exceeded"
    case .topicAliasInvalid: "topic alias invalid"
    case .packetTooLarge: "packet too large"
    case .messageRateTooHigh: "message rate too high"
    case .quotaExceeded: "quota exceeded"
    case .administrativeAction: "administrative action"
    case .payloadFormatInvalid: "payload format invalid"
    case .retainNotSupported: "retain not supported"
    case .qosNotSupported: "QoS not supported"
    case .useAnotherServer: "use another server"
    case .serverMoved: "server moved"
    case .sharedSubscriptionsNotSupported: "shared subscriptions not supported"
    case .connectionRateExceeded: "connection rate exceeded"
    case .maximumConnectTime: "maximum connect time"
    case .subscriptionIdentifiersNotSupported: "subscription identifiers not supported"
    case .wildcardSubscriptionsNotSupported: "wildcard subscriptions not supported"
    default: "reason code 0x" + (rawValue < 0x10 ? "0" : "") + String(rawValue, radix: 16, uppercase: true)
    }
  }
}
