internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed after `mqsub`.
struct SubSettings: Sendable {
  var connection = ConnectionSettings()
  var subscribe = SubscribeSettings()
  var output = OutputSettings()
  var command = CommandSettings()
  var safekeeping = SafekeepingSettings()
  var screen = ScreenSettings()

  static let tool = Tool(
    ToolDescription(
      name: .mqsub, purpose: "subscribe to topics of an MQTT broker and print their messages",
      synopsis: ["[OPTION]... -t FILTER..."],
      paragraphs: [
        """
        mqsub connects to a broker, subscribes, and prints the payload of each message on a line of standard output. It goes \
        on until a signal or one of its options ends it; a connection that is lost is made again, and the subscriptions too.
        """,
        """
        A message is acknowledged after it was written. While the reader of standard output is slow, nothing is read from the \
        broker. On a terminal, control characters of messages are shown escaped; pipes and files get the exact bytes.
        """,
        """
        It takes the options of mosquitto_sub with their meaning, and reads that client's configuration file when it has none \
        of its own.
        """,
      ],
      examples: [
        .init("Print everything below home, with topics.", "mqsub -t 'home/#' -v"),
        .init("Wait up to ten seconds for one value.", "mqsub -h broker.example -t home/desk/temp -C 1 -W 10"),
        .init(
          "Go on where the last run ended: the broker keeps what comes meanwhile.",
          "mqsub -c -i logger -q 1 -t 'log/#' >> log.txt"),
        .init(
          "Let a program deal with each message, at least once.",
          "mqsub -c -i worker -q 1 -t 'jobs/#' --exec 'echo $MESSAGE_TOPIC; cat' --exec-failure retry"),
        .init("Print what the broker keeps, and end.", "mqsub -t 'home/#' --get -v"),
        .init("Wait until a device is there.", "mqsub -t home/lamp/status --until 'payload = ONLINE' -W 1m"),
        .init("Show batteries that run low.", "mqsub -t 'zigbee/+' --where '.battery < 20' -F '%t'"),
        .init(
          "Start a command when the subscription stands, and wait for its answer.",
          "mqsub -t answer -C 1 -W 5 --on-ready 'mqpub -t question -m 42'"),
        .init(
          "Copy everything to another broker, with all properties.",
          "mqsub -h one.example -t '#' --json | mqpub -h two.example --stdin-json"),
        .init("Columns: time, topic, length.", "mqsub -t '#' -F '@H:@M:@S %-40.40t %8l'"),
        .init("Remove all retained messages below old.", "mqsub -t 'old/#' --remove-retained -v"),
      ],
      chapters: [
        .formats, .tests, .liveView,
        .compatibility(
          "mosquitto_sub",
          [
            """
            A signal and {-W} then take leave with reason 4 on MQTT 5, so that the broker publishes the will, where \
            mqsub leaves as usual; and {--remove-retained} ends only together with {--retained-only}.
            """,
            """
            Under both names it differs from mosquitto_sub on purpose: filters that the broker refuses are an error \
            when all are refused; {-C} leaves what it does not want with the broker; {--random-filter} is the percentage \
            that it says, and messages that it leaves out do not count for {-C}; {--retained-only} ends on quiet topics, \
            too; %j is valid JSON whatever the payload, and %J copies numbers as they are.
            """,
          ]),
      ],
      environment: CommandSettings.variables),
    settings: SubSettings(),
    options: Options(SubscribeSettings.options) { $1(&$0.subscribe) }
      + Options(OutputSettings.options) { $1(&$0.output) }
      + Options(SafekeepingSettings.options) { $1(&$0.safekeeping) }
      + Options(CommandSettings.options) { $1(&$0.command) }
      + Options(ScreenSettings.options) { $1(&$0.screen) }
      + ConnectionSettings.options(
        lend: { $1(&$0.connection) },
        takeTopic: { (tool, topic) throws(UsageError) in try tool.subscribe.take(filterIn: topic) }),
    otherTools: [OptionTable.publishing, OptionTable.requesting])

  /// Does what was typed.
  func run(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    if let status = try connection.showTLS(invocation) { return status }
    let plan = try subscribe.plan(self.connection, invocation.compatibility)
    let output = try output.plan(invocation.compatibility)
    try command.check(hasCommand: command.command != nil, by: "--exec")
    var connection = try connection.plan(invocation.compatibility, forLatestVersion: plan.optionForLatestVersion)
    plan.adapt(&connection)
    command.adapt(&connection)
    var diagnostics = self.connection.diagnostics(invocation.compatibility)
    let limit = connection.timeout.map { Instant.now + $0 }
    try connection.readPassword(invocation, diagnostics)
    try confirm(plan, connection, isAtTerminal: diagnostics.isTerminal)
    let journal = try journal(plan, connection)
    let recording = try recording()
    let sink = try sink(plan, output, journal, &diagnostics)
    do throws(SystemError) {
      var subscriber = Subscriber(
        plan, to: sink, recordingTo: recording, over: connection, as: invocation.compatibility,
        until: limit, diagnostics: diagnostics, signals: try Signals())
      return subscriber.run()
    } catch {
      diagnostics.error("\(error.call): \(error.explanation)")
      return .internalError
    }
  }

  /// Where the messages go. What is said waits while they fill the terminal.
  private func sink(
    _ plan: SubscribePlan, _ output: OutputPlan, _ journal: consuming PrintJournal?, _ diagnostics: inout Diagnostics
  ) throws(UsageError) -> any MessageSink {
    // The rate takes the place of all other output.
    if screen.isOn, !plan.showsRate {
      if command.command != nil { throw UsageError("--exec: cannot stand together with --top and --watch") }
      if plan.clearing != nil { throw UsageError("--clear-retained: cannot stand together with --top and --watch") }
      let lines = HeldLines()
      diagnostics = diagnostics.held(in: lines)
      return try screen.sink(plan, output, lines)
    }
    if let command = command.command {
      do throws(SystemError) { return try CommandSink(command, settings: self.command, diagnostics) } catch {
        throw UsageError("--exec: \(error.call): \(error.explanation)", status: .internalError)
      }
    }
    if let clearing = plan.clearing { return TopicOutput(isDryRun: clearing == .dryRun, diagnostics) }
    return plan.showsRate ? RateOutput(diagnostics) : MessageOutput(output, journal: journal, diagnostics)
  }

  /// Asks before what matches much is removed.
  private func confirm(
    _ plan: SubscribePlan, _ connection: ConnectionPlan, isAtTerminal: Bool
  ) throws(UsageError) {
    guard case .removal(let wide?) = plan.clearing else { return }
    let broker = connection.client(retryLimit: .forever, lifetime: .persistent).endpoint
    let question = "Remove every value that \(broker) keeps for '\(wide)'"
    guard isAtTerminal, (try? Prompt.confirms(question)) ?? false else {
      throw UsageError("--clear-retained: '\(wide)' matches much: --dry-run shows what would go, --yes removes it")
    }
  }

  private func recording() throws(UsageError) -> Recording? {
    guard let path = safekeeping.recordPath else { return nil }
    do throws(SystemError) { return try Recording(path) } catch {
      throw UsageError("--record: \(String(decoding: path, as: UTF8.self)): \(error.explanation)", status: .output)
    }
  }

  private func journal(_ plan: SubscribePlan, _ connection: ConnectionPlan) throws(UsageError) -> PrintJournal? {
    guard let path = safekeeping.statePath else { return nil }
    if command.command != nil { throw UsageError("--state: cannot stand together with --exec") }
    if plan.showsRate { throw UsageError("--state: cannot stand together with --message-rate") }
    if screen.isOn { throw UsageError("--state: cannot stand together with --top and --watch") }
    if plan.clearing != nil { throw UsageError("--state: cannot stand together with --clear-retained") }
    guard !connection.connect.cleanStart, connection.hasGivenIdentifier else {
      throw UsageError("--state: needs a session that the broker keeps: -c and -i")
    }
    do throws(StateFileError) {
      let owner = "\(connection.client(retryLimit: .forever, lifetime: .persistent).endpoint), client identifier "
      return try PrintJournal(path, owner: owner + "\(connection.connect.clientIdentifier)", output: 1)
    } catch {
      throw UsageError("--state: \(String(decoding: path, as: UTF8.self)): \(error.explanation)")
    }
  }
}
