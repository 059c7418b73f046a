internal import MQTT
internal import MQTTClient

#if canImport(Glibc)
  @preconcurrency import Glibc  // The environment is a variable of the C library.
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  @preconcurrency import Darwin
#endif

/// Why a command of the user's did not do its part.
enum HelperError: Error, Hashable {
  case notStarted(SystemError)
  case exited(Int32)
  case signalled(Int32)
  case timedOut(Duration)
  /// It printed more than was wanted.
  case tooLong
  /// A signal to this process came first.
  case interrupted
}

/// A command of the user's: `sh -c` runs it, with nothing to read and its own errors unheard.
///
/// It has a process group of its own, so that it ends together with all that it started; therefore it cannot ask at the
/// terminal.
struct Helper: ~Copyable {
  private let process: pid_t
  private let output: Int32
  private var isRunning = true

  /// What `command` prints, up to `limit` bytes, when it succeeds within `time`. Waits for it, and only a signal that
  /// `Signals` catches ends that early.
  static func output(of command: [UInt8], limit: Int, within time: Duration) throws(HelperError) -> [UInt8] {
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
    signal(SIGCHLD, SIG_DFL)  // Where our caller ignores it, nobody would learn how a child ended.
    let (process, failure) = spawn(command, output: ends[1])
    close(ends[1])
    guard failure == 0 else {
      close(ends[0])
      throw .notStarted(SystemError(call: "posix_spawn", number: failure))
    }
    self.process = process
    output = ends[0]
  }

  deinit {
    close(output)
    guard isRunning else { return }
    kill(-process, SIGKILL)
    while waitpid(process, nil, 0) < 0, errno == EINTR {}
  }

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
    var status: Int32 = 0
    while waitpid(process, &status, WNOHANG) == 0 {
      // It closed its output and goes on. No descriptor tells its end, so it is looked for.
      try Self.pause(for: -1, until: min(deadline, .now + .milliseconds(5)), of: nil)
      if Instant.now >= deadline { throw .timedOut(time) }
    }
    isRunning = false
    let (signal, exit) = (status & 0x7F, status >> 8 & 0xFF)
    if signal != 0 { throw .signalled(signal) }
    if exit != 0 { throw .exited(exit) }
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

/// Starts `sh -c` with signals as a new process has them, and nothing but the standard descriptors.
private func spawn(_ command: [UInt8], output: Int32) -> (process: pid_t, failure: Int32) {
  #if canImport(Darwin)
    var actions: posix_spawn_file_actions_t?
    var attributes: posix_spawnattr_t?
  #else
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
  #endif
  posix_spawn_file_actions_init(&actions)
  posix_spawnattr_init(&attributes)
  defer {
    posix_spawn_file_actions_destroy(&actions)
    posix_spawnattr_destroy(&attributes)
  }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_adddup2(&actions, output, 1)
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
  var signals = sigset_t()
  sigemptyset(&signals)
  posix_spawnattr_setsigmask(&attributes, &signals)
  sigaddset(&signals, SIGPIPE)  // We ignore it, and that would be inherited.
  posix_spawnattr_setsigdefault(&attributes, &signals)
  posix_spawnattr_setpgroup(&attributes, 0)
  posix_spawnattr_setflags(
    &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

  var process: pid_t = 0
  let failure = command.withCString { command in
    "sh".withCString { shell in
      "-c".withCString { flag in
        let words = [shell, flag, command, nil].map { UnsafeMutablePointer(mutating: $0) }
        return posix_spawn(&process, "/bin/sh", &actions, &attributes, words, environ)
      }
    }
  }
  return (process, failure)
}

private func readOnce(_ descriptor: Int32, _ space: UnsafeMutableRawBufferPointer) -> Int {
  read(descriptor, space.baseAddress, space.count)
}

extension [UInt8] {
  /// Lends the bytes as a string of C. What follows a NUL is not part of that.
  fileprivate func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    (self + [0]).withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
  }
}
