internal import MQTT
internal import MQTTClient

/// What one publisher of a run has to do, and what became of it.
final class Publisher {
  let group: WorkerGroup
  /// Its number in the group, and its client's number over all groups.
  let index: Int
  let number: Int
  /// The names of its topics.
  let topics: [[UInt8]]
  /// To how many subscribers a message of each of its topics goes.
  let deliveries: [Int]
  private(set) var client: Client
  /// Whether it publishes nothing for now, because its client leaves in order to come again.
  var isLeaving = false

  /// The message to be handed over next.
  var next = 0
  /// When it is due.
  var due: Int64 = 0
  /// Since when it can be handed over, if something held it: nobody is late who was not let.
  var freeSince: Int64 = 0
  /// Messages of which the system has not taken all bytes, in order.
  var unsent = Ring<Unsent>()
  /// Messages that await their acknowledgement, in the order of the numbers that the session gave them.
  var unacknowledged = Ring<Unacknowledged>()
  /// The session's number of the first of them.
  var firstNumber = 0
  /// Whether a message is due that could not be handed over.
  var isHeld = false
  /// Whether the system takes no more bytes, and since when.
  var isBlocked = false
  var blockedSince: Int64 = 0
  /// Messages could not be handed over because the window or the broker's quota was full.
  var windowTime = BlockedTime()
  /// Messages could not be handed over, or not be sent, because the system took no more bytes.
  var socketTime = BlockedTime()

  /// Measured messages that the broker answers for: sent at QoS 0, acknowledged at QoS 1 and 2.
  var accepted = BitSet()
  /// The first message of the present network connection.
  var sentOnConnection = 0

  /// When messages were sent, and how often they have arrived, by the last digits of their numbers. A message that comes when so
  /// many later ones are sent does without.
  private var recent: [(sent: Int64, arrivals: Int)] = []
  private static let recentCount = 1 << 16

  /// Message `sequence` was sent; they come in order, but for those that a lost connection took along.
  func sent(_ sequence: Int, at time: Int64) {
    while recent.count <= min(sequence, Self.recentCount - 1) { recent.append((0, 0)) }
    recent[sequence & (Self.recentCount - 1)] = (time, 0)
  }

  /// Message `sequence` has arrived somewhere: when it was sent, and how often it has arrived by now.
  func arrived(_ sequence: Int) -> (sent: Int64, arrivals: Int)? {
    let place = sequence & (Self.recentCount - 1)
    guard next - sequence <= Self.recentCount, place < recent.count, recent[place].sent > 0 else { return nil }
    recent[place].arrivals += 1
    return recent[place]
  }

  struct Unsent: BitwiseCopyable, Sendable {
    var sequence: Int
    var due: Int64
    var handedOver: Int64
    /// What the client's `sentCount` is when its last byte is taken.
    var end: Int
    /// The parts of the time from due to hand-over in which the window and the network held it back.
    var window: Int64
    var socket: Int64
  }

  struct Unacknowledged: BitwiseCopyable, Sendable {
    var sequence: Int
    /// When its last byte was taken; 0 before.
    var sent: Int64 = 0
    var isDone = false
  }

  init(_ index: Int, of group: WorkerGroup, _ paths: WorkerGroup.Paths, client: Client) {
    self.group = group
    self.index = index
    number = group.clients.lowerBound + index
    (topics, deliveries) = (paths.topics, paths.deliveries)
    self.client = client
  }

  /// Goes on with another client.
  func begin(_ client: Client) {
    self.client = client
    sentOnConnection = next
  }

  /// When message `sequence` is due, in the open loop.
  func due(_ sequence: Int) -> Int64 { group.schedule.due(index, sequence) }

  /// To how many subscribers these messages go, all together.
  func deliveries(of messages: Range<Int>) -> Int {
    if let first = deliveries.first, deliveries.allSatisfy({ $0 == first }) { return first * messages.count }
    return messages.reduce(0) { $0 + deliveries[place(of: $1).topic] }
  }

  /// The place of the topic of message `sequence` in `topics`, and how many earlier messages went there.
  func place(of sequence: Int) -> (topic: Int, index: Int) {
    topics.count == 1 ? (0, sequence) : group.place(of: sequence, from: index)
  }
}
