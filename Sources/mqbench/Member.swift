internal import MQTT
internal import MQTTClient

/// A client of a run, with what it does.
final class Member {
  let group: WorkerGroup
  /// Its number in the group.
  let index: Int
  /// It gives way to another one when it comes again.
  private(set) var client: Client
  let publisher: Publisher?
  let subscriber: Subscriber?
  /// When its attempt to connect was due.
  var attempt = Instant(nanoseconds: 0)
  /// Whether the broker has accepted it on its present network connection.
  var isConnected = false
  /// Whether it has connected and subscribed once.
  var isReady = false
  /// Whether it is about to leave, or has left, in order to come again. It publishes nothing meanwhile.
  var isLeaving = false {
    didSet { publisher?.isLeaving = isLeaving }
  }
  /// Whether it has left and come again.
  private(set) var hasComeAgain = false

  init(_ index: Int, of group: WorkerGroup, _ routing: Routing) {
    self.index = index
    self.group = group
    client = group.client(index)
    publisher = group.publishing.map { [client] _ in
      Publisher(index, of: group, group.paths(of: index, routing), client: client)
    }
    subscriber = group.plan.subscribing.map { [client] in
      Subscriber(group.clients.lowerBound + index, isShared: $0.isShared, client: client)
    }
  }

  /// Begins anew, with another client.
  func begin() {
    client = group.client(index, comesAgain: true)
    (isLeaving, isConnected, hasComeAgain) = (false, false, true)
    publisher?.begin(client)
    subscriber?.begin(client)
  }

  /// Asks for its subscriptions, when it connects.
  func subscribe(at now: Instant) {
    for subscriptions in group.plan.subscriptions(of: index, group.run) {
      // It throws for what a broker's limits forbid, and there is none yet.
      try! client.subscribe(subscriptions, at: now)
    }
  }
}

/// Members that leave and come again, each after the same time, one after the other.
struct Round {
  private let members: [Member]
  private let interval: Int64
  private var count = 0

  /// - Parameter interval: nanoseconds from when a member leaves until it leaves again.
  init(_ members: [Member], _ interval: Int64) {
    self.members = members
    self.interval = interval
  }

  /// When the next one is to leave.
  var due: Int64 {
    let member = members[count % members.count]
    let share = Double(member.index + 1) / Double(member.group.clients.count)
    return Int64(count / members.count) * interval + Int64(Double(interval) * share)
  }

  /// The member whose turn it is.
  mutating func next() -> Member {
    defer { count += 1 }
    return members[count % members.count]
  }
}

/// A group as one worker sees it.
final class WorkerGroup {
  let plan: LoadGroup
  let publishing: LoadGroup.Publishing?
  let run: RunWord
  let number: UInt8
  /// The plan's, which are looked at for each message.
  let schedule: Schedule
  let qos: QoS
  let retain: Bool
  let isPublishing: Bool
  private let cycle: TopicCycle?
  /// Whether each publisher has one topic: there is nothing to be found out then.
  private let hasOneTopicEach: Bool
  /// Makes what is published; nil where nothing is.
  let payloads: PayloadMaker?
  /// The numbers of its clients.
  let clients: Range<Int>
  /// No publisher gets as far: a larger number in a message is none of ours.
  let sequenceLimit: Int
  private let tlsFiles = TLSFiles()
  /// What became of its messages, where that is told of each group.
  var measured = GroupMeasurements()

  init(_ number: Int, of load: LoadPlan) {
    let plan = load.groups[number]
    self.plan = plan
    publishing = plan.publishing
    run = load.run
    self.number = UInt8(number)
    schedule = publishing?.schedule ?? Schedule(publishers: 1, messagesPerSecond: 1)
    (qos, retain) = (publishing?.qos ?? .atMostOnce, publishing?.retain ?? false)
    isPublishing = publishing != nil
    cycle = publishing?.cycle
    hasOneTopicEach = publishing.map { $0.cycle == nil && $0.topics.topicCount(of: 0) == 1 } ?? true
    payloads = publishing.map { PayloadMaker($0.payload, seed: $0.schedule.seed) }
    clients = plan.clients
    sequenceLimit = load.isClosed ? 1 << 32 : schedule.firstSequence(of: 0, notBefore: load.windowEnd) + 64
  }

  /// The place of the topic of message `sequence` among those of the client with this number in the group, and how many earlier
  /// messages of that client went there.
  func place(of sequence: Int, from member: Int) -> (topic: Int, index: Int) {
    if hasOneTopicEach { return (0, sequence) }
    if let cycle { return cycle.place(ofPublisher: member, sequence) }
    let count = publishing?.topics.topicCount(of: member) ?? 1
    return count == 1 ? (0, sequence) : (sequence % count, sequence / count)
  }

  /// The topics of a publisher, and to how many subscribers a message of each of them goes.
  struct Paths {
    var topics: [[UInt8]]
    var deliveries: [Int]
  }

  private var commonPaths: Paths?

  /// Publishers that have the same topics share the memory for them.
  func paths(of member: Int, _ routing: Routing) -> Paths {
    if let commonPaths { return commonPaths }
    guard let rule = publishing?.topics else { return Paths(topics: [], deliveries: []) }
    let paths = Paths(
      topics: rule.topics(of: member, run: "\(run)"),
      deliveries: rule.topics(of: member, run: Routing.run).map { routing.recipients(of: $0).count })
    if rule.isCommon { commonPaths = paths }
    return paths
  }

  /// A client for the member with this number. One that comes again has been accepted before, and tries for ever.
  func client(_ member: Int, comesAgain: Bool = false) -> Client {
    var settings = plan.settings(of: member, run)
    if comesAgain { settings.reconnect = ReconnectPolicy(.forever) }
    settings.tlsFiles = tlsFiles
    // One of each group tells of all: to look at as many certificates as there are clients takes time.
    if member > 0 { settings.reportTLS = nil }
    let client = Client(settings)
    if publishing != nil { client.leavesPublishesToCaller() }
    return client
  }
}
