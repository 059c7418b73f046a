internal import CommandLineTool

/// What was typed after `mqsub`.
struct SubSettings: Sendable {
  var connection = ConnectionSettings()
  var subscribe = SubscribeSettings()
  var output = OutputSettings()
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
      ]),
    settings: SubSettings(),
    options: Options(SubscribeSettings.options) { $1(&$0.subscribe) }
      + Options(OutputSettings.options) { $1(&$0.output) }
      + Options(ScreenSettings.options) { $1(&$0.screen) }
      + ConnectionSettings.options(
        lend: { $1(&$0.connection) },
        takeTopic: { (tool, topic) throws(UsageError) in try tool.subscribe.take(filterIn: topic) }),
    otherTools: [OptionTable.publishing, OptionTable.requesting])

  /// Does what was typed.
  func run(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    let plan = try subscribe.plan(self.connection, invocation.compatibility)
    let output = try output.plan(invocation.compatibility)
    var connection = try connection.plan(invocation.compatibility, forLatestVersion: plan.optionForLatestVersion)
    plan.adapt(&connection)
    var diagnostics = self.connection.diagnostics(invocation.compatibility)
    let sink = try sink(plan, output, &diagnostics)
    try connection.readPassword(invocation, diagnostics)
    do throws(SystemError) {
      var subscriber = Subscriber(
        plan, to: sink, over: connection, as: invocation.compatibility,
        diagnostics: diagnostics, signals: try Signals())
      return subscriber.run()
    } catch {
      diagnostics.error("\(error.call): \(error.explanation)")
      return .internalError
    }
  }

  /// Where messages go. What is said waits while they fill the terminal.
  private func sink(
    _ plan: SubscribePlan, _ output: OutputPlan, _ diagnostics: inout Diagnostics
  ) throws(UsageError) -> any MessageSink {
    if plan.showsRate { return RateOutput(diagnostics) }
    guard screen.isOn else { return MessageOutput(output, diagnostics) }
    let lines = HeldLines()
    diagnostics = diagnostics.held(in: lines)
    return try screen.sink(plan, output, lines)
  }
}
