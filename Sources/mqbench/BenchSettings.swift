internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed after `mqbench`.
struct BenchSettings: Sendable {
  var connection = ConnectionSettings()
  var load = LoadSettings()
  var forwards = false
  var words: [Argument] = []

  static let tool = Tool(
    ToolDescription(
      name: .mqbench, purpose: "measure the throughput and latency of an MQTT broker",
      synopsis: ["load [OPTION]...", "sink [--forward] [-p PORT]"],
      paragraphs: [
        """
        mqbench load connects publishers and subscribers to a broker, publishes at a steady rate, and reports how long messages took \
        and what became of each of them. Publishers and subscribers are in one process and share its clock.
        """,
        """
        Messages are due by a schedule that does not wait for the broker (an open loop), and times count from when a message was \
        due. What never came counts as longer than anything, so that a percentile cannot look better because messages were lost.
        """,
      ],
      examples: [
        .init("Ten publishers and ten subscribers, 100 messages a second.", "mqbench load -h localhost"),
        .init(
          "5,000 messages a second of 1 kB from 50 publishers to each of 4 subscribers.",
          "mqbench load --publishers 50 --subscribers 4 --topics 1 --rate 5000 --size 1000"),
        .init(
          "As fast as 100 unacknowledged messages for each publisher allow.",
          "mqbench load --closed --window 100 --qos 1"),
      ]),
    settings: BenchSettings(),
    options: Options(
      OptionDescription(value: .one("COMMAND"), section: .general, summary: "what to do")
    ) { (tool: inout BenchSettings, word) throws(UsageError) in tool.words.append(word) }
      + Options([
        Option(
          OptionDescription(long: "forward", section: .messages, summary: "sink: forward messages to subscribers")
        ) { $0 = true }
      ]) { $1(&$0.forwards) } + Options(LoadSettings.options) { $1(&$0.load) }
      + Options(ConnectionSettings.urlDescriptionWithoutTopic) { (settings, value) throws(UsageError) in
        settings.connection.take(try BrokerURL(value))
      } + Options(ConnectionSettings.optionsWithLongNames) { $1(&$0.connection) },
    otherTools: [])

  /// Does what was typed.
  func run(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    guard let command = words.first else { throw UsageError("no command: try mqbench load, or --help") }
    if words.count > 1 { throw UsageError("\(words[1].quoted): \(command.quoted) takes options only") }
    switch try command.choice([("load", Command.load), ("sink", .sink)]) {
    case .load: return try runLoad(invocation)
    case .sink: return try runSink(invocation)
    }
  }

  private enum Command { case load, sink }

  private func runSink(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    let plan = try connection.plan(invocation.compatibility)
    let diagnostics = connection.diagnostics(invocation.compatibility)
    do {
      var sink = try Sink(
        on: plan.host == "localhost" ? "127.0.0.1" : plan.host, port: plan.port, forwards: forwards,
        signals: try Signals())
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

  private func runLoad(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    var connection = try connection.plan(invocation.compatibility)
    let diagnostics = self.connection.diagnostics(invocation.compatibility)
    try connection.readPassword(invocation, diagnostics)
    let plan = try load.plan(connection)
    do {
      var run = LoadRun(plan, diagnostics: diagnostics, signals: try Signals())
      guard let summary = try run.run() else { return .ok }
      return printed(TextReport.text(summary), diagnostics)
    } catch let error as ConnectionError {
      diagnostics.error("\(error)")
      return ExitStatus(error)
    } catch {
      diagnostics.error("\(error)")
      return .internalError
    }
  }

  private func printed(_ text: String, _ diagnostics: Diagnostics) -> ExitStatus {
    var output = OutputBuffer(descriptor: 1)
    output.append(text)
    do throws(OutputError) {
      try output.flush()
    } catch {
      guard case .system(let error) = error else { return .ok }
      diagnostics.error("standard output: \(error.explanation)")
      return .output
    }
    return .ok
  }
}
