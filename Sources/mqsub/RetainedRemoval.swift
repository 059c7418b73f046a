internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Removes retained messages at the broker: an empty one of QoS 1 for each topic, as fast as the broker takes them.
struct RetainedRemoval {
  /// Topics whose turn has not come, the next one last.
  private var waiting: [[UInt8]] = []
  /// Topics in flight, by the number of their publish.
  private var inFlight: [(number: Int, topic: [UInt8])] = []
  /// Topics whose empty message may come back to us, once each.
  private var echoes: Set<[UInt8]> = []
  /// Why topics could not be removed, the first reason first.
  private(set) var failures: [ExitStatus] = []

  /// Whether nothing is left to do.
  var isDone: Bool { waiting.isEmpty && inFlight.isEmpty }

  /// The status when some could not be removed.
  var status: ExitStatus? {
    guard let first = failures.first else { return nil }
    return failures.allSatisfy { $0 == first } ? first : .partly
  }

  /// Takes one more topic.
  mutating func remove(_ topic: UnsafeRawBufferPointer) { waiting.append(Array(topic)) }

  /// Whether the message is one of ours that has come back.
  mutating func isEcho(_ message: MessageView) -> Bool {
    guard message.payload.isEmpty, !echoes.isEmpty else { return false }
    return echoes.remove(Array(message.topic)) != nil
  }

  /// Publishes what the broker takes now.
  mutating func work(_ client: Client, _ diagnostics: Diagnostics, at now: Instant) {
    while let topic = waiting.last, client.canPublish {
      waiting.removeLast()
      echoes.insert(topic)
      topic.withUnsafeBytes { name in
        do throws(ProtocolError) {
          let number = try client.publish(
            topic: name, payload: UnsafeRawBufferPointer(start: nil, count: 0), qos: .atLeastOnce, retain: true,
            properties: Properties(), at: now)
          if let number { inFlight.append((number, topic)) }
        } catch {
          failed(topic, error.explanation, ExitStatus(error), diagnostics)
        }
      }
    }
  }

  /// An acknowledgement came; the topic whose message is gone.
  mutating func handle(_ event: Session.Event, _ diagnostics: Diagnostics) -> [UInt8]? {
    guard case .published(let number, let reason, _) = event,
      let index = inFlight.firstIndex(where: { $0.number == number })
    else { return nil }
    let topic = inFlight.remove(at: index).topic
    if !reason.isFailure { return topic }
    failed(topic, "\(reason)", .reasonCode(reason.rawValue), diagnostics)
    return nil
  }

  private mutating func failed(_ topic: [UInt8], _ why: String, _ status: ExitStatus, _ diagnostics: Diagnostics) {
    failures.append(status)
    diagnostics.error("the retained message of '\(String(decoding: topic, as: UTF8.self))' cannot be removed: \(why)")
  }
}
