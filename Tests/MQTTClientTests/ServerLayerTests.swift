import MQTT
import TestSupport
import Testing

@testable import MQTTClient

/// The server's side of WebSocket and TLS, in memory.
struct ServerLayerTests {
  /// The request of RFC 6455, section 1.3, for MQTT.
  private static let request = """
    GET /any?way=1 HTTP/1.1\r
    Host: server.example.com\r
    Upgrade: WebSocket\r
    Connection: keep-alive, Upgrade\r
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
    Sec-WebSocket-Protocol: mqttv3.1, mqtt\r
    Sec-WebSocket-Version: 13\r
    \r\n
    """

  private static func opened() throws -> LayerRun {
    var (run, first) = try LayerRun.started(WebSocketServerLayer())
    #expect(first == [])
    try run.receive(Array(request.utf8))
    try #require(run.layer.isOpen)
    return run
  }

  @Test(
    "RFC 6455, 1.3 and 4.2.2: the answer to the example's key, and frames right behind the request",
    arguments: [1, 7, 1500])
  func handshake(size: Int) throws {
    var (run, _) = try LayerRun.started(WebSocketServerLayer())
    let answer = try run.receive(Array(Self.request.utf8) + wire("82 85 37fa213d 7f9f4d5158"), inPiecesOf: size)
    #expect(answer == Array(WebSocketLayerTests.response.utf8))
    #expect(run.layer.isOpen && run.up == Array("Hello".utf8))
    #expect(try run.send(Array("Hello".utf8)) == wire("82 05 48656c6c6f"))
    #expect(run.finish() == wire("88 02 03e8") && run.finish() == [])
  }

  @Test(
    "who asks for anything else is refused",
    arguments: [
      ("Sec-WebSocket-Protocol: mqttv3.1, mqtt", "Sec-WebSocket-Protocol: chat"),
      ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"), ("Upgrade: WebSocket", "Upgrade: h2c"),
      ("Sec-WebSocket-Key:", "X-Key:"), ("Connection: keep-alive, Upgrade", "Connection: close"),
    ])
  func refused(part: String, other: String) throws {
    var (run, _) = try LayerRun.started(WebSocketServerLayer())
    let parts = Self.request.split(separator: part, omittingEmptySubsequences: false)
    try #require(parts.count == 2)
    #expect(caught { () throws(ConnectionError) in try run.receive(Array(parts.joined(separator: other).utf8)) } != nil)
    #expect(run.lastAnswer.starts(with: Array("HTTP/1.1 400 ".utf8)) && !run.layer.isOpen)
    (run, _) = try LayerRun.started(WebSocketServerLayer())
    #expect(caught { () throws(ConnectionError) in try run.receive(wire("10 0c 00 04 'MQTT' 05 02 003c")) } != nil)
  }

  @Test(
    "RFC 6455, 5.3: masks go on over fragments, pieces and control frames in between", arguments: [1, 2, 3, 5, 9, 4096])
  func masks(size: Int) throws {
    let payload = (0..<70_003).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    func frame(_ head: WireNotation, _ bytes: ArraySlice<UInt8>, _ mask: [UInt8]) -> [UInt8] {
      wire(head) + mask + bytes.enumerated().map { $1 ^ mask[$0 % 4] }
    }
    var frames = frame("02 83", payload[..<3], [1, 2, 3, 4])
    // A ping of "hi", and its mask.
    frames += wire("89 82 37fa213d 5f93")
    frames += frame("00 fe 012c", payload[3..<303], [0xFF, 0, 0x80, 0x7F]) + wire("00 80 01020304")
    frames += frame("80 ff 00000000 00011044", payload[303...], [9, 8, 7, 6])
    var run = try Self.opened()
    let answer = try run.receive(frames, inPiecesOf: size)
    #expect(run.up == payload && answer == wire("8a 02 6869"))
  }

  @Test("RFC 6455, 5.1: a frame that is not masked ends it, with 1002; a client's close frame is answered")
  func ends() throws {
    var run = try Self.opened()
    let refusal = caught { () throws(ConnectionError) in try run.receive(wire("82 05 48656c6c6f")) }
    #expect(refusal?.text.contains("not masked") == true && run.lastAnswer == wire("88 02 03ea"))
    run = try Self.opened()
    #expect(caught { () throws(ConnectionError) in try run.receive(wire("88 82 37fa213d 3412")) } != nil)
    #expect(run.lastAnswer == wire("88 02 03e8"))
  }

  /// What stands on both sides of a connection.
  private enum Kind: String, CaseIterable, Sendable { case tls, webSocket, webSocketOverTLS }

  @Test(
    "a client's layers and a server's understand each other, however the bytes are cut", arguments: Kind.allCases,
    [7, 1000, 100_000])
  private func conversation(kind: Kind, size: Int) throws {
    var settings = TLSConfiguration()
    settings.verifies = false
    let server = try #require(
      try ServerLayers(tls: kind == .webSocket ? nil : TLSConfiguration(), usesWebSocket: kind != .tls)
    ).make()
    var layers: [any Layer] = []
    if kind != .webSocket {
      layers.append(try TLSLayer(try TLSContext(settings), host: "localhost", place: "", now: 0))
    }
    if kind != .tls { layers.append(WebSocketLayer(WebSocketSettings(), host: "localhost", port: 1)) }
    let client = LayerStack(layers)
    try client.start()
    var (atServer, atClient): ([UInt8], [UInt8]) = ([], [])
    func move(from sender: LayerStack, to receiver: LayerStack, _ received: inout [UInt8]) throws -> Bool {
      let bytes = sender.withOutput { Array($0.prefix(size)) }
      if bytes.isEmpty { return false }
      _ = sender.outputTaken(bytes.count)
      try bytes.withBytes { bytes in try receiver.receive(bytes) { received += $0 } }
      return true
    }
    func exchange() throws {
      while try move(from: client, to: server, &atServer) || move(from: server, to: client, &atClient) {}
    }
    try exchange()
    #expect(client.isOpen && server.isOpen)
    let words = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 17) }
    for (sender, piece) in [(client, words[...]), (server, words.reversed()[...])] {
      var rest = piece
      while !rest.isEmpty {
        rest = rest.dropFirst(try Array(rest).withBytes { bytes in try sender.send(bytes) })
        try exchange()
      }
    }
    #expect(atServer == words && atClient == words.reversed())
  }
}
