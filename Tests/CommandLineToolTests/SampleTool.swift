@testable import CommandLineTool

/// A small tool with an option of each kind, to try the machinery on.
struct SampleSettings: Sendable, Equatable {
  struct Network: Sendable, Equatable {
    var host = "localhost"
    var port = 1883

    static let options: [Option<Network>] = [
      Option(
        OptionDescription(
          short: "h", long: "host", value: .one("HOST"), section: .connection, summary: "the broker's host")
      ) { settings, value throws(UsageError) in settings.host = try value.text() },
      Option(
        OptionDescription(
          short: "p", long: "port", value: .one("PORT"), section: .connection, summary: "the broker's port (1883)",
          details: "With {--host} it says where the broker is.", environment: "SAMPLE_PORT")
      ) { settings, value throws(UsageError) in settings.port = try value.number(in: 1...65_535) },
    ]
  }

  var network = Network()
  var message: [UInt8] = []
  var isNull = false
  var isLoud = false
  var topics: [String] = []
  var properties: [[String]] = []

  static let options: [Option<Typed>] = [
    Option(
      OptionDescription(
        short: "m", long: "message", value: .one("TEXT"), section: .messages, summary: "the payload")
    ) { settings, value in settings.message = value.bytes },
    Option(OptionDescription(short: "n", section: .messages, summary: "an empty payload")) { $0.isNull = true },
    Option(
      OptionDescription(short: "vv", section: .output, summary: "be loud")
    ) { $0.isLoud = true },
    Option(
      OptionDescription(
        short: "t", long: "topic", value: .one("TOPIC"), section: .messages, summary: "the topic; may be repeated")
    ) { settings, value throws(UsageError) in settings.topics.append(try value.text(), from: value.source) },
    Option(
      byUse: OptionDescription(
        short: "D", long: "property",
        value: .several("COMMAND NAME VALUE", isComplete: { $0.count == (isPair($0) ? 4 : 3) }),
        section: .messages, summary: "a property")
    ) { settings, use throws(UsageError) in
      var texts: [String] = []
      for word in use.words { texts.append(try Argument(word, from: use.source).text()) }
      settings.properties.append(texts, from: use.source)
    },
  ]

  /// What the options write to: the same, with the sources of what accumulates.
  struct Typed: Sendable {
    var network = Network()
    var message: [UInt8] = []
    var isNull = false
    var isLoud = false
    var topics = Accumulated<String>()
    var properties = Accumulated<[String]>()
  }

  init(_ typed: Typed) {
    network = typed.network
    message = typed.message
    isNull = typed.isNull
    isLoud = typed.isLoud
    topics = typed.topics.values
    properties = typed.properties.values
  }

  init() {}

  private static func isPair(_ words: [[UInt8]]) -> Bool {
    words.count > 1 && words[1].elementsEqual("user-property".utf8)
  }
}

let sampleTool = Tool(
  ToolDescription(
    name: .mqpub, purpose: "publish messages to an MQTT broker", synopsis: ["[OPTION]... -t TOPIC -m TEXT"],
    paragraphs: ["It needs {--topic}.", "A \\ and a 'quote'."],
    examples: [.init("One message.", "mqpub -t a/b -m 'it''s'")],
    environment: [.init("TZ", "The time zone.")]),
  settings: SampleSettings.Typed(),
  options: Options(SampleSettings.Network.options) { $1(&$0.network) } + Options(SampleSettings.options) { $1(&$0) },
  otherTools: [
    (name: "mqsub", options: { [OptionDescription(short: "C", value: .one("N"), section: .output, summary: "count")] })
  ])

/// What the words and files say, or what is wrong with them.
func settings(
  _ words: [String], as name: String = "mqpub", environment: [String: String] = [:]
) throws(UsageError) -> SampleSettings {
  guard case .run(let invocation) = try request(words, as: name, environment: environment) else {
    throw UsageError("there is nothing to run")
  }
  var typed = SampleSettings.Typed()
  try sampleTool.apply(invocation.uses, to: &typed)
  return SampleSettings(typed)
}
