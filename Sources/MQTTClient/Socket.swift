internal import CSystem

/// What became of a receive or a send.
package enum Transfer {
  /// So many bytes were moved.
  case moved(Int)
  /// Nothing could be moved now.
  case wouldBlock
  /// The other side will send nothing more.
  case ended
  /// The system refused, with this errno.
  case failed(Int32)
}

/// A stream socket that never blocks: the only place where this program receives and sends.
package struct Socket: ~Copyable {
  package let descriptor: Int32
  private let isInternet: Bool

  private init(_ descriptor: Int32, isInternet: Bool) {
    self.descriptor = descriptor
    self.isInternet = isInternet
  }

  deinit {
    close(descriptor)
  }

  /// Begins to connect; the socket becomes writable when that has succeeded or failed.
  static func connecting(to address: SocketAddress, from local: SocketAddress? = nil) throws(ConnectionError) -> Socket
  {
    let descriptor = makeStreamSocket(address.family)
    guard descriptor >= 0 else { throw .system(call: "socket", errno: currentErrno(), place: address.description) }
    let made = Socket(descriptor, isInternet: address.isInternet)
    if address.isInternet { made.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
    if let local, local.withPointer({ bindSocket(descriptor, $0, $1) }) != 0 {
      throw .system(call: "bind", errno: currentErrno(), place: local.description)
    }
    // An interrupted connect goes on by itself, like one in progress.
    if address.withPointer({ connectSocket(descriptor, $0, $1) }) != 0 {
      let number = currentErrno()
      if number != EINPROGRESS, number != EINTR {
        throw .system(call: "connect", errno: number, place: address.description)
      }
    }
    return made
  }

  /// A socket that others connect to.
  package static func listening(
    on address: String, port: UInt16
  ) throws(ConnectionError) -> Socket {
    guard let address = SocketAddress(literal: address, port: port) else {
      throw .system(call: "listen", errno: EADDRNOTAVAIL, place: address)
    }
    let descriptor = makeStreamSocket(address.family)
    guard descriptor >= 0 else { throw .system(call: "socket", errno: currentErrno(), place: address.description) }
    let made = Socket(descriptor, isInternet: true)
    made.set(SOL_SOCKET, SO_REUSEADDR, 1)
    guard address.withPointer({ bindSocket(descriptor, $0, $1) }) == 0, listen(descriptor, 4096) == 0 else {
      throw .system(call: "listen", errno: currentErrno(), place: address.description)
    }
    return made
  }

  /// Standard input, if somebody has made it a socket that listens.
  package static func inherited() -> Socket? {
    var listens: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(0, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens != 0 else { return nil }
    return Socket(0, isInternet: true)
  }

  /// The TCP port that it is bound to.
  package var port: UInt16 { SocketAddress(of: descriptor)?.port ?? 0 }

  /// Somebody who has connected to a listening socket, if there is anybody.
  package func accepted() -> Socket? {
    let descriptor = acceptSocket(self.descriptor)
    guard descriptor >= 0 else { return nil }
    let made = Socket(descriptor, isInternet: true)
    made.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    return made
  }

  /// How the connecting ended: 0, or the errno of the failure.
  func connectResult() -> Int32 {
    value(SOL_SOCKET, SO_ERROR) ?? currentErrno()
  }

  /// Receives what is there into `space`.
  package func receive(into space: UnsafeMutableRawBufferPointer) -> Transfer {
    while true {
      let count = recv(descriptor, space.baseAddress, space.count, 0)
      if count > 0 { return .moved(count) }
      if count == 0 { return .ended }
      let number = currentErrno()
      if number == EAGAIN || number == EWOULDBLOCK { return .wouldBlock }
      if number != EINTR { return .failed(number) }
    }
  }

  /// Sends what the system takes of `bytes`.
  package func send(_ bytes: UnsafeRawBufferPointer) -> Transfer {
    while true {
      let count = sendQuietly(descriptor, bytes.baseAddress, bytes.count)
      if count >= 0 { return .moved(count) }
      let number = currentErrno()
      if number == EAGAIN || number == EWOULDBLOCK { return .wouldBlock }
      if number != EINTR { return .failed(number) }
    }
  }

  /// Bytes that were sent and that the other machine has not acknowledged, also when the connection is over; nil where the
  /// system does not tell.
  var unacknowledgedCount: Int? {
    let count = isInternet ? unacknowledgedBytes(descriptor) : -1
    return count < 0 ? nil : Int(count)
  }

  /// What the system knows of a TCP connection; nil where it does not tell.
  var transport: TransportState? {
    var counts = TransportCounts()
    guard isInternet, transportCounts(descriptor, &counts) != 0 else { return nil }
    return TransportState(
      segmentsSent: Int(counts.segmentsSent), retransmits: Int(counts.retransmits),
      roundTrip: .microseconds(Int64(counts.roundTrip)),
      smallestRoundTrip: .microseconds(Int64(counts.smallestRoundTrip)))
  }

  /// How much the system keeps for it; nil where it does not tell.
  var buffers: SocketBuffers? {
    guard let send = value(SOL_SOCKET, SO_SNDBUF), let receive = value(SOL_SOCKET, SO_RCVBUF) else { return nil }
    return SocketBuffers(send: Int(send), receive: Int(receive))
  }

  /// Who is at the other end.
  var peer: Peer? {
    guard let peer = SocketAddress(of: descriptor, by: peerName), let own = SocketAddress(of: descriptor) else {
      return nil
    }
    return Peer(address: peer.description, isOnThisMachine: own.host == peer.host || peer.isLoopback)
  }

  /// Acknowledges at once what has arrived. A broker that does not set TCP_NODELAY holds its next small packet back until its last
  /// one is acknowledged, and the system would wait up to 40 ms for something to acknowledge it with.
  package func acknowledgeQuickly() {
    #if os(Linux)
      if isInternet { set(Int32(IPPROTO_TCP), TCP_QUICKACK, 1) }
    #endif
  }

  /// Tells the other side that nothing more will be sent.
  func finishSending() {
    _ = shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Makes the system look after the connection where MQTT does not (keep alive 0).
  func keepAliveBySystem() {
    set(SOL_SOCKET, SO_KEEPALIVE, 1)
  }

  private func value(_ level: Int32, _ option: Int32) -> Int32? {
    var value: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, level, option, &value, &size) == 0 ? value : nil
  }

  private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}
