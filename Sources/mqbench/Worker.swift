internal import CSystem
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
  private var driver = Driver()
  private var start = Instant(nanoseconds: .max)

  // MARK: Clients

  private enum Role {
    case publisher(Publisher)
    case subscriber(Subscriber)
  }

  /// By the driver's index.
  private var roles: [Role] = []
  /// When each client's attempt to connect was due.
  private var attempts: [Instant] = []
  /// Which clients the broker has accepted on their present network connection.
  private var isConnected: [Bool] = []
  /// Clients that are still to be connected, and when the first of them is due.
  private var waiting: ArraySlice<Role>
  private var nextConnection = Instant(nanoseconds: 0)
  private var connectionInterval: Duration
  /// When the first of all workers' connections was due.
  private var firstConnection = Instant(nanoseconds: 0)
  let publishers: [Publisher]
  let subscribers: [Subscriber]

  // MARK: Publishing

  private var agenda = DueHeap()
  /// Publishers whose output the system has not taken whole.
  private var blocked: [Publisher] = []
  private var payload: UnsafeMutableRawBufferPointer
  private let noProperties = Properties()
  private var random: SystemRandomNumberGenerator

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
  private static let payloadCapacity = 1 << 20

  /// - Parameter index: the worker's number; it has each of `plan.workers`-th client.
  init(_ index: Int, _ plan: LoadPlan, _ state: RunState) {
    self.index = index
    self.plan = plan
    (windowStart, windowEnd) = (plan.windowStart, plan.windowEnd)
    (leadSeconds, fansOut) = (Int64(plan.leadSeconds), plan.fansOut)
    self.state = state
    random = SystemRandomNumberGenerator()
    var roles: [Role] = []
    var publishers: [Publisher] = []
    var subscribers: [Subscriber] = []
    for number in 0..<plan.topology.subscribers where number % plan.workers == index {
      let subscriber = Subscriber(number, client: Self.client(plan, "s\(number)"))
      subscribers.append(subscriber)
      roles.append(.subscriber(subscriber))
    }
    for number in 0..<plan.topology.publishers where number % plan.workers == index {
      let topics = plan.topology.topics(ofPublisher: number).map { plan.topicName($0) }
      let publisher = Publisher(number, topics: topics, client: Self.client(plan, "p\(number)"))
      publisher.client.leavesPublishesToCaller()
      publishers.append(publisher)
      roles.append(.publisher(publisher))
    }
    self.publishers = publishers
    self.subscribers = subscribers
    waiting = roles[...]
    connectionInterval = .nanoseconds(Int64(1e9 * Double(plan.workers) / plan.connectRate))
    payload = .allocate(byteCount: Self.payloadCapacity + plan.size.upperBound, alignment: 16)
    for place in stride(from: 0, to: payload.count - 7, by: 8) {
      payload.storeBytes(of: Schedule.mix(plan.schedule.seed &+ UInt64(place)), toByteOffset: place, as: UInt64.self)
    }
  }

  deinit { payload.deallocate() }

  private static func client(_ plan: LoadPlan, _ name: String) -> Client {
    var settings = plan.client
    settings.session.connect.clientIdentifier = Text(stringLiteral: "mqbench-\(plan.run)-\(name)")
    settings.session.maximumInflight = plan.window
    return Client(settings)
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
        guard case .subscriber(let subscriber) = roles[index] else { break }
        received(message, by: subscriber)
        if let delivery { subscriber.client.acknowledge(delivery) }
      case .client(let index, let event): handle(event, index)
      case .deadline:
        // In a closed loop messages are always due.
        if !plan.isClosed { late(deadline) } else if driver.now >= nextTick { late(nextTick) }
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
    guard plan.isClosed, plan.qos == .atMostOnce, agenda.isEmpty, !isStopped else { return }
    usleep(200)
  }

  private var deadline: Instant {
    var deadline = nextTick
    if !waiting.isEmpty { deadline = min(deadline, nextConnection) }
    if let due = agenda.first?.due { deadline = min(deadline, start + .nanoseconds(due)) }
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
    let role = waiting.removeFirst()
    attempts.append(nextConnection)
    nextConnection = nextConnection + connectionInterval
    let client: Client
    switch role {
    case .publisher(let publisher): client = publisher.client
    case .subscriber(let subscriber):
      client = subscriber.client
      let filters = plan.topology.topics(ofSubscriber: subscriber.number).map { topic in
        let name = plan.topicName(topic)
        let filter = plan.topology.isShared ? Array("$share/\(plan.run)/".utf8) + name : name
        return Subscription(
          filter: try! TopicFilter(utf8: filter), options: SubscriptionOptions(qos: plan.subscriptionQoS))
      }
      // It throws for what a broker's limits forbid, and there is none yet.
      try! client.subscribe(filters, at: driver.now)
    }
    roles.append(role)
    isConnected.append(false)
    driver.add(client)
  }

  /// Ten times a second or more; true when all is done.
  private func tick(_ now: Instant) -> Bool {
    nextTick = now + Self.tick
    lookAtLoad(now)
    report()
    if start.nanoseconds == .max, let begin = state.startTime { startArrivals(begin) }
    if state.isStopping { stop() }
    if state.isLeaving { return leave() }
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

  /// When the next message of a publisher is due; never after the window.
  private func due(_ publisher: Publisher, _ sequence: Int) -> Int64 {
    plan.isClosed ? 0 : plan.schedule.due(publisher.number, sequence)
  }

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
      for role in roles {
        let client =
          switch role {
          case .publisher(let publisher): publisher.client
          case .subscriber(let subscriber): subscriber.client
          }
        if plan.retain, case .publisher(let publisher) = role { removeRetained(publisher) }
        client.disconnect(at: driver.now)
      }
    }
    return gone >= roles.count
  }

  /// Leaves no retained message behind: an empty one takes the place of a topic's last [MQTT-3.3.1-6].
  private func removeRetained(_ publisher: Publisher) {
    guard publisher.next > 0, publisher.client.isConnected else { return }
    for topic in publisher.topics {
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
      guard publisher.due < windowEnd, !plan.isClosed || time < windowEnd else {
        agenda.removeFirst()
        settle(publisher)
        return time
      }
      if !client.canPublish {
        // The output may have been the limit.
        settle(publisher)
        time = self.time()
        guard client.canPublish else {
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
    let size =
      plan.size.lowerBound == plan.size.upperBound ? plan.size.lowerBound : Int.random(in: plan.size, using: &random)
    let offset = (sequence &* 4099) & (Self.payloadCapacity - 1) & ~15
    let bytes = UnsafeMutableRawBufferPointer(rebasing: payload[offset..<offset + size])
    let outputBefore = client.unsentCount
    if size >= MessageHeader.size {
      MessageHeader(
        run: plan.run.number, group: 0, publisher: UInt32(publisher.number), sequence: UInt64(sequence)
      ).write(to: bytes, count: size)
    }
    do throws(ProtocolError) {
      let topics = publisher.topics
      let number = try topics[sequence % topics.count].withBytes { (topic) throws(ProtocolError) in
        try client.publish(
          topic: topic, payload: UnsafeRawBufferPointer(bytes), qos: plan.qos, retain: plan.retain,
          properties: noProperties,
          at: driver.now)
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
      if plan.qos == .atMostOnce {
        if isMeasured(message.due) { accept(publisher, message.sequence) }
      } else {
        let place = message.sequence - publisher.unacknowledged[0].sequence
        publisher.unacknowledged[place].sent = now
      }
      guard isMeasured(message.due) else { continue }
      measurements.sent += 1
      if plan.isClosed { continue }
      let delay = now - message.due
      let afterHandover = publisher.isBlocked ? max(0, now - max(publisher.blockedSince, message.handedOver)) : 0
      let socket = min(delay, message.socket + afterHandover)
      let window = min(delay - socket, message.window)
      measurements.sendDelay.record(delay)
      if plan.headline == .sendDelay { headline(delay, due: message.due, at: now) }
      measurements.sendDelaySocket.record(socket)
      measurements.sendDelayWindow.record(window)
      measurements.sendDelayTool.record(delay - socket - window)
    }
  }

  private func isMeasuredTime(_ time: Int64) -> Bool { time >= windowStart && time < windowEnd }

  /// Whether a message counts. In a closed loop nothing is due, and all count.
  private func isMeasured(_ due: Int64) -> Bool { plan.isClosed || isMeasuredTime(due) }

  /// A sample of what the report is about, of a message that is measured and was due then.
  private func headline(_ time: Int64, due: Int64, at now: Int64) {
    let place = plan.isClosed ? now : due
    guard isMeasuredTime(place) else { return }
    let half = 2 * (place - windowStart) >= windowEnd - windowStart ? 1 : 0
    measurements.halves[half].record(time)
    _ = second(now)
    current.record(time)
  }

  /// The broker answers for a measured message from now on.
  private func accept(_ publisher: Publisher, _ sequence: Int) {
    publisher.accepted.insert(sequence)
    let topic = plan.topology.topic(ofPublisher: publisher.number, sequence)
    let subscribers = plan.topology.subscribers(ofTopic: topic)
    total.expected += plan.topology.isShared ? min(1, subscribers) : subscribers
  }

  /// A message is due, and the client takes none.
  private func hold(_ publisher: Publisher, _ now: Int64) {
    publisher.isHeld = true
    // Whoever has output left is held back by the network, everybody else by what is unacknowledged.
    if publisher.client.unsentCount > 0 || !publisher.client.isConnected {
      publisher.socketTime.begin(at: now)
      block(publisher, now)
    } else {
      publisher.windowTime.begin(at: now)
    }
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
    publisher.windowTime.end(at: now)
    publisher.socketTime.end(at: now)
    agenda.insert(publisher)
  }

  private func lookAtBlocked() {
    let now = time()
    blocked.removeAll { publisher in
      let client = publisher.client
      account(publisher, now)
      let isFree = publisher.unsent.isEmpty && client.unsentCount == 0 && client.isConnected
      if isFree { publisher.isBlocked = false }
      if publisher.isHeld {
        if client.canPublish {
          release(publisher, now)
        } else if isFree {
          publisher.socketTime.end(at: now)
          publisher.windowTime.begin(at: now)
        }
      }
      return isFree
    }
  }

  // MARK: - What happened

  private func handle(_ event: Client.Event, _ index: Int) {
    switch (event, roles[index]) {
    case (.session(.published(let number, let reason, _)), .publisher(let publisher)):
      acknowledged(number, reason, publisher)
    case (.session(.received(let number)), .publisher(let publisher)):
      received(number, publisher)
      publisher.client.release(number)
    case (.session(.connected), let role):
      isConnected[index] = true
      connected(driver.clients[index], due: attempts[index])
      state.connected.add(1)
      if case .publisher = role { state.ready.add(1) }
    case (.session(.subscribed(_, let packet)), .subscriber(let subscriber)):
      if let refusal = packet.reasonCodes.first(where: \.isFailure) {
        if plan.connectsOnly {
          let failure = ConnectFailure(stage: "SUBACK", reason: "the broker refused a subscription: \(refusal)")
          measurements.failures[failure, default: 0] += 1
          state.ready.add(1)
          break
        }
        state.fail(.notSupported(ProtocolError(refusal, "the broker refused a subscription: \(refusal)")))
      }
      if start.nanoseconds == .max { measurements.connect.suback.record((Instant.now - attempts[index]).nanoseconds) }
      if let outage = subscriber.outage {
        subscriber.outage = outage.lowerBound...max(outage.lowerBound, time())
      } else {
        state.ready.add(1)
      }
    case (.outage(let error, _), let role):
      ended(error, role, index)
    case (.failed(let error), let role):
      if plan.connectsOnly {
        if !isConnected[index] { state.ready.add(1) }
      } else if start.nanoseconds == .max || measurements.lostConnections == 0 {
        state.fail(error)
      }
      ended(error, role, index)
      gone += 1
    case (.closed, _): gone += 1
    default: break
    }
  }

  /// Takes note of how an attempt to connect went. Those of later attempts, after an outage, do not count.
  private func connected(_ client: Client, due: Instant) {
    guard start.nanoseconds == .max else { return }
    func record(_ time: Instant?, in times: inout Times) {
      if let time { times.record(max(0, (time - due).nanoseconds)) }
    }
    record(client.milestones.named, in: &measurements.connect.name)
    record(client.milestones.connected, in: &measurements.connect.transport)
    record(client.milestones.opened, in: &measurements.connect.layers)
    let now = Instant.now
    record(now, in: &measurements.connect.connack)
    measurements.connectTime = max(measurements.connectTime, now - firstConnection)
  }

  /// PUBREC for a message.
  private func received(_ number: Int, _ publisher: Publisher) {
    let now = time()
    if !publisher.unsent.isEmpty { account(publisher, now) }
    let place = number - publisher.firstNumber
    guard place >= 0, place < publisher.unacknowledged.count else { return }
    let entry = publisher.unacknowledged[place]
    if isMeasured(due(publisher, entry.sequence)) { measurements.receipt.record(now - entry.sent) }
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
    if isMeasuredTime(now) { measurements.acknowledgedInWindow += 1 }
    let due = due(publisher, entry.sequence)
    if isMeasured(due) {
      measurements.acknowledged += 1
      if !plan.isClosed { measurements.acknowledgement.record(now - due) }
      if !plan.isClosed || isMeasuredTime(entry.sent) { measurements.acknowledgementService.record(now - entry.sent) }
      if plan.headline == .acknowledgement { headline(now - (plan.isClosed ? entry.sent : due), due: due, at: now) }
      if reason.isFailure {
        measurements.seconds[second(now)].errors += 1
        measurements.refused[reason.rawValue, default: 0] += 1
      } else {
        if reason == .noMatchingSubscribers { measurements.withoutSubscribers += 1 }
        accept(publisher, entry.sequence)
      }
    }
    if publisher.isHeld, !publisher.isBlocked, publisher.client.canPublish { release(publisher, now) }
  }

  /// An attempt failed, or a network connection was lost.
  private func ended(_ error: ConnectionError, _ role: Role, _ index: Int) {
    if isConnected[index] {
      isConnected[index] = false
      lost(role)
    } else {
      measurements.failures[ConnectFailure(error), default: 0] += 1
    }
  }

  /// The network connection of a client is gone.
  private func lost(_ role: Role) {
    let now = time()
    measurements.lostConnections += 1
    measurements.seconds[second(now)].errors += 1
    switch role {
    case .publisher(let publisher):
      for place in 0..<publisher.unacknowledged.count where !publisher.unacknowledged[place].isDone {
        if isMeasured(due(publisher, publisher.unacknowledged[place].sequence)) { measurements.inDoubt += 1 }
      }
      publisher.unacknowledged.removeAll()
      publisher.unsent.removeAll()
      if plan.qos == .atMostOnce { takeBack(publisher) }
      publisher.sentOnConnection = publisher.next
    case .subscriber(let subscriber):
      subscriber.outage = (subscriber.outage?.lowerBound ?? now)...now
    }
  }

  /// What was sent at QoS 0 on a network connection that broke may have been lost with it.
  private func takeBack(_ publisher: Publisher) {
    for sequence in publisher.sentOnConnection..<publisher.next where publisher.accepted.contains(sequence) {
      publisher.accepted.remove(sequence)
      measurements.inDoubt += 1
      let topic = plan.topology.topic(ofPublisher: publisher.number, sequence)
      total.expected -= plan.topology.isShared ? 1 : plan.topology.subscribers(ofTopic: topic)
    }
  }

  private func received(_ message: MessageView, by subscriber: Subscriber) {
    // What came with one receive came in one moment.
    let count = subscriber.client.receiveCount
    if subscriber.lastReceive.count != count { subscriber.lastReceive = (count, time()) }
    let now = subscriber.lastReceive.time
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
    guard publisher < plan.topology.publishers else {
      measurements.corrupted += 1
      return
    }
    let topicCount = plan.topology.topicCount(ofPublisher: publisher)
    let arrival = subscriber.took(sequence / topicCount, of: publisher, on: sequence % topicCount)
    let due = plan.isClosed ? 0 : plan.schedule.due(publisher, sequence)
    let isMeasured = isMeasured(due)
    if isMeasured { measurements.publishBytesReceived += message.packetSize }
    guard case .new(let displacement) = arrival else {
      if isMeasured {
        measurements.duplicates += 1
        if message.qos == .atLeastOnce, message.isDuplicate { measurements.allowedDuplicates += 1 }
      }
      return
    }
    total.delivered += 1
    if isMeasuredTime(now) { measurements.deliveredInWindow += 1 }
    measurements.seconds[second(now)].delivered += 1
    guard isMeasured else { return }
    total.distinct += 1
    measurements.delivered += 1
    if !plan.isClosed {
      measurements.endToEnd.record(now - due)
      headline(now - due, due: due, at: now)
    }
    // The publishers of other workers are theirs.
    if plan.workers == 1, let (sent, arrivals) = publishers[publisher].arrived(sequence) {
      if !plan.isClosed || isMeasuredTime(sent) { measurements.endToEndService.record(now - sent) }
      if plan.isClosed { headline(now - sent, due: due, at: now) }
      if fansOut, !plan.isClosed,
        arrivals == plan.topology.subscribers(ofTopic: plan.topology.topic(ofPublisher: publisher, sequence))
      {
        measurements.fanOut.record(now - due)
      }
    }
    if displacement > 0, !plan.topology.isShared {
      measurements.reordered += 1
      measurements.largestDisplacement = max(measurements.largestDisplacement, displacement)
    }
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

/// Publishers with something to send, the one that is due first in front.
private struct DueHeap {
  private var items: [Publisher] = []

  var first: Publisher? { items.first }
  var isEmpty: Bool { items.isEmpty }

  mutating func insert(_ publisher: Publisher) {
    items.append(publisher)
    var place = items.count - 1
    while place > 0, items[place].due < items[(place - 1) / 2].due {
      items.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  mutating func removeFirst() {
    items.swapAt(0, items.count - 1)
    items.removeLast()
    if !items.isEmpty { firstChanged() }
  }

  /// The first one is due later than before.
  mutating func firstChanged() {
    var place = 0
    while true {
      let left = 2 * place + 1
      guard left < items.count else { return }
      let child = left + 1 < items.count && items[left + 1].due < items[left].due ? left + 1 : left
      if items[place].due <= items[child].due { return }
      items.swapAt(place, child)
      place = child
    }
  }
}
