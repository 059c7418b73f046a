import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A name server for a program that sees a private /etc/resolv.conf; only Linux has those, and only root has their port.
public final class NameServer: Sendable {
  /// An SRV record.
  public struct Service: Sendable {
    let priority: UInt16
    let weight: UInt16
    let port: Int
    let target: String

    /// The fields in the order in which a zone file has them; no target says that there is no such service.
    public init(_ priority: UInt16, _ weight: UInt16, _ port: Int, _ target: String) {
      (self.priority, self.weight, self.port, self.target) = (priority, weight, port, target)
    }
  }

  private let state: Monitor<State>
  private let folder = try? TemporaryFolder()
  private let address: String

  private struct State {
    var isAbandoned = false
    var questions: [String] = []
    var services: [String: [Service]]
  }

  /// Whether the one who runs the tests may do all that it takes.
  public static let isPossible: Bool = {
    #if os(Linux)
      guard geteuid() == 0, let tool = try? ToolProcess.run("unshare", ["-m", "true"]) else { return false }
      return tool.end == .exited(0)
    #else
      return false
    #endif
  }()

  /// Answers questions about services; all others, and those about names that are not among them, have no answer.
  public init(_ services: [String: [Service]]) throws {
    state = Monitor(State(services: services))
    // Each has an address of its own on the loopback device: others may run tests, too.
    address = "127.53.\(UInt8.random(in: 1 ... .max)).\(UInt8.random(in: 1 ... .max))"
    #if os(Linux)
      let type = Int32(SOCK_DGRAM.rawValue)
    #else
      let type = SOCK_DGRAM
    #endif
    let descriptor = Descriptor(socket(AF_INET, type, 0))
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = in_port_t(53).bigEndian
    inet_pton(AF_INET, address, &place.sin_addr)
    let isBound = withUnsafeBytes(of: place) { bytes in
      bind(descriptor.number, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }
    guard isBound == 0 else { throw TestFailure.system("bind \(address):53") }
    let state = state
    Thread.detachNewThread {
      while !state.withLock({ $0.isAbandoned }) {
        if descriptor.wait(for: POLLIN, until: .now + .milliseconds(50)) { Self.answer(descriptor, state) }
      }
    }
  }

  deinit {
    state.withLock { $0.isAbandoned = true }
  }

  /// The names that were asked for.
  public var questions: [String] { state.withLock { $0.questions } }

  /// Starts a program that asks this server.
  public func start(
    _ program: String, _ arguments: [String], environment: [String: String?] = [:], home: TemporaryFolder? = nil
  ) throws -> ToolProcess {
    guard let folder else { throw TestFailure("no folder") }
    let file = try folder.write("resolv.conf", "nameserver \(address)\noptions timeout:1 attempts:1\n")
    let script = "mount --bind '\(file)' /etc/resolv.conf && exec \"$@\""
    let words = ["-m", "sh", "-c", script, "sh", try locate(program)] + arguments
    return try ToolProcess("unshare", words, environment: environment, home: home)
  }

  private static func answer(_ descriptor: Descriptor, _ state: Monitor<State>) {
    var sender = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var question = [UInt8](repeating: 0, count: 512)
    let count = withUnsafeMutablePointer(to: &sender) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        recvfrom(descriptor.number, &question, question.count, 0, $0, &length)
      }
    }
    guard count > 16, let (name, end) = name(in: question, at: 12) else { return }
    let services = state.withLock { state in
      state.questions.append(name)
      return state.services[name]
    }
    // RFC 1035, section 4.1.1: an answer by one who would ask others, too; 3 is for a name that there is not.
    let flags: [UInt8] = [0x81, services == nil ? 0x83 : 0x80]
    let counts: [UInt8] = [0, 1, 0, UInt8(services?.count ?? 0), 0, 0, 0, 0]
    var answer: [UInt8] = question[..<2] + flags + counts + question[12..<end + 4]
    for service in services ?? [] {
      var target: [UInt8] = []
      for label in service.target.split(separator: ".") { target += [UInt8(label.utf8.count)] + Array(label.utf8) }
      target.append(0)
      answer += [0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 60]
      answer += two(6 + target.count)
      answer += two(Int(service.priority)) + two(Int(service.weight)) + two(service.port)
      answer += target
    }
    _ = withUnsafePointer(to: &sender) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor.number, answer, answer.count, 0, $0, length)
      }
    }
  }

  private static func two(_ number: Int) -> [UInt8] { [UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF)] }

  private static func name(in message: [UInt8], at start: Int) -> (String, end: Int)? {
    var labels: [String] = []
    var place = start
    while place < message.count {
      let length = Int(message[place])
      if length == 0 { return (labels.joined(separator: "."), place + 1) }
      guard length < 64, place + length < message.count else { return nil }
      labels.append(String(decoding: message[(place + 1)...(place + length)], as: UTF8.self))
      place += length + 1
    }
    return nil
  }
}
