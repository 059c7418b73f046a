/// Where a broker listens.
public enum Endpoint: Hashable, Sendable, CustomStringConvertible {
  /// A host name or an IPv4 or IPv6 literal (without brackets), and a TCP port.
  case tcp(host: String, port: UInt16)
  /// The path of a unix socket.
  case unix(path: String)
  /// A domain whose SRV records say which hosts and ports its brokers have, those with TLS or those without (RFC 2782).
  case service(domain: String, isSecure: Bool)

  var isUnixSocket: Bool {
    if case .unix = self { true } else { false }
  }

  /// `host:port`, `[::1]:port`, the path or `_mqtt._tcp.domain`, by the names of services that IANA has.
  public var description: String {
    switch self {
    case .tcp(let host, let port): host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): path
    case .service(let domain, let isSecure): "\(isSecure ? "_secure-mqtt" : "_mqtt")._tcp.\(domain)"
    }
  }
}
