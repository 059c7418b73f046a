internal import MQTT

/// What both sides of WebSocket do when the handshake is over (RFC 6455, sections 5 and 7): messages come out of frames and go into
/// them, a ping is answered, and a close frame ends it. A client masks all that it sends, a server nothing (section 5.1).
struct WebSocketStream {
  /// Close was received or sent: nothing that still comes has a meaning.
  private(set) var isClosed = false
  /// Where a client's masks are from; nobody may be able to guess it.
  private let random: (() -> UInt64)?

  /// The head of the frame that comes in, and how much of its payload is still to come.
  private var head: WebSocketFrame.Head
  private var isHeadComplete = false
  private var payloadLeft: UInt64 = 0
  private var controlPayload: [UInt8] = []
  /// The last ping without an answer: one pong answers them all (section 5.5.3).
  private var ping: [UInt8]?
  /// A message came in part.
  private var isMessageUnfinished = false
  /// What the other side closed with.
  private var closing: WebSocketClosing?

  /// The client's side.
  init(maskingWith random: @escaping () -> UInt64) {
    self.random = random
    head = WebSocketFrame.Head(isMasked: false)
  }

  /// The server's side.
  init() {
    random = nil
    head = WebSocketFrame.Head(isMasked: true)
  }

  /// Puts bytes into a frame.
  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) { append(.binary, bytes, &down) }

  /// Takes leave of the other side.
  mutating func finish(down: inout ByteQueue) {
    if !isClosed { close([0x03, 0xE8], &down) }
  }

  private func append(_ opcode: WebSocketFrame.Opcode, _ payload: UnsafeRawBufferPointer, _ down: inout ByteQueue) {
    WebSocketFrame.append(opcode, payload, mask: random.map { UInt32(truncatingIfNeeded: $0()) }, to: &down)
  }

  private mutating func close(_ payload: [UInt8], _ down: inout ByteQueue) {
    isClosed = true
    payload.withUnsafeBytes { append(.close, $0, &down) }
  }

  /// Takes frames in, in whatever pieces they come.
  mutating func receive(
    _ bytes: Slice<UnsafeRawBufferPointer>, up: inout ByteQueue, down: inout ByteQueue
  ) throws(ConnectionError) {
    var rest = bytes
    do throws(ProtocolError) {
      while !isClosed, isHeadComplete || !rest.isEmpty {
        if !isHeadComplete {
          isHeadComplete = try head.take(rest.removeFirst())
          if isHeadComplete { try frameBegins() }
          continue
        }
        let piece = rest.prefix(Int(clamping: payloadLeft))
        payloadLeft -= UInt64(piece.count)
        rest = rest[piece.endIndex...]
        take(UnsafeRawBufferPointer(rebasing: piece), &up)
        if payloadLeft > 0 { break }
        isHeadComplete = false
        if head.opcode.isControl { try controlFrameEnded(&down) }
        head = WebSocketFrame.Head(isMasked: head.isMasked)
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
  private mutating func frameBegins() throws(ProtocolError) {
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

  /// A piece of the payload.
  private mutating func take(_ piece: UnsafeRawBufferPointer, _ up: inout ByteQueue) {
    guard head.isMasked else {
      if head.opcode.isControl { controlPayload += piece } else { up.append(piece) }
      return
    }
    let mask = head.mask
    head.maskMoves(by: piece.count)
    guard head.opcode.isControl else { return WebSocketFrame.append(piece, mask: mask, to: &up) }
    var plain = ByteQueue()
    WebSocketFrame.append(piece, mask: mask, to: &plain)
    plain.withBytes { controlPayload += $0 }
  }

  private mutating func controlFrameEnded(_ down: inout ByteQueue) throws(ProtocolError) {
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
