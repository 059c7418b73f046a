import Foundation
import TestSupport
import Testing

/// `probe`: what it finds is what is known of the broker.
@Suite(.needs("mosquitto", "mosquitto_sub"))
struct ShellProbeTests {
  private struct Report: Decodable {
    struct Result: Decodable { var section, name, verdict, detail: String }
    var broker: String
    var software: String
    var results: [Result]
  }

  @Test("mosquitto 2.0 can all of this, within seconds, and nothing is left behind")
  func mosquitto() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run("mqshell", broker.options + ["-c", "probe --json"], timeout: .seconds(60))
    expectSuccess(tool)
    let report = try JSONDecoder().decode(Report.self, from: Data(tool.output))
    #expect(report.broker == "127.0.0.1:\(broker.port)")
    #expect(report.software == "mosquitto \(RealBroker.version)")
    let found = Dictionary(uniqueKeysWithValues: report.results.map { ("\($0.section): \($0.name)", $0) })
    let no = report.results.filter { $0.verdict != "yes" && $0.verdict != "value" }.map(\.name)
    // 2.0 sends no topic aliases; 2.1 does.
    let lacks = [
      "response information", "topic aliases from the broker", "topic with U+FFFF", "topic with a control character",
    ]
    #expect(no == lacks, "\(tool.outputText)")
    #expect(found["Access: unknown authentication method"]?.detail == "refused: bad authentication method")
    #expect(found["Delivery: unacknowledged at a time"]?.detail == "20 messages")
    #expect(found["Limits that it tells (MQTT 5): receive maximum"]?.detail == "20")
    #expect(found["Subscriptions: overlapping subscriptions"]?.detail == "2 copies")
    #expect(found["Sessions and wills: taken over by the same identifier"]?.detail.contains("no reason") == true)
    #expect(found["Sizes: longest topic"]?.detail == "65535 bytes")

    let left = try ToolProcess.run(
      "mosquitto_sub", broker.options + ["-t", "#", "-v", "--retained-only", "-W", "1"], timeout: .seconds(5))
    #expect(left.outputText == "")
  }

  @Test("what a broker forbids is found out too")
  func limits() throws {
    let broker = try RealBroker(
      lines: ["retain_available false", "message_size_limit 5000", "max_keepalive 40"])
    let tool = try ToolProcess.run("mqshell", broker.options + ["-c", "probe"], timeout: .seconds(60))
    expectSuccess(tool)
    let lines = tool.outputText.split(separator: "\n").map { line in
      line.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }
    for line in ["server keep alive 40 s", "retained messages no"] { #expect(lines.contains(line)) }
    #expect(lines.contains { $0.hasPrefix("kept and sent no") })
    #expect(
      lines.contains {
        $0.hasPrefix("payload of 100,000 bytes no 49") || $0.hasPrefix("payload of 100,000 bytes no 50")
      })
  }

  @Test(
    "TLS versions, WebSocket paths and access without a password are asked for where there is such a thing",
    .needs("openssl"))
  func transports() throws {
    let certificates = try Certificates.shared()
    let (tls, webSocket) = (RealBroker.Listener.tls(try certificates.issue()), RealBroker.Listener.webSocket)
    let broker = try RealBroker(listeners: [tls, webSocket], users: ["ann": "secret"])
    let ways = [
      "mqtts://localhost:\(broker.port(of: tls)) --cafile \(certificates.root.certificate)",
      "ws://127.0.0.1:\(broker.port(of: webSocket))/mqtt",
    ]
    let found = try ways.map { way in
      let tool = try ToolProcess("mqshell", ["-c", "open \(way) -u ann -P secret; probe"])
      try tool.waitForOutput("Limits that it tells")
      // The rest is seen elsewhere.
      tool.signal(SIGTERM)
      #expect(try tool.wait() == .signaled(SIGTERM))
      let access = tool.outputText.components(separatedBy: "Access\n").last?.components(separatedBy: "\n\n").first ?? ""
      return access.split(separator: "\n").map { $0.split(separator: " ").prefix(6).joined(separator: " ") }
    }
    let access = [
      "without user name and password no", "unknown authentication method refused: bad authentication",
    ]
    for (rows, own) in zip(
      found,
      [
        ["TLS 1.2 yes ", "TLS 1.3 yes "],
        ["WebSocket path / yes", "WebSocket path /mqtt yes", "WebSocket path /ws yes"],
      ])
    {
      #expect(rows.count == 2 + own.count && zip(rows, access + own).allSatisfy { $0.hasPrefix($1) }, "\(rows)")
    }
  }

  @Test("a broker that never answers does not hold it for long")
  func silent() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqshell", broker.options + ["-V", "5", "-c", "probe", "--timeout", "2s"])
    let connection = try broker.acceptConnect()
    // The connections of the probe are taken and never answered.
    #expect(try tool.wait(timeout: .seconds(5)) == .exited(27))
    withExtendedLifetime(connection) {}
  }
}
