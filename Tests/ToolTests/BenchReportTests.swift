import Foundation
import TestSupport
import Testing

/// What mqbench says, saves and compares.
struct BenchReportTests {
  private let short = [
    "--warm-up", "0", "--duration", "1", "--rate", "200", "--publishers", "2", "--subscribers", "2", "--drain", "5",
  ]

  private func load(_ words: [String]) throws -> ToolProcess {
    let broker = try RealBroker()
    return try ToolProcess.run("mqbench", ["load"] + broker.options + short + words)
  }

  private func json(_ path: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private func write(_ report: [String: Any], _ path: String) throws {
    try JSONSerialization.data(withJSONObject: report).write(to: URL(fileURLWithPath: path))
  }

  @Test("a report is saved as all of its kinds, and what it tells can be done again", .needs("mosquitto"))
  func saving() throws {
    let folder = try TemporaryFolder()
    let paths = ["json", "csv", "hgrm", "html"].map { "\(folder.path)/r.\($0)" }
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "mqbench",
      ["load"] + broker.options + short + ["-u", "ann", "-P", "geheim", "--seed", "77", "--arrivals", "poisson"]
        + paths.flatMap { ["--save", $0] })
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 4)
    let report = try json(paths[0])
    #expect(report["schema"] as? Int == 1)
    let run = try #require((report["runs"] as? [[String: Any]])?.first)
    let counts = try #require(run["counts"] as? [String: Int])
    #expect(counts["delivered"] == counts["expected"] && (150...250).contains(counts["expected"]!), "\(counts)")
    let times = try #require((run["times"] as? [String: [String: Any]])?["end_to_end"])
    let histogram = try #require(times["histogram"] as? [Int])
    #expect(stride(from: 1, to: histogram.count, by: 2).reduce(0) { $0 + histogram[$1] } == counts["delivered"])
    let seconds = try #require(run["seconds"] as? [[String: Any]])
    #expect(seconds.reduce(0) { $0 + ($1["delivered"] as! Int) } == counts["delivered"])
    for path in paths { #expect(try !String(contentsOfFile: path, encoding: .utf8).contains("geheim"), "\(path)") }
    #expect(try String(contentsOfFile: paths[1], encoding: .utf8).hasPrefix("run,second,sent"))
    #expect(try String(contentsOfFile: paths[2], encoding: .utf8).contains("Total count    = "))
    #expect(try String(contentsOfFile: paths[3], encoding: .utf8).hasSuffix("</html>\n"))

    // The same arrivals at another broker.
    let other = try RealBroker()
    let again = try ToolProcess.run(
      "mqbench", ["load", "--again", paths[0], "-p", "\(other.port)", "--save", paths[0]])
    #expect(again.end == .exited(0), "\(again.errorText)")
    let second = try #require((try json(paths[0])["runs"] as? [[String: Any]])?.first)
    // And it can be done again once more: no option is forgotten.
    let options = { (report: [String: Any]) in Set((report["options"] as? [[String]] ?? []).compactMap(\.first)) }
    #expect(options(try json(paths[0])).isSuperset(of: options(report)))
    #expect(second["seed"] as? String == "77" && (second["counts"] as? [String: Int])?["offered"] == counts["offered"])
    #expect(try json(paths[0])["scenario"] as? [String: String] == report["scenario"] as? [String: String])
  }

  @Test("what cannot be saved is found out before anything is measured")
  func unwritable() throws {
    let folder = try TemporaryFolder()
    for (path, status, text) in [
      ("\(folder.path)/none/r.json", 74, "No such file or directory"), (folder.path + "/r.pdf", 1, "does not end with"),
      ("\(folder.path)/x.json", 74, "Is a directory"),
    ] as [(String, Int32, String)] {
      try? FileManager.default.createDirectory(atPath: "\(folder.path)/x.json", withIntermediateDirectories: true)
      // Nobody is asked: there is no broker.
      let tool = try ToolProcess.run("mqbench", ["load", "-h", "127.0.0.1", "-p", "\(try freePort())", "--save", path])
      #expect(tool.end == .exited(status) && tool.errorText.contains(text), "\(tool.errorText)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["x.json"])
  }

  @Test("goals decide the exit status", .needs("mosquitto"))
  func goals() throws {
    for (goal, status, words) in [
      ("p50<60s loss=0", 0, "goal: p50<60s met: "), ("p50<1us", 31, "goal: p50<1us missed: "),
      ("p99.99<60s", 32, "goal: p99.99<60s cannot be told (too few samples)"),
    ] as [(String, Int32, String)] {
      let tool = try load(["--goal", goal])
      // On a machine that is busy with something else nothing can be told, and that is said.
      let isBlamed = tool.outputText.contains("limited by: tool")
      #expect(tool.end == .exited(isBlamed ? 32 : status), "\(tool.outputText)\(tool.errorText)")
      #expect(isBlamed || tool.outputText.contains(words), "\(tool.outputText)")
    }
  }

  @Test("several runs give their median, and JSON on standard output has them all", .needs("mosquitto"))
  func runs() throws {
    let tool = try load(["--runs", "2", "--pause", "0", "--json"])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let report = try #require(try JSONSerialization.jsonObject(with: Data(tool.output)) as? [String: Any])
    let runs = try #require(report["runs"] as? [[String: Any]])
    #expect(runs.count == 2 && runs[0]["run"] as? String != runs[1]["run"] as? String)
  }

  @Test(
    "saved reports are compared: the same, worse, too few, of other things, and not the broker's", .needs("mosquitto"))
  func comparing() throws {
    let folder = try TemporaryFolder()
    let first = "\(folder.path)/first.json"
    #expect(try load(["--save", first]).end == .exited(0))
    var report = try json(first)
    var run = (report["runs"] as! [[String: Any]])[0]
    run["verdict"] = "none"
    func save(_ name: String, runs: Int, later: Int = 0, qos: String = "1", verdict: String = "none") throws -> String {
      var times = run["times"] as! [String: [String: Any]]
      let histogram = times["end_to_end"]!["histogram"] as! [Int]
      times["end_to_end"]!["histogram"] = histogram.enumerated().map {
        $0.offset.isMultiple(of: 2) ? $0.element + later : $0.element
      }
      times["end_to_end"]!["max_ns"] = (times["end_to_end"]!["max_ns"] as! Int) + later
      var changed = run
      changed["times"] = times
      changed["verdict"] = verdict
      report["runs"] = (0..<runs).map { number in
        changed["run"] = "\(name)\(number)"
        return changed
      }
      var scenario = report["scenario"] as! [String: String]
      scenario["QoS"] = qos
      report["scenario"] = scenario
      let path = "\(folder.path)/\(name).json"
      try write(report, path)
      return path
    }
    let base = try save("base", runs: 4)
    for (words, status, output, error) in [
      ([base, "--", base], 0, "no difference shown", ""),
      ([base, "--", try save("slow", runs: 4, later: 5_000_000)], 0, "  worse by ", ""),
      (
        [base, "--", try save("slow", runs: 4, later: 5_000_000), "--goal", "same"], 33, "  worse by ",
        "worse: end to end p50"
      ),
      ([try save("slow", runs: 4, later: 5_000_000), "--", base, "--goal", "same"], 0, "  better by ", ""),
      ([base, "--", try save("few", runs: 1), "--goal", "same"], 32, "Fewer than 4 runs", "cannot be told"),
      ([base, "--", try save("few", runs: 1), try save("more", runs: 3)], 0, ", 4 runs", ""),
      ([base, "--", try save("other", runs: 4, qos: "0")], 1, "", "QoS: 1 and 0"),
      ([base, "--", try save("blamed", runs: 4, verdict: "tool")], 32, "", "mqbench was the limit"),
      ([base, "--", try save("blamed", runs: 4, verdict: "tool"), "--yes"], 0, "no difference shown", ""),
      ([base], 1, "", "two groups of saved reports"), ([base, "--", "\(folder.path)/none"], 1, "", "No such file"),
    ] as [([String], Int32, String, String)] {
      let tool = try ToolProcess.run("mqbench", ["compare"] + words)
      #expect(tool.end == .exited(status), "\(words) \(tool.outputText)\(tool.errorText)")
      #expect(
        (output.isEmpty || tool.outputText.contains(output)) && (error.isEmpty || tool.errorText.contains(error)),
        "\(tool.outputText)\(tool.errorText)")
      #expect(
        tool.outputText.split(separator: "\n").allSatisfy {
          $0.hasPrefix("A") || $0.hasPrefix("B") || $0.unicodeScalars.count <= 80
        })
    }
    // A page of what was saved.
    let page = "\(folder.path)/page.html"
    let merged = try ToolProcess.run("mqbench", ["merge", base, try save("again", runs: 4), "--save", page])
    #expect(merged.end == .exited(0) && merged.outputText.contains("8 runs"), "\(merged.outputText)\(merged.errorText)")
    #expect(try String(contentsOfFile: page, encoding: .utf8).contains("The runs"))
    let twice = try ToolProcess.run("mqbench", ["merge", base, base])
    #expect(twice.end == .exited(1) && twice.errorText.contains("is there twice"), "\(twice.errorText)")
  }

  @Test("Ctrl-C has the report so far, and the shell sees what ended it", .needs("mosquitto"))
  func interruption() throws {
    let folder = try TemporaryFolder()
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess(
      "mqbench",
      ["load"] + broker.options + short + ["--duration", "60", "--runs", "3", "--save", "\(folder.path)/r.json"])
    Expect.eventually { broker.log.contains("Received PUBLISH") }
    tool.signal(2)
    #expect(try tool.wait() == .signaled(2), "\(tool.errorText)")
    #expect(tool.outputText.contains("interrupted: ") && tool.outputText.contains(" 0 lost"), "\(tool.outputText)")
    #expect((try json("\(folder.path)/r.json")["runs"] as? [[String: Any]])?.first?["interrupted"] as? Bool == true)
  }

  @Test("two brokers are measured in turn", .needs("mosquitto"))
  func ab() throws {
    let brokers = [try RealBroker(), try RealBroker()]
    let tool = try ToolProcess.run(
      "mqbench",
      ["ab"] + brokers.map { "mqtt://127.0.0.1:\($0.port)" } + short + ["--runs", "1", "--pause", "0", "--yes"])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(
      tool.outputText.contains("A: 127.0.0.1:\(brokers[0].port), 1 run\nB: 127.0.0.1:\(brokers[1].port), 1 run"),
      "\(tool.outputText)")
    #expect(tool.outputText.contains("end to end p50") && tool.outputText.contains("Fewer than 4 runs"))
  }

  @Test("a signal ends a search at once, also while it looks how the broker does", .needs("mosquitto"))
  func interruptedSearch() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess("mqbench", ["search"] + broker.options)
    Expect.eventually { broker.log.contains("Received PUBLISH") }
    tool.signal(2)
    #expect(try tool.wait(timeout: .seconds(10)) == .signaled(2), "\(tool.errorText)")
    #expect(tool.outputText.hasSuffix("\ninterrupted\n"), "\(tool.outputText)")
  }

  @Test("that the second broker is not there is said before the first one is measured", .needs("mosquitto"))
  func abWithoutSecond() throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let tool = try ToolProcess.run(
      "mqbench",
      ["ab", "mqtt://127.0.0.1:\(broker.port)", "mqtt://127.0.0.1:\(try freePort())", "--duration", "60"],
      timeout: .seconds(20))
    #expect(tool.end == .exited(14) && tool.errorText.contains("nothing listens there"), "\(tool.errorText)")
    #expect(!broker.log.contains("PUBLISH"))
  }

  @Test(
    "options of other commands and letters of other tools are refused with what is meant",
    arguments: [
      (["sink", "--rate", "3"], "--rate: not an option of 'mqbench sink', but of load"),
      (["load", "--forward"], "--forward: not an option of 'mqbench load', but of sink"),
      (["compare", "--qos", "1"], "--qos: not an option of 'mqbench compare', but of load"),
      (["load", "-c", "100"], "-c: unknown option; --publishers N and --subscribers N"),
      (["load", "-s100"], "-s100: unknown option; --size BYTES"),
      (["load", "-n", "1"], "--rate N and --duration TIME"),
      (["load", "--subscriber", "5"], "--subscriber: unknown option; did you mean --subscribers?"),
      (["load", "-l"], "-l: unknown option; --duration"), (["load", "-m", "x"], "payloads are made up"),
      (["load", "-f", "x"], "--window N limits"), (["load", "-C", "3"], "-C: unknown option; --duration TIME"),
      (["load", "x"], "takes options only"), ([], "'mqbench help' lists them"),
      (["load", "--will-topic", "t"], "--will-topic: means nothing here: the clients have no wills"),
      (["load", "-i", "x"], "-i: means nothing here: identifiers are made up"),
      (["connect", "--retry", "2"], "not an option of 'mqbench connect', but of load"),
      (["sink", "--cafile", "x"], "--cafile: not an option of 'mqbench sink'"),
      (["load", "--property", "publish", "content-type", "x"], "--property publish: properties are for connect only"),
      (["load", "--closed", "--rate", "5"], "--rate and --every: nothing is due in a closed loop"),
      (["load", "--closed", "--arrivals", "poisson"], "--arrivals: nothing is due in a closed loop"),
      (["ab", "mqtt://a"], "two URLs"), (["load", "--goal", "same"], "same is for compare and ab"),
      (["search", "--subscribers", "0", "--goal", "loss=0"], "--goal: loss=0 cannot be told when nobody subscribes"),
      (["connect", "--goal", "loss=0"], "--goal: loss=0 is about messages, and connect sends none"),
      (["load", "--arrivals", "bursty"], "--arrivals: \"bursty\" is not constant, poisson or burst:N"),
      (["connect", "--connect-rate", "0.001"], "--connect-rate: \"0.001\" is less than one in a hundred seconds"),
      (["load", "--duration", "9223372036"], "--duration: \"9223372036\" is more than a year"),
      (["load", "--reconnect-every", "1ms"], "--reconnect-every: \"1ms\" is less than a tenth of a second"),
    ])
  func refusals(words: [String], text: String) throws {
    let tool = try ToolProcess.run("mqbench", words)
    #expect(tool.end == .exited(1) && tool.errorText.contains(text) && tool.outputText == "", "\(tool.errorText)")
    #expect(tool.errorText.split(separator: "\n").count == 1)
  }

  @Test("help has what each command is, and each command its own options")
  func help() throws {
    let all = try ToolProcess.run("mqbench", ["help"]).outputText
    #expect(all == (try ToolProcess.run("mqbench", ["--help"]).outputText))
    for command in ["load", "compare", "ab", "search", "sink"] {
      #expect(all.contains("\n  \(command) "))
      let help = try ToolProcess.run("mqbench", [command, "--help"])
      #expect(help.end == .exited(0) && help.outputText.hasPrefix("Usage: mqbench \(command) "))
      #expect(help.outputText == (try ToolProcess.run("mqbench", ["help", command]).outputText))
      #expect(help.outputText.contains("--duration TIME") == (command == "load" || command == "ab"))
    }
  }

  @Test("the examples of the manual page are right, and those that load a broker do", .needs("mosquitto"))
  func examples() throws {
    let page = try ToolProcess.run("mqbench", ["--generate", "man"]).outputText
    let commands = page.components(separatedBy: "\n.nf\n").dropFirst().map { part in
      part.prefix { $0 != "\n" }.replacing("\\-", with: "-").replacing("\\(aq", with: "'")
    }
    #expect(commands.count >= 8)
    let folder = try TemporaryFolder()
    // The scenario that the page explains line by line, with fewer clients.
    let scenario = page.components(separatedBy: ".SH SCENARIOS")[1].components(separatedBy: ".SH ")[0]
      .components(separatedBy: ".TP\n").dropFirst().map { entry in
        entry.prefix { $0 != "\n" }.replacing("\\fB", with: "").replacing("\\fR", with: "").replacing("\\-", with: "-")
      }
    #expect(scenario.contains("[devices]") && scenario.contains("--every 60s"))
    _ = try folder.write(
      "building.txt",
      scenario.joined(separator: "\n").replacing("000", with: "").replacing("--every 60s", with: "--every 1s"))
    let environment = [
      "PATH": URL(fileURLWithPath: try locate("mqbench")).deletingLastPathComponent().path + ":/usr/bin:/bin"
    ]
    for command in commands {
      let check = try ToolProcess.run(
        "sh", ["-c", "cd \(folder.path); \(command) --show-settings"], environment: environment)
      #expect(check.end == .exited(0), "\(command) \(check.errorText)")
      // What begins at a certain time has none to lose here.
      guard command.hasPrefix("mqbench load"), !command.contains("--start-at") else { continue }
      let broker = try RealBroker()
      let run = try ToolProcess.run(
        "sh",
        ["-c", "cd \(folder.path); \(command) -h 127.0.0.1 -p \(broker.port) --warm-up 0 --duration 0.3 --runs 1"],
        environment: environment)
      #expect([.exited(0), .exited(32)].contains(run.end), "\(command) \(run.errorText)")
      #expect(run.outputText.contains("limited by: "), "\(run.outputText)")
    }
  }
}
