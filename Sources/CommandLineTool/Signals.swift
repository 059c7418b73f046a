#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A signal that a tool takes as a wish of its user.
public enum Signal: Sendable, CaseIterable {
  /// Ctrl-C.
  case interrupt
  /// A service manager or kill(1).
  case terminate
  /// The terminal went away.
  case hangUp
  /// The terminal has another size.
  case windowChange
  /// Ctrl-Z.
  case suspend

  /// The system's number.
  public var number: Int32 {
    switch self {
    case .interrupt: SIGINT
    case .terminate: SIGTERM
    case .hangUp: SIGHUP
    case .windowChange: SIGWINCH
    case .suspend: SIGTSTP
    }
  }
}

/// Signals as something to wait for together with sockets: while this value lives, a signal does nothing but make
/// `descriptor` readable. At most one value lives at a time.
public struct Signals: ~Copyable {
  /// Readable when a signal came.
  public let descriptor: Int32
  private let writingEnd: Int32
  private let caught: [Signal]

  /// The descriptor of the value that lives, for code that waits far away from it and has to stop when a signal comes;
  /// -1 when there is none.
  nonisolated(unsafe) private(set) static var liveDescriptor: Int32 = -1

  /// Catches the signals, except a hang-up that the caller had ignored: nohup(1) means it.
  public init(catching signals: [Signal] = [.interrupt, .terminate, .hangUp]) throws(SystemError) {
    (descriptor, writingEnd) = try wakePipe()
    caught = signals.filter { $0 != .hangUp || !isIgnored($0.number) }
    // Written before any handler can run. The handler finds a plain word of memory: nothing is initialized there.
    wakeDescriptor = writingEnd
    Self.liveDescriptor = descriptor
    for signal in caught { setAction(signal.number, wake) }
  }

  deinit {
    for signal in caught { setAction(signal.number, SIG_DFL) }
    wakeDescriptor = -1
    Self.liveDescriptor = -1
    close(descriptor)
    close(writingEnd)
  }

  /// The signal that came next, or nil when there was none since.
  public func next() -> Signal? {
    var number: UInt8 = 0
    while true {
      let count = read(descriptor, &number, 1)
      if count == 1 { return Signal.allCases.first { $0.number == Int32(number) } }
      if count == 0 || errno != EINTR { return nil }
    }
  }

  /// Makes writing to a closed pipe or socket an error of the call instead of the end of the process.
  public static func ignoreBrokenPipes() { setAction(SIGPIPE, SIG_IGN) }

  /// Lets the ends of children be learnt where our caller ignores them, which would be inherited.
  static func heedChildren() {
    if isIgnored(SIGCHLD) { setAction(SIGCHLD, SIG_DFL) }
  }

  /// Stops the process until somebody lets it go on, as Ctrl-Z does where nobody catches it.
  public static func suspend() { raise(SIGSTOP) }

  /// Ends the process as the signal itself would have ended it, so that a calling shell sees what happened: loops stop
  /// at Ctrl-C.
  public static func die(of signal: Signal) -> Never {
    setAction(signal.number, SIG_DFL)
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, signal.number)
    sigprocmask(SIG_UNBLOCK, &set, nil)
    raise(signal.number)
    _exit(128 + signal.number)
  }
}

/// The ends of children as something to wait for together with sockets: while this value lives, `descriptor` becomes readable
/// when one has ended. At most one value lives at a time.
struct ChildSignal: ~Copyable {
  /// Readable when a child ended since `clear`.
  let descriptor: Int32
  private let writingEnd: Int32

  init() throws(SystemError) {
    (descriptor, writingEnd) = try wakePipe()
    childDescriptor = writingEnd
    setAction(SIGCHLD, wakeForChild)
  }

  deinit {
    setAction(SIGCHLD, SIG_DFL)
    childDescriptor = -1
    close(descriptor)
    close(writingEnd)
  }

  /// To be called before looking which children have ended.
  func clear() {
    var bytes: UInt64 = 0
    while read(descriptor, &bytes, MemoryLayout.size(ofValue: bytes)) > 0 {}
  }
}

/// What concerns a tool that fills the terminal, as something to wait for: while this value lives, a change of the terminal's
/// size, Ctrl-Z and the end of a stop make `descriptor` readable. At most one value lives at a time.
struct TerminalSignals: ~Copyable {
  let descriptor: Int32
  private let writingEnd: Int32

  init() throws(SystemError) {
    (descriptor, writingEnd) = try wakePipe()
    terminalDescriptor = writingEnd
    for number in [SIGWINCH, SIGTSTP, SIGCONT] { setAction(number, wakeForTerminal) }
  }

  deinit {
    for number in [SIGWINCH, SIGTSTP, SIGCONT] { setAction(number, SIG_DFL) }
    terminalDescriptor = -1
    close(descriptor)
    close(writingEnd)
  }

  func next() -> FullScreen.Event? {
    var number: UInt8 = 0
    while true {
      let count = read(descriptor, &number, 1)
      if count == 1 {
        switch Int32(number) {
        case SIGTSTP: return .suspended
        case SIGCONT: return .resumed
        default: return .resized
        }
      }
      if count == 0 || errno != EINTR { return nil }
    }
  }

  /// Stops the process until somebody lets it run again. Where nobody could, the system does not stop it.
  func stop() {
    setAction(SIGTSTP, SIG_DFL)
    raise(SIGTSTP)
    setAction(SIGTSTP, wakeForTerminal)
    while next() != nil {}
  }
}

/// A pipe for a signal handler to write to.
private func wakePipe() throws(SystemError) -> (reading: Int32, writing: Int32) {
  var ends: [Int32] = [-1, -1]
  guard pipe(&ends) == 0 else { throw SystemError(call: "pipe", number: errno) }
  for end in ends {
    _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    _ = fcntl(end, F_SETFL, O_NONBLOCK)
  }
  return (ends[0], ends[1])
}

/// The ends of the pipes that the handlers write to.
nonisolated(unsafe) private var wakeDescriptor: Int32 = -1
nonisolated(unsafe) private var childDescriptor: Int32 = -1
nonisolated(unsafe) private var terminalDescriptor: Int32 = -1

// The handlers: only what POSIX allows in one, and errno as it was.

private func wake(_ number: Int32) { tell(number, wakeDescriptor) }

private func wakeForChild(_ number: Int32) { tell(number, childDescriptor) }

private func wakeForTerminal(_ number: Int32) { tell(number, terminalDescriptor) }

private func tell(_ number: Int32, _ descriptor: Int32) {
  let before = errno
  var byte = UInt8(truncatingIfNeeded: number)
  _ = write(descriptor, &byte, 1)  // A full pipe holds enough signals already.
  errno = before
}

private func setAction(_ number: Int32, _ handler: (@convention(c) (Int32) -> Void)?) {
  var action = sigaction()
  #if canImport(Darwin)
    action.__sigaction_u.__sa_handler = handler
  #else
    action.__sigaction_handler.sa_handler = handler
  #endif
  sigemptyset(&action.sa_mask)
  // poll(2) is interrupted all the same; everything else needs no second try.
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP
  sigaction(number, &action, nil)
}

private func isIgnored(_ number: Int32) -> Bool {
  var action = sigaction()
  sigaction(number, nil, &action)
  #if canImport(Darwin)
    let handler = action.__sigaction_u.__sa_handler
  #else
    let handler = action.__sigaction_handler.sa_handler
  #endif
  return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
}
