import Foundation
import TestSupport
import Testing

/// What the tools say on standard error with `--log-json`.
@Suite struct LogTests {
  static let tools = [
    ["mqpub", "-t", "t", "-m", "x"], ["mqsub", "-t", "t"], ["mqrr", "-t", "t", "-e", "r", "-m", "x"],
  ]

  /// The objects that standard error consists of.
  private func objects(
    _ tool: ToolProcess, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [[String: String]] {
    let lines = tool.errorText.split(separator: "\n")
    #expect(!lines.isEmpty && tool.errorText.hasSuffix("\n"), sourceLocation: sourceLocation)
    return try lines.map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
      #expect(Set(object?.keys ?? [:].keys) == ["time", "level", "tool", "message"], sourceLocation: sourceLocation)
      return object ?? [:]
    }
  }

  @Test("every line of a trace is an object", arguments: tools)
  func trace(words: [String]) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      words[0], Array(words.dropFirst()) + broker.options + ["-V", "5", "--log-json", "--trace", "--no-reconnect"])
    let connection = try broker.acceptConnect()
    _ = try connection.nextPacket()
    try connection.send("e0 00")
    connection.close()
    try tool.wait()
    let objects = try objects(tool)
    #expect(objects.allSatisfy { $0["tool"] == words[0] })
    #expect(objects.contains { $0["level"] == "debug" && $0["message"]?.hasPrefix("sent CONNECT") == true })
  }

  @Test("failures and mistakes are objects too, wherever the option stands", arguments: tools)
  func errors(words: [String]) throws {
    let home = try TemporaryFolder()
    try home.write("options", "--log-json\n")
    let port = try freePort()
    for (options, status, message) in [
      (["--log-json", "-p", "65536"], 1, "-p: \"65536\" is not a number from 0 to 65535"),
      (["-p", "65536", "--log-json"], 1, "-p: \"65536\" is not a number from 0 to 65535"),
      (["-p", "65536", "-o", "options"], 1, "-p: \"65536\" is not a number from 0 to 65535"),
      (["--log-json", "--no-such"], 1, "--no-such: unknown option"),
      (["--log-json", "-V", "311", "-x", "1"], 1, "-x: needs MQTT 5"),
      (["--log-json", "--pw-from", "env:NONE"], 1, "password: the variable NONE is not set"),
      (["--log-json", "-h", "127.0.0.1", "-p", "\(port)"], 14, "cannot connect to 127.0.0.1:\(port)"),
      (["--log-json", "--quiet", "-V", "9"], 1, "-V: \"9\" is not"),
    ] as [([String], Int32, String)] {
      let tool = try ToolProcess.run(words[0], Array(words.dropFirst()) + options, home: home)
      #expect(tool.end == .exited(status))
      let objects = try objects(tool)
      #expect(objects.count == 1)
      #expect(objects.first?["level"] == "error")
      #expect(objects.first?["message"]?.hasPrefix(message) == true, "\(tool.errorText)")
    }
  }

  @Test("under the name of a mosquitto client, that is the tool")
  func strictMode() throws {
    let tool = try ToolProcess.run("mqsub", ["--log-json", "-q", "3"], arg0: "mosquitto_sub")
    #expect(try objects(tool).first?["tool"] == "mosquitto_sub")
  }
}
