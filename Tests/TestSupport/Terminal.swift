import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A program on a terminal of its own, which is its controlling terminal: its three standard streams are that.
///
/// What it shows is kept as it is sent, with every escape sequence: this is no screen, and does not prove what a person
/// would see on one. The program starts in the clean surroundings of `ToolProcess`, with TERM=xterm, and is killed
/// when the last reference goes away.
public final class Terminal: Sendable {
  /// The process identifier of the program.
  public let pid: Int32
  /// HOME and the working folder of the program.
  public let home: TemporaryFolder

  private let name: String
  private let keyboard: Descriptor
  private let state: Monitor<State>

  private struct State {
    var output: [UInt8] = []
    /// How much of it was looked at by `read(until:)`.
    var position = 0
    var isOver = false
    var end: ToolProcess.End?
    var usage: ToolProcess.Usage?
  }

  /// Starts a program on a new terminal of that size; the other parameters are those of `ToolProcess`.
  public init(
    _ program: String, _ arguments: [String] = [], arg0: String? = nil, environment: [String: String?] = [:],
    columns: Int = 80, rows: Int = 24, home: TemporaryFolder? = nil
  ) throws {
    let home = try home ?? TemporaryFolder()
    let surroundings = ["TERM": "xterm"].merging(environment) { $1 }
    let launch = try Launch(program, arguments, arg0: arg0, environment: surroundings, home: home)

    var size = windowSize(columns: columns, rows: rows)
    var numbers: (Int32, Int32) = (0, 0)
    guard openpty(&numbers.0, &numbers.1, nil, nil, &size) == 0 else { throw TestFailure.system("openpty") }
    let (keyboard, line) = (Descriptor(numbers.0), Descriptor(numbers.1))
    var path = [CChar](repeating: 0, count: 256)
    guard ttyname_r(line.number, &path, path.count) == 0 else { throw TestFailure.system("ttyname_r") }
    keyboard.makeNonBlocking()

    let pid = try launch.spawn(.terminal(String(decoding: path.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)))
    let state = Monitor(State())
    (self.pid, self.home, self.keyboard, self.state, name) = (pid, home, keyboard, state, program)
    Thread.detachNewThread { Self.collect(from: keyboard, into: state) }
    Thread.detachNewThread {
      reap(pid, into: state) { state, end, usage in
        (state.end, state.usage) = (end, ToolProcess.Usage(usage, sampledBytes: nil))
      }
    }
  }

  deinit {
    // With all that it started.
    state.withLock { if $0.end == nil { _ = kill(-pid, SIGKILL) } }
  }

  private static func collect(from keyboard: Descriptor, into state: Monitor<State>) {
    while keyboard.wait(for: POLLIN, until: .now + .seconds(3_600)) {
      switch keyboard.read(1 << 16) {
      case .bytes(let bytes):
        state.withLock { $0.output += bytes }
      case .nothingYet:
        continue
      case .end:
        // Nobody has the terminal open any more; Linux calls that an I/O error.
        state.withLock { $0.isOver = true }
        return
      }
    }
  }

  // MARK: What it shows

  /// All that it showed so far, as it was sent.
  public var output: [UInt8] { state.withLock { $0.output } }

  /// All that it showed so far, as text.
  public var outputText: String { String(decoding: output, as: UTF8.self) }

  /// Waits for a text and returns all from the last such read up to its end.
  @discardableResult
  public func read(until text: String, timeout: Duration = .seconds(10)) throws -> String {
    let mark = Data(text.utf8)
    let found = state.wait(until: .now + timeout) { state -> String?? in
      let unread = Data(state.output[state.position...])
      guard let range = unread.range(of: mark) else { return state.isOver ? .some(nil) : nil }
      state.position += range.upperBound
      return String(decoding: unread[..<range.upperBound], as: UTF8.self)
    }
    guard let found else { throw failure("\"\(text)\" was not shown within \(timeout)") }
    guard let found else { throw failure("\"\(text)\" was not shown before the end") }
    return found
  }

  /// Waits until `found` finds something in all that it showed.
  func wait<Result>(timeout: Duration, _ found: ([UInt8]) -> Result?) -> Result? {
    state.wait(until: .now + timeout) { found($0.output) }
  }

  /// Whether the terminal shows what is typed and hands it over in lines, as it does for a shell's command.
  public var takesLines: Bool {
    var mode = termios()
    guard tcgetattr(keyboard.number, &mode) == 0 else { return false }
    let wanted = tcflag_t(ICANON | ECHO)
    return mode.c_lflag & wanted == wanted
  }

  // MARK: What it is told

  /// Types; `"\r"` is the enter key, `"\u{3}"` Ctrl-C, `"\u{4}"` Ctrl-D, `"\u{1b}[A"` the up key.
  public func type(_ keys: String, timeout: Duration = .seconds(10)) throws {
    var rest = Array(keys.utf8)[...]
    let deadline = ContinuousClock.now + timeout
    while !rest.isEmpty {
      guard let count = keyboard.write(rest) else { throw failure("nobody takes \"\(keys)\"") }
      rest = rest.dropFirst(count)
      if !rest.isEmpty, !keyboard.wait(for: POLLOUT, until: deadline) { throw failure("\"\(keys)\" was not taken") }
    }
  }

  /// Changes the size; the program in the foreground gets SIGWINCH.
  public func resize(columns: Int, rows: Int) throws {
    var size = windowSize(columns: columns, rows: rows)
    guard ioctl(keyboard.number, UInt(TIOCSWINSZ), &size) == 0 else { throw TestFailure.system("TIOCSWINSZ") }
  }

  /// Sends a signal to the program, unless it has ended.
  public func signal(_ signal: Int32) {
    // It is reaped under the lock, so that the identifier cannot have become another process.
    state.withLock { if $0.end == nil { _ = kill(pid, signal) } }
  }

  // MARK: Its end

  /// Waits for the end of the program and of what it shows.
  @discardableResult
  public func wait(timeout: Duration = .seconds(10)) throws -> ToolProcess.End {
    guard let end = state.wait(until: .now + timeout, { $0.end }) else {
      throw failure("did not end within \(timeout)")
    }
    // Whoever inherited the terminal may hold it open, that is not waited for.
    _ = state.wait(until: .now + .seconds(2)) { $0.isOver ? true : nil }
    return end
  }

  /// How it ended; nil while it runs.
  public var end: ToolProcess.End? { state.withLock { $0.end } }

  /// What it used; nil while it runs. The peak of its memory is not known on Linux.
  public var usage: ToolProcess.Usage? { state.withLock { $0.usage } }

  private func failure(_ what: String) -> TestFailure {
    let (shown, position) = state.withLock { (String(decoding: $0.output, as: UTF8.self), $0.position) }
    return TestFailure(
      """
      \(name) (\(pid)) on a terminal: \(what)\(end.map { "; it ended: \($0)" } ?? "")
        shown, \(position) bytes of it read before: \(shown.suffix(2_000).debugDescription)
      """)
  }
}

private func windowSize(columns: Int, rows: Int) -> winsize {
  winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
}
