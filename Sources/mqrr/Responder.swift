internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Answers requests: with their own payload, or with what a command prints.
final class Responder: Role {
  private let plan: RequestPlan.Serving
  private let conversation: Conversation
  private var hasSubscribed = false
  private var pool: JobPool?
  /// Requests whose command has not been started.
  private var waiting: [(input: JobInput, place: ReplyPlace)] = []
  /// Requests whose command runs, by the number of the job.
  private var running: [(number: Int, place: ReplyPlace)] = []
  private var lastNumber = 0
  /// Replies that the client does not take yet.
  private var replies: [(payload: [UInt8], place: ReplyPlace)] = []
  /// Requests whose reply the broker has not acknowledged.
  private var unacknowledged: [(number: Int, delivery: Delivery?)] = []
  private var hasWarned = false
  private var failures = Tally()
  /// A signal came: when what runs has to be done.
  private var stopTime: Instant?

  /// Where a reply goes, and to what.
  private struct ReplyPlace {
    var topic: [UInt8]
    var correlationData: [UInt8]?
    var qos: QoS
    var delivery: Delivery?
  }

  /// Requests that wait here, beyond which nothing more is read from the broker.
  private static let waitingLimit = 100
  /// A payload of MQTT is no longer.
  private static let replyLimit = 268_435_455
  /// How long commands may go on after a signal.
  private static let stopPatience: Duration = .seconds(5)

  init(_ plan: RequestPlan.Serving, over conversation: Conversation) throws(SystemError) {
    self.plan = plan
    self.conversation = conversation
    if case .command(let command) = plan.answer {
      pool = try JobPool(command, jobs: plan.jobs, timeLimit: plan.timeLimit, outputLimit: Self.replyLimit)
      pool?.watch(in: &conversation.driver)
    }
  }

  private var client: Client { conversation.client }
  private var diagnostics: Diagnostics { conversation.diagnostics }

  func connected(_ packet: ConnackPacket) {
    if !hasSubscribed { conversation.subscribe(plan.subscriptions, plan.subscribeProperties) }
    hasSubscribed = true
  }

  func subscribed() {}

  // MARK: - Requests

  func take(_ message: MessageView, _ delivery: Delivery?) {
    guard let place = place(ofReplyTo: message, delivery) else {
      if let delivery { client.acknowledge(delivery) }
      return
    }
    if pool != nil {
      waiting.append((JobInput(message, at: .now), place))
    } else if replies.isEmpty, client.canPublish {
      reply(message.payload, to: place)
    } else {
      replies.append((Array(message.payload), place))
    }
  }

  /// Where the reply goes; nil where none can or shall be given.
  private func place(ofReplyTo message: MessageView, _ delivery: Delivery?) -> ReplyPlace? {
    // A request that the broker has kept is one that somebody made some time.
    if message.retain, !(plan.takesRetained && client.version.hasSubscriptionOptions) { return nil }
    var topic = plan.responseTopic?.utf8
    if let bytes = message.responseTopic { topic = try? TopicName(utf8: bytes).utf8 }
    guard let topic else {
      let name = String(decoding: message.topic, as: UTF8.self)
      let line = "a request on '\(name)' names no topic for its reply; -e gives one to such requests"
      if hasWarned { diagnostics.debug(line) } else { diagnostics.warning(line) }
      hasWarned = true
      return nil
    }
    return ReplyPlace(
      topic: topic, correlationData: message.correlationData.map { Array($0) }, qos: message.qos, delivery: delivery)
  }

  var wantsMessages: Bool { waiting.count < Self.waitingLimit && replies.count < Self.waitingLimit }

  // MARK: - Replies

  func work() {
    if let stopTime, conversation.driver.now >= stopTime { return conversation.leave(.status(.ok)) }
    pool?.deadlineReached(at: conversation.driver.now)
    takeEnds()
    startJobs()
    var sent = 0
    while sent < replies.count, client.canPublish {
      let (payload, place) = replies[sent]
      payload.withUnsafeBytes { reply($0, to: place) }
      sent += 1
    }
    replies.removeFirst(sent)
    if stopTime != nil, running.isEmpty, replies.isEmpty, client.publishesInFlight == 0 {
      conversation.leave(.status(.ok))
    }
  }

  private func reply(_ payload: UnsafeRawBufferPointer, to place: ReplyPlace) {
    var properties = plan.properties
    if let data = place.correlationData, client.version.hasProperties { properties[.correlationData] = data }
    do throws(ProtocolError) {
      let number = try place.topic.withBytes { (topic) throws(ProtocolError) in
        try client.publish(
          topic: topic, payload: payload, qos: place.qos, retain: false, properties: properties,
          at: conversation.driver.now)
      }
      if let number { return unacknowledged.append((number, place.delivery)) }
    } catch {
      refused(ExitStatus(error), "the reply to '\(String(decoding: place.topic, as: UTF8.self))': \(error.explanation)")
    }
    if let delivery = place.delivery { client.acknowledge(delivery) }
  }

  func published(_ number: Int, _ reason: ReasonCode, _ text: Text?) {
    if reason.isFailure {
      refused(.reasonCode(reason.rawValue), "the broker refused a reply: \(reason)" + (text.map { ": \($0)" } ?? ""))
    }
    guard let index = unacknowledged.firstIndex(where: { $0.number == number }) else { return }
    if let delivery = unacknowledged.remove(at: index).delivery { client.acknowledge(delivery) }
  }

  /// Says that there is no reply; what is wrong with each is said once.
  private func refused(_ status: ExitStatus, _ line: String) {
    if failures.count(status) { diagnostics.error(line) } else { diagnostics.debug(line) }
  }

  // MARK: - Commands

  func ready(_ descriptor: Int32) {
    _ = pool?.ready(descriptor, &conversation.driver)
  }

  private func startJobs() {
    while stopTime == nil, !waiting.isEmpty, pool?.hasRoom == true {
      let (input, place) = waiting.removeFirst()
      lastNumber += 1
      do throws(SystemError) {
        try pool?.start(lastNumber, input, &conversation.driver)
        running.append((lastNumber, place))
      } catch {
        diagnostics.error("the command cannot be started: \(error.call): \(error.explanation)")
        return conversation.leave(.status(.helper))
      }
    }
  }

  private func takeEnds() {
    while let end = pool?.nextEnd() {
      guard let index = running.firstIndex(where: { $0.number == end.number }) else { continue }
      let place = running.remove(at: index).place
      guard let failure = end.failure else {
        replies.append((end.output, place))
        continue
      }
      diagnostics.error("no reply to '\(String(decoding: place.topic, as: UTF8.self))': the command \(failure)")
      if plan.failureRule == .stop { return conversation.leave(.status(.helper)) }
      if let delivery = place.delivery { client.acknowledge(delivery) }
    }
  }

  // MARK: - The end

  var deadline: Instant? { [pool?.deadline, stopTime].compactMap { $0 ?? nil }.min() }

  func timedOut() -> ExitStatus {
    diagnostics.error("timed out after \(conversation.connection.timeout.map { "\($0)" } ?? "")")
    return .timedOut
  }

  /// What runs may end, nothing new is begun; a second signal does not wait.
  func interrupted(by signal: Signal) {
    if stopTime != nil || running.isEmpty && replies.isEmpty { return conversation.leave(.status(.ok)) }
    stopTime = conversation.driver.now + Self.stopPatience
  }

  func end(_ ending: Ending) -> Ending { ending }
}
