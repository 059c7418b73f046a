/// A text with places for what differs from message to message: `sensor {n} at {timestamp}`. A brace that is meant as
/// such is written twice.
///
/// | place | stands for |
/// |---|---|
/// | `{n}` | the number of the message, from 1 on |
/// | `{timestamp}` | its time, as `2026-11-22T12:55:34.539884+01:00` |
/// | `{uuid}` | a random UUID (RFC 9562, version 4), the same all over the message |
/// | `{random:N}` | N random letters and digits out of `a`–`z` and `0`–`9`, others at each place |
/// | `{env:NAME}` | what the environment variable holds |
public struct Template: Sendable {
  private enum Step: Sendable {
    case literal([UInt8])
    case number
    case timestamp
    case uuid
    case random(Int)
  }

  private var steps: [Step] = []

  /// As many letters as one `{random:N}` may ask for.
  private static let randomLimit = 1_000_000

  /// The template that `text` describes; variables are read now.
  public init(_ text: [UInt8]) throws(UsageError) { try self.init(text, environment: System.environment) }

  init(_ text: [UInt8], environment: (String) -> [UInt8]?) throws(UsageError) {
    var literal: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      if byte != UInt8(ascii: "{"), byte != UInt8(ascii: "}") {
        literal.append(byte)
      } else if rest.first == byte {
        rest = rest.dropFirst()
        literal.append(byte)
      } else if byte == UInt8(ascii: "{"), let end = rest.firstIndex(of: UInt8(ascii: "}")) {
        let word = rest[..<end]
        rest = rest[(end + 1)...]
        if word.starts(with: "env:".utf8) {
          let name = String(decoding: word.dropFirst(4), as: UTF8.self)
          guard let value = environment(name) else { throw UsageError("the variable \"\(name)\" is not set") }
          literal += value
        } else {
          if !literal.isEmpty { steps.append(.literal(literal)) }
          literal = []
          steps.append(try Self.step(word))
        }
      } else {
        throw UsageError("a brace by itself: write \(byte == UInt8(ascii: "{") ? "{{" : "}}") for one")
      }
    }
    if !literal.isEmpty { steps.append(.literal(literal)) }
  }

  private static func step(_ word: ArraySlice<UInt8>) throws(UsageError) -> Step {
    if word.elementsEqual("n".utf8) { return .number }
    if word.elementsEqual("timestamp".utf8) { return .timestamp }
    if word.elementsEqual("uuid".utf8) { return .uuid }
    let text = String(decoding: word, as: UTF8.self)
    guard word.starts(with: "random:".utf8) else {
      throw UsageError(
        "{\(text)} is none of {n}, {timestamp}, {uuid}, {random:N} and {env:NAME}; for a brace write it twice")
    }
    guard let count = Int(String(decoding: word.dropFirst(7), as: UTF8.self)), (1...randomLimit).contains(count) else {
      throw UsageError("{\(text)}: the number of letters is 1 to 1,000,000")
    }
    return .random(count)
  }

  /// Whether all messages get the same text.
  public var isConstant: Bool {
    steps.allSatisfy { if case .literal = $0 { true } else { false } }
  }

  /// Appends the text for the message that `values` are at.
  public func append(_ values: inout TemplateValues, to output: inout OutputBuffer) {
    for step in steps {
      switch step {
      case .literal(let bytes): output.append(bytes)
      case .number: output.append(decimal: values.number)
      case .timestamp: values.appendTimestamp(to: &output)
      case .uuid: values.appendUUID(to: &output)
      case .random(let count): values.appendRandom(count, to: &output)
      }
    }
  }
}

/// What the places of templates stand for in one message after the other.
public struct TemplateValues: Sendable {
  /// The number of the message; 0 before the first.
  public private(set) var number = 0
  private var time = WallTime(seconds: 0, nanoseconds: 0)
  private var uuid: (high: UInt64, low: UInt64) = (0, 0)
  private var timestamp: Timestamp
  private var random: Xoshiro256

  /// Values whose random part nobody can foretell from the outside. (Not for secrets.)
  public init() {
    var system = SystemRandomNumberGenerator()
    self.init(random: Xoshiro256(seededBy: &system), timestamp: Timestamp())
  }

  init(random: Xoshiro256, timestamp: Timestamp) {
    self.random = random
    self.timestamp = timestamp
  }

  /// Goes on to the next message, which is made at `time`.
  public mutating func next(at time: WallTime) {
    number += 1
    self.time = time
    // The version, 4, and the variant, 0b10 (RFC 9562, 5.4).
    uuid = (random.next() & ~0xF000 | 0x4000, random.next() >> 2 | 1 << 63)
  }

  fileprivate mutating func appendTimestamp(to output: inout OutputBuffer) {
    timestamp.append(seconds: time.seconds, nanoseconds: time.nanoseconds, zone: .extended, to: &output)
  }

  fileprivate func appendUUID(to output: inout OutputBuffer) {
    withUnsafeBytes(of: (uuid.high.bigEndian, uuid.low.bigEndian)) { bytes in
      for index in 0..<16 {
        if index == 4 || index == 6 || index == 8 || index == 10 { output.append(UInt8(ascii: "-")) }
        Hex.append(UnsafeRawBufferPointer(rebasing: bytes[index...index]), to: &output)
      }
    }
  }

  fileprivate mutating func appendRandom(_ count: Int, to output: inout OutputBuffer) {
    for _ in 0..<count {
      let index = UInt8(truncatingIfNeeded: ((random.next() >> 32) * 36) >> 32)
      output.append(index < 10 ? UInt8(ascii: "0") + index : UInt8(ascii: "a") + (index - 10))
    }
  }
}

/// xoshiro256** by Blackman and Vigna: fast random numbers, seeded once. The system's cost a call each.
struct Xoshiro256: RandomNumberGenerator, Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  init(seededBy generator: inout some RandomNumberGenerator) {
    state = (generator.next(), generator.next(), generator.next(), generator.next())
  }

  mutating func next() -> UInt64 {
    let result = Self.rotate(state.1 &* 5, by: 7) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = Self.rotate(state.3, by: 45)
    return result
  }

  private static func rotate(_ word: UInt64, by count: UInt64) -> UInt64 { word << count | word >> (64 - count) }
}
