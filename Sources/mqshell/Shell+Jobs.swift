internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Something that goes on beside the commands.
final class Job {
  enum Work {
    case every(Duration, Command)
    case serve(TopicFilter, command: [UInt8]?)
  }
  let number: Int
  let text: String
  let work: Work
  /// The connection that a server of requests answers on.
  let connection: ShellConnection?
  var nextTime: Instant?

  init(number: Int, text: String, work: Work, connection: ShellConnection?, nextTime: Instant?) {
    self.number = number
    self.text = text
    self.work = work
    self.connection = connection
    self.nextTime = nextTime
  }
}

/// What goes on beside the commands: 'every', 'serve', and commands that sh runs.
extension Shell {
  /// Adds a job and tells its number.
  @discardableResult
  func addJob(_ text: String, _ work: Job.Work, on connection: ShellConnection? = nil) -> Job {
    let time: Instant? = if case .every = work { .now } else { nil }
    let job = Job(number: nextJobNumber, text: text, work: work, connection: connection, nextTime: time)
    nextJobNumber += 1
    jobs.append(job)
    return job
  }

  func runDueJobs() {
    guard !isRunningJob else { return }
    isRunningJob = true
    defer { isRunningJob = false }
    for job in jobs {
      guard let time = job.nextTime, driver.now >= time, case .every(let period, let command) = job.work else {
        continue
      }
      // From the time that was meant, so that nothing adds up; what was missed is not made up for.
      var next = time + period
      if next <= driver.now { next = driver.now + period }
      job.nextTime = next
      do throws(ShellError) {
        try execute(command)
      } catch {
        jobs.removeAll { $0 === job }
        if error.isCancellation { return }
        var failure = error
        failure.message = "job \(job.number) stopped: \(error.message)"
        report(failure)
        firstFailure = firstFailure ?? error.status
      }
    }
  }

  // MARK: - Commands outside

  /// Runs a command by `sh -c` with the last message in its environment, and waits for it.
  func runOutside(_ command: [UInt8]) throws(ShellError) {
    guard command.contains(where: { !isBlank($0) }) else { throw .usage("a command for sh is missing behind !") }
    let input = lastMessage.map { message in message.withView { JobInput($0, at: message.time) } } ?? JobInput()
    flush()
    let number = try startOutside(command, input, collectsOutput: false)
    defer { poolEnds[number] = nil }
    do throws(ShellError) {
      _ = try wait(until: nil) { poolEnds[number] != nil }
    } catch {
      pool.terminateAll(at: .now)
      isCancelled = false
      _ = try? wait(until: .now + .seconds(3)) { poolEnds[number] != nil }
      throw error
    }
    if let failure = poolEnds[number]?.failure { throw ShellError(.helper, "the command failed: \(failure)") }
  }

  /// Starts a command by `sh -c`; `poolEnds` will have its end.
  func startOutside(
    _ command: [UInt8], _ input: JobInput, collectsOutput: Bool
  ) throws(ShellError) -> Int {
    let number = nextPoolNumber
    nextPoolNumber += 1
    do {
      try pool.start(number, input, running: command, collectsOutput: collectsOutput, &driver)
    } catch {
      throw ShellError(.helper, "\(error.call): \(error.explanation)")
    }
    return number
  }

  func handle(_ end: JobPool.End) {
    if let answer = answers.removeValue(forKey: end.number) {
      if let failure = end.failure {
        note("job \(answer.job.number): the command failed: \(failure); the request was not answered", .warning)
      } else {
        reply(end.output, to: answer.message, for: answer.job)
      }
    } else {
      poolEnds[end.number] = end
    }
  }

  func answer(_ message: KeptMessage, for job: Job) {
    guard case .serve(let filter, let command) = job.work, message.withView({ filter.matches($0.topic) }) else {
      return
    }
    guard message.responseTopic != nil else { return }
    guard let command else { return reply(message.payload, to: message, for: job) }
    do throws(ShellError) {
      guard pool.hasRoom else { throw ShellError(.helper, "too many commands are running") }
      let input = message.withView { JobInput($0, at: message.time) }
      answers[try startOutside(command, input, collectsOutput: true)] = (job, message)
    } catch {
      note("job \(job.number): \(error.message); a request was not answered", .warning)
    }
  }

  func reply(_ payload: [UInt8], to request: KeptMessage, for job: Job) {
    guard let connection = job.connection, connection.client.canPublish, let topic = request.responseTopic
    else { return note("job \(job.number): a request was not answered, for there is no connection", .warning) }
    var properties = Properties()
    properties[.correlationData] = request.correlationData
    do throws(ProtocolError) {
      _ = try topic.withBytes { (topic) throws(ProtocolError) in
        try payload.withBytes { (payload) throws(ProtocolError) in
          try connection.client.publish(
            topic: topic, payload: payload, qos: request.qos, retain: false, properties: properties, at: driver.now)
        }
      }
    } catch {
      note("job \(job.number): a request was not answered: \(error.explanation)", .warning)
    }
  }
}
