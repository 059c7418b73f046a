internal import CSystem

/// Whose network a broker is in.
public enum NetworkReach: Sendable {
  /// This machine, or a network that is reached by nobody from outside.
  case `private`
  case `public`
}

extension Endpoint {
  /// Whose network all its addresses are in; looks its name up, which may take its time.
  public func reach() throws(ConnectionError) -> NetworkReach {
    guard case .tcp(let host, let port) = self, host != "localhost" else { return .private }
    let addresses =
      if let address = SocketAddress(literal: host, port: port) {
        [address]
      } else {
        try Resolver.system(host, port).get()
      }
    return addresses.allSatisfy(\.isPrivate) ? .private : .public
  }
}

extension SocketAddress {
  /// Loopback, link-local, and the ranges of RFC 1918, RFC 4193 and RFC 6598.
  var isPrivate: Bool {
    switch family {
    case AF_INET: Self.isPrivate(v4: host.reduce(0) { $0 << 8 | UInt32($1) })
    case AF_INET6:
      if host.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) {
        Self.isPrivate(v4: host[12...].reduce(0) { $0 << 8 | UInt32($1) })
      } else {
        host == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] || host[0] & 0xFE == 0xFC
          || host[0] == 0xFE && host[1] & 0xC0 == 0x80
      }
    default: true
    }
  }

  /// Whether it is one of the addresses that are this machine whatever address connects to it.
  var isLoopback: Bool { family == AF_INET && host[0] == 127 }

  private static func isPrivate(v4 address: UInt32) -> Bool {
    let ranges: [(UInt32, length: UInt32)] = [
      (0x7F00_0000, 8), (0x0A00_0000, 8), (0xAC10_0000, 12), (0xC0A8_0000, 16), (0xA9FE_0000, 16), (0x6440_0000, 10),
    ]
    return ranges.contains { ($0 ^ address) >> (32 - $1) == 0 }
  }
}
