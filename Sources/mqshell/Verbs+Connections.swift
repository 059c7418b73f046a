internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What `open` is told by options, and what mqshell was told for all of its connections.
struct OpenWords: Sendable {
  var connection = ConnectionSettings()
  var subscribe = SubscribeSettings()

  /// What it does not take: where the broker is stands in its word, and the rest is the whole shell's.
  private static let others = [
    "--host", "--timeout", "--nodelay", "--log", "--debug", "--trace", "--quiet", "--log-json", "--tls-info",
    "--tls-engine", "--tls-engine-kpass-sha1",
  ]
  /// What is about all subscriptions of a connection.
  static let subscribeOptions = SubscribeSettings.options.filter { $0.description.name == "--on-takeover" }

  /// What may be typed.
  static let options =
    Options<OpenWords>(ConnectionSettings.options.filter { !others.contains($0.description.name) }) {
      $1(&$0.connection)
    }
    + Options(subscribeOptions) { $1(&$0.subscribe) }

  /// The same for another connection: not under an identifier that was meant for one.
  var forAnotherConnection: OpenWords {
    var words = self
    words.connection = connection.forAnotherClient
    return words
  }
}

/// Verbs about connections.
extension Verb {
  static let connectionVerbs: [Verb] = [
    Verb(
      name: "open", section: .connections, form: "[NAME=]HOST[:PORT]|URL|PROFILE [OPTION]...",
      summary: "connect to a broker",
      details: """
        Commands are for this connection from now on; 'use' and @NAME choose another one. It is called NAME, or else after the \
        host or profile; one that has this name already is closed first. If it is lost, it is made again with its subscriptions. \
        Options may stand before or behind the broker.
        """,
      options: OpenWords.options.descriptions,
      mainOptions: [
        "--username", "--pw-from", "--tls", "--protocol-version", "--id", "--disable-clean-session", "-x",
      ],
      examples: [
        Example("The broker of this machine.", "open localhost"),
        Example(
          "Under a name, as a certain user who is asked for the password.",
          "open hall=broker.example -u ann --pw-from prompt"),
        Example("A session that the broker keeps for a minute.", "open a=localhost -i dev-${run} -c -x 60"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.open(call) },
    Verb(
      name: "close", section: .connections, form: "[--drop] [NAME]", summary: "end a connection",
      details: "The broker is told, so that it does not publish the will.",
      options: [
        OptionDescription(long: "drop", section: .connection, summary: "as if the network were cut: the will is due")
      ],
      examples: [
        Example("The present connection.", "close"), Example("Another one.", "close hall"),
        Example("Let its will be published.", "@hall close --drop"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.close(call) },
    Verb(
      name: "use", section: .connections, form: "NAME", summary: "choose the connection that commands are for",
      examples: [
        Example("By its name.", "use hall"), Example("For one command only.", "@hall sub #"),
        Example("Which ones there are.", "conns"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let name = text(try terms.next("NAME").bytes)
      try terms.end()
      shell.currentName = try shell.connection(named: name).name
    },
    Verb(
      name: "conns", section: .connections, form: "", summary: "list the connections",
      examples: [
        Example("The present one has a star.", "conns"), Example("More about one.", "info hall"),
        Example("Make it the present one.", "use hall"),
      ]
    ) { (shell, call) throws(ShellError) in
      try Terms(call, shell).end()
      shell.listConnections()
    },
    Verb(
      name: "info", section: .connections, form: "[NAME]", summary: "tell what the broker said when it accepted",
      details: "Version, session, client identifier, the broker's limits and properties, and the time of a round trip.",
      examples: [
        Example("Of the present connection.", "info"), Example("Of another one.", "info hall"),
        Example("The same.", "@hall info"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.tellInfo(call) },
    Verb(
      name: "ping", section: .broker, form: "[-C N]", summary: "measure the time to the broker and back",
      details: "PINGREQ and PINGRESP, once, or N times a second apart.",
      options: [
        OptionDescription(short: "C", value: .one("N"), section: .output, summary: "so many times")
      ],
      examples: [
        Example("Once.", "ping"), Example("Ten times.", "ping -C 10"), Example("On another connection.", "@hall ping"),
      ]
    ) { (shell, call) throws(ShellError) in try shell.ping(call) },
    Verb(
      name: "trace", section: .broker, form: "on|off", summary: "show each packet, decoded",
      details: "Of one connection. Passwords are left out.",
      examples: [
        Example("Of the present connection.", "trace on"), Example("Of another one.", "@hall trace on"),
        Example("No more.", "trace off"),
      ]
    ) { (shell, call) throws(ShellError) in
      var terms = try Terms(call, shell)
      let word = try terms.next("on or off")
      let isOn = try reading { () throws(UsageError) in try word.argument.choice([("on", true), ("off", false)]) }
      try terms.end()
      try shell.connection(call).isTraced = isOn
    },
  ]
}

extension Shell {
  func open(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    var uses = try terms.options(in: call.verb.table)
    let target = terms.nextIfAny()
    uses += try terms.options(in: call.verb.table)
    try terms.end()
    if target == nil, !hasStandardBroker { throw .usage("open: a broker is missing: \(call.verb.usage)") }
    try open(target?.argument, uses, from: defaults.forAnotherConnection)
  }

  /// Whether the command line or the environment names a broker, which `open` takes where it is told none.
  private var hasStandardBroker: Bool { ShellSettings.namesBroker(invocation) }

  /// Connects to `target`, or to the broker of `settings`, and waits for that.
  func open(_ target: Argument?, _ uses: [OptionUse] = [], from words: OpenWords) throws(ShellError) {
    var words = words
    var name: [UInt8]?
    if let target {
      let (given, address) = Self.parted(target)
      name = given
      if ConnectionSettings.profileNames.contains(where: { $0.utf8.elementsEqual(address.bytes) }) {
        name = name ?? address.bytes
        try reading { () throws(UsageError) in try words.connection.take(profile: address) }
      } else {
        let url = try reading { () throws(UsageError) in try BrokerURL(Self.url(address)) }
        if url.topic != nil { throw .usage("a topic does not belong to the broker of 'open'") }
        words.connection.take(url)
      }
    }
    for use in uses {
      try reading { () throws(UsageError) in
        do throws(UsageError) { try OpenWords.options.apply(&words, use.option, use) } catch {
          throw use.mistake(error)
        }
      }
    }
    let plan = try connectionPlan(words.connection)
    try open(
      plan.unixPath == nil || name != nil ? text(name ?? Array(plan.host.utf8)) : "unix", plan, words.subscribe.takeover
    )
  }

  /// NAME and the rest of `NAME=REST`.
  static func parted(_ target: Argument) -> (name: [UInt8]?, address: Argument) {
    let name = target.bytes.prefix { $0 != UInt8(ascii: "=") }
    guard name.count < target.bytes.count, isConnectionName(name) else { return (nil, target) }
    return (Array(name), Argument(Array(target.bytes.dropFirst(name.count + 1)), from: target.source))
  }

  /// HOST and HOST:PORT are URLs without their beginning.
  static func url(_ address: Argument) -> Argument {
    if holds(address.bytes, "://") || address.bytes.starts(with: "unix:".utf8) { return address }
    // An IPv6 address has several colons, and stands in brackets in a URL.
    let isIPv6 = address.bytes.first != UInt8(ascii: "[") && address.bytes.count { $0 == UInt8(ascii: ":") } > 1
    let host = isIPv6 ? Array("[".utf8) + address.bytes + Array("]".utf8) : address.bytes
    return Argument(Array("mqtt://".utf8) + host, from: address.source)
  }

  private func connectionPlan(_ settings: ConnectionSettings) throws(ShellError) -> ConnectionPlan {
    var plan = try reading { () throws(UsageError) in try settings.plan(compatibility) }
    plan.goesOnAfterInterrupt = isInteractive
    let readPassword = { [invocation, diagnostics] () throws(ShellError) in
      try reading { () throws(UsageError) in try plan.readPassword(invocation, diagnostics) }
    }
    if plan.asksAtTerminal { try withoutSignals(readPassword) } else { try readPassword() }
    return plan
  }

  private func open(_ name: String, _ plan: ConnectionPlan, _ takeover: Takeover) throws(ShellError) {
    // The broker hears of the end of the old one before the new one begins, which may have the same identifier.
    if let old = connections.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
      close(old)
      remove(old)
    }
    let connection = ShellConnection(
      name: name, plan: plan, retryLimit: .foreverAfterFirstConnection, takeover: takeover)
    add(connection)
    do {
      try waitForConnection(connection)
    } catch {
      connection.client.drop()
      remove(connection)
      throw error
    }
    currentName = name
    if isInteractive { tellOpened(connection) } else { note(opened(connection)) }
  }

  private func opened(_ connection: ShellConnection) -> String {
    var parts = ["\(connection.client.version)"]
    if connection.client.version.hasSessionPresent {
      parts.append("session \(connection.connack?.sessionPresent == true ? "present" : "new")")
    }
    return "\(connection.endpoint)  " + parts.joined(separator: ", ")
  }

  private func tellOpened(_ connection: ShellConnection) {
    var line = opened(connection)
    if let software = software(of: connection) { line += ", \(software)" }
    if let time = connection.connectTime { line += ", \(milliseconds(time))" }
    screen.line(line, .good)
  }

  /// What the broker calls itself, where it tells.
  func software(of connection: ShellConnection) -> String? {
    // A command for the password is not run for this.
    guard connection.plan.passwordSource == nil else { return nil }
    var plan = connection.plan
    plan.connectTimeout = .milliseconds(500)
    guard let filter = try? TopicFilter("$SYS/broker/version"),
      let found = try? retained(filter, like: plan, idle: .zero, limit: .milliseconds(500)),
      let first = found.first
    else { return nil }
    let words = text(first.payload).split(separator: " ")
    return words.filter { $0 != "version" }.joined(separator: " ")
  }

  func close(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let flags = try terms.options()
    let connection: ShellConnection
    if let name = terms.nextIfAny() {
      connection = try self.connection(named: text(name.bytes))
    } else {
      connection = try self.connection(call)
    }
    try terms.end()
    close(connection, drops: flags.has("--drop"))
    remove(connection)
    note("\(connection.name) closed")
  }

  func listConnections() {
    if connections.isEmpty { return note("no connection; try: open localhost") }
    let width = connections.map(\.name.utf8.count).max() ?? 0
    for connection in connections {
      let mark = connection.name == currentName ? "*" : " "
      let name = connection.name + String(repeating: " ", count: width - connection.name.utf8.count)
      let state =
        switch connection.state {
        case .connecting: "connecting"
        case .connected: "connected"
        case .waiting(let error): "trying again: \(error)"
        case .over(let error): "closed" + (error.map { ": \($0)" } ?? "")
        }
      let subscriptions = count(connection.subscriptions.count, "subscription")
      screen.line(
        "\(mark) \(name)  \(connection.endpoint)  \(connection.client.version)  "
          + "\(subscriptions), \(count(connection.store.end, "message"))  \(state)")
    }
  }

  func tellInfo(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let connection: ShellConnection
    if let name = terms.nextIfAny() {
      connection = try self.connection(named: text(name.bytes))
    } else {
      connection = try self.connection(call)
    }
    try terms.end()
    try checkConnected(connection)
    let roundTrip = try pingOnce(connection)
    let client = connection.client
    var rows: [(String, String)] = [
      ("broker", "\(connection.endpoint)"), ("version", "\(client.version)"),
      ("client identifier", clientIdentifier(of: connection)),
    ]
    if let software = software(of: connection) { rows.append(("software", software)) }
    if client.version.hasSessionPresent {
      rows.append(("session", connection.connack?.sessionPresent == true ? "present" : "new"))
    }
    rows.append(("keep alive", client.keepAliveSeconds == 0 ? "none" : "\(client.keepAliveSeconds) s"))
    if let tls = connection.tls.last { rows += Self.rows(about: tls) }
    rows.append(("connected in", connection.connectTime.map { milliseconds($0) } ?? ""))
    rows.append(("round trip", milliseconds(roundTrip)))
    for property in connection.connack?.properties ?? Properties() {
      rows.append((property.property.name, PacketTrace.value(of: property)))
    }
    table(rows)
  }

  private static func rows(about tls: TLSReport) -> [(String, String)] {
    var rows = [
      ("TLS", [tls.version, tls.cipher, tls.isResumed ? "resumed" : nil].compactMap { $0 }.joined(separator: ", "))
    ]
    if let certificate = tls.certificates.first {
      rows.append(("certificate of", certificate.subject))
      rows.append(("good until", certificate.notAfter))
    }
    return rows
  }

  private func clientIdentifier(of connection: ShellConnection) -> String {
    "\(connection.connack?.properties[.assignedClientIdentifier] ?? connection.plan.connect.clientIdentifier)"
  }

  /// Names and what belongs to them, the latter in one column.
  func table(_ rows: [(String, String)]) {
    let width = rows.map(\.0.utf8.count).max() ?? 0
    for (name, value) in rows {
      screen.line(name + String(repeating: " ", count: width - name.utf8.count + 2) + value)
    }
  }

  // MARK: - PINGREQ

  /// The time from PINGREQ to PINGRESP.
  func pingOnce(_ connection: ShellConnection) throws(ShellError) -> Duration {
    let began = Instant.now
    try pingToMark(connection)
    return .now - began
  }

  /// Sends PINGREQ and waits for its answer: everything that the broker sent before has come then.
  func pingToMark(_ connection: ShellConnection) throws(ShellError) {
    try checkConnected(connection)
    // One that keep alive has sent may be on its way.
    let wanted = max(connection.pingCount, connection.pongCount) + 1
    connection.client.ping(at: .now)
    let connections = connection.connectionCount
    let isAnswered = try wait(until: .now + Self.answerLimit) {
      connection.pongCount >= wanted || !connection.isConnected || connection.connectionCount > connections
    }
    try checkConnected(connection)
    guard isAnswered else { throw ShellError(.timedOut, "the broker did not answer PINGREQ") }
  }

  func ping(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let times = try terms.options().number("-C") ?? 1
    try terms.end()
    let connection = try connected(call)
    var results: [Duration] = []
    for time in 0..<times {
      if time > 0 { _ = try wait(until: .now + .seconds(1)) { false } }
      let result = try pingOnce(connection)
      results.append(result)
      screen.line("PINGRESP from \(connection.endpoint)  \(milliseconds(result))")
    }
    guard times > 1, let least = results.min(), let most = results.max() else { return }
    let mean = results.reduce(.zero, +) / results.count
    screen.line("\(times) times: least \(milliseconds(least)), mean \(milliseconds(mean)), most \(milliseconds(most))")
  }
}

/// `0.4 ms`, `12 ms`, `3.2 s`
func milliseconds(_ duration: Duration) -> String {
  let tenths = (duration.nanoseconds + 50_000) / 100_000
  if tenths >= 10_000 { return "\((tenths + 500) / 10_000).\((tenths + 500) % 10_000 / 1000) s" }
  return tenths < 100 ? "\(tenths / 10).\(tenths % 10) ms" : "\(tenths / 10) ms"
}

/// `1 message`, `2 messages`
func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
