#if canImport(Glibc)
  @preconcurrency import Glibc  // The environment is a variable of the C library.
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  @preconcurrency import Darwin
#endif

/// A command of the user's, run by `sh -c` with signals as a new process has them, and nothing but the standard descriptors.
///
/// It has a process group of its own, so that it ends together with all that it started; therefore it cannot ask at the
/// terminal. Nobody waits in here: `end` tells whether it has ended.
package struct ShellProcess: ~Copyable {
  /// What one of its standard descriptors is.
  package enum Stream {
    /// Ours.
    case same
    /// Nothing to read; what is written is lost.
    case null
    /// This descriptor of ours.
    case descriptor(Int32)
  }

  private let process: pid_t
  private var state = State.running

  /// How far it has come.
  enum State {
    case running
    /// It has ended, with what was wrong with that.
    case ended(HelperError?)
  }

  /// Starts `command`. `variables` are NAME=VALUE, each ended by NUL, and take the place of those of our own environment that begin
  /// with `prefix`.
  package init(
    _ command: [UInt8], input: Stream, output: Stream, errors: Stream, variables: [UInt8] = [],
    insteadOf prefix: String = ""
  ) throws(SystemError) {
    Signals.heedChildren()
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
    for (number, stream) in [(Int32(0), input), (1, output), (2, errors)] {
      switch stream {
      case .same: break
      case .null:
        posix_spawn_file_actions_addopen(&actions, number, "/dev/null", number == 0 ? O_RDONLY : O_WRONLY, 0)
      case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, number)
      }
    }
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
          return withEnvironment(variables, insteadOf: prefix) { environment in
            posix_spawn(&process, "/bin/sh", &actions, &attributes, words, environment)
          }
        }
      }
    }
    guard failure == 0 else { throw SystemError(call: "posix_spawn", number: failure) }
    self.process = process
  }

  deinit {
    guard case .running = state else { return }
    signal(SIGKILL)
    while waitpid(process, nil, 0) < 0, errno == EINTR {}
  }

  /// Looks whether it has ended.
  mutating func look() -> State {
    guard case .running = state else { return state }
    var status: Int32 = 0
    let found = waitpid(process, &status, WNOHANG)
    if found == 0 || found < 0 && errno == EINTR { return .running }
    let (signal, exit) = (status & 0x7F, status >> 8 & 0xFF)
    if found < 0 {
      state = .ended(.notStarted(SystemError(call: "waitpid", number: errno)))
    } else if signal != 0 {
      state = .ended(.signalled(signal))
    } else {
      state = .ended(exit == 0 ? nil : .exited(exit))
    }
    return state
  }

  /// Lets the command go on without us.
  mutating func leave() { state = .ended(nil) }

  /// Asks the command, and all that it started, to end.
  package func terminate() { signal(SIGTERM) }

  /// Ends the command, and all that it started.
  func kill() { signal(SIGKILL) }

  private func signal(_ number: Int32) {
    if case .running = state { signalGroup(process, number) }
  }
}

/// Lends our environment with `variables` instead of those that begin with `prefix`.
private func withEnvironment<Result>(
  _ variables: [UInt8], insteadOf prefix: String, _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  var variables = variables
  return variables.withUnsafeMutableBytes { variables in
    var pointers: [UnsafeMutablePointer<CChar>?] = []
    var start = 0
    while start < variables.count {
      let variable = variables.baseAddress!.assumingMemoryBound(to: CChar.self) + start
      pointers.append(variable)
      start += strlen(variable) + 1
    }
    var inherited = environ
    while let variable = inherited.pointee {
      if prefix.isEmpty || strncmp(variable, prefix, prefix.utf8.count) != 0 { pointers.append(variable) }
      inherited += 1
    }
    pointers.append(nil)
    return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
  }
}

// Inside the type this name is its own.
private func signalGroup(_ leader: pid_t, _ number: Int32) { kill(-leader, number) }

extension [UInt8] {
  /// Lends the bytes as a string of C. What follows a NUL is not part of that.
  fileprivate func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    (self + [0]).withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
  }
}
