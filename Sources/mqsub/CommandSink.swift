internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Gives each message to a command of the user's, and acknowledges it when the command has dealt with it.
final class CommandSink: MessageSink {
  private let queue: CommandQueue

  init(_ command: [UInt8], settings: CommandSettings, _ diagnostics: Diagnostics) throws(SystemError) {
    queue = try CommandQueue(command, settings, onFailure: settings.failure ?? .stop, outputLimit: nil, diagnostics)
  }

  func start(_ driver: inout Driver) { queue.watch(in: &driver) }

  func take(_ message: MessageView, _ delivery: Delivery?) { queue.append(message, delivery) }

  func handle(_ event: Session.Event) {
    if case .connected(let packet, _) = event { queue.connected(packet) }
  }

  func ready(_ descriptor: Int32, _ readiness: Readiness) { queue.ready(descriptor) }

  var deadline: Instant? { queue.deadline }

  func work(_ client: Client, _ driver: inout Driver) -> SinkState {
    let state = queue.work(&driver) { work, _ in
      if let delivery = work.delivery { client.acknowledge(delivery) }
    }
    switch state {
    case .idle: return .done
    case .busy: return .busy
    case .full: return .full
    case .stopped(let status): return .over(status)
    }
  }

  func stop() -> Duration { queue.stop() }
}
