import TestSupport
import Testing

/// An option that only another tool has is refused, and the tool is named.
@Suite struct OtherToolsTests {
  private func expectRefusal(_ tool: String, _ words: [String], _ owners: String) throws {
    let tool = try ToolProcess.run(tool, ["-t", "t"] + words)
    #expect(tool.end == .exited(1))
    #expect(tool.errorText.hasSuffix(": \(words[0]): unknown option; it belongs to \(owners)\n"), "\(tool.errorText)")
  }

  @Test(
    "mqpub refuses what only mosquitto_sub takes",
    arguments: [
      ["-E"], ["--message-rate"], ["--random-filter", "50"], ["--remove-retained"], ["--retained-only"],
      ["-T", "x"], ["--filter-out", "x"], ["-U", "x"], ["--unsubscribe", "x"], ["-w"], ["--watch"],
    ])
  func subscribers(words: [String]) throws { try expectRefusal("mqpub", words, "mqsub") }

  @Test(
    "mqpub refuses what mosquitto_sub and mosquitto_rr take",
    arguments: [
      ["-C", "1"], ["-C1"], ["-F", "%p"], ["-N"], ["--pretty"], ["-R"], ["--retain-as-published"],
      ["--retain-handling", "new"], ["-v"],
      ["--verbose"],
    ])
  func both(words: [String]) throws { try expectRefusal("mqpub", words, "mqsub and mqrr") }

  @Test("mqpub refuses what only mosquitto_rr takes", arguments: [["-e", "x"], ["--latency"]])
  func requesters(words: [String]) throws { try expectRefusal("mqpub", words, "mqrr") }

  @Test(
    "mqsub refuses what only mosquitto_pub takes", arguments: [["-r"], ["--repeat", "2"], ["--line-topic"]])
  func publishers(words: [String]) throws { try expectRefusal("mqsub", words, "mqpub") }

  @Test(
    "mqsub refuses what mosquitto_pub and mosquitto_rr take",
    arguments: [["-m", "x"], ["-n"], ["-f", "x"], ["-s"], ["-l"]])
  func senders(words: [String]) throws { try expectRefusal("mqsub", words, "mqpub and mqrr") }
}
