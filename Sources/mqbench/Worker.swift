internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// A thread with its share of the clients and a driver of its own. It shares nothing with the others but `RunState`.
///
/// All times are nanoseconds since the arrivals began, unless they are called instants.
final class Worker: @unchecked Sendable {
  private let index: Int
  private let plan: LoadPlan
  private let state: RunState
  /// The plan's, which are looked at several times for each message.
  private let windowStart: Int64
  private let windowEnd: Int64
  private let leadSeconds: Int64
  private let fansOut: Bool
  private let isClosed: Bool
  private let tellsGroups: Bool
  private let followsMessages: Bool
  private let hasAcknowledgements: Bool
  private let headlineKind: LoadPlan.Headline
  private var driver = Driver()
  private var start = Instant(nanoseconds: .max)

  // MARK: Clients

  let groups: [WorkerGroup]
  /// By the driver's index.
  private(set) var members: [Member] = []
  /// Members that are still to be connected, and when the first of them is due.
  private var waiting: ArraySlice<Member> = []
  private var nextConnection = Instant(nanoseconds: 0)
  private var connectionInterval: Duration
  /// When the first of all workers' connections was due.
  private var firstConnection = Instant(nanoseconds: 0)
  let publishers: [Publisher]
  /// By the number of the client; nil for those of other workers, and for those that do not publish.
  private let publishersByNumber: [Publisher?]
  private var rounds: [Round] = []
  /// Members that are about to leave, as soon as nothing of theirs is unacknowledged.
  private var leavers: [Member] = []

  // MARK: Publishing

  private var agenda = DueHeap()
  /// Publishers whose output the system has not taken whole.
  private var blocked: [Publisher] = []
  private let noProperties = Properties()

  // MARK: What was measured

  private(set) var measurements = Measurements()
  /// The headline's times of the second that is under way.
  private var current = Times()
  private var currentSecond = 0
  private(set) var load = ThreadLoad()
  private var nextTick = Instant(nanoseconds: 0)
  private var counted = (sent: 0, acknowledged: 0, delivered: 0, expected: 0, distinct: 0)
  private var total = (sent: 0, acknowledged: 0, delivered: 0, expected: 0, distinct: 0)

  private var reportedOutstanding = 0

  private static let tick: Duration = .milliseconds(50)
  /// Nanoseconds of publishing after which what has arrived is looked at.
  private static let turn: Int64 = 1_000_000
  /// Nanoseconds before a client's own DISCONNECT in which what was due to it need not come.
  private static let farewell: Int64 = 1_000_000_000

  /// - Parameter index: the worker's number; it has each of `plan.workers`-th client.
  init(_ index: Int, _ plan: LoadPlan, _ state: RunState) {
    self.index = index
    self.plan = plan
    (windowStart, windowEnd) = (plan.windowStart, plan.windowEnd)
    (leadSeconds, fansOut) = (Int64(plan.leadSeconds), plan.routing.fansOut)
    (isClosed, tellsGroups, followsMessages) = (plan.isClosed, plan.tellsGroups, plan.followsMessages)
    (hasAcknowledgements, headlineKind) = (plan.hasAcknowledgements, plan.headline)
    self.state = state
    groups = plan.groups.indices.map { WorkerGroup($0, of: plan) }
    var own: [Member] = []
    // Who only subscribes is first to connect.
    for group in groups.filter({ $0.publishing == nil }) + groups.filter({ $0.publishing != nil }) {
      let members = (0..<group.plan.count).filter { (group.clients.lowerBound + $0) % plan.workers == index }
        .map { Member($0, of: group, plan.routing) }
      own += members
      if let interval = group.plan.reconnectInterval, !members.isEmpty { rounds.append(Round(members, interval)) }
    }
    waiting = own[...]
    publishers = own.compactMap(\.publisher)
    var byNumber = [Publisher?](repeating: nil, count: plan.publishings.isEmpty ? 0 : plan.clientCount)
    for publisher in publishers { byNumber[publisher.number] = publisher }
    publishersByNumber = byNumber
    connectionInterval = .nanoseconds(Int64(1e9 * Double(plan.workers) / plan.connectRate))
  }

  /// Begins to work in a thread of its own; the first of all workers' connections is due at `begin`.
  func startThread(connectingFrom begin: Instant) {
    nextConnection = begin + .nanoseconds(Int64(1e9 * Double(index) / plan.connectRate))
    firstConnection = begin
    nextTick = begin
    let worker = Unmanaged.passRetained(self).toOpaque()
    _ = startQuietThread(
      { pointer in
        let worker = Unmanaged<Worker>.fromOpaque(pointer!).takeRetainedValue()
        worker.work()
        worker.state.finishedWorkers.add(1)
        return nil
      }, worker)
  }

  // MARK: - The loop

  private func work() {
    wakePunctually()
    driver.spinLimit = .microseconds(50)
    while true {
      let deadline = deadline
      switch driver.next(until: deadline) {
      case .client(let index, .session(.message(let message, let delivery))):
        guard let subscriber = members[index].subscriber else { break }
        received(message, by: subscriber)
        if let delivery { subscriber.client.acknowledge(delivery) }
      case .client(let index, let event): handle(event, index)
      case .deadline:
        // In a closed loop messages are always due.
        if !isClosed { late(deadline) } else if driver.now >= nextTick { late(nextTick) }
        if act() { return }
      case .idle:
        if act() { return }
        gather()
      case .ready: break
      }
    }
  }

  /// Where the network is the only limit, looking at once for each message that comes would cost more than the messages themselves:
  /// lets some of them gather.
  private func gather() {
    guard isClosed, !hasAcknowledgements, agenda.isEmpty, !isStopped else { return }
    usleep(200)
  }

  private var deadline: Instant {
    var deadline = nextTick
    if !waiting.isEmpty { deadline = min(deadline, nextConnection) }
    if let first = agenda.first { deadline = min(deadline, start + .nanoseconds(max(first.due, first.freeSince))) }
    if start.nanoseconds != .max {
      for round in rounds { deadline = min(deadline, start + .nanoseconds(round.due)) }
    }
    return deadline
  }

  private func time() -> Int64 { Instant.now.nanoseconds - start.nanoseconds }

  /// Something was due, and is done now.
  private func late(_ due: Instant) {
    let lag = (Instant.now - due).nanoseconds
    guard start.nanoseconds != .max else {
      if plan.connectsOnly { measurements.loopLag.record(lag) }
      return
    }
    let now = time()
    guard isMeasuredTime(now), !plan.connectsOnly else { return }
    measurements.loopLag.record(lag)
    let place = second(now)
    measurements.seconds[place].lag = max(measurements.seconds[place].lag, lag)
  }

  /// Does what is due; true when all is done.
  private func act() -> Bool {
    let now = Instant.now
    while !waiting.isEmpty, now >= nextConnection { connectNext() }
    if !rounds.isEmpty { lookAtRounds() }
    if !blocked.isEmpty { lookAtBlocked() }
    // What is due now, and for a while only: whoever is behind with sending has to go on receiving.
    let limit = time()
    var present = limit
    while let publisher = agenda.first, publisher.due <= limit, present < limit + Self.turn {
      present = publish(publisher, until: limit, at: present)
    }
    return now >= nextTick && tick(now)
  }

  private func connectNext() {
    let member = waiting.removeFirst()
    member.attempt = nextConnection
    nextConnection = nextConnection + connectionInterval
    members.append(member)
    member.subscribe(at: driver.now)
    driver.add(member.client)
  }

  // MARK: - Leaving and coming again

  private func lookAtRounds() {
    guard start.nanoseconds != .max else { return }
    let now = time()
    for index in rounds.indices {
      while rounds[index].due <= now {
        let member = rounds[index].next()
        guard member.isConnected, !member.isLeaving else { continue }
        member.isLeaving = true
        leavers.append(member)
      }
    }
    // Whoever waits for acknowledgements goes when they have come.
    leavers.removeAll { member in
      guard member.isLeaving else { return true }
      if let publisher = member.publisher {
        guard publisher.unsent.isEmpty, publisher.unacknowledged.isEmpty else { return false }
      }
      // What is under way to it just now is not owed any more.
      member.subscriber?.left(at: now - Self.farewell)
      member.client.disconnect(at: driver.now)
      return true
    }
  }

  private func comeAgain(_ member: Member, _ index: Int) {
    member.begin()
    member.attempt = .now
    if isMeasuredTime(time()) { measurements.reconnections += 1 }
    member.subscribe(at: driver.now)
    driver.replace(index, with: member.client)
  }

  /// Ten times a second or more; true when all is done.
  private func tick(_ now: Instant) -> Bool {
    nextTick = now + Self.tick
    lookAtLoad(now)
    report()
    if start.nanoseconds == .max, let begin = state.startTime { startArrivals(begin) }
    if state.isStopping { stop() }
    if state.isLeaving { return leave() || state.isOver }
    return false
  }

  private var isLoadCounted = false

  /// The thread's load counts while the window is open.
  private func lookAtLoad(_ now: Instant) {
    if plan.connectsOnly {
      if !isLoadCounted, load.slices == 0 { load.begin(at: now, spun: driver.spun) }
      isLoadCounted = start.nanoseconds == .max
      if isLoadCounted { _ = load.look(at: now, spun: driver.spun) } else { load.end() }
      return
    }
    guard start <= now else { return }
    let time = (now - start).nanoseconds
    if isLoadCounted {
      let work = load.look(at: now, spun: driver.spun)
      if work > .zero { measurements.seconds[second(time)].work += work }
      if time >= windowEnd { endLoad(now) }
    } else if isMeasuredTime(time) {
      isLoadCounted = true
      load.begin(at: now, spun: driver.spun)
      socketsBefore = (socketBytes, now)
    }
  }

  private func endLoad(_ now: Instant) {
    isLoadCounted = false
    load.end()
    let bytes = socketBytes
    measurements.socketBytes.sent = bytes.sent - socketsBefore.bytes.sent
    measurements.socketBytes.received = bytes.received - socketsBefore.bytes.received
    measurements.socketTime = now - socketsBefore.time
  }

  /// When the load began to count, and what had passed through all clients' sockets until then.
  private var socketsBefore = (bytes: SocketBytes(), time: Instant(nanoseconds: 0))

  private var socketBytes: SocketBytes {
    driver.clients.reduce(into: SocketBytes()) { sum, client in
      sum.sent += client.socketBytes.sent
      sum.received += client.socketBytes.received
    }
  }

  private var isStopped = false

  /// The window is over. What was due in it is still sent, however late.
  private func stop() {
    if isStopped { return }
    isStopped = true
    // Nobody leaves any more: whoever waited for acknowledgements still has to send what was due.
    rounds = []
    for member in leavers { member.isLeaving = false }
    leavers = []
    if case .nanoseconds(let time) = measurements.endToEnd.rank(9990) { state.slowest.raise(to: Int(time)) }
  }

  private func startArrivals(_ begin: Instant) {
    start = begin
    segmentsBefore = segments()
    let seconds = plan.second(at: windowEnd) + 1
    measurements.seconds.reserveCapacity(min(seconds, 100_000))
    for publisher in publishers {
      publisher.due = due(publisher, 0)
      agenda.insert(publisher)
    }
  }

  /// When a message is due: at once in a closed loop.
  private func due(_ publisher: Publisher, _ sequence: Int) -> Int64 { isClosed ? 0 : publisher.due(sequence) }

  private func report() {
    state.sent.add(total.sent - counted.sent)
    state.acknowledged.add(total.acknowledged - counted.acknowledged)
    state.delivered.add(total.delivered - counted.delivered)
    state.expected.add(total.expected - counted.expected)
    state.distinct.add(total.distinct - counted.distinct)
    counted = total
    var outstanding = agenda.isEmpty && waiting.isEmpty ? 0 : 1
    for publisher in publishers {
      outstanding += publisher.unacknowledged.count + publisher.unsent.count + (publisher.isHeld ? 1 : 0)
    }
    state.outstanding.add(outstanding - reportedOutstanding)
    reportedOutstanding = outstanding
  }

  private var segmentsBefore = (sent: 0, again: 0)

  /// What TCP has sent so far for all clients.
  private func segments() -> (sent: Int, again: Int) {
    driver.clients.reduce((0, 0)) { sum, client in
      guard let state = client.transport else { return sum }
      return (sum.0 + state.segmentsSent, sum.1 + state.retransmits)
    }
  }

  /// What the connections were like, by the first of them.
  private(set) var connectionFacts: [Host.Fact]?
  /// Whether the broker is on this machine.
  private(set) var sharesMachine = false

  private func lookAtTransport() {
    if let client = driver.clients.first {
      connectionFacts = Self.facts(client)
      sharesMachine = client.peer?.isOnThisMachine ?? false
    }
    let now = segments()
    measurements.segments = max(0, now.sent - segmentsBefore.sent)
    measurements.retransmits = max(0, now.again - segmentsBefore.again)
    for client in driver.clients {
      if let time = client.transport?.roundTrip { measurements.roundTrips.record(time.nanoseconds) }
    }
  }

  private static func facts(_ client: Client) -> [Host.Fact] {
    var facts: [Host.Fact] = []
    func add(_ name: String, _ value: String?) {
      if let value { facts.append(Host.Fact(name: name, value: value)) }
    }
    let limits = client.limits
    add("version", "\(client.version)")
    if let tls = client.tls { add("TLS", tls.words) }
    add("address", client.peer?.address)
    add("receive maximum", "\(limits.receiveMaximum)")
    add("maximum packet size", "\(limits.maximumPacketSize)")
    add("topic alias maximum", "\(limits.topicAliasMaximum)")
    add("maximum QoS", "\(limits.maximumQoS.rawValue)")
    add("the broker has no", limits.missing)
    add("keep alive", "\(client.keepAliveSeconds) s")
    add("TCP_NODELAY", client.transport == nil ? nil : "set")
    add("socket buffers", client.socketBuffers.map { "\($0.send) bytes to send, \($0.receive) to receive" })
    if let state = client.transport {
      add("round trip by TCP", "\(state.roundTrip.nanoseconds / 1000) µs")
      add("smallest round trip by TCP", "\(state.smallestRoundTrip.nanoseconds / 1000) µs")
    }
    return facts
  }

  private var leaving = false
  /// Clients that will not connect any more.
  private var gone = 0

  private func leave() -> Bool {
    if !leaving {
      leaving = true
      waiting = []
      closeSecond()
      if isLoadCounted { plan.connectsOnly ? load.end() : endLoad(.now) }
      lookAtTransport()
      for member in members {
        if let publisher = member.publisher, member.group.retain { removeRetained(publisher) }
        member.client.disconnect(at: driver.now)
      }
    }
    return gone >= members.count
  }

  /// Leaves no retained message behind: an empty one takes the place of a topic's last [MQTT-3.3.1-6].
  private func removeRetained(_ publisher: Publisher) {
    guard publisher.next > 0, publisher.client.isConnected else { return }
    let group = publisher.group
    // One publisher is enough for a topic that all of them have.
    let isCommon = group.publishing?.topics.isCommon == true
    for (place, topic) in publisher.topics.enumerated()
    where !isCommon || place % group.clients.count == publisher.index {
      topic.withUnsafeBytes { topic in
        _ = try? publisher.client.publish(
          topic: topic, payload: UnsafeRawBufferPointer(start: nil, count: 0), qos: .atMostOnce, retain: true,
          properties: noProperties, at: driver.now)
      }
    }
  }

  // MARK: - Publishing

  /// Hands over the messages of the first publisher of the agenda that were due at `limit`, for a turn at most. Returns the time.
  private func publish(_ publisher: Publisher, until limit: Int64, at now: Int64) -> Int64 {
    let client = publisher.client
    var time = now
    while publisher.due <= limit, time < limit + Self.turn {
      guard publisher.due < windowEnd, !isClosed || time < windowEnd else {
        agenda.removeFirst()
        settle(publisher)
        return time
      }
      if !client.canPublish || publisher.isLeaving {
        // The output may have been the limit.
        settle(publisher)
        time = self.time()
        guard client.canPublish, !publisher.isLeaving else {
          agenda.removeFirst()
          hold(publisher, time)
          return time
        }
      }
      send(publisher, time)
      publisher.next += 1
      publisher.due = due(publisher, publisher.next)
      time = self.time()
    }
    agenda.firstChanged()
    settle(publisher)
    return time
  }

  private func send(_ publisher: Publisher, _ now: Int64) {
    let client = publisher.client
    let sequence = publisher.next
    let group = publisher.group
    guard let payloads = group.payloads else { return }
    let payload = payloads.payload(
      MessageHeader(
        run: group.run.number, group: group.number, publisher: UInt32(publisher.number), sequence: UInt64(sequence)))
    let outputBefore = client.unsentCount
    do throws(ProtocolError) {
      let topic = publisher.place(of: sequence).topic
      let number = try publisher.topics[topic].withBytes { (topic) throws(ProtocolError) in
        try client.publish(
          topic: topic, payload: payload, qos: group.qos, retain: group.retain, properties: noProperties, at: driver.now
        )
      }
      if let number {
        if publisher.unacknowledged.isEmpty { publisher.firstNumber = number }
        publisher.unacknowledged.append(.init(sequence: sequence))
      }
    } catch {
      state.fail(.notSupported(error))
      return
    }
    let due = publisher.due
    if isMeasured(due) { measurements.publishBytesSent += client.unsentCount - outputBefore }
    publisher.unsent.append(
      .init(
        sequence: sequence, due: due, handedOver: now, end: client.sentCount + client.unsentCount,
        window: publisher.windowTime.overlap(from: due, to: now),
        socket: publisher.socketTime.overlap(from: due, to: now)))
  }

  /// Sends what was handed over, and takes note of what the system took.
  private func settle(_ publisher: Publisher) {
    guard !publisher.unsent.isEmpty else { return }
    publisher.client.flush(at: driver.now)
    let now = time()
    account(publisher, now)
    if !publisher.unsent.isEmpty { block(publisher, now) }
  }

  private func account(_ publisher: Publisher, _ now: Int64) {
    let sentCount = publisher.client.sentCount
    while !publisher.unsent.isEmpty, case let message = publisher.unsent[0], message.end <= sentCount {
      publisher.unsent.removeFirst()
      total.sent += 1
      if isMeasuredTime(now) { measurements.sentInWindow += 1 }
      measurements.seconds[second(now)].sent += 1
      publisher.sent(message.sequence, at: now)
      if publisher.group.qos == .atMostOnce {
        if isMeasured(message.due) { accept(publisher, message.sequence) }
      } else {
        // A broker may acknowledge what it has not got whole.
        let place = publisher.unacknowledged.isEmpty ? -1 : message.sequence - publisher.unacknowledged[0].sequence
        if place >= 0 { publisher.unacknowledged[place].sent = now }
      }
      guard isMeasured(message.due) else { continue }
      measurements.sent += 1
      publisher.group.measured.sent += 1
      if isClosed { continue }
      let delay = now - message.due
      let afterHandover = publisher.isBlocked ? max(0, now - max(publisher.blockedSince, message.handedOver)) : 0
      let socket = min(delay, message.socket + afterHandover)
      let window = min(delay - socket, message.window)
      measurements.sendDelay.record(delay)
      if headlineKind == .sendDelay { headline(delay, due: message.due, at: now) }
      measurements.sendDelaySocket.record(socket)
      measurements.sendDelayWindow.record(window)
      measurements.sendDelayTool.record(delay - socket - window)
    }
  }

  private func isMeasuredTime(_ time: Int64) -> Bool { time >= windowStart && time < windowEnd }

  /// Whether a message counts. In a closed loop nothing is due, and all count.
  private func isMeasured(_ due: Int64) -> Bool { isClosed || isMeasuredTime(due) }

  /// A sample of what the report is about, of a message that is measured and was due then.
  private func headline(_ time: Int64, due: Int64, at now: Int64) {
    let place = isClosed ? now : due
    guard isMeasuredTime(place) else { return }
    let half = 2 * (place - windowStart) >= windowEnd - windowStart ? 1 : 0
    measurements.halves[half].record(time)
    _ = second(now)
    current.record(time)
  }

  /// The broker answers for a measured message from now on.
  private func accept(_ publisher: Publisher, _ sequence: Int) {
    publisher.accepted.insert(sequence)
    guard followsMessages else { return }
    total.expected += publisher.deliveries[publisher.place(of: sequence).topic]
  }

  /// A message is due, and the client takes none.
  private func hold(_ publisher: Publisher, _ now: Int64) {
    publisher.isHeld = true
    // Whoever has output left is held back by the network, everybody else by what is unacknowledged.
    if publisher.client.unsentCount > 0 || !publisher.client.isConnected || publisher.isLeaving {
      isHeldByNetwork(publisher, now)
    } else {
      isHeldByWindow(publisher, now)
    }
  }

  private func isHeldByNetwork(_ publisher: Publisher, _ now: Int64) {
    block(publisher, now)
    // In a closed loop nobody asks which delay was whose.
    if isClosed { return }
    publisher.windowTime.end(at: now)
    publisher.socketTime.begin(at: now)
  }

  private func isHeldByWindow(_ publisher: Publisher, _ now: Int64) {
    if isClosed { return }
    publisher.socketTime.end(at: now)
    publisher.windowTime.begin(at: now)
  }

  private func block(_ publisher: Publisher, _ now: Int64) {
    guard !publisher.isBlocked else { return }
    publisher.isBlocked = true
    publisher.blockedSince = now
    blocked.append(publisher)
  }

  /// The client takes messages again.
  private func release(_ publisher: Publisher, _ now: Int64) {
    publisher.isHeld = false
    publisher.freeSince = now
    publisher.windowTime.end(at: now)
    publisher.socketTime.end(at: now)
    agenda.insert(publisher)
  }

  private func lookAtBlocked() {
    let now = time()
    blocked.removeAll { publisher in
      let client = publisher.client
      account(publisher, now)
      let isFree =
        publisher.unsent.isEmpty && client.unsentCount == 0 && client.isConnected && !publisher.isLeaving
      if isFree { publisher.isBlocked = false }
      if publisher.isHeld {
        if client.canPublish, !publisher.isLeaving {
          release(publisher, now)
        } else if isFree {
          isHeldByWindow(publisher, now)
        }
      }
      return isFree
    }
  }

  // MARK: - What happened

  private func handle(_ event: Client.Event, _ index: Int) {
    let member = members[index]
    switch event {
    case .session(.published(let number, let reason, _)):
      if let publisher = member.publisher { acknowledged(number, reason, publisher) }
    case .session(.received(let number)):
      guard let publisher = member.publisher else { break }
      received(number, publisher)
      publisher.client.release(number)
    case .session(.connected):
      member.isConnected = true
      connected(member)
      state.connected.add(1)
      if member.subscriber == nil { isReady(member) }
    case .session(.subscribed(_, let packet)):
      subscribed(member, packet)
    case .outage(let error, _):
      ended(error, member)
    case .failed(let error):
      if plan.connectsOnly {
        isReady(member)
      } else if start.nanoseconds == .max || measurements.lostConnections == 0 {
        state.fail(error)
      }
      ended(error, member)
      gone += 1
    case .closed:
      if member.isLeaving, !leaving { comeAgain(member, index) } else { gone += 1 }
    default: break
    }
  }

  /// The start waits for each client, once.
  private func isReady(_ member: Member) {
    if member.isReady { return }
    member.isReady = true
    state.ready.add(1)
  }

  private func subscribed(_ member: Member, _ packet: SubackPacket) {
    if let refusal = packet.reasonCodes.first(where: \.isFailure) {
      if plan.connectsOnly {
        let failure = ConnectFailure(
          stage: "SUBACK", reason: "the broker refused a subscription: \(refusal)",
          status: ExitStatus(.notSupported(ProtocolError(refusal, "\(refusal)"))))
        measurements.failures[failure, default: 0] += 1
        isReady(member)
        return
      }
      state.fail(.notSupported(ProtocolError(refusal, "the broker refused a subscription: \(refusal)")))
    }
    if member.client.awaitsAnswers { return }
    if isTimedConnection(member) {
      measurements.connect.suback.record((Instant.now - member.attempt).nanoseconds)
    }
    member.subscriber?.came(at: time())
    isReady(member)
  }

  /// First connections count, and in the window those of clients that leave and come again by plan; but not those after an outage.
  private func isTimedConnection(_ member: Member) -> Bool {
    start.nanoseconds == .max || member.hasComeAgain && isMeasuredTime((member.attempt - start).nanoseconds)
  }

  /// Takes note of how an attempt to connect went.
  private func connected(_ member: Member) {
    guard isTimedConnection(member) else { return }
    let (client, due) = (member.client, member.attempt)
    func record(_ time: Instant?, in times: inout Times) {
      if let time { times.record(max(0, (time - due).nanoseconds)) }
    }
    record(client.milestones.named, in: &measurements.connect.name)
    record(client.milestones.connected, in: &measurements.connect.transport)
    record(client.milestones.opened, in: &measurements.connect.layers)
    let now = Instant.now
    record(now, in: &measurements.connect.connack)
    if start.nanoseconds == .max { measurements.connectTime = max(measurements.connectTime, now - firstConnection) }
  }

  /// PUBREC for a message.
  private func received(_ number: Int, _ publisher: Publisher) {
    let now = time()
    if !publisher.unsent.isEmpty { account(publisher, now) }
    let place = number - publisher.firstNumber
    guard place >= 0, place < publisher.unacknowledged.count else { return }
    let entry = publisher.unacknowledged[place]
    if entry.sent > 0, isMeasured(due(publisher, entry.sequence)) { measurements.receipt.record(now - entry.sent) }
  }

  private func acknowledged(_ number: Int, _ reason: ReasonCode, _ publisher: Publisher) {
    let now = time()
    if !publisher.unsent.isEmpty { account(publisher, now) }
    let place = number - publisher.firstNumber
    guard place >= 0, place < publisher.unacknowledged.count else { return }
    let entry = publisher.unacknowledged[place]
    publisher.unacknowledged[place].isDone = true
    while !publisher.unacknowledged.isEmpty, publisher.unacknowledged[0].isDone {
      publisher.unacknowledged.removeFirst()
      publisher.firstNumber += 1
    }
    total.acknowledged += 1
    measurements.seconds[second(now)].acknowledged += 1
    let due = due(publisher, entry.sequence)
    if reason.isFailure {
      if isMeasured(due) {
        measurements.seconds[second(now)].errors += 1
        measurements.refused[reason.rawValue, default: 0] += 1
      }
    } else {
      if isMeasuredTime(now) { measurements.acknowledgedInWindow += 1 }
      if isMeasured(due) { accepted(entry, of: publisher, due: due, at: now, reason) }
    }
    if publisher.isHeld, !publisher.isBlocked, publisher.client.canPublish { release(publisher, now) }
  }

  /// A measured message has its last acknowledgement, which is below 0x80.
  private func accepted(
    _ entry: Publisher.Unacknowledged, of publisher: Publisher, due: Int64, at now: Int64, _ reason: ReasonCode
  ) {
    measurements.acknowledged += 1
    if !isClosed { measurements.acknowledgement.record(now - due) }
    if entry.sent > 0, !isClosed || isMeasuredTime(entry.sent) {
      measurements.acknowledgementService.record(now - entry.sent)
    }
    if headlineKind == .acknowledgement, !isClosed || entry.sent > 0 {
      headline(now - (isClosed ? entry.sent : due), due: due, at: now)
    }
    if reason == .noMatchingSubscribers { measurements.withoutSubscribers += 1 }
    accept(publisher, entry.sequence)
  }

  /// An attempt failed, or a network connection was lost.
  private func ended(_ error: ConnectionError, _ member: Member) {
    if member.isConnected {
      member.isConnected = false
      lost(member)
    } else {
      measurements.failures[ConnectFailure(error), default: 0] += 1
    }
  }

  /// The network connection of a client is gone.
  private func lost(_ member: Member) {
    let now = time()
    measurements.lostConnections += 1
    state.lostConnections.add(1)
    measurements.seconds[second(now)].errors += 1
    member.isLeaving = false
    member.subscriber?.left(at: now)
    guard let publisher = member.publisher else { return }
    for place in 0..<publisher.unacknowledged.count where !publisher.unacknowledged[place].isDone {
      if isMeasured(due(publisher, publisher.unacknowledged[place].sequence)) { measurements.inDoubt += 1 }
    }
    publisher.unacknowledged.removeAll()
    publisher.unsent.removeAll()
    if publisher.group.qos == .atMostOnce { takeBack(publisher) }
    publisher.sentOnConnection = publisher.next
    // What it waited for will not come any more; the next connection lets it go on.
    if publisher.isHeld { isHeldByNetwork(publisher, now) }
  }

  /// What was sent at QoS 0 on a network connection that broke may have been lost with it.
  private func takeBack(_ publisher: Publisher) {
    for sequence in publisher.sentOnConnection..<publisher.next where publisher.accepted.contains(sequence) {
      publisher.accepted.remove(sequence)
      measurements.inDoubt += 1
      guard followsMessages else { continue }
      total.expected -= publisher.deliveries[publisher.place(of: sequence).topic]
    }
  }

  private func received(_ message: MessageView, by subscriber: Subscriber) {
    // What came with one receive came in one moment.
    let count = subscriber.client.receiveCount
    if subscriber.lastReceive.count != count { subscriber.lastReceive = (count, time()) }
    let now = subscriber.lastReceive.time
    guard followsMessages else {
      // When all is over, retained messages are removed by empty ones.
      if !state.isLeaving { delivered(at: now) }
      return
    }
    let header: MessageHeader
    switch MessageHeader.read(message.payload, ofRun: plan.run.number) {
    case .header(let read): header = read
    case .corrupted:
      measurements.corrupted += 1
      return
    case .foreign:
      // When all is over, retained messages are removed by empty ones.
      if !state.isLeaving { measurements.foreign += 1 }
      return
    }
    let (publisher, sequence) = (Int(header.publisher), Int(header.sequence))
    guard header.group < groups.count, case let group = groups[Int(header.group)], group.isPublishing,
      group.clients.contains(publisher),
      // How far the publishers of other workers are is theirs to know.
      case let own = publishersByNumber[publisher], sequence < own?.next ?? group.sequenceLimit
    else {
      measurements.corrupted += 1
      return
    }
    let member = publisher - group.clients.lowerBound
    let (topic, index) = group.place(of: sequence, from: member)
    let arrival = subscriber.took(index, of: publisher, on: topic)
    let due = isClosed ? 0 : group.schedule.due(member, sequence)
    let isMeasured = isMeasured(due)
    if isMeasured { measurements.publishBytesReceived += message.packetSize }
    guard case .new(let displacement) = arrival else {
      if isMeasured {
        measurements.duplicates += 1
        if message.qos == .atLeastOnce, message.isDuplicate { measurements.allowedDuplicates += 1 }
      }
      return
    }
    delivered(at: now)
    guard isMeasured else { return }
    total.distinct += 1
    measurements.delivered += 1
    if tellsGroups { group.measured.delivered(after: isClosed ? nil : now - due) }
    if !isClosed {
      measurements.endToEnd.record(now - due)
      headline(now - due, due: due, at: now)
    }
    if plan.workers == 1, let own, let (sent, arrivals) = own.arrived(sequence) {
      if !isClosed || isMeasuredTime(sent) { measurements.endToEndService.record(now - sent) }
      if isClosed { headline(now - sent, due: due, at: now) }
      if fansOut, !isClosed, arrivals == own.deliveries[topic] { measurements.fanOut.record(now - due) }
    }
    if displacement > 0, !subscriber.isShared {
      measurements.reordered += 1
      measurements.largestDisplacement = max(measurements.largestDisplacement, displacement)
    }
  }

  private func delivered(at now: Int64) {
    total.delivered += 1
    if isMeasuredTime(now) { measurements.deliveredInWindow += 1 }
    measurements.seconds[second(now)].delivered += 1
  }

  // MARK: - Seconds

  /// The place of the second in which this time falls, which is the one that is under way from now on.
  private func second(_ time: Int64) -> Int {
    // As `LoadPlan.second` has it; what happens before the arrivals begin belongs to the first one.
    let index = time <= 0 ? 0 : Int((time - windowStart + leadSeconds * 1_000_000_000) / 1_000_000_000)
    if index != currentSecond {
      closeSecond()
      currentSecond = index
    }
    while measurements.seconds.count <= index { measurements.seconds.append(.init()) }
    return index
  }

  private func closeSecond() {
    guard !current.isEmpty, currentSecond < measurements.seconds.count else { return }
    measurements.seconds[currentSecond].times += current.samples
    state.tell(current, second: currentSecond)
    current.removeAll()
  }
}

extension TLSReport {
  /// `TLSv1.3, TLS_AES_256_GCM_SHA384, x25519`.
  fileprivate var words: String {
    ([version, cipher, group].compactMap { $0 } + (isResumed ? ["resumed"] : [])).joined(separator: ", ")
  }
}

extension ServerLimits {
  /// What the broker said in CONNACK that it cannot do; nil when it can all.
  fileprivate var missing: String? {
    let features = [
      ("retained messages", retainAvailable), ("wildcard subscriptions", wildcardSubscriptionAvailable),
      ("subscription identifiers", subscriptionIdentifiersAvailable),
      ("shared subscriptions", sharedSubscriptionAvailable),
    ]
    let missing = features.filter { !$0.1 }.map(\.0)
    return missing.isEmpty ? nil : missing.joined(separator: ", ")
  }
}

extension ConnectFailure {
  init(_ error: ConnectionError) {
    stage =
      switch error {
      case .nameNotFound: "name"
      case .system("connect", _, _), .system("bind", _, _), .system("socket", _, _): "transport"
      case .tls: "TLS"
      case .notLetThrough: "proxy"
      case .timedOut(let stage, _, _), .closed(let stage), .webSocketClosed(let stage, _): Self.name(of: stage)
      default: "CONNACK"
      }
    reason = "\(error)"
    status = ExitStatus(error)
  }

  private static func name(of stage: ConnectionStage) -> String {
    switch stage {
    case .name: "name"
    case .transport: "transport"
    case .proxy: "proxy"
    case .tls: "TLS"
    case .webSocket: "WebSocket"
    case .suback: "SUBACK"
    case .connack, .connected: "CONNACK"
    }
  }
}
