/// What a tool says on standard error: one line an event, each written with one call, and nothing from the network
/// that a terminal would obey.
public struct Diagnostics: Sendable {
  /// How much is said. Each level includes those before it.
  public enum Level: UInt8, Comparable, Sendable {
    /// Nothing but usage errors.
    case quiet
    case error, warning
    /// What changed: connected, reconnecting, delivered.
    case notice
    case debug
    /// Packets, decoded.
    case trace

    /// Levels that say more are greater.
    public static func < (one: Level, other: Level) -> Bool { one.rawValue < other.rawValue }
  }

  /// The name in front of each line.
  public let program: String
  /// How much is said.
  public let level: Level
  /// Whether a person is likely to read along.
  public let isTerminal: Bool
  private let isJSON: Bool
  private let descriptor: Int32
  private var held: HeldLines?

  /// Lines for `program`, or objects in JSON, one a line. Unless `level` is given, notices are for terminals only: cron
  /// would send them as mail.
  public init(program: String, level: Level? = nil, isJSON: Bool = false, descriptor: Int32 = 2) {
    self.program = program
    self.isJSON = isJSON
    self.descriptor = descriptor
    isTerminal = System.isTerminal(descriptor)
    self.level = level ?? (isTerminal ? .notice : .warning)
  }

  /// The same, but as long as something fills the terminal that lines would go to, they go into `lines`.
  public func held(in lines: HeldLines) -> Diagnostics {
    var diagnostics = self
    if isTerminal { diagnostics.held = lines }
    return diagnostics
  }

  /// Something failed. The last line before a failing exit names cause and remedy.
  public func error(_ text: @autoclosure () -> String) { write(.error, text, prefix: "Error: ") }

  /// Something is not as it should be, and the work goes on.
  public func warning(_ text: @autoclosure () -> String) { write(.warning, text, prefix: "Warning: ") }

  /// A warning that only somebody at a terminal can act on: a password that anybody can read.
  public func advice(_ text: @autoclosure () -> String) {
    if isTerminal { write(.warning, text, prefix: "Warning: ") }
  }

  /// The state changed.
  public func notice(_ text: @autoclosure () -> String) { write(.notice, text) }

  /// What is done, for somebody who looks for a mistake.
  public func debug(_ text: @autoclosure () -> String) { write(.debug, text) }

  /// A packet.
  public func trace(_ text: @autoclosure () -> String) { write(.trace, text) }

  /// The command line is wrong; this is said at every level.
  public func usage(_ error: UsageError) { write(.quiet, { error.message }) }

  private func write(_ level: Level, _ message: () -> String, prefix: String = "") {
    guard level <= self.level else { return }
    let text = message()
    var line = OutputBuffer(descriptor: descriptor, limit: .max)
    if isJSON {
      appendJSON(level, text, to: &line)
    } else {
      line.append("\(program): \(prefix)")
      TerminalText.append(text, to: &line)
    }
    line.append(UInt8(ascii: "\n"))
    if let held, held.isHolding {
      held.latest = text
      if level == .error { held.errors.append(line.withBytes { Array($0) }) }
    } else {
      try? line.flush()  // Nowhere is left to say that standard error cannot be written.
    }
  }

  /// `{"time":"2026-11-22T12:55:34.539884+01:00","level":"warning","tool":"mqsub","message":"…"}`
  private func appendJSON(_ level: Level, _ text: String, to line: inout OutputBuffer) {
    line.append("{\"time\":\"")
    var time = Timestamp()
    let now = System.wallClock()
    time.append(seconds: now.seconds, nanoseconds: now.nanoseconds, zone: .extended, to: &line)
    line.append("\",\"level\":\"\(level.name)\",\"tool\":")
    var (program, text) = (program, text)
    program.withUTF8 { JSONText.append(UnsafeRawBufferPointer($0), isForTerminal: true, to: &line) }
    line.append(",\"message\":")
    text.withUTF8 { JSONText.append(UnsafeRawBufferPointer($0), isForTerminal: true, to: &line) }
    line.append("}")
  }
}

/// Lines that wait for a terminal which something else fills. They belong to the thread that says them.
public final class HeldLines: @unchecked Sendable {
  /// Whether lines wait.
  fileprivate var isHolding = true
  fileprivate var errors: [[UInt8]] = []
  /// What was said last, for whoever fills the terminal to show; bytes from the network are in it as they came.
  public var latest: String?

  /// Nothing waits yet.
  public init() {}

  /// The terminal is free: writes the errors that waited to standard error, and holds no more. What was less than an error had its
  /// time.
  public func release() {
    isHolding = false
    var output = OutputBuffer(descriptor: 2, limit: .max)
    for line in errors { output.append(line) }
    errors.removeAll()
    try? output.flush()
  }
}

extension Diagnostics.Level {
  /// As `--log` takes it; a usage error, which is said at every level, is an error like others.
  fileprivate var name: String {
    switch self {
    case .quiet, .error: "error"
    case .warning: "warning"
    case .notice: "notice"
    case .debug: "debug"
    case .trace: "trace"
    }
  }
}
