import TestSupport
import Testing

/// mqsub at a real broker, and messages for it.
struct SubscribeRun {
  let broker: RealBroker

  init(lines: [String] = []) throws { broker = try RealBroker(lines: lines) }

  /// Publishes lines of `TOPIC PAYLOAD`.
  func publish(_ lines: String..., options: [String] = []) throws {
    let tool = try ToolProcess.run(
      "mqpub", broker.options + ["-V", "5", "--line-topic"] + options,
      input: .text(lines.map { $0 + "\n" }.joined()))
    try #require(tool.end == .exited(0), "\(tool.errorText)")
  }

  /// Publishes lines of `TOPIC PAYLOAD` that the broker keeps.
  func retain(_ lines: String...) throws {
    for line in lines { try publish(line, options: ["-r", "-q", "1"]) }
  }

  /// mqsub from its start to its end.
  func run(_ words: String...) throws -> ToolProcess {
    try ToolProcess.run("mqsub", broker.options + words)
  }

  /// mqsub, connected and subscribed.
  func start(_ words: String..., arg0: String? = nil) throws -> ToolProcess {
    let tool = try ToolProcess("mqsub", broker.options + words + ["--log", "notice"], arg0: arg0)
    try tool.waitForErrors("subscribed to")
    return tool
  }

  /// What the broker keeps for these topics, as `TOPIC PAYLOAD` lines in the order of topics.
  func kept(_ filter: String) throws -> [String] {
    let tool = try run("-t", filter, "--get", "-v")
    return tool.outputText.split(separator: "\n").map(String.init).sorted()
  }
}
