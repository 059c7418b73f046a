public import MQTT

/// What was typed about subscriptions, and which of their messages to show.
public struct SubscribeSettings: Sendable {
  var filters = Accumulated<TopicFilter>()
  var filtersOut = Accumulated<TopicFilter>()
  var unsubscribed = Accumulated<TopicFilter>()
  var qos = QoS.atMostOnce
  var count: Int?
  var hidesRetained = false

  /// The defaults.
  public init() {}

  /// Takes one more filter to subscribe to: the value of `-t`, or a URL's.
  public mutating func take(filterIn value: Argument) throws(UsageError) {
    filters.append(try value.topicFilter(), from: value.source)
  }
}

/// What the settings mean together.
public struct SubscribePlan: Hashable, Sendable {
  /// What to subscribe to.
  public var subscriptions: [Subscription]
  /// The properties of the SUBSCRIBE packet.
  public var subscribeProperties: Properties
  /// What to unsubscribe from.
  public var unsubscribed: [TopicFilter]
  /// The properties of the UNSUBSCRIBE packets.
  public var unsubscribeProperties: Properties
  /// Messages of these topics are not shown, and do not count.
  public var filtersOut: [TopicFilter]
  /// Whether messages that the broker had kept are not shown, and do not count.
  public var hidesRetained: Bool
  /// The number of messages to end after.
  public var count: Int?
}

extension SubscribeSettings {
  /// What the settings mean together, or what is missing. `connection` has the properties.
  public func plan(_ connection: ConnectionSettings) throws(UsageError) -> SubscribePlan {
    guard !filters.values.isEmpty || !unsubscribed.values.isEmpty else {
      throw UsageError("no topic: name one with -t, or with -U to unsubscribe")
    }
    let options = SubscriptionOptions(qos: qos, retainHandling: hidesRetained ? .doNotSend : .sendAtSubscribe)
    return SubscribePlan(
      subscriptions: filters.values.map { Subscription(filter: $0, options: options) },
      subscribeProperties: try connection.properties.properties(for: .subscribe),
      unsubscribed: unsubscribed.values,
      unsubscribeProperties: try connection.properties.properties(for: .unsubscribe),
      filtersOut: filtersOut.values, hidesRetained: hidesRetained, count: count)
  }

  /// The options of the group.
  public static let options: [Option<SubscribeSettings>] = [
    Option(
      OptionDescription(
        short: "t", long: "topic", value: .one("FILTER"), section: .subscriptions,
        summary: "subscribe to FILTER; may be repeated",
        details: """
          A + stands for any one level, a # at the end for all the rest. Filters on the command line replace those \
          of files.
          """)
    ) { (settings, value) throws(UsageError) in try settings.take(filterIn: value) },
    Option(
      OptionDescription(
        short: "T", long: "filter-out", value: .one("FILTER"), section: .subscriptions,
        summary: "leave out messages of these topics; may be repeated")
    ) { (settings, value) throws(UsageError) in
      settings.filtersOut.append(try value.topicFilter(), from: value.source)
    },
    Option(
      OptionDescription(
        short: "U", long: "unsubscribe", value: .one("FILTER"), section: .subscriptions,
        summary: "end a subscription that the session has; may be repeated")
    ) { (settings, value) throws(UsageError) in
      settings.unsubscribed.append(try value.topicFilter(), from: value.source)
    },
    Option(
      OptionDescription(
        short: "q", long: "qos", value: .one("QOS"), section: .subscriptions,
        summary: "highest QoS that messages come with (0)")
    ) { (settings, value) throws(UsageError) in settings.qos = try value.qos() },
    Option(
      OptionDescription(
        short: "R", section: .subscriptions, summary: "leave out messages that the broker had kept",
        details: "On MQTT 5 the broker is asked not to send them.")
    ) { $0.hidesRetained = true },
    Option(
      OptionDescription(
        short: "C", value: .one("N"), section: .output, summary: "end after N messages",
        details: "Messages that are left out do not count.")
    ) { (settings, value) throws(UsageError) in settings.count = try value.number(in: 1 ... .max) },
  ]
}
