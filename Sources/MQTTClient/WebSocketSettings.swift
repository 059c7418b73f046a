/// How the HTTP server in front of a broker is asked to speak WebSocket.
public struct WebSocketSettings: Hashable, Sendable {
  /// A header field of the request.
  public struct HeaderField: Hashable, Sendable {
    /// Its name.
    public var name: [UInt8]
    /// Its value, without blanks around it.
    public var value: [UInt8]

    /// A field that the handshake does not send by itself.
    public init(name: [UInt8], value: [UInt8]) {
      self.name = name
      self.value = value
    }

    /// Fields that the handshake sends itself (RFC 6455, section 4.1) or that say how long the request is, in small letters.
    public static let reserved = [
      "host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
      "sec-websocket-extensions", "content-length", "transfer-encoding",
    ]
  }

  /// Path and query of the request, percent-encoded where that is due; begins with a slash.
  public var path: [UInt8]
  /// Fields besides those of the handshake, in their order.
  public var headerFields: [HeaderField]

  /// A request for `path`.
  public init(path: [UInt8] = Array("/mqtt".utf8), headerFields: [HeaderField] = []) {
    self.path = path
    self.headerFields = headerFields
  }
}
