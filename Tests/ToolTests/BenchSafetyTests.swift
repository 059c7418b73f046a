import TestSupport
import Testing

/// mqbench does no harm that nobody asked for.
struct BenchSafetyTests {
  @Test(
    "a broker beyond this machine and private networks is not loaded above a modest rate without --yes",
    arguments: [["--rate", "101"], ["--closed"], ["--publishers", "91"], ["--rate", "11", "--topics", "1"]])
  func farBrokers(words: [String]) throws {
    // Addresses for documentation (RFC 5737, RFC 3849): nothing is sent to them.
    for host in ["192.0.2.1", "2001:db8::1"] {
      let tool = try ToolProcess.run("mqbench", ["load", "-h", host] + words)
      #expect(tool.end == .exited(1))
      #expect(tool.errorText.contains("is beyond this machine and private networks: --yes"), "\(tool.errorText)")
    }
  }

  @Test("more clients than there can be descriptors or ports are refused before the first connects")
  func tooMany() throws {
    let tool = try ToolProcess.run("mqbench", ["load", "-h", "127.0.0.1", "-p", "1", "--publishers", "1000000"])
    #expect(tool.end == .exited(1))
    #expect(tool.errorText.contains("descriptors") || tool.errorText.contains("port each"), "\(tool.errorText)")
  }

  @Test("Ctrl-C prints the report so far", .needs("mosquitto"))
  func interrupted() throws {
    let broker = try RealBroker()
    let proxy = try MessageProxy(to: broker.port)
    let tool = try ToolProcess(
      "mqbench",
      [
        "load", "-h", "127.0.0.1", "-p", "\(proxy.port)", "--warm-up", "0", "--rate", "1000", "--duration", "60",
        "--json",
      ])
    #expect(Expect.eventually { proxy.passages.count { $0.isDelivery } > 500 })
    tool.signal(2)
    _ = try tool.wait()
    let report = try BenchReport(tool)
    #expect(report.count("offered") > 400 && report.count("offered") < 20_000, "\(report.text)")
    #expect(report.count("delivered") > 400)
    // Whoever publishes hears of it a moment later: no more is sent than was due.
    #expect(report.count("sent") <= report.count("offered"), "\(report.text)")
    #expect(Expect.eventually { broker.log.contains("disconnected") })
  }

  @Test("Ctrl-C before anything counts says so and reports nothing", .needs("mosquitto"))
  func interruptedEarly() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess("mqbench", ["load"] + broker.options + ["--warm-up", "60", "--log", "notice"])
    #expect(Expect.eventually { broker.log.contains("Received PUBLISH") })
    tool.signal(2)
    #expect(try tool.wait() == .signaled(2))
    #expect(tool.outputText == "" && tool.errorText.contains("interrupted before anything was measured"))
  }

  @Test("retained messages of a run do not stay behind", .needs("mosquitto"))
  func retained() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "mqbench",
      ["load"] + broker.options + [
        "--warm-up", "0", "--duration", "1", "--rate", "200", "--topics", "20", "--retain", "--json",
      ])
    let report = try BenchReport(tool)
    #expect(report.counts("delivered", "foreign", "lost") == [200, 0, 0], "\(report.text)")
    let left = try ToolProcess.run("mqsub", broker.options + ["-t", "#", "--get", "-v"])
    #expect(left.outputText == "", "\(left.outputText)")
  }
}
