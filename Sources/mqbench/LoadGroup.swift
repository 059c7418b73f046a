internal import MQTT
internal import MQTTClient

/// Clients of a run that do the same: publish, subscribe, or both, or nothing but be connected.
struct LoadGroup: Sendable {
  /// The name of its section in a scenario; `publishers` and `subscribers` of a command line.
  var name: String
  /// What stands before the number of a client in its client identifier.
  var identifierPrefix = ""
  /// The number of its first client. Clients are numbered over all groups.
  var first = 0
  var count: Int
  /// How to connect; the client identifier in it is replaced.
  var client: ClientSettings
  var publishing: Publishing?
  var subscribing: Subscribing?
  /// Who the clients are, a row for each of them, where it was told.
  var identities: Identities?
  /// Where they connect from; empty leaves it to the system.
  var addresses = SourceAddresses()
  /// Nanoseconds after which each client leaves and connects again, one after the other.
  var reconnectInterval: Int64?

  /// What its clients publish.
  struct Publishing: Sendable {
    var topics: TopicRule
    /// The order of topics, where some are more popular than others.
    var cycle: TopicCycle?
    var schedule: Schedule
    var payload = PayloadRule()
    var qos: QoS
    var retain = false
    /// QoS 1 and 2 messages that a client may have unacknowledged, besides what the broker says.
    var window: Int?
  }

  /// What its clients subscribe to.
  struct Subscribing: Sendable {
    var filters: TopicRule
    var qos: QoS
    /// Whether clients with the same filter share its messages: each goes to one of them.
    var isShared = false
    /// Further subscriptions that nobody publishes to, over all clients of the group.
    var idleCount = 0
  }

  var clients: Range<Int> { first..<(first + count) }

  /// What the client with this number in the group is like.
  func settings(of member: Int, _ run: RunWord) -> ClientSettings {
    var settings = client
    settings.session.connect.clientIdentifier = Text(stringLiteral: clientIdentifier(of: member, run))
    settings.session.maximumInflight = publishing?.window
    if !addresses.isEmpty { settings.localAddress = addresses.address(of: first + member) }
    identities?.apply(member, to: &settings)
    return settings
  }

  /// What the client with this number in the group subscribes to, in packets that brokers take.
  func subscriptions(of member: Int, _ run: RunWord) -> [[Subscription]] {
    guard let subscribing else { return [] }
    let run = "\(run)"
    let prefix = subscribing.isShared ? sharePrefix(run: run) : []
    var filters = subscribing.filters.filters(of: member, run: run).map { prefix + $0 }
    filters += stride(from: member, to: subscribing.idleCount, by: count).map { TopicNames.idleFilter($0, run: run) }
    return stride(from: 0, to: filters.count, by: Self.filtersOfPacket).map { start in
      filters[start..<min(start + Self.filtersOfPacket, filters.count)].map { filter in
        Subscription(filter: try! TopicFilter(utf8: filter), options: SubscriptionOptions(qos: subscribing.qos))
      }
    }
  }

  private static let filtersOfPacket = 200

  /// The client identifier of the client with this number in the group.
  private func clientIdentifier(of member: Int, _ run: RunWord) -> String {
    "mqbench-\(run)-\(identifierPrefix)\(member)"
  }

  /// What stands before a shared filter [MQTT-4.8.2-1]. The clients of two groups do not share with each other.
  func sharePrefix(run: String) -> [UInt8] { Array("$share/\(run)-\(name)/".utf8) }
}
