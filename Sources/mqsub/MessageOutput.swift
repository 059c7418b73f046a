internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Writes messages to standard output, and acknowledges those that are written. While the reader is slow nothing more is read
/// from the broker, so that messages wait where they are kept.
final class MessageOutput: MessageSink {
  private var output = StandardOutput()
  private var format: MessageFormat
  private let showsTime: Bool
  private let diagnostics: Diagnostics
  /// What is in the output and will be acknowledged when that is written.
  private var unwritten: [Delivery] = []
  /// Remembers over runs what was printed.
  private var journal: PrintJournal?

  init(_ plan: OutputPlan, journal: consuming PrintJournal?, _ diagnostics: Diagnostics) {
    format = plan.format(isTerminal: output.buffer.isTerminal)
    showsTime = format.showsTime
    self.diagnostics = diagnostics
    self.journal = journal
  }

  func prepare(_ client: Client) {
    if let delivered = journal?.delivered { client.resumeDeliveries(delivered) }
  }

  func start(_ driver: inout Driver) { output.start(&driver) }

  func take(_ message: MessageView, _ delivery: Delivery?) {
    let time = showsTime ? WallTime.now : WallTime(seconds: 0, nanoseconds: 0)
    let start = output.buffer.count
    if let problem = format.append(message, at: time, to: &output.buffer) { report(problem, message) }
    guard let delivery else { return }
    unwritten.append(delivery)
    if message.qos == .exactlyOnce { journal?.append(message.packetIdentifier, at: start..<output.buffer.count) }
  }

  private func report(_ problem: MessageFormat.Problem, _ message: MessageView) {
    let topic = String(decoding: message.topic, as: UTF8.self)
    switch problem {
    case .payloadIsNotJSON: diagnostics.warning("the payload on '\(topic)' is not JSON, and %J leaves it out")
    case .payloadIsNoNumber:
      diagnostics.warning("the payload on '\(topic)' has not the length of a number, and %f or %d leaves it out")
    }
  }

  func work(_ client: Client, _ driver: inout Driver) -> SinkState {
    do throws(SystemError) {
      if journal != nil { try journal?.willWrite(delivered: client.deliveredIdentifiers) }
      let state = output.work(&driver, diagnostics)
      guard case .done = state else { return state }
      if journal != nil { try journal?.hasWritten(delivered: client.deliveredIdentifiers) }
    } catch {
      diagnostics.error("--state: \(error.explanation)")
      return .over(.output)
    }
    for delivery in unwritten { client.acknowledge(delivery) }
    unwritten.removeAll(keepingCapacity: true)
    return .done
  }

  func ready(_ descriptor: Int32, _ readiness: Readiness) { output.ready(readiness) }

  func end(_ driver: inout Driver) { output.end(&driver) }
}
