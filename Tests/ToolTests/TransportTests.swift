import TestSupport
import Testing

/// The ways to a broker.
enum Transport: String, CaseIterable, Sendable {
  case tcp, unix, tls, webSocket, webSocketOverTLS, scatteredWebSocket, scatteredWebSocketOverTLS
  case socks, httpProxy, tlsThroughSocks, tlsThroughHTTPProxy, webSocketThroughSocks, webSocketOverTLSThroughHTTPProxy

  var usesTLS: Bool {
    switch self {
    case .tls, .webSocketOverTLS, .scatteredWebSocketOverTLS, .tlsThroughSocks, .tlsThroughHTTPProxy,
      .webSocketOverTLSThroughHTTPProxy:
      true
    default: false
    }
  }

  /// The server's frames are cut at every byte.
  fileprivate var isScattered: Bool { self == .scatteredWebSocket || self == .scatteredWebSocketOverTLS }

  fileprivate var proxy: RealProxy.Kind? {
    switch self {
    case .socks, .tlsThroughSocks, .webSocketThroughSocks: .microsocks
    case .httpProxy, .tlsThroughHTTPProxy, .webSocketOverTLSThroughHTTPProxy: .tinyproxy
    default: nil
    }
  }

  fileprivate func listener() throws -> RealBroker.Listener {
    if isScattered { return .plain }
    let pair = usesTLS ? try Certificates.shared().issue() : nil
    switch self {
    case .unix: return .unix
    case .webSocket, .webSocketThroughSocks: return .webSocket
    case .tls, .tlsThroughSocks, .tlsThroughHTTPProxy: return .tls(try #require(pair))
    case .webSocketOverTLS, .webSocketOverTLSThroughHTTPProxy:
      let pair = try #require(pair)
      return .webSocketTLS(certificate: pair.certificate, key: pair.key)
    case .tcp, .socks, .httpProxy, .scatteredWebSocket, .scatteredWebSocketOverTLS: return .plain
    }
  }
}

/// A real broker, and whatever stands in front of it.
final class Way: Sendable {
  let broker: RealBroker
  let gateway: WebSocketGateway?
  /// The options that lead to it.
  let options: [String]
  private let proxy: RealProxy?
  private let tlsGateway: TLSGateway?

  init(_ transport: Transport, lines: [String] = []) throws {
    let listener = try transport.listener()
    broker = try RealBroker(listeners: listener == .plain ? [] : [listener], lines: lines)
    gateway = transport.isScattered ? try WebSocketGateway(to: broker.port, style: .scattered) : nil
    tlsGateway =
      transport == .scatteredWebSocketOverTLS
      ? try TLSGateway(to: try #require(gateway).port, try Certificates.shared().issue()) : nil
    proxy = try transport.proxy.map { try RealProxy($0) }
    let port = tlsGateway?.port ?? gateway?.port ?? broker.port(of: listener)
    var options =
      switch transport {
      case .unix: ["--unix", broker.unixPath]
      case .tcp, .socks, .httpProxy: ["-h", "127.0.0.1", "-p", "\(port)"]
      // The name is looked up by the proxy, if there is one.
      case .tls, .tlsThroughSocks, .tlsThroughHTTPProxy: ["--url", "mqtts://localhost:\(port)"]
      case .webSocketOverTLS, .webSocketOverTLSThroughHTTPProxy, .scatteredWebSocketOverTLS:
        ["--url", "wss://localhost:\(port)/mqtt"]
      case .webSocket, .scatteredWebSocket, .webSocketThroughSocks: ["-h", "127.0.0.1", "-p", "\(port)", "--ws"]
      }
    if transport.usesTLS { options += ["--cafile", try Certificates.shared().root.certificate] }
    if let proxy { options += ["--proxy", "\(proxy.kind.scheme)://127.0.0.1:\(proxy.port)"] }
    self.options = options
  }
}

/// Every way to a broker, for each tool.
@Suite(.needs("mosquitto", "microsocks", "tinyproxy", "openssl"))
struct TransportTests {
  private static let each: [Transport] = [.tcp, .tls, .webSocket, .webSocketOverTLS, .unix, .socks, .httpProxy]

  @Test("a value goes through, published and received, whatever its size", arguments: Transport.allCases)
  func value(transport: Transport) throws {
    let way = try Way(transport)
    // Beyond 64 KiB, and no larger: mosquitto's WebSocket hands out 4 KiB every tenth of a second.
    let large = [UInt8]((0..<66_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
    for (index, payload) in [Array("21.5 °C".utf8), large].enumerated() {
      for version in index == 0 ? ["311", "5"] : ["5"] {
        let words = ["-V", version, "-t", "home/\(index)", "-q", "\(index + 1)"]
        expectSuccess(try ToolProcess.run("mqpub", way.options + words + ["-r", "-s"], input: .bytes(payload)))
        let tool = try ToolProcess.run("mqsub", way.options + words + ["-C", "1", "-N"])
        expectSuccess(tool)
        #expect(tool.output == payload)
      }
    }
    #expect(way.gateway?.faults ?? [] == [])
  }

  @Test(
    "every tool does its work over every transport",
    arguments: each, ["mqpub", "mqsub", "mqrr", "mqshell"])
  func pair(transport: Transport, tool: String) throws {
    let way = try Way(transport)
    let direct = way.broker.options
    switch tool {
    case "mqpub":
      expectSuccess(try ToolProcess.run(tool, way.options + ["-t", "t", "-m", "21.5", "-q", "1", "-r"]))
      #expect(try ToolProcess.run("mqsub", direct + ["-t", "t", "-C", "1"]).outputText == "21.5\n")
    case "mqsub":
      expectSuccess(try ToolProcess.run("mqpub", direct + ["-t", "t", "-m", "21.5", "-q", "1", "-r"]))
      #expect(try ToolProcess.run(tool, way.options + ["-t", "t", "-C", "1"]).outputText == "21.5\n")
    case "mqrr":
      let responder = try ToolProcess(tool, way.options + ["-t", "ask", "--serve-echo", "--log", "notice"])
      try responder.waitForErrors("subscribed to")
      let request = try ToolProcess.run(tool, way.options + ["-t", "ask", "-m", "question"])
      expectSuccess(request)
      #expect(request.outputText == "question\n")
    default:
      let script = "sub t; pub -q 1 t 21.5; expect t payload = 21.5 within 5s"
      let shell = try ToolProcess.run(tool, way.options + ["-c", script])
      #expect(shell.end == .exited(0), "\(shell.errorText)")
    }
  }

  @Test("mqbench does its work over every transport, all at the same time")
  func bench() throws {
    let words = ["load", "--warm-up", "0.1", "--duration", "0.5", "--rate", "100"]
    let runs = try Self.each.map { transport in
      let way = try Way(transport)
      return (transport, way, try ToolProcess("mqbench", words + way.options))
    }
    for (transport, _, tool) in runs {
      #expect(try tool.wait() == .exited(0), "\(transport): \(tool.errorText)")
      #expect(tool.outputText.contains(" 0 lost"), "\(transport): \(tool.outputText)")
    }
  }

  @Test(
    "[MQTT-6.0.0-2] all that is shown over TCP shows itself over WebSocket whose frames are cut at every byte",
    arguments: [(.scatteredWebSocket, "311"), (.scatteredWebSocketOverTLS, "5")] as [(Transport, String)])
  func features(transport: Transport, version: String) throws {
    let way = try Way(transport)
    for (number, feature) in Feature.allCases.enumerated() where feature != .largePayload {
      if feature == .properties, version != "5" { continue }
      let trial = FeatureTrial(
        version: version, hasProperties: version == "5", options: way.options,
        prefix: "cut/\(number)", patience: 8)
      #expect(throws: Never.self, "\(feature.rawValue)") { try trial.show(feature) }
    }
    #expect(way.gateway?.faults ?? [] == [])
  }

  @Test(
    "[MQTT-6.0.0-2] a stream goes through WebSocket however the server cuts its frames",
    arguments: [.scatteredWebSocket, .scatteredWebSocketOverTLS] as [Transport], qualities)
  func stream(transport: Transport, qos: String) throws {
    let way = try Way(transport, lines: ["max_queued_messages 0", "max_inflight_messages 0"])
    let count = 3_000
    let subscriber = try ToolProcess(
      "mqsub", way.options + ["-t", "t", "-q", qos, "-C", "\(count)", "--log", "notice"])
    try subscriber.waitForErrors("subscribed to")
    expectSuccess(
      try ToolProcess.run(
        "mqpub", way.options + ["-t", "t", "-l", "-q", qos], input: .bytes(numberedLines(upTo: count)),
        timeout: .seconds(30)))
    #expect(try subscriber.wait(timeout: .seconds(30)) == .exited(0))
    #expect(subscriber.output == numberedLines(upTo: count))
    let gateway = try #require(way.gateway)
    #expect(gateway.faults == [])
    #expect(gateway.pongs > 0)
  }

  @Test("5 MB go to a real WebSocket server, and come from one in one frame")
  func largePayload() throws {
    let way = try Way(.webSocket)
    let gateway = try WebSocketGateway(to: way.broker.port)
    let payload = [UInt8]((0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 >> 8 ^ $0) })
    let file = try way.broker.folder.write("payload", payload)
    expectSuccess(try ToolProcess.run("mqpub", way.options + ["-t", "t", "-q", "1", "-r", "-f", file]))
    let tool = try ToolProcess.run(
      "mqsub", ["-L", "ws://127.0.0.1:\(gateway.port)", "-t", "t", "-q", "1", "-C", "1", "-N"])
    expectSuccess(tool)
    #expect(tool.output == payload)
    #expect(gateway.faults == [])
  }

  @Test("a broker that closes the WebSocket instead of answering CONNECT is tried with 3.1.1, as over TCP")
  func fallingBack() throws {
    let broker = try ScriptedBroker()
    let gateway = try WebSocketGateway(to: broker.port)
    let tool = try ToolProcess("mqpub", ["-L", "ws://127.0.0.1:\(gateway.port)", "-t", "t", "-m", "x"])
    let first = try broker.accept()
    try first.expectConnect(level: 5)
    first.close()
    let second = try broker.acceptConnect(level: 4)
    try second.expect("30 r4 s1 't' 'x'")
    try second.expect("e0 00")
    second.close()
    try tool.wait()
    expectSuccess(tool)
  }

  // MARK: What is said when it does not work

  private func refused(
    _ options: [String], _ status: Int32, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let commands = [("mqpub", ["-t", "t", "-m", "x"]), ("mqsub", ["-t", "t"])]
    for (name, more) in commands {
      let tool = try ToolProcess.run(name, options + more)
      #expect(tool.end == .exited(status), "\(tool.errorText)", sourceLocation: sourceLocation)
      let lines = tool.errorText.split(separator: "\n")
      #expect(lines.count == 1, "\(tool.errorText)", sourceLocation: sourceLocation)
      for word in words {
        #expect(tool.errorText.contains(word), "\(tool.errorText)", sourceLocation: sourceLocation)
      }
      let compatible = try ToolProcess.run(
        name, options + more, arg0: name == "mqpub" ? "mosquitto_pub" : "mosquitto_sub")
      #expect(compatible.end == .exited(status == 7 ? 7 : 1), sourceLocation: sourceLocation)
    }
  }

  @Test("16: WebSocket that is refused is told with the HTTP status and a remedy")
  func refusedUpgrade() throws {
    let broker = try RealBroker(listeners: [.webSocket])
    let port = broker.port(of: .webSocket)
    try refused(
      ["-h", "127.0.0.1", "-p", "\(broker.port)", "--ws"], 16, "127.0.0.1:\(broker.port)", "port for WebSocket")
    let gateway = try WebSocketGateway(to: broker.port)
    for (response, words) in [
      ("HTTP/1.1 404 Not Found", "404 Not Found (is the path right? see --ws-path)"),
      ("HTTP/1.1 401 Unauthorized", "401 Unauthorized"), ("HTTP/1.1 200 OK", "200 OK (is it a WebSocket server"),
      ("SSH-2.0-OpenSSH", "speaks SSH"),
    ] {
      gateway.respond(with: response + "\r\n\r\n")
      try refused(["-L", "ws://127.0.0.1:\(gateway.port)/x?token=secret"], 16, words)
    }
    #expect(
      gateway.requests.first?.hasPrefix("GET /x?token=secret HTTP/1.1\r\nHost: 127.0.0.1:\(gateway.port)\r\n") == true)
    // Plain MQTT to such a port.
    let tool = try ToolProcess.run("mqpub", ["-h", "127.0.0.1", "-p", "\(port)", "-t", "t", "-m", "x"])
    #expect(tool.end == .exited(21))
    #expect(
      tool.errorText.contains("an HTTP server answers there, no MQTT broker (is it a port for WebSocket? see --ws)"))
  }

  @Test("header fields are sent, and their values shown to nobody")
  func headerFields() throws {
    let broker = try RealBroker()
    let gateway = try WebSocketGateway(to: broker.port)
    let options = ["-L", "ws://127.0.0.1:\(gateway.port)", "--ws-header", "Authorization: Bearer s3cret"]
    expectSuccess(try ToolProcess.run("mqpub", options + ["--ws-header=X-Site:7", "-t", "t", "-m", "x"]))
    let request = try #require(gateway.requests.first)
    #expect(request.hasSuffix("\r\nAuthorization: Bearer s3cret\r\nX-Site: 7"))
    let shown = try ToolProcess.run("mqpub", options + ["-t", "t", "-m", "x", "--show-settings"]).outputText
    #expect(shown.contains("Authorization:****"))
    #expect(!shown.contains("s3cret"))
  }

  @Test("14: a WebSocket that is closed instead of CONNACK, with its code in words")
  func closedWebSocket() throws {
    let broker = try RealBroker()
    let gateway = try WebSocketGateway(to: broker.port)
    gateway.close(with: 1008, "no such host")
    try refused(
      ["-L", "ws://127.0.0.1:\(gateway.port)", "-V", "5"], 14,
      "closed the WebSocket instead of answering CONNECT: 1008 (policy violation): no such host")
    #expect(gateway.faults == [])
  }

  @Test("16: proxies that refuse", arguments: RealProxy.Kind.allCases)
  func refusingProxy(kind: RealProxy.Kind) throws {
    let broker = try RealBroker()
    // tinyproxy takes no other characters than letters and digits.
    let user = kind == .tinyproxy ? ("ann", "pass") : ("ann", "p@ss%")
    let proxy = try RealProxy(kind, user: user)
    let written = kind == .tinyproxy ? "ann:%70ass" : "ann:p%40ss%25"
    func through(_ login: String) -> [String] { ["--proxy", "\(kind.scheme)://\(login)127.0.0.1:\(proxy.port)"] }
    expectSuccess(
      try ToolProcess.run("mqpub", broker.options + through(written + "@") + ["-t", "t", "-m", "x", "-q", "1"]))
    let home = try TemporaryFolder()
    let file = try home.write("pw", "\(user.1)\n")
    for source in ["file:\(file)", "command:cat \(file)"] {
      let words = through("ann@") + ["--proxy-pw-from", source, "-t", "t", "-m", "x", "-q", "1"]
      expectSuccess(try ToolProcess.run("mqpub", broker.options + words))
    }
    try refused(broker.options + through(""), 16, "127.0.0.1:\(proxy.port)", "it wants a user and a password")
    try refused(broker.options + through("ann:wrong@"), 16, "user or password of --proxy are wrong")
    let dead = try freePort()
    let words = kind == .tinyproxy ? "500 Unable to connect" : "connection refused"
    try refused(
      ["-h", "127.0.0.1", "-p", "\(dead)"] + through(written + "@"), 16,
      "gave no connection to 127.0.0.1:\(dead): \(words)")
  }

  @Test("what is no proxy, or the other kind of proxy; a proxy that is not there, or that nobody finds")
  func noProxy() throws {
    let broker = try RealBroker()
    let socks = try RealProxy(.microsocks)
    let http = try RealProxy(.tinyproxy, allowedPort: 1)
    try refused(broker.options + ["--proxy", "http://127.0.0.1:\(broker.port)"], 16, "is it an HTTP proxy?")
    try refused(broker.options + ["--proxy", "socks5://127.0.0.1:\(broker.port)"], 16, "is it a SOCKS5 proxy?")
    try refused(broker.options + ["--proxy", "http://127.0.0.1:\(socks.port)"], 16, "is it an HTTP proxy?")
    // It waits for the end of a line.
    try refused(
      broker.options + ["--proxy", "socks5://127.0.0.1:\(http.port)", "--connect-timeout", "300ms"], 27,
      "the proxy gave no connection")
    try refused(broker.options + ["--proxy", "http://127.0.0.1:\(http.port)"], 16, "403")
    let dead = try freePort()
    try refused(broker.options + ["--proxy", "socks5://127.0.0.1:\(dead)"], 14, "127.0.0.1:\(dead)", "refused")
    try refused(broker.options + ["--proxy", "socks5://no-such-host.invalid"], 20, "no-such-host.invalid")
  }

  @Test("27: a proxy and a WebSocket server that are silent are named with the stage")
  func silence() throws {
    let silent = try ScriptedBroker()
    let limit = ["--connect-timeout", "300ms"]
    try refused(
      ["-h", "broker.example", "--proxy", "socks5://127.0.0.1:\(silent.port)"] + limit, 27,
      "the proxy gave no connection to broker.example:1883 within 300 ms")
    try refused(
      ["-L", "ws://127.0.0.1:\(silent.port)"] + limit, 27, "did not answer the WebSocket request within 300 ms")
  }

  @Test("-A takes an address or a name, and one that is not there is told")
  func localAddress() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    for name in ["127.0.0.2", "localhost"] {
      expectSuccess(try ToolProcess.run("mqpub", broker.options + ["-A", name, "-t", "t", "-m", "x", "-q", "1"]))
    }
    #expect(broker.log.contains("127.0.0.2"))
    try refused(
      broker.options + ["-A", "192.0.2.1"], 14, "cannot connect from 192.0.2.1", "is it an address of this machine")
    try refused(broker.options + ["-A", "no-such-host.invalid"], 20, "no-such-host.invalid")
  }
}
