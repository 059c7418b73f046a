internal import MQTT

/// MQTT over WebSocket (RFC 6455; MQTT 5, section 6): asks an HTTP server to speak it, and leaves the rest to
/// `WebSocketStream`. Frames may begin and end anywhere in a packet.
final class WebSocketLayer: Layer {
  let stage = ConnectionStage.webSocket
  private(set) var isOpen = false
  private let settings: WebSocketSettings
  private let isOverTLS: Bool
  /// `HOST` or `HOST:PORT`, for the server to know which of its names is meant.
  private let authority: String
  private let random: () -> UInt64
  private var key: [UInt8] = []
  private var reader = HTTPResponse.Reader()
  private var stream: WebSocketStream

  /// What a server answers a key with (section 4.2.2).
  static func accept(_ key: [UInt8]) -> [UInt8] {
    Base64.encoded(SHA1.digest(key + Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)))
  }

  /// - Parameters:
  ///   - host: the broker's name, or its address; without brackets.
  ///   - port: the broker's port, if it has one.
  ///   - isOverTLS: whether TLS is below.
  ///   - random: for key and masks; nobody may be able to guess it.
  init(
    _ settings: WebSocketSettings, host: String, port: UInt16?, isOverTLS: Bool = false,
    random: @escaping () -> UInt64 = { .random(in: 0 ... .max) }
  ) {
    self.settings = settings
    self.isOverTLS = isOverTLS
    self.random = random
    stream = WebSocketStream(maskingWith: random)
    let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
    let isStandard = port == nil || port == (isOverTLS ? 443 : 80)
    authority = isStandard ? name : "\(name):\(port ?? 0)"
  }

  // MARK: - The handshake

  func start(down: inout ByteQueue) throws(ConnectionError) {
    let nonce = [random(), random()].flatMap { word in withUnsafeBytes(of: word) { Array($0) } }
    key = Base64.encoded(nonce)
    var request = Array("GET ".utf8) + settings.path + Array(" HTTP/1.1\r\nHost: \(authority)\r\n".utf8)
    request += Array("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ".utf8) + key
    request += Array("\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n".utf8)
    for field in settings.headerFields {
      request += field.name + Array(": ".utf8) + field.value + Array("\r\n".utf8)
    }
    down.append(request + Array("\r\n".utf8))
  }

  private func answer(
    in bytes: UnsafeRawBufferPointer
  ) throws(ConnectionError) -> (response: HTTPResponse, count: Int)? {
    do throws(HTTPHead.Fault) { return try reader.take(bytes) } catch {
      throw failure("\(error.explanation) (is it a port for WebSocket?)")
    }
  }

  private func upgraded(_ response: HTTPResponse) throws(ConnectionError) {
    guard response.status == 101 else { throw refusal(response) }
    guard response.hasWord("websocket", in: "upgrade"), response.hasWord("upgrade", in: "connection") else {
      throw failure("answered 101, but not that it changes to WebSocket")
    }
    guard response.values("sec-websocket-accept") == [Self.accept(key)] else {
      throw failure(
        "answered the WebSocket request of somebody else: Sec-WebSocket-Accept is wrong (a cache on the way?)")
    }
    guard response.values("sec-websocket-extensions").allSatisfy(\.isEmpty) else {
      throw failure("wants a WebSocket extension that was not offered")
    }
    // [MQTT-6.0.0-4]
    guard response.hasWord("mqtt", in: "sec-websocket-protocol") else {
      throw failure("speaks WebSocket, but did not choose the subprotocol mqtt (is there a broker behind it?)")
    }
  }

  private func refusal(_ response: HTTPResponse) -> ConnectionError {
    var advice = ""
    switch response.status {
    case 301, 302, 303, 307, 308:
      // A query may hold what is nobody's business.
      let location = response.values("location").first?.prefix { $0 != UInt8(ascii: "?") } ?? []
      advice = " (it wants to be asked at \(String(decoding: location, as: UTF8.self)), which is not followed)"
    case 400: advice = " (is the path right, see --ws-path; does the port want TLS?)"
    case 401: advice = " (it wants to know who asks: --ws-header 'Authorization: ...')"
    case 403: advice = " (who asks may not: see --ws-header)"
    case 404: advice = " (is the path right? see --ws-path)"
    case 200, 426: advice = " (is it a WebSocket server, is the path right? see --ws-path)"
    default: break
    }
    let isTransient = response.status == 408 || response.status == 429 || (500...504).contains(response.status)
    let path = String(decoding: settings.path.prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self)
    return .notLetThrough(
      explanation: "\(authority) refused WebSocket at \(path): \(response.statusText)\(advice)",
      isTransient: isTransient && response.status != 501)
  }

  private func failure(_ explanation: String, isTransient: Bool = false) -> ConnectionError {
    .notLetThrough(explanation: "\(authority) \(explanation)", isTransient: isTransient)
  }

  // MARK: - Frames

  func receive(
    _ bytes: UnsafeRawBufferPointer, up: inout ByteQueue, down: inout ByteQueue
  ) throws(ConnectionError) {
    var rest = bytes[...]
    if !isOpen {
      guard let (response, count) = try answer(in: bytes) else { return }
      try upgraded(response)
      isOpen = true
      rest = bytes[count...]
    }
    try stream.receive(rest, up: &up, down: &down)
  }

  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) throws(ConnectionError) {
    stream.send(bytes, down: &down)
  }

  func finish(down: inout ByteQueue) {
    if isOpen { stream.finish(down: &down) }
  }

  func receivedEnd() throws(ConnectionError) {
    guard !isOpen else { return }
    let tls = isOverTLS ? "" : ", or one for TLS, see --tls"
    throw failure(
      "closed the connection instead of answering the WebSocket request (is it a port for WebSocket\(tls)?)",
      isTransient: true)
  }
}
