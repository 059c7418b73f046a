/// CRC-32 as in gzip and Ethernet: a flipped bit, and every damage within 32 bits, never goes unseen.
enum Checksum {
  /// The remainder of each four bits.
  private static let table: [UInt32] = (0..<16).map { index in
    (0..<4).reduce(UInt32(index)) { rest, _ in rest >> 1 ^ (rest & 1 == 0 ? 0 : 0xEDB8_8320) }
  }

  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      var sum: UInt32 = .max
      for byte in bytes {
        sum ^= UInt32(byte)
        sum = sum >> 4 ^ table[Int(sum & 0xF)]
        sum = sum >> 4 ^ table[Int(sum & 0xF)]
      }
      return ~sum
    }
  }

  static func of(_ text: String) -> UInt32 {
    var text = text
    return text.withUTF8 { of(UnsafeRawBufferPointer($0)) }
  }
}
