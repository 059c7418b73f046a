import Foundation
import TestSupport
import Testing

/// `--profile NAME`: connections under a name.
@Suite struct ProfileTests {
  /// A home with profiles that only their owner can read.
  private func home(_ profiles: [String: String], mode: Int = 0o600) throws -> TemporaryFolder {
    let home = try TemporaryFolder()
    let folder = home.path(".config/mqtools/profiles")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (name, text) in profiles {
      let path = "\(folder)/\(name)"
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
    return home
  }

  /// The lines of `--show-settings` about these settings.
  private func settings(
    _ names: String..., home: TemporaryFolder, _ words: [String] = [], environment: [String: String?] = [:],
    arg0: String? = nil
  ) throws -> [String] {
    let tool = try ToolProcess.run(
      "mqpub", ["--show-settings", "-t", "t", "-n"] + words, arg0: arg0, environment: environment, home: home)
    try #require(tool.end == .exited(0), "\(tool.errorText)")
    return tool.outputText.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
      .filter { line in names.contains { line.hasPrefix($0 + " ") } }
  }

  private func message(
    _ words: [String], home: TemporaryFolder, environment: [String: String?] = [:]
  ) throws -> String {
    let tool = try ToolProcess.run("mqpub", ["-t", "t", "-n"] + words, environment: environment, home: home)
    #expect(tool.end == .exited(1))
    return tool.errorText
  }

  @Test("weaker than the command line, stronger than the environment and the own file, which is read too")
  func precedence() throws {
    let home = try home(["site": "-h h1\n-u ann\n", "other": "-h h2\n"])
    let path = home.path(".config/mqtools/profiles")
    try "-p 1999\n-u own\n".write(toFile: home.path(".config/mqpub"), atomically: true, encoding: .utf8)
    let variables = ["MQTOOLS_USERNAME": "set", "MQTOOLS_URL": "mqtt://h3:1998"]
    #expect(
      try settings("--host", "--port", "--username", home: home, ["--profile", "site"])
        == ["--host h1 \(path)/site:1", "--port 1999 \(home.path(".config/mqpub")):1", "--username ann \(path)/site:2"])
    #expect(
      try settings(
        "--host", "--port", "--username", home: home, ["--profile", "site", "-h", "h4"], environment: variables)
        == [
          "--host h4 command line", "--port 1998 environment, MQTOOLS_URL", "--username ann \(path)/site:2",
        ])
    // One in the environment is weaker than the variables that say something themselves, and than one that is typed.
    let named = ["MQTOOLS_PROFILE": "site"]
    #expect(
      try settings("--host", "--username", home: home, environment: named)
        == ["--host h1 environment, \(path)/site:1", "--username ann environment, \(path)/site:2"])
    #expect(
      try settings("--host", "--username", home: home, environment: named.merging(variables) { $1 })
        == ["--host h3 environment, MQTOOLS_URL", "--username set environment, MQTOOLS_USERNAME"])
    #expect(
      try settings("--host", "--username", home: home, ["--profile", "other"], environment: named)
        == ["--host h2 \(path)/other:1", "--username own \(home.path(".config/mqpub")):2"])
    // Beside -o the one that stands later is stronger.
    let file = try home.write("options", "-h h5\n")
    #expect(try settings("--host", home: home, ["-o", file, "--profile", "site"]) == ["--host h1 \(path)/site:1"])
    #expect(try settings("--host", home: home, ["--profile", "site", "-o", file]) == ["--host h5 \(file):1"])
    // Under the name of a mosquitto client only the command line names one.
    #expect(
      try settings("--host", home: home, environment: named, arg0: "mosquitto_pub") == ["--host localhost default"])
    #expect(
      try settings("--host", home: home, ["--profile=site"], arg0: "mosquitto_pub") == ["--host h1 \(path)/site:1"])
  }

  @Test("a message goes where the profile says", .needs("mosquitto", "mosquitto_passwd"))
  func connection() throws {
    let broker = try RealBroker(listeners: [.webSocket], users: ["ann": "secret"])
    let profile = "-L ws://ann:secret@127.0.0.1:\(broker.port(of: .webSocket))/mqtt\n--ws-header X-Site: 7\n-W 10\n"
    let home = try home(["site": profile])
    expectSuccess(
      try ToolProcess.run("mqpub", ["--profile", "site", "-t", "t", "-m", "x", "-q", "1", "-r"], home: home))
    let tool = try ToolProcess.run(
      "mqsub", ["-t", "t", "-C", "1"], environment: ["MQTOOLS_PROFILE": "site"], home: home)
    expectSuccess(tool)
    #expect(tool.outputText == "x\n")
  }

  @Test("one that is not there is told with those that are")
  func missing() throws {
    let home = try home(["b": "", "a": "", ".hidden": ""])
    let path = home.path(".config/mqtools/profiles")
    #expect(
      try message(["--profile", "site"], home: home)
        == "mqpub: --profile: no profile \"site\" in \(path); there are a, b\n")
    #expect(
      try message([], home: home, environment: ["MQTOOLS_PROFILE": "site"])
        == "mqpub: MQTOOLS_PROFILE: no profile \"site\" in \(path); there are a, b\n")
    let empty = try TemporaryFolder()
    #expect(try message(["--profile", "site"], home: empty).hasSuffix("; there are none\n"))
    for name in ["../mqpub", ".hidden", "", "/etc/passwd"] {
      #expect(
        try message(["--profile", name], home: home) == "mqpub: --profile: \"\(name)\" is no name of a profile\n")
    }
  }

  @Test("one that others can read or write is refused", arguments: [0o644, 0o660, 0o602])
  func exposed(mode: Int) throws {
    let home = try home(["site": "-h h1\n"], mode: mode)
    let path = home.path(".config/mqtools/profiles/site")
    #expect(
      try message(["--profile", "site"], home: home)
        == "mqpub: --profile: \(path) says where passwords go, and others can read or write it: chmod 600 \(path)\n")
  }

  @Test("it is about the connection only, and gives no identifier to two tools")
  func contents() throws {
    let home = try home(["id": "-h h\n-i me\n", "topic": "-t a\n", "profile": "--profile id\n", "prefix": "-I me-\n"])
    let path = home.path(".config/mqtools/profiles")
    #expect(
      try message(["--profile", "id"], home: home)
        == "mqpub: --profile: \(path)/id:2: -i: two tools with one identifier throw each other out: "
        + "a profile gives a prefix, -I\n")
    #expect(
      try message(["--profile", "topic"], home: home)
        == "mqpub: --profile: \(path)/topic:1: -t: is not about the connection, and a profile is about nothing else\n")
    #expect(
      try message(["--profile", "profile"], home: home)
        == "mqpub: --profile: \(path)/profile:1: --profile: is for the command line only\n")
    #expect(
      try settings("--id-prefix", home: home, ["--profile", "prefix"]) == ["--id-prefix me- \(path)/prefix:1"])
  }
}
