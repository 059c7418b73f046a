internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient
internal import Synchronization

/// What else is looked at, once a second, while a load goes on. The values have names and join the seconds of the report.
struct Observation: Sendable {
  /// A process of this machine, which may be the broker's.
  var process: Int?
  /// Whether to take what the broker tells of itself below `$SYS`.
  var broker = false
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
        summary: "take what the broker tells of itself below $SYS, by a connection of its own")
    ) { $0.broker = true },
    Option(
      OptionDescription(
        long: "observe", value: .one("COMMAND"), section: .report,
        summary: "run a command each second, and take the lines \"name value\" that it prints",
        details: "As in {--observe} 'curl -s http://broker:9090/metrics | grep ^mqtt_'. It is run by sh.")
    ) { (settings, value) throws(UsageError) in settings.command = value.bytes },
  ]
}

/// Gathers the values of an observation.
struct Observer {
  private let process: Int?
  private var ticks: (count: Int, at: Instant)?
  private let command: CommandValues?
  /// What the broker has said last.
  private var topics: [String: Double] = [:]

  init(_ observation: Observation) {
    process = observation.process
    command = observation.command.map { CommandValues($0) }
    ticks = process.flatMap(Host.processTicks).map { ($0, .now) }
  }

  /// A message of the broker about itself: the number that its payload begins with counts.
  mutating func take(_ message: MessageView) {
    let text = String(decoding: message.payload, as: UTF8.self)
    guard let value = text.split(separator: " ").first.flatMap({ Double($0) }) else { return }
    topics[String(decoding: message.topic, as: UTF8.self)] = value
  }

  /// The values of the second that ends now.
  mutating func values() -> [String: Double] {
    var values = topics
    command?.values.withLock { values.merge($0) { $1 } }
    if let process {
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

  func end() { command?.isOver.store(true, ordering: .relaxed) }
}

/// What a command prints, again and again, in a thread of its own.
private final class CommandValues: Sendable {
  let values = Mutex<[String: Double]>([:])
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
      if let output = try? Helper.output(of: command, limit: 1 << 20, within: .seconds(5)) {
        let read = Self.read(output)
        values.withLock { $0 = read }
      }
      let rest = next - .now
      if rest > .zero {
        var nothing = pollfd()
        _ = pollFor(&nothing, 0, rest.nanoseconds)
      }
    }
  }

  static func read(_ output: [UInt8]) -> [String: Double] {
    var values: [String: Double] = [:]
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      guard words.count >= 2, let value = Double(String(decoding: words[1], as: UTF8.self)) else { continue }
      values[String(decoding: words[0], as: UTF8.self)] = value
    }
    return values
  }
}
