public import MQTT

/// What was typed about requests and replies, for a tool that asks, pings or answers.
public struct RequestSettings: Sendable {
  var topics = Accumulated<TopicFilter>()
  var responseTopic: TopicName?
  var payload = Exclusive<PayloadSource>()
  var encoding: PayloadEncoding?
  var qos: QoS?

  var hidesRetained = false
  var retainAsPublished = false
  var retainHandling: SubscriptionOptions.RetainHandling?

  var count: Int?
  var idle: Duration?
  var finalTests = Accumulated<TestExpression>()
  var tests = Accumulated<TestExpression>()
  var showsLatency = false

  var role = Exclusive<Role>()
  var interval: Duration?
  var goals: [Goal] = []
  var readyCommand: [UInt8]?

  /// What the tool does instead of asking.
  enum Role: Sendable {
    case ping
    case serve(RequestPlan.Answer)
  }

  /// The defaults.
  public init() {}

  /// Takes a topic: the value of `-t`, or a URL's.
  public mutating func take(topicIn value: Argument) throws(UsageError) {
    topics.append(try value.topicFilter(), from: value.source)
  }
}

/// What the settings mean together.
public enum RequestPlan: Sendable {
  /// To ask, and to print the replies.
  case ask(Asking)
  /// To measure how long replies take.
  case ping(Pinging)
  /// To answer.
  case serve(Serving)

  /// Where requests go, and how their replies come back.
  public struct Exchange: Sendable {
    /// Where requests are published; nil: to the response topic itself.
    public var topic: TopicName?
    /// Where replies are awaited; nil: to be made up.
    public var responseTopic: TopicName?
    /// What the subscription to it asks for.
    public var options: SubscriptionOptions
    /// Whether a reply may have the RETAIN flag, because that is as it was published.
    public var takesRetained: Bool
    /// The properties of the SUBSCRIBE packet.
    public var subscribeProperties: Properties
    /// The properties of each request, besides response topic and correlation data.
    public var properties: Properties
    /// The correlation data of the request; nil: to be made up.
    public var correlationData: [UInt8]?
  }

  /// What to ask, and when there are enough replies.
  public struct Asking: Sendable {
    /// Where to.
    public var exchange: Exchange
    /// Where the payload comes from.
    public var payload: PayloadSource
    /// How it is written there.
    public var encoding: PayloadEncoding
    /// The replies to end after.
    public var count: Int?
    /// How long nothing may come before it ends.
    public var idle: Duration?
    /// A reply that passes all of them is the last one, if there are any.
    public var finalTests: [TestExpression]
    /// Replies that do not pass all of them are left out.
    public var tests: [TestExpression]
    /// Whether the time that a reply took is printed behind it.
    public var showsLatency: Bool
  }

  /// What to measure.
  public struct Pinging: Sendable {
    /// Where to.
    public var exchange: Exchange
    /// The payload of each request; nil: a short text with its number.
    public var payload: PayloadSource?
    /// How it is written there.
    public var encoding: PayloadEncoding
    /// How many requests to make.
    public var count: Int?
    /// The time from one to the next; zero: the next follows the reply.
    public var interval: Duration
    /// What has to be reached.
    public var goals: [Goal]
  }

  /// Which requests to answer, and how.
  public struct Serving: Sendable {
    /// Where requests come from.
    public var subscriptions: [Subscription]
    /// Whether a request may have the RETAIN flag, because that is as it was published.
    public var takesRetained: Bool
    /// The properties of the SUBSCRIBE packet.
    public var subscribeProperties: Properties
    /// Where replies go to requests without a response topic.
    public var responseTopic: TopicName?
    /// The properties of each reply, besides the correlation data.
    public var properties: Properties
    /// How a reply is found.
    public var answer: Answer
    /// What to run when requests can come.
    public var readyCommand: [UInt8]?
  }

  /// How a reply is found.
  public enum Answer: Hashable, Sendable {
    /// It is the request's payload.
    case echo
    /// It is what this command prints, which has the payload on its standard input.
    case command([UInt8])
  }
}

extension RequestPlan {
  /// Whether a command of the user's answers.
  public var hasCommand: Bool {
    if case .serve(let serving) = self, case .command = serving.answer { true } else { false }
  }
}

extension RequestSettings {
  /// What the settings mean together, or what is missing. `connection` has the properties and the version.
  public func plan(
    _ connection: ConnectionSettings, _ compatibility: Compatibility
  ) throws(UsageError) -> RequestPlan {
    switch role.value {
    case nil: .ask(try asking(connection, compatibility))
    case .ping: .ping(try pinging(connection, compatibility))
    case .serve(let answer): .serve(try serving(answer, connection))
    }
  }

  private func asking(
    _ connection: ConnectionSettings, _ compatibility: Compatibility
  ) throws(UsageError) -> RequestPlan.Asking {
    try refuse(pingOptions + servingOptions)
    guard !topics.values.isEmpty else { throw UsageError("no topic to ask on: name one with -t") }
    guard let payload = payload.value else { throw UsageError("no request: give one with -m, -n, -f, -s or -l") }
    let exchange = try exchange(connection, compatibility)
    if case .lines = payload, exchange.correlationData != nil {
      throw UsageError("-D: correlation-data is for one request, and with -l each has its own")
    }
    return RequestPlan.Asking(
      exchange: exchange, payload: payload, encoding: encoding ?? .text, count: count, idle: idle,
      finalTests: finalTests.values, tests: tests.values, showsLatency: showsLatency)
  }

  private func pinging(
    _ connection: ConnectionSettings, _ compatibility: Compatibility
  ) throws(UsageError) -> RequestPlan.Pinging {
    try refuse(choosingOptions + servingOptions, by: "--ping")
    if case .lines = payload.value { throw UsageError("-l: is not for --ping, which has one payload") }
    if topics.values.isEmpty, responseTopic != nil {
      throw UsageError("-e: needs -t, the topic of a responder; without it requests come back by themselves")
    }
    let exchange = try exchange(connection, compatibility)
    if exchange.correlationData != nil {
      throw UsageError("-D: correlation-data is not for --ping, where each request has its own")
    }
    return RequestPlan.Pinging(
      exchange: exchange, payload: payload.value, encoding: encoding ?? .text, count: count,
      interval: interval ?? .seconds(1), goals: goals)
  }

  private func exchange(
    _ connection: ConnectionSettings, _ compatibility: Compatibility
  ) throws(UsageError) -> RequestPlan.Exchange {
    var topic: TopicName?
    if let filter = topics.values.last {
      do { topic = try TopicName(utf8: filter.utf8) } catch {
        throw UsageError("-t: '\(filter)': \(error.explanation)")
      }
    }
    if topic != nil, responseTopic == nil {
      if compatibility.needsResponseTopic { throw UsageError("no response topic: name one with -e") }
      if case .fixed(let version) = connection.version, !version.hasProperties {
        throw UsageError("a request on \(version) cannot say where to reply: name the topic with -e")
      }
    }
    var properties = try connection.properties.properties(for: .publish)
    guard properties[.responseTopic] == nil else { throw UsageError("-D: response-topic is what -e says") }
    let correlationData = properties[.correlationData]
    properties[.correlationData] = nil
    return RequestPlan.Exchange(
      topic: topic, responseTopic: responseTopic,
      options: SubscriptionOptions(
        qos: qos ?? .atMostOnce, retainAsPublished: retainAsPublished, retainHandling: retainHandling ?? .doNotSend),
      takesRetained: retainAsPublished && !hidesRetained,
      subscribeProperties: try connection.properties.properties(for: .subscribe), properties: properties,
      correlationData: correlationData)
  }

  private func serving(
    _ answer: RequestPlan.Answer, _ connection: ConnectionSettings
  ) throws(UsageError) -> RequestPlan.Serving {
    let option = answer == .echo ? "--serve-echo" : "--serve"
    let payload: [(String, Bool)] = [("-m, -n, -f, -s and -l", payload.value != nil), ("--encoding", encoding != nil)]
    try refuse(payload + choosingOptions + askingOptions + pingOptions, by: option)
    guard !topics.values.isEmpty else { throw UsageError("\(option): needs -t, the topic of the requests") }
    if let responseTopic, topics.values.contains(where: { $0.matches(responseTopic) }) {
      throw UsageError("-e: replies to '\(responseTopic)' would be requests again")
    }
    let options = SubscriptionOptions(
      qos: qos ?? .exactlyOnce, retainAsPublished: retainAsPublished, retainHandling: retainHandling ?? .doNotSend)
    let properties = try connection.properties.properties(for: .publish)
    if properties[.correlationData] != nil || properties[.responseTopic] != nil {
      throw UsageError("-D: a reply has its correlation-data from the request, and no response-topic")
    }
    return RequestPlan.Serving(
      subscriptions: topics.values.map { Subscription(filter: $0, options: options) },
      takesRetained: retainAsPublished && !hidesRetained,
      subscribeProperties: try connection.properties.properties(for: .subscribe), responseTopic: responseTopic,
      properties: properties, answer: answer, readyCommand: readyCommand)
  }

  // MARK: - What does not go together

  private var choosingOptions: [(String, Bool)] {
    [("--idle", idle != nil), ("--until", !finalTests.values.isEmpty), ("--where", !tests.values.isEmpty)]
  }
  private var askingOptions: [(String, Bool)] { [("-C", count != nil), ("--latency", showsLatency)] }
  private var pingOptions: [(String, Bool)] { [("--interval", interval != nil), ("--goal", !goals.isEmpty)] }
  private var servingOptions: [(String, Bool)] { [("--on-ready", readyCommand != nil)] }

  private func refuse(_ options: [(name: String, isGiven: Bool)], by role: String? = nil) throws(UsageError) {
    guard let option = options.first(where: { $0.isGiven }) else { return }
    if let role { throw UsageError("\(option.name): cannot stand together with \(role)") }
    throw UsageError("\(option.name): needs \(pingOptions.contains { $0.0 == option.name } ? "--ping" : "--serve")")
  }
}
