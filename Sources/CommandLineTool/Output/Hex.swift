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
}
