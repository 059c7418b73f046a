/// Turns wire notation into what it stands for.
struct NotationReader {
  struct Fault: Error {
    var reason: String
  }

  private var rest: ArraySlice<UInt8>

  init(_ text: String) {
    rest = Array(text.utf8)[...]
  }

  mutating func units() throws(Fault) -> [WireNotation.Unit] {
    var units: [WireNotation.Unit] = []
    while true {
      units += try unitsOfPacket()
      skipSpace()
      guard let next = rest.popFirst() else { return units }
      guard next == UInt8(ascii: "|") else { throw Fault(reason: "a ] without its [") }
    }
  }

  /// Up to the end of the packet, `|`, or of the group, `]`, which is left to the caller.
  private mutating func unitsOfPacket() throws(Fault) -> [WireNotation.Unit] {
    var units: [WireNotation.Unit] = []
    while true {
      skipSpace()
      guard let first = rest.first, first != UInt8(ascii: "|"), first != UInt8(ascii: "]") else { return units }
      switch first {
      case UInt8(ascii: "'"):
        units += try text().map { .byte($0) }
      case UInt8(ascii: "["):
        rest = rest.dropFirst()
        let content = try unitsOfPacket()
        guard rest.popFirst() == UInt8(ascii: "]") else { throw Fault(reason: "a [ without its ]") }
        units += length(of: content) + content
      default:
        let word = word()
        switch word {
        case "r*":
          let content = try unitsOfPacket()
          return units + length(of: content) + content
        case "s*":
          skipSpace()
          let text = try text()
          guard let length = UInt16(exactly: text.count) else { throw Fault(reason: "text too long for s*") }
          units += bigEndian(UInt32(length), bytes: 2) + text.map { .byte($0) }
        case "..": units.append(.anyByte)
        case "...": units.append(.rest)
        case "s?": units.append(.anyString)
        case "m?", "n?": units += [.anyByte, .anyByte]
        case "N?": units += [.anyByte, .anyByte, .anyByte, .anyByte]
        case "r?", "v?": units.append(.anyVariableByteInteger)
        default: units += try numberOrHex(word)
        }
      }
    }
  }

  private func numberOrHex(_ word: String) throws(Fault) -> [WireNotation.Unit] {
    let number = UInt32(word.dropFirst())
    switch (word.first, number) {
    case ("m", let number?) where number <= 0xffff, ("s", let number?) where number <= 0xffff,
      ("n", let number?) where number <= 0xffff:
      return bigEndian(number, bytes: 2)
    case ("N", let number?):
      return bigEndian(number, bytes: 4)
    case ("r", let number?) where number < 1 << 28, ("v", let number?) where number < 1 << 28:
      return variableByteIntegerBytes(Int(number)).map { .byte($0) }
    default:
      return try hexadecimal(word)
    }
  }

  private func hexadecimal(_ word: String) throws(Fault) -> [WireNotation.Unit] {
    let digits = word.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
    guard digits.count.isMultiple(of: 2), !digits.contains(nil) else { throw Fault(reason: "what is \(word)?") }
    return stride(from: 0, to: digits.count, by: 2).map { .byte(UInt8(digits[$0]! << 4 | digits[$0 + 1]!)) }
  }

  private func bigEndian(_ number: UInt32, bytes: Int) -> [WireNotation.Unit] {
    (0..<bytes).reversed().map { .byte(UInt8(truncatingIfNeeded: number >> (8 * UInt32($0)))) }
  }

  private func length(of units: [WireNotation.Unit]) -> [WireNotation.Unit] {
    if units.contains(where: \.isOfOpenLength) { return [.anyVariableByteInteger] }
    return variableByteIntegerBytes(units.count).map { .byte($0) }
  }

  private mutating func text() throws(Fault) -> [UInt8] {
    let quote = UInt8(ascii: "'")
    guard rest.popFirst() == quote else { throw Fault(reason: "s* wants 'text' after it") }
    var text: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte != quote {
        text.append(byte)
      } else if rest.first == quote {
        rest = rest.dropFirst()
        text.append(quote)
      } else {
        return text
      }
    }
    throw Fault(reason: "text without its closing quote")
  }

  private mutating func word() -> String {
    let word = rest.prefix { !" \t\r\n|[]'".utf8.contains($0) }
    rest = rest.dropFirst(word.count)
    return String(decoding: word, as: UTF8.self)
  }

  private mutating func skipSpace() {
    rest = rest.drop { " \t\r\n".utf8.contains($0) }
  }
}
