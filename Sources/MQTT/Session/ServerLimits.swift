/// What the broker said in CONNACK that it can do (section 3.2.2.3); where it said nothing, and on 3.x, the specification's defaults.
public struct ServerLimits: Hashable, Sendable {
  /// QoS 1 and 2 publishes that may be unacknowledged at a time; 65,535 unless told otherwise.
  public var receiveMaximum: Int = 65_535
  /// The highest QoS that a publish may have.
  public var maximumQoS: QoS = .exactlyOnce
  /// Whether retained messages are kept.
  public var retainAvailable = true
  /// Bytes of the largest packet that the broker takes; 268,435,460 is the largest that MQTT can express.
  public var maximumPacketSize: Int = 268_435_460
  /// Highest topic alias that we may use; 0 means none.
  public var topicAliasMaximum: Int = 0
  /// Whether filters with `+` and `#` are taken.
  public var wildcardSubscriptionAvailable = true
  /// Whether SUBSCRIBE may carry a subscription identifier.
  public var subscriptionIdentifiersAvailable = true
  /// Whether filters that begin with `$share/` are taken.
  public var sharedSubscriptionAvailable = true

  /// The specification's defaults, which also hold before CONNACK.
  public init() {}

  /// What the properties of a CONNACK say.
  public init(_ properties: Properties) {
    receiveMaximum = properties[.receiveMaximum].map { Int($0) } ?? receiveMaximum
    maximumQoS = properties[.maximumQoS] ?? maximumQoS
    retainAvailable = properties[.retainAvailable] ?? retainAvailable
    maximumPacketSize = properties[.maximumPacketSize].map { Int($0) } ?? maximumPacketSize
    topicAliasMaximum = properties[.topicAliasMaximum].map { Int($0) } ?? topicAliasMaximum
    wildcardSubscriptionAvailable = properties[.wildcardSubscriptionAvailable] ?? wildcardSubscriptionAvailable
    subscriptionIdentifiersAvailable = properties[.subscriptionIdentifierAvailable] ?? subscriptionIdentifiersAvailable
    sharedSubscriptionAvailable = properties[.sharedSubscriptionAvailable] ?? sharedSubscriptionAvailable
  }

  /// Why a publish is refused before it is sent (sections 3.2.2.3.4, 3.2.2.3.5 and 3.2.2.3.8).
  func refusal(qos: QoS, retain: Bool, topicAlias: UInt16?) -> ProtocolError? {
    if qos > maximumQoS { return .init(.qosNotSupported, "the broker takes QoS \(maximumQoS.rawValue) at most") }
    if retain, !retainAvailable { return .init(.retainNotSupported, "the broker keeps no retained messages") }
    if let topicAlias, Int(topicAlias) > topicAliasMaximum {
      return .topicAliasInvalid("the broker takes topic aliases up to \(topicAliasMaximum), not \(topicAlias)")
    }
    return nil
  }
}
