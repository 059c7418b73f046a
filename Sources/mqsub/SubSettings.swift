internal import CommandLineTool

/// What was typed after `mqsub`.
struct SubSettings: Sendable {
  var connection = ConnectionSettings()
  var subscribe = SubscribeSettings()
  var output = OutputSettings()
  var command = CommandSettings()

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
          "mqsub -c -i worker -q 1 -t jobs --exec './work \"$MESSAGE_TOPIC\"' --exec-failure retry"),
      ],
      environment: CommandSettings.variables),
    settings: SubSettings(),
    options: Options(SubscribeSettings.options) { $1(&$0.subscribe) }
      + Options(OutputSettings.options) { $1(&$0.output) }
      + Options(CommandSettings.options) { $1(&$0.command) }
      + ConnectionSettings.options(
        lend: { $1(&$0.connection) },
        takeTopic: { (tool, topic) throws(UsageError) in try tool.subscribe.take(filterIn: topic) }),
    otherTools: [OptionTable.publishing, OptionTable.requesting])

  /// Does what was typed.
  func run(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    var connection = try connection.plan(invocation.compatibility)
    let plan = try subscribe.plan(self.connection)
    let output = try output.plan(invocation.compatibility)
    try command.check(hasCommand: command.command != nil, by: "--exec")
    let diagnostics = self.connection.diagnostics(invocation.compatibility)
    try connection.readPassword(invocation, diagnostics)
    do throws(SystemError) {
      let sink: any MessageSink
      if let command = self.command.command {
        sink = try CommandSink(self.command, command: command, diagnostics)
      } else {
        sink = MessageOutput(output, diagnostics)
      }
      var subscriber = Subscriber(
        plan, to: sink, over: connection, as: invocation.compatibility,
        diagnostics: diagnostics, signals: try Signals())
      return subscriber.run()
    } catch {
      diagnostics.error("\(error.call): \(error.explanation)")
      return .internalError
    }
  }
}
