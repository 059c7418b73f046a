/// A format of mosquitto_sub's `-F`, read once.
///
/// | written | stands for |
/// |---|---|
/// | `%t` `%p` `%x` `%X` `%l` | topic, payload, payload in hexadecimal digits, payload's length |
/// | `%q` `%r` `%m` | QoS, retain as 0 or 1, packet identifier |
/// | `%f` `%d` | payload that is a float or a double in this machine's byte order |
/// | `%A` `%C` `%D` `%E` `%F` `%R` `%S` | topic alias, content type, correlation data, message expiry interval, payload format indicator, response topic, subscription identifier |
/// | `%P` | user properties, as `name:value name:value` |
/// | `%I` `%U` | time as `2026-11-22T12:55:34+0100`, in seconds since 1970 with nanoseconds |
/// | `%j` `%J` | all as JSON, the payload as a string or as the JSON that it is |
/// | `@c` `@N` | what strftime(3) makes of `%c`, for any c; nanoseconds |
/// | `\0` `\a` `\e` `\n` `\r` `\t` `\v` | control characters |
/// | `%%` `@@` `\\` | the character itself |
///
/// Between `%` and the letter may stand `-` (aligned to the left), `0` (filled up with zeros), the width, `.` and a
/// precision, and for `%x` what separates groups of that many digits.
public struct FormatString: Sendable, Hashable {
  enum Step: Sendable, Hashable {
    case literal([UInt8])
    case topic(Layout), contentType(Layout), responseTopic(Layout)
    case correlationData, userProperties
    case payload(Layout), hexadecimal(Layout, uppercase: Bool), float(Layout), double(Layout)
    case length(Layout), packetIdentifier(Layout), topicAlias(Layout), messageExpiryInterval(Layout)
    case payloadFormatIndicator(Layout), subscriptionIdentifier(Layout)
    case qos, retain
    case time(Layout), epochTime, nanoseconds
    /// What `timeConversions` has there.
    case timeText(Int)
    case mosquittoJSON(payloadIsJSON: Bool)
    // Not in the language of -F, but among the ways to show a message.
    case wholePayload(ifEmpty: [UInt8]), preciseTime, json, hexadecimalDump(showsTopic: Bool)
  }

  /// How a value is fitted into its place.
  struct Layout: Sendable, Hashable {
    var isLeft = false
    var padding = UInt8(ascii: " ")
    var width = 0
    var precision: Int?
    /// What stands between groups of hexadecimal digits.
    var separator = UInt8(ascii: " ")
  }

  private(set) var steps: [Step] = []
  /// The letters behind `@`, each for a text of strftime(3).
  private(set) var timeConversions: [UInt8] = []

  /// Wider than any terminal or fixed record; beyond it somebody mistyped.
  private static let widthLimit = 100_000

  init(steps: [Step]) { self.steps = steps }

  /// The format that `text` describes.
  public init(_ text: [UInt8]) throws(UsageError) {
    var literal: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      let step: Step
      switch byte {
      case UInt8(ascii: "%"): step = try Self.parameter(&rest)
      case UInt8(ascii: "@"): step = try timeText(&rest)
      case UInt8(ascii: "\\"): step = .literal([try Self.escape(&rest)])
      default: step = .literal([byte])
      }
      if case .literal(let bytes) = step {
        literal += bytes
      } else {
        if !literal.isEmpty { steps.append(.literal(literal)) }
        literal = []
        steps.append(step)
      }
    }
    if !literal.isEmpty { steps.append(.literal(literal)) }
  }

  // MARK: Reading

  private static func parameter(_ rest: inout ArraySlice<UInt8>) throws(UsageError) -> Step {
    let start = rest
    var layout = Layout()
    if rest.first == UInt8(ascii: "-") {
      rest.removeFirst()
      layout.isLeft = true
    }
    if rest.first == UInt8(ascii: "0") {
      rest.removeFirst()
      layout.padding = UInt8(ascii: "0")
    }
    layout.width = try number(&rest)
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      layout.precision = try number(&rest)
    }
    if let byte = rest.first, isSeparator(byte) {
      rest.removeFirst()
      layout.separator = byte
    }
    guard let conversion = rest.popFirst() else { throw UsageError("something is missing behind the last %") }
    guard let step = step(conversion, layout) else {
      let written = String(decoding: start.prefix(start.count - rest.count), as: UTF8.self)
      throw UsageError("there is no '%\(written)'; for a percent sign write %%")
    }
    return step
  }

  private static func step(_ conversion: UInt8, _ layout: Layout) -> Step? {
    switch conversion {
    case UInt8(ascii: "%"): .literal([conversion])
    case UInt8(ascii: "A"): .topicAlias(layout)
    case UInt8(ascii: "C"): .contentType(layout)
    case UInt8(ascii: "D"): .correlationData
    case UInt8(ascii: "d"): .double(layout)
    case UInt8(ascii: "E"): .messageExpiryInterval(layout)
    case UInt8(ascii: "F"): .payloadFormatIndicator(layout)
    case UInt8(ascii: "f"): .float(layout)
    case UInt8(ascii: "I"): .time(layout)
    case UInt8(ascii: "j"): .mosquittoJSON(payloadIsJSON: false)
    case UInt8(ascii: "J"): .mosquittoJSON(payloadIsJSON: true)
    case UInt8(ascii: "l"): .length(layout)
    case UInt8(ascii: "m"): .packetIdentifier(layout)
    case UInt8(ascii: "P"): .userProperties
    case UInt8(ascii: "p"): .payload(layout)
    case UInt8(ascii: "q"): .qos
    case UInt8(ascii: "R"): .responseTopic(layout)
    case UInt8(ascii: "r"): .retain
    case UInt8(ascii: "S"): .subscriptionIdentifier(layout)
    case UInt8(ascii: "t"): .topic(layout)
    case UInt8(ascii: "U"): .epochTime
    case UInt8(ascii: "x"): .hexadecimal(layout, uppercase: false)
    case UInt8(ascii: "X"): .hexadecimal(layout, uppercase: true)
    default: nil
    }
  }

  /// The digits at the front; 0 where there are none.
  private static func number(_ rest: inout ArraySlice<UInt8>) throws(UsageError) -> Int {
    var number = 0
    while let digit = rest.first, digit &- UInt8(ascii: "0") < 10 {
      rest.removeFirst()
      number = number * 10 + Int(digit - UInt8(ascii: "0"))
      guard number <= widthLimit else { throw UsageError("a width is 100,000 at most") }
    }
    return number
  }

  /// All visible ASCII but letters, digits and the percent sign.
  private static func isSeparator(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "%"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      false
    default: (0x20...0x7E).contains(byte)
    }
  }

  private mutating func timeText(_ rest: inout ArraySlice<UInt8>) throws(UsageError) -> Step {
    guard let conversion = rest.popFirst() else { throw UsageError("a letter is missing behind the last @") }
    switch conversion {
    case UInt8(ascii: "@"): return .literal([conversion])
    case UInt8(ascii: "N"): return .nanoseconds
    default:
      timeConversions.append(conversion)
      return .timeText(timeConversions.count - 1)
    }
  }

  private static func escape(_ rest: inout ArraySlice<UInt8>) throws(UsageError) -> UInt8 {
    guard let letter = rest.popFirst() else { throw UsageError("a letter is missing behind the last \\") }
    switch letter {
    case UInt8(ascii: "\\"): return letter
    case UInt8(ascii: "0"): return 0x00
    case UInt8(ascii: "a"): return 0x07
    case UInt8(ascii: "e"): return 0x1B
    case UInt8(ascii: "n"): return 0x0A
    case UInt8(ascii: "r"): return 0x0D
    case UInt8(ascii: "t"): return 0x09
    case UInt8(ascii: "v"): return 0x0B
    default:
      throw UsageError("there is no '\\\(String(decoding: [letter], as: UTF8.self))'; for a backslash write \\\\")
    }
  }
}
