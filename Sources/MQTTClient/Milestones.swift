public import MQTT

/// When an attempt to connect came how far; nil for what it has not reached.
public struct Milestones: Sendable {
  /// The broker's name, or the proxy's, was looked up.
  public internal(set) var named: Instant?
  /// TCP, or the unix socket, was connected.
  public internal(set) var connected: Instant?
  /// All that stands between was agreed on (proxy, TLS, WebSocket), and CONNECT was handed over.
  public internal(set) var opened: Instant?
}

/// What the system knows of a network connection.
public struct TransportState: Sendable {
  /// TCP segments sent, those sent again among them.
  public var segmentsSent: Int
  /// TCP segments sent again.
  public var retransmits: Int
  /// TCP's smoothed round-trip time.
  public var roundTrip: Duration
  /// The smallest round-trip time that TCP has seen lately.
  public var smallestRoundTrip: Duration
}

/// Bytes that passed through a socket.
public struct SocketBytes: Hashable, Sendable {
  /// Those that the system has taken.
  public var sent = 0
  /// Those that came.
  public var received = 0

  /// None.
  public init() {}
}

/// Bytes that the system keeps of a network connection (SO_SNDBUF and SO_RCVBUF), its own bookkeeping included.
public struct SocketBuffers: Hashable, Sendable {
  /// Sent, and not acknowledged by the other machine.
  public var send: Int
  /// Received, and not asked for.
  public var receive: Int
}

/// Who is at the other end of a network connection: the broker, or a proxy.
public struct Peer: Hashable, Sendable {
  /// `192.0.2.7:1883`, `[2001:db8::7]:1883` or the path.
  public var address: String
  /// Whether it has one of this machine's own addresses.
  public var isOnThisMachine: Bool
}
