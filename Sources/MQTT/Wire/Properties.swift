/// MQTT 5's metadata of a packet or a will (2.2.2), in the order in which it stands on the wire.
///
/// They are kept as the bytes on the wire: encoding them is a copy, equality is the wire's, and what a packet does not
/// have costs nothing. The bytes always parse; whether a property may stand in a packet is checked when it is encoded.
public struct Properties: Hashable, Sendable {
  /// The list without its length.
  private(set) var bytes: [UInt8] = []

  /// No properties.
  public init() {}

  /// A copy of a checked list, without what a PUBLISH may not have.
  init(_ list: PropertyList) {
    guard list.hasMisplaced else {
      bytes = Array(list.bytes)
      return
    }
    var reader = ByteReader(list.bytes, version: .latest)
    while !reader.isAtEnd, let view = try? reader.property() {
      if view.property.contexts.contains(.publish) { append(view.value, identifier: view.property.identifier) }
    }
  }

  /// Whether there are none.
  public var isEmpty: Bool { bytes.isEmpty }

  /// How many bytes they take on the wire, their length not counted.
  public var encodedSize: Int { bytes.count }

  // MARK: One property

  /// A property's value: the first one where it stands more than once. Setting it replaces all of them, at the end of
  /// the list; nil removes it.
  ///
  /// A value that the wire cannot carry, binary data beyond 65,535 bytes or a subscription identifier beyond
  /// 268,435,455, is a mistake in the source; for values from outside there is `append`.
  public subscript<Value: PropertyRepresentable>(_ key: PropertyKey<Value>) -> Value? {
    get {
      first(key.property.identifier).flatMap { Value($0) }
    }
    set {
      removeAll(key.property.identifier)
      if let newValue { append(newValue.propertyValue, identifier: key.property.identifier) }
    }
  }

  /// Adds a property behind the others. Throws where the value is of another type or none that the property may have.
  /// A property that may stand once, stands twice or in the wrong packet is refused when the packet is encoded.
  public mutating func append(_ value: PropertyValue, for property: PropertyDescription) throws(ProtocolError) {
    guard value.type == property.type else { throw .malformed("\(property.name) has another type") }
    if case .binary(let bytes) = value, bytes.count > UInt16.max {
      throw .malformed("\(property.name) is longer than 65,535 bytes")
    }
    if case .variableByteInteger(let number) = value, !(0...VariableByteInteger.maximum).contains(number) {
      throw .protocolError("\(property.name) is \(number)")
    }
    var appended = Properties()
    appended.append(value, identifier: property.identifier)
    try appended.bytes.withBytes { (bytes) throws(ProtocolError) in
      var reader = ByteReader(bytes, version: .latest)
      try reader.property().checkValue()
    }
    bytes += appended.bytes
  }

  // MARK: Properties that may stand there several times

  /// The user properties, in order.
  public var userProperties: [UserProperty] {
    get { all(.userProperty) }
    set { setAll(.userProperty, to: newValue) }
  }

  /// The identifiers of all subscriptions that a received message matched.
  public var subscriptionIdentifiers: [Int] {
    get { all(.subscriptionIdentifier) }
    set { setAll(.subscriptionIdentifier, to: newValue) }
  }

  private func all<Value>(_ key: PropertyKey<Value>) -> [Value] {
    lazy.filter { $0.property.identifier == key.property.identifier }.compactMap { Value($0.value) }
  }

  private mutating func setAll<Value>(_ key: PropertyKey<Value>, to values: [Value]) {
    removeAll(key.property.identifier)
    for value in values { append(value.propertyValue, identifier: key.property.identifier) }
  }

  // MARK: The bytes

  /// Throws where the list may not stand in the packet.
  func check(for context: PropertyContext) throws(ProtocolError) {
    _ = try checkedTopicAlias(for: context)
  }

  /// The same; gives the topic alias that is in the list.
  func checkedTopicAlias(for context: PropertyContext) throws(ProtocolError) -> UInt16? {
    guard !bytes.isEmpty else { return nil }
    let list = try bytes.withBytes { (bytes) throws(ProtocolError) in
      try PropertyList(validating: bytes, in: context)
    }
    guard !list.hasMisplaced else { throw .protocolError("PUBLISH has a property of a will or of CONNECT") }
    return list.topicAlias
  }

  private func first(_ identifier: UInt8) -> PropertyValue? {
    bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes, version: .latest)
      while !reader.isAtEnd, let view = try? reader.property() {
        if view.property.identifier == identifier { return view.value }
      }
      return nil
    }
  }

  private mutating func removeAll(_ identifier: UInt8) {
    let kept = bytes.withUnsafeBytes { bytes in
      var kept: [UInt8] = []
      var reader = ByteReader(bytes, version: .latest)
      while !reader.isAtEnd {
        let start = bytes.count - reader.remaining
        guard let view = try? reader.property() else { break }
        if view.property.identifier != identifier { kept += bytes[start..<(bytes.count - reader.remaining)] }
      }
      return kept
    }
    if kept.count < bytes.count { bytes = kept }
  }

  private mutating func append(_ value: PropertyValue, identifier: UInt8) {
    var writer = ByteWriter(version: .latest)
    writer.write(identifier)
    do {
      switch value {
      case .byte(let number): writer.write(number)
      case .twoByteInteger(let number): writer.write(number)
      case .fourByteInteger(let number): writer.write(number)
      case .variableByteInteger(let number): try writer.write(variableByteInteger: number)
      case .text(let text): writer.write(text)
      case .binary(let bytes): try writer.write(binary: bytes)
      case .userProperty(let property):
        writer.write(property.name)
        writer.write(property.value)
      }
    } catch {
      preconditionFailure(error.explanation)
    }
    bytes += writer.bytes
  }
}

// MARK: All of them

/// A property and its value.
public struct Property: Sendable {
  /// What it is.
  public var property: PropertyDescription
  /// What it says.
  public var value: PropertyValue
}

extension Properties: Sequence {
  /// The properties in the order of the wire.
  public func makeIterator() -> Iterator { Iterator(rest: bytes[...]) }

  /// Walks over the list.
  public struct Iterator: IteratorProtocol {
    fileprivate var rest: ArraySlice<UInt8>

    /// The next property.
    public mutating func next() -> Property? {
      let next = rest.withUnsafeBytes { bytes -> (Property, Int)? in
        var reader = ByteReader(bytes, version: .latest)
        guard !reader.isAtEnd, let view = try? reader.property() else { return nil }
        return (Property(property: view.property, value: view.value), bytes.count - reader.remaining)
      }
      guard let (property, size) = next else { return nil }
      rest = rest.dropFirst(size)
      return property
    }
  }
}
