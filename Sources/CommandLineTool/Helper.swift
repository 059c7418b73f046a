internal import MQTT
internal import MQTTClient

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why a command of the user's did not do its part.
public enum HelperError: Error, Hashable, Sendable {
  /// The system refused.
  case notStarted(SystemError)
  /// It failed with this status.
  case exited(Int32)
  /// This signal ended it.
  case signalled(Int32)
  /// It took longer than this.
  case timedOut(Duration)
  /// It printed more than was wanted.
  case tooLong
  /// A signal to this process came first.
  case interrupted
}

extension HelperError {
  /// What happened, behind "the command".
  public var explanation: String {
    switch self {
    case .notStarted(let error): "cannot be started: \(error.explanation)"
    case .exited(let status): "failed with status \(status)"
    case .signalled(let signal): "ended by signal \(signal)"
    case .timedOut(let time): "took longer than \(time)"
    case .tooLong: "printed too much"
    case .interrupted: "was interrupted"
    }
  }
}

/// A command of the user's for what it prints, with nothing to read and its own errors unheard.
package struct Helper: ~Copyable {
  private var process: ShellProcess
  private let output: Int32

  /// What `command` prints, up to `limit` bytes, when it succeeds within `time`. Waits for it, and only a signal that
  /// `Signals` catches ends that early.
  package static func output(of command: [UInt8], limit: Int, within time: Duration) throws(HelperError) -> [UInt8] {
    let deadline = Instant.now + time
    var helper = try Helper(command)
    var output: [UInt8] = []
    while let piece = try helper.read(until: deadline, of: time) {
      output += piece
      guard output.count <= limit else { throw .tooLong }
    }
    try helper.wait(until: deadline, of: time)
    return output
  }

  private init(_ command: [UInt8]) throws(HelperError) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .notStarted(SystemError(call: "pipe", number: errno)) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[1]) }
    do throws(SystemError) {
      process = try ShellProcess(command, input: .null, output: .descriptor(ends[1]), errors: .null)
    } catch {
      close(ends[0])
      throw .notStarted(error)
    }
    output = ends[0]
  }

  deinit { close(output) }

  /// The next bytes that it prints, or nil at their end.
  private func read(until deadline: Instant, of time: Duration) throws(HelperError) -> [UInt8]? {
    while true {
      try Self.pause(for: output, until: deadline, of: time)
      var piece = [UInt8](repeating: 0, count: 4096)
      let count = piece.withUnsafeMutableBytes { readOnce(output, $0) }
      if count > 0 { return Array(piece[..<count]) }
      if count == 0 || errno != EINTR { return nil }
    }
  }

  /// Waits for its end.
  private mutating func wait(until deadline: Instant, of time: Duration) throws(HelperError) {
    while true {
      if case .ended(let failure) = process.look() {
        if let failure { throw failure }
        return
      }
      // It closed its output and goes on. No descriptor tells its end, so it is looked for.
      try Self.pause(for: -1, until: min(deadline, .now + .milliseconds(5)), of: nil)
      if Instant.now >= deadline { throw .timedOut(time) }
    }
  }

  /// Waits until `descriptor` is readable, or until the deadline; that is a failure where the limit is given.
  private static func pause(for descriptor: Int32, until deadline: Instant, of limit: Duration?) throws(HelperError) {
    while true {
      let rest = deadline - .now
      if rest <= .zero {
        if let limit { throw .timedOut(limit) }
        return
      }
      var entries = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: Signals.liveDescriptor, events: Int16(POLLIN), revents: 0),
      ]
      // Rounded up, so that the last wait does not come back too early and turn in circles.
      let milliseconds = rest.nanoseconds / 1_000_000 + 1
      _ = poll(&entries, 2, Int32(clamping: milliseconds))
      if entries[1].revents != 0 { throw .interrupted }
      if entries[0].revents != 0 { return }
    }
  }
}

private func readOnce(_ descriptor: Int32, _ space: UnsafeMutableRawBufferPointer) -> Int {
  read(descriptor, space.baseAddress, space.count)
}
