import Foundation
import Testing

/// A broker of any make with a private configuration, on free ports of 127.0.0.1, in a temporary folder.
///
/// Its processes end with the last reference to it, and with the test process, however that ends. How each make is started
/// stands in `BrokerMake`.
public final class ForeignBroker: Sendable {
  /// How its listeners are reached.
  public enum Transport: String, CaseIterable, Sendable {
    case tcp, tls, ws, wss, unix
  }

  /// Where it listens with one transport.
  public struct Listener: Sendable {
    /// What it speaks there.
    public var transport: Transport
    /// The versions understood, as the words after `-V`.
    public var versions: [String]
    /// Zero for a unix socket.
    public var port: Int
    /// The path of WebSocket, or of the unix socket.
    public var path = ""
  }

  /// PEM files for TLS: a certificate for localhost and 127.0.0.1, its key, and who issued it.
  struct TLSFiles {
    let authority: String
    let certificate: String
    let key: String

    init(_ certificates: Certificates) throws {
      let pair = try certificates.issue()
      (authority, certificate, key) = (certificates.root.certificate, pair.certificate, pair.key)
    }
  }

  /// What sort of broker it is.
  public let make: BrokerMake
  /// Everything it listens on.
  public let listeners: [Listener]
  /// The folder of configuration, data and socket.
  public let folder: TemporaryFolder

  private let processes: [ToolProcess]
  /// Of a make that has a helper of its own.
  private let realBroker: RealBroker?

  /// Starts a broker and waits until it answers.
  ///
  /// - Parameter certificates: Its TLS listeners have one of these; without any there are none.
  public init(_ make: BrokerMake, certificates: Certificates?) throws {
    let started = try Self.start(make, tls: try certificates.map { try TLSFiles($0) })
    (self.make, listeners, folder) = (make, started.listeners, started.folder)
    (processes, realBroker) = (started.processes, started.realBroker)
  }

  private static func start(_ make: BrokerMake, tls: TLSFiles?) throws -> Start {
    do {
      return try Start(make, tls: tls)
    } catch {
      // Another process may have taken a port between our choice and the broker's start, which takes some many seconds.
      do { return try Start(make, tls: tls) } catch { throw TestFailure("\(error)") }
    }
  }

  /// The listener for a version over a transport; nil where the make has none.
  public func listener(_ transport: Transport, version: String) -> Listener? {
    listeners.first { $0.transport == transport && $0.versions.contains(version) }
  }

  /// Whether all that was started still runs.
  public var isRunning: Bool { processes.allSatisfy { $0.end == nil } && (realBroker.map { $0.pid != nil } ?? true) }

  /// What it wrote to its standard output and errors.
  public var log: String { processes.map { $0.outputText + $0.errorText }.joined() + (realBroker?.log ?? "") }

  /// Asks it to end and waits for that.
  public func stop() throws {
    try realBroker?.stop()
    for process in processes.reversed() {
      process.closeInput()
      try process.wait(timeout: .seconds(20))
    }
  }
}

/// A broker on its way up.
private struct Start {
  let folder: TemporaryFolder
  let listeners: [ForeignBroker.Listener]
  private(set) var processes: [ToolProcess] = []
  private(set) var realBroker: RealBroker?

  init(_ make: BrokerMake, tls: ForeignBroker.TLSFiles?) throws {
    if make == .mosquitto {
      let (broker, listeners) = try Self.startMosquitto(tls: tls)
      (folder, self.listeners, realBroker) = (broker.folder, listeners, broker)
      return
    }
    let folder = try TemporaryFolder()
    self.folder = folder
    var setup = BrokerSetup(folder: folder, tls: tls)
    try make.configure(&setup)
    listeners = setup.listeners
    setup.releasePorts()
    do {
      for command in setup.commands {
        let arguments = ["-c", Self.guardian, make.rawValue, command.program] + command.arguments
        processes.append(
          try ToolProcess("sh", arguments, environment: command.environment, input: .held, home: folder))
      }
      let deadline = ContinuousClock.now + make.patience
      for listener in listeners { try wait(for: listener, until: deadline) }
    } catch {
      let log = processes.map { $0.outputText + $0.errorText }.joined()
      throw TestFailure("\(make.rawValue) did not start: \(error)\n\(log.suffix(2_000))")
    }
  }

  /// Runs a command until it ends or standard input does, which it does with the test process; then nothing of it is left.
  private static let guardian = """
    exec 3<&0
    "$@" </dev/null 3<&- & broker=$!
    { cat <&3 >/dev/null; kill -TERM $broker; sleep 8; kill -KILL 0; } &
    wait $broker
    kill -KILL 0
    """

  private static func startMosquitto(
    tls: ForeignBroker.TLSFiles?
  ) throws -> (RealBroker, [ForeignBroker.Listener]) {
    var kinds: [(ForeignBroker.Transport, RealBroker.Listener)] = [(.tcp, .plain), (.ws, .webSocket), (.unix, .unix)]
    if let tls {
      kinds.append((.tls, .tls(certificate: tls.certificate, key: tls.key)))
      kinds.append((.wss, .webSocketTLS(certificate: tls.certificate, key: tls.key)))
    }
    let broker = try RealBroker(listeners: kinds.map(\.1).filter { $0 != .plain })
    let listeners = kinds.map { transport, listener in
      ForeignBroker.Listener(
        transport: transport, versions: ["31", "311", "5"], port: broker.port(of: listener),
        path: transport == .unix ? broker.unixPath : "/mqtt")
    }
    return (broker, listeners)
  }

  private func wait(for listener: ForeignBroker.Listener, until deadline: ContinuousClock.Instant) throws {
    while true {
      if processes.contains(where: { $0.end != nil }) { throw TestFailure("it ended") }
      if ContinuousClock.now > deadline {
        throw TestFailure("port \(listener.port) (\(listener.transport)) did not open")
      }
      let limit = min(deadline, .now + .seconds(2))
      if listener.transport == .tcp, listener.versions.contains("311") {
        if RealBroker.answersConnect(port: listener.port, until: limit) { return }
      } else if (try? Address.ipv4(port: listener.port).connect(until: limit)) != nil {
        return
      }
      usleep(50_000)
    }
  }
}

/// What a make fills in: its configuration in files, and the commands that start it.
struct BrokerSetup {
  struct Command {
    var program: String
    var arguments: [String]
    var environment: [String: String?] = [:]
  }

  let folder: TemporaryFolder
  let tls: ForeignBroker.TLSFiles?
  private(set) var listeners: [ForeignBroker.Listener] = []
  private(set) var commands: [Command] = []
  /// Held, so that they differ.
  private var reserved: [Descriptor] = []

  init(folder: TemporaryFolder, tls: ForeignBroker.TLSFiles?) {
    (self.folder, self.tls) = (folder, tls)
  }

  /// A free port that is not a client's business.
  mutating func port() throws -> Int {
    let (descriptor, address) = try Address.ipv4(port: 0).listen()
    reserved.append(descriptor)
    return address.port
  }

  /// A free port for a listener.
  mutating func listen(_ transport: ForeignBroker.Transport, _ versions: [String], path: String = "") throws -> Int {
    let port = try port()
    listeners.append(.init(transport: transport, versions: versions, port: port, path: path))
    return port
  }

  mutating func start(_ program: String, _ arguments: [String], environment: [String: String?] = [:]) {
    commands.append(Command(program: program, arguments: arguments, environment: environment))
  }

  mutating func releasePorts() { reserved = [] }
}
