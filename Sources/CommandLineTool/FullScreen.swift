#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The terminal while a tool fills all of it: keys come one by one and unseen, and lines are not wrapped. What was shown before
/// comes back whatever ends it: `leave`, the end of this value, Ctrl-Z, and a crash. Ctrl-C stays a signal.
///
/// At most one value lives at a time.
public struct FullScreen: ~Copyable {
  /// What the terminal tells, or whoever sends its signals.
  public enum Event: Sendable {
    /// The size changed.
    case resized
    /// Ctrl-Z: `suspend` is to be called.
    case suspended
    /// Somebody stopped the process and lets it run again: `enter` is to be called.
    case resumed
  }

  /// The terminal, opened for this value alone: nobody else is surprised that it never blocks.
  public let descriptor: Int32
  private let events: TerminalSignals
  private var isEntered = false

  /// Opens the terminal that standard output is, and leaves it as it is.
  public init() throws(UsageError) {
    guard System.isTerminal(1) else { throw UsageError("standard output is not a terminal") }
    let kind = System.environment("TERM") ?? []
    guard !kind.isEmpty, !kind.elementsEqual("dumb".utf8) else {
      throw UsageError("the terminal cannot place the cursor: TERM is \(kind.isEmpty ? "not set" : "dumb")")
    }
    let descriptor = open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard descriptor >= 0 else { throw UsageError("/dev/tty: \(String(cString: strerror(errno)))") }
    do throws(SystemError) {
      events = try TerminalSignals()
    } catch {
      close(descriptor)
      throw UsageError("\(error.call): \(error.explanation)")
    }
    self.descriptor = descriptor
  }

  deinit {
    if isEntered { Self.restore() }
    close(descriptor)
  }

  /// Readable when there is an event.
  public var eventDescriptor: Int32 { events.descriptor }

  /// The event that came next, or nil when there was none since.
  public func nextEvent() -> Event? { events.next() }

  /// Columns and rows.
  public var size: (columns: Int, rows: Int) { System.terminalSize(descriptor) }

  /// Takes the terminal. What it shows is an empty screen then.
  public mutating func enter() {
    if !isEntered {
      Restoration.prepare(descriptor)
      isEntered = true
    }
    var mode = Restoration.mode
    mode.c_lflag &= ~tcflag_t(ICANON | ECHO | ECHONL)
    mode.c_iflag &= ~tcflag_t(IXON)
    withUnsafeMutableBytes(of: &mode.c_cc) {
      $0[Int(VMIN)] = 0
      $0[Int(VTIME)] = 0
    }
    while tcsetattr(descriptor, TCSANOW, &mode) != 0, errno == EINTR {}
    Self.write(Self.entering, to: descriptor)
  }

  /// Gives the terminal back as it was.
  public mutating func leave() {
    guard isEntered else { return }
    isEntered = false
    Self.restore()
  }

  /// Stops the process as Ctrl-Z would have done, with the terminal as it was. Returns, with the terminal taken again, when
  /// somebody lets it run again.
  public mutating func suspend() {
    leave()
    events.stop()
    enter()
  }

  /// Appends the bytes of keys that were pressed. Returns false when the terminal has gone.
  public func read(into keys: inout [UInt8]) -> Bool {
    var bytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    while true {
      let count = withUnsafeMutableBytes(of: &bytes) { Self.read(descriptor, $0) }
      if count > 0 {
        withUnsafeBytes(of: &bytes) { keys.append(contentsOf: $0.prefix(count)) }
      } else if count == 0 || errno == EAGAIN {
        return true
      } else if errno != EINTR {
        return false
      }
    }
  }

  // MARK: The terminal's language (ECMA-48, and DEC's private modes as xterm has them)

  /// The other screen; no cursor; no wrapping; all erased.
  private static let entering: StaticString = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[0m\u{1B}[2J"
  /// The same undone, whatever was being shown: no half of a frame is held back, nothing stands out.
  fileprivate static let leaving: StaticString = "\u{1B}[?2026l\u{1B}[0m\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

  // MARK: What may be called in a signal handler

  fileprivate static func restore() {
    guard Restoration.descriptor >= 0 else { return }
    write(leaving, to: Restoration.descriptor)
    while tcsetattr(Restoration.descriptor, TCSANOW, &Restoration.mode) != 0, errno == EINTR {}
    Restoration.end()
  }

  /// Writes all of it, unless the terminal takes nothing for half a second.
  private static func write(_ text: StaticString, to descriptor: Int32) {
    var written = 0
    while written < text.utf8CodeUnitCount {
      let count = write(descriptor, text.utf8Start + written, text.utf8CodeUnitCount - written)
      if count > 0 {
        written += count
      } else if errno == EAGAIN {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        if poll(&entry, 1, 500) == 0 { return }
      } else if errno != EINTR {
        return
      }
    }
  }

  // The names are those of methods here.

  private static func write(_ descriptor: Int32, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    #if canImport(Glibc)
      Glibc.write(descriptor, bytes, count)
    #elseif canImport(Musl)
      Musl.write(descriptor, bytes, count)
    #else
      Darwin.write(descriptor, bytes, count)
    #endif
  }

  private static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    #if canImport(Glibc)
      Glibc.read(descriptor, buffer.baseAddress, buffer.count)
    #elseif canImport(Musl)
      Musl.read(descriptor, buffer.baseAddress, buffer.count)
    #else
      Darwin.read(descriptor, buffer.baseAddress, buffer.count)
    #endif
  }
}

/// How the terminal was, where a signal handler finds it.
private enum Restoration {
  nonisolated(unsafe) static var descriptor: Int32 = -1
  nonisolated(unsafe) static var mode = termios()
  /// What the signals in `crashes` did before, by number.
  nonisolated(unsafe) static var actions: UnsafeMutablePointer<sigaction>?

  /// Signals that end a process which cannot go on, and Ctrl-\.
  static let crashes = [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGQUIT]

  static func prepare(_ terminal: Int32) {
    tcgetattr(terminal, &mode)
    descriptor = terminal
    if actions == nil {
      actions = .allocate(capacity: 64)
      actions?.initialize(repeating: sigaction(), count: 64)
      // A stack that has overflowed is none to work on.
      var stack = stack_t()
      stack.ss_size = 1 << 16
      stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: stack.ss_size, alignment: 16)
      sigaltstack(&stack, nil)
    }
    var action = sigaction()
    #if canImport(Darwin)
      action.__sigaction_u.__sa_handler = restoreAndCrash
    #else
      action.__sigaction_handler.sa_handler = restoreAndCrash
    #endif
    sigemptyset(&action.sa_mask)
    action.sa_flags = SA_ONSTACK
    for number in crashes { sigaction(number, &action, actions?.advanced(by: Int(number))) }
  }

  /// From now on the signals do what they did before.
  static func end() {
    for number in crashes { sigaction(number, actions?.advanced(by: Int(number)), nil) }
    descriptor = -1
  }
}

/// The handler: puts the terminal right, and lets the signal do what it would have done.
private func restoreAndCrash(_ number: Int32) {
  FullScreen.restore()
  raise(number)  // It waits until this handler returns.
}
