internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What the shell shows: messages, answers and notes, above the line that is being edited if there is one.
///
/// On a terminal nothing that came from elsewhere can steer it, and when messages come faster than anybody reads, most of them
/// are counted instead of shown. A pipe gets all of them, and the exact bytes.
final class Screen {
  enum Style {
    case plain, topic, faint, good, bad

    fileprivate var code: String {
      switch self {
      case .plain: ""
      case .topic: "\u{1B}[36m"
      case .faint: "\u{1B}[2m"
      case .good: "\u{1B}[32m"
      case .bad: "\u{1B}[31m"
      }
    }
  }

  /// How messages are shown.
  enum Format {
    /// Time, topic, payload and flags on one line, as people read them.
    case short
    case other(MessageFormat)
  }

  let isTerminal: Bool
  let isColored: Bool
  /// The editor whose line stands below all of it.
  var editor: LineEditor?
  /// The line's prompt; asked for whenever it is shown.
  var prompt: () -> String = { "" }
  var format: Format
  /// Whether all that is no report of a test is a comment of TAP.
  let isTAP: Bool
  /// Messages that were counted and not shown since somebody looked.
  private(set) var unreadCount = 0

  private var output = OutputBuffer(descriptor: 1, limit: .max)
  private var timestamp = Timestamp()
  private var gate = FloodGate()
  private var isHolding = false
  private var held: [(KeptMessage, String?)] = []
  private var shownPrompt = ""
  private var shownAt = Instant.now
  /// How many bytes a message's payload may take on one line.
  private static let shortLimit = 400

  init(_ plan: OutputPlan, isTAP: Bool) {
    isTerminal = output.isTerminal
    isColored = plan.color.isColored(isTerminal: isTerminal)
    self.isTAP = isTAP
    format = .short
    if !isTerminal {
      var options = MessageFormat.Options()
      options.isColored = isColored
      options.isForTerminal = isColored
      format = .other(MessageFormat(.verbose(showsTime: false), options))
    }
  }

  // MARK: Lines

  /// A line of our own, in which there may be words from elsewhere.
  func line(_ text: String, _ style: Style = .plain) {
    begin()
    append(text, style)
    end()
  }

  /// A line in the language of TAP.
  func report(_ text: String) {
    TerminalText.append(text, to: &output)
    end()
  }

  /// Bytes from elsewhere, as they are where no terminal is.
  func line(_ bytes: [UInt8]) {
    begin()
    bytes.withUnsafeBytes { append(own: $0) }
    end()
  }

  /// What `write` appends, which is fit for the output and ends with a line's end.
  func lines(_ write: (inout OutputBuffer) -> Void) {
    guard isTAP else { return write(&output) }
    var buffer = OutputBuffer(descriptor: -1, limit: .max)
    write(&buffer)
    for line in mqshell.lines(of: buffer.withBytes { Array($0) }) {
      begin()
      output.append(line)
      end()
    }
  }

  private func begin() { if isTAP { output.append("# ") } }

  private func end() { output.append(UInt8(ascii: "\n")) }

  private func append(_ text: String, _ style: Style) {
    styled(style) { TerminalText.append(text, to: &output) }
  }

  private func styled(_ style: Style, _ body: () -> Void) {
    guard isColored, style != .plain else { return body() }
    output.append(style.code)
    body()
    output.append("\u{1B}[0m")
  }

  private func append(own bytes: UnsafeRawBufferPointer) {
    if isTerminal {
      TerminalText.append(bytes, to: &output)
    } else {
      output.append(bytes)
    }
  }

  // MARK: Messages

  /// Keeps messages back while `body` runs: it has something to say first.
  func holding<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    isHolding = true
    defer {
      isHolding = false
      for (message, connection) in held { arrived(message, on: connection) }
      held = []
    }
    return try body()
  }

  /// Shows a message as it comes; `connection` is named where several are open.
  func arrived(_ message: KeptMessage, on connection: String?) {
    guard !isTAP else { return }
    if isHolding { return held.append((message, connection)) }
    if editor != nil, !gate.admits(at: .now) {
      unreadCount += 1
      return
    }
    show(message, on: connection)
  }

  /// It was not wanted on the screen.
  func left() { unreadCount += 1 }

  /// Somebody has looked at what was left out.
  func read() { unreadCount = 0 }

  /// Shows a message in the format that was chosen.
  func show(_ message: KeptMessage, on connection: String?) {
    switch format {
    case .short: showShort(message, on: connection)
    case .other(var format):
      lines { output in message.withView { _ = format.append($0, at: message.time, to: &output) } }
      self.format = .other(format)
    }
  }

  private func showShort(_ message: KeptMessage, on connection: String?) {
    begin()
    styled(.faint) { output.append(timeOfDay(message.time)) }
    output.append("  ")
    if let connection { append("@\(connection)  ", .faint) }
    message.withView { view in
      styled(.topic) { append(own: view.topic) }
      output.append("  ")
      appendShort(view.payload)
      if let flags = flags(view) { append("  [\(flags)]", .faint) }
    }
    end()
  }

  /// The hours, minutes and seconds of a point in time.
  func timeOfDay(_ time: WallTime) -> [UInt8] {
    var buffer = OutputBuffer(descriptor: -1, limit: .max)
    timestamp.append(seconds: time.seconds, zone: .basic, to: &buffer)
    return buffer.withBytes { Array($0[11..<19]) }
  }

  private func flags(_ message: MessageView) -> String? {
    let flags = [message.retain ? "r" : "", message.qos == .atMostOnce ? "" : "q\(message.qos.rawValue)"]
    let text = flags.filter { !$0.isEmpty }.joined(separator: " ")
    return text.isEmpty ? nil : text
  }

  /// A payload on one line: text as it is, anything else in a way in which `pub` would take it.
  func appendShort(_ payload: UnsafeRawBufferPointer) {
    if payload.isEmpty { return append("(empty)", .faint) }
    let isText = Text.isValid(payload)
    var shown = UnsafeRawBufferPointer(rebasing: payload.prefix(isText ? Self.shortLimit : Self.shortLimit / 4))
    if isText {
      // Not in the middle of a character.
      while shown.count < payload.count, shown.count > 0, payload[shown.count] & 0xC0 == 0x80 {
        shown = UnsafeRawBufferPointer(rebasing: shown.dropLast())
      }
      append(own: shown)
    } else {
      output.append("hex:")
      Hex.append(shown, to: &output)
    }
    if shown.count < payload.count { append("… (\(payload.count) bytes; 'show' has all)", .faint) }
  }

  // MARK: Writing

  /// A prompt that has changed is shown with the next line that is written, and after this time at the latest.
  private static let promptPatience: Duration = .milliseconds(500)

  /// When `flush` has something to do although nothing happens.
  var deadline: Instant? {
    let promptTime = isPromptStale ? shownAt + Self.promptPatience : nil
    return [gate.deadline, promptTime].compactMap { $0 }.min()
  }

  private var isPromptStale: Bool { editor?.isActive == true && prompt() != shownPrompt }

  /// Writes all that there is.
  func flush() throws(OutputError) {
    if let count = gate.takeSkipped(at: .now) {
      line("… \(mqshell.count(count, "message")) not shown, they come too fast; 'last 100' has the last", .faint)
    }
    guard output.count > 0 || isPromptStale && .now >= shownAt + Self.promptPatience else { return }
    editor?.hide()
    try output.flush()
    show()
  }

  /// Shows the line that is being edited.
  private func show() {
    shownPrompt = prompt()
    shownAt = .now
    editor?.show(prompt: shownPrompt)
  }

  /// Begins a line.
  func beginLine() {
    shownPrompt = prompt()
    shownAt = .now
    editor?.begin(prompt: shownPrompt)
  }
}

/// Lets as many messages through as a person can take in, and counts the others: a burst is shown, and of a flood so few each
/// second that what is said about it stays on the screen.
private struct FloodGate {
  private static let burst = 200
  private static let sample = 10
  private static let window: Duration = .seconds(1)

  private var windowEnd: Instant?
  private var limit = Self.burst
  private var shownCount = 0
  private var skippedCount = 0
  private var isFlooded = false

  mutating func admits(at now: Instant) -> Bool {
    if windowEnd.map({ now >= $0 && skippedCount == 0 }) ?? true {
      // Right behind a window of which something was skipped, the flood goes on.
      limit = isFlooded && now < (windowEnd ?? now) + Self.window ? Self.sample : Self.burst
      isFlooded = false
      windowEnd = now + Self.window
      shownCount = 0
    }
    shownCount += 1
    if shownCount <= limit { return true }
    skippedCount += 1
    return false
  }

  var deadline: Instant? { skippedCount > 0 ? windowEnd : nil }

  mutating func takeSkipped(at now: Instant) -> Int? {
    guard skippedCount > 0, let end = windowEnd, now >= end else { return nil }
    defer { skippedCount = 0 }
    isFlooded = true
    return skippedCount
  }
}
