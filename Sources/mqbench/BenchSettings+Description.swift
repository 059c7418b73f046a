internal import CommandLineTool

extension BenchSettings {
  static let description = ToolDescription(
    name: .mqbench, purpose: "measure the throughput and latency of an MQTT broker", synopsis: ["COMMAND [OPTION]..."],
    paragraphs: [
      """
      mqbench connects publishers and subscribers to a broker, publishes at a steady rate, and reports how long messages took, what \
      became of each of them, and whether the broker was what limited them, or mqbench itself. Publishers and subscribers are in one \
      process and share its clock.
      """,
      """
      Messages are due by a schedule that does not wait for the broker (an open loop), and times count from when a message was \
      due. What never came counts as longer than anything, so that a percentile cannot look better because messages were lost.
      """,
    ],
    examples: [
      .init("Ten publishers and ten subscribers, 100 messages a second.", "mqbench load -h localhost"),
      .init("A page to send to somebody.", "mqbench load -h localhost --rate 1000 --save report.html"),
      .init("How much does it carry?", "mqbench search -h localhost --goal 'p99<10ms loss=0'"),
    ],
    chapters: chapters, commands: commands, hints: hints)

  /// Options about a connection that would change nothing where clients are made up by the hundred, and why. Files of options that are
  /// meant for other tools as well may have them.
  private static let idleOptions: [ToolDescription.Entry] =
    ["--id", "--id-prefix"].map {
      .init($0, "identifiers are made up, so that runs can be told apart, or come from {--identities}")
    } + [
      .init("--disable-clean-session", "each run has clients of its own, and no session to go on with")
    ]
    + ["--will-topic", "--will-payload", "--will-qos", "--will-retain"].map { .init($0, "the clients have no wills") }
    + [
      .init("--timeout", "{--duration} says how long to measure, and {--drain} how long to wait"),
      .init("--nodelay", "small packets are always sent at once"),
    ]
    + ["--tls-engine", "--tls-engine-kpass-sha1"].map { .init($0, "OpenSSL 3 has no engines") }
    + ["--debug", "--trace"].map { .init($0, "writing lines for packets would be what is measured") }

  /// The options about a connection; those that would change nothing are taken and not shown.
  static let connectionOptions = ConnectionSettings.optionsWithLongNames.map { option in
    var option = option
    option.description.isHidden = idleOptions.contains { $0.name == option.description.name }
    return option
  }

  static func connectionNames(without: [String] = []) -> [String] {
    ([ConnectionSettings.urlDescriptionWithoutTopic] + connectionOptions.map(\.description)).filter {
      !$0.isHidden && !without.contains($0.name)
    }.map(\.name)
  }

  private static func loadNames(without: [String] = []) -> [String] {
    (LoadSettings.options.map(\.description.name) + WorkloadSettings.options.map(\.description.name))
      .filter { !(without + ["--clients"]).contains($0) } + connectionNames(without: without) + ["--scenario"]
  }

  private static var commands: [ToolDescription.Command] {
    [
      .init(
        "load", synopsis: "[OPTION]...", summary: "put a load on a broker and account for every message",
        details: """
          All connections are made and all subscriptions acknowledged before the first message is due. After the warm-up comes the \
          window, whose messages count however late they arrive, and then the drain, which waits for them. Ctrl-C reports what there \
          was until then.
          """,
        examples: [
          .init(
            "5,000 messages a second of 1 kB from 50 publishers to each of 4 subscribers.",
            "mqbench load --publishers 50 --subscribers 4 --topics 1 --rate 5000 --size 1000"),
          .init(
            "As fast as 100 unacknowledged messages for each publisher allow.",
            "mqbench load --closed --window 100 --qos 1"),
          .init(
            "Five runs, kept for a comparison, and a page.", "mqbench load --runs 5 --save base.json --save base.html"),
          .init("Fail unless the broker is good enough.", "mqbench load --rate 2000 --goal 'p99<20ms loss=0'"),
          .init("Devices, dashboards and whatever else there is, from a file.", "mqbench load --scenario building.txt"),
          .init(
            "On the second of four machines.",
            "mqbench load --rate 80000 --publishers 400 --subscribers 400 --shard 2/4 --start-at 14:30 --save 2.json"),
        ]
      ) {
        loadNames() + Observation.options.map(\.description.name) + [
          "--shard", "--start-at", "--calibrate", "--save", "--json", "--goal", "--runs", "--pause", "--again", "--yes",
        ]
      },
      .init(
        "connect", synopsis: "[OPTION]...",
        summary: "connect clients at a steady rate, and say how long each stage took",
        details: """
          Each client connects once, at its time, and subscribes to a topic of its own; nobody waits for anybody else. Then all are held \
          for {--duration}. Times count from when a connection was due, so that each stage has the earlier ones in it; attempts that \
          failed count as longer than anything, and are told by stage and reason.
          """,
        examples: [
          .init("Do 5,000 devices that come back at once get in?", "mqbench connect --clients 5000 --connect-rate 2000")
        ]
      ) {
        ["--clients", "--connect-rate", "--duration", "--threads", "--subscription-qos"]
          + WorkloadSettings.clientOptions.map(\.description.name)
          + connectionNames(without: ["--retry", "--retry-max-time", "--no-reconnect"])
          + ["--shard", "--start-at", "--save", "--json", "--goal", "--runs", "--pause", "--yes"]
      },
      .init(
        "compare", synopsis: "FILE.json... -- FILE.json...",
        summary: "say whether the second reports are better or worse than the first",
        details: """
          Of all runs on either side the medians are compared; the interval holds 95 of 100 differences that drawing the runs again \
          gives (a bootstrap over runs, with the same random numbers each time). A difference is called better or worse when the interval, \
          widened because several metrics are looked at, has no 0 in it; with fewer than seven runs on a side the medians have to be \
          farther apart, too, than the runs of either side are among themselves. With fewer than four runs on a side nothing is called \
          anything.
          """,
        examples: [
          .init("Before and after.", "mqbench compare base.json -- new.json"),
          .init(
            "In a pipeline: status 33 when anything is worse.", "mqbench compare base.json -- new.json --goal same"),
        ]
      ) { ["--json", "--goal", "--yes"] },
      .init(
        "ab", synopsis: "URL URL [OPTION]...", summary: "measure two brokers in turn, A B B A, and compare them",
        details: """
          The options of the connection hold for both. The order keeps what changes with time, such as a busy neighbour, from looking \
          like a difference of the brokers.
          """,
        examples: [
          .init(
            "Two brokers under the same load.",
            "mqbench ab mqtt://localhost:1883 mqtt://localhost:1884 --rate 1000 --duration 10")
        ]
      ) {
        loadNames(without: ["--url", "--host", "--port", "--unix", "--ws", "--ws-path"]) + [
          "--json", "--goal", "--runs", "--pause", "--yes",
        ]
      },
      .init(
        "search", synopsis: "[OPTION]...", summary: "find the highest rate that a broker carries for good",
        details: """
          A step passes when the goals are met (p99<50ms loss=0 where none are given), at least 99 % of the offered rate was sent, the \
          backlog did not grow, and mqbench was not the limit. The rate begins at {--rate} and doubles until a step fails; then the distance \
          is halved down to 5 %, and 95 % of the answer has to pass a window of 30 seconds. What ends the doubling, and the lowest rate \
          that failed in the end, is tried once more before it counts. The report says what broke first, or that mqbench was the limit \
          above; and when windows failed at rates that passed in others, how many, for another search may end elsewhere. It ends in \
          less than five minutes.
          """,
        examples: [
          .init("How much at less than 10 ms?", "mqbench search -h localhost --goal 'p99<10ms loss=0'")
        ]
      ) {
        loadNames(without: ["--closed", "--duration", "--warm-up", "--ramp", "--drain"]) + [
          "--json", "--goal", "--yes",
        ]
      },
      .init(
        "sink", synopsis: "[--forward] [-p PORT] [--tls | --cert FILE --key FILE] [--ws]",
        summary: "be a broker that does next to nothing, to measure mqbench itself with",
        details: """
          It acknowledges everything, and with {--forward} sends messages to whoever subscribed to their topic. With {--tls} it \
          speaks TLS with a certificate of its own, which exists in memory only and which nobody can verify, or with {--cert} and \
          {--key}; with {--ws} it speaks WebSocket, at any path.
          """,
        examples: [
          .init("What can mqbench do here?", "mqbench sink --forward -p 2883"),
          .init("And over TLS?", "mqbench sink --forward -p 2884 --tls"),
        ]
      ) {
        [
          "--forward", "--host", "--port", "--tls", "--cert", "--key", "--key-pw-from", "--ws", "--log",
          "--quiet", "--log-json",
        ]
      },
      .init(
        "merge", synopsis: "FILE.json...", summary: "put saved reports of the same load together as one",
        details: """
          Reports of the parts of one load ({--shard}) are added up: counts and rates are sums, percentiles are of all samples together, \
          seconds are added one by one, and the verdict is the worst. The parts have to have begun together; the report says when some \
          are missing. Of other reports the runs stand side by side, for series that were measured one by one. The result is printed, \
          and saved where {--save} says.
          """,
        examples: [
          .init("One page of two evenings.", "mqbench merge monday.json tuesday.json --save both.html"),
          .init("The four parts of a load.", "mqbench merge 1.json 2.json 3.json 4.json --save whole.json"),
        ]
      ) { ["--save", "--json", "--goal", "--yes"] },
    ]
  }

  private static let hints: [ToolDescription.Entry] =
    idleOptions + [
      .init("-c", "{--publishers} N and {--subscribers} N say how many clients there are"),
      .init("-s", "{--size} BYTES is the size of a payload"),
      .init("-n", "{--rate} N and {--duration} TIME say how many messages there are"),
      .init("-l", "{--duration} TIME says when to end, and {--size} what payloads are like"),
      .init("-m", "payloads are made up: {--size} BYTES says how long they are"),
      .init("-f", "{--window} N limits unacknowledged messages, and {--save} FILE is for reports"),
      .init("-C", "{--duration} TIME says when to end"),
      .init("-t", "topics are made up: {--topics} N says how many there are"),
      .init("-q", "{--qos} QOS, in full"),
      .init("-r", "{--rate} N, in full, or {--retain}"),
      .init("-d", "{--duration} TIME, in full"),
    ]

  private static var chapters: [ToolDescription.Chapter] {
    [
      .init(
        "SCENARIOS",
        [
          """
          What a command line says of publishers and subscribers, a file says of any number of groups ({--scenario}). Each message is owed \
          to every client with a subscription that matches its topic, of whatever group, and to one of those that share it. Line by line:
          """
        ],
        entries: [
          .init(
            "--duration 60", "Before the first group stands what is about the whole run. The command line is stronger."),
          .init("[devices]", "A group begins. What stands behind its name is stronger than the command line."),
          .init("--clients 10000", "So many clients are in it; one, if nothing is said."),
          .init("--publish d/%c/t", "Each of them publishes to a topic of its own: d/0/t, d/1/t and so on."),
          .init("--every 60s", "Once in a minute, one after the other."),
          .init("--size 120..400", "Most options about messages and all about the connection go for one group."),
          .init("[dashboards]", "The next group."),
          .init("--clients 5", "Five clients ..."),
          .init("--subscribe d/#", "... that get all messages of the devices. A group can publish and subscribe."),
          .init("[phones]", "The last group has neither topics nor filters, and is just connected,"),
          .init("--clients 500", "as many clients,"),
          .init("--reconnect-every 60s", "each of which leaves and comes again once in a minute."),
        ],
        remarks: [
          """
          The report has a row for each group that publishes. It keeps the file, without its secrets, so that {--again} needs no other; \
          goals and search are about all groups together.
          """
        ]),
      .init(
        "TIMES",
        [
          """
          All are of the messages that were due in the window, by one monotonic clock, in nanoseconds, to three significant digits. \
          In the report for the screen they are in milliseconds, and parts are indented below their sum.
          """
        ],
        entries: TimeMetric.allCases.map { .init("\($0.title.drop { $0 == " " }) (\($0.rawValue))", $0.definition) },
        remarks: [
          """
          Percentiles are by nearest rank over all samples, those that never came among them. One is shown only if ten samples at least \
          lie beyond it: p99 needs 1,000 and p99.99 needs 100,000. Where it falls among what never came, the report has how long was \
          waited at least, as in > 32 s (lost). Mean and standard deviation are of what came.
          """,
          "In a closed loop ({--closed}) nothing is due: there are only times since a message was sent, and no latency under a load.",
        ]),
      .init(
        "RATES", ["All are a second, over the window."],
        entries: RateMetric.allCases.map { .init($0.rawValue, $0.definition) }),
      .init(
        "COUNTS", ["All are of the messages that were due in the window."],
        entries: CountMetric.allCases.map { .init("\($0.rawValue)", $0.definition) }),
      .init(
        "VERDICT",
        ["Every report says what limited the load. What applies first is given:"],
        entries: [
          .init(
            "tool",
            """
            mqbench or its machine: threads were late by more than 1 ms and a tenth of the p99 (at p99, or where there are fewer than 1,000 samples all at p90), or the part of the send delay in \
            mqbench was more than 1 ms and a twentieth of it, or a thread was busy, or waited for a processor, for more than 85 % of the time in more than 5 % of the \
            slices of 100 ms, or the machine underneath took more than 2 % of the processor time in more than a tenth of the seconds.
            """),
          .init(
            "network",
            """
            A network interface was used for more than 80 % of its speed, or more than 0.1 % of the TCP segments to another machine were \
            sent again.
            """
          ),
          .init(
            "broker",
            """
            By exclusion: less than 99 % of the offered messages were sent in the window, or the run was not steady: the backlog grew \
            by more than 0.5 % of the rate, or the p99 of the window's halves differ by more than 20 % and 1 ms, or messages were lost, refused, \
            in doubt or never sent. A closed loop is always limited by something.
            """),
          .init("none", "The offered load was carried."),
        ]),
    ]
  }
}
