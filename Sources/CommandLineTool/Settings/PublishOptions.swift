internal import MQTT

extension PublishSettings {
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
        details: "The bytes are sent as they are, unless {--encoding} or {--template} gives them a meaning.")
    ) { (settings, value) throws(UsageError) in
      try settings.payload.set(.bytes(value.bytes), by: "-m", from: value.source)
    },
    Option(
      byUse: OptionDescription(
        short: "n", long: "null-message", section: .messages, setting: "--message",
        summary: "publish a message without payload",
        details: "With {--retain} it removes the value that the broker keeps for the topic.")
    ) { (settings, use) throws(UsageError) in try settings.payload.set(.bytes([]), by: "-n", from: use.source) },
    Option(
      OptionDescription(
        short: "f", long: "file", value: .one("FILE"), section: .messages, setting: "--message",
        summary: "publish the contents of FILE as one message", details: "It may be a pipe as well.")
    ) { (settings, value) throws(UsageError) in
      try settings.payload.set(.file(path: value.bytes), by: "-f", from: value.source)
    },
    Option(
      byUse: OptionDescription(
        short: "s", long: "stdin-file", section: .messages, setting: "--message",
        summary: "publish all of standard input as one message")
    ) { (settings, use) throws(UsageError) in try settings.payload.set(.standardInput, by: "-s", from: use.source) },
    Option(
      byUse: OptionDescription(
        short: "l", long: "stdin-line", section: .messages, setting: "--message",
        summary: "publish each line of standard input",
        details: "The end of the line does not belong to the message; an empty line is one without payload.")
    ) { (settings, use) throws(UsageError) in try settings.takeLines(use) },
    Option(
      byUse: OptionDescription(
        long: "line-topic", section: .messages, summary: "with {-l}: the topic stands first on each line",
        details: """
          A blank or a TAB ends it, or what {--line-separator} says; all behind that is the payload. {-l} need not be \
          given. A line that has no separator, or no valid topic, is counted and left out; the first is reported with \
          its number.
          """)
    ) { (settings, use) throws(UsageError) in
      try settings.takeLines(use)
      settings.lineTopic = use.source.kind
    },
    Option(
      OptionDescription(
        long: "line-separator", value: .one("STRING"), section: .messages,
        summary: "what ends the topic of {--line-topic}")
    ) { (settings, value) throws(UsageError) in
      guard !value.bytes.isEmpty else { throw UsageError("is empty") }
      settings.lineSeparator = value.bytes
    },
    Option(
      byUse: OptionDescription(
        long: "stdin-json", section: .messages, setting: "--message",
        summary: "publish what each line of standard input says in JSON",
        details: """
          A line is an object with the members topic, payload or payload_base64 (without both there is no payload), \
          qos, retain and properties; members that are missing are what {--topic}, {--qos}, {--retain} and {-D} say. \
          Members that only received messages have are ignored. A line that is no such object is counted and left out; \
          the first is reported with its number.
          """)
    ) { (settings, use) throws(UsageError) in
      var format = LineFormat()
      format.content = .json
      try settings.payload.set(.lines(format), by: "--stdin-json", from: use.source)
    },
    Option(
      OptionDescription(
        long: "replay", value: .one("FILE"), section: .messages, setting: "--message",
        summary: "publish what mqsub --record has written, in its rhythm",
        details: """
          Lines are as for {--stdin-json}; FILE may be a pipe, and - is standard input. Each message is published as long after \
          the first as it came, or at once where it says no time; what the broker did not take in time follows as soon as \
          it does. Topic, QoS, retain and properties are the recorded ones. A line that was cut off, where a recording was \
          killed, is left out with a warning.
          """)
    ) { (settings, value) throws(UsageError) in
      let path = value.bytes.elementsEqual("-".utf8) ? nil : value.bytes
      try settings.payload.set(.recording(Replay(path: path)), by: "--replay", from: value.source)
    },
    Option(
      OptionDescription(
        long: "speed", value: .one("X"), section: .messages,
        summary: "replay X times as fast; 0 or max is as fast as the broker takes it (1)")
    ) { (settings, value) throws(UsageError) in settings.speed = try value.replaySpeed() },
    Option(
      OptionDescription(
        short: "0", section: .messages, summary: "lines end with NUL instead of LF",
        details: "Those of {-l}, {--line-topic} and {--stdin-json}.")
    ) { $0.linesEndWithNUL = true },
    Option(
      OptionDescription(
        long: "encoding", value: .one("ENCODING"), section: .messages,
        summary: "how payloads are written: text, hex or base64 (text)",
        details: """
          It holds for {-m}, {-f}, {-s} and lines. Blanks and ends of lines within hexadecimal digits and Base64 mean \
          nothing.
          """)
    ) { (settings, value) throws(UsageError) in settings.encoding = try value.payloadEncoding() },
    Option(
      OptionDescription(
        long: "template", section: .messages, summary: "fill in {n}, {timestamp} and the like in topic and payload",
        details: """
          {n} is the number of the message, {timestamp} the time with its zone, {uuid} a random UUID, {random:N} N random \
          letters and digits, {env:NAME} a variable of the environment. A brace that is meant as such is written twice. \
          It holds for {-t}, {-m}, {-f} and {-s}; lines, and payloads in another {--encoding} than text, stay as they are.
          """)
    ) { $0.isTemplate = true },
    Option(
      OptionDescription(
        short: "q", long: "qos", value: .one("QOS"), section: .messages,
        summary: "0 at most once, 1 at least once, 2 exactly once (0)",
        implications: [("--spool", "1"), ("--require-subscribers", "1")])
    ) { (settings, value) throws(UsageError) in settings.qos = try value.qos() },
    Option(
      OptionDescription(
        short: "r", long: "retain", section: .messages, summary: "let the broker keep the message as the topic's value")
    ) { $0.retain = true },
    Option(
      OptionDescription(
        long: "require-subscribers", section: .messages, summary: "fail when nobody subscribes to the topic",
        details: """
          The exit status is then 6. It needs MQTT 5, where a broker may tell it in its acknowledgement, and QoS 1 or \
          2; without {--qos} it is 1. Mosquitto tells it at QoS 1 only.
          """)
    ) { $0.requiresSubscribers = true },
    Option(
      OptionDescription(
        long: "repeat", value: .one("N"), section: .messages, summary: "publish the message N times",
        details: """
          The next time comes when the message was delivered: acknowledged, or with QoS 0 handed to the system. Lines \
          are not repeated.
          """)
    ) { (settings, value) throws(UsageError) in settings.repeatCount = try value.number(in: 1 ... .max) },
    Option(
      OptionDescription(
        long: "repeat-delay", value: .one("TIME"), section: .messages,
        summary: "time from a delivery to the next publish of {--repeat} (0)",
        details: "A time as for {--timeout}. {--every} does not drift.")
    ) { (settings, value) throws(UsageError) in settings.repeatDelay = try value.duration() },
    Option(
      OptionDescription(
        long: "every", value: .one("TIME"), section: .messages,
        summary: "publish the message again and again, once each TIME",
        details: """
          It goes on until it is stopped, or as often as {--repeat} says. All times are counted from the first publish, \
          so that nothing adds up. While the broker takes nothing there is nothing to publish: when it does again, the \
          message goes out at once and then at its times; what was missed is not made up for.
          """)
    ) { (settings, value) throws(UsageError) in settings.period = try value.durationAboveZero() },
  ]

  private mutating func takeLines(_ use: OptionUse) throws(UsageError) {
    try payload.set(.lines(LineFormat()), by: "-l", from: use.source)
  }
}

extension Argument {
  /// `2`, `0.5`, or `max`.
  fileprivate func replaySpeed() throws(UsageError) -> ReplaySpeed {
    if bytes.elementsEqual("max".utf8) { return ReplaySpeed() }
    guard bytes.allSatisfy({ $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }),
      let factor = Double(String(decoding: bytes, as: UTF8.self)), factor.isFinite
    else { throw UsageError("\(quoted) is not a number of times as fast, nor max") }
    return ReplaySpeed(factor: factor > 0 ? factor : nil)
  }
}
