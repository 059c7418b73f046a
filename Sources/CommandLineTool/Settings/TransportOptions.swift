internal import MQTT
internal import MQTTClient

extension ConnectionSettings {
  /// The options about what lies between the tool and the broker.
  static let transportOptions: [Option<ConnectionSettings>] = [
    Option(
      OptionDescription(
        long: "unix", value: .one("PATH"), section: .connection, setting: "--host",
        summary: "connect to the unix socket PATH of a broker on this machine",
        details: "{-h} with a path and {-p} 0 is another way to say it.")
    ) { (settings, value) throws(UsageError) in settings.unixPath = try value.unixPath() },
    Option(
      OptionDescription(
        long: "ws", section: .connection, summary: "speak MQTT over WebSocket",
        details: """
          The same as a URL that begins with ws://; with {--tls} as wss://. The port is 80, or 443 with TLS, unless {-p} \
          says otherwise.
          """)
    ) { $0.usesWebSocket = true },
    Option(
      OptionDescription(
        long: "ws-path", value: .one("PATH"), section: .connection,
        summary: "path that the HTTP server has WebSocket at (/mqtt)",
        details: """
          With its query, if it has one. RabbitMQ uses /ws, most others /mqtt; a server that answers 404 has it elsewhere.
          """)
    ) { (settings, value) throws(UsageError) in settings.webSocketPath = try value.webSocketPath() },
    Option(
      OptionDescription(
        long: "ws-header", value: .one("FIELD"), section: .connection,
        summary: "header field for the HTTP server, as in 'Authorization: Bearer TOKEN'; may be repeated",
        details: "The fields of WebSocket's handshake cannot be replaced.",
        secret: { words in
          guard let colon = words[0].firstIndex(of: UInt8(ascii: ":")) else { return nil }
          return colon + 1..<words[0].endIndex
        })
    ) { (settings, value) throws(UsageError) in
      settings.webSocketFields.append(try value.headerField(), from: value.source)
    },
    Option(
      OptionDescription(
        long: "proxy", value: .one("URL"), section: .connection,
        summary: "connect through a proxy: socks5h://USER:PASSWORD@HOST:PORT or http://HOST:PORT",
        details: """
          The proxy makes the connection, and looks the broker's name up: socks5:// means the same as socks5h://. \
          http:// is a proxy with CONNECT. The port is 1080 for SOCKS and 8080 for HTTP when the URL has none. In USER and \
          PASSWORD, %40 stands for @ and so on for any byte. No variable of the environment names a proxy.
          """,
        secret: { URLAuthority.password(in: $0[0]) })
    ) { (settings, value) throws(UsageError) in settings.proxy = try ProxySettings(url: value) },
    Option(
      OptionDescription(
        long: "proxy-pw-from", value: .one("SOURCE"), section: .connection,
        summary: "where the password for the proxy is, as for {--pw-from}",
        details: "The user stands in the URL of {--proxy}.", secret: { SecretSource.secret(in: $0[0]) })
    ) { (settings, value) throws(UsageError) in settings.proxyPassword = try value.secretSource() },
  ]

  /// How the HTTP server is asked to speak WebSocket; nil without WebSocket.
  func webSocketSettings() throws(UsageError) -> WebSocketSettings? {
    guard usesWebSocket else {
      if webSocketPath != nil { throw UsageError("--ws-path: needs --ws, or a URL that begins with ws://") }
      if !webSocketFields.values.isEmpty {
        throw UsageError("--ws-header: needs --ws, or a URL that begins with ws://")
      }
      return nil
    }
    var settings = WebSocketSettings(headerFields: webSocketFields.values)
    if let webSocketPath { settings.path = webSocketPath }
    return settings
  }

  /// The proxy, or why there cannot be one.
  func proxySettings(to endpoint: Endpoint) throws(UsageError) -> ProxySettings? {
    guard let proxy else {
      if proxyPassword != nil { throw UsageError("--proxy-pw-from: needs --proxy") }
      return nil
    }
    if case .unix = endpoint { throw UsageError("--proxy: no proxy leads to a unix socket") }
    if proxyPassword != nil, proxy.userName == nil {
      throw UsageError("--proxy-pw-from: needs a user in the URL of --proxy, as in socks5h://USER@HOST")
    }
    return proxy
  }
}

extension ProxySettings {
  /// `socks5h://`, `socks5://` or `http://`, and `[USER[:PASSWORD]@]HOST[:PORT]`.
  fileprivate init(url argument: Argument) throws(UsageError) {
    let schemes: [(name: String, kind: Kind, port: UInt16)] = [
      ("socks5h://", .socks5, 1080), ("socks5://", .socks5, 1080), ("http://", .http, 8080),
    ]
    let bytes = argument.bytes
    let start = lowercased(bytes.prefix { $0 != UInt8(ascii: ":") } + Array("://".utf8))
    guard let scheme = schemes.first(where: { start.elementsEqual($0.name.utf8) }), bytes.count >= start.count,
      lowercased(bytes.prefix(start.count)) == start
    else { throw UsageError("the URL of a proxy begins with socks5h:// or http://") }
    var text = bytes[start.count...]
    if text.last == UInt8(ascii: "/") { text.removeLast() }
    let slash = UInt8(ascii: "/")
    guard !text.contains(slash) else {
      throw UsageError("the URL of a proxy has no path; a / in its password is written %2F")
    }
    let parts = try URLAuthority(text, from: argument.source, isWhole: true)
    self.init(scheme.kind, host: parts.host, port: parts.port.map { UInt16($0) } ?? scheme.port)
    userName = parts.userName
    password = parts.password
    guard userName != nil || password == nil else {
      throw UsageError("the URL of the proxy has a password and no user")
    }
    if scheme.kind == .socks5, max(userName?.count ?? 0, password?.count ?? 0) > 255 {
      throw UsageError("SOCKS5 has no user and no password longer than 255 bytes")
    }
    if scheme.kind == .http, userName?.contains(UInt8(ascii: ":")) == true {
      throw UsageError("the user for an HTTP proxy has no : in it")
    }
  }
}

extension Argument {
  /// The word as the path of a unix socket.
  func unixPath() throws(UsageError) -> String {
    let path = try text()
    guard !path.isEmpty else { throw UsageError("the path is missing") }
    guard !bytes.contains(0) else { throw UsageError("\(quoted) is no path") }
    return path
  }

  /// The word as path and query of an HTTP request; what may not stand there is percent-encoded.
  func webSocketPath() throws(UsageError) -> [UInt8] {
    // Not quoted: a query may hold what is secret.
    guard bytes.first == UInt8(ascii: "/") else { throw UsageError("the path for WebSocket does not begin with a /") }
    guard !bytes.contains(UInt8(ascii: "#")) else {
      throw UsageError("the path for WebSocket has a # in it; write %23 for it")
    }
    return bytes.flatMap { byte in
      (0x21...0x7E).contains(byte)
        ? [byte] : [UInt8(ascii: "%"), Hex.digit(byte >> 4, uppercase: true), Hex.digit(byte & 0x0F, uppercase: true)]
    }
  }

  /// The word as a header field of HTTP: `Name: value`.
  func headerField() throws(UsageError) -> WebSocketSettings.HeaderField {
    let blanks = [UInt8(ascii: " "), UInt8(ascii: "\t")]
    let name = Array(bytes.prefix { $0 != UInt8(ascii: ":") })
    // Not quoted: the value may be secret.
    guard name.count < bytes.count, !name.isEmpty, name.allSatisfy(isTokenCharacter) else {
      throw UsageError("is not a header field such as 'Name: value'")
    }
    guard !WebSocketSettings.HeaderField.reserved.contains(where: { lowercased(name).elementsEqual($0.utf8) }) else {
      throw UsageError("\(String(decoding: name, as: UTF8.self)) is a field of the handshake itself")
    }
    var value = bytes[(name.count + 1)...].drop { blanks.contains($0) }
    while let last = value.last, blanks.contains(last) { value.removeLast() }
    guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == UInt8(ascii: "\t") }) else {
      throw UsageError("the value of a header field has no control characters")
    }
    return WebSocketSettings.HeaderField(name: name, value: Array(value))
  }
}

/// What a field's name consists of (RFC 9110, section 5.6.2).
private func isTokenCharacter(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "a")...UInt8(ascii: "z"):
    true
  default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
  }
}
