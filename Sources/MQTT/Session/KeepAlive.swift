/// When to send PINGREQ, and when to give a silent broker up (section 3.1.2.10).
///
/// A ping is due when nothing was *sent* for the keep alive interval, because the broker may close after 1.5 times that, and
/// also when nothing was *received* for so long, because a connection that only swallows what we send would otherwise
/// never be asked. The answer is awaited for half the interval, so that a dead connection is found within 1.5 intervals
/// of the last sign of life.
struct KeepAlive: Sendable {
  /// What becomes due at `deadline`.
  enum Action { case ping, giveUp }

  /// Zero switches keep alive off.
  private(set) var interval: Duration = .zero
  private var lastSent = Instant(nanoseconds: 0)
  private var lastReceived = Instant(nanoseconds: 0)
  private var pingSent: Instant?

  /// While the application does not read, nobody can say that the broker is silent.
  var isReadingPaused = false

  /// Begins anew for a network connection that was accepted at `now`.
  mutating func start(interval: Duration, at now: Instant) {
    self = KeepAlive(interval: interval, lastSent: now, lastReceived: now)
  }

  init() {}

  private init(interval: Duration, lastSent: Instant, lastReceived: Instant) {
    self.interval = interval
    self.lastSent = lastSent
    self.lastReceived = lastReceived
  }

  mutating func sent(at now: Instant) { lastSent = now }

  mutating func received(at now: Instant) { lastReceived = now }

  /// The next point in time at which `action(at:)` has something to say.
  var deadline: Instant? {
    guard interval > .zero else { return nil }
    if let pingSent, !isReadingPaused { return pingSent + interval / 2 }
    return (pingSent == nil && !isReadingPaused ? min(lastSent, lastReceived) : lastSent) + interval
  }

  /// What is due at `now`, if anything.
  func action(at now: Instant) -> Action? {
    guard let deadline, now >= deadline else { return nil }
    return pingSent != nil && !isReadingPaused ? .giveUp : .ping
  }

  mutating func pinged(at now: Instant) {
    pingSent = pingSent ?? now
    lastSent = now
  }

  /// PINGRESP, or any other packet: the broker lives.
  mutating func answered() { pingSent = nil }

  /// Reading goes on: silence is counted from here, for what arrived meanwhile was not looked at.
  mutating func resumed(at now: Instant) {
    isReadingPaused = false
    lastReceived = now
    if pingSent != nil { pingSent = now }
  }
}
