public import MQTT

/// What was typed about subscriptions, which of their messages are wanted, and when to end.
public struct SubscribeSettings: Sendable {
  var filters = Accumulated<WantedFilter>()
  var unsubscribed = Accumulated<TopicFilter>()
  var qos = QoS.atMostOnce
  var retainHandling: SubscriptionOptions.RetainHandling?
  var retainAsPublished = false
  var isStrict = false

  var filtersOut = Accumulated<TopicFilter>()
  var tests = Accumulated<TestExpression>()
  var hidesRetained = false
  var showsRetainedOnly = false
  var part: MessageSelection.Part?
  var removesRetained = false
  var clears = false
  var isDryRun = false
  var isConfirmed = false

  var showsRate = false
  var count: Int?
  var endsOnceSubscribed = false
  var gets = false
  var finalTests = Accumulated<TestExpression>()
  var idleTime: Duration?
  var endsSession = false
  var readyCommand: [UInt8]?
  /// What to do when another client connects with our client identifier.
  public internal(set) var takeover = Takeover.exit

  /// A filter, and what was said of it alone.
  struct WantedFilter: Sendable {
    var filter: TopicFilter
    var options = FilterOptions()
  }

  /// The defaults.
  public init() {}

  /// Takes one more filter to subscribe to: the value of `-t`, or a URL's.
  public mutating func take(filterIn value: Argument) throws(UsageError) {
    filters.append(WantedFilter(filter: try value.topicFilter()), from: value.source)
  }
}

/// What to do when another client connects with our client identifier, and the broker ends our connection for that.
public enum Takeover: Hashable, Sendable {
  /// To connect again would throw the other one out.
  case exit
  /// Connect again, after a while.
  case retry
}

/// What one SUBSCRIBE packet asks for.
public struct SubscribeRequest: Hashable, Sendable {
  /// The filters and their options.
  public var subscriptions: [Subscription]
  /// The properties of the packet.
  public var properties: Properties

  /// What a packet with these properties asks for.
  public init(_ subscriptions: [Subscription], properties: Properties = Properties()) {
    self.subscriptions = subscriptions
    self.properties = properties
  }
}

/// What the settings mean together.
public struct SubscribePlan: Hashable, Sendable {
  /// What to subscribe to.
  public var requests: [SubscribeRequest]
  /// What to unsubscribe from.
  public var unsubscribed: [TopicFilter] = []
  /// The properties of the UNSUBSCRIBE packets.
  public var unsubscribeProperties = Properties()
  /// Whether it is a failure that the broker refuses some of the filters.
  public var isStrict = false
  /// Which of the messages are wanted.
  public var selection = MessageSelection()
  /// Whether retained messages that come are removed at the broker.
  public var removesRetained = false
  /// Whether all that there is to do is to remove what the broker keeps.
  public var clearing: Clearing?
  /// Whether only the number of messages in each second is shown.
  public var showsRate = false

  /// The number of messages to end after.
  public var count: Int?
  /// The first message that passes all of these is the last, if there are any.
  public var finalTests: [TestExpression] = []
  /// How long nothing has to come for the run to end.
  public var idleTime: Duration?
  /// What ends the run besides.
  public var end = End.none
  /// The option that only MQTT 5 can carry out.
  public var optionForLatestVersion: String?
  /// What to run once all subscriptions stand.
  public var readyCommand: [UInt8]?
  /// What to do when another client connects with our client identifier.
  public var takeover = Takeover.exit

  /// How retained messages are removed.
  public enum Clearing: Hashable, Sendable {
    /// They are only named.
    case dryRun
    /// They are removed, and this filter, if there is one, is wide enough for a question.
    case removal(wideFilter: TopicFilter?)
  }

  /// What ends a run.
  public enum End: Hashable, Sendable {
    /// Nothing of its own.
    case none
    /// The broker has answered the requests.
    case subscribed
    /// The broker has sent what it keeps. With `needsMessage` it is a failure when that is nothing, and with `endsAtLive` the
    /// first other message tells as well that there is no more.
    case retainedEnd(needsMessage: Bool, endsAtLive: Bool)
    /// The broker has accepted the connection.
    case connected
  }

  /// How long nothing more has to come for the broker to have sent what it keeps, unless `idleTime` says it.
  public static let retainedPatience: Duration = .milliseconds(300)

  /// All filters.
  public var filters: [TopicFilter] { requests.flatMap { $0.subscriptions.map(\.filter) } }

  /// Makes a connection fit: the broker is not to send many messages more than wanted, and `.connected` ends a session.
  public func adapt(_ connection: inout ConnectionPlan) {
    if let count, count < Self.usualReceiveMaximum, connection.connect.properties[.receiveMaximum] == nil {
      connection.connect.properties[.receiveMaximum] = UInt16(count)
    }
    if end == .connected {
      connection.connect.cleanStart = true
      connection.connect.properties[.sessionExpiryInterval] = nil
    }
  }

  /// What brokers send at a time without being told.
  private static let usualReceiveMaximum = 20

  /// Whether it is one piece of work, which a lost connection ends.
  public var isOneShot: Bool { end != .none }
}

extension SubscribeSettings {
  /// What the settings mean together, or what is missing. `connection` has the properties.
  public func plan(
    _ connection: ConnectionSettings, _ compatibility: Compatibility
  ) throws(UsageError) -> SubscribePlan {
    if endsSession { return try planOfEnd(connection) }
    guard !filters.values.isEmpty || !unsubscribed.values.isEmpty else {
      throw UsageError("no topic: name one with -t, or with -U to unsubscribe")
    }
    if hidesRetained, showsRetainedOnly { throw UsageError("-R: cannot stand together with --retained-only") }
    if hidesRetained, gets { throw UsageError("-R: cannot stand together with --get") }
    if endsOnceSubscribed, gets { throw UsageError("-E: cannot stand together with --get") }
    if clears { try checkClearing() } else if isDryRun { throw UsageError("--dry-run: needs --clear-retained") }
    var plan = SubscribePlan(requests: try requests(connection))
    plan.unsubscribed = unsubscribed.values
    plan.unsubscribeProperties = try connection.properties.properties(for: .unsubscribe)
    plan.isStrict = isStrict
    plan.selection = selection
    plan.clearing = clearing
    plan.removesRetained = removesRetained || clears && !isDryRun
    plan.showsRate = showsRate
    plan.count = showsRate ? nil : count
    plan.finalTests = finalTests.values
    plan.idleTime = idleTime
    plan.end = end(compatibility)
    if filters.values.contains(where: \.options.needLatestVersion) { plan.optionForLatestVersion = "--subscribe" }
    plan.readyCommand = readyCommand
    plan.takeover = takeover
    return plan
  }

  private func checkClearing() throws(UsageError) {
    if hidesRetained { throw UsageError("-R: cannot stand together with --clear-retained") }
    if endsOnceSubscribed { throw UsageError("-E: cannot stand together with --clear-retained") }
    if gets { throw UsageError("--get: cannot stand together with --clear-retained") }
    if showsRate { throw UsageError("--message-rate: cannot stand together with --clear-retained") }
    if let shared = filters.values.first(where: \.filter.isShared) {
      throw UsageError("--clear-retained: the broker sends nothing that it keeps to '\(shared.filter)'")  // 4.8.2
    }
  }

  private var clearing: SubscribePlan.Clearing? {
    guard clears else { return nil }
    if isDryRun { return .dryRun }
    return .removal(wideFilter: isConfirmed ? nil : filters.values.map(\.filter).first(where: \.isWide))
  }

  private func planOfEnd(_ connection: ConnectionSettings) throws(UsageError) -> SubscribePlan {
    guard connection.hasGivenIdentifier else { throw UsageError("--end-session: needs a client identifier, -i") }
    var plan = SubscribePlan(requests: [])
    plan.end = .connected
    return plan
  }

  /// Filters without an identifier of their own go into one packet, and those with one into a packet for each identifier.
  private func requests(_ connection: ConnectionSettings) throws(UsageError) -> [SubscribeRequest] {
    let properties = try connection.properties.properties(for: .subscribe)
    var requests: [SubscribeRequest] = []
    for wanted in filters.values {
      var own = properties
      if let identifier = wanted.options.identifier { own[.subscriptionIdentifier] = identifier }
      let subscription = Subscription(filter: wanted.filter, options: subscriptionOptions(wanted.options))
      if let index = requests.firstIndex(where: { $0.properties == own }) {
        requests[index].subscriptions.append(subscription)
      } else {
        requests.append(SubscribeRequest([subscription], properties: own))
      }
    }
    return requests
  }

  private func subscriptionOptions(_ own: FilterOptions) -> SubscriptionOptions {
    // What is to be removed has to come, shown or not.
    let standard: SubscriptionOptions.RetainHandling =
      hidesRetained && !removesRetained ? .doNotSend : .sendAtSubscribe
    return SubscriptionOptions(
      qos: own.qos ?? qos, noLocal: own.noLocal, retainAsPublished: own.retainAsPublished || retainAsPublished,
      retainHandling: own.retainHandling ?? retainHandling ?? standard)
  }

  private var selection: MessageSelection {
    var selection = MessageSelection()
    selection.filtersOut = filtersOut.values
    if hidesRetained { selection.retained = .hidden }
    if showsRetainedOnly || gets || clears { selection.retained = .alone }
    selection.tests = tests.values
    selection.part = part
    return selection
  }

  private func end(_ compatibility: Compatibility) -> SubscribePlan.End {
    if endsOnceSubscribed { return .subscribed }
    if clears { return .retainedEnd(needsMessage: false, endsAtLive: false) }
    if gets { return .retainedEnd(needsMessage: true, endsAtLive: false) }
    if showsRetainedOnly { return .retainedEnd(needsMessage: false, endsAtLive: true) }
    if removesRetained, compatibility.endsAfterRemoving {
      return .retainedEnd(needsMessage: false, endsAtLive: false)
    }
    return .none
  }
}

extension TopicFilter {
  /// Whether it begins with a wildcard, so that it matches topics of every kind.
  fileprivate var isWide: Bool { utf8.first == UInt8(ascii: "#") || utf8.first == UInt8(ascii: "+") }
}
