internal import MQTT

extension RequestSettings {
  /// The options of the group.
  public static let options: [Option<RequestSettings>] = [
    Option(
      OptionDescription(
        short: "t", long: "topic", value: .one("TOPIC"), section: .messages, summary: "publish requests to TOPIC",
        details: """
          Of several the last counts. With {--serve} and {--serve-echo} it is a filter, and may be given several times: \
          requests to all of them are answered.
          """)
    ) { (settings, value) throws(UsageError) in try settings.take(topicIn: value) },
    Option(
      OptionDescription(
        short: "e", value: .one("TOPIC"), section: .messages, summary: "await replies on TOPIC (a topic of its own)",
        details: """
          Without it a topic is made up that nobody else has: mqrr/, the client identifier, and random letters, behind \
          the broker's response information if it gives one. A request on MQTT 5 carries the topic to the responder; on 3.x \
          the responder has to know it. With {--serve} and {--serve-echo} it is where replies go to requests that name no \
          topic, as those on 3.x.
          """)
    ) { (settings, value) throws(UsageError) in settings.responseTopic = try value.topicName() },
    Option(
      OptionDescription(
        short: "m", long: "message", value: .one("TEXT"), section: .messages, summary: "the request is TEXT")
    ) { (settings, value) throws(UsageError) in
      try settings.payload.set(.bytes(value.bytes), by: "-m", from: value.source)
    },
    Option(
      byUse: OptionDescription(
        short: "n", long: "null-message", section: .messages, setting: "--message",
        summary: "the request has no payload")
    ) { (settings, use) throws(UsageError) in try settings.payload.set(.bytes([]), by: "-n", from: use.source) },
    Option(
      OptionDescription(
        short: "f", long: "file", value: .one("FILE"), section: .messages, setting: "--message",
        summary: "the request is the contents of FILE", details: "It may be a pipe as well.")
    ) { (settings, value) throws(UsageError) in
      try settings.payload.set(.file(path: value.bytes), by: "-f", from: value.source)
    },
    Option(
      byUse: OptionDescription(
        short: "s", long: "stdin-file", section: .messages, setting: "--message",
        summary: "the request is all of standard input")
    ) { (settings, use) throws(UsageError) in try settings.payload.set(.standardInput, by: "-s", from: use.source) },
    Option(
      byUse: OptionDescription(
        short: "l", long: "stdin-line", section: .messages, setting: "--message",
        summary: "each line of standard input is a request",
        details: """
          Replies are printed as they come. On MQTT 5 up to 16 requests are under way at a time, so that replies may come \
          in another order; {-M} 1 asks one after the other, as is always done on 3.x. The end of the line does not belong \
          to the request. With {-0} lines end with NUL, as replies do then.
          """)
    ) { (settings, use) throws(UsageError) in
      try settings.payload.set(.lines(LineFormat()), by: "-l", from: use.source)
    },
    Option(
      OptionDescription(
        long: "encoding", value: .one("ENCODING"), section: .messages,
        summary: "how payloads are written: text, hex or base64 (text)",
        details: "It holds for {-m}, {-f}, {-s} and {-l}.")
    ) { (settings, value) throws(UsageError) in settings.encoding = try value.payloadEncoding() },
    Option(
      OptionDescription(
        short: "q", long: "qos", value: .one("QOS"), section: .messages,
        summary: "QoS of requests, and the highest that replies come with (0)",
        details: "With {--serve} it is the highest that requests come with (2); a reply has the QoS of its request.")
    ) { (settings, value) throws(UsageError) in settings.qos = try value.qos() },

    // MARK: Replies

    Option(
      OptionDescription(
        short: "C", value: .one("N"), section: .ending, summary: "end after N replies (1)",
        details: """
          With {-l} it is as many as there are lines, with {--ping} the number of requests, and there is no limit without \
          it; with {--idle} or {--until} there is none either.
          """)
    ) { (settings, value) throws(UsageError) in settings.count = try value.number(in: 1 ... .max) },
    Option(
      OptionDescription(
        long: "idle", value: .one("TIME"), section: .ending, summary: "end when nothing came for TIME",
        details: """
          All replies until then are printed. The exit status is 27 when there was none, or fewer than {-C} or {--until} \
          ask for.
          """)
    ) { (settings, value) throws(UsageError) in settings.idle = try value.durationAboveZero() },
    Option(
      OptionDescription(
        long: "until", value: .one("TEST"), section: .ending,
        summary: "end after the first reply that passes TEST; may be repeated",
        details: """
          Of several tests it has to pass all. They are described below under TESTS.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.finalTests.append(try TestExpression(value.bytes), from: value.source)
    },
    Option(
      OptionDescription(
        long: "where", value: .one("TEST"), section: .selection,
        summary: "leave out replies that do not pass TEST; may be repeated", details: "What is left out does not count."
      )
    ) { (settings, value) throws(UsageError) in
      settings.tests.append(try TestExpression(value.bytes), from: value.source)
    },
    Option(
      OptionDescription(
        short: "R", section: .selection, summary: "leave out messages that the broker had kept",
        details: "It is always so, but with {--retain-as-published}.")
    ) { $0.hidesRetained = true },
    Option(
      OptionDescription(
        long: "retain-as-published", section: .subscriptions, summary: "let replies have the retain flag",
        details: """
          They have it as they were published then. On MQTT 5 only: elsewhere such a message is one that the broker had \
          kept, and no reply.
          """)
    ) { $0.retainAsPublished = true },
    Option(
      OptionDescription(
        long: "retain-handling", value: .one("WHEN"), section: .subscriptions,
        summary: "when the broker sends what it had kept: always, new or never (never)",
        details: "On MQTT 5 only. What it had kept is no reply to a new request.")
    ) { (settings, value) throws(UsageError) in
      settings.retainHandling = try value.choice([
        ("always", .sendAtSubscribe), ("new", .sendIfNew), ("never", .doNotSend),
      ])
    },
    Option(
      OptionDescription(
        long: "latency", section: .output, summary: "print how long the reply took, on a line behind it")
    ) { $0.showsLatency = true },

    // MARK: Ping

    Option(
      byUse: OptionDescription(
        long: "ping", section: .ping, summary: "measure how long replies take, again and again",
        details: """
          Without {-t} requests go to a topic of its own and come back by themselves: this measures the broker. With {-t} \
          a responder has to answer, such as mqrr {--serve-echo}. Each reply is a line, and there are statistics at the \
          end, also after Ctrl-C; with {--json} only those, as an object. Other options about output do not matter. What has not come 1 s after the last request, or twice \
          the longest time so far, is lost. A percentile with fewer replies than it takes to have one beyond it is \
          marked with an asterisk: it is the longest time of all. When nothing came the exit status is 27.
          """)
    ) { (settings, use) throws(UsageError) in try settings.role.set(.ping, by: "--ping", from: use.source) },
    Option(
      OptionDescription(
        long: "interval", value: .one("TIME"), section: .ping, summary: "time from one request to the next (1)",
        details: "With 0 the next request follows the reply.")
    ) { (settings, value) throws(UsageError) in settings.interval = try value.duration() },
    Option(
      OptionDescription(
        long: "goal", value: .one("GOALS"), section: .ping, summary: "what has to be reached, such as 'p99<5ms loss=0'",
        details: """
          A goal is a metric, an operator (<, <=, >, >=, =) and a value; all that are given, with blanks between them, have \
          to be met. Metrics are percentiles (p50 to p99.99), min, mean, max, connect, all with a time such as 300us, 5ms \
          or 2s, and loss, with a number or a share such as 0.1%. The exit status is 31 when one is missed, and 32 when \
          there were too few replies for a percentile.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.goals = try Goal.goals(in: value)
      if settings.goals.contains(where: { $0.metric == .rate }) {
        throw UsageError("the rate is nothing that is measured")
      }
    },

    // MARK: Answering

    Option(
      OptionDescription(
        long: "serve", value: .one("COMMAND"), section: .commands, summary: "answer requests with what COMMAND prints",
        details: """
          The shell runs it for each request, with the payload on its standard input and all else in variables: \
          MESSAGE_TOPIC, MESSAGE_QOS, MESSAGE_TIME, MESSAGE_RESPONSE_TOPIC and so on. Nothing of a request becomes part of \
          the command. The reply has the request's correlation data and QoS. When the command fails there is no reply, and \
          an error is told. It goes on until a signal ends it; a connection that is lost is made again. A request of \
          QoS 1 or 2 is acknowledged when its reply was published.
          """)
    ) { (settings, value) throws(UsageError) in
      guard !value.bytes.isEmpty else { throw UsageError("the command is missing") }
      try settings.role.set(.serve(.command(value.bytes)), by: "--serve", from: value.source)
    },
    Option(
      byUse: OptionDescription(
        long: "serve-echo", section: .commands, summary: "answer requests with their own payload",
        details: "For {--ping}, and to try things out.")
    ) { (settings, use) throws(UsageError) in
      try settings.role.set(.serve(.echo), by: "--serve-echo", from: use.source)
    },
    Option(
      OptionDescription(
        long: "on-ready", value: .one("COMMAND"), section: .commands, summary: "run COMMAND once requests are answered",
        details: """
          The shell runs it, with nothing to read and its output on standard error, when the broker has accepted the \
          subscription. When it fails the run ends with status 69. Whether or not this option is there, READY=1 is sent to the \
          socket in NOTIFY_SOCKET, for services of Type=notify.
          """)
    ) { (settings, value) throws(UsageError) in settings.readyCommand = value.bytes },
  ]
}
