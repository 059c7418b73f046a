internal import CommandLineTool
internal import MQTT
internal import MQTTClient

extension Report {
  /// A report of runs of the same plan.
  init(_ summaries: [Summary], options: [[String]]) {
    self.options = options
    runs = summaries.map { Run($0) }
    guard let first = summaries.first else { return }
    scenario = first.plan.part?.scenario ?? first.plan.scenario
    shards = first.plan.part.map { Shards(numbers: [$0.shard.number], count: $0.shard.count) }
    scenarioText = first.plan.scenarioText ?? ""
    func add(_ name: String, _ value: String) { environment.append(Item(name: name, value: value)) }
    add("broker", "\(first.plan.client.endpoint)")
    for fact in first.connection { add(fact.name == "version" ? "protocol" : fact.name, fact.value) }
    if let tls = first.tls {
      add(
        "TLS",
        [tls.version, tls.cipher, tls.group, tls.isResumed ? "resumed" : nil].compactMap { $0 }.joined(separator: ", "))
    }
    if first.sharesMachine { add("shared host", "broker and mqbench share \(Host.processors) cores") }
    for fact in first.environment { add(fact.name, fact.value) }
  }
}

extension Report.Run {
  init(_ summary: Summary) {
    let (plan, measured) = (summary.plan, summary.measured)
    word = "\(plan.run)"
    seed = plan.seed
    start = UTC.text(summary.date)
    windowStart = Double(plan.windowStart) / 1e9
    window = summary.seconds
    // How long what never came was waited for.
    drain = plan.connectsOnly ? Double(plan.client.connectTimeout.nanoseconds) / 1e9 : summary.drainSeconds
    isClosed = plan.isClosed
    isInterrupted = summary.isInterrupted
    isSteady = summary.steadiness.isSteady
    verdict = summary.verdict
    signs = summary.evidence.signs.filter { $0.verdict == verdict }.map(\.rawValue)
    evidence = Self.items(summary)
    takeTimes(plan, measured)
    takeCounts(summary)
    sequences = summary.sequences
    seconds = summary.series.map { Report.Second($0) }
    guard plan.tellsGroups else { return }
    for (group, planned) in zip(summary.groups, plan.groups) where planned.publishing != nil {
      var counts: [CountMetric: Int] = [.offered: group.offered, .sent: group.measured.sent]
      if plan.hasSubscribers {
        counts.merge([.expected: group.expected, .delivered: group.measured.delivered, .lost: group.lost]) { $1 }
      }
      groups.append(Report.Group(name: group.name, counts: counts, times: group.measured.endToEnd))
    }
  }

  private mutating func takeTimes(_ plan: LoadPlan, _ measured: Measurements) {
    times[.name] = measured.connect.name
    times[.transport] = measured.connect.transport
    times[.layers] = measured.connect.layers
    times[.connect] = measured.connect.connack
    if plan.hasSubscribers { times[.suback] = measured.connect.suback }
    times[.roundTrip] = measured.roundTrips
    times[.loopLag] = measured.loopLag
    if plan.connectsOnly { return }
    let isAcknowledged = plan.hasAcknowledgements
    if plan.followsMessages {
      if !plan.isClosed { times[.endToEnd] = measured.endToEnd }
      times[.endToEndService] = measured.endToEndService
      if plan.routing.fansOut, !plan.isClosed { times[.fanOut] = measured.fanOut }
    }
    if isAcknowledged {
      if !plan.isClosed { times[.acknowledgement] = measured.acknowledgement }
      times[.acknowledgementService] = measured.acknowledgementService
      if plan.publishings.contains(where: { $0.qos == .exactlyOnce }) { times[.receipt] = measured.receipt }
    }
    if !plan.isClosed {
      times[.sendDelay] = measured.sendDelay
      times[.sendDelayWindow] = measured.sendDelayWindow
      times[.sendDelaySocket] = measured.sendDelaySocket
      times[.sendDelayTool] = measured.sendDelayTool
    }
  }

  private mutating func takeCounts(_ summary: Summary) {
    let (plan, measured) = (summary.plan, summary.measured)
    if plan.connectsOnly {
      rates = [.offered: plan.connectRate, .connected: summary.connectRate]
      counts = [
        .clients: summary.attempted, .connected: summary.connected, .lostConnections: measured.lostConnections,
        .failedAttempts: measured.failures.values.reduce(0, +),
      ]
      return
    }
    rates[.sent] = summary.sentRate
    if !plan.isClosed { rates[.offered] = summary.offeredRate }
    if plan.hasAcknowledgements { rates[.acknowledged] = summary.acknowledgedRate }
    counts = [
      .offered: summary.offered, .sent: measured.sent, .acknowledged: measured.acknowledged,
      .refused: measured.refused.values.reduce(0, +), .withoutSubscribers: measured.withoutSubscribers,
      .inDoubt: measured.inDoubt, .lostConnections: measured.lostConnections, .reconnections: measured.reconnections,
      .failedAttempts: measured.failures.values.reduce(0, +), .publishBytes: measured.publishBytesSent,
    ]
    let seconds = Double(measured.socketTime.nanoseconds) / 1e9
    if seconds > 0 {
      rates[.bytesSent] = Double(measured.socketBytes.sent) / seconds
      rates[.bytesReceived] = Double(measured.socketBytes.received) / seconds
    }
    guard plan.hasSubscribers else { return }
    rates[.delivered] = summary.deliveredRate
    guard plan.followsMessages else { return }
    let deliveries: [CountMetric: Int] = [
      .expected: summary.expected, .delivered: measured.delivered, .lost: summary.lost,
      .undeliverable: summary.undeliverable, .duplicates: measured.duplicates,
      .allowedDuplicates: measured.allowedDuplicates, .reordered: measured.reordered,
      .publishBytesReceived: measured.publishBytesReceived, .largestDisplacement: measured.largestDisplacement,
      .corrupted: measured.corrupted, .foreign: measured.foreign,
    ]
    counts.merge(deliveries) { $1 }
  }

  /// What a run that began too late is told by.
  static let lateness = "began later than it was to by"

  /// The figures that the verdict rests on.
  private static func items(_ summary: Summary) -> [Report.Item] {
    var items: [Report.Item] = []
    func add(_ name: String, _ value: String) { items.append(Report.Item(name: name, value: value)) }
    let evidence = summary.evidence
    func percent(_ share: Double) -> String { Figures.decimals(share * 100, 2) + " %" }
    if !evidence.isClosed {
      add(summary.plan.connectsOnly ? "accepted of tried" : "sent of offered", percent(evidence.achieved))
    }
    if let slope = summary.steadiness.slope {
      add("backlog grew by", "\(Figures.decimals(slope, 2)) messages a second")
    }
    let halves = [summary.steadiness.halves.first, summary.steadiness.halves.second].map { value in
      switch value {
      case .nanoseconds(let time): Figures.milliseconds(time) + " ms"
      case .endless: "lost"
      case .unknown: "–"
      }
    }
    if summary.steadiness.halves.first != .unknown { add("p99 of the halves", halves.joined(separator: ", ")) }
    add("loop lag at \(Figures.percentile(evidence.percentile))", "\(Figures.milliseconds(evidence.loopLag)) ms")
    if !summary.plan.connectsOnly, !evidence.isClosed {
      add(
        "send delay in mqbench at \(Figures.percentile(evidence.percentile))",
        "\(Figures.milliseconds(evidence.toolDelay)) ms")
    }
    add("slices of 100 ms with a busy thread", "\(evidence.busySlices) of \(evidence.slices)")
    if summary.lateness > .zero {
      add(Self.lateness, "\(Figures.milliseconds(summary.lateness.nanoseconds)) ms")
    }
    func share(_ time: Duration) -> String {
      percent(Double(time.nanoseconds) / 1e9 / max(summary.seconds, 1e-3)) + " of one processor"
    }
    add("mqbench worked", share(summary.load.worked))
    if let waited = summary.load.waited { add("mqbench waited for a processor", share(waited)) }
    add("processor taken away from mqbench", "\(summary.load.involuntarySwitches) times")
    if evidence.seconds > 0 {
      add("seconds with stolen processor time", "\(evidence.stolenSeconds) of \(evidence.seconds)")
    }
    if evidence.segments > 0 { add("TCP segments sent again", "\(evidence.retransmits) of \(evidence.segments)") }
    if let share = evidence.linkShare { add("busiest link", percent(share)) }
    for (failure, count) in summary.measured.failures.sorted(by: { $0.value > $1.value }) {
      add("failed to connect (\(failure.stage))", "\(count): \(failure.reason)")
    }
    for (reason, count) in summary.measured.refused.sorted(by: { $0.key < $1.key }) {
      add("refused with 0x" + String(reason, radix: 16, uppercase: true), "\(count)")
    }
    return items
  }
}

extension Report.Second {
  fileprivate init(_ second: Summary.Second) {
    number = second.end - 1
    (sent, acknowledged, delivered) = (second.sent, second.acknowledged, second.delivered)
    samples = second.times
    values = [
      ("due", Double(second.due)), ("backlog", second.backlog), ("errors", Double(second.errors)),
      ("tool_lag_ms", Double(second.lag) / 1e6), ("tool_processors", second.processors),
      ("stolen_share", second.host.stolen), ("soft_interrupt_share", second.host.softInterrupts),
    ]
    values += second.host.observed.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}

/// Points in time in UTC.
enum UTC {
  /// `2026-11-22T12:55:34.539Z`
  static func text(_ time: WallTime) -> String {
    let time = time.advanced(by: .microseconds(500))
    let fraction = "\(1000 + time.nanoseconds / 1_000_000)".dropFirst()
    return text(time.seconds).dropLast() + ".\(fraction)Z"
  }

  /// `2026-11-22T12:55:34Z` for seconds since the beginning of 1970.
  static func text(_ seconds: Int64) -> String {
    let days = Int(seconds / 86_400)
    let rest = Int(seconds % 86_400)
    // Years that begin with March, so that a leap day is a year's last.
    let era = (days + 719_468) / 146_097
    let day = days + 719_468 - era * 146_097
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
    let dayOfYear = day - (365 * year + year / 4 - year / 100)
    let month = (5 * dayOfYear + 2) / 153
    let date = (
      year + era * 400 + (month >= 10 ? 1 : 0), month < 10 ? month + 3 : month - 9,
      dayOfYear - (153 * month + 2) / 5 + 1
    )
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(date.0)-\(two(date.1))-\(two(date.2))T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))Z"
  }
}

extension LoadPlan {
  /// What is done, in words; what is not said is as always.
  var scenario: [Report.Item] {
    if connectsOnly {
      let rate = Figures.decimals(connectRate, connectRate < 10 ? 3 : 0)
      return [("clients", "\(clientCount)"), ("connections a second", rate)].map(Report.Item.init)
        + groups[0].originsInWords
    }
    var items = clientsInWords
    if isClosed { items.append(Report.Item(name: "closed loop", value: "")) }
    if scenarioText == nil, let publishing = publishings.first {
      if !isClosed { items.append(Report.Item(name: "rate", value: publishing.schedule.rateInWords)) }
      items += publishing.detailsInWords + groups[0].originsInWords
    }
    let seconds = Double(duration.nanoseconds) / 1e9
    items.append(
      Report.Item(name: "seconds", value: Figures.decimals(seconds, seconds == seconds.rounded() ? 0 : 3)))
    return items
  }

  /// Who publishes and subscribes to what.
  var clientsInWords: [Report.Item] {
    if scenarioText != nil { return groups.map { Report.Item(name: $0.name, value: $0.inWords(isClosed: isClosed)) } }
    var items: [Report.Item] = []
    func add(_ name: String, _ value: String) { items.append(Report.Item(name: name, value: value)) }
    let subscribers = groups.first { $0.subscribing != nil }
    guard let publishers = groups.first(where: { $0.publishing != nil }), let publishing = publishers.publishing else {
      return []
    }
    add("publishers", "\(publishers.count)")
    add("subscribers", "\(subscribers?.count ?? 0)" + (subscribers?.subscribing?.isShared == true ? " sharing" : ""))
    switch publishing.topics {
    case .numbered(let topics):
      add("topics", "\(topics.count)")
      if topics.names.levels != TopicNames().levels { add("topic levels", "\(topics.names.levels)") }
      switch topics.names.filter {
      case .exact: break
      case .plus: add("filters", "with +")
      case .hash: add("filters", "with #")
      }
    case .named:
      add("to", "\(publishing.topics)")
      if let filters = subscribers?.subscribing?.filters { add("from", "\(filters)") }
    }
    if let count = subscribers?.subscribing?.idleCount, count > 0 {
      add("idle subscriptions", Figures.grouped(count))
    }
    let subscribed = subscribers?.subscribing?.qos ?? publishing.qos
    add("QoS", "\(publishing.qos.rawValue)" + (subscribed == publishing.qos ? "" : " to \(subscribed.rawValue)"))
    add("bytes", publishing.sizeInWords)
    return items
  }
}

extension LoadGroup {
  /// `500 clients publish d/%c/t, QoS 1, 64 bytes, 100 messages a second`
  fileprivate func inWords(isClosed: Bool) -> String {
    var words = ["\(count) \(count == 1 ? "client" : "clients")"]
    if let publishing {
      words += ["publishing \(publishing.topics)", "QoS \(publishing.qos.rawValue)", "\(publishing.sizeInWords) bytes"]
      if !isClosed { words.append("\(publishing.schedule.rateInWords) messages a second") }
      words += publishing.detailsInWords.map { $0.value.isEmpty ? $0.name : "\($0.name) \($0.value)" }
    }
    if let subscribing {
      words.append(
        "\(subscribing.isShared ? "sharing" : "subscribed to") \(subscribing.filters) with QoS \(subscribing.qos.rawValue)"
      )
    }
    if let count = subscribing?.idleCount, count > 0 {
      words.append("\(Figures.grouped(count)) idle subscriptions")
    }
    words += originsInWords.map { "\($0.name) \($0.value)" }
    if let reconnectInterval {
      words.append("reconnecting every \(Figures.decimals(Double(reconnectInterval) / 1e9, 1)) s")
    }
    return words.joined(separator: ", ")
  }
}

extension LoadGroup {
  /// Who the clients are and where they come from, if that was said.
  fileprivate var originsInWords: [Report.Item] {
    var items: [Report.Item] = []
    if identitiesFile != nil { items.append(Report.Item(name: "identities", value: "from a table")) }
    if !addresses.isEmpty { items.append(Report.Item(name: "source addresses", value: "\(addresses.count)")) }
    return items
  }
}

extension LoadGroup.Publishing {
  fileprivate var sizeInWords: String {
    func text(_ sizes: ClosedRange<Int>) -> String {
      sizes.count == 1 ? "\(sizes.lowerBound)" : "\(sizes.lowerBound)..\(sizes.upperBound)"
    }
    if case .given(let payloads) = payload.content {
      let sizes = payloads.map { $0.count + payload.leastSize }
      return text(sizes.min()!...sizes.max()!)
    }
    return switch payload.size {
    case .within(let range): text(range)
    case .normal(let mean, let deviation): "\(mean)±\(deviation)"
    }
  }

  /// What is not as always.
  fileprivate var detailsInWords: [Report.Item] {
    var items: [Report.Item] = []
    switch payload.content {
    case .random: break
    case .zero: items.append(Report.Item(name: "payloads", value: "of zeros"))
    case .json: items.append(Report.Item(name: "payloads", value: "of JSON"))
    case .given(let payloads):
      items.append(Report.Item(name: "payloads", value: "of \(Figures.grouped(payloads.count)) given"))
    }
    if !payload.hasHeader { items.append(Report.Item(name: "without sequence numbers", value: "")) }
    switch cycle?.popularity {
    case nil: break
    case .uniform: items.append(Report.Item(name: "popularity", value: "uniform"))
    case .zipf(let exponent): items.append(Report.Item(name: "popularity", value: "zipf:\(exponent)"))
    }
    if let window { items.append(Report.Item(name: "window", value: "\(window)")) }
    switch schedule.arrivals {
    case .constant: break
    case .poisson: items.append(Report.Item(name: "arrivals", value: "poisson"))
    case .bursts(let size): items.append(Report.Item(name: "arrivals", value: "burst:\(size)"))
    }
    if retain { items.append(Report.Item(name: "retained", value: "yes")) }
    return items
  }
}

extension Schedule {
  fileprivate var rateInWords: String {
    let rate = messagesPerSecond
    return rate == rate.rounded() ? Figures.grouped(Int(rate)) : Figures.decimals(rate, 3)
  }
}
