internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// One of the parts of a load that several processes, mostly on several machines, put on a broker at the same time.
///
/// Each part is complete in itself: it has clients, topics and a run word of its own, and measures its own messages by its own clock,
/// so that no two clocks have to agree on more than when to begin.
struct Shard: Hashable, Sendable {
  /// From 1.
  var number: Int
  /// How many parts there are.
  var count: Int

  /// How many of `total` are in this part: as many as in every other, or one more or less.
  func share(of total: Int) -> Int { total / count + (number <= total % count ? 1 : 0) }

  /// How many of `total` are in the parts before this one.
  func first(of total: Int) -> Int { total / count * (number - 1) + min(number - 1, total % count) }
}

extension LoadSettings {
  /// What its clients are.
  enum Clients { case publishersAndSubscribers, connecting, group }

  /// The settings of a part of the load; all of them without a shard.
  ///
  /// Clients and topics are divided as evenly as may be, and rates as the publishers are, so that each of them publishes as often as
  /// it would in the whole load.
  func part(_ shard: Shard?, _ kind: Clients) throws(UsageError) -> LoadSettings {
    guard let shard else { return self }
    for pattern in published + subscribed where !pattern.isOfRun {
      throw UsageError("--shard: \(pattern) would be the same in all parts: %r in it makes it each part's own")
    }
    var part = self
    let all: Int
    switch kind {
    case .connecting:
      all = clients ?? Self.connectingClients
      part.clients = try shard.divide(all, "clients")
    case .group:
      all = clients ?? 1
      part.clients = try shard.divide(all, "clients")
    case .publishersAndSubscribers:
      all = publishers
      part.publishers = try shard.divide(all, "publishers")
      if subscribers > 0 { part.subscribers = try shard.divide(subscribers, "subscribers") }
      if let topics { part.topics = try shard.divide(topics, "topics") }
    }
    let own = shard.share(of: all)
    part.firstPublisher = shard.first(of: all)
    part.workload.idleCount = shard.share(of: workload.idleCount)
    if case .rate(let rate) = pace { part.pace = .rate(rate * Double(own) / Double(all)) }
    if case .bursts(let size) = arrivals {
      // Otherwise the parts would draw apart with time.
      let step = all.isMultiple(of: shard.count) ? shard.count : all
      guard size.isMultiple(of: step) else {
        throw UsageError(
          "--shard: bursts of \(size) cannot be divided among \(shard.count) as \(all) publishers are; "
            + "a multiple of \(step) can")
      }
      part.arrivals = .bursts(of: size * own / all)
    }
    return part
  }

  /// The options for a load that is started on several machines.
  static let shardOptions: [Option<LoadSettings>] = [
    Option(
      OptionDescription(
        long: "shard", value: .one("I/N"), section: .messages,
        summary: "do the I-th of N parts of the load, the others of which are done elsewhere",
        details: """
          All parts are started with the same options but for I, and {--start-at} lets them begin together; merge puts their reports \
          together. Publishers, subscribers, topics and clients are divided as evenly as may be, and rates as the clients are; the runs \
          of {--runs} begin as long after one another as a run can take at most. {--identities} has the lines of all parts. Each part \
          has topics of its own (typed ones need %r) and measures its own messages by its own clock, so that clocks of two machines \
          are never compared.
          """)
    ) { (settings, value) throws(UsageError) in settings.shard = try value.shard() },
    Option(
      OptionDescription(
        long: "start-at", value: .one("TIME"), section: .time,
        summary: "let the arrivals begin at 14:30, 14:30:05 or 2026-11-22T14:30:05Z",
        details: """
          Of connect, the first connection. A time of day is in UTC, for machines may be in different zones, and the next one is meant \
          unless it was within the last hour. A time that has passed is refused, and so is one before which the clients cannot be \
          connected. When connecting takes longer than it should, the report says by how much the arrivals began too late.
          """)
    ) { (settings, value) throws(UsageError) in settings.startTime = try value.startTime(.now) },
  ]
}

extension Shard {
  fileprivate func divide(_ total: Int, _ what: String) throws(UsageError) -> Int {
    guard total >= count else {
      throw UsageError(
        "--shard: \(total) \(total == 1 ? String(what.dropLast()) : what) cannot be divided among \(count): "
          + "--\(what) \(count) or more can")
    }
    return share(of: total)
  }
}

extension Argument {
  /// The word as `I/N`.
  func shard() throws(UsageError) -> Shard {
    let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int(String(decoding: $0, as: UTF8.self)) }
    guard parts.count == 2, numbers.count == 2, (1...10_000).contains(numbers[1]), (1...numbers[1]).contains(numbers[0])
    else { throw UsageError("\(quoted) is not a part such as 1/4, the first of four") }
    return Shard(number: numbers[0], count: numbers[1])
  }

  /// The word as a point in time: a date with a time and a zone, or the time of day in UTC that comes next, unless it was
  /// within the hour before `now`: then whoever started it is late.
  func startTime(_ now: WallTime) throws(UsageError) -> WallTime {
    if let time = WallTime(bytes) { return time }
    let day = UTC.text(now.seconds).prefix { $0 != "T" }
    for end in ["Z", ":00Z"] {
      guard var time = WallTime(Array("\(day)T".utf8) + bytes + Array(end.utf8)) else { continue }
      let (hour, day): (Int64, Int64) = (3600, 86_400)
      if time.seconds < now.seconds - hour { time.seconds += day }
      if time.seconds >= now.seconds - hour + day { time.seconds -= day }
      return time
    }
    throw UsageError("\(quoted) is not a time such as 14:30, 14:30:05 (in UTC) or 2026-11-22T14:30:05Z")
  }
}

extension WallTime {
  /// How long after `other` it is.
  func since(_ other: WallTime) -> Duration {
    .seconds(seconds - other.seconds) + .nanoseconds(Int64(nanoseconds - other.nanoseconds))
  }

  /// Later by `time`.
  func advanced(by time: Duration) -> WallTime {
    let sum = Int64(nanoseconds) + time.nanoseconds
    let rest = (sum % 1_000_000_000 + 1_000_000_000) % 1_000_000_000
    return WallTime(seconds: seconds + (sum - rest) / 1_000_000_000, nanoseconds: Int(rest))
  }
}

extension LoadPlan {
  /// What the plan is a part of.
  struct Part: Sendable {
    var shard: Shard
    /// What all parts do together, in words.
    var scenario: [Report.Item]
  }

  /// How long connecting takes at least.
  var leastConnectTime: Duration { .nanoseconds(Int64(1e9 * Double(clientCount) / connectRate)) }

  /// How long before the start of the arrivals connecting begins: with some time to spare. The start of nothing but connections is
  /// that of the first of them.
  var connectLead: Duration { connectsOnly ? .zero : settle + leastConnectTime * 2 + .seconds(3) }

  /// How long a run with a start time takes at most, with some time to spare: the same for all parts of a load.
  var longestRun: Duration {
    connectsOnly
      ? leastConnectTime + client.connectTimeout + duration + .seconds(6)
      : connectLead + .nanoseconds(windowEnd) + drainLimit + .seconds(6)
  }

  /// Refuses a start that cannot be kept.
  func checkStart(_ now: WallTime) throws(UsageError) {
    guard let startTime else { return }
    let left = startTime.since(now)
    func seconds(_ time: Duration) -> String { "\(Figures.decimals(time / .seconds(1), 1)) s" }
    guard left < .seconds(7 * 86_400) else {
      throw UsageError("--start-at: \(UTC.text(startTime)) is more than a week away")
    }
    guard left > .seconds(-7 * 86_400) else { throw UsageError("--start-at: \(UTC.text(startTime)) is long past") }
    guard left > .zero else { throw UsageError("--start-at: \(UTC.text(startTime)) was \(seconds(.zero - left)) ago") }
    guard connectsOnly || left >= leastConnectTime else {
      throw UsageError(
        "--start-at: to connect \(clientCount) clients takes \(seconds(leastConnectTime)) at least, and there are "
          + "\(seconds(left)) left: a later time or a higher --connect-rate is needed")
    }
  }
}
