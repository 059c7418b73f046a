internal import MQTT

/// When each message is due. A due time is a function of publisher and sequence number: nothing is added up, so nothing drifts, and
/// whoever receives a message can say when it should have left.
struct Schedule: Sendable {
  /// How messages are spread over time.
  enum Arrivals: Hashable, Sendable {
    /// Evenly, the publishers one after the other.
    case constant
    /// As if nobody knew of anybody: independent random times, so many in each block.
    case poisson
    /// This many at once, over all publishers, and then a pause that keeps the rate.
    case bursts(of: Int)
  }

  let publishers: Int
  /// Messages in 1,000,000 seconds, over all publishers.
  let rate: UInt64
  let arrivals: Arrivals
  /// Nanoseconds in which the rate rises from nothing, in a straight line.
  let ramp: Int64
  let seed: UInt64
  /// The number that the first publisher has in the whole load: random arrivals are made of it, so that each part of a load has its
  /// own, and all of them those of the whole.
  let firstPublisher: Int

  /// Messages of a Poisson block, over all publishers that share it: one for each publisher.
  init(
    publishers: Int, messagesPerSecond: Double, arrivals: Arrivals = .constant, ramp: Duration = .zero,
    seed: UInt64 = 0,
    firstPublisher: Int = 0
  ) {
    self.publishers = publishers
    rate = UInt64(max(1, (messagesPerSecond * 1e6).rounded()))
    self.arrivals = arrivals
    self.ramp = ramp.nanoseconds
    self.seed = seed
    self.firstPublisher = firstPublisher
  }

  /// The same at another rate.
  func withRate(_ messagesPerSecond: Double) -> Schedule {
    Schedule(
      publishers: publishers, messagesPerSecond: messagesPerSecond, arrivals: arrivals, ramp: .nanoseconds(ramp),
      seed: seed, firstPublisher: firstPublisher)
  }

  /// Messages a second, over all publishers.
  var messagesPerSecond: Double { Double(rate) / 1e6 }

  /// Nanoseconds from the start to the moment at which message `sequence` (from 0) of `publisher` is due. It never falls.
  func due(_ publisher: Int, _ sequence: Int) -> Int64 {
    let round = UInt64(sequence) * UInt64(publishers)
    switch arrivals {
    case .constant: return time(of: round + UInt64(publisher))
    case .bursts(let size):
      let message = round + UInt64(publisher)
      return time(of: message - message % UInt64(size))
    case .poisson:
      // In each block of messages of one publisher the times are independent and uniform, which is what a Poisson process looks like
      // to somebody who knows how many came.
      let block = sequence / Self.block
      let start = time(of: UInt64(block * Self.block) * UInt64(publishers))
      let end = time(of: UInt64((block + 1) * Self.block) * UInt64(publishers))
      return start
        + Int64(Double(end - start) * Self.position(sequence % Self.block, seed, firstPublisher + publisher, block))
    }
  }

  /// The moment of the message with this number, counted over all publishers, at constant arrivals.
  private func time(of message: UInt64) -> Int64 {
    guard ramp > 0 else { return Self.divided(message, by: rate) }
    // Half a ramp's messages are missing when it ends.
    let atRamp = Double(rate) / 1e6 * Double(ramp) / 1e9 / 2
    if Double(message) < atRamp { return Int64((Double(message) / atRamp).squareRoot() * Double(ramp)) }
    return Self.divided(message, by: rate) + ramp / 2
  }

  /// Later than any run ends, and a number still when times are added to it.
  private static let never: Int64 = 8_000_000_000_000_000_000

  /// `message` × 10¹⁵ / `rate`, which does not fit into 64 bits on the way.
  private static func divided(_ message: UInt64, by rate: UInt64) -> Int64 {
    let product = message.multipliedFullWidth(by: 1_000_000_000_000_000)
    guard product.high < rate else { return never }
    return min(never, Int64(clamping: rate.dividingFullWidth(product).quotient))
  }

  private static let block = 32

  /// The place in its block, from 0 to 1, of the message that comes at position `index` when the block's random times are sorted.
  private static func position(_ index: Int, _ seed: UInt64, _ publisher: Int, _ block: Int) -> Double {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.block) { times in
      let base = mix(seed &+ mix(UInt64(publisher) &+ mix(UInt64(block))))
      for position in 0..<Self.block {
        // Put in its place among those before it.
        let time = mix(base &+ UInt64(position))
        var place = position
        while place > 0, times[place - 1] > time {
          times[place] = times[place - 1]
          place -= 1
        }
        times[place] = time
      }
      return Double(times[index] >> 11) * 0x1p-53
    }
  }

  /// A well-spread number for each number (the finalizer of SplitMix64).
  static func mix(_ number: UInt64) -> UInt64 {
    var z = number &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// The first message of `publisher` that is due at `time` or later; none before `start` is.
  func firstSequence(of publisher: Int, notBefore time: Int64, from start: Int = 0) -> Int {
    if due(publisher, start) >= time { return start }
    var (low, step) = (start + 1, 1)
    while due(publisher, low - 1 + step) < time { step *= 2 }
    var high = low - 1 + step
    while low < high {
      let middle = (low + high) / 2
      if due(publisher, middle) < time { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
