public import MQTT
public import MQTTClient

/// Messages on their way through a command of the user's, several at a time, with the rules for failures.
///
/// Messages begin in the order in which they came. Those whose connection is lost before they began are forgotten at QoS 1, where
/// the broker sends them again; at QoS 2 a message that comes again is the same one.
public final class CommandQueue {
  /// A message that a command is to deal with.
  public struct Work: Sendable {
    /// Rises with each message.
    public let number: Int
    /// What the command gets.
    public let input: JobInput
    /// To be acknowledged when it is dealt with.
    public let delivery: Delivery?
    fileprivate let qos: QoS
    fileprivate var failures = 0
    /// When it is to run again; nil while it runs.
    fileprivate var due: Instant?
  }

  /// How far it is.
  public enum State: Sendable {
    /// All is dealt with.
    case idle
    /// Something runs, and more may come.
    case busy
    /// Nothing more is to come until there is room.
    case full
    /// The rules for failures end the run, and that was told.
    case stopped(ExitStatus)
  }

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
  /// What is dealt with and was not told, with what the command printed; nil where it failed and that is skipped.
  private var done: [(work: Work, output: [UInt8]?)] = []
  private var nextNumber = 0
  /// Nothing new is begun.
  private var isStopping = false
  private var status: ExitStatus?

  /// What may wait before nothing more is read from the broker.
  private static let waitingCountLimit = 100
  private static let waitingSizeLimit = 1 << 20
  /// How long what runs may go on after a signal.
  private static let stopPatience: Duration = .seconds(5)
  private static let longestDelay: Duration = .seconds(60)

  /// A queue before `command`. What it prints is collected up to `outputLimit` bytes; nil leaves that to our standard output.
  public init(
    _ command: [UInt8], _ settings: CommandSettings, onFailure policy: CommandFailurePolicy, outputLimit: Int?,
    _ diagnostics: Diagnostics
  ) throws(SystemError) {
    self.policy = policy
    jobs = settings.jobs
    self.diagnostics = diagnostics
    pool = try JobPool(command, jobs: settings.jobs, timeLimit: settings.timeLimit, outputLimit: outputLimit)
  }

  /// To be called once, before the first message.
  public func watch(in driver: inout Driver) { pool.watch(in: &driver) }

  /// Takes a copy of a message, and gives it a number.
  @discardableResult
  public func append(_ message: MessageView, _ delivery: Delivery?) -> Int {
    let input = JobInput(message, at: .now)
    waitingSize += input.size
    waiting.append(Work(number: nextNumber, input: input, delivery: delivery, qos: message.qos))
    nextNumber += 1
    return waiting[waiting.count - 1].number
  }

  /// The broker accepted us again. Returns the numbers of messages that are forgotten here because they come again
  /// [MQTT-4.4.0-1].
  @discardableResult
  public func connected(_ packet: ConnackPacket) -> [Int] {
    guard packet.sessionPresent else { return [] }
    let comesAgain = { (work: Work) in work.qos == .atLeastOnce }
    let forgotten = (waiting + active.filter { $0.due != nil }).filter(comesAgain).map(\.number)
    waiting.removeAll(where: comesAgain)
    active.removeAll { $0.due != nil && comesAgain($0) }
    waitingSize = waiting.reduce(0) { $0 + $1.input.size }
    return forgotten
  }

  /// A descriptor that the driver watches is ready; `work` follows.
  public func ready(_ descriptor: Int32) { ready.append(descriptor) }

  /// When to `work` though nothing is ready.
  public var deadline: Instant? {
    var deadline = pool.deadline
    for case let due? in active.map(\.due) where !isStopping { deadline = min(due, deadline ?? due) }
    return deadline
  }

  /// Begins what can begin, and hands over what is dealt with, together with what the command printed; nil where it failed, and
  /// failures are skipped.
  public func work(_ driver: inout Driver, _ dealtWith: (Work, _ output: [UInt8]?) -> Void) -> State {
    for descriptor in ready { _ = pool.ready(descriptor, &driver) }
    ready.removeAll(keepingCapacity: true)
    pool.deadlineReached(at: driver.now)
    while let end = pool.nextEnd() { ended(end, at: driver.now) }
    begin(&driver)
    for (work, output) in done { dealtWith(work, output) }
    done.removeAll(keepingCapacity: true)
    if isStopping {
      if !pool.isIdle { return .busy }
      return status.map { .stopped($0) } ?? .idle
    }
    if waiting.count >= Self.waitingCountLimit || waitingSize >= Self.waitingSizeLimit { return .full }
    return active.isEmpty ? .idle : .busy
  }

  /// Begins nothing new. Returns how long what runs may go on; no time when that was said before.
  public func stop() -> Duration {
    defer { isStopping = true }
    return isStopping || pool.isIdle ? .zero : Self.stopPatience
  }

  // MARK: - Commands

  private func begin(_ driver: inout Driver) {
    let now = driver.now
    while let index = active.firstIndex(where: { $0.due.map { now >= $0 } ?? false }), !isStopping {
      active[index].due = nil
      run(index, &driver)
    }
    while active.count < jobs, !waiting.isEmpty, !isStopping {
      let work = waiting.removeFirst()
      waitingSize -= work.input.size
      active.append(work)
      run(active.count - 1, &driver)
    }
  }

  private func run(_ index: Int, _ driver: inout Driver) {
    do throws(SystemError) {
      try pool.start(active[index].number, active[index].input, &driver)
    } catch {
      failed(index, .notStarted(error), at: driver.now)
    }
  }

  private func ended(_ end: JobPool.End, at now: Instant) {
    guard let index = active.firstIndex(where: { $0.number == end.number }) else { return }
    if let failure = end.failure { failed(index, failure, at: now) } else { finish(index, end.output) }
  }

  private func finish(_ index: Int, _ output: [UInt8]?) { done.append((active.remove(at: index), output)) }

  private func failed(_ index: Int, _ failure: HelperError, at now: Instant) {
    let text = "the command for '\(String(decoding: active[index].input.topic, as: UTF8.self))' \(failure.explanation)"
    switch policy {
    case .stop:
      if status == nil { diagnostics.error(text) }
      status = .helper
      isStopping = true
    case .skip:
      diagnostics.warning(text)
      finish(index, nil)
    case .retry:
      let delay = min(.seconds(1 << min(active[index].failures, 6)), Self.longestDelay)
      active[index].failures += 1
      active[index].due = now + delay
      let line = "\(text); trying again in \(delay)"
      if active[index].failures == 1 { diagnostics.warning(line) } else { diagnostics.debug(line) }
    }
  }
}
