internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Why a command failed.
struct ShellError: Error {
  /// What a script exits with.
  var status: ExitStatus
  /// One sentence without a full stop.
  var message: String
  /// More lines to it.
  var details: [String] = []
  /// The character of the line that it is about, the first being 1.
  var column: Int?
  /// FILE:LINE, where a file is run.
  var place: String?

  init(_ status: ExitStatus, _ message: String, details: [String] = []) {
    self.status = status
    self.message = message
    self.details = details
  }

  static func usage(_ message: String) -> ShellError { ShellError(.usage, message) }

  static func language(_ error: LanguageError) -> ShellError {
    var shellError = ShellError(.usage, error.message)
    shellError.column = error.column
    return shellError
  }

  /// Ctrl-C, or a signal that ends the shell.
  static var cancelled: ShellError { ShellError(.connectionLost, cancellation) }

  private static let cancellation = "cancelled"

  var isCancellation: Bool { message == Self.cancellation }

  /// What to say: one line where there is one detail, else a line for each.
  var lines: [String] {
    let place = (place.map { "\($0): " } ?? "") + (column.map { "column \($0): " } ?? "")
    if details.count == 1 { return ["\(place)\(message); \(details[0])"] }
    return [place + message] + details.map { "  \($0)" }
  }

  init(_ error: UsageError) { self.init(error.status, error.message) }

  init(_ error: ProtocolError) { self.init(ExitStatus(error), error.explanation) }

  init(_ error: ConnectionError) { self.init(ExitStatus(error), "\(error)") }

  /// The broker said no.
  init(refused what: String, _ reason: ReasonCode, _ reasonString: Text?) {
    self.init(
      .reasonCode(reason.rawValue),
      "the broker refused \(what): \(reason)" + (reasonString.map { ": \($0)" } ?? ""))
  }
}

/// Runs `body`, whose mistakes are about what was typed.
func reading<Result>(_ body: () throws(UsageError) -> Result) throws(ShellError) -> Result {
  do { return try body() } catch { throw ShellError(error) }
}

/// Runs `body`, whose mistakes are the protocol's.
func sending<Result>(_ body: () throws(ProtocolError) -> Result) throws(ShellError) -> Result {
  do { return try body() } catch { throw ShellError(error) }
}
