public import MQTT
public import MQTTClient

/// Which exit status tells of which failure.
extension ExitStatus {
  /// The status for a connection that could not be made or was lost.
  public init(_ error: ConnectionError) {
    switch error {
    case .nameNotFound, .serviceNotFound: self = .nameNotFound
    case .system("recv", _, _), .system("send", _, _): self = .connectionLost
    case .system: self = .cannotConnect
    case .timedOut: self = .timedOut
    case .tls(let failure):
      switch failure.kind {
      case .settings: self = .usage
      case .certificate: self = .certificate
      case .handshake: self = .handshake
      }
    case .closed(.suback), .closed(.connected), .webSocketClosed(.suback, _), .webSocketClosed(.connected, _):
      self = .connectionLost
    case .webSocketClosed: self = .cannotConnect
    case .notLetThrough: self = .proxy
    case .closed: self = .cannotConnect
    case .refused(let packet, _):
      self = packet.returnCode.map { .returnCode($0) } ?? .reasonCode(packet.reasonCode.rawValue)
    case .disconnected(let packet):
      self = packet.reasonCode.isFailure ? .reasonCode(packet.reasonCode.rawValue) : .connectionLost
    case .silent: self = .silence
    case .otherProtocol(.tls): self = .handshake
    case .otherProtocol, .notProved, .protocolError: self = .brokerFault
    case .notSupported(let error): self = ExitStatus(error)
    case .noPassword: self = .helper
    case .cannotEncode: self = .usage
    }
  }

  /// The status for a packet that could not be sent: the broker's limits or the specification forbid it.
  public init(_ error: ProtocolError) {
    switch error.reasonCode {
    case .qosNotSupported, .retainNotSupported, .sharedSubscriptionsNotSupported, .subscriptionIdentifiersNotSupported,
      .wildcardSubscriptionsNotSupported:
      self = .notSupported
    case .packetTooLarge: self = .tooLarge
    case .topicNameInvalid, .topicFilterInvalid, .malformedPacket: self = .badText
    default: self = .reasonCode(error.reasonCode.rawValue)
    }
  }
}

extension Compatibility {
  /// The status for a connection that could not be made or was lost: under the name of a mosquitto client, one for all
  /// failures to reach the broker.
  public func status(of error: ConnectionError) -> ExitStatus {
    switch error {
    case .nameNotFound, .serviceNotFound, .system("connect", _, _), .system("bind", _, _), .timedOut, .tls,
      .closed(.transport),
      .closed(.connack), .webSocketClosed(.connack, _), .notLetThrough:
      status(ofConnectFailure: ExitStatus(error))
    default: ExitStatus(error)
    }
  }
}
