public import MQTTClient

/// Standard output beside the network: written as the reader takes it, and watched for a reader that goes away, also while there
/// is nothing to write.
public struct StandardOutput: ~Copyable {
  /// How far it is.
  public enum State: Sendable {
    /// All is written.
    case written
    /// The reader does not take the rest at the moment.
    case waiting
    /// Nothing can be written any more, and this status follows. What was wrong was told.
    case over(ExitStatus)
  }

  /// What is to be written.
  public var buffer = OutputBuffer(descriptor: 1, limit: .max)
  private var isReaderGone = false
  /// What follows from a failure, once it was told.
  private var failure: ExitStatus?

  /// Nothing to write yet.
  public init() {}

  /// Has the driver watch for the reader.
  public func start(_ driver: inout Driver) { driver.watch(buffer.descriptor, []) }

  /// Writes what the reader takes.
  public mutating func write(_ driver: inout Driver, _ diagnostics: Diagnostics) -> State {
    if isReaderGone { return .over(.ok) }
    do throws(OutputError) { try buffer.flushWithoutWaiting() } catch { return .over(failed(error, diagnostics)) }
    driver.watch(buffer.descriptor, buffer.count > 0 ? .writable : [])
    return buffer.count > 0 ? .waiting : .written
  }

  /// Writes everything, and waits as long as that takes. Returns the status that follows.
  public mutating func finish(_ diagnostics: Diagnostics) -> ExitStatus {
    do throws(OutputError) { try buffer.flush() } catch { return failed(error, diagnostics) }
    return .ok
  }

  /// Tells of a failure once. A reader that has gone has had enough.
  private mutating func failed(_ error: OutputError, _ diagnostics: Diagnostics) -> ExitStatus {
    if let failure { return failure }
    var status = ExitStatus.ok
    if case .system(let error) = error {
      diagnostics.error("standard output: \(error.explanation)")
      status = .output
    }
    failure = status
    return status
  }

  /// The driver has found something of it; `write` follows.
  public mutating func ready(_ readiness: Readiness) {
    if readiness.contains(.hungUp) { isReaderGone = true }
  }

  /// The driver need not watch it any more.
  public func end(_ driver: inout Driver) { driver.watch(buffer.descriptor, nil) }
}
