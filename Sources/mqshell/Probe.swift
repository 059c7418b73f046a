internal import CommandLineTool
internal import MQTT
internal import MQTTClient

extension Verb {
  static let probeVerbs: [Verb] = [
    Verb(
      name: "probe", section: .broker, form: "[--json]", summary: "find out what this broker can do",
      details: """
        It makes connections of its own, publishes below mqshell-probe/, and leaves nothing behind, also after Ctrl-C. It takes \
        about ten seconds, and a minute at most. A question mark is a question that the broker did not answer.
        """,
      options: [
        OptionDescription(long: "json", section: .output, summary: "print one JSON object instead of a table")
      ],
      examples: [
        Example("As a table.", "probe"), Example("For a program.", "probe --json"),
        Example("Another broker.", "@hall probe"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let flags = try terms.options()
      try terms.end()
      let connection = try shell.connected(call)
      var probe = Probe(shell, connection.plan, isShown: !flags.has("--json"))
      try probe.run()
      if flags.has("--json") { shell.screen.lines { probe.appendJSON(for: connection, to: &$0) } }
    }
  ]
}

/// What a broker can do, found out by trying.
///
/// Each question is a connection or two of its own, so that an answer that ends a connection spoils no other one. A question that
/// cannot be asked has no answer, and one that takes too long has the answer "?". The table is shown row by row as it is found.
struct Probe {
  /// An answer: a word for programs, and more for people.
  struct Answer {
    enum Verdict: String {
      case yes, no
      /// Something else than yes or no, which the detail says.
      case value
      /// The broker did not answer in time.
      case unknown = "?"
    }
    var section: String
    var name: String
    var verdict: Verdict
    var detail: String
  }

  private let shell: Shell
  private let plan: ConnectionPlan
  private let isShown: Bool
  private let base: String
  private let deadline: Instant
  private(set) var answers: [Answer] = []
  private var section = ""
  private var retainedTopics: [TopicName] = []
  /// Client identifiers whose sessions the broker was asked to keep.
  private var keptIdentifiers: [Text] = []
  private var software: String?
  /// The version in which most questions are asked.
  private var version = ProtocolVersion.v311

  private static let timeLimit: Duration = .seconds(60)
  /// How long something that has to come is waited for, and something that must not.
  private static let patience: Duration = .seconds(2)
  private static let quiet: Duration = .milliseconds(400)

  init(_ shell: Shell, _ plan: ConnectionPlan, isShown: Bool) {
    self.shell = shell
    self.isShown = isShown
    var plan = plan
    plan.connectTimeout = min(plan.connectTimeout, .seconds(3))
    self.plan = plan
    base = "mqshell-probe/\(text(randomWord(8)))"
    deadline = .now + Self.timeLimit
  }

  mutating func run() throws(ShellError) {
    defer { cleanUp() }
    if isShown { shell.screen.line("\(plan.endpoint)") }
    try askVersions()
    try askAccess()
    try askLimits()
    try askDelivery()
    try askRetained()
    try askSubscriptions()
    try askSessions()
    try askProperties()
    try askSizes()
    try askIdentifiers()
  }

  // MARK: - Asking

  private mutating func answer(_ name: String, _ verdict: Answer.Verdict, _ detail: String = "") {
    let answer = Answer(section: section, name: name, verdict: verdict, detail: detail)
    if isShown { show(answer, isFirst: answers.last?.section != section) }
    answers.append(answer)
  }

  /// Asks a question; what goes wrong is the answer.
  private mutating func ask(
    _ name: String, _ body: (inout Probe) throws(ShellError) -> (Answer.Verdict, String)
  ) throws(ShellError) {
    guard .now < deadline else { return answer(name, .unknown, "no time was left") }
    do throws(ShellError) {
      let (verdict, detail) = try body(&self)
      answer(name, verdict, detail)
    } catch {
      if error.isCancellation { throw error }
      answer(name, Self.isSilence(error) ? .unknown : .no, Self.fact(error))
    }
  }

  /// Whether the broker has not answered; anything else is a no, also when it ends the connection.
  private static func isSilence(_ error: ShellError) -> Bool {
    [.timedOut, .silence, .cannotConnect, .nameNotFound].contains(error.status)
  }

  /// What happened, so short that it stands in the table, and without the advice in parentheses.
  private static func fact(_ error: ShellError) -> String {
    var text = error.message[...]
    if text.hasSuffix(")"), let end = text.utf8.lastIndex(of: UInt8(ascii: "(")) { text = text[..<end].dropLast() }
    for (long, short) in [
      ("the broker refused the connection: ", "refused: "), ("the broker closed the connection", "closed"),
      ("the broker ", ""),
    ] where text.hasPrefix(long) { return short + text.dropFirst(long.count) }
    return String(text)
  }

  /// Asks whether `body` is true.
  private mutating func askWhether(
    _ name: String, _ body: (inout Probe) throws(ShellError) -> Bool
  ) throws(ShellError) {
    try ask(name) { (probe) throws(ShellError) in (try body(&probe) ? .yes : .no, "") }
  }

  private func connect(
    _ version: ProtocolVersion? = nil, _ change: (inout ConnectionPlan) -> Void = { _ in }
  ) throws(ShellError) -> ShellConnection {
    let version = version ?? self.version
    return try shell.openAside(plan) { plan in
      plan.version = .fixed(version)
      plan.connect.protocolVersion = version
      if !version.hasProperties { plan.connect.properties = Properties() }
      plan.disconnectProperties = Properties()
      change(&plan)
    }
  }

  /// A client identifier for a session that outlives its connection.
  private mutating func keptIdentifier() -> Text {
    let identifier = ConnectionSettings.randomIdentifier(.mqshell)
    keptIdentifiers.append(identifier)
    return identifier
  }

  private func connect(keepingSessionOf identifier: Text) throws(ShellError) -> ShellConnection {
    try connect { plan in
      plan.connect.clientIdentifier = identifier
      plan.connect.cleanStart = false
      if plan.connect.protocolVersion.hasProperties { plan.connect.properties[.sessionExpiryInterval] = 60 }
    }
  }

  private func topic(_ name: String) throws(ShellError) -> TopicName {
    try sending { () throws(ProtocolError) in try TopicName("\(base)/\(name)") }
  }

  private func filter(_ name: String) throws(ShellError) -> TopicFilter {
    try sending { () throws(ProtocolError) in try TopicFilter("\(base)/\(name)") }
  }

  private func subscribe(
    _ connection: ShellConnection, _ name: String, _ options: SubscriptionOptions = SubscriptionOptions(),
    _ properties: Properties = Properties()
  ) throws(ShellError) {
    try shell.subscribe(
      to: [Subscription(filter: try filter(name), options: options)], properties, on: connection)
  }

  /// Publishes, and waits for the acknowledgement.
  @discardableResult
  private mutating func publish(
    _ connection: ShellConnection, _ name: String, _ payload: String = "x", qos: QoS = .atLeastOnce,
    retain: Bool = false,
    properties: Properties = Properties()
  ) throws(ShellError) -> ReasonCode {
    let topic = try topic(name)
    if retain, !payload.isEmpty { retainedTopics.append(topic) }
    guard let number = try shell.send(Array(payload.utf8), to: topic, qos, retain, properties, on: connection) else {
      return .success
    }
    let (reason, text) = try shell.acknowledgement(number, of: connection)
    if reason.isFailure { throw ShellError(refused: "the publish", reason, text) }
    return reason
  }

  /// Waits until so many messages have come; whether they did.
  private func came(
    _ count: Int, on connection: ShellConnection, within limit: Duration? = nil
  ) throws(ShellError) -> Bool {
    try shell.wait(until: min(deadline, .now + (limit ?? Self.patience))) {
      connection.store.end >= count || connection.isOver
    } && connection.store.end >= count
  }

  private func leave(_ connections: ShellConnection...) {
    for connection in connections { connection.client.disconnect(at: .now) }
  }

  /// Removes what the broker keeps of ours; after Ctrl-C, too.
  private mutating func cleanUp() {
    if retainedTopics.isEmpty, keptIdentifiers.isEmpty { return }
    let wasCancelled = shell.isCancelled
    shell.isCancelled = false
    defer { shell.isCancelled = shell.isCancelled || wasCancelled }
    for identifier in keptIdentifiers {
      guard let connection = try? connect(nil, { $0.connect.clientIdentifier = identifier }) else { return }
      leave(connection)
    }
    guard let connection = try? connect() else { return }
    let numbers = retainedTopics.compactMap { try? shell.send([], to: $0, .atLeastOnce, true, on: connection) }
    var left = numbers.count
    _ = try? shell.wait(until: .now + Self.patience) {
      left -= numbers.count { connection.takeAcknowledgement($0) != nil }
      return left <= 0 || connection.isOver
    }
    leave(connection)
  }

  // MARK: - The questions

  private mutating func askVersions() throws(ShellError) {
    section = "Versions"
    var accepted: [ProtocolVersion] = []
    for version in ProtocolVersion.allCases {
      try ask("\(version)") { (probe) throws(ShellError) in
        do throws(ShellError) {
          let connection = try probe.connect(version)
          accepted.append(version)
          let time = connection.connectTime.map { milliseconds($0) } ?? ""
          if let name = probe.software ?? probe.shell.software(of: connection) { probe.software = name }
          probe.leave(connection)
          return (.yes, time)
        } catch {
          if error.isCancellation { throw error }
          return (.no, Self.fact(error))
        }
      }
    }
    guard let latest = accepted.last else {
      throw ShellError(.cannotConnect, "the broker accepts no connection any more")
    }
    version = latest
    if let software { answer("software", .value, software) }
  }

  private mutating func askAccess() throws(ShellError) {
    section = "Access"
    if plan.connect.userName != nil {
      try ask("without user name and password") { (probe) throws(ShellError) in
        let connection = try probe.connect {
          $0.connect.userName = nil
          $0.connect.password = nil
          $0.passwordSource = nil
        }
        probe.leave(connection)
        return (.yes, "")
      }
    } else {
      answer("without user name and password", .yes)
    }
    if version.hasProperties {
      try ask("unknown authentication method") { (probe) throws(ShellError) in
        do throws(ShellError) {
          let connection = try probe.connect { $0.connect.properties[.authenticationMethod] = "mqshell-probe" }
          probe.leave(connection)
          return (.value, "accepted")
        } catch {
          if error.isCancellation || Self.isSilence(error) { throw error }
          return (.value, Self.fact(error))
        }
      }
    }
    if plan.tls != nil {
      for (name, tlsVersion) in [("TLS 1.2", TLSConfiguration.Version.tls12), ("TLS 1.3", .tls13)] {
        try ask(name) { (probe) throws(ShellError) in
          let connection = try probe.connect {
            $0.tls?.configuration.minimumVersion = tlsVersion
            $0.tls?.configuration.maximumVersion = tlsVersion
            $0.tls?.configuration.sessionFolder = nil
          }
          probe.leave(connection)
          return (.yes, connection.tls.last?.cipher ?? "")
        }
      }
    }
    if let webSocket = plan.webSocket {
      let paths = Set([webSocket.path] + ["/", "/mqtt", "/ws"].map { Array($0.utf8) }).map { text($0) }.sorted()
      for path in paths {
        try ask("WebSocket path \(path)") { (probe) throws(ShellError) in
          let connection = try probe.connect { $0.webSocket?.path = Array(path.utf8) }
          probe.leave(connection)
          return (.yes, "")
        }
      }
    }
  }

  private mutating func askLimits() throws(ShellError) {
    section = "Limits that it tells (\(version))"
    guard version.hasProperties else { return }
    let connection = try connect()
    let limits = connection.client.limits
    let properties = connection.connack?.properties ?? Properties()
    answer("receive maximum", .value, properties[.receiveMaximum].map { "\($0)" } ?? "none told (65535)")
    answer("maximum QoS", .value, "\(limits.maximumQoS.rawValue)")
    answer("maximum packet size", .value, properties[.maximumPacketSize].map { "\($0) bytes" } ?? "none told")
    answer("topic alias maximum", .value, "\(limits.topicAliasMaximum)")
    answer("server keep alive", .value, properties[.serverKeepAlive].map { "\($0) s" } ?? "the client's")
    answer(
      "session expiry interval", .value, properties[.sessionExpiryInterval].map { "\($0) s" } ?? "the client's")
    answer("retained messages", limits.retainAvailable ? .yes : .no)
    answer("wildcards", limits.wildcardSubscriptionAvailable ? .yes : .no)
    answer("shared subscriptions", limits.sharedSubscriptionAvailable ? .yes : .no)
    answer("subscription identifiers", limits.subscriptionIdentifiersAvailable ? .yes : .no)
    leave(connection)
    try askWhether("response information") { (probe) throws(ShellError) in
      let connection = try probe.connect { $0.connect.properties[.requestResponseInformation] = true }
      defer { probe.leave(connection) }
      return connection.connack?.properties[.responseInformation] != nil
    }
  }

  private mutating func askDelivery() throws(ShellError) {
    section = "Delivery"
    for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
      try ask("QoS \(qos.rawValue)") { (probe) throws(ShellError) in
        let connection = try probe.connect()
        defer { probe.leave(connection) }
        let name = "qos\(qos.rawValue)"
        try probe.subscribe(connection, name, SubscriptionOptions(qos: qos))
        let granted = connection.subscriptions.first?.options.qos ?? qos
        let began = Instant.now
        for number in 0..<10 { try probe.publish(connection, name, "\(number)", qos: qos) }
        _ = try probe.came(10, on: connection)
        let time = milliseconds(.now - began)
        let messages = connection.store.messages
        let isInOrder = messages.map(\.payload) == (0..<10).map { Array("\($0)".utf8) }
        var detail = "\(messages.count) of 10 in \(time)"
        if granted < qos { detail += ", QoS \(granted.rawValue) granted" }
        if messages.count == 10, !isInOrder { detail += ", out of order" }
        let isWhole = messages.count == 10 && messages.allSatisfy { $0.qos == qos }
        return (isWhole && granted == qos ? .yes : .no, detail)
      }
    }
    try ask("order of 100 messages at QoS 1") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "order", SubscriptionOptions(qos: .atLeastOnce))
      let topic = try probe.topic("order")
      for number in 0..<100 {
        _ = try probe.shell.send(Array("\(number)".utf8), to: topic, .atLeastOnce, on: connection)
      }
      _ = try probe.came(100, on: connection)
      let payloads = connection.store.messages.map(\.payload)
      let isKept = payloads == (0..<100).map { Array("\($0)".utf8) }
      return (isKept ? .yes : .no, isKept ? "" : "\(payloads.count) came")
    }
    try ask("QoS 0 to a subscription of QoS 2") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "lower", SubscriptionOptions(qos: .exactlyOnce))
      try probe.publish(connection, "lower", qos: .atMostOnce)
      guard try probe.came(1, on: connection), let message = connection.store.messages.last else { return (.no, "") }
      return (message.qos == .atMostOnce ? .yes : .value, "comes with QoS \(message.qos.rawValue)")
    }
    try ask("unacknowledged at a time") { (probe) throws(ShellError) in
      let (connection, other) = (try probe.connect(), try probe.connect())
      defer { probe.leave(other) }
      connection.acknowledges = false
      try probe.subscribe(connection, "inflight", SubscriptionOptions(qos: .atLeastOnce))
      for _ in 0..<100 { try probe.publish(other, "inflight") }
      _ = try probe.came(100, on: connection, within: Self.quiet)
      let count = connection.store.end
      connection.client.drop()
      return (.value, count == 100 ? "100 messages or more" : mqshell.count(count, "message"))
    }
    try ask("binary payloads") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "binary")
      let bytes = (0...255).map { UInt8($0) }
      _ = try probe.shell.send(bytes, to: try probe.topic("binary"), .atMostOnce, on: connection)
      guard try probe.came(1, on: connection) else { return (.no, "it did not come") }
      return (connection.store.messages.last?.payload == bytes ? .yes : .no, "")
    }
  }

  private mutating func askRetained() throws(ShellError) {
    section = "Retained messages"
    for (name, exact) in [("kept and sent", true), ("found by wildcard", false)] {
      try askWhether(name) { (probe) throws(ShellError) in
        let connection = try probe.connect()
        defer { probe.leave(connection) }
        if exact { try probe.publish(connection, "kept/value", retain: true) }
        try probe.subscribe(connection, exact ? "kept/value" : "kept/#")
        return try probe.came(1, on: connection) && connection.store.messages.last?.retain == true
      }
    }
    guard version.hasSubscriptionOptions else { return }
    try askWhether("retain handling: never") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "kept/value", SubscriptionOptions(retainHandling: .doNotSend))
      return try !probe.came(1, on: connection, within: Self.quiet)
    }
    try askWhether("retain as published") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "rap", SubscriptionOptions(retainAsPublished: true))
      try probe.publish(connection, "rap", retain: true)
      return try probe.came(1, on: connection) && connection.store.messages.last?.retain == true
    }
  }

  private mutating func askSubscriptions() throws(ShellError) {
    section = "Subscriptions"
    for (name, wildcard) in [("wildcard +", "+/w"), ("wildcard #", "a/#")] {
      try askWhether(name) { (probe) throws(ShellError) in
        let connection = try probe.connect()
        defer { probe.leave(connection) }
        try probe.subscribe(connection, wildcard)
        try probe.publish(connection, "a/w")
        return try probe.came(1, on: connection)
      }
    }
    try askWhether("+ for an empty level") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "empty/+/x")
      try probe.publish(connection, "empty//x")
      return try probe.came(1, on: connection, within: Self.quiet)
    }
    try askWhether("topics that begin with $") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      let filter = try sending { () throws(ProtocolError) in try TopicFilter("$\(probe.base)/own") }
      try probe.shell.subscribe(to: [Subscription(filter: filter)], on: connection)
      let topic = try sending { () throws(ProtocolError) in try TopicName("$\(probe.base)/own") }
      _ = try probe.shell.send([1], to: topic, .atMostOnce, on: connection)
      return try probe.came(1, on: connection, within: Self.quiet)
    }
    try ask("shared subscriptions") { (probe) throws(ShellError) in
      let (one, other) = (try probe.connect(), try probe.connect())
      defer { probe.leave(one, other) }
      let group = text(randomWord(6))
      let shared = try sending { () throws(ProtocolError) in try TopicFilter("$share/\(group)/\(probe.base)/shared") }
      for connection in [one, other] {
        try probe.shell.subscribe(to: [Subscription(filter: shared)], on: connection)
      }
      try probe.publish(one, "shared")
      let total = { one.store.end + other.store.end }
      _ = try probe.shell.wait(until: .now + Self.patience) { total() > 0 }
      _ = try probe.shell.wait(until: .now + Self.quiet) { total() > 1 }
      switch total() {
      case 0: return (.no, "no member got the message")
      case 1: return (.yes, "")
      default: return (.no, "both members got it")
      }
    }
    try ask("overlapping subscriptions") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "over/#")
      try probe.subscribe(connection, "over/+")
      try probe.publish(connection, "over/x")
      guard try probe.came(1, on: connection) else { return (.no, "nothing came") }
      _ = try probe.came(2, on: connection, within: Self.quiet)
      return (.value, connection.store.end == 1 ? "one copy" : "\(connection.store.end) copies")
    }
    try askWhether("$SYS topics") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      let filter = try sending { () throws(ProtocolError) in try TopicFilter("$SYS/#") }
      try probe.shell.subscribe(to: [Subscription(filter: filter)], on: connection)
      return try probe.came(1, on: connection, within: Self.quiet)
    }
    guard version.hasSubscriptionOptions else { return }
    try askWhether("no local") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "nl", SubscriptionOptions(noLocal: true))
      try probe.publish(connection, "nl")
      return try !probe.came(1, on: connection, within: Self.quiet)
    }
    try askWhether("subscription identifiers") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      var properties = Properties()
      properties[.subscriptionIdentifier] = 7
      try probe.subscribe(connection, "identified", SubscriptionOptions(), properties)
      try probe.publish(connection, "identified")
      guard try probe.came(1, on: connection), let message = connection.store.messages.last else { return false }
      return message.withView { $0.properties.subscriptionIdentifiers } == [7]
    }
    try askWhether("tells when nobody subscribes (0x10)") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      return try probe.publish(connection, "nobody") == .noMatchingSubscribers
    }
    try askWhether("tells when none existed (0x11)") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      let answer = try probe.shell.unsubscribe(from: [try probe.filter("none")], on: connection, within: Self.patience)
      guard let answer else { throw ShellError(.timedOut, "no UNSUBACK came") }
      return answer.reasonCodes.first == .noSubscriptionExisted
    }
  }

  private mutating func askSessions() throws(ShellError) {
    section = "Sessions and wills"
    try ask("session kept, messages too") { (probe) throws(ShellError) in
      let identifier = probe.keptIdentifier()
      let first = try probe.connect(keepingSessionOf: identifier)
      try probe.subscribe(first, "offline", SubscriptionOptions(qos: .atLeastOnce))
      probe.shell.close(first)
      let other = try probe.connect()
      try probe.publish(other, "offline", "0", qos: .atMostOnce)
      try probe.publish(other, "offline", "1")
      probe.leave(other)
      let second = try probe.connect(keepingSessionOf: identifier)
      _ = try probe.came(2, on: second, within: Self.quiet)
      _ = try probe.came(1, on: second)
      let payloads = second.store.messages.map(\.payload)
      probe.shell.close(second)
      var detail = "session \(second.connack?.sessionPresent == true ? "present" : "not said to be present")"
      if payloads.contains([UInt8(ascii: "0")]) { detail += ", QoS 0 too" }
      let isKept = payloads.contains([UInt8(ascii: "1")])
      return (isKept ? .yes : .no, isKept ? detail : "\(detail), the message was lost")
    }
    try ask("will when a connection is lost") { (probe) throws(ShellError) in
      let watcher = try probe.connect()
      defer { probe.leave(watcher) }
      try probe.subscribe(watcher, "will")
      let will = Message(topic: try probe.topic("will"), payload: Array("gone".utf8))
      let mortal = try probe.connect { $0.connect.will = will }
      mortal.client.drop()
      let began = Instant.now
      guard try probe.came(1, on: watcher) else { return (.no, "") }
      return (.yes, "after \(milliseconds(.now - began))")
    }
    if version.hasProperties {
      try ask("will delay of 1 s") { (probe) throws(ShellError) in
        let watcher = try probe.connect()
        defer { probe.leave(watcher) }
        try probe.subscribe(watcher, "late")
        var will = Message(topic: try probe.topic("late"), payload: Array("gone".utf8))
        will.properties[.willDelayInterval] = 1
        let mortal = try probe.connect {
          $0.connect.will = will
          $0.connect.properties[.sessionExpiryInterval] = 5
        }
        mortal.client.drop()
        let began = Instant.now
        guard try probe.came(1, on: watcher, within: .seconds(4)) else { return (.no, "it did not come within 4 s") }
        let time = Instant.now - began
        return (time > .milliseconds(700) ? .yes : .no, "after \(milliseconds(time))")
      }
    }
    if version.hasProperties {
      try askWhether("will at leave with 0x04") { (probe) throws(ShellError) in
        let watcher = try probe.connect()
        defer { probe.leave(watcher) }
        try probe.subscribe(watcher, "asked")
        let will = Message(topic: try probe.topic("asked"), payload: Array("gone".utf8))
        let mortal = try probe.connect { $0.connect.will = will }
        mortal.client.disconnect(.disconnectWithWillMessage, at: .now)
        return try probe.came(1, on: watcher, within: .seconds(1))
      }
    }
    try ask("taken over by the same identifier") { (probe) throws(ShellError) in
      let identifier = ConnectionSettings.randomIdentifier(.mqshell)
      let same = { (plan: inout ConnectionPlan) in plan.connect.clientIdentifier = identifier }
      let first = try probe.connect(nil, same)
      let second = try probe.connect(nil, same)
      defer { probe.leave(first, second) }
      guard try probe.shell.wait(until: .now + Self.patience, for: { first.isOver }) else {
        return (.no, "the old connection stays")
      }
      if case .disconnected(let packet)? = first.failure { return (.yes, "told: \(packet.reasonCode)") }
      return (.yes, "closed, no reason told")
    }
  }

  private mutating func askProperties() throws(ShellError) {
    section = "Properties"
    guard version.hasProperties else { return }
    try ask("handed on") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "properties")
      var properties = Properties()
      properties[.contentType] = "text/plain"
      properties[.correlationData] = [1, 2, 3]
      properties.userProperties = [UserProperty("a", "1"), UserProperty("a", "2")]
      try probe.publish(connection, "properties", "x", properties: properties)
      guard try probe.came(1, on: connection), let message = connection.store.messages.last else { return (.no, "") }
      let found = message.withView { $0.properties }
      let isWhole =
        found[.contentType] == "text/plain" && found[.correlationData] == [1, 2, 3]
        && found.userProperties.map { "\($0.value)" } == ["1", "2"]
      return (isWhole ? .yes : .no, "")
    }
    let sleeper = keptIdentifier()
    try ask("message expiry interval counted down") { (probe) throws(ShellError) in
      let asleep = try probe.connect(keepingSessionOf: sleeper)
      try probe.subscribe(asleep, "expired", SubscriptionOptions(qos: .atLeastOnce))
      probe.shell.close(asleep)
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      var properties = Properties()
      properties[.messageExpiryInterval] = 100
      try probe.publish(connection, "expiring", retain: true, properties: properties)
      properties[.messageExpiryInterval] = 1
      try probe.publish(connection, "expired", retain: true, properties: properties)
      _ = try probe.shell.wait(until: .now + .milliseconds(2100)) { false }
      try probe.subscribe(connection, "expiring")
      guard try probe.came(1, on: connection), let message = connection.store.messages.last else { return (.no, "") }
      let rest = message.withView { $0.properties[.messageExpiryInterval] }
      guard let rest else { return (.no, "it is not handed on") }
      return (rest < 100 ? .yes : .no, "\(rest) s of 100 s after 2 s")
    }
    try ask("expired messages are gone") { (probe) throws(ShellError) in
      let (connection, awake) = (try probe.connect(), try probe.connect(keepingSessionOf: sleeper))
      defer { probe.leave(connection, awake) }
      try probe.subscribe(connection, "expired")
      let isRetained = try probe.came(1, on: connection, within: Self.quiet)
      let left = [isRetained ? "retained" : nil, awake.store.end > 0 ? "queued" : nil].compactMap { $0 }
      return (left.isEmpty ? .yes : .no, left.isEmpty ? "" : "\(left.joined(separator: " and ")) ones come")
    }
    try askWhether("topic aliases from the client") { (probe) throws(ShellError) in
      let connection = try probe.connect()
      defer { probe.leave(connection) }
      guard connection.client.limits.topicAliasMaximum > 0 else { return false }
      try probe.subscribe(connection, "alias")
      // The session uses them by itself from the second message on.
      for _ in 0..<3 { try probe.publish(connection, "alias", qos: .atMostOnce) }
      return try probe.came(3, on: connection)
    }
    try askWhether("topic aliases from the broker") { (probe) throws(ShellError) in
      let connection = try probe.connect { $0.connect.properties[.topicAliasMaximum] = 10 }
      defer { probe.leave(connection) }
      try probe.subscribe(connection, "aliased")
      for _ in 0..<2 { try probe.publish(connection, "aliased") }
      guard try probe.came(2, on: connection) else { return false }
      return connection.store.messages.contains { $0.withView { $0.topicAlias } != nil }
    }
    try ask("client's receive maximum kept") { (probe) throws(ShellError) in
      let connection = try probe.connect { $0.connect.properties[.receiveMaximum] = 2 }
      let other = try probe.connect()
      defer { probe.leave(other) }
      connection.acknowledges = false
      try probe.subscribe(connection, "window", SubscriptionOptions(qos: .atLeastOnce))
      for _ in 0..<5 { try probe.publish(other, "window") }
      _ = try probe.came(3, on: connection, within: Self.quiet)
      let count = connection.store.end
      connection.client.drop()
      return (count <= 2 ? .yes : .no, "\(count) came unacknowledged")
    }
    try askWhether("client's maximum packet size kept") { (probe) throws(ShellError) in
      let connection = try probe.connect { $0.connect.properties[.maximumPacketSize] = 500 }
      let other = try probe.connect()
      defer { probe.leave(connection, other) }
      try probe.subscribe(connection, "size")
      try probe.publish(other, "size", String(repeating: "x", count: 1000))
      return try !probe.came(1, on: connection, within: Self.quiet) && !connection.isOver
    }
  }

  private mutating func askSizes() throws(ShellError) {
    section = "Sizes"
    try ask("longest topic") { (probe) throws(ShellError) in
      let room = 65_535 - probe.base.utf8.count - 1
      let longest = try probe.largest(upTo: room) { (probe, size) throws(ShellError) in
        try probe.isDelivered(String(repeating: "t", count: size), [1])
      }
      return (longest == room ? .yes : .value, "\(longest + probe.base.utf8.count + 1) bytes")
    }
    try ask("payload of 100,000 bytes") { (probe) throws(ShellError) in
      let largest = try probe.largest(upTo: 100_000) { (probe, size) throws(ShellError) in
        try probe.isDelivered("large", [UInt8](repeating: 0x78, count: size))
      }
      return (largest == 100_000 ? .yes : .no, largest == 100_000 ? "" : "\(largest) bytes at most")
    }
    try ask("topic of many levels") { (probe) throws(ShellError) in
      let deepest = try probe.largest(upTo: 100) { (probe, depth) throws(ShellError) in
        try probe.isDelivered(Array(repeating: "l", count: depth).joined(separator: "/"), [1])
      }
      return (deepest == 100 ? .yes : .value, "\(deepest + 2) levels")
    }
    try askWhether("topic in Unicode") { (probe) throws(ShellError) in try probe.isDelivered("Grüße/度", [1]) }
    try askWhether("topic with U+1F321 and U+FEFF") { (probe) throws(ShellError) in
      try probe.isDelivered("\u{1F321}/\u{FEFF}", [1])
    }
    try askWhether("topic with U+FFFF") { (probe) throws(ShellError) in try probe.isDelivered("\u{FFFF}", [1]) }
    try askWhether("topic with a control character") { (probe) throws(ShellError) in
      try probe.isDelivered("a\u{1}b", [1])
    }
    try askWhether("topic with a blank") { (probe) throws(ShellError) in try probe.isDelivered("a b", [1]) }
    try askWhether("topic with a dot") { (probe) throws(ShellError) in try probe.isDelivered("a.b", [1]) }
  }

  /// Whether a message of that topic comes back as it was.
  private func isDelivered(_ name: String, _ payload: [UInt8]) throws(ShellError) -> Bool {
    do throws(ShellError) {
      let connection = try connect()
      defer { leave(connection) }
      try subscribe(connection, name)
      let topic = try topic(name)
      _ = try shell.send(payload, to: topic, .atMostOnce, on: connection)
      guard try came(1, on: connection, within: .seconds(1)), let message = connection.store.messages.last else {
        return false
      }
      return message.payload == payload && message.topic == topic.utf8
    } catch {
      if error.isCancellation { throw error }
      return false
    }
  }

  /// The largest number for which something works, if it works up to some number and not beyond.
  private func largest(
    upTo limit: Int, _ works: (Probe, Int) throws(ShellError) -> Bool
  ) throws(ShellError) -> Int {
    if try works(self, limit) { return limit }
    var (good, bad) = (0, limit)
    while bad - good > max(1, limit / 1000), .now < deadline {
      let middle = (good + bad) / 2
      if try works(self, middle) { good = middle } else { bad = middle }
    }
    return good
  }

  private mutating func askIdentifiers() throws(ShellError) {
    section = "Client identifiers"
    try ask("empty one") { (probe) throws(ShellError) in
      let connection = try probe.connect { $0.connect.clientIdentifier = "" }
      defer { probe.leave(connection) }
      let assigned = connection.connack?.properties[.assignedClientIdentifier]
      return (.yes, assigned != nil ? "the broker assigns one" : "")
    }
    try ask("longest one") { (probe) throws(ShellError) in
      let longest = try probe.largest(upTo: 65_535) { (probe, length) throws(ShellError) in
        try probe.isAccepted(String(repeating: "i", count: length))
      }
      return (longest == 65_535 ? .yes : .value, "\(longest) bytes")
    }
    try ask("all of ASCII") { (probe) throws(ShellError) in
      let marks = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
      if try probe.isAccepted(marks + text(randomWord(6))) { return (.yes, "") }
      var refused = ""
      for mark in marks where try !probe.isAccepted("\(mark)" + text(randomWord(6))) { refused.append(mark) }
      return (refused.isEmpty ? .yes : .no, refused.isEmpty ? "" : "not \(refused)")
    }
  }

  private func isAccepted(_ identifier: String) throws(ShellError) -> Bool {
    do throws(ShellError) {
      let text = try sending { () throws(ProtocolError) in try Text(identifier) }
      let connection = try connect { $0.connect.clientIdentifier = text }
      leave(connection)
      return true
    } catch {
      if error.isCancellation { throw error }
      return false
    }
  }

  // MARK: - Telling

  /// As wide as the longest question.
  private static let nameWidth = 36

  private func show(_ answer: Answer, isFirst: Bool) {
    if isFirst {
      shell.screen.line("")
      shell.screen.line(answer.section, .topic)
    }
    let name = "  \(answer.name)" + String(repeating: " ", count: max(0, Self.nameWidth - answer.name.count) + 2)
    let verdict = answer.verdict == .value ? "" : answer.verdict.rawValue
    let detail = answer.detail.isEmpty ? "" : (verdict.isEmpty ? "" : "  ") + answer.detail
    let style: Screen.Style =
      switch answer.verdict {
      case .yes: .good
      case .no, .unknown: .bad
      case .value: .plain
      }
    shell.screen.line(name + verdict + detail, style)
  }

  /// `{"broker":"localhost:1883","software":"…","results":[{"section":"…","name":"…","verdict":"yes","detail":"…"}]}`
  func appendJSON(for connection: ShellConnection, to output: inout OutputBuffer) {
    let append = { (text: String, output: inout OutputBuffer) in
      var text = text
      text.withUTF8 { JSONText.append(UnsafeRawBufferPointer($0), isForTerminal: true, to: &output) }
    }
    output.append("{\"broker\":")
    append("\(connection.endpoint)", &output)
    if let software {
      output.append(",\"software\":")
      append(software, &output)
    }
    output.append(",\"results\":[")
    for (index, answer) in answers.enumerated() {
      output.append(index == 0 ? "{" : ",{")
      let members = [
        ("section", answer.section), ("name", answer.name), ("verdict", answer.verdict.rawValue),
        ("detail", answer.detail),
      ]
      for (place, (name, value)) in members.enumerated() {
        output.append(place == 0 ? "\"\(name)\":" : ",\"\(name)\":")
        append(value, &output)
      }
      output.append("}")
    }
    output.append("]}\n")
  }
}
