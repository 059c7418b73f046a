/// A cursor over bytes from the wire: it throws `malformed` where they end too early. It knows the dialect:
/// `properties(for:)` reads nothing in a version that has none.
public struct ByteReader {
  private var position: UnsafeRawPointer
  private let end: UnsafeRawPointer
  /// The version whose rules the bytes follow.
  public internal(set) var version: ProtocolVersion

  /// Reads the bytes from their beginning. They must outlive the reader.
  @inline(__always)
  public init(_ bytes: UnsafeRawBufferPointer, version: ProtocolVersion) {
    // A buffer without memory is empty: nothing is read from the place that stands for it.
    position = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
    end = position + bytes.count
    self.version = version
  }

  /// How many bytes are left.
  @inline(__always)
  public var remaining: Int { end - position }

  /// Whether all bytes have been read.
  @inline(__always)
  public var isAtEnd: Bool { position == end }

  @inline(never)
  private static func endsEarly() -> ProtocolError { .malformed("the packet ends before its fields do") }

  /// The next `count` bytes.
  @inline(__always)
  public mutating func bytes(_ count: Int) throws(ProtocolError) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else { throw Self.endsEarly() }
    defer { position += count }
    return UnsafeRawBufferPointer(start: position, count: count)
  }

  /// All that is left.
  @inline(__always)
  public mutating func rest() -> UnsafeRawBufferPointer {
    defer { position = end }
    return UnsafeRawBufferPointer(start: position, count: remaining)
  }

  // MARK: Data representation (1.5)

  /// One byte.
  @inline(__always)
  public mutating func uint8() throws(ProtocolError) -> UInt8 { try integer() }

  /// Two bytes, most significant first.
  @inline(__always)
  public mutating func uint16() throws(ProtocolError) -> UInt16 { try integer() }

  /// Four bytes, most significant first.
  public mutating func uint32() throws(ProtocolError) -> UInt32 { try integer() }

  @inline(__always)
  private mutating func integer<I: FixedWidthInteger & BitwiseCopyable>() throws(ProtocolError) -> I {
    guard remaining >= MemoryLayout<I>.size else { throw Self.endsEarly() }
    defer { position += MemoryLayout<I>.size }
    return I(bigEndian: position.loadUnaligned(as: I.self))
  }

  /// One to four bytes of seven bits, least significant first; the high bit says that another one follows (1.5.5).
  public mutating func variableByteInteger() throws(ProtocolError) -> Int {
    let rest = UnsafeRawBufferPointer(start: position, count: remaining)
    guard let integer = try VariableByteInteger(prefixOf: rest) else { throw Self.endsEarly() }
    if version.requiresMinimalLengths && !integer.isMinimal { throw VariableByteInteger.notMinimal }
    position += integer.size
    return integer.value
  }

  /// Binary data: two bytes of length, then the bytes (1.5.6).
  @inline(__always)
  public mutating func binary() throws(ProtocolError) -> UnsafeRawBufferPointer {
    try bytes(Int(uint16()))
  }

  /// A UTF-8 encoded string's bytes, checked (1.5.4) [MQTT-1.5.4-1] [MQTT-1.5.4-2].
  public mutating func utf8() throws(ProtocolError) -> UnsafeRawBufferPointer {
    let utf8 = try binary()
    guard Text.isValid(utf8) else { throw .malformed("a text is not UTF-8 or contains U+0000") }
    return utf8
  }

  /// A UTF-8 encoded string.
  public mutating func text() throws(ProtocolError) -> Text {
    Text(validated: try utf8())
  }

  /// A packet identifier: two bytes, never 0 [MQTT-2.2.1-3].
  @inline(__always)
  public mutating func packetIdentifier() throws(ProtocolError) -> UInt16 {
    let identifier = try uint16()
    guard identifier != 0 else { throw .protocolError("packet identifier 0") }
    return identifier
  }

  // MARK: Properties (2.2.2)

  /// A property list with its length, checked for the packet that it stands in; empty in a version without properties.
  public mutating func properties(for context: PropertyContext) throws(ProtocolError) -> Properties {
    Properties(try propertyList(for: context))
  }

  /// The same, borrowed: nothing is allocated.
  @inline(__always)
  mutating func propertyList(for context: PropertyContext) throws(ProtocolError) -> PropertyList {
    guard version.hasProperties else { return PropertyList() }
    let length = try variableByteInteger()
    return length == 0 ? PropertyList() : try PropertyList(validating: bytes(length), in: context)
  }
}

/// A variable byte integer at the front of some bytes (1.5.5).
struct VariableByteInteger {
  static let maximum = 268_435_455

  static var notMinimal: ProtocolError { .malformed("a length takes more bytes than it needs") }

  var value: Int
  /// How many bytes it took.
  var size: Int
  /// Whether no byte could have been saved.
  var isMinimal: Bool

  /// nil: the bytes end before it does.
  @inline(__always)
  init?(prefixOf bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
    var value = 0
    for index in 0..<min(4, bytes.count) {
      let byte = bytes[index]
      value |= Int(byte & 0x7F) << (7 &* index)
      if byte < 0x80 {
        self.value = value
        size = index &+ 1
        isMinimal = byte != 0 || index == 0
        return
      }
    }
    guard bytes.count < 4 else { throw .malformed("a length takes more than four bytes") }
    return nil
  }

  /// How many bytes a value takes.
  @inline(__always)
  static func size(_ value: Int) -> Int {
    value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4
  }
}
