internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What `pub` and `req` are told by options.
struct PublishWords: Sendable {
  var publish = PublishSettings()
  var connection = ConnectionSettings()

  private static let publishOptions = PublishSettings.options.filter {
    ["--qos", "--retain", "--require-subscribers"].contains($0.description.name)
  }
  private static let properties = ConnectionSettings.options.filter { $0.description.name == "--property" }

  /// What may be typed.
  static let options =
    Options<PublishWords>(publishOptions) { $1(&$0.publish) } + Options(properties) { $1(&$0.connection) }

  /// Does what an option of mqpub with these words would do.
  mutating func apply(_ name: String, _ words: [[UInt8]] = []) throws(ShellError) {
    let options = PublishSettings.options
    var parser = OptionParser(
      [Array(name.utf8)] + words, from: 0, table: OptionTable(tool: "mqpub", options: options.map(\.description)))
    try reading { () throws(UsageError) in
      if let use = try parser.next() { try options[use.option].apply(use, to: &publish) }
    }
  }
}

/// What `sub` is told by options.
struct SubscribeWords: Sendable {
  var subscribe = SubscribeSettings()
  var connection = ConnectionSettings()
  var noLocal = false

  private static let own: [Option<SubscribeWords>] = [
    Option(OptionDescription(long: "no-local", section: .subscriptions, summary: "not what this connection publishes"))
    {
      $0.noLocal = true
    }
  ]
  private static let subscribeOptions = SubscribeSettings.options.filter {
    ["--qos", "--retain-handling", "--retain-as-published"].contains($0.description.name)
  }
  private static let properties = ConnectionSettings.options.filter { $0.description.name == "--property" }

  /// What may be typed.
  static let options =
    Options<SubscribeWords>(subscribeOptions) { $1(&$0.subscribe) } + Options(own) { $1(&$0) }
    + Options(properties) { $1(&$0.connection) }
}

/// Verbs about messages.
extension Verb {
  static let messageVerbs: [Verb] = [
    Verb(
      name: "pub", section: .messages, form: "[OPTION]... TOPIC [PAYLOAD]", summary: "publish a message",
      details: """
        The payload is the rest of the line as it is typed, but for quotes, ; and ${NAME} ('help language'), or what @FILE, \
        hex:01ff, base64:Af8= or null stands for; \\@ begins a text with @. At QoS 1 and 2 the command ends when the broker has acknowledged, and fails when it refuses.
        """,
      options: PublishWords.options.descriptions,
      examples: [
        Example("A text.", "pub home/desk/temp 21.5"),
        Example("JSON that the broker keeps, acknowledged.", "pub -q 1 -r home/lamp {\"state\": \"ON\"}"),
        Example("With a property.", "pub -D publish content-type text/plain t hello there"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.publish(call) },
    Verb(
      name: "sub", section: .messages, form: "[OPTION]... FILTER...", summary: "subscribe, and show what comes",
      details: """
        It ends when the broker has answered and the values that it keeps have come. + stands for one level, # for all the rest. \
        Retained messages are marked with [r], others than of QoS 0 with [q1] and [q2].
        """,
      options: SubscribeWords.options.descriptions,
      examples: [
        Example("Everything.", "sub #"), Example("One level of anything, with QoS 1.", "sub -q 1 home/+/temp"),
        Example("Only what others publish.", "sub --no-local chat/#"),
      ]
    ) { (shell, call) throws(ShellError) in
      try shell.screen.holding { () throws(ShellError) in try shell.subscribe(call) }
    },
    Verb(
      name: "unsub", section: .messages, form: "FILTER...", summary: "end subscriptions",
      examples: [
        Example("As it was subscribed to.", "unsub home/#"), Example("Several.", "unsub a b/+"),
        Example("Which ones there are.", "subs"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.unsubscribe(call) },
    Verb(
      name: "subs", section: .messages, form: "", summary: "list the subscriptions",
      examples: [
        Example("Of the present connection.", "subs"), Example("Of another one.", "@hall subs"),
        Example("No more of this one.", "unsub home/#"),
      ]
    ) { (shell, call) throws(ShellError) in
      try Terms(call, shell).end()
      for subscription in try shell.connection(call).subscriptions {
        shell.screen.line("\(subscription.filter)  \(describe(subscription.options))")
      }
    },
    Verb(
      name: "get", section: .messages, form: "FILTER [TEST]...", summary: "show the values that the broker keeps",
      details: """
        Retained messages, asked for on a connection of its own, so that subscriptions stay as they are. It fails with status 6 \
        when there is none.
        """,
      examples: [
        Example("One value.", "get home/desk/temp"), Example("All of them.", "get #"),
        Example("Some of them.", "get home/# .battery < 20"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let filter = try terms.filter()
      let tests = try terms.tests()
      let found = try shell.retained(filter, tests, call)
      for message in found { shell.screen.show(message, on: nil) }
    },
    Verb(
      name: "clear", section: .messages, form: "[--dry-run] [--yes] FILTER",
      summary: "remove the values that the broker keeps",
      details: "Each topic is shown. When the filter begins with a wildcard, --yes is needed.",
      options: [
        OptionDescription(long: "dry-run", section: .messages, summary: "only show what would be removed"),
        OptionDescription(long: "yes", section: .messages, summary: "also when the filter begins with a wildcard"),
      ],
      examples: [
        Example("One value.", "clear home/desk/temp"), Example("What would go?", "clear --dry-run home/#"),
        Example("When a script is over.", "finally clear t/${run}/#"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.clear(call) },
    Verb(
      name: "last", section: .messages, form: "[N] [FILTER]", summary: "show the last messages again",
      details: """
        Ten, or N, of those that came on this connection. The last 10,000 are kept. The prompt counts those that were not shown; \
        'last' and 'show' set that to nothing.
        """,
      examples: [
        Example("The last ten.", "last"), Example("The last three of some topics.", "last 3 home/+/temp"),
        Example("Of another connection.", "@hall last"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let count = terms.number() ?? 10
      let filter = terms.isEmpty ? nil : try terms.filter()
      try terms.end()
      let messages = try shell.connection(call).store.messages.filter { message in
        filter.map { filter in message.withView { filter.matches($0.topic) } } ?? true
      }
      for message in messages.suffix(count) { shell.screen.show(message, on: nil) }
      if messages.isEmpty { shell.note("no message has come\(filter.map { " on '\($0)'" } ?? "")") }
      shell.screen.read()
    },
    Verb(
      name: "show", section: .messages, form: "[--hex|--json] [N]", summary: "show one message in full",
      details: "The last one, or the Nth from the end: its properties, and the payload on as many lines as it takes.",
      options: [
        OptionDescription(long: "hex", section: .output, summary: "the payload as hexadecimal digits and text"),
        OptionDescription(long: "json", section: .output, summary: "all of it as a line of JSON"),
      ],
      examples: [
        Example("The last message.", "show"), Example("The one before, byte by byte.", "show --hex 2"),
        Example("As mqpub --stdin-json takes it.", "show --json"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.show(call) },
    Verb(
      name: "req", section: .requests, form: "[OPTION]... TOPIC PAYLOAD [within TIME]",
      summary: "publish a request and show the reply",
      details: """
        The reply comes to a topic of its own and carries the same correlation data, which needs MQTT 5. Without TIME it is \
        waited for as long as 'set within' says.
        """,
      options: PublishWords.options.descriptions,
      examples: [
        Example("Ask.", "req devices/lamp/get state"), Example("With more patience.", "req jobs {\"n\": 1} within 30s"),
        Example("Somebody who answers.", "serve devices/lamp/get echo"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.request(call) },
    Verb(
      name: "serve", section: .requests, form: "FILTER echo|COMMAND", summary: "answer requests, until 'stop'",
      details: """
        The payload goes to the standard input of 'sh -c COMMAND' and what that prints is the reply; all else about the request is \
        in MESSAGE_TOPIC and so on. Requests without a response topic are not answered.
        """,
      examples: [
        Example("The payload itself.", "serve test/echo echo"), Example("What a command prints.", "serve time date"),
        Example("In capitals.", "serve shout 'tr a-z A-Z'"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.serve(call) },
  ]
}

func describe(_ options: SubscriptionOptions) -> String {
  var words = ["QoS \(options.qos.rawValue)"]
  if options.noLocal { words.append("no local") }
  if options.retainAsPublished { words.append("retain as published") }
  switch options.retainHandling {
  case .sendAtSubscribe: break
  case .sendIfNew: words.append("retained when new")
  case .doNotSend: words.append("retained never")
  }
  return words.joined(separator: ", ")
}

extension Shell {
  // MARK: - Publishing

  private func publishPlan(
    _ terms: inout Terms, in table: OptionTable
  ) throws(ShellError) -> (words: PublishWords, topic: Term) {
    var words = PublishWords()
    if let qos = preferences.qos { try words.apply("--qos", [Array("\(qos.rawValue)".utf8)]) }
    if preferences.retains { try words.apply("--retain") }
    for use in try terms.options(in: table) {
      try reading { () throws(UsageError) in
        do throws(UsageError) { try PublishWords.options.apply(&words, use.option, use) } catch {
          throw use.mistake(error)
        }
      }
    }
    return (words, try terms.next("TOPIC"))
  }

  func publish(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let plan = try publishPlan(&terms, call)
    let payload = try reading { () throws(UsageError) in try plan.payload.load(plan.encoding) }
    try publish(payload, plan, on: try connected(call))
  }

  private func publishPlan(_ terms: inout Terms, _ call: Call) throws(ShellError) -> PublishPlan {
    var (words, topic) = try publishPlan(&terms, in: call.verb.table)
    try terms.checkText()
    try takePayload(&terms, &words)
    return try reading { () throws(UsageError) in
      try words.publish.take(topicIn: topic.argument)
      return try words.publish.plan(words.connection, compatibility)
    }
  }

  /// A payload in all the ways in which it can be written.
  private func takePayload(_ terms: inout Terms, _ words: inout PublishWords) throws(ShellError) {
    let isBare = terms.first?.isBare ?? false
    let isNull = terms.rest.count == 1 && terms.first?.isWord("null") == true
    let isFile = isBare && terms.first?.bytes.first == UInt8(ascii: "@")
    let payload = terms.text()
    if payload.isEmpty || isNull { return try words.apply("--null-message") }
    if isFile { return try words.apply("--file", [Array(payload.dropFirst())]) }
    for encoding in isBare ? ["hex", "base64"] : [] where payload.starts(with: "\(encoding):".utf8) {
      try words.apply("--encoding", [Array(encoding.utf8)])
      return try words.apply("--message", [Array(payload.dropFirst(encoding.utf8.count + 1))])
    }
    try words.apply("--message", [payload])
  }

  private func publish(
    _ payload: [UInt8], _ plan: PublishPlan, on connection: ShellConnection
  ) throws(ShellError) {
    let client = connection.client
    if !client.version.hasProperties, !plan.properties.isEmpty || plan.requiresSubscribers {
      throw .usage("properties and --require-subscribers need \(ProtocolVersion.latest), and this is \(client.version)")
    }
    let topic = plan.topics[0]
    guard let number = try send(payload, to: topic, plan.qos, plan.retain, plan.properties, on: connection) else {
      return
    }
    let (reason, text) = try acknowledgement(number, of: connection)
    if reason.isFailure { throw ShellError(refused: "the publish to '\(topic)'", reason, text) }
    guard reason == .noMatchingSubscribers else { return }
    if plan.requiresSubscribers { throw ShellError(.nothingThere, "nobody subscribes to '\(topic)'") }
    note("acknowledged; nobody subscribes to '\(topic)'")
  }

  /// Publishes as soon as the broker takes it.
  func send(
    _ payload: [UInt8], to topic: TopicName, _ qos: QoS, _ retain: Bool = false,
    _ properties: Properties = Properties(),
    on connection: ShellConnection
  ) throws(ShellError) -> Int? {
    let client = connection.client
    if !client.canPublish {
      _ = try wait(until: .now + Self.answerLimit) { client.canPublish || !connection.isConnected }
      try checkConnected(connection)
      guard client.canPublish else { throw ShellError(.timedOut, "the broker takes nothing more") }
    }
    let number = try sending { () throws(ProtocolError) in
      try topic.utf8.withBytes { (topic) throws(ProtocolError) in
        try payload.withBytes { (payload) throws(ProtocolError) in
          try client.publish(
            topic: topic, payload: payload, qos: qos, retain: retain, properties: properties, at: .now)
        }
      }
    }
    if let number { connection.awaited.insert(number) }
    return number
  }

  /// How a publish of QoS 1 or 2 came out. It goes on over a lost connection.
  func acknowledgement(
    _ number: Int, of connection: ShellConnection
  ) throws(ShellError) -> (reason: ReasonCode, text: Text?) {
    var answer: (reason: ReasonCode, text: Text?)?
    _ = try wait(until: .now + Self.answerLimit) {
      answer = connection.takeAcknowledgement(number)
      return answer != nil || connection.isOver
    }
    if let answer { return answer }
    try checkConnected(connection)
    throw ShellError(.timedOut, "the broker did not acknowledge the publish")
  }

  // MARK: - Subscribing

  func subscribe(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    var words = SubscribeWords()
    // Filters that begin with - are rare, and options behind a filter are not.
    var uses = try terms.options(in: call.verb.table)
    var filters = [try terms.next("FILTER")]
    uses += try terms.options(in: call.verb.table)
    while let filter = terms.nextIfAny() {
      filters.append(filter)
      uses += try terms.options(in: call.verb.table)
    }
    for filter in filters {
      try reading { () throws(UsageError) in try words.subscribe.take(filterIn: filter.argument) }
    }
    for use in uses {
      try reading { () throws(UsageError) in
        do throws(UsageError) { try SubscribeWords.options.apply(&words, use.option, use) } catch {
          throw use.mistake(error)
        }
      }
    }
    let plan = try reading { () throws(UsageError) in try words.subscribe.plan(words.connection, compatibility) }
    let hasQoS = uses.contains { call.verb.options[$0.option].name == "--qos" }
    // Without identifiers of their own all filters go into one packet.
    let properties = plan.requests.first?.properties ?? Properties()
    let subscriptions = plan.requests.flatMap(\.subscriptions).map { subscription in
      var subscription = subscription
      subscription.options.noLocal = words.noLocal
      if !hasQoS { subscription.options.qos = preferences.qos ?? .atMostOnce }
      return subscription
    }
    let connection = try connected(call)
    if !connection.client.version.hasSubscriptionOptions {
      let isPlain = subscriptions.allSatisfy { $0.options == SubscriptionOptions(qos: $0.options.qos) }
      guard isPlain, properties.isEmpty else {
        throw .usage("needs \(ProtocolVersion.latest), and this is \(connection.client.version)")
      }
    }
    let before = connection.store.end
    try subscribe(to: subscriptions, properties, on: connection)
    try pingToMark(connection)
    let retained = connection.store.messages.dropFirst(before - connection.store.messages.startIndex).count {
      $0.retain
    }
    for subscription in subscriptions {
      var line = "subscribed \(subscription.filter)  \(describe(subscription.options))"
      if subscriptions.count == 1, retained > 0 { line += "  \(retained) retained" }
      note(line)
    }
  }

  /// Asks for subscriptions and waits for SUBACK; throws when the broker refuses one.
  func subscribe(
    to subscriptions: [Subscription], _ properties: Properties = Properties(), on connection: ShellConnection
  ) throws(ShellError) {
    try checkConnected(connection)
    let number = try sending { () throws(ProtocolError) in
      try connection.client.subscribe(subscriptions, properties: properties, at: .now)
    }
    guard let number else { throw ShellError(.connectionLost, "the connection was lost") }
    connection.awaited.insert(number)
    let epoch = connection.connectionCount
    var answer: SubackPacket?
    _ = try wait(until: .now + Self.answerLimit) {
      answer = connection.takeSuback(number)
      return answer != nil || !connection.isConnected || connection.connectionCount > epoch
    }
    guard let answer else {
      try checkConnected(connection)
      throw ShellError(.connectionLost, "the connection was lost before the broker had answered SUBSCRIBE")
    }
    var refusal: ShellError?
    for (subscription, reason) in zip(subscriptions, answer.reasonCodes) {
      if reason.isFailure {
        refusal =
          refusal
          ?? ShellError(
            refused: "the subscription to '\(subscription.filter)'", reason, answer.properties[.reasonString])
        continue
      }
      connection.subscriptions.removeAll { $0.filter == subscription.filter }
      var granted = subscription
      if let qos = QoS(rawValue: reason.rawValue), qos < subscription.options.qos {
        if !connection.name.isEmpty { note("'\(subscription.filter)': the broker grants QoS \(qos.rawValue) only") }
        granted.options.qos = qos
      }
      connection.subscriptions.append(granted)
    }
    if let refusal { throw refusal }
  }

  func unsubscribe(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    var filters = [try terms.filter()]
    while !terms.isEmpty { filters.append(try terms.filter()) }
    let connection = try connected(call)
    let answer = try unsubscribe(from: filters, on: connection)
    for (filter, reason) in zip(filters, answer?.reasonCodes ?? []) where reason.isFailure {
      throw ShellError(refused: "to end the subscription to '\(filter)'", reason, answer?.properties[.reasonString])
    }
    for (index, filter) in filters.enumerated() {
      let reasons = answer?.reasonCodes ?? []
      let isUnknown = index < reasons.count && reasons[index] == .noSubscriptionExisted
      note(isUnknown ? "there was no subscription to \(filter)" : "unsubscribed \(filter)")
    }
  }

  @discardableResult
  func unsubscribe(
    from filters: [TopicFilter], on connection: ShellConnection, within limit: Duration = answerLimit
  ) throws(ShellError) -> UnsubackPacket? {
    let number = try sending { () throws(ProtocolError) in try connection.client.unsubscribe(filters, at: .now) }
    connection.subscriptions.removeAll { filters.contains($0.filter) }
    guard let number else { return nil }
    connection.awaited.insert(number)
    let epoch = connection.connectionCount
    var answer: UnsubackPacket??
    _ = try wait(until: .now + limit) {
      answer = connection.takeUnsuback(number)
      return answer != nil || !connection.isConnected || connection.connectionCount > epoch
    }
    return answer ?? nil
  }

  // MARK: - Retained messages

  /// The values that the broker keeps and that pass; throws when there is none.
  func retained(
    _ filter: TopicFilter, _ tests: [TestExpression] = [], _ call: Call
  ) throws(ShellError) -> [KeptMessage] {
    let found = try retained(filter, like: try connection(call).plan)
    let passing = found.filter { message in tests.allSatisfy { test in message.withView { test.passes($0) } } }
    if !passing.isEmpty { return passing }
    throw ShellError(.nothingThere, "the broker keeps no value of '\(filter)'\(tests.isEmpty ? "" : " that passes")")
  }

  /// The values that the broker keeps, in the order in which it sends them. The end is the answer to a PINGREQ after which nothing
  /// came for `idle`: some brokers look for retained messages while they answer already.
  func retained(
    _ filter: TopicFilter, like plan: ConnectionPlan, idle: Duration = .milliseconds(300),
    limit: Duration = .seconds(30)
  ) throws(ShellError) -> [KeptMessage] {
    let aside = try openAside(plan)
    defer { aside.client.disconnect(at: .now) }
    try subscribe(to: [Subscription(filter: filter)], on: aside)
    try pingToMark(aside)
    let end = Instant.now + limit
    while idle > .zero, .now < end {
      let count = aside.store.end
      if try !wait(until: min(.now + idle, end), for: { aside.store.end > count }) { break }
    }
    return aside.store.messages.filter { $0.retain }
  }

  func clear(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let flags = try terms.options()
    if terms.isEmpty { throw .usage("clear: FILTER is missing: \(call.verb.usage); Ctrl-L clears the screen") }
    let filter = try terms.filter()
    try terms.end()
    let connection = try connection(call)
    let isWide = filter.utf8.first == UInt8(ascii: "#") || filter.utf8.first == UInt8(ascii: "+")
    if isWide, !flags.has("--yes"), !flags.has("--dry-run") {
      throw .usage("'\(filter)' begins with a wildcard: add --yes, or --dry-run to see what would be removed")
    }
    let found = try retained(filter, like: connection.plan)
    guard !flags.has("--dry-run") else {
      for message in found { screen.line(message.topic) }
      return note("\(count(found.count, "value")) would be removed")
    }
    guard !found.isEmpty else { return note("the broker keeps no value of '\(filter)'") }
    let aside = try openAside(connection.plan)
    defer { aside.client.disconnect(at: .now) }
    let qos = min(.atLeastOnce, aside.client.limits.maximumQoS)
    var numbers: [(topic: [UInt8], number: Int?)] = []
    for message in found {
      let topic = try sending { () throws(ProtocolError) in try TopicName(utf8: message.topic) }
      numbers.append((message.topic, try send([], to: topic, qos, true, on: aside)))
    }
    for (topic, number) in numbers {
      if let number {
        let (reason, reasonText) = try acknowledgement(number, of: aside)
        if reason.isFailure { throw ShellError(refused: "to remove '\(text(topic))'", reason, reasonText) }
      }
      screen.line(topic)
    }
    note("\(count(found.count, "value")) removed")
  }

  // MARK: - Looking

  func show(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let flags = try terms.options()
    let number = terms.number() ?? 1
    try terms.end()
    let connection = try connection(call)
    let messages = connection.store.messages
    guard number <= messages.count else {
      throw ShellError(
        .nothingThere, "\(messages.isEmpty ? "no message has" : "only \(messages.count) messages have") come")
    }
    let message = messages[messages.endIndex - number]
    let options = MessageFormat.Options(isForTerminal: screen.isTerminal)
    if flags.has("--json") {
      var format = MessageFormat(.json, options)
      return screen.lines { output in message.withView { _ = format.append($0, at: message.time, to: &output) } }
    }
    let (qos, time) = (message.qos.rawValue, text(screen.timeOfDay(message.time)))
    message.withView { view in
      screen.line(
        "\(text(view.topic))  QoS \(qos)\(view.retain ? ", retained" : "")\(view.isDuplicate ? ", duplicate" : "")"
          + ", \(count(view.payload.count, "byte")), \(time)", .topic)
      for property in view.properties { screen.line("  \(property.property.name)  \(PacketTrace.value(of: property))") }
      if view.payload.isEmpty { return screen.line("(empty)") }
      let isText = Text.isValid(view.payload) && !flags.has("--hex")
      var format = MessageFormat(isText ? .payload : .hexadecimalDump(showsTopic: false), options.pretty)
      screen.lines { _ = format.append(view, at: message.time, to: &$0) }
    }
    screen.read()
  }

  // MARK: - Requests

  func request(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let patience = try terms.within() ?? preferences.within ?? Self.standardPatience
    var plan = try publishPlan(&terms, call)
    let payload = try reading { () throws(UsageError) in try plan.payload.load(plan.encoding) }
    let connection = try connected(call)
    guard connection.client.version.hasProperties else {
      throw .usage("a request needs \(ProtocolVersion.latest), and this is \(connection.client.version)")
    }
    let beginning = connection.connack?.properties[.responseInformation].map { "\($0)" } ?? "mqshell"
    let (replyTopic, reply, correlation) = try sending { () throws(ProtocolError) in
      let topic = "\(beginning)/\(text(variables.run))/\(text(randomWord(6)))"
      return (try TopicFilter(topic), try Text(topic), randomWord(12))
    }
    plan.properties[.responseTopic] = reply
    if plan.properties[.correlationData] == nil { plan.properties[.correlationData] = correlation }
    let wanted = plan.properties[.correlationData]
    hiddenTopics.insert(reply.utf8)
    defer { hiddenTopics.remove(reply.utf8) }
    try subscribe(to: [Subscription(filter: replyTopic, options: SubscriptionOptions(qos: plan.qos))], on: connection)
    defer { _ = try? unsubscribe(from: [replyTopic], on: connection) }
    let before = connection.store.end
    try publish(payload, plan, on: connection)
    var index: Int?
    _ = try wait(until: .now + patience) {
      index = connection.store.firstUnconsumed(from: before) { $0.topic == reply.utf8 && $0.correlationData == wanted }
      return index != nil || connection.isOver
    }
    guard let index else {
      throw ShellError(.timedOut, "no reply came within \(milliseconds(patience))")
    }
    connection.store.consume(index)
    screen.line(connection.store.messages[index].payload)
  }

  func serve(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let filter = try terms.filter()
    guard let first = terms.first else { _ = try terms.next("echo or COMMAND"); return }
    let isEcho = first.isWord("echo") && terms.rest.count == 1
    let command = terms.text()
    let connection = try connected(call)
    guard connection.client.version.hasProperties else {
      throw .usage("to serve needs \(ProtocolVersion.latest), and this is \(connection.client.version)")
    }
    try subscribe(
      to: [Subscription(filter: filter, options: SubscriptionOptions(qos: preferences.qos ?? .atLeastOnce))],
      on: connection)
    let job = addJob(
      "serve \(filter) \(text(command))", .serve(filter, command: isEcho ? nil : command), on: connection)
    note("job \(job.number) answers requests to \(filter)")
  }
}

extension MessageFormat.Options {
  init(isForTerminal: Bool) {
    self.init()
    self.isForTerminal = isForTerminal
  }

  fileprivate var pretty: Self {
    var options = self
    options.isPretty = true
    return options
  }
}
