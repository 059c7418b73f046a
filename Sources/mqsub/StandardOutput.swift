internal import CommandLineTool
internal import MQTTClient

/// Standard output beside the network: written as the reader takes it, and watched for a reader that goes away, also while there
/// is nothing to write.
struct StandardOutput: ~Copyable {
  /// What is to be written.
  var buffer = OutputBuffer(descriptor: 1, limit: .max)
  private var isReaderGone = false

  func start(_ driver: inout Driver) { driver.watch(buffer.descriptor, []) }

  /// Writes what the reader takes: `.done` when that was all.
  mutating func work(_ driver: inout Driver, _ diagnostics: Diagnostics) -> SinkState {
    if isReaderGone { return .over(.ok) }
    do throws(OutputError) {
      try buffer.flushWithoutWaiting()
    } catch {
      switch error {
      case .closed: return .over(.ok)
      case .system(let error):
        diagnostics.error("standard output: \(error.explanation)")
        return .over(.output)
      }
    }
    driver.watch(buffer.descriptor, buffer.count > 0 ? .writable : [])
    return buffer.count > 0 ? .full : .done
  }

  mutating func ready(_ readiness: Readiness) {
    if readiness.contains(.hungUp) { isReaderGone = true }
  }

  func end(_ driver: inout Driver) { driver.watch(buffer.descriptor, nil) }
}
