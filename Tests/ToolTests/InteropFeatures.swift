import Foundation
import TestSupport

/// What is tried with every broker, over every version and transport.
enum Feature: String, CaseIterable {
  case qos0 = "QoS 0"
  case qos1 = "QoS 1"
  case qos2 = "QoS 2"
  case retained = "retained"
  case retainedByWildcard = "retained, found by a wildcard"
  case will = "will"
  case offlineSession = "offline session"
  case sharedSubscription = "shared subscription"
  case properties = "properties"
  case largePayload = "5 MB payload"
  case takeover = "takeover"
  case request = "request and response"
}

/// Why a feature did not show itself.
struct FeatureFailure: Error, CustomStringConvertible {
  let description: String
}

/// The tools against a broker: each method shows a feature, or throws what was seen instead.
struct FeatureTrial {
  /// The word after `-V`; nil leaves it to the tool.
  let version: String?
  /// Whether MQTT 5 will be spoken.
  let hasProperties: Bool
  /// What the tools are told of the broker.
  let options: [String]
  /// Begins the topics of this trial alone.
  let prefix: String
  /// How long the tools wait for a message, in seconds.
  let patience: Int

  func show(_ feature: Feature) throws {
    switch feature {
    case .qos0: try deliver(qos: "0")
    case .qos1: try deliver(qos: "1")
    case .qos2: try deliver(qos: "2")
    case .retained: try retained(filter: "\(prefix)/kept")
    case .retainedByWildcard: try retained(filter: "\(prefix)/+")
    case .will: try will()
    case .offlineSession: try offlineSession()
    case .sharedSubscription: try sharedSubscription()
    case .properties: try properties()
    case .largePayload: try largePayload()
    case .takeover: try takeover()
    case .request: try request()
    }
  }

  // MARK: - Features

  private func deliver(qos: String) throws {
    let payload = [UInt8](0...255)
    let subscriber = try subscribe(["-q", qos, "-t", "\(prefix)/#", "-C", "1", "-N", "-F", "%q %t %p"])
    try publish(["-q", qos, "-t", "\(prefix)/a", "-s"], input: .bytes(payload))
    try expectSuccess(subscriber)
    guard subscriber.output.dropFirst().elementsEqual(Array(" \(prefix)/a ".utf8) + payload) else {
      throw FeatureFailure(description: "not as it was published: \(subscriber.outputText.prefix(200))")
    }
    let received = subscriber.outputText.prefix(1)
    guard received == qos else { throw FeatureFailure(description: "came with QoS \(received)") }
  }

  private func retained(filter: String) throws {
    try publish(["-q", "1", "-r", "-t", "\(prefix)/kept", "-m", "value"])
    let subscriber = try start("mqsub", ["-q", "1", "-t", filter, "-C", "1"])
    try expect(subscriber, Array("value\n".utf8))
    // amqtt shows it to everybody who connects.
    try publish(["-q", "1", "-r", "-t", "\(prefix)/kept", "-n"])
  }

  private func will() throws {
    let subscriber = try subscribe(["-q", "1", "-t", "\(prefix)/gone", "-C", "1"])
    let doomed = try start(
      "mqpub",
      ["-t", "\(prefix)/alive", "-l", "--will-topic", "\(prefix)/gone", "--will-payload", "bye", "--will-qos", "1"],
      input: .held)
    try wait(for: "connected to", by: doomed)
    doomed.signal(9)
    try expect(subscriber, Array("bye\n".utf8))
  }

  private func offlineSession() throws {
    let arguments = ["-c", "-i", identifier("reader"), "-q", "1", "-t", "\(prefix)/kept"]
    let first = try subscribe(arguments)
    first.signal(15)
    try expectSuccess(first)
    try publish(["-q", "1", "-t", "\(prefix)/kept", "-l"], input: .text("1\n2\n3\n"))
    try expect(try start("mqsub", arguments + ["-C", "3"]), Array("1\n2\n3\n".utf8))
  }

  private func sharedSubscription() throws {
    let filter = "$share/\(prefix.replacing("/", with: "-"))/\(prefix)/#"
    let subscribers = [
      try subscribe(["-q", "1", "-t", filter]), try subscribe(["-q", "1", "-t", filter]),
    ]
    let lines = (1...20).map { "\($0)" }
    try publish(["-q", "1", "-t", "\(prefix)/a", "-l"], input: .text(lines.joined(separator: "\n") + "\n"))
    let deadline = ContinuousClock.now + .seconds(patience)
    func received() -> [String] { subscribers.flatMap { $0.outputText.split(separator: "\n").map(String.init) } }
    while received().count < lines.count, ContinuousClock.now < deadline { usleep(10_000) }
    for subscriber in subscribers {
      subscriber.signal(15)
      _ = try end(of: subscriber)
    }
    guard received().sorted() == lines.sorted() else {
      throw FeatureFailure(description: "of 20 messages for two subscribers \(received().count) came")
    }
  }

  private func properties() throws {
    let subscriber = try subscribe(
      ["-q", "1", "-t", "\(prefix)/a", "-D", "subscribe", "subscription-identifier", "7", "-C", "1", "--json"])
    let properties = [
      ["payload-format-indicator", "1"], ["content-type", "text/plain"], ["response-topic", "r"],
      ["correlation-data", "hex:00ff"], ["user-property", "k", "v"], ["user-property", "k", "ü"],
    ]
    try publish(["-q", "1", "-t", "\(prefix)/a", "-m", "x"] + properties.flatMap { ["-D", "publish"] + $0 })
    try expectSuccess(subscriber)
    let missing = [
      #""payload_format_indicator":1"#, #""content_type":"text/plain""#, #""response_topic":"r""#,
      #""correlation_data_base64":"AP8=""#, #""subscription_identifiers":[7]"#,
      #""user_properties":[["k","v"],["k","ü"]]"#,
    ].filter { !subscriber.outputText.contains($0) }
    guard missing.isEmpty else {
      throw FeatureFailure(description: "\(missing.joined(separator: ", ")) not in \(subscriber.outputText)")
    }
  }

  private func largePayload() throws {
    let payload = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 8)) }
    let subscriber = try subscribe(["-q", "1", "-t", "\(prefix)/large", "-C", "1", "-N"])
    try publish(["-q", "1", "-t", "\(prefix)/large", "-s"], input: .bytes(payload))
    try expect(subscriber, payload)
  }

  private func takeover() throws {
    let arguments = ["-i", identifier("twin"), "-q", "1", "-t", "\(prefix)/a", "--no-reconnect"]
    let first = try subscribe(arguments)
    let second = try subscribe(arguments + ["-C", "1"])
    let deadline = ContinuousClock.now + .seconds(patience)
    while first.end == nil, ContinuousClock.now < deadline { usleep(10_000) }
    guard first.end == .exited(7) || first.end == .exited(142) else {
      throw FeatureFailure(description: "the first of two with one identifier: \(story(of: first))")
    }
    _ = try end(of: first)  // Its last line may come a moment later.
    try expectOneLine(first)
    try publish(["-q", "1", "-t", "\(prefix)/a", "-m", "x"])
    try expect(second, Array("x\n".utf8))
  }

  private func request() throws {
    // Without properties a request cannot say where to reply.
    let replies = hasProperties ? [] : ["-e", "\(prefix)/replies"]
    let responder = try start("mqrr", ["-q", "1", "-t", "\(prefix)/ask", "--serve-echo"] + replies)
    try wait(for: "subscribed to", by: responder)
    try expect(
      try start("mqrr", ["-q", "1", "-t", "\(prefix)/ask", "-m", "question"] + replies), Array("question\n".utf8))
    responder.signal(15)
    try expectSuccess(responder)
  }

  // MARK: - Tools

  private var versionOptions: [String] { version.map { ["-V", $0] } ?? [] }

  private func identifier(_ role: String) -> String { "\(role)-\(prefix.suffix(12).replacing("/", with: "-"))" }

  private func start(_ tool: String, _ arguments: [String], input: ToolProcess.Input = .none) throws -> ToolProcess {
    // Notices tell when a tool is ready. The tool's own limit ends it, so that a test that has to end it tells of a hang.
    let limits = ["--log", "notice", "-W", "\(patience)", "--connect-timeout", "3"]
    return try ToolProcess(tool, options + versionOptions + arguments + limits, input: input)
  }

  private func subscribe(_ arguments: [String]) throws -> ToolProcess {
    let tool = try start("mqsub", arguments)
    try wait(for: "subscribed to", by: tool)
    return tool
  }

  private func publish(_ arguments: [String], input: ToolProcess.Input = .none) throws {
    try expectSuccess(try start("mqpub", arguments, input: input))
  }

  private func wait(for notice: String, by tool: ToolProcess) throws {
    do {
      try tool.waitForErrors(notice, timeout: .seconds(patience + 5))
    } catch {
      throw FeatureFailure(description: story(of: tool))
    }
  }

  private func expectSuccess(_ tool: ToolProcess) throws {
    guard try end(of: tool) == .exited(0) else { throw FeatureFailure(description: story(of: tool)) }
  }

  private func expect(_ tool: ToolProcess, _ output: [UInt8]) throws {
    try expectSuccess(tool)
    guard tool.output == output else {
      let shown = tool.output.count > 200 ? "" : ": \(tool.outputText)"
      throw FeatureFailure(description: "\(tool.output.count) bytes came, not the \(output.count) expected\(shown)")
    }
  }

  /// A tool that fails says so in one line.
  private func expectOneLine(_ tool: ToolProcess) throws {
    let lines = tool.errorText.split(separator: "\n").filter { $0.contains(": Error: ") }
    guard lines.count == 1 else { throw FeatureFailure(description: "not one line: \(tool.errorText)") }
  }

  private func end(of tool: ToolProcess) throws -> ToolProcess.End {
    do {
      return try tool.wait(timeout: .seconds(patience + 5))
    } catch {
      throw FeatureFailure(description: story(of: tool))
    }
  }

  private func story(of tool: ToolProcess) -> String {
    // Its output may end a moment before it.
    _ = try? tool.wait(timeout: .seconds(1))
    let line = tool.errorText.split(separator: "\n").last.map(String.init) ?? "nothing said"
    switch tool.end {
    case .exited(let status)?: return "status \(status): \(line)"
    case .signaled(let signal)?: return "signal \(signal): \(line)"
    case nil: return "HANGS: \(line)"
    }
  }
}
