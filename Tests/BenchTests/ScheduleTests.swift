import MQTT
import MQTTClient
import Testing

@testable import CommandLineTool
@testable import mqbench

struct ScheduleTests {
  @Test("constant arrivals are even over all publishers, however far the run has come")
  func constant() {
    let schedule = Schedule(publishers: 10, messagesPerSecond: 100)
    #expect(schedule.due(0, 0) == 0)
    #expect(schedule.due(3, 0) == 30_000_000)
    #expect(schedule.due(3, 7) == 730_000_000)
    // A hundred years of messages, to the nanosecond.
    #expect(schedule.due(9, 31_536_000_000) == 3_153_600_000_090_000_000)
    #expect(Schedule(publishers: 1, messagesPerSecond: 3).due(0, 1) == 333_333_333)
    #expect(Schedule(publishers: 1, messagesPerSecond: 0.5).due(0, 2) == 4_000_000_000)
  }

  @Test("bursts come at once and keep the rate")
  func bursts() {
    let schedule = Schedule(publishers: 2, messagesPerSecond: 100, arrivals: .bursts(of: 10))
    #expect((0..<5).allSatisfy { schedule.due(1, $0) == 0 })
    #expect((5..<10).allSatisfy { schedule.due(0, $0) == 100_000_000 })
  }

  @Test("the rate of a ramp rises in a straight line, and half its messages are missing when it ends")
  func ramp() {
    let schedule = Schedule(publishers: 1, messagesPerSecond: 100, ramp: .seconds(10))
    #expect(schedule.firstSequence(of: 0, notBefore: 5_000_000_000) == 125)
    #expect(schedule.firstSequence(of: 0, notBefore: 10_000_000_000) == 500)
    #expect(schedule.firstSequence(of: 0, notBefore: 11_000_000_000) == 600)
  }

  @Test("the first message at or after a time is found from any earlier one", arguments: [0, 1, 40, 41])
  func firstSequence(start: Int) {
    for arrivals in [Schedule.Arrivals.constant, .poisson, .bursts(of: 7)] {
      let schedule = Schedule(publishers: 3, messagesPerSecond: 300, arrivals: arrivals, seed: 5)
      for time in stride(from: Int64(0), through: 2_000_000_000, by: 37_000_000) {
        let plain = (start...).first { schedule.due(1, $0) >= time }
        #expect(schedule.firstSequence(of: 1, notBefore: time, from: start) == plain)
      }
    }
  }

  @Test("random arrivals rise, keep the rate, and belong to their seed")
  func poisson() {
    let schedule = Schedule(publishers: 3, messagesPerSecond: 300, arrivals: .poisson, seed: 7)
    let times = (0..<3200).map { schedule.due(1, $0) }
    #expect(zip(times, times.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(times.last! > 31_000_000_000 && times.last! <= 32_000_000_000)
    let other = Schedule(publishers: 3, messagesPerSecond: 300, arrivals: .poisson, seed: 8)
    #expect(times != (0..<3200).map { other.due(1, $0) })
    #expect(times == (0..<3200).map { schedule.due(1, $0) })
    // Gaps of exponential length: their standard deviation is their mean.
    let gaps = zip(times, times.dropFirst()).map { Double($1 - $0) / 1e7 }
    let mean = gaps.reduce(0, +) / Double(gaps.count)
    let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
    #expect(abs(mean - 1) < 0.01 && abs(variance.squareRoot() - 1) < 0.1, "\(mean) \(variance)")
  }
}

struct RoutingTests {
  private func client() -> ClientSettings {
    ClientSettings(
      endpoint: .unix(path: "/nowhere"),
      session: SessionSettings(connect: ConnectPacket(protocolVersion: .v5), version: .v5),
      reconnect: ReconnectPolicy(.retries(0)))
  }

  private func publishers(_ count: Int, to topics: TopicRule, rate: Double = 1) -> LoadGroup {
    LoadGroup(
      name: "publishers", count: count, client: client(),
      publishing: .init(
        topics: topics, schedule: Schedule(publishers: count, messagesPerSecond: rate), qos: .atLeastOnce
      ))
  }

  private func subscribers(_ count: Int, to filters: TopicRule, isShared: Bool = false) -> LoadGroup {
    LoadGroup(
      name: "subscribers", count: count, client: client(),
      subscribing: .init(filters: filters, qos: .atLeastOnce, isShared: isShared))
  }

  private func plan(_ groups: [LoadGroup]) throws -> LoadPlan {
    try LoadPlan(
      groups, seed: 1, connectRate: 1, warmUp: .zero, duration: .seconds(1), drainLimit: .zero, workers: 1)
  }

  private func pattern(_ text: String) throws -> TopicPattern {
    try TopicPattern(filter: Argument(Array(text.utf8), from: Source(.commandLine)))
  }

  @Test(
    "each message of a topic goes to whoever subscribes to it, whichever numbers there are",
    arguments: [(1, 1, 1), (5, 1, 5), (1, 7, 1), (3, 4, 12), (6, 4, 3), (2, 5, 3), (4, 0, 4)])
  func agreement(publisherCount: Int, subscriberCount: Int, topics: Int) throws {
    let published = TopicRule.numbered(NumberedTopics(count: topics, members: publisherCount))
    let filters = TopicRule.numbered(NumberedTopics(count: topics, members: max(1, subscriberCount)))
    let routing = try plan([publishers(publisherCount, to: published), subscribers(subscriberCount, to: filters)])
      .routing
    var names = Set<[UInt8]>()
    for publisher in 0..<publisherCount {
      let own = published.topics(of: publisher, run: Routing.run)
      #expect(own.count == published.topicCount(of: publisher))
      for topic in own {
        names.insert(topic)
        let takers = (0..<subscriberCount).filter { filters.topics(of: $0, run: Routing.run).contains(topic) }
        #expect(Set(routing.recipients(of: topic)) == Set(takers.map { .client(publisherCount + $0) }))
        #expect(subscriberCount == 0 || !takers.isEmpty)
      }
    }
    #expect(names.count == topics)
  }

  @Test("wildcards, shares and several groups are counted as a broker counts them")
  func wildcards() throws {
    let devices = publishers(4, to: .named([try pattern("d/%c/t"), try pattern("d/%c/u")]), rate: 3)
    let others = publishers(1, to: .named([try pattern("x")]), rate: 1)
    let routing = try plan([
      devices, others, subscribers(2, to: .named([try pattern("d/+/t")])),
      subscribers(3, to: .named([try pattern("d/#")]), isShared: true),
      subscribers(4, to: .named([try pattern("d/%c/t")])), subscribers(1, to: .named([try pattern("+/t")])),
    ]).routing
    // Two dashboards, one of those that share, and the device itself.
    #expect(
      Set(routing.recipients(of: Array("d/2/t".utf8)))
        == [.client(5), .client(6), .share(0), .client(12)])
    #expect(routing.recipients(of: Array("d/2/u".utf8)) == [.share(0)])
    #expect(routing.recipients(of: Array("$d/2/t".utf8)).isEmpty)
    #expect(routing.recipients(of: Array("d".utf8)) == [.share(0)])
    #expect(routing.shares == [[7, 8, 9]])
    #expect(routing.fansOut)
    // Three of four messages go to 4 or 1 of them, the fourth to nobody.
    #expect(routing.deliveriesPerMessage == 0.75 * 2.5)
  }

  @Test("filters of one client that overlap are refused: brokers answer them with one copy or with two")
  func overlap() throws {
    let topics = TopicRule.named([try pattern("a/b")])
    let both = TopicRule.named([try pattern("a/+"), try pattern("a/b")])
    let groups = [publishers(1, to: topics), subscribers(1, to: both)]
    #expect(throws: UsageError.self) { try plan(groups) }
  }

  @Test("wildcards at the beginning leave out what begins with $", arguments: ["#", "+/x", "+"])
  func dollar(filter: String) {
    var tree = SubscriptionTree<Int>()
    tree.insert(1, under: Array(filter.utf8))
    #expect(tree.matches(Array("$SYS/x".utf8)).isEmpty)
    #expect(tree.matches(Array("$SYS".utf8)).isEmpty)
  }
}

struct MeasuringTests {
  @Test("a header is read as it was written, and told from others")
  func header() {
    let header = MessageHeader(run: 0xBEEF, group: 2, publisher: 0x0102_0304, sequence: 0x0A0B_0C0D_0E0F)
    var bytes = [UInt8](repeating: 0xAA, count: 64)
    bytes.withUnsafeMutableBytes { header.write(to: $0, count: 64) }
    #expect(Array(bytes[..<5]) == [0x6D, 0x71, 0xBE, 0xEF, 2])
    #expect(Array(bytes[6..<16]) == [1, 2, 3, 4, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F])
    func reading(_ bytes: [UInt8], run: UInt16 = 0xBEEF) -> String {
      switch bytes.withUnsafeBytes({ MessageHeader.read($0, ofRun: run) }) {
      case .header(let read): read == header ? "same" : "other"
      case .corrupted: "corrupted"
      case .foreign: "foreign"
      }
    }
    #expect(reading(bytes) == "same")
    #expect(reading(bytes, run: 1) == "foreign")
    #expect(reading(Array(bytes.prefix(15))) == "foreign")
    #expect(reading(Array(bytes.prefix(63))) == "corrupted")
    for place in 4..<16 {
      var wrong = bytes
      wrong[place] ^= 1
      #expect(reading(wrong) == "corrupted", "byte \(place)")
    }
  }

  @Test("percentiles are those of the sorted samples by nearest rank, and what never came is longer than all")
  func percentiles() {
    var times = Times()
    var random = SystemRandomNumberGenerator()
    var samples = (0..<5000).map { _ in Int64.random(in: 1000...5_000_000, using: &random) }
    for sample in samples { times.record(sample) }
    samples.sort()
    for hundredths in [1, 5000, 9000, 9900, 9980] {
      let exact = samples[(5000 * hundredths + 9_999) / 10_000 - 1]
      guard case .nanoseconds(let value) = times.rank(hundredths) else {
        Issue.record("no value")
        continue
      }
      #expect(abs(Double(value) / Double(exact) - 1) < 0.002, "\(hundredths)")
    }
    #expect(times.rank(10_000) == .nanoseconds(samples.last!))
    #expect(times.percentile(9980) != .unknown)
    #expect(times.percentile(9990) == .unknown)
    times.recordEndless(50)
    #expect(times.rank(9900) == .nanoseconds(samples.last!))
    #expect(times.rank(9910) == .endless)
  }

  @Test("a delay is split by what of it was blocked")
  func blocked() {
    var blocked = BlockedTime()
    blocked.begin(at: 100)
    blocked.end(at: 150)
    blocked.begin(at: 200)
    #expect(blocked.overlap(from: 90, to: 210) == 60)
    #expect(blocked.overlap(from: 120, to: 210) == 40)
    blocked.end(at: 260)
    #expect(blocked.overlap(from: 180, to: 300) == 60)
    #expect(blocked.overlap(from: 250, to: 300) == 10)
    #expect(blocked.overlap(from: 270, to: 300) == 0)
  }
}
