import Foundation
import TestSupport
import Testing

/// Options that the connection group gives to mqpub, mqsub and mqrr alike, tried with each of them.
@Suite struct OptionRowTests {
  /// The least that makes each tool do its work; the reply of mqrr is its own request.
  static let tools = [
    ["mqpub", "-t", "t", "-m", "x"], ["mqsub", "-t", "t", "-E"], ["mqrr", "-t", "t", "-e", "t", "-m", "x"],
  ]

  private func run(
    _ words: [String], _ options: [String], environment: [String: String?] = [:], home: TemporaryFolder? = nil
  ) throws -> ToolProcess {
    try ToolProcess.run(
      words[0], Array(words.dropFirst()) + options + ["-W", "8"], environment: environment, home: home)
  }

  @Test(
    "--tls and --tls-use-os-certs trust whom the system trusts; --keyform pem is what a key is anyway",
    .needs("mosquitto", "openssl"), arguments: tools)
  func systemAuthorities(words: [String]) throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(
      try certificates.issue(), lines: ["cafile \(certificates.root.certificate)", "require_certificate true"])
    let broker = try RealBroker(listeners: [listener])
    let options = [
      "-h", "127.0.0.1", "-p", "\(broker.port(of: listener))", "--cert", try certificates.issue("/CN=me").certificate,
      "--key", certificates.key, "--keyform", "pem",
    ]
    let trusting = ["SSL_CERT_FILE": certificates.root.certificate]
    for option in ["--tls", "--tls-use-os-certs"] {
      expectSuccess(try run(words, options + [option], environment: trusting))
      #expect(try run(words, options + [option]).end == .exited(8))
    }
  }

  @Test("--keyform engine and --tls-engine are refused with the way that is left", arguments: tools)
  func engines(words: [String]) throws {
    for option in [["--keyform", "engine"], ["--tls-engine", "x"], ["--tls-engine-kpass-sha1", "00"]] {
      let tool = try run(words, option)
      #expect(tool.end == .exited(1))
      #expect(tool.errorText.contains("OpenSSL 3 has no engines: give the private key as a PEM file with --key"))
    }
  }

  @Test("--strict closes on what is otherwise lived with: a CONNACK of 3.x for MQTT 5", arguments: tools)
  func strict(words: [String]) throws {
    let broker = try ScriptedBroker()
    let options = broker.options + ["--retry", "0"]
    let strict = try ToolProcess(words[0], Array(words.dropFirst()) + options + ["--strict"])
    try broker.acceptUnanswered().send("20 02 00 00")
    #expect(try strict.wait() == .exited(21))
    #expect(strict.errorText.contains("CONNACK has the form of MQTT 3.x"))
    let tolerant = try ToolProcess(words[0], Array(words.dropFirst()) + options)
    try broker.acceptUnanswered().send("20 02 00 00")
    _ = try broker.accept().expectConnect(level: 4)
    tolerant.signal(9)
  }

  @Test("--retry-max-time ends the attempts to connect", arguments: tools)
  func retryTime(words: [String]) throws {
    let options = ["-h", "127.0.0.1", "-p", "\(try freePort())", "--retry-max-time", "700ms"]
    let begin = ContinuousClock.now
    let tool = try run(words, options)
    #expect(tool.end == .exited(14), "\(tool.errorText)")
    #expect(ContinuousClock.now - begin > .milliseconds(350))
  }

  @Test("--profile, --pw-file and --show-settings", .needs("mosquitto", "mosquitto_passwd"), arguments: tools)
  func settings(words: [String]) throws {
    let broker = try RealBroker(users: ["ann": "secret"])
    let home = try TemporaryFolder()
    let password = try home.write("password", Array("secret\n".utf8))
    let folder = home.path(".config/mqtools/profiles")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let profile = "-h 127.0.0.1\n-p \(broker.port)\n-u ann\n--pw-file \(password)\n"
    try profile.write(toFile: folder + "/site", atomically: true, encoding: .utf8)
    for file in [password, folder + "/site"] {
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
    }
    expectSuccess(try run(words, ["--profile", "site"], home: home))
    expectSuccess(try run(words, broker.options + ["-u", "ann", "--pw-file", password], home: home))
    #expect(try run(words, broker.options + ["-u", "ann", "-V", "311"], home: home).end == .exited(5))
    let shown = try run(words, ["--profile", "site", "-P", "secret", "--show-settings"], home: home)
    #expect(shown.end == .exited(0))
    #expect(shown.outputText.contains("\(folder)/site:1"))
    #expect(shown.outputText.contains("****"))
    #expect(!shown.outputText.contains("secret"))
  }

  @Test("mqrr: --color always colours what a terminal would show, --raw shows it as it came", .needs("mosquitto"))
  func colour() throws {
    let broker = try RealBroker()
    let words = ["mqrr", "-t", "t", "-e", "t", "-m", "a\u{7}b", "-v"]
    #expect(try run(words, broker.options + ["--color", "always"]).outputText.contains("\u{1b}["))
    let terminal = try Terminal(
      "mqrr", Array(words.dropFirst()) + broker.options + ["--raw", "--color", "never", "-W", "8"])
    #expect(try terminal.wait() == .exited(0))
    #expect(terminal.outputText.contains("t a\u{7}b"), "\(terminal.outputText)")
  }
}
