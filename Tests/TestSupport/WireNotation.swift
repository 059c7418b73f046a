public import Testing

/// MQTT bytes as a person writes them: `32 r16 s5 'topic' m1 'payload'`.
///
/// | token       | bytes                                                                                          |
/// |-------------|------------------------------------------------------------------------------------------------|
/// | `32` `0004` | pairs of hexadecimal digits, as they stand                                                     |
/// | `'text'`    | the text in UTF-8; a quote is doubled: `'it''s'`                                               |
/// | `mN`        | packet identifier N, two bytes                                                                 |
/// | `sN`        | the number N as a string's two-byte length; the text follows as a token of its own             |
/// | `s*`        | the length of the `'text'` that follows                                                        |
/// | `rN`        | remaining length N, a variable byte integer                                                    |
/// | `r*`        | the length of all that follows in this packet: up to `\|` or the end                           |
/// | `nN` `NN`   | N as a two-byte integer (`n20`), N as a four-byte integer (`N300`)                             |
/// | `vN`        | N as a variable byte integer                                                                   |
/// | `[ … ]`     | what stands inside, after its length as a variable byte integer: properties `[ 21 n20 ]`, `[]` |
/// | `\|`        | nothing: the border of two packets, where `r*` ends                                            |
///
/// A written length is not compared with what follows, so that malformed packets can be written too.
///
/// What is expected may leave things open: `..` is any byte, `m?` `n?` `N?` any two or four bytes, `r?` `v?` any variable
/// byte integer, `s?` any length and as many bytes, `...` whatever is left of the packet. An `r*` or `[ ]` that holds
/// something of open length accepts any length.
///
/// All of it stands on the specification alone and on none of our encoders.
public struct WireNotation: Sendable, ExpressibleByStringInterpolation, CustomStringConvertible {
  /// The notation as it was written.
  public let description: String
  let units: [Unit]
  /// Why the notation cannot be read; literals cannot throw, so whoever uses it reports it.
  let fault: String?

  enum Unit: Equatable {
    case byte(UInt8), anyByte, anyVariableByteInteger, anyString, rest

    var isOfOpenLength: Bool {
      switch self {
      case .byte, .anyByte: false
      case .anyVariableByteInteger, .anyString, .rest: true
      }
    }
  }

  /// Reads a notation; one that cannot be read fails the test where it is used.
  public init(_ text: String) {
    description = text
    var reader = NotationReader(text)
    do {
      units = try reader.units()
      fault = nil
    } catch {
      units = []
      fault = "notation \"\(text)\": \(error.reason)"
    }
  }

  /// Reads a notation; one that cannot be read fails the test where it is used.
  public init(stringLiteral text: String) {
    self.init(text)
  }

  /// The bytes; nil if the notation leaves something open.
  public var bytes: [UInt8]? {
    var bytes: [UInt8] = []
    for unit in units {
      guard case .byte(let byte) = unit else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}

/// The bytes of a notation, typed into a test: `wire("20 r2 00 00")`.
public func wire(_ notation: WireNotation, sourceLocation: SourceLocation = #_sourceLocation) -> [UInt8] {
  if let fault = notation.fault {
    Issue.record("\(fault)", sourceLocation: sourceLocation)
  }
  guard let bytes = notation.bytes else {
    Issue.record("notation \"\(notation)\" leaves bytes open", sourceLocation: sourceLocation)
    return []
  }
  return bytes
}

// MARK: - Comparing

extension WireNotation {
  enum Comparison: Equatable {
    case matches
    /// All packets so far match, and the notation goes on.
    case needsAnotherPacket
    /// Offset of the first byte that differs, and what is wrong with it.
    case differs(at: Int, String)
  }

  /// Compares the notation with whole packets, received one after the other.
  func compare(with packets: [[UInt8]]) -> Comparison {
    let bytes = packets.flatMap { $0 }
    var position = 0
    for unit in units {
      // At the end of a packet `...` stands for nothing, it does not ask for another packet.
      if unit == .rest, position > 0, endOfPacket(before: position, in: packets) == position { continue }
      guard position < bytes.count else { return .needsAnotherPacket }
      switch unit {
      case .byte(let expected):
        if bytes[position] != expected {
          return .differs(at: position, "expected \(hex(expected)), received \(hex(bytes[position]))")
        }
        position += 1
      case .anyByte:
        position += 1
      case .anyVariableByteInteger:
        guard let integer = variableByteInteger(bytes[position...]) else {
          return .differs(at: position, "expected a variable byte integer")
        }
        position += integer.length
      case .anyString:
        guard position + 2 <= bytes.count else { return .differs(at: position, "expected a string") }
        let length = Int(bytes[position]) << 8 | Int(bytes[position + 1])
        guard position + 2 + length <= bytes.count else {
          return .differs(at: position, "expected a string, \(length) bytes of it are not there")
        }
        position += 2 + length
      case .rest:
        position = endOfPacket(before: position + 1, in: packets)
      }
    }
    guard position == bytes.count else {
      return .differs(at: position, "\(bytes.count - position) bytes more than expected")
    }
    return .matches
  }

  /// Where the packet ends that the byte before this offset belongs to.
  private func endOfPacket(before offset: Int, in packets: [[UInt8]]) -> Int {
    var end = 0
    for packet in packets where end < offset {
      end += packet.count
    }
    return end
  }
}

// MARK: - Describing

extension WireNotation {
  /// Bytes in readable notation: whole packets with their fixed header, strings and identifiers shown where they can be.
  ///
  /// It is a guess that reads well, not a decoder; what it writes always stands for the same bytes. With a limit, what
  /// comes after so many bytes is only counted, in words that are no notation.
  public static func describe(_ bytes: some Collection<UInt8>, limit: Int = .max) -> String {
    let all = Array(bytes)
    var tokens: [String] = []
    var position = 0
    while position < min(all.count, limit) {
      if position > 0 { tokens.append("|") }
      guard let length = variableByteInteger(all[(position + 1)...]),
        position + 1 + length.length + length.value <= all.count,
        variableByteIntegerBytes(length.value).count == length.length
      else {
        tokens += describeContent(all[position..<min(all.count, limit)])
        position = min(all.count, limit)
        break
      }
      let start = position + 1 + length.length
      let end = start + length.value
      tokens += [hex(all[position]), "r\(length.value)"]
      tokens += describeBody(all[start..<min(end, max(start, limit))], firstByte: all[position])
      position = min(end, max(start, limit))
    }
    if position < all.count { tokens.append("… and \(all.count - position) bytes more") }
    return tokens.joined(separator: " ")
  }

  private static func describeBody(_ body: ArraySlice<UInt8>, firstByte: UInt8) -> [String] {
    var tokens: [String] = []
    var body = body
    switch firstByte >> 4 {
    case 3:
      guard let topic = leadingString(body) else { return describeContent(body) }
      tokens += ["s\(topic.count)"] + describeText(topic)
      body = body.dropFirst(2 + topic.count)
      if firstByte & 0x06 != 0, body.count >= 2 {
        tokens.append("m\(UInt16(body[body.startIndex]) << 8 | UInt16(body[body.startIndex + 1]))")
        body = body.dropFirst(2)
      }
      return tokens + describeText(body)
    case 4...11 where body.count >= 2:
      tokens.append("m\(UInt16(body[body.startIndex]) << 8 | UInt16(body[body.startIndex + 1]))")
      return tokens + describeContent(body.dropFirst(2))
    default:
      return describeContent(body)
    }
  }

  /// Strings with their length where some seem to stand, all else in hexadecimal.
  private static func describeContent(_ bytes: ArraySlice<UInt8>) -> [String] {
    var tokens: [String] = []
    var rest = bytes
    while let byte = rest.first {
      if let string = leadingString(rest), !string.isEmpty, string.allSatisfy(isPrintable) {
        tokens += ["s\(string.count)"] + describeText(string)
        rest = rest.dropFirst(2 + string.count)
      } else {
        tokens.append(hex(byte))
        rest = rest.dropFirst()
      }
    }
    return tokens
  }

  /// Printable runs in quotes, all else in hexadecimal.
  private static func describeText(_ bytes: ArraySlice<UInt8>) -> [String] {
    var tokens: [String] = []
    var rest = bytes
    while let byte = rest.first {
      let run = rest.prefix(while: isPrintable)
      if run.isEmpty {
        tokens.append(hex(byte))
        rest = rest.dropFirst()
      } else {
        tokens.append("'" + String(decoding: run, as: UTF8.self).replacing("'", with: "''") + "'")
        rest = rest.dropFirst(run.count)
      }
    }
    return tokens
  }

  private static func isPrintable(_ byte: UInt8) -> Bool {
    (0x20...0x7e).contains(byte)
  }
}

/// What the first byte of a control packet calls it, for transcripts.
func packetName(_ firstByte: UInt8) -> String {
  [
    "reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK",
    "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
  ][Int(firstByte >> 4)]
}

// MARK: - The specification's integers

/// A variable byte integer (MQTT 5 §1.5.5) and how many bytes it took; nil if it is cut off or longer than four bytes.
func variableByteInteger(_ bytes: ArraySlice<UInt8>) -> (value: Int, length: Int)? {
  var value = 0
  for (index, byte) in bytes.prefix(4).enumerated() {
    value |= Int(byte & 0x7f) << (7 * index)
    if byte & 0x80 == 0 { return (value, index + 1) }
  }
  return nil
}

func variableByteIntegerBytes(_ value: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  var rest = value
  repeat {
    let digit = UInt8(rest & 0x7f)
    rest >>= 7
    bytes.append(rest > 0 ? digit | 0x80 : digit)
  } while rest > 0
  return bytes
}

/// A string with its two-byte length at the start of bytes; nil if it is cut off.
private func leadingString(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
  guard bytes.count >= 2 else { return nil }
  let length = Int(bytes[bytes.startIndex]) << 8 | Int(bytes[bytes.startIndex + 1])
  guard bytes.count >= 2 + length else { return nil }
  return bytes.dropFirst(2).prefix(length)
}

func hex(_ byte: UInt8) -> String {
  let digits = String(byte, radix: 16)
  return byte < 16 ? "0" + digits : digits
}
