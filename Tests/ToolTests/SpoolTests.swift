import Foundation
import TestSupport
import Testing

/// `mqpub --spool`: what was stored is delivered, by this run or a later one.
@Suite struct SpoolTests {
  private let folder: TemporaryFolder
  private var path: String { folder.path("spool") }

  init() throws {
    folder = try TemporaryFolder()
  }

  private func publish(_ options: [String], _ more: String...) throws -> ToolProcess {
    try ToolProcess.run("mqpub", options + ["-t", "t", "--spool", path] + more)
  }

  private func status(_ key: String) throws -> Any? {
    let tool = try ToolProcess.run("mqpub", ["--spool", path, "--spool-status", "--json"])
    try #require(tool.end == .exited(0), "\(tool.errorText)")
    let object = try JSONSerialization.jsonObject(with: Data(tool.output)) as? [String: Any]
    return object?[key]
  }

  @Test("0: a broker that is there has the message when the run ends", .needs("mosquitto"), arguments: ["1", "2"])
  func delivered(qos: String) throws {
    let broker = try RealBroker()
    let subscriber = try ToolProcess(
      "mqsub", broker.options + ["-q", "2", "-t", "t", "-C", "1", "--log", "notice"])
    try subscriber.waitForErrors("subscribed to")
    expectSuccess(try publish(broker.options, "-m", "now", "-q", qos))
    #expect(try subscriber.wait() == .exited(0))
    #expect(subscriber.outputText == "now\n")
    #expect(try status("waiting") as? Int == 0)
  }

  @Test("75: without the broker the message waits, and that is told once", arguments: ["1", "2"])
  func outage(qos: String) throws {
    let port = try freePort()
    let options = ["-h", "127.0.0.1", "-p", "\(port)", "-q", qos]
    for number in 1...3 {
      let tool = try publish(options, "-m", "\(number)")
      #expect(tool.end == .exited(75))
      #expect(tool.errorText.split(separator: "\n").count == (number == 1 ? 1 : 0), "\(tool.errorText)")
    }
    #expect(try status("waiting") as? Int == 3)
    // It is bound to its broker.
    #expect(try publish(["-h", "127.0.0.1", "-p", "\(try freePort())"], "-m", "4").end == .exited(78))
  }

  @Test(
    "what waits is delivered when the broker is back, and the end of the outage is told once", .needs("mosquitto"),
    arguments: ["1", "2"])
  func backAgain(qos: String) throws {
    let broker = try RealBroker()
    let options = broker.options + ["-q", qos]
    try broker.stop()
    #expect(try publish(options, "-m", "1").end == .exited(75))
    #expect(try publish(options, "-m", "2").end == .exited(75))
    try broker.restart()
    let subscriber = try ToolProcess("mqsub", broker.options + ["-q", "2", "-t", "t", "-C", "3", "--log", "notice"])
    try subscriber.waitForErrors("subscribed to")
    let tool = try publish(options, "-m", "3")
    #expect(tool.end == .exited(0))
    #expect(tool.errorText.split(separator: "\n").count == 1)
    #expect(tool.errorText.contains("3 stored messages"))
    #expect(try subscriber.wait() == .exited(0))
    #expect(subscriber.outputText == "1\n2\n3\n")
    expectSuccess(try ToolProcess.run("mqpub", broker.options + ["--spool", path, "--flush"]))
  }

  @Test(
    "76: what the broker refuses for good is put aside with its reason, and can be tried again", .needs("mosquitto"))
  func quarantined() throws {
    let broker = try RealBroker(acl: "topic write allowed\n")
    let options = broker.options + ["-V", "5"]
    let tool = try publish(options, "-m", "forbidden")
    #expect(tool.end == .exited(76))
    #expect(try status("bad") as? Int == 1)
    let again = try ToolProcess.run("mqpub", options + ["--spool", path, "--flush"])
    #expect(again.end == .exited(0))
    let retried = try ToolProcess.run("mqpub", options + ["--spool", path, "--flush", "--spool-retry-bad"])
    #expect(retried.end == .exited(76))
  }

  @Test("73: a message above the bounds is neither delivered nor stored")
  func full() throws {
    let options = ["-h", "127.0.0.1", "-p", "\(try freePort())", "--spool-max-count", "1"]
    #expect(try publish(options, "-m", "1").end == .exited(75))
    let tool = try publish(options, "-m", "2")
    #expect(tool.end == .exited(73))
    #expect(tool.errorText.split(separator: "\n").count == 1)
    #expect(try publish(options, "-m", "3", "--spool-drop-oldest").end == .exited(75))
    #expect(try status("waiting") as? Int == 1)
  }

  @Test("73: --spool-max-bytes counts what waits, and a message that does not fit beside it is refused")
  func fullOfBytes() throws {
    let options = ["-h", "127.0.0.1", "-p", "\(try freePort())", "--spool-max-bytes", "2k"]
    let message = String(repeating: "x", count: 1200)
    #expect(try publish(options, "-m", message).end == .exited(75))
    let tool = try publish(options, "-m", message)
    #expect(tool.end == .exited(73))
    #expect(tool.errorText.contains("2000"), "\(tool.errorText)")
    #expect(try status("waiting") as? Int == 1)
  }

  @Test(
    "[MQTT-4.4.0-1] a session that is lost after PUBREC: --on-session-loss republish sends again, fail keeps it waiting"
  )
  func sessionLoss() throws {
    let broker = try ScriptedBroker()
    let options = broker.options + ["-V", "5", "--spool", path]
    let first = try ToolProcess("mqpub", options + ["-t", "t", "-m", "x", "-q", "2"])
    let connection = try broker.acceptConnect()
    try connection.expect("34 r* s* 't' m2 00 'x'")
    try connection.send("50 02 m2")
    try connection.expect("62 02 m2")
    connection.close()
    #expect(try first.wait() == .exited(75))

    let refusing = try ToolProcess("mqpub", options + ["--flush", "--on-session-loss", "fail"])
    let second = try broker.acceptConnect()
    #expect(try refusing.wait() == .exited(75))
    second.close()
    #expect(refusing.errorText.contains("the broker forgot the session"), "\(refusing.errorText)")
    #expect(try status("released") as? Int == 1)

    let republishing = try ToolProcess(
      "mqpub", options + ["--flush", "--on-session-loss", "republish", "--log", "notice"])
    let third = try broker.acceptConnect()
    try third.expect("34 r* s* 't' m2 00 'x'")
    try third.send("50 02 m2")
    try third.expect("62 02 m2")
    try third.send("70 02 m2")
    #expect(try republishing.wait() == .exited(0))
    #expect(try status("released") as? Int == 0)
  }

  @Test("73: a folder that others may write is refused")
  func openFolder() throws {
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o777])
    #expect(try publish(["-h", "127.0.0.1", "-p", "\(try freePort())"], "-m", "1").end == .exited(73))
  }

  @Test("1: QoS 0, an option of the spool without one, and a flush of nothing there")
  func usage() throws {
    #expect(try publish([], "-m", "1", "-q", "0").end == .exited(1))
    #expect(try ToolProcess.run("mqpub", ["-t", "t", "-m", "x", "--flush"]).end == .exited(1))
    #expect(try ToolProcess.run("mqpub", ["--spool", path, "--flush"]).end == .exited(1))
  }

  @Test("--spool-latest keeps the newest value of each topic")
  func latest() throws {
    let options = ["-h", "127.0.0.1", "-p", "\(try freePort())", "--spool-latest"]
    for number in 1...3 { #expect(try publish(options, "-m", "\(number)").end == .exited(75)) }
    #expect(try publish(options, "-t", "other", "-m", "x").end == .exited(75))
    #expect(try status("waiting") as? Int == 2)
  }

  @Test("eight jobs at once lose nothing and keep the order of each", .needs("mosquitto"))
  func jobs() throws {
    let broker = try RealBroker()
    let subscriber = try ToolProcess(
      "mqsub", broker.options + ["-q", "2", "-t", "t", "-C", "40", "-W", "30", "--log", "notice"])
    try subscriber.waitForErrors("subscribed to")
    for round in 0..<5 {
      let jobs = try (0..<8).map { job in
        try ToolProcess("mqpub", broker.options + ["-q", "2", "-t", "t", "-m", "\(job) \(round)", "--spool", path])
      }
      for job in jobs {
        let end = try job.wait(timeout: .seconds(20))
        #expect(end == .exited(0) || end == .exited(75), "\(job.errorText)")
      }
    }
    expectSuccess(try ToolProcess.run("mqpub", broker.options + ["--spool", path, "--flush"]))
    #expect(try subscriber.wait(timeout: .seconds(30)) == .exited(0))
    let lines = subscriber.outputText.split(separator: "\n")
    for job in 0..<8 {
      #expect(lines.filter { $0.hasPrefix("\(job) ") } == (0..<5).map { "\(job) \($0)" })
    }
  }

  @Test("76: a message that the broker ends three connections for is put aside, and the others are delivered")
  func poison() throws {
    let broker = try ScriptedBroker()
    let options = broker.options + ["-V", "311", "--spool", path]
    let store = try ToolProcess("mqpub", options + ["-t", "t", "-l"], input: .text("good\npoison\nlast\n"))
    let first = try broker.acceptConnect()
    try first.expect("32 r* s* 't' m2 'good' | 32 r* s* 't' m3 'poison' | 32 r* s* 't' m4 'last'")
    try first.send("40 r2 m2")
    first.close()
    #expect(try store.wait() == .exited(75))

    func flush(_ script: (ScriptedConnection) throws -> Void) throws -> ToolProcess {
      let tool = try ToolProcess("mqpub", options + ["--flush"])
      let connection = try broker.acceptUnanswered()
      try connection.respondConnack(sessionPresent: true)
      try script(connection)
      connection.close()
      _ = try tool.wait()
      return tool
    }
    // Nothing is acknowledged: the oldest one is suspected.
    let suspicion = try flush { try $0.expect("3a r* s* 't' m3 'poison' | 3a r* s* 't' m4 'last'") }
    #expect(suspicion.end == .exited(75))
    // A connection that is not sound says nothing about it.
    #expect(try flush { try $0.expect("c0 00") }.end == .exited(75))
    for _ in 1...3 {
      let trial = try flush { connection in
        try connection.expect("c0 00")
        try connection.send("d0 00")
        try connection.expect("3a r* s* 't' m3 'poison'")
      }
      #expect(trial.end == .exited(75))
    }
    let last = try flush { connection in
      try connection.expect("c0 00")
      try connection.send("d0 00")
      try connection.expect("3a r* s* 't' m4 'last'")
      try connection.send("40 r2 m4")
      try connection.expect("e0 00")
    }
    #expect(last.end == .exited(76))
    #expect(last.errorText.contains("the broker ended the connection each of the 3 times that it got this message"))
    #expect(try status("waiting") as? Int == 0)
    #expect(try status("bad") as? Int == 1)
  }
}
