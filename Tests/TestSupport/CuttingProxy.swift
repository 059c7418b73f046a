import Foundation

/// A TCP proxy in front of a port on 127.0.0.1 that loses connections as networks do.
///
/// It takes the next connection after every cut. When nobody listens behind it, the connection is reset.
///
/// It does not prove what a client does without TCP's acknowledgements: those come from this machine even when the
/// proxy is silent, and a reset seldom overtakes data on the loopback interface.
public final class CuttingProxy: Sendable {
  /// How a connection is lost, on both of its sides.
  public enum Cut: Equatable, Sendable {
    /// With the end of data.
    case orderly
    /// With a reset.
    case reset
    /// Nothing passes in that direction any more, not even the end; the connection stays.
    case silence(Direction)
  }

  /// Which bytes are meant.
  public enum Direction: Equatable, Sendable {
    /// Those of the client.
    case toServer
    /// Those of the server.
    case toClient
    /// All.
    case both
  }

  /// The port on 127.0.0.1 to connect to.
  public let port: Int

  private let state: Monitor<ProxyState>
  private let wakeUp: (reading: Descriptor, writing: Descriptor)

  /// Listens on a free port and passes connections on to another port of this machine.
  public init(to port: Int) throws {
    let (listener, address) = try Address.ipv4(port: 0).listen()
    self.port = address.port
    state = Monitor(ProxyState())
    wakeUp = try Descriptor.pipe()
    wakeUp.reading.makeNonBlocking()
    wakeUp.writing.makeNonBlocking()
    let relay = Relay(
      listener: listener, address: address, server: .ipv4(port: port), state: state, wokenUp: wakeUp.reading)
    Thread.detachNewThread { relay.run() }
  }

  deinit {
    change { $0.isAbandoned = true }
  }

  // MARK: Cuts

  /// Cuts all connections now; it is done when this returns.
  public func cut(_ cut: Cut = .reset) {
    change { $0.cutNow = cut }
    _ = state.wait(until: .now + .seconds(10)) { $0.cutNow == nil ? true : nil }
  }

  /// Cuts each connection, from the next on, after exactly so many bytes.
  ///
  /// - Parameters:
  ///   - direction: Whose bytes are counted.
  ///   - times: After so many cuts of this kind connections are left alone.
  public func cutEach(after bytes: Int, _ direction: Direction = .both, _ cut: Cut = .reset, times: Int = .max) {
    cutEach(afterRandom: bytes...bytes, direction, cut, times: times)
  }

  /// Cuts each connection, from the next on, after a random number of bytes that the seed decides.
  public func cutEach(
    afterRandom bytes: ClosedRange<Int>, _ direction: Direction = .both, _ cut: Cut = .reset, times: Int = .max,
    seed: UInt64 = 1
  ) {
    change { state in
      state.plan = CutPlan(
        bytes: bytes, direction: direction, cut: cut, timesLeft: times, random: SplitMix(state: seed))
    }
  }

  /// Leaves connections alone, from the next on.
  public func cutNoMore() {
    change { $0.plan = nil }
  }

  // MARK: Hindrances

  /// Passes bytes on so much later, each way.
  public func delay(by delay: Duration) {
    change { $0.delay = delay }
  }

  /// Passes at most so many bytes a second, each way and for each connection; nil for no limit.
  public func limit(toBytesPerSecond limit: Int?) {
    change { $0.bytesPerSecond = limit }
  }

  /// Refuses connections from now on; those that are there stay.
  public func refuse() {
    change { $0.isListening = false }
    _ = state.wait(until: .now + .seconds(10)) { $0.listens ? nil : true }
  }

  /// Takes connections again after `refuse`, on the same port.
  public func acceptAgain() {
    change { $0.isListening = true }
    _ = state.wait(until: .now + .seconds(10)) { $0.listens ? true : nil }
  }

  // MARK: Counts

  /// How many connections were taken so far.
  public var connections: Int { state.withLock { $0.connections } }
  /// How many connections were cut so far.
  public var cuts: Int { state.withLock { $0.cuts } }
  /// How many bytes were passed on so far.
  public func bytesPassed(_ direction: Direction) -> Int {
    state.withLock {
      direction == .both ? $0.toServer + $0.toClient : direction == .toServer ? $0.toServer : $0.toClient
    }
  }

  private func change(_ body: (inout ProxyState) -> Void) {
    state.withLock(body)
    wakeUp.writing.write([0])
  }
}

private struct ProxyState {
  var isAbandoned = false
  var cutNow: CuttingProxy.Cut?
  var plan: CutPlan?
  var delay = Duration.zero
  var bytesPerSecond: Int?
  var isListening = true
  /// Whether it does what `isListening` wants.
  var listens = true
  var connections = 0
  var cuts = 0
  var toServer = 0
  var toClient = 0
}

private struct CutPlan {
  var bytes: ClosedRange<Int>
  var direction: CuttingProxy.Direction
  var cut: CuttingProxy.Cut
  var timesLeft: Int
  var random: SplitMix
}

/// One direction of a connection: what was read and waits for its time.
private struct Flow {
  var queue: [(due: ContinuousClock.Instant, bytes: ArraySlice<UInt8>)] = []
  var queuedBytes = 0
  var hasEnded = false
  var endIsPassed = false
  var isSilent = false
  /// Bytes that may pass now under a limit, since when it is reckoned.
  var allowance = 0.0
  var reckoned = ContinuousClock.now
}

private final class RelayedConnection {
  let client, server: Descriptor
  var toServer = Flow()
  var toClient = Flow()
  var planned: (bytesLeft: Int, direction: CuttingProxy.Direction, cut: CuttingProxy.Cut)?
  /// Both sides were told the end of data; what they still send is thrown away.
  var isEnded = false
  var isClosed = false

  init(client: Descriptor, server: Descriptor) {
    (self.client, self.server) = (client, server)
  }
}

/// The thread that does it.
private final class Relay: @unchecked Sendable {
  private static let queueLimit = 4 << 20

  private var listener: Descriptor?
  private let address, server: Address
  private let state: Monitor<ProxyState>
  private let wokenUp: Descriptor
  private var connections: [RelayedConnection] = []
  private var delay = Duration.zero
  private var bytesPerSecond: Int?

  init(
    listener: Descriptor, address: Address, server: Address, state: Monitor<ProxyState>, wokenUp: Descriptor
  ) {
    (self.listener, self.address, self.server) = (listener, address, server)
    (self.state, self.wokenUp) = (state, wokenUp)
  }

  func run() {
    var nextWake: ContinuousClock.Instant?
    while true {
      var entries = [
        pollfd(fd: wokenUp.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: listener?.number ?? -1, events: Int16(POLLIN), revents: 0),
      ]
      for connection in connections {
        entries.append(entry(connection.client, reads: connection.toServer, writes: connection.toClient))
        entries.append(entry(connection.server, reads: connection.toClient, writes: connection.toServer))
      }
      poll(&entries, nfds_t(entries.count), nextWake?.millisecondsLeft ?? -1)
      if entries[0].revents != 0 {
        _ = wokenUp.read(64)
        guard obey() else { return }
        // What was polled may be gone, and what waits may go sooner.
        nextWake = .now
        continue
      }
      nextWake = nil
      for (index, connection) in connections.enumerated() {
        let wake = serve(
          connection, clientIsReady: entries[2 + 2 * index].revents != 0,
          serverIsReady: entries[3 + 2 * index].revents != 0)
        nextWake = [nextWake, wake].compactMap { $0 }.min()
      }
      connections.removeAll(where: \.isClosed)
      if entries[1].revents != 0 { accept() }
    }
  }

  private func entry(_ descriptor: Descriptor, reads: Flow, writes: Flow) -> pollfd {
    var events: Int32 = 0
    if !reads.hasEnded, !reads.isSilent, reads.queuedBytes < Self.queueLimit { events |= POLLIN }
    if let first = writes.queue.first, first.due <= .now, !writes.isSilent, hasAllowance(writes) { events |= POLLOUT }
    // An entry without events would still report hang-ups, again and again.
    return pollfd(fd: events == 0 ? -1 : descriptor.number, events: Int16(events), revents: 0)
  }

  /// Does what was ordered from outside; false at the end of all.
  private func obey() -> Bool {
    let (isAbandoned, cut, isListening) = state.withLock { state in
      (delay, bytesPerSecond) = (state.delay, state.bytesPerSecond)
      return (state.isAbandoned, state.cutNow, state.isListening)
    }
    if isAbandoned { return false }
    if let cut {
      for connection in connections where !connection.isEnded { perform(cut, on: connection) }
      connections.removeAll(where: \.isClosed)
      state.withLock { $0.cutNow = nil }
    }
    if isListening != (listener != nil) {
      listener = isListening ? try? address.listen().0 : nil
      state.withLock { $0.listens = listener != nil }
    }
    return true
  }

  private func accept() {
    while let client = listener?.accept() {
      guard let server = try? server.connect(until: .now + .seconds(5)) else {
        client.makeCloseAReset()
        continue
      }
      let connection = RelayedConnection(client: client, server: server)
      state.withLock { state in
        state.connections += 1
        guard var plan = state.plan, plan.timesLeft > 0 else { return }
        plan.timesLeft -= 1
        connection.planned = (Int.random(in: plan.bytes, using: &plan.random), plan.direction, plan.cut)
        state.plan = plan
      }
      connections.append(connection)
      if connection.planned?.bytesLeft == 0 { performPlanned(on: connection) }
    }
    connections.removeAll(where: \.isClosed)
  }

  /// Moves what can be moved; when something is held back, the moment to look again.
  private func serve(
    _ connection: RelayedConnection, clientIsReady: Bool, serverIsReady: Bool
  ) -> ContinuousClock.Instant? {
    if connection.isClosed { return nil }
    if clientIsReady { receive(connection, connection.client, into: \.toServer) }
    if serverIsReady, !connection.isClosed { receive(connection, connection.server, into: \.toClient) }
    var wakes: [ContinuousClock.Instant?] = []
    if !connection.isClosed { wakes.append(pass(connection, \.toServer, to: connection.server, direction: .toServer)) }
    if !connection.isClosed { wakes.append(pass(connection, \.toClient, to: connection.client, direction: .toClient)) }
    let isOver = { (flow: Flow) in flow.hasEnded && flow.queue.isEmpty }
    if isOver(connection.toServer), isOver(connection.toClient) { connection.isClosed = true }
    return wakes.compactMap { $0 }.min()
  }

  private func receive(
    _ connection: RelayedConnection, _ source: Descriptor, into flow: ReferenceWritableKeyPath<RelayedConnection, Flow>
  ) {
    guard !connection[keyPath: flow].isSilent, !connection[keyPath: flow].hasEnded else { return }
    switch source.read(1 << 16) {
    case .bytes(let bytes):
      if connection.isEnded { return }
      connection[keyPath: flow].queue.append((.now + delay, bytes[...]))
      connection[keyPath: flow].queuedBytes += bytes.count
    case .nothingYet:
      break
    case .end(let code):
      connection[keyPath: flow].hasEnded = true
      // A reset on one side is passed on to the other.
      if code != 0 { reset(connection) }
    }
  }

  private func pass(
    _ connection: RelayedConnection, _ path: ReferenceWritableKeyPath<RelayedConnection, Flow>, to sink: Descriptor,
    direction: CuttingProxy.Direction
  ) -> ContinuousClock.Instant? {
    while let first = connection[keyPath: path].queue.first {
      if connection[keyPath: path].isSilent { return nil }
      if first.due > .now { return first.due }
      var count = first.bytes.count
      if let bytesPerSecond {
        reckon(&connection[keyPath: path], bytesPerSecond)
        count = min(count, Int(connection[keyPath: path].allowance))
        if count == 0 { return .now + .milliseconds(5) }
      }
      let plan = connection.planned.flatMap { $0.direction == .both || $0.direction == direction ? $0 : nil }
      if let plan { count = min(count, plan.bytesLeft) }
      guard let sent = first.bytes.prefix(count).withUnsafeBytes({ sink.send($0) }) else {
        reset(connection)
        return nil
      }
      if sent == 0 { return nil }
      record(sent, direction)
      connection[keyPath: path].queuedBytes -= sent
      connection[keyPath: path].allowance -= Double(sent)
      if sent == first.bytes.count {
        connection[keyPath: path].queue.removeFirst()
      } else {
        connection[keyPath: path].queue[0].bytes = first.bytes.dropFirst(sent)
      }
      if let plan {
        connection.planned?.bytesLeft = plan.bytesLeft - sent
        if plan.bytesLeft == sent {
          performPlanned(on: connection)
          return nil
        }
      }
    }
    if connection[keyPath: path].hasEnded, !connection[keyPath: path].endIsPassed {
      connection[keyPath: path].endIsPassed = true
      sink.finishSending()
    }
    return nil
  }

  private func hasAllowance(_ flow: Flow) -> Bool {
    bytesPerSecond == nil || flow.allowance >= 1
  }

  private func reckon(_ flow: inout Flow, _ bytesPerSecond: Int) {
    let now = ContinuousClock.now
    let gained = (now - flow.reckoned) / .seconds(1) * Double(bytesPerSecond)
    // Not more than a tenth of a second's bytes is saved up.
    flow.allowance = min(flow.allowance + gained, max(1, Double(bytesPerSecond) / 10))
    flow.reckoned = now
  }

  private func record(_ count: Int, _ direction: CuttingProxy.Direction) {
    state.withLock { state in
      if direction == .toServer { state.toServer += count } else { state.toClient += count }
    }
  }

  private func performPlanned(on connection: RelayedConnection) {
    guard let cut = connection.planned?.cut else { return }
    connection.planned = nil
    perform(cut, on: connection)
  }

  private func perform(_ cut: CuttingProxy.Cut, on connection: RelayedConnection) {
    // Counted first: whoever sees the cut sees the count.
    state.withLock { $0.cuts += 1 }
    switch cut {
    case .orderly:
      // Closing with bytes unread would be a reset: both ends are told, and read until they close.
      connection.isEnded = true
      for path in [\RelayedConnection.toServer, \.toClient] {
        connection[keyPath: path].queue = []
        connection[keyPath: path].queuedBytes = 0
        connection[keyPath: path].isSilent = false
        connection[keyPath: path].endIsPassed = true
      }
      connection.client.finishSending()
      connection.server.finishSending()
    case .reset:
      reset(connection)
    case .silence(let direction):
      if direction != .toClient { connection.toServer.isSilent = true }
      if direction != .toServer { connection.toClient.isSilent = true }
    }
  }

  private func reset(_ connection: RelayedConnection) {
    connection.client.makeCloseAReset()
    connection.server.makeCloseAReset()
    connection.isClosed = true
  }
}
