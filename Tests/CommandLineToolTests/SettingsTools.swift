import MQTT
import Testing

@testable import CommandLineTool

/// A tool that publishes, as far as its options go.
struct Publishing: Sendable {
  var connection = ConnectionSettings()
  var publish = PublishSettings()

  static let tool = Tool(
    ToolDescription(name: .mqpub, purpose: "publish", synopsis: ["-t TOPIC"], paragraphs: [], examples: []),
    settings: Publishing(),
    options: Options(PublishSettings.options) { $1(&$0.publish) }
      + ConnectionSettings.options(
        lend: { $1(&$0.connection) },
        takeTopic: { (tool, topic) throws(UsageError) in try tool.publish.take(topicIn: topic) }),
    otherTools: [(name: "mqsub", options: { Subscribing.tool.commandLine.options })])
}

/// A tool that subscribes, as far as its options go.
struct Subscribing: Sendable {
  var connection = ConnectionSettings()
  var subscribe = SubscribeSettings()
  var output = OutputSettings()

  static let tool = Tool(
    ToolDescription(name: .mqsub, purpose: "subscribe", synopsis: ["-t FILTER"], paragraphs: [], examples: []),
    settings: Subscribing(),
    options: Options(SubscribeSettings.options) { $1(&$0.subscribe) }
      + Options(OutputSettings.options) { $1(&$0.output) }
      + ConnectionSettings.options(
        lend: { $1(&$0.connection) },
        takeTopic: { (tool, topic) throws(UsageError) in try tool.subscribe.take(filterIn: topic) }))
}

/// The settings that words make, and what they were called by.
func typed<Settings>(
  _ tool: Tool<Settings>, _ words: [String], as program: String, environment: [String: String]
) throws(UsageError) -> (Settings, Compatibility) {
  let compatibility = Compatibility.of(tool.commandLine.description.name, calledAs: bytes(program))
  let request = try tool.commandLine.request(
    [bytes(program)] + words.map(bytes), compatibility, environment: { environment[$0].map(bytes) })
  guard case .run(let invocation) = request else { throw UsageError("there is nothing to run") }
  var settings = tool.initialSettings()
  try tool.apply(invocation.uses, to: &settings)
  return (settings, invocation.compatibility)
}

/// What `words` mean for a publishing tool, with a topic, a message and an identifier unless they are there.
func publishing(
  _ words: [String], as program: String = "mqpub", environment: [String: String] = [:]
) throws(UsageError) -> (connection: ConnectionPlan, publish: PublishPlan) {
  let (settings, compatibility) = try typed(Publishing.tool, words, as: program, environment: environment)
  let publish = try settings.publish.plan(settings.connection, compatibility)
  return (
    try settings.connection.plan(compatibility, forLatestVersion: publish.optionForLatestVersion), publish
  )
}

/// What `words` mean for the connection.
func connecting(
  _ words: [String], as program: String = "mqpub", environment: [String: String] = [:]
) throws(UsageError) -> ConnectionPlan {
  let (settings, compatibility) = try typed(Publishing.tool, words, as: program, environment: environment)
  return try settings.connection.plan(compatibility)
}

/// What `words` mean for a subscribing tool.
func subscribing(
  _ words: [String], as program: String = "mqsub", environment: [String: String] = [:]
) throws(UsageError) -> (connection: ConnectionPlan, subscribe: SubscribePlan) {
  let (settings, compatibility) = try typed(Subscribing.tool, words, as: program, environment: environment)
  let subscribe = try settings.subscribe.plan(settings.connection, compatibility)
  return (
    try settings.connection.plan(compatibility, forLatestVersion: subscribe.optionForLatestVersion), subscribe
  )
}

/// What `words` mean for the output of a subscribing tool.
func showing(_ words: [String], as program: String = "mqsub") throws(UsageError) -> OutputPlan {
  let (settings, compatibility) = try typed(Subscribing.tool, words, as: program, environment: [:])
  return try settings.output.plan(compatibility)
}

/// Words, and how they change what no words mean.
struct Row<Plan>: Sendable, CustomTestStringConvertible {
  var words: [String]
  var change: @Sendable (inout Plan) -> Void

  init(_ words: String..., change: @escaping @Sendable (inout Plan) -> Void) {
    self.words = words
    self.change = change
  }

  var testDescription: String { words.joined(separator: " ") }
}

/// Properties of one kind.
func properties(_ body: (inout Properties) -> Void) -> Properties {
  var properties = Properties()
  body(&properties)
  return properties
}

func topic(_ name: String) -> TopicName { try! TopicName(name) }

func filter(_ name: String) -> TopicFilter { try! TopicFilter(name) }
