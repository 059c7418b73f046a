public import MQTT

/// Which of the messages that come are wanted.
public struct MessageSelection: Hashable, Sendable {
  /// What is wanted of messages that the broker had kept.
  public enum Retained: Hashable, Sendable {
    /// They are messages like others.
    case shown
    /// They are left out.
    case hidden
    /// Nothing but them is wanted.
    case alone
  }

  /// Messages of these topics are left out.
  public var filtersOut: [TopicFilter] = []
  /// What is wanted of messages that the broker had kept.
  public var retained = Retained.shown
  /// What a message has to pass, each of them.
  public var tests: [TestExpression] = []
  /// The part of messages that is wanted, chosen at random; nil for all of them.
  public var part: Part?

  /// A part of all messages: so many of 2⁶⁴.
  public struct Part: Hashable, Sendable {
    fileprivate let threshold: UInt64
    /// The state of SplitMix64, seeded by the system once: asking it for each message would take longer than the message.
    fileprivate var state = UInt64.random(in: 0 ... .max)

    /// So many percent, above 0 and up to 100.
    public init(percent: Double) {
      threshold = percent >= 100 ? .max : UInt64(max(0, percent) / 100 * 0x1p64)
    }

    fileprivate mutating func choosesNext() -> Bool {
      if threshold == .max { return true }
      state &+= 0x9E37_79B9_7F4A_7C15
      var number = state
      number = (number ^ (number >> 30)) &* 0xBF58_476D_1CE4_E5B9
      number = (number ^ (number >> 27)) &* 0x94D0_49BB_1331_11EB
      return number ^ (number >> 31) < threshold
    }

    /// Parts are equal when they are of one size.
    public static func == (one: Part, other: Part) -> Bool { one.threshold == other.threshold }

    /// Hashes the size.
    public func hash(into hasher: inout Hasher) { hasher.combine(threshold) }
  }

  /// All messages.
  public init() {}

  /// Whether the message is wanted.
  public mutating func wants(_ message: MessageView) -> Bool {
    switch retained {
    case .shown: break
    case .hidden: if message.retain { return false }
    case .alone: if !message.retain { return false }
    }
    return passes(message) && part?.choosesNext() ?? true
  }

  /// Whether its topic and the tests let the message through, retained or not.
  public func passes(_ message: MessageView) -> Bool {
    for filter in filtersOut where filter.matches(message.topic) { return false }
    for test in tests where !test.passes(message) { return false }
    return true
  }
}
