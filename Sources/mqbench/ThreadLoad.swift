internal import CSystem
internal import CommandLineTool
internal import MQTT

/// How busy a thread is, in slices of 100 ms. Time spent looking again and again for what is nearly due does not count.
struct ThreadLoad: Sendable {
  private(set) var slices = 0
  /// Slices in which the thread worked, or waited for a processor, for more than 85 % of the time.
  private(set) var busySlices = 0
  /// The time that it worked.
  private(set) var worked = Duration.zero
  /// The time that it could have run and waited for a processor; nil where the system does not tell.
  private(set) var waited: Duration?
  /// How often a processor was taken away from it.
  private(set) var involuntarySwitches = 0

  private var sliceStart = Instant(nanoseconds: 0)
  private var workAtStart = Duration.zero
  private var waitAtSlice: Duration?
  private var waitAtStart: Duration?
  private var switchesAtStart = 0

  static let slice: Duration = .milliseconds(100)

  /// What counts begins now.
  mutating func begin(at now: Instant, spun: Duration) {
    self = ThreadLoad()
    beginSlice(at: now, spun: spun)
    waitAtStart = Self.runQueueWait
    switchesAtStart = Self.switches
  }

  /// Returns the time worked in a slice that has come to its end.
  mutating func look(at now: Instant, spun: Duration) -> Duration {
    let elapsed = now - sliceStart
    guard elapsed >= Self.slice else { return .zero }
    let work = Self.threadTime - spun - workAtStart
    var wanted = work
    if let before = waitAtSlice, let now = Self.runQueueWait { wanted += now - before }
    let share = Double(wanted.nanoseconds) / Double(elapsed.nanoseconds)
    slices += 1
    if share > 0.85 { busySlices += 1 }
    worked += work
    beginSlice(at: now, spun: spun)
    return work
  }

  /// What counts ends now.
  mutating func end() {
    if let before = waitAtStart, let now = Self.runQueueWait { waited = now - before }
    involuntarySwitches = Self.switches - switchesAtStart
  }

  mutating func add(_ other: ThreadLoad) {
    slices += other.slices
    busySlices += other.busySlices
    worked += other.worked
    if let time = other.waited { waited = (waited ?? .zero) + time }
    involuntarySwitches += other.involuntarySwitches
  }

  private mutating func beginSlice(at now: Instant, spun: Duration) {
    sliceStart = now
    workAtStart = Self.threadTime - spun
    waitAtSlice = Self.runQueueWait
  }

  // MARK: - The calling thread

  private static var threadTime: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
  }

  private static var runQueueWait: Duration? {
    // Time on a processor, time waiting for one, and how often it got one.
    Host.numbers(in: "/proc/thread-self/schedstat")?.dropFirst().first.map { .nanoseconds(Int64($0)) }
  }

  private static var switches: Int {
    Host.fields(in: "/proc/thread-self/status").first { $0.name == "nonvoluntary_ctxt_switches" }
      .flatMap { Int($0.value) } ?? 0
  }
}
