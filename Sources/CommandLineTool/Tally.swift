/// Which of several things failed, and the exit status that follows.
public struct Tally: Sendable {
  /// How many failed.
  public private(set) var failed = 0
  private var statuses: [ExitStatus] = []

  /// Nothing has failed.
  public init() {}

  /// Counts a failure; true when it is the first with this status.
  public mutating func count(_ status: ExitStatus) -> Bool {
    failed += 1
    return note(status)
  }

  /// Something else failed than one of them; true when it is the first with this status.
  public mutating func note(_ status: ExitStatus) -> Bool {
    if statuses.contains(status) { return false }
    statuses.append(status)
    return true
  }

  /// All that failed, failed for one reason: that one. For several reasons: partly.
  public var status: ExitStatus {
    statuses.count > 1 ? .partly : statuses.first ?? .ok
  }
}
