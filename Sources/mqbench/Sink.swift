internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// The least that a broker can do: acknowledge, and forward to whoever has subscribed. What the tool itself can do is measured against
/// it, in a process of its own. It keeps nothing: no sessions, no retained messages, no wills.
struct Sink: ~Copyable {
  private let listener: Socket
  let port: UInt16
  private let forwards: Bool
  /// What stands between MQTT and the peers, if anything does.
  private let layers: ServerLayers?
  private let signals: Signals
  private var poller = Poller()
  private var found: [Poller.Found] = []
  /// By descriptor.
  private var peers: [Peer?] = []
  /// Peers that something was written for since the last wait.
  private var written: [Peer] = []
  private var isOver = false

  init(_ listener: consuming Socket, forwards: Bool, layers: ServerLayers?, signals: consuming Signals) {
    port = listener.port
    self.listener = listener
    self.forwards = forwards
    self.layers = layers
    self.signals = signals
  }

  /// Serves until a signal comes.
  mutating func run() {
    poller.watch(listener.descriptor, .readable, token: 0)
    poller.watch(signals.descriptor, .readable, token: 0)
    while !isOver {
      found.removeAll(keepingCapacity: true)
      poller.wait(nil, into: &found)
      for item in found {
        if item.descriptor == listener.descriptor {
          while let socket = listener.accepted() {
            // Without memory for one more peer there is none.
            if let peer = try? Peer(socket, layers) { add(peer) }
          }
        } else if item.descriptor == signals.descriptor {
          isOver = signals.next() != nil
        } else if let peer = peers[Int(item.descriptor)] {
          if item.readiness.contains(.writable) { peer.isBlocked = false }
          if item.readiness.contains(.readable) { serve(peer) }
          if !peer.isWritten { wrote(peer) }
        }
      }
      flush()
    }
  }

  private mutating func add(_ peer: Peer) {
    let descriptor = Int(peer.socket.descriptor)
    while peers.count <= descriptor { peers.append(nil) }
    peers[descriptor] = peer
    poller.watch(peer.socket.descriptor, .readable, token: 1)
  }

  private mutating func remove(_ peer: Peer) {
    guard !peer.isGone else { return }
    peer.isGone = true
    peer.takeLeave()
    poller.remove(peer.socket.descriptor, token: 1)
    peers[Int(peer.socket.descriptor)] = nil
    if peer.subscriptions.isEmpty { return }
    subscribers.removeAll { $0.peer === peer }
    // Routes hold on to whom they lead to, and nobody may publish there again.
    routes = []
    places = [:]
  }

  // MARK: - Input

  private func receive(_ peer: Peer) -> Bool {
    if let layers = peer.layers { return receive(peer, through: layers) }
    var isOpen = true
    peer.decoder.append(minimumCapacity: 1 << 16) { space in
      switch peer.socket.receive(into: space) {
      case .moved(let count): return count
      case .wouldBlock: return 0
      case .ended, .failed:
        isOpen = false
        return 0
      }
    }
    return isOpen
  }

  private func receive(_ peer: Peer, through layers: LayerStack) -> Bool {
    var isOpen = true
    withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { space in
      let count: Int
      switch peer.socket.receive(into: space) {
      case .moved(let moved): count = moved
      case .wouldBlock: return
      case .ended, .failed:
        isOpen = false
        return
      }
      do throws(ConnectionError) {
        try layers.receive(UnsafeRawBufferPointer(rebasing: space[..<count])) { peer.decoder.append($0) }
      } catch {
        // What came before is good, and a close frame comes behind DISCONNECT.
        peer.isOver = true
      }
    }
    return isOpen
  }

  private mutating func serve(_ peer: Peer) {
    guard receive(peer) else { return remove(peer) }
    do throws(ProtocolError) {
      while let slice = try peer.decoder.nextSlice() {
        if slice.type == .publish {
          try publish(slice, peer)
        } else {
          try answer(try ControlPacket.decode(slice, version: peer.version), peer)
        }
        if peer.isGone { return }
      }
    } catch {
      remove(peer)
    }
    if peer.isOver { remove(peer) }
  }

  private mutating func answer(_ packet: ControlPacket, _ peer: Peer) throws(ProtocolError) {
    switch packet {
    case .connect(let connect):
      peer.version = connect.protocolVersion
      peer.decoder.reset(version: peer.version)
      try peer.write(.connack(ConnackPacket(reasonCode: .success)))
    case .subscribe(let packet):
      for subscription in packet.subscriptions {
        subscribers.append((peer, subscription.filter, subscription.options.qos))
        peer.subscriptions.append(subscription.filter)
      }
      generation += 1
      let granted = packet.subscriptions.map { ReasonCode(rawValue: $0.options.qos.rawValue) }
      try peer.write(.suback(SubackPacket(packetIdentifier: packet.packetIdentifier, reasonCodes: granted)))
    case .pubrec(let packet):
      try peer.output.appendAcknowledgement(
        .pubrel, packetIdentifier: packet.packetIdentifier, reasonCode: .success, version: peer.version)
    case .pubrel(let packet):
      try peer.output.appendAcknowledgement(
        .pubcomp, packetIdentifier: packet.packetIdentifier, reasonCode: .success, version: peer.version)
    case .pingreq: try peer.write(.pingresp)
    case .disconnect: remove(peer)
    default: break
    }
    wrote(peer)
  }

  private mutating func publish(_ slice: PacketSlice, _ peer: Peer) throws(ProtocolError) {
    let message = try MessageView.decode(flags: slice.flags, body: slice.body, version: peer.version)
    switch message.qos {
    case .atMostOnce: break
    case .atLeastOnce, .exactlyOnce:
      try peer.output.appendAcknowledgement(
        message.qos == .atLeastOnce ? .puback : .pubrec, packetIdentifier: message.packetIdentifier,
        reasonCode: .success,
        version: peer.version)
      wrote(peer)
    }
    guard forwards else { return }
    let route = route(message.topic, peer)
    for target in routes[route].targets { try forward(message, to: target) }
    for share in routes[route].shares.indices {
      let members = routes[route].shares[share].count
      try forward(message, to: routes[route].shares[share][routes[route].turn % members])
    }
    routes[route].turn &+= 1
  }

  private mutating func forward(_ message: MessageView, to target: Target) throws(ProtocolError) {
    guard !target.peer.isGone else { return }
    let qos = min(message.qos.rawValue, target.qos.rawValue) == 0 ? QoS.atMostOnce : min(message.qos, target.qos)
    try target.peer.output.appendPublish(
      topic: message.topic, payload: message.payload, qos: qos, retain: false, isDuplicate: false,
      packetIdentifier: qos == .atMostOnce ? 0 : target.peer.nextIdentifier(), properties: noProperties,
      topicAlias: nil, version: target.peer.version)
    wrote(target.peer)
  }

  // MARK: - Routes

  private let noProperties = Properties()
  private var subscribers: [(peer: Peer, filter: TopicFilter, qos: QoS)] = []
  /// Counts up when subscribers change, which makes all routes void.
  private var generation = 0

  private typealias Target = (peer: Peer, qos: QoS)

  private struct Route {
    var topic: [UInt8]
    var generation = -1
    var targets: [Target] = []
    /// Those that share a subscription get messages in turn.
    var shares: [[Target]] = []
    var turn = 0
  }

  private var routes: [Route] = []
  private var places: [[UInt8]: Int] = [:]

  /// Where messages of a topic go, by its place in `routes`. A peer that publishes to one topic after the other, in the same order
  /// again and again, finds each behind the last one.
  private mutating func route(_ topic: UnsafeRawBufferPointer, _ peer: Peer) -> Int {
    for place in [peer.lastRoute, peer.lastRoute + 1] where place >= 0 && place < routes.count {
      if routes[place].topic.withBytes({ $0.elementsEqual(topic) }) { return fresh(place, peer) }
    }
    let name = Array(topic)
    if let place = places[name] { return fresh(place, peer) }
    routes.append(Route(topic: name))
    places[name] = routes.count - 1
    return fresh(routes.count - 1, peer)
  }

  private mutating func fresh(_ place: Int, _ peer: Peer) -> Int {
    peer.lastRoute = place
    if routes[place].generation != generation {
      routes[place].generation = generation
      (routes[place].targets, routes[place].shares) = targets(of: routes[place].topic)
    }
    return place
  }

  private func targets(of topic: [UInt8]) -> ([Target], [[Target]]) {
    var (targets, shares): ([Target], [TopicFilter: [Target]]) = ([], [:])
    for subscriber in subscribers where topic.withUnsafeBytes({ subscriber.filter.matches($0) }) {
      let target = (subscriber.peer, subscriber.qos)
      if subscriber.filter.isShared {
        shares[subscriber.filter, default: []].append(target)
      } else {
        targets.append(target)
      }
    }
    return (targets, Array(shares.values))
  }

  // MARK: - Output

  private mutating func wrote(_ peer: Peer) {
    guard !peer.isWritten else { return }
    peer.isWritten = true
    written.append(peer)
  }

  private mutating func flush() {
    for peer in written {
      peer.isWritten = false
      guard !peer.isGone else { continue }
      if !peer.isBlocked, !peer.send() {
        remove(peer)
        continue
      }
      let isBlocked = peer.hasOutput
      if isBlocked != peer.wantsToWrite {
        peer.wantsToWrite = isBlocked
        peer.isBlocked = isBlocked
        poller.watch(peer.socket.descriptor, isBlocked ? [.readable, .writable] : .readable, token: 1)
      }
    }
    written.removeAll(keepingCapacity: true)
  }
}

/// One client of a sink.
private final class Peer {
  let socket: Socket
  var decoder = PacketDecoder(version: .v311)
  var version = ProtocolVersion.v311
  var output = ByteQueue()
  /// What stands between, if anything does.
  let layers: LayerStack?
  /// The other side has taken leave.
  var isOver = false
  var subscriptions: [TopicFilter] = []
  var lastRoute = -1
  var isBlocked = false
  var wantsToWrite = false
  var isWritten = false
  var isGone = false
  private var identifier: UInt16 = 0

  init(_ socket: consuming Socket, _ layers: ServerLayers?) throws(ConnectionError) {
    self.socket = socket
    self.layers = try layers?.make()
  }

  var hasOutput: Bool { !output.isEmpty || layers.map { $0.outputCount > 0 } ?? false }

  /// Sends what there is, as far as the system takes it. False when nothing can be sent any more.
  func send() -> Bool {
    guard let layers else {
      if output.isEmpty { return true }
      switch output.withBytes({ socket.send($0) }) {
      case .moved(let count): output.consume(count)
      case .wouldBlock, .ended: break
      case .failed: return false
      }
      return true
    }
    do throws(ConnectionError) {
      repeat {
        if layers.isOpen, !output.isEmpty {
          output.consume(try output.withBytes { (bytes) throws(ConnectionError) in try layers.send(bytes) })
        }
        if layers.outputCount == 0 { return true }
        switch layers.withOutput({ socket.send($0) }) {
        case .moved(let count): _ = layers.outputTaken(count)
        case .wouldBlock, .ended: return true
        case .failed: return false
        }
      } while true
    } catch {
      return false
    }
  }

  /// Nothing will come from this peer any more: says farewell as each layer does, as far as the system takes it at once.
  func takeLeave() {
    guard let layers else { return }
    try? layers.finish()
    _ = send()
  }

  func write(_ packet: ControlPacket) throws(ProtocolError) { try packet.encode(as: version, to: &output) }

  /// Packet identifiers go round; a client that leaves 65,535 unacknowledged gets what it deserves.
  func nextIdentifier() -> UInt16 {
    identifier = identifier == .max ? 1 : identifier + 1
    return identifier
  }
}
