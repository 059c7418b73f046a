import Foundation
import TestSupport
import Testing

/// One message, published more than once.
@Suite struct PublishRepeatTests {
  static let sources = [["-m", "x"], ["-n"], ["-s"], ["-f", "/proc/self/comm"]]

  @Test("--repeat publishes the message so many times, from each source", arguments: sources, qualities)
  func times(source: [String], qos: String) throws {
    let peer = try CountingPeer()
    expectSuccess(
      try ToolProcess.run(
        "mqpub", peer.options + ["-t", "t", "-q", qos, "--repeat", "25"] + source, input: .text("input")))
    #expect(peer.counts.received == 25)
    #expect(peer.counts.violations == [])
  }

  @Test("lines are not repeated, as with mosquitto_pub")
  func lines() throws {
    let peer = try CountingPeer()
    expectSuccess(
      try ToolProcess.run(
        "mqpub", peer.options + ["-t", "t", "-l", "--repeat", "3", "--repeat-delay", "1"], input: .text("1\n2\n")))
    #expect(peer.counts.received == 2)
  }

  @Test("--repeat-delay counts from the acknowledgement", arguments: [("1", 2), ("2", 3)])
  func delay(qos: String, roundTrips: Int) throws {
    var rules = CountingPeer.Rules()
    rules.answerDelay = .milliseconds(100)
    let peer = try CountingPeer(rules: rules)
    let tool = try ToolProcess(
      "mqpub", peer.options + ["-t", "t", "-m", "x", "-q", qos, "--repeat", "3", "--repeat-delay", "100ms"])
    try peer.wait(for: "first") { $0.received == 1 }
    let start = ContinuousClock.now
    try peer.wait(for: "third") { $0.received == 3 }
    // Two pauses, and before each the rest of the message before.
    #expect(.now - start >= .milliseconds(2 * (100 + 100 * (roundTrips - 1)) - 20))
    #expect(try tool.wait() == .exited(0))
  }

  @Test("--every keeps to its times, however late the acknowledgements are")
  func every() throws {
    var rules = CountingPeer.Rules()
    rules.answerDelay = .milliseconds(150)
    let peer = try CountingPeer(rules: rules)
    let tool = try ToolProcess(
      "mqpub", peer.options + ["-t", "t", "-m", "x", "-q", "1", "--every", "200ms", "--repeat", "6"])
    try peer.wait(for: "first") { $0.received == 1 }
    let start = ContinuousClock.now
    try peer.wait(for: "sixth") { $0.received == 6 }
    let time = ContinuousClock.now - start
    // With pauses from the acknowledgement it would be 1,750 ms.
    #expect(time > .milliseconds(950) && time < .milliseconds(1_500), "\(time)")
    #expect(try tool.wait() == .exited(0))
  }

  @Test("--every goes on until it is stopped, and then dies of the signal")
  func everyWithoutEnd() throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-n", "--every", "5ms"])
    try peer.wait(for: "many") { $0.received >= 20 }
    tool.signal(15)
    #expect(try tool.wait(timeout: .seconds(1)) == .signaled(15))
    #expect(tool.errorText == "")
  }

  @Test("a stream that is stopped before its count is status 7, and the rest is counted")
  func stopped() throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-n", "--repeat", "3", "--repeat-delay", "1h"])
    try peer.wait(for: "first") { $0.received == 1 }
    tool.signal(15)
    #expect(try tool.wait(timeout: .seconds(1)) == .exited(7))
    #expect(tool.errorText == "mqpub: Error: 2 messages were not sent any more\n")
  }

  @Test("times that pass while the broker is away are left out, and the others stay where they were")
  func outage() throws {
    let broker = try ScriptedBroker()
    let period = Duration.milliseconds(500)
    let tool = try ToolProcess(
      "mqpub", broker.options + ["-V", "311", "-t", "t", "-m", "x", "--every", "500ms", "--repeat", "4"])
    let first = try broker.acceptConnect()
    try first.expect("30 r* s* 't' 'x'")
    let start = ContinuousClock.now
    first.close()
    let second = try broker.acceptUnanswered()
    usleep(UInt32((period * 2.4 - (.now - start)) / .microseconds(1)))  // Time is what this test is about.
    try second.respondConnack()
    // The late one comes at once, and the next at its time, not half a second after it.
    try second.expect("30 r* s* 't' 'x'")
    #expect(.now - start < period * 2.9)
    try second.expect("30 r* s* 't' 'x'")
    let third = ContinuousClock.now - start
    #expect(third > period * 2.9 && third < period * 3.5, "\(third)")
    try second.expect("30 r* s* 't' 'x'")
    #expect(.now - start > period * 3.9)
    try second.expect("e0 00")
    second.close()
    #expect(try tool.wait() == .exited(0))
  }
}
