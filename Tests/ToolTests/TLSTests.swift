import Foundation
import TestSupport
import Testing

/// A broker with TLS, and how a tool fares with it.
struct TLSCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  /// The listener; nil for the server of `openssl s_server` that speaks nothing newer than TLS 1.1.
  var listener: (@Sendable (Certificates) throws -> RealBroker.Listener)?
  /// Besides host, port and `--cafile` with the root.
  var options: @Sendable (Certificates) throws -> [String]
  var host = "127.0.0.1"
  /// Whether it is about certificates.
  var hasAuthority = true
  /// A line for the client's openssl.cnf.
  var openSSL = ""
  /// What `--tls-info` says, or the error.
  var words: [String]
  var status: Int32 = 0
}

@Suite(.needs("mosquitto", "openssl")) struct TLSTests {
  static let accepted: [TLSCase] = [
    TLSCase(
      testDescription: "good name", listener: { .tls(try $0.issue()) }, options: { _ in ["--tls-name", "localhost"] },
      words: ["verified      as localhost", "names       localhost, 127.0.0.1, ::1", "issuer      CN=Test Root"]),
    TLSCase(
      testDescription: "good wildcard", listener: { .tls(try $0.issue(names: ["DNS:*.broker.example"])) },
      options: { _ in ["--tls-name", "a.broker.example"] }, words: ["verified      as a.broker.example"]),
    TLSCase(
      testDescription: "good IPv4 address in the certificate",
      listener: { .tls(try $0.issue(names: ["IP:127.0.0.1"])) }, options: { _ in [] },
      words: ["verified      as 127.0.0.1"]),
    TLSCase(
      testDescription: "good IPv6 address in the certificate",
      listener: { .tls(try $0.issue(names: ["IP:::1"]), isIPv6: true) }, options: { _ in [] }, host: "::1",
      words: ["verified      as ::1"]),
    TLSCase(
      testDescription: "good client certificate",
      listener: {
        .tls(try $0.issue(), lines: ["cafile \($0.root.certificate)", "require_certificate true"])
      }, options: { ["--cert", try $0.issue("/CN=me").certificate, "--key", $0.key] },
      words: ["verified      as 127.0.0.1"]),
    TLSCase(
      testDescription: "good shared key, TLS 1.3", listener: { _ in .sharedKey() },
      options: { _ in ["--psk", "deadbeef", "--psk-identity", "me"] }, hasAuthority: false,
      words: ["version       TLSv1.3", "verified      by the shared key", "resumed       no"]),
    TLSCase(
      testDescription: "good pin", listener: { .tls(try $0.issue()) },
      options: { ["--tls-pin", "sha256//" + (try $0.pin(try $0.issue()))] }, words: ["verified      as 127.0.0.1"]),
    TLSCase(
      testDescription: "TLS 1.2", listener: { .tls(try $0.issue()) }, options: { _ in [] },
      openSSL: "MaxProtocol = TLSv1.2", words: ["version       TLSv1.2"]),
    TLSCase(
      testDescription: "TLS 1.3", listener: { .tls(try $0.issue(), lines: ["tls_version tlsv1.3"]) },
      options: { _ in ["--tls-version", "tlsv1.3"] }, words: ["version       TLSv1.3"]),
  ]

  static let refused: [TLSCase] = [
    TLSCase(
      testDescription: "wrong name", listener: { .tls(try $0.issue(names: ["DNS:a.example", "DNS:b.example"])) },
      options: { _ in ["--tls-name", "localhost"] },
      words: ["certificate is for \"a.example\", \"b.example\", not for \"localhost\" (see --tls-name)"], status: 8),
    TLSCase(
      testDescription: "wrong address", listener: { .tls(try $0.issue(names: ["IP:127.0.0.2"])) },
      options: { _ in [] }, words: ["certificate is for \"127.0.0.2\", not for the address 127.0.0.1"], status: 8),
    TLSCase(
      testDescription: "address only in the common name", listener: { .tls(try $0.issue("/CN=127.0.0.1", names: [])) },
      options: { _ in [] },
      words: ["only its subject \"CN=127.0.0.1\"", "the address 127.0.0.1 as subject alternative name"], status: 8),
    TLSCase(
      testDescription: "name only in the common name", listener: { .tls(try $0.issue("/CN=localhost", names: [])) },
      options: { _ in ["--tls-name", "localhost"] },
      words: ["only its subject \"CN=localhost\"", "\"localhost\" as subject alternative name"], status: 8),
    TLSCase(
      testDescription: "expired", listener: { .tls(try $0.issue(days: ("20200101", "20240101"))) },
      options: { _ in [] }, words: ["the broker's certificate expired on 2024-01-01"], status: 8),
    TLSCase(
      testDescription: "not yet valid", listener: { .tls(try $0.issue(days: ("20980101", "20991231"))) },
      options: { _ in [] }, words: ["the broker's certificate is not valid before 2098-01-01", "clock"], status: 8),
    TLSCase(
      testDescription: "signed by itself", listener: { .tls(try $0.selfSigned()) }, options: { _ in [] },
      words: ["\"CN=localhost\", is signed by itself", "--cafile"], status: 8),
    TLSCase(
      testDescription: "unknown authority",
      listener: { .tls(try $0.issue(by: $0.otherRoot, with: [$0.otherRoot])) }, options: { _ in [] },
      words: ["unknown authority \"CN=Other Root\"", "--cafile"], status: 8),
    TLSCase(
      testDescription: "intermediate missing", listener: { .tls(try $0.issue(by: try $0.intermediate())) },
      options: { _ in [] }, words: ["unknown issuer, \"CN=Test Intermediate\"", "have the broker send it along"],
      status: 8),
    TLSCase(
      testDescription: "expired intermediate",
      listener: {
        let old = try $0.intermediate("/CN=Old Intermediate", days: ("20200101", "20240201"))
        return .tls(try $0.issue(by: old, with: [old]))
      }, options: { _ in [] }, words: ["authority \"CN=Old Intermediate\"", "expired on 2024-02-01"], status: 8),
    TLSCase(
      testDescription: "wrong key usage",
      listener: { .tls(try $0.issue(extensions: ["extendedKeyUsage=clientAuth"])) }, options: { _ in [] },
      words: ["not for servers", "key usage"], status: 8),
    TLSCase(
      testDescription: "wildcard too wide", listener: { .tls(try $0.issue(names: ["DNS:*.example"])) },
      options: { _ in ["--tls-name", "broker.example"] },
      words: ["is for \"*.example\", not for \"broker.example\"", "a wildcard stands for"], status: 8),
    TLSCase(
      testDescription: "TLS 1.1 only", options: { _ in [] }, words: ["neither TLS 1.2 nor 1.3", "not safe"], status: 23),
    TLSCase(
      testDescription: "wrong pin", listener: { .tls(try $0.issue()) },
      options: { ["--tls-pin", "sha256//" + (try $0.pin($0.root))] },
      words: ["the broker's public key is sha256//", "not that of --tls-pin"], status: 8),
    TLSCase(
      testDescription: "client certificate missing where required",
      listener: {
        .tls(try $0.issue(), lines: ["cafile \($0.root.certificate)", "require_certificate true"])
      }, options: { _ in [] }, words: ["wants a client certificate", "--cert and --key"], status: 8),
    TLSCase(
      testDescription: "wrong shared key", listener: { _ in .sharedKey() },
      options: { _ in ["--psk", "deadbeee", "--psk-identity", "me"] }, hasAuthority: false,
      words: ["key for this --psk-identity is not that of --psk"], status: 23),
    // Beyond the list of sixteen.
    TLSCase(
      testDescription: "unknown identity of a shared key", listener: { _ in .sharedKey() },
      options: { _ in ["--psk", "deadbeef", "--psk-identity", "you"] }, hasAuthority: false,
      words: ["does not know the identity of --psk-identity"], status: 23),
    TLSCase(
      testDescription: "client certificate of another authority",
      listener: {
        .tls(try $0.issue(), lines: ["cafile \($0.root.certificate)", "require_certificate true"])
      }, options: { ["--cert", try $0.issue("/CN=me", by: $0.otherRoot).certificate, "--key", $0.key] },
      words: ["refuses our certificate: unknown CA", "--cert"], status: 8),
  ]

  /// The server of a case, and the options that lead to it.
  private func serve(_ test: TLSCase, _ certificates: Certificates) throws -> (server: Any, options: [String]) {
    let authority = test.hasAuthority ? ["--cafile", certificates.root.certificate] : []
    let options = ["-h", test.host] + authority + (try test.options(certificates))
    guard let listener = try test.listener?(certificates) else {
      let server = try OpenSSLServer(certificates, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
      return (server, options + ["-p", "\(server.port)"])
    }
    let broker = try RealBroker(listeners: [listener])
    return (broker, options + ["-p", "\(broker.port(of: listener))"])
  }

  @Test("accepted, by mqpub, mqsub and --tls-info", arguments: accepted)
  func accept(test: TLSCase) throws {
    let (server, options) = try serve(test, try .shared())
    let folder = try TemporaryFolder()
    let environment = try openSSLConfiguration(test.openSSL, in: folder)
    try withExtendedLifetime(server) {
      let publish = try ToolProcess.run(
        "mqpub", options + ["-t", "t", "-m", "x", "-q", "1", "-r"], environment: environment)
      expectSuccess(publish)
      let subscribe = try ToolProcess.run(
        "mqsub", options + ["-t", "t", "-q", "2", "-C", "1", "-W", "10"], environment: environment)
      expectSuccess(subscribe)
      #expect(subscribe.outputText == "x\n")
      let info = try ToolProcess.run("mqsub", options + ["--tls-info"], environment: environment)
      expectSuccess(info)
      for word in test.words { #expect(info.outputText.contains(word), "\(info.outputText)") }
    }
  }

  @Test("refused inside the handshake, with its own line and status", arguments: refused)
  func refuse(test: TLSCase) throws {
    let (server, options) = try serve(test, try .shared())
    try withExtendedLifetime(server) {
      for words in [["mqpub", "-t", "t", "-m", "x"], ["mqsub", "-t", "t"]] {
        let tool = try ToolProcess.run(words[0], words.dropFirst() + options)
        expectError(tool, test.status, test.words)
      }
      let info = try ToolProcess.run("mqpub", options + ["--tls-info"])
      #expect(info.end == .exited(test.status))
      #expect(info.outputText.hasPrefix("broker  "))
      if let broker = server as? RealBroker { #expect(!broker.log.contains("as mqpub-")) }
    }
  }

  @Test("what refuses a certificate shows it", .needs("mosquitto"), arguments: ["mqpub", "mqsub", "mqrr"])
  func refusedInfo(name: String) throws {
    let certificates = try Certificates.shared()
    let pair = try certificates.issue("/CN=who/O=Example", names: ["DNS:elsewhere.example"])
    let listener = RealBroker.Listener.tls(pair)
    let broker = try RealBroker(listeners: [listener])
    let tool = try ToolProcess.run(
      name, broker.options(of: listener) + ["--cafile", certificates.root.certificate, "--tls-info"])
    #expect(tool.end == .exited(8))
    for line in [
      "verified      no\n", "subject     CN=who,O=Example\n", "names       elsewhere.example\n",
      "valid       2020-01-01 00:00:00 to 2099-12-31 00:00:00 UTC\n",
      "public key  sha256//\(try certificates.pin(pair))\n",
    ] { #expect(tool.outputText.contains(line), "\(tool.outputText)") }
  }

  @Test("under the name of a mosquitto client every failure to connect is status 1", .needs("mosquitto"))
  func strictMode() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue(names: ["DNS:elsewhere.example"]))
    let broker = try RealBroker(listeners: [listener])
    let tool = try ToolProcess.run(
      "mqpub", broker.options(of: listener) + ["--cafile", certificates.root.certificate, "-t", "t", "-n"],
      arg0: "mosquitto_pub")
    #expect(tool.end == .exited(1))
  }

  // MARK: - Whom to trust

  @Test("--insecure verifies nothing; the port 8883, --tls and mqtts:// trust the system's authorities")
  func systemAuthorities() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue())
    let broker = try RealBroker(listeners: [listener])
    let options = broker.options(of: listener) + ["-t", "t", "-n", "--tls"]
    expectSuccess(try ToolProcess.run("mqpub", options + ["--insecure"]))
    // Of the authorities of this machine none has signed it.
    expectError(try ToolProcess.run("mqpub", options), 8, ["unknown issuer, \"CN=Test Root\""])
    let file = ["SSL_CERT_FILE": certificates.root.certificate]
    expectSuccess(try ToolProcess.run("mqpub", options, environment: file))
    let url = ["-L", "mqtts://127.0.0.1:\(broker.port(of: listener))/t", "-n"]
    expectSuccess(try ToolProcess.run("mqpub", url, environment: file))
    let folder = try certificates.hashedFolder(certificates.root)
    expectSuccess(try ToolProcess.run("mqpub", options, environment: ["SSL_CERT_DIR": folder.path]))
    expectSuccess(try ToolProcess.run("mqpub", options + ["--capath", folder.path]))
    expectSuccess(try ToolProcess.run("mqpub", options, environment: ["MQTOOLS_CAFILE": certificates.root.certificate]))
  }

  @Test("what openssl.cnf forbids is not spoken")
  func configurationOfOpenSSL() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue(), lines: ["tls_version tlsv1.3"])
    let broker = try RealBroker(listeners: [listener])
    expectError(
      try ToolProcess.run(
        "mqpub", broker.options(of: listener) + ["--cafile", certificates.root.certificate, "-t", "t", "-n"],
        environment: try openSSLConfiguration("MaxProtocol = TLSv1.2", in: broker.folder)), 23,
      ["does not speak the version of TLS", "openssl.cnf"])
  }

  @Test("the broker is asked for the name of --tls-name, and shows the certificate for it")
  func serverName() throws {
    let certificates = try Certificates.shared()
    let other = try certificates.issue("/CN=other", names: ["DNS:other.example"])
    let server = try OpenSSLServer(
      certificates, ["-servername", "other.example", "-cert2", other.certificate, "-key2", other.key])
    let options = ["-h", "127.0.0.1", "-p", "\(server.port)", "--cafile", certificates.root.certificate, "-W", "1"]
    let tool = try ToolProcess.run("mqpub", options + ["--tls-info", "--tls-name", "other.example"])
    #expect(tool.outputText.contains("verified      as other.example"), "\(tool.outputText)\(tool.errorText)")
  }

  @Test("the protocol of --tls-alpn is asked for, and shown")
  func applicationProtocol() throws {
    let certificates = try Certificates.shared()
    let server = try OpenSSLServer(certificates, ["-alpn", "mqtt"])
    let options = ["-h", "127.0.0.1", "-p", "\(server.port)", "--cafile", certificates.root.certificate, "-W", "1"]
    let tool = try ToolProcess.run("mqpub", options + ["--tls-info", "--tls-alpn", "mqtt"])
    #expect(tool.outputText.contains("ALPN          mqtt\n"), "\(tool.outputText)\(tool.errorText)")
  }

  @Test("--ciphers takes names of TLS 1.2 and of 1.3, and says what OpenSSL does not know")
  func ciphers() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue())
    let broker = try RealBroker(listeners: [listener])
    let options = broker.options(of: listener) + ["--cafile", certificates.root.certificate]
    let tool = try ToolProcess.run("mqpub", options + ["--tls-info", "--ciphers", "TLS_CHACHA20_POLY1305_SHA256"])
    #expect(tool.outputText.contains("cipher        TLS_CHACHA20_POLY1305_SHA256\n"), "\(tool.outputText)")
    expectError(
      try ToolProcess.run("mqpub", options + ["-t", "t", "-n", "--ciphers", "nonsense"]), 1,
      ["--ciphers: OpenSSL knows none of \"nonsense\""])
  }

  // MARK: - Who we are

  @Test("an encrypted key is opened by its passphrase, in either form of PEM")
  func encryptedKeys() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(
      try certificates.issue(), lines: ["cafile \(certificates.root.certificate)", "require_certificate true"])
    let broker = try RealBroker(listeners: [listener])
    let folder = try TemporaryFolder()
    let (right, wrong) = (try folder.write("right", "sesame\n"), try folder.write("wrong", "sesam\n"))
    let options =
      broker.options(of: listener) + ["--cafile", certificates.root.certificate, "-t", "t", "-n"]
      + ["--cert", try certificates.issue("/CN=me").certificate]
    for key in [certificates.encryptedKey, certificates.encryptedKey8] {
      expectSuccess(try ToolProcess.run("mqpub", options + ["--key", key, "--key-pw-from", "file:\(right)"]))
      expectError(
        try ToolProcess.run("mqpub", options + ["--key", key, "--key-pw-from", "file:\(wrong)"]), 8,
        ["not opened by the passphrase"])
      expectError(try ToolProcess.run("mqpub", options + ["--key", key]), 8, ["is encrypted", "--key-pw-from"])
    }
    expectError(
      try ToolProcess.run("mqpub", options + ["--key", certificates.root.key]), 8, ["is not the key of the certificate"]
    )
    expectError(
      try ToolProcess.run("mqpub", options + ["--key", certificates.root.certificate]), 8,
      ["no private key in PEM form"])
    expectError(
      try ToolProcess.run("mqpub", options + ["--key", folder.path("missing")]), 1,
      ["--key:", "missing\" cannot be read: No such file or directory"])
  }

  @Test("a shared key from a source, not seen by other users")
  func sharedKeySource() throws {
    let broker = try RealBroker(listeners: [.sharedKey()])
    let options = broker.options(of: .sharedKey()) + ["-t", "t", "-n", "--psk-identity", "me"]
    expectSuccess(
      try ToolProcess.run("mqpub", options + ["--psk-from", "env:KEY"], environment: ["KEY": "deadbeef"]))
    expectError(
      try ToolProcess.run("mqpub", options + ["--psk-from", "env:KEY"], environment: ["KEY": "secret"]), 1,
      ["--psk-from: is not an even number of hexadecimal digits"])
    expectSuccess(
      try ToolProcess.run("mqpub", options + ["--psk", "deadbeef", "--tls-version", "tlsv1.2", "--ciphers", "PSK"]))
  }

  // MARK: - What goes through

  @Test("5 MB arrive whole, both ways, with the shortest of pieces between them")
  func largePayload() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue())
    let broker = try RealBroker(listeners: [listener])
    let options = broker.options(of: listener) + ["--cafile", certificates.root.certificate, "-t", "t"]
    let payload = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
    let file = try broker.folder.write("payload", payload)
    for qos in qualities {
      let subscriber = try ToolProcess("mqsub", options + ["-q", qos, "-C", "2", "-N", "--log", "notice"])
      try subscriber.waitForErrors("subscribed to")
      expectSuccess(try ToolProcess.run("mqpub", options + ["-q", qos, "-f", file]))
      expectSuccess(try ToolProcess.run("mqpub", options + ["-q", qos, "-m", "x"]))
      #expect(try subscriber.wait() == .exited(0))
      Expect.bytes(subscriber.output, payload + Array("x".utf8))
    }
  }

  @Test("a stream of lines at QoS 2 survives cuts in the middle of records")
  func cutStream() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue())
    let broker = try RealBroker(listeners: [listener])
    let proxy = try CuttingProxy(to: broker.port(of: listener))
    let count = 5_000
    let subscriber = try ToolProcess(
      "mqsub", broker.options + ["-q", "2", "-t", "t", "-C", "\(count)", "--log", "notice"])
    try subscriber.waitForErrors("subscribed to")
    proxy.cutEach(afterRandom: 8_000...60_000, times: 3)
    let tool = try ToolProcess.run(
      "mqpub", proxy.options + ["--cafile", certificates.root.certificate, "-q", "2", "-t", "t", "-l"],
      input: .bytes(numberedLines(upTo: count)), timeout: .seconds(30))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    #expect(proxy.cuts == 3)
    #expect(try subscriber.wait() == .exited(0))
    Expect.bytes(subscriber.output, numberedLines(upTo: count))
  }

  @Test("the key log gets what a network analyser needs, and nobody else may read it", arguments: [false, true])
  func keyLog(isVariable: Bool) throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue())
    let broker = try RealBroker(listeners: [listener])
    let path = broker.folder.path("keys")
    let options = broker.options(of: listener) + ["--cafile", certificates.root.certificate, "-t", "t", "-n"]
    for _ in 0..<2 {
      expectSuccess(
        try ToolProcess.run(
          "mqpub", options + (isVariable ? [] : ["--tls-keylog", path]),
          environment: isVariable ? ["SSLKEYLOGFILE": path] : [:]))
    }
    let lines = String(decoding: try broker.folder.read("keys"), as: UTF8.self).split(separator: "\n")
    #expect(lines.count { $0.hasPrefix("CLIENT_TRAFFIC_SECRET_0 ") } == 2)
    #expect(lines.allSatisfy { $0.split(separator: " ").count == 3 })
    #expect(try permissions(of: path) == 0o600)
  }

  // MARK: - What is not TLS

  @Test("TLS to a port of plain MQTT, and plain MQTT to a port of TLS, are told apart from other trouble")
  func mixedUp() throws {
    let certificates = try Certificates.shared()
    let listener = RealBroker.Listener.tls(try certificates.issue())
    let broker = try RealBroker(listeners: [listener])
    let words = ["-t", "t", "-n", "-h", "127.0.0.1"]
    expectError(
      try ToolProcess.run("mqpub", words + ["-p", "\(broker.port)", "--tls"]), 23,
      ["closed the connection in the TLS handshake without an answer", "--no-tls"])
    expectError(
      try ToolProcess.run("mqpub", words + ["-p", "\(broker.port(of: listener))", "-V", "5"]), 14,
      ["a port for TLS", "--tls"])
  }

  @Test(
    "what answers in place of TLS is named",
    arguments: [
      (Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), "an HTTP server without TLS answers"),
      ([0x20, 0x03, 0x00, 0x84, 0x00], "plain MQTT answers there"), ([0xE0, 0x00], "plain MQTT answers there"),
      (Array("SSH-2.0-OpenSSH\r\n".utf8), "does not speak TLS"),
      ([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46], "neither TLS 1.2 nor 1.3"),
      ([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50], "ended the TLS handshake: internal error"),
    ] as [([UInt8], String)])
  func otherServers(answer: [UInt8], words: String) throws {
    let server = try ScriptedBroker()
    server.start { server in
      let connection = try server.accept()
      _ = try connection.read(count: 1)
      try connection.sendBytes(answer)
      connection.finishSending()
    }
    expectError(try ToolProcess.run("mqpub", server.options + ["--tls", "-t", "t", "-n"]), 23, [words])
    try server.finish()
  }

  @Test(
    "what answers in place of plain MQTT is named",
    arguments: [
      ([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0A], Int32(23), "TLS answers there, not plain MQTT: --tls speaks it"),
      (Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), 21, "an HTTP server answers there"),
    ] as [([UInt8], Int32, String)])
  func otherProtocols(answer: [UInt8], status: Int32, words: String) throws {
    let server = try ScriptedBroker()
    server.start { server in
      let connection = try server.accept()
      try connection.expectConnect()
      try connection.sendBytes(answer)
      connection.finishSending()
    }
    expectError(try ToolProcess.run("mqpub", server.options + ["-t", "t", "-n", "-V", "5"]), status, [words])
    try server.finish()
  }

  @Test("27: a server that is silent in the handshake is named with its stage")
  func silentServer() throws {
    let server = try ScriptedBroker()
    expectError(
      try ToolProcess.run("mqpub", server.options + ["--tls", "-t", "t", "-n", "--connect-timeout", "300ms"]), 27,
      ["did not finish the TLS handshake within 300 ms"])
  }
}

/// Exit status, one line on standard error with these words, and nothing on standard output.
func expectError(
  _ tool: ToolProcess, _ status: Int32, _ words: [String], sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(tool.end == .exited(status), "\(tool.errorText)", sourceLocation: sourceLocation)
  #expect(tool.output.isEmpty, sourceLocation: sourceLocation)
  #expect(tool.errorText.split(separator: "\n").count == 1, "\(tool.errorText)", sourceLocation: sourceLocation)
  for word in words { #expect(tool.errorText.contains(word), "\(tool.errorText)", sourceLocation: sourceLocation) }
}

/// The environment of a program whose openssl.cnf has this line for TLS.
func openSSLConfiguration(_ line: String, in folder: TemporaryFolder) throws -> [String: String?] {
  let file = try folder.write(
    "openssl.cnf",
    """
    openssl_conf = all
    [all]
    ssl_conf = ssl
    [ssl]
    system_default = default
    [default]
    \(line)

    """)
  return ["OPENSSL_CONF": file]
}

func permissions(of path: String) throws -> Int {
  let attributes = try FileManager.default.attributesOfItem(atPath: path)
  return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
}

extension RealBroker {
  /// The options that lead to a listener on 127.0.0.1.
  func options(of listener: Listener) -> [String] { ["-h", "127.0.0.1", "-p", "\(port(of: listener))"] }
}

extension RealBroker.Listener {
  /// TLS with the shared key deadbeef of the identity `me`.
  static func sharedKey() -> RealBroker.Listener {
    .custom(["psk_hint broker", "psk_file \(sharedKeyFile)", "use_identity_as_username true"])
  }
}

/// In the file system for as long as the process: a listener is a value and owns nothing.
private let sharedKeyFile: String = {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("mqtools-psk-\(getpid())").path
  try? "me:deadbeef\n".write(toFile: path, atomically: true, encoding: .utf8)
  atexit { unlink(sharedKeyFile) }
  return path
}()

/// `openssl s_server`, for what mosquitto does not do. It takes connections and says nothing of MQTT.
final class OpenSSLServer {
  let port: Int
  private let process: ToolProcess

  init(_ certificates: Certificates, _ options: [String]) throws {
    let pair = try certificates.issue()
    process = try ToolProcess(
      "openssl", ["s_server", "-accept", "127.0.0.1:0", "-cert", pair.certificate, "-key", pair.key] + options,
      input: .held)
    try process.waitForOutput("ACCEPT 127.0.0.1:")
    try process.waitForOutput(lines: 1)
    let line = process.outputText.split(separator: "\n").first { $0.hasPrefix("ACCEPT") }
    port = Int(line?.split(separator: ":").last ?? "") ?? 0
  }
}
