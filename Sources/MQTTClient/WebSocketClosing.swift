internal import MQTT

/// What a close frame says (RFC 6455, sections 5.5.1 and 7.4).
public struct WebSocketClosing: Hashable, Sendable, CustomStringConvertible {
  /// The status code; nil where the frame has none.
  public var code: UInt16?
  /// The server's words; often empty.
  public var reason: String

  /// The payload of a close frame: nothing, or a code in two bytes and a reason in UTF-8. Nil when it is neither, or when the code
  /// is one that never stands in a frame.
  init?(_ payload: [UInt8]) {
    guard !payload.isEmpty else {
      reason = ""
      return
    }
    guard payload.count >= 2 else { return nil }
    let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
    switch code {
    case 1000...1003, 1007...1014, 3000...4999: self.code = code
    default: return nil
    }
    guard let reason = String(validating: payload[2...], as: UTF8.self) else { return nil }
    self.reason = reason
  }

  /// Whether a new connection could fare better.
  var isTransient: Bool {
    switch code {
    case nil, 1000, 1001, 1006, 1011, 1012, 1013, 1014: true
    default: false
    }
  }

  /// `1008 (policy violation): too many connections`
  public var description: String {
    guard let code else { return "no code" }
    let meaning =
      switch code {
      case 1000: "normal"
      case 1001: "going away"
      case 1002: "protocol error"
      case 1003: "unsupported data"
      case 1007: "data does not fit its type"
      case 1008: "policy violation"
      case 1009: "message too big"
      case 1010: "extension missing"
      case 1011: "internal error"
      case 1012: "service restart"
      case 1013: "try again later"
      case 1014: "bad gateway"
      case 3000...3999: "registered"
      default: "private"
      }
    return "\(code) (\(meaning))" + (reason.isEmpty ? "" : ": \(reason)")
  }
}
