/// A key that was pressed.
enum Key: Equatable {
  case up, down, left, right, pageUp, pageDown, home, end, enter, escape, backspace
  /// A character, in UTF-8; Ctrl and a letter are one, too.
  case text([UInt8])

  static func character(_ character: Unicode.Scalar) -> Key { .text(Array(String(character).utf8)) }
}

/// Makes keys out of what a terminal sends for them.
///
/// A function key is a sequence that begins as the escape key does, and may come in pieces: what is incomplete waits until more
/// comes, or until somebody decides that nothing more will.
struct KeyReader {
  private var bytes: [UInt8] = []

  /// Whether something waits.
  var isWaiting: Bool { !bytes.isEmpty }

  /// Takes what the terminal sent.
  mutating func append(_ bytes: [UInt8]) { self.bytes += bytes }

  /// The next key, if it is there as a whole. With `isComplete` nothing more will come that belongs to it.
  mutating func next(isComplete: Bool = false) -> Key? {
    while let first = bytes.first {
      let (length, key) = first == 0x1B ? sequence() : character(first)
      if length > bytes.count || length == 0 {
        guard isComplete else { return nil }
        bytes.removeFirst()
        if first == 0x1B { return .escape }
        continue
      }
      bytes.removeFirst(length)
      if let key { return key }
    }
    return nil
  }

  private func character(_ first: UInt8) -> (length: Int, key: Key?) {
    switch first {
    case 0x0A, 0x0D: return (1, .enter)
    case 0x08, 0x7F: return (1, .backspace)
    case ..<0x80: return (1, .text([first]))
    case 0xC2...0xDF: return text(2)
    case 0xE0...0xEF: return text(3)
    case 0xF0...0xF4: return text(4)
    default: return (1, nil)
    }
  }

  private func text(_ length: Int) -> (length: Int, key: Key?) {
    (length, bytes.count < length ? nil : .text(Array(bytes[..<length])))
  }

  /// ESC O and a letter, or ESC [, parameters and a letter or tilde (ECMA-48, 5.4); 0 is for more than there is. ESC and
  /// something else is the escape key.
  private func sequence() -> (length: Int, key: Key?) {
    guard bytes.count > 1 else { return (0, nil) }
    switch bytes[1] {
    case UInt8(ascii: "O"):
      return bytes.count > 2 ? (3, Self.key(bytes[2])) : (0, nil)
    case UInt8(ascii: "["):
      guard let end = bytes[2...].firstIndex(where: { (0x40...0x7E).contains($0) }) else {
        return bytes.count > 32 ? (bytes.count, nil) : (0, nil)
      }
      if bytes[end] == UInt8(ascii: "~") { return (end + 1, Self.key(number: bytes[2..<end])) }
      return (end + 1, Self.key(bytes[end]))
    default: return (1, .escape)
    }
  }

  private static func key(_ final: UInt8) -> Key? {
    switch final {
    case UInt8(ascii: "A"): .up
    case UInt8(ascii: "B"): .down
    case UInt8(ascii: "C"): .right
    case UInt8(ascii: "D"): .left
    case UInt8(ascii: "H"): .home
    case UInt8(ascii: "F"): .end
    default: nil
    }
  }

  private static func key(number: ArraySlice<UInt8>) -> Key? {
    switch number.first {
    case UInt8(ascii: "1"), UInt8(ascii: "7"): number.count == 1 ? .home : nil
    case UInt8(ascii: "4"), UInt8(ascii: "8"): .end
    case UInt8(ascii: "5"): .pageUp
    case UInt8(ascii: "6"): .pageDown
    default: nil
    }
  }
}
