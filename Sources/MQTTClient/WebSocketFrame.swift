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

  /// Appends a whole message in one frame, masked with the bytes of `mask` as every client has to, and no server may.
  static func append(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer, mask: UInt32?, to output: inout ByteQueue) {
    output.append(0x80 | opcode.rawValue)
    let masked: UInt8 = mask == nil ? 0 : 0x80
    switch payload.count {
    case ..<126: output.append(masked | UInt8(payload.count))
    case ...0xFFFF:
      output.append(masked | 126)
      append(UInt16(payload.count), to: &output)
    default:
      output.append(masked | 127)
      append(UInt64(payload.count), to: &output)
    }
    guard let mask else { return output.append(payload) }
    withUnsafeBytes(of: mask) { output.append($0) }
    append(payload, mask: mask, to: &output)
  }

  /// Appends a payload to which a mask is put, or from which it is taken: both are the same (section 5.3).
  static func append(_ payload: UnsafeRawBufferPointer, mask: UInt32, to output: inout ByteQueue) {
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
    /// Whether the frame has to be masked: a client's is, a server's never (section 5.1).
    let isMasked: Bool
    /// The bytes that the next one of the payload, and those behind it, are masked with.
    private(set) var mask: UInt32 = 0
    private var count = 0
    private var lengthBytesMissing = 0
    private var maskBytesMissing: Int

    /// A head of which nothing has come.
    init(isMasked: Bool) {
      self.isMasked = isMasked
      maskBytesMissing = isMasked ? 4 : 0
    }

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
        guard (byte & 0x80 != 0) == isMasked else {
          throw .protocolError(
            isMasked ? "a WebSocket frame from the client is not masked" : "a WebSocket frame from the server is masked"
          )
        }
        let short = byte & 0x7F
        guard short <= longestControl || !opcode.isControl else {
          throw .protocolError("a WebSocket control frame is longer than \(longestControl) bytes")
        }
        guard short > 125 else {
          length = UInt64(short)
          return maskBytesMissing == 0
        }
        lengthBytesMissing = short == 126 ? 2 : 8
        return false
      case _ where lengthBytesMissing > 0:
        length = length << 8 | UInt64(byte)
        lengthBytesMissing -= 1
        if lengthBytesMissing > 0 { return false }
        let shorter: UInt64 = count == 4 ? 126 : 0x1_0000
        guard length >= shorter, length <= UInt64(Int64.max) else {
          throw .protocolError("the length of a WebSocket frame is written in a wrong way")
        }
        return maskBytesMissing == 0
      default:
        withUnsafeMutableBytes(of: &mask) { $0[4 - maskBytesMissing] = byte }
        maskBytesMissing -= 1
        return maskBytesMissing == 0
      }
    }

    /// So many bytes of the payload were dealt with.
    mutating func maskMoves(by count: Int) {
      let bytes = withUnsafeBytes(of: mask) { mask in (0..<4).map { mask[($0 + count) & 3] } }
      withUnsafeMutableBytes(of: &mask) { $0.copyBytes(from: bytes) }
    }
  }
}
