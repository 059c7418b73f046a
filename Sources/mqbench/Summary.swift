internal import MQTT
internal import MQTTClient

/// What a run comes to, when all workers have ended.
struct Summary: Sendable {
  let plan: LoadPlan
  private(set) var measured = Measurements()
  private(set) var load = ThreadLoad()
  /// Messages that were due in the window.
  private(set) var offered = 0
  /// Deliveries that the broker owes: of messages it answers for, to subscribers whose connection lived.
  private(set) var expected = 0
  /// Owed and not come.
  private(set) var lost = 0
  /// Not come to a subscriber whose connection had broken.
  private(set) var undeliverable = 0
  let isInterrupted: Bool
  /// Seconds of the window that were measured.
  let seconds: Double
  private(set) var verdict = Verdict.none
  private(set) var isSteady = true

  init(_ plan: LoadPlan, _ workers: [Worker], start: Instant, end: Instant, isInterrupted: Bool) {
    self.plan = plan
    self.isInterrupted = isInterrupted
    let windowEnd = min(plan.windowEnd, (end - start).nanoseconds)
    seconds = Double(max(0, windowEnd - plan.windowStart)) / 1e9
    for worker in workers {
      measured.add(worker.measurements)
      load.add(worker.load)
    }
    for publisher in workers.flatMap(\.publishers) {
      let first = plan.schedule.firstSequence(of: publisher.number, notBefore: plan.windowStart)
      let next = plan.schedule.firstSequence(of: publisher.number, notBefore: windowEnd)
      offered += plan.isClosed ? publisher.next : max(0, next - first)
    }
    compareDeliveries(workers)
    measured.endToEnd.recordEndless(plan.isClosed ? 0 : lost)
    if !plan.isClosed { measured.acknowledgement.recordEndless(plan.qos == .atMostOnce ? 0 : measured.inDoubt) }
    verdict = Verdict(self)
  }

  /// Compares what the broker owes with what has come, message by message.
  private mutating func compareDeliveries(_ workers: [Worker]) {
    let topology = plan.topology
    let publishers = workers.flatMap(\.publishers).sorted { $0.number < $1.number }
    if topology.isShared {
      // Any subscriber of a topic will do.
      var seen: [UInt64: BitSet] = [:]
      for stream in workers.flatMap(\.subscribers).flatMap(\.streams) {
        seen[UInt64(stream.publisher) << 32 | UInt64(stream.topic), default: BitSet()].formUnion(stream.seen)
      }
      for publisher in publishers {
        compare(publisher, nil) { seen[UInt64(publisher.number) << 32 | UInt64($0)] ?? BitSet() }
      }
      return
    }
    for subscriber in workers.flatMap(\.subscribers) {
      var seen: [UInt64: BitSet] = [:]
      for stream in subscriber.streams { seen[UInt64(stream.publisher) << 32 | UInt64(stream.topic)] = stream.seen }
      for topic in topology.topics(ofSubscriber: subscriber.number) {
        for number in topology.publishers(ofTopic: topic) {
          let slot = topology.topicCount(ofPublisher: number) == 1 ? 0 : (topic - number) / topology.publishers
          let set = seen[UInt64(number) << 32 | UInt64(slot)] ?? BitSet()
          compare(publishers[number], subscriber.outage, only: slot) { _ in set }
        }
      }
    }
  }

  private mutating func compare(
    _ publisher: Publisher, _ outage: ClosedRange<Int64>?, only wanted: Int? = nil, _ seen: (Int) -> BitSet
  ) {
    let topicCount = plan.topology.topicCount(ofPublisher: publisher.number)
    let slots = wanted.map { $0..<($0 + 1) } ?? 0..<topicCount
    for slot in slots {
      let seen = seen(slot)
      if topicCount == 1, outage == nil {
        // 64 at a time.
        for index in 0..<publisher.accepted.wordCount {
          let accepted = publisher.accepted.word(index)
          expected += accepted.nonzeroBitCount
          lost += (accepted & ~seen.word(index)).nonzeroBitCount
        }
        continue
      }
      for sequence in stride(from: slot, to: publisher.next, by: topicCount) where publisher.accepted.contains(sequence)
      {
        if seen.contains(sequence / topicCount) {
          expected += 1
        } else if let outage, !plan.isClosed,
          case let due = plan.schedule.due(publisher.number, sequence), due <= outage.upperBound,
          due >= outage.lowerBound
        {
          undeliverable += 1
        } else {
          expected += 1
          lost += 1
        }
      }
    }
  }

  // MARK: - Rates a second

  var offeredRate: Double { plan.isClosed ? 0 : rate(offered) }
  var sentRate: Double { rate(measured.sentInWindow) }
  var acknowledgedRate: Double { rate(measured.acknowledgedInWindow) }
  var deliveredRate: Double { rate(measured.deliveredInWindow) }
  /// The share of what was to be sent that was sent while the window was open.
  var achieved: Double { offered == 0 ? 1 : Double(measured.sentInWindow) / Double(offered) }

  private func rate(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

  /// The distribution that the report is about.
  var headline: Times {
    plan.topology.subscribers > 0
      ? measured.endToEnd : plan.qos == .atMostOnce ? measured.sendDelay : measured.acknowledgement
  }
}
