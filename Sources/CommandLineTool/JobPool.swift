public import MQTT
public import MQTTClient

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a command gets to know of a message: its payload on standard input, all else in variables of its environment. It is a copy,
/// so that it may wait for its turn.
///
///     MESSAGE_TOPIC  MESSAGE_QOS  MESSAGE_RETAIN and MESSAGE_DUPLICATE (0 or 1)  MESSAGE_TIME
///     MESSAGE_PAYLOAD_FORMAT_INDICATOR  MESSAGE_EXPIRY_INTERVAL  MESSAGE_CONTENT_TYPE  MESSAGE_RESPONSE_TOPIC
///     MESSAGE_CORRELATION_DATA_BASE64  MESSAGE_SUBSCRIPTION_IDENTIFIERS  MESSAGE_USER_PROPERTIES (JSON)
///
/// The last seven are there when the message has such a property.
public struct JobInput: Sendable {
  let payload: [UInt8]
  /// NAME=VALUE, each ended by NUL. No value has a NUL inside: MQTT forbids it in texts.
  let variables: [UInt8]
  /// Where the message was published to.
  public let topic: [UInt8]

  /// Bytes of memory that it takes, roughly.
  public var size: Int { payload.count + variables.count + topic.count }

  static let prefix = "MESSAGE_"
  /// Linux starts nothing with a longer variable. Only user properties can be as long.
  private static let variableLimit = 120_000

  /// Nothing: there is no message.
  public init() { (payload, variables, topic) = ([], [], []) }

  /// What `message`, which came at `time`, has to tell.
  public init(_ message: MessageView, at time: WallTime) {
    payload = Array(message.payload)
    topic = Array(message.topic)
    var text = OutputBuffer(descriptor: -1, limit: .max)
    Self.append("TOPIC", to: &text) { $0.append(message.topic) }
    Self.append("QOS", to: &text) { $0.append(decimal: Int(message.qos.rawValue)) }
    Self.append("RETAIN", to: &text) { $0.append(message.retain ? "1" : "0") }
    Self.append("DUPLICATE", to: &text) { $0.append(message.isDuplicate ? "1" : "0") }
    Self.append("TIME", to: &text) {
      var timestamp = Timestamp()
      timestamp.append(seconds: time.seconds, nanoseconds: time.nanoseconds, zone: .extended, to: &$0)
    }
    for view in message.propertyViews {
      switch view.property.identifier {
      case 0x01: Self.append("PAYLOAD_FORMAT_INDICATOR", to: &text) { $0.append(decimal: Int(view.number)) }
      case 0x02: Self.append("EXPIRY_INTERVAL", to: &text) { $0.append(decimal: Int(view.number)) }
      case 0x03: Self.append("CONTENT_TYPE", to: &text) { $0.append(view.bytes) }
      case 0x08: Self.append("RESPONSE_TOPIC", to: &text) { $0.append(view.bytes) }
      case 0x09: Self.append("CORRELATION_DATA_BASE64", to: &text) { Base64.append(view.bytes, to: &$0) }
      default: break
      }
    }
    Self.appendLists(message.propertyViews, to: &text)
    variables = text.withBytes { Array($0) }
  }

  private static func appendLists(_ properties: PropertyViews, to text: inout OutputBuffer) {
    var identifiers = OutputBuffer(descriptor: -1, limit: .max)
    var pairs = OutputBuffer(descriptor: -1, limit: .max)
    for view in properties {
      switch view.property.type {
      case .variableByteInteger:
        if identifiers.count > 0 { identifiers.append(" ") }
        identifiers.append(decimal: Int(view.number))
      case .userProperty:
        pairs.append(pairs.count > 0 ? ",[" : "[[")
        JSONText.append(view.bytes, isForTerminal: false, to: &pairs)
        pairs.append(",")
        JSONText.append(view.second, isForTerminal: false, to: &pairs)
        pairs.append("]")
      default: break
      }
    }
    if identifiers.count > 0 {
      append("SUBSCRIPTION_IDENTIFIERS", to: &text) { text in identifiers.withBytes { text.append($0) } }
    }
    if pairs.count > 0, pairs.count < variableLimit {
      pairs.append("]")
      append("USER_PROPERTIES", to: &text) { text in pairs.withBytes { text.append($0) } }
    }
  }

  private static func append(_ name: String, to text: inout OutputBuffer, _ value: (inout OutputBuffer) -> Void) {
    text.append(prefix)
    text.append(name)
    text.append("=")
    value(&text)
    text.append(0 as UInt8)
  }
}

/// Commands of the user's that work on messages, several at a time, while the driver goes on: nothing in here waits.
///
///     var pool = try JobPool(command, jobs: 4, timeLimit: .seconds(10), outputLimit: nil)
///     pool.watch(in: &driver)
///     if pool.hasRoom { try pool.start(7, JobInput(message, at: time), &driver) }   // 7 is the caller's number for it
///     …
///     switch driver.next(until: pool.deadline) {                                    // or an earlier one
///     case .ready(let descriptor, _): if pool.ready(descriptor, &driver) { … }      // false: it is not the pool's
///     case .deadline: pool.deadlineReached(at: driver.now)
///     …
///     while let end = pool.nextEnd() { … }                                          // after both of them
///
/// The payload goes to standard input. A command need not read it. Standard error is ours, and so is standard output unless the
/// pool collects it. Commands that run when the pool goes are killed with all that they started.
public struct JobPool: ~Copyable {
  /// How a job ended.
  public struct End: Sendable {
    /// The number that it was started with.
    public var number: Int
    /// What was wrong, if anything was.
    public var failure: HelperError?
    /// What it printed, where that is collected.
    public var output: [UInt8]
  }

  private let command: [UInt8]
  private let jobs: Int
  private let timeLimit: Duration?
  private let outputLimit: Int?
  private let children: ChildSignal
  private var running: [Job] = []
  private var ends: [End] = []

  /// How long a command may take to end when it is asked to.
  static let patience: Duration = .seconds(2)

  /// - Parameters:
  ///   - jobs: how many run at a time.
  ///   - timeLimit: after which a command is asked to end, and killed 2 s later.
  ///   - outputLimit: bytes of standard output to be collected, beyond which the command is killed; nil where it is ours.
  public init(_ command: [UInt8], jobs: Int, timeLimit: Duration?, outputLimit: Int?) throws(SystemError) {
    self.command = command
    self.jobs = jobs
    self.timeLimit = timeLimit
    self.outputLimit = outputLimit
    children = try ChildSignal()
  }

  /// To be called once, before the first job.
  public func watch(in driver: inout Driver) { driver.watch(children.descriptor, .readable) }

  /// Whether a job may start.
  public var hasRoom: Bool { running.count < jobs }

  /// Whether nothing runs and no end is to be told.
  public var isIdle: Bool { running.isEmpty && ends.isEmpty }

  /// Starts a job. Throws where the system cannot.
  ///
  /// - Parameters:
  ///   - other: what to run instead of the pool's command.
  ///   - collectsOutput: whether its output is collected, as the pool's limit says.
  public mutating func start(
    _ number: Int, _ input: JobInput, running other: [UInt8]? = nil, collectsOutput: Bool = true, _ driver: inout Driver
  ) throws(SystemError) {
    let given = try pipe(nonBlocking: .writing)
    defer { close(given.reading) }
    let outputLimit = collectsOutput ? outputLimit : nil
    let printed = try outputLimit.map { (_) throws(SystemError) in try pipe(nonBlocking: .reading) }
    defer { if let printed { close(printed.writing) } }
    let job = Job(number, input: input.payload, to: given.writing, output: printed?.reading)
    job.process = try ShellProcess(
      other ?? command, input: .descriptor(given.reading), output: printed.map { .descriptor($0.writing) } ?? .same,
      errors: .same,
      variables: input.variables, insteadOf: JobInput.prefix)
    job.limit = timeLimit.map { .now + $0 }
    running.append(job)
    feed(job, &driver)
    if let output = job.output { driver.watch(output, .readable) }
  }

  // MARK: - What the driver says

  /// Something can be read or written; false where the descriptor is not the pool's.
  public mutating func ready(_ descriptor: Int32, _ driver: inout Driver) -> Bool {
    if descriptor == children.descriptor {
      children.clear()
      lookForEnds(&driver)
      return true
    }
    for job in running {
      if job.input == descriptor {
        feed(job, &driver)
        return true
      }
      if job.output == descriptor {
        collect(job, &driver)
        return true
      }
    }
    return false
  }

  /// When `deadlineReached` is due.
  public var deadline: Instant? { running.lazy.compactMap(\.limit).min() }

  /// Time limits may have run out.
  public mutating func deadlineReached(at now: Instant) {
    for job in running {
      guard let limit = job.limit, now >= limit else { continue }
      terminate(job, at: now)
      job.failure = job.failure ?? timeLimit.map { .timedOut($0) }
    }
  }

  /// Asks everything that runs to end; what does not is killed.
  public mutating func terminateAll(at now: Instant) {
    for job in running { terminate(job, at: now) }
  }

  private func terminate(_ job: Job, at now: Instant) {
    if job.isAskedToEnd {
      job.process?.kill()
      job.limit = nil
    } else {
      job.process?.terminate()
      job.isAskedToEnd = true
      job.limit = now + Self.patience
    }
  }

  /// The next job that has ended, whether it did its part or not.
  public mutating func nextEnd() -> End? { ends.isEmpty ? nil : ends.removeFirst() }

  // MARK: - What happens with a job

  private func feed(_ job: Job, _ driver: inout Driver) {
    guard let input = job.input else { return }
    while job.inputTaken < job.payload.count {
      let count = job.payload.withUnsafeBytes { payload in
        write(input, payload.baseAddress! + job.inputTaken, payload.count - job.inputTaken)
      }
      if count >= 0 {
        job.inputTaken += count
      } else if errno == EAGAIN {
        return driver.watch(input, .writable)
      } else if errno != EINTR {
        break  // Whoever does not read does not want it.
      }
    }
    driver.watch(input, nil)
    job.closeInput()
  }

  private func collect(_ job: Job, _ driver: inout Driver) {
    guard let output = job.output, let outputLimit else { return }
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = piece.withUnsafeMutableBytes { read(output, $0.baseAddress, $0.count) }
      if count > 0 {
        job.printed += piece[..<count]
        if job.printed.count <= outputLimit { continue }
        job.failure = .tooLong
        job.process?.kill()
      } else if count < 0, errno == EINTR {
        continue
      } else if count < 0, errno == EAGAIN {
        return
      }
      driver.watch(output, nil)
      job.closeOutput()
      return
    }
  }

  private mutating func lookForEnds(_ driver: inout Driver) {
    for job in running {
      guard case .ended(let failure) = job.process?.look() else { continue }
      // What it has printed is in the pipe. Somebody whom it started may hold the other end for ever.
      collect(job, &driver)
      for descriptor in [job.input, job.output] {
        if let descriptor { driver.watch(descriptor, nil) }
      }
      ends.append(End(number: job.number, failure: job.failure ?? failure, output: job.printed))
      job.hasEnded = true
    }
    running.removeAll { $0.hasEnded }
  }
}

/// A command that runs.
private final class Job {
  let number: Int
  var process: ShellProcess?
  /// When its time is over, or its patience.
  var limit: Instant?
  var isAskedToEnd = false
  /// What was wrong before it ended.
  var failure: HelperError?
  var hasEnded = false
  private(set) var payload: [UInt8]
  var inputTaken = 0
  /// Where the payload goes; nil when nothing more does.
  private(set) var input: Int32?
  /// Where its output comes from.
  private(set) var output: Int32?
  var printed: [UInt8] = []

  init(_ number: Int, input payload: [UInt8], to input: Int32, output: Int32?) {
    self.number = number
    self.payload = payload
    self.input = input
    self.output = output
  }

  deinit {
    closeInput()
    closeOutput()
  }

  func closeInput() {
    if let input { close(input) }
    input = nil
    payload = []
  }

  func closeOutput() {
    if let output { close(output) }
    output = nil
  }
}

private enum PipeEnd { case reading, writing }

/// A pipe of which our end never waits. The other one is a command's, who would be surprised.
private func pipe(nonBlocking end: PipeEnd) throws(SystemError) -> (reading: Int32, writing: Int32) {
  var ends: [Int32] = [-1, -1]
  guard pipe(&ends) == 0 else { throw SystemError(call: "pipe", number: errno) }
  for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  _ = fcntl(end == .reading ? ends[0] : ends[1], F_SETFL, O_NONBLOCK)
  return (ends[0], ends[1])
}
