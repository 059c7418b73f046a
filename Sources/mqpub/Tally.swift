internal import CommandLineTool

/// What became of the messages.
struct Tally {
  /// Messages that were not published.
  private(set) var failed = 0
  /// Messages that were published again because the broker had forgotten the session.
  var republished = 0
  /// Whether it was told that the version spoken has no properties.
  var hasLostProperties = false
  private var statuses: [ExitStatus] = []

  /// Counts a message that was not published; true when it is the first with this status.
  mutating func count(_ status: ExitStatus) -> Bool {
    failed += 1
    return note(status)
  }

  /// Something else failed than a message; true when it is the first with this status.
  mutating func note(_ status: ExitStatus) -> Bool {
    if statuses.contains(status) { return false }
    statuses.append(status)
    return true
  }

  /// All that failed, failed for one reason: that one. For several reasons: partly.
  var status: ExitStatus {
    statuses.count > 1 ? .partly : statuses.first ?? .ok
  }
}
