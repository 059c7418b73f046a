/// What is wrong with JSON, and where.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The byte where it shows, the first one being 0.
  public var offset: Int
  /// What is wrong there.
  public var explanation: String

  /// `byte 7: a comma or } is missing`; the first byte is byte 1.
  public var description: String { "byte \(offset + 1): \(explanation)" }
}

/// Checks that bytes are one JSON text (RFC 8259), byte for byte once, whatever a hostile sender nests or repeats.
///
/// Where the RFC leaves a choice: containers may be nested 512 deep, a byte order mark is an error, and so is half of a
/// surrogate pair (`"\ud800"`), because it stands for no character.
struct JSONScanner {
  static let maximumDepth = 512

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  /// Where the one value stands, without the blanks around it.
  static func scan(_ bytes: UnsafeRawBufferPointer) throws(JSONError) -> Range<Int> {
    var scanner = JSONScanner(bytes: bytes)
    scanner.skipBlanks()
    let start = scanner.position
    try scanner.value()
    let end = scanner.position
    scanner.skipBlanks()
    guard scanner.position == bytes.count else { throw scanner.error("something follows the value") }
    return start..<end
  }

  private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The byte here; 0, which JSON has nowhere, at the end.
  private var byte: UInt8 { position < bytes.count ? bytes[position] : 0 }

  private func error(_ explanation: String) -> JSONError {
    JSONError(offset: position, explanation: position < bytes.count ? explanation : "the end comes too early")
  }

  private mutating func skipBlanks() {
    while position < bytes.count, JSONScanner.isBlank(bytes[position]) { position += 1 }
  }

  /// Blank, tab, line feed, carriage return.
  @inline(__always)
  static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }

  // MARK: Values

  private mutating func value() throws(JSONError) {
    // What closes the containers that are open, a byte each: a stack that nothing received can overflow.
    try withUnsafeTemporaryAllocation(byteCount: Self.maximumDepth, alignment: 1) {
      (closers) throws(JSONError) in try value(closers)
    }
  }

  private mutating func value(_ closers: UnsafeMutableRawBufferPointer) throws(JSONError) {
    var depth = 0
    while true {
      let first = byte
      switch first {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard depth < closers.count else { throw error("more than \(closers.count) containers in each other") }
        closers[depth] = first == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]")
        position += 1
        skipBlanks()
        if byte != closers[depth] {
          depth += 1
          if first == UInt8(ascii: "{") { try memberName() }
          continue
        }
        position += 1
      case UInt8(ascii: "\""): try string()
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
      case UInt8(ascii: "t"): try literal("true")
      case UInt8(ascii: "f"): try literal("false")
      case UInt8(ascii: "n"): try literal("null")
      default: throw error("no JSON value begins like this")
      }
      // Behind a value: what closes the containers that it was the last value of, and a comma.
      while depth > 0 {
        skipBlanks()
        let closer = closers[depth - 1]
        if byte == UInt8(ascii: ",") {
          position += 1
          skipBlanks()
          if closer == UInt8(ascii: "}") { try memberName() }
          break
        }
        guard byte == closer else {
          throw error(closer == UInt8(ascii: "}") ? "a comma or } is missing" : "a comma or ] is missing")
        }
        position += 1
        depth -= 1
      }
      if depth == 0 { return }
    }
  }

  /// A member's name and the colon behind it.
  private mutating func memberName() throws(JSONError) {
    guard byte == UInt8(ascii: "\"") else { throw error("a name in quotes is missing") }
    try string()
    skipBlanks()
    guard byte == UInt8(ascii: ":") else { throw error("a colon is missing") }
    position += 1
    skipBlanks()
  }

  private mutating func literal(_ word: StaticString) throws(JSONError) {
    for index in 0..<word.utf8CodeUnitCount {
      guard byte == word.utf8Start[index] else { throw error("no JSON value begins like this") }
      position += 1
    }
  }

  private mutating func number() throws(JSONError) {
    if byte == UInt8(ascii: "-") { position += 1 }
    if byte == UInt8(ascii: "0") { position += 1 } else { try digits() }
    if byte == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    if byte | 0x20 == UInt8(ascii: "e") {
      position += 1
      if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
  }

  private mutating func digits() throws(JSONError) {
    guard byte &- UInt8(ascii: "0") < 10 else { throw error("a digit is missing") }
    while byte &- UInt8(ascii: "0") < 10 { position += 1 }
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) {
    position += 1
    while true {
      while position < bytes.count, JSONScanner.isPlain(bytes[position]) { position += 1 }
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return
      case UInt8(ascii: "\\"): try escape()
      case 0x80...:
        guard let scalar = UTF8Scalar(bytes, at: position) else { throw error("this is not UTF-8") }
        position += scalar.count
      default: throw error("a control character in a string has to be escaped")
      }
    }
  }

  /// ASCII that stands for itself in a string.
  @inline(__always)
  static func isPlain(_ byte: UInt8) -> Bool {
    byte &- 0x20 < 0x60 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  private mutating func escape() throws(JSONError) {
    let start = position
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 1
    case UInt8(ascii: "u"):
      position += 1
      let first = try fourDigits()
      if first & 0xF800 == 0xD800 {
        // 7: the two halves of a pair are written one after the other.
        guard first < 0xDC00, byte == UInt8(ascii: "\\") else { throw halfPair(at: start) }
        position += 1
        guard byte == UInt8(ascii: "u") else { throw halfPair(at: start) }
        position += 1
        guard try fourDigits() & 0xFC00 == 0xDC00 else { throw halfPair(at: start) }
      }
    default: throw error("there is no such escape")
    }
  }

  private func halfPair(at offset: Int) -> JSONError {
    JSONError(offset: offset, explanation: "half of a surrogate pair")
  }

  private mutating func fourDigits() throws(JSONError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = Hex.value(byte) else { throw error("a hexadecimal digit is missing") }
      value = value << 4 | UInt16(digit)
      position += 1
    }
    return value
  }

  /// Where a string ends, behind its closing quote, that begins at `start` of bytes that were checked.
  static func endOfString(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
    var position = start + 1
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""): return position + 1
      case UInt8(ascii: "\\"): position += 2
      default: position += 1
      }
    }
    return position
  }
}
