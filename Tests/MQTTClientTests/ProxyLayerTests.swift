import MQTT
import TestSupport
import Testing

@testable import MQTTClient

/// Proxies in memory, with bytes typed from RFC 1928, 1929 and 9110.
@Suite struct ProxyLayerTests {
  private static func proxy(_ kind: ProxySettings.Kind, user: String? = nil, password: String? = nil) -> ProxySettings {
    var settings = ProxySettings(kind, host: "proxy.example", port: 1080)
    settings.userName = user.map { Array($0.utf8) }
    settings.password = password.map { Array($0.utf8) }
    return settings
  }

  private static func socks(
    _ host: String = "broker.example", user: String? = nil, password: String? = nil
  ) throws -> (run: LayerRun, request: [UInt8]) {
    try LayerRun.started(SOCKS5Layer(proxy(.socks5, user: user, password: password), toHost: host, port: 1883))
  }

  // MARK: SOCKS5

  @Test(
    "RFC 1928, 4 and 6: a name goes to the proxy as it is, an address as an address; then all bytes go through",
    arguments: [
      ("broker.example", "05 01 00 03 0e 'broker.example' 075b"), ("192.0.2.7", "05 01 00 01 c0000207 075b"),
      ("2001:db8::1", "05 01 00 04 20010db8 00000000 00000000 00000001 075b"),
      ("1883", "05 01 00 03 04 '1883' 075b"),
    ] as [(String, WireNotation)],
    [1, 3, 100])
  func connection(target: (host: String, request: WireNotation), size: Int) throws {
    var (run, request) = try Self.socks(target.host)
    #expect(request == wire("05 01 00"))
    #expect(try run.receive(wire("05 00"), inPiecesOf: size) == wire(target.request))
    #expect(!run.layer.isOpen)
    #expect(try run.receive(wire("05 00 00 01 7f000001 c001 aabbcc"), inPiecesOf: size) == [])
    #expect(run.layer.isOpen)
    #expect(run.up == [0xAA, 0xBB, 0xCC])
    try run.receive([5, 0xFF])
    #expect(run.up == [0xAA, 0xBB, 0xCC, 5, 0xFF])
    #expect(try run.send([1, 2, 3]) == [1, 2, 3])
  }

  @Test(
    "RFC 1928, 6: the bound address may be of any kind",
    arguments: ["01 7f000001", "04 00000000 00000000 00000000 00000001", "03 05 'proxy'", "03 00"] as [WireNotation])
  func boundAddress(address: WireNotation) throws {
    var (run, _) = try Self.socks()
    try run.receive(wire("05 00"))
    let reply = wire("05 00 00") + wire(address) + wire("0438")
    try run.receive(reply.dropLast(), inPiecesOf: 2)
    #expect(!run.layer.isOpen)
    try run.receive(Array(reply.suffix(1)) + [0xAA])
    #expect(run.layer.isOpen)
    #expect(run.up == [0xAA])
  }

  @Test("RFC 1929: user and password, where the proxy wants them")
  func login() throws {
    var (run, request) = try Self.socks(user: "ann", password: "pässw")
    #expect(request == wire("05 02 00 02"))
    #expect(try run.receive(wire("05 02")) == wire("01 03 'ann' 06 'pässw'"))
    #expect(try run.receive(wire("01 00")).starts(with: wire("05 01 00 03")))
    try run.receive(wire("05 00 00 01 00000000 0000"))
    #expect(run.layer.isOpen)
  }

  @Test("user and password that the proxy does not want are not sent")
  func loginNotWanted() throws {
    var (run, _) = try Self.socks(user: "ann", password: "secret")
    #expect(try run.receive(wire("05 00")).starts(with: wire("05 01 00 03")))
  }

  @Test(
    "RFC 1928, 6: each refusal in words",
    arguments: [
      (1, "general failure", true), (2, "its rules do not allow it", false), (3, "network unreachable", true),
      (4, "host unreachable", true), (5, "connection refused", true), (6, "time to live expired", true),
      (7, "makes no connections", false), (8, "does not know this kind of address", false), (9, "reply 9", false),
    ] as [(UInt8, String, Bool)])
  func refusals(code: UInt8, words: String, isTransient: Bool) throws {
    var (run, _) = try Self.socks()
    try run.receive(wire("05 00"))
    let failure = caught { () throws(ConnectionError) in try run.receive([5, code], inPiecesOf: 1) }
    let beginning = "the proxy proxy.example:1080 gave no connection to broker.example:1883: "
    #expect(failure?.text.hasPrefix(beginning) == true)
    #expect(failure?.text.dropFirst(beginning.count).contains(words) == true)
    #expect(failure?.isTransient == isTransient)
  }

  @Test("what goes wrong before: login refused, login wanted, no proxy at all")
  func noProxy() throws {
    func failing(_ user: String?, _ pieces: [[UInt8]]) throws -> String {
      var (run, _) = try Self.socks(user: user, password: user)
      let failure = caught { () throws(ConnectionError) in for piece in pieces { try run.receive(piece) } }
      return try #require(failure).text
    }
    #expect(try failing("ann", [wire("05 02"), wire("01 01")]).contains("user or password of --proxy are wrong"))
    #expect(try failing(nil, [wire("05 ff")]).contains("it wants a user and a password: --proxy socks5h://USER"))
    #expect(try failing(nil, [wire("05 02")]).contains("it wants a user and a password"))
    #expect(try failing("ann", [wire("05 ff")]).contains("it takes no user and password"))
    #expect(
      try failing(nil, [Array("HTTP/1.1 400 Bad Request".utf8)]).contains("speaks HTTP (is it a proxy for http://?)"))
    #expect(try failing(nil, [wire("20 02 00 05")]).contains("speaks MQTT"))
    #expect(try failing(nil, [wire("00 5a")]).contains("speaks no SOCKS5"))
    let (run, _) = try Self.socks()
    let end = caught { () throws(ConnectionError) in try run.layer.receivedEnd() }
    #expect(end?.text.contains("closed the connection without an answer (is it a SOCKS5 proxy?)") == true)
  }

  // MARK: HTTP CONNECT

  private static func connect(
    _ target: Endpoint = .tcp(host: "broker.example", port: 1883), user: String? = nil, password: String? = nil
  ) throws -> (run: LayerRun, request: [UInt8]) {
    try LayerRun.started(HTTPConnectLayer(proxy(.http, user: user, password: password), to: target))
  }

  @Test("RFC 9110, 9.3.6: CONNECT, and then all bytes go through", arguments: [1, 3, 1000])
  func tunnel(size: Int) throws {
    var (run, request) = try Self.connect()
    #expect(
      request == Array("CONNECT broker.example:1883 HTTP/1.1\r\nHost: broker.example:1883\r\n\r\n".utf8))
    let response = Array("HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n".utf8)
    try run.receive(response + [0xAA, 0xBB], inPiecesOf: size)
    #expect(run.layer.isOpen)
    #expect(run.up == [0xAA, 0xBB])
    #expect(try run.send([1, 2]) == [1, 2])
  }

  @Test("RFC 7617, 2: the credentials of the RFC's example; an IPv6 address stands in brackets")
  func credentials() throws {
    let (_, request) = try Self.connect(.tcp(host: "::1", port: 8883), user: "Aladdin", password: "open sesame")
    #expect(
      request
        == Array(
          """
          CONNECT [::1]:8883 HTTP/1.1\r
          Host: [::1]:8883\r
          Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r
          \r\n
          """.utf8))
  }

  @Test(
    "a refusal with its status, and what to do about it",
    arguments: [
      (nil, "407 Proxy Authentication Required", "--proxy http://USER:PASSWORD@", false),
      ("ann", "407 Proxy Authentication Required", "user or password of --proxy are wrong", false),
      (nil, "403 Forbidden", "does not let everybody through", false),
      (nil, "404 Not Found", "is it a proxy that has CONNECT?", false),
      (nil, "502 Bad Gateway", "gave no connection to broker.example:1883: 502 Bad Gateway", true),
      (nil, "301 Moved", "301 Moved", false),
    ] as [(String?, String, String, Bool)])
  func refusals(user: String?, status: String, words: String, isTransient: Bool) throws {
    var (run, _) = try Self.connect(user: user, password: user)
    let failure = caught { () throws(ConnectionError) in try run.receive(Array("HTTP/1.1 \(status)\r\n\r\n".utf8)) }
    #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "-")")
    #expect(failure?.text.contains(status) == true)
    #expect(failure?.isTransient == isTransient)
  }

  @Test("what is no HTTP proxy is told by what it is")
  func noHTTPProxy() throws {
    var (run, _) = try Self.connect()
    let failure1 = caught { () throws(ConnectionError) in try run.receive(wire("05 ff")) }
    #expect(failure1?.text == "the proxy proxy.example:1080 speaks SOCKS5 (is it an HTTP proxy?)")
    let end = caught { () throws(ConnectionError) in try run.layer.receivedEnd() }
    #expect(end?.text.contains("without an answer") == true)
  }
}
