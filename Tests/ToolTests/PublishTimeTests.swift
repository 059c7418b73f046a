import Foundation
import TestSupport
import Testing

/// Time limits and retries of mqpub, the first connection included.
@Suite struct PublishTimeTests {
  private func connack(_ broker: ScriptedBroker) throws -> ScriptedConnection {
    let connection = try broker.acceptUnanswered()
    try connection.send("20 02 00 00")
    return connection
  }

  @Test("--retry N tries the first connection N times again, and no more")
  func retries() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqpub", broker.options + ["-V", "311", "-t", "t", "-m", "x", "--retry", "2"])
    for _ in 0..<3 { try broker.acceptUnanswered().close() }
    #expect(try tool.wait() == .exited(14))
    try broker.noConnection(for: .zero)
    // One line when the outage begins, one for the end.
    #expect(tool.errorText.split(separator: "\n").count == 2, "\(tool.errorText)")
  }

  @Test(
    "a broker that comes later is found by --retry and by --retry-max-time", .needs("mosquitto"),
    arguments: [["--retry", "5"], ["--retry", "forever"], ["--retry-max-time", "20"]])
  func laterBroker(options: [String]) throws {
    let broker = try RealBroker()
    try broker.stop()
    let tool = try ToolProcess("mqpub", broker.options + ["-t", "t", "-m", "x", "-q", "1"] + options)
    try tool.waitForErrors("trying again")
    try broker.restart()
    #expect(try tool.wait() == .exited(0), "\(tool.errorText)")
    #expect(tool.errorText.hasSuffix("mqpub: Warning: connected again to 127.0.0.1:\(broker.port)\n"))
  }

  @Test("--retry-max-time ends it", arguments: [[], ["--retry", "forever"]])
  func maximumTime(options: [String]) throws {
    let port = try freePort()
    let tool = try ToolProcess.run(
      "mqpub", ["-h", "127.0.0.1", "-p", "\(port)", "-t", "t", "-m", "x", "--retry-max-time", "1s"] + options)
    #expect(tool.end == .exited(14))
    #expect(tool.errorText.contains("trying again"))
  }

  @Test("a stream whose broker was never there ends at once", arguments: [["-l"], ["-n", "--every", "1"]])
  func streamWithoutBroker(source: [String]) throws {
    let port = try freePort()
    let tool = try ToolProcess.run(
      "mqpub", ["-h", "127.0.0.1", "-p", "\(port)", "-t", "t"] + source, timeout: .seconds(2))
    #expect(tool.end == .exited(14))
    #expect(!tool.errorText.contains("trying again"))
  }

  @Test("--no-reconnect ends when the connection is lost; --retry is for the first one then")
  func noReconnect() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", "311", "-t", "t", "-l", "--retry", "5", "--no-reconnect"], input: .held)
    try broker.acceptUnanswered().close()
    let connection = try connack(broker)
    tool.write("x\n")
    _ = try connection.nextPacket()
    connection.close()
    #expect(try tool.wait() == .exited(7))
    try broker.noConnection(for: .zero)
  }

  @Test("--connect-timeout limits each attempt, and names the stage")
  func connectTimeout() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess.run(
      "mqpub", broker.options + ["-V", "311", "-t", "t", "-m", "x", "--connect-timeout", "200ms", "--retry", "1"])
    #expect(tool.end == .exited(27))
    #expect(tool.errorText.contains("sent no CONNACK within 200 ms"))
    _ = try broker.accept()
    _ = try broker.accept()
    try broker.noConnection(for: .zero)
  }

  @Test("-V auto: a broker that leaves CONNECT of MQTT 5 unanswered is tried with 3.1.1 in the second half of the time")
  func silenceAboutVersion() throws {
    let broker = try ScriptedBroker()
    let cache = try TemporaryFolder()
    let environment = ["XDG_CACHE_HOME": cache.path]
    // Twice: silence is not remembered, for it says less of a broker than an answer.
    for _ in 1...2 {
      let tool = try ToolProcess(
        "mqpub", broker.options + ["-t", "t", "-m", "x", "--connect-timeout", "1"], environment: environment)
      let first = try broker.accept()
      try first.expectConnect(level: 5)
      try first.waitForClose()
      let second = try broker.acceptConnect(level: 4)
      try second.expect("30 r4 s1 't' 'x'")
      try second.expect("e0 00")
      second.close()
      try tool.wait()
      expectSuccess(tool)
    }
  }

  @Test("-W limits the whole run: before CONNACK, and while an acknowledgement is awaited")
  func timeout() throws {
    let broker = try ScriptedBroker()
    let options = broker.options + ["-V", "311", "-t", "t", "-m", "x", "-q", "1", "-W", "300ms"]
    let early = try ToolProcess.run("mqpub", options, timeout: .seconds(2))
    #expect(early.end == .exited(27))
    #expect(early.errorText.split(separator: "\n").count == 1)
    #expect(early.errorText.hasSuffix(" ran out while waiting for CONNACK\n"), "\(early.errorText)")
    _ = try broker.accept()
    let late = try ToolProcess("mqpub", options)
    let connection = try connack(broker)
    #expect(try late.wait(timeout: .seconds(2)) == .exited(27))
    connection.close()
    #expect(late.errorText.hasSuffix(" ran out; 1 message was not acknowledged\n"), "\(late.errorText)")
  }

  @Test("-W limits attempts to connect again, too")
  func timeoutOfRetries() throws {
    let port = try freePort()
    let tool = try ToolProcess.run(
      "mqpub",
      ["-h", "127.0.0.1", "-p", "\(port)", "-t", "t", "-m", "x", "--retry", "forever", "-W", "700ms"],
      timeout: .seconds(2))
    #expect(tool.end == .exited(27))
  }

  @Test("-W limits the wait for input that does not end, before anything is connected")
  func timeoutOfInput() throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-s", "-W", "300ms"], input: .held)
    tool.write("not all of it")
    #expect(try tool.wait(timeout: .seconds(2)) == .exited(27))
    #expect(tool.errorText == "mqpub: -s: standard input: the time limit ran out before its end\n")
    let folder = try TemporaryFolder()
    let pipe = folder.path("pipe")
    try #require(mkfifo(pipe, 0o600) == 0)
    let waiting = try ToolProcess.run(
      "mqpub", peer.options + ["-t", "t", "-f", pipe, "-W", "300ms"], timeout: .seconds(2))
    #expect(waiting.end == .exited(27))
    #expect(peer.counts.connects == 0)
  }

  @Test("[MQTT-4.4.0-1] a single message of QoS 2 that may be tried again goes on with its session")
  func resumedMessage() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", "5", "-i", "me", "-t", "t", "-m", "x", "-q", "2", "--retry", "3"])
    let first = try broker.acceptUnanswered()
    try first.send("20 03 00 00 00")
    try first.expect("34 r* s* 't' m1 00 'x'")
    try first.send("50 02 m1")
    try first.expect("62 02 m1")
    first.close()
    let second = try broker.acceptUnanswered()
    try second.send("20 03 01 00 00")
    try second.expect("62 02 m1")
    try second.send("70 02 m1")
    try second.expect("e0 07 00 05 11 00000000")
    second.close()
    #expect(try tool.wait() == .exited(0))
  }
}
