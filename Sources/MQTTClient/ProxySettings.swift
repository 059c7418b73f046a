/// What stands between us and the broker, and makes the connection to it for us.
public struct ProxySettings: Hashable, Sendable {
  /// How the proxy is spoken to.
  public enum Kind: Hashable, Sendable {
    /// SOCKS version 5 (RFC 1928). The proxy looks the broker's name up.
    case socks5
    /// An HTTP proxy with CONNECT (RFC 9110, section 9.3.6).
    case http
  }

  /// How the proxy is spoken to.
  public var kind: Kind
  /// The proxy's name or address.
  public var host: String
  /// The proxy's TCP port.
  public var port: UInt16
  /// The user, if the proxy wants to know.
  public var userName: [UInt8]?
  /// The user's password.
  public var password: [UInt8]?

  /// A proxy at this place, without a user.
  public init(_ kind: Kind, host: String, port: UInt16) {
    self.kind = kind
    self.host = host
    self.port = port
  }

  /// Where the proxy listens.
  var endpoint: Endpoint { .tcp(host: host, port: port) }
}
