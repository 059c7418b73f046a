internal import CSystem
internal import MQTT

/// How busy a thread is, in slices of 100 ms. Time spent looking again and again for what is nearly due does not count.
struct ThreadLoad: Sendable {
  private(set) var slices = 0
  /// Slices in which the thread worked for more than 85 % of the time.
  private(set) var busySlices = 0
  /// The time that it worked.
  private(set) var worked = Duration.zero

  private var sliceStart = Instant(nanoseconds: 0)
  private var workAtStart = Duration.zero

  static let slice: Duration = .milliseconds(100)

  mutating func begin(at now: Instant, spun: Duration) {
    sliceStart = now
    workAtStart = Self.threadTime - spun
  }

  mutating func look(at now: Instant, spun: Duration) {
    let elapsed = now - sliceStart
    guard elapsed >= Self.slice else { return }
    let work = Self.threadTime - spun
    let share = Double((work - workAtStart).nanoseconds) / Double(elapsed.nanoseconds)
    slices += 1
    if share > 0.85 { busySlices += 1 }
    worked += work - workAtStart
    begin(at: now, spun: spun)
  }

  mutating func add(_ other: ThreadLoad) {
    slices += other.slices
    busySlices += other.busySlices
    worked += other.worked
  }

  /// Processor time of the calling thread.
  private static var threadTime: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
  }
}
