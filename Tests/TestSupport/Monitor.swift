import Foundation

/// A state that threads share, and a way to wait until another thread has changed it.
final class Monitor<State>: @unchecked Sendable {
  private let condition = NSCondition()
  private var state: State

  init(_ state: State) {
    self.state = state
  }

  /// Reads or changes the state; whoever waits looks again afterwards.
  func withLock<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
    condition.lock()
    defer {
      condition.broadcast()
      condition.unlock()
    }
    return try body(&state)
  }

  /// Waits until the body returns something; nil when the deadline comes first.
  func wait<Result>(
    until deadline: ContinuousClock.Instant, _ body: (inout State) throws -> Result?
  ) rethrows -> Result? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let result = try body(&state) { return result }
      let left = deadline - ContinuousClock.now
      guard left > .zero else { return nil }
      _ = condition.wait(until: Date(timeIntervalSinceNow: left / .seconds(1)))
    }
  }
}

extension ContinuousClock.Instant {
  /// The time limit as poll(2) wants it: milliseconds, rounded up, never negative.
  var millisecondsLeft: Int32 {
    let left = (self - ContinuousClock.now) / .milliseconds(1)
    return Int32(min(max(left.rounded(.up), 0), 1_000_000_000))
  }
}
