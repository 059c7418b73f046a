/// One property as it stands in a packet; its value is borrowed.
public struct PropertyView {
  /// What it is.
  public internal(set) var property: PropertyDescription
  /// The value of the four integer types.
  public internal(set) var number: UInt32 = 0
  /// The value of the other types: of a user property, its name.
  public internal(set) var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The value of a user property.
  public internal(set) var second = UnsafeRawBufferPointer(start: nil, count: 0)

  /// The value, copied.
  var value: PropertyValue {
    switch property.type {
    case .byte: .byte(UInt8(truncatingIfNeeded: number))
    case .twoByteInteger: .twoByteInteger(UInt16(truncatingIfNeeded: number))
    case .fourByteInteger: .fourByteInteger(number)
    case .variableByteInteger: .variableByteInteger(Int(number))
    case .text: .text(Text(validated: bytes))
    case .binary: .binary(Array(bytes))
    case .userProperty: .userProperty(UserProperty(Text(validated: bytes), Text(validated: second)))
    }
  }

  /// Whether the value is one that the property may have.
  func checkValue() throws(ProtocolError) {
    let identifier = property.identifier
    if identifier == PropertyKey.responseTopic.property.identifier {
      // A topic name [MQTT-3.3.2-14].
      guard bytes.count > 0, Text.isValidWithoutWildcards(bytes) else {
        throw .protocolError("response-topic is no topic name")
      }
    } else if identifier == PropertyKey.topicAlias.property.identifier {
      guard number != 0 else { throw .topicAliasInvalid("topic-alias is 0") }  // [MQTT-3.3.2-8]
    } else if !property.range.contains(number) {
      throw .protocolError("\(property.name) is \(number)")
    }
  }
}

extension ByteReader {
  /// The next property of a list, identifier first.
  @inline(__always)
  mutating func property() throws(ProtocolError) -> PropertyView {
    let identifier = try uint8()
    guard let property = PropertyDescription.withIdentifier(identifier) else {
      throw .malformed("property identifier \(identifier) does not exist")
    }
    var view = PropertyView(property: property)
    switch property.type {
    case .byte: view.number = UInt32(try uint8())
    case .twoByteInteger: view.number = UInt32(try uint16())
    case .fourByteInteger: view.number = try uint32()
    case .variableByteInteger: view.number = UInt32(truncatingIfNeeded: try variableByteInteger())
    case .text: view.bytes = try utf8()
    case .binary: view.bytes = try binary()
    case .userProperty: (view.bytes, view.second) = (try utf8(), try utf8())
    }
    return view
  }
}

/// A property list as it stands in a packet, without its length: checked, but borrowed.
struct PropertyList {
  private(set) var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  private(set) var topicAlias: UInt16?
  /// A PUBLISH has properties that belong to a will or to CONNECT; they count as not there.
  private(set) var hasMisplaced = false

  /// An empty list.
  init() {}

  /// Throws where a property does not exist, may not stand here or stands twice, where its value is none that it may
  /// have, and where the list ends within a property (2.2.2.2).
  init(validating bytes: UnsafeRawBufferPointer, in context: PropertyContext) throws(ProtocolError) {
    self.bytes = bytes
    var reader = ByteReader(bytes, version: .latest)
    var seen: UInt64 = 0
    while !reader.isAtEnd {
      let view = try reader.property()
      let property = view.property
      guard property.contexts.contains(context) else {
        guard Self.isIgnored(property, in: context) else {
          throw .malformed("\(property.name) may not stand in this packet")
        }
        hasMisplaced = true
        continue
      }
      try view.checkValue()
      let bit = Self.bit(property)
      guard seen & bit == 0 || Self.mayRepeat(property, in: context) else {
        throw .protocolError("\(property.name) stands there twice")
      }
      seen |= bit
      if bit == Self.bit(PropertyKey.topicAlias.property) { topicAlias = UInt16(truncatingIfNeeded: view.number) }
    }
    // 3.1.2.11.10, 3.2.2.3.18
    if seen & Self.bit(PropertyKey.authenticationData.property) != 0,
      seen & Self.bit(PropertyKey.authenticationMethod.property) == 0
    {
      throw .protocolError("authentication-data without authentication-method")
    }
  }

  @inline(__always)
  private static func bit(_ property: PropertyDescription) -> UInt64 { 1 << UInt64(property.identifier) }

  /// Some brokers pass on a will with all its properties.
  static func isIgnored(_ property: PropertyDescription, in context: PropertyContext) -> Bool {
    context == .publish && !property.contexts.isDisjoint(with: [.will, .connect])
      && !property.contexts.contains(.publish)
  }

  private static func mayRepeat(_ property: PropertyDescription, in context: PropertyContext) -> Bool {
    property.type == .userProperty || (property.type == .variableByteInteger && context == .publish)
  }
}

/// The properties of a received message where they lie, in the order of the wire.
public struct PropertyViews: Sequence, IteratorProtocol {
  private var reader: ByteReader

  init(_ list: PropertyList) { self.init(list.bytes) }

  /// The properties in what `MessageView.propertyBytes` lent, or in the beginning of that.
  public init(_ bytes: UnsafeRawBufferPointer) { reader = ByteReader(bytes, version: .latest) }

  /// The next property; tolerated ones that PUBLISH does not have are left out.
  public mutating func next() -> PropertyView? {
    while !reader.isAtEnd, let view = try? reader.property() {
      if view.property.contexts.contains(.publish) { return view }
    }
    return nil
  }
}
