import Foundation
public import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Held while a program starts. Until its exec it has copies of all our descriptors: what is closed meanwhile would
/// stay open for a moment, and a listener would accept, a pipe take bytes, that should be refused.
let spawning = NSLock()

/// A program to start: where it is, and the clean surroundings that it gets.
struct Launch {
  var path: String
  /// With argv[0].
  var arguments: [String]
  var environment: [String: String]
  var folder: String

  /// - Parameter environment: what differs from the clean environment; nil takes a variable away.
  init(
    _ program: String, _ arguments: [String], arg0: String?, environment: [String: String?], home: TemporaryFolder
  ) throws {
    path = try locate(program)
    self.arguments = [arg0 ?? program] + arguments
    self.environment = cleanEnvironment(home: home.path)
    for (name, value) in environment { self.environment[name] = value }
    folder = home.path
  }

  /// What the program has as its standard input, output and errors.
  enum Standard {
    case descriptors(Int32, Int32, Int32)
    /// The terminal by its path; it controls the session.
    case terminal(String)
  }

  /// Starts the program in a session of its own, with default signal handling and only the standard descriptors.
  func spawn(_ standard: Standard) throws -> pid_t {
    // In a session of its own it has no terminal but the one it is given, wherever the tests are run.
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
      let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | newSession | POSIX_SPAWN_CLOEXEC_DEFAULT
    #else
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
      let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | newSession
    #endif
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }

    // The test process may ignore or block signals, SIGPIPE before all; that is inherited unless it is undone.
    var signals = sigset_t()
    sigfillset(&signals)
    sigdelset(&signals, SIGKILL)
    sigdelset(&signals, SIGSTOP)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)

    switch standard {
    case .descriptors(let input, let output, let errors):
      posix_spawn_file_actions_adddup2(&actions, input, 0)
      posix_spawn_file_actions_adddup2(&actions, output, 1)
      posix_spawn_file_actions_adddup2(&actions, errors, 2)
    case .terminal(let path):
      // The first terminal that a session's leader opens becomes its controlling terminal.
      posix_spawn_file_actions_addopen(&actions, 0, path, O_RDWR, 0)
      posix_spawn_file_actions_adddup2(&actions, 0, 1)
      posix_spawn_file_actions_adddup2(&actions, 0, 2)
    }
    addChangeOfFolder(&actions, folder)
    #if !canImport(Darwin)
      // Descriptors that other tests have open would keep pipes and sockets from ever ending.
      addCloseFrom(&actions, 3)
    #endif
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))

    var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { (argv + envp).forEach { free($0) } }
    var pid: pid_t = 0
    let result = spawning.withLock { posix_spawn(&pid, path, &actions, &attributes, &argv, &envp) }
    guard result == 0 else { throw TestFailure.system("posix_spawn \(path)", errno: result) }
    return pid
  }
}

#if canImport(Darwin)
  private let newSession = POSIX_SPAWN_SETSID
  private func addChangeOfFolder(_ actions: inout posix_spawn_file_actions_t?, _ folder: String) {
    posix_spawn_file_actions_addchdir_np(&actions, folder)
  }
#else
  // In the C library, but not in Swift's module of it, because they are GNU extensions.
  private let newSession: Int32 = 0x80
  @_silgen_name("posix_spawn_file_actions_addchdir_np") @discardableResult
  private func addChangeOfFolder(
    _: UnsafeMutablePointer<posix_spawn_file_actions_t>, _: UnsafePointer<CChar>
  ) -> Int32
  @_silgen_name("posix_spawn_file_actions_addclosefrom_np") @discardableResult
  private func addCloseFrom(_: UnsafeMutablePointer<posix_spawn_file_actions_t>, _: Int32) -> Int32
#endif

private let ourTools: Set<String> = ["mqpub", "mqsub", "mqrr", "mqshell", "mqbench"]

/// Where a program is: one of ours in $MQTOOLS_BIN or beside the tests, any other by its path or in $PATH.
public func locate(_ program: String) throws -> String {
  if program.contains("/") { return program }
  let surroundings = ProcessInfo.processInfo.environment
  if ourTools.contains(program) {
    // Never from $PATH: an installed one would be tested in place of the one that was built.
    let folder =
      surroundings["MQTOOLS_BIN"]
      ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
    let path = folder + "/" + program
    guard access(path, X_OK) == 0 else { throw TestFailure("\(program) is not in \(folder): is it built?") }
    return path
  }
  guard let path = findInPath(program) else { throw TestFailure("\(program) is not in $PATH") }
  return path
}

/// Looks where $PATH says, and where daemons are.
func findInPath(_ program: String) -> String? {
  let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
  let folders = path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"]
  return folders.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
}

extension Trait where Self == ConditionTrait {
  /// The test is skipped where one of these programs is not installed; with CI=true it runs, and fails there.
  ///
  ///     @Suite(.needs("mosquitto", "mosquitto_pub")) struct InteroperationTests { … }
  public static func needs(_ programs: String...) -> Self {
    let missing = programs.filter { findInPath($0) == nil }
    return .enabled(
      if: missing.isEmpty || ProcessInfo.processInfo.environment["CI"] == "true",
      "\(missing.joined(separator: ", ")) not installed")
  }
}

/// Nothing of the user's own settings reaches a tool under test.
private func cleanEnvironment(home: String) -> [String: String] {
  var environment = [
    "HOME": home,
    "XDG_CONFIG_HOME": home + "/.config",
    "XDG_DATA_HOME": home + "/.local/share",
    "XDG_STATE_HOME": home + "/.local/state",
    "XDG_CACHE_HOME": home + "/.cache",
    "XDG_RUNTIME_DIR": home + "/.run",
    "TZ": "UTC",
    // A crash on a terminal would wait half a minute for a key.
    "SWIFT_BACKTRACE": "enable=no",
  ]
  // The last two let debug builds find their libraries, and count what the tests cover.
  for name in ["PATH", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"] {
    environment[name] = ProcessInfo.processInfo.environment[name]
  }
  return environment
}
