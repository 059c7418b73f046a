public import MQTT

/// Whether and when to connect again after a failure: 0.5 s, doubling to 4 s in the first minute of an outage and then to
/// 30 s, each ±25 % so that many clients do not come back at the same moment.
public struct ReconnectPolicy: Sendable {
  /// How many attempts may fail in a row.
  public enum Limit: Sendable, Hashable {
    /// So many retries, the first connection included.
    case retries(Int)
    /// Any number, the first connection included.
    case forever
    /// Any number once there has been a connection; none before.
    case foreverAfterFirstConnection
  }

  private let limit: Limit
  private let maximumTime: Duration?
  private let outlivesConnection: Bool
  private var wasConnected = false
  private var connectedSince: Instant?
  /// Attempts that failed in a row; the loss of a connection is the first.
  private var failures = 0
  /// Doublings of the delay; they outlast a connection that broke soon.
  private var doublings = 0
  private var outageBegan: Instant?

  /// - Parameters:
  ///   - limit: how many attempts may fail in a row.
  ///   - maximumTime: how long an outage may last before it is given up.
  ///   - outlivesConnection: whether a connection that was made and lost is made again.
  public init(_ limit: Limit, maximumTime: Duration? = nil, outlivesConnection: Bool = true) {
    self.limit = limit
    self.maximumTime = maximumTime
    self.outlivesConnection = outlivesConnection
  }

  /// The broker accepted.
  public mutating func connected(at now: Instant) {
    wasConnected = true
    connectedSince = now
    failures = 0
    outageBegan = nil
  }

  /// An attempt failed or a connection was lost.
  ///
  /// - Parameter random: a number from 0 to 1, for the jitter.
  /// - Returns: how long to wait before the next attempt; nil to give up.
  public mutating func failed(at now: Instant, random: Double) -> Duration? {
    if let since = connectedSince, now - since >= .seconds(30) { doublings = 0 }
    connectedSince = nil
    failures += 1
    if wasConnected, !outlivesConnection { return nil }
    let began = outageBegan ?? now
    outageBegan = began
    switch limit {
    case .retries(let count): if failures > count { return nil }
    case .foreverAfterFirstConnection: if !wasConnected { return nil }
    case .forever: break
    }
    let elapsed = now - began
    let ceiling = elapsed < .seconds(60) ? 4.0 : 30.0
    let seconds = min(ceiling, 0.5 * Double(1 << min(doublings, 8))) * (0.75 + 0.5 * random)
    doublings += 1
    let delay = Duration.nanoseconds(Int64(seconds * 1e9))
    if let maximumTime, elapsed + delay > maximumTime { return nil }
    return delay
  }
}
