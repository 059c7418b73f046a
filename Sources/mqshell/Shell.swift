internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What `set` changes.
struct Preferences {
  var qos: QoS?
  var retains = false
  /// How long expectations wait.
  var within: Duration?
  /// Whether messages are kept without being shown.
  var isMuted = false
  /// Whether a script goes on after an expectation that was not met.
  var keepsGoing = false
  /// How messages are shown, as it was typed.
  var format: [UInt8]
}

/// The shell: its connections, what is running, and the one loop in which everything waits.
///
/// A command runs to its end before the next one. What it waits for is asked again after each thing that the driver tells, so that
/// messages, keep alive, reconnecting, timers and Ctrl-C go on meanwhile.
final class Shell {
  let compatibility: Compatibility
  let invocation: Invocation
  /// Where `open` begins.
  let defaults: OpenWords
  let diagnostics: Diagnostics
  let screen: Screen
  let isInteractive: Bool
  var driver = Driver()
  private var signals: Signals?

  // MARK: Connections

  /// The connections that have a name, in the order in which they were opened.
  var connections: [ShellConnection] = []
  /// The name of the connection that commands are for.
  var currentName: String?
  /// All that the driver runs, by its index there; nil when it is over and nobody asks for it any more.
  var links: [ShellConnection?] = []
  /// The message that came last, on whatever connection.
  var lastMessage: KeptMessage?
  /// Topics for completion, as they were seen.
  var topics = TopicMemory()
  /// Reply topics whose messages a command shows itself.
  var hiddenTopics: Set<[UInt8]> = []

  // MARK: Commands

  var preferences: Preferences
  var variables: Variables
  /// What `finally` has put off, and where that stood.
  var finals: [(command: Command, place: String?)] = []
  var tap: TAPReport?
  /// Where the line stands that is run, as FILE:LINE.
  var place: String?
  var sourceDepth = 0
  /// What the shell exits with although it went on.
  var firstFailure: ExitStatus?

  // MARK: Jobs

  /// What `every` and `serve` have started.
  var jobs: [Job] = []
  var nextJobNumber = 1
  var isRunningJob = false
  /// Commands that sh runs.
  var pool: JobPool
  var nextPoolNumber = 1
  /// Their ends, for those who wait for them.
  var poolEnds: [Int: JobPool.End] = [:]
  /// Requests whose answers they are working on.
  var answers: [Int: (job: Job, message: KeptMessage)] = [:]

  // MARK: Input

  var editor: LineEditor?
  /// The editor waits for what completes a word: nothing may be typed or shown meanwhile.
  var isCompleting = false
  var history: History?
  /// The line that was typed and is to be run.
  var typedLine: LineEditor.Result?
  /// The lines that were typed, with their secrets masked.
  var typed: [[UInt8]] = []
  /// What was read from a pipe and is no whole line yet.
  var input: [UInt8] = []
  var isInputOver = false

  // MARK: The end

  /// Whether `quit` or a signal has asked to leave.
  var isLeaving = false
  /// The signal that ended a script.
  var endingSignal: Signal?
  var isCancelled = false
  /// When all of it has to be over.
  var runLimit: (instant: Instant, time: Duration)?
  /// The output cannot be written any more.
  var outputFailure: ExitStatus?

  /// How long SUBACK and its like are waited for.
  static let answerLimit: Duration = .seconds(30)
  /// How long an expectation waits where nobody says it.
  static let standardPatience: Duration = .seconds(5)
  /// How long taking leave may take.
  static let leavePatience: Duration = .seconds(1)

  init(
    _ defaults: OpenWords, _ invocation: Invocation, screen: Screen, isInteractive: Bool, tap: TAPReport?
  ) throws(SystemError) {
    self.defaults = defaults
    self.invocation = invocation
    self.screen = screen
    self.isInteractive = isInteractive
    self.tap = tap
    preferences = Preferences(format: Array((screen.isTerminal ? "short" : "verbose").utf8))
    compatibility = invocation.compatibility
    diagnostics = defaults.connection.diagnostics(compatibility)
    variables = Variables(run: randomWord(8))
    pool = try JobPool([], jobs: 16, timeLimit: nil, outputLimit: 1 << 20)
    signals = try Self.catchSignals()
    watchSignals()
    pool.watch(in: &driver)
    // Tells when the reader of the output goes away, also while nothing comes.
    if !isInteractive { driver.watch(1, []) }
  }

  private static func catchSignals() throws(SystemError) -> Signals {
    try Signals(catching: [.interrupt, .terminate, .hangUp, .windowChange, .suspend])
  }

  private func watchSignals() {
    if let descriptor = signals?.descriptor { driver.watch(descriptor, .readable) }
  }

  /// Runs `body` while signals do what they do without us, as somebody may be asked for a password.
  func withoutSignals<Result>(_ body: () throws(ShellError) -> Result) throws(ShellError) -> Result {
    if let descriptor = signals?.descriptor { driver.watch(descriptor, nil) }
    signals = nil
    defer {
      signals = try? Self.catchSignals()
      watchSignals()
    }
    return try body()
  }

  // MARK: - Waiting

  /// Runs the driver until `condition` is true; false when the deadline comes first.
  func wait(until deadline: Instant?, for condition: () throws(ShellError) -> Bool) throws(ShellError) -> Bool {
    while true {
      if try condition() { return true }
      if isCancelled || outputFailure != nil { throw .cancelled }
      guard step(until: deadline) else { continue }
      if let runLimit, driver.now >= runLimit.instant {
        self.runLimit = nil
        report(ShellError(.timedOut, "the time limit of \(runLimit.time) ran out"))
        firstFailure = firstFailure ?? .timedOut
        isLeaving = true
        isCancelled = true
        throw .cancelled
      }
      if let deadline, driver.now >= deadline { return try condition() }
    }
  }

  /// Deals with the next thing that happened; true when that was a deadline.
  private func step(until deadline: Instant?) -> Bool {
    let due = isRunningJob ? nil : jobs.lazy.compactMap(\.nextTime).min()
    let deadlines = [deadline, due, screen.deadline, pool.deadline, runLimit?.instant].compactMap { $0 }
    switch driver.next(until: deadlines.min()) {
    case .client(let index, let event):
      if let connection = links[index] { handle(event, of: connection) }
      // Nobody asks any more for one that a command had made for itself.
      if let connection = links[index], connection.isOver, connection.name.isEmpty { links[index] = nil }
    case .ready(let descriptor, let readiness): ready(descriptor, readiness)
    case .idle: flush()
    case .deadline:
      pool.deadlineReached(at: driver.now)
      flush()
      runDueJobs()
      return true
    }
    while let end = pool.nextEnd() { handle(end) }
    return false
  }

  private func ready(_ descriptor: Int32, _ readiness: Readiness) {
    if descriptor == signals?.descriptor {
      while let signal = signals?.next() { handle(signal) }
    } else if pool.ready(descriptor, &driver) {
      // Its ends are looked at in the same step.
    } else if descriptor == 0 {
      readInput()
    } else if descriptor == 1, readiness.contains(.hungUp) {
      outputFailure = .ok
    }
  }

  /// Writes what there is to show.
  func flush() {
    if isCompleting { return }
    do {
      try screen.flush()
    } catch {
      switch error {
      case .closed: outputFailure = .ok
      case .system(let error):
        diagnostics.error("standard output: \(error.explanation)")
        outputFailure = .output
      }
    }
  }

  private func handle(_ signal: Signal) {
    switch signal {
    case .windowChange: editor?.resize()
    case .suspend: if let editor { editor.aside(Signals.suspend) } else { Signals.suspend() }
    case .interrupt where isInteractive:
      isCancelled = true
      if editor?.isActive == true, !isCompleting {
        editor?.discard()
        beginLine()
        isCancelled = false
      }
    case .interrupt, .terminate, .hangUp:
      endingSignal = signal
      isCancelled = true
      isLeaving = true
    }
  }

  // MARK: - Saying something

  /// What a command did, for a person: a script is told only where it asked for notices.
  func note(_ text: String, _ level: Diagnostics.Level = .notice) {
    if isInteractive {
      screen.line(text, level < .notice ? .bad : .plain)
    } else if level < .notice {
      flush()
      diagnostics.warning(text)
    } else {
      flush()
      diagnostics.notice(text)
    }
  }

  /// Says why a command failed.
  func report(_ error: ShellError) {
    if error.isCancellation {
      // Somebody who typed Ctrl-C knows, and sees it at the end of a line.
      if isInteractive { screen.line("") }
      return
    }
    var error = error
    error.place = error.place ?? place
    if !isInteractive { flush() }
    for (index, line) in error.lines.enumerated() {
      if isInteractive { screen.line(line, index == 0 ? .bad : .plain) } else { diagnostics.error(line) }
    }
  }
}
