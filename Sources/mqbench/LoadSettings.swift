internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed about the load.
struct LoadSettings: Sendable {
  var publishers = 10
  var subscribers = 10
  var topics: Int?
  var isShared = false
  var rate = 100.0
  /// Whether somebody chose the rate; a search begins higher.
  var isRateGiven = false
  var isClosed = false
  var window: Int?
  var arrivals = Schedule.Arrivals.constant
  var ramp = Duration.zero
  var seed = UInt64.random(in: 0...UInt64(Int.max))
  var size = 64...64
  var qos = QoS.atLeastOnce
  var subscriptionQoS: QoS?
  var retain = false
  var connectRate = 500.0
  var warmUp = Duration.seconds(5)
  /// Nil for what the command thinks best.
  var duration: Duration?
  var clients = 100
  var drain = Duration.seconds(30)
  var threads: Int?
  var observation = Observation()

  /// The clients that a command line is about.
  func groups(_ connection: ConnectionPlan) throws(UsageError) -> [LoadGroup] {
    if isShared, subscribers == 0 { throw UsageError("--share: there are no subscribers") }
    let client = client(connection)
    let topics = topics ?? publishers
    let publishing = try publishing(
      clients: publishers, .numbered(NumberedTopics(count: topics, members: publishers)), group: 0)
    var groups = [LoadGroup(name: LoadGroup.publishers, count: publishers, client: client, publishing: publishing)]
    if subscribers > 0 {
      let filters = TopicRule.numbered(NumberedTopics(count: topics, members: subscribers))
      groups.append(
        LoadGroup(
          name: LoadGroup.subscribers, count: subscribers, client: client,
          subscribing: .init(filters: filters, qos: subscriptionQoS ?? qos, isShared: isShared)))
    }
    return groups
  }

  /// A plan of groups, with what is said about the run as a whole.
  func plan(_ groups: [LoadGroup]) throws(UsageError) -> LoadPlan {
    var plan = try LoadPlan(
      groups, seed: seed, ramp: isClosed ? 0 : ramp.nanoseconds, connectRate: connectRate, warmUp: warmUp,
      duration: duration ?? .seconds(30), drainLimit: drain, workers: threads ?? 1)
    (plan.isClosed, plan.observation) = (isClosed, observation)
    return plan
  }

  /// Clients that connect, each with a subscription to a topic of its own.
  func connectGroups(_ connection: ConnectionPlan) -> [LoadGroup] {
    let filters = TopicRule.numbered(NumberedTopics(count: clients, members: clients))
    let group = LoadGroup(
      name: LoadGroup.subscribers, count: clients,
      client: connection.client(retryLimit: .retries(0), lifetime: .networkConnection),
      subscribing: .init(filters: filters, qos: subscriptionQoS ?? .atMostOnce))
    return [group]
  }

  /// A plan of nothing but connections.
  func connectPlan(_ groups: [LoadGroup]) throws(UsageError) -> LoadPlan {
    var plan = try LoadPlan(
      groups, seed: 0, connectRate: connectRate, warmUp: .zero, duration: duration ?? .seconds(1), drainLimit: .zero,
      workers: threads ?? 1)
    (plan.connectsOnly, plan.settle) = (true, .zero)
    return plan
  }

  private func client(_ connection: ConnectionPlan) -> ClientSettings {
    connection.client(retryLimit: .foreverAfterFirstConnection, lifetime: .networkConnection)
  }

  /// What so many clients publish; groups differ in their random times.
  private func publishing(clients: Int, _ topics: TopicRule, group: Int) throws(UsageError) -> LoadGroup.Publishing {
    if window != nil, qos == .atMostOnce {
      throw UsageError("--window: counts unacknowledged messages, and QoS 0 has none")
    }
    if isClosed {
      let others = [("--rate", isRateGiven), ("--arrivals", arrivals != .constant), ("--ramp", ramp != .zero)]
      if let other = others.first(where: \.1) {
        throw UsageError("\(other.0): nothing is due in a closed loop, which publishes as fast as it can (--closed)")
      }
    }
    return LoadGroup.Publishing(
      topics: topics,
      schedule: Schedule(
        publishers: clients, messagesPerSecond: rate, arrivals: arrivals, ramp: isClosed ? .zero : ramp,
        seed: seed &+ UInt64(group)),
      size: size, qos: qos, retain: retain, window: window)
  }

  /// The options of the group.
  static let options: [Option<LoadSettings>] = [
    number("publishers", "clients that publish (10)", in: 1...1_000_000) { $0.publishers = $1 },
    number("subscribers", "clients that subscribe (10)", in: 0...1_000_000) { $0.subscribers = $1 },
    number("topics", "topics to publish to (one for each publisher)", in: 1...10_000_000) { $0.topics = $1 },
    Option(
      OptionDescription(
        long: "share", section: .messages, summary: "let the subscribers of a topic share its messages")
    ) { $0.isShared = true },
    Option(
      OptionDescription(
        long: "rate", value: .one("N"), section: .messages, summary: "messages a second, over all publishers (100)")
    ) { (settings, value) throws(UsageError) in
      settings.rate = try value.rate()
      settings.isRateGiven = true
    },
    Option(
      OptionDescription(
        long: "closed", section: .messages, summary: "publish as fast as the window allows",
        details: """
          Each message waits for those before it, so that a slow broker is asked less: the report has throughput and service times \
          and no latency under load.
          """)
    ) { $0.isClosed = true },
    number("window", "unacknowledged messages that a publisher may have (the broker's receive maximum)", in: 1...65_535)
    {
      $0.window = $1
    },
    Option(
      OptionDescription(
        long: "arrivals", value: .one("HOW"), section: .messages,
        summary: "how messages are spread over time: constant, poisson or burst:N (constant)")
    ) { (settings, value) throws(UsageError) in settings.arrivals = try value.arrivals() },
    Option(
      OptionDescription(
        long: "ramp", value: .one("TIME"), section: .time, summary: "time in which the rate rises to its value (0)")
    ) { (settings, value) throws(UsageError) in settings.ramp = try value.duration() },
    number("seed", "number that random arrivals are made of", in: 0 ... .max) { $0.seed = UInt64($1) },
    Option(
      OptionDescription(
        long: "size", value: .one("SIZE"), section: .messages,
        summary: "bytes of a payload, or from least to most as in 64..1k (64)",
        details: "At least 16, which tell who sent which message.")
    ) { (settings, value) throws(UsageError) in settings.size = try value.sizes() },
    Option(
      OptionDescription(long: "qos", value: .one("QOS"), section: .messages, summary: "QoS of the messages (1)")
    ) { (settings, value) throws(UsageError) in settings.qos = try value.qos() },
    Option(
      OptionDescription(
        long: "subscription-qos", value: .one("QOS"), section: .messages,
        summary: "QoS of the subscriptions (that of the messages)")
    ) { (settings, value) throws(UsageError) in settings.subscriptionQoS = try value.qos() },
    Option(
      OptionDescription(long: "retain", section: .messages, summary: "ask the broker to keep each topic's last message")
    ) { $0.retain = true },
    Option(
      OptionDescription(
        long: "connect-rate", value: .one("N"), section: .time, summary: "connections to begin in a second (500)")
    ) { (settings, value) throws(UsageError) in settings.connectRate = try value.rate() },
    time("warm-up", "time before the window, which does not count (5s)") { $0.warmUp = $1 },
    time("duration", "length of the window in which messages count (30s), or for which connections are held (1s)") {
      $0.duration = $1
    },
    number("clients", "clients to connect (100)", in: 1...1_000_000) { $0.clients = $1 },
    time("drain", "how long messages may come after the window (30s)") { $0.drain = $1 },
    number("threads", "threads to share the clients among (1)", in: 1...64) { $0.threads = $1 },
  ]

  private static func number(
    _ long: String, _ summary: String, in range: ClosedRange<Int>,
    set: @escaping @Sendable (inout LoadSettings, Int) -> Void
  ) -> Option<LoadSettings> {
    Option(OptionDescription(long: long, value: .one("N"), section: .messages, summary: summary)) {
      (settings, value) throws(UsageError) in set(&settings, try value.number(in: range))
    }
  }

  private static func time(
    _ long: String, _ summary: String, set: @escaping @Sendable (inout LoadSettings, Duration) -> Void
  ) -> Option<LoadSettings> {
    Option(OptionDescription(long: long, value: .one("TIME"), section: .time, summary: summary)) {
      (settings, value) throws(UsageError) in set(&settings, try value.duration())
    }
  }
}

extension Argument {
  /// A number a second above zero, perhaps with a fraction.
  fileprivate func rate() throws(UsageError) -> Double {
    let text = try text()
    guard let rate = Double(text), rate > 0, rate <= 1e9 else {
      throw UsageError("\(quoted) is not a number a second such as 0.5 or 20000")
    }
    return rate
  }

  fileprivate func arrivals() throws(UsageError) -> Schedule.Arrivals {
    let burst = Array("burst:".utf8)
    if bytes.starts(with: burst) {
      return .bursts(of: try Argument(Array(bytes.dropFirst(burst.count)), from: source).number(in: 1...10_000_000))
    }
    return try choice([("constant", .constant), ("poisson", .poisson)])
  }

  fileprivate func sizes() throws(UsageError) -> ClosedRange<Int> {
    let dots = bytes.indices.first { bytes[$0...].starts(with: "..".utf8) }
    let low = Argument(Array(bytes[..<(dots ?? bytes.endIndex)]), from: source)
    let high = dots.map { Argument(Array(bytes[($0 + 2)...]), from: source) } ?? low
    let (least, most) = (try low.size(), try high.size())
    guard least >= MessageHeader.size else {
      throw UsageError("\(quoted): a payload needs \(MessageHeader.size) bytes to tell which message it is")
    }
    guard least <= most, most <= 268_435_000 else {
      throw UsageError("\(quoted) is not a size such as 64, 4k or 64..1k")
    }
    return least...most
  }
}
