internal import CommandLineTool
internal import MQTT

/// What is to be asked: one payload, or each line of standard input.
final class Requests {
  /// Whether there may be more than one, so that each has a number.
  let areLines: Bool
  private var payload: [UInt8]?
  private var lines: InputLines
  private let encoding: PayloadEncoding

  /// Reads what is not lines; a pipe is waited for until `limit`.
  init(_ asking: RequestPlan.Asking, linesEndWithNUL: Bool, until limit: Instant?) throws(UsageError) {
    encoding = asking.encoding
    lines = InputLines(descriptor: 0, end: linesEndWithNUL ? 0 : UInt8(ascii: "\n"))
    if case .lines = asking.payload { areLines = true } else { areLines = false }
    payload = areLines ? nil : try asking.payload.load(encoding, until: limit)
  }

  /// Whether everything was handed out.
  var isExhausted: Bool { areLines ? lines.isExhausted : payload == nil }

  /// Lines that were read and not handed out.
  var remainingCount: Int { areLines ? lines.remainingCount : 0 }

  /// What to read when more is wanted; nil when there is nothing to read at the moment.
  var descriptor: Int32? { areLines && lines.isDry && !lines.isAtEnd ? lines.descriptor : nil }

  /// Reads once; to be called when the descriptor is readable. After an error there is nothing more.
  func read() throws(SystemError) { try lines.read() }

  /// Hands out requests as long as `take` returns true; one that it did not take comes again next time. A line that is not what
  /// the encoding says is nil with an explanation.
  func handOut(_ take: (_ payload: UnsafeRawBufferPointer?, _ line: Int?, _ fault: String) -> Bool) {
    guard areLines else {
      if let payload, payload.withUnsafeBytes({ take($0, nil, "") }) { self.payload = nil }
      return
    }
    lines.forEachLine { line, number in
      if encoding == .text { return take(line, number, "") }
      do throws(UsageError) {
        return try encoding.decode(line).withUnsafeBytes { take($0, number, "") }
      } catch {
        return take(nil, number, error.message)
      }
    }
  }
}
