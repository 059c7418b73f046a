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
      + Options(Observation.options) { $1(&$0.load.observation) }
      + Options(ReportSettings.options) { $1(&$0.report) }
      + Options(againDescription) { (settings, value) throws(UsageError) in settings.again = value }
      + Options(ConnectionSettings.urlDescriptionWithoutTopic) { (settings, value) throws(UsageError) in
        settings.connection.take(try BrokerURL(value))
      } + Options(Self.connectionOptions) { $1(&$0.connection) },
    otherTools: [])

  private static let againDescription = OptionDescription(
    long: "again", value: .one("FILE.json"), section: .report,
    summary: "do what a saved report did, with its options and its seed",
    details: """
      Options on the command line are stronger. Passwords are not saved: they have to be given again, or come from a file or the \
      environment.
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

  /// The settings with those of the report that is to be done again underneath.
  private func settings(_ invocation: Invocation) throws(UsageError) -> BenchSettings {
    guard let again else { return self }
    let uses: [OptionUse]
    do throws(UsageError) {
      uses = try SavedOptions.uses(of: try JSONReport.read(again.bytes), Self.tool.commandLine.options)
    } catch {
      throw UsageError("--again: \(error.message)")
    }
    var settings = BenchSettings()
    try Self.tool.apply(uses + invocation.uses, to: &settings)
    return settings
  }

  private func measurement(_ command: Command, _ invocation: Invocation) throws(UsageError) -> Measurement {
    try Measurement(
      self, command, invocation, savedOptions: SavedOptions.words(invocation, Self.tool.commandLine.options))
  }

  private func runSink(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    let plan = try connection.plan(invocation.compatibility)
    let diagnostics = connection.diagnostics(invocation.compatibility)
    // As many as there may be: whoever measures comes with thousands.
    _ = raiseDescriptorLimit(.max)
    do {
      let listener =
        try Socket.inherited()
        ?? Socket.listening(on: plan.host == "localhost" ? "127.0.0.1" : plan.host, port: plan.port)
      var sink = Sink(listener, forwards: forwards, signals: try Signals())
      diagnostics.notice("sink on port \(sink.port)")
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
