internal import MQTT

/// Where a broker is, in one word:
///
///     mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]
///     ws://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]
///     unix:PATH
///
/// and the first two with TLS as `mqtts` and `wss`. TOPIC is all behind the first `/` as it is: `#` and `%` mean themselves. PATH
/// and QUERY go to the HTTP server as they are. In the rest, `%` and two hexadecimal digits stand for a byte.
public struct BrokerURL: Sendable {
  /// How the broker is reached.
  enum Scheme: String, CaseIterable {
    case mqtt, mqtts, ws, wss, unix

    /// Whether TLS is spoken.
    var usesTLS: Bool { self == .mqtts || self == .wss }

    /// Whether MQTT goes through WebSocket.
    var usesWebSocket: Bool { self == .ws || self == .wss }
  }

  var scheme: Scheme
  /// The path of the unix socket; nil where there is a host.
  var unixPath: String?
  var host = ""
  var port: Int?
  var userName: Text?
  var password: [UInt8]?
  /// PATH and QUERY for WebSocket; nil when there are none.
  var webSocketPath: [UInt8]?
  /// All behind the first `/`; nil when there is nothing.
  public var topic: Argument?

  /// Reads a URL. No message shows the part that may hold a password.
  public init(_ argument: Argument) throws(UsageError) {
    let bytes = argument.bytes
    let name = lowercased(bytes.prefix { $0 != UInt8(ascii: ":") })
    let isMarked = bytes[name.count...].starts(with: "://".utf8)
    guard let scheme = Scheme.allCases.first(where: { name.elementsEqual($0.rawValue.utf8) }),
      isMarked || scheme == .unix && name.count < bytes.count
    else {
      // Not quoted: there may be a password in it.
      throw UsageError("the URL does not begin with mqtt://, mqtts://, ws://, wss:// or unix:")
    }
    self.scheme = scheme
    let rest = bytes[(name.count + (isMarked ? 3 : 1))...]
    if scheme == .unix {
      guard !isMarked || rest.first == UInt8(ascii: "/") else {
        throw UsageError("a unix socket has no host: unix:/PATH or unix:///PATH")
      }
      unixPath = try Argument(try URLAuthority.percentDecoded(rest, "path"), from: argument.source).unixPath()
      return
    }

    let slash = UInt8(ascii: "/")
    var authority = rest.prefix { $0 != slash }
    if scheme.usesWebSocket {
      // A query may follow the host at once; before an @ the mark is part of a password.
      let host = authority.lastIndex(of: UInt8(ascii: "@")).map { $0 + 1 } ?? authority.startIndex
      let end = authority[host...].firstIndex(of: UInt8(ascii: "?")) ?? authority.endIndex
      authority = authority[..<end]
      let path = bytes[end...]
      if !path.isEmpty {
        let path = path.first == slash ? Array(path) : [slash] + path
        webSocketPath = try Argument(path, from: argument.source).webSocketPath()
      }
    } else if authority.endIndex < bytes.endIndex - 1 {
      topic = Argument(Array(bytes[(authority.endIndex + 1)...]), from: argument.source)
    }
    let behind = bytes[authority.endIndex...]
    let parts = try URLAuthority(authority, from: argument.source, isWhole: !behind.contains(UInt8(ascii: "@")))
    host = parts.host
    port = parts.port
    userName = try parts.userName.map { (name) throws(UsageError) in
      try Argument(name, from: argument.source).mqttText()
    }
    password = try parts.password.map { (password) throws(UsageError) in
      try Argument(password, from: argument.source).binary()
    }
  }
}
