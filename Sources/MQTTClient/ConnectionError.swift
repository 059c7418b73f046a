internal import CSystem
public import MQTT

/// How far an attempt to connect has come.
public enum ConnectionStage: Sendable, Hashable {
  /// The host name is being looked up.
  case name
  /// TCP, or the unix socket, is being connected.
  case transport
  /// The proxy is asked for a connection to the broker.
  case proxy
  /// TLS is being agreed on.
  case tls
  /// The HTTP server is asked to speak WebSocket.
  case webSocket
  /// CONNECT was sent and CONNACK is awaited.
  case connack
  /// The broker accepted, SUBSCRIBE was sent and SUBACK is awaited.
  case suback
  /// The broker accepted.
  case connected
}

extension ConnectionStage: CustomStringConvertible {
  /// What is under way, as in "timed out while connecting".
  public var description: String {
    switch self {
    case .name: "looking up the host name"
    case .transport: "connecting"
    case .proxy: "waiting for the proxy"
    case .tls: "agreeing on TLS"
    case .webSocket: "waiting for the WebSocket server"
    case .connack: "waiting for CONNACK"
    case .suback: "waiting for SUBACK"
    case .connected: "connected"
    }
  }
}

/// Why there is no network connection, or no longer.
public enum ConnectionError: Error, Sendable {
  /// The host name leads to no address; the reason is the resolver's.
  case nameNotFound(host: String, reason: String, isTemporary: Bool)
  /// The DNS has no broker for the service, as `_mqtt._tcp.example.com`.
  case serviceNotFound(name: String, reason: String, isTemporary: Bool)
  /// A system call failed.
  case system(call: String, errno: Int32, place: String)
  /// The time for connecting ran out.
  case timedOut(ConnectionStage, endpoint: String, after: Duration)
  /// There is no TLS with the broker.
  case tls(TLSFailure)
  /// What answered speaks something else than MQTT.
  case otherProtocol(PeerProtocol)
  /// The broker closed the network connection.
  case closed(ConnectionStage)
  /// The server took leave from WebSocket.
  case webSocketClosed(ConnectionStage, WebSocketClosing)
  /// The proxy, or the HTTP server that was asked to speak WebSocket, would not; the explanation names it and says what it answered.
  case notLetThrough(explanation: String, isTransient: Bool)
  /// CONNACK with a failure.
  case refused(ConnackPacket, version: ProtocolVersion)
  /// The broker did not prove that it knows the password, or could not be proved to that we do.
  case notProved(explanation: String)
  /// DISCONNECT from the broker.
  case disconnected(DisconnectPacket)
  /// The broker was silent for 1.5 times the keep alive, in seconds.
  case silent(keepAlive: Int)
  /// The broker broke the protocol.
  case protocolError(ProtocolError)
  /// The broker said that it does not offer what was asked for.
  case notSupported(ProtocolError)
  /// The password is not to be had at the moment.
  case noPassword(explanation: String)
  /// CONNECT itself could not be made of the settings.
  case cannotEncode(ProtocolError)

  /// Whether another attempt could end otherwise.
  public var isTransient: Bool {
    switch self {
    case .nameNotFound, .serviceNotFound, .timedOut, .closed, .silent, .noPassword: true
    case .system(let call, let number, _):
      // A path that is not there yet may come with the broker; an address that is not ours will not.
      call == "connect" || call == "recv" || call == "send" ? number != EACCES && number != EPERM : false
    case .webSocketClosed(_, let closing): closing.isTransient
    case .notLetThrough(_, let isTransient): isTransient
    case .tls(let failure): failure.isTransient
    case .refused(let packet, _): packet.reasonCode.isTransient
    case .disconnected(let packet): packet.reasonCode.isTransient || !packet.reasonCode.isFailure
    case .otherProtocol, .notProved, .protocolError, .notSupported, .cannotEncode: false
    }
  }

  /// Whether the broker took CONNECT and said nothing, as some do that do not speak its version.
  var isCloseInsteadOfConnack: Bool {
    switch self {
    case .closed(.connack), .webSocketClosed(.connack, _): true
    default: false
    }
  }
}

extension ConnectionError: CustomStringConvertible {
  /// One line: what happened, and what to do where that is not plain.
  public var description: String {
    switch self {
    case .nameNotFound(let host, let reason, let isTemporary):
      let advice =
        host.utf8.contains(UInt8(ascii: ":"))
        ? "a port goes to -p, a whole URL to --url" : isTemporary ? "is the network up?" : "is it spelled right?"
      return "host name \"\(host)\" cannot be resolved: \(reason) (\(advice))"
    case .serviceNotFound(let name, let reason, let isTemporary):
      let advice = isTemporary ? "is the network up?" : "is the domain right? without --srv its name is that of a host"
      return "no broker is found as \(name): \(reason) (\(advice))"
    case .system(let call, let number, let place):
      let text = String(cString: strerror(number))
      switch (call, number) {
      case ("connect", ECONNREFUSED):
        return "cannot connect to \(place): \(text) (nothing listens there: is the broker running, is the port right?)"
      case ("connect", ENETUNREACH), ("connect", EHOSTUNREACH):
        return "cannot connect to \(place): \(text) (is the network up, is the address right?)"
      case ("connect", ENOENT):
        return "cannot connect to \(place): \(text) (is the broker running, is the path right?)"
      case ("connect", EACCES):
        return "cannot connect to \(place): \(text) (who may use the socket?)"
      case ("connect", _): return "cannot connect to \(place): \(text)"
      case ("bind", EADDRNOTAVAIL):
        return "cannot connect from \(place): \(text) (is it an address of this machine, and has it ports left?)"
      case ("bind", _): return "cannot connect from \(place): \(text)"
      case ("listen", EADDRINUSE):
        return "cannot listen at \(place): \(text) (does something else listen there? see --port)"
      case ("listen", EACCES): return "cannot listen at \(place): \(text) (ports below 1024 may be root's: see --port)"
      case ("listen", _): return "cannot listen at \(place): \(text)"
      case ("recv", _), ("send", _): return "connection lost: \(call): \(text)"
      default: return "\(call): \(place): \(text)"
      }
    case .timedOut(let stage, let endpoint, let limit):
      let milliseconds = limit.nanoseconds / 1_000_000
      let time = milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
      switch stage {
      case .name: return "no answer within \(time) when looking up \(endpoint) (see --connect-timeout)"
      case .transport: return "no answer from \(endpoint) within \(time) (a firewall? see --connect-timeout)"
      case .proxy:
        return "the proxy gave no connection to \(endpoint) within \(time) (is it a proxy of that kind? see --proxy)"
      case .tls: return "\(endpoint) did not finish the TLS handshake within \(time) (is it a port for TLS?)"
      case .webSocket:
        return "\(endpoint) did not answer the WebSocket request within \(time) (is it a port for WebSocket?)"
      case .connack:
        return
          "\(endpoint) took the connection but sent no CONNACK within \(time) (is it an MQTT broker of this version? see -V)"
      case .suback, .connected: return "\(endpoint) took nothing more for \(time)"
      }
    case .tls(let failure): return failure.explanation
    case .otherProtocol(.tls): return "TLS answers there, not plain MQTT: --tls speaks it"
    case .otherProtocol(.http):
      return "an HTTP server answers there, no MQTT broker (is it a port for WebSocket? see --ws)"
    case .otherProtocol(let other): return "\(other.rawValue) is spoken there, not MQTT (is the port right?)"
    case .closed(.connack):
      return "the broker closed the connection instead of answering CONNECT (perhaps another protocol version, see -V, "
        + "or a port for TLS, see --tls)"
    case .closed(.suback):
      return
        "the broker closed the connection instead of answering SUBSCRIBE (perhaps it does not allow the topic filter)"
    case .closed: return "the broker closed the connection"
    case .webSocketClosed(.connack, let closing):
      return "the broker closed the WebSocket instead of answering CONNECT: \(closing)"
    case .webSocketClosed(.suback, let closing):
      return "the broker closed the WebSocket instead of answering SUBSCRIBE: \(closing)"
    case .webSocketClosed(_, let closing): return "the broker closed the WebSocket: \(closing)"
    case .notLetThrough(let explanation, _): return explanation
    case .refused(let packet, let version):
      var text = "the broker refused the connection: \(packet.reasonCode)"
      if packet.returnCode != nil, version.hasProperties {
        text += " (it speaks an older version: try -V 311)"
      } else if let advice = Self.advice(on: packet.reasonCode) {
        text += " (\(advice))"
      }
      return text + details(packet.properties)
    case .disconnected(let packet):
      return "the broker ended the connection: \(packet.reasonCode)" + details(packet.properties)
    case .silent(let seconds):
      return "nothing came from the broker for 1.5 times the keep alive of \(seconds) s (is the network up?)"
    case .protocolError(let error): return "the broker broke the protocol: \(error.explanation) (--trace shows packets)"
    case .notProved(let explanation): return "authentication: \(explanation)"
    case .noPassword(let explanation): return "password: \(explanation)"
    case .notSupported(let error), .cannotEncode(let error): return error.explanation
    }
  }

  /// What to do after a refusal, where the reason does not say it.
  private static func advice(on reasonCode: ReasonCode) -> String? {
    switch reasonCode {
    case .unsupportedProtocolVersion: "try another version with -V"
    case .clientIdentifierNotValid: "try another one with -i"
    case .badUserNameOrPassword, .notAuthorized: "see -u and -P"
    case .badAuthenticationMethod: "it wants another way of authentication"
    case .packetTooLarge: "CONNECT is too large for it: is the will too long?"
    case .serverUnavailable, .serverBusy, .connectionRateExceeded, .quotaExceeded: "try again later, or see --retry"
    default: nil
    }
  }

  /// What the broker says beside the reason code.
  private func details(_ properties: Properties) -> String {
    (properties[.reasonString].map { ": \($0)" } ?? "") + (properties[.serverReference].map { ", at \($0)" } ?? "")
  }
}
