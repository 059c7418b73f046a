import Foundation
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
    #expect(tool.end == .exited(14))
    #expect(tool.errorText.hasPrefix("mqbench: Error: 5 of 30 clients failed: "), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect(report.counts("clients", "connected", "failed_attempts") == [30, 25, 5], "\(report.text)")
    #expect(report.evidence["failed to connect (CONNACK)"]?.hasPrefix("5: ") == true, "\(report.evidence)")
    #expect(report.verdict == "broker" || report.verdict == "tool")
    let nobody = try ToolProcess.run(
      "mqbench", ["connect", "-h", "127.0.0.1", "-p", "\(try freePort())", "--clients", "2", "--json"])
    #expect(nobody.end == .exited(14))
    #expect(try BenchReport(nobody).evidence["failed to connect (transport)"]?.hasPrefix("2: ") == true)
  }

  @Test(
    "where nobody is accepted the status is that of the reason", .needs("mosquitto"),
    arguments: [("311", 5), ("5", 135)])
  func refused(version: String, status: Int32) throws {
    let broker = try RealBroker(users: ["u": "right"])
    let tool = try ToolProcess.run(
      "mqbench", ["connect", "-V", version, "-u", "u", "-P", "wrong", "--clients", "3"] + broker.options)
    #expect(tool.end == .exited(status), "\(tool.end) \(tool.errorText)")
    #expect(tool.errorText.contains("not authorized"), "\(tool.errorText)")
    // Nobody waited for what was refused at once.
    #expect(tool.outputText.contains("   failed\n") || tool.outputText.contains("  failed "), "\(tool.outputText)")
    #expect(!tool.outputText.contains(">"), "\(tool.outputText)")
    #expect(tool.errorText.split(separator: "\n").count == 1)
  }

  @Test("connections that are lost while they are held are no success", .needs("mosquitto"))
  func lost() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess(
      "mqbench", ["connect", "--clients", "5", "--duration", "3", "--json"] + broker.options)
    #expect(Expect.eventually { broker.log.components(separatedBy: "New client connected").count > 5 })
    try broker.kill()
    #expect(try tool.wait() == .exited(7), "\(tool.errorText)")
    #expect(tool.errorText.contains("connections were lost while they were held"), "\(tool.errorText)")
    // One may have been on its way.
    let report = try BenchReport(tool)
    #expect(report.count("connected") >= 4 && report.count("connected") == report.count("lost_connections"))
  }

  @Test("Ctrl-C while clients connect tells of those that have", .needs("mosquitto"))
  func interrupted() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess(
      "mqbench", ["connect"] + broker.options + ["--clients", "2000", "--connect-rate", "100", "--json"])
    #expect(Expect.eventually { broker.log.components(separatedBy: "New client connected").count > 20 })
    tool.signal(2)
    #expect(try tool.wait() == .signaled(2), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect((20..<2000).contains(report.count("connected")) && report.count("clients") == report.count("connected"))
    #expect(!report.isLost("connect", "p50") && report.count("failed_attempts") == 0)
  }

  @Test("what else is observed joins the seconds of the report", .needs("mosquitto"))
  func observed() throws {
    let broker = try RealBroker(lines: ["sys_interval 1"])
    // Retained: all of it is there before the first message is due.
    for (topic, payload) in [("own/temperature", "21.5 °C"), ("own/state", "on 2"), ("own/number", " -3e2\n")] {
      let words = broker.options + ["-t", topic, "-m", payload, "-r"]
      #expect(try ToolProcess.run("mqpub", words).end == .exited(0))
    }
    let tool = try ToolProcess.run(
      "mqbench",
      ["load"] + broker.options + [
        "--rate", "100", "--warm-up", "1", "--duration", "2", "--json", "--observe-pid", "\(try #require(broker.pid))",
        "--observe-sys", "--observe-filter", "own/#", "--observe",
        "echo a 1.5; echo b x; echo 'queue{shard=\"1\",of=\"a b\"} 7 1700000000'",
      ])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let last = try #require(try BenchReport(tool).seconds.last { $0["$SYS/broker/clients/connected"] != nil })
    #expect(last["a"] == 1.5 && last["b"] == nil && last["queue{shard=\"1\",of=\"a b\"}"] == 7, "\(last)")
    #expect(
      last["own/temperature (°C)"] == 21.5 && last["own/number"] == -300 && last.keys.allSatisfy { $0 != "own/state" })
    #expect(
      last["$SYS/broker/uptime (seconds)"] != nil && tool.outputText.contains("\"broker says\":\"mosquitto version"))
    #expect(last["pid_resident_kib"] ?? 0 > 1000 && last["pid_threads"] ?? 0 >= 1 && last["pid_processors"] ?? -1 >= 0)
  }

  @Test(
    "what cannot be observed is told: a process that is not there, and a command that prints nothing",
    .needs("mosquitto"))
  func unobservable() throws {
    let broker = try RealBroker()
    let load = ["load"] + broker.options + ["--warm-up", "0", "--duration", "0.2"]
    let nobody = try ToolProcess.run("mqbench", load + ["--observe-pid", "\(Int32.max)"])
    #expect(nobody.end == .exited(1) && nobody.errorText.contains("--observe-pid: there is no process"))
    let silent = try ToolProcess.run("mqbench", load + ["--observe", "exit 3"])
    #expect(silent.errorText.contains("--observe: the command failed with status 3"), "\(silent.errorText)")
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
