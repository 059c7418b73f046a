internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What a run comes to, when all workers have ended.
struct Summary: Sendable {
  let plan: LoadPlan
  private(set) var measured = Measurements()
  /// All workers' load while the window was open.
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
  /// Clients whose attempt to connect has come to its end: all, unless the run was interrupted before.
  var attempted: Int {
    plan.connectsOnly && isInterrupted ? connected + measured.failures.values.reduce(0, +) : plan.clientCount
  }
  /// Seconds of the window that were measured.
  let seconds: Double
  /// Seconds after the window in which messages could come.
  let drainSeconds: Double
  /// When the arrivals, or nothing but connections, began.
  let date: WallTime
  /// By how much that was later than it was to be.
  var lateness = Duration.zero
  /// What TLS agreed on with the broker; nil without TLS.
  var tls: TLSReport?
  /// The run, second by second, from the start of the arrivals.
  private(set) var series: [Second] = []
  private(set) var steadiness = Steadiness(slope: nil, rate: 0, seconds: 0, halves: (.unknown, .unknown))
  /// What the verdict rests on.
  private(set) var evidence = Evidence()
  private(set) var verdict = Verdict.none
  /// The machine that mqbench ran on.
  let environment: [Host.Fact]
  /// What the connections were like, by one of them.
  let connection: [Host.Fact]
  /// Whether the broker has the same processors as mqbench.
  let sharesMachine: Bool
  /// The first and last measured message of each publisher; nil of one that had none.
  private(set) var sequences: [ClosedRange<Int>?] = []
  /// Group by group, as the plan has them.
  private(set) var groups: [Group] = []

  /// What became of the messages of one group.
  struct Group: Sendable {
    var name: String
    var offered = 0
    var expected = 0
    var lost = 0
    var measured = GroupMeasurements()
  }

  /// One second of a run.
  struct Second: Sendable {
    /// When it ends, in seconds from the start of the window: 1 is the first one that counts, 0 and less are warm-up.
    var end: Int
    var isMeasured: Bool
    /// Messages that were due, whoever sent them when.
    var due = 0
    var sent = 0
    var acknowledged = 0
    var delivered = 0
    /// Messages due so far whose deliveries (or acknowledgements, without subscribers) had not come at its end.
    var backlog = 0.0
    /// The headline's times of what came in it.
    var times: [Times.Sample] = []
    var errors = 0
    /// How late a worker was at most, in nanoseconds.
    var lag: Int64 = 0
    /// Processors that the workers used.
    var processors = 0.0
    /// Shares of all processor time.
    var host = HostWatch.Second()
  }

  init(
    _ plan: LoadPlan, _ workers: [Worker], start: Instant, end: Instant, date: WallTime, watch: HostWatch,
    environment: [Host.Fact], isInterrupted: Bool
  ) {
    self.plan = plan
    self.date = date
    self.environment = environment
    connection = workers.lazy.compactMap(\.connectionFacts).first ?? []
    sharesMachine = workers.contains { $0.sharesMachine }
    self.isInterrupted = isInterrupted
    let windowEnd = min(plan.windowEnd, (end - start).nanoseconds)
    seconds = Double(max(0, windowEnd - plan.windowStart)) / 1e9
    drainSeconds = Double(max(0, (end - start).nanoseconds - windowEnd)) / 1e9
    groups = plan.groups.map { Group(name: $0.name) }
    for worker in workers {
      measured.add(worker.measurements)
      load.add(worker.load)
      for (index, group) in worker.groups.enumerated() { groups[index].measured.add(group.measured) }
    }
    for publisher in workers.flatMap(\.publishers).sorted(by: { $0.number < $1.number }) {
      let schedule = publisher.group.schedule
      let first = schedule.firstSequence(of: publisher.index, notBefore: plan.windowStart)
      var next = schedule.firstSequence(of: publisher.index, notBefore: windowEnd)
      // An interruption is heard of a little later by those who publish.
      if isInterrupted { next = max(next, publisher.next) }
      let due = plan.isClosed ? publisher.next : max(0, next - first)
      offered += due
      groups[Int(publisher.group.number)].offered += due
      sequences.append(plan.isClosed || next <= first ? nil : first...(next - 1))
    }
    compareDeliveries(workers)
    if !plan.isClosed {
      recordEndless()
      for group in groups.indices { groups[group].measured.endToEnd.recordEndless(groups[group].lost) }
    }
    makeSeries(workers, watch)
    judge(watch, windowEnd)
  }

  /// What was due and never sent.
  var unsent: Int { plan.isClosed ? 0 : max(0, offered - measured.sent) }

  /// What did not come is longer than anything, and so is what was due and never sent.
  private mutating func recordEndless() {
    measured.sendDelay.recordEndless(unsent)
    measured.endToEnd.recordEndless(lost + Int(Double(unsent) * plan.routing.deliveriesPerMessage))
    if plan.hasAcknowledgements { measured.acknowledgement.recordEndless(measured.inDoubt + unsent) }
    if plan.headline == .endToEnd {
      for half in measured.halves.indices { measured.halves[half].recordEndless(lostInHalf[half]) }
    }
    if plan.followsMessages, plan.routing.fansOut { measured.fanOut.recordEndless(incomplete) }
    if plan.connectsOnly { measured.connect.connack.recordEndless(attempted - connected) }
  }

  private mutating func makeSeries(_ workers: [Worker], _ watch: HostWatch) {
    // Of what the headline is about: deliveries, acknowledgements, or messages.
    var (due, done) = (0, 0)
    let perMessage = plan.headline == .endToEnd ? max(1, plan.routing.deliveriesPerMessage) : 1
    let publishers = plan.isClosed ? [] : workers.flatMap(\.publishers)
    var next = [Int](repeating: 0, count: publishers.count)
    for (number, second) in measured.seconds.enumerated() {
      let end = plan.end(ofSecond: number)
      var entry = Second(
        end: number + 1 - plan.leadSeconds, isMeasured: end > plan.windowStart && end <= plan.windowEnd)
      for (place, publisher) in publishers.enumerated() {
        let first = publisher.group.schedule.firstSequence(
          of: publisher.index, notBefore: min(end, plan.windowEnd), from: next[place])
        entry.due += first - next[place]
        due += owed(publisher, next[place]..<first)
        next[place] = first
      }
      switch plan.headline {
      case .endToEnd: done += second.delivered
      case .acknowledgement: done += second.acknowledged
      case .sendDelay: done += second.sent
      case .connect: break
      }
      if !plan.isClosed { entry.backlog = Double(due - done) / perMessage }
      (entry.sent, entry.acknowledged, entry.delivered) = (second.sent, second.acknowledged, second.delivered)
      (entry.times, entry.errors, entry.lag) = (second.times, second.errors, second.lag)
      entry.processors = Double(second.work.nanoseconds) / 1e9
      if let host = watch.seconds[number] { entry.host = host }
      series.append(entry)
    }
  }

  /// How often the headline has a sample of these messages, when all goes well.
  private func owed(_ publisher: Publisher, _ messages: Range<Int>) -> Int {
    switch plan.headline {
    case .endToEnd: publisher.deliveries(of: messages)
    case .acknowledgement: publisher.group.qos == .atMostOnce ? 0 : messages.count
    case .sendDelay, .connect: messages.count
    }
  }

  private mutating func judge(_ watch: HostWatch, _ windowEnd: Int64) {
    let window = series.filter { $0.isMeasured && plan.end(ofSecond: $0.end - 1 + plan.leadSeconds) <= windowEnd }
    let halves = measured.halves.map { $0.percentile(9900) }
    steadiness = Steadiness(
      slope: plan.isClosed ? nil : Steadiness.slope(window.map(\.backlog)), rate: offeredRate, seconds: seconds,
      halves: (halves[0], halves[1]))
    // One of a few hundred samples is no sign of anything.
    let percentile = headline.count >= 1000 ? 9900 : 9000
    evidence.percentile = percentile
    evidence.p99 = Self.nanoseconds(headline.rank(percentile))
    evidence.loopLag = Self.nanoseconds(measured.loopLag.rank(percentile))
    evidence.toolDelay = Self.nanoseconds(measured.sendDelayTool.rank(percentile))
    (evidence.slices, evidence.busySlices) = (load.slices, load.busySlices)
    (evidence.seconds, evidence.stolenSeconds) = (window.count, window.count { $0.host.stolen > 0.02 })
    evidence.linkShare = watch.linkShare
    // Between two processes of one machine there is no network: what is sent again there is what a slow receiver had no room for.
    if !sharesMachine { (evidence.segments, evidence.retransmits) = (measured.segments, measured.retransmits) }
    evidence.achieved = achieved
    evidence.isSteady = steadiness.isSteady
    evidence.missing = lost + measured.refused.values.reduce(0, +) + measured.inDoubt + unsent
    evidence.isClosed = plan.isClosed
    verdict = Verdict(evidence)
  }

  private static func nanoseconds(_ value: Times.Value) -> Int64 {
    switch value {
    case .nanoseconds(let time): time
    case .endless: .max
    case .unknown: 0
    }
  }

  /// Compares what the broker owes with what has come, message by message.
  private mutating func compareDeliveries(_ workers: [Worker]) {
    if plan.publishings.isEmpty || !plan.followsMessages { return }
    var subscribers = [Subscriber?](repeating: nil, count: plan.clientCount)
    for subscriber in workers.flatMap(\.members).compactMap(\.subscriber) {
      subscribers[subscriber.number] = subscriber
    }
    /// Who gets the messages of each topic, where all publishers of a group have the same topics.
    var common: [UInt8: [[Routing.Recipient]]] = [:]
    for publisher in workers.flatMap(\.publishers) {
      guard let rule = publisher.group.publishing?.topics else { continue }
      let recipients =
        common[publisher.group.number]
        ?? rule.topics(of: publisher.index, run: Routing.run).map { plan.routing.recipients(of: $0) }
      if rule.isCommon { common[publisher.group.number] = recipients }
      var deliveries: [[Delivered]] = []
      for (topic, recipients) in recipients.enumerated() {
        deliveries.append(recipients.map { delivered(to: $0, publisher, topic, subscribers) })
      }
      compare(publisher, deliveries)
    }
  }

  /// What somebody has received of a publisher on one of its topics, and when messages could not reach him.
  private struct Delivered {
    var seen: BitSet
    var outages: [ClosedRange<Int64>] = []
  }

  /// Counts what several of those that share a subscription have received.
  private mutating func countDuplicates(_ all: [BitSet], _ publisher: Publisher, _ topic: Int) {
    for sequence in 0..<publisher.next {
      let place = publisher.place(of: sequence)
      guard place.topic == topic, plan.isMeasured(dueAt: publisher.due(sequence)) else { continue }
      let copies = all.count { $0.contains(place.index) }
      guard copies > 1 else { continue }
      measured.duplicates += copies - 1
      measured.delivered -= copies - 1
      groups[Int(publisher.group.number)].measured.delivered -= copies - 1
    }
  }

  private mutating func delivered(
    to recipient: Routing.Recipient, _ publisher: Publisher, _ topic: Int, _ subscribers: [Subscriber?]
  ) -> Delivered {
    switch recipient {
    case .client(let number):
      guard let subscriber = subscribers[number] else { return Delivered(seen: BitSet()) }
      return Delivered(seen: subscriber.seen(of: publisher.number, on: topic), outages: subscriber.outages)
    case .share(let share):
      // Any of them will do, and one is enough; nothing is owed while none of them is there.
      let members = plan.routing.shares[share].compactMap { subscribers[$0] }
      let all = members.map { $0.seen(of: publisher.number, on: topic) }
      var seen = BitSet()
      for one in all { seen.formUnion(one) }
      if all.reduce(0, { $0 + $1.count }) > seen.count { countDuplicates(all, publisher, topic) }
      let outages = members.dropFirst().reduce(members.first?.outages ?? []) { common, member in
        common.flatMap { one in member.outages.filter(one.overlaps).map { one.clamped(to: $0) } }
      }
      return Delivered(seen: seen, outages: outages)
    }
  }

  /// - Parameter deliveries: for each topic of the publisher, whoever takes its messages.
  private mutating func compare(_ publisher: Publisher, _ deliveries: [[Delivered]]) {
    if deliveries.count == 1, deliveries[0].allSatisfy(\.outages.isEmpty) {
      // 64 at a time.
      for index in 0..<publisher.accepted.wordCount {
        let accepted = publisher.accepted.word(index)
        expect(accepted.nonzeroBitCount * deliveries[0].count, of: publisher)
        var complete = accepted
        for delivered in deliveries[0] {
          var missing = accepted & ~delivered.seen.word(index)
          complete &= ~missing
          while missing != 0 {
            isLost(publisher, index * 64 + missing.trailingZeroBitCount)
            missing &= missing - 1
          }
        }
        incomplete += (accepted & ~complete).nonzeroBitCount
      }
      return
    }
    for sequence in 0..<publisher.next where publisher.accepted.contains(sequence) {
      let (topic, index) = publisher.place(of: sequence)
      let lostBefore = lost
      for delivered in deliveries[topic] {
        if delivered.seen.contains(index) {
          expect(1, of: publisher)
        } else if !plan.isClosed, case let due = publisher.due(sequence),
          delivered.outages.contains(where: { $0.contains(due) })
        {
          undeliverable += 1
        } else {
          expect(1, of: publisher)
          isLost(publisher, sequence)
        }
      }
      if lost > lostBefore { incomplete += 1 }
    }
  }

  private mutating func expect(_ count: Int, of publisher: Publisher) {
    expected += count
    groups[Int(publisher.group.number)].expected += count
  }

  private mutating func isLost(_ publisher: Publisher, _ sequence: Int) {
    lost += 1
    groups[Int(publisher.group.number)].lost += 1
    let due = plan.isClosed ? 0 : publisher.due(sequence)
    lostInHalf[2 * (due - plan.windowStart) >= plan.windowEnd - plan.windowStart ? 1 : 0] += 1
  }

  private var lostInHalf = [0, 0]
  /// Messages of which a delivery was lost.
  private var incomplete = 0

  // MARK: - Rates a second

  var offeredRate: Double { plan.isClosed ? 0 : rate(offered) }
  var sentRate: Double { rate(measured.sentInWindow) }
  var acknowledgedRate: Double { rate(measured.acknowledgedInWindow) }
  var deliveredRate: Double { rate(measured.deliveredInWindow) }
  /// Clients that the broker accepted.
  var connected: Int { measured.connect.connack.count - measured.connect.connack.endless }
  /// Connections a second, from when the first was due to the last CONNACK.
  var connectRate: Double { Double(connected) * 1e9 / Double(max(1, measured.connectTime.nanoseconds)) }
  /// The share of what was to be sent that was sent while the window was open; of connections, that of those that succeeded.
  var achieved: Double {
    if plan.connectsOnly { return Double(connected) / Double(max(1, attempted)) }
    return offered == 0 ? 1 : Double(measured.sentInWindow) / Double(offered)
  }

  private func rate(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

  /// The distribution that the report is about.
  var headline: Times {
    switch plan.headline {
    case .endToEnd: plan.isClosed ? measured.endToEndService : measured.endToEnd
    case .acknowledgement: plan.isClosed ? measured.acknowledgementService : measured.acknowledgement
    case .sendDelay: measured.sendDelay
    case .connect: measured.connect.connack
    }
  }
}
