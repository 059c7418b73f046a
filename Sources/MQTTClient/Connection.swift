internal import CSystem
public import MQTT

/// One network connection at a time, and the session that outlives it. It never waits: `Driver` tells it what is ready.
public final class Connection {
  /// What came of it.
  enum Event {
    case session(Session.Event)
    /// The network connection is over, or never came to be.
    case ended(ConnectionError)
  }

  /// The protocol's state; it stays when network connections come and go.
  public var session: Session

  private let endpoint: Endpoint
  /// What stands between, if anything does; its password may be another one for the next attempt.
  var proxy: ProxySettings?
  private let localAddress: String?
  /// What the local address or name means; nil when nobody asked or the answer is not there yet.
  private var localAddresses: [SocketAddress]?
  private let lookUp: Resolver.LookUp
  private var resolver: Resolver?
  private var dialer: Dialer?
  private var socket: Socket?
  private let makeLayers: MakeLayers?
  /// What stands between socket and session; nil where nothing does, or no attempt is under way.
  private var layers: LayerStack?
  /// What the socket received for the layers.
  private var received = ByteQueue()
  /// Why the network connection is over, told when everything that arrived before has been dealt with.
  private var failure: ConnectionError?
  /// Why nothing can be sent any more. The broker may have said why, so what it sent before is read first.
  private var sendFailure: ConnectionError?
  private var isSendingFinished = false
  /// The system takes nothing more until the poller says so.
  private var isOutputBlocked = false
  /// Nothing is received until the poller says so.
  private var isInputDry = true
  /// Both directions are over, and the poller would say so for ever.
  private var isHungUp = false
  private var owesAcknowledgement = false
  /// Something came for MQTT: only what comes first shows whether MQTT is spoken at all.
  private var isAnswered = false
  private var receiveCapacity = smallestReceive
  /// How often something was received.
  private(set) var receiveCount = 0
  /// Bytes of the session's that the system has taken.
  private(set) var sentCount = 0
  private(set) var isReadingPaused = false
  private(set) var milestones = Milestones()
  /// Bytes that the network connection that ended last had sent and that the broker's machine had not acknowledged.
  private(set) var unacknowledgedCount: Int?

  /// Bytes asked for in one receive: few for the many connections that are quiet, many for one that is busy.
  private static let smallestReceive = 2048
  private static let largestReceive = 1 << 17

  /// Makes the layers for a network connection, the lowest first.
  typealias MakeLayers = () throws(ConnectionError) -> [any Layer]

  /// - Parameter makeLayers: what stands between the proxy's layer and MQTT; nil for nothing.
  init(
    to endpoint: Endpoint, through proxy: ProxySettings? = nil, from localAddress: String?,
    lookUp: @escaping Resolver.LookUp, through makeLayers: MakeLayers? = nil, session: consuming Session
  ) {
    self.endpoint = endpoint
    self.proxy = proxy
    self.localAddress = localAddress
    self.lookUp = lookUp
    self.makeLayers = makeLayers
    self.session = session
  }

  // MARK: - Opening and closing

  /// Begins to connect.
  func open(at now: Instant) {
    precondition(socket == nil && dialer == nil && resolver == nil)
    milestones = Milestones()
    do throws(ConnectionError) {
      if let localAddress, !dialled.isUnixSocket {
        if let address = SocketAddress(literal: localAddress, port: 0) {
          localAddresses = [address]
        } else {
          resolver = try Resolver.start(.tcp(host: localAddress, port: 0), lookUp: lookUp)
        }
      }
      if resolver == nil { try lookUpAndDial(at: now) }
      // While the system connects.
      let layers = try proxyLayers() + (makeLayers?() ?? [])
      if !layers.isEmpty { self.layers = LayerStack(layers) }
    } catch {
      fail(error)
    }
  }

  /// Where the network connection goes.
  private var dialled: Endpoint { proxy?.endpoint ?? endpoint }

  /// The place that is looked up or connected to, and later the one that is talked to.
  var place: String { stage == .name || stage == .transport ? dialled.description : endpoint.description }

  private func lookUpAndDial(at now: Instant) throws(ConnectionError) {
    switch dialled {
    case .unix(let path):
      guard let address = SocketAddress(path: path) else {
        throw .system(call: "connect", errno: ENAMETOOLONG, place: path)
      }
      dialer = try Dialer([[address]], at: now)
    case .tcp(let host, let port):
      if let address = SocketAddress(literal: host, port: port) {
        try dial([[address]], at: now)
      } else if host == "localhost" {
        try dial([SocketAddress.loopback(port: port)], at: now)
      } else {
        resolver = try Resolver.start(dialled, lookUp: lookUp)
      }
    case .service: resolver = try Resolver.start(dialled, lookUp: lookUp)
    }
  }

  private func dial(_ addresses: [[SocketAddress]], at now: Instant) throws(ConnectionError) {
    milestones.named = now
    dialer = try Dialer(addresses, from: localAddresses, at: now)
  }

  /// The host's name, or that of the local address, was looked up.
  private func resolved(_ addresses: [[SocketAddress]], at now: Instant) throws(ConnectionError) {
    resolver = nil
    if localAddress == nil || localAddresses != nil { return try dial(addresses, at: now) }
    localAddresses = addresses.flatMap { $0 }
    try lookUpAndDial(at: now)
  }

  private func proxyLayers() -> [any Layer] {
    guard let proxy, case .tcp(let host, let port) = endpoint else { return [] }
    return switch proxy.kind {
    case .socks5: [SOCKS5Layer(proxy, toHost: host, port: port)]
    case .http: [HTTPConnectLayer(proxy, to: endpoint)]
    }
  }

  /// Lets go of the network connection at once, without DISCONNECT.
  func close() {
    resolver = nil
    localAddresses = nil
    dialer = nil
    closeSocket()
    layers = nil
    failure = nil
    sendFailure = nil
    isSendingFinished = false
    isOutputBlocked = false
    isInputDry = true
    isHungUp = false
    owesAcknowledgement = false
    isAnswered = false
    receiveCapacity = Self.smallestReceive
    session.connectionClosed()
  }

  /// How far an attempt to connect has come.
  var stage: ConnectionStage {
    if resolver != nil { return .name }
    if socket == nil { return .transport }
    if let stage = layers?.stage { return stage }
    return session.isConnected || session.isDisconnecting ? .connected : .connack
  }

  /// Stops reading until `resumeReading`: what the broker sends stays with the system, and in the end with the broker. What was
  /// received already still comes.
  func pauseReading() {
    isReadingPaused = true
    session.readingPaused()
  }

  func resumeReading(at now: Instant) {
    isReadingPaused = false
    session.readingResumed(at: now)
  }

  // MARK: - What is ready

  /// The descriptors to wait for, and what for.
  func forEachInterest(_ body: (Int32, Readiness) -> Void) {
    if let descriptor = resolver?.descriptor { body(descriptor, .readable) }
    if let descriptors = dialer?.descriptors { for descriptor in descriptors { body(descriptor, .writable) } }
    if let descriptor = socket?.descriptor, wantsToRead || !isHungUp {
      var interest: Readiness = wantsToRead ? .readable : []
      if isOutputBlocked { interest.insert(.writable) }
      body(descriptor, interest)
    }
  }

  /// A pause keeps messages back, but neither CONNACK nor the end after DISCONNECT.
  private var wantsToRead: Bool { !isReadingPaused || !session.isConnected }

  /// Something is ready on one of the descriptors.
  func ready(_ descriptor: Int32, _ readiness: Readiness, at now: Instant) {
    do throws(ConnectionError) {
      if resolver?.descriptor == descriptor, let addresses = try resolver?.addresses() {
        try resolved(addresses, at: now)
      } else if socket?.descriptor == descriptor {
        if readiness.contains(.writable) { isOutputBlocked = false }
        if readiness.contains(.readable) { isInputDry = false }
        if readiness.contains(.hungUp) { isHungUp = true }
      } else if let connected = try dialer?.ended(descriptor, at: now) {
        dialer = nil
        socket = consume connected
        milestones.connected = now
        if session.settings.connect.keepAlive == 0 { socket?.keepAliveBySystem() }
        try layers?.start()
        if layers?.isOpen != false { try beginSession(at: now) }
      }
    } catch {
      fail(error)
    }
  }

  private func beginSession(at now: Instant) throws(ConnectionError) {
    milestones.opened = now
    do throws(ProtocolError) {
      try session.connectionOpened(at: now)
    } catch {
      throw .cannotEncode(error)
    }
  }

  /// When `deadlineReached` is due.
  var deadline: Instant? { dialer != nil ? dialer?.deadline : session.nextDeadline }

  func deadlineReached(at now: Instant) {
    if let deadline = session.nextDeadline, now >= deadline { session.deadlineReached(at: now) }
    do throws(ConnectionError) {
      try dialer?.deadlineReached(at: now)
    } catch {
      fail(error)
    }
  }

  // MARK: - What happened

  /// Whether the end of the network connection has not been told yet.
  var hasEnded: Bool { failure != nil || sendFailure != nil }

  /// What happened next; nil when nothing more will without waiting.
  func nextEvent(at now: Instant) -> Event? {
    while true {
      if let event = session.nextEvent(at: now) {
        if case .connected = event, isReadingPaused { session.readingPaused() }
        return .session(event)
      }
      if isInputDry || !wantsToRead || !receive(at: now) {
        guard let failure else { return nil }
        self.failure = nil
        return .ended(failure)
      }
    }
  }

  /// Receives once; false when nothing was there.
  ///
  /// Then it is for others to be served, and for the poller to tell whether there is more: a broker that sends without end must
  /// not keep the program from all else.
  private func receive(at now: Instant) -> Bool {
    guard socket != nil else { return false }
    isInputDry = sendFailure == nil
    var transfer = Transfer.wouldBlock
    let capacity = receiveCapacity
    if let layers {
      received.append(minimumCapacity: capacity) { space in
        transfer = socket!.receive(into: space)
        if case .moved(let count) = transfer { return count }
        return 0
      }
      guard rise(through: layers, at: now) else { return true }
    } else {
      let isUseless = session.isDisconnecting
      var other: PeerProtocol?
      session.receive(minimumCapacity: capacity, at: now) { space in
        transfer = socket!.receive(into: space)
        guard case .moved(let count) = transfer, !isUseless else { return 0 }
        other = otherProtocol(UnsafeRawBufferPointer(rebasing: space[..<count]))
        return other == nil ? count : 0
      }
      if let other {
        fail(.otherProtocol(other))
        return true
      }
    }
    switch transfer {
    case .moved(let count):
      receiveCount &+= 1
      if count >= capacity {
        receiveCapacity = min(capacity * 4, Self.largestReceive)
      } else {
        owesAcknowledgement = true
      }
      return true
    case .wouldBlock:
      isInputDry = true
      if let sendFailure { fail(sendFailure) }
    case .ended:
      do throws(ConnectionError) {
        try layers?.receivedEnd()
        fail(.closed(stage))
      } catch {
        fail(error)
      }
    case .failed(let number):
      fail(lost("recv", number))
    }
    return false
  }

  /// What is spoken in place of MQTT, by the look of the first bytes for it.
  private func otherProtocol(_ bytes: UnsafeRawBufferPointer) -> PeerProtocol? {
    defer { isAnswered = true }
    guard !isAnswered, let spoken = PeerProtocol(firstBytes: bytes), spoken != .mqtt else { return nil }
    return spoken
  }

  /// Hands what was received to the layers, and what they make of it to the session; false when that was the end.
  private func rise(through layers: LayerStack, at now: Instant) -> Bool {
    defer { received.removeAll() }
    let wasOpen = layers.isOpen
    var other: PeerProtocol?
    do throws(ConnectionError) {
      try received.withBytes { (bytes) throws(ConnectionError) in
        guard !bytes.isEmpty else { return }
        try layers.receive(bytes) { bytes in
          if session.isDisconnecting { return }
          other = otherProtocol(bytes)
          if other == nil { session.receive(bytes, at: now) }
        }
      }
      if let other { throw .otherProtocol(other) }
      if !wasOpen, layers.isOpen { try beginSession(at: now) }
      return true
    } catch {
      // The last words say why.
      _ = layers.withOutput { socket!.send($0) }
      if case .webSocketClosed(_, let closing) = error {
        fail(.webSocketClosed(stage, closing))
      } else {
        fail(error)
      }
      return false
    }
  }

  /// What the system knows of the network connection.
  var transport: TransportState? { socket?.transport }

  /// Who is at the other end.
  var peer: Peer? { socket?.peer }

  /// Hands output to the system, as much as it takes.
  func send(at now: Instant) {
    guard socket != nil, !isSendingFinished, !isOutputBlocked else { return }
    session.fillOutput()
    if let layers { return send(through: layers, at: now) }
    let offered = session.outputCount
    if offered > 0 {
      switch session.withOutput({ socket!.send($0) }) {
      case .moved(let count):
        owesAcknowledgement = false
        session.outputTaken(count, at: now)
        sentCount &+= count
        isOutputBlocked = count < offered
      case .wouldBlock, .ended:
        isOutputBlocked = true
      case .failed(let number):
        isSendingFinished = true
        sendFailure = lost("send", number)
        isInputDry = false
      }
      if isSendingFinished || isOutputBlocked { return }
    }
    allSent()
  }

  private func send(through layers: LayerStack, at now: Instant) {
    while true {
      do throws(ConnectionError) {
        try sink(through: layers)
      } catch {
        isSendingFinished = true
        sendFailure = error
        isInputDry = false
        return
      }
      let offered = layers.outputCount
      if offered == 0 { return allSent() }
      switch layers.withOutput({ socket!.send($0) }) {
      case .moved(let count):
        owesAcknowledgement = false
        let sent = layers.outputTaken(count)
        if sent > 0 { session.outputTaken(sent, at: now) }
        sentCount &+= sent
        isOutputBlocked = count < offered
      case .wouldBlock, .ended:
        isOutputBlocked = true
      case .failed(let number):
        isSendingFinished = true
        sendFailure = lost("send", number)
        isInputDry = false
      }
      if isSendingFinished || isOutputBlocked { return }
    }
  }

  /// Gives the layers of the session's output what they have room for.
  private func sink(through layers: LayerStack) throws(ConnectionError) {
    guard layers.isOpen else { return }
    if session.outputCount > layers.unsentCount {
      _ = try session.withOutput { (bytes) throws(ConnectionError) in
        try layers.send(UnsafeRawBufferPointer(rebasing: bytes[layers.unsentCount...]))
      }
    }
    if session.isDisconnecting, session.outputCount == layers.unsentCount { try layers.finish() }
  }

  /// All output was taken.
  private func allSent() {
    if session.isDisconnecting {
      // Half closed first: closing with unread bytes would reset the connection and could destroy what was just sent.
      socket!.finishSending()
      isSendingFinished = true
    } else if owesAcknowledgement {
      owesAcknowledgement = false
      socket!.acknowledgeQuickly()
    }
  }

  private func lost(_ call: String, _ number: Int32) -> ConnectionError {
    let stage = stage
    if stage == .connected || number != ECONNRESET && number != EPIPE {
      return .system(call: call, errno: number, place: endpoint.description)
    }
    // A reset instead of an answer is what the end of data instead of it is.
    do throws(ConnectionError) {
      try layers?.receivedEnd()
      return .closed(stage)
    } catch {
      return error
    }
  }

  private func fail(_ error: ConnectionError) {
    failure = failure ?? error
    resolver = nil
    dialer = nil
    closeSocket()
    sendFailure = nil
    isInputDry = true
    isOutputBlocked = false
  }

  private func closeSocket() {
    if socket != nil { unacknowledgedCount = socket?.unacknowledgedCount }
    socket = nil
  }
}
