internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Lines, scripts and the way to the end.
extension Shell {
  /// Runs a line and reports what fails. Nil when all went well.
  func run(_ line: [UInt8]) -> ExitStatus? {
    do throws(ShellError) {
      try perform(line)
      return nil
    } catch {
      report(error)
      return error.isCancellation ? outputFailure ?? firstFailure ?? error.status : error.status
    }
  }

  private func perform(_ line: [UInt8]) throws(ShellError) {
    let parsed: Line
    do { parsed = try Line(line) } catch { throw .language(error) }
    switch parsed {
    case .shell(let command): try runOutside(command)
    case .commands(let commands):
      for command in commands where !isLeaving {
        guard tap != nil, let verb = Verb.named(command), verb.isTestPoint else {
          try execute(command)
          continue
        }
        let name = commands.count == 1 ? text(line) : command.text
        do throws(ShellError) {
          try execute(command)
          tap?.passed(name, on: screen)
        } catch {
          if !error.isCancellation { tap?.failed(name, error, at: place, on: screen) }
          throw error
        }
      }
    }
  }

  /// Runs a command.
  func execute(_ command: Command) throws(ShellError) {
    guard let verb = Verb.named(command) else { throw Verb.unknown(command) }
    if isCancelled { throw .cancelled }
    try verb.run(self, Call(verb: verb, connectionName: command.connection, words: command.words.dropFirst()))
  }

  /// The words with their variables filled in.
  func fill(_ words: some Sequence<Word>) throws(ShellError) -> [Term] {
    var terms: [Term] = []
    for word in words { terms.append(try variables.fill(word, last: lastMessage)) }
    return terms
  }

  /// Runs the lines of a file.
  func runFile(_ path: [UInt8]) throws(ShellError) {
    guard sourceDepth < 16 else { throw .usage("files that run each other, 16 deep") }
    let contents: [UInt8]
    do { contents = try System.contents(of: path) } catch {
      throw .usage("\(text(path)): \(error.explanation)")
    }
    sourceDepth += 1
    let outer = place
    defer {
      sourceDepth -= 1
      place = outer
    }
    for (index, line) in lines(of: contents).enumerated() {
      place = "\(text(path)):\(index + 1)"
      if isLeaving { return }
      do throws(ShellError) {
        try perform(line)
      } catch {
        var failure = error
        failure.place = failure.place ?? place
        guard preferences.keepsGoing, failure.status == .expectationNotMet else { throw failure }
        report(failure)
        firstFailure = firstFailure ?? failure.status
      }
    }
  }

  /// Leaves after the present command.
  func quit() { isLeaving = true }

  /// Runs what the command line asks for.
  func run(_ plan: ShellPlan) -> ExitStatus {
    var status = plan.connectsAtOnce ? connect(to: plan.target) : nil
    if isInteractive {
      if connections.isEmpty {
        screen.line("Not connected. Try:  open localhost     (help for more, Ctrl-D to leave)")
      }
      runInteractively()
      status = nil
    } else if status == nil {
      status = runScript(plan.script)
    }
    return finish(status ?? firstFailure)
  }

  /// Connects as the command line says.
  private func connect(to target: [UInt8]?) -> ExitStatus? {
    do throws(ShellError) {
      try open(target.map { Argument($0, from: Source(.commandLine)) }, from: defaults)
      return nil
    } catch {
      report(error)
      return error.status
    }
  }

  private func runScript(_ script: ShellPlan.Script) -> ExitStatus? {
    switch script {
    case .commands(let commands):
      for line in lines(of: commands) {
        if isLeaving { break }
        if let status = runScriptLine(line) { return status }
      }
    case .file(let path):
      do throws(ShellError) { try runFile(path) } catch {
        // The line is gone from sight, and said so itself.
        report(error)
        return error.status
      }
    case .standardInput: return runInput()
    }
    return nil
  }

  private func runScriptLine(_ line: [UInt8]) -> ExitStatus? {
    guard let status = run(line) else { return nil }
    guard preferences.keepsGoing, status == .expectationNotMet else { return status }
    firstFailure = firstFailure ?? status
    return nil
  }

  /// Runs lines as they come through a pipe.
  private func runInput() -> ExitStatus? {
    var number = 0
    while !isLeaving {
      guard let line = nextInputLine() else { break }
      number += 1
      place = "line \(number)"
      if let status = runScriptLine(line) { return status }
    }
    return nil
  }

  /// The next line of standard input; nil at its end. Everything else goes on while it is waited for.
  private func nextInputLine() -> [UInt8]? {
    while true {
      if let end = input.firstIndex(of: UInt8(ascii: "\n")) {
        defer { input.removeSubrange(...end) }
        return Array(input[..<end])
      }
      if isInputOver {
        defer { input = [] }
        return input.isEmpty ? nil : input
      }
      driver.watch(0, .readable)
      defer { driver.watch(0, nil) }
      let count = input.count
      guard (try? wait(until: nil, for: { input.count > count || isInputOver })) == true else { return nil }
    }
  }

  /// Something can be read from standard input.
  func readInput() {
    if let editor {
      guard editor.isActive, let result = editor.read() else { return }
      typedLine = result
      driver.watch(0, nil)
      return
    }
    var piece = [UInt8](repeating: 0, count: 65_536)
    let count = piece.withUnsafeMutableBytes { CSystem.read(0, $0.baseAddress, $0.count) }
    if count > 0 {
      input += piece[..<count]
    } else if count == 0 || currentErrno() != EAGAIN && currentErrno() != EINTR {
      isInputOver = true
    }
  }

  // MARK: The end

  private func finish(_ failure: ExitStatus?) -> ExitStatus {
    var status = failure
    jobs = []
    isCancelled = false
    isLeaving = false
    for (command, place) in finals.reversed() {
      self.place = place
      do throws(ShellError) { try execute(command) } catch {
        report(error)
        status = status ?? error.status
      }
    }
    isCancelled = false
    for connection in connections where !connection.isOver {
      connection.client.disconnect(properties: connection.plan.disconnectProperties, at: .now)
    }
    _ = try? wait(until: .now + Self.leavePatience) { links.allSatisfy { $0?.isOver ?? true } }
    tap?.end(on: screen)
    flush()
    if endingSignal != nil, isInteractive { return .ok }
    if let outputFailure { return outputFailure }
    if let endingSignal {
      if connections.contains(where: { $0.client.publishesInFlight > 0 }) { return .connectionLost }
      Signals.die(of: endingSignal)
    }
    return status ?? .ok
  }
}

/// The lines of a text, without a last one that is empty.
func lines(of text: [UInt8]) -> [[UInt8]] {
  var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
  if lines.last?.isEmpty == true { lines.removeLast() }
  return lines
}

/// Random letters and digits.
func randomWord(_ count: Int) -> [UInt8] {
  (0..<count).map { _ in "abcdefghijklmnopqrstuvwxyz0123456789".utf8.randomElement() ?? 0x61 }
}
