import MQTT
import Testing

/// Random schedules against a broker that does what the specification says: connections break at any byte, and in the
/// end every QoS 1 message has arrived at least once, every QoS 2 message exactly once, in order, in both directions.
@Suite struct SessionModelTests {
  @Test(
    "Nothing is lost, doubled or disordered over 20 cuts at random places", arguments: ProtocolVersion.allCases)
  func randomCuts(_ version: ProtocolVersion) throws {
    for seed in 0..<100 {
      let schedule = Schedule(version, seed: UInt64(seed))
      schedule.run(cuts: 20)
      try schedule.check()
    }
  }

  @Test(
    "Nothing is lost, doubled or disordered when the connection breaks at any byte",
    arguments: ProtocolVersion.allCases)
  func everyCut(_ version: ProtocolVersion) throws {
    let whole = Schedule(version, seed: 1, messageCount: 2)
    whole.run(cuts: 0)
    try whole.check()
    try #require(whole.moved > 150)
    for place in 0..<whole.moved {
      let schedule = Schedule(version, seed: 1, messageCount: 2)
      schedule.cutPlace = place
      schedule.run(cuts: 0)
      try schedule.check()
    }
  }

  @Test(
    "[MQTT-3.2.2-5] A broker that forgets sessions gets all, and what it may have had already is counted",
    arguments: [ProtocolVersion.v311, .v5])
  func forgetfulBroker(_ version: ProtocolVersion) throws {
    var doubled = 0
    for seed in 0..<100 {
      let schedule = Schedule(version, seed: UInt64(seed))
      schedule.broker.isForgetful = true
      schedule.run(cuts: 8)
      try schedule.check()
      doubled += schedule.broker.arrived[2].count - schedule.messageCount
    }
    #expect(doubled > 0, "or it was not forgetful at the right moments")
  }
}

/// One run: a session, a broker, the bytes between them, and what either side saw.
private final class Schedule {
  let pair: SessionPair
  let broker: ModelBroker
  let messageCount: Int
  /// The connection breaks once, after so many bytes have arrived on either side.
  var cutPlace: Int?
  /// Bytes that have arrived on either side.
  private(set) var moved = 0
  private var random: SeededGenerator
  /// Bytes on their way.
  private var up: [UInt8] = []
  private var down: [UInt8] = []

  /// Messages of each QoS that the application has published, and the QoS and number that each publish stands for.
  private var published = [0, 0, 0]
  private var numbers: [Int: (qos: Int, message: Int)] = [:]
  private var ended: [Int] = []
  private var republished = 0
  /// Messages that came, of each QoS.
  private var received: [[Int]] = [[], [], []]
  private var held: [Delivery] = []
  private var failures: [String] = []

  init(_ version: ProtocolVersion, seed: UInt64, messageCount: Int = 12) {
    self.messageCount = messageCount
    random = SeededGenerator(state: seed)
    let inflight = 1 + random.next(8)
    pair = SessionPair(version) {
      $0.lifetime = .persistent
      $0.isStrict = true
      $0.connect.properties[.receiveMaximum] = UInt16(inflight)
    }
    broker = ModelBroker(version, receiveMaximum: 1 + random.next(8), clientReceiveMaximum: inflight)
  }

  func run(cuts: Int) {
    var cuts = cuts
    open()
    for round in 0..<20_000 {
      if round % 8 == 0, isDone { return }
      if cuts > 0, random.next(12) == 0 {
        cuts -= 1
        cut()
      } else {
        step()
      }
      guard failures.isEmpty, broker.violations.isEmpty else { return }
    }
  }

  private var isDone: Bool {
    up.isEmpty && down.isEmpty && held.isEmpty && pair.session.publishesInFlight == 0 && pair.session.outputCount == 0
      && published.allSatisfy { $0 == messageCount }
      && broker.isDone(messageCount: broker.isForgetful ? 0 : messageCount)
  }

  private func step() {
    switch random.next(7) {
    case 0: publish()
    case 1: broker.publish(qos: random.next(3), upTo: broker.isForgetful ? 0 : messageCount)
    case 2: take(1 + random.next(60))
    case 3: moveUp(1 + random.next(60))
    case 4: moveDown(1 + random.next(60))
    case 5:
      if !held.isEmpty { pair.session.acknowledge(held.remove(at: random.next(held.count))) }
    default:
      broker.sendAnswers(random.next(4))
    }
    down += broker.takeOutput()
  }

  private func publish() {
    let qos = random.next(3)
    guard pair.canPublish, published[qos] < messageCount else { return }
    do {
      if let number = try pair.publish("t", "\(qos)\(published[qos])", QoS(rawValue: UInt8(qos))!) {
        numbers[number] = (qos, published[qos])
      }
      published[qos] += 1
    } catch {
      failures.append("\(error)")
    }
  }

  // MARK: The network

  private func open() {
    do {
      try pair.session.connectionOpened(at: pair.now)
    } catch {
      failures.append("\(error)")
    }
    broker.connectionOpened()
  }

  private func cut() {
    cutPlace = nil
    // Some of what is on its way still arrives.
    moveUp(random.next(up.count + 1))
    down += broker.takeOutput()
    moveDown(random.next(down.count + 1))
    pair.close()
    up = []
    down = []
    _ = broker.takeOutput()
    open()
  }

  private func take(_ count: Int) {
    let bytes = pair.session.withOutput { Array($0.prefix(count)) }
    guard !bytes.isEmpty else { return }
    pair.session.outputTaken(bytes.count, at: pair.now)
    up += bytes
  }

  private func moveUp(_ count: Int) {
    let count = allowed(count, of: up)
    broker.receive(up.prefix(count))
    up.removeFirst(count)
    moved += count
    if cutPlace == moved { cut() }
  }

  private func moveDown(_ count: Int) {
    let count = allowed(count, of: down)
    pair.send(Array(down.prefix(count)))
    down.removeFirst(count)
    moved += count
    while let event = pair.nextEvent() { see(event) }
    if cutPlace == moved { cut() }
  }

  private func allowed(_ count: Int, of bytes: [UInt8]) -> Int {
    min(count, bytes.count, (cutPlace ?? .max) - moved)
  }

  private func see(_ event: SessionPair.Seen) {
    switch event {
    case .connected(let count):
      republished += count
    case .message(_, let payload, let qos):
      guard payload.first == Character("\(qos.rawValue)"), let message = Int(payload.dropFirst()) else {
        return failures.append("message \(payload) came with \(qos)")
      }
      received[Int(qos.rawValue)].append(message)
      if qos != .atMostOnce { held.append(pair.deliveries[pair.deliveries.count - 1]) }
    case .published(let number, .success):
      ended.append(number)
    default:
      failures.append("\(event) \(pair.explanation)")
    }
  }

  // MARK: What must be true in the end

  func check() throws {
    try #require(failures.isEmpty && broker.violations.isEmpty, "\(failures) \(broker.violations)")
    try #require(isDone, "it came to an end")
    let all = Array(0..<messageCount)
    #expect(ended.sorted() == numbers.keys.sorted(), "every publish ended once")
    try check(broker.arrived, all, duplicates: republished)
    #expect(broker.isForgetful || republished == 0)
    guard !broker.isForgetful else { return }
    try check(received, all, duplicates: 0)
  }

  private func check(_ arrived: [[Int]], _ all: [Int], duplicates: Int) throws {
    try #require(Set(arrived[0]).count == arrived[0].count && arrived[0] == arrived[0].sorted(), "QoS 0 at most once")
    try #require(firsts(arrived[1]) == all, "QoS 1 at least once, in order: \(arrived[1])")
    try #require(firsts(arrived[2]) == all, "QoS 2, in order: \(arrived[2])")
    try #require(arrived[2].count <= all.count + duplicates, "QoS 2 exactly once: \(arrived[2])")
  }

  private func firsts(_ messages: [Int]) -> [Int] {
    var seen = Set<Int>()
    return messages.filter { seen.insert($0).inserted }
  }
}

/// A broker that keeps its session, knows the rules, and writes down which ones the client breaks.
private final class ModelBroker {
  struct Outgoing {
    var identifier: UInt16
    var qos: Int
    var message: Int
    var isReleased = false
    var isSent = false
  }

  let version: ProtocolVersion
  /// What it announces and watches.
  let receiveMaximum: Int
  /// What the client announced.
  let clientReceiveMaximum: Int
  /// Loses its session at every other connection.
  var isForgetful = false
  private(set) var violations: [String] = []

  // The session.
  private(set) var arrived: [[Int]] = [[], [], []]
  private var unreleased: [UInt16] = []
  private var outgoing: [Outgoing] = []
  private var published = [0, 0, 0]
  private var lastIdentifier: UInt16 = 0
  private var hasSession = false
  private var connectionCount = 0

  // The network connection.
  private var isConnected = false
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  private var answers: [[UInt8]] = []
  private var unacknowledged: Set<UInt16> = []
  private var lastArrived = [-1, -1, -1]

  init(_ version: ProtocolVersion, receiveMaximum: Int, clientReceiveMaximum: Int) {
    self.version = version
    self.receiveMaximum = version.hasProperties ? receiveMaximum : 65_535
    self.clientReceiveMaximum = clientReceiveMaximum
  }

  /// Whether it has published `count` messages of each QoS, and everything has come to its end.
  func isDone(messageCount count: Int) -> Bool {
    published.allSatisfy { $0 == count } && outgoing.isEmpty && answers.isEmpty && output.isEmpty
  }

  func connectionOpened() {
    isConnected = false
    input = []
    output = []
    answers = []
    unacknowledged = Set(unreleased)
    lastArrived = [-1, -1, -1]
    for index in outgoing.indices { outgoing[index].isSent = false }
  }

  func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Publishes the next message of a QoS, if the client has room for it.
  func publish(qos: Int, upTo count: Int) {
    guard isConnected, published[qos] < count, qos == 0 || outgoing.count < clientReceiveMaximum else { return }
    let message = published[qos]
    published[qos] += 1
    guard qos > 0 else { return output += packet(0x30, body: topic + payload(qos, message)) }
    lastIdentifier = lastIdentifier % 20 + 1
    while outgoing.contains(where: { $0.identifier == lastIdentifier }) { lastIdentifier = lastIdentifier % 20 + 1 }
    outgoing.append(Outgoing(identifier: lastIdentifier, qos: qos, message: message))
    send(outgoing.count - 1, isDuplicate: false)
  }

  /// Sends the oldest acknowledgements.
  func sendAnswers(_ count: Int) {
    for answer in answers.prefix(count) { output += answer }
    answers.removeFirst(min(count, answers.count))
  }

  // MARK: What the client sent

  func receive(_ bytes: some Collection<UInt8>) {
    input += bytes
    // All packets here are shorter than 128 bytes.
    while input.count >= 2, input.count >= 2 + Int(input[1]) {
      let body = Array(input[2..<(2 + Int(input[1]))])
      let first = input[0]
      input.removeFirst(2 + body.count)
      handle(first, body)
    }
  }

  private func handle(_ first: UInt8, _ body: [UInt8]) {
    let identifier = body.count >= 2 ? UInt16(body[0]) << 8 | UInt16(body[1]) : 0
    if first != 0x10 { hasSession = true }
    switch first {
    case 0x10: accept()
    case 0x30...0x3F: handlePublish(first, body)
    case 0x40: acknowledge(identifier, qos: 1)
    case 0x50: acknowledge(identifier, qos: 2)
    case 0x62:
      unreleased.removeAll { $0 == identifier }
      unacknowledged.remove(identifier)
      answers.append([0x70, 2, body[0], body[1]])
    case 0x70:
      guard let index = outgoing.firstIndex(where: { $0.identifier == identifier && $0.isReleased }) else {
        return violations.append("PUBCOMP for \(identifier)")
      }
      outgoing.remove(at: index)
    default:
      violations.append("packet \(first) \(body)")
    }
  }

  private func accept() {
    connectionCount += 1
    if isForgetful, connectionCount.isMultiple(of: 2) {
      hasSession = false
      unreleased = []
      unacknowledged = []
    }
    let flags: UInt8 = hasSession ? 1 : 0
    // When a CONNACK that told of a loss gets lost itself, no client can know.
    hasSession = !isForgetful
    isConnected = true
    output +=
      version.hasProperties
      ? [0x20, 6, flags, 0, 3, 0x21, 0, UInt8(receiveMaximum)] : [0x20, 2, flags, 0]
    for index in outgoing.indices { send(index, isDuplicate: true) }
  }

  private func handlePublish(_ first: UInt8, _ body: [UInt8]) {
    let qos = Int(first >> 1 & 3)
    var rest = body.dropFirst(3)
    var identifier: UInt16 = 0
    if qos > 0 {
      identifier = UInt16(rest[3]) << 8 | UInt16(rest[4])
      rest = rest.dropFirst(2)
    }
    if version.hasProperties { rest = rest.dropFirst() }
    guard let message = Int(String(decoding: rest.dropFirst(), as: UTF8.self)), rest.first == UInt8(0x30 + qos) else {
      return violations.append("payload \(rest)")
    }
    let isDuplicate = first & 8 != 0
    if connectionCount == 1, isDuplicate { violations.append("DUP at the first attempt") }
    if qos > 0 {
      if lastArrived[qos] >= message { violations.append("\(message) behind \(lastArrived[qos]) at QoS \(qos)") }
      if !isForgetful, arrived[qos].contains(message), !isDuplicate { violations.append("no DUP at \(message)") }
      lastArrived[qos] = message
      unacknowledged.insert(identifier)
      if unacknowledged.count > receiveMaximum { violations.append("\(unacknowledged.count) unacknowledged") }
    }
    switch qos {
    case 0: arrived[0].append(message)
    case 1:
      arrived[1].append(message)
      unacknowledged.remove(identifier)
      answers.append([0x40, 2, UInt8(identifier >> 8), UInt8(identifier & 0xFF)])
    default:
      if !unreleased.contains(identifier) {
        unreleased.append(identifier)
        arrived[2].append(message)
      }
      answers.append([0x50, 2, UInt8(identifier >> 8), UInt8(identifier & 0xFF)])
    }
  }

  private func acknowledge(_ identifier: UInt16, qos: Int) {
    guard let index = outgoing.firstIndex(where: { $0.qos == qos && !$0.isReleased && $0.isSent }),
      outgoing[index].identifier == identifier
    else { return violations.append("acknowledgement of \(identifier) at QoS \(qos), out of turn") }
    if qos == 1 {
      outgoing.remove(at: index)
    } else {
      outgoing[index].isReleased = true
      output += [0x62, 2, UInt8(identifier >> 8), UInt8(identifier & 0xFF)]
    }
  }

  // MARK: What it sends

  private func send(_ index: Int, isDuplicate: Bool) {
    let entry = outgoing[index]
    outgoing[index].isSent = true
    let identifier = [UInt8(entry.identifier >> 8), UInt8(entry.identifier & 0xFF)]
    if entry.isReleased {
      output += [0x62, 2] + identifier
    } else {
      output += packet(
        0x30 | UInt8(entry.qos) << 1 | (isDuplicate ? 8 : 0),
        body: topic + identifier + payload(entry.qos, entry.message))
    }
  }

  private var topic: [UInt8] { [0, 1, 0x74] }

  private func payload(_ qos: Int, _ message: Int) -> [UInt8] {
    (version.hasProperties ? [0] : []) + Array("\(qos)\(message)".utf8)
  }

  private func packet(_ first: UInt8, body: [UInt8]) -> [UInt8] { [first, UInt8(body.count)] + body }
}
