internal import MQTTClient

/// How a payload is written where it is typed or read.
public enum PayloadEncoding: Hashable, Sendable {
  /// As it is.
  case text
  /// As pairs of hexadecimal digits.
  case hex
  /// As Base64.
  case base64

  /// The payload that `written` stands for, or what is wrong with it. Blanks and ends of lines within digits mean nothing:
  /// `base64` and `xxd -p` put them there.
  public func decode(_ written: some Sequence<UInt8>) throws(UsageError) -> [UInt8] {
    switch self {
    case .text: return Array(written)
    case .hex:
      if let bytes = Hex.decode(written.filter { !isBlank($0) }) { return bytes }
      throw UsageError("not pairs of hexadecimal digits")
    case .base64:
      if let bytes = Base64.decode(written.filter { !isBlank($0) }) { return bytes }
      throw UsageError("not Base64 with its padding")
    }
  }
}

private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

extension Argument {
  /// The word as the name of an encoding.
  func payloadEncoding() throws(UsageError) -> PayloadEncoding {
    try choice([("text", .text), ("hex", .hex), ("base64", .base64)])
  }
}
