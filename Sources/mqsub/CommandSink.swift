internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Gives each message to a command of the user's, and acknowledges it when the command has dealt with it.
///
/// Messages begin in the order in which they came. Those whose connection is lost before they began are forgotten at QoS 1, where
/// the broker sends them again; at QoS 2 a message that comes again is the same one.
final class CommandSink: MessageSink {
  private let policy: CommandFailurePolicy
  private let jobs: Int
  private let diagnostics: Diagnostics
  private var pool: JobPool
  /// Descriptors that are ready, for the next `work`.
  private var ready: [Int32] = []
  /// What has not begun, in order.
  private var waiting: [Work] = []
  private var waitingSize = 0
  /// What runs, or is to run again.
  private var active: [Work] = []
  private var nextNumber = 0
  /// Nothing new is begun.
  private var isStopping = false
  private var status: ExitStatus?

  /// A message on its way through the command.
  private struct Work {
    var number: Int
    var input: JobInput
    var qos: QoS
    var delivery: Delivery?
    var failures = 0
    /// When it is to run again; nil while it runs.
    var due: Instant?
  }

  /// What may wait before nothing more is read from the broker.
  private static let waitingCountLimit = 100
  private static let waitingSizeLimit = 1 << 20
  /// How long what runs may go on after a signal.
  private static let stopPatience: Duration = .seconds(5)
  private static let longestDelay: Duration = .seconds(60)

  init(_ command: [UInt8], settings: CommandSettings, _ diagnostics: Diagnostics) throws(SystemError) {
    policy = settings.failure
    jobs = settings.jobs
    self.diagnostics = diagnostics
    pool = try JobPool(command, jobs: settings.jobs, timeLimit: settings.timeLimit, outputLimit: nil)
  }

  func start(_ driver: inout Driver) { pool.watch(in: &driver) }

  func take(_ message: MessageView, _ delivery: Delivery?) {
    let input = JobInput(message, at: .now)
    waitingSize += input.size
    waiting.append(Work(number: nextNumber, input: input, qos: message.qos, delivery: delivery))
    nextNumber += 1
  }

  func handle(_ event: Session.Event) {
    // What has not begun comes again [MQTT-4.4.0-1].
    guard case .connected(let packet, _) = event, packet.sessionPresent else { return }
    waiting.removeAll { $0.qos == .atLeastOnce }
    active.removeAll { $0.qos == .atLeastOnce && $0.due != nil }
    waitingSize = waiting.reduce(0) { $0 + $1.input.size }
  }

  func ready(_ descriptor: Int32, _ readiness: Readiness) { ready.append(descriptor) }

  var deadline: Instant? {
    var deadline = pool.deadline
    for case let due? in active.map(\.due) where !isStopping { deadline = min(due, deadline ?? due) }
    return deadline
  }

  func work(_ client: Client, _ driver: inout Driver) -> SinkState {
    for descriptor in ready { _ = pool.ready(descriptor, &driver) }
    ready.removeAll(keepingCapacity: true)
    pool.deadlineReached(at: driver.now)
    while let end = pool.nextEnd() { ended(end, client, at: driver.now) }
    begin(client, &driver)
    if isStopping {
      if !pool.isIdle { return .busy }
      return status.map { .over($0) } ?? .done
    }
    if waiting.count >= Self.waitingCountLimit || waitingSize >= Self.waitingSizeLimit { return .full }
    return active.isEmpty ? .done : .busy
  }

  func stop() -> Duration {
    defer { isStopping = true }
    return isStopping || pool.isIdle ? .zero : Self.stopPatience
  }

  // MARK: - Commands

  private func begin(_ client: Client, _ driver: inout Driver) {
    let now = driver.now
    while let index = active.firstIndex(where: { $0.due.map { now >= $0 } ?? false }), !isStopping {
      active[index].due = nil
      run(index, client, &driver)
    }
    while active.count < jobs, !waiting.isEmpty, !isStopping {
      let work = waiting.removeFirst()
      waitingSize -= work.input.size
      active.append(work)
      run(active.count - 1, client, &driver)
    }
  }

  private func run(_ index: Int, _ client: Client, _ driver: inout Driver) {
    do throws(SystemError) {
      try pool.start(active[index].number, active[index].input, &driver)
    } catch {
      failed(index, .notStarted(error), client, at: driver.now)
    }
  }

  private func ended(_ end: JobPool.End, _ client: Client, at now: Instant) {
    guard let index = active.firstIndex(where: { $0.number == end.number }) else { return }
    if let failure = end.failure { failed(index, failure, client, at: now) } else { finish(index, client) }
  }

  private func finish(_ index: Int, _ client: Client) {
    if let delivery = active.remove(at: index).delivery { client.acknowledge(delivery) }
  }

  private func failed(_ index: Int, _ failure: HelperError, _ client: Client, at now: Instant) {
    let text = "the command for '\(String(decoding: active[index].input.topic, as: UTF8.self))' \(failure.explanation)"
    switch policy {
    case .stop:
      if status == nil { diagnostics.error(text) }
      status = .helper
      isStopping = true
    case .skip:
      diagnostics.warning(text)
      finish(index, client)
    case .retry:
      let delay = min(.seconds(1 << min(active[index].failures, 6)), Self.longestDelay)
      active[index].failures += 1
      active[index].due = now + delay
      let line = "\(text); trying again in \(delay)"
      if active[index].failures == 1 { diagnostics.warning(line) } else { diagnostics.debug(line) }
    }
  }
}
