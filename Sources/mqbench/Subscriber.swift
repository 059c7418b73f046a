internal import MQTTClient

/// What one subscriber of a run has received.
final class Subscriber {
  /// Its number, over all workers.
  let number: Int
  let client: Client
  /// The messages of each publisher on each of its topics.
  private(set) var streams: [Stream] = []
  private var places: [UInt64: Int] = [:]
  /// The client's `receiveCount` when it received last, and the time at which that was.
  var lastReceive = (count: 0, time: Int64(0))
  /// When its network connection was lost first and made again last, if ever.
  var outage: ClosedRange<Int64>?

  init(_ number: Int, client: Client) {
    self.number = number
    self.client = client
  }

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
    let key = UInt64(publisher) << 32 | UInt64(topic)
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
