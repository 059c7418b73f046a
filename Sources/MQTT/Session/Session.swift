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
    /// A QoS 0 publish that a lost connection had left unsent is not sent any more, because of what the broker takes now.
    case dropped(ProtocolError)
    /// PUBREC for a QoS 2 publish whose PUBREL waits for `release`.
    case received(Int)
    /// The broker has released a received QoS 2 message, and PUBCOMP is in the output; only told after `resumeDeliveries`.
    case released
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

  /// What is wanted of it; to be changed between network connections, the version only while nothing is in flight.
  public var settings: SessionSettings
  /// Shown every packet with its direction, for traces; nil costs nothing.
  public var observer: ((_ isSent: Bool, _ packet: UnsafeRawBufferPointer) -> Void)?
  /// Whether PUBREL follows PUBREC by itself. If not, `Event.received` asks for `release`.
  public var releasesByItself = true
  /// Whether publishes are kept when a network connection ends, and sent again on the next. If not, the application hands
  /// them over again.
  public var resendsByItself = true

  /// What the broker said that it can do; the specification's defaults before CONNACK.
  public internal(set) var limits = ServerLimits()
  /// The seconds of keep alive in force.
  public internal(set) var keepAliveSeconds = 0

  var phase = Phase.closed
  var decoder: PacketDecoder
  var output = OutputQueue()
  /// QoS 0 publishes that a lost connection left unsent.
  var unsentAtMostOnce = ByteQueue()
  var inflight = Inflight()
  /// QoS 1 and 2 publishes that may still be sent on this network connection; negative where the session brought along more
  /// than the broker takes (section 4.9).
  var quota = 0
  /// QoS 1 and 2 messages that we told the broker to send at a time.
  var receiveMaximum = 65_535
  var deliveries = Deliveries()
  var aliases = TopicAliases(maximum: 0)
  var sendingAliases = SendingAliases(maximum: 0)
  var keepAlive = KeepAlive()
  var pending: [Event] = []
  var tolerated: Set<Tolerance> = []
  /// Whether a CONNACK has ever accepted us: from then on the broker may hold a session of ours.
  var wasConnected = false
  var sentCleanStart = true
  /// Whether the application has to know when the broker releases a message.
  var tellsReleases = false
  /// SUBSCRIBE and UNSUBSCRIBE that await their answer, by sequence number, oldest first.
  var requests: [(number: Int, deadline: Instant)] = []

  /// How long SUBACK and UNSUBACK are waited for.
  public static let requestTimeLimit: Duration = .seconds(30)
  /// QoS 1 and 2 publishes that may be unacknowledged at a time where the broker cannot tell its limit, and where it can: a
  /// thousand keep any line busy, and are published again when a connection breaks.
  static let inflightWithoutLimits = 20
  static let inflightAtMost = 1_000
  /// Bytes of unacknowledged publishes beyond which `canPublish` holds the application back.
  static let inflightBytesLimit = 1 << 22
  /// Bytes of output beyond which `canPublish` holds the application back.
  static let outputLimit = 1 << 17
  /// Bytes of a publish that is put into the output only when the network is ready for it.
  static let largePacket = 1 << 20
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
    precondition(phase == .closed, "connectionClosed comes first")
    precondition(
      settings.version == decoder.version || inflight.publishCount == 0 && unsentAtMostOnce.isEmpty,
      "publishes are kept as they were encoded")
    let version = settings.version
    var connect = settings.connect
    connect.protocolVersion = version
    connect.cleanStart = cleanStart
    if settings.lifetime == .process, version.hasProperties {
      connect.properties[.sessionExpiryInterval] = Self.processExpiry
    }
    let announced = version.hasProperties ? connect.properties : Properties()
    receiveMaximum = Int(announced[.receiveMaximum] ?? .max)
    aliases = TopicAliases(maximum: Int(announced[.topicAliasMaximum] ?? 0))
    decoder = PacketDecoder(
      version: version,
      maximumPacketSize: min(settings.maximumPacketSize, Int(announced[.maximumPacketSize] ?? .max)))
    sentCleanStart = connect.cleanStart
    phase = .awaitingConnack
    try output.append { (queue) throws(ProtocolError) in
      try ControlPacket.connect(connect).encode(as: version, to: &queue)
    }
  }

  private var cleanStart: Bool {
    switch settings.lifetime {
    case .networkConnection: true
    // On 3.x a session that began clean ends with its connection, and on 5 Mosquitto 2.0 does not keep it over a restart.
    case .process: settings.startsClean
    case .persistent: settings.startsClean && settings.version.hasProperties && !wasConnected
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
  public mutating func readingPaused() { keepAlive.paused() }

  /// The application reads again.
  public mutating func readingResumed(at now: Instant) {
    keepAlive.resumed(at: now)
    for index in requests.indices { requests[index].deadline = now + Self.requestTimeLimit }
  }

  /// `nextDeadline` has passed.
  public mutating func deadlineReached(at now: Instant) {
    guard phase == .connected else { return }
    switch keepAlive.action(at: now) {
    case .ping:
      ping(at: now)
    case .giveUp:
      phase = .over
      return pending.append(.silent)
    case nil: break
    }
    if let requestDeadline, now >= requestDeadline { requestUnanswered() }
  }

  /// The network connection is gone, however it went.
  public mutating func connectionClosed() {
    phase = .closed
    deferredCount = 0
    output.connectionClosed(keepingPublishesIn: &unsentAtMostOnce)
    restoreTopics()
    sendingAliases = SendingAliases(maximum: 0)
    deliveries.connectionClosed()
    keepAlive = KeepAlive()
    requests.removeAll()
    // How a publish ended stays true; everything else was about this network connection.
    pending.removeAll {
      switch $0 {
      case .published, .dropped: false
      default: true
      }
    }
    // SUBSCRIBE and UNSUBSCRIBE are not part of the session state (section 4.1): they end with the connection.
    for sequence in inflight.first..<inflight.next where sequence >= inflight.first {
      switch inflight[sequence].state {
      case .awaitingSuback, .awaitingUnsuback: inflight.complete(sequence)
      default: inflight[sequence].holdsQuota = false
      }
    }
    if !resendsByItself { inflight.removeAll() }
  }

  // MARK: - What the application wants

  /// Whether a publish would be sent now: connected, send quota left, and the output not too long.
  public var canPublish: Bool {
    phase == .connected && quota > 0 && inflight.unsent == inflight.next && !inflight.isFull
      && output.count < Self.outputLimit && inflight.liveBytes < Self.inflightBytesLimit
  }

  /// Publishes a message. At QoS 0 it is in the output when this returns, which needs a connection. At QoS 1 and 2 it is kept until
  /// acknowledged, and sent as soon as there is a connection and send quota; the first CONNACK must have come, for before
  /// it nobody knows which version is spoken.
  ///
  /// - Parameter isDuplicate: whether an earlier process may have sent it.
  /// - Returns: a number that `Event.published` will bring back; nil at QoS 0.
  /// - Throws: what the broker's limits forbid (section 3.2.2.3), before anything is sent.
  @discardableResult
  public mutating func publish(
    topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, qos: QoS, retain: Bool = false,
    isDuplicate: Bool = false, properties: borrowing Properties, at now: Instant
  ) throws(ProtocolError) -> Int? {
    precondition(phase == .connected || wasConnected && qos != .atMostOnce, "no connection: ask canPublish")
    let topicAlias = properties.isEmpty || !settings.version.hasProperties ? nil : properties[.topicAlias]
    if let refusal = limits.refusal(qos: qos, retain: retain, topicAlias: topicAlias) { throw refusal }
    let version = settings.version
    if qos == .atMostOnce {
      try publishAtMostOnce(
        topic: topic, payload: payload, retain: retain, properties: properties, topicAlias: topicAlias)
      return nil
    }
    precondition(!inflight.isFull, "too many packets in flight: ask canPublish")
    let identifier = inflight.nextPacketIdentifier()
    let limit = limits.maximumPacketSize
    let sequence = try inflight.appendPublish(qos == .atLeastOnce ? .awaitingPuback : .awaitingPubrec) {
      (queue) throws(ProtocolError) in
      let before = queue.count
      try queue.appendPublish(
        topic: topic, payload: payload, qos: qos, retain: retain, isDuplicate: false, packetIdentifier: identifier,
        properties: properties, topicAlias: nil, version: version)
      try queue.checkSize(from: before, limit: limit)
    }
    inflight[sequence].wasSent = isDuplicate
    // What a large one was made of may be given back before there is a second copy of it.
    let size = inflight[sequence].count
    if size > Self.largePacket, canSendUnsent(sequence) { deferredCount = size } else { sendUnsent() }
    return sequence
  }

  /// Sends PUBREL for a QoS 2 publish that `Event.received` named.
  public mutating func release(_ number: Int) {
    guard let sequence = inflight.sequence(ofNumber: number), inflight[sequence].state == .awaitingRelease else {
      return
    }
    inflight[sequence].state = .awaitingPubcomp
    if phase == .connected { sendRelease(sequence) }
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

  /// An earlier process has done its part with these QoS 2 messages: when the broker sends them again in the same session, they are
  /// acknowledged and not handed out. Before the first connection.
  public mutating func resumeDeliveries(_ packetIdentifiers: [UInt16]) {
    deliveries.resume(packetIdentifiers)
    tellsReleases = true
  }

  /// Asks for subscriptions.
  ///
  /// - Returns: a number that `Event.subscribed` will bring back.
  /// - Throws: what the broker's limits forbid, before anything is sent.
  public mutating func subscribe(
    _ subscriptions: [Subscription], properties: Properties = Properties(), at now: Instant
  ) throws(ProtocolError) -> Int {
    precondition(phase == .connected, "no connection: ask isConnected")
    for subscription in subscriptions { try check(subscription.filter) }
    if !limits.subscriptionIdentifiersAvailable, !properties.subscriptionIdentifiers.isEmpty {
      throw .init(.subscriptionIdentifiersNotSupported, "the broker takes no subscription identifiers")
    }
    let identifier = try requestIdentifier()
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
    precondition(phase == .connected, "no connection: ask isConnected")
    let identifier = try requestIdentifier()
    try request(.unsubscribe(UnsubscribePacket(packetIdentifier: identifier, filters: filters, properties: properties)))
    return requestSent(.awaitingUnsuback, filterCount: filters.count, at: now)
  }

  /// Sends PINGREQ; `Event.pong` follows.
  public mutating func ping(at now: Instant) {
    precondition(phase == .connected, "no connection: ask isConnected")
    append(.pingreq)
    keepAlive.pinged(at: now)
  }

  /// Sends AUTH.
  public mutating func authenticate(_ packet: AuthPacket) throws(ProtocolError) {
    precondition(phase == .connected || phase == .awaitingConnack, "no connection")
    let version = settings.version
    try output.append { (queue) throws(ProtocolError) in try ControlPacket.auth(packet).encode(as: version, to: &queue)
    }
  }

  /// Takes leave. When the output has been taken, the network connection is to be closed.
  public mutating func disconnect(
    _ reasonCode: ReasonCode = .normalDisconnection, properties: Properties = Properties()
  ) {
    guard phase == .connected || phase == .awaitingConnack else { return }
    if phase == .connected {
      fillOutput()
      var properties = properties
      if settings.lifetime == .process, settings.version.hasProperties { properties[.sessionExpiryInterval] = 0 }
      append(.disconnect(DisconnectPacket(reasonCode: reasonCode, properties: properties)))
    }
    phase = .disconnecting
  }

  /// Sends PUBREL for a publish whose PUBREC an earlier process received; `Event.published` follows. Only for a session that
  /// does not resend by itself: what was published is not known to it.
  public mutating func resumeRelease(_ number: Int) {
    precondition(phase == .connected && !resendsByItself)
    begin(at: number)
    let isAllSent = inflight.unsent == inflight.next
    inflight.appendReleased()
    if isAllSent { inflight.unsent = inflight.next }
    quota -= 1
    sendRelease(number)
  }

  /// The next publish gets `number`, so that packet identifiers follow those of an earlier process: number 0 has identifier
  /// 1, 65,534 has 65,535, 65,535 has 1 again. Any number while nothing is in flight; else one that is not used yet, and
  /// fewer than 65,535 ahead of the oldest in flight.
  public mutating func begin(at number: Int) { inflight.begin(at: number) }

  // MARK: - What must happen next

  /// Bytes of output that the network has not taken.
  public var outputCount: Int { output.count }

  /// Bytes of a large publish that is not in the output yet: `fillOutput` puts it there.
  public internal(set) var deferredCount = 0

  /// Puts what was deferred into the output. To be called before the output is lent.
  public mutating func fillOutput() {
    if deferredCount > 0 { sendUnsent() }
  }

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
    guard let requestDeadline else { return keepAlive.deadline }
    return min(requestDeadline, keepAlive.deadline ?? requestDeadline)
  }

  /// When the oldest SUBSCRIBE or UNSUBSCRIBE has waited too long; while the application does not read, nobody can say.
  private var requestDeadline: Instant? { keepAlive.isReadingPaused ? nil : requests.first?.deadline }

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

  /// QoS 0 publishes that the network has not taken whole.
  public var publishesUnsent: Int { output.publishCount + unsentAtMostOnce.withBytes(OutputQueue.publishCount) }

  /// Received messages that wait for `acknowledge`.
  public var deliveriesInFlight: Int { deliveries.count }

  /// Received QoS 2 messages that we acknowledged with PUBREC, and of which the broker has not said with PUBREL that it will
  /// not send them again.
  public var deliveriesUnreleased: Int { deliveries.unreleasedCount }

  /// Packet identifiers of QoS 2 messages that the application has done its part with and the broker has not released, in rising
  /// order: what `resumeDeliveries` needs in a later process. An identifier must be known to be gone before PUBCOMP leaves, for
  /// the broker may use it again then.
  public var deliveredIdentifiers: [UInt16] { deliveries.finishedIdentifiers }

  /// Bytes received that are not dealt with yet.
  public var inputCount: Int { decoder.bufferedCount }
}
