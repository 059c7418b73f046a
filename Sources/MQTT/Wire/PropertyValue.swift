/// A name and a value that the applications agree about (2.2.2.2). The order of user properties is kept, and a name
/// may come more than once.
public struct UserProperty: Hashable, Sendable {
  /// The name.
  public var name: Text
  /// The value.
  public var value: Text

  /// A name and its value.
  public init(_ name: Text, _ value: Text) {
    self.name = name
    self.value = value
  }
}

/// A property's value where its key is not known in the source: options, JSON, traces.
public enum PropertyValue: Hashable, Sendable {
  /// One byte.
  case byte(UInt8)
  /// Two bytes.
  case twoByteInteger(UInt16)
  /// Four bytes.
  case fourByteInteger(UInt32)
  /// 0 to 268,435,455.
  case variableByteInteger(Int)
  /// A UTF-8 encoded string.
  case text(Text)
  /// Up to 65,535 bytes.
  case binary([UInt8])
  /// A name and a value.
  case userProperty(UserProperty)

  /// How it is written.
  public var type: PropertyType {
    switch self {
    case .byte: .byte
    case .twoByteInteger: .twoByteInteger
    case .fourByteInteger: .fourByteInteger
    case .variableByteInteger: .variableByteInteger
    case .text: .text
    case .binary: .binary
    case .userProperty: .userProperty
    }
  }
}

/// A type that a property's value has in Swift.
public protocol PropertyRepresentable: Sendable {
  /// How its values are written.
  static var propertyType: PropertyType { get }
  /// The numbers that its values may be.
  static var propertyRange: ClosedRange<UInt32> { get }
  /// nil: the value is of another type.
  init?(_ value: PropertyValue)
  /// The value as it is written.
  var propertyValue: PropertyValue { get }
}

extension PropertyRepresentable {
  /// Any number.
  public static var propertyRange: ClosedRange<UInt32> { 0...UInt32.max }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension Bool: PropertyRepresentable {
  public static var propertyType: PropertyType { .byte }
  public static var propertyRange: ClosedRange<UInt32> { 0...1 }
  public init?(_ value: PropertyValue) {
    guard case .byte(let byte) = value else { return nil }
    self = byte != 0
  }
  public var propertyValue: PropertyValue { .byte(self ? 1 : 0) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension UInt8: PropertyRepresentable {
  public static var propertyType: PropertyType { .byte }
  public init?(_ value: PropertyValue) {
    guard case .byte(let byte) = value else { return nil }
    self = byte
  }
  public var propertyValue: PropertyValue { .byte(self) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension QoS: PropertyRepresentable {
  public static var propertyType: PropertyType { .byte }
  public static var propertyRange: ClosedRange<UInt32> { 0...2 }
  public init?(_ value: PropertyValue) {
    guard case .byte(let byte) = value else { return nil }
    self.init(rawValue: byte)
  }
  public var propertyValue: PropertyValue { .byte(rawValue) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension UInt16: PropertyRepresentable {
  public static var propertyType: PropertyType { .twoByteInteger }
  public init?(_ value: PropertyValue) {
    guard case .twoByteInteger(let number) = value else { return nil }
    self = number
  }
  public var propertyValue: PropertyValue { .twoByteInteger(self) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension UInt32: PropertyRepresentable {
  public static var propertyType: PropertyType { .fourByteInteger }
  public init?(_ value: PropertyValue) {
    guard case .fourByteInteger(let number) = value else { return nil }
    self = number
  }
  public var propertyValue: PropertyValue { .fourByteInteger(self) }
}

/// The subscription identifier, the only variable byte integer: never 0.
// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension Int: PropertyRepresentable {
  public static var propertyType: PropertyType { .variableByteInteger }
  public static var propertyRange: ClosedRange<UInt32> { 1...UInt32(VariableByteInteger.maximum) }
  public init?(_ value: PropertyValue) {
    guard case .variableByteInteger(let number) = value else { return nil }
    self = number
  }
  public var propertyValue: PropertyValue { .variableByteInteger(self) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension Text: PropertyRepresentable {
  public static var propertyType: PropertyType { .text }
  public init?(_ value: PropertyValue) {
    guard case .text(let text) = value else { return nil }
    self = text
  }
  public var propertyValue: PropertyValue { .text(self) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension [UInt8]: PropertyRepresentable {
  public static var propertyType: PropertyType { .binary }
  public init?(_ value: PropertyValue) {
    guard case .binary(let bytes) = value else { return nil }
    self = bytes
  }
  public var propertyValue: PropertyValue { .binary(self) }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension UserProperty: PropertyRepresentable {
  public static var propertyType: PropertyType { .userProperty }
  public init?(_ value: PropertyValue) {
    guard case .userProperty(let property) = value else { return nil }
    self = property
  }
  public var propertyValue: PropertyValue { .userProperty(self) }
}
