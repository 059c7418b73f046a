import MQTT
import TestSupport
import Testing

@testable import MQTTClient

/// WebSocket in memory, with bytes from RFC 6455.
@Suite struct WebSocketLayerTests {
  /// A source of "random" numbers: the nonce of the RFC's example, and then the mask of its masked frame.
  private static func random() -> () -> UInt64 {
    var words = [Array("the samp".utf8), Array("le nonce".utf8)].map { bytes in
      bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    }
    let mask = [0x37, 0xFA, 0x21, 0x3D, 0, 0, 0, 0] as [UInt8]
    return { words.isEmpty ? mask.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } : words.removeFirst() }
  }

  private static func layer(_ settings: WebSocketSettings = WebSocketSettings(), port: UInt16? = 8080) -> WebSocketLayer
  {
    WebSocketLayer(settings, host: "broker.example", port: port, random: random())
  }

  /// The answer to the request of RFC 6455, section 1.3, for MQTT.
  static let response = """
    HTTP/1.1 101 Switching Protocols\r
    Upgrade: websocket\r
    Connection: Upgrade\r
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
    Sec-WebSocket-Protocol: mqtt\r
    \r\n
    """

  private static func opened() throws -> LayerRun {
    var (run, _) = try LayerRun.started(layer())
    try run.receive(Array(response.utf8))
    try #require(run.layer.isOpen)
    return run
  }

  // MARK: The digest

  @Test(
    "FIPS 180-4's examples of SHA-1, and lengths around a block",
    arguments: [
      ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
      ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
      ),
      (String(repeating: "a", count: 64), "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
      (String(repeating: "a", count: 1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
    ])
  func digest(message: String, digits: String) {
    #expect(SHA1.digest(Array(message.utf8)) == wire(WireNotation(digits)))
  }

  // MARK: The handshake

  @Test("RFC 6455, 4.1: the request, with the key of the RFC's example and one subprotocol")
  func request() throws {
    let (_, request) = try LayerRun.started(Self.layer())
    #expect(
      String(decoding: request, as: UTF8.self) == """
        GET /mqtt HTTP/1.1\r
        Host: broker.example:8080\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Protocol: mqtt\r
        \r\n
        """)
  }

  @Test("path, header fields, a default port and an IPv6 address in the request")
  func requestWithMore() throws {
    let field = WebSocketSettings.HeaderField(name: Array("X-Site".utf8), value: Array("7".utf8))
    let settings = WebSocketSettings(path: Array("/a?b=c".utf8), headerFields: [field])
    let (_, request) = try LayerRun.started(WebSocketLayer(settings, host: "::1", port: nil, random: Self.random()))
    let lines = String(decoding: request, as: UTF8.self).split(separator: "\r\n").map(String.init)
    #expect(lines.first == "GET /a?b=c HTTP/1.1")
    #expect(lines[1] == "Host: [::1]")
    #expect(lines.last == "X-Site: 7")
    for (port, isOverTLS, host) in [(80, false, "h"), (443, true, "h"), (443, false, "h:443"), (80, true, "h:80")] {
      let layer = WebSocketLayer(WebSocketSettings(), host: "h", port: UInt16(port), isOverTLS: isOverTLS)
      let text = String(decoding: try LayerRun.started(layer).request, as: UTF8.self)
      #expect(text.contains("\r\nHost: \(host)\r\n"))
    }
  }

  @Test(
    "the response may come in pieces of any size, in any case, with blanks, and with frames behind it",
    arguments: [1, 2, 7, 1000]
  )
  func response(size: Int) throws {
    var (run, _) = try LayerRun.started(Self.layer())
    let response = """
      HTTP/1.1 101\r
      upgrade:  WebSocket\t\r
      CONNECTION:keep-alive, UPGRADE\r
      sec-websocket-accept:s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r
      Sec-WebSocket-Extensions:\r
      Sec-WebSocket-Protocol: MQTT\r
      \r\n
      """
    try run.receive(Array(response.utf8) + wire("82 03 01 02 03"), inPiecesOf: size)
    #expect(run.layer.isOpen)
    #expect(run.up == [1, 2, 3])
  }

  @Test(
    "a response that is none is refused, and the line says what is wrong",
    arguments: [
      ("Upgrade: websocket", "Upgrade: h2c", "answered 101, but not that it changes to WebSocket"),
      ("Connection: Upgrade\r\n", "", "answered 101, but not that it changes to WebSocket"),
      ("s3pPLMBiTxaQ9", "S3pPLMBiTxaQ9", "Sec-WebSocket-Accept is wrong"),
      ("Protocol: mqtt\r\n", "Protocol: mqttv3.1\r\n", "did not choose the subprotocol mqtt"),
      ("Sec-WebSocket-Protocol: mqtt\r\n", "", "did not choose the subprotocol mqtt"),
      ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n", "wants a WebSocket extension that was not offered"),
      (
        "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 404 Not Found",
        "broker.example:8080 refused WebSocket at /mqtt: 404 Not Found (is the path right? see --ws-path)"
      ),
      ("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 401 ", "401 (it wants to know who asks: --ws-header"),
      ("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 403 No\u{1B}[m", "403 No"),
      (
        "101 Switching Protocols\r\n", "302 Found\r\nLocation: https://b/x?token=secret\r\n",
        "asked at https://b/x, which"
      ),
      ("101 Switching Protocols", "503 Service Unavailable", "503 Service Unavailable"),
      ("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 abc", "sent an HTTP response without a status"),
      ("Upgrade: websocket", "Upgrade", "a line that is no field"),
      (
        "HTTP/1.1 101 Switching Protocols", "SSH-2.0-OpenSSH_9.2",
        "broker.example:8080 speaks SSH (is it a port for WebSocket?)"
      ),
      ("HTTP/1.1 101 Switching Protocols", "\u{15}\u{03}\u{03}", "speaks TLS"),
      ("HTTP/1.1 101 Switching Protocols", " \u{02}", "speaks MQTT"),
      ("HTTP/1.1 101 Switching Protocols", "hello", "speaks no HTTP"),
    ], [1, 1000])
  func refusedResponse(change: (String, String, String), size: Int) throws {
    var (run, _) = try LayerRun.started(Self.layer())
    let parts = Self.response.split(separator: change.0, maxSplits: 1, omittingEmptySubsequences: false)
    try #require(parts.count == 2)
    let bytes = Array((parts[0] + change.1 + parts[1]).utf8)
    let failure = caught { () throws(ConnectionError) in try run.receive(bytes, inPiecesOf: size) }
    // The first byte alone tells that it is not HTTP, and no more.
    let words = size == 1 && change.2.contains("speaks") ? "speaks" : change.2
    #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "-")")
    #expect(failure?.text.contains("secret") == false)
    #expect(failure?.isTransient == change.1.hasPrefix("503"))
    #expect(!run.layer.isOpen)
  }

  @Test("a response without end is not kept for ever")
  func endlessResponse() throws {
    var (run, _) = try LayerRun.started(Self.layer())
    let line = Array("X: \(String(repeating: "x", count: 1000))\r\n".utf8)
    try run.receive(Array("HTTP/1.1 101 Switching Protocols\r\n".utf8))
    let failure = caught { () throws(ConnectionError) in for _ in 0..<20 { try run.receive(line) } }
    #expect(failure?.text.contains("sent an HTTP response without end") == true)
  }

  @Test("the end instead of a response, and the end after one")
  func end() throws {
    let (run, _) = try LayerRun.started(Self.layer())
    let failure = caught { () throws(ConnectionError) in try run.layer.receivedEnd() }
    #expect(failure?.text.contains("closed the connection instead of answering the WebSocket request") == true)
    try Self.opened().layer.receivedEnd()
  }

  // MARK: Frames that are sent

  @Test(
    "RFC 6455, 5.2: the three forms of a length, the mask behind it",
    arguments: [
      (0, "82 80"), (1, "82 81"), (125, "82 fd"), (126, "82 fe 007e"), (0xFFFF, "82 fe ffff"),
      (0x1_0000, "82 ff 00000000 00010000"), (1_000_003, "82 ff 00000000 000f4243"),
    ] as [(Int, WireNotation)])
  func sentFrame(count: Int, head: WireNotation) throws {
    let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
    let expected = wire(head) + mask + payload.indices.map { payload[$0] ^ mask[$0 % 4] }
    #expect(try Self.opened().send(payload) == expected)
  }

  @Test("RFC 6455, 5.7: the masked Hello")
  func hello() throws {
    #expect(try Self.opened().send(Array("Hello".utf8)) == wire("82 85 37fa213d 7f9f4d5158"))
  }

  @Test("each frame has a mask of its own, as key and nonce are new for each connection")
  func randomness() throws {
    let layers = (0..<2).map { _ in WebSocketLayer(WebSocketSettings(), host: "h", port: nil) }
    let requests = try layers.map { try LayerRun.started($0).request }
    #expect(requests[0] != requests[1])
    let frames = try (0..<2).map { _ in try LayerRun.started(layers[0]).run.send([1, 2, 3, 4, 5, 6, 7, 8]) }
    #expect(frames[0] != frames[1])
  }

  @Test("RFC 6455, 7.1.2: leaving is a close frame with 1000, once")
  func leaving() throws {
    let run = try Self.opened()
    #expect(run.finish() == wire("88 82 37fa213d 3412"))
    #expect(run.finish() == [])
  }

  // MARK: Frames that are received

  /// MQTT in whole messages, fragments, an empty frame, all lengths of a length, and control frames in between.
  private static let stream: (frames: [UInt8], payload: [UInt8], answer: [UInt8]) = {
    let long = [UInt8](repeating: 0x61, count: 300)
    let longer = [UInt8](repeating: 0x62, count: 70_000)
    let frames =
      wire("82 02 c1c2 | 02 01 d1 | 89 00 | 00 02 d2d3 | 00 00 | 8a 01 ff | 80 01 d4 | 82 00") + wire("82 7e 012c")
      + long
      + wire("02 7f 00000000 00011170") + longer + wire("89 02 6869 | 80 00 | 82 01 e1")
    return (
      frames, [0xC1, 0xC2, 0xD1, 0xD2, 0xD3, 0xD4] + long + longer + [0xE1],
      // Pongs: of nothing, and of "hi".
      wire("8a 80 37fa213d 8a 82 37fa213d 5f93")
    )
  }()

  @Test("RFC 6455, 5.4: what is in frames, fragments and between control frames", arguments: [1, 2, 3, 5, 100, 1500])
  func received(size: Int) throws {
    var run = try Self.opened()
    let answer = try run.receive(Self.stream.frames, inPiecesOf: size)
    #expect(run.up == Self.stream.payload)
    #expect(answer == Self.stream.answer)
  }

  @Test("frames that are cut at any one byte mean the same")
  func cutAnywhere() throws {
    let frames = Array(Self.stream.frames.prefix(330))
    for border in 1..<frames.count {
      var run = try Self.opened()
      try run.receive(Array(frames[..<border]))
      try run.receive(Array(frames[border...]))
      #expect(run.up == Array(Self.stream.payload.prefix(306)), "cut at \(border)")
    }
  }

  @Test("RFC 6455, 5.5.3: many pings at once are answered by one pong, with what the last one said")
  func pings() throws {
    var run = try Self.opened()
    #expect(try run.receive(wire("89 01 61 | 89 01 62 | 89 01 63")) == wire("8a 81 37fa213d 54"))
    let longest = [UInt8](repeating: 0, count: 125)
    #expect(try run.receive(wire("89 7d") + longest).starts(with: wire("8a fd 37fa213d 37fa213d")))
  }

  @Test(
    "what no server may send is refused, and the broker is told that it broke the protocol: 1002, or 1003 for text",
    arguments: [
      ("c2 01 00", "reserved bits", "3410"), ("a2 01 00", "reserved bits", "3410"),
      ("92 01 00", "reserved bits", "3410"),
      ("83 01 00", "unknown opcode 3", "3410"), ("8b 00", "unknown opcode 11", "3410"),
      ("82 81 37fa213d 7f", "masked", "3410"),
      ("09 00", "control frame is fragmented", "3410"), ("89 7e 007e", "longer than 125", "3410"),
      ("80 01 00", "continues no message", "3410"), ("02 01 00 82 01 00", "inside of another", "3410"),
      ("82 7e 007d", "length", "3410"), ("82 7f 00000000 0000ffff", "length", "3410"),
      ("82 7f 80000000 00000000", "length", "3410"),
      ("81 01 61", "text", "3411"), ("01 01 61", "text", "3411"),
      ("88 01 03", "no proper code", "3410"), ("88 02 03ed", "no proper code", "3410"),
      ("88 04 03e8 ff61", "no proper code", "3410"),
    ] as [(WireNotation, String, WireNotation)])
  func faults(frames: WireNotation, words: String, code: WireNotation) throws {
    var run = try Self.opened()
    let failure = caught { () throws(ConnectionError) in try run.receive(wire(frames), inPiecesOf: 1) }
    #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "-")")
    #expect(run.lastAnswer == wire("88 82 37fa213d") + wire(code))
  }

  @Test("a length is not believed: what is promised takes no memory")
  func promise() throws {
    var run = try Self.opened()
    try run.receive(wire("82 7f 7fffffff ffffffff 0102"))
    #expect(run.up == [1, 2])
  }

  @Test(
    "RFC 6455, 7.4.1: a close frame is answered, and its code told in words",
    arguments: [
      ("88 02 03e8", "88 82 37fa213d 3412", "the broker closed the WebSocket: 1000 (normal)", true),
      (
        "88 05 03f0 6e6f21", "88 82 37fa213d 340a", "the broker closed the WebSocket: 1008 (policy violation): no!",
        false
      ),
      ("88 02 03f1", "88 82 37fa213d 340b", "the broker closed the WebSocket: 1009 (message too big)", false),
      ("88 02 0fa0", "88 82 37fa213d 385a", "the broker closed the WebSocket: 4000 (private)", false),
      ("88 00", "88 80 37fa213d", "the broker closed the WebSocket: no code", true),
    ] as [(WireNotation, WireNotation, String, Bool)])
  func closing(frame: WireNotation, answer: WireNotation, text: String, isTransient: Bool) throws {
    var run = try Self.opened()
    // What stands before it is good, what stands behind it has no meaning.
    let bytes = wire("82 01 aa") + wire(frame) + wire("82 01 bb")
    let failure = caught { () throws(ConnectionError) in try run.receive(bytes) }
    #expect(failure?.text == text)
    #expect(failure?.isTransient == isTransient)
    #expect(run.lastAnswer == wire(answer))
    #expect(run.up == [0xAA])
  }

  @Test("after our own close frame the server's is not answered")
  func closingAfterLeaving() throws {
    var run = try Self.opened()
    _ = run.finish()
    #expect(try run.receive(wire("82 01 aa 88 02 03e8")) == [])
    #expect(run.up == [])
  }
}
