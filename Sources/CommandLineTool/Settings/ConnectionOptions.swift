internal import MQTT
internal import MQTTClient

extension ConnectionSettings {
  /// The options of the group for a tool that lends its connection settings; `takeTopic` gets the topic of a URL.
  @inlinable
  public static func options<Tool>(
    lend: @escaping @Sendable (inout Tool, (inout ConnectionSettings) -> Void) -> Void,
    takeTopic: @escaping @Sendable (inout Tool, Argument) throws(UsageError) -> Void
  ) -> Options<Tool> {
    // The URL first, because variables are read in this order: MQTOOLS_USERNAME is stronger than MQTOOLS_URL.
    Options(urlDescription) { (tool, value) throws(UsageError) in
      let url = try BrokerURL(value)
      lend(&tool) { $0.take(url) }
      if let topic = url.topic { try takeTopic(&tool, topic) }
    } + Options(options, lend: lend)
  }

  /// What `-L` is; apart from the others because its topic is none of their business.
  public static let urlDescription = OptionDescription(
    short: "L", long: "url", value: .one("URL"), section: .connection,
    summary: "broker, user and topic in one: mqtt://USER:PASSWORD@HOST:PORT/TOPIC",
    details: """
      Only HOST is needed. The port is 1883 when the URL has none. USER and PASSWORD belong to this HOST: an option \
      that names another one drops them. In both, %40 stands for @ and so on for any byte. An IPv6 address stands in \
      brackets. TOPIC is taken as it is. mqtts:// asks for {--tls}, with 8883 for the port. With ws:// or wss:// in front \
      MQTT goes through WebSocket, the port is 80 or 443, and what stands behind the host is the path of {--ws-path}. \
      unix:/PATH is a unix socket.
      """,
    environment: "MQTOOLS_URL", secret: { URLAuthority.password(in: $0[0]) })

  /// What `-P` is.
  static let passwordDescription = OptionDescription(
    short: "P", long: "pw", value: .one("PASSWORD"), section: .connection, summary: "password for the broker",
    details: """
      The tool hides it from other users at once, but shells keep it in their history, and there is a moment before: \
      {--pw-from} has neither weakness. MQTT 3.1 and 3.1.1 know a password only together with {--username}.
      """,
    environment: "MQTOOLS_PASSWORD", secret: { $0[0].indices })

  /// What `--log-json` is; apart from the others because mistakes among the options are written that way too.
  static let logJSONDescription = OptionDescription(
    long: "log-json", section: .diagnostics, summary: "write each line on standard error as a JSON object",
    details: "Its members are time, level, tool and message.")

  /// The options for tools in which other short letters than these mean something else: those of the group that have a long name,
  /// and that go with the tool's work instead of taking its place.
  public static let optionsWithLongNames: [Option<ConnectionSettings>] = {
    var options = Self.options.filter { !$0.description.long.isEmpty && $0.description.name != "--tls-info" }
    for index in options.indices where !["h", "p", "u", "P", "i", "V"].contains(options[index].description.short) {
      options[index].description.short = ""
    }
    let spellings = options.flatMap(\.description.spellings)
    for index in options.indices { options[index].description = options[index].description.naming(only: spellings) }
    return options
  }()

  /// What `--url` is for such tools, which have topics of their own.
  public static let urlDescriptionWithoutTopic: OptionDescription = {
    var description = urlDescription
    description.short = ""
    description.summary = "broker and user in one: mqtt://USER:PASSWORD@HOST:PORT"
    description.details = """
      Only HOST is needed. USER and PASSWORD belong to this HOST: an option that names another one drops them. In both, %40 \
      stands for @ and so on for any byte. An IPv6 address stands in brackets.
      """
    return description
  }()

  /// The options of the group, except `-L`.
  public static let options: [Option<ConnectionSettings>] = brokerOptions + transportOptions + tlsOptions

  private static let brokerOptions: [Option<ConnectionSettings>] = [
    // MARK: Broker

    Option(
      OptionDescription(
        short: "h", long: "host", value: .one("HOST"), section: .connection,
        summary: "name or address of the broker (localhost)")
    ) { (settings, value) throws(UsageError) in settings.host = try value.hostName() },
    Option(
      OptionDescription(
        short: "p", long: "port", value: .one("PORT"), section: .connection,
        summary: "port of the broker (1883, with TLS 8883, WebSocket 80 or 443)",
        details: "Where 8883 is given, TLS is spoken. 0 makes the host the path of a unix socket.",
        implications: [("--srv", "of the SRV record")])
    ) { (settings, value) throws(UsageError) in settings.port = try value.number(in: 0...65_535) },
    Option(
      OptionDescription(
        short: "S", long: "srv", section: .connection,
        summary: "find the broker by the SRV records of the domain {--host}",
        details: """
          They are those of _mqtt._tcp.HOST, with TLS of _secure-mqtt._tcp.HOST, and name hosts and ports, which are tried by \
          priority and weight until one takes the connection. The certificate still has to be for {--host}. There are no such \
          records for WebSocket.
          """)
    ) { $0.usesService = true },
    Option(
      OptionDescription(
        short: "A", value: .one("ADDRESS"), section: .connection,
        summary: "connect from this local address, or one of this name")
    ) { (settings, value) throws(UsageError) in settings.bindAddress = try value.hostName() },
    Option(
      OptionDescription(
        short: "u", long: "username", value: .one("NAME"), section: .connection, summary: "user name for the broker",
        environment: "MQTOOLS_USERNAME")
    ) { (settings, value) throws(UsageError) in settings.userName.set(try value.mqttText().utf8) },
    Option(
      passwordDescription
    ) { (settings, value) throws(UsageError) in settings.password.set(.bytes(try value.binary())) },
    Option(
      OptionDescription(
        long: "pw-from", value: .one("SOURCE"), section: .connection, setting: "--pw",
        summary: "where the password is: file:PATH, env:NAME, fd:N, prompt or command:CMD",
        details: """
          A file has to be a regular one; a link is not followed. A descriptor is read to its end. A prompt asks at the \
          terminal, whatever standard input is. A command is run by the shell before each attempt to connect, so that \
          tokens may expire; it prints the password, has nothing to read, cannot ask at the terminal, and has as long as \
          {--connect-timeout} says; when it fails, that is a failure to connect, and the exit status in the end is 69. An \
          end of line behind the password does not belong to it.
          """,
        secret: { SecretSource.secret(in: $0[0]) })
    ) { (settings, value) throws(UsageError) in settings.password.set(.source(try value.secretSource())) },
    Option(
      OptionDescription(
        long: "pw-file", value: .one("PATH"), section: .connection, setting: "--pw",
        summary: "the same as {--pw-from} file:PATH")
    ) { (settings, value) throws(UsageError) in
      guard !value.bytes.isEmpty else { throw UsageError("the path is missing") }
      settings.password.set(.source(.file(path: value.bytes)))
    },
    Option(
      OptionDescription(
        long: "auth-method", value: .one("METHOD"), section: .connection,
        summary: "prove the password instead of sending it: SCRAM-SHA-1, SCRAM-SHA-256 or SCRAM-SHA-512",
        details: """
          The enhanced authentication of MQTT 5. It needs {--username} and a password, neither of which CONNECT has then. A broker that \
          does not prove that it knows the password, too, is not spoken with. Characters beyond ASCII count as they are typed, \
          without the preparation of RFC 4013.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.authentication = try value.choice(SCRAMMechanism.allCases.map { ($0.rawValue, $0) })
    },
    Option(
      OptionDescription(
        long: "nodelay", section: .connection, summary: "send small packets at once, as is always done",
        details: "It is there because mosquitto's clients have it.")
    ) { _ in },

    // MARK: Client and session

    Option(
      OptionDescription(
        short: "V", long: "protocol-version", value: .one("VERSION"), section: .session,
        summary: "auto, 5, 311 or 31 (auto)",
        details: """
          Auto speaks MQTT 5 and falls back to 3.1.1 with brokers that refuse it, which it remembers for a day in \
          ~/.cache/mqtools; a version that is named never falls back. On 3.1.1 a broker acknowledges a publish that an access list forbids like any other, so that nobody \
          can tell the truth about it. The words mqttv5, mqttv311 and mqttv31 are understood as well.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.version = try value.choice([
        ("auto", .auto), ("5", .fixed(.latest)), ("311", .fixed(.v311)), ("31", .fixed(.v31)),
        ("mqttv5", .fixed(.latest)), ("mqttv311", .fixed(.v311)), ("mqttv31", .fixed(.v31)),
      ])
    },
    Option(
      OptionDescription(
        short: "i", long: "id", value: .one("ID"), section: .session,
        summary: "client identifier (the tool's name and random letters)",
        details: """
          The broker knows the client and its session by it. Two clients with one identifier throw each other out.
          """)
    ) { (settings, value) throws(UsageError) in
      let identifier = try value.mqttText()
      guard !identifier.utf8.isEmpty else { throw UsageError("is empty; leave it out to have one made up") }
      try settings.identity.set(.identifier(identifier), by: "-i", from: value.source)
    },
    Option(
      OptionDescription(
        short: "I", long: "id-prefix", value: .one("PREFIX"), section: .session, setting: "--id",
        summary: "client identifier of this prefix and the process's number")
    ) { (settings, value) throws(UsageError) in
      try settings.identity.set(.prefix(try value.mqttText()), by: "-I", from: value.source)
    },
    Option(
      OptionDescription(
        short: "c", long: "disable-clean-session", section: .session, summary: "go on with the session, and keep it",
        details: """
          The broker keeps subscriptions and messages of QoS 1 and 2 while the client is away. It needs {--id}. On \
          MQTT 5 the session is kept for seven days unless {-x} says otherwise.
          """)
    ) { $0.keepsSession = true },
    Option(
      OptionDescription(
        short: "x", value: .one("TIME"), section: .session, summary: "how long the broker keeps the session (0)",
        details: "A time as for {--timeout}, or -1 for ever. It needs MQTT 5.")
    ) { (settings, value) throws(UsageError) in settings.sessionExpiryInterval = try value.sessionExpiryInterval() },
    Option(
      OptionDescription(
        short: "k", long: "keepalive", value: .one("TIME"), section: .session,
        summary: "time without a packet after which to ask whether the broker is there (60)",
        details: "Whole seconds up to 65535; 0 never asks.")
    ) { (settings, value) throws(UsageError) in
      settings.keepAlive = UInt16(try value.wholeSeconds(upTo: UInt32(UInt16.max)))
    },
    Option(
      OptionDescription(
        short: "M", value: .one("N"), section: .session,
        summary: "at most N messages of QoS 1 and 2 on their way at a time",
        details: "The broker's receive maximum may be lower, and holds then.")
    ) { (settings, value) throws(UsageError) in settings.maximumInflight = UInt16(try value.number(in: 1...65_535)) },
    Option(
      byUse: OptionDescription(
        short: "D", long: "property", value: PropertyArgument.words, section: .session,
        summary: "a property of MQTT 5; may be repeated",
        details: """
          COMMAND is connect, publish, subscribe, unsubscribe, disconnect or will, NAME the specification's name with \
          hyphens: content-type, message-expiry-interval. A user-property has a name and a value behind NAME. Binary \
          values, as of correlation-data, are taken as they are, or written as hex:01ff or base64:Af8=.
          """,
        secret: { PropertyArgument.secret(in: $0) })
    ) { (settings, use) throws(UsageError) in
      settings.properties.append(
        try PropertyArgument(use.words.map { Argument($0, from: use.source) }), from: use.source)
    },

    // MARK: Will

    Option(
      OptionDescription(
        long: "will-topic", value: .one("TOPIC"), section: .will,
        summary: "what the broker publishes to when the connection is lost")
    ) { (settings, value) throws(UsageError) in settings.willTopic = try value.topicName() },
    Option(
      OptionDescription(
        long: "will-payload", value: .one("TEXT"), section: .will, summary: "payload of the will (empty)")
    ) { (settings, value) throws(UsageError) in settings.willPayload = try value.binary() },
    Option(
      OptionDescription(long: "will-qos", value: .one("QOS"), section: .will, summary: "QoS of the will (0)")
    ) { (settings, value) throws(UsageError) in settings.willQoS = try value.qos() },
    Option(
      OptionDescription(
        long: "will-retain", section: .will, summary: "let the broker keep the will as the topic's value")
    ) { $0.willRetain = true },

    // MARK: Time and reconnecting

    Option(
      OptionDescription(
        short: "W", long: "timeout", value: .one("TIME"), section: .time, summary: "limit of the whole run",
        details: """
          A number is seconds; 500ms, 2s, 5m, 1h and 7d are understood. When the time is up the exit status is 27, \
          connected or not.
          """)
    ) { (settings, value) throws(UsageError) in settings.timeout = try value.durationAboveZero() },
    Option(
      OptionDescription(
        long: "connect-timeout", value: .one("TIME"), section: .time, summary: "limit of one attempt to connect (10)",
        details: "From looking up the host's name to the broker's answer.")
    ) { (settings, value) throws(UsageError) in settings.connectTimeout = try value.durationAboveZero() },
    Option(
      OptionDescription(
        long: "retry", value: .one("N"), section: .time,
        summary: "how often in a row to try again to connect, or forever (as the tool needs)",
        details: """
          It counts from the first connection on. Only failures that can pass are tried again. Without this option, tools \
          that go on, such as mqsub and mqpub -l, try again for ever once they were connected, and the others do not.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.retryLimit =
        value.bytes.elementsEqual("forever".utf8) ? .forever : .times(try value.number(in: 0 ... .max))
    },
    Option(
      OptionDescription(
        long: "retry-max-time", value: .one("TIME"), section: .time, summary: "how long to try again to connect",
        details: "Without {--retry} it is tried as often as fits into that time.")
    ) { (settings, value) throws(UsageError) in settings.retryTime = try value.durationAboveZero() },
    Option(
      OptionDescription(
        long: "no-reconnect", section: .time, summary: "end when the connection is lost",
        details: "{--retry} then counts for the first connection only.")
    ) { $0.reconnects = false },

    // MARK: Diagnostics

    Option(
      OptionDescription(
        long: "log", value: .one("LEVEL"), section: .diagnostics,
        summary: "what to say: error, warning, notice, debug or trace (notice on a terminal, else warning)",
        details: "Each level includes those before it. All of it goes to standard error.")
    ) { (settings, value) throws(UsageError) in
      settings.level = try value.choice([
        ("error", .error), ("warning", .warning), ("notice", .notice), ("debug", .debug), ("trace", .trace),
      ])
    },
    Option(
      OptionDescription(
        short: "d", long: "debug", section: .diagnostics, setting: "--log", summary: "the same as {--log} debug")
    ) { $0.level = .debug },
    Option(
      OptionDescription(
        long: "trace", section: .diagnostics, setting: "--log",
        summary: "the same as {--log} trace: every packet, decoded")
    ) { $0.level = .trace },
    Option(
      OptionDescription(
        long: "quiet", section: .diagnostics, setting: "--log",
        summary: "say nothing but what is wrong with the options")
    ) { $0.level = .quiet },
    Option(logJSONDescription) { $0.logsJSON = true },
    Option(
      OptionDescription(
        long: "strict", section: .diagnostics, summary: "live with no fault of the broker",
        details: "Small violations of the protocol that are tolerated otherwise end the connection.")
    ) { $0.isStrict = true },
  ]
}

extension Argument {
  /// A time as whole seconds.
  fileprivate func wholeSeconds(upTo limit: UInt32) throws(UsageError) -> UInt32 {
    let (seconds, attoseconds) = try duration().components
    guard attoseconds == 0, seconds <= Int64(limit) else {
      throw UsageError("\(quoted) is not a whole number of seconds up to \(limit)")
    }
    return UInt32(seconds)
  }

  /// `-1`, `∞` or 4294967295 for ever, or a time. Mosquitto's clients read the number as C does: 0x10 and 010 too.
  fileprivate func sessionExpiryInterval() throws(UsageError) -> UInt32 {
    if bytes.elementsEqual("-1".utf8) || bytes.elementsEqual("∞".utf8) { return .max }
    if bytes.count > 1, bytes[0] == UInt8(ascii: "0") {
      let isHexadecimal = bytes[1] | 0x20 == UInt8(ascii: "x")
      let digits = bytes.dropFirst(isHexadecimal ? 2 : 1)
      // The first digit is looked at because UInt32 would take a sign there.
      if let first = digits.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-"),
        let number = UInt32(String(decoding: digits, as: UTF8.self), radix: isHexadecimal ? 16 : 8)
      {
        return number
      }
    }
    return try wholeSeconds(upTo: .max)
  }
}
