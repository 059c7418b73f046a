internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient
internal import Synchronization

/// What else is looked at, once a second, while a load goes on. The values have names and join the seconds of the report.
struct Observation: Sendable {
  /// A process of this machine, which may be the broker's.
  var process: Int?
  /// The topics on which the broker, or anybody else, publishes numbers.
  var filters: [TopicFilter] = []
  /// A command that prints lines `name value`.
  var command: [UInt8]?

  static let options: [Option<Observation>] = [
    Option(
      OptionDescription(
        long: "observe-pid", value: .one("PID"), section: .report,
        summary: "take a process's processors, memory and threads into the report, second by second")
    ) { (settings, value) throws(UsageError) in settings.process = try value.number(in: 1...Int(Int32.max)) },
    Option(
      OptionDescription(
        long: "observe-sys", section: .report,
        summary: "take what the broker tells of itself below $SYS, by a connection of its own",
        details: """
          A topic counts whose payload begins with a number, as in "1234 seconds". It is the same as {--observe-filter} '$SYS/#'; what a \
          broker tells by HTTP is a matter of {--observe}.
          """)
    ) { $0.filters.append(try! TopicFilter("$SYS/#")) },
    Option(
      OptionDescription(
        long: "observe-filter", value: .one("FILTER"), section: .report,
        summary: "the same of other topics, such as '$SYS/brokers/#'; may be repeated")
    ) { (settings, value) throws(UsageError) in settings.filters.append(try value.topicFilter()) },
    Option(
      OptionDescription(
        long: "observe", value: .one("COMMAND"), section: .report,
        summary: "run a command each second, and take the lines \"name value\" that it prints",
        details: "As in {--observe} 'curl -s http://broker:9090/metrics | grep ^mqtt_'. It is run by sh.")
    ) { (settings, value) throws(UsageError) in settings.command = value.bytes },
  ]

  /// Finds out before anything is measured what could not be observed.
  func check() throws(UsageError) {
    if let process, Host.processTicks(process) == nil {
      throw UsageError("--observe-pid: there is no process \(process) on this machine")
    }
  }
}

/// Gathers the values of an observation.
struct Observer {
  private let observation: Observation
  private var ticks: (count: Int, at: Instant)?
  private var command: CommandValues?
  /// What was published last, by topic.
  private var topics: [String: Double] = [:]
  /// What the broker, or the system, says of what is observed.
  private(set) var facts: [Host.Fact] = []

  /// Topics beyond this many are left out: a filter may match what the load publishes.
  private static let topicLimit = 1000

  init(_ observation: Observation) {
    self.observation = observation
    if let process = observation.process, let name = Host.line(in: "/proc/\(process)/comm") {
      facts.append(Host.Fact(name: "observed process", value: "\(process) (\(name))"))
    }
  }

  /// The first second begins.
  mutating func begin() {
    command = observation.command.map { CommandValues($0) }
    ticks = observation.process.flatMap(Host.processTicks).map { ($0, .now) }
  }

  /// A message with a number in front, or with the broker's version.
  mutating func take(_ message: MessageView) {
    let topic = String(decoding: message.topic, as: UTF8.self)
    let text = String(decoding: message.payload.prefix(200), as: UTF8.self)
    if let (value, unit) = Self.number(in: text) {
      let name = unit.map { "\(topic) (\($0))" } ?? topic
      if topics[name] != nil || topics.count < Self.topicLimit { topics[name] = value }
    } else if topic.hasPrefix("$SYS/"), topic.hasSuffix("/version"), !text.isEmpty {
      let fact = Host.Fact(name: "broker says", value: text)
      if !facts.contains(fact) { facts.append(fact) }
    }
  }

  /// The number that a text begins with, and the word behind it if there is only one: `1234 seconds`.
  static func number(in text: String) -> (value: Double, unit: String?)? {
    let words = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }
    guard let first = words.first, let value = Double(first), value.isFinite else { return nil }
    return (value, words.count == 2 ? String(words[1]) : nil)
  }

  /// The values of the second that ends now.
  mutating func values() -> [String: Double] {
    var values = topics
    command?.values.withLock { values.merge($0) { $1 } }
    if let process = observation.process {
      let now = Instant.now
      if let count = Host.processTicks(process) {
        if let ticks {
          let seconds = Double((now - ticks.at).nanoseconds) / 1e9
          values["pid_processors"] = Double(count - ticks.count) / Double(sysconf(Int32(_SC_CLK_TCK))) / seconds
        }
        ticks = (count, now)
      }
      for (name, value) in Host.processValues(process) { values[name] = value }
    }
    return values
  }

  /// Ends what was begun. Returns what went wrong, if nothing came of it.
  func end() -> String? {
    guard let command else { return nil }
    command.isOver.store(true, ordering: .relaxed)
    return command.values.withLock(\.isEmpty) ? "--observe: the command \(command.failure.withLock { $0 })" : nil
  }
}

/// What a command prints, again and again, in a thread of its own.
private final class CommandValues: Sendable {
  let values = Mutex<[String: Double]>([:])
  /// Why there are no values.
  let failure = Mutex("has not come to its end")
  let isOver = Atomic(false)
  private let command: [UInt8]

  init(_ command: [UInt8]) {
    self.command = command
    let retained = Unmanaged.passRetained(self)
    let code = startQuietThread(
      { pointer in
        Unmanaged<CommandValues>.fromOpaque(pointer!).takeRetainedValue().run()
        return nil
      }, retained.toOpaque())
    if code != 0 { retained.release() }
  }

  private func run() {
    while !isOver.load(ordering: .relaxed) {
      let next = Instant.now + .seconds(1)
      do throws(HelperError) {
        let read = Self.read(try Helper.output(of: command, limit: 1 << 20, within: .seconds(5)))
        values.withLock { $0 = read }
        failure.withLock { $0 = "prints no lines \"name value\"" }
      } catch {
        failure.withLock { $0 = error.explanation }
      }
      let rest = next - .now
      if rest > .zero {
        var nothing = pollfd()
        _ = pollFor(&nothing, 0, rest.nanoseconds)
      }
    }
  }

  /// Lines `name value`, with more behind it or not; a name may have labels in braces with blanks in them, as those of Prometheus.
  static func read(_ output: [UInt8]) -> [String: Double] {
    var values: [String: Double] = [:]
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let labels = line.lastIndex(of: UInt8(ascii: "}")).map { $0 + 1 } ?? line.startIndex
      let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
      let nameEnd = line[labels...].firstIndex(where: isBlank) ?? line.endIndex
      guard nameEnd > line.startIndex, let word = line[nameEnd...].split(whereSeparator: isBlank).first,
        let value = Double(String(decoding: word, as: UTF8.self)), value.isFinite
      else { continue }
      values[String(decoding: line[..<nameEnd], as: UTF8.self)] = value
    }
    return values
  }
}
