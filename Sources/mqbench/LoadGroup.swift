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
  /// Nanoseconds after which each client leaves and connects again, one after the other.
  var reconnectInterval: Int64?

  /// What its clients publish.
  struct Publishing: Sendable {
    var topics: TopicRule
    var schedule: Schedule
    /// Bytes of a payload, header and all.
    var size: ClosedRange<Int>
    var qos: QoS
    var retain = false
    /// QoS 1 and 2 messages that a client may have unacknowledged, besides what the broker says.
    var window: Int?

    /// The place of the topic of message `sequence` among those of a client, and how many of the client's earlier messages went there.
    func place(of sequence: Int, topicCount: Int) -> (topic: Int, index: Int) {
      topicCount == 1 ? (0, sequence) : (sequence % topicCount, sequence / topicCount)
    }
  }

  /// What its clients subscribe to.
  struct Subscribing: Sendable {
    var filters: TopicRule
    var qos: QoS
    /// Whether clients with the same filter share its messages: each goes to one of them.
    var isShared = false
  }

  var clients: Range<Int> { first..<(first + count) }

  /// The client identifier of the client with this number in the group.
  func clientIdentifier(of member: Int, _ run: RunWord) -> String { "mqbench-\(run)-\(identifierPrefix)\(member)" }

  /// What stands before a shared filter [MQTT-4.8.2-1]. The clients of two groups do not share with each other.
  func sharePrefix(run: String) -> [UInt8] { Array("$share/\(run)-\(name)/".utf8) }
}
