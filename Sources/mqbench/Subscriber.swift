internal import MQTTClient

/// What one subscriber of a run has received.
final class Subscriber {
  /// Its client's number over all groups.
  let number: Int
  /// Whether it shares its subscriptions.
  let isShared: Bool
  private(set) var client: Client
  /// The messages of each publisher on each of its topics.
  private(set) var streams: [Stream] = []
  private var places: [UInt64: Int] = [:]
  /// The client's `receiveCount` when it received last, and the time at which that was.
  var lastReceive = (count: 0, time: Int64(0))
  /// When it had no subscriptions, because its network connection was lost, or because it left in order to come again.
  private(set) var outages: [ClosedRange<Int64>] = []
  private var isAway = false

  init(_ number: Int, isShared: Bool, client: Client) {
    self.number = number
    self.isShared = isShared
    self.client = client
  }

  /// Goes on with another client, which counts from 0.
  func begin(_ client: Client) {
    self.client = client
    lastReceive.count = 0
  }

  /// Its subscriptions have ended.
  func left(at time: Int64) {
    if isAway { return }
    isAway = true
    outages.append(time...Int64.max)
  }

  /// It has subscribed, perhaps again.
  func came(at time: Int64) {
    guard isAway, let last = outages.popLast() else { return }
    isAway = false
    outages.append(last.lowerBound...max(last.lowerBound, time))
  }

  /// What it has received of the messages of a publisher on one of its topics.
  func seen(of publisher: Int, on topic: Int) -> BitSet {
    places[Self.key(publisher, topic)].map { streams[$0].seen } ?? BitSet()
  }

  private static func key(_ publisher: Int, _ topic: Int) -> UInt64 { UInt64(publisher) << 32 | UInt64(topic) }

  /// The messages of one publisher on one topic. Those of a topic come in their order [MQTT-4.6.0-6].
  struct Stream: Sendable {
    let publisher: Int
    /// The place of the topic among those of the publisher.
    let topic: Int
    /// Messages received, numbered within the topic.
    var seen = BitSet()
    var highest = -1
  }

  /// What a message is besides itself.
  enum Arrival {
    case new(displacement: Int), duplicate
  }

  /// Takes note of message `index` within `topic` of `publisher`. A displacement above 0 says how many numbers behind it comes.
  func took(_ index: Int, of publisher: Int, on topic: Int) -> Arrival {
    let key = Self.key(publisher, topic)
    let place: Int
    if let last = streams.indices.last, streams.count == 1, streams[last].publisher == publisher,
      streams[last].topic == topic
    {
      place = last
    } else if let known = places[key] {
      place = known
    } else {
      place = streams.count
      places[key] = place
      streams.append(Stream(publisher: publisher, topic: topic))
    }
    guard streams[place].seen.insert(index) else { return .duplicate }
    let displacement = max(0, streams[place].highest - index)
    streams[place].highest = max(streams[place].highest, index)
    return .new(displacement: displacement)
  }
}
