internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Answers requests: with their own payload, or with what a command prints.
final class Responder: Role {
  private let plan: RequestPlan.Serving
  private let conversation: Conversation
  /// Requests that a command answers; nil where it is an echo.
  private let queue: CommandQueue?
  /// Where the replies to those go.
  private var places: [(number: Int, place: ReplyPlace)] = []
  /// Replies that the client does not take yet.
  private var replies: [(payload: [UInt8], place: ReplyPlace)] = []
  /// Requests whose reply the broker has not acknowledged.
  private var unacknowledged: [(number: Int, delivery: Delivery)] = []
  private var hasSubscribed = false
  /// Whether requests could be answered once.
  private var wasReady = false
  private var readyCommand: ReadyCommand?
  private var isFull = false
  private var hasWarned = false
  private var failures = Tally()
  private var isInterrupted = false
  /// A signal came: when what runs has to be done.
  private var stopTime: Instant?

  /// Where a reply goes, and to what.
  private struct ReplyPlace {
    var topic: [UInt8]
    var correlationData: [UInt8]?
    var qos: QoS
    var delivery: Delivery?
  }

  /// Replies that may wait before nothing more is read from the broker.
  private static let waitingLimit = 100

  init(_ plan: RequestPlan.Serving, _ queue: CommandQueue?, over conversation: Conversation) {
    self.plan = plan
    self.queue = queue
    self.conversation = conversation
    queue?.watch(in: &conversation.driver)
  }

  private var client: Client { conversation.client }
  private var diagnostics: Diagnostics { conversation.diagnostics }

  func connected(_ packet: ConnackPacket) {
    if let forgotten = queue?.connected(packet) { places.removeAll { forgotten.contains($0.number) } }
    if !hasSubscribed { conversation.subscribe(plan.subscriptions, plan.subscribeProperties) }
    hasSubscribed = true
  }

  func subscribed() {
    if wasReady { return }
    wasReady = true
    if conversation.compatibility.readsEnvironment { notifyServiceManager() }
    guard let command = plan.readyCommand else { return }
    do throws(SystemError) {
      readyCommand = try ReadyCommand(command, at: conversation.driver.now)
    } catch {
      readyCommandFailed(.notStarted(error))
    }
  }

  private func lookAtReadyCommand() {
    guard let command = readyCommand, conversation.driver.now >= command.deadline else { return }
    do throws(HelperError) {
      if try command.hasEnded(at: conversation.driver.now) { readyCommand = nil }
    } catch {
      readyCommand = nil
      readyCommandFailed(error)
    }
  }

  private func readyCommandFailed(_ failure: HelperError) {
    diagnostics.error("--on-ready: the command \(failure.explanation)")
    conversation.leave(.status(.helper))
  }

  // MARK: - Requests

  func take(_ message: MessageView, _ delivery: Delivery?) {
    guard stopTime == nil else { return }
    guard let place = place(ofReplyTo: message, delivery) else {
      if let delivery { client.acknowledge(delivery) }
      return
    }
    if let queue {
      places.append((queue.append(message, delivery), place))
    } else if replies.isEmpty, client.canPublish {
      reply(message.payload, to: place)
    } else {
      replies.append((Array(message.payload), place))
    }
  }

  /// Where the reply goes; nil where none can or shall be given.
  private func place(ofReplyTo message: MessageView, _ delivery: Delivery?) -> ReplyPlace? {
    // What the broker had kept was asked some time, by somebody who may not be there any more.
    if message.retain, !(plan.takesRetained && client.version.hasSubscriptionOptions) { return nil }
    var topic = plan.responseTopic?.utf8
    if let bytes = message.responseTopic { topic = (try? TopicName(utf8: bytes))?.utf8 }
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

  var wantsMessages: Bool { !isFull && replies.count < Self.waitingLimit }

  // MARK: - Replies

  func ready(_ descriptor: Int32) { queue?.ready(descriptor) }

  func work() {
    if let stopTime, conversation.driver.now >= stopTime { return conversation.leave(.status(.ok)) }
    lookAtReadyCommand()
    var isIdle = true
    switch queue?.work(&conversation.driver, { work, output in dealtWith(work, output) }) {
    case .stopped(let status): return conversation.leave(.status(status))
    case .full: (isFull, isIdle) = (true, false)
    case .busy: (isFull, isIdle) = (false, false)
    case .idle: isFull = false
    case nil: break
    }
    var sent = 0
    while sent < replies.count, client.canPublish {
      let (payload, place) = replies[sent]
      payload.withUnsafeBytes { reply($0, to: place) }
      sent += 1
    }
    replies.removeFirst(sent)
    if stopTime != nil, isIdle, replies.isEmpty, client.publishesInFlight == 0 { conversation.leave(.status(.ok)) }
  }

  private func dealtWith(_ work: CommandQueue.Work, _ output: [UInt8]?) {
    guard let index = places.firstIndex(where: { $0.number == work.number }) else { return }
    let place = places.remove(at: index).place
    if let output {
      replies.append((output, place))
    } else if let delivery = work.delivery {
      client.acknowledge(delivery)
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
      if let number, let delivery = place.delivery { return unacknowledged.append((number, delivery)) }
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
    client.acknowledge(unacknowledged.remove(at: index).delivery)
  }

  /// Says that there is no reply; of each kind of failure once.
  private func refused(_ status: ExitStatus, _ line: String) {
    if failures.count(status) { diagnostics.error(line) } else { diagnostics.debug(line) }
  }

  // MARK: - The end

  var deadline: Instant? {
    [stopTime, queue?.deadline, readyCommand?.deadline].compactMap { $0 }.min()
  }

  func timedOut() -> ExitStatus {
    diagnostics.error("timed out after \(conversation.connection.timeout.map { "\($0)" } ?? "")")
    return .timedOut
  }

  /// What runs may come to its end, nothing new is begun; a second signal does not wait.
  func interrupted(by signal: Signal) {
    isInterrupted = true
    let patience = queue?.stop() ?? .zero
    if stopTime != nil || patience == .zero && replies.isEmpty { return conversation.leave(.status(.ok)) }
    stopTime = conversation.driver.now + patience
  }

  func end(_ ending: Ending) -> Ending {
    // What the user began goes on, unless the user ends it all.
    if !isInterrupted { readyCommand?.leave() }
    return ending
  }
}
