import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A running program: one of ours, or any other. Its output is collected as bytes, without limit.
///
/// It starts in clean surroundings: an empty HOME that is also its working folder, XDG folders in it, TZ=UTC, default
/// signal handling, no terminal. It is killed with its children when the last reference goes away.
public final class ToolProcess: Sendable {
  /// What the program reads.
  public enum Input: Sendable {
    /// The end of input at once, as from /dev/null.
    case none
    /// These bytes through a pipe, then the end of input.
    case bytes([UInt8])
    /// This text in UTF-8 through a pipe, then the end of input.
    case text(String)
    /// The file itself.
    case file(String)
    /// A pipe that stays open for `write` until `closeInput`.
    case held
  }

  /// How a process ended.
  public enum End: Equatable, Sendable {
    /// It exited with this status.
    case exited(Int32)
    /// This signal ended it.
    case signaled(Int32)
  }

  /// What a process used, known at its end.
  public struct Usage: Sendable {
    /// CPU time of the process and of the children that it waited for.
    public let userTime, systemTime: Duration
    /// The peak of its resident memory in bytes, as sampled every 20 ms; nil where that cannot be seen.
    ///
    /// wait4's figure is of no use on Linux: across the exec it keeps the peak of the process that spawned.
    public let maximumResidentBytes: Int?

    /// User and system time together.
    public var cpuTime: Duration { userTime + systemTime }
  }

  /// The process identifier.
  public let pid: Int32
  /// HOME and the working folder of the process.
  public let home: TemporaryFolder

  private let name: String
  private let state: Monitor<State>
  // The reading end is kept here too: a wake-up that comes too late must not break the pipe.
  private let wakeUp: (reading: Descriptor, writing: Descriptor)

  fileprivate struct State {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    var input: ArraySlice<UInt8> = []
    var inputEnds = true
    var closesOutput = false
    var isAbandoned = false
    var openStreams = 2
    var maximumResidentBytes: Int?
    var end: (End, Usage)?
  }

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - program: One of our tools by name (from $MQTOOLS_BIN if set, else from beside the tests), a program in $PATH,
  ///     or a path.
  ///   - arg0: What the program sees as its own name.
  ///   - environment: What differs from the clean environment; nil takes a variable away.
  ///   - home: Shared by several processes if given, else new and empty.
  public init(
    _ program: String, _ arguments: [String] = [], arg0: String? = nil, environment: [String: String?] = [:],
    input: Input = .none, home: TemporaryFolder? = nil
  ) throws {
    let home = try home ?? TemporaryFolder()
    let launch = try Launch(program, arguments, arg0: arg0, environment: environment, home: home)
    var initial = State()
    var feed: Descriptor?
    let standardInput: Descriptor
    switch input {
    case .none:
      standardInput = try Descriptor(open: "/dev/null")
    case .file(let path):
      standardInput = try Descriptor(open: path)
    case .bytes, .text, .held:
      let (reading, writing) = try Descriptor.pipe()
      standardInput = reading
      feed = writing
    }
    switch input {
    case .bytes(let bytes): initial.input = bytes[...]
    case .text(let text): initial.input = Array(text.utf8)[...]
    case .held: initial.inputEnds = false
    case .none, .file: break
    }
    let (output, standardOutput) = try Descriptor.pipe()
    let (errors, standardErrors) = try Descriptor.pipe()
    let wakeUp = try Descriptor.pipe()
    wakeUp.writing.makeNonBlocking()

    let pid = try launch.spawn(.descriptors(standardInput.number, standardOutput.number, standardErrors.number))
    let state = Monitor(initial)
    (self.pid, self.home, self.state, self.wakeUp, name) = (pid, home, state, wakeUp, program)

    let collector = Collector(
      pid: pid, state: state, output: output, errors: errors, input: feed, wokenUp: wakeUp.reading)
    Thread.detachNewThread { collector.run() }
    Thread.detachNewThread {
      reap(pid, into: state) { state, end, usage in
        state.end = (end, Usage(usage, sampledBytes: state.maximumResidentBytes))
      }
    }
  }

  deinit {
    // With all that it started.
    state.withLock { if $0.end == nil { _ = kill(-pid, SIGKILL) } }
    state.withLock { $0.isAbandoned = true }
    wakeCollector()
  }

  /// Starts a program and waits for its end.
  public static func run(
    _ program: String, _ arguments: [String] = [], arg0: String? = nil, environment: [String: String?] = [:],
    input: Input = .none, home: TemporaryFolder? = nil, timeout: Duration = .seconds(10)
  ) throws -> ToolProcess {
    let process = try ToolProcess(
      program, arguments, arg0: arg0, environment: environment, input: input, home: home)
    try process.wait(timeout: timeout)
    return process
  }

  // MARK: What it says

  /// All that came on standard output so far.
  public var output: [UInt8] { state.withLock { $0.output } }
  /// All that came on standard error so far.
  public var errors: [UInt8] { state.withLock { $0.errors } }
  /// Standard output as text, for comparing with what people read.
  public var outputText: String { String(decoding: output, as: UTF8.self) }
  /// Standard error as text.
  public var errorText: String { String(decoding: errors, as: UTF8.self) }

  /// Waits until the text stands in standard output.
  public func waitForOutput(_ text: String, timeout: Duration = .seconds(10)) throws {
    try wait(for: "\"\(text)\" on standard output", timeout: timeout) { contains($0.output, text) }
  }

  /// Waits until standard output has so many whole lines.
  public func waitForOutput(lines: Int, timeout: Duration = .seconds(10)) throws {
    try wait(for: "\(lines) lines on standard output", timeout: timeout) { state in
      state.output.count { $0 == UInt8(ascii: "\n") } >= lines
    }
  }

  /// Waits until the text stands in standard error.
  public func waitForErrors(_ text: String, timeout: Duration = .seconds(10)) throws {
    try wait(for: "\"\(text)\" on standard error", timeout: timeout) { contains($0.errors, text) }
  }

  private func wait(for what: String, timeout: Duration, _ condition: (State) -> Bool) throws {
    let seen = state.wait(until: .now + timeout) { state -> Bool? in
      if condition(state) { return true }
      return state.openStreams == 0 ? false : nil
    }
    guard seen == true else { throw failure("no \(what) \(seen == nil ? "within \(timeout)" : "before the end")") }
  }

  // MARK: What it is told

  /// Appends to what the process will read; only with `.held` input.
  public func write(_ bytes: some Sequence<UInt8>) {
    state.withLock { $0.input += bytes }
    wakeCollector()
  }

  /// Appends to what the process will read; only with `.held` input.
  public func write(_ text: String) {
    write(text.utf8)
  }

  /// Ends the input after what was written.
  public func closeInput() {
    state.withLock { $0.inputEnds = true }
    wakeCollector()
  }

  /// Closes our end of its standard output and waits until it is closed: its next write meets a broken pipe.
  public func closeOutput() throws {
    state.withLock { $0.closesOutput = true }
    wakeCollector()
    guard state.wait(until: .now + .seconds(10), { $0.closesOutput && $0.openStreams > 0 ? nil : true }) == true else {
      throw failure("output stayed open")
    }
  }

  /// Sends a signal, unless the process has ended.
  public func signal(_ signal: Int32) {
    // It is reaped under the lock, so that the identifier cannot have become another process.
    state.withLock { if $0.end == nil { _ = kill(pid, signal) } }
  }

  // MARK: Its end

  /// Waits for the end of the process and of its output.
  @discardableResult
  public func wait(timeout: Duration = .seconds(10)) throws -> End {
    guard let end = state.wait(until: .now + timeout, { $0.end?.0 }) else {
      throw failure("did not end within \(timeout)")
    }
    // Whoever inherited the pipes may hold them open, that is not waited for.
    _ = state.wait(until: .now + .seconds(2)) { $0.openStreams == 0 ? true : nil }
    return end
  }

  /// How it ended; nil while it runs.
  public var end: End? { state.withLock { $0.end?.0 } }

  /// What it used; nil while it runs.
  public var usage: Usage? { state.withLock { $0.end?.1 } }

  private func failure(_ what: String) -> TestFailure {
    TestFailure(
      """
      \(name) (\(pid)): \(what)\(end.map { "; it ended: \($0)" } ?? "")
        standard output: \(output.count) bytes, last: \(String(decoding: output.suffix(2_000), as: UTF8.self))
        standard error: \(errors.count) bytes, last: \(String(decoding: errors.suffix(2_000), as: UTF8.self))
      """)
  }

  private func wakeCollector() {
    wakeUp.writing.write([0])
  }
}

/// Moves bytes between a process and its state until both output streams have ended.
private final class Collector: @unchecked Sendable {
  private let pid: pid_t
  private let state: Monitor<ToolProcess.State>
  private var output, errors, input: Descriptor?
  private let wokenUp: Descriptor

  init(
    pid: pid_t, state: Monitor<ToolProcess.State>, output: Descriptor, errors: Descriptor, input: Descriptor?,
    wokenUp: Descriptor
  ) {
    (self.pid, self.state, self.output, self.errors) = (pid, state, output, errors)
    (self.input, self.wokenUp) = (input, wokenUp)
    for descriptor in [output, errors, input, wokenUp] { descriptor?.makeNonBlocking() }
  }

  func run() {
    blockBrokenPipeSignal()
    while output != nil || errors != nil {
      sampleMemory()
      let isFeeding = feed()
      var entries = [
        pollfd(fd: output?.number ?? -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: errors?.number ?? -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: wokenUp.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: isFeeding ? input?.number ?? -1 : -1, events: Int16(POLLOUT), revents: 0),
      ]
      poll(&entries, 4, 20)
      if entries[0].revents != 0 { collect(&output, into: \.output) }
      if entries[1].revents != 0 { collect(&errors, into: \.errors) }
      if entries[2].revents != 0 { _ = wokenUp.read(64) }
      let (isAbandoned, closesOutput) = state.withLock { ($0.isAbandoned, $0.closesOutput) }
      if isAbandoned { break }
      if closesOutput {
        if output != nil { endStream(&output) }
        state.withLock { $0.closesOutput = false }
      }
    }
    // Without readers nobody can tell whether the process still takes its input; it is simply ended.
    input = nil
  }

  private func collect(_ stream: inout Descriptor?, into part: WritableKeyPath<ToolProcess.State, [UInt8]>) {
    switch stream?.read(1 << 16) {
    case .bytes(let bytes)?: state.withLock { $0[keyPath: part] += bytes }
    case .nothingYet?: break
    case .end?, nil: endStream(&stream)
    }
  }

  private func endStream(_ stream: inout Descriptor?) {
    stream = nil
    state.withLock { $0.openStreams -= 1 }
  }

  /// Writes what waits to be written; true if some is left.
  private func feed() -> Bool {
    guard let input else { return false }
    let isDone = state.withLock { state -> Bool in
      if !state.input.isEmpty {
        // The process reads no more when there is no count.
        guard let count = input.write(state.input) else { return true }
        state.input = state.input.dropFirst(count)
      }
      return state.input.isEmpty && state.inputEnds
    }
    if isDone { self.input = nil }
    return !isDone && state.withLock { !$0.input.isEmpty }
  }

  private func sampleMemory() {
    guard let kilobytes = residentPeakKilobytes(pid) else { return }
    state.withLock { $0.maximumResidentBytes = max($0.maximumResidentBytes ?? 0, kilobytes * 1024) }
  }
}

/// A write to a pipe without reader returns an error to this thread instead of ending the test process.
private func blockBrokenPipeSignal() {
  var signals = sigset_t()
  sigemptyset(&signals)
  sigaddset(&signals, SIGPIPE)
  pthread_sigmask(SIG_BLOCK, &signals, nil)
}

/// Waits for the end of a process, and tells it under the lock that guards signals to it.
func reap<State>(
  _ pid: pid_t, into state: Monitor<State>, _ record: (inout State, ToolProcess.End, rusage) -> Void
) {
  var information = siginfo_t()
  // The process stays a zombie until the lock is held: nobody can signal a stranger with the same identifier.
  while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
  state.withLock { state in
    var status: Int32 = 0
    var usage = rusage()
    wait4(pid, &status, 0, &usage)
    record(&state, status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signaled(status & 0x7f), usage)
  }
}

extension ToolProcess.Usage {
  init(_ usage: rusage, sampledBytes: Int?) {
    (userTime, systemTime) = (duration(usage.ru_utime), duration(usage.ru_stime))
    #if canImport(Darwin)
      maximumResidentBytes = usage.ru_maxrss
    #else
      maximumResidentBytes = sampledBytes
    #endif
  }
}

private func duration(_ time: timeval) -> Duration {
  .seconds(time.tv_sec) + .microseconds(Int64(time.tv_usec))
}

private func residentPeakKilobytes(_ pid: pid_t) -> Int? {
  guard let status = try? Descriptor(open: "/proc/\(pid)/status"), case .bytes(let bytes) = status.read(4096) else {
    return nil
  }
  guard let line = bytes.split(separator: UInt8(ascii: "\n")).first(where: { $0.starts(with: "VmHWM:".utf8) }) else {
    return nil
  }
  return Int(String(decoding: line.filter { (0x30...0x39).contains($0) }, as: UTF8.self))
}

func contains(_ bytes: [UInt8], _ text: String) -> Bool {
  Data(bytes).range(of: Data(text.utf8)) != nil
}
