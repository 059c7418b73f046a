import Foundation
import TestSupport
import Testing

/// `mqpub -l` while the broker is slow, or away: what it holds, and what it says of lines that may be lost.
@Suite struct PublishStreamTests {
  /// The peak of a process's resident memory in bytes.
  private func peakMemory(_ tool: ToolProcess) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(tool.pid)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.filter(\.isNumber))) * 1024
  }

  private func line(_ size: Int) -> [UInt8] { [UInt8](repeating: UInt8(ascii: "x"), count: size) + [10] }

  /// Writes 64 MB of lines and expects that memory stays within the bound.
  private func expectBounded(
    _ tool: ToolProcess, base: Int, lineSize: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let line = line(lineSize)
    for _ in 0..<(64_000_000 / line.count) { tool.write(line) }
    usleep(1_500_000)  // What does not happen has no event: this is enough to read all of it.
    let peak = try peakMemory(tool)
    #expect(peak <= base + 16 << 20 + lineSize, "\(peak - base) bytes over the base", sourceLocation: sourceLocation)
  }

  @Test(
    "memory is bounded while nothing is acknowledged", .enabled(if: FileManager.default.fileExists(atPath: "/proc")),
    arguments: [(["-q", "1"], 100_000), (["-q", "2", "-M", "65535"], 1_000), (["-q", "1"], 2_000_000)])
  func unacknowledged(options: [String], lineSize: Int) throws {
    var rules = CountingPeer.Rules()
    rules.acknowledges = false
    let peer = try CountingPeer(rules: rules)
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-l"] + options, input: .held)
    try peer.wait(for: "connection") { $0.connects == 1 }
    try expectBounded(tool, base: try peakMemory(tool), lineSize: lineSize)
    tool.signal(9)
  }

  @Test(
    "memory is bounded while the broker reads nothing", .enabled(if: FileManager.default.fileExists(atPath: "/proc")))
  func stalled() throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-l"], input: .held)
    try peer.wait(for: "connection") { $0.connects == 1 }
    peer.rules.reads = false
    try expectBounded(tool, base: try peakMemory(tool), lineSize: 1_000)
    tool.signal(9)
  }

  @Test(
    "memory is bounded while the broker is away",
    .enabled(if: FileManager.default.fileExists(atPath: "/proc")), arguments: qualities)
  func away(qos: String) throws {
    let peer = try CountingPeer()
    let proxy = try CuttingProxy(to: peer.port)
    let tool = try ToolProcess("mqpub", proxy.options + ["-t", "t", "-l", "-q", qos], input: .held)
    try peer.wait(for: "connection") { $0.connects == 1 }
    let base = try peakMemory(tool)
    tool.write("1\n")
    try peer.wait(for: "line") { $0.received == 1 }
    proxy.refuse()
    proxy.cut()
    try tool.waitForErrors("trying again")
    try expectBounded(tool, base: base, lineSize: 1_000)
    #expect(tool.end == nil)
    tool.signal(9)
  }

  @Test("what QoS 0 may have lost with a connection is said, once and in its line; QoS 1 loses nothing")
  func lossIsTold() throws {
    let note = "; messages of QoS 0 on their way may be lost"
    for (qos, isTold) in [("0", true), ("1", false)] {
      let broker = try ScriptedBroker()
      let tool = try ToolProcess(
        "mqpub", broker.options + ["-V", "311", "-t", "t", "-l", "-q", qos], input: .held)
      let first = try broker.acceptUnanswered()
      try first.send("20 02 00 00")
      tool.write("1\n")
      _ = try first.nextPacket()
      first.close()
      let second = try broker.acceptUnanswered()
      try second.send("20 02 00 00")
      if qos == "1" {
        _ = try second.nextPacket()
        try second.send("40 02 00 01")
      }
      tool.closeInput()
      try second.expect("e0 00")
      second.close()
      #expect(try tool.wait() == .exited(0))
      #expect(tool.errorText.contains(note) == isTold, "\(tool.errorText)")
      #expect(tool.errorText.split(separator: "\n").count == (isTold ? 2 : 3), "\(tool.errorText)")
      #expect(tool.errorText.contains("1 message was published again and may have come twice") == !isTold)
    }
  }

  @Test("bytes of QoS 0 that did not reach the broker's machine are counted where the system can tell")
  func lossIsCounted() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", "311", "-t", "t", "-l", "--no-reconnect"],
      input: .bytes(Array(repeatElement(line(100_000), count: 200).joined())))
    let connection = try broker.acceptUnanswered()
    try connection.send("20 02 00 00")
    _ = try connection.nextPacket()
    usleep(300_000)  // Nobody can see from outside when all buffers on the way are full.
    connection.reset()
    #expect(try tool.wait() == .exited(7))
    #if os(Linux)
      #expect(tool.errorText.contains(" bytes had not reached the broker's machine"), "\(tool.errorText)")
    #endif
    #expect(tool.errorText.contains("not sent any more"), "\(tool.errorText)")
  }

  @Test("after TERM the lines of QoS 0 that the system did not take are counted, with status 7")
  func unsentLines() throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-l"], input: .held)
    try peer.wait(for: "connection") { $0.connects == 1 }
    peer.rules.reads = false
    for _ in 0..<300 { tool.write(line(100_000)) }
    usleep(300_000)  // Nobody can see from outside when all buffers on the way are full.
    tool.signal(15)
    #expect(try tool.wait(timeout: .seconds(2)) == .exited(7))
    #expect(tool.errorText.hasSuffix(" not sent any more\n"), "\(tool.errorText)")
  }

  @Test("standard input that cannot be read is status 1, after what came before it was delivered")
  func unreadableInput() throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess.run("mqpub", peer.options + ["-t", "t", "-l"], input: .file("/"))
    #expect(tool.end == .exited(1))
    #expect(tool.errorText == "mqpub: Error: standard input: Is a directory\n")
    try peer.wait(for: "DISCONNECT") { $0.disconnects == 1 }
  }
}
