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
  private let localAddress: String?
  private let lookUp: Resolver.LookUp
  private var resolver: Resolver?
  private var dialer: Dialer?
  private var socket: Socket?
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
  private var receiveCapacity = smallestReceive
  /// How often something was received.
  private(set) var receiveCount = 0
  /// Bytes of the session's that the system has taken.
  private(set) var sentCount = 0
  private(set) var isReadingPaused = false
  /// Bytes that the network connection that ended last had sent and that the broker's machine had not acknowledged.
  private(set) var unacknowledgedCount: Int?

  /// Bytes asked for in one receive: few for the many connections that are quiet, many for one that is busy.
  private static let smallestReceive = 2048
  private static let largestReceive = 1 << 17

  init(
    to endpoint: Endpoint, from localAddress: String?, lookUp: @escaping Resolver.LookUp, session: consuming Session
  ) {
    self.endpoint = endpoint
    self.localAddress = localAddress
    self.lookUp = lookUp
    self.session = session
  }

  // MARK: - Opening and closing

  /// Begins to connect.
  func open(at now: Instant) {
    precondition(socket == nil && dialer == nil && resolver == nil)
    do throws(ConnectionError) {
      switch endpoint {
      case .unix(let path):
        guard let address = SocketAddress(path: path) else {
          throw .system(call: "connect", errno: ENAMETOOLONG, place: path)
        }
        dialer = try Dialer([address], from: nil, at: now)
      case .tcp(let host, let port):
        if let address = SocketAddress(literal: host, port: port) {
          try dial([address], at: now)
        } else if host == "localhost" {
          try dial(SocketAddress.loopback(port: port), at: now)
        } else {
          resolver = try Resolver.start(host: host, port: port, lookUp: lookUp)
        }
      }
    } catch {
      fail(error)
    }
  }

  private func dial(_ addresses: [SocketAddress], at now: Instant) throws(ConnectionError) {
    var local: SocketAddress?
    if let localAddress {
      local = SocketAddress(literal: localAddress, port: 0)
      if local == nil { throw .system(call: "bind", errno: EADDRNOTAVAIL, place: localAddress) }
    }
    dialer = try Dialer(addresses, from: local, at: now)
  }

  /// Lets go of the network connection at once, without DISCONNECT.
  func close() {
    resolver = nil
    dialer = nil
    closeSocket()
    failure = nil
    sendFailure = nil
    isSendingFinished = false
    isOutputBlocked = false
    isInputDry = true
    isHungUp = false
    owesAcknowledgement = false
    receiveCapacity = Self.smallestReceive
    session.connectionClosed()
  }

  /// How far an attempt to connect has come.
  var stage: ConnectionStage {
    if resolver != nil { return .name }
    if socket == nil { return .transport }
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
        resolver = nil
        try dial(addresses, at: now)
      } else if socket?.descriptor == descriptor {
        if readiness.contains(.writable) { isOutputBlocked = false }
        if readiness.contains(.readable) { isInputDry = false }
        if readiness.contains(.hungUp) { isHungUp = true }
      } else if let connected = try dialer?.ended(descriptor, at: now) {
        dialer = nil
        socket = consume connected
        if session.settings.connect.keepAlive == 0 { socket?.keepAliveBySystem() }
        do throws(ProtocolError) {
          try session.connectionOpened(at: now)
        } catch {
          throw .cannotEncode(error)
        }
      }
    } catch {
      fail(error)
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
    let isUseless = session.isDisconnecting
    session.receive(minimumCapacity: capacity, at: now) { space in
      transfer = socket!.receive(into: space)
      if case .moved(let count) = transfer, !isUseless { return count }
      return 0
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
      fail(.closed(stage))
    case .failed(let number):
      fail(lost("recv", number))
    }
    return false
  }

  /// Hands output to the system, as much as it takes.
  func send(at now: Instant) {
    guard socket != nil, !isSendingFinished, !isOutputBlocked else { return }
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
    // A reset instead of CONNACK is what the end of data instead of CONNACK is.
    if stage == .connack, number == ECONNRESET || number == EPIPE { return .closed(.connack) }
    return .system(call: call, errno: number, place: endpoint.description)
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
