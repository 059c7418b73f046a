internal import MQTT

/// The frames of WebSocket (RFC 6455, section 5.2):
///
///     +-+-+-+-+-------+-+-------------+-------------------------------+
///     |F|R|R|R| opcode|M| length      | more length: 2 bytes for 126, |
///     |I|S|S|S|       |A|             | 8 bytes for 127               |
///     |N|V|V|V|       |S|             +-------------------------------+
///     | |1|2|3|       |K|             | masking key: 4 bytes if MASK  |
///     +-+-+-+-+-------+-+-------------+-------------------------------+
enum WebSocketFrame {
  /// What a frame is.
  enum Opcode: UInt8 {
    case continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10

    /// A control frame: short, whole, and allowed between the fragments of a message.
    var isControl: Bool { rawValue & 8 != 0 }
  }

  /// The longest payload of a control frame (section 5.5).
  static let longestControl = 125

  /// Appends a whole message in one frame, masked with the bytes of `mask` as every client has to.
  static func append(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer, mask: UInt32, to output: inout ByteQueue) {
    output.append(0x80 | opcode.rawValue)
    switch payload.count {
    case ..<126: output.append(0x80 | UInt8(payload.count))
    case ...0xFFFF:
      output.append(0x80 | 126)
      append(UInt16(payload.count), to: &output)
    default:
      output.append(0x80 | 127)
      append(UInt64(payload.count), to: &output)
    }
    withUnsafeBytes(of: mask) { output.append($0) }
    if payload.isEmpty { return }
    output.append(minimumCapacity: payload.count) { space in
      let twice = UInt64(mask) << 32 | UInt64(mask)
      var offset = 0
      while offset + 8 <= payload.count {
        let word = payload.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        space.storeBytes(of: word ^ twice, toByteOffset: offset, as: UInt64.self)
        offset += 8
      }
      withUnsafeBytes(of: mask) { mask in
        for offset in offset..<payload.count { space[offset] = payload[offset] ^ mask[offset & 3] }
      }
      return payload.count
    }
  }

  private static func append(_ number: some FixedWidthInteger, to output: inout ByteQueue) {
    withUnsafeBytes(of: number.bigEndian) { output.append($0) }
  }

  /// What stands before a payload, taken in byte by byte.
  struct Head {
    private(set) var opcode = Opcode.continuation
    private(set) var isFinal = false
    /// How long the payload is. Nothing is allocated for it: it is what somebody else says.
    private(set) var length: UInt64 = 0
    private var count = 0
    private var lengthBytesMissing = 0

    /// Takes the next byte; true when the head is complete.
    mutating func take(_ byte: UInt8) throws(ProtocolError) -> Bool {
      count += 1
      switch count {
      case 1:
        guard byte & 0x70 == 0 else { throw .protocolError("a WebSocket frame has reserved bits set") }
        guard let opcode = Opcode(rawValue: byte & 0x0F) else {
          throw .protocolError("a WebSocket frame has the unknown opcode \(byte & 0x0F)")
        }
        self.opcode = opcode
        isFinal = byte & 0x80 != 0
        guard isFinal || !opcode.isControl else { throw .protocolError("a WebSocket control frame is fragmented") }
        return false
      case 2:
        guard byte & 0x80 == 0 else { throw .protocolError("a WebSocket frame from the server is masked") }
        guard byte <= longestControl || !opcode.isControl else {
          throw .protocolError("a WebSocket control frame is longer than \(longestControl) bytes")
        }
        guard byte > 125 else {
          length = UInt64(byte)
          return true
        }
        lengthBytesMissing = byte == 126 ? 2 : 8
        return false
      default:
        length = length << 8 | UInt64(byte)
        lengthBytesMissing -= 1
        if lengthBytesMissing > 0 { return false }
        let shorter: UInt64 = count == 4 ? 126 : 0x1_0000
        guard length >= shorter, length <= UInt64(Int64.max) else {
          throw .protocolError("the length of a WebSocket frame is written in a wrong way")
        }
        return true
      }
    }
  }
}
