public import MQTT

/// A file of received messages, each a line of JSON as `JSONOutput` writes it, with the time when it came.
///
/// Lines are appended whole, so that the file can be read while it grows. A process that is killed may leave its last line cut
/// off; the next one ends that line before it goes on, and readers leave it out.
public struct Recording: ~Copyable {
  private var json = JSONOutput(isForTerminal: false)
  private var output: OutputBuffer

  /// Opens a file to append to it, or makes it.
  public init(_ path: [UInt8]) throws(SystemError) {
    let (descriptor, isLineOpen) = try System.openToRecord(path)
    output = OutputBuffer(descriptor: descriptor, limit: .max)
    if isLineOpen { output.append(UInt8(ascii: "\n")) }
  }

  deinit { System.closeDescriptor(output.descriptor) }

  /// Takes a message that came at `time`. It is written by `flush`.
  public mutating func append(_ message: MessageView, at time: WallTime) {
    json.append(message, at: time, to: &output)
    output.append(UInt8(ascii: "\n"))
  }

  /// Writes what was taken.
  public mutating func flush() throws(OutputError) { try output.flush() }
}
