/// A format of mosquitto_sub's `-F`, read once.
///
/// | written | stands for |
/// |---|---|
/// | `%t` `%p` `%x` `%X` `%l` | topic, payload, payload in hexadecimal digits, payload's length |
/// | `%q` `%r` `%m` | QoS, retain as 0 or 1, packet identifier |
/// | `%f` `%d` | payload that is a float or a double in this machine's byte order |
/// | `%A` `%C` `%D` `%E` | topic alias, content type, correlation data, message expiry interval |
/// | `%F` `%R` `%S` | payload format indicator, response topic, subscription identifier |
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
    /// These bytes of `literals`. (With arrays in them, steps would be retained and released for each message.)
    case literal(Range<Int>)
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
    case wholePayload, payloadOrNull, preciseTime, json, hexadecimalDump(showsTopic: Bool)
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
  /// What stands between the values.
  private(set) var literals: [UInt8] = []
  /// The letters behind `@`, each for a text of strftime(3).
  private(set) var timeConversions: [UInt8] = []

  /// Wider than any terminal or fixed record; beyond it somebody mistyped.
  private static let widthLimit = 100_000

  /// Steps with a blank between them.
  init(_ steps: [Step], isColored: Bool = false) {
    for step in steps {
      if !self.steps.isEmpty { append(literal: UInt8(ascii: " ")) }
      let color = isColored ? step.color : nil
      if let color { append(literal: color.start) }
      self.steps.append(step)
      if color != nil { append(literal: TextColor.end) }
    }
  }

  /// The format that `text` describes.
  public init(_ text: [UInt8]) throws(UsageError) {
    var rest = text[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "%"): try appendParameter(&rest)
      case UInt8(ascii: "@"): try appendTime(&rest)
      case UInt8(ascii: "\\"): append(literal: try Self.escape(&rest))
      default: append(literal: byte)
      }
    }
  }

  private mutating func append(literal byte: UInt8) {
    literals.append(byte)
    if case .literal(let range) = steps.last {
      steps[steps.count - 1] = .literal(range.lowerBound..<literals.count)
    } else {
      steps.append(.literal((literals.count - 1)..<literals.count))
    }
  }

  private mutating func append(literal text: StaticString) {
    text.withUTF8Buffer { for byte in $0 { append(literal: byte) } }
  }

  // MARK: Reading

  private mutating func appendParameter(_ rest: inout ArraySlice<UInt8>) throws(UsageError) {
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
    layout.width = try Self.number(&rest)
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      layout.precision = try Self.number(&rest)
    }
    if let byte = rest.first, Self.isSeparator(byte) {
      rest.removeFirst()
      layout.separator = byte
    }
    guard let conversion = rest.popFirst() else { throw UsageError("something is missing behind the last %") }
    if conversion == UInt8(ascii: "%") {
      append(literal: conversion)
      return
    }
    guard let step = Self.step(conversion, layout) else {
      let written = String(decoding: start.prefix(start.count - rest.count), as: UTF8.self)
      throw UsageError("there is no '%\(written)'; for a percent sign write %%")
    }
    steps.append(step)
  }

  private static func step(_ conversion: UInt8, _ layout: Layout) -> Step? {
    switch conversion {
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

  private mutating func appendTime(_ rest: inout ArraySlice<UInt8>) throws(UsageError) {
    guard let conversion = rest.popFirst() else { throw UsageError("a letter is missing behind the last @") }
    switch conversion {
    case UInt8(ascii: "@"): append(literal: conversion)
    case UInt8(ascii: "N"): steps.append(.nanoseconds)
    default:
      steps.append(.timeText(timeConversions.count))
      timeConversions.append(conversion)
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

extension FormatString.Step {
  /// Whether it shows when the message came.
  var showsTime: Bool {
    switch self {
    case .time, .epochTime, .nanoseconds, .timeText, .preciseTime, .mosquittoJSON, .json: true
    default: false
    }
  }

  /// How it stands out where colours are wanted.
  fileprivate var color: TextColor? {
    switch self {
    case .topic: .topic
    case .preciseTime: .time
    default: nil
    }
  }
}
