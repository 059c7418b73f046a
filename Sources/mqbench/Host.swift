internal import CSystem
internal import CommandLineTool

/// The machine that mqbench runs on, as far as /proc and /sys tell; elsewhere nothing is known.
enum Host {
  /// The file's first line without the spaces around it; nil without such a file.
  static func line(in path: String) -> String? {
    contents(of: path).map { String(decoding: $0.prefix { $0 != 0x0A }, as: UTF8.self) }
  }

  /// The numbers of the file's first line.
  static func numbers(in path: String) -> [Int]? {
    line(in: path)?.split { $0 == " " || $0 == "\t" }.compactMap { Int($0) }
  }

  /// The lines `name: value` or `name = value` of a file.
  static func fields(in path: String) -> [(name: String, value: String)] {
    (contents(of: path) ?? []).split(separator: 0x0A).compactMap { line in
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
      return (trimmed(line[..<colon]), trimmed(line[(colon + 1)...]))
    }
  }

  private static func contents(of path: String) -> [UInt8]? {
    try? System.contents(of: Array(path.utf8))
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
    let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
    let text = bytes.drop(while: isBlank)
    return String(decoding: text.prefix(text.count - text.reversed().prefix(while: isBlank).count), as: UTF8.self)
  }

  // MARK: - Processors

  static var processors: Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  /// Processor time of the whole machine since it was started, in ticks.
  struct ProcessorTime: Sendable {
    var total = 0
    /// Taken by the machine under this one.
    var stolen = 0
    /// Network packets, mostly.
    var softInterrupts = 0
  }

  static var processorTime: ProcessorTime? {
    // cpu user nice system idle iowait irq softirq steal guest guest_nice; user and nice have guest in them.
    guard let numbers = numbers(in: "/proc/stat"), numbers.count >= 8 else { return nil }
    return ProcessorTime(total: numbers[..<8].reduce(0, +), stolen: numbers[7], softInterrupts: numbers[6])
  }

  // MARK: - A process

  /// Processor time that a process has used, in ticks of the system; nil when it is gone.
  static func processTicks(_ process: Int) -> Int? {
    // The name in parentheses may have anything in it; behind it, the state is field 3, and utime and stime are 14 and 15.
    guard let line = line(in: "/proc/\(process)/stat"), let end = line.lastIndex(of: ")") else { return nil }
    let fields = line[end...].split(separator: " ")
    guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else { return nil }
    return user + system
  }

  /// Memory and threads of a process, by the names under which a report has them.
  static func processValues(_ process: Int) -> [(name: String, value: Double)] {
    let wanted = [
      ("VmRSS", "pid_resident_kib"), ("Threads", "pid_threads"), ("voluntary_ctxt_switches", "pid_switches"),
      ("nonvoluntary_ctxt_switches", "pid_involuntary_switches"),
    ]
    let fields = fields(in: "/proc/\(process)/status")
    return wanted.compactMap { field, name in
      guard let text = fields.first(where: { $0.name == field })?.value.split(separator: " ").first,
        let value = Double(text)
      else { return nil }
      return (name, value)
    }
  }

  // MARK: - Network interfaces

  /// Bytes that each network interface but loopback has moved, in its busier direction, and its speed in bytes a second where that
  /// is known.
  struct Interface: Sendable {
    var name: String
    var received: Int
    var sent: Int
    var speed: Int?
  }

  static var interfaces: [Interface] {
    fields(in: "/proc/net/dev").compactMap { name, value in
      let numbers = value.split(separator: " ").compactMap { Int($0) }
      guard numbers.count >= 9, name != "lo" else { return nil }
      // In megabits a second; -1 where there is no such thing.
      let speed = line(in: "/sys/class/net/\(name)/speed").flatMap { Int($0) }.flatMap { $0 > 0 ? $0 * 125_000 : nil }
      return Interface(name: name, received: numbers[0], sent: numbers[8], speed: speed)
    }
  }

  /// The largest share of a link's speed that was used between two looks.
  static func linkShare(_ before: [Interface], _ after: [Interface], seconds: Double) -> Double? {
    let shares = after.compactMap { interface -> Double? in
      guard let speed = interface.speed, seconds > 0, let earlier = before.first(where: { $0.name == interface.name })
      else { return nil }
      let moved = max(interface.received - earlier.received, interface.sent - earlier.sent)
      return Double(moved) / seconds / Double(speed)
    }
    return shares.max()
  }

  // MARK: - What a report says of it

  /// A thing that a report names, and what it was.
  struct Fact: Hashable, Sendable {
    var name: String
    var value: String
  }

  /// What may explain figures and is worth comparing between reports.
  static var facts: [Fact] {
    var facts: [Fact] = []
    func add(_ name: String, _ value: String?) {
      if let value, !value.isEmpty { facts.append(Fact(name: name, value: value)) }
    }
    add("processor", fields(in: "/proc/cpuinfo").first { $0.name == "model name" || $0.name == "Model" }?.value)
    add("processors", "\(processors)")
    add("governor", line(in: "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
    add("kernel", line(in: "/proc/sys/kernel/osrelease").map { "Linux \($0)" })
    add("clock source", line(in: "/sys/devices/system/clocksource/clocksource0/current_clocksource"))
    add("clock synchronized", isClockSynchronized.map { $0 ? "yes" : "no" })
    add("descriptors", "\(descriptorLimit)")
    add("ports", portRange.map { "\($0.lowerBound)–\($0.upperBound)" })
    add("TCP congestion control", line(in: "/proc/sys/net/ipv4/tcp_congestion_control"))
    add("load before", line(in: "/proc/loadavg").flatMap { $0.split(separator: " ").first }.map { String($0) })
    return facts
  }

  /// Descriptors that this process may have.
  static var descriptorLimit: Int {
    raiseDescriptorLimit(0)
  }

  /// The ports that the system gives to outgoing connections.
  static var portRange: ClosedRange<Int>? {
    guard let numbers = numbers(in: "/proc/sys/net/ipv4/ip_local_port_range"), numbers.count == 2,
      numbers[0] <= numbers[1]
    else { return nil }
    return numbers[0]...numbers[1]
  }

  /// Whether the wall clock follows others; the times of a report do not depend on it.
  private static var isClockSynchronized: Bool? {
    #if os(Linux)
      return clockIsSynchronized() != 0
    #else
      return nil
    #endif
  }
}

/// What happened to the machine while a run went on, second by second.
struct HostWatch: Sendable {
  /// Shares of all processor time in one second.
  struct Second: Sendable {
    var stolen = 0.0
    var softInterrupts = 0.0
    /// What else was observed.
    var observed: [String: Double] = [:]
  }

  /// By the second's number, from the start of the first look.
  private(set) var seconds: [Int: Second] = [:]
  private var last = Host.processorTime
  private let interfacesAtStart = Host.interfaces
  private(set) var linkShare: Double?

  /// Second `number` is over.
  mutating func ended(second number: Int, observed: [String: Double]) {
    let now = Host.processorTime
    seconds[number] = Second(observed: observed)
    defer { last = now }
    guard let now, let last, now.total > last.total else { return }
    let total = Double(now.total - last.total)
    seconds[number] = Second(
      stolen: Double(now.stolen - last.stolen) / total,
      softInterrupts: Double(now.softInterrupts - last.softInterrupts) / total, observed: observed)
  }

  /// The arrivals are over, which took so many seconds.
  mutating func end(after seconds: Double) {
    linkShare = Host.linkShare(interfacesAtStart, Host.interfaces, seconds: seconds)
  }
}
