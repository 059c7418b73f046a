import MQTT

@testable import MQTTClient

/// One layer in the hands of a test: bytes go in on one side and are taken out on the other.
struct LayerRun {
  let layer: any Layer
  /// All that went towards MQTT.
  private(set) var up: [UInt8] = []

  /// The layer, and what it sends first.
  static func started(_ layer: any Layer) throws -> (run: LayerRun, request: [UInt8]) {
    var down = ByteQueue()
    try layer.start(down: &down)
    return (LayerRun(layer: layer), contents(of: down))
  }

  private init(layer: any Layer) { self.layer = layer }

  /// Bytes come from the network in pieces of this size; what the layer answers.
  @discardableResult
  mutating func receive(_ bytes: [UInt8], inPiecesOf size: Int = .max) throws(ConnectionError) -> [UInt8] {
    var answer: [UInt8] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      let (up, down, fault) = receiveOnce(Array(rest.prefix(size)))
      rest = rest.dropFirst(size)
      self.up += up
      answer += down
      lastAnswer = answer
      if let fault { throw fault }
    }
    return answer
  }

  /// What the last `receive` was answered with, also when it threw.
  private(set) var lastAnswer: [UInt8] = []

  private func receiveOnce(_ bytes: [UInt8]) -> (up: [UInt8], down: [UInt8], fault: ConnectionError?) {
    var up = ByteQueue()
    var down = ByteQueue()
    var fault: ConnectionError?
    do throws(ConnectionError) {
      try bytes.withBytes { (bytes) throws(ConnectionError) in try layer.receive(bytes, up: &up, down: &down) }
    } catch {
      fault = error
    }
    return (contents(of: up), contents(of: down), fault)
  }

  /// What the layer makes of bytes from above.
  func send(_ bytes: [UInt8]) throws(ConnectionError) -> [UInt8] {
    var down = ByteQueue()
    try bytes.withBytes { (bytes) throws(ConnectionError) in try layer.send(bytes, down: &down) }
    return contents(of: down)
  }

  /// What the layer says when nothing more will be sent.
  func finish() -> [UInt8] {
    var down = ByteQueue()
    layer.finish(down: &down)
    return contents(of: down)
  }
}

private func contents(of queue: borrowing ByteQueue) -> [UInt8] { queue.withBytes { Array($0) } }

/// The line that a failure is told in, and whether it may pass; nil when there was none.
func caught(_ body: () throws(ConnectionError) -> Void) -> (text: String, isTransient: Bool)? {
  do {
    try body()
    return nil
  } catch {
    return (error.description, error.isTransient)
  }
}
