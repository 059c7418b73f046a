internal import CommandLineTool
internal import MQTT

/// What `--watch` shows: a line for each topic, in the order in which their first messages came, with the last message as the
/// format has it.
struct WatchView: ScreenContent {
  private var format: MessageFormat
  private let showsTime: Bool
  private var places: [[UInt8]: Int] = [:]
  private var lines: [[UInt8]] = []
  private var hasMore = false

  /// More topics than any screen has lines are not told apart.
  private static let maximumTopics = 2_000
  /// Of a message that would fill more than a line.
  private static let maximumLength = 4_096

  init(_ format: MessageFormat) {
    self.format = format
    showsTime = format.showsTime
  }

  /// Shows a message in the place of the last one of its topic.
  mutating func take(_ message: MessageView, at now: Instant) {
    let topic = Array(message.topic)
    guard let place = places[topic] ?? newPlace(for: topic) else { return }
    var text = OutputBuffer(descriptor: -1, limit: .max)
    let time = showsTime ? WallTime.now : WallTime(seconds: 0, nanoseconds: 0)
    format.append(message, at: time, to: &text)
    // The terminal wraps nothing, and a format that has lines gets its first one shown.
    lines[place] = text.withBytes { Array($0.prefix { $0 != UInt8(ascii: "\n") }.prefix(Self.maximumLength)) }
  }

  private mutating func newPlace(for topic: [UInt8]) -> Int? {
    guard lines.count < Self.maximumTopics else {
      hasMore = true
      return nil
    }
    lines.append([])
    places[topic] = lines.count - 1
    return lines.count - 1
  }

  mutating func press(_ key: Key) -> ScreenWish? {
    switch key {
    case .character("q"): .quit
    case .character("\u{C}"): .redraw  // Ctrl-L
    default: nil
    }
  }

  mutating func lines(columns: Int, rows: Int, at now: Instant, _ status: ScreenStatus) -> [[UInt8]] {
    var head = ScreenLine(width: columns)
    head.append("Broker: \(status.endpoint)")
    if let notice = status.notice {
      head.append("  ")
      head.style(.bold)
      head.append(notice)
    }
    let room = rows - 1
    guard lines.count > room || hasMore else { return [head.bytes()] + lines }
    let shown = lines.prefix(max(0, room - 1))
    var last = ScreenLine(width: columns)
    last.append("… and \(hasMore ? "" : "\(ShortText.grouped(lines.count - shown.count)) ")more topics")
    return [head.bytes()] + shown + [last.bytes()]
  }
}
