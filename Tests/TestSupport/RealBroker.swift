import Foundation
import Testing

/// Debian's mosquitto with a private configuration, on free ports of this machine, in a temporary folder.
///
/// It is ended when the last reference goes away. Its ports stay the same over `restart`.
public final class RealBroker: Sendable {
  /// A listener beside the plain one on 127.0.0.1 that is always there; `port(of:)` tells its port.
  public struct Listener: Hashable, Sendable {
    fileprivate enum Kind: Hashable {
      case ipv4, ipv6, unix, webSocket
    }
    fileprivate var kind: Kind
    fileprivate var lines: [String]

    /// The plain listener on 127.0.0.1 that is always there.
    public static let plain = Listener(kind: .ipv4, lines: [])
    /// On ::1.
    public static let ipv6 = Listener(kind: .ipv6, lines: [])
    /// At `unixPath`.
    public static let unix = Listener(kind: .unix, lines: [])
    /// WebSocket on 127.0.0.1.
    public static let webSocket = Listener(kind: .webSocket, lines: [])

    /// TLS on 127.0.0.1, from PEM files; the lines go into the listener's part of the configuration.
    public static func tls(certificate: String, key: String, lines: [String] = []) -> Listener {
      Listener(kind: .ipv4, lines: ["certfile \(certificate)", "keyfile \(key)"] + lines)
    }

    /// TLS with a certificate that a test made, on 127.0.0.1 or ::1.
    public static func tls(_ pair: Certificates.Pair, lines: [String] = [], isIPv6: Bool = false) -> Listener {
      var listener = tls(certificate: pair.certificate, key: pair.key, lines: lines)
      if isIPv6 { listener.kind = .ipv6 }
      return listener
    }

    /// WebSocket over TLS on 127.0.0.1, from PEM files.
    public static func webSocketTLS(certificate: String, key: String, lines: [String] = []) -> Listener {
      Listener(kind: .webSocket, lines: ["certfile \(certificate)", "keyfile \(key)"] + lines)
    }

    /// Another listener on 127.0.0.1 with these lines in its part of the configuration.
    public static func custom(_ lines: [String]) -> Listener {
      Listener(kind: .ipv4, lines: lines)
    }
  }

  /// When sessions, their messages and retained messages reach the disk.
  public enum Persistence: Sendable {
    /// Never: all is lost with the process.
    case off
    /// At an orderly stop.
    case atStop
    /// At a stop, and at every so many changes.
    case everyChanges(Int)
  }

  /// Whether mosquitto is installed, in $PATH or where daemons are.
  public static let isAvailable = program != nil
  private static let program = findInPath("mosquitto")

  /// The version, as `2.0.11`.
  public static let version: String = {
    guard let program, let tool = try? ToolProcess.run(program, ["-h"]) else { return "" }
    let words = tool.outputText.prefix { $0 != "\n" }.split(separator: " ")
    return words.last.map(String.init) ?? ""
  }()

  /// The port on 127.0.0.1.
  public var port: Int { port(of: .plain) }
  /// Where the unix socket is, if there is one.
  public var unixPath: String { folder.path("mosquitto.sock") }
  /// The folder of configuration, log and database; files of a test may be put here as well.
  public let folder: TemporaryFolder

  private let state: Monitor<State>

  private struct State {
    var ports: [Listener: Int] = [:]
    var process: ToolProcess?
    var formerLog = ""
  }

  /// Starts a broker and waits until it answers.
  ///
  /// - Parameters:
  ///   - listeners: Beside the plain one on 127.0.0.1.
  ///   - users: User names and passwords; without any, everybody may connect.
  ///   - acl: The text of an ACL file.
  ///   - lines: More lines for the configuration, before its listeners; `log_type all` shows packets in the log.
  public init(
    listeners: [Listener] = [], persistence: Persistence = .off, users: [String: String] = [:], acl: String? = nil,
    lines: [String] = []
  ) throws {
    guard let program = Self.program else {
      throw TestFailure("mosquitto is not installed: apt-get install mosquitto, or brew install mosquitto")
    }
    folder = try TemporaryFolder()
    state = Monitor(State())
    var head = ["max_queued_messages 0"] + lines
    // Started by root it would become another user, who may not write here.
    if geteuid() == 0 { head.append("user root") }
    head.append("allow_anonymous \(users.isEmpty)")
    if !users.isEmpty {
      let file = try folder.write("passwords", users.map { "\($0):\($1)\n" }.joined())
      let tool = try ToolProcess.run("mosquitto_passwd", ["-U", file])
      guard tool.end == .exited(0) else { throw TestFailure("mosquitto_passwd: \(tool.errorText)") }
      head.append("password_file \(file)")
    }
    if let acl {
      head.append("acl_file \(try folder.write("acl", acl))")
    }
    switch persistence {
    case .off: break
    case .atStop: head += ["persistence true", "persistence_location \(folder.path)/"]
    case .everyChanges(let count):
      head += ["persistence true", "persistence_location \(folder.path)/"]
      head += ["autosave_on_changes true", "autosave_interval \(count)"]
    }

    // Between choosing a port and listening somebody else may take it.
    for attempt in 1... {
      let ports = try configure(head, listeners: [.plain] + listeners)
      state.withLock { $0.ports = ports }
      do {
        try start(program)
        return
      } catch {
        guard attempt < 5, log.contains("Address already in use") else { throw error }
      }
    }
  }

  /// The port of a listener; zero for the unix one.
  public func port(of listener: Listener) -> Int {
    guard let port = state.withLock({ $0.ports[listener] }) else { preconditionFailure("no listener \(listener)") }
    return port
  }

  /// Its process identifier; nil while it is stopped.
  public var pid: Int32? { state.withLock { $0.process?.pid } }

  /// All that it logged, over its restarts too.
  public var log: String { state.withLock { $0.formerLog + ($0.process?.errorText ?? "") } }

  /// Asks it to end and waits for that.
  public func stop() throws {
    try end(with: SIGTERM)
  }

  /// Ends it without any chance to save or to say goodbye.
  public func kill() throws {
    try end(with: SIGKILL)
  }

  private func end(with signal: Int32) throws {
    guard let process = state.withLock({ $0.process }) else { return }
    process.signal(signal)
    try process.wait()
    state.withLock { state in
      state.formerLog += process.errorText
      state.process = nil
    }
  }

  /// Starts it again on the same ports; one that still runs is stopped first.
  public func restart() throws {
    try stop()
    if let program = Self.program { try start(program) }
  }

  private func configure(_ head: [String], listeners: [Listener]) throws -> [Listener: Int] {
    // All are held at once, so that they differ.
    let reserved = try listeners.map { try ($0.kind == .ipv6 ? Address.ipv6(port: 0) : .ipv4(port: 0)).listen() }
    let ports = Dictionary(zip(listeners, reserved.map(\.1.port))) { first, _ in first }
    var configuration = head
    for listener in listeners {
      let port = ports[listener] ?? 0
      switch listener.kind {
      case .ipv4: configuration.append("listener \(port) 127.0.0.1")
      case .ipv6: configuration.append("listener \(port) ::1")
      case .unix: configuration.append("listener 0 \(unixPath)")
      case .webSocket:
        // Without the domain, 2.0.11 listens on all interfaces whatever the address.
        configuration += ["listener \(port) 127.0.0.1", "protocol websockets", "socket_domain ipv4"]
      }
      configuration += listener.lines
    }
    try folder.write("mosquitto.conf", configuration.joined(separator: "\n") + "\n")
    return ports
  }

  private func start(_ program: String) throws {
    let process = try ToolProcess(program, ["-c", folder.path("mosquitto.conf")], home: folder)
    state.withLock { $0.process = process }
    let deadline = ContinuousClock.now + .seconds(10)
    while !Self.answersConnect(port: port, until: deadline) {
      guard process.end == nil, .now < deadline else {
        process.signal(SIGKILL)
        try process.wait()
        state.withLock { state in
          state.formerLog += process.errorText
          state.process = nil
        }
        throw TestFailure("mosquitto did not start:\n\(log)")
      }
      usleep(2_000)
    }
  }

  /// Whether a CONNECT brings a CONNACK, a refusal too.
  static func answersConnect(port: Int, until deadline: ContinuousClock.Instant) -> Bool {
    guard let connection = try? Address.ipv4(port: port).connect(until: deadline) else { return false }
    connection.write(wire("10 r* s* 'MQTT' 04 02 n10 s* 'are you there' | e0 00"))
    guard connection.wait(for: POLLIN, until: deadline), case .bytes(let bytes) = connection.read(4) else {
      return false
    }
    return bytes.first == 0x20
  }
}
