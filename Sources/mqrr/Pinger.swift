internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Makes requests on a beat and measures how long their replies take.
final class Pinger: Role {
  private let plan: RequestPlan.Pinging
  private let payload: [UInt8]?
  private let isJSON: Bool
  private let conversation: Conversation
  private var responseTopic: TopicName?
  private var correlationData = CorrelationData()
  private let run = UInt32.random(in: 0 ... .max)
  private let beginning = Instant.now
  /// When the first request was due; the others follow on the beat.
  private var start: Instant?
  /// The place on the beat of the next request.
  private var beat = 0
  private var open: [Request] = []
  private var trips = RoundTrips()
  private var isInterrupted = false
  /// When waiting for the last replies ends.
  private var patienceEnd: Instant?

  private struct Request {
    var number: Int
    var correlationData: [UInt8]
    var payload: [UInt8]
    var time: Instant
  }

  /// Requests that are remembered; of a responder that never answers only the last ones.
  private static let openLimit = 1_000

  init(_ plan: RequestPlan.Pinging, payload: [UInt8]?, isJSON: Bool, over conversation: Conversation) {
    self.plan = plan
    self.payload = payload
    self.isJSON = isJSON
    self.conversation = conversation
  }

  private var client: Client { conversation.client }

  // MARK: - Requests

  func connected(_ packet: ConnackPacket) {
    guard responseTopic == nil else { return }
    trips.connectTime = Int((Instant.now - beginning).nanoseconds)
    responseTopic = conversation.awaitReplies(plan.exchange, packet)
  }

  func subscribed() { start = start ?? .now }

  func work() {
    guard let start else { return }
    while conversation.isRunning, isDue(since: start), client.canPublish { ask() }
    guard isDone else { return }
    patienceEnd = patienceEnd ?? .now + patience
    if open.isEmpty || patienceEnd.map({ .now >= $0 }) == true { conversation.complete(.ok) }
  }

  private var isDone: Bool { plan.count == trips.sent }

  private func isDue(since start: Instant) -> Bool {
    if isDone { return false }
    if plan.interval == .zero { return open.last.map { .now >= $0.time + patience } ?? true }
    return .now >= start + plan.interval * beat
  }

  private func ask() {
    guard let responseTopic, let start else { return }
    let number = trips.sent + 1
    var request = Request(
      number: number, correlationData: correlationData.next(), payload: payload ?? Array("ping \(number) \(run)".utf8),
      time: .now)
    var properties = plan.exchange.properties
    properties[.correlationData] = request.correlationData
    if plan.exchange.topic != nil { properties[.responseTopic] = try? Text(utf8: responseTopic.utf8) }
    let topic = plan.exchange.topic ?? responseTopic
    do throws(ProtocolError) {
      request.time = .now
      try topic.utf8.withBytes { (topic) throws(ProtocolError) in
        try request.payload.withBytes { (payload) throws(ProtocolError) in
          _ = try client.publish(
            topic: topic, payload: payload, qos: plan.exchange.options.qos, retain: false, properties: properties,
            at: conversation.driver.now)
        }
      }
    } catch {
      conversation.diagnostics.error(error.explanation)
      return conversation.leave(.status(ExitStatus(error)))
    }
    trips.sent = number
    open.append(request)
    if open.count > Self.openLimit { open.removeFirst() }
    // What was missed, while this process or the broker stood still, is not made up for.
    beat += 1
    if plan.interval > .zero { beat = max(beat, Int((.now - start) / plan.interval)) }
  }

  func published(_ number: Int, _ reason: ReasonCode, _ text: Text?) {
    guard reason.isFailure else { return }
    conversation.diagnostics.error("the broker refused: \(reason)" + (text.map { ": \($0)" } ?? ""))
    conversation.leave(.status(.reasonCode(reason.rawValue)))
  }

  // MARK: - Replies

  func take(_ message: MessageView, _ delivery: Delivery?) {
    let now = Instant.now
    conversation.acknowledgeWhenWritten(delivery)
    guard let index = place(ofRequestFor: message) else { return trips.ignored += 1 }
    let request = open.remove(at: index)
    let time = Int((now - request.time).nanoseconds)
    trips.append(time)
    if !isJSON { show(request.number, message, time) }
  }

  private func place(ofRequestFor message: MessageView) -> Int? {
    if message.retain, !(plan.exchange.takesRetained && client.version.hasSubscriptionOptions) { return nil }
    if let data = message.correlationData { return open.firstIndex { data.elementsEqual($0.correlationData) } }
    // Elsewhere an echo is known by its payload, and any other reply belongs to the oldest request.
    if let index = open.firstIndex(where: { message.payload.elementsEqual($0.payload) }) { return index }
    return open.isEmpty || plan.exchange.topic == nil ? nil : 0
  }

  private func show(_ number: Int, _ message: MessageView, _ time: Int) {
    TerminalText.append(
      "\(message.payload.count) bytes from \(place): seq=\(number) time=", to: &conversation.output.buffer)
    conversation.output.buffer.append(milliseconds: time)
    conversation.output.buffer.append(" ms\n")
  }

  /// What answers: a topic, or the broker itself.
  private var place: String { plan.exchange.topic.map { "'\($0)'" } ?? "\(conversation.endpoint)" }

  // MARK: - Time

  var deadline: Instant? {
    guard let start, conversation.isRunning else { return nil }
    if isDone { return patienceEnd }
    // If nothing could be sent then, becoming able to is what is waited for.
    guard client.canPublish else { return nil }
    if plan.interval == .zero { return open.last.map { $0.time + patience } }
    return start + plan.interval * beat
  }

  /// How long a reply may take that is not lost.
  private var patience: Duration { max(.seconds(1), .nanoseconds(2 * (trips.longest ?? 0))) }

  func timedOut() -> ExitStatus {
    conversation.diagnostics.error("timed out after \(conversation.connection.timeout.map { "\($0)" } ?? "")")
    return .timedOut
  }

  func interrupted(by signal: Signal) { conversation.leave(.status(.ok)) }

  // MARK: - The end

  func end(_ ending: Ending) -> Ending {
    guard trips.sent > 0 else { return ending }
    let (now, patience) = (Instant.now, patience)
    trips.awaited = open.count { now < $0.time + patience }
    let summary = trips.summary
    let verdicts = plan.goals.map { (goal: $0, isMet: trips.isMet($0, summary)) }
    if isJSON { appendJSON(summary, verdicts) } else { appendText(summary, verdicts) }
    guard case .status(.ok) = ending else { return ending }
    for verdict in verdicts where verdict.isMet != true {
      let outcome = verdict.isMet == nil ? "cannot be told: \(trips.received) replies are too few" : "was missed"
      conversation.diagnostics.error("the goal \(verdict.goal.text) \(outcome)")
    }
    if verdicts.contains(where: { $0.isMet == false }) { return .status(.goalMissed) }
    if trips.received == 0 {
      if trips.lost > 0 || isDone { conversation.diagnostics.error("no reply from \(place)") }
      return .status(.timedOut)
    }
    return .status(verdicts.contains { $0.isMet == nil } ? .notMeasurable : .ok)
  }

  private func appendText(_ summary: RoundTrips.Summary?, _ verdicts: [(goal: Goal, isMet: Bool?)]) {
    conversation.output.buffer.append("--- ")
    TerminalText.append(place, to: &conversation.output.buffer)
    conversation.output.buffer.append(" ---\n\(trips.sent) sent, \(trips.received) received, \(trips.lost) lost (")
    conversation.output.buffer.append(trips.lostShare, per: 1_000_000, digits: 1)
    conversation.output.buffer.append(" %)")
    if trips.awaited > 0 { conversation.output.buffer.append(", \(trips.awaited) still awaited") }
    if trips.ignored > 0 { conversation.output.buffer.append(", \(trips.ignored) ignored") }
    conversation.output.buffer.append("\n")
    guard let summary else { return }
    conversation.output.buffer.append("min ")
    conversation.output.buffer.append(milliseconds: summary.minimum)
    conversation.output.buffer.append(", mean ")
    conversation.output.buffer.append(milliseconds: summary.mean)
    for (hundredths, time) in zip(RoundTrips.percentiles, summary.percentiles) {
      conversation.output.buffer.append(", p\(hundredths / 100) ")
      conversation.output.buffer.append(milliseconds: time)
      if isVague(hundredths) { conversation.output.buffer.append("*") }
    }
    conversation.output.buffer.append(", max ")
    conversation.output.buffer.append(milliseconds: summary.maximum)
    conversation.output.buffer.append(", stddev ")
    conversation.output.buffer.append(milliseconds: summary.deviation)
    conversation.output.buffer.append(" ms\n")
  }

  /// Whether there are too few replies for one to lie beyond the percentile.
  private func isVague(_ hundredths: Int) -> Bool { trips.received < Goal.samplesNeeded(forPercentile: hundredths) }

  /// `{"from":"…","sent":5,"received":5,"lost":0,"loss_percent":0.000,"connect_ms":1.203,"min_ms":…,"p99_ms":null,…}`
  private func appendJSON(_ summary: RoundTrips.Summary?, _ verdicts: [(goal: Goal, isMet: Bool?)]) {
    var place = plan.exchange.topic.map { "\($0)" } ?? "\(conversation.endpoint)"
    conversation.output.buffer.append("{\"from\":")
    place.withUTF8 { JSONText.append(UnsafeRawBufferPointer($0), isForTerminal: true, to: &conversation.output.buffer) }
    conversation.output.buffer.append(",\"sent\":\(trips.sent),\"received\":\(trips.received),\"lost\":\(trips.lost)")
    conversation.output.buffer.append(",\"awaited\":\(trips.awaited),\"ignored\":\(trips.ignored),\"loss_percent\":")
    conversation.output.buffer.append(trips.lostShare, per: 1_000_000, digits: 3)
    appendJSON("connect_ms", trips.connectTime)
    appendJSON("min_ms", summary?.minimum)
    appendJSON("mean_ms", summary?.mean)
    for (index, hundredths) in RoundTrips.percentiles.enumerated() {
      appendJSON("p\(hundredths / 100)_ms", isVague(hundredths) ? nil : summary?.percentiles[index])
    }
    appendJSON("max_ms", summary?.maximum)
    appendJSON("stddev_ms", summary?.deviation)
    if !verdicts.isEmpty {
      let goals = verdicts.map { "{\"goal\":\"\($0.goal.text)\",\"met\":\($0.isMet.map { "\($0)" } ?? "null")}" }
      conversation.output.buffer.append(",\"goals\":[\(goals.joined(separator: ","))]")
    }
    conversation.output.buffer.append("}\n")
  }

  private func appendJSON(_ name: String, _ nanoseconds: Int?) {
    conversation.output.buffer.append(",\"\(name)\":")
    if let nanoseconds {
      conversation.output.buffer.append(milliseconds: nanoseconds)
    } else {
      conversation.output.buffer.append("null")
    }
  }
}
