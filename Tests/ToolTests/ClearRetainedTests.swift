import TestSupport
import Testing

/// `mqsub --clear-retained` removes what a broker keeps, and says what it was.
@Suite struct ClearRetainedTests {
  private func broker(_ topics: [String], as user: String = "somebody", acl: String? = nil) throws -> RealBroker {
    // Without a limit mosquitto 2.0.11 closes the connection after it has refused a publish.
    let broker = try RealBroker(acl: acl, lines: ["max_queued_messages 1000"])
    for topic in topics {
      #expect(
        try ToolProcess.run("mqpub", broker.options + ["-u", user, "-t", topic, "-m", "x", "-r", "-q", "1"]).end
          == .exited(0))
    }
    return broker
  }

  private func kept(_ broker: RealBroker) throws -> Set<Substring> {
    let get = try ToolProcess.run("mqsub", broker.options + ["-t", "#", "--get", "-F", "%t", "--idle", "100ms"])
    return Set(get.outputText.split(separator: "\n"))
  }

  private func clear(_ broker: RealBroker, _ options: [String]) throws -> ToolProcess {
    try ToolProcess.run("mqsub", broker.options + ["--clear-retained", "--idle", "100ms"] + options)
  }

  @Test(
    "what matches is removed and named, and nothing else; a dry run only names it", .needs("mosquitto"),
    arguments: versions)
  func removes(version: String) throws {
    let broker = try broker(["home/a", "home/b/c", "home/keep", "other"])
    let options = ["-V", version, "-t", "home/#", "-T", "home/keep"]
    let dryRun = try clear(broker, options + ["--dry-run"])
    expectSuccess(dryRun)
    #expect(Set(dryRun.outputText.split(separator: "\n")) == ["home/a", "home/b/c"])
    #expect(try kept(broker) == ["home/a", "home/b/c", "home/keep", "other"])

    let removal = try clear(broker, options)
    expectSuccess(removal)
    #expect(Set(removal.outputText.split(separator: "\n")) == ["home/a", "home/b/c"])
    #expect(try kept(broker) == ["home/keep", "other"])

    let again = try clear(broker, options)
    expectSuccess(again)
    #expect(again.output == [])
  }

  @Test("a thousand topics", .needs("mosquitto"))
  func many() throws {
    let broker = try RealBroker()
    let lines = (1...1000).map { "{\"topic\":\"m/\($0)\",\"retain\":true,\"payload\":\"x\",\"qos\":1}\n" }.joined()
    #expect(try ToolProcess.run("mqpub", broker.options + ["--stdin-json"], input: .text(lines)).end == .exited(0))
    let removal = try clear(broker, ["-t", "m/#"])
    expectSuccess(removal)
    #expect(Set(removal.outputText.split(separator: "\n")).count == 1000)
    #expect(try kept(broker) == [])
  }

  @Test("135: what the broker refuses is told, and not named as removed", .needs("mosquitto"))
  func refused() throws {
    let rules = "topic readwrite open/#\ntopic read closed/#\nuser owner\ntopic readwrite #\n"
    let broker = try broker(["open/a", "closed/b"], as: "owner", acl: rules)
    let removal = try clear(broker, ["-t", "open/#", "-t", "closed/#"])
    #expect(removal.end == .exited(135))
    #expect(removal.outputText == "open/a\n")
    #expect(removal.errorText.contains("the retained message of 'closed/b' cannot be removed"))
    #expect(try kept(broker) == ["closed/b"])
  }

  @Test(
    "1: a filter that begins with a wildcard needs --yes, unless somebody at a terminal agrees", .needs("mosquitto"))
  func wideFilter() throws {
    let broker = try broker(["a/x", "b"])
    let refused = try clear(broker, ["-t", "+/x"])
    #expect(refused.end == .exited(1))
    #expect(refused.errorText.contains("'+/x' matches much: --dry-run shows what would go, --yes removes it"))
    expectSuccess(try clear(broker, ["-t", "#", "--dry-run"]))
    #expect(try kept(broker) == ["a/x", "b"])

    for (answer, status) in [("n", Int32(1)), ("y", 0)] {
      let terminal = try Terminal("mqsub", broker.options + ["--clear-retained", "-t", "+/x"])
      _ = try terminal.read(until: "Remove every value that 127.0.0.1:\(broker.port) keeps for '+/x'? [y/N] ")
      try terminal.type("\(answer)\n")
      #expect(try terminal.wait() == .exited(status))
    }
    #expect(try kept(broker) == ["b"])
    expectSuccess(try clear(broker, ["-t", "#", "--yes"]))
    #expect(try kept(broker) == [])
  }

  @Test(
    "1: combinations that mean nothing",
    arguments: [
      (["--dry-run"], "--dry-run: needs --clear-retained"),
      (["--clear-retained", "-R"], "-R: cannot stand together with --clear-retained"),
      (["--clear-retained", "-t", "$share/g/a"], "the broker sends nothing that it keeps to '$share/g/a'"),
    ])
  func mistakes(options: [String], message: String) throws {
    let tool = try ToolProcess.run("mqsub", ["-t", "t"] + options)
    #expect(tool.end == .exited(1))
    #expect(tool.errorText.contains(message), "\(tool.errorText)")
  }
}
