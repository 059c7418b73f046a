internal import CommandLineTool

/// A JSON text as a tree, for reports that are saved and read again.
enum JSON: Sendable {
  case object([(name: String, value: JSON)])
  case array([JSON])
  case string(String)
  case integer(Int)
  case number(Double)
  case boolean(Bool)
  case null

  /// Nothing becomes null.
  init(_ value: Int?) { self = value.map(JSON.integer) ?? .null }

  // MARK: - Reading

  /// Reads a whole text. Throws where it is anything but one JSON text.
  init(text: [UInt8]) throws(JSONError) {
    self = try text.withUnsafeBufferPointer { (bytes) throws(JSONError) in
      JSON(try JSONValue(text: UnsafeRawBufferPointer(bytes)))
    }
  }

  private init(_ value: JSONValue) {
    switch value.kind {
    case .object: self = .object(value.members.map { (Self.text($0.name), JSON($0.value)) })
    case .array: self = .array(value.elements.map { JSON($0) })
    case .string: self = .string(value.string.map(Self.text) ?? "")
    case .boolean: self = .boolean(value.bytes.count == 4)
    case .null: self = .null
    case .number:
      let text = String(decoding: value.bytes, as: UTF8.self)
      self = Int(text).map(JSON.integer) ?? .number(Double(text) ?? .nan)
    }
  }

  private static func text(_ string: JSONString) -> String {
    var bytes: [UInt8] = []
    string.append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The member of an object with this name; null where there is none.
  subscript(_ name: StaticString) -> JSON {
    guard case .object(let members) = self else { return .null }
    let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    return members.last { $0.name.utf8.elementsEqual(wanted) }?.value ?? .null
  }

  /// The members of an object, none for another kind.
  var members: [(name: String, value: JSON)] { if case .object(let members) = self { members } else { [] } }

  /// The elements of an array, none for another kind.
  var elements: [JSON] { if case .array(let elements) = self { elements } else { [] } }

  /// The text of a string, or nil.
  var text: String? { if case .string(let text) = self { text } else { nil } }

  /// A whole number, or nil.
  var integer: Int? { if case .integer(let number) = self { number } else { nil } }

  /// A number, or nil.
  var double: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .number(let number): number
    default: nil
    }
  }

  var isTrue: Bool { if case .boolean(true) = self { true } else { false } }

  // MARK: - Writing

  /// Appends the text, on one line. `isForTerminal` escapes what would steer one.
  func append(isForTerminal: Bool = false, to output: inout OutputBuffer) {
    switch self {
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        Self.append(member.name, isForTerminal: isForTerminal, to: &output)
        output.append(UInt8(ascii: ":"))
        member.value.append(isForTerminal: isForTerminal, to: &output)
      }
      output.append(UInt8(ascii: "}"))
    case .array(let elements):
      output.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        element.append(isForTerminal: isForTerminal, to: &output)
      }
      output.append(UInt8(ascii: "]"))
    case .string(let text): Self.append(text, isForTerminal: isForTerminal, to: &output)
    case .integer(let number): output.append(decimal: number)
    case .number(let number): output.append(number.isFinite ? "\(number)" : "null")
    case .boolean(let value): output.append(value ? "true" : "false")
    case .null: output.append("null")
    }
  }

  private static func append(_ text: String, isForTerminal: Bool, to output: inout OutputBuffer) {
    var text = text
    text.withUTF8 { JSONText.append(UnsafeRawBufferPointer($0), isForTerminal: isForTerminal, to: &output) }
  }
}
