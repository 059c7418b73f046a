internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed about the load.
struct LoadSettings: Sendable {
  var publishers = 10
  var subscribers = 10
  var topics: Int?
  var isShared = false
  /// Typed topics and filters instead of made-up ones.
  var published: [TopicPattern] = []
  var subscribed: [TopicPattern] = []
  var pace = Pace.rate(100)
  /// Whether somebody chose the rate; a search begins higher.
  var isRateGiven = false
  var isClosed = false
  var window: Int?
  var arrivals = Schedule.Arrivals.constant
  var ramp = Duration.zero
  var seed = UInt64.random(in: 0...UInt64(Int.max))
  var qos = QoS.atLeastOnce
  var subscriptionQoS: QoS?
  var retain = false
  var connectRate = 500.0
  var warmUp = Duration.seconds(5)
  /// Nil for what the command thinks best.
  var duration: Duration?
  var clients: Int?
  var reconnectEvery: Duration?
  var drain = Duration.seconds(30)
  var threads: Int?
  /// The part that this process does.
  var shard: Shard?
  /// The number that the first publisher has in the whole load.
  var firstPublisher = 0
  /// When the arrivals begin; nil as soon as all is ready.
  var startTime: WallTime?
  var observation = Observation()
  var workload = WorkloadSettings()

  /// How often messages are due.
  enum Pace: Sendable {
    /// Messages a second over all publishers of the group.
    case rate(Double)
    /// The time between two messages of one publisher.
    case every(Duration)

    func rate(_ publishers: Int) -> Double {
      switch self {
      case .rate(let rate): rate
      case .every(let time): Double(publishers) * 1e9 / Double(max(1, time.nanoseconds))
      }
    }
  }

  /// The clients that a command line is about.
  func groups(_ connection: ConnectionPlan) throws(UsageError) -> [LoadGroup] {
    if isShared, subscribers == 0 { throw UsageError("--share: there are no subscribers") }
    if workload.idleCount > 0, subscribers == 0 {
      throw UsageError("--idle-subscriptions: there are no subscribers")
    }
    if !published.isEmpty, topics != nil {
      throw UsageError("--topics says how many topics to make up, and --publish which ones there are")
    }
    if !published.isEmpty, workload.names != TopicNames() {
      throw UsageError(
        "--topic-levels and --filter are about topics that are made up, and --publish says which there are")
    }
    if published.isEmpty, !subscribed.isEmpty {
      throw UsageError("--subscribe: to which topics are messages published? see --publish")
    }
    let client = client(connection)
    let count = topics ?? publishers
    func made(_ members: Int, isCommon: Bool) -> TopicRule {
      .numbered(NumberedTopics(count: count, members: members, isCommon: isCommon, names: workload.names))
    }
    let rule = published.isEmpty ? made(publishers, isCommon: workload.popularity != nil) : .named(published)
    var groups = [
      LoadGroup(
        name: "publishers", identifierPrefix: "p", count: publishers, client: client,
        publishing: try publishing(clients: publishers, rule), identitiesFile: workload.identities,
        addresses: workload.addresses)
    ]
    if subscribers > 0 {
      let filters = subscribed.isEmpty ? published : subscribed
      groups.append(
        LoadGroup(
          name: "subscribers", identifierPrefix: "s", count: subscribers, client: client,
          subscribing: .init(
            filters: published.isEmpty ? made(subscribers, isCommon: false) : .named(filters),
            qos: subscriptionQoS ?? qos, isShared: isShared, idleCount: workload.idleCount),
          identitiesFile: workload.identities, addresses: workload.addresses))
    }
    for index in groups.indices { groups[index].reconnectInterval = reconnectEvery?.nanoseconds }
    return groups
  }

  /// A group of a scenario.
  func group(_ name: String, _ number: Int, _ connection: ConnectionPlan) throws(UsageError) -> LoadGroup {
    let count = clients ?? 1
    var group = LoadGroup(
      name: name, identifierPrefix: "\(name)-", count: count, client: client(connection),
      identitiesFile: workload.identities, addresses: workload.addresses)
    if !published.isEmpty { group.publishing = try publishing(clients: count, .named(published), group: number) }
    if !subscribed.isEmpty || workload.idleCount > 0 {
      group.subscribing = .init(
        filters: .named(subscribed), qos: subscriptionQoS ?? qos, isShared: isShared, idleCount: workload.idleCount)
    }
    group.reconnectInterval = reconnectEvery?.nanoseconds
    return group
  }

  /// A plan of groups, with what is said about the run as a whole.
  func plan(_ groups: [LoadGroup]) throws(UsageError) -> LoadPlan {
    var plan = try LoadPlan(
      groups, seed: seed, ramp: isClosed ? 0 : ramp.nanoseconds, connectRate: connectRate, warmUp: warmUp,
      duration: duration ?? .seconds(30), drainLimit: drain, workers: threads ?? 1)
    (plan.isClosed, plan.observation) = (isClosed, observation)
    return plan
  }

  static let connectingClients = 100

  /// Clients that connect, each with a subscription to a topic of its own.
  func connectGroups(_ connection: ConnectionPlan) -> [LoadGroup] {
    let clients = clients ?? Self.connectingClients
    let filters = TopicRule.numbered(NumberedTopics(count: clients, members: clients))
    let group = LoadGroup(
      name: "clients", identifierPrefix: "s", count: clients,
      client: connection.client(retryLimit: .retries(0), lifetime: .networkConnection),
      subscribing: .init(filters: filters, qos: subscriptionQoS ?? .atMostOnce),
      identitiesFile: workload.identities, addresses: workload.addresses)
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
  private func publishing(clients: Int, _ topics: TopicRule, group: Int = 0) throws(UsageError) -> LoadGroup.Publishing
  {
    if window != nil, qos == .atMostOnce {
      throw UsageError("--window: counts unacknowledged messages, and QoS 0 has none")
    }
    if isClosed {
      let others = [
        ("--rate and --every", isRateGiven), ("--arrivals", arrivals != .constant), ("--ramp", ramp != .zero),
      ]
      if let other = others.first(where: \.1) {
        throw UsageError("\(other.0): nothing is due in a closed loop, which publishes as fast as it can (--closed)")
      }
    }
    let seed = seed &+ UInt64(group)
    return LoadGroup.Publishing(
      topics: topics, cycle: try workload.cycle(topics.topicCount(of: 0), seed: seed),
      schedule: Schedule(
        publishers: clients, messagesPerSecond: pace.rate(clients), arrivals: arrivals, ramp: isClosed ? .zero : ramp,
        seed: seed, firstPublisher: firstPublisher),
      payload: try workload.payloadRule(), qos: qos, retain: retain, window: window)
  }

  /// The options of a group.
  static let groupOptions: [Option<LoadSettings>] = [
    number("clients", "clients of a group, or clients to connect (1, of connect 100)", in: 1...1_000_000) {
      $0.clients = $1
    },
    Option(
      OptionDescription(
        long: "publish", value: .one("TOPIC"), section: .messages,
        summary: "publish to this topic, of which %c is the client's number; may be repeated",
        details: """
          Several topics have their turns. %c counts from 0 in each group, %r is the run's word, and %% stands for %. Without it topics are \
          made up: mqbench/WORD/0 and so on.
          """)
    ) { (settings, value) throws(UsageError) in settings.published.append(try TopicPattern(topic: value)) },
    Option(
      OptionDescription(
        long: "subscribe", value: .one("FILTER"), section: .messages,
        summary: "subscribe to this filter, of which %c is the client's number; may be repeated",
        details: """
          Whom each message has to reach follows from topics and filters of all groups. What others publish there is counted as foreign.
          """)
    ) { (settings, value) throws(UsageError) in settings.subscribed.append(try TopicPattern(filter: value)) },
    Option(
      OptionDescription(
        long: "share", section: .messages, summary: "let subscribers with the same filter share its messages")
    ) { $0.isShared = true },
    Option(
      OptionDescription(
        long: "rate", value: .one("N"), section: .messages,
        summary: "messages a second, over all publishers (100; search begins at 1000)")
    ) { (settings, value) throws(UsageError) in
      settings.pace = .rate(try value.rate())
      settings.isRateGiven = true
    },
    Option(
      OptionDescription(
        long: "every", value: .one("TIME"), section: .messages,
        summary: "time between two messages of each publisher, instead of a rate")
    ) { (settings, value) throws(UsageError) in
      settings.pace = .every(try value.durationAboveZero())
      settings.isRateGiven = true
    },
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
        long: "reconnect-every", value: .one("TIME"), section: .time,
        summary: "let each client leave after this time, and come again",
        details: """
          They do so one after the other, all through the run; a publisher waits for its acknowledgements before. What was due to a \
          subscriber while it was away, or in the second before it left, is not owed to it. The times of connecting have those \
          connections in them.
          """)
    ) { (settings, value) throws(UsageError) in
      let time = try value.durationAboveZero()
      guard time >= .milliseconds(100) else { throw UsageError("\(value.quoted) is less than a tenth of a second") }
      settings.reconnectEvery = try value.withinYear(time)
    },
  ]

  /// The options of a run.
  static let runOptions: [Option<LoadSettings>] = [
    number("publishers", "clients that publish (10)", in: 1...1_000_000) { $0.publishers = $1 },
    number("subscribers", "clients that subscribe (10)", in: 0...1_000_000) { $0.subscribers = $1 },
    number("topics", "topics to publish to (one for each publisher)", in: 1...10_000_000) { $0.topics = $1 },
    Option(
      OptionDescription(
        long: "closed", section: .messages, summary: "publish as fast as the window allows",
        details: """
          Each message waits for those before it, so that a slow broker is asked less: the report has throughput and service times \
          and no latency under load.
          """)
    ) { $0.isClosed = true },
    Option(
      OptionDescription(
        long: "ramp", value: .one("TIME"), section: .time, summary: "time in which the rate rises to its value (0)")
    ) { (settings, value) throws(UsageError) in settings.ramp = try value.withinYear(value.duration()) },
    number("seed", "number that all random things are made of", in: 0 ... .max) { $0.seed = UInt64($1) },
    Option(
      OptionDescription(
        long: "connect-rate", value: .one("N"), section: .time, summary: "connections to begin in a second (500)")
    ) { (settings, value) throws(UsageError) in
      settings.connectRate = try value.rate()
      if settings.connectRate < 0.01 { throw UsageError("\(value.quoted) is less than one in a hundred seconds") }
    },
    time("warm-up", "time before the window, which does not count (5s)") { $0.warmUp = $1 },
    Option(
      OptionDescription(
        long: "duration", value: .one("TIME"), section: .time,
        summary: "length of the window in which messages count, or for which connections are held (30s, of connect 1s)")
    ) { (settings, value) throws(UsageError) in
      settings.duration = try value.withinYear(value.durationAboveZero())
    },
    time("drain", "how long messages may come after the window (30s)") { $0.drain = $1 },
    number("threads", "threads to share the clients among (1)", in: 1...64) { $0.threads = $1 },
  ]

  static let options = groupOptions + runOptions

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
      (settings, value) throws(UsageError) in set(&settings, try value.withinYear(value.duration()))
    }
  }
}

extension Argument {
  /// A number a second above zero, perhaps with a fraction.
  fileprivate func rate() throws(UsageError) -> Double {
    let text = try text()
    guard let rate = Double(text), rate >= 1e-6, rate <= 1e9 else {
      throw UsageError("\(quoted) is not a number a second such as 0.5 or 20000")
    }
    return rate
  }

  fileprivate func arrivals() throws(UsageError) -> Schedule.Arrivals {
    let burst = Array("burst:".utf8)
    if bytes.starts(with: burst) {
      return .bursts(of: try Argument(Array(bytes.dropFirst(burst.count)), from: source).number(in: 1...10_000_000))
    }
    guard !bytes.elementsEqual("constant".utf8) else { return .constant }
    guard bytes.elementsEqual("poisson".utf8) else {
      throw UsageError("\(quoted) is not constant, poisson or burst:N, as in burst:100")
    }
    return .poisson
  }

  /// The time, unless it is longer than a year.
  fileprivate func withinYear(_ time: Duration) throws(UsageError) -> Duration {
    guard time <= .seconds(366 * 86_400) else { throw UsageError("\(quoted) is more than a year") }
    return time
  }
}
