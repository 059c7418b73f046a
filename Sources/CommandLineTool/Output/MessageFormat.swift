public import MQTT

/// How received messages are shown: decided once, and followed for each message without allocating anything (but for
/// floats and JSON on many lines).
public struct MessageFormat: Sendable {
  /// What is shown of a message.
  public enum Style: Sendable, Hashable {
    /// The payload; a message without one leaves no trace.
    case payload
    /// `TOPIC PAYLOAD`, with `(null)` for an empty payload, and the time in front if it `showsTime`.
    case verbose(showsTime: Bool)
    /// The payload in hexadecimal digits and text, 16 bytes a line; in front a line with topic and length, which
    /// begins with the time if it `showsTime`.
    case hexadecimalDump(showsTopic: Bool, showsTime: Bool = false)
    /// What `-F` says.
    case custom(FormatString)
    /// One line of JSON, from which the message can be published again.
    case json
  }

  /// How it is shown.
  public struct Options: Sendable, Hashable {
    /// What stands behind each message: the end of a line, another byte, or nothing.
    public var terminator: UInt8? = UInt8(ascii: "\n")
    /// Whether the message's own bytes are made safe for a terminal. What a format adds is left alone.
    public var isForTerminal = false
    /// Whether JSON takes many lines: payloads, `%j` and `%J`.
    public var isPretty = false
    /// Whether time and topic stand out from the payload, where the style and not a format puts them there.
    public var isColored = false

    /// Lines of exact bytes.
    public init() {}
  }

  /// What is wrong with a message for its format. What could not be written was left out.
  public enum Problem: Error, Hashable, Sendable {
    /// `%J`, and the payload is not one JSON text.
    case payloadIsNotJSON
    /// `%f` or `%d`, and the payload has not 4 or 8 bytes.
    case payloadIsNoNumber
  }

  private let format: FormatString
  let options: Options
  /// A message without payload leaves no trace.
  private let hidesEmpty: Bool
  private var json: JSONOutput
  private var timestamp: Timestamp
  /// The texts for `%I` and the letters behind `@`, in the second that they were last asked for.
  private var timeTexts = TimeTexts()
  private let timeText: @Sendable (_ conversion: UInt8, _ seconds: Int64) -> [UInt8]

  private struct TimeTexts: Sendable {
    var second: Int64?
    var iso8601: [UInt8] = []
    var others: [[UInt8]] = []
  }

  /// A format in the zone of the environment.
  public init(_ style: Style, _ options: Options = Options()) {
    self.init(style, options, timestamp: Timestamp(), timeText: System.timeText)
  }

  init(
    _ style: Style, _ options: Options, timestamp: Timestamp,
    timeText: @escaping @Sendable (_ conversion: UInt8, _ seconds: Int64) -> [UInt8]
  ) {
    self.options = options
    self.timestamp = timestamp
    self.timeText = timeText
    json = JSONOutput(isForTerminal: options.isForTerminal, timestamp: timestamp)
    switch style {
    case .payload:
      format = FormatString([.wholePayload])
      // Between NULs an empty piece is a message; among lines mosquitto_sub has taught scripts to expect none.
      hidesEmpty = options.terminator != 0
    case .verbose(let showsTime):
      let steps = [FormatString.Step.topic(.init()), .payloadOrNull]
      format = FormatString((showsTime ? [.preciseTime] : []) + steps, isColored: options.isColored)
      hidesEmpty = options.terminator == nil
    case .hexadecimalDump(let showsTopic, let showsTime):
      let dump = FormatString.Step.hexadecimalDump(showsTopic: showsTopic)
      format = FormatString((showsTime ? [.preciseTime] : []) + [dump], isColored: options.isColored)
      hidesEmpty = !showsTopic
    case .custom(let custom):
      format = custom
      hidesEmpty = false
    case .json:
      format = FormatString([.json])
      hidesEmpty = false
    }
  }

  /// Whether the time matters that `append` gets: whoever need not read the clock saves that.
  public var showsTime: Bool { format.steps.contains(where: \.showsTime) }

  /// Appends a message that came at `time`, and what stands behind it. Returns what could not be written, if anything.
  @discardableResult
  public mutating func append(
    _ message: MessageView, at time: WallTime, to output: inout OutputBuffer
  ) -> Problem? {
    if hidesEmpty, message.payload.isEmpty { return nil }
    var problem: Problem?
    for step in format.steps {
      do throws(Problem) {
        try append(step, of: message, at: time, to: &output)
      } catch {
        problem = error
      }
    }
    if let terminator = options.terminator { output.append(terminator) }
    return problem
  }

  // MARK: Steps

  private mutating func append(
    _ step: FormatString.Step, of message: MessageView, at time: WallTime, to output: inout OutputBuffer
  ) throws(Problem) {
    switch step {
    case .literal(let range):
      format.literals.withUnsafeBytes { output.append(UnsafeRawBufferPointer(rebasing: $0[range])) }
    case .topic(let layout): append(text: message.topic, layout, to: &output)
    case .payload(let layout): append(payload: message.payload, layout, to: &output)
    case .wholePayload: append(wholePayload: message.payload, to: &output)
    case .payloadOrNull:
      if message.payload.isEmpty {
        if options.isColored { output.append(literal: TextColor.nothing.start) }
        output.append(literal: "(null)")
        if options.isColored { output.append(literal: TextColor.end) }
      } else {
        append(wholePayload: message.payload, to: &output)
      }
    case .hexadecimal(let layout, let uppercase):
      append(hexadecimal: message.payload, layout, uppercase: uppercase, to: &output)
    case .float(let layout):
      guard message.payload.count == 4 else { throw .payloadIsNoNumber }
      append(number: Double(message.payload.loadUnaligned(as: Float.self)), layout, to: &output)
    case .double(let layout):
      guard message.payload.count == 8 else { throw .payloadIsNoNumber }
      append(number: message.payload.loadUnaligned(as: Double.self), layout, to: &output)
    case .length(let layout): append(integer: message.payload.count, layout, to: &output)
    case .packetIdentifier(let layout): append(integer: Int(message.packetIdentifier), layout, to: &output)
    case .qos: output.append(decimal: Int(message.qos.rawValue))
    case .retain: output.append(message.retain ? UInt8(ascii: "1") : UInt8(ascii: "0"))
    case .topicAlias(let layout): append(property: .topicAlias, of: message, layout, to: &output)
    case .messageExpiryInterval(let layout):
      append(property: .messageExpiryInterval, of: message, layout, to: &output)
    case .payloadFormatIndicator(let layout):
      append(property: .payloadFormatIndicator, of: message, layout, to: &output)
    case .subscriptionIdentifier(let layout):
      append(property: .subscriptionIdentifier, of: message, layout, to: &output)
    case .contentType(let layout):
      if let view = message.first(.contentType) {
        append(text: view.bytes, layout, to: &output)
      } else {
        output.append(UInt8(ascii: " "), count: layout.width)
      }
    case .responseTopic(let layout):
      if let view = message.first(.responseTopic) { append(text: view.bytes, layout, to: &output) }
    case .correlationData:
      if let view = message.first(.correlationData) { append(own: view.bytes, to: &output) }
    case .userProperties: appendUserProperties(message, to: &output)
    case .time(let layout):
      updateTimeTexts(time.seconds)
      timeTexts.iso8601.withUnsafeBytes { append(text: $0, layout, to: &output) }
    case .preciseTime:
      timestamp.append(seconds: time.seconds, nanoseconds: time.nanoseconds, zone: .extended, to: &output)
    case .epochTime:
      output.append(decimal: Int(time.seconds))
      output.append(UInt8(ascii: "."))
      output.append(decimal: time.nanoseconds, width: 9)
    case .nanoseconds: output.append(decimal: time.nanoseconds, width: 9)
    case .timeText(let index):
      updateTimeTexts(time.seconds)
      output.append(timeTexts.others[index])
    case .mosquittoJSON(let payloadIsJSON):
      try appendMosquittoJSON(message, payloadIsJSON: payloadIsJSON, at: time, &timestamp, to: &output)
    case .json: json.append(message, at: time, to: &output)
    case .hexadecimalDump(let showsTopic): appendDump(message, showsTopic: showsTopic, to: &output)
    }
  }

  private mutating func updateTimeTexts(_ second: Int64) {
    if timeTexts.second == second { return }
    var buffer = OutputBuffer(descriptor: -1, limit: .max)
    timestamp.append(seconds: second, zone: .basic, to: &buffer)
    timeTexts = TimeTexts(
      second: second, iso8601: buffer.withBytes { Array($0) },
      others: format.timeConversions.map { timeText($0, second) })
  }
}
