internal import MQTT

/// The server's side of WebSocket: speaks MQTT with whoever asks for it, at any path. Without a server's patience: what asks for
/// anything else gets one answer.
final class WebSocketServerLayer: Layer {
  let stage = ConnectionStage.webSocket
  private(set) var isOpen = false
  private var reader = HTTPHead.Reader(.request)
  private var stream = WebSocketStream()

  func start(down: inout ByteQueue) {}

  func receive(
    _ bytes: UnsafeRawBufferPointer, up: inout ByteQueue, down: inout ByteQueue
  ) throws(ConnectionError) {
    var rest = bytes[...]
    if !isOpen {
      guard let (request, count) = try request(in: bytes) else { return }
      guard let accept = Self.accept(request) else {
        down.append(
          Array(
            "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
              .utf8))
        throw .notLetThrough(explanation: "asked for something else than MQTT over WebSocket", isTransient: false)
      }
      down.append(
        Array("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n".utf8)
          + Array("Sec-WebSocket-Accept: ".utf8) + accept + Array("\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n".utf8))
      isOpen = true
      rest = bytes[count...]
    }
    try stream.receive(rest, up: &up, down: &down)
  }

  private func request(
    in bytes: UnsafeRawBufferPointer
  ) throws(ConnectionError) -> (head: HTTPHead, count: Int)? {
    do throws(HTTPHead.Fault) { return try reader.take(bytes) } catch {
      throw .notLetThrough(explanation: error.explanation, isTransient: false)
    }
  }

  /// What answers the request's key (RFC 6455, section 4.2.2); nil when it does not ask for MQTT over WebSocket.
  private static func accept(_ request: HTTPHead) -> [UInt8]? {
    let keys = request.values("sec-websocket-key")
    guard request.hasWord("websocket", in: "upgrade"), request.hasWord("upgrade", in: "connection"),
      request.hasWord("13", in: "sec-websocket-version"), request.hasWord("mqtt", in: "sec-websocket-protocol"),
      keys.count == 1
    else { return nil }
    return WebSocketLayer.accept(keys[0])
  }

  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) { stream.send(bytes, down: &down) }

  func finish(down: inout ByteQueue) { stream.finish(down: &down) }

  func receivedEnd() {}
}
