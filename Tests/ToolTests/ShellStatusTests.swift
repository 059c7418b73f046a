import Foundation
import TestSupport
import Testing

/// What a script of mqshell exits with: each row of its manual's EXIT STATUS that it can reach. Those that a real broker or none
/// leads to are among the tests of scripts.
@Suite struct ShellStatusTests {
  /// A broker's part, and the script that fails there.
  struct Row: Sendable, CustomTestStringConvertible {
    let status: Int32
    /// What the broker answers CONNECT with.
    let connack: String
    var options = ["-V", "5"]
    /// What the line on standard error says.
    let words: String
    var commands = "sleep 1ms"
    /// What the broker sends when it has accepted; then it closes.
    var then: String?
    var testDescription: String { "\(status): \(words)" }
  }

  static let rows =
    (1...5).map { code in
      Row(status: code, connack: "20 02 00 0\(code)", options: ["-V", "311"], words: "refused the connection")
    } + [
      Row(
        status: 7, connack: "20 03 00 00 00", options: ["-V", "5", "--no-reconnect"], words: "closed the connection",
        commands: "expect closed; pub t x", then: ""),
      Row(
        status: 10, connack: "20 05 00 00 02 25 00", words: "retained", commands: "pub -r t x"),
      // Response information "a/#" is no beginning of a topic.
      Row(
        status: 18, connack: "20 09 00 00 06 1a 0003 61 2f 23", words: "topic filter", commands: "req t x"),
      Row(
        status: 21, connack: "20 03 00 00 00", words: "broke the protocol", commands: "expect closed; pub t x",
        then: "f7 00"),
      Row(
        status: 25, connack: "20 08 00 00 05 27 00000014", words: "20",
        commands: "pub t '\(String(repeating: "x", count: 50))'"),
      Row(status: 134, connack: "20 03 00 86 00", words: "bad user name or password"),
      Row(
        status: 142, connack: "20 03 00 00 00", words: "session taken over", commands: "expect closed 142; pub t x",
        then: "e0 01 8e"),
    ]

  @Test("a script ends with the status of what its broker did, and one line", arguments: rows)
  func status(row: Row) throws {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.acceptUnanswered()
      try connection.send(WireNotation(row.connack))
      if let then = row.then {
        if !then.isEmpty { try connection.send(WireNotation(then)) }
        connection.finishSending()
      }
      // Before that it may take leave.
      _ = try? connection.waitForClose()
    }
    let tool = try ToolProcess.run("mqshell", broker.options + row.options + ["-c", row.commands])
    #expect(tool.end == .exited(row.status), "\(tool.errorText)")
    let last = tool.errorText.split(separator: "\n").last ?? ""
    #expect(last.contains(row.words) && last.hasPrefix("mqshell: Error: "), "\(tool.errorText)")
    try broker.finish()
  }

  @Test("16, 19, 23 and 27: a proxy that refuses, silence, TLS that fails, and a broker that does not answer")
  func ways() throws {
    let proxy = try ScriptedBroker()
    proxy.start { broker in
      let connection = try broker.accept()
      _ = try connection.read(count: 3)
      try connection.send("05 ff")
      try connection.waitForClose()
    }
    expect(
      try ToolProcess.run(
        "mqshell", ["-c", "open broker.example --proxy socks5h://127.0.0.1:\(proxy.port)"]), 16, "wants a user")
    try proxy.finish()

    let silent = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqshell",
      silent.options + ["-V", "5", "--keepalive", "1", "--no-reconnect", "-c", "expect closed; pub t x"])
    let connection = try silent.acceptUnanswered()
    try connection.send("20 03 00 00 00")
    #expect(try tool.wait() == .exited(19))
    connection.close()

    let other = try ScriptedBroker()
    other.start { broker in
      let connection = try broker.accept()
      _ = try connection.read(count: 5)
      try connection.send("15 0303 0002 02 28")  // the alert handshake_failure
      connection.finishSending()
      _ = try? connection.waitForClose()
    }
    expect(try ToolProcess.run("mqshell", other.options + ["--tls", "-c", "info"]), 23, "handshake failure")
    try other.finish()

    let mute = try ScriptedBroker()
    expect(
      try ToolProcess.run("mqshell", mute.options + ["--connect-timeout", "200ms", "-c", "info"]), 27, "CONNACK")
  }

  @Test("8: a certificate of an authority that nobody trusts", .needs("mosquitto", "openssl"))
  func certificate() throws {
    let listener = RealBroker.Listener.tls(try Certificates.shared().issue())
    let broker = try RealBroker(listeners: [listener])
    expect(
      try ToolProcess.run("mqshell", ["-c", "open mqtts://localhost:\(broker.port(of: listener))"]), 8, "certificate")
  }

  @Test("74: standard output is full", .needs("mosquitto"))
  func output() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "sh", ["-c", "exec \"$0\" \"$@\" > /dev/full", try locate("mqshell")] + broker.options + ["-c", "conns"])
    expect(tool, 74, "standard output: No space left on device")
  }

  private func expect(
    _ tool: ToolProcess, _ status: Int32, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(tool.end == .exited(status), "\(tool.errorText)", sourceLocation: sourceLocation)
    #expect(tool.errorText.contains(words), "\(tool.errorText)", sourceLocation: sourceLocation)
    #expect(tool.errorText.split(separator: "\n").count == 1, "\(tool.errorText)", sourceLocation: sourceLocation)
  }

  @Test("each row of the manual has its test here or in ShellScriptTests; only a mistake of ours, 70, has none")
  func completeness() throws {
    let page = try ToolProcess.run("mqshell", ["--generate", "man"]).outputText
    let section = try #require(page.components(separatedBy: ".SH \"EXIT STATUS\"").dropFirst().first)
      .components(separatedBy: "\n.SH ")[0]
    let manual = section.matches(of: #/\\fB(\d+)(\\-\d+)?\\fR/#).compactMap { Int32($0.1) }
    let tested = Self.rows.map(\.status) + [8, 16, 19, 23, 27, 74] + ShellScriptTests.statuses.map(\.1)
    #expect(manual.count > 20)
    for status in manual where status != 70 && status < 128 { #expect(tested.contains(status), "\(status)") }
  }
}
