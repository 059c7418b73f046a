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
  private let descriptor: Int32

  /// Lines for `program`. Unless `level` is given, notices are for terminals only: cron would send them as mail.
  public init(program: String, level: Level? = nil, descriptor: Int32 = 2) {
    self.program = program
    self.descriptor = descriptor
    isTerminal = System.isTerminal(descriptor)
    self.level = level ?? (isTerminal ? .notice : .warning)
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

  private func write(_ level: Level, _ text: () -> String, prefix: String = "") {
    guard level <= self.level else { return }
    var line = OutputBuffer(descriptor: descriptor, limit: .max)
    line.append("\(program): \(prefix)")
    TerminalText.append(text(), to: &line)
    line.append(UInt8(ascii: "\n"))
    try? line.flush()  // Nowhere is left to say that standard error cannot be written.
  }
}
