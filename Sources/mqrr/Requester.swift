internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Asks, and prints the replies.
final class Requester: Role {
  private let plan: RequestPlan.Asking
  private let requests: Requests
  private let conversation: Conversation
  private var format: MessageFormat
  private let showsTime: Bool
  /// Where replies come, once that was subscribed to.
  private var responseTopic: TopicName?
  private var correlationData = CorrelationData()
  private var isSubscribed = false
  /// Requests that are to be answered, oldest first.
  private var open: [Request] = []
  private var asked = 0
  /// Replies that count.
  private var received = 0
  /// Messages on the response topic that were no replies.
  private var ignored = 0
  /// The broker said that nobody subscribes to the topic.
  private var isUnheard = false
  private var tally = Tally()
  /// When it ends unless something comes.
  private var idleDeadline: Instant?
  /// When to say that there is no reply yet.
  private var noticeTime: Instant?

  private struct Request {
    var correlationData: [UInt8]
    /// What `publish` returned.
    var number: Int?
    var line: Int?
    var time: Instant
  }

  /// Requests that may be under way at a time, where replies can be told apart.
  private static let window = 16
  private static let noticePatience: Duration = .seconds(5)

  init(_ plan: RequestPlan.Asking, _ requests: Requests, _ output: OutputPlan, over conversation: Conversation) {
    self.plan = plan
    self.requests = requests
    self.conversation = conversation
    format = output.format(isTerminal: conversation.output.buffer.isTerminal)
    showsTime = format.showsTime
  }

  private var client: Client { conversation.client }
  private var diagnostics: Diagnostics { conversation.diagnostics }
  private var hasFinalTests: Bool { !plan.finalTests.isEmpty }

  // MARK: - Asking

  func connected(_ packet: ConnackPacket) {
    if responseTopic == nil { responseTopic = conversation.awaitReplies(plan.exchange, packet) }
  }

  func subscribed() { isSubscribed = true }

  func work() {
    guard isSubscribed else { return }
    if let idleDeadline, conversation.driver.now >= idleDeadline { return idle() }
    if let noticeTime, conversation.driver.now >= noticeTime { notice() }
    if client.isConnected {
      requests.handOut { payload, line, fault in
        guard conversation.isRunning, open.count < window, client.canPublish else { return false }
        if let payload {
          ask(payload, line)
        } else {
          refused(.badText, fault, line)
        }
        return true
      }
    }
    watchInput()
    endIfAllIsAnswered()
  }

  private var window: Int {
    client.version.hasProperties ? min(Self.window, conversation.connection.maximumInflight.map { Int($0) } ?? .max) : 1
  }

  private func ask(_ payload: UnsafeRawBufferPointer, _ line: Int?) {
    guard let topic = plan.exchange.topic, let responseTopic else { return }
    var request = Request(
      correlationData: plan.exchange.correlationData ?? correlationData.next(), line: line, time: .now)
    var properties = plan.exchange.properties
    properties[.responseTopic] = try? Text(utf8: responseTopic.utf8)
    properties[.correlationData] = request.correlationData
    do throws(ProtocolError) {
      request.number = try topic.utf8.withBytes { (topic) throws(ProtocolError) in
        try client.publish(
          topic: topic, payload: payload, qos: plan.exchange.options.qos, retain: false, properties: properties,
          at: conversation.driver.now)
      }
    } catch {
      return refused(ExitStatus(error), error.explanation, line)
    }
    asked += 1
    open.append(request)
    somethingHappened()
    if noticeTime == nil, received == 0 { noticeTime = request.time + Self.noticePatience }
  }

  /// Input is read when there is room for another request, and only then.
  private func watchInput() {
    guard requests.areLines else { return }
    let isWanted = conversation.isRunning && requests.descriptor != nil && open.count < window && client.canPublish
    conversation.driver.watch(0, isWanted ? .readable : nil)
  }

  func ready(_ descriptor: Int32) {
    do throws(SystemError) {
      try requests.read()
    } catch {
      if tally.note(.usage) { diagnostics.error("standard input: \(error.explanation)") }
    }
  }

  func published(_ number: Int, _ reason: ReasonCode, _ text: Text?) {
    if reason == .noMatchingSubscribers, !isUnheard {
      isUnheard = true
      diagnostics.notice("nobody subscribes to '\(topicText)'; waiting all the same")
    }
    guard reason.isFailure else { return }
    let index = open.firstIndex { $0.number == number }
    let line = index.flatMap { open.remove(at: $0).line }
    refused(.reasonCode(reason.rawValue), "the broker refused: \(reason)" + (text.map { ": \($0)" } ?? ""), line)
    endIfAllIsAnswered()
  }

  /// Counts a request that is not made. A thousand refused for one reason are one line here, and a number at the end.
  private func refused(_ status: ExitStatus, _ explanation: String, _ line: Int?) {
    guard tally.count(status) else { return }
    diagnostics.error((line.map { "line \($0): " } ?? "") + "topic '\(topicText)': \(explanation)")
  }

  private var topicText: String { plan.exchange.topic.map { "\($0)" } ?? "" }

  // MARK: - Replies

  func take(_ message: MessageView, _ delivery: Delivery?) {
    conversation.acknowledgeWhenWritten(delivery)
    guard let index = place(ofRequestFor: message) else {
      ignored += 1
      return diagnostics.debug("a message on '\(String(decoding: message.topic, as: UTF8.self))' is no reply")
    }
    let time = Instant.now - open[index].time
    // One request may have many replies; of many requests each has one.
    if requests.areLines { open.remove(at: index) }
    somethingHappened()
    guard plan.tests.allSatisfy({ $0.passes(message) }) else { return endIfAllIsAnswered() }
    received += 1
    noticeTime = nil
    show(message)
    if plan.showsLatency { conversation.output.buffer.append(latency: time) }
    let isFinal = hasFinalTests && plan.finalTests.allSatisfy { $0.passes(message) }
    if isFinal || received == plan.count ?? (hasFinalTests || plan.idle != nil || requests.areLines ? nil : 1) {
      conversation.complete(tally.status)
    } else {
      endIfAllIsAnswered()
    }
  }

  /// The request that a message answers.
  private func place(ofRequestFor message: MessageView) -> Int? {
    if message.retain, !(plan.exchange.takesRetained && client.version.hasSubscriptionOptions) { return nil }
    if let data = message.correlationData {
      return open.firstIndex { data.elementsEqual($0.correlationData) }
    }
    // Not every responder knows of correlation data; but somebody who named some wants to see them.
    return open.isEmpty || plan.exchange.correlationData != nil && client.version.hasProperties ? nil : 0
  }

  private func show(_ message: MessageView) {
    let time = showsTime ? WallTime.now : WallTime(seconds: 0, nanoseconds: 0)
    switch format.append(message, at: time, to: &conversation.output.buffer) {
    case .payloadIsNotJSON: diagnostics.warning("the payload is not JSON, and %J leaves it out")
    case .payloadIsNoNumber:
      diagnostics.warning("the payload has not the length of a number, and %f or %d leaves it out")
    case nil: break
    }
  }

  // MARK: - Time

  var deadline: Instant? { [idleDeadline, noticeTime].compactMap { $0 }.min() }

  private func somethingHappened() { idleDeadline = plan.idle.map { conversation.driver.now + $0 } }

  /// Somebody at a terminal may have mistyped the topic.
  private func notice() {
    noticeTime = nil
    diagnostics.notice("no reply yet to the request on '\(topicText)'")
  }

  private func idle() {
    idleDeadline = nil
    let isEnough = plan.count == nil && !hasFinalTests && received > 0 && !(requests.areLines && !open.isEmpty)
    if isEnough { return conversation.complete(tally.status) }
    diagnostics.error("\(missing) within \(plan.idle.map { "\($0)" } ?? "")\(circumstances)")
    conversation.complete(.timedOut)
  }

  func timedOut() -> ExitStatus {
    let time = conversation.connection.timeout.map { "\($0)" } ?? ""
    if asked == 0 {
      diagnostics.error("timed out after \(time), before the request was made")
    } else {
      diagnostics.error("\(missing) within \(time)\(circumstances)")
    }
    return .timedOut
  }

  private var missing: String {
    if requests.areLines { return "no reply to \(open.count) of \(asked) requests" }
    if received == 0 { return "no reply to the request on '\(topicText)'" }
    return "only \(received) \(received == 1 ? "reply" : "replies")"
  }

  private var circumstances: String {
    var text = isUnheard ? ", to which nobody subscribes" : ""
    if ignored > 0 {
      text += "; \(ignored) other \(ignored == 1 ? "message" : "messages") came there and answered nothing"
    }
    return text
  }

  // MARK: - The end

  private func endIfAllIsAnswered() {
    guard isSubscribed, requests.isExhausted, open.isEmpty else { return }
    let isUnmet = hasFinalTests || plan.count.map { received < $0 } == true
    if isUnmet, tally.failed == 0 {
      diagnostics.error("all requests were answered, and not as \(!hasFinalTests ? "-C" : "--until") has it")
      conversation.complete(.timedOut)
    } else {
      conversation.complete(tally.status)
    }
  }

  /// With the request made, Ctrl-C is the user's way to stop waiting; before that something is left undone.
  func interrupted(by signal: Signal) {
    let unmade = (requests.areLines ? requests.remainingCount : asked == 0 ? 1 : 0) + client.publishesUnsent
    let unacknowledged = client.publishesInFlight
    if unacknowledged > 0 { diagnostics.error("stopped before the broker had acknowledged \(count(unacknowledged))") }
    if unmade > 0 { diagnostics.error("stopped before \(count(unmade)) could be made") }
    conversation.leave(unacknowledged + unmade > 0 ? .status(.connectionLost) : .signal(signal))
  }

  private func count(_ requests: Int) -> String { requests == 1 ? "the request" : "\(requests) requests" }

  func end(_ ending: Ending) -> Ending {
    if tally.failed > 1 { diagnostics.error("\(tally.failed) requests were not made") }
    return ending
  }
}
