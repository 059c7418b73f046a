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
}

/// The shell: its connections, what is running, and the one loop in which everything waits.
///
/// A command runs to its end before the next one. What it waits for is asked again after each thing that the driver tells, so that
/// messages, keep alive, reconnecting, timers and Ctrl-C go on meanwhile.
final class Shell {
  let compatibility: Compatibility
  let invocation: Invocation
  /// Where `open` begins.
  let defaults: ConnectionSettings
  let diagnostics: Diagnostics
  let screen: Screen
  let isInteractive: Bool
  var formatName: [UInt8]

  var driver = Driver()
  var pool: JobPool
  var preferences = Preferences()
  var variables: Variables
  var history: History?
  private var signals: Signals?

  /// The connections that have a name, in the order in which they were opened.
  private(set) var connections: [ShellConnection] = []
  /// The name of the connection that commands are for.
  var currentName: String?
  /// All that the driver runs, by its index there.
  private var links: [ShellConnection] = []

  /// What `every` and `serve` have started.
  var jobs: [Job] = []
  private var nextJobNumber = 1
  private var isRunningJob = false
  private var poolEnds: [Int: JobPool.End] = [:]
  private var nextPoolNumber = 1

  /// What `finally` has put off.
  var finals: [Command] = []
  var tap: TAPReport?
  /// The message that came last, on whatever connection.
  private(set) var lastMessage: StoredMessage?
  /// Topics for completion, as they were seen.
  var topics = TopicMemory()
  /// Reply topics whose messages a command shows itself.
  var hiddenTopics: Set<[UInt8]> = []
  /// The lines that were typed, with their secrets masked.
  var typed: [[UInt8]] = []

  /// What `quit` or a signal has asked for.
  private(set) var isLeaving = false
  /// The signal that ended a script.
  private var endingSignal: Signal?
  private var isCancelled = false
  /// When all of it has to be over.
  var runLimit: (instant: Instant, time: Duration)?
  /// The output cannot be written any more.
  private var outputFailure: ExitStatus?
  private var editor: LineEditor?
  /// The editor waits for what completes a word: nothing may be typed or shown meanwhile.
  var isCompleting = false
  /// Where the line stands that is run, as FILE:LINE.
  private var place: String?
  private var sourceDepth = 0

  /// How long SUBACK and its like are waited for.
  static let answerLimit: Duration = .seconds(30)
  /// How long an expectation waits where nobody says it.
  static let standardPatience: Duration = .seconds(5)
  /// How long taking leave may take.
  private static let leavePatience: Duration = .seconds(1)

  init(
    _ defaults: ConnectionSettings, _ invocation: Invocation, screen: Screen, isInteractive: Bool, tap: TAPReport?
  ) throws(SystemError) {
    self.defaults = defaults
    self.invocation = invocation
    self.screen = screen
    self.isInteractive = isInteractive
    self.tap = tap
    formatName = Array((screen.isTerminal ? "short" : "verbose").utf8)
    compatibility = invocation.compatibility
    diagnostics = defaults.diagnostics(compatibility)
    variables = Variables(run: randomWord(8))
    pool = try JobPool([], jobs: 16, timeLimit: nil, outputLimit: 1 << 20)
    signals = try Self.catchSignals()
    watchSignals()
    pool.watch(in: &driver)
  }

  private static func catchSignals() throws(SystemError) -> Signals {
    try Signals(catching: [.interrupt, .terminate, .hangUp, .windowChange])
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
        isLeaving = true
        self.runLimit = nil
        throw ShellError(.timedOut, "the time limit of \(runLimit.time) ran out")
      }
      if let deadline, driver.now >= deadline { return try condition() }
    }
  }

  /// Deals with the next thing that happened; true when that was a deadline.
  private func step(until deadline: Instant?) -> Bool {
    let due = isRunningJob ? nil : jobs.lazy.compactMap(\.nextTime).min()
    let deadlines = [deadline, due, screen.deadline, pool.deadline, runLimit?.instant].compactMap { $0 }
    switch driver.next(until: deadlines.min()) {
    case .client(let index, let event): handle(event, of: links[index])
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
    }
  }

  private func flush() {
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

  // MARK: - Connections

  /// The connection that a command is for.
  func connection(_ call: Call) throws(ShellError) -> ShellConnection {
    guard let name = call.connectionName.map({ text($0) }) ?? currentName else {
      throw .usage("not connected; try: open localhost")
    }
    return try connection(named: name)
  }

  func connection(named name: String) throws(ShellError) -> ShellConnection {
    guard let connection = connections.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
      throw .usage("there is no connection \(name); 'conns' lists those there are")
    }
    return connection
  }

  /// The same, where it has to be up.
  func connected(_ call: Call) throws(ShellError) -> ShellConnection {
    let connection = try connection(call)
    try checkConnected(connection)
    return connection
  }

  func checkConnected(_ connection: ShellConnection) throws(ShellError) {
    if connection.isConnected { return }
    let name = connection.name.isEmpty ? "the connection" : connection.name
    guard let error = connection.failure else {
      throw ShellError(.connectionLost, "\(name) is closed; 'open' it again")
    }
    throw ShellError(ExitStatus(error), "\(name) is not connected: \(error)")
  }

  /// Begins to connect; commands wait for what comes of it.
  func add(_ connection: ShellConnection) {
    let name = connection.name.isEmpty ? "" : "\(connection.name): "
    let isLogged = diagnostics.level >= .debug && !isInteractive
    connection.isTraced = diagnostics.level >= .debug && !connection.name.isEmpty
    connection.observe(isDetailed: diagnostics.level != .debug) { [screen, diagnostics] line in
      if isLogged { diagnostics.debug(name + line) } else { screen.line(name + line, .faint) }
    }
    links.append(connection)
    driver.add(connection.client)
    if !connection.name.isEmpty { connections.append(connection) }
  }

  /// Nobody asks for it by its name any more.
  func remove(_ connection: ShellConnection) {
    connections.removeAll { $0 === connection }
    jobs.removeAll { $0.connection === connection }
    if currentName == connection.name { currentName = connections.last?.name }
  }

  /// Takes leave of a connection, or drops it, and waits for that.
  func close(_ connection: ShellConnection, drops: Bool = false) {
    if drops {
      connection.client.drop()
    } else {
      connection.client.disconnect(properties: connection.plan.disconnectProperties, at: .now)
    }
    _ = try? wait(until: .now + Self.leavePatience) { connection.isOver }
  }

  /// A connection to the same broker that a command makes for itself: under another identifier, without a will, and not made again.
  func openAside(
    _ plan: ConnectionPlan, _ change: (inout ConnectionPlan) -> Void = { _ in }
  ) throws(ShellError) -> ShellConnection {
    var plan = plan
    plan.connect.clientIdentifier = ConnectionSettings.randomIdentifier(.mqshell)
    plan.connect.cleanStart = true
    plan.connect.will = nil
    plan.connect.properties[.sessionExpiryInterval] = nil
    plan.reconnects = false
    plan.retryLimit = .times(0)
    change(&plan)
    let connection = ShellConnection(name: "", plan: plan, retryLimit: .retries(0))
    add(connection)
    do {
      try waitForConnection(connection)
    } catch {
      connection.client.drop()
      throw error
    }
    return connection
  }

  /// Waits until the broker has accepted, or it is known that it will not.
  func waitForConnection(_ connection: ShellConnection) throws(ShellError) {
    _ = try wait(until: nil) { connection.isConnected || connection.isOver }
    if connection.isConnected { return }
    guard let error = connection.failure else { throw .cancelled }
    throw ShellError(error)
  }

  private func handle(_ event: Client.Event, of connection: ShellConnection) {
    let wasConnected = connection.isConnected
    let messageCount = connection.store.end
    connection.handle(event)
    guard connections.contains(where: { $0 === connection }) else { return }
    if connection.store.end > messageCount { arrived(on: connection) }
    switch event {
    case .session(.connected(let packet, let republished)):
      guard connection.connectionCount > 1 else { break }
      let session = packet.sessionPresent ? ", session present" : ""
      note("\(connection.name): connected again\(session)", .warning)
      if republished > 0 { note("\(connection.name): \(republished) publishes sent again", .warning) }
    case .session(.dropped(let error)):
      note("\(connection.name): a publish was dropped: \(error.explanation)", .warning)
    case .session(.tolerated(let tolerance)): note("\(connection.name): \(tolerance)", .warning)
    case .outage(let error, _) where wasConnected: note("\(connection.name): \(error); trying again", .warning)
    case .failed(let error) where connection.connectionCount > 0: note("\(connection.name): \(error)", .warning)
    default: break
    }
  }

  private func arrived(on connection: ShellConnection) {
    guard let message = connection.store.messages.last else { return }
    lastMessage = message
    let topic = message.topic
    topics.insert(topic)
    if hiddenTopics.contains(topic) { return }
    if preferences.isMuted {
      screen.left()
    } else {
      screen.arrived(message, on: shownName(of: connection))
    }
    for job in jobs where job.connection === connection { answer(message, for: job) }
  }

  /// The name that is shown with a message, where there could be doubt.
  func shownName(of connection: ShellConnection) -> String? { connections.count > 1 ? connection.name : nil }

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

  private func report(_ error: ShellError) {
    if error.isCancellation {
      // Somebody who typed Ctrl-C knows, and sees it at the end of a line.
      if isInteractive { screen.line("") }
      return
    }
    let column = error.column.map { "column \($0): " } ?? ""
    let text = ((error.place ?? place).map { "\($0): " } ?? "") + column + error.message
    if isInteractive {
      screen.line(text, .bad)
      for detail in error.details { screen.line("  \(detail)") }
    } else {
      flush()
      diagnostics.error(text)
      for detail in error.details { diagnostics.error("  \(detail)") }
    }
  }

  // MARK: - Running commands

  /// Runs a line and reports what fails. Nil when all went well.
  private func run(_ line: [UInt8]) -> ExitStatus? {
    do throws(ShellError) {
      try perform(line)
      return nil
    } catch {
      report(error)
      return error.isCancellation ? outputFailure ?? error.status : error.status
    }
  }

  private func perform(_ line: [UInt8]) throws(ShellError) {
    let parsed: Line
    do { parsed = try Line(line) } catch { throw .language(error) }
    switch parsed {
    case .shell(let command): try runOutside(command)
    case .commands(let commands):
      for command in commands where !isLeaving {
        guard tap != nil, let verb = Verb.named(command), verb.isTestPoint else {
          try execute(command)
          continue
        }
        do throws(ShellError) {
          try execute(command)
          tap?.passed(text(line), on: screen)
        } catch {
          tap?.failed(text(line), error, at: place, on: screen)
          throw error
        }
      }
    }
  }

  /// Runs a command.
  func execute(_ command: Command) throws(ShellError) {
    guard let verb = Verb.named(command) else { throw Verb.unknown(command) }
    if isCancelled { throw .cancelled }
    try verb.run(self, Call(verb: verb, connectionName: command.connection, words: command.words.dropFirst()))
  }

  /// The words with their variables filled in.
  func fill(_ words: some Sequence<Word>) throws(ShellError) -> [Term] {
    var terms: [Term] = []
    for word in words { terms.append(try variables.fill(word, last: lastMessage)) }
    return terms
  }

  /// Runs the lines of a file.
  func runFile(_ path: [UInt8]) throws(ShellError) {
    guard sourceDepth < 16 else { throw .usage("files that run each other, 16 deep") }
    let contents: [UInt8]
    do { contents = try System.contents(of: path) } catch {
      throw .usage("\(text(path)): \(error.explanation)")
    }
    sourceDepth += 1
    let outer = place
    defer {
      sourceDepth -= 1
      place = outer
    }
    for (index, line) in lines(of: contents).enumerated() {
      place = "\(text(path)):\(index + 1)"
      if isLeaving { return }
      do throws(ShellError) {
        try perform(line)
      } catch {
        var failure = error
        failure.place = failure.place ?? place
        guard preferences.keepsGoing, failure.status == .expectationNotMet else { throw failure }
        report(failure)
        firstFailure = firstFailure ?? failure.status
      }
    }
  }

  private var firstFailure: ExitStatus?

  // MARK: - Jobs

  /// Something that goes on beside the commands.
  final class Job {
    enum Work {
      case every(Duration, Command)
      case serve(TopicFilter, command: [UInt8]?)
    }
    let number: Int
    let text: String
    let work: Work
    /// The connection that a server of requests answers on.
    let connection: ShellConnection?
    var nextTime: Instant?

    init(number: Int, text: String, work: Work, connection: ShellConnection?, nextTime: Instant?) {
      self.number = number
      self.text = text
      self.work = work
      self.connection = connection
      self.nextTime = nextTime
    }
  }

  /// Adds a job and tells its number.
  @discardableResult
  func addJob(_ text: String, _ work: Job.Work, on connection: ShellConnection? = nil) -> Job {
    let time: Instant? = if case .every = work { .now } else { nil }
    let job = Job(number: nextJobNumber, text: text, work: work, connection: connection, nextTime: time)
    nextJobNumber += 1
    jobs.append(job)
    return job
  }

  private func runDueJobs() {
    guard !isRunningJob else { return }
    isRunningJob = true
    defer { isRunningJob = false }
    for job in jobs {
      guard let time = job.nextTime, driver.now >= time, case .every(let period, let command) = job.work else {
        continue
      }
      // From the time that was meant, so that nothing adds up; what was missed is not made up for.
      var next = time + period
      if next <= driver.now { next = driver.now + period }
      job.nextTime = next
      do throws(ShellError) {
        try execute(command)
      } catch {
        jobs.removeAll { $0 === job }
        if error.isCancellation { return }
        var failure = error
        failure.message = "job \(job.number) stopped: \(error.message)"
        report(failure)
        firstFailure = firstFailure ?? error.status
      }
    }
  }

  // MARK: - Commands outside

  /// Runs a command by `sh -c` with the last message in its environment, and waits for it.
  private func runOutside(_ command: [UInt8]) throws(ShellError) {
    guard command.contains(where: { !isBlank($0) }) else { throw .usage("a command for sh is missing behind !") }
    let input = lastMessage.map { message in message.withView { JobInput($0, at: message.time) } } ?? JobInput()
    flush()
    let number = try startOutside(command, input, collectsOutput: false)
    defer { poolEnds[number] = nil }
    do throws(ShellError) {
      _ = try wait(until: nil) { poolEnds[number] != nil }
    } catch {
      pool.terminateAll(at: .now)
      isCancelled = false
      _ = try? wait(until: .now + .seconds(3)) { poolEnds[number] != nil }
      throw error
    }
    if let failure = poolEnds[number]?.failure { throw ShellError(.helper, "the command failed: \(failure)") }
  }

  /// Starts a command by `sh -c`; `poolEnds` will have its end.
  private func startOutside(
    _ command: [UInt8], _ input: JobInput, collectsOutput: Bool
  ) throws(ShellError) -> Int {
    let number = nextPoolNumber
    nextPoolNumber += 1
    do {
      try pool.start(number, input, running: command, collectsOutput: collectsOutput, &driver)
    } catch {
      throw ShellError(.helper, "\(error.call): \(error.explanation)")
    }
    return number
  }

  private func handle(_ end: JobPool.End) {
    if let answer = answers.removeValue(forKey: end.number) {
      if let failure = end.failure {
        note("job \(answer.job.number): the command failed: \(failure); the request was not answered", .warning)
      } else {
        reply(end.output, to: answer.message, for: answer.job)
      }
    } else {
      poolEnds[end.number] = end
    }
  }

  /// Requests whose answers commands are working on.
  private var answers: [Int: (job: Job, message: StoredMessage)] = [:]

  private func answer(_ message: StoredMessage, for job: Job) {
    guard case .serve(let filter, let command) = job.work, message.withView({ filter.matches($0.topic) }) else {
      return
    }
    guard message.responseTopic != nil else { return }
    guard let command else { return reply(message.payload, to: message, for: job) }
    do throws(ShellError) {
      guard pool.hasRoom else { throw ShellError(.helper, "too many commands are running") }
      let input = message.withView { JobInput($0, at: message.time) }
      answers[try startOutside(command, input, collectsOutput: true)] = (job, message)
    } catch {
      note("job \(job.number): \(error.message); a request was not answered", .warning)
    }
  }

  private func reply(_ payload: [UInt8], to request: StoredMessage, for job: Job) {
    guard let connection = job.connection, connection.client.canPublish, let topic = request.responseTopic
    else { return note("job \(job.number): a request was not answered, for there is no connection", .warning) }
    var properties = Properties()
    properties[.correlationData] = request.correlationData
    do throws(ProtocolError) {
      _ = try topic.withBytes { (topic) throws(ProtocolError) in
        try payload.withBytes { (payload) throws(ProtocolError) in
          try connection.client.publish(
            topic: topic, payload: payload, qos: request.qos, retain: false, properties: properties, at: driver.now)
        }
      }
    } catch {
      note("job \(job.number): a request was not answered: \(error.explanation)", .warning)
    }
  }

  // MARK: - From beginning to end

  /// Leaves after the present command.
  func quit() { isLeaving = true }

  /// Runs what the command line asks for.
  func run(_ plan: ShellPlan) -> ExitStatus {
    var status = plan.connectsAtOnce ? connect(to: plan.target) : nil
    if isInteractive {
      if connections.isEmpty {
        screen.line("Not connected. Try:  open localhost     (help for more, Ctrl-D to leave)")
      }
      runInteractively()
      status = nil
    } else if status == nil {
      status = runScript(plan.script)
    }
    return finish(status ?? firstFailure)
  }

  /// Connects as the command line says.
  private func connect(to target: [UInt8]?) -> ExitStatus? {
    do throws(ShellError) {
      try open(target.map { Argument($0, from: Source(.commandLine)) }, from: defaults)
      return nil
    } catch {
      report(error)
      return error.status
    }
  }

  private func runScript(_ script: ShellPlan.Script) -> ExitStatus? {
    switch script {
    case .commands(let commands):
      for line in lines(of: commands) {
        if isLeaving { break }
        if let status = runScriptLine(line) { return status }
      }
    case .file(let path):
      do throws(ShellError) { try runFile(path) } catch {
        // The line is gone from sight, and said so itself.
        report(error)
        return error.status
      }
    case .standardInput: return runInput()
    }
    return nil
  }

  private func runScriptLine(_ line: [UInt8]) -> ExitStatus? {
    guard let status = run(line) else { return nil }
    guard preferences.keepsGoing, status == .expectationNotMet else { return status }
    firstFailure = firstFailure ?? status
    return nil
  }

  /// Runs lines as they come through a pipe.
  private func runInput() -> ExitStatus? {
    var number = 0
    while !isLeaving {
      guard let line = nextInputLine() else { break }
      number += 1
      place = "line \(number)"
      if let status = runScriptLine(line) { return status }
    }
    return nil
  }

  private var input: [UInt8] = []
  private var isInputOver = false

  /// The next line of standard input; nil at its end. Everything else goes on while it is waited for.
  private func nextInputLine() -> [UInt8]? {
    while true {
      if let end = input.firstIndex(of: UInt8(ascii: "\n")) {
        defer { input.removeSubrange(...end) }
        return Array(input[..<end])
      }
      if isInputOver {
        defer { input = [] }
        return input.isEmpty ? nil : input
      }
      driver.watch(0, .readable)
      defer { driver.watch(0, nil) }
      let count = input.count
      guard (try? wait(until: nil, for: { input.count > count || isInputOver })) == true else { return nil }
    }
  }

  private func readInput() {
    if let editor {
      guard editor.isActive, let result = editor.read() else { return }
      typedLine = result
      driver.watch(0, nil)
      return
    }
    var piece = [UInt8](repeating: 0, count: 65_536)
    let count = piece.withUnsafeMutableBytes { CSystem.read(0, $0.baseAddress, $0.count) }
    if count > 0 { input += piece[..<count] } else { isInputOver = true }
  }

  // MARK: Interactively

  private var typedLine: LineEditor.Result?

  private func runInteractively() {
    let editor = LineEditor { [self] line, start in completions(line, wordFrom: start) }
    for line in history?.lines ?? [] { editor.remember(line) }
    self.editor = editor
    screen.editor = editor
    screen.prompt = { [self] in prompt }
    defer {
      editor.end()
      screen.editor = nil
      self.editor = nil
    }
    while !isLeaving, outputFailure == nil {
      flush()
      beginLine()
      guard (try? wait(until: nil, for: { typedLine != nil || isLeaving })) == true, let result = typedLine else {
        isCancelled = false
        continue
      }
      typedLine = nil
      screen.read()
      guard case .line(let line) = result else {
        screen.line("")
        return
      }
      // What was pasted may have several.
      for line in lines(of: line) {
        isCancelled = false
        remember(line, editor)
        if run(line) != nil || isLeaving { break }
      }
      isCancelled = false
    }
  }

  private func beginLine() {
    guard let editor, !editor.isActive, typedLine == nil else { return }
    screen.beginLine()
    driver.watch(0, .readable)
  }

  private var prompt: String {
    guard let currentName, let connection = try? connection(named: currentName) else { return "mq> " }
    let state =
      switch connection.state {
      case .connected: ""
      case .connecting: " (connecting)"
      case .waiting: " (reconnecting)"
      case .over: " (closed)"
      }
    let unread = screen.unreadCount > 0 ? " [\(screen.unreadCount) unread]" : ""
    return "\(currentName)\(state)\(unread)> "
  }

  private func remember(_ line: [UInt8], _ editor: LineEditor) {
    guard line.contains(where: { !isBlank($0) }), let masked = Secrets.masked(line) else { return }
    typed.append(masked)
    editor.remember(masked)
    history?.append(masked)
  }

  // MARK: The end

  private func finish(_ failure: ExitStatus?) -> ExitStatus {
    var status = failure
    jobs = []
    isCancelled = false
    isLeaving = false
    place = nil
    for command in finals.reversed() {
      do throws(ShellError) { try execute(command) } catch {
        report(error)
        status = status ?? error.status
      }
    }
    isCancelled = false
    for connection in connections where !connection.isOver {
      connection.client.disconnect(properties: connection.plan.disconnectProperties, at: .now)
    }
    _ = try? wait(until: .now + Self.leavePatience) { links.allSatisfy { $0.isOver } }
    tap?.end(on: screen)
    flush()
    if let outputFailure { return outputFailure }
    if let endingSignal {
      if isInteractive { return .ok }
      if connections.contains(where: { $0.client.publishesInFlight > 0 }) { return .connectionLost }
      Signals.die(of: endingSignal)
    }
    return status ?? .ok
  }
}

/// The lines of a text, without a last one that is empty.
func lines(of text: [UInt8]) -> [[UInt8]] {
  var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
  if lines.last?.isEmpty == true { lines.removeLast() }
  return lines
}

/// Random letters and digits.
func randomWord(_ count: Int) -> [UInt8] {
  (0..<count).map { _ in "abcdefghijklmnopqrstuvwxyz0123456789".utf8.randomElement() ?? 0x61 }
}
