import Foundation
import TestSupport
import Testing

/// INT, TERM and HUP end a tool within a second, whatever it is doing.
@Suite struct SignalTests {
  static let signals: [Int32] = [2, 15, 1]

  @Test("a subscriber says goodbye and exits with 0", arguments: signals, ["311", "5"])
  func subscriber(signal: Int32, version: String) throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqsub", peer.options + ["-V", version, "-t", "t"])
    try peer.wait(for: "subscription") { $0.subscriptions == 1 }
    tool.signal(signal)
    #expect(try tool.wait(timeout: .seconds(1)) == .exited(0))
    try peer.wait(for: "DISCONNECT") { $0.disconnects == 1 }
  }

  @Test("a publisher with nothing to wait for dies of the signal itself", arguments: signals)
  func idlePublisher(signal: Int32) throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-l"], input: .held)
    try peer.wait(for: "connection") { $0.connects == 1 }
    tool.signal(signal)
    #expect(try tool.wait(timeout: .seconds(1)) == .signaled(signal))
    try peer.wait(for: "DISCONNECT") { $0.disconnects == 1 }
  }

  @Test(
    "a publisher whose lines are not acknowledged waits two seconds, counts them and exits with 7",
    arguments: ["1", "2"])
  func unacknowledged(qos: String) throws {
    var rules = CountingPeer.Rules()
    rules.acknowledges = false
    let peer = try CountingPeer(rules: rules)
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-l", "-q", qos], input: .text("1\n2\n3\n"))
    try peer.wait(for: "lines") { $0.publishes == 3 }
    tool.signal(15)
    #expect(try tool.wait(timeout: .seconds(4)) == .exited(7))
    #expect(tool.errorText.contains("3 messages were not acknowledged"))
  }

  @Test("while CONNACK is awaited", arguments: ["mqpub", "mqsub", "mqrr"])
  func awaitingConnack(name: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(name, broker.options + ["-t", "t"] + (name == "mqsub" ? [] : ["-m", "x"]))
    _ = try broker.accept()
    tool.signal(2)
    let end = try tool.wait(timeout: .seconds(1))
    #expect(end == .exited(name == "mqsub" ? 0 : 7))
  }

  @Test("while a broker is waited for", arguments: ["mqpub", "mqsub"])
  func betweenAttempts(name: String) throws {
    let port = try freePort()
    let tool = try ToolProcess(
      name,
      ["-h", "127.0.0.1", "-p", "\(port)", "-t", "t", "--retry", "forever"] + (name == "mqpub" ? ["-m", "x"] : []))
    try tool.waitForErrors("trying again")
    tool.signal(15)
    let end = try tool.wait(timeout: .seconds(1))
    #expect(end == .exited(name == "mqpub" ? 7 : 0))
  }

  @Test("while the broker takes nothing")
  func stalledBroker() throws {
    let peer = try CountingPeer()
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-l"], input: .held)
    try peer.wait(for: "connection") { $0.connects == 1 }
    peer.rules.reads = false
    for _ in 0..<256 { tool.write([UInt8](repeating: UInt8(ascii: "x"), count: 1 << 17) + [10]) }
    usleep(300_000)  // Nobody can see from outside when all buffers on the way are full.
    tool.signal(15)
    #expect(try tool.wait(timeout: .seconds(2)) == .exited(7))
  }
}
