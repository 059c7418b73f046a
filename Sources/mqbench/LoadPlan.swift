internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What a run of load does.
struct LoadPlan: Sendable {
  /// What the clients do.
  private(set) var groups: [LoadGroup]
  /// Whom messages reach.
  let routing: Routing
  /// The scenario that the groups come from, as a report keeps it.
  var scenarioText: String?
  /// What random arrivals are made of.
  var seed: UInt64
  /// Nanoseconds in which the rates rise from nothing.
  var ramp: Int64
  /// Nothing but connections, which are held for the window.
  var connectsOnly = false
  /// As fast as the window allows, instead of by schedule.
  var isClosed = false
  /// Connections begun in a second.
  var connectRate: Double
  var warmUp: Duration
  var duration: Duration
  var settle = Duration.seconds(1)
  /// How long after the last message of the window others may come.
  var drainLimit: Duration
  var workers: Int
  var observation = Observation()
  /// What it is a part of; nil when it is all there is.
  var part: Part?
  /// When the arrivals, or nothing but connections, begin; nil as soon as all is ready.
  var startTime: WallTime?
  /// Four letters that other runs hardly have; topics and client identifiers begin with them.
  var run = RunWord()

  /// - Throws: when the groups do not go together.
  init(
    _ groups: [LoadGroup], seed: UInt64, ramp: Int64 = 0, connectRate: Double, warmUp: Duration, duration: Duration,
    drainLimit: Duration, workers: Int
  ) throws(UsageError) {
    var first = 0
    self.groups = groups
    for index in groups.indices {
      self.groups[index].first = first
      first += groups[index].count
    }
    let haveHeaders = groups.compactMap(\.publishing?.payload.hasHeader)
    guard Set(haveHeaders).count < 2 else { throw UsageError("--no-sequence: goes for all groups or for none") }
    routing = try Routing(self.groups)
    (self.seed, self.ramp, self.connectRate) = (seed, ramp, connectRate)
    (self.warmUp, self.duration, self.drainLimit) = (warmUp, duration, drainLimit)
    self.workers = max(1, min(workers, first))
  }

  // MARK: - Times

  /// Nanoseconds from the start of the arrivals to the start and the end of the window.
  var windowStart: Int64 { ramp + warmUp.nanoseconds }
  var windowEnd: Int64 { windowStart + duration.nanoseconds }

  /// Whether a message that was due at this time counts. In a closed loop nothing is due, and all count.
  func isMeasured(dueAt time: Int64) -> Bool { isClosed || time >= windowStart && time < windowEnd }

  /// Seconds before the window, the first of which may be short.
  var leadSeconds: Int { Int((windowStart + 999_999_999) / 1_000_000_000) }

  /// The number of the second in which this time falls, so that the window begins with second `leadSeconds`.
  func second(at time: Int64) -> Int { (Int(time - windowStart) + leadSeconds * 1_000_000_000) / 1_000_000_000 }

  /// When the second with this number ends.
  func end(ofSecond second: Int) -> Int64 { windowStart + Int64(second + 1 - leadSeconds) * 1_000_000_000 }

  // MARK: - All groups together

  /// The clients of a run.
  var clientCount: Int { groups.reduce(0) { $0 + $1.count } }
  var publishings: [LoadGroup.Publishing] { groups.compactMap(\.publishing) }
  /// Whether it is known which message each delivery is.
  var followsMessages: Bool { hasSubscribers && publishings.allSatisfy(\.payload.hasHeader) }
  var hasSubscribers: Bool { groups.contains { $0.subscribing != nil } }
  var hasAcknowledgements: Bool { publishings.contains { $0.qos != .atMostOnce } }
  /// Whether it says something that groups are told apart.
  var tellsGroups: Bool { publishings.count > 1 }
  /// Messages published in a second.
  var messagesPerSecond: Double { publishings.reduce(0) { $0 + $1.schedule.messagesPerSecond } }
  /// How to connect, by the first group.
  var client: ClientSettings { groups[0].client }

  /// Which times the report is about.
  var headline: Headline {
    if connectsOnly { return .connect }
    if followsMessages { return .endToEnd }
    return hasAcknowledgements ? .acknowledgement : .sendDelay
  }

  enum Headline: Sendable { case endToEnd, acknowledgement, sendDelay, connect }

  // MARK: - The same with a difference

  /// So many messages a second, each group in proportion.
  func publishing(_ messagesPerSecond: Double) -> LoadPlan {
    var plan = self
    let factor = messagesPerSecond / self.messagesPerSecond
    for index in groups.indices {
      guard let schedule = groups[index].publishing?.schedule else { continue }
      plan.groups[index].publishing?.schedule = schedule.withRate(schedule.messagesPerSecond * factor)
    }
    return plan
  }

  /// With something else in the settings of all clients.
  func changingClients(_ change: (inout ClientSettings) -> Void) -> LoadPlan {
    var plan = self
    for index in groups.indices { change(&plan.groups[index].client) }
    return plan
  }

  /// One publisher and one subscriber with a message now and then, to see how a broker does that has nothing else to do.
  func pinging() throws(UsageError) -> LoadPlan {
    guard let group = groups.first(where: { $0.publishing != nil }), let publishing = group.publishing else {
      return self
    }
    let topics = TopicRule.numbered(NumberedTopics(count: 1, members: 1))
    var quiet = LoadGroup.Publishing(
      topics: topics, schedule: Schedule(publishers: 1, messagesPerSecond: 50), payload: publishing.payload,
      qos: publishing.qos)
    quiet.payload.hasHeader = true
    let other = groups.first { $0.subscribing != nil } ?? group
    return try LoadPlan(
      [
        LoadGroup(
          name: "publishers", identifierPrefix: "p", count: 1, client: group.client, publishing: quiet,
          identities: group.identities, addresses: group.addresses),
        LoadGroup(
          name: "subscribers", identifierPrefix: "s", count: 1, client: other.client,
          subscribing: .init(filters: topics, qos: publishing.qos),
          identities: other.first == group.first ? group.identities?.dropFirst(1) : other.identities,
          addresses: other.addresses),
      ], seed: seed, connectRate: connectRate, warmUp: .zero, duration: .seconds(1), drainLimit: .seconds(5), workers: 1
    )
  }
}

/// A word that tells runs apart.
struct RunWord: Hashable, Sendable, CustomStringConvertible {
  let number: UInt16

  init() { number = .random(in: 0 ... .max) }

  /// Four letters: `bafo`.
  var description: String {
    let consonants = Array("bdfghjklmnprstvz".utf8)
    let vowels = Array("aeio".utf8)
    let bits = Int(number)
    let letters = [
      consonants[bits >> 12], vowels[bits >> 10 & 3], consonants[bits >> 6 & 15], vowels[bits >> 4 & 3],
      consonants[bits & 15],
    ]
    return String(decoding: letters, as: UTF8.self)
  }
}
