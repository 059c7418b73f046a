import TestSupport
import Testing

/// `mqbench connect` and `--calibrate`.
struct BenchConnectTests {
  @Test("each client connects once, and each stage has its times", .needs("mosquitto"))
  func stages() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "mqbench",
      ["connect"] + broker.options + ["--clients", "60", "--connect-rate", "300", "--duration", "100ms", "--json"])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect(report.counts("clients", "connected", "failed_attempts", "lost_connections") == [60, 60, 0, 0])
    #expect(report.rate("connected") > 50 && report.rate("connected") < 310)
    let means = try ["connect_name", "connect_transport", "connect_layers", "connect", "connect_suback"].map {
      try #require(report.time($0, "mean"))
    }
    #expect(means == means.sorted(), "\(means)")
  }

  @Test(
    "connections that a broker does not take are counted by stage and reason, and the others go on", .needs("mosquitto")
  )
  func failures() throws {
    let broker = try RealBroker()
    let proxy = try CuttingProxy(to: broker.port)
    proxy.cutEach(after: 4, .toServer, .orderly, times: 5)
    let tool = try ToolProcess.run(
      "mqbench",
      ["connect", "-V", "5"] + proxy.options + [
        "--clients", "30", "--connect-rate", "300", "--duration", "100ms", "--json",
      ])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect(report.counts("clients", "connected", "failed_attempts") == [30, 25, 5], "\(report.text)")
    #expect(report.evidence["failed to connect (CONNACK)"]?.hasPrefix("5: ") == true, "\(report.evidence)")
    #expect(report.verdict == "broker" || report.verdict == "tool")
    let nobody = try ToolProcess.run(
      "mqbench", ["connect", "-h", "127.0.0.1", "-p", "\(try freePort())", "--clients", "2", "--json"])
    #expect(nobody.end == .exited(14))
    #expect(try BenchReport(nobody).evidence["failed to connect (transport)"]?.hasPrefix("2: ") == true)
  }

  @Test("what else is observed joins the seconds of the report", .needs("mosquitto"))
  func observed() throws {
    let broker = try RealBroker(lines: ["sys_interval 1"])
    let tool = try ToolProcess.run(
      "mqbench",
      ["load"] + broker.options + [
        "--rate", "100", "--warm-up", "1", "--duration", "2", "--json", "--observe-pid", "\(try #require(broker.pid))",
        "--observe-sys", "--observe", "echo a 1.5; echo b x; echo 'queue{shard=\"1\"} 7'",
      ])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let last = try #require(try BenchReport(tool).seconds.last { $0["$SYS/broker/clients/connected"] != nil })
    #expect(last["a"] == 1.5 && last["b"] == nil && last["queue{shard=\"1\"}"] == 7, "\(last)")
    #expect(last["pid_resident_kib"] ?? 0 > 1000 && last["pid_threads"] ?? 0 >= 1 && last["pid_processors"] ?? -1 >= 0)
  }

  @Test("mqbench measures itself with the same load and a sink in the place of the broker", .needs("mosquitto"))
  func calibration() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "mqbench",
      ["load"] + broker.options + ["--rate", "100", "--warm-up", "0", "--duration", "1", "--calibrate"],
      timeout: .seconds(60))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(tool.outputText.contains("floor: p50 ") && tool.outputText.contains("ceiling: "), "\(tool.outputText)")
    let proxied = try ToolProcess.run(
      "mqbench", ["load", "-h", "127.0.0.1", "--proxy", "socks5h://127.0.0.1:1", "--calibrate", "--yes"])
    #expect(proxied.end == .exited(1))
    #expect(proxied.errorText.contains("--calibrate: there is no proxy"), "\(proxied.errorText)")
  }
}
