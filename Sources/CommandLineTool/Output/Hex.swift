public import MQTTClient

/// Bytes as hexadecimal digits.
public enum Hex {
  /// Appends two digits for each byte.
  public static func append(_ bytes: UnsafeRawBufferPointer, uppercase: Bool = false, to output: inout OutputBuffer) {
    output.append(count: 2 * bytes.count) { write(bytes, uppercase: uppercase, to: $0) }
  }

  @inline(__always)
  private static func write(
    _ bytes: UnsafeRawBufferPointer, uppercase: Bool, to destination: UnsafeMutableRawBufferPointer
  ) {
    for (index, byte) in bytes.enumerated() {
      destination[2 * index] = digit(byte >> 4, uppercase: uppercase)
      destination[2 * index + 1] = digit(byte & 0x0F, uppercase: uppercase)
    }
  }

  /// Appends 16 bytes a line: where they stand, their digits, and those that are visible ASCII. The last line has no
  /// end.
  ///
  ///     00000000  68 65 6c 6c 6f 20 77 6f  72 6c 64 00              |hello world.|
  public static func appendDump(of bytes: UnsafeRawBufferPointer, to output: inout OutputBuffer) {
    for start in stride(from: 0, to: bytes.count, by: 16) {
      if start > 0 { output.append(UInt8(ascii: "\n")) }
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: start).bigEndian) { append($0, to: &output) }
      let line = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + 16, bytes.count)])
      output.append(count: 54 + line.count) { destination in
        destination.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: " "))
        for (index, byte) in line.enumerated() {
          // Two blanks before each half, one between bytes.
          let column = 2 + 3 * index + index / 8
          destination[column] = digit(byte >> 4, uppercase: false)
          destination[column + 1] = digit(byte & 0x0F, uppercase: false)
          destination[53 + index] = (0x20...0x7E).contains(byte) ? byte : UInt8(ascii: ".")
        }
        destination[52] = UInt8(ascii: "|")
        destination[53 + line.count] = UInt8(ascii: "|")
      }
    }
  }

  /// The bytes that `digits` stand for, or nil if they are not pairs of hexadecimal digits.
  public static func decode(_ digits: some Collection<UInt8>) -> [UInt8]? {
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    var high: UInt8?
    for digit in digits {
      guard let value = value(digit) else { return nil }
      if let first = high {
        bytes.append(first << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    return bytes
  }

  /// The digit for a value below 16.
  static func digit(_ value: UInt8, uppercase: Bool) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : (uppercase ? UInt8(ascii: "A") : UInt8(ascii: "a")) + (value - 10)
  }

  /// What a digit stands for, or nil if it is none.
  static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// Bytes in Base64; MQTTClient writes it too.
public typealias Base64 = MQTTClient.Base64

extension Base64 {
  /// Appends four characters for each three bytes.
  public static func append(_ bytes: UnsafeRawBufferPointer, to output: inout OutputBuffer) {
    output.append(count: characterCount(forBytes: bytes.count)) { encode(bytes, into: $0) }
  }

  /// The bytes that `text` stands for, or nil if it is anything but what `append` writes: no blanks, no missing
  /// padding, no bits that are left over.
  public static func decode(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    let padding = text.reversed().prefix(2).prefix { $0 == UInt8(ascii: "=") }.count
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    for character in text.dropLast(padding) {
      guard let value = value(character) else { return nil }
      bits = bits << 6 | UInt32(value)
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
        bits &= (1 << bitCount) - 1
      }
    }
    return bits == 0 ? bytes : nil
  }

  private static func value(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
