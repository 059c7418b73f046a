/// What the peer did against the protocol, or what we were about to do; it carries the reason code that answers it.
public struct ProtocolError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The reason code of the DISCONNECT that answers it.
  public var reasonCode: ReasonCode
  /// What was wrong, in a few words without a full stop.
  public var explanation: String

  /// An error that is answered with `reasonCode`.
  public init(_ reasonCode: ReasonCode, _ explanation: String) {
    self.reasonCode = reasonCode
    self.explanation = explanation
  }

  /// As in `malformed packet: topic name is not UTF-8`.
  public var description: String { "\(reasonCode): \(explanation)" }
}

extension ProtocolError {
  /// 0x81: the bytes cannot be decoded.
  public static func malformed(_ explanation: String) -> Self { Self(.malformedPacket, explanation) }

  /// 0x82: the bytes can be decoded, and say what is not allowed.
  public static func protocolError(_ explanation: String) -> Self { Self(.protocolError, explanation) }

  /// 0x8F: the text is no topic filter.
  public static func topicFilterInvalid(_ explanation: String) -> Self { Self(.topicFilterInvalid, explanation) }

  /// 0x90: the text is no topic name.
  public static func topicNameInvalid(_ explanation: String) -> Self { Self(.topicNameInvalid, explanation) }

  /// 0x93: more messages are in flight than the receiver announced to take.
  public static func receiveMaximumExceeded(_ explanation: String) -> Self {
    Self(.receiveMaximumExceeded, explanation)
  }

  /// 0x94: the topic alias is 0, too large or stands for nothing.
  public static func topicAliasInvalid(_ explanation: String) -> Self { Self(.topicAliasInvalid, explanation) }

  /// 0x95: the packet is larger than the receiver takes.
  public static func packetTooLarge(_ explanation: String) -> Self { Self(.packetTooLarge, explanation) }
}
