public import MQTT

/// A test of a message: `FIELD OP VALUE`, as in `payload = ONLINE`, `.battery < 20`, `topic ~ /(door|window)$`.
///
/// - FIELD: `payload`, `topic`, `qos`, `retain`, `size`, `content-type`, `response-topic`, `user.NAME`, or a path in a
///   payload that is JSON: `.` for the whole, `.name.other[2]` for a part.
/// - OP: `=` `!=` `<` `<=` `>` `>=`, or `~` and `!~` for a POSIX extended regular expression.
/// - VALUE: the rest without the blanks around it, or what stands in quotes.
///
/// `=` compares bytes, and in JSON values: numbers by value, strings, true, false and null. `<` and its like compare
/// numbers, decimal text of any length; where there is none the test fails. It also fails, whatever OP is, where the
/// message does not have the field. Of several user properties with one name, one that passes is enough.
public struct TestExpression: Sendable, Hashable {
  private enum Field: Sendable {
    case payload, topic, qos, retain, size, contentType, responseTopic
    case userProperty([UInt8])
    case json(JSONPath)

    /// Whether it is a small number of our own.
    var isNumber: Bool {
      switch self {
      case .qos, .retain, .size: true
      default: false
      }
    }
  }

  private enum Comparison: Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, matches, matchesNot

    /// Whether both sides have to be numbers.
    var isOrder: Bool {
      switch self {
      case .less, .lessOrEqual, .greater, .greaterOrEqual: true
      default: false
      }
    }

    /// Whether the test passes with this order of field and value: negative, zero or positive.
    func holds(_ order: Int) -> Bool {
      switch self {
      case .equal: order == 0
      case .notEqual: order != 0
      case .less: order < 0
      case .lessOrEqual: order <= 0
      case .greater: order > 0
      case .greaterOrEqual: order >= 0
      case .matches, .matchesNot: false
      }
    }
  }

  /// The test as it was typed.
  public let text: [UInt8]
  private let field: Field
  private let comparison: Comparison
  private let value: [UInt8]
  /// The value, where the field is a number of our own.
  private var number = 0
  private var expression: RegularExpression?

  /// The test that `text` describes; mistakes are told here and not with the first message.
  public init(_ text: [UInt8]) throws(UsageError) {
    self.text = text
    let isOperator = { (byte: UInt8) in "=!<>~".utf8.contains(byte) }
    var rest = Self.trimmed(text[...])
    let name = rest.prefix { !isOperator($0) && !Self.isBlank($0) }
    rest = rest.dropFirst(name.count).drop(while: Self.isBlank)
    field = try Self.field(Array(name))
    (comparison, rest) = try Self.comparison(rest)
    value = Self.unquoted(Self.trimmed(rest))

    switch comparison {
    case .matches, .matchesNot:
      guard !field.isNumber else { throw UsageError("~ is for text, and this field is a number") }
      expression = try RegularExpression(value)
    default:
      if field.isNumber { number = try Self.number(value) }
      guard !comparison.isOrder || value.withUnsafeBytes({ DecimalText($0) != nil }) || field.isNumber else {
        throw UsageError("'\(String(decoding: value, as: UTF8.self))' is no number to compare with")
      }
    }
  }

  // MARK: Reading

  private static func field(_ name: [UInt8]) throws(UsageError) -> Field {
    if name.first == UInt8(ascii: ".") { return .json(try JSONPath(name)) }
    if name.starts(with: "user.".utf8), name.count > 5 { return .userProperty(Array(name.dropFirst(5))) }
    let fields: [(StaticString, Field)] = [
      ("payload", .payload), ("topic", .topic), ("qos", .qos), ("retain", .retain), ("size", .size),
      ("content-type", .contentType), ("response-topic", .responseTopic),
    ]
    for (word, field) in fields where word.description.utf8.elementsEqual(name) { return field }
    throw UsageError(
      "a test begins with payload, topic, qos, retain, size, content-type, response-topic, user.NAME or a path such as "
        + ".name[0]")
  }

  private static func comparison(
    _ text: ArraySlice<UInt8>
  ) throws(UsageError) -> (Comparison, rest: ArraySlice<UInt8>) {
    // Those of two characters come first.
    let operators: [(String, Comparison)] = [
      ("!=", .notEqual), ("!~", .matchesNot), ("<=", .lessOrEqual), (">=", .greaterOrEqual), ("=", .equal),
      ("<", .less), (">", .greater), ("~", .matches),
    ]
    // It would compare with a value that begins with =, and never be true.
    guard !text.starts(with: "==".utf8) else {
      throw UsageError("= is the operator; a value that begins with = is put in quotes")
    }
    for (word, comparison) in operators where text.starts(with: word.utf8) {
      return (comparison, text.dropFirst(word.utf8.count))
    }
    throw UsageError("behind the field comes one of = != < <= > >= ~ !~")
  }

  private static func number(_ value: [UInt8]) throws(UsageError) -> Int {
    let text = String(decoding: value, as: UTF8.self)
    switch text {
    case "true": return 1
    case "false": return 0
    default:
      guard let number = Int(text) else { throw UsageError("'\(text)' is no whole number") }
      return number
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let rest = text.drop(while: isBlank)
    return rest.prefix((rest.lastIndex { !isBlank($0) } ?? rest.startIndex - 1) + 1 - rest.startIndex)
  }

  private static func unquoted(_ text: ArraySlice<UInt8>) -> [UInt8] {
    guard text.count >= 2, let quote = text.first, quote == text.last, "\"'".utf8.contains(quote) else {
      return Array(text)
    }
    return Array(text.dropFirst().dropLast())
  }

  // MARK: Testing

  /// FIELD as it was typed.
  public var fieldName: [UInt8] {
    Array(Self.trimmed(text[...]).prefix { !"=!<>~".utf8.contains($0) && !Self.isBlank($0) })
  }

  /// What a message has there, for somebody who wonders why a test fails; nil where it does not have the field.
  public func found(in message: MessageView) -> [UInt8]? {
    switch field {
    case .payload: Array(message.payload)
    case .topic: Array(message.topic)
    case .qos: Array("\(message.qos.rawValue)".utf8)
    case .retain: Array((message.retain ? "1" : "0").utf8)
    case .size: Array("\(message.payload.count)".utf8)
    case .contentType: Self.found(in: message) { $0.property.identifier == PropertyKey.contentType.property.identifier }
    case .responseTopic:
      Self.found(in: message) { $0.property.identifier == PropertyKey.responseTopic.property.identifier }
    case .userProperty(let name):
      message.propertyViews.first { $0.property.type == .userProperty && $0.bytes.elementsEqual(name) }
        .map { Array($0.second) }
    case .json(let path):
      (try? JSONValue(text: message.payload)).flatMap { path.find(in: $0) }.map { Array($0.bytes) }
    }
  }

  private static func found(in message: MessageView, _ isMeant: (PropertyView) -> Bool) -> [UInt8]? {
    message.propertyViews.first(where: isMeant).map { Array($0.bytes) }
  }

  /// Whether the message passes.
  public func passes(_ message: MessageView) -> Bool {
    switch field {
    case .payload: passes(text: message.payload)
    case .topic: passes(text: message.topic)
    case .qos: passes(number: Int(message.qos.rawValue))
    case .retain: passes(number: message.retain ? 1 : 0)
    case .size: passes(number: message.payload.count)
    case .contentType: passes(message, property: PropertyKey.contentType.property.identifier)
    case .responseTopic: passes(message, property: PropertyKey.responseTopic.property.identifier)
    case .userProperty(let name):
      message.propertyViews.contains { view in
        view.property.type == .userProperty && view.bytes.elementsEqual(name) && passes(text: view.second)
      }
    case .json(let path):
      if let whole = try? JSONValue(text: message.payload), let part = path.find(in: whole) {
        passes(json: part)
      } else {
        false
      }
    }
  }

  private func passes(_ message: MessageView, property identifier: UInt8) -> Bool {
    message.propertyViews.contains { $0.property.identifier == identifier && passes(text: $0.bytes) }
  }

  private func passes(number: Int) -> Bool {
    comparison.holds(number < self.number ? -1 : number > self.number ? 1 : 0)
  }

  private func passes(text: UnsafeRawBufferPointer) -> Bool {
    switch comparison {
    case .equal: text.elementsEqual(value)
    case .notEqual: !text.elementsEqual(value)
    case .less, .lessOrEqual, .greater, .greaterOrEqual: passes(decimal: text)
    case .matches: expression?.matches(text) == true
    case .matchesNot: expression?.matches(text) == false
    }
  }

  private func passes(json: JSONValue) -> Bool {
    switch comparison {
    case .equal: return isValue(json)
    case .notEqual: return !isValue(json)
    case .less, .lessOrEqual, .greater, .greaterOrEqual: return json.kind == .number && passes(decimal: json.bytes)
    case .matches, .matchesNot:
      guard let string = json.string else { return passes(text: json.bytes) }
      if let plain = string.plain { return passes(text: plain) }
      var decoded: [UInt8] = []
      string.append(to: &decoded)
      return decoded.withUnsafeBytes { passes(text: $0) }
    }
  }

  private func passes(decimal text: UnsafeRawBufferPointer) -> Bool {
    order(of: text).map(comparison.holds) ?? false
  }

  /// How two numbers compare, or nil if one is none.
  private func order(of text: UnsafeRawBufferPointer) -> Int? {
    value.withUnsafeBytes { value in
      guard let field = DecimalText(text), let value = DecimalText(value) else { return nil }
      return field.compare(with: value)
    }
  }

  /// Whether the value stands for this one in JSON. Objects and arrays equal nothing.
  private func isValue(_ json: JSONValue) -> Bool {
    switch json.kind {
    case .string: json.string.map { $0 == value } ?? false
    case .number: order(of: json.bytes) == 0
    case .boolean, .null: json.bytes.elementsEqual(value)
    case .object, .array: false
    }
  }

  // MARK: Equality

  /// Tests are equal when they were typed alike.
  public static func == (one: TestExpression, other: TestExpression) -> Bool { one.text == other.text }

  /// Hashes the text.
  public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}
