public import MQTT

/// What was typed about the messages to publish.
public struct PublishSettings: Sendable {
  var topics = Accumulated<TopicName>()
  var payload = Exclusive<PayloadSource>()
  var encoding: PayloadEncoding?
  var isTemplate = false
  var linesEndWithNUL = false
  /// The source that said `--line-topic`.
  var lineTopic: SourceKind?
  var lineSeparator: [UInt8]?
  var repeatCount: Int?
  var repeatDelay: Duration?
  var period: Duration?
  var qos: QoS?
  var retain = false
  var speed: ReplaySpeed?
  var requiresSubscribers = false

  /// The defaults.
  public init() {}

  /// The message is to be stored until the broker has acknowledged it, which QoS 0 does not know.
  public mutating func beStored() throws(UsageError) {
    if qos == .atMostOnce {
      throw UsageError("-q: a message of QoS 0 is never acknowledged and cannot be spooled; use 1 or 2")
    }
    qos = qos ?? .atLeastOnce
  }

  /// Takes one more topic to publish to: the value of `-t`, or a URL's.
  public mutating func take(topicIn value: Argument) throws(UsageError) {
    topics.append(try value.topicName(), from: value.source)
  }
}

/// How fast a recording is published.
struct ReplaySpeed: Hashable, Sendable {
  /// How many times as fast as it came; nil for as fast as the broker takes it.
  var factor: Double?
}

/// How often a message that is known from the start is published.
public struct Repetition: Hashable, Sendable {
  /// When the next time is.
  public enum Pace: Hashable, Sendable {
    /// So long after the message was delivered.
    case afterDelivery(Duration)
    /// At whole multiples of this time after the first.
    case every(Duration)
  }

  /// How many times; nil until something ends it.
  public var count: Int?
  /// When the next time is.
  public var pace: Pace

  /// Once, and no more.
  public static let once = Repetition(count: 1, pace: .afterDelivery(.zero))
}

/// What the settings mean together.
public struct PublishPlan: Hashable, Sendable {
  /// Where each message goes whose topic its source does not say; with lines of JSON perhaps nowhere.
  public var topics: [TopicName]
  /// Where the payload comes from.
  public var payload: PayloadSource
  /// How the payload is written there.
  public var encoding = PayloadEncoding.text
  /// Whether the topics, and the payload unless it is lines or encoded, are templates.
  public var isTemplate = false
  /// How often it is published, unless it is lines.
  public var repetition = Repetition.once
  /// How surely each message is delivered whose source does not say it.
  public var qos: QoS
  /// Whether the broker keeps the message as the topic's value, unless its source says it.
  public var retain: Bool
  /// Whether a message that nobody subscribes to is a failure.
  public var requiresSubscribers = false
  /// The properties of each PUBLISH packet whose message has none.
  public var properties: Properties
}

extension PublishPlan {
  /// Whether a message may be one of QoS 2.
  public var hasExactlyOnce: Bool {
    switch payload {
    case .lines(let format) where format.content == .json: true
    case .recording: true
    default: qos == .exactlyOnce
    }
  }

  /// Whether the run goes on for as long as its input, or somebody, wants: a connection that is lost is then made again.
  public var isStream: Bool {
    payload.isManyMessages || repetition != .once
  }

  /// The option that only MQTT 5 can carry out.
  public var optionForLatestVersion: String? { requiresSubscribers ? "--require-subscribers" : nil }
}

extension PublishSettings {
  /// What the settings mean together, or what is missing. `connection` has the properties.
  public func plan(
    _ connection: ConnectionSettings, _ compatibility: Compatibility
  ) throws(UsageError) -> PublishPlan {
    let payload = try payloadSource()
    if requiresSubscribers, qos == .atMostOnce {
      throw UsageError("--require-subscribers: needs -q 1 or 2: QoS 0 is not acknowledged")
    }
    return PublishPlan(
      topics: try topics(for: payload, compatibility), payload: payload, encoding: encoding ?? .text,
      isTemplate: isTemplate, repetition: try repetition(of: payload),
      qos: qos ?? (requiresSubscribers ? .atLeastOnce : .atMostOnce),
      retain: retain,
      requiresSubscribers: requiresSubscribers, properties: try connection.properties.properties(for: .publish))
  }

  private func payloadSource() throws(UsageError) -> PayloadSource {
    guard let payload = payload.value else {
      // Whoever forgot both has forgotten the topic first.
      if topics.values.isEmpty { throw Self.topicIsMissing }
      throw UsageError("no message: give one with -m, -n, -f, -s, -l, --stdin-json or --replay")
    }
    if case .recording(var replay) = payload {
      if linesEndWithNUL { throw UsageError("-0: the lines of a recording end with LF") }
      if encoding != nil { throw UsageError("--encoding: is not for --replay, which has payload_base64") }
      replay.speed = speed.map { $0.factor } ?? 1
      return .recording(replay)
    }
    if speed != nil { throw UsageError("--speed: needs --replay FILE") }
    guard case .lines(var format) = payload else {
      if linesEndWithNUL { throw UsageError("-0: needs messages that are lines: -l or --stdin-json") }
      return payload
    }
    if linesEndWithNUL { format.end = 0 }
    switch format.content {
    case .json:
      if encoding != nil { throw UsageError("--encoding: is not for --stdin-json, which has payload_base64") }
    default:
      if lineTopic != nil { format.content = .topicAndPayload(separator: lineSeparator) }
    }
    if lineSeparator != nil, lineTopic == nil { throw UsageError("--line-separator: needs --line-topic") }
    return .lines(format)
  }

  private func topics(
    for payload: PayloadSource, _ compatibility: Compatibility
  ) throws(UsageError) -> [TopicName] {
    if case .lines(let format) = payload {
      switch format.content {
      case .topicAndPayload:
        // What a file or MQTOOLS_URL says for other runs does not matter here.
        guard topics.kind != lineTopic else { throw UsageError("--line-topic: cannot stand together with -t") }
        if isTemplate { throw UsageError("--template: is not for lines that have topics") }
        return []
      case .json: if topics.values.isEmpty { return [] }
      case .payload: break
      }
    }
    if case .recording = payload, topics.values.isEmpty { return [] }
    guard let last = topics.values.last else { throw Self.topicIsMissing }
    return compatibility.lastTopicWins ? [last] : topics.values
  }

  private func repetition(of payload: PayloadSource) throws(UsageError) -> Repetition {
    if let period {
      if payload.isManyMessages {
        throw UsageError("--every: is for one message, and lines are published as they come")
      }
      if repeatDelay != nil { throw UsageError("--every: cannot stand together with --repeat-delay") }
      return Repetition(count: repeatCount, pace: .every(period))
    }
    // With lines they have no meaning, as with mosquitto_pub.
    return Repetition(count: repeatCount ?? 1, pace: .afterDelivery(repeatDelay ?? .zero))
  }

  private static let topicIsMissing = UsageError("no topic: name one with -t")
}
