public import MQTT

/// What the broker has answered to the requests of one network connection.
public struct SubscriptionAnswers: Sendable {
  private var granted: [TopicFilter] = []
  private var refused: [(filter: TopicFilter, reason: ReasonCode, text: String)] = []

  /// Nothing is answered yet.
  public init() {}

  /// SUBACK came for these.
  public mutating func take(_ packet: SubackPacket, for subscriptions: [Subscription], _ diagnostics: Diagnostics) {
    let text = packet.properties[.reasonString].map { ": \($0)" } ?? ""
    for (subscription, reason) in zip(subscriptions, packet.reasonCodes) {
      if reason.isFailure {
        refused.append((subscription.filter, reason, text))
        continue
      }
      granted.append(subscription.filter)
      if reason.rawValue < subscription.options.qos.rawValue {
        diagnostics.notice(
          "the broker sends messages of '\(subscription.filter)' with QoS \(reason.rawValue) at most"
            + ", not \(subscription.options.qos.rawValue)")
      }
    }
  }

  /// Tells of filters that were refused; the status to end with, unless it goes on with the others.
  public func judge(isStrict: Bool, _ diagnostics: Diagnostics) -> ExitStatus? {
    guard let first = refused.first else { return nil }
    let isFailure = granted.isEmpty || isStrict
    for (filter, reason, text) in refused {
      let line = "the broker refused the subscription to '\(filter)': \(reason)" + text
      if isFailure { diagnostics.error(line) } else { diagnostics.warning(line) }
    }
    if granted.isEmpty { return .reasonCode(first.reason.rawValue) }
    return isStrict ? .partly : nil
  }

  /// The filters that stand, for a notice.
  public var names: String { granted.map { "'\($0)'" }.joined(separator: ", ") }
}
