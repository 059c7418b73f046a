/// The times at which a publisher could not hand messages over, so that each message's delay can be split: how much of the time
/// from when it was due fell into them.
struct BlockedTime: Sendable {
  /// Rising and apart; `before` is the length of all periods before it.
  private var periods: [(start: Int64, end: Int64, before: Int64)] = []
  /// Those in front of it are forgotten.
  private var first = 0
  private var total: Int64 = 0
  private(set) var openSince: Int64?

  mutating func begin(at time: Int64) {
    if openSince == nil { openSince = time }
  }

  mutating func end(at time: Int64) {
    guard let start = openSince else { return }
    openSince = nil
    periods.append((start, max(start, time), total))
    total += max(0, time - start)
  }

  /// How much of the time from `due` to `now` was blocked. `due` never falls from one call to the next.
  mutating func overlap(from due: Int64, to now: Int64) -> Int64 {
    while first < periods.count, periods[first].end <= due { first += 1 }
    if first > 1024, first * 2 > periods.count {
      periods.removeFirst(first)
      first = 0
    }
    var sum: Int64 = 0
    if first < periods.count {
      let period = periods[first]
      sum = total - period.before - max(0, due - period.start)
    }
    if let openSince { sum += max(0, now - max(due, openSince)) }
    return sum
  }
}
