import Foundation
public import Testing

/// A listening socket whose connections a test plays by hand, in wire notation.
///
/// Against a tool, which is a process of its own, the test plays the broker itself:
///
///     let broker = try ScriptedBroker()
///     let tool = try ToolProcess("mqpub", ["-p", "\(broker.port)", "-t", "a", "-m", "b"])
///     let connection = try broker.acceptConnect()
///     try connection.expect("30 r4 s1 'a' 'b'")
///     try connection.expect("e0 00")
///     try connection.waitForClose()
///
/// Against code that blocks the test's thread, the broker's part goes into a thread of its own: `play(_:against:)`.
///
/// It proves which bytes a client sends and takes, not that a broker would behave like the script: see `RealBroker`.
public final class ScriptedBroker: Sendable {
  /// What to connect to: 127.0.0.1 or ::1; the path for a unix socket.
  public let host: String
  /// The port; zero for a unix socket.
  public let port: Int
  /// The path of the unix socket; empty for a port.
  public let path: String

  private let state: Monitor<State>
  private let transcriptOfAll = Transcript()
  private let folder: TemporaryFolder?

  private struct State {
    var listener: Descriptor?
    var accepted = 0
    var script: ScriptState = .none
  }

  private enum ScriptState {
    case none, running
    case finished((any Error)?)
  }

  /// Listens on a free port, or on a unix socket in a temporary folder.
  public init(_ family: SocketFamily = .ipv4) throws {
    let place = try ListeningPlace(family)
    (host, port, path, folder) = (place.host, place.port, place.path, place.folder)
    state = Monitor(State(listener: place.listener))
  }

  /// What all connections received and sent so far.
  public var transcript: String { transcriptOfAll.text }

  /// Waits for the next connection.
  public func accept(
    timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> ScriptedConnection {
    guard let connection = try acceptOnce(until: .now + timeout) else {
      throw failure("nobody connected within \(timeout)", sourceLocation)
    }
    return connection
  }

  /// Waits for the next connection and its CONNECT, and accepts it.
  public func acceptConnect(
    level: UInt8? = nil, sessionPresent: Bool = false, properties: WireNotation = "",
    timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> ScriptedConnection {
    let connection = try accept(timeout: timeout, sourceLocation: sourceLocation)
    try connection.expectConnect(level: level, timeout: timeout, sourceLocation: sourceLocation)
    try connection.respondConnack(
      sessionPresent: sessionPresent, properties: properties, sourceLocation: sourceLocation)
    return connection
  }

  /// Nobody connects for so long.
  public func noConnection(for duration: Duration, sourceLocation: SourceLocation = #_sourceLocation) throws {
    if try acceptOnce(until: .now + duration) != nil { throw failure("somebody connected", sourceLocation) }
  }

  /// From now on connections are refused; those that were accepted stay.
  public func stopListening() {
    state.withLock { $0.listener = nil }
  }

  private func acceptOnce(until deadline: ContinuousClock.Instant) throws -> ScriptedConnection? {
    guard let listener = state.withLock({ $0.listener }) else { throw TestFailure("the broker listens no more") }
    while listener.wait(for: POLLIN, until: deadline) {
      guard let descriptor = listener.accept() else { continue }
      let number = state.withLock { state in
        state.accepted += 1
        return state.accepted
      }
      transcriptOfAll.note("\(number) ← connected")
      return ScriptedConnection(descriptor, number: number, transcript: transcriptOfAll)
    }
    return nil
  }

  private func failure(_ what: String, _ location: SourceLocation) -> TestFailure {
    TestFailure("\(location.fileID):\(location.line): \(what)\n\(transcript)")
  }

  // MARK: Scripts in a thread of their own

  /// Plays the script in a thread while the body runs in this one; both must succeed.
  ///
  ///     try ScriptedBroker().play { broker in
  ///       try broker.acceptConnect().expect("e0 00")
  ///     } against: { broker in
  ///       try Client.connect(port: broker.port).disconnect()
  ///     }
  public func play<Result>(
    _ script: @escaping @Sendable (ScriptedBroker) throws -> Void, against body: (ScriptedBroker) throws -> Result
  ) throws -> Result {
    start(script)
    let result: Swift.Result<Result, any Error>
    do { result = .success(try body(self)) } catch { result = .failure(error) }
    do {
      try finish()
    } catch let scriptError {
      guard case .failure(let error) = result else { throw scriptError }
      throw TestFailure("\(error)\nand the script: \(scriptError)")
    }
    do { return try result.get() } catch { throw TestFailure("\(error)\n\(transcript)") }
  }

  /// Starts the script in a thread; `finish` waits for it.
  public func start(_ script: @escaping @Sendable (ScriptedBroker) throws -> Void) {
    state.withLock { $0.script = .running }
    Thread.detachNewThread { [self] in
      var failure: (any Error)?
      do { try script(self) } catch { failure = error }
      state.withLock { $0.script = .finished(failure) }
    }
  }

  /// Waits for the end of the script and throws what it threw.
  public func finish(timeout: Duration = .seconds(30)) throws {
    let finished = state.wait(until: .now + timeout) { state -> (any Error)?? in
      switch state.script {
      case .none: .some(nil)
      case .running: nil
      case .finished(let failure): .some(failure)
      }
    }
    guard let finished else { throw TestFailure("the script did not end within \(timeout)\n\(transcript)") }
    if let failure = finished { throw failure }
  }
}
