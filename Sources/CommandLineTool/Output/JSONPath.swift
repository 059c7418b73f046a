/// Where a value stands in a JSON text: `.` for the whole, `.name.other[2]` for a part of it.
public struct JSONPath: Sendable {
  private enum Step: Sendable {
    case member([UInt8])
    case element(Int)
  }

  private var steps: [Step] = []

  /// A path as it is typed. A name is everything up to the next dot or bracket.
  public init(_ text: [UInt8]) throws(UsageError) {
    guard text.first == UInt8(ascii: ".") else { throw UsageError("a path in JSON begins with a dot") }
    var rest = text[...]
    if text.count == 1 { return }
    // `.[2]` is `[2]` of the whole.
    if rest.starts(with: ".[".utf8) { rest = rest.dropFirst() }
    while let first = rest.popFirst() {
      if first == UInt8(ascii: ".") {
        let name = rest.prefix { $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "[") }
        guard !name.isEmpty else { throw UsageError("a name is missing in a path in JSON") }
        steps.append(.member(Array(name)))
        rest = rest.dropFirst(name.count)
      } else {
        let digits = rest.prefix { $0 != UInt8(ascii: "]") }
        guard first == UInt8(ascii: "["), digits.count < rest.count, let number = Self.number(digits) else {
          throw UsageError("a path in JSON goes on with .NAME or [NUMBER]")
        }
        steps.append(.element(number))
        rest = rest.dropFirst(digits.count + 1)
      }
    }
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    guard !digits.isEmpty, digits.count <= 10, digits.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }

  /// What stands there in `value`, if anything does.
  public func find(in value: JSONValue) -> JSONValue? {
    var value = value
    for step in steps {
      let next =
        switch step {
        case .member(let name): value.member(name)
        case .element(let number): value.element(number)
        }
      guard let next else { return nil }
      value = next
    }
    return value
  }
}
