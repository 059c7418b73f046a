public import MQTT

/// What was typed about the messages to publish.
public struct PublishSettings: Sendable {
  var topics = Accumulated<TopicName>()
  var payload = Exclusive<PayloadSource>()
  var qos = QoS.atMostOnce
  var retain = false

  /// The defaults.
  public init() {}

  /// Takes one more topic to publish to: the value of `-t`, or a URL's.
  public mutating func take(topicIn value: Argument) throws(UsageError) {
    topics.append(try value.topicName(), from: value.source)
  }
}

/// Where the payload comes from.
public enum PayloadSource: Hashable, Sendable {
  /// These bytes; none for a message without payload.
  case bytes([UInt8])
  /// The whole file.
  case file(path: [UInt8])
  /// All of standard input.
  case standardInput
  /// Each line of standard input is a message.
  case lines
}

/// What the settings mean together.
public struct PublishPlan: Hashable, Sendable {
  /// Where each message goes.
  public var topics: [TopicName]
  /// Where the payload comes from.
  public var payload: PayloadSource
  /// How surely each message is delivered.
  public var qos: QoS
  /// Whether the broker keeps the message as the topic's value.
  public var retain: Bool
  /// The properties of each PUBLISH packet.
  public var properties: Properties
}

extension PublishSettings {
  /// What the settings mean together, or what is missing. `connection` has the properties.
  public func plan(
    _ connection: ConnectionSettings, _ compatibility: Compatibility
  ) throws(UsageError) -> PublishPlan {
    guard let lastTopic = topics.values.last else { throw UsageError("no topic: name one with -t") }
    guard let payload = payload.value else { throw UsageError("no message: give one with -m, -n, -f, -s or -l") }
    return PublishPlan(
      topics: compatibility.lastTopicWins ? [lastTopic] : topics.values, payload: payload, qos: qos, retain: retain,
      properties: try connection.properties.properties(for: .publish))
  }

  /// The options of the group.
  public static let options: [Option<PublishSettings>] = [
    Option(
      OptionDescription(
        short: "t", long: "topic", value: .one("TOPIC"), section: .messages,
        summary: "publish to TOPIC; may be repeated",
        details: "Each message goes to each topic. Topics on the command line replace those of files.")
    ) { (settings, value) throws(UsageError) in try settings.take(topicIn: value) },
    Option(
      OptionDescription(
        short: "m", long: "message", value: .one("TEXT"), section: .messages, summary: "publish TEXT",
        details: "The bytes are sent as they are; nothing in them has a meaning.")
    ) { (settings, value) throws(UsageError) in
      try settings.payload.set(.bytes(value.bytes), by: "-m", from: value.source)
    },
    Option(
      byUse: OptionDescription(
        short: "n", long: "null-message", section: .messages, summary: "publish a message without payload",
        details: "With {--retain} it removes the value that the broker keeps for the topic.")
    ) { (settings, use) throws(UsageError) in try settings.payload.set(.bytes([]), by: "-n", from: use.source) },
    Option(
      OptionDescription(
        short: "f", long: "file", value: .one("FILE"), section: .messages,
        summary: "publish the contents of FILE as one message")
    ) { (settings, value) throws(UsageError) in
      try settings.payload.set(.file(path: value.bytes), by: "-f", from: value.source)
    },
    Option(
      byUse: OptionDescription(
        short: "s", long: "stdin-file", section: .messages, summary: "publish all of standard input as one message")
    ) { (settings, use) throws(UsageError) in try settings.payload.set(.standardInput, by: "-s", from: use.source) },
    Option(
      byUse: OptionDescription(
        short: "l", long: "stdin-line", section: .messages, summary: "publish each line of standard input",
        details: "The end of the line does not belong to the message; an empty line is one without payload.")
    ) { (settings, use) throws(UsageError) in try settings.payload.set(.lines, by: "-l", from: use.source) },
    Option(
      OptionDescription(
        short: "q", long: "qos", value: .one("QOS"), section: .messages,
        summary: "0 at most once, 1 at least once, 2 exactly once (0)")
    ) { (settings, value) throws(UsageError) in settings.qos = try value.qos() },
    Option(
      OptionDescription(
        short: "r", long: "retain", section: .messages, summary: "let the broker keep the message as the topic's value")
    ) { $0.retain = true },
  ]
}
