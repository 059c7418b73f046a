import TestSupport
import Testing

/// The words after `-V`, one for each version of the protocol.
let versions = ["31", "311", "5"]

/// What `-q` takes.
let qualities = ["0", "1", "2"]

/// The end of a tool that worked, with nothing on standard error.
func expectSuccess(_ tool: ToolProcess, sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(tool.end == .exited(0), sourceLocation: sourceLocation)
  #expect(tool.errorText == "", sourceLocation: sourceLocation)
}

extension RealBroker {
  /// The options that lead to it.
  var options: [String] { ["-h", "127.0.0.1", "-p", "\(port)"] }
}

extension CountingPeer {
  /// The options that lead to it.
  var options: [String] { ["-h", host, "-p", "\(port)"] }
}

extension CuttingProxy {
  /// The options that lead through it.
  var options: [String] { ["-h", "127.0.0.1", "-p", "\(port)"] }
}

extension ScriptedBroker {
  /// The options that lead to it.
  var options: [String] { ["-h", host, "-p", "\(port)"] }

  /// A connection whose CONNECT has come and waits for its answer.
  func acceptUnanswered() throws -> ScriptedConnection {
    let connection = try accept()
    try connection.expectConnect()
    return connection
  }
}

/// `1\n2\n…` up to `last`.
func numberedLines(upTo last: Int) -> [UInt8] {
  var lines: [UInt8] = []
  for number in 1...last {
    lines += "\(number)\n".utf8
  }
  return lines
}
