internal import CSystem

/// How often topics are published to, in comparison.
enum Popularity: Hashable, Sendable {
  case uniform
  /// Topic k as often as 1/(k+1)^S says (Zipf's law).
  case zipf(Double)

  /// The weight of a topic, that of the first one being 1.
  func weight(_ topic: Int) -> Double {
    switch self {
    case .uniform: 1
    case .zipf(let exponent): pow(Double(topic + 1), -exponent)
    }
  }
}

/// Which topic each message goes to where topics are of different popularity and every publisher sends to all of them.
///
/// It is a table of places in random order, in which every topic stands as often as it is popular, and at least once. All publishers
/// go round and round in it, and each begins at another place. So the topic of a message is a function of publisher and sequence
/// number, and so is its number among those messages of the publisher that have the same topic.
struct TopicCycle: Sendable {
  private struct Place: BitwiseCopyable {
    var topic: UInt32
    /// Places before it with the same topic.
    var earlier: UInt32
  }

  let popularity: Popularity
  private let places: [Place]
  private let counts: [UInt32]
  private let seed: UInt64

  /// The most topics that there may be: the table has up to 16 Mi places of 8 bytes.
  static let topicLimit = 1_000_000
  private static let lengthLimit = 1 << 24

  init(topics: Int, _ popularity: Popularity, seed: UInt64) {
    self.popularity = popularity
    let weights = (0..<topics).map { popularity.weight($0) }
    let sum = weights.reduce(0, +)
    // The least popular topic stands there eight times, so that rounding does not change by much how popular it is.
    let length = min(max(65_536, 8 * sum / weights[topics - 1]), Double(Self.lengthLimit - topics))
    counts = weights.map { UInt32(max(1, (length * $0 / sum).rounded())) }
    self.seed = seed
    var order: [UInt32] = []
    order.reserveCapacity(counts.reduce(0) { $0 + Int($1) })
    for topic in 0..<topics { order.append(contentsOf: repeatElement(UInt32(topic), count: Int(counts[topic]))) }
    let base = Schedule.mix(seed ^ 0x746F_7069_6373)
    for place in order.indices.reversed() {
      order.swapAt(place, Int(Schedule.mix(base &+ UInt64(place)).multipliedFullWidth(by: UInt64(place + 1)).high))
    }
    var met = [UInt32](repeating: 0, count: topics)
    places = order.map { topic in
      defer { met[Int(topic)] += 1 }
      return Place(topic: topic, earlier: met[Int(topic)])
    }
  }

  /// Messages after which a publisher begins again.
  var length: Int { places.count }

  /// How many of them go to a topic.
  func count(of topic: Int) -> Int { Int(counts[topic]) }

  /// The topic of message `sequence` of `publisher`, and the message's number among those of this publisher and topic: they have
  /// no gaps, but do not begin with 0.
  func place(ofPublisher publisher: Int, _ sequence: Int) -> (topic: Int, index: Int) {
    let start = Int(Schedule.mix(seed &+ UInt64(publisher)).multipliedFullWidth(by: UInt64(places.count)).high)
    let (round, position) = (start + sequence).quotientAndRemainder(dividingBy: places.count)
    let place = places[position]
    return (Int(place.topic), round * Int(counts[Int(place.topic)]) + Int(place.earlier))
  }
}
