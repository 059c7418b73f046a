/// What was typed about how received messages are shown.
public struct OutputSettings: Sendable {
  private var style = Exclusive<Style>()
  private var head = Head.none
  private var endsLines = true
  private var endsWithNUL = false
  private var isPretty = false
  private var isRaw = false
  private var color: ColorChoice?

  private enum Style {
    case custom(FormatString), json, hexadecimalDump
  }

  /// What stands in front of a payload.
  private enum Head { case none, topic, topicAndTime }

  /// The defaults.
  public init() {}
}

/// What the settings mean together.
public struct OutputPlan: Hashable, Sendable {
  /// What is shown of a message.
  public var style = MessageFormat.Style.payload
  /// What stands behind each message: the end of a line, another byte, or nothing.
  public var terminator: UInt8? = UInt8(ascii: "\n")
  /// Whether JSON takes many lines: payloads, `%j` and `%J`.
  public var isPretty = false
  /// Whether a terminal gets the exact bytes.
  public var isRaw = false
  /// Whether there are colours.
  public var color = ColorChoice.auto

  /// Payloads, each on a line.
  public init() {}

  /// The format for an output. What has colours is for eyes, so that it is made safe for them wherever it goes.
  public func format(isTerminal: Bool) -> MessageFormat {
    var options = MessageFormat.Options()
    options.terminator = terminator
    options.isPretty = isPretty
    options.isColored = color.isColored(isTerminal: isTerminal)
    options.isForTerminal = !isRaw && (isTerminal || color == .always)
    return MessageFormat(style, options)
  }
}

extension OutputSettings {
  /// What the settings mean together, or why they mean nothing.
  public func plan(_ compatibility: Compatibility) throws(UsageError) -> OutputPlan {
    if endsWithNUL, !endsLines { throw UsageError("-0: cannot stand together with -N") }
    var plan = OutputPlan()
    plan.style =
      switch style.value {
      case .custom(let format): .custom(format)
      case .json: .json
      case .hexadecimalDump: .hexadecimalDump(showsTopic: head != .none, showsTime: head == .topicAndTime)
      case nil: head == .none ? .payload : .verbose(showsTime: head == .topicAndTime)
      }
    if endsWithNUL { plan.terminator = 0 }
    if !endsLines { plan.terminator = nil }
    plan.isPretty = isPretty
    plan.isRaw = isRaw
    plan.color = color ?? (compatibility.colorsTerminals ? .auto : .never)
    return plan
  }

  /// The options of the group.
  public static let options: [Option<OutputSettings>] = [
    Option(
      OptionDescription(
        short: "v", long: "verbose", section: .output, summary: "print the topic before the payload",
        details: "A message without payload is shown as (null).")
    ) { $0.head = .topic },
    Option(
      OptionDescription(
        short: "vv", section: .output, setting: "--verbose", summary: "print time and topic before the payload")
    ) { $0.head = .topicAndTime },
    Option(
      OptionDescription(
        short: "F", value: .one("FORMAT"), section: .output, summary: "print each message as FORMAT says",
        details: """
          FORMAT is text with conversions, such as '%I %t %p', listed below under FORMATS. It is stronger than {-v}. On a \
          terminal the message's own bytes are made safe; what FORMAT itself adds is not touched.
          """)
    ) { (settings, value) throws(UsageError) in
      try settings.style.set(.custom(try FormatString(value.bytes)), by: "-F", from: value.source)
    },
    Option(
      OptionDescription(
        short: "N", section: .output, summary: "print no end of line after a message")
    ) { $0.endsLines = false },
    Option(
      OptionDescription(
        short: "0", section: .output, summary: "end each message with NUL instead of LF",
        details: "A message without payload is an empty piece then; it is read with xargs -0, sort -z and the like.")
    ) { $0.endsWithNUL = true },
    Option(
      byUse: OptionDescription(
        long: "json", section: .output, summary: "print each message as a line of JSON",
        details: """
          The object has topic, qos, retain, dup, time, the payload as a string, or in Base64 as payload_base64 where \
          it is no text, and all properties. mqpub --stdin-json publishes it again as it was.
          """)
    ) { (settings, use) throws(UsageError) in try settings.style.set(.json, by: "--json", from: use.source) },
    Option(
      byUse: OptionDescription(
        long: "hexdump", section: .output, summary: "print payloads as hexadecimal digits and text")
    ) { (settings, use) throws(UsageError) in
      try settings.style.set(.hexadecimalDump, by: "--hexdump", from: use.source)
    },
    Option(
      OptionDescription(
        long: "pretty", section: .output, summary: "print JSON on many lines",
        details: "Payloads that are JSON, and what %j and %J of {-F} make. {--json} stays one line a message.")
    ) { $0.isPretty = true },
    Option(
      OptionDescription(
        long: "raw", section: .output, summary: "print the exact bytes on a terminal too",
        details: "What a message holds can then move the cursor, change colours, and worse.")
    ) { $0.isRaw = true },
    Option(
      OptionDescription(
        long: "color", value: .one("WHEN"), section: .output,
        summary: "colours for time and topic: auto, always or never (auto)",
        details: """
          Auto means on a terminal, unless the variable NO_COLOR is set or TERM is dumb. With always, messages are made \
          safe for a terminal wherever they go. {-F} and {--json} have no colours of their own.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.color = try value.choice([("auto", .auto), ("always", .always), ("never", .never)])
    },
  ]
}
