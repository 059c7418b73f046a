internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Writes the topics of retained messages, one a line: those that were removed, or with a dry run those that would be.
final class TopicOutput: MessageSink {
  private var output = StandardOutput()
  private let isTerminal: Bool
  private let isDryRun: Bool
  private let diagnostics: Diagnostics
  private var untold: [Delivery] = []

  init(isDryRun: Bool, _ diagnostics: Diagnostics) {
    self.isDryRun = isDryRun
    self.diagnostics = diagnostics
    isTerminal = output.buffer.isTerminal
  }

  func start(_ driver: inout Driver) { output.start(&driver) }

  func take(_ message: MessageView, _ delivery: Delivery?) {
    if isDryRun { append(message.topic) }
    if let delivery { untold.append(delivery) }
  }

  func removed(_ topic: [UInt8]) { topic.withUnsafeBytes { append($0) } }

  private func append(_ topic: UnsafeRawBufferPointer) {
    if isTerminal { TerminalText.append(topic, to: &output.buffer) } else { output.buffer.append(topic) }
    output.buffer.append(UInt8(ascii: "\n"))
  }

  func work(_ client: Client, _ driver: inout Driver) -> SinkState {
    for delivery in untold { client.acknowledge(delivery) }
    untold.removeAll(keepingCapacity: true)
    return output.work(&driver, diagnostics)
  }

  func ready(_ descriptor: Int32, _ readiness: Readiness) { output.ready(readiness) }

  func end(_ driver: inout Driver) { output.end(&driver) }
}
