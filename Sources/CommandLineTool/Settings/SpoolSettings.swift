/// What was typed about the spool.
public struct SpoolSettings: Sendable {
  /// The folder; nil where nothing is spooled.
  public internal(set) var path: [UInt8]?
  /// Only deliver what waits.
  public internal(set) var isFlushOnly = false
  /// Only say what there is.
  public internal(set) var isStatusOnly = false
  /// The status as JSON.
  public internal(set) var isJSON = false
  /// A message replaces the waiting ones of its topic.
  public internal(set) var replacesOlder = false
  /// What was put aside is to be delivered after all.
  public internal(set) var retriesBad = false
  /// What the spool may hold.
  public internal(set) var limits = SpoolLimits()
  /// What happens to messages that may come twice.
  public internal(set) var sessionLoss = SessionLossPolicy.republish
  private var needingSpool: String?

  /// The defaults.
  public init() {}

  /// Throws where an option of the spool stands without one, or two of them contradict each other.
  public func check() throws(UsageError) {
    if path == nil, let needingSpool { throw UsageError("\(needingSpool): needs --spool DIR") }
    if isFlushOnly, isStatusOnly { throw UsageError("--flush: cannot stand together with --spool-status") }
  }

  /// The options of the group.
  public static let options: [Option<SpoolSettings>] = [
    Option(
      OptionDescription(
        long: "spool", value: .one("DIR"), section: .spool,
        summary: "store the message in DIR before the broker is tried",
        details: """
          When the broker does not take it now, the message waits on the disk, and the next run with this folder delivers it, in \
          order. The exit status is 0 when all is delivered and 75 when something is stored and waits. The QoS is 1 unless \
          {--qos} says 2, with which each message comes exactly once. A spool belongs to one broker and user.
          """)
    ) { (settings, value) throws(UsageError) in settings.path = value.bytes },
    Option(
      OptionDescription(
        long: "flush", section: .spool, summary: "only deliver what waits in the spool",
        details: "For a timer, or after an outage. The exit status is 0 also when nothing waited.")
    ) {
      $0.isFlushOnly = true
      $0.needingSpool = "--flush"
    },
    Option(
      OptionDescription(
        long: "spool-status", section: .spool, summary: "print what is in the spool, and nothing else",
        details: "For people, and with {--json} for monitoring. The broker is not asked.")
    ) {
      $0.isStatusOnly = true
      $0.needingSpool = "--spool-status"
    },
    Option(
      OptionDescription(long: "json", section: .spool, summary: "print the status of the spool as JSON")
    ) { $0.isJSON = true },
    Option(
      OptionDescription(
        long: "spool-latest", section: .spool, summary: "replace the waiting message of the same topic",
        details: "For values of which only the newest matters.")
    ) {
      $0.replacesOlder = true
      $0.needingSpool = "--spool-latest"
    },
    Option(
      OptionDescription(
        long: "spool-retry-bad", section: .spool, summary: "deliver what was put aside after all",
        details: """
          A message that the broker refuses for good, or ends three connections for, is put aside in DIR/bad with the reason \
          beside it, and the exit status is 76. This puts all of them back.
          """)
    ) {
      $0.retriesBad = true
      $0.needingSpool = "--spool-retry-bad"
    },
    Option(
      OptionDescription(
        long: "spool-max-bytes", value: .one("SIZE"), section: .spool, summary: "store at most so many bytes (64Mi)",
        details: "A message that goes over a bound is not stored, and the exit status is 73.")
    ) { (settings, value) throws(UsageError) in
      settings.limits.maximumBytes = try value.size()
      settings.needingSpool = "--spool-max-bytes"
    },
    Option(
      OptionDescription(
        long: "spool-max-count", value: .one("N"), section: .spool, summary: "store at most so many messages (100000)")
    ) { (settings, value) throws(UsageError) in
      settings.limits.maximumCount = try value.number(in: 1 ... .max)
      settings.needingSpool = "--spool-max-count"
    },
    Option(
      OptionDescription(
        long: "spool-drop-oldest", section: .spool, summary: "make room by dropping the oldest messages",
        details: "How many were dropped is told each time.")
    ) {
      $0.limits.dropsOldest = true
      $0.needingSpool = "--spool-drop-oldest"
    },
    Option(
      OptionDescription(
        long: "on-session-loss", value: .one("ACTION"), section: .spool,
        summary: "republish or fail, when the broker forgot what it has (republish)",
        details: """
          A broker that forgets its session in the middle of a QoS 2 delivery cannot say whether it has delivered the message. \
          It is published again and counted, or the run fails.
          """)
    ) { (settings, value) throws(UsageError) in
      settings.sessionLoss = try value.choice([("republish", .republish), ("fail", .fail)])
    },
  ]
}
