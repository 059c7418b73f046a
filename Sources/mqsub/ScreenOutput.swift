internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What fills a screen.
protocol ScreenContent {
  /// Takes a message into account.
  mutating func take(_ message: MessageView, at now: Instant)

  /// Does what a key is for.
  mutating func press(_ key: Key) -> ScreenWish?

  /// The lines of a screen with so many columns and rows.
  mutating func lines(columns: Int, rows: Int, at now: Instant, _ status: ScreenStatus) -> [[UInt8]]
}

/// What a key asks for beyond what the content does itself.
enum ScreenWish { case quit, redraw }

/// What is to be said of the connection.
struct ScreenStatus {
  var endpoint: String
  var filters: String
  /// `connected, MQTT 5`, or that it is not.
  var connection: String
  /// What has just happened.
  var notice: String?
  /// What a clock on the wall shows.
  var time: (Instant) -> String
}

/// Shows messages on a terminal that it has for itself: `--top` and `--watch`. A message is acknowledged as soon as it is taken
/// into account; what is shown follows, ten times a second at most, as fast as the terminal takes it.
final class ScreenOutput<Content: ScreenContent>: MessageSink {
  private var content: Content
  private var screen: Screen
  private let filters: String
  private let lines: HeldLines
  private var keys = KeyReader()
  /// When what has come of a key is a key by itself.
  private var keyDeadline: Instant?
  private var unacknowledged: [Delivery] = []
  private var timestamp = Timestamp()

  /// The time of what is taken now, read once for all that has arrived together.
  private var now = Instant.now
  private var isTimeKnown = false
  private var lastFrame: Instant
  /// Something has changed: for the next frame, or for one at once.
  private var isChanged = true
  private var isUrgent = true
  private var notice: String?
  private var noticeDeadline: Instant
  private var isConnected: Bool?
  private var isOver = false

  /// Between frames.
  private let interval: Duration = .milliseconds(100)
  /// Between frames while nothing comes: ages and the clock go on.
  private let idleInterval: Duration = .seconds(1)
  private let noticeTime: Duration = .seconds(8)
  /// How long the rest of a key may take on its way.
  private let keyPatience: Duration = .milliseconds(50)

  /// Shows `content` on `terminal`. What is said on standard error meanwhile comes into `lines`.
  init(
    _ content: Content, on terminal: consuming FullScreen, _ filters: [TopicFilter], _ lines: HeldLines
  ) {
    self.content = content
    self.lines = lines
    screen = Screen(terminal)
    self.filters = filters.map { "'\($0)'" }.joined(separator: ", ")
    (lastFrame, noticeDeadline) = (now, now)
  }

  // MARK: - What the subscriber tells

  func start(_ driver: inout Driver) {
    screen.enter()
    driver.watch(screen.eventDescriptor, .readable)
    driver.watch(screen.descriptor, .readable)
  }

  func take(_ message: MessageView, _ delivery: Delivery?) {
    if !isTimeKnown {
      now = .now
      isTimeKnown = true
    }
    content.take(message, at: now)
    isChanged = true
    if let delivery { unacknowledged.append(delivery) }
  }

  func ready(_ descriptor: Int32, _ readiness: Readiness) {
    if descriptor == screen.eventDescriptor {
      if screen.followEvents() { isUrgent = true }
    } else if readiness.contains(.readable) {
      var bytes: [UInt8] = []
      if !screen.read(into: &bytes) || readiness.contains(.hungUp) { isOver = true }
      keys.append(bytes)
      pressKeys(isComplete: false)
    }
  }

  func work(_ client: Client, _ driver: inout Driver) -> SinkState {
    for delivery in unacknowledged { client.acknowledge(delivery) }
    unacknowledged.removeAll(keepingCapacity: true)
    now = driver.now
    isTimeKnown = false
    if let keyDeadline, now >= keyDeadline { pressKeys(isComplete: true) }
    if !isOver {
      updateNotice(client)
      if isFrameDue { showFrame(client) }
      do throws(OutputError) { try screen.send() } catch { isOver = true }
    }
    if isOver {
      close()
      return .over(.ok)
    }
    driver.watch(screen.descriptor, screen.isBusy ? [.readable, .writable] : .readable)
    return .done
  }

  var deadline: Instant? {
    let frame = lastFrame + (isChanged ? interval : idleInterval)
    // The terminal tells when it takes more.
    if screen.isBusy { return keyDeadline }
    return min(frame, keyDeadline ?? frame)
  }

  func stop() -> Duration {
    close()
    return .zero
  }

  func end(_ driver: inout Driver) {
    driver.watch(screen.eventDescriptor, nil)
    driver.watch(screen.descriptor, nil)
    close()
  }

  /// Gives the terminal back, to those as well who have something to say.
  private func close() {
    screen.leave()
    lines.release()
  }

  // MARK: - Keys

  private func pressKeys(isComplete: Bool) {
    while let key = keys.next(isComplete: isComplete) {
      isUrgent = true
      switch content.press(key) {
      case .quit: isOver = true
      case .redraw: screen.redraw()
      case nil: break
      }
    }
    keyDeadline = keys.isWaiting ? .now + keyPatience : nil
  }

  // MARK: - Frames

  private var isFrameDue: Bool {
    if screen.isBusy { return false }
    return isUrgent || now >= lastFrame + (isChanged ? interval : idleInterval)
  }

  private func showFrame(_ client: Client) {
    let connection = isConnected == true ? "connected, \(client.version)" : "not connected"
    let wallTime = WallTime.now
    let status = ScreenStatus(
      endpoint: "\(client.settings.endpoint)", filters: filters, connection: connection, notice: notice,
      time: { [self] in clockText(wallTime.seconds - (now - $0).components.seconds) })
    screen.show(content.lines(columns: screen.size.columns, rows: screen.size.rows, at: now, status))
    (isChanged, isUrgent, lastFrame) = (false, false, now)
  }

  /// What was said last stays for a while; as long as there is no connection it is the reason for that.
  private func updateNotice(_ client: Client) {
    if client.isConnected != isConnected {
      isConnected = client.isConnected
      isUrgent = true
    }
    if let text = lines.latest {
      lines.latest = nil
      (notice, noticeDeadline) = (text, now + noticeTime)
      isUrgent = true
    } else if notice != nil, isConnected == true, now >= noticeDeadline {
      notice = nil
      isUrgent = true
    }
  }

  /// `12:55:34`
  private func clockText(_ seconds: Int64) -> String {
    var text = OutputBuffer(descriptor: -1, limit: .max)
    timestamp.append(seconds: seconds, zone: .extended, to: &text)
    return text.withBytes { String(decoding: $0[11..<19], as: UTF8.self) }
  }
}
