internal import MQTT

/// What stands between the network connection and MQTT: a proxy's handshake, TLS, WebSocket. Bytes in, bytes out; it neither
/// waits nor touches a descriptor.
///
/// "Up" is towards MQTT, "down" towards the network. A layer that is not open yet sends nothing of what is above it: the layer
/// above is started, and MQTT begins, when `isOpen` has become true.
protocol Layer: AnyObject {
  /// What is under way until the layer is open, for the error when the time runs out.
  var stage: ConnectionStage { get }

  /// Whether the handshake is done.
  var isOpen: Bool { get }

  /// The layer below is open: begins the handshake.
  func start(down: inout ByteQueue) throws(ConnectionError)

  /// Bytes came from below. What they mean goes up; answers go down.
  func receive(_ bytes: UnsafeRawBufferPointer, up: inout ByteQueue, down: inout ByteQueue) throws(ConnectionError)

  /// Bytes from above are to be sent; never before the layer is open.
  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) throws(ConnectionError)

  /// Nothing more will be sent from above: takes leave of the other side, where the protocol has a way to.
  func finish(down: inout ByteQueue)

  /// The network's data ended. Throws where that is not how the layer's protocol ends.
  func receivedEnd() throws(ConnectionError)
}
