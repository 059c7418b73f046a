internal import MQTT

/// What was typed about a command that works on messages.
public struct CommandSettings: Sendable {
  /// What `sh -c` gets; nil where messages are not for a command.
  public internal(set) var command: [UInt8]?
  /// What follows from a failure, where that was said.
  public internal(set) var failure: CommandFailurePolicy?
  /// How many run at a time.
  public internal(set) var jobs = 1
  /// How long one may run; nil is for ever.
  public internal(set) var timeLimit: Duration?
  private var needingCommand: String?

  /// The defaults.
  public init() {}

  /// Throws where an option stands without a command, which `option` would have given.
  public func check(hasCommand: Bool, by option: String) throws(UsageError) {
    if !hasCommand, let needingCommand { throw UsageError("\(needingCommand): needs \(option) COMMAND") }
  }

  /// Makes a connection fit: whatever is not acknowledged when it is lost comes again, and one message that fails holds the
  /// acknowledgements of all behind it.
  public func adapt(_ connection: inout ConnectionPlan) {
    guard command != nil, connection.connect.properties[.receiveMaximum] == nil else { return }
    connection.connect.properties[.receiveMaximum] = UInt16(max(Self.inflightAtLeast, 2 * jobs))
  }

  /// What brokers send at a time where nobody says more.
  private static let inflightAtLeast = 20
}

/// What becomes of a message that a command did not deal with.
public enum CommandFailurePolicy: Sendable {
  /// The run ends, and the message is not acknowledged.
  case stop
  /// The message is acknowledged, and the next one is begun.
  case skip
  /// The command gets it again, after a while.
  case retry
}

extension CommandSettings {
  /// The variables that a command gets, for the manual page.
  public static let variables: [ToolDescription.Entry] = [
    .init(
      "MESSAGE_TOPIC, MESSAGE_QOS, MESSAGE_RETAIN, MESSAGE_DUPLICATE, MESSAGE_TIME",
      "A command gets these of its message. Retain and duplicate are 0 or 1."),
    .init(
      "MESSAGE_CONTENT_TYPE, MESSAGE_RESPONSE_TOPIC, MESSAGE_CORRELATION_DATA_BASE64",
      "And these where the message has such a property."),
    .init("MESSAGE_PAYLOAD_FORMAT_INDICATOR, MESSAGE_EXPIRY_INTERVAL", "Likewise."),
    .init(
      "MESSAGE_SUBSCRIPTION_IDENTIFIERS, MESSAGE_USER_PROPERTIES",
      """
      Likewise. Several identifiers have blanks between them; user properties are an array in JSON, [["name","value"]], and \
      left out where they are longer than 120,000 bytes.
      """),
  ]

  /// The options of the group.
  public static let options =
    [
      Option<CommandSettings>(
        OptionDescription(
          long: "exec", value: .one("COMMAND"), section: .commands,
          summary: "run COMMAND for each message instead of printing it",
          details: """
            The shell gets COMMAND as it stands (sh -c); nothing of a message is put into it. The payload is its standard input, \
            which need not be read, and the rest is in variables, see ENVIRONMENT. Its output is that of the tool. With QoS \
            1 and 2 a message is acknowledged when the command has ended with status 0, so that each is dealt with at least \
            once; with a session that the broker keeps ({-c} and {-i}) also over restarts. A signal lets what runs come to its \
            end for up to 5 s.
            """)
      ) { (settings, value) throws(UsageError) in
        guard !value.bytes.isEmpty else { throw UsageError("is empty") }
        settings.command = value.bytes
      }
    ] + rules(standard: "stop")

  /// Those without the command itself, for a tool that does `standard` when it fails.
  public static func rules(standard: String) -> [Option<CommandSettings>] {
    [
      Option(
        OptionDescription(
          long: "exec-failure", value: .one("ACTION"), section: .commands,
          summary: "stop, skip or retry, when the command fails (\(standard))",
          details: """
            Stop ends the run with status 69; the message stays with the broker. Skip acknowledges it. Retry runs the command \
            again after 1 s, 2 s and so on, up to a minute; meanwhile the message keeps its place among the jobs.
            """)
      ) { (settings, value) throws(UsageError) in
        settings.failure = try value.choice([("stop", .stop), ("skip", .skip), ("retry", .retry)])
        settings.needingCommand = "--exec-failure"
      },
      Option(
        OptionDescription(
          long: "exec-jobs", value: .one("N"), section: .commands, summary: "run up to N commands at a time (1)",
          details: """
            With one, messages are dealt with in their order. Acknowledgements leave in the order of the messages in any case, \
            as MQTT demands.
            """)
      ) { (settings, value) throws(UsageError) in
        settings.jobs = try value.number(in: 1...1000)
        settings.needingCommand = "--exec-jobs"
      },
      Option(
        OptionDescription(
          long: "exec-timeout", value: .one("TIME"), section: .commands,
          summary: "end a command after TIME, as a failure",
          details: "It and all that it started are asked to end, and killed 2 s later.")
      ) { (settings, value) throws(UsageError) in
        settings.timeLimit = try value.durationAboveZero()
        settings.needingCommand = "--exec-timeout"
      },
    ]
  }
}
