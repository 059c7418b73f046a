internal import MQTT

/// What `--subscribe` says of its filter alone.
struct FilterOptions: Hashable, Sendable {
  var qos: QoS?
  var noLocal = false
  var retainAsPublished = false
  var retainHandling: SubscriptionOptions.RetainHandling?
  var identifier: Int?

  /// Whether MQTT 3.x has no such options.
  var needLatestVersion: Bool { noLocal || retainAsPublished || retainHandling != nil || identifier != nil }
}

extension Argument {
  /// `OPTIONS FILTER`: options with commas between them, a blank, and all the rest is the filter.
  fileprivate func wantedFilter() throws(UsageError) -> SubscribeSettings.WantedFilter {
    guard let blank = bytes.firstIndex(of: UInt8(ascii: " ")) else {
      throw UsageError("\(quoted) is not OPTIONS FILTER, such as 'qos=1,nl a/#'")
    }
    var options = FilterOptions()
    for word in bytes[..<blank].split(separator: UInt8(ascii: ",")) {
      let parts = word.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      let value = parts.count > 1 ? Argument(Array(parts[1]), from: source) : nil
      switch (String(decoding: parts[0], as: UTF8.self), value) {
      case ("qos", let value?): options.qos = try value.qos()
      case ("nl", nil): options.noLocal = true
      case ("rap", nil): options.retainAsPublished = true
      case ("rh", let value?):
        options.retainHandling = try value.choice([
          ("0", .sendAtSubscribe), ("1", .sendIfNew), ("2", .doNotSend),
        ])
      case ("id", let value?): options.identifier = try value.number(in: 1...268_435_455)
      default:
        let text = String(decoding: word, as: UTF8.self)
        throw UsageError("\"\(text)\" is not one of qos=N, nl, rap, rh=N and id=N; they end at the first blank")
      }
    }
    let filter = try Argument(Array(bytes[(blank + 1)...]), from: source).topicFilter()
    if filter.isShared, options.noLocal {
      throw UsageError("nl is not for a shared subscription")  // [MQTT-3.8.3-4]
    }
    return .init(filter: filter, options: options)
  }

  /// A number of percent above 0, perhaps with a fraction.
  fileprivate func percentage() throws(UsageError) -> Double {
    let text = String(decoding: bytes, as: UTF8.self)
    guard bytes.allSatisfy({ $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }), let number = Double(text),
      number > 0, number <= 100
    else { throw UsageError("\(quoted) is not a percentage above 0 and up to 100") }
    return number
  }

  fileprivate func test() throws(UsageError) -> TestExpression { try TestExpression(bytes) }
}

extension SubscribeSettings {
  /// The options of the group.
  public static let options: [Option<SubscribeSettings>] = [
    // MARK: Subscriptions

    Option(
      OptionDescription(
        short: "t", long: "topic", value: .one("FILTER"), section: .subscriptions,
        summary: "subscribe to FILTER; may be repeated",
        details: """
          A + stands for any one level, a # at the end for all the rest. $share/NAME/FILTER is a shared subscription: \
          each message goes to one of the clients that share NAME. Filters on the command line replace those of files.
          """)
    ) { (settings, value) throws(UsageError) in try settings.take(filterIn: value) },
    Option(
      OptionDescription(
        long: "subscribe", value: .one("'OPTIONS FILTER'"), section: .subscriptions, setting: "--topic",
        summary: "subscribe with options of its own, such as 'qos=1,nl a/#'; may be repeated",
        details: """
          Options stand before the first blank, with commas between them: qos=0, 1 or 2; nl, no messages of this client \
          itself; rap, retain as published; rh=0, 1 or 2, retained messages always, for a new subscription, or never; \
          id=N, a subscription identifier, which comes with each message. All but qos need MQTT 5.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.filters.append(try value.wantedFilter(), from: value.source)
    },
    Option(
      OptionDescription(
        short: "U", long: "unsubscribe", value: .one("FILTER"), section: .subscriptions,
        summary: "end a subscription that the session has; may be repeated")
    ) { (settings, value) throws(UsageError) in
      settings.unsubscribed.append(try value.topicFilter(), from: value.source)
    },
    Option(
      OptionDescription(
        short: "q", long: "qos", value: .one("QOS"), section: .subscriptions,
        summary: "highest QoS that messages come with (0)")
    ) { (settings, value) throws(UsageError) in settings.qos = try value.qos() },
    Option(
      OptionDescription(
        long: "retain-handling", value: .one("WHEN"), section: .subscriptions,
        summary: "when retained messages come: always, new or never (always)",
        details: "New means when the session did not have the subscription. MQTT 3.x always sends them.")
    ) { (settings, value) throws(UsageError) in
      settings.retainHandling = try value.choice([
        ("always", .sendAtSubscribe), ("new", .sendIfNew), ("never", .doNotSend),
      ])
    },
    Option(
      OptionDescription(
        long: "retain-as-published", section: .subscriptions,
        summary: "let messages keep the retain flag that they were published with",
        details: "Without it only messages that the broker had kept have the flag. MQTT 3.x knows no other way.")
    ) { $0.retainAsPublished = true },
    Option(
      OptionDescription(
        long: "strict-subscribe", section: .subscriptions, summary: "end when the broker refuses one of the filters",
        details: "With status 36. Otherwise that is a warning, unless all are refused.")
    ) { $0.isStrict = true },

    Option(
      OptionDescription(
        long: "on-ready", value: .one("COMMAND"), section: .subscriptions,
        summary: "run COMMAND once, when the subscriptions stand",
        details: """
          The shell runs it, with nothing to read and its output on standard error, while messages are printed already. \
          When it fails the run ends with status 69. Whether or not this option is there, READY=1 is sent to the socket \
          in NOTIFY_SOCKET, for services of Type=notify.
          """)
    ) { (settings, value) throws(UsageError) in settings.readyCommand = value.bytes },

    // MARK: Selection

    Option(
      OptionDescription(
        short: "T", long: "filter-out", value: .one("FILTER"), section: .selection,
        summary: "leave out messages of these topics; may be repeated")
    ) { (settings, value) throws(UsageError) in
      settings.filtersOut.append(try value.topicFilter(), from: value.source)
    },
    Option(
      OptionDescription(
        long: "where", value: .one("TEST"), section: .selection,
        summary: "leave out messages that do not pass TEST; may be repeated",
        details: "Of several tests a message has to pass all. They are described below under TESTS.")
    ) { (settings, value) throws(UsageError) in settings.tests.append(try value.test(), from: value.source) },
    Option(
      OptionDescription(
        short: "R", section: .selection, summary: "leave out messages that the broker had kept",
        details: "On MQTT 5 the broker is asked not to send them.")
    ) { $0.hidesRetained = true },
    Option(
      OptionDescription(
        long: "retained-only", section: .selection,
        summary: "leave out all but messages that the broker had kept, and end after them",
        details: "The end is found as with {--get}, or by the first other message.")
    ) { $0.showsRetainedOnly = true },
    Option(
      OptionDescription(
        long: "random-filter", value: .one("PERCENT"), section: .selection,
        summary: "leave out all but this part of the messages, chosen at random")
    ) { (settings, value) throws(UsageError) in settings.part = .init(percent: try value.percentage()) },
    Option(
      OptionDescription(
        long: "remove-retained", section: .selection,
        summary: "remove retained messages that come from the broker, and end after them",
        details: """
          Each is removed by an empty one of QoS 1, unless {-T} or {--where} leaves it out; with {-R} they are removed, \
          but not printed. The end is found as with {--get}. As mosquitto_sub it ends only together with \
          {--retained-only}.
          """)
    ) { $0.removesRetained = true },

    Option(
      OptionDescription(
        long: "clear-retained", section: .selection, summary: "remove what the broker keeps, print its topics, and end",
        details: """
          Each topic is printed when the broker has acknowledged an empty message of QoS 1. {-T} and {--where} leave \
          messages out. The end is found as with {--get}; it is a success also when there was nothing. A filter \
          that begins with a wildcard needs {--yes}, or an answer at the terminal.
          """)
    ) { $0.clears = true },
    Option(
      OptionDescription(
        long: "dry-run", section: .selection, summary: "with {--clear-retained}: print the topics and remove nothing")
    ) { $0.isDryRun = true },
    Option(
      OptionDescription(
        long: "yes", section: .selection, summary: "with {--clear-retained}: remove without a question")
    ) { $0.isConfirmed = true },

    // MARK: Output

    Option(
      OptionDescription(
        long: "message-rate", section: .output, summary: "print the number of messages once a second, and nothing else",
        details: "{-C} means nothing then. Messages that are left out do not count.")
    ) { $0.showsRate = true },

    // MARK: When to end

    Option(
      OptionDescription(
        short: "C", value: .one("N"), section: .ending, summary: "end after N messages",
        details: """
          Messages that are left out do not count. What the broker sends beyond them is not acknowledged, so that a \
          session that is kept has it for the next run.
          """)
    ) { (settings, value) throws(UsageError) in settings.count = try value.number(in: 1 ... .max) },
    Option(
      OptionDescription(
        short: "E", section: .ending, summary: "end when the broker has answered the subscriptions")
    ) { $0.endsOnceSubscribed = true },
    Option(
      OptionDescription(
        long: "get", section: .ending, summary: "print the values that the broker keeps, and end",
        details: """
          Only retained messages are printed. They are all there when the broker has answered a PINGREQ that followed \
          the subscription, and nothing more has come for 0.3 s, or what {--idle} says. When there was none the exit \
          status is 6.
          """)
    ) { $0.gets = true },
    Option(
      OptionDescription(
        long: "until", value: .one("TEST"), section: .ending,
        summary: "end with the first message that passes TEST; may be repeated",
        details: "It is printed. Of several tests it has to pass all. They are described below under TESTS.")
    ) { (settings, value) throws(UsageError) in settings.finalTests.append(try value.test(), from: value.source) },
    Option(
      OptionDescription(
        long: "idle", value: .one("TIME"), section: .ending, summary: "end when no message has come for this time",
        details: """
          Messages that are left out count, too. The exit status is 0, but 27 when {-C} or {--until} waits for more. The \
          time is one as for {--timeout}, and runs while the subscriptions stand.
          """)
    ) { (settings, value) throws(UsageError) in settings.idleTime = try value.durationAboveZero() },
    Option(
      OptionDescription(
        long: "end-session", section: .ending, summary: "end the session of the client identifier, and leave",
        details: """
          The broker forgets the subscriptions and messages that it kept for {--id}. Nothing is subscribed to, and none \
          of the other options about messages matters.
          """)
    ) { $0.endsSession = true },
    Option(
      OptionDescription(
        long: "on-takeover", value: .one("WHAT"), section: .time,
        summary: "when another client takes our identifier: exit or retry (exit)",
        details: """
          A broker has one connection for each client identifier; two clients with the same one throw each other out for \
          ever. MQTT 5 has a reason code for it, 142, which is the exit status then. Where it is missing, three \
          connections that the broker closes soon after they were made, within 20 s and with an identifier that {--id} \
          gave, are taken for it: status 7. Retry waits half a minute then.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.takeover = try value.choice([("exit", .exit), ("retry", .retry)])
    },
  ]
}
