public import MQTT
internal import MQTTClient

/// Messages to publish, read from JSON objects of the form that `JSONOutput` writes.
///
/// A key that is missing says nothing, nor does one whose value is `null`. The payload is that of `payload` or
/// `payload_base64`; without them it is the text of `json`, whatever value that is; without all three it is empty. What
/// only a received message has is ignored: `dup`, `id`, `subscription_identifiers`, `topic_alias`, and so is
/// `json` beside a payload. A key that no message has is an error, and one that stands there twice.
public struct JSONInput: Sendable {
  /// Where to publish to, if the object says it.
  public private(set) var topic: TopicName?
  /// What to publish.
  public private(set) var payload: [UInt8] = []
  /// With which QoS, if the object says it.
  public private(set) var qos: QoS?
  /// Whether the broker is to keep it, if the object says it.
  public private(set) var retain: Bool?
  /// When it came, if the object says it in a form that is known.
  public private(set) var time: WallTime?
  /// MQTT 5's metadata.
  public private(set) var properties = Properties()

  /// A reader; its memory is used again for each message.
  public init() {}

  /// Reads the object that `text` is. Throws what is wrong with it; the message above counts for nothing then.
  public mutating func read(_ text: UnsafeRawBufferPointer) throws(JSONError) {
    (topic, qos, retain, time, properties) = (nil, nil, nil, nil, Properties())
    payload.removeAll(keepingCapacity: true)
    var hasPayload = false
    var json: JSONValue?
    var members = try Members(of: try JSONValue(text: text), in: text, "a message is an object in braces")
    while let (key, value) = try members.next(Self.keys) {
      if key == .json {
        json = value
        continue
      }
      if value.kind == .null { continue }
      switch key {
      case .topic: topic = try topic(value, in: text)
      case .payload, .payloadBase64:
        guard !hasPayload else { throw value.error("payload and payload_base64 exclude each other", in: text) }
        hasPayload = true
        try value.appendString(to: &payload, in: text)
        if key == .payloadBase64 { payload = try value.base64(payload, in: text) }
      case .qos:
        guard let level = value.number(upTo: 2), let qos = QoS(rawValue: UInt8(level)) else {
          throw value.error("qos is 0, 1 or 2", in: text)
        }
        self.qos = qos
      case .retain:
        guard value.kind == .boolean else { throw value.error("retain is true or false", in: text) }
        retain = value.bytes.count == 4
      case .properties: try readProperties(value, in: text)
      case .time:
        var text: [UInt8] = []
        value.string?.append(to: &text)
        time = WallTime(text)
      case .json, .ignored: break
      }
    }
    if !hasPayload, let json { payload.append(contentsOf: json.bytes) }
  }

  private func topic(_ value: JSONValue, in text: UnsafeRawBufferPointer) throws(JSONError) -> TopicName {
    let name = try value.stringBytes(in: text)
    do { return try TopicName(utf8: name) } catch { throw value.error(error.explanation, in: text) }
  }

  // MARK: Keys

  private enum Key: Sendable {
    case topic, payload, payloadBase64, qos, retain, time, properties, json, ignored
  }

  private static let keys: [(name: StaticString, key: Key)] = [
    ("topic", .topic), ("payload", .payload), ("payload_base64", .payloadBase64), ("qos", .qos), ("retain", .retain),
    ("properties", .properties), ("json", .json), ("time", .time), ("dup", .ignored), ("id", .ignored),
  ]

  // MARK: Properties

  private enum PropertyRule: Sendable {
    case property(PropertyDescription)
    case userProperties
    case ignored
  }

  private static let propertyKeys: [(name: StaticString, key: PropertyRule)] = [
    ("payload_format_indicator", .property(PropertyKey.payloadFormatIndicator.property)),
    ("message_expiry_interval", .property(PropertyKey.messageExpiryInterval.property)),
    ("content_type", .property(PropertyKey.contentType.property)),
    ("response_topic", .property(PropertyKey.responseTopic.property)),
    ("correlation_data_base64", .property(PropertyKey.correlationData.property)),
    ("user_properties", .userProperties), ("subscription_identifiers", .ignored), ("topic_alias", .ignored),
  ]

  private mutating func readProperties(_ object: JSONValue, in text: UnsafeRawBufferPointer) throws(JSONError) {
    var members = try Members(of: object, in: text, "properties are an object in braces")
    while let (rule, value) = try members.next(Self.propertyKeys) {
      if value.kind == .null { continue }
      switch rule {
      case .property(let property):
        try append(try self.value(of: property, value, in: text), for: property, value, in: text)
      case .userProperties: try readUserProperties(value, in: text)
      case .ignored: break
      }
    }
  }

  private func value(
    of property: PropertyDescription, _ value: JSONValue, in text: UnsafeRawBufferPointer
  ) throws(JSONError) -> PropertyValue {
    switch property.type {
    case .text: return .text(try value.text(in: text))
    case .binary: return .binary(try value.base64(try value.stringBytes(in: text), in: text))
    case .byte:
      guard let number = value.number(upTo: 0xFF) else { throw value.error("this is a number up to 255", in: text) }
      return .byte(UInt8(number))
    default:
      guard let number = value.number(upTo: 0xFFFF_FFFF) else {
        throw value.error("this is a number up to 4,294,967,295", in: text)
      }
      return .fourByteInteger(UInt32(number))
    }
  }

  private mutating func readUserProperties(_ list: JSONValue, in text: UnsafeRawBufferPointer) throws(JSONError) {
    let form = "user_properties are an array of arrays of two strings"
    guard list.kind == .array else { throw list.error(form, in: text) }
    for pair in list.elements {
      var parts = pair.elements
      guard let name = parts.next(), let value = parts.next(), parts.next() == nil else {
        throw pair.error(form, in: text)
      }
      let property = UserProperty(try name.text(in: text), try value.text(in: text))
      try append(.userProperty(property), for: PropertyKey.userProperty.property, pair, in: text)
    }
  }

  private mutating func append(
    _ propertyValue: PropertyValue, for property: PropertyDescription, _ value: JSONValue,
    in text: UnsafeRawBufferPointer
  ) throws(JSONError) {
    do { try properties.append(propertyValue, for: property) } catch { throw value.error(error.explanation, in: text) }
  }
}

/// The members of an object whose keys are known, each at most once.
private struct Members {
  private let text: UnsafeRawBufferPointer
  private var rest: JSONMembers
  private var seen: UInt32 = 0

  init(of value: JSONValue, in text: UnsafeRawBufferPointer, _ form: String) throws(JSONError) {
    guard value.kind == .object else { throw value.error(form, in: text) }
    self.text = text
    rest = value.members
  }

  mutating func next<Key>(
    _ keys: [(name: StaticString, key: Key)]
  ) throws(JSONError) -> (key: Key, value: JSONValue)? {
    guard let (name, value) = rest.next() else { return nil }
    guard let index = keys.firstIndex(where: { name == $0.name }) else {
      throw name.error("there is no such key", in: text)
    }
    guard seen & 1 << index == 0 else { throw name.error("this key stands there twice", in: text) }
    seen |= 1 << index
    return (keys[index].key, value)
  }
}

extension JSONString {
  fileprivate func error(_ explanation: String, in text: UnsafeRawBufferPointer) -> JSONError {
    JSONValue(self).error(explanation, in: text)
  }
}

/// Values as messages have them, and what is wrong with others.
extension JSONValue {
  /// An error at this value, which is a part of `text`.
  fileprivate func error(_ explanation: String, in text: UnsafeRawBufferPointer) -> JSONError {
    var offset = 0
    if let here = bytes.baseAddress, let start = text.baseAddress { offset = here - start }
    return JSONError(offset: offset, explanation: explanation)
  }

  fileprivate func appendString(to bytes: inout [UInt8], in text: UnsafeRawBufferPointer) throws(JSONError) {
    guard let string else { throw error("this is a string in quotes", in: text) }
    string.append(to: &bytes)
  }

  fileprivate func stringBytes(in text: UnsafeRawBufferPointer) throws(JSONError) -> [UInt8] {
    var bytes: [UInt8] = []
    try appendString(to: &bytes, in: text)
    return bytes
  }

  fileprivate func text(in text: UnsafeRawBufferPointer) throws(JSONError) -> Text {
    let bytes = try stringBytes(in: text)
    do { return try Text(utf8: bytes) } catch { throw self.error(error.explanation, in: text) }
  }

  fileprivate func base64(_ digits: [UInt8], in text: UnsafeRawBufferPointer) throws(JSONError) -> [UInt8] {
    guard let bytes = Base64.decode(digits) else { throw error("this is not Base64", in: text) }
    return bytes
  }

  /// The whole number that the value is, in digits only, or nil.
  fileprivate func number(upTo limit: Int) -> Int? {
    guard kind == .number, bytes.count <= 10 else { return nil }
    var number = 0
    for byte in bytes {
      let digit = byte &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      number = number * 10 + Int(digit)
    }
    return number <= limit ? number : nil
  }
}
