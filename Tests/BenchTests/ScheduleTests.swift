import Testing

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

struct TopologyTests {
  @Test(
    "each message of a topic goes to whoever subscribes to it, whichever numbers there are",
    arguments: [(1, 1, 1), (5, 1, 5), (1, 7, 1), (3, 4, 12), (6, 4, 3), (2, 5, 3), (4, 0, 4)])
  func agreement(publishers: Int, subscribers: Int, topics: Int) {
    let topology = Topology(publishers: publishers, subscribers: subscribers, topics: topics)
    for topic in 0..<topics {
      let takers = (0..<subscribers).filter { topology.topics(ofSubscriber: $0).contains(topic) }
      #expect(takers.count == topology.subscribers(ofTopic: topic))
      #expect(subscribers == 0 || !takers.isEmpty)
      #expect(
        topology.publishers(ofTopic: topic)
          == (0..<publishers).filter { topology.topics(ofPublisher: $0).contains(topic) })
    }
    for publisher in 0..<publishers {
      let own = topology.topics(ofPublisher: publisher)
      #expect(own.count == topology.topicCount(ofPublisher: publisher))
      #expect((0..<own.count).map { topology.topic(ofPublisher: publisher, $0) } == own)
    }
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
