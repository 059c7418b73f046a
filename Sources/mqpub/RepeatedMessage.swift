internal import CommandLineTool
internal import MQTT

/// One message that is known from the start, published once or again and again.
final class RepeatedMessage: MessageSource {
  private let payload: [UInt8]
  private let repetition: Repetition
  private var handedOver = 0
  /// When the first message was handed over.
  private var start: Instant?
  /// When the next message is due; nil while the last one is not delivered.
  private var due: Instant?

  init(_ payload: [UInt8], _ repetition: Repetition) {
    self.payload = payload
    self.repetition = repetition
  }

  var isExhausted: Bool { handedOver == repetition.count }
  var remainingCount: Int { repetition.count.map { $0 - handedOver } ?? 0 }
  var awaitedTime: Instant? { isExhausted ? nil : due }
  var descriptor: Int32? { nil }
  var wantsToRead: Bool { false }

  func read() throws(SystemError) {}

  func handOver(at now: Instant, isDelivered: () -> Bool, _ take: (OutgoingItem) -> Bool) {
    while !isExhausted {
      guard let due = due ?? (isDelivered() ? dueAfterDelivery(at: now) : nil) else { return }
      self.due = due
      guard now >= due, payload.withUnsafeBytes({ take(.message(OutgoingMessage(payload: $0))) }) else { return }
      handedOver += 1
      self.due = dueAtItsTime(after: now)
    }
  }

  private func dueAfterDelivery(at now: Instant) -> Instant {
    guard handedOver > 0, case .afterDelivery(let delay) = repetition.pace else { return now }
    return now + delay
  }

  /// The next of the times that are counted from the start; those that have passed meanwhile are left out.
  private func dueAtItsTime(after now: Instant) -> Instant? {
    guard case .every(let period) = repetition.pace else { return nil }
    let start = start ?? now
    self.start = start
    let passed = (now - start).nanoseconds / period.nanoseconds
    return start + .nanoseconds((passed + 1) * period.nanoseconds)
  }
}
