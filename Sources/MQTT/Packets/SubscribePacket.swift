/// What a subscription asks for besides its filter: a byte in SUBSCRIBE (3.8.3.1). 3.x has only the QoS.
///
///     ┌───┬─────────────────┬─────────────────────┬──────────┬─────┐
///     │ 0 │ retain handling │ retain as published │ no local │ QoS │
///     └───┴─────────────────┴─────────────────────┴──────────┴─────┘
///      7-6        5-4                 3                 2       1-0
public struct SubscriptionOptions: Hashable, Sendable {
  /// Whether retained messages come when the subscription is made.
  public enum RetainHandling: UInt8, CaseIterable, Sendable {
    /// 0: they come.
    case sendAtSubscribe
    /// 1: they come when the subscription is new.
    case sendIfNew
    /// 2: they do not come.
    case doNotSend
  }

  /// The highest QoS that messages come with.
  public var qos: QoS
  /// Whether the client's own messages stay away.
  public var noLocal: Bool
  /// Whether messages keep the RETAIN flag that they were published with.
  public var retainAsPublished: Bool
  /// Whether retained messages come when the subscription is made.
  public var retainHandling: RetainHandling

  /// QoS 0 and the behaviour of 3.x, unless it is said.
  public init(
    qos: QoS = .atMostOnce, noLocal: Bool = false, retainAsPublished: Bool = false,
    retainHandling: RetainHandling = .sendAtSubscribe
  ) {
    self.qos = qos
    self.noLocal = noLocal
    self.retainAsPublished = retainAsPublished
    self.retainHandling = retainHandling
  }

  init(byte: UInt8, version: ProtocolVersion) throws(ProtocolError) {
    let reserved: UInt8 = version.hasSubscriptionOptions ? 0b1100_0000 : 0b1111_1100
    // [MQTT-3.8.3-5]
    guard byte & reserved == 0 else { throw .malformed("subscription options \(byte) have reserved bits") }
    guard let qos = QoS(rawValue: byte & 0b11) else { throw .malformed("a subscription has QoS 3") }
    guard let retainHandling = RetainHandling(rawValue: byte >> 4) else {
      throw .protocolError("a subscription has retain handling 3")
    }
    self.init(
      qos: qos, noLocal: byte & 0b100 != 0, retainAsPublished: byte & 0b1000 != 0, retainHandling: retainHandling)
  }

  func byte(for version: ProtocolVersion) -> UInt8 {
    guard version.hasSubscriptionOptions else { return qos.rawValue }
    return qos.rawValue | (noLocal ? 0b100 : 0) | (retainAsPublished ? 0b1000 : 0) | retainHandling.rawValue << 4
  }
}

/// A filter and its options.
public struct Subscription: Hashable, Sendable {
  /// Which topics.
  public var filter: TopicFilter
  /// How.
  public var options: SubscriptionOptions

  /// A subscription with QoS 0 unless it is said.
  public init(filter: TopicFilter, options: SubscriptionOptions = SubscriptionOptions()) {
    self.filter = filter
    self.options = options
  }
}

/// SUBSCRIBE (3.8)
///
///     ┌──────┬──────┐
///     │ 1000 │ 0010 │  byte 1
///     ├──────┴──────┤
///     │ length      │
///     ├─────────────┤
///     │ identifier  │  two bytes
///     │ properties  │  MQTT 5
///     ├─────────────┤
///     │ filter      │  two bytes of length, UTF-8  ┐ at least once
///     │ options     │  one byte                    ┘
///     └─────────────┘
public struct SubscribePacket: Hashable, Sendable {
  /// What SUBACK answers with.
  public var packetIdentifier: UInt16
  /// At least one.
  public var subscriptions: [Subscription]
  /// MQTT 5's properties.
  public var properties: Properties

  /// A SUBSCRIBE.
  public init(packetIdentifier: UInt16, subscriptions: [Subscription], properties: Properties = Properties()) {
    self.packetIdentifier = packetIdentifier
    self.subscriptions = subscriptions
    self.properties = properties
  }

  init(from reader: inout ByteReader) throws(ProtocolError) {
    packetIdentifier = try reader.packetIdentifier()
    properties = try reader.properties(for: .subscribe)
    subscriptions = []
    while !reader.isAtEnd {
      let filter = try TopicFilter(utf8: reader.utf8())
      let options = try SubscriptionOptions(byte: reader.uint8(), version: reader.version)
      subscriptions.append(Subscription(filter: filter, options: options))
    }
    try check(for: reader.version)
  }

  func write(to writer: inout ByteWriter) throws(ProtocolError) {
    try check(for: writer.version)
    try writer.write(packetIdentifier: packetIdentifier)
    try writer.write(properties, for: .subscribe)
    for subscription in subscriptions {
      writer.write(utf8: subscription.filter.utf8)
      writer.write(subscription.options.byte(for: writer.version))
    }
  }

  private func check(for version: ProtocolVersion) throws(ProtocolError) {
    guard !subscriptions.isEmpty else { throw .protocolError("SUBSCRIBE without a topic filter") }  // [MQTT-3.8.3-2]
    guard version.hasSubscriptionOptions else { return }
    for subscription in subscriptions where subscription.filter.isShared && subscription.options.noLocal {
      throw .protocolError("a shared subscription has no local")  // [MQTT-3.8.3-4]
    }
  }
}

/// SUBACK (3.9)
///
///     ┌──────┬──────┐
///     │ 1001 │ 0000 │  byte 1
///     ├──────┴──────┤
///     │ length      │
///     ├─────────────┤
///     │ identifier  │  two bytes
///     │ properties  │  MQTT 5
///     │ reason code │  one byte for each subscription, in their order; on 3.x the granted QoS or 0x80
///     └─────────────┘
public struct SubackPacket: Hashable, Sendable {
  /// That of the SUBSCRIBE.
  public var packetIdentifier: UInt16
  /// At least one.
  public var reasonCodes: [ReasonCode]
  /// MQTT 5's properties.
  public var properties: Properties

  /// A SUBACK.
  public init(packetIdentifier: UInt16, reasonCodes: [ReasonCode], properties: Properties = Properties()) {
    self.packetIdentifier = packetIdentifier
    self.reasonCodes = reasonCodes
    self.properties = properties
  }

  init(from reader: inout ByteReader) throws(ProtocolError) {
    packetIdentifier = try reader.packetIdentifier()
    properties = try reader.properties(for: .suback)
    reasonCodes = reader.rest().map { ReasonCode(rawValue: $0) }
    guard !reasonCodes.isEmpty else { throw .malformed("SUBACK without a reason code") }
  }

  /// Whether a reason code is one that SUBACK does not have.
  public var tolerated: Tolerance? {
    let areKnown = reasonCodes.allSatisfy {
      switch $0 {
      case .grantedQoS0, .grantedQoS1, .grantedQoS2, .unspecifiedError, .implementationSpecificError, .notAuthorized,
        .topicFilterInvalid, .packetIdentifierInUse, .quotaExceeded, .sharedSubscriptionsNotSupported,
        .subscriptionIdentifiersNotSupported, .wildcardSubscriptionsNotSupported:
        true
      default: false
      }
    }
    return areKnown ? nil : .unknownReasonCode
  }

  func write(to writer: inout ByteWriter) throws(ProtocolError) {
    guard !reasonCodes.isEmpty else { throw .protocolError("SUBACK without a reason code") }
    try writer.write(packetIdentifier: packetIdentifier)
    try writer.write(properties, for: .suback)
    writer.write(reasonCodes.map(\.rawValue))
  }
}
