/// What limited a run: whether its figures are about the broker. What applies first is given.
enum Verdict: String, Hashable, Sendable {
  /// This process, or the machine that it runs on.
  case tool
  /// What lies between it and the broker.
  case network
  /// By exclusion.
  case broker
  /// The load that was offered was carried.
  case none

  init(_ evidence: Evidence) { self = evidence.signs.first?.verdict ?? .none }

  /// What is the least favourable to the figures.
  static func worst(of verdicts: [Verdict]) -> Verdict {
    [.tool, .network, .broker].first(where: verdicts.contains) ?? .none
  }
}

/// What a verdict rests on. Times are in nanoseconds.
struct Evidence: Sendable {
  /// What the next three are, in hundredths: p99, or p90 where there are few samples.
  var percentile = 9900
  /// The headline's; `.max` when it falls among what never came.
  var p99: Int64 = 0
  /// How late a worker was at what was due.
  var loopLag: Int64 = 0
  /// The tool's own part of the send delay.
  var toolDelay: Int64 = 0
  /// Slices of 100 ms, over all workers, and those in which one worked, or waited for a processor, for more than 85 % of the time.
  var slices = 0
  var busySlices = 0
  /// Seconds of the window, and those in which the machine under this one took more than 2 % of its processor time.
  var seconds = 0
  var stolenSeconds = 0
  /// The busiest network interface's share of its link's speed; nil where the system does not know the speed.
  var linkShare: Double?
  /// TCP segments of all connections that were sent, and that were sent again.
  var segments = 0
  var retransmits = 0
  /// Sent ÷ offered.
  var achieved = 1.0
  /// Messages and deliveries that did not come: lost, refused, in doubt or never sent.
  var missing = 0
  var isSteady = true
  /// Nothing is due in a closed loop: what limits it is the tool, the network, or else the broker.
  var isClosed = false

  /// What speaks for a verdict.
  enum Sign: String, CaseIterable, Hashable, Sendable {
    /// Loop lag beyond both 1 ms and 10 % of the p99.
    case loopLag = "loop lag"
    /// The tool's part of the send delay beyond both 1 ms and 5 % of the p99.
    case toolDelay = "send delay in mqbench"
    /// A worker above 85 %, with what it waited for a processor, in more than 5 % of the slices.
    case busyWorker = "busy worker"
    /// Steal above 2 % for more than a tenth of the window.
    case steal = "stolen processor time"
    /// More than 80 % of the link's speed.
    case fullLink = "full link"
    /// More than 0.1 % of the segments sent again.
    case retransmits = "retransmits"
    /// Sent less than 99 % of what was offered.
    case notAchieved = "offered rate not reached"
    case notSteady = "not steady"
    /// Not all came to their end.
    case missing = "messages lost"
    /// As fast as the broker allows.
    case closedLoop = "closed loop"

    /// What it speaks for.
    var verdict: Verdict {
      switch self {
      case .loopLag, .toolDelay, .busyWorker, .steal: .tool
      case .fullLink, .retransmits: .network
      case .notAchieved, .notSteady, .missing, .closedLoop: .broker
      }
    }
  }

  /// All that holds, what decides first.
  var signs: [Sign] { Sign.allCases.filter(holds) }

  private func holds(_ sign: Sign) -> Bool {
    let p99 = Double(p99)
    return switch sign {
    case .loopLag: Double(loopLag) > max(1e6, 0.1 * p99)
    case .toolDelay: Double(toolDelay) > max(1e6, 0.05 * p99)
    case .busyWorker: Double(busySlices) > 0.05 * Double(slices)
    case .steal: Double(stolenSeconds) > 0.1 * Double(seconds)
    case .fullLink: (linkShare ?? 0) > 0.8
    case .retransmits: Double(retransmits) > 0.001 * Double(segments)
    case .notAchieved: achieved < 0.99
    case .notSteady: !isSteady
    case .missing: missing > 0
    case .closedLoop: isClosed
    }
  }
}
