import Foundation

/// A WebSocket server in front of a port of this machine that speaks plain MQTT, for what no real server does: frames that are cut
/// at every byte, with fragments and pings in between, and answers that refuse.
///
/// It looks at what the client sends as RFC 6455 wants servers to, and keeps what was wrong in `faults`.
public final class WebSocketGateway: Sendable {
  /// How the server's bytes go to the client.
  public enum Style: Sendable {
    /// What came at once is one frame.
    case whole
    /// Frames and fragments of a few bytes, pings between them, and each byte sent by itself.
    case scattered
  }

  /// The port on 127.0.0.1.
  public let port: Int
  private let state = Monitor(State())

  private struct State {
    var isAbandoned = false
    var faults: [String] = []
    var requests: [String] = []
    var pongs = 0
    var response: String?
    var closing: [UInt8]?
  }

  /// Listens on a free port and passes what is in frames on to another port.
  public init(to port: Int, style: Style = .whole) throws {
    let (listener, address) = try Address.ipv4(port: 0).listen()
    self.port = address.port
    let state = state
    Thread.detachNewThread {
      while !state.withLock({ $0.isAbandoned }) {
        guard listener.wait(for: POLLIN, until: .now + .milliseconds(50)), let client = listener.accept() else {
          continue
        }
        Thread.detachNewThread { Self.serve(client, server: .ipv4(port: port), style, state) }
      }
    }
  }

  deinit {
    state.withLock { $0.isAbandoned = true }
  }

  /// What clients did against RFC 6455.
  public var faults: [String] { state.withLock { $0.faults } }
  /// The heads of the requests, without their empty lines.
  public var requests: [String] { state.withLock { $0.requests } }
  /// How many pings were answered.
  public var pongs: Int { state.withLock { $0.pongs } }

  /// From now on requests are answered with this, and nothing else.
  public func respond(with response: String) { state.withLock { $0.response = response } }

  /// From now on the first frame of a connection is answered with a close frame of this code and reason.
  public func close(with code: UInt16, _ reason: String = "") {
    state.withLock { $0.closing = [UInt8(code >> 8), UInt8(code & 0xFF)] + Array(reason.utf8) }
  }

  // MARK: One connection

  private static func serve(_ client: Descriptor, server address: Address, _ style: Style, _ state: Monitor<State>) {
    do {
      var input = Input(client)
      let head = try input.head()
      state.withLock { $0.requests.append(head) }
      if let response = state.withLock({ $0.response }) { return try send(Array(response.utf8), to: client) }
      let key = try head.field("Sec-WebSocket-Key")
      guard head.hasPrefix("GET /"), try head.field("Upgrade") == "websocket",
        try head.field("Connection") == "Upgrade",
        try head.field("Sec-WebSocket-Version") == "13", try head.field("Sec-WebSocket-Protocol") == "mqtt",
        Data(base64Encoded: key)?.count == 16
      else { throw TestFailure("no proper request: \(head)") }
      let accept = try acceptance(of: key)
      let lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
      let answer = lines + ["Sec-WebSocket-Accept: \(accept)", "Sec-WebSocket-Protocol: mqtt", "", ""]
      try send(Array(answer.joined(separator: "\r\n").utf8), to: client)

      let server = try address.connect(until: .now + .seconds(10))
      let random = Monitor(SplitMix(state: 7))
      let writing = Monitor(())
      Thread.detachNewThread { passFrames(from: server, to: client, style, random, writing) }
      while let frame = try input.frame() {
        switch frame.opcode {
        case 2:
          if let closing = state.withLock({ $0.closing }) {
            try writing.withLock { _ in try send([0x88, UInt8(closing.count)] + closing, to: client) }
            guard let answer = try input.frame(), answer.opcode == 8, answer.payload.starts(with: closing.prefix(2))
            else {
              throw TestFailure("a close frame was not answered")
            }
            return
          }
          try send(frame.payload, to: server)
        case 8:
          // The broker may have closed already, and we then too.
          try? writing.withLock { _ in try send([0x88, UInt8(frame.payload.count)] + frame.payload, to: client) }
          server.finishSending()
          return
        case 10: state.withLock { $0.pongs += 1 }
        default: throw TestFailure("a frame with opcode \(frame.opcode)")
        }
      }
      server.finishSending()
    } catch {
      state.withLock { $0.faults.append("\(error)") }
      client.makeCloseAReset()
    }
  }

  private static func passFrames(
    from server: Descriptor, to client: Descriptor, _ style: Style, _ random: Monitor<SplitMix>, _ writing: Monitor<()>
  ) {
    while server.wait(for: POLLIN, until: .now + .seconds(60)) {
      guard case .bytes(let bytes) = server.read(style == .whole ? 1 << 17 : 1 << 12) else {
        return client.finishSending()
      }
      let sent: ()? = try? writing.withLock { _ in
        switch style {
        case .whole: try send(frame(0x82, bytes), to: client)
        case .scattered:
          let frames = random.withLock { scattered(bytes, &$0) }
          // One by one where that is bearable; the rest in pieces that end anywhere.
          for byte in frames.prefix(256) { try send([byte], to: client) }
          for start in stride(from: 256, to: frames.count, by: 97) {
            try send(Array(frames[start..<min(frames.count, start + 97)]), to: client)
          }
        }
      }
      if sent == nil { return }
    }
  }

  /// Messages of up to four frames with up to nine bytes each, with pings between them.
  private static func scattered(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    var rest = bytes[...]
    var frames: [UInt8] = []
    while !rest.isEmpty {
      let count = Int.random(in: 1...4, using: &random)
      for index in 1...count {
        let piece = Array(rest.prefix(Int.random(in: 0...9, using: &random)))
        rest = rest.dropFirst(piece.count)
        frames += frame((index == count ? 0x80 : 0) | (index == 1 ? 2 : 0), piece)
        if Int.random(in: 0..<8, using: &random) == 0 { frames += frame(0x89, Array("are you there".utf8)) }
      }
    }
    return frames
  }

  private static func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
    func length(_ count: Int) -> [UInt8] { (0..<count).reversed().map { UInt8(payload.count >> (8 * $0) & 0xFF) } }
    switch payload.count {
    case ..<126: return [first, UInt8(payload.count)] + payload
    case ..<0x1_0000: return [first, 126] + length(2) + payload
    default: return [first, 127] + length(8) + payload
    }
  }

  /// OpenSSL's digest, so that ours is not compared with itself.
  private static func acceptance(of key: String) throws -> String {
    let tool = try ToolProcess.run(
      "openssl", ["dgst", "-sha1", "-binary"], input: .text(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
    guard tool.output.count == 20 else { throw TestFailure("openssl: \(tool.errorText)") }
    return Data(tool.output).base64EncodedString()
  }

  private static func send(_ bytes: [UInt8], to descriptor: Descriptor) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard descriptor.wait(for: POLLOUT, until: .now + .seconds(60)),
        let count = rest.withUnsafeBytes({ descriptor.send($0) })
      else { throw TestFailure("the other side has gone") }
      rest = rest.dropFirst(count)
    }
  }

  /// What a client sends, in requests and frames.
  private struct Input {
    private let descriptor: Descriptor
    private var held: [UInt8] = []

    init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    mutating func head() throws -> String {
      while !held.suffix(4).elementsEqual("\r\n\r\n".utf8) {
        guard try fill() else { throw TestFailure("the request has no end") }
      }
      defer { held = [] }
      return String(decoding: held.dropLast(4), as: UTF8.self)
    }

    /// The next frame, unmasked; nil at the end.
    mutating func frame() throws -> (opcode: UInt8, payload: [UInt8])? {
      while held.count < 2 { guard try fill() else { return nil } }
      guard held[0] & 0x70 == 0, held[0] & 0x80 != 0 else { throw TestFailure("reserved bits, or a fragment") }
      guard held[1] & 0x80 != 0 else { throw TestFailure("a frame without mask") }
      let lengthCount = held[1] & 0x7F == 127 ? 8 : held[1] & 0x7F == 126 ? 2 : 0
      try fill(to: 6 + lengthCount)
      let length = lengthCount == 0 ? Int(held[1] & 0x7F) : held[2..<(2 + lengthCount)].reduce(0) { $0 << 8 | Int($1) }
      guard length >= (lengthCount == 0 ? 0 : lengthCount == 2 ? 126 : 0x1_0000) else {
        throw TestFailure("a long length")
      }
      let start = 6 + lengthCount
      try fill(to: start + length)
      let mask = Array(held[(start - 4)..<start])
      var payload = Array(held[start..<(start + length)])
      for index in payload.indices { payload[index] ^= mask[index & 3] }
      let opcode = held[0] & 0x0F
      held.removeFirst(start + length)
      return (opcode, payload)
    }

    private mutating func fill(to count: Int) throws {
      while held.count < count { guard try fill() else { throw TestFailure("a frame without end") } }
    }

    private mutating func fill() throws -> Bool {
      guard descriptor.wait(for: POLLIN, until: .now + .seconds(60)) else { throw TestFailure("the client is silent") }
      guard case .bytes(let bytes) = descriptor.read(1 << 16) else { return false }
      held += bytes
      return true
    }
  }
}

extension String {
  /// The value of the one field of this name in a request's head.
  fileprivate func field(_ name: String) throws -> String {
    let values = split(separator: "\r\n").filter { $0.hasPrefix(name + ": ") }
    guard values.count == 1 else { throw TestFailure("\(values.count) fields \(name)") }
    return String(values[0].dropFirst(name.count + 2))
  }
}
