/// Who publishes to which topics, and who subscribes to them.
///
/// Publisher i sends to the topics t with t mod P = i in turn where there are more topics than publishers, and to topic i mod T
/// where there are not; subscribers take theirs in the same way. So P = S = T is one to one, S = 1 fan-in, and P = T = 1 fan-out.
struct Topology: Hashable, Sendable {
  var publishers: Int
  var subscribers: Int
  var topics: Int
  /// Whether the subscribers of a topic share its messages: each goes to one of them.
  var isShared = false

  /// The topics that `publisher` sends to in turn.
  func topics(ofPublisher publisher: Int) -> [Int] { Self.topics(of: publisher, among: publishers, topics) }

  /// The topics that `subscriber` subscribes to.
  func topics(ofSubscriber subscriber: Int) -> [Int] { Self.topics(of: subscriber, among: subscribers, topics) }

  private static func topics(of member: Int, among count: Int, _ topics: Int) -> [Int] {
    topics > count ? Array(stride(from: member, to: topics, by: count)) : [member % topics]
  }

  /// The topic that message `sequence` of `publisher` goes to.
  func topic(ofPublisher publisher: Int, _ sequence: Int) -> Int {
    guard topics > publishers else { return publisher % topics }
    return publisher + sequence % topicCount(ofPublisher: publisher) * publishers
  }

  /// How many topics `publisher` sends to in turn.
  func topicCount(ofPublisher publisher: Int) -> Int {
    topics > publishers ? (topics - publisher + publishers - 1) / publishers : 1
  }

  /// The publishers that send to a topic.
  func publishers(ofTopic topic: Int) -> [Int] {
    topics > publishers ? [topic % publishers] : Array(stride(from: topic, to: publishers, by: topics))
  }

  /// How many subscribers take the messages of a topic.
  func subscribers(ofTopic topic: Int) -> Int {
    if subscribers == 0 { return 0 }
    return topics > subscribers ? 1 : (subscribers - topic % subscribers + topics - 1) / topics
  }

  /// Whether `subscriber` takes the messages of `topic`.
  func subscribes(_ subscriber: Int, to topic: Int) -> Bool {
    topics > subscribers ? topic % subscribers == subscriber : subscriber % topics == topic
  }

  /// How many deliveries a message of each topic leads to, on average.
  var deliveriesPerMessage: Double {
    if isShared { return subscribers > 0 ? 1 : 0 }
    let total = (0..<topics).reduce(0) { $0 + subscribers(ofTopic: $1) }
    return Double(total) / Double(topics)
  }
}
