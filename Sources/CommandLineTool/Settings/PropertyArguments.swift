public import MQTT
internal import MQTTClient

/// A property of MQTT 5 for one of the packets that a tool sends: `-D COMMAND NAME VALUE`.
public struct PropertyArgument: Sendable {
  /// The packets that `-D` knows, and the will.
  public enum Command: String, CaseIterable, Sendable {
    case connect, publish, subscribe, unsubscribe, disconnect, will

    /// Where the property stands.
    public var context: PropertyContext {
      switch self {
      case .connect: .connect
      case .publish: .publish
      case .subscribe: .subscribe
      case .unsubscribe: .unsubscribe
      case .disconnect: .disconnect
      case .will: .will
      }
    }

    /// Whether a client may send the property in this packet.
    func takes(_ property: PropertyDescription) -> Bool {
      // Only a server puts subscription identifiers into PUBLISH [MQTT-3.3.4-6].
      if self == .publish && property.identifier == PropertyKey.subscriptionIdentifier.property.identifier {
        return false
      }
      return property.contexts.contains(context)
    }
  }

  /// The packet.
  public var command: Command
  /// The property.
  public var property: PropertyDescription
  /// What it says.
  public var value: PropertyValue

  /// The words of `-D`: three, and four for a user property.
  public static let words = OptionDescription.Value.several("COMMAND NAME VALUE") { words in
    words.count == (words.count > 1 && isUserProperty(words[1]) ? 4 : 3)
  }

  /// A property as its words say. Commands and names may be written in capitals.
  public init(_ words: [Argument]) throws(UsageError) {
    let (command, name) = (lowercased(words[0].bytes), lowercased(words[1].bytes))
    self.command = try Argument(command, from: words[0].source).choice(Command.allCases.map { ($0.rawValue, $0) })
    let properties = PropertyDescription.all.filter(self.command.takes)
    guard let property = properties.first(where: { $0.name.utf8.elementsEqual(name) }) else {
      let names = properties.map(\.name).joined(separator: ", ")
      throw UsageError("\(words[1].quoted) is not one of the properties for \(self.command.rawValue): \(names)")
    }
    self.property = property
    value = try Self.value(of: property, Array(words[2...]))
    // Whether the value is one that the property may have is known there.
    var list = Properties()
    do {
      try list.append(value, for: property)
    } catch {
      throw UsageError("\(words[2].quoted): \(error.explanation)")
    }
  }

  /// Where the last of the words holds the proof of a login.
  static func secret(in words: [[UInt8]]) -> Range<Int>? {
    let isProof = lowercased(words[1]).elementsEqual(PropertyKey.authenticationData.property.name.utf8)
    return isProof ? words[words.count - 1].indices : nil
  }

  private static func value(
    of property: PropertyDescription, _ words: [Argument]
  ) throws(UsageError) -> PropertyValue {
    switch property.type {
    case .byte: .byte(UInt8(try words[0].number(in: 0...0xFF)))
    case .twoByteInteger: .twoByteInteger(UInt16(try words[0].number(in: 0...0xFFFF)))
    case .fourByteInteger: .fourByteInteger(UInt32(try words[0].number(in: 0...0xFFFF_FFFF)))
    case .variableByteInteger: .variableByteInteger(try words[0].number(in: 0...268_435_455))
    case .text: .text(try words[0].mqttText())
    case .binary: .binary(try binary(words[0]))
    case .userProperty: .userProperty(UserProperty(try words[0].mqttText(), try words[1].mqttText()))
    }
  }

  /// `hex:…` and `base64:…` write any bytes; other words are taken as they are.
  private static func binary(_ word: Argument) throws(UsageError) -> [UInt8] {
    let (hex, base64) = ("hex:".utf8, "base64:".utf8)
    var bytes: [UInt8]? = word.bytes
    if word.bytes.starts(with: hex) { bytes = Hex.decode(word.bytes.dropFirst(hex.count)) }
    if word.bytes.starts(with: base64) { bytes = Base64.decode(word.bytes.dropFirst(base64.count)) }
    guard let bytes else { throw UsageError("\(word.quoted) is not what its beginning says") }
    return try Argument(bytes, from: word.source).binary()
  }

  private static func isUserProperty(_ word: [UInt8]) -> Bool {
    lowercased(word).elementsEqual(PropertyKey.userProperty.property.name.utf8)
  }
}

extension Accumulated<PropertyArgument> {
  /// The properties for one packet. Throws when one is there twice that may be there once.
  public func properties(for command: PropertyArgument.Command) throws(UsageError) -> Properties {
    var properties = Properties()
    var given: [UInt8] = []
    for argument in values where argument.command == command {
      let property = argument.property
      if given.contains(property.identifier), property.type != .userProperty {
        throw UsageError("-D: \(property.name) is given twice for \(command.rawValue)")
      }
      given.append(property.identifier)
      do {
        try properties.append(argument.value, for: property)
      } catch {
        throw UsageError("-D: \(error.explanation)")
      }
    }
    return properties
  }
}
