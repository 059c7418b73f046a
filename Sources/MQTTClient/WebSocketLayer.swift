internal import MQTT

/// MQTT over WebSocket (RFC 6455; MQTT 5, section 6): asks an HTTP server to speak it, puts what is sent into masked binary frames,
/// and takes what comes out of frames, which may begin and end anywhere in a packet.
final class WebSocketLayer: Layer {
  let stage = ConnectionStage.webSocket
  var isOpen: Bool { phase == .open || phase == .closed }
  private let settings: WebSocketSettings
  private let isOverTLS: Bool
  /// `HOST` or `HOST:PORT`, for the server to know which of its names is meant.
  private let authority: String
  private let random: () -> UInt64
  private var phase = Phase.upgrading
  private var key: [UInt8] = []
  private var reader = HTTPResponse.Reader()

  private enum Phase {
    case upgrading, open
    /// Close was received or sent: nothing that still comes has a meaning.
    case closed
  }

  /// The head of the frame that comes in, and how much of its payload is still to come.
  private var head = WebSocketFrame.Head()
  private var isHeadComplete = false
  private var payloadLeft: UInt64 = 0
  private var controlPayload: [UInt8] = []
  /// The last ping without an answer: one pong answers them all (section 5.5.3).
  private var ping: [UInt8]?
  /// A message came in part.
  private var isMessageUnfinished = false
  /// What the server closed with.
  private var closing: WebSocketClosing?

  /// What a server appends to the key before it hashes it (section 1.3).
  private static let acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

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
    do throws(HTTPResponse.Fault) { return try reader.take(bytes) } catch {
      throw failure("\(error.explanation) (is it a port for WebSocket?)")
    }
  }

  private func upgraded(_ response: HTTPResponse) throws(ConnectionError) {
    guard response.status == 101 else { throw refusal(response) }
    guard response.hasWord("websocket", in: "upgrade"), response.hasWord("upgrade", in: "connection") else {
      throw failure("answered 101, but not that it changes to WebSocket")
    }
    let accept = Base64.encoded(SHA1.digest(key + Array(Self.acceptSuffix.utf8)))
    guard response.values("sec-websocket-accept") == [accept] else {
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
    if phase == .upgrading {
      guard let (response, count) = try answer(in: bytes) else { return }
      try upgraded(response)
      phase = .open
      rest = bytes[count...]
    }
    try takeFrames(rest, &up, &down)
  }

  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) throws(ConnectionError) {
    append(.binary, bytes, &down)
  }

  func finish(down: inout ByteQueue) {
    if phase == .open { close([0x03, 0xE8], &down) }
  }

  func receivedEnd() throws(ConnectionError) {
    guard phase == .upgrading else { return }
    let tls = isOverTLS ? "" : ", or one for TLS, see --tls"
    throw failure(
      "closed the connection instead of answering the WebSocket request (is it a port for WebSocket\(tls)?)",
      isTransient: true)
  }

  private func append(_ opcode: WebSocketFrame.Opcode, _ payload: UnsafeRawBufferPointer, _ down: inout ByteQueue) {
    WebSocketFrame.append(opcode, payload, mask: UInt32(truncatingIfNeeded: random()), to: &down)
  }

  private func close(_ payload: [UInt8], _ down: inout ByteQueue) {
    phase = .closed
    payload.withUnsafeBytes { append(.close, $0, &down) }
  }

  private func takeFrames(
    _ bytes: Slice<UnsafeRawBufferPointer>, _ up: inout ByteQueue, _ down: inout ByteQueue
  ) throws(ConnectionError) {
    var rest = bytes
    do throws(ProtocolError) {
      while phase == .open, isHeadComplete || !rest.isEmpty {
        if !isHeadComplete {
          isHeadComplete = try head.take(rest.removeFirst())
          if isHeadComplete { try frameBegins() }
          continue
        }
        let piece = rest.prefix(Int(clamping: payloadLeft))
        payloadLeft -= UInt64(piece.count)
        rest = rest[piece.endIndex...]
        if head.opcode.isControl {
          controlPayload += piece
        } else {
          up.append(UnsafeRawBufferPointer(rebasing: piece))
        }
        if payloadLeft > 0 { break }
        isHeadComplete = false
        if head.opcode.isControl { try controlFrameEnded(&down) }
        head = WebSocketFrame.Head()
      }
    } catch {
      // 1002: protocol error, 1003: not the type of data that is taken (section 7.4.1).
      close(head.opcode == .text ? [0x03, 0xEB] : [0x03, 0xEA], &down)
      throw .protocolError(error)
    }
    if let closing { throw .webSocketClosed(.connected, closing) }
    if let ping {
      self.ping = nil
      ping.withUnsafeBytes { append(.pong, $0, &down) }
    }
  }

  /// The head is complete: whether such a frame may stand here (section 5.4).
  private func frameBegins() throws(ProtocolError) {
    payloadLeft = head.length
    switch head.opcode {
    case .continuation:
      guard isMessageUnfinished else { throw .protocolError("a WebSocket fragment continues no message") }
      isMessageUnfinished = !head.isFinal
    case .binary:
      guard !isMessageUnfinished else { throw .protocolError("a WebSocket message begins inside of another") }
      isMessageUnfinished = !head.isFinal
    // [MQTT-6.0.0-1]
    case .text: throw .protocolError("MQTT came in a WebSocket message of text")
    case .close, .ping, .pong: controlPayload.removeAll()
    }
  }

  private func controlFrameEnded(_ down: inout ByteQueue) throws(ProtocolError) {
    switch head.opcode {
    case .ping: ping = controlPayload
    case .close:
      guard let closing = WebSocketClosing(controlPayload) else {
        throw .protocolError("a WebSocket close frame has no proper code")
      }
      self.closing = closing
      close(Array(controlPayload.prefix(2)), &down)
    default: break  // A pong answers nothing that we asked.
    }
  }
}
