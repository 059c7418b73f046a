/// A value of a JSON text. Its bytes are borrowed and were checked; nothing is decoded before it is asked for.
public struct JSONValue {
  /// What a value can be.
  public enum Kind: Sendable {
    /// The six kinds of RFC 8259, 3.
    case object, array, string, number, boolean, null
  }

  /// The value as it stands in the text, without the blanks around it.
  public let bytes: UnsafeRawBufferPointer

  /// The value that `text` consists of. Throws where `text` is anything but one JSON text.
  public init(text: UnsafeRawBufferPointer) throws(JSONError) {
    bytes = UnsafeRawBufferPointer(rebasing: text[try JSONScanner.scan(text)])
  }

  /// A value that stands in a text that was checked, or was written by us.
  init(checked bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The string as a value.
  public init(_ string: JSONString) { bytes = string.quoted }

  /// What it is.
  public var kind: Kind {
    switch bytes[0] {
    case UInt8(ascii: "{"): .object
    case UInt8(ascii: "["): .array
    case UInt8(ascii: "\""): .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): .boolean
    case UInt8(ascii: "n"): .null
    default: .number
    }
  }

  /// The string that the value is, or nil.
  public var string: JSONString? { kind == .string ? JSONString(quoted: bytes) : nil }

  /// The members of an object in order, none for another kind.
  public var members: JSONMembers { JSONMembers(cursor: JSONCursor(bytes, opening: UInt8(ascii: "{"))) }

  /// The elements of an array in order, none for another kind.
  public var elements: JSONElements { JSONElements(cursor: JSONCursor(bytes, opening: UInt8(ascii: "["))) }

  /// The member of an object with this name in UTF-8. Of several with one name the last counts, as it does for most
  /// programs.
  public func member(_ name: [UInt8]) -> JSONValue? {
    var found: JSONValue?
    for member in members where member.name == name { found = member.value }
    return found
  }

  /// The element of an array with this number, the first being 0.
  public func element(_ number: Int) -> JSONValue? {
    var index = 0
    for element in elements {
      if index == number { return element }
      index += 1
    }
    return nil
  }

  /// Appends the value without the blanks between its parts, so that it fills no more than one line. Everything else
  /// stays as it is: numbers, escapes, order, members with the same name. `isForTerminal` escapes what would steer one.
  public func appendOnOneLine(isForTerminal: Bool = false, to output: inout OutputBuffer) {
    var start = 0
    var position = 0
    let append = { (end: Int, output: inout OutputBuffer) in
      let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
      if isForTerminal {
        JSONText.appendSafely(piece, to: &output)
      } else {
        output.append(piece)
      }
    }
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "\"") {
        position = JSONScanner.endOfString(bytes, from: position)
      } else if JSONScanner.isBlank(bytes[position]) {
        append(position, &output)
        repeat { position += 1 } while position < bytes.count && JSONScanner.isBlank(bytes[position])
        start = position
      } else {
        position += 1
      }
    }
    append(position, &output)
  }
}

/// A string in JSON, with its quotes and escapes as it stands there.
public struct JSONString {
  fileprivate let quoted: UnsafeRawBufferPointer

  fileprivate init(quoted: UnsafeRawBufferPointer) { self.quoted = quoted }

  /// The string's UTF-8 where it stands, or nil if it has escapes.
  public var plain: UnsafeRawBufferPointer? {
    let content = UnsafeRawBufferPointer(rebasing: quoted[1..<(quoted.count - 1)])
    return content.contains(UInt8(ascii: "\\")) ? nil : content
  }

  /// Appends the string's UTF-8.
  public func append(to bytes: inout [UInt8]) {
    forEachPiece { piece in
      bytes.append(contentsOf: piece)
      return true
    }
  }

  /// Whether the string's UTF-8 is `bytes`. (Texts that only look the same are not equal.)
  public static func == (string: JSONString, bytes: UnsafeRawBufferPointer) -> Bool {
    var rest = bytes[...]
    var isEqual = true
    string.forEachPiece { piece in
      isEqual = rest.prefix(piece.count).elementsEqual(piece)
      rest = rest.dropFirst(piece.count)
      return isEqual
    }
    return isEqual && rest.isEmpty
  }

  /// Whether the string's UTF-8 is `bytes`.
  public static func == (string: JSONString, bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { string == $0 } }

  /// Whether the string is the word.
  static func == (string: JSONString, word: StaticString) -> Bool {
    string == UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
  }

  /// Hands out the string's UTF-8 in pieces, as long as `body` returns true.
  private func forEachPiece(_ body: (UnsafeRawBufferPointer) -> Bool) {
    var position = 1
    let end = quoted.count - 1
    while position < end {
      var next = position
      while next < end, quoted[next] != UInt8(ascii: "\\") { next += 1 }
      if next > position, !body(UnsafeRawBufferPointer(rebasing: quoted[position..<next])) { return }
      position = next
      if position < end {
        let (scalar, length) = escape(at: position)
        guard withUTF8(of: scalar, body) else { return }
        position += length
      }
    }
  }

  /// The scalar that an escape stands for, and the escape's length.
  private func escape(at position: Int) -> (scalar: UInt32, length: Int) {
    switch quoted[position + 1] {
    case UInt8(ascii: "b"): return (0x08, 2)
    case UInt8(ascii: "f"): return (0x0C, 2)
    case UInt8(ascii: "n"): return (0x0A, 2)
    case UInt8(ascii: "r"): return (0x0D, 2)
    case UInt8(ascii: "t"): return (0x09, 2)
    case UInt8(ascii: "u"):
      let first = fourDigits(at: position + 2)
      if first & 0xF800 != 0xD800 { return (first, 6) }
      return (0x1_0000 + (first & 0x3FF) << 10 + fourDigits(at: position + 8) & 0x3FF, 12)
    case let byte: return (UInt32(byte), 2)
    }
  }

  private func fourDigits(at position: Int) -> UInt32 {
    quoted[position..<(position + 4)].reduce(0) { $0 << 4 | UInt32(Hex.value($1) ?? 0) }
  }
}

/// Lends the UTF-8 of a scalar.
private func withUTF8(of scalar: UInt32, _ body: (UnsafeRawBufferPointer) -> Bool) -> Bool {
  let continuation = { (shift: UInt32) in UInt8(truncatingIfNeeded: scalar >> shift & 0x3F | 0x80) }
  let head = { (shift: UInt32, mark: UInt32) in UInt8(truncatingIfNeeded: scalar >> shift | mark) }
  let bytes: (UInt8, UInt8, UInt8, UInt8)
  let count: Int
  switch scalar {
  case ..<0x80: (bytes, count) = ((head(0, 0), 0, 0, 0), 1)
  case ..<0x800: (bytes, count) = ((head(6, 0xC0), continuation(0), 0, 0), 2)
  case ..<0x1_0000: (bytes, count) = ((head(12, 0xE0), continuation(6), continuation(0), 0), 3)
  default: (bytes, count) = ((head(18, 0xF0), continuation(12), continuation(6), continuation(0)), 4)
  }
  return withUnsafeBytes(of: bytes) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
}

/// The members of an object in order; a name may come several times.
public struct JSONMembers: Sequence, IteratorProtocol {
  fileprivate var cursor: JSONCursor

  /// The next member.
  public mutating func next() -> (name: JSONString, value: JSONValue)? {
    guard let name = cursor.next(), let value = cursor.next() else { return nil }
    return (JSONString(quoted: name.bytes), value)
  }
}

/// The elements of an array in order.
public struct JSONElements: Sequence, IteratorProtocol {
  fileprivate var cursor: JSONCursor

  /// The next element.
  public mutating func next() -> JSONValue? { cursor.next() }
}

/// Walks over the names and values of a container that was checked.
private struct JSONCursor {
  private let bytes: UnsafeRawBufferPointer
  private var position: Int

  /// A cursor behind the opening bracket; at the end if the value begins with anything else.
  init(_ bytes: UnsafeRawBufferPointer, opening: UInt8) {
    self.bytes = bytes
    position = bytes[0] == opening ? 1 : bytes.count
  }

  mutating func next() -> JSONValue? {
    // Behind the bracket, a name or a value there are only blanks and one of these.
    while position < bytes.count, JSONScanner.isBlank(bytes[position]) || isSeparator(bytes[position]) { position += 1 }
    guard position < bytes.count else { return nil }
    let start = position
    position = Self.endOfValue(bytes, from: start)
    // What closes the container.
    guard position > start else { return nil }
    return JSONValue(checked: UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
  }

  private func isSeparator(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ",") || byte == UInt8(ascii: ":") }

  private static func endOfValue(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
    var position = start
    var depth = 0
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position = JSONScanner.endOfString(bytes, from: position)
        if depth == 0 { return position }
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        position += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return position }
        depth -= 1
        position += 1
        if depth == 0 { return position }
      case let byte where depth == 0 && (byte == UInt8(ascii: ",") || JSONScanner.isBlank(byte)): return position
      default: position += 1
      }
    }
    return position
  }
}
