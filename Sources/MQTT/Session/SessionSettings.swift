/// How long the broker is asked to keep the session.
public enum SessionLifetime: Sendable {
  /// As long as the network connection: every connection begins with a clean start.
  case networkConnection
  /// Over lost connections, but not longer than this process: the last DISCONNECT ends it.
  case process
  /// Until it expires: another run can go on with it.
  case persistent
}

/// What is wanted of a session.
public struct SessionSettings: Sendable {
  /// The CONNECT to send; `protocolVersion` and `cleanStart` in it are set by the session.
  public var connect: ConnectPacket
  /// The version to speak.
  public var version: ProtocolVersion
  /// How long the broker is asked to keep the session.
  public var lifetime: SessionLifetime = .networkConnection
  /// Whether a persistent session begins with a clean start; not on 3.x, where that would end it with its connection. One that is
  /// for this process only begins clean as long as this is set.
  public var startsClean = false
  /// QoS 1 and 2 publishes that may be unacknowledged at a time, unless the broker allows fewer. Nil means 1,000, and 20
  /// on 3.x, where a broker cannot say what it allows: Mosquitto closes a connection that has many more.
  public var maximumInflight: Int?
  /// Bytes of the largest packet that is taken from the broker.
  public var maximumPacketSize = 268_435_460
  /// Closes on everything that is otherwise lived with.
  public var isStrict = false

  /// The defaults, for a CONNECT and a version.
  public init(connect: ConnectPacket, version: ProtocolVersion) {
    self.connect = connect
    self.version = version
  }
}
