internal import MQTT
internal import MQTTClient
internal import Synchronization

/// What the workers of a run and the thread that watches over them tell each other.
final class RunState: Sendable {
  /// When the arrivals begin; 0 until all clients are ready.
  private let start = Atomic<Int64>(0)
  private let phase = Atomic<Int>(Phase.working.rawValue)
  private let failure = Mutex<ConnectionError?>(nil)

  let connected = Counter()
  let ready = Counter()
  let sent = Counter()
  let acknowledged = Counter()
  let delivered = Counter()
  /// Measured deliveries that have to come, and that have come, each once.
  let expected = Counter()
  let distinct = Counter()
  /// Connections that were lost, since when what comes and what has to come cannot be told apart by counting.
  let lostConnections = Counter()
  /// What publishers still have to do; 0 when nothing is left.
  let outstanding = Counter()
  let finishedWorkers = Counter()
  /// The p99.9 of the end-to-end times so far, in nanoseconds, once the window is over: the largest of the workers'.
  let slowest = Counter()

  /// The headline's times in the last whole second of the run, in nanoseconds.
  struct Recent: Sendable {
    var second = -1
    var p50: Int64 = 0
    var p99: Int64 = 0
  }

  private let recentTimes = Mutex(Recent())

  var recent: Recent { recentTimes.withLock { $0 } }

  /// A worker's times of a second; of several workers the largest are shown.
  func tell(_ times: Times, second: Int) {
    guard case .nanoseconds(let p50) = times.rank(5000), case .nanoseconds(let p99) = times.rank(9900) else { return }
    recentTimes.withLock { recent in
      if second > recent.second { recent = Recent(second: second) }
      (recent.p50, recent.p99) = (max(recent.p50, p50), max(recent.p99, p99))
    }
  }

  private let agreement = Mutex<TLSReport?>(nil)

  /// What TLS agreed on, for one connection.
  var tls: TLSReport? { agreement.withLock { $0 } }

  func tell(_ report: TLSReport) {
    if report.failure == nil { agreement.withLock { $0 = report } }
  }

  enum Phase: Int {
    case working
    /// The window is over.
    case stopping
    /// No more connections.
    case leaving
    /// Whoever has not left yet does not wait for its broker any more.
    case over
  }

  /// When the arrivals begin, once it is known.
  var startTime: Instant? {
    let nanoseconds = start.load(ordering: .acquiring)
    return nanoseconds == 0 ? nil : Instant(nanoseconds: nanoseconds)
  }

  func begin(at time: Instant) { start.store(time.nanoseconds, ordering: .releasing) }

  var isStopping: Bool { phase.load(ordering: .relaxed) >= Phase.stopping.rawValue }
  var isLeaving: Bool { phase.load(ordering: .relaxed) >= Phase.leaving.rawValue }
  var isOver: Bool { phase.load(ordering: .relaxed) >= Phase.over.rawValue }

  func enter(_ next: Phase) { phase.store(next.rawValue, ordering: .releasing) }

  /// The first thing that went wrong for good.
  var error: ConnectionError? { failure.withLock { $0 } }

  func fail(_ error: ConnectionError) { failure.withLock { $0 = $0 ?? error } }
}

/// A number that one thread at a time changes a little and others look at. Whoever sees a change sees all that was written before.
final class Counter: Sendable {
  private let value = Atomic<Int>(0)

  var now: Int { value.load(ordering: .acquiring) }

  func add(_ count: Int) {
    if count != 0 { value.add(count, ordering: .releasing) }
  }

  func raise(to least: Int) { value.max(least, ordering: .relaxed) }
}
