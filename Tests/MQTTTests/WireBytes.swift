import MQTT

/// Bytes as they are written in tests: hex digits, blanks where fields end, text in quotes, as in `30 05 0003 'a/b'`.
/// It depends on nothing of ours, so that a mistake of the encoder cannot hide in it.
func wire(_ notation: String) -> [UInt8] {
  var bytes: [UInt8] = []
  for (index, part) in notation.split(separator: "'", omittingEmptySubsequences: false).enumerated() {
    if index.isMultiple(of: 2) {
      let digits = part.filter { $0 != " " }.compactMap(\.hexDigitValue)
      precondition(digits.count.isMultiple(of: 2) && digits.count == part.filter { $0 != " " }.count, notation)
      for high in stride(from: 0, to: digits.count, by: 2) { bytes.append(UInt8(digits[high] << 4 | digits[high + 1])) }
    } else {
      bytes += part.utf8
    }
  }
  return bytes
}

/// The opposite, for messages: hex only.
func hex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

/// A packet around a body of less than 128 bytes.
func packet(_ firstByte: UInt8, _ body: [UInt8]) -> [UInt8] {
  precondition(body.count < 128)
  return [firstByte, UInt8(body.count)] + body
}

/// Decodes one packet that is all of the bytes; nil: they are not a whole packet.
func decode(_ bytes: [UInt8], _ version: ProtocolVersion) throws(ProtocolError) -> ControlPacket? {
  var decoder = PacketDecoder(version: version)
  bytes.withUnsafeBytes { decoder.append($0) }
  return try decoder.nextPacket()
}

/// The reason code of the ProtocolError that is thrown; nil: there is none.
func reason<R>(_ body: @autoclosure () throws -> R) -> ReasonCode? {
  do {
    _ = try body()
    return nil
  } catch {
    return (error as! ProtocolError).reasonCode
  }
}

/// The reason code that refuses the bytes; nil: they decode, or are not a whole packet.
func refusal(_ bytes: [UInt8], _ version: ProtocolVersion) -> ReasonCode? {
  reason(try decode(bytes, version))
}

/// The packet on the wire.
func encode(_ packet: ControlPacket, _ version: ProtocolVersion) throws(ProtocolError) -> [UInt8] {
  var queue = ByteQueue()
  try packet.encode(as: version, to: &queue)
  return queue.withBytes { Array($0) }
}

/// The reason code with which encoding is refused; nil: it is not.
func refusalToEncode(_ packet: ControlPacket, _ version: ProtocolVersion) -> ReasonCode? {
  reason(try encode(packet, version))
}

/// Properties in the order of the calls.
func properties(_ fill: (inout Properties) -> Void) -> Properties {
  var properties = Properties()
  fill(&properties)
  return properties
}

/// Random numbers that are the same in each run (splitmix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
