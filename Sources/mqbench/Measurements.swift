internal import MQTT

/// What a worker measured. The measurements of several workers add up.
struct Measurements: Sendable {
  // MARK: Times in nanoseconds of measured messages

  /// From due to received, one sample a delivery.
  var endToEnd = Times()
  /// From due to acknowledged.
  var acknowledgement = Times()
  /// From sent to acknowledged.
  var acknowledgementService = Times()
  /// From due to sent, and its parts.
  var sendDelay = Times()
  var sendDelayWindow = Times()
  var sendDelaySocket = Times()
  var sendDelayTool = Times()
  /// From an attempt's beginning to CONNACK.
  var connect = Times()
  /// How late the worker was at what was due.
  var loopLag = Times()

  // MARK: Counts over the window

  /// Messages sent, acknowledged and delivered while the window was open, whenever they were due.
  var sentInWindow = 0
  var acknowledgedInWindow = 0
  var deliveredInWindow = 0

  // MARK: Counts of measured messages

  var sent = 0
  var acknowledged = 0
  var refused: [UInt8: Int] = [:]
  /// Accepted, and nobody subscribed as far as the broker knows (0x10).
  var withoutSubscribers = 0
  /// No final answer: the network connection was lost.
  var inDoubt = 0
  /// The first arrival of each message at each subscriber.
  var delivered = 0
  var duplicates = 0
  /// Those of them that came with DUP at QoS 1: the only ones that MQTT allows.
  var allowedDuplicates = 0
  var reordered = 0
  var largestDisplacement = 0
  var corrupted = 0
  var foreign = 0

  // MARK: The network

  var publishBytesSent = 0
  var lostConnections = 0
  var failedAttempts = 0

  /// One second of the run each, from the start of the arrivals.
  var seconds: [Second] = []

  /// What happened in one second.
  struct Second: Sendable {
    var sent = 0
    var acknowledged = 0
    var delivered = 0
    /// End-to-end times of the deliveries in this second.
    var times: [Times.Sample] = []
  }

  mutating func add(_ other: Measurements) {
    endToEnd.add(other.endToEnd)
    acknowledgement.add(other.acknowledgement)
    acknowledgementService.add(other.acknowledgementService)
    sendDelay.add(other.sendDelay)
    sendDelayWindow.add(other.sendDelayWindow)
    sendDelaySocket.add(other.sendDelaySocket)
    sendDelayTool.add(other.sendDelayTool)
    connect.add(other.connect)
    loopLag.add(other.loopLag)
    sentInWindow += other.sentInWindow
    acknowledgedInWindow += other.acknowledgedInWindow
    deliveredInWindow += other.deliveredInWindow
    sent += other.sent
    acknowledged += other.acknowledged
    refused.merge(other.refused, uniquingKeysWith: +)
    withoutSubscribers += other.withoutSubscribers
    inDoubt += other.inDoubt
    delivered += other.delivered
    duplicates += other.duplicates
    allowedDuplicates += other.allowedDuplicates
    reordered += other.reordered
    largestDisplacement = max(largestDisplacement, other.largestDisplacement)
    corrupted += other.corrupted
    foreign += other.foreign
    publishBytesSent += other.publishBytesSent
    lostConnections += other.lostConnections
    failedAttempts += other.failedAttempts
    while seconds.count < other.seconds.count { seconds.append(Second()) }
    for index in other.seconds.indices { seconds[index].add(other.seconds[index]) }
  }
}

extension Measurements.Second {
  fileprivate mutating func add(_ other: Self) {
    sent += other.sent
    acknowledged += other.acknowledged
    delivered += other.delivered
    times += other.times
  }
}
