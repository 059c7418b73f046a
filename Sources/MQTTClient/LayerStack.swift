internal import MQTT

/// The layers of one network connection, the lowest first, and the bytes on their way through them. Like a layer it neither
/// waits nor touches a descriptor.
///
/// It keeps the account of what was sent. What is above counts as sent when the network has taken all that one `send` has become:
/// a TLS record or a WebSocket frame of which the end is missing tells the other side nothing.
package final class LayerStack {
  /// A layer, and what it has made of what it was given.
  private final class Floor {
    let layer: any Layer
    var isStarted = false
    var up = ByteQueue()
    var down = ByteQueue()

    init(_ layer: any Layer) { self.layer = layer }
  }

  private let floors: [Floor]
  /// Bytes that the network has taken so far.
  private var takenCount = 0
  /// For each `send` that the network has not taken whole: the value of `takenCount` when it will have, and its bytes from above.
  private var sends: [(end: Int, count: Int)] = []
  /// Bytes from above in `sends`.
  private(set) var unsentCount = 0
  private var isFinished = false

  /// Bytes for one `send`: what fits into a TLS record (RFC 8446, section 5.1).
  static let sendLimit = 16_384
  /// Bytes for the network beyond which nothing more is taken from above.
  static let outputLimit = 1 << 17

  /// There is at least one.
  init(_ layers: [any Layer]) {
    precondition(!layers.isEmpty)
    floors = layers.map { Floor($0) }
  }

  /// Whether MQTT may begin.
  package var isOpen: Bool { floors[floors.count - 1].layer.isOpen }

  /// What is under way until all are open.
  var stage: ConnectionStage? { floors.first { !$0.layer.isOpen }?.layer.stage }

  // MARK: - Upwards

  /// The network connection is there.
  package func start() throws(ConnectionError) { try startNext(0) }

  /// Bytes came from the network; what they mean to MQTT is given to `body`.
  package func receive(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(ConnectionError) {
    defer {
      let top = floors[floors.count - 1]
      if !top.up.isEmpty {
        top.up.withBytes(body)
        top.up.removeAll()
      }
    }
    try rise(to: 0, bytes)
  }

  /// The network's data ended. Throws where that is not how a layer's protocol ends.
  func receivedEnd() throws(ConnectionError) {
    for floor in floors where floor.isStarted { try floor.layer.receivedEnd() }
  }

  private func startNext(_ index: Int) throws(ConnectionError) {
    guard index < floors.count, !floors[index].isStarted else { return }
    let floor = floors[index]
    floor.isStarted = true
    try floor.layer.start(down: &floor.down)
    try sink(from: index)
    if floor.layer.isOpen { try startNext(index + 1) }
  }

  private func rise(to index: Int, _ bytes: UnsafeRawBufferPointer) throws(ConnectionError) {
    let floor = floors[index]
    var fault: ConnectionError?
    do throws(ConnectionError) {
      try floor.layer.receive(bytes, up: &floor.up, down: &floor.down)
    } catch {
      fault = error
    }
    // In spite of a fault: the layer may have told the other side, and what came before is good.
    try sink(from: index)
    if fault == nil, floor.layer.isOpen { try startNext(index + 1) }
    if index + 1 < floors.count, !floor.up.isEmpty {
      try floor.up.withBytes { (bytes) throws(ConnectionError) in try rise(to: index + 1, bytes) }
      floor.up.removeAll()
    }
    if let fault { throw fault }
  }

  // MARK: - Downwards

  /// Takes bytes from above, as many as it has room for, and returns how many. To be called when all layers are open.
  package func send(_ bytes: UnsafeRawBufferPointer) throws(ConnectionError) -> Int {
    var count = 0
    let top = floors[floors.count - 1]
    while count < bytes.count, outputCount < Self.outputLimit {
      let piece = UnsafeRawBufferPointer(rebasing: bytes[count...].prefix(Self.sendLimit))
      try top.layer.send(piece, down: &top.down)
      try sink(from: floors.count - 1)
      count += piece.count
      unsentCount += piece.count
      sends.append((takenCount + outputCount, piece.count))
    }
    return count
  }

  /// Nothing more will be sent from above: each layer takes its leave, once.
  package func finish() throws(ConnectionError) {
    guard !isFinished else { return }
    isFinished = true
    for index in floors.indices.reversed() where floors[index].layer.isOpen {
      floors[index].layer.finish(down: &floors[index].down)
      try sink(from: index)
    }
  }

  private func sink(from index: Int) throws(ConnectionError) {
    guard index > 0, !floors[index].down.isEmpty else { return }
    let below = floors[index - 1]
    try floors[index].down.withBytes { (bytes) throws(ConnectionError) in
      try below.layer.send(bytes, down: &below.down)
    }
    floors[index].down.removeAll()
    try sink(from: index - 1)
  }

  // MARK: - To the network

  /// Bytes for the network.
  package var outputCount: Int { floors[0].down.count }

  /// Lends the bytes for the network to `body`. Call `outputTaken` for what it took of them.
  package func withOutput<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { floors[0].down.withBytes(body) }

  /// The network took `count` bytes more.
  ///
  /// - Returns: how many bytes from above have been sent by that.
  package func outputTaken(_ count: Int) -> Int {
    floors[0].down.consume(count)
    takenCount += count
    let whole = sends.prefix { $0.end <= takenCount }
    let sent = whole.reduce(0) { $0 + $1.count }
    sends.removeFirst(whole.count)
    unsentCount -= sent
    return sent
  }
}
