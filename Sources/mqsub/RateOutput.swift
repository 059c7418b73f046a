internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Writes once a second how many messages came in it, and nothing of the messages.
final class RateOutput: MessageSink {
  private var output = StandardOutput()
  private let diagnostics: Diagnostics
  private var count = 0
  private var end: Instant
  private var isCounted = true

  private static let period: Duration = .seconds(1)

  init(_ diagnostics: Diagnostics) {
    self.diagnostics = diagnostics
    end = .now + Self.period
  }

  func start(_ driver: inout Driver) { output.start(&driver) }

  func take(_ message: MessageView, _ delivery: Delivery?) {
    count += 1
    isCounted = false
  }

  var deadline: Instant? { end }

  func work(_ client: Client, _ driver: inout Driver) -> SinkState {
    if !isCounted { client.acknowledgeAll() }
    isCounted = true
    if driver.now >= end {
      output.buffer.append(decimal: count)
      output.buffer.append(" msgs/s\n")
      count = 0
      // Whole periods are skipped while this process is stopped.
      while end <= driver.now { end = end + Self.period }
    }
    return output.work(&driver, diagnostics)
  }

  func ready(_ descriptor: Int32, _ readiness: Readiness) { output.ready(readiness) }

  func end(_ driver: inout Driver) { output.end(&driver) }
}
