internal import CommandLineTool
internal import MQTT

/// Recorded messages, each as long after the first as it came. All times are counted from the first, so that nothing adds up.
final class ReplaySource: MessageSource {
  private var lines: InputLines
  private let speed: Double?
  let place: String
  private var json = JSONInput()
  /// The line that `json` holds.
  private var lineRead = 0
  /// When the first message came and when it was published.
  private var start: (recorded: WallTime, published: Instant)?
  /// When the last message was due.
  private var lastDue: Instant?
  private(set) var awaitedTime: Instant?

  init(_ replay: Replay) throws(UsageError) {
    place = replay.path.map { "--replay: \(String(decoding: $0, as: UTF8.self))" } ?? "standard input"
    speed = replay.speed
    do throws(SystemError) {
      lines = InputLines(descriptor: try replay.open(), end: UInt8(ascii: "\n"))
    } catch {
      throw UsageError("\(place): \(error.explanation)")
    }
  }

  var isExhausted: Bool { lines.isExhausted }
  var remainingCount: Int { lines.remainingCount }
  var descriptor: Int32? { lines.descriptor }
  var wantsToRead: Bool { lines.isDry && !lines.isAtEnd }

  func read() throws(SystemError) { try lines.read() }

  func handOver(at now: Instant, isDelivered: () -> Bool, _ take: (OutgoingItem) -> Bool) {
    awaitedTime = nil
    lines.forEachLine { line, number in
      if lineRead != number {
        do throws(JSONError) {
          try json.read(line)
        } catch {
          return take(
            error.isCutOff(in: line) ? .fragment(line: number) : .fault(line: number, explanation: "\(error)"))
        }
        lineRead = number
      }
      let due = dueTime(at: now)
      if now < due {
        awaitedTime = due
        return false
      }
      guard json.withMessage(line: number, { take(.message($0)) }) else { return false }
      lastDue = due
      return true
    }
  }

  /// When the message that was read is due. A clock that was set back while it was recorded delays nothing.
  private func dueTime(at now: Instant) -> Instant {
    let earliest = lastDue ?? now
    guard let speed, let time = json.time else { return earliest }
    guard let start else {
      start = (time, now)
      return now
    }
    let seconds = Double(time.seconds - start.recorded.seconds)
    let nanoseconds = (seconds * 1e9 + Double(time.nanoseconds - start.recorded.nanoseconds)) / speed
    // Nobody waits for centuries.
    return max(earliest, start.published + .nanoseconds(Int64(min(max(nanoseconds, -1e18), 1e18))))
  }
}

extension JSONError {
  /// Whether the line begins like a recorded one and simply ends too soon.
  fileprivate func isCutOff(in line: UnsafeRawBufferPointer) -> Bool {
    line.first == UInt8(ascii: "{") && (offset >= line.count || line.last != UInt8(ascii: "}"))
  }
}
