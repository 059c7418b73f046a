internal import MQTT
internal import MQTTClient

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Asks somebody at the terminal. Standard input and output are left alone: they carry messages.
///
/// A signal that ends the process ends it here, after the terminal has its settings back; Ctrl-C at a question for a secret is
/// left to the caller. So this is to be called before the tool catches signals itself.
public enum Prompt {
  /// Shows `question`, and whether the answer begins with y; throws where there is no terminal.
  public static func confirms(_ question: String) throws(SystemError) -> Bool {
    let answer: [UInt8]
    do { answer = try Self.answer("\(question)? [y/N] ", showsTyping: true, until: nil) } catch {
      if error.isInterruption { Signals.die(of: .interrupt) }
      throw error
    }
    return answer.first == UInt8(ascii: "y") || answer.first == UInt8(ascii: "Y")
  }

  /// Shows `question` and returns the line that is typed, which nobody else may see: the terminal does not show it. Throws ETIMEDOUT
  /// when it does not end before `deadline`, and EINTR at Ctrl-C.
  static func secret(_ question: String, until deadline: Instant?) throws(SystemError) -> [UInt8] {
    try answer("\(question): ", showsTyping: false, until: deadline)
  }

  private static func answer(
    _ question: String, showsTyping: Bool, until deadline: Instant?
  ) throws(SystemError) -> [UInt8] {
    let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
    guard terminal >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { close(terminal) }
    var before = termios()
    guard tcgetattr(terminal, &before) == 0 else { throw SystemError(call: "tcgetattr", number: errno) }

    // Ctrl-Z and Ctrl-\ wait: a process that they stop or end would leave the terminal without echo.
    var held = sigset_t()
    var mask = sigset_t()
    sigemptyset(&held)
    sigaddset(&held, SIGTSTP)
    sigaddset(&held, SIGQUIT)
    sigprocmask(SIG_BLOCK, &held, &mask)
    defer { sigprocmask(SIG_SETMASK, &mask, nil) }

    let signals = try Signals()
    var asking = before
    if !showsTyping {
      asking.c_lflag &= ~tcflag_t(ECHO | ECHOE | ECHOK)
      asking.c_lflag |= tcflag_t(ICANON | ECHONL)
    }
    guard tcsetattr(terminal, TCSAFLUSH, &asking) == 0 else { throw SystemError(call: "tcsetattr", number: errno) }
    defer { tcsetattr(terminal, TCSANOW, &before) }

    var output = OutputBuffer(descriptor: terminal, limit: .max)
    TerminalText.append(question, to: &output)
    try? output.flush()  // Whoever cannot be asked cannot answer either.
    if let line = try line(from: terminal, orUntil: signals.descriptor, deadline) { return line }
    tcsetattr(terminal, TCSANOW, &before)
    output.append("\n")
    try? output.flush()
    if let deadline, .now >= deadline { throw SystemError(call: "poll", number: ETIMEDOUT) }
    let signal = signals.next() ?? .interrupt
    if signal == .interrupt { throw SystemError(call: "poll", number: EINTR) }
    Signals.die(of: signal)
  }

  /// The bytes up to the end of a line, or of the input; nil when `signal` became readable before, or the deadline came.
  private static func line(
    from terminal: Int32, orUntil signal: Int32, _ deadline: Instant?
  ) throws(SystemError) -> [UInt8]? {
    var line: [UInt8] = []
    while line.last != UInt8(ascii: "\n") {
      var entries = [
        pollfd(fd: terminal, events: Int16(POLLIN), revents: 0), pollfd(fd: signal, events: Int16(POLLIN), revents: 0),
      ]
      let milliseconds = deadline.map { max(0, ($0 - .now).nanoseconds) / 1_000_000 + 1 } ?? -1
      _ = poll(&entries, 2, Int32(clamping: milliseconds))
      if entries[1].revents != 0 { return nil }
      if let deadline, .now >= deadline { return nil }
      if entries[0].revents == 0 { continue }
      var byte: UInt8 = 0
      let count = read(terminal, &byte, 1)
      if count == 0 { break }
      if count == 1 { line.append(byte) } else if errno != EINTR { throw SystemError(call: "read", number: errno) }
    }
    return line
  }
}
