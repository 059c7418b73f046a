internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What `expect` expects.
struct Expectation {
  enum Kind: Equatable {
    /// So many messages that pass.
    case some(Int)
    /// The next message on the filter passes.
    case next
    /// No message that passes comes.
    case none
    /// The broker keeps a value that passes.
    case retained
  }

  var kind: Kind
  var filter: TopicFilter
  var tests: [TestExpression]

  func matches(_ message: KeptMessage) -> Bool { message.withView { filter.matches($0.topic) } }

  func passes(_ message: KeptMessage) -> Bool {
    message.withView { view in filter.matches(view.topic) && tests.allSatisfy { $0.passes(view) } }
  }

  /// What was expected, for somebody who reads that it did not come.
  var description: String {
    let tests = tests.map { " \(text($0.text))" }.joined()
    switch kind {
    case .some(1): return "a message on '\(filter)'" + (tests.isEmpty ? "" : " with" + tests)
    case .some(let count): return "\(count) messages on '\(filter)'" + (tests.isEmpty ? "" : " with" + tests)
    case .next: return "the next message on '\(filter)' with" + tests
    case .none: return "no message on '\(filter)'" + (tests.isEmpty ? "" : " with" + tests)
    case .retained: return "a retained value of '\(filter)'" + (tests.isEmpty ? "" : " with" + tests)
    }
  }

  /// A message that did not pass, and the first reason why not.
  func complaint(about message: KeptMessage) -> String {
    message.withView { view in
      let shown = "\(text(view.topic))  \(shortened(Array(view.payload)))"
      guard let test = tests.first(where: { !$0.passes(view) }) else { return shown }
      let field = text(test.fieldName)
      guard let found = test.found(in: view) else { return "\(shown)   it has no \(field)" }
      return "\(shown)   \(field) was \(shortened(found))"
    }
  }
}

/// Bytes from elsewhere for one line of a report.
func shortened(_ bytes: [UInt8]) -> String {
  if bytes.isEmpty { return "(empty)" }
  guard let string = String(validating: bytes, as: UTF8.self) else {
    return "hex:" + bytes.prefix(24).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      + (bytes.count > 24 ? "…" : "")
  }
  return string.count > 72 ? "\(string.prefix(71))…" : string
}

extension Terms {
  /// Tests of three words each, up to the end.
  mutating func tests() throws(ShellError) -> [TestExpression] {
    var tests: [TestExpression] = []
    while !isEmpty {
      let field = try next("a test")
      guard let comparison = nextIfAny(), let value = nextIfAny() else {
        var error = ShellError.usage("a test is three words, FIELD OPERATOR VALUE, as in: payload > 20")
        error.column = field.column
        throw error
      }
      // In quotes that its reader takes off again, the value is what it is here.
      let text =
        field.bytes + Array(" ".utf8) + comparison.bytes + Array(" \"".utf8) + value.bytes + Array("\"".utf8)
      do { tests.append(try TestExpression(text)) } catch {
        var shellError = ShellError(error)
        shellError.column = field.column
        throw shellError
      }
    }
    return tests
  }
}

extension Verb {
  static let expectationVerbs: [Verb] = [
    Verb(
      name: "expect", section: .scripts,
      form: "[N|next|no|retained] FILTER [TEST]... [within TIME]  |  closed [REASON] [within TIME]",
      summary: "wait for a message, and fail with status 30 when it does not come",
      details: """
        Messages that have come count too, each for one expectation. N wants so many of them; next wants the next one on FILTER to \
        pass; no wants none to come; retained asks the broker for the values that it keeps; closed wants the broker to end the \
        connection, for that reason if one is given. TIME is 5 s, and 1 s for no. TEST is FIELD OPERATOR VALUE: the field \
        payload, topic, qos, retain, size, content-type, response-topic, user.NAME or, in JSON, .NAME.NAME[N]; the operator \
        = != < <= > >= ~ !~ ('help tests').
        """,
      examples: [
        Example("A value within a minute.", "expect home/desk/temp payload > 20 within 1m"),
        Example("Two, tested in their JSON.", "expect 2 home/+/lamp .state = ON"),
        Example("Nothing for half a second.", "expect no alarm/# within 500ms"),
      ], isTestPoint: true
    ) { (shell, call) throws(ShellError) in try shell.expect(call) },
    Verb(
      name: "fails", section: .scripts, form: "[STATUS] COMMAND",
      summary: "run a command that has to fail",
      details:
        "It has to fail with STATUS if that is given: 135 is what a broker answers that does not allow something.",
      examples: [
        Example("The broker refuses.", "fails 135 pub -q 1 forbidden/x 1"),
        Example("On another connection.", "fails @b sub forbidden/#"),
        Example("Nothing is there.", "fails 6 get t/${run}/x"),
      ], isTestPoint: true
    ) { (shell, call) throws(ShellError) in try shell.fails(call) },
  ]
}

extension Shell {
  func expect(_ call: Call) throws(ShellError) {
    var terms = try Terms(call, self)
    let limit = try terms.within()
    if terms.take("closed") { return try expectClosed(&terms, call, within: limit) }
    var kind = Expectation.Kind.some(1)
    if let count = terms.number() {
      kind = .some(count)
    } else if terms.rest.count > 1 {
      if terms.take("next") {
        kind = .next
      } else if terms.take("no") {
        kind = .none
      } else if terms.take("retained") {
        kind = .retained
      }
    }
    let expectation = Expectation(kind: kind, filter: try terms.filter(), tests: try terms.tests())
    let connection = try connection(call)
    switch kind {
    case .retained: return try expectRetained(expectation, call)
    case .some, .next, .none: break
    }
    guard connection.mayReceive(expectation.filter) else {
      throw .usage(
        "\(connection.name) has no subscription with which a message on '\(expectation.filter)' could come: 'sub' first"
      )
    }
    if connection.store.lostCount > 0, !isInteractive {
      throw .usage(
        "more messages came on \(connection.name) than are kept (\(MessageStore.limit)), and some that nobody expected are gone"
      )
    }
    switch kind {
    case .some(let count):
      try expect(count, expectation, on: connection, within: limit ?? preferences.within ?? Self.standardPatience)
    case .next:
      try expectNext(expectation, on: connection, within: limit ?? preferences.within ?? Self.standardPatience)
    case .none: try expectNone(expectation, on: connection, within: limit ?? .seconds(1))
    case .retained: break
    }
  }

  private func expect(
    _ count: Int, _ expectation: Expectation, on connection: ShellConnection, within limit: Duration
  ) throws(ShellError) {
    let began = Instant.now
    var found: [Int] = []
    var position = 0
    let isMet = try wait(until: began + limit) {
      while found.count < count,
        let index = connection.store.firstUnconsumed(from: position, expectation.passes)
      {
        found.append(index)
        position = index + 1
      }
      if found.count < count { position = max(position, connection.store.end) }
      return found.count == count || connection.isOver
    }
    guard isMet, found.count == count else {
      throw failure(
        expectation, on: connection, came: found.count, waited: .now - began, isOver: connection.isOver)
    }
    for index in found { connection.store.consume(index) }
    guard let last = found.last else { return }
    passed(connection.store.messages[last], after: .now - began)
  }

  private func expectNext(
    _ expectation: Expectation, on connection: ShellConnection, within limit: Duration
  ) throws(ShellError) {
    let began = Instant.now
    var index: Int?
    _ = try wait(until: began + limit) {
      index = connection.store.firstUnconsumed(from: 0, expectation.matches)
      return index != nil || connection.isOver
    }
    guard let index else {
      throw failure(expectation, on: connection, came: 0, waited: .now - began, isOver: connection.isOver)
    }
    connection.store.consume(index)
    let message = connection.store.messages[index]
    guard expectation.passes(message) else {
      throw ShellError(
        .expectationNotMet, "expected \(expectation.description)",
        details: ["it was: \(expectation.complaint(about: message))"])
    }
    passed(message, after: .now - began)
  }

  private func expectNone(
    _ expectation: Expectation, on connection: ShellConnection, within limit: Duration
  ) throws(ShellError) {
    let began = Instant.now
    var index: Int?
    _ = try wait(until: began + limit) {
      index = connection.store.firstUnconsumed(from: connection.testMark, expectation.passes)
      return index != nil
    }
    guard let index else { return note("ok  none came for \(milliseconds(limit))") }
    let message = connection.store.messages[index]
    throw ShellError(
      .expectationNotMet, "expected \(expectation.description)",
      details: ["this one came at \(text(screen.timeOfDay(message.time))): \(expectation.complaint(about: message))"])
  }

  private func expectRetained(_ expectation: Expectation, _ call: Call) throws(ShellError) {
    let began = Instant.now
    let found = try retained(expectation.filter, like: try connection(call).plan)
    if let message = found.first(where: expectation.passes) { return passed(message, after: .now - began) }
    throw ShellError(
      .expectationNotMet, "expected \(expectation.description)",
      details: found.isEmpty
        ? ["the broker keeps none"] : found.prefix(5).map { "there is: \(expectation.complaint(about: $0))" })
  }

  private func expectClosed(
    _ terms: inout Terms, _ call: Call, within limit: Duration?
  ) throws(ShellError) {
    var reason: ReasonCode?
    if let word = terms.nextIfAny() { reason = try ReasonCode(typed: word) }
    try terms.end()
    let connection = try connection(call)
    let began = Instant.now
    var error: ConnectionError?
    let isMet = try wait(until: began + (limit ?? preferences.within ?? Self.standardPatience)) {
      error = connection.consumeClosure(for: reason)
      return error != nil
    }
    if isMet, let error { return note("ok  \(error)") }
    let others = connection.closures.filter { !$0.isConsumed }
    throw ShellError(
      .expectationNotMet,
      "expected the end of \(connection.name)" + (reason.map { " for the reason \($0.rawValue) (\($0))" } ?? ""),
      details: others.isEmpty
        ? ["it is still there after \(milliseconds(.now - began))"] : others.map { "it ended: \($0.error)" })
  }

  private func passed(_ message: KeptMessage, after time: Duration) {
    note("ok  \(text(message.topic))  \(shortened(message.payload))  after \(milliseconds(time))")
  }

  private func failure(
    _ expectation: Expectation, on connection: ShellConnection, came count: Int, waited time: Duration, isOver: Bool
  ) -> ShellError {
    var details: [String] = []
    if count > 0 { details.append("only \(count) came") }
    let unconsumed = connection.store.messages.filter { !$0.isConsumed }
    let near = unconsumed.filter { expectation.matches($0) && !expectation.passes($0) }
    details += near.suffix(5).map { "this did not pass: \(expectation.complaint(about: $0))" }
    if near.isEmpty, count == 0 {
      let others = unconsumed.suffix(3).map { "'\(text($0.topic))'" }
      details.append(
        others.isEmpty ? "nothing came" : "nothing came on it, but on \(others.joined(separator: ", "))")
    }
    if isOver { details.append("the connection is over" + (connection.failure.map { ": \($0)" } ?? "")) }
    return ShellError(
      .expectationNotMet, "expected \(expectation.description), and waited \(milliseconds(time))", details: details)
  }

  func fails(_ call: Call) throws(ShellError) {
    var words = call.words
    var status: ExitStatus?
    if let first = words.first, first.isBare, let term = try fill([first]).first,
      let number = try? term.argument.number(in: 1...255)
    {
      status = ExitStatus(rawValue: Int32(number))
      words = words.dropFirst()
    }
    guard !words.isEmpty else { throw .usage("fails: COMMAND is missing") }
    var command: Command
    do { command = try Command(words) } catch { throw .language(error) }
    command.connection = command.connection ?? call.connectionName
    do throws(ShellError) {
      try execute(command)
    } catch {
      // A mistake in the script is not what it means by failing, unless it says so.
      if error.isCancellation || error.status == .usage && status != .usage { throw error }
      guard status == nil || status == error.status else {
        throw ShellError(
          .expectationNotMet,
          "it failed with status \(error.status.rawValue), not \(status?.rawValue ?? 0): \(error.message)",
          details: error.details)
      }
      return note("ok  failed with status \(error.status.rawValue): \(error.message)")
    }
    throw ShellError(.expectationNotMet, "it did not fail" + (status.map { " with status \($0.rawValue)" } ?? ""))
  }
}

extension ReasonCode {
  /// 142, 0x8E or session-taken-over.
  fileprivate init(typed term: Term) throws(ShellError) {
    let word = text(term.bytes)
    if let code = word.hasPrefix("0x") ? UInt8(word.dropFirst(2), radix: 16) : UInt8(word) {
      self.init(rawValue: code)
      return
    }
    for code in UInt8.min ... .max {
      let reason = ReasonCode(rawValue: code)
      if reason.description.split(separator: " ").joined(separator: "-").lowercased() == word.lowercased() {
        self = reason
        return
      }
    }
    throw .usage("\"\(word)\" is no reason code, such as 142, 0x8E or session-taken-over")
  }
}

/// The reports of `--tap`, in the language of the Test Anything Protocol.
struct TAPReport {
  private var count = 0
  /// What `test` says of the points that follow.
  var title: String?

  mutating func passed(_ line: String, on screen: Screen) {
    count += 1
    screen.report("ok \(count) - \(name(line))")
  }

  mutating func failed(_ line: String, _ error: ShellError, at place: String?, on screen: Screen) {
    count += 1
    screen.report("not ok \(count) - \(name(line))")
    var error = error
    error.place = error.place ?? place
    for line in error.lines { screen.line(line) }
  }

  private func name(_ line: String) -> String {
    // A bare # would begin a directive.
    let line = line.split(separator: "#", omittingEmptySubsequences: false).joined(separator: "\\#")
    return title.map { "\($0): \(line)" } ?? line
  }

  func end(on screen: Screen) { screen.report("1..\(count)") }
}
