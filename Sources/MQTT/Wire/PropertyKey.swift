/// Where a property may stand: in which packets, or in the will's list within CONNECT.
public struct PropertyContext: OptionSet, Hashable, Sendable {
  /// A bit for each place.
  public let rawValue: UInt16

  /// A set of places.
  public init(rawValue: UInt16) { self.rawValue = rawValue }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyContext {
  public static let connect = Self(rawValue: 1 << 0)
  public static let connack = Self(rawValue: 1 << 1)
  public static let publish = Self(rawValue: 1 << 2)
  public static let puback = Self(rawValue: 1 << 3)
  public static let pubrec = Self(rawValue: 1 << 4)
  public static let pubrel = Self(rawValue: 1 << 5)
  public static let pubcomp = Self(rawValue: 1 << 6)
  public static let subscribe = Self(rawValue: 1 << 7)
  public static let suback = Self(rawValue: 1 << 8)
  public static let unsubscribe = Self(rawValue: 1 << 9)
  public static let unsuback = Self(rawValue: 1 << 10)
  public static let disconnect = Self(rawValue: 1 << 11)
  public static let auth = Self(rawValue: 1 << 12)
  public static let will = Self(rawValue: 1 << 13)

  /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK.
  static let acknowledgements: Self = [.puback, .pubrec, .pubrel, .pubcomp, .suback, .unsuback]
  static let everywhere = Self(rawValue: (1 << 14) - 1)
}

/// How a property's value is written (2.2.2.2).
public enum PropertyType: Hashable, Sendable {
  /// One byte.
  case byte
  /// Two bytes.
  case twoByteInteger
  /// Four bytes.
  case fourByteInteger
  /// One to four bytes.
  case variableByteInteger
  /// Two bytes of length and UTF-8.
  case text
  /// Two bytes of length and bytes.
  case binary
  /// Two texts.
  case userProperty
}

/// What the specification says about a property; all 27 are in `all`.
public struct PropertyDescription: Sendable {
  /// The property identifier: the byte before the value.
  public let identifier: UInt8
  /// How its value is written.
  public let type: PropertyType
  /// Where it may stand.
  public let contexts: PropertyContext
  /// The numbers that its value may be; a value that is no number counts as 0.
  let range: ClosedRange<UInt32>
  private let literal: StaticString

  /// The specification's name in lower case with hyphens, as in `receive-maximum`.
  public var name: String { literal.description }

  fileprivate init(
    _ identifier: UInt8, _ literal: StaticString, _ type: PropertyType, in contexts: PropertyContext,
    range: ClosedRange<UInt32>
  ) {
    self.identifier = identifier
    self.literal = literal
    self.type = type
    self.contexts = contexts
    self.range = range
  }
}

/// A property as the key to its value: `properties[.receiveMaximum]`. The declarations below are the one place where
/// the 27 properties are described.
public struct PropertyKey<Value: PropertyRepresentable>: Sendable {
  /// The property, apart from its type in Swift.
  public let property: PropertyDescription

  fileprivate init(
    _ identifier: UInt8, _ name: StaticString, in contexts: PropertyContext,
    range: ClosedRange<UInt32> = Value.propertyRange
  ) {
    property = PropertyDescription(identifier, name, Value.propertyType, in: contexts, range: range)
  }
}

// MARK: Table 2-4

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<Bool> {
  public static var requestProblemInformation: Self { .init(0x17, "request-problem-information", in: .connect) }
  public static var requestResponseInformation: Self { .init(0x19, "request-response-information", in: .connect) }
  public static var retainAvailable: Self { .init(0x25, "retain-available", in: .connack) }
  public static var wildcardSubscriptionAvailable: Self { .init(0x28, "wildcard-subscription-available", in: .connack) }
  public static var subscriptionIdentifierAvailable: Self {
    .init(0x29, "subscription-identifier-available", in: .connack)
  }
  public static var sharedSubscriptionAvailable: Self { .init(0x2A, "shared-subscription-available", in: .connack) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<UInt8> {
  /// 0: unspecified bytes, 1: UTF-8.
  public static var payloadFormatIndicator: Self {
    .init(0x01, "payload-format-indicator", in: [.publish, .will], range: 0...1)
  }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<QoS> {
  public static var maximumQoS: Self { .init(0x24, "maximum-qos", in: .connack, range: 0...1) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<UInt16> {
  /// Seconds.
  public static var serverKeepAlive: Self { .init(0x13, "server-keep-alive", in: .connack) }
  public static var receiveMaximum: Self {
    .init(0x21, "receive-maximum", in: [.connect, .connack], range: 1...0xFFFF)
  }
  public static var topicAliasMaximum: Self { .init(0x22, "topic-alias-maximum", in: [.connect, .connack]) }
  public static var topicAlias: Self { .init(0x23, "topic-alias", in: .publish, range: 1...0xFFFF) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<UInt32> {
  /// Seconds.
  public static var messageExpiryInterval: Self { .init(0x02, "message-expiry-interval", in: [.publish, .will]) }
  /// Seconds; 0xFFFF_FFFF never expires.
  public static var sessionExpiryInterval: Self {
    .init(0x11, "session-expiry-interval", in: [.connect, .connack, .disconnect])
  }
  /// Seconds.
  public static var willDelayInterval: Self { .init(0x18, "will-delay-interval", in: .will) }
  /// Bytes.
  public static var maximumPacketSize: Self {
    .init(0x27, "maximum-packet-size", in: [.connect, .connack], range: 1...0xFFFF_FFFF)
  }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<Int> {
  /// The only property besides the user property that may come more than once, in a PUBLISH from the server.
  public static var subscriptionIdentifier: Self { .init(0x0B, "subscription-identifier", in: [.publish, .subscribe]) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<Text> {
  public static var contentType: Self { .init(0x03, "content-type", in: [.publish, .will]) }
  public static var responseTopic: Self { .init(0x08, "response-topic", in: [.publish, .will]) }
  public static var assignedClientIdentifier: Self { .init(0x12, "assigned-client-identifier", in: .connack) }
  public static var authenticationMethod: Self {
    .init(0x15, "authentication-method", in: [.connect, .connack, .auth])
  }
  public static var responseInformation: Self { .init(0x1A, "response-information", in: .connack) }
  public static var serverReference: Self { .init(0x1C, "server-reference", in: [.connack, .disconnect]) }
  public static var reasonString: Self {
    .init(0x1F, "reason-string", in: [.connack, .disconnect, .auth, .acknowledgements])
  }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<[UInt8]> {
  public static var correlationData: Self { .init(0x09, "correlation-data", in: [.publish, .will]) }
  public static var authenticationData: Self { .init(0x16, "authentication-data", in: [.connect, .connack, .auth]) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension PropertyKey<UserProperty> {
  public static var userProperty: Self { .init(0x26, "user-property", in: .everywhere) }
}

extension PropertyDescription {
  /// The 27 properties, by identifier.
  public static let all: [PropertyDescription] = (0...0xFF).compactMap(withIdentifier)

  /// The property of an identifier on the wire. (A switch over constants: a table would be made at its first use, and
  /// each use would ask whether it has been made.)
  static func withIdentifier(_ identifier: UInt8) -> PropertyDescription? {
    switch identifier {
    case 0x01: of(.payloadFormatIndicator)
    case 0x02: of(.messageExpiryInterval)
    case 0x03: of(.contentType)
    case 0x08: of(.responseTopic)
    case 0x09: of(.correlationData)
    case 0x0B: of(.subscriptionIdentifier)
    case 0x11: of(.sessionExpiryInterval)
    case 0x12: of(.assignedClientIdentifier)
    case 0x13: of(.serverKeepAlive)
    case 0x15: of(.authenticationMethod)
    case 0x16: of(.authenticationData)
    case 0x17: of(.requestProblemInformation)
    case 0x18: of(.willDelayInterval)
    case 0x19: of(.requestResponseInformation)
    case 0x1A: of(.responseInformation)
    case 0x1C: of(.serverReference)
    case 0x1F: of(.reasonString)
    case 0x21: of(.receiveMaximum)
    case 0x22: of(.topicAliasMaximum)
    case 0x23: of(.topicAlias)
    case 0x24: of(.maximumQoS)
    case 0x25: of(.retainAvailable)
    case 0x26: of(.userProperty)
    case 0x27: of(.maximumPacketSize)
    case 0x28: of(.wildcardSubscriptionAvailable)
    case 0x29: of(.subscriptionIdentifierAvailable)
    case 0x2A: of(.sharedSubscriptionAvailable)
    default: nil
    }
  }

  @inline(__always)
  private static func of<Value>(_ key: PropertyKey<Value>) -> PropertyDescription { key.property }
}
