internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed after `mqpub`.
struct PubSettings: Sendable {
  var connection = ConnectionSettings()
  var publish = PublishSettings()
  var spool = SpoolSettings()

  static let tool = Tool(
    ToolDescription(
      name: .mqpub, purpose: "publish messages to an MQTT broker",
      synopsis: [
        "[OPTION]... -t TOPIC {-m TEXT | -n | -f FILE | -s | -l}", "[OPTION]... {--line-topic | --stdin-json}",
      ],
      paragraphs: [
        """
        mqpub connects to a broker, publishes a message, or one for each line of standard input, and leaves when all are \
        acknowledged. It prints nothing; its exit status says whether everything that was asked for happened.
        """,
        """
        With {--spool} a message is safe on the disk before the broker is tried: it is delivered now or by a later run, and the \
        exit status says which.
        """,
        """
        With {-l} the connection is made again when it is lost, and what was not acknowledged is published again: at QoS 2 \
        each line comes exactly once, as long as the broker keeps its session.
        """,
        """
        It takes the options of mosquitto_pub with their meaning, and reads that client's configuration file when it has none \
        of its own.
        """,
      ],
      examples: [
        .init("Publish a value.", "mqpub -t home/desk/temp -m 21.5"),
        .init(
          "Publish a value that the broker keeps, and wait for its acknowledgement.",
          "mqpub -h broker.example -t home/lamp -m ON -r -q 1"),
        .init("Publish each line of a program's output.", "vmstat 1 | mqpub -t server/vmstat -l -q 1"),
        .init(
          "From cron: what the broker does not take now waits on the disk, and a later run delivers it.",
          "mqpub -t home/load -m \"$(cut -d' ' -f1 /proc/loadavg)\" --spool \"$HOME/mqpub-spool\""),
        .init(
          "Choose a topic for each line.", "printf 'home/desk 21.5\\nhome/hall 19\\n' | mqpub -l --line-topic -r"),
        .init(
          "Be heard of every ten seconds.", "mqpub -t 'site/alive' -m '{n} {timestamp}' --template --every 10s"),
        .init("Remove the value that the broker keeps.", "mqpub -t home/lamp -r -n -q 1"),
      ]),
    settings: PubSettings(),
    options: Options(PublishSettings.options) { $1(&$0.publish) } + Options(SpoolSettings.options) { $1(&$0.spool) }
      + ConnectionSettings.options(
        lend: { $1(&$0.connection) },
        takeTopic: { (tool, topic) throws(UsageError) in try tool.publish.take(topicIn: topic) }),
    otherTools: [OptionTable.subscribing, OptionTable.requesting])

  /// Does what was typed.
  func run(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    if let status = try connection.showTLS(invocation) { return status }
    try spool.check()
    if let path = spool.path {
      var run = try SpoolRun(self, path: path, invocation)
      return try run.run()
    }
    let plan = try publish.plan(connection, invocation.compatibility)
    var connection = try connection.plan(
      invocation.compatibility, forLatestVersion: plan.optionForLatestVersion)
    try connection.checkInput(for: plan.payload)
    let diagnostics = self.connection.diagnostics(invocation.compatibility)
    let limit = connection.timeout.map { Instant.now + $0 }
    let (source, templates) = try Self.source(of: plan, until: limit)
    try connection.readPassword(invocation, diagnostics)
    do throws(SystemError) {
      var publisher = Publisher(
        plan, from: source, filling: templates, over: connection, as: invocation.compatibility,
        until: limit, diagnostics: diagnostics, signals: try Signals())
      return publisher.run()
    } catch {
      diagnostics.error("\(error.call): \(error.explanation)")
      return .internalError
    }
  }

  /// Where the plan's messages come from, and what fills them.
  static func source(
    of plan: PublishPlan, until limit: Instant?
  ) throws(UsageError) -> (any MessageSource, MessageTemplates?) {
    let source: any MessageSource
    var payload: [UInt8]?
    switch plan.payload {
    case .lines(let format): source = LineSource(format, plan.encoding, descriptor: 0)
    case .recording(let replay): source = try ReplaySource(replay)
    default:
      let loaded = try plan.payload.load(plan.encoding, until: limit)
      source = RepeatedMessage(loaded, plan.repetition)
      if plan.encoding == .text { payload = loaded }
    }
    return (
      source, plan.isTemplate ? try MessageTemplates(topics: plan.topics.map(\.utf8), payload: payload) : nil
    )
  }
}
