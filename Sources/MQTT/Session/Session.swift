/// How long the broker is asked to keep the session.
public enum SessionLifetime: Sendable {
  /// As long as the network connection: every connection begins with a clean start.
  case networkConnection
  /// Over lost connections, but not longer than this process: the last DISCONNECT ends it.
  case process
  /// Until it expires: another run can go on with it.
  case persistent
}

/// What is wanted of a session.
public struct SessionSettings: Sendable {
  /// The CONNECT to send; `protocolVersion` and `cleanStart` in it are set by the session.
  public var connect: ConnectPacket
  /// The version to speak.
  public var version: ProtocolVersion
  /// How long the broker is asked to keep the session.
  public var lifetime: SessionLifetime = .networkConnection
  /// QoS 1 and 2 publishes that may be unacknowledged at a time, unless the broker allows fewer.
  public var maximumInflight = 65_535
  /// Bytes of the largest packet that is taken from the broker.
  public var maximumPacketSize = 268_435_460
  /// Closes on everything that is otherwise lived with.
  public var isStrict = false

  /// The defaults, for a CONNECT and a version.
  public init(connect: ConnectPacket, version: ProtocolVersion) {
    self.connect = connect
    self.version = version
  }
}

/// The client's side of an MQTT session (section 4.1): which packets to send, what those received mean.
///
/// It neither waits nor reads a clock. The caller tells what the network did and what the application wants, and then asks what
/// must happen next; every call that needs the time is given it. A session outlives its network connections: it
/// knows what to send again when the next one opens, and what not to hand to the application twice.
///
/// - What leaves: `withOutput` and `outputTaken`. What arrives: `receive`, then `nextEvent` until it is nil.
/// - When nothing happens until `nextDeadline`, `deadlineReached` must be called.
public struct Session: ~Copyable {
  /// What the caller has to know of.
  public enum Event {
    /// CONNACK: the broker accepted; `republished` publishes are sent anew because it had forgotten the session.
    case connected(ConnackPacket, republished: Int)
    /// CONNACK: the broker refused. The network connection is over.
    case refused(ConnackPacket)
    /// A message; its bytes are good until the next call of `receive` or `nextEvent`. A QoS 1 or 2 message comes with a delivery to hand
    /// to `acknowledge`.
    case message(MessageView, Delivery?)
    /// A QoS 1 or 2 publish came to its end. The number is what `publish` returned.
    case published(Int, ReasonCode, reasonString: Text?)
    /// PUBREC for a QoS 2 publish whose PUBREL waits for `release`.
    case received(Int)
    /// SUBACK, a reason code for each filter. The number is what `subscribe` returned.
    case subscribed(Int, SubackPacket)
    /// UNSUBACK; nil where the broker never answered. The number is what `unsubscribe` returned.
    case unsubscribed(Int, UnsubackPacket?)
    /// AUTH.
    case authentication(AuthPacket)
    /// PINGRESP.
    case pong
    /// DISCONNECT from the broker. The network connection is over.
    case disconnected(DisconnectPacket)
    /// The broker did what no broker should; said once of each kind.
    case tolerated(Tolerance)
    /// The broker broke the protocol; DISCONNECT with the reason is in the output. The network connection is over.
    case failed(ProtocolError)
    /// Nothing came from the broker for 1.5 times the keep alive. The network connection is over.
    case silent
  }

  enum Phase { case closed, awaitingConnack, connected, disconnecting, over }

  /// What is wanted of it. Changes hold from the next network connection on.
  public var settings: SessionSettings
  /// Shown every packet with its direction, for traces; nil costs nothing.
  public var observer: ((_ isSent: Bool, _ packet: UnsafeRawBufferPointer) -> Void)?
  /// Whether PUBREL follows PUBREC by itself. If not, `Event.received` asks for `release`.
  public var releasesByItself = true

  /// What the broker said that it can do; the specification's defaults before CONNACK.
  public private(set) var limits = ServerLimits()
  /// The seconds of keep alive in force.
  public private(set) var keepAliveSeconds = 0

  private var phase = Phase.closed
  private var decoder: PacketDecoder
  private var output = OutputQueue()
  /// QoS 0 publishes that a lost connection left unsent.
  private var unsentAtMostOnce = ByteQueue()
  private var inflight = Inflight()
  private var quota = 0
  private var deliveries = Deliveries()
  private var aliases = TopicAliases(maximum: 0)
  private var keepAlive = KeepAlive()
  private var pending: [Event] = []
  private var tolerated: Set<Tolerance> = []
  /// Whether a CONNACK has ever accepted us: from then on the broker may hold a session of ours.
  private var wasConnected = false
  private var sentCleanStart = true
  /// SUBSCRIBE and UNSUBSCRIBE that await their answer, by sequence number, oldest first.
  private var requests: [(sequence: Int, deadline: Instant)] = []

  /// How long SUBACK and UNSUBACK are waited for.
  public static let requestTimeLimit: Duration = .seconds(30)
  /// Bytes of output beyond which `canPublish` holds the application back.
  static let outputLimit = 1 << 17
  /// Seconds that the broker is asked to keep a session which is meant to end with this process.
  static let processExpiry: UInt32 = 3600

  /// A session that has not been connected yet.
  public init(_ settings: SessionSettings) {
    self.settings = settings
    decoder = PacketDecoder(version: settings.version, maximumPacketSize: settings.maximumPacketSize)
  }

  // MARK: - What the network did

  /// A network connection (with its layers) is open: CONNECT is put into the output.
  public mutating func connectionOpened(at now: Instant) throws(ProtocolError) {
    precondition(phase == .closed || phase == .over)
    var connect = settings.connect
    connect.protocolVersion = settings.version
    connect.cleanStart = cleanStart
    if settings.lifetime == .process, settings.version.hasProperties {
      connect.properties[.sessionExpiryInterval] = Self.processExpiry
    }
    decoder = PacketDecoder(version: settings.version, maximumPacketSize: settings.maximumPacketSize)
    aliases = TopicAliases(maximum: Int(connect.properties[.topicAliasMaximum] ?? 0))
    sentCleanStart = connect.cleanStart
    phase = .awaitingConnack
    let version = settings.version
    try output.append { (queue) throws(ProtocolError) in
      try ControlPacket.connect(connect).encode(as: version, to: &queue)
    }
  }

  private var cleanStart: Bool {
    switch settings.lifetime {
    case .networkConnection: true
    // On 3.x a session that began clean ends with its connection, so a session to be resumed must not.
    case .process: settings.version.hasProperties && !wasConnected
    case .persistent: false
    }
  }

  /// Takes bytes that arrived.
  public mutating func receive(_ bytes: UnsafeRawBufferPointer, at now: Instant) {
    keepAlive.received(at: now)
    decoder.append(bytes)
  }

  /// Lets `fill` put bytes that arrive straight into the receive buffer; it returns how many.
  public mutating func receive<E: Error>(
    minimumCapacity: Int, at now: Instant, _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) {
    var count = 0
    try decoder.append(minimumCapacity: minimumCapacity) { (space) throws(E) in
      count = try fill(space)
      return count
    }
    if count > 0 { keepAlive.received(at: now) }
  }

  /// The application does not want to read for a while: silence is not the broker's.
  public mutating func readingPaused() { keepAlive.isReadingPaused = true }

  /// The application reads again.
  public mutating func readingResumed(at now: Instant) { keepAlive.resumed(at: now) }

  /// `nextDeadline` has passed.
  public mutating func deadlineReached(at now: Instant) {
    guard phase == .connected else { return }
    switch keepAlive.action(at: now) {
    case .ping:
      ping(at: now)
    case .giveUp:
      phase = .over
      pending.append(.silent)
    case nil: break
    }
    if let request = requests.first, now >= request.deadline { requestUnanswered(request.sequence) }
  }

  /// The network connection is gone, however it went.
  public mutating func connectionClosed() {
    phase = .closed
    output.connectionClosed(keepingPublishesIn: &unsentAtMostOnce)
    deliveries.connectionClosed()
    keepAlive = KeepAlive()
    requests.removeAll()
    pending.removeAll()
    // SUBSCRIBE and UNSUBSCRIBE are not part of the session state (section 4.1): they end with the connection.
    for sequence in inflight.first..<inflight.next where sequence >= inflight.first {
      switch inflight[sequence].state {
      case .awaitingSuback, .awaitingUnsuback: inflight.complete(sequence)
      default: inflight[sequence].holdsQuota = false
      }
    }
  }

  // MARK: - What the application wants

  /// Whether a publish would be sent now: connected, send quota left, and the output not too long.
  public var canPublish: Bool {
    phase == .connected && quota > 0 && inflight.unsent == inflight.next && !inflight.isFull
      && output.count < Self.outputLimit
  }

  /// Publishes a message. At QoS 0 it is in the output when this returns; at QoS 1 and 2 it is kept until acknowledged, and sent
  /// as soon as there is a connection and send quota.
  ///
  /// - Returns: a number that `Event.published` will bring back; nil at QoS 0.
  /// - Throws: what the broker's limits forbid (section 3.2.2.3), before anything is sent.
  @discardableResult
  public mutating func publish(
    topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, qos: QoS, retain: Bool = false,
    properties: borrowing Properties, at now: Instant
  ) throws(ProtocolError) -> Int? {
    if qos > limits.maximumQoS {
      throw .init(.qosNotSupported, "the broker takes QoS \(limits.maximumQoS.rawValue) at most")
    }
    if retain, !limits.retainAvailable { throw .init(.retainNotSupported, "the broker keeps no retained messages") }
    let version = settings.version
    if qos == .atMostOnce {
      let limit = limits.maximumPacketSize
      precondition(phase == .connected, "QoS 0 needs a connection: ask canPublish")
      try output.append { (queue) throws(ProtocolError) in
        let before = queue.count
        try queue.appendPublish(
          topic: topic, payload: payload, qos: qos, retain: retain, isDuplicate: false, packetIdentifier: 0,
          properties: properties, topicAlias: nil, version: version)
        try queue.checkSize(from: before, limit: limit)
      }
      return nil
    }
    precondition(!inflight.isFull, "too many packets in flight: ask canPublish")
    let identifier = Inflight.packetIdentifier(inflight.next)
    let limit = limits.maximumPacketSize
    let sequence = try inflight.appendPublish(qos == .atLeastOnce ? .awaitingPuback : .awaitingPubrec) {
      (queue) throws(ProtocolError) in
      let before = queue.count
      try queue.appendPublish(
        topic: topic, payload: payload, qos: qos, retain: retain, isDuplicate: false, packetIdentifier: identifier,
        properties: properties, topicAlias: nil, version: version)
      try queue.checkSize(from: before, limit: limit)
    }
    sendUnsent()
    return sequence
  }

  /// Sends PUBREL for a QoS 2 publish that `Event.received` named.
  public mutating func release(_ sequence: Int) {
    guard sequence >= inflight.first, sequence < inflight.next, inflight[sequence].state == .awaitingRelease else { return }
    inflight[sequence].state = .awaitingPubcomp
    if phase == .connected, sequence < inflight.unsent { sendRelease(sequence) }
  }

  /// The application has done its part with a received message: PUBACK or PUBREC leaves when those before it have.
  public mutating func acknowledge(_ delivery: Delivery) {
    deliveries.finish(delivery)
    sendAcknowledgements()
  }

  /// The application has done its part with every message so far.
  public mutating func acknowledgeAll() {
    guard deliveries.count > 0 else { return }
    deliveries.finishAll()
    sendAcknowledgements()
  }

  /// Asks for subscriptions.
  ///
  /// - Returns: a number that `Event.subscribed` will bring back.
  /// - Throws: what the broker's limits forbid, before anything is sent.
  public mutating func subscribe(
    _ subscriptions: [Subscription], properties: Properties = Properties(), at now: Instant
  ) throws(ProtocolError) -> Int {
    precondition(phase == .connected)
    for subscription in subscriptions { try check(subscription.filter) }
    if !limits.subscriptionIdentifiersAvailable, !properties.subscriptionIdentifiers.isEmpty {
      throw .init(.subscriptionIdentifiersNotSupported, "the broker takes no subscription identifiers")
    }
    let identifier = Inflight.packetIdentifier(inflight.next)
    try request(
      .subscribe(SubscribePacket(packetIdentifier: identifier, subscriptions: subscriptions, properties: properties)))
    return requestSent(.awaitingSuback, filterCount: subscriptions.count, at: now)
  }

  /// Gives subscriptions up.
  ///
  /// - Returns: a number that `Event.unsubscribed` will bring back.
  public mutating func unsubscribe(
    _ filters: [TopicFilter], properties: Properties = Properties(), at now: Instant
  ) throws(ProtocolError) -> Int {
    precondition(phase == .connected)
    let identifier = Inflight.packetIdentifier(inflight.next)
    try request(.unsubscribe(UnsubscribePacket(packetIdentifier: identifier, filters: filters, properties: properties)))
    return requestSent(.awaitingUnsuback, filterCount: filters.count, at: now)
  }

  /// Sends PINGREQ; `Event.pong` follows.
  public mutating func ping(at now: Instant) {
    append(.pingreq)
    keepAlive.pinged(at: now)
  }

  /// Sends AUTH.
  public mutating func authenticate(_ packet: AuthPacket) throws(ProtocolError) {
    let version = settings.version
    try output.append { (queue) throws(ProtocolError) in try ControlPacket.auth(packet).encode(as: version, to: &queue) }
  }

  /// Takes leave. When the output has been taken, the network connection is to be closed.
  public mutating func disconnect(
    _ reasonCode: ReasonCode = .normalDisconnection, properties: Properties = Properties()
  ) {
    guard phase == .connected || phase == .awaitingConnack else { return }
    if phase == .connected {
      var properties = properties
      if settings.lifetime == .process, settings.version.hasProperties { properties[.sessionExpiryInterval] = 0 }
      append(.disconnect(DisconnectPacket(reasonCode: reasonCode, properties: properties)))
    }
    phase = .disconnecting
  }

  /// Numbers publishes from `sequence` on, so that packet identifiers follow those of an earlier process.
  public mutating func begin(at sequence: Int) { inflight.begin(at: sequence) }

  // MARK: - What must happen next

  /// Bytes of output that the network has not taken.
  public var outputCount: Int { output.count }

  /// Lends the output to `body`. Call `outputTaken` for what the network took of it.
  public mutating func withOutput<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    if let observer { output.observe { observer(true, $0) } }
    return try output.withBytes(body)
  }

  /// The network took `count` bytes of the output.
  public mutating func outputTaken(_ count: Int, at now: Instant) {
    output.consume(count)
    keepAlive.sent(at: now)
  }

  /// When `deadlineReached` is due, if nothing happens before.
  public var nextDeadline: Instant? {
    guard phase == .connected else { return nil }
    guard let request = requests.first?.deadline else { return keepAlive.deadline }
    return min(request, keepAlive.deadline ?? request)
  }

  /// What happened, one thing at a time; nil when all that arrived is dealt with.
  public mutating func nextEvent(at now: Instant) -> Event? {
    while true {
      if !pending.isEmpty { return pending.removeFirst() }
      guard phase == .connected || phase == .awaitingConnack else { return nil }
      do throws(ProtocolError) {
        guard let slice = try decoder.nextSlice() else { return nil }
        if let observer { observer(false, slice.bytes) }
        if let tolerance = slice.tolerated { try tolerate(tolerance) }
        if let event = try handle(slice, at: now) { return event }
      } catch {
        fail(error)
      }
    }
  }

  // MARK: - What is true now

  /// Whether CONNACK has come and nothing has ended the connection since.
  public var isConnected: Bool { phase == .connected }

  /// Whether DISCONNECT is in the output or behind it.
  public var isDisconnecting: Bool { phase == .disconnecting }

  /// QoS 1 and 2 publishes that have not come to their end.
  public var publishesInFlight: Int { inflight.publishCount }

  /// Received messages that wait for `acknowledge`.
  public var deliveriesInFlight: Int { deliveries.count }

  /// Received QoS 2 messages of which the broker has not said with PUBREL that it will not send them again.
  public var deliveriesUnreleased: Int { deliveries.unreleasedCount }

  /// Bytes received that are not dealt with yet.
  public var inputCount: Int { decoder.bufferedCount }

  // MARK: - Packets received

  private mutating func handle(_ slice: PacketSlice, at now: Instant) throws(ProtocolError) -> Event? {
    if slice.type == .publish, phase == .connected { return try handlePublish(slice) }
    if phase == .awaitingConnack, slice.type != .connack, slice.type != .auth {
      throw .protocolError("\(slice.type) came before CONNACK")  // [MQTT-3.2.0-1]
    }
    // Acknowledgements come by the hundred thousand, and do not pass through the large enum.
    switch slice.type {
    case .puback: return try handlePuback(AcknowledgementPacket(.puback, slice, version: settings.version))
    case .pubrec: return try handlePubrec(AcknowledgementPacket(.pubrec, slice, version: settings.version))
    case .pubrel: return handlePubrel(try AcknowledgementPacket(.pubrel, slice, version: settings.version))
    case .pubcomp: return handlePubcomp(try AcknowledgementPacket(.pubcomp, slice, version: settings.version))
    default: break
    }
    switch try ControlPacket.decode(slice, version: settings.version) {
    case .connack(let packet): return try handleConnack(packet, at: now)
    case .suback(let packet):
      let sequence = try requestAnswered(packet.packetIdentifier, .awaitingSuback, answers: packet.reasonCodes.count)
      return .subscribed(sequence, packet)
    case .unsuback(let packet):
      // On 3.x UNSUBACK holds no reason codes.
      let answers = settings.version.hasProperties ? packet.reasonCodes.count : nil
      return .unsubscribed(try requestAnswered(packet.packetIdentifier, .awaitingUnsuback, answers: answers), packet)
    case .pingresp:
      keepAlive.answered()
      return .pong
    case .disconnect(let packet):
      phase = .over
      return .disconnected(packet)
    case .auth(let packet):
      guard settings.connect.properties[.authenticationMethod] != nil else {
        throw .protocolError("AUTH came, but CONNECT named no authentication method")  // [MQTT-4.12.0-6]
      }
      return .authentication(packet)
    default:
      throw .protocolError("\(slice.type) is not for a client")
    }
  }

  private mutating func handleConnack(_ packet: ConnackPacket, at now: Instant) throws(ProtocolError) -> Event? {
    guard phase == .awaitingConnack else { throw .protocolError("a second CONNACK came") }
    guard !packet.reasonCode.isFailure, packet.returnCode == nil || !settings.version.hasProperties else {
      phase = .over
      return .refused(packet)
    }
    if sentCleanStart, packet.sessionPresent {
      throw .protocolError("CONNACK says session present after a clean start")  // [MQTT-3.2.2-2]
    }
    // 3.1 has no session present flag: the broker's promise to keep the session has to do.
    let sessionPresent = packet.sessionPresent || (!settings.version.hasSessionPresent && !sentCleanStart)
    phase = .connected
    wasConnected = true
    limits = settings.version.hasProperties ? ServerLimits(packet.properties) : ServerLimits()
    quota = min(limits.receiveMaximum, settings.maximumInflight)
    if let identifier = packet.properties[.assignedClientIdentifier] { settings.connect.clientIdentifier = identifier }
    keepAliveSeconds = Int(packet.properties[.serverKeepAlive] ?? settings.connect.keepAlive)
    keepAlive.start(interval: .seconds(keepAliveSeconds), at: now)
    var republished = 0
    if !sessionPresent {
      deliveries.sessionLost()
      republished = publishAnew()
    }
    inflight.unsent = inflight.first
    sendUnsent()
    sendUnsentAtMostOnce()
    return .connected(packet, republished: republished)
  }

  private mutating func handlePublish(_ slice: PacketSlice) throws(ProtocolError) -> Event? {
    var message = try MessageView.decode(flags: slice.flags, body: slice.body, version: settings.version)
    if let tolerance = message.tolerated { try tolerate(tolerance) }
    if let alias = message.topicAlias {
      message.topic = try aliases.resolve(alias, topic: message.topic)
    }
    switch message.qos {
    case .atMostOnce:
      return .message(message, nil)
    case .atLeastOnce:
      try checkReceiveMaximum()
      return .message(message, deliveries.atLeastOnce(message.packetIdentifier))
    case .exactlyOnce:
      switch deliveries.exactlyOnce(message.packetIdentifier) {
      case .new(let delivery):
        try checkReceiveMaximum()
        return .message(message, delivery)
      case .duplicate:
        sendAcknowledgements()
        return nil
      }
    }
  }

  private mutating func checkReceiveMaximum() throws(ProtocolError) {
    guard let maximum = settings.connect.properties[.receiveMaximum], deliveries.count > Int(maximum) else { return }
    try tolerate(.receiveMaximumExceeded)  // [MQTT-3.3.4-9]
  }

  private mutating func handlePuback(_ packet: AcknowledgementPacket) throws(ProtocolError) -> Event? {
    guard let sequence = inflight.sequence(of: packet.packetIdentifier) else {
      throw .protocolError("PUBACK for packet identifier \(packet.packetIdentifier), which is not in use")
    }
    switch inflight[sequence].state {
    case .awaitingPuback: break
    case .awaitingPubrec: try tolerate(.pubackForExactlyOnce)
    default: throw .protocolError("PUBACK for packet identifier \(packet.packetIdentifier), which awaits something else")
    }
    return try complete(sequence, packet)
  }

  private mutating func handlePubrec(_ packet: AcknowledgementPacket) throws(ProtocolError) -> Event? {
    guard let sequence = inflight.sequence(of: packet.packetIdentifier) else {
      // Something of an earlier process: it must be let go of (section 4.3.3).
      append(.pubrel, packet.packetIdentifier, .packetIdentifierNotFound)
      return nil
    }
    switch inflight[sequence].state {
    case .awaitingPubrec:
      if packet.reasonCode.isFailure { return try complete(sequence, packet) }
      inflight[sequence].state = releasesByItself ? .awaitingPubcomp : .awaitingRelease
      if releasesByItself {
        sendRelease(sequence)
        return nil
      }
      return .received(sequence)
    case .awaitingPubcomp:
      sendRelease(sequence)
      return nil
    case .awaitingRelease:
      return nil
    default:
      throw .protocolError("PUBREC for packet identifier \(packet.packetIdentifier), which awaits something else")
    }
  }

  private mutating func handlePubrel(_ packet: AcknowledgementPacket) -> Event? {
    let known = deliveries.release(packet.packetIdentifier)
    append(.pubcomp, packet.packetIdentifier, known ? .success : .packetIdentifierNotFound)
    return nil
  }

  private mutating func handlePubcomp(_ packet: AcknowledgementPacket) -> Event? {
    // A PUBREL that was sent twice is answered twice: the second answer finds nothing.
    guard let sequence = inflight.sequence(of: packet.packetIdentifier), inflight[sequence].state == .awaitingPubcomp else {
      return nil
    }
    end(sequence)
    // 0x92 tells that the broker had released it before: delivered all the same (section 4.3.3).
    return .published(sequence, .success, reasonString: nil)
  }

  private mutating func complete(_ sequence: Int, _ packet: AcknowledgementPacket) throws(ProtocolError) -> Event {
    if let tolerance = packet.tolerated { try tolerate(tolerance) }
    end(sequence)
    return .published(sequence, packet.reasonCode, reasonString: packet.properties[.reasonString])
  }

  /// Takes a publish out of flight and gives its quota to the next.
  private mutating func end(_ sequence: Int) {
    if inflight[sequence].holdsQuota { quota += 1 }
    inflight.complete(sequence)
    sendUnsent()
  }

  private mutating func requestAnswered(
    _ packetIdentifier: UInt16, _ state: Inflight.State, answers: Int?
  ) throws(ProtocolError) -> Int {
    guard let sequence = inflight.sequence(of: packetIdentifier), inflight[sequence].state == state else {
      throw .protocolError("an acknowledgement came for packet identifier \(packetIdentifier), which nothing asked for")
    }
    let asked = inflight[sequence].count
    if let answers, answers != asked {
      throw .protocolError("\(answers) reason codes came for \(asked) topic filters")  // [MQTT-3.8.4-5]
    }
    inflight.complete(sequence)
    requests.removeAll { $0.sequence == sequence }
    return sequence
  }

  private mutating func requestUnanswered(_ sequence: Int) {
    let limit = Self.requestTimeLimit.components.seconds
    guard inflight[sequence].state == .awaitingUnsuback, !settings.isStrict else {
      return fail(.protocolError("the broker did not answer within \(limit) s"))
    }
    requests.removeFirst()
    inflight.complete(sequence)
    if tolerated.insert(.missingUnsuback).inserted { pending.append(.tolerated(.missingUnsuback)) }
    pending.append(.unsubscribed(sequence, nil))
  }

  /// Lives with something that no broker should do, and says so once; strict mode does not live with it.
  private mutating func tolerate(_ tolerance: Tolerance) throws(ProtocolError) {
    if settings.isStrict { throw tolerance.error }
    if tolerated.insert(tolerance).inserted { pending.append(.tolerated(tolerance)) }
  }

  /// The one place that answers what the broker did against the protocol (section 4.13).
  private mutating func fail(_ error: ProtocolError) {
    if phase == .connected, settings.version.hasProperties {
      append(.disconnect(DisconnectPacket(reasonCode: error.reasonCode)))
    }
    phase = .over
    pending.append(.failed(error))
  }

  // MARK: - Packets to send

  /// Sends what was not sent on this network connection, in order, as far as the send quota goes [MQTT-4.4.0-1] [MQTT-4.6.0-1].
  private mutating func sendUnsent() {
    guard phase == .connected else { return }
    while inflight.unsent < inflight.next {
      let sequence = inflight.unsent
      let entry = inflight[sequence]
      switch entry.state {
      case .done, .awaitingSuback, .awaitingUnsuback:
        inflight.unsent += 1
        continue
      case .awaitingPuback, .awaitingPubrec, .awaitingPubcomp, .awaitingRelease:
        guard quota > 0 else { return }
      }
      let awaitsReceipt = entry.state == .awaitingPuback || entry.state == .awaitingPubrec
      if awaitsReceipt, entry.count > limits.maximumPacketSize {
        inflight.unsent += 1
        inflight.complete(sequence)
        pending.append(.published(sequence, .packetTooLarge, reasonString: nil))
        continue
      }
      quota -= 1
      inflight[sequence].holdsQuota = true
      inflight[sequence].wasSent = true
      inflight.unsent += 1
      if awaitsReceipt {
        output.append { queue in
          inflight.withPacket(sequence) { packet in
            queue.append(packet[0] | (entry.wasSent ? 0x08 : 0))  // DUP [MQTT-3.3.1-1]
            queue.append(UnsafeRawBufferPointer(rebasing: packet[1...]))
          }
        }
      } else if entry.state == .awaitingPubcomp {
        sendRelease(sequence)
      } else {
        pending.append(.received(sequence))
      }
    }
  }

  /// The broker has forgotten the session: everything in flight begins from the start, in order.
  ///
  /// - Returns: how many publishes the broker may have delivered before.
  private mutating func publishAnew() -> Int {
    var count = 0
    for sequence in inflight.first..<inflight.next {
      let entry = inflight[sequence]
      guard entry.state != .done, entry.wasSent else { continue }
      count += 1
      inflight[sequence].wasSent = false
      if entry.state == .awaitingPubcomp || entry.state == .awaitingRelease {
        inflight[sequence].state = .awaitingPubrec
      }
    }
    return count
  }

  private mutating func sendUnsentAtMostOnce() {
    output.append { queue in unsentAtMostOnce.withBytes { queue.append($0) } }
    unsentAtMostOnce.removeAll()
  }

  private mutating func sendRelease(_ sequence: Int) {
    append(.pubrel, Inflight.packetIdentifier(sequence))
  }

  private mutating func sendAcknowledgements() {
    guard phase == .connected else { return }
    while let (identifier, isExactlyOnce) = deliveries.nextFinished() {
      append(isExactlyOnce ? .pubrec : .puback, identifier)
    }
  }

  private func check(_ filter: TopicFilter) throws(ProtocolError) {
    if filter.isShared, !limits.sharedSubscriptionAvailable {
      throw .init(.sharedSubscriptionsNotSupported, "the broker has no shared subscriptions")
    }
    if filter.hasWildcard, !limits.wildcardSubscriptionAvailable {
      throw .init(.wildcardSubscriptionsNotSupported, "the broker takes no wildcards in topic filters")
    }
  }

  /// Puts a SUBSCRIBE or UNSUBSCRIBE into the output unless the broker would not take its size.
  private mutating func request(_ packet: ControlPacket) throws(ProtocolError) {
    let version = settings.version
    let limit = limits.maximumPacketSize
    try output.append { (queue) throws(ProtocolError) in
      let before = queue.count
      try packet.encode(as: version, to: &queue)
      try queue.checkSize(from: before, limit: limit)
    }
  }

  private mutating func requestSent(_ state: Inflight.State, filterCount: Int, at now: Instant) -> Int {
    let hadUnsent = inflight.unsent < inflight.next
    let sequence = inflight.appendRequest(state, filterCount: filterCount)
    if !hadUnsent { inflight.unsent = inflight.next }
    requests.append((sequence, now + Self.requestTimeLimit))
    return sequence
  }

  private mutating func append(
    _ type: AcknowledgementPacket.AcknowledgementType, _ packetIdentifier: UInt16, _ reasonCode: ReasonCode = .success
  ) {
    let version = settings.version
    output.append { queue in
      // It throws for packet identifier 0 only, which neither the decoder nor Inflight lets in.
      try! queue.appendAcknowledgement(
        type, packetIdentifier: packetIdentifier, reasonCode: reasonCode, version: version)
    }
  }

  /// Appends a packet of ours that cannot be wrong.
  private mutating func append(_ packet: ControlPacket) {
    let version = settings.version
    do throws(ProtocolError) {
      try output.append { (queue) throws(ProtocolError) in try packet.encode(as: version, to: &queue) }
    } catch {
      preconditionFailure(error.explanation)
    }
  }
}

extension ByteQueue {
  /// Takes back what was appended behind `start` where that is more than the broker takes.
  fileprivate mutating func checkSize(from start: Int, limit: Int) throws(ProtocolError) {
    let size = count - start
    guard size > limit else { return }
    truncate(to: start)
    throw .packetTooLarge("the packet has \(size) bytes, and the broker takes \(limit) at most")
  }
}
