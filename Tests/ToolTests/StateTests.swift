import Foundation
import TestSupport
import Testing

/// `mqsub --state`: over all runs of a session, a QoS 2 message is printed once.
@Suite struct StateTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A run with its output appended to a file, or to a pipe.
  private func start(
    _ broker: ScriptedBroker, toFile: Bool = true, sessionPresent: Bool
  ) throws -> (tool: ToolProcess, connection: ScriptedConnection) {
    let options =
      broker.options + ["-V", "311", "-c", "-i", "counter", "-q", "2", "-t", "t", "--state", folder.path("state")]
    let tool =
      try toFile
      ? ToolProcess(
        "sh", ["-c", "exec \"$0\" \"$@\" >> '\(folder.path("out"))'", locate("mqsub")] + options)
      : ToolProcess("mqsub", options)
    let connection = try broker.acceptUnanswered()
    #expect(connection.connect?.cleanStart == false)
    try connection.respondConnack(sessionPresent: sessionPresent)
    try connection.expect("82 r* m1 s* 't' 02")
    try connection.send("90 r* m1 02")
    return (tool, connection)
  }

  private var output: String { (try? String(contentsOfFile: folder.path("out"), encoding: .utf8)) ?? "" }

  @Test("[MQTT-4.3.3-10] what a killed run has acknowledged is known to the next", arguments: [true, false])
  func killed(toFile: Bool) throws {
    let broker = try ScriptedBroker()
    let (first, before) = try start(broker, toFile: toFile, sessionPresent: false)
    try before.send("34 r* s* 't' m7 'a' | 34 r* s* 't' m8 'b' | 34 r* s* 't' m9 'c'")
    try before.expect("50 r2 m7 | 50 r2 m8 | 50 r2 m9")
    try before.send("62 r2 m8")
    try before.expect("70 r2 m8")
    first.signal(9)
    try first.wait()
    before.close()

    // The broker has seen no PUBREC for 7, and has seen that for 9; it has begun 8 anew.
    let (second, after) = try start(broker, toFile: toFile, sessionPresent: true)
    try after.send("3c r* s* 't' m7 'a' | 62 r2 m9 | 3c r* s* 't' m8 'd' | 34 r* s* 't' m9 'e'")
    try after.expect("50 r2 m7 | 70 r2 m9 | 50 r2 m8 | 50 r2 m9")
    second.signal(15)
    try after.expect("e0 00")
    after.close()
    #expect(try second.wait() == .exited(0))
    #expect((toFile ? output : first.outputText + second.outputText) == "a\nb\nc\nd\ne\n")
  }

  @Test("a broker that has forgotten the session begins anew")
  func sessionLost() throws {
    let broker = try ScriptedBroker()
    let (first, before) = try start(broker, sessionPresent: false)
    try before.send("34 r* s* 't' m7 'a'")
    try before.expect("50 r2 m7")
    first.signal(9)
    try first.wait()
    before.close()
    let (second, after) = try start(broker, sessionPresent: false)
    try after.send("34 r* s* 't' m7 'b'")
    try after.expect("50 r2 m7")
    #expect(output == "a\nb\n")
    second.signal(9)
  }

  /// A state with message 7, which was to be written at these places of the output file.
  private func writeState(start: UInt64, end: UInt64, owner: String) throws {
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("out"))
    let device = try #require(attributes[.systemNumber] as? UInt64)
    let inode = try #require(attributes[.systemFileNumber] as? UInt64)
    func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
    let record = bytes(device) + bytes(inode) + bytes(UInt16(7)) + bytes(start) + bytes(end)
    var file = Array("mqstate\n".utf8) + bytes(UInt32(1)) + bytes(UInt32(owner.utf8.count)) + owner.utf8
    file += bytes(UInt32(record.count)) + bytes(crc32(record)) + record
    _ = try folder.write("state", file + [0, 0, 0, 99, 1, 2])  // A record that a killed run did not finish.
  }

  /// CRC-32, bit by bit.
  private func crc32(_ bytes: [UInt8]) -> UInt32 {
    var sum: UInt32 = .max
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    return ~sum
  }

  @Test(
    "a run that was killed while it wrote: the length of the output file tells what was written",
    arguments: [
      ("old\n", "old\nnew\n"), ("old\nne", "old\nnew\n"), ("old\nnew\n", "old\nnew\n"),
    ])
  func killedWhileWriting(found: String, expected: String) throws {
    let broker = try ScriptedBroker()
    _ = try folder.write("out", found)
    try writeState(start: 4, end: 8, owner: "\(broker.host):\(broker.port), client identifier counter")
    let (tool, connection) = try start(broker, sessionPresent: true)
    try connection.send("3c r* s* 't' m7 'new'")
    try connection.expect("50 r2 m7")
    #expect(output == expected)
    tool.signal(15)
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
  }

  @Test("an output file that another one has taken the place of was written, for all that is known")
  func rotated() throws {
    let broker = try ScriptedBroker()
    _ = try folder.write("out", "")
    try writeState(start: 0, end: 4, owner: "\(broker.host):\(broker.port), client identifier counter")
    try FileManager.default.moveItem(atPath: folder.path("out"), toPath: folder.path("out.1"))
    let (tool, connection) = try start(broker, sessionPresent: true)
    try connection.send("3c r* s* 't' m7 'new'")
    try connection.expect("50 r2 m7")
    #expect(output == "")
    tool.signal(9)
  }

  @Test(
    "1: a state file of something else is refused before anything is sent",
    arguments: [
      ("what a pity\n", "it is no state file"),
      ("mqstate\n\u{0}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}\u{3}abc", "another session, 'abc'"),
      ("mqstate\n\u{0}\u{0}\u{0}\u{2}", "it is no state file"),
    ])
  func foreign(contents: String, message: String) throws {
    let file = try folder.write("state", contents)
    let tool = try ToolProcess.run("mqsub", ["-c", "-i", "counter", "-q", "2", "-t", "t", "--state", file])
    #expect(tool.end == .exited(1))
    #expect(tool.errorText.contains("--state: \(file): ") && tool.errorText.contains(message), "\(tool.errorText)")
    #expect(try folder.read("state") == Array(contents.utf8))
  }

  @Test("1: two runs cannot use one state file at a time")
  func inUse() throws {
    let broker = try ScriptedBroker()
    let (tool, _) = try start(broker, sessionPresent: false)
    let second = try ToolProcess.run(
      "mqsub", broker.options + ["-c", "-i", "counter", "-t", "t", "--state", folder.path("state")])
    #expect(second.end == .exited(1))
    #expect(second.errorText.contains("another run uses it"))
    tool.signal(9)
  }

  @Test(
    "1: --state needs a session that the broker keeps, and output to keep in step with",
    arguments: [
      (["-q", "2"], "needs a session that the broker keeps: -c and -i"),
      (["-c", "-i", "a", "--exec", "true"], "cannot stand together with --exec"),
    ])
  func mistakes(options: [String], message: String) throws {
    let tool = try ToolProcess.run("mqsub", ["-t", "t", "--state", folder.path("state")] + options)
    #expect(tool.end == .exited(1))
    #expect(tool.errorText.contains(message), "\(tool.errorText)")
  }
}
