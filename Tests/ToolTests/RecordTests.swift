import Foundation
import TestSupport
import Testing

/// `mqsub --record`, and `mqpub --replay`, which publishes what was recorded.
@Suite struct RecordTests {
  private func accept(_ broker: ScriptedBroker, qos: String = "02") throws -> ScriptedConnection {
    let connection = try broker.acceptConnect()
    try connection.expect("82 r* m1 s* 't' \(qos)")
    try connection.send("90 r* m1 \(qos)")
    return connection
  }

  @Test("a message is in the file before it is acknowledged, and printed as well")
  func beforeAcknowledgement() throws {
    let broker = try ScriptedBroker()
    let folder = try TemporaryFolder()
    let file = folder.path("record")
    let tool = try ToolProcess(
      "mqsub", broker.options + ["-V", "311", "-q", "2", "-t", "t", "--record", file, "-C", "2"])
    let connection = try accept(broker)
    try connection.send("32 r* s* 't' m7 'one' | 34 r* s* 't' m8 FF00")
    try connection.expect("40 r2 m7 | 50 r2 m8")
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].contains(#","topic":"t","qos":1,"retain":false,"dup":false,"id":7,"payload":"one"}"#))
    #expect(lines[1].contains(#""payload_base64":"/wA="}"#))
    #expect(lines[0].prefix(29).contains(#/^\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d/#))
    try connection.send("62 r2 m8")
    try connection.expect("70 r2 m8 | e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    Expect.bytes(tool.output, Array("one\n".utf8) + [0xFF, 0, 0x0A])
  }

  @Test("a line that a killed run left open is ended, and what was there stays")
  func openLine() throws {
    let broker = try ScriptedBroker()
    let folder = try TemporaryFolder()
    let file = try folder.write("record", "{\"topic\":\"a\"}\n{\"topic\":\"b\",\"payl")
    let tool = try ToolProcess(
      "mqsub", broker.options + ["-V", "311", "-q", "2", "-t", "t", "--record", file, "-C", "1"])
    let connection = try accept(broker)
    try connection.send("30 r* s* 't' 'x'")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[..<2] == ["{\"topic\":\"a\"}", "{\"topic\":\"b\",\"payl"])
    #expect(lines[2].hasSuffix(#""payload":"x"}"#))
  }

  @Test(
    "74: a file that cannot be written is told before anything is sent",
    arguments: ["/", "/dev/full", "/no/such/folder"])
  func unwritable(path: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess.run("mqsub", broker.options + ["-t", "t", "--record", path])
    #expect(tool.end == .exited(74))
    #expect(tool.errorText.hasPrefix("mqsub: --record: \(path): "), "\(tool.errorText)")
  }

  @Test("74: what the disk does not take is not acknowledged", .needs("bash"))
  func diskFull() throws {
    let broker = try ScriptedBroker()
    let folder = try TemporaryFolder()
    // A limit on the size of files, in blocks of 1 KiB, stands for a full disk.
    let tool = try ToolProcess(
      "bash",
      [
        "-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"", try locate("mqsub"),
      ] + broker.options + ["-V", "311", "-q", "2", "-t", "t", "--record", folder.path("record")])
    let connection = try accept(broker)
    try connection.send("32 r* s* 't' m7 '\(String(repeating: "x", count: 2000))'")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(74))
    #expect(tool.errorText == "mqsub: Error: --record: File too large\n")
  }

  // MARK: - Replay

  private func replay(
    _ lines: String, _ options: [String], peer: CountingPeer
  ) throws -> (tool: ToolProcess, time: Duration) {
    let folder = try TemporaryFolder()
    let file = try folder.write("record", lines)
    let clock = ContinuousClock()
    var tool: ToolProcess?
    let time = try clock.measure { tool = try ToolProcess.run("mqpub", peer.options + ["--replay", file] + options) }
    return (try #require(tool), time)
  }

  /// Messages that came 0, 0.2 and 0.6 s after the first, over a change of the zone.
  private let rhythm = """
    {"time":"2026-11-22T12:55:59.900000+01:00","topic":"a","qos":2,"payload":"1"}
    {"time":"2026-11-22T11:56:00.100000Z","topic":"b","qos":1,"payload":"2"}
    {"time":"2026-11-22T13:56:00.5+0200","topic":"c","qos":0,"payload":"3"}

    """

  @Test(
    "messages are published in the rhythm in which they came, or faster",
    arguments: [
      ("1", 600, 5000), ("4", 150, 590), ("max", 0, 590), ("0", 0, 590),
    ])
  func speed(speed: String, least: Int, most: Int) throws {
    var rules = CountingPeer.Rules()
    rules.recordsMessages = true
    let peer = try CountingPeer(rules: rules)
    let (tool, time) = try replay(rhythm, ["--speed", speed], peer: peer)
    expectSuccess(tool)
    #expect(peer.messages.map { String(decoding: $0.payload, as: UTF8.self) } == ["1", "2", "3"])
    #expect(time >= .milliseconds(least) && time < .milliseconds(most), "\(time)")
  }

  @Test("what a killed recording left open is left out with a warning, other lines are not")
  func fragments() throws {
    let peer = try CountingPeer()
    let cut = """
      {"topic":"a","payload":"1"}
      {"time":"2026-11-22T11:56:00.100000Z","topic":"b","qos":1,"pay
      {"topic":"a","payload":"{}","json":{}
      {"topic":"a","payload":"2"}
      {"topic":"a","pa
      """
    let (tool, _) = try replay(cut, [], peer: peer)
    #expect(tool.end == .exited(0))
    #expect(tool.errorText.split(separator: "\n").count == 3)
    #expect(
      tool.errorText.hasPrefix("mqpub: Warning: line 2 was cut off when it was recorded, and is left out\n"),
      "\(tool.errorText)")
    #expect(peer.counts.received == 2)
    let (other, _) = try replay("{\"topic\":\"a\"}\nhello\n", [], peer: peer)
    #expect(other.end == .exited(18))
  }

  @Test("a recording that is replayed is recorded as it was", .needs("mosquitto"), arguments: ["311", "5"])
  func roundTrip(version: String) throws {
    let broker = try RealBroker()
    let folder = try TemporaryFolder()
    let messages = #"""
      {"topic":"r/a","qos":2,"payload":"é\n","properties":{"content_type":"x","user_properties":[["k","v"],["k","w"]]}}
      {"topic":"r/b","qos":1,"payload_base64":"AP8="}
      {"topic":"r/c","qos":0,"payload":"{\"a\":1.0}"}
      """#
    func record(_ name: String, _ publish: [String], input: ToolProcess.Input) throws -> [String] {
      let subscriber = try ToolProcess(
        "mqsub",
        broker.options + [
          "-V", version, "-q", "2", "-t", "r/#", "-C", "3", "--log", "notice", "--record", folder.path(name),
        ])
      try subscriber.waitForErrors("subscribed to")
      let publisher = try ToolProcess.run("mqpub", broker.options + ["-V", version] + publish, input: input)
      #expect(publisher.end == .exited(0))
      #expect(try subscriber.wait() == .exited(0))
      return try String(contentsOfFile: folder.path(name), encoding: .utf8).split(separator: "\n").map {
        String($0.replacing(#/^\{"time":"[^"]*",|"id":\d+,/#, with: ""))
      }.sorted()  // Messages of different QoS overtake each other.
    }
    let first = try record("first", ["--stdin-json"], input: .text(messages))
    #expect(first.count == 3)
    let second = try record("second", ["--replay", folder.path("first"), "--speed", "max"], input: .none)
    #expect(first == second)
    let third = try record("third", ["--replay", "-"], input: .file(folder.path("second")))
    #expect(first == third)
  }

  @Test("a pipe is replayed as it is written")
  func pipe() throws {
    let peer = try CountingPeer()
    let folder = try TemporaryFolder()
    try #require(mkfifo(folder.path("pipe"), 0o600) == 0)
    let tool = try ToolProcess("mqpub", peer.options + ["--replay", folder.path("pipe")])
    let writer = try ToolProcess("sh", ["-c", "cat > '\(folder.path("pipe"))'"], input: .held)
    writer.write("{\"topic\":\"a\",\"qos\":1}\n")
    Expect.eventually { peer.counts.received == 1 }
    writer.write("{\"topic\":\"a\",\"qos\":1}\n")
    writer.closeInput()
    #expect(try tool.wait() == .exited(0))
    #expect(peer.counts.received == 2)
  }

  @Test(
    "1: what cannot be replayed is told before anything is sent",
    arguments: [
      (["--replay", "/no/such/file"], "--replay: /no/such/file: No such file or directory"),
      (["--speed", "2", "-t", "t", "-m", "x"], "--speed: needs --replay FILE"),
      (["--replay", "-", "--speed", "fast"], "--speed: \"fast\" is not a number of times as fast, nor max"),
      (["--replay", "-", "--every", "1"], "--every: is for one message"),
      (["--replay", "-", "--spool", "spool"], "--spool: cannot stand together with --replay"),
      (["--replay", "-", "-m", "x"], "-m"),
    ])
  func mistakes(options: [String], message: String) throws {
    let tool = try ToolProcess.run("mqpub", options)
    #expect(tool.end == .exited(1))
    #expect(tool.errorText.contains(message), "\(tool.errorText)")
  }
}
