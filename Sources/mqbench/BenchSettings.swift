internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed after `mqbench`.
struct BenchSettings: Sendable {
  var connection = ConnectionSettings()
  var load = LoadSettings()
  var report = ReportSettings()
  /// A saved report whose options are taken.
  var again: Argument?
  var scenarioFile: Argument?
  /// The scenario in it, or in a saved report.
  private(set) var scenario: Scenario?
  /// The options of the report that is done again.
  private var savedUses: [OptionUse] = []
  /// The options of a scenario's groups, on top of all others.
  private(set) var groups: [(name: String, settings: BenchSettings)] = []
  var forwards = false
  var words: [Argument] = []

  static let tool = Tool(
    description, settings: BenchSettings(),
    options: Options(
      OptionDescription(value: .one("COMMAND"), section: .general, summary: "what to do")
    ) { (tool: inout BenchSettings, word) throws(UsageError) in tool.words.append(word) }
      + Options([
        Option(
          OptionDescription(long: "forward", section: .messages, summary: "forward messages to subscribers")
        ) { $0 = true }
      ]) { $1(&$0.forwards) } + Options(LoadSettings.options) { $1(&$0.load) }
      + Options(WorkloadSettings.options) { $1(&$0.load.workload) }
      + Options(LoadSettings.shardOptions) { $1(&$0.load) }
      + Options(Observation.options) { $1(&$0.load.observation) }
      + Options(ReportSettings.options) { $1(&$0.report) }
      + Options(scenarioDescription) { (settings, value) throws(UsageError) in settings.scenarioFile = value }
      + Options(againDescription) { (settings, value) throws(UsageError) in settings.again = value }
      + Options(ConnectionSettings.urlDescriptionWithoutTopic) { (settings, value) throws(UsageError) in
        settings.connection.take(try BrokerURL(value))
      } + Options(Self.connectionOptions) { $1(&$0.connection) },
    otherTools: [])

  private static let againDescription = OptionDescription(
    long: "again", value: .one("FILE.json"), section: .report,
    summary: "do what a saved report did, with its options and its seed",
    details: """
      Options on the command line are stronger than the saved ones, except those that a saved scenario has for its groups. Passwords are not saved: they have to be given again, or come from a file or the \
      environment.
      """)

  private static let scenarioDescription = OptionDescription(
    long: "scenario", value: .one("FILE"), section: .messages,
    summary: "take groups of clients from a file, each in a section with its options",
    details: """
      One option a line, as in files for {-o}. A line such as [devices] begins a group, which has the options behind it: {--clients}, \
      {--publish}, {--subscribe}, {--every} or {--rate}, {--size}, {--qos} and others about messages, and those of the connection. They are stronger \
      than those of the command line, which are stronger than those before the first group.
      """)

  // MARK: - Commands

  enum Command { case load, connect, sink, compare, ab, search, merge }

  /// Does what was typed.
  func run(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    guard let word = words.first else { throw UsageError("no command: try mqbench load, or mqbench help") }
    let command = try word.choice([
      ("load", Command.load), ("connect", .connect), ("sink", .sink), ("compare", .compare), ("ab", .ab),
      ("search", .search), ("merge", .merge),
    ])
    let rest = Array(words.dropFirst())
    switch command {
    case .compare: return try CompareCommand(settings: self).run(rest, diagnostics(invocation))
    case .merge: return try CompareCommand(settings: self).merge(rest, diagnostics(invocation))
    case .ab: return try settings(invocation).measurement(.ab, invocation).compare(rest)
    default: break
    }
    if let extra = rest.first { throw UsageError("\(extra.quoted): \(word.quoted) takes options only") }
    switch command {
    case .sink: return try runSink(invocation)
    case .search: return try settings(invocation).measurement(.search, invocation).search()
    default: return try settings(invocation).measurement(command, invocation).load()
    }
  }

  func diagnostics(_ invocation: Invocation) -> Diagnostics { connection.diagnostics(invocation.compatibility) }

  /// The settings with those of the report that is to be done again, or of a scenario, underneath.
  private func settings(_ invocation: Invocation) throws(UsageError) -> BenchSettings {
    guard again != nil || scenarioFile != nil else { return self }
    var saved: [OptionUse] = []
    var scenario = try scenarioFile.map { (file) throws(UsageError) in try Scenario(file) }
    if let again {
      do throws(UsageError) {
        let report = try JSONReport.read(again.bytes)
        if report.runs.contains(where: \.isConnect) {
          throw UsageError("the report is of connect, and load does something else")
        }
        saved = try SavedOptions.uses(of: report, Self.tool.commandLine.options)
        if scenario == nil, !report.scenarioText.isEmpty {
          scenario = try Scenario(Array(report.scenarioText.utf8), path: "the saved scenario")
        }
      } catch {
        throw UsageError("--again: \(error.message)")
      }
    }
    let uses = saved + (scenario?.common ?? []) + invocation.uses
    if scenario != nil { try Scenario.check(uses) }
    var settings = BenchSettings()
    try Self.tool.apply(uses, to: &settings)
    settings.scenario = scenario
    settings.savedUses = saved
    for group in scenario?.groups ?? [] {
      var own = settings
      try Self.tool.apply(group.uses, to: &own)
      settings.groups.append((group.name, own))
    }
    return settings
  }

  private func measurement(_ command: Command, _ invocation: Invocation) throws(UsageError) -> Measurement {
    try Measurement(
      self, command, invocation,
      savedOptions: SavedOptions.words(savedUses + invocation.uses, Self.tool.commandLine.options))
  }

  private func runSink(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    var plan = try connection.serverPlan(invocation.compatibility)
    let diagnostics = connection.diagnostics(invocation.compatibility)
    try plan.readPassword(invocation, diagnostics)
    if plan.tls?.configuration.sharedKey != nil {
      throw UsageError("sink: serves TLS with a certificate, not with --psk")
    }
    // As many as there may be: whoever measures comes with thousands.
    _ = raiseDescriptorLimit(.max)
    do {
      let layers = try ServerLayers(tls: plan.tls?.configuration, usesWebSocket: plan.webSocket != nil)
      let listener =
        try Socket.inherited()
        ?? Socket.listening(on: plan.host == "localhost" ? "127.0.0.1" : plan.host, port: plan.port)
      var sink = Sink(listener, forwards: forwards, layers: layers, signals: try Signals())
      let isUnknown = plan.tls != nil && plan.tls?.configuration.identity == nil
      diagnostics.notice(
        "sink on port \(sink.port)" + (isUnknown ? ", with a certificate that nobody can verify (--insecure)" : ""))
      sink.run()
      return .ok
    } catch let error as ConnectionError {
      diagnostics.error("\(error)")
      return ExitStatus(error)
    } catch {
      diagnostics.error("\(error)")
      return .internalError
    }
  }
}
