import MQTT
import Testing

@testable import CommandLineTool

struct CompatibilityTests {
  @Test(
    "the name that a tool is called by decides",
    arguments: [
      ("mqpub", ToolName.mqpub, "mqpub"), ("/usr/bin/mqpub", .mqpub, "mqpub"),
      ("mosquitto_pub", .mqpub, "mosquitto_pub"), ("/usr/bin/mosquitto_sub", .mqsub, "mosquitto_sub"),
      ("./mosquitto_rr", .mqrr, "mosquitto_rr"), ("mosquitto_sub", .mqpub, "mqpub"), ("", .mqpub, "mqpub"),
      ("mosquitto_pub/", .mqpub, "mqpub"), ("anything", .mqshell, "mqshell"),
    ])
  func names(path: String, tool: ToolName, program: String) {
    #expect(Compatibility.of(tool, calledAs: bytes(path)).program == program)
  }

  @Test("strict mode differs in exactly these points")
  func differences() {
    let own = Compatibility.of(.mqsub, calledAs: bytes("mqsub"))
    let strict = Compatibility.of(.mqsub, calledAs: bytes("mosquitto_sub"))
    #expect(own.fileNames == ["mqsub", "mosquitto_sub"])
    #expect(strict.fileNames == ["mosquitto_sub"])
    #expect((own.readsEnvironment, strict.readsEnvironment) == (true, false))
    #expect((own.tool, strict.tool) == (.mqsub, .mqsub))
    #expect((own.version, strict.version) == (.auto, .fixed(.v311)))
    #expect(Compatibility.of(.mqrr, calledAs: bytes("mosquitto_rr")).version == .fixed(.latest))
    #expect((own.helpStatus, strict.helpStatus) == (.ok, .usage))
    #expect((own.lastTopicWins, strict.lastTopicWins) == (false, true))
    #expect((own.letsBrokerNameClient, strict.letsBrokerNameClient) == (false, true))
    #expect((own.keepsSessionsForEver, strict.keepsSessionsForEver) == (false, true))
    #expect((own.endsAfterRemoving, strict.endsAfterRemoving) == (true, false))
    #expect((own.interruptionReason, strict.interruptionReason) == (.normalDisconnection, .disconnectWithWillMessage))
    #expect((own.colorsTerminals, strict.colorsTerminals) == (true, false))
    #expect((own.ignoresIdleTLSOptions, strict.ignoresIdleTLSOptions) == (false, true))
    #expect(own.status(ofConnectFailure: .nameNotFound) == .nameNotFound)
    #expect(strict.status(ofConnectFailure: .nameNotFound) == .usage)
  }

  @Test("--help and --version print to standard output and exit 0, or 1 under mosquitto's name")
  func helpAndVersion() throws {
    for (name, status) in [("mqpub", ExitStatus.ok), ("mosquitto_pub", .usage)] {
      guard case .text(let help, let helpStatus) = try request(["-p", "no number", "--help", "--wrong"], as: name),
        case .text(let version, let versionStatus) = try request(["--version"], as: name)
      else { return #expect(Bool(false)) }
      #expect((helpStatus, versionStatus) == (status, status))
      #expect(help.hasPrefix("Usage: mqpub "))
      #expect(version == "\(name) (mqtools) \(Version.number)\n")
    }
  }

  @Test("a wrong option before --help is a mistake")
  func wrongOptionFirst() {
    #expect(throws: UsageError.self) { try request(["--wrong", "--help"]) }
  }
}
