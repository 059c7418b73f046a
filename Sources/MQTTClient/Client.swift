internal import CSystem
public import MQTT

/// What is wanted of a client.
public struct ClientSettings: Sendable {
  /// Where the broker listens.
  public var endpoint: Endpoint
  /// What stands between here and there, and makes the connection to the broker.
  public var proxy: ProxySettings?
  /// How an HTTP server is asked to speak WebSocket; nil for MQTT as it is.
  public var webSocket: WebSocketSettings?
  /// The IP address to connect from, or a name of it; nil leaves it to the system.
  public var localAddress: String?
  /// The session, in the first version to be tried.
  public var session: SessionSettings
  /// How to prove that we know the password of `session.connect`; nil sends it.
  public var authentication: SCRAMMechanism?
  /// Versions to try in turn when the broker will not have the first.
  public var fallbackVersions: [ProtocolVersion] = []
  /// Told the version with which a broker has accepted us for the first time.
  public var reportVersion: (@Sendable (ProtocolVersion) -> Void)?
  /// TLS, if it is wanted.
  public var tls: TLSConfiguration?
  /// Keeps what the files of `tls` hold; nil reads them anew for each network connection.
  public var tlsFiles: TLSFiles?
  /// Told what TLS has agreed on, or what has failed, for each network connection.
  public var reportTLS: (@Sendable (TLSReport) -> Void)?
  /// Whether and when to connect again.
  public var reconnect: ReconnectPolicy
  /// Time for a whole attempt, from the name to CONNACK.
  public var connectTimeout: Duration = .seconds(10)
  /// Whether to connect again when the broker says that another client has taken the session over, which throws that one out.
  public var retriesTakeover = false
  /// Asked for the password before each attempt, where it may have changed since the last one. It may take its time, and returns
  /// nil to put the attempt off a little, because something has come up that the caller should hear of first.
  public var password: PasswordRequest?
  /// The same for the password that the proxy wants.
  public var proxyPassword: PasswordRequest?

  /// Finds a password; nil when the attempt is to be put off.
  public typealias PasswordRequest = @Sendable () throws(ConnectionError) -> [UInt8]?

  /// The defaults, for a broker and a session.
  public init(endpoint: Endpoint, session: SessionSettings, reconnect: ReconnectPolicy) {
    self.endpoint = endpoint
    self.session = session
    self.reconnect = reconnect
  }
}

/// One broker: connects, subscribes, falls back to an older version, connects again after an outage. It never waits: `Driver` does.
public final class Client {
  /// What the caller has to know of.
  public enum Event {
    /// Something in the session; `Session.Event.connected` comes after subscriptions were asked for again.
    case session(Session.Event)
    /// An attempt failed or a connection was lost; the next attempt begins after the delay.
    case outage(ConnectionError, retryIn: Duration)
    /// There will be no connection any more.
    case failed(ConnectionError)
    /// Left as `disconnect` asked.
    case closed
  }

  private enum Phase {
    case idle, connecting(until: Instant), connected, waiting(until: Instant), leaving(until: Instant), over
  }

  /// What was subscribed to and is to be subscribed to on every connection that finds the session gone.
  private struct SubscribeRequest {
    var subscriptions: [Subscription]
    var properties: Properties
    /// The number of the SUBSCRIBE that was sent last.
    var number: Int?
    /// Whether it was answered in the present session.
    var isAnswered = false
  }

  /// An UNSUBSCRIBE without an answer; it is void with the session.
  private struct UnsubscribeRequest {
    var filters: [TopicFilter]
    var properties: Properties
    var number: Int?
  }

  /// Reconnecting and all else that was asked for.
  public let settings: ClientSettings
  let connection: Connection
  private var phase = Phase.idle
  private var reconnect: ReconnectPolicy
  private var fallbackVersions: ArraySlice<ProtocolVersion>
  /// When the present version is given up because CONNACK has not come, if another one is left.
  private var versionDeadline: Instant?
  /// Whether silence led to the present version: that says less of the broker than an answer.
  private var isVersionGuessed = false
  /// Whether a broker has ever accepted us: from then on the version stays.
  private var hasBeenAccepted = false
  /// The exchange that proves who is there, instead of user name and password in CONNECT.
  private var scram: SCRAM?
  private var subscribeRequests: [SubscribeRequest] = []
  private var unsubscribeRequests: [UnsubscribeRequest] = []
  /// Connections that the broker closed instead of answering SUBSCRIBE, as long as it never answered one.
  private var closesInsteadOfSuback = 0
  private var hasBeenSubscribed = false
  /// Bytes of the DISCONNECT at the end of the output.
  private var farewellCount = 0
  /// All is done but for a last connection, which makes the broker forget the session.
  private var isEndingSession = false
  /// How to take leave, once that was asked for.
  private var leave: DisconnectPacket?
  private var pending: [Event] = []
  private var agenda: Agenda?
  private var index = 0

  /// How long the broker is given to close the connection after DISCONNECT.
  static let leaveTimeLimit: Duration = .milliseconds(500)
  /// How long a connection may take that is made to end a session.
  static let endSessionTimeLimit: Duration = .seconds(2)
  /// How often in a row a broker may close the connection instead of answering the first SUBSCRIBE.
  static let closesInsteadOfSubackLimit = 3
  /// How long a broker may take nothing while output is left before DISCONNECT.
  static let stallTimeLimit: Duration = .seconds(60)

  /// A client that connects as soon as a `Driver` runs it.
  public convenience init(_ settings: ClientSettings) {
    self.init(settings, lookUp: Resolver.system, layers: settings.layers)
  }

  init(_ settings: ClientSettings, lookUp: @escaping Resolver.LookUp, layers: Connection.MakeLayers?) {
    self.settings = settings
    reconnect = settings.reconnect
    fallbackVersions = settings.fallbackVersions[...]
    connection = Connection(
      to: settings.endpoint, through: settings.proxy, from: settings.localAddress, lookUp: lookUp, through: layers,
      session: Session(settings.session))
    if let mechanism = settings.authentication {
      let connect = settings.session.connect
      scram = SCRAM(mechanism, userName: connect.userName?.utf8 ?? [], password: connect.password ?? [])
      connection.session.settings.connect.userName = nil
      connection.session.settings.connect.password = nil
    }
  }

  // MARK: - What the application wants

  /// The version spoken, or to be tried next.
  public var version: ProtocolVersion { connection.session.settings.version }

  /// Whether a publish would be sent now.
  public var canPublish: Bool { connection.session.canPublish }

  /// Whether the broker has accepted us on the present network connection.
  public var isConnected: Bool { connection.session.isConnected }

  /// How far the present network connection has come.
  public var stage: ConnectionStage {
    let stage = connection.stage
    return stage == .connected && subscribeRequests.contains { !$0.isAnswered } ? .suback : stage
  }

  /// QoS 1 and 2 publishes that have not come to their end.
  public var publishesInFlight: Int { connection.session.publishesInFlight }

  /// Received QoS 2 messages whose handshake has not come to its end.
  public var deliveriesUnreleased: Int { connection.session.deliveriesUnreleased }

  /// See `Session.deliveredIdentifiers`. When `Driver.next` says `idle`, what has arrived was taken note of and is not answered yet.
  public var deliveredIdentifiers: [UInt16] { connection.session.deliveredIdentifiers }

  /// See `Session.resumeDeliveries`. Before a driver runs the client.
  public func resumeDeliveries(_ packetIdentifiers: [UInt16]) {
    connection.session.resumeDeliveries(packetIdentifiers)
  }

  /// What the broker said in its last CONNACK that it can do.
  public var limits: ServerLimits { connection.session.limits }

  /// The seconds of keep alive in force.
  public var keepAliveSeconds: Int { connection.session.keepAliveSeconds }

  /// Bytes that the system has not taken.
  public var unsentCount: Int { connection.session.outputCount + connection.session.deferredCount }

  /// QoS 0 publishes that the system has not taken.
  public var publishesUnsent: Int { connection.session.publishesUnsent }

  /// How often something was received: what comes with the same count came in the same moment.
  public var receiveCount: Int { connection.receiveCount }

  /// Bytes of MQTT that the system has taken, over all network connections.
  public var sentCount: Int { connection.sentCount }

  /// Bytes that passed through sockets, over all network connections, with what TLS, WebSocket and proxies add.
  public var socketBytes: SocketBytes { connection.socketBytes }

  /// When the present network connection, or the attempt at one, came how far.
  public var milestones: Milestones { connection.milestones }

  /// What the system knows of the present network connection; nil without one, and where it does not tell.
  public var transport: TransportState? { connection.transport }

  /// How much the system keeps of the present network connection's bytes; nil without one.
  public var socketBuffers: SocketBuffers? { connection.socketBuffers }

  /// What TLS has agreed on for the present network connection; nil where it is not spoken.
  public var tls: TLSReport? { connection.tls }

  /// Who is at the other end of the present network connection.
  public var peer: Peer? { connection.peer }

  /// Hands the output to the system now, as much as it takes, instead of when the driver is asked for what is next.
  public func flush(at now: Instant) {
    touch()
    send(at: now)
  }

  /// Bytes that the network connection that ended last had handed to the system and that had not reached the broker's machine;
  /// nil where the system does not tell.
  public var unacknowledgedCount: Int? { connection.unacknowledgedCount }

  /// Shows every packet, with its direction, to `observer`.
  public func observe(_ observer: @escaping (_ isSent: Bool, _ packet: UnsafeRawBufferPointer) -> Void) {
    connection.session.observer = observer
  }

  /// See `Session.publish`.
  @discardableResult
  public func publish(
    topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, qos: QoS, retain: Bool,
    properties: borrowing Properties,
    at now: Instant
  ) throws(ProtocolError) -> Int? {
    touch()
    return try connection.session.publish(
      topic: topic, payload: payload, qos: qos, retain: retain, properties: properties, at: now)
  }

  /// The caller keeps publishes on its own, and releases those at QoS 2: see `Session.resendsByItself`. Before a driver runs the client.
  public func leavesPublishesToCaller() {
    connection.session.resendsByItself = false
    connection.session.releasesByItself = false
  }

  /// Publishes under a number of the caller's: see `Session.begin`.
  public func publish(
    _ message: Message, numbered number: Int, isDuplicate: Bool, at now: Instant
  ) throws(ProtocolError) {
    touch()
    connection.session.begin(at: number)
    _ = try message.topic.utf8.withBytes { (topic) throws(ProtocolError) in
      try message.payload.withBytes { (payload) throws(ProtocolError) in
        try connection.session.publish(
          topic: topic, payload: payload, qos: message.qos, retain: message.retain, isDuplicate: isDuplicate,
          properties: message.properties, at: now)
      }
    }
  }

  /// See `Session.release`.
  public func release(_ number: Int) {
    touch()
    connection.session.release(number)
  }

  /// See `Session.resumeRelease`.
  public func resumeRelease(_ number: Int) {
    touch()
    connection.session.resumeRelease(number)
  }

  /// Subscribes now, if connected, and again whenever a connection finds the session gone.
  ///
  /// - Returns: the number that `Session.Event.subscribed` will bring back; nil when not connected.
  /// - Throws: what the broker's limits forbid.
  @discardableResult
  public func subscribe(
    _ subscriptions: [Subscription], properties: Properties = Properties(), at now: Instant
  ) throws(ProtocolError) -> Int? {
    touch()
    var request = SubscribeRequest(subscriptions: subscriptions, properties: properties)
    if isConnected {
      request.number = try connection.session.subscribe(subscriptions, properties: properties, at: now)
    }
    subscribeRequests.append(request)
    return request.number
  }

  /// Gives subscriptions up, now or as soon as a connection finds the session in which they were made.
  ///
  /// - Returns: the number that `Session.Event.unsubscribed` will bring back; nil when not connected.
  @discardableResult
  public func unsubscribe(
    _ filters: [TopicFilter], properties: Properties = Properties(), at now: Instant
  ) throws(ProtocolError) -> Int? {
    touch()
    var request = UnsubscribeRequest(filters: filters, properties: properties)
    if isConnected { request.number = try connection.session.unsubscribe(filters, properties: properties, at: now) }
    unsubscribeRequests.append(request)
    for index in subscribeRequests.indices {
      subscribeRequests[index].subscriptions.removeAll { filters.contains($0.filter) }
    }
    subscribeRequests.removeAll { $0.subscriptions.isEmpty }
    return request.number
  }

  /// What the SUBSCRIBE with this number asked for, which `Session.Event.subscribed` answers.
  public func subscriptions(ofRequest number: Int) -> [Subscription] {
    subscribeRequests.first { $0.number == number }?.subscriptions ?? []
  }

  /// Whether a SUBSCRIBE or UNSUBSCRIBE has no answer yet, or could not be sent.
  public var awaitsAnswers: Bool { !unsubscribeRequests.isEmpty || subscribeRequests.contains { !$0.isAnswered } }

  /// Sends PINGREQ; `Session.Event.pong` follows. There has to be a connection.
  public func ping(at now: Instant) {
    touch()
    connection.session.ping(at: now)
  }

  /// The application has done its part with a message.
  public func acknowledge(_ delivery: Delivery) {
    touch()
    connection.session.acknowledge(delivery)
  }

  /// The application has done its part with every message so far.
  public func acknowledgeAll() {
    touch()
    connection.session.acknowledgeAll()
  }

  /// Stops reading from the broker until `resumeReading`; keep alive goes on.
  public func pauseReading() {
    guard !connection.isReadingPaused else { return }
    touch()
    connection.pauseReading()
  }

  /// Reads again.
  public func resumeReading(at now: Instant) {
    guard connection.isReadingPaused else { return }
    touch()
    connection.resumeReading(at: now)
  }

  /// Puts the next attempt off until this instant at least; in answer to `Event.outage`.
  public func holdOff(until instant: Instant) {
    guard case .waiting(let until) = phase else { return }
    touch()
    phase = .waiting(until: max(until, instant))
  }

  /// Takes leave: DISCONNECT behind all output, then `Event.closed`, half a second after the output was taken at most.
  public func disconnect(
    _ reasonCode: ReasonCode = .normalDisconnection, properties: Properties = Properties(), at now: Instant
  ) {
    touch()
    switch phase {
    case .connected:
      leave = DisconnectPacket(reasonCode: reasonCode, properties: properties)
      takeLeave(at: now)
    case .idle, .connecting, .waiting:
      connection.close()
      phase = .over
      pending.append(.closed)
    case .leaving, .over: break
    }
  }

  /// Lets go of the network connection without taking leave, so that the broker publishes the will; `Event.closed` follows.
  public func drop() {
    touch()
    if case .over = phase { return }
    connection.close()
    phase = .over
    pending.append(.closed)
  }

  private func takeLeave(at now: Instant) {
    guard let leave else { return }
    let before = connection.session.outputCount
    connection.session.disconnect(leave.reasonCode, properties: leave.properties)
    farewellCount = connection.session.outputCount - before
    phase = .leaving(until: now + Self.stallTimeLimit)
  }

  /// Tells the driver that there may be output, or an event.
  private func touch() { agenda?.append(index) }

  // MARK: - What the driver does

  func join(_ agenda: Agenda, as index: Int) {
    self.agenda = agenda
    self.index = index
  }

  func start(at now: Instant) {
    touch()
    if case .idle = phase { attempt(at: now) }
  }

  func ready(_ descriptor: Int32, _ readiness: Readiness, at now: Instant) {
    connection.ready(descriptor, readiness, at: now)
    touch()
  }

  func send(at now: Instant) {
    let before = connection.session.outputCount
    connection.send(at: now)
    if case .leaving = phase, connection.session.outputCount < before {
      let isAllTaken = connection.session.outputCount == 0
      phase = .leaving(until: now + (isAllTaken ? Self.leaveTimeLimit : Self.stallTimeLimit))
    }
  }

  /// Whether there is an end to be told.
  var hasEnded: Bool { connection.hasEnded }

  var deadline: Instant? {
    switch phase {
    case .idle, .over: nil
    case .connecting(let until): min(until, versionDeadline ?? until, connection.deadline ?? until)
    case .connected: connection.deadline
    case .waiting(let until), .leaving(let until): until
    }
  }

  func deadlineReached(at now: Instant) {
    touch()
    switch phase {
    case .connecting(let until) where now >= until:
      let error = ConnectionError.timedOut(
        connection.stage, endpoint: connection.place, after: settings.connectTimeout)
      ended(error, at: now)
    case .connecting(let until) where versionDeadline.map { now >= $0 } == true:
      versionDeadline = nil
      // amqtt takes an MQTT 5 CONNECT with properties for one of 3.1.1 that is not all there.
      if connection.stage == .connack, fallBack(at: now, until: until) { isVersionGuessed = true }
    case .waiting(let until) where now >= until:
      attempt(at: now)
    case .leaving(let until) where now >= until:
      ended(.timedOut(.connected, endpoint: settings.endpoint.description, after: Self.stallTimeLimit), at: now)
    case .connecting, .connected:
      connection.deadlineReached(at: now)
    default: break
    }
  }

  /// What happened next; nil when nothing more will without waiting.
  func nextEvent(at now: Instant) -> Event? {
    while true {
      if !pending.isEmpty { return pending.removeFirst() }
      guard let event = connection.nextEvent(at: now) else { return nil }
      switch event {
      case .session(.message(let message, let delivery)): return .session(.message(message, delivery))
      case .session(let event):
        if let event = handle(event, at: now) { return event }
      case .ended(let error): ended(error, at: now)
      }
    }
  }

  private func handle(_ event: Session.Event, at now: Instant) -> Event? {
    switch event {
    case .connected(let packet, _):
      guard isProved(by: packet, at: now) else { return nil }
      if beginsAnew(packet, at: now) { return nil }
      phase = .connected
      if !hasBeenAccepted, !isVersionGuessed { settings.reportVersion?(version) }
      hasBeenAccepted = true
      fallbackVersions = []
      reconnect.connected(at: now)
      askAgain(sessionPresent: packet.sessionPresent, at: now)
      takeLeave(at: now)  // A connection that broke before all output was taken did not end the matter.
    case .subscribed(let number, _):
      for index in subscribeRequests.indices where subscribeRequests[index].number == number {
        subscribeRequests[index].isAnswered = true
      }
      hasBeenSubscribed = true
    case .unsubscribed(let number, _): unsubscribeRequests.removeAll { $0.number == number }
    case .authentication(let packet): prove(to: packet, at: now)
    case .refused(let packet): refused(packet, at: now)
    case .disconnected(let packet): ended(.disconnected(packet), at: now)
    case .failed(let error):
      connection.send(at: now)
      ended(.protocolError(error), at: now)
    // With versions left to try this is not a fault, but an answer.
    case .tolerated(.version3Connack) where !fallbackVersions.isEmpty: return nil
    case .silent: ended(.silent(keepAlive: connection.session.keepAliveSeconds), at: now)
    default: break
    }
    return isEndingSession ? nil : .session(event)
  }

  /// A session that is for this process only has met another one under its identifier, whose packet identifiers it could run into:
  /// it begins with a clean start instead.
  private func beginsAnew(_ packet: ConnackPacket, at now: Instant) -> Bool {
    guard connection.session.settings.lifetime == .process else { return false }
    let meetsAnother = packet.sessionPresent && !hasBeenAccepted
    connection.session.settings.startsClean = meetsAnother
    if meetsAnother {
      connection.close()
      connect(at: now)
    }
    return meetsAnother
  }

  /// SUBSCRIBE and UNSUBSCRIBE are not part of the session state: those without an answer ended with their connection.
  private func askAgain(sessionPresent: Bool, at now: Instant) {
    if !sessionPresent {
      // 3.1 cannot say: there may be something to give up.
      if version.hasSessionPresent { unsubscribeRequests.removeAll() }
      for index in subscribeRequests.indices { subscribeRequests[index].isAnswered = false }
    }
    do throws(ProtocolError) {
      for index in unsubscribeRequests.indices {
        let request = unsubscribeRequests[index]
        unsubscribeRequests[index].number = try connection.session.unsubscribe(
          request.filters, properties: request.properties, at: now)
      }
      for index in subscribeRequests.indices where !subscribeRequests[index].isAnswered {
        let request = subscribeRequests[index]
        subscribeRequests[index].number = try connection.session.subscribe(
          request.subscriptions, properties: request.properties, at: now)
      }
    } catch {
      connection.session.disconnect()
      connection.send(at: now)
      ended(.notSupported(error), at: now)
    }
  }

  /// AUTH: the broker wants to see that we know the password.
  private func prove(to packet: AuthPacket, at now: Instant) {
    do throws(SCRAMFailure) {
      guard packet.reasonCode == .continueAuthentication, let message = packet.properties[.authenticationData],
        let mechanism = scram?.mechanism, let proof = try scram?.proof(for: message)
      else { throw SCRAMFailure("the broker asks for a proof that --auth-method has not") }
      var properties = Properties()
      properties[.authenticationMethod] = Text(stringLiteral: mechanism.rawValue)
      properties[.authenticationData] = proof
      // It is short, and of the version that has AUTH.
      try? connection.session.authenticate(AuthPacket(reasonCode: .continueAuthentication, properties: properties))
    } catch {
      ended(.notProved(explanation: error.explanation), at: now)
    }
  }

  /// Whether the broker has proved that it knows the password, if it had to.
  private func isProved(by packet: ConnackPacket, at now: Instant) -> Bool {
    do throws(SCRAMFailure) {
      try scram?.verify(packet.properties[.authenticationData])
      return true
    } catch {
      connection.session.disconnect(.notAuthorized)
      connection.send(at: now)
      ended(.notProved(explanation: error.explanation), at: now)
      return false
    }
  }

  private func refused(_ packet: ConnackPacket, at now: Instant) {
    let isAnotherVersionWanted =
      packet.reasonCode == .unsupportedProtocolVersion || (packet.returnCode != nil && version.hasProperties)
    if isAnotherVersionWanted, fallBack(at: now) { return }
    ended(.refused(packet, version: version), at: now)
  }

  /// Tries the next version at once, if there is one.
  private func fallBack(at now: Instant, until end: Instant? = nil) -> Bool {
    guard let version = fallbackVersions.popFirst() else { return false }
    connection.close()
    connection.session.settings.version = version
    connect(at: now, until: end)
    return true
  }

  private func attempt(at now: Instant) {
    guard settings.password != nil || settings.proxyPassword != nil else { return connect(at: now) }
    do throws(ConnectionError) {
      if let request = settings.proxyPassword {
        guard let password = try request() else { return putOff() }
        connection.proxy?.password = password
      }
      if let request = settings.password {
        guard let password = try request() else { return putOff() }
        if scram == nil { connection.session.settings.connect.password = password } else { scram?.password = password }
      }
      connect(at: .now)
    } catch {
      ended(error, at: .now)
    }
  }

  private func putOff() { phase = .waiting(until: .now + .milliseconds(100)) }

  private func connect(at now: Instant, until end: Instant? = nil) {
    let end = end ?? now + settings.connectTimeout
    phase = .connecting(until: end)
    if let mechanism = scram?.mechanism, let message = scram?.begin() {
      connection.session.settings.connect.properties[.authenticationMethod] = Text(stringLiteral: mechanism.rawValue)
      connection.session.settings.connect.properties[.authenticationData] = message
    }
    // Half of the time for this version, the rest for the next.
    versionDeadline = fallbackVersions.isEmpty ? nil : now + settings.connectTimeout / 2
    connection.open(at: now)
  }

  private func left(at now: Instant) {
    connection.close()
    // On 3.x nothing but a clean start ends a session that was to outlive its connections.
    if hasBeenAccepted, connection.session.settings.lifetime == .process, !version.hasProperties {
      connection.session.settings.lifetime = .networkConnection
      isEndingSession = true
      phase = .connecting(until: now + Self.endSessionTimeLimit)
      return connection.open(at: now)
    }
    phase = .over
    pending.append(.closed)
  }

  private func isRetried(_ error: ConnectionError) -> Bool {
    if settings.retriesTakeover, case .disconnected(let packet) = error, packet.reasonCode == .sessionTakenOver {
      return true
    }
    return error.isTransient
  }

  /// On 3.1.1 a broker that does not like a topic filter may have no other answer than to close the connection: that is what a
  /// close says before the first SUBACK. Later it is an outage.
  private func refusalOfSubscribe(in error: ConnectionError) -> ConnectionError? {
    guard hasBeenAccepted, !hasBeenSubscribed, subscribeRequests.contains(where: { !$0.isAnswered }) else { return nil }
    let refusal: ConnectionError
    switch error {
    case .closed(.connected), .system("recv", ECONNRESET, _): refusal = .closed(.suback)
    case .webSocketClosed(.connected, let closing): refusal = .webSocketClosed(.suback, closing)
    default: return nil
    }
    closesInsteadOfSuback += 1
    return refusal
  }

  private func ended(_ error: ConnectionError, at now: Instant) {
    if isEndingSession { return left(at: now) }
    if case .leaving = phase, connection.session.outputCount <= farewellCount { return left(at: now) }
    if error.isCloseInsteadOfConnack, fallBack(at: now) { return }
    let error = refusalOfSubscribe(in: error) ?? error
    connection.close()
    // What a broker makes of a session of an earlier connection is no fault: it is gone, and now all is done anew.
    if case .connecting = phase, case .tls(let failure) = error, failure.wasResuming { return connect(at: now) }
    let isHopeless = closesInsteadOfSuback >= Self.closesInsteadOfSubackLimit
    if !isHopeless, isRetried(error), let delay = reconnect.failed(at: now, random: Double.random(in: 0...1)) {
      // Nobody has accepted an older version yet: what looked like a refusal may have been an outage.
      if !hasBeenAccepted {
        connection.session.settings.version = settings.session.version
        fallbackVersions = settings.fallbackVersions[...]
        isVersionGuessed = false
      }
      phase = .waiting(until: now + delay)
      pending.append(.outage(error, retryIn: delay))
    } else {
      phase = .over
      pending.append(.failed(error))
    }
  }
}
