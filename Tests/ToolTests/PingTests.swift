import Foundation
import TestSupport
import Testing

/// `mqrr --ping`: plausible figures, goals, and an end that tells the truth.
@Suite(.needs("mosquitto"))
struct PingTests {
  /// The object that --json prints.
  private func summary(_ tool: ToolProcess) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(tool.output)) as? [String: Any])
  }

  @Test("a line for each reply, and statistics at the end", arguments: versions, ["0", "2"])
  func lines(version: String, qos: String) throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "mqrr", broker.options + ["-V", version, "-q", qos, "--ping", "-C", "3", "--interval", "20ms"])
    expectSuccess(tool)
    let lines = tool.outputText.split(separator: "\n")
    #expect(lines.count == 6)
    for (index, line) in lines.prefix(3).enumerated() {
      #expect(
        line.wholeMatch(of: /[0-9]+ bytes from 127\.0\.0\.1:[0-9]+: seq=([0-9]+) time=[0-9]+\.[0-9]{3} ms/)?.1
          == "\(index + 1)", "\(line)")
    }
    #expect(lines[4] == "3 sent, 3 received, 0 lost (0.0 %)")
    #expect(lines[5].contains("p99 ") && lines[5].contains("*, max "))
  }

  @Test("a delay on the way is measured, and goals hold or fail by it")
  func delay() throws {
    let broker = try RealBroker()
    let proxy = try CuttingProxy(to: broker.port)
    proxy.delay(by: .milliseconds(20))
    func ping(_ goal: String) throws -> ToolProcess {
      try ToolProcess.run(
        "mqrr", proxy.options + ["--ping", "-C", "4", "--interval", "5ms", "--json", "--goal", goal])
    }
    let tool = try ping("min>=40ms p50<400ms loss=0 connect>=40ms")
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let summary = try summary(tool)
    #expect(summary["sent"] as? Int == 4)
    #expect(summary["received"] as? Int == 4)
    let least = try #require(summary["min_ms"] as? Double)
    let most = try #require(summary["max_ms"] as? Double)
    #expect(least >= 40 && most < 400 && least <= most)
    #expect(summary["p99_ms"] is NSNull)
    let missed = try ping("p50<40ms p99<9s")
    #expect(missed.end == .exited(31))
    #expect(missed.errorText.contains("the goal p50<40ms was missed"))
    let vague = try ping("p99<9s")
    #expect(vague.end == .exited(32))
    #expect(vague.errorText.contains("p99<9s"))
    #expect(vague.errorText.contains("too few"))
  }

  @Test("to a responder, as fast as replies come", arguments: ["311", "5"])
  func responding(version: String) throws {
    let broker = try RealBroker()
    let responder = try responder(broker, ["-V", version, "-t", "echo", "-e", "back", "--serve-echo"])
    let tool = try ToolProcess.run(
      "mqrr",
      broker.options + ["-V", version, "--ping", "-t", "echo", "-e", "back", "-C", "200", "--interval", "0", "--json"]
        + ["--goal", "p99<2s loss<1%"])
    expectSuccess(tool)
    let summary = try summary(tool)
    #expect(summary["from"] as? String == "echo")
    #expect(summary["received"] as? Int == 200)
    #expect(summary["p99_ms"] is Double)
    responder.signal(15)
  }

  @Test("27 when nobody answers: all are lost")
  func nobody() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "mqrr", broker.options + ["--ping", "-t", "nobody", "-C", "2", "--interval", "10ms"])
    #expect(tool.end == .exited(27))
    #expect(tool.outputText.contains("2 sent, 0 received, 2 lost (100.0 %)"))
    #expect(tool.errorText == "mqrr: Error: no reply from 'nobody'\n")
  }

  @Test("Ctrl-C prints the statistics and ends it with 0; a goal is judged all the same")
  func interrupted() throws {
    let broker = try RealBroker()
    for (goal, status) in [([], Int32(0)), (["--goal", "loss=0"], 0), (["--goal", "max<1us"], 31)] {
      let tool = try ToolProcess("mqrr", broker.options + ["--ping", "--interval", "50ms"] + goal)
      try tool.waitForOutput(lines: 2)
      tool.signal(2)
      #expect(try tool.wait(timeout: .seconds(1)) == .exited(status))
      #expect(tool.outputText.contains(" received, 0 lost (0.0 %)"))
    }
  }

  @Test("7 when the connection is lost, behind the statistics")
  func lost() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess("mqrr", broker.options + ["--ping", "--interval", "50ms"])
    try tool.waitForOutput(lines: 2)
    try broker.kill()
    #expect(try tool.wait() == .exited(7))
    #expect(tool.outputText.contains(" sent, "))
  }
}
