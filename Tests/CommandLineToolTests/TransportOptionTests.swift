import MQTT
import MQTTClient
import Testing

@testable import CommandLineTool

/// URLs, unix sockets, WebSocket and proxies.
struct TransportOptionTests {
  static let rows: [Row<ConnectionPlan>] = [
    Row("-L", "mqtt://h%2Eexample:/a?b") { $0.host = "h.example" },
    Row("-L", "mqtt://[fe80::1%25eth0]:1") { ($0.host, $0.port) = ("fe80::1%eth0", 1) },
    Row("-L", "ws://h") { ($0.host, $0.port, $0.webSocket) = ("h", 80, WebSocketSettings()) },
    Row("-L", "ws://h/") { ($0.host, $0.port, $0.webSocket) = ("h", 80, WebSocketSettings(path: bytes("/"))) },
    Row("-L", "Ws://b:p%3F?@[::1]:9001?x=y/z") {
      ($0.host, $0.port, $0.webSocket) = ("::1", 9001, WebSocketSettings(path: bytes("/?x=y/z")))
      ($0.connect.userName, $0.connect.password) = ("b", bytes("p??"))
    },
    Row("-L", "ws://h/a%20b/é c?d=e@f") {
      ($0.host, $0.port) = ("h", 80)
      $0.webSocket = WebSocketSettings(path: bytes("/a%20b/%C3%A9%20c?d=e@f"))
    },
    Row("-L", "unix:/run/a%20b") { ($0.host, $0.unixPath) = ("/run/a b", "/run/a b") },
    Row("-L", "unix:///run/m") { ($0.host, $0.unixPath) = ("/run/m", "/run/m") },
    Row("--unix", "m.sock") { ($0.host, $0.unixPath) = ("m.sock", "m.sock") },
    Row("-h", "/run/m", "-p", "0") { ($0.host, $0.port, $0.unixPath) = ("/run/m", 0, "/run/m") },
    Row("--unix", "/run/m", "-h", "h") { $0.host = "h" },
    Row("--unix", "/run/m", "-L", "mqtt://h") { $0.host = "h" },
    Row("-L", "mqtt://a:b@h", "--unix", "/run/m") { ($0.host, $0.unixPath) = ("/run/m", "/run/m") },
    Row("--ws") { ($0.port, $0.webSocket) = (80, WebSocketSettings()) },
    Row("--ws", "-p", "9001", "--ws-path", "/ws?a") {
      ($0.port, $0.webSocket) = (9001, WebSocketSettings(path: bytes("/ws?a")))
    },
    Row("-L", "ws://h/x", "--ws-path", "/y") {
      ($0.host, $0.port, $0.webSocket) = ("h", 80, WebSocketSettings(path: bytes("/y")))
    },
    Row("--ws", "--ws-header", "Authorization:  Bearer x ", "--ws-header=X-Site:") {
      let fields: [WebSocketSettings.HeaderField] = [
        .init(name: bytes("Authorization"), value: bytes("Bearer x")), .init(name: bytes("X-Site"), value: []),
      ]
      ($0.port, $0.webSocket) = (80, WebSocketSettings(headerFields: fields))
    },
    Row("--ws", "--ws-path", "/x", "--ws-header", "a: b", "-L", "mqtt://h") { $0.host = "h" },
    Row("--proxy", "socks5h://h") { $0.proxy = ProxySettings(.socks5, host: "h", port: 1080) },
    Row("--proxy", "SOCKS5://[::1]:9050/") { $0.proxy = ProxySettings(.socks5, host: "::1", port: 9050) },
    Row("--proxy", "http://a%3d:b%40%2F@h", "-A", "eth0") {
      $0.bindAddress = "eth0"
      var proxy = ProxySettings(.http, host: "h", port: 8080)
      (proxy.userName, proxy.password) = (bytes("a="), bytes("b@/"))
      $0.proxy = proxy
    },
    Row("--proxy", "socks5h://a@h", "--proxy-pw-from", "env:P") {
      var proxy = ProxySettings(.socks5, host: "h", port: 1080)
      proxy.userName = bytes("a")
      ($0.proxy, $0.proxyPasswordSource) = (proxy, .variable(name: "P"))
    },
  ]

  @Test("each option means what the interface says", arguments: rows)
  func meaning(row: Row<ConnectionPlan>) throws {
    var expected = try connecting(["-i", "me"])
    row.change(&expected)
    #expect(try connecting(["-i", "me"] + row.words) == expected)
  }

  static let mistakes: [(words: [String], message: String)] = [
    (["-L", "http://h"], "-L: the URL does not begin with mqtt://, mqtts://, ws://, wss:// or unix:"),
    (["-L", "h"], "-L: the URL does not begin with mqtt://, mqtts://, ws://, wss:// or unix:"),
    (["-L", "mqtt:h"], "-L: the URL does not begin with mqtt://, mqtts://, ws://, wss:// or unix:"),
    (["-L", "unix"], "-L: the URL does not begin with mqtt://, mqtts://, ws://, wss:// or unix:"),
    (["-L", "unix:"], "-L: the path is missing"),
    (["-L", "unix://h/x"], "-L: a unix socket has no host: unix:/PATH or unix:///PATH"),
    (["-L", "ws://h/a#b"], "-L: the path for WebSocket has a # in it; write %23 for it"),
    (["-L", "mqtt://h:0/t"], "-L: \"0\" is not a number from 1 to 65535"),
    (["--ws-path", "ws"], "--ws-path: the path for WebSocket does not begin with a /"),
    (["--ws-header", "secret"], "--ws-header: is not a header field such as 'Name: value'"),
    (["--ws-header", "a b: secret"], "--ws-header: is not a header field such as 'Name: value'"),
    (["--ws-header", ": secret"], "--ws-header: is not a header field such as 'Name: value'"),
    (["--ws-header", "a: b\r\nc: d"], "--ws-header: the value of a header field has no control characters"),
    (["--ws-header", "Host: x"], "--ws-header: Host is a field of the handshake itself"),
    (["--ws-header", "sec-websocket-KEY: x"], "--ws-header: sec-websocket-KEY is a field of the handshake itself"),
    (["--unix", ""], "--unix: the path is missing"),
    (["--proxy", "h:1080"], "--proxy: the URL of a proxy begins with socks5h:// or http://"),
    (["--proxy", "socks5h://"], "--proxy: the host is missing"),
    (
      ["--proxy", "socks5h://a:secret@h/x"],
      "--proxy: the URL of a proxy has no path; a / in its password is written %2F"
    ),
    (["--proxy", "socks5h://:secret@h"], "--proxy: the URL of the proxy has a password and no user"),
    (
      ["--proxy", "socks5h://\(String(repeating: "a", count: 256)):b@h"],
      "--proxy: SOCKS5 has no user and no password longer than 255 bytes"
    ),
    (["--proxy", "http://a%3A:b@h"], "--proxy: the user for an HTTP proxy has no : in it"),
    (["--ws-path", "/x"], "--ws-path: needs --ws, or a URL that begins with ws://"),
    (["--ws-header", "a: b"], "--ws-header: needs --ws, or a URL that begins with ws://"),
    (["--proxy-pw-from", "prompt"], "--proxy-pw-from: needs --proxy"),
    (
      ["--proxy", "socks5h://h", "--proxy-pw-from", "prompt"],
      "--proxy-pw-from: needs a user in the URL of --proxy, as in socks5h://USER@HOST"
    ),
    (["--proxy", "socks5h://h", "--unix", "/run/m"], "--proxy: no proxy leads to a unix socket"),
  ]

  @Test("a wrong value, or what does not go together, is told with what is right", arguments: mistakes)
  func refusals(words: [String], message: String) {
    #expect(throws: UsageError(message)) { try connecting(words) }
  }

  @Test("under mosquitto's names WebSocket is looked for at the ports of MQTT")
  func portOfWebSocket() throws {
    #expect(try connecting(["-L", "ws://h"], as: "mosquitto_pub").port == 1883)
    #expect(try connecting(["--ws"], as: "mosquitto_pub").port == 1883)
    #expect(try connecting(["--ws", "-p", "80"], as: "mosquitto_pub").port == 80)
  }

}
