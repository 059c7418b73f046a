internal import MQTT
internal import MQTTClient

/// What one publisher of a run has to do, and what became of it.
final class Publisher {
  /// Its number, over all workers.
  let number: Int
  /// The names of its topics, in turn.
  let topics: [[UInt8]]
  let client: Client

  /// The message to be handed over next.
  var next = 0
  /// When it is due.
  var due: Int64 = 0
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

  init(_ number: Int, topics: [[UInt8]], client: Client) {
    self.number = number
    self.topics = topics
    self.client = client
  }
}
