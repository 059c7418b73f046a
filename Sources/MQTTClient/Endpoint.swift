/// Where a broker listens.
public enum Endpoint: Hashable, Sendable, CustomStringConvertible {
  /// A host name or an IPv4 or IPv6 literal (without brackets), and a TCP port.
  case tcp(host: String, port: UInt16)
  /// The path of a unix socket.
  case unix(path: String)

  /// `host:port`, `[::1]:port` or the path.
  public var description: String {
    switch self {
    case .tcp(let host, let port): host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): path
    }
  }
}
