import Foundation

/// The far end for tests of throughput and of exactly once: a broker that acknowledges and counts, and forwards nothing.
///
/// One thread serves any number of connections of MQTT 3.1, 3.1.1 and 5. It counts an application message when a
/// broker would deliver it onward: at QoS 2 once for each packet identifier until PUBREL (method B of figure 4.3 in
/// MQTT 3.1.1), at QoS 1 every time. What a client may not do is noted in `counts.violations`.
///
/// It does not prove that a client gets along with a broker: it routes, retains and wills nothing, keeps sessions
/// for ever, looks at few fields, and answers in batches on an idle machine. See `RealBroker`.
public final class CountingPeer: Sendable {
  /// How it behaves; may be changed at any time, and holds from then on.
  public struct Rules: Sendable {
    /// Sessions outlive connections whose CONNECT asks for it (clean session 0, or a session expiry interval).
    public var keepsSessions = false
    /// PUBLISH and PUBREL are answered.
    public var acknowledges = true
    /// It reads from its connections; if not, their sockets fill up.
    public var reads = true
    /// Answers wait so long before they are sent.
    public var answerDelay = Duration.zero
    /// After so many accepted messages, PUBLISH is answered with this reason code; MQTT 5 only.
    public var refusal: (reasonCode: UInt8, after: Int)?
    /// Each connection is dropped after a random number of packets beyond CONNECT; the last one takes effect, and its
    /// answer is lost.
    public var dropsAfter: ClosedRange<Int>?
    /// So many connections are dropped that way, later ones are not.
    public var drops = Int.max
    /// Decides the random numbers of `dropsAfter`; before the first connection.
    public var seed: UInt64 = 1
    /// Topics and payloads are kept in `messages`.
    public var recordsMessages = false
    /// Announced in CONNACK and held the client to; MQTT 5 only.
    public var receiveMaximum: UInt16?
    /// Announced in CONNACK and held the client to; MQTT 5 only.
    public var maximumQoS: UInt8?
    /// Announced in CONNACK and held the client to; MQTT 5 only.
    public var topicAliasMaximum: UInt16?
    /// What is sent to each connection that subscribes.
    public var flood: Flood?

    /// Accepts and acknowledges everything, keeps nothing.
    public init() {}
  }

  /// PUBLISH packets for a subscriber, as fast as it takes them. Their payloads are numbers from 1, padded with zeros.
  public struct Flood: Sendable {
    /// How many.
    public var count: Int
    /// In bytes; numbers that are longer are not cut.
    public var payloadSize: Int
    /// At most that of the subscription.
    public var qos: UInt8
    /// The topic name.
    public var topic: String

    /// Describes a flood; `CountingPeer.flood` starts one.
    public init(count: Int, payloadSize: Int = 8, qos: UInt8 = 0, topic: String = "flood") {
      (self.count, self.payloadSize, self.qos, self.topic) = (count, payloadSize, qos, topic)
    }
  }

  /// What happened so far, over all connections.
  public struct Counts: Sendable {
    /// CONNECT packets that were accepted.
    public internal(set) var connects = 0
    /// Of these, the ones that found their session.
    public internal(set) var resumedSessions = 0
    /// PUBLISH packets.
    public internal(set) var publishes = 0
    /// Of these, the ones with the duplicate flag.
    public internal(set) var resent = 0
    /// Application messages that a broker would have delivered onward.
    public internal(set) var received = 0
    /// The bytes of their payloads.
    public internal(set) var payloadBytes = 0
    /// PUBLISH packets of QoS 2 that came again before PUBREL, and were not delivered again.
    public internal(set) var suppressed = 0
    /// PUBLISH packets answered with the reason code of `Rules.refusal` (0x80 and above).
    public internal(set) var refused = 0
    /// Subscriptions in SUBSCRIBE packets.
    public internal(set) var subscriptions = 0
    /// PINGREQ packets.
    public internal(set) var pings = 0
    /// DISCONNECT packets.
    public internal(set) var disconnects = 0
    /// Connections that ended, in whatever way.
    public internal(set) var ended = 0
    /// Connections dropped by `Rules.dropsAfter`.
    public internal(set) var dropped = 0
    /// PUBLISH packets of floods that were handed to the sockets.
    public internal(set) var floodSent = 0
    /// Of these, the ones of QoS 1 and 2 that were acknowledged.
    public internal(set) var floodAcknowledged = 0
    /// The delivered payloads that are decimal numbers.
    public internal(set) var numbers = Numbers()
    /// What the specification does not allow a client, in words; the first twenty.
    public internal(set) var violations: [String] = []

    var firstPublish: ContinuousClock.Instant?
    var lastPublish: ContinuousClock.Instant?

    /// PUBLISH packets a second, from the first to the last.
    public var publishesPerSecond: Double {
      guard let firstPublish, let lastPublish, lastPublish > firstPublish else { return 0 }
      return Double(publishes) / ((lastPublish - firstPublish) / .seconds(1))
    }

    mutating func note(violation: @autoclosure () -> String) {
      if violations.count < 20 { violations.append(violation()) }
    }
  }

  /// Which numbers were delivered, for payloads that count 1, 2, 3, …
  public struct Numbers: Sendable {
    /// How many different ones.
    public private(set) var count = 0
    /// How many came once more.
    public private(set) var repeated = 0
    /// How many came for the first time, but after a greater one.
    public private(set) var outOfOrder = 0
    /// The greatest.
    public private(set) var greatest = 0
    private var seen: [UInt64] = []

    // Larger ones are not counted: they would need too much memory.
    private static let limit = 1 << 28

    /// The numbers that are missing up to one; the first hundred.
    public func missing(upTo last: Int) -> [Int] {
      Array((1...max(1, last)).lazy.filter { $0 <= last && !has($0) }.prefix(100))
    }

    private func has(_ number: Int) -> Bool {
      number >> 6 < seen.count && seen[number >> 6] & 1 << UInt64(number & 63) != 0
    }

    mutating func insert(_ number: Int) {
      guard number > 0, number < Self.limit else { return }
      let index = number >> 6
      if index >= seen.count {
        seen += [UInt64](repeating: 0, count: max(1_024, index + 1 - seen.count, seen.count))
      }
      let bit: UInt64 = 1 << UInt64(number & 63)
      if seen[index] & bit != 0 {
        repeated += 1
        return
      }
      seen[index] |= bit
      count += 1
      if number < greatest { outOfOrder += 1 } else { greatest = number }
    }
  }

  /// A message delivered onward.
  public struct Message: Equatable, Sendable {
    /// The bytes of the topic name, with aliases resolved.
    public let topic: [UInt8]
    /// The application's bytes.
    public let payload: [UInt8]
    /// As a number.
    public let qos: UInt8
    /// Whether the retain flag was set.
    public let retain: Bool
  }

  /// What to connect to: 127.0.0.1 or ::1; the path for a unix socket.
  public let host: String
  /// The port; zero for a unix socket.
  public let port: Int
  /// The path of the unix socket; empty for a port.
  public let path: String

  struct State {
    var rules: Rules
    var counts = Counts()
    var messages: [Message] = []
    var isAbandoned = false
    var dropsAll = false
  }

  private let state: Monitor<State>
  private let wakeUp: (reading: Descriptor, writing: Descriptor)
  private let folder: TemporaryFolder?

  /// Listens and serves in a thread of its own.
  public init(_ family: SocketFamily = .ipv4, rules: Rules = Rules()) throws {
    let place = try ListeningPlace(family)
    (host, port, path, folder) = (place.host, place.port, place.path, place.folder)
    state = Monitor(State(rules: rules))
    wakeUp = try Descriptor.pipe()
    wakeUp.reading.makeNonBlocking()
    wakeUp.writing.makeNonBlocking()
    let server = CountingServer(
      listener: place.listener, wokenUp: wakeUp.reading, state: state, random: SplitMix(state: rules.seed))
    Thread.detachNewThread { server.run() }
  }

  deinit {
    change { $0.isAbandoned = true }
  }

  /// The rules it goes by.
  public var rules: Rules {
    get { state.withLock { $0.rules } }
    set { change { $0.rules = newValue } }
  }

  /// What happened so far.
  public var counts: Counts { state.withLock { $0.counts } }

  /// The messages delivered onward, in their order, when they are recorded.
  public var messages: [Message] { state.withLock { $0.messages } }

  /// Sends so many PUBLISH packets to each connection that subscribes from now on.
  public func flood(count: Int, payloadSize: Int = 8, qos: UInt8 = 0, topic: String = "flood") {
    change { $0.rules.flood = Flood(count: count, payloadSize: payloadSize, qos: qos, topic: topic) }
  }

  /// Closes all connections; it is done when this returns.
  public func dropConnections() {
    change { $0.dropsAll = true }
    _ = state.wait(until: .now + .seconds(10)) { $0.dropsAll ? nil : true }
  }

  /// Waits until the counts are as wanted.
  public func wait(
    for what: String, timeout: Duration = .seconds(10), _ condition: (Counts) -> Bool
  ) throws {
    guard state.wait(until: .now + timeout, { condition($0.counts) ? true : nil }) == true else {
      throw TestFailure("no \(what) within \(timeout): \(counts)")
    }
  }

  private func change(_ body: (inout State) -> Void) {
    state.withLock(body)
    wakeUp.writing.write([0])
  }
}

extension CountingPeer.Counts: CustomStringConvertible {
  /// The counts that are not zero, and the violations.
  public var description: String {
    let named = [
      ("connects", connects), ("resumed sessions", resumedSessions), ("publishes", publishes), ("resent", resent),
      ("received", received), ("suppressed", suppressed), ("refused", refused), ("subscriptions", subscriptions),
      ("pings", pings), ("disconnects", disconnects), ("ended", ended), ("dropped", dropped),
      ("flood sent", floodSent), ("flood acknowledged", floodAcknowledged), ("different numbers", numbers.count),
      ("repeated numbers", numbers.repeated), ("numbers out of order", numbers.outOfOrder),
    ]
    return (named.filter { $0.1 != 0 }.map { "\($0.0) \($0.1)" } + violations).joined(separator: ", ")
  }
}
