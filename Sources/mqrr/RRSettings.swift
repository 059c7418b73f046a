internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What was typed after `mqrr`.
struct RRSettings: Sendable {
  var connection = ConnectionSettings()
  var request = RequestSettings()
  var output = OutputSettings()
  var command = CommandSettings()

  static let tool = Tool(
    ToolDescription(
      name: .mqrr, purpose: "ask over an MQTT broker, and answer",
      synopsis: [
        "[OPTION]... -t TOPIC {-m TEXT | -n | -f FILE | -s | -l}", "[OPTION]... --ping [-t TOPIC]",
        "[OPTION]... -t FILTER {--serve COMMAND | --serve-echo}",
      ],
      paragraphs: [
        """
        mqrr publishes a request, waits for the reply, prints its payload and ends. It subscribes to the response topic \
        first, and publishes when the broker has accepted that.
        """,
        """
        On MQTT 5 a request carries its response topic and correlation data, and the reply is the message that brings these \
        data back. A message with other correlation data is somebody else's and is ignored; one without any is taken \
        for the reply to the oldest request, because not every responder knows of them, unless {-D} publish correlation-data \
        asks for certain ones. On MQTT 3.x the first message on the response topic behind the request is the reply. A message that \
        the broker had kept from earlier is never one.
        """,
        """
        mqrr waits for ever unless {--timeout} sets a limit: without a reply the exit status is then 27. A request that the \
        broker refuses ends it with the reason.
        """,
        """
        With {--ping} it measures how long replies take; with {--serve} and {--serve-echo} it is the one who answers.
        """,
        """
        It takes the options of mosquitto_rr with their meaning, and reads that client's configuration file when it has none \
        of its own.
        """,
      ],
      examples: [
        .init("Ask, and wait ten seconds at most.", "mqrr -t home/lamp/get -m state -W 10"),
        .init("Measure the way to the broker and back.", "mqrr -h broker.example --ping -C 5 --interval 100ms"),
        .init("Answer each request with what a command makes of it.", "mqrr -t upper --serve 'tr a-z A-Z'"),
        .init("Collect the answers of all who reply within two seconds.", "mqrr -t who/is/there -n --idle 2s"),
        .init(
          "A responder that has to know the response topic, as on MQTT 3.1.1.",
          "mqrr -t get -e got -m temperature -V 311"),
      ],
      chapters: [
        .formats, .tests,
        .compatibility(
          "mosquitto_rr", version: "MQTT 5",
          [
            "It needs {-e} then, as mosquitto_rr does.",
            """
            Under both names it differs from mosquitto_rr on purpose: a message with other correlation data, or one that \
            the broker had kept, is no reply; it takes leave of the broker, so that no will is published; and a \
            subscription or request that the broker refuses ends it with the reason as its status.
            """,
          ]),
      ],
      environment: CommandSettings.variables),
    settings: RRSettings(),
    options: Options(RequestSettings.options) { $1(&$0.request) } + Options(OutputSettings.options) { $1(&$0.output) }
      + Options(CommandSettings.rules(standard: "skip")) { $1(&$0.command) }
      + ConnectionSettings.options(
        lend: { $1(&$0.connection) },
        takeTopic: { (tool, topic) throws(UsageError) in try tool.request.take(topicIn: topic) }),
    otherTools: [OptionTable.publishing, OptionTable.subscribing])

  /// Does what was typed.
  func run(_ invocation: Invocation) throws(UsageError) -> ExitStatus {
    if let status = try connection.showTLS(invocation) { return status }
    let compatibility = invocation.compatibility
    let plan = try request.plan(connection, compatibility)
    try command.check(hasCommand: plan.hasCommand, by: "--serve")
    let output = try output.plan(compatibility)
    var connection = try connection.plan(compatibility)
    let limit = connection.timeout.map { Instant.now + $0 }
    let diagnostics = self.connection.diagnostics(compatibility)
    let makeRole: (Conversation) throws(SystemError) -> any Role
    var isOpenEnded = false
    switch plan {
    case .ask(let asking):
      let requests = try Requests(asking, linesEndWithNUL: output.terminator == 0, until: limit)
      connection.asksForResponseInformation(asking.exchange)
      makeRole = { Requester(asking, requests, output, over: $0) }
    case .ping(let pinging):
      let payload = try pinging.payload.map { (source) throws(UsageError) in
        try source.load(pinging.encoding, until: limit)
      }
      connection.asksForResponseInformation(pinging.exchange)
      makeRole = { Pinger(pinging, payload: payload, isJSON: output.style == .json, over: $0) }
    case .serve(let serving):
      isOpenEnded = true
      makeRole = { (conversation) throws(SystemError) in
        Responder(serving, try queue(serving, diagnostics), over: conversation)
      }
    }
    try connection.readPassword(invocation, diagnostics)
    do throws(SystemError) {
      let conversation = Conversation(
        over: connection, retryLimit: isOpenEnded ? .foreverAfterFirstConnection : .retries(0), as: compatibility,
        until: limit, diagnostics: diagnostics, signals: try Signals())
      return conversation.run(try makeRole(conversation))
    } catch {
      diagnostics.error("\(error.call): \(error.explanation)")
      return .internalError
    }
  }
}

extension RRSettings {
  /// Where requests wait for the command that answers them; nil where there is none.
  private func queue(
    _ serving: RequestPlan.Serving, _ diagnostics: Diagnostics
  ) throws(SystemError) -> CommandQueue? {
    guard case .command(let command) = serving.answer else { return nil }
    // A responder goes on after a request that its command does not like. No payload is longer than that.
    return try CommandQueue(
      command, self.command, onFailure: self.command.failure ?? .skip, outputLimit: 268_435_455, diagnostics)
  }
}

extension ConnectionPlan {
  /// Whoever makes up a response topic wants to know where the broker would have it (3.1.2.11.6).
  fileprivate mutating func asksForResponseInformation(_ exchange: RequestPlan.Exchange) {
    if exchange.responseTopic == nil, connect.properties[.requestResponseInformation] == nil {
      connect.properties[.requestResponseInformation] = true
    }
  }
}
