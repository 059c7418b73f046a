import TestSupport
import Testing

/// `mqpub -l` in a stream: nothing is lost, nothing comes twice, whatever happens to the connection.
@Suite struct StreamTests {
  @Test("200,000 lines arrive, though packet identifiers come round three times", arguments: versions, ["1", "2"])
  func identifiersComeRound(version: String, qos: String) throws {
    let peer = try CountingPeer()
    let count = 200_000
    let tool = try ToolProcess.run(
      "mqpub", peer.options + ["-V", version, "-q", qos, "-t", "t", "-l"], input: .bytes(numberedLines(upTo: count)),
      timeout: .seconds(60))
    expectSuccess(tool)
    let counts = peer.counts
    #expect(counts.received == count)
    #expect(counts.numbers.count == count)
    #expect(counts.numbers.repeated == 0)
    #expect(counts.numbers.outOfOrder == 0)
    #expect(counts.violations == [])
  }

  @Test("connections that are cut cost nothing and double nothing at QoS 2", arguments: versions)
  func cutExactlyOnce(version: String) throws {
    var rules = CountingPeer.Rules()
    rules.keepsSessions = true
    let peer = try CountingPeer(rules: rules)
    let proxy = try CuttingProxy(to: peer.port)
    proxy.cutEach(afterRandom: 2_000...30_000, times: 3)
    let count = 20_000
    let tool = try ToolProcess.run(
      "mqpub", proxy.options + ["-V", version, "-q", "2", "-t", "t", "-l"], input: .bytes(numberedLines(upTo: count)),
      timeout: .seconds(60))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(proxy.cuts == 3)
    #expect(peer.counts.received == count, "\(peer.counts)")
    #expect(peer.counts.numbers.count == count)
    #expect(peer.counts.numbers.repeated == 0)
    #expect(peer.counts.violations == [])
  }

  @Test("a session that was for one stream only does not stay at the broker", arguments: ["31", "311"])
  func sessionIsEnded(version: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqpub", broker.options + ["-V", version, "-q", "2", "-t", "t", "-l"])
    let stream = try broker.acceptConnect()
    #expect(stream.connect?.cleanStart == false)
    try stream.expect("e0 00")
    stream.close()
    let end = try broker.acceptConnect()
    #expect(end.connect?.cleanStart == true)
    #expect(end.connect?.clientIdentifier == stream.connect?.clientIdentifier)
    try end.expect("e0 00")
    end.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.errorText == "")
  }

  @Test("a stream that meets the session of another under its identifier begins anew", arguments: ["311", "5"])
  func anotherSession(version: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", version, "-i", "shared", "-q", "2", "-t", "t", "-l"], input: .held)
    let first = try broker.acceptUnanswered()
    #expect(first.connect?.cleanStart == false)
    try first.send(version == "5" ? "20 03 01 00 00" : "20 02 01 00")
    try first.waitForClose()
    let second = try broker.acceptConnect()
    #expect(second.connect?.cleanStart == true)
    tool.write("x\n")
    #expect(try second.nextPacket().type == 3)
    tool.signal(9)
  }

  @Test("connections that are cut lose nothing at QoS 1", arguments: versions)
  func cutAtLeastOnce(version: String) throws {
    let peer = try CountingPeer()
    let proxy = try CuttingProxy(to: peer.port)
    proxy.cutEach(afterRandom: 2_000...30_000, times: 3)
    let count = 20_000
    let tool = try ToolProcess.run(
      "mqpub", proxy.options + ["-V", version, "-q", "1", "-t", "t", "-l"], input: .bytes(numberedLines(upTo: count)),
      timeout: .seconds(60))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(peer.counts.numbers.count == count)
    #expect(peer.counts.violations == [])
  }

  @Test(
    "a real broker that restarts in mid-stream gets every line exactly once", .needs("mosquitto"),
    arguments: ["311", "5"])
  func brokerRestarts(version: String) throws {
    let broker = try RealBroker(persistence: .atStop, lines: ["max_inflight_messages 20"])
    let count = 5_000
    // Its session is there before the first line, and holds what comes while it is away.
    let make = try ToolProcess.run(
      "mqsub", broker.options + ["-c", "-i", "counter", "-q", "2", "-t", "t", "-W", "300ms", "-V", "311"])
    #expect(make.end == .exited(27))
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", version, "-q", "2", "-t", "t", "-l", "--log", "notice"], input: .held)
    try tool.waitForErrors("connected to")
    tool.write(numberedLines(upTo: count / 2))
    try broker.restart()
    tool.write(numberedLines(upTo: count).dropFirst(numberedLines(upTo: count / 2).count))
    tool.closeInput()
    #expect(try tool.wait(timeout: .seconds(60)) == .exited(0), "\(tool.errorText)")
    let received = try ToolProcess.run(
      "mqsub",
      broker.options + ["-c", "-i", "counter", "-q", "2", "-t", "t", "-V", "311", "-C", "\(count)", "-W", "20"],
      timeout: .seconds(30))
    Expect.bytes(received.output, numberedLines(upTo: count))
  }
}
