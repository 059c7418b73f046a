internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What a worker measured. The measurements of several workers add up.
struct Measurements: Sendable {
  // MARK: Times in nanoseconds of measured messages

  /// From due to received, one sample a delivery.
  var endToEnd = Times()
  /// The same from the last byte sent.
  var endToEndService = Times()
  /// From due to the last of a message's deliveries, one sample a message: only where there are several.
  var fanOut = Times()
  /// The headline's times of what was due in either half of the window.
  var halves = [Times(), Times()]
  /// From due to acknowledged.
  var acknowledgement = Times()
  /// From sent to acknowledged.
  var acknowledgementService = Times()
  /// From sent to PUBREC, at QoS 2.
  var receipt = Times()
  /// From due to sent, and its parts.
  var sendDelay = Times()
  var sendDelayWindow = Times()
  var sendDelaySocket = Times()
  var sendDelayTool = Times()
  /// From when an attempt to connect was due to what it came to.
  var connect = ConnectTimes()
  /// From when the first attempt was due to the last CONNACK.
  var connectTime = Duration.zero
  /// How late the worker was at what was due, while the window was open.
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

  /// Bytes of the PUBLISH packets of measured messages, headers and all.
  var publishBytesSent = 0
  /// The same of those that came, each time.
  var publishBytesReceived = 0
  /// Bytes that passed through the sockets while they were counted, and for how long they were.
  var socketBytes = SocketBytes()
  var socketTime = Duration.zero
  var lostConnections = 0
  /// Clients that left and came again by plan, while the window was open.
  var reconnections = 0
  /// Attempts to connect that failed, by stage and reason.
  var failures: [ConnectFailure: Int] = [:]
  /// TCP segments from the start of the arrivals to the end.
  var segments = 0
  var retransmits = 0
  /// TCP's round-trip times at the end, one sample a connection.
  var roundTrips = Times()

  /// One second of the run each; the window begins with one of them (see `LoadPlan.second`).
  var seconds: [Second] = []

  /// What happened in one second.
  struct Second: Sendable {
    var sent = 0
    var acknowledged = 0
    /// First arrivals, whether they are measured or not.
    var delivered = 0
    /// The headline's times of what came to its end in this second.
    var times: [Times.Sample] = []
    /// Refused messages and lost connections.
    var errors = 0
    /// How late a worker was at most, in nanoseconds.
    var lag: Int64 = 0
    /// Processor time of the workers.
    var work = Duration.zero
  }

  mutating func add(_ other: Measurements) {
    endToEnd.add(other.endToEnd)
    endToEndService.add(other.endToEndService)
    fanOut.add(other.fanOut)
    for half in halves.indices { halves[half].add(other.halves[half]) }
    acknowledgement.add(other.acknowledgement)
    acknowledgementService.add(other.acknowledgementService)
    receipt.add(other.receipt)
    sendDelay.add(other.sendDelay)
    sendDelayWindow.add(other.sendDelayWindow)
    sendDelaySocket.add(other.sendDelaySocket)
    sendDelayTool.add(other.sendDelayTool)
    connect.add(other.connect)
    connectTime = max(connectTime, other.connectTime)
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
    publishBytesReceived += other.publishBytesReceived
    socketBytes.sent += other.socketBytes.sent
    socketBytes.received += other.socketBytes.received
    socketTime = max(socketTime, other.socketTime)
    lostConnections += other.lostConnections
    reconnections += other.reconnections
    failures.merge(other.failures, uniquingKeysWith: +)
    segments += other.segments
    retransmits += other.retransmits
    roundTrips.add(other.roundTrips)
    while seconds.count < other.seconds.count { seconds.append(Second()) }
    for index in other.seconds.indices { seconds[index].add(other.seconds[index]) }
  }
}

/// What became of the measured messages of one group.
struct GroupMeasurements: Sendable {
  var sent = 0
  var delivered = 0
  /// From due to received, one sample a delivery.
  var endToEnd = Times()

  /// The time is nil in a closed loop, in which nothing is due.
  mutating func delivered(after time: Int64?) {
    delivered += 1
    if let time { endToEnd.record(time) }
  }

  mutating func add(_ other: GroupMeasurements) {
    sent += other.sent
    delivered += other.delivered
    endToEnd.add(other.endToEnd)
  }
}

extension Measurements.Second {
  fileprivate mutating func add(_ other: Self) {
    sent += other.sent
    acknowledged += other.acknowledged
    delivered += other.delivered
    times += other.times
    errors += other.errors
    lag = max(lag, other.lag)
    work += other.work
  }
}

/// From when an attempt to connect was due, in nanoseconds, to the end of each of its stages: every one has the earlier ones in it.
struct ConnectTimes: Sendable {
  /// The name was looked up.
  var name = Times()
  /// TCP, or the unix socket, was connected.
  var transport = Times()
  /// TLS, WebSocket and proxies were agreed on.
  var layers = Times()
  /// CONNACK had come.
  var connack = Times()
  /// SUBACK had come.
  var suback = Times()

  mutating func add(_ other: ConnectTimes) {
    name.add(other.name)
    transport.add(other.transport)
    layers.add(other.layers)
    connack.add(other.connack)
    suback.add(other.suback)
  }
}

/// Why an attempt to connect failed.
struct ConnectFailure: Hashable, Sendable {
  /// How far it had come.
  var stage: String
  /// What was said, without the place.
  var reason: String
  /// What a program ends with that failed for this reason.
  var status: ExitStatus
}
