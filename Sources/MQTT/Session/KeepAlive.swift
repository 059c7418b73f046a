/// When to send PINGREQ, and when to give a silent broker up (section 3.1.2.10).
///
/// A ping is due when nothing was *sent* for the keep alive interval, because the broker may close after 1.5 times that, and
/// also when nothing was *received* for so long, because a connection that only swallows what we send would otherwise
/// never be asked. The answer is awaited for half the interval without a byte, so that a dead connection is found within
/// 1.5 intervals of the last sign of life, and a long message that PINGRESP stands behind is not taken for silence.
struct KeepAlive: Sendable {
  /// What becomes due at `deadline`.
  enum Action { case ping, giveUp }

  /// Zero switches keep alive off.
  private var interval: Duration = .zero
  private var lastSent = Instant(nanoseconds: 0)
  private var silentSince = Instant(nanoseconds: 0)
  private var isAwaitingAnswer = false

  /// While the application does not read, nobody can say that the broker is silent.
  private(set) var isReadingPaused = false

  /// Begins anew for a network connection that was accepted at `now`.
  mutating func start(interval: Duration, at now: Instant) {
    self.interval = interval
    lastSent = now
    silentSince = now
    isAwaitingAnswer = false
  }

  mutating func sent(at now: Instant) { lastSent = now }

  mutating func received(at now: Instant) { silentSince = now }

  private var pingDeadline: Instant {
    (isAwaitingAnswer || isReadingPaused ? lastSent : min(lastSent, silentSince)) + interval
  }

  private var giveUpDeadline: Instant? {
    isAwaitingAnswer && !isReadingPaused ? silentSince + interval / 2 : nil
  }

  /// The next point in time at which `action(at:)` has something to say.
  var deadline: Instant? {
    guard interval > .zero else { return nil }
    return min(pingDeadline, giveUpDeadline ?? pingDeadline)
  }

  /// What is due at `now`, if anything.
  func action(at now: Instant) -> Action? {
    guard interval > .zero else { return nil }
    if let giveUpDeadline, now >= giveUpDeadline { return .giveUp }
    return now >= pingDeadline ? .ping : nil
  }

  /// A ping leaves; the silence that counts begins no earlier.
  mutating func pinged(at now: Instant) {
    if !isAwaitingAnswer { silentSince = now }
    isAwaitingAnswer = true
    lastSent = now
  }

  /// PINGRESP came.
  mutating func answered() { isAwaitingAnswer = false }

  mutating func paused() { isReadingPaused = true }

  /// Reading goes on: silence is counted from here, for what arrived meanwhile was not looked at.
  mutating func resumed(at now: Instant) {
    isReadingPaused = false
    silentSince = now
  }
}
