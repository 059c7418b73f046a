import MQTTClient
import Testing

@testable import CommandLineTool

/// A row for options that ask for TLS, and how they change its configuration.
private func tls(
  _ words: String..., change: @escaping @Sendable (inout TLSConfiguration) -> Void
) -> Row<ConnectionPlan> {
  var row = Row<ConnectionPlan> { plan in
    var configuration = TLSConfiguration()
    change(&configuration)
    plan.tls = TLSPlan(configuration: configuration)
    plan.port = 8883
  }
  row.words = words
  return row
}

struct TLSOptionTests {
  private static let digest = [UInt8](0..<32)

  static let rows: [Row<ConnectionPlan>] = [
    tls("--tls") { _ in },
    tls("--tls-use-os-certs") { _ in },
    tls("-p", "8883") { _ in },
    tls("-L", "mqtts://localhost") { _ in },
    tls("-L", "MQTTS://localhost/t") { _ in },
    Row("--tls", "--no-tls", "--cafile", "a", "--psk", "00") { _ in },
    Row("--no-tls", "-p", "8883") { $0.port = 8883 },
    Row("--tls", "-p", "1883") { $0.tls = TLSPlan(configuration: TLSConfiguration()) },
    Row("-L", "mqtts://localhost:1883") { $0.tls = TLSPlan(configuration: TLSConfiguration()) },
    Row("-L", "mqtts://h", "-L", "mqtt://h2") { $0.host = "h2" },
    tls("--cafile", "ca.pem") { $0.authorityFile = bytes("ca.pem") },
    tls("--capath", "cas") { $0.authorityFolder = bytes("cas") },
    tls("--cafile", "ca.pem", "--capath", "cas") {
      ($0.authorityFile, $0.authorityFolder) = (bytes("ca.pem"), bytes("cas"))
    },
    tls("--tls", "--cert", "c", "--key", "k") { $0.identity = .init(certificateFile: bytes("c"), keyFile: bytes("k")) },
    tls("--tls", "--cert", "c", "--key", "k", "--keyform", "pem") {
      $0.identity = .init(certificateFile: bytes("c"), keyFile: bytes("k"))
    },
    Row("--tls", "--cert", "c", "--key", "k", "--key-pw-from", "file:p") {
      var configuration = TLSConfiguration()
      configuration.identity = .init(certificateFile: bytes("c"), keyFile: bytes("k"))
      $0.tls = TLSPlan(configuration: configuration, passphraseSource: .file(path: bytes("p")))
      $0.port = 8883
    },
    tls("--tls", "--insecure") { $0.verifies = false },
    tls("--tls", "--tls-name", "::1") { $0.name = "::1" },
    tls("--tls", "--tls-pin", "sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=") { $0.pin = digest },
    tls("--tls", "--tls-pin", "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f") { $0.pin = digest },
    tls("--psk", "DeadBeef", "--psk-identity", "me") {
      $0.sharedKey = .init(identity: bytes("me"), key: [0xDE, 0xAD, 0xBE, 0xEF])
    },
    Row("--psk-from", "env:KEY", "--psk-identity", "me") {
      var configuration = TLSConfiguration()
      configuration.sharedKey = .init(identity: bytes("me"), key: [])
      $0.tls = TLSPlan(configuration: configuration, sharedKeySource: .variable(name: "KEY"))
      $0.port = 8883
    },
    tls("--tls", "--tls-version", "tlsv1.2") { _ in },
    tls("--tls", "--tls-version", "TLSv1.3") { $0.minimumVersion = .tls13 },
    tls("--tls", "--ciphers", "ECDHE+AESGCM:TLS_AES_128_GCM_SHA256:!aNULL") {
      ($0.ciphers, $0.cipherSuites) = ("ECDHE+AESGCM:!aNULL", "TLS_AES_128_GCM_SHA256")
    },
    tls("--tls", "--tls-alpn", "mqtt") { $0.applicationProtocol = bytes("mqtt") },
    tls("--tls", "--tls-keylog", "log") { $0.keyLogFile = bytes("log") },
  ]

  @Test("each option about TLS means what the interface says", arguments: rows)
  func meaning(row: Row<ConnectionPlan>) throws {
    var expected = try connecting(["-i", "me"])
    row.change(&expected)
    #expect(try connecting(["-i", "me"] + row.words) == expected)
  }

  @Test("without any option there is no TLS")
  func defaults() throws {
    #expect(try connecting([]).tls == nil)
    #expect(try connecting(["-L", "mqtt://h"]).tls == nil)
  }

  @Test("MQTOOLS_CAFILE says whom to trust where TLS is spoken, and does not ask for TLS")
  func environment() throws {
    let environment = ["MQTOOLS_CAFILE": "mine"]
    #expect(try connecting([], environment: environment).tls == nil)
    #expect(try connecting(["--tls"], environment: environment).tls?.configuration.authorityFile == bytes("mine"))
    #expect(try connecting(["--cafile", "a"], environment: environment).tls?.configuration.authorityFile == bytes("a"))
    #expect(try connecting(["--capath", "a"], environment: environment).tls?.configuration.authorityFile == nil)
    let psk = ["--psk", "00", "--psk-identity", "me"]
    #expect(try connecting(psk, environment: environment).tls?.configuration.authorityFile == nil)
    #expect(
      try connecting(["--tls"], as: "mosquitto_pub", environment: environment).tls?.configuration.authorityFile == nil)
  }

  @Test(
    "what does not go together, and halves, are told before anything is sent",
    arguments: [
      (["--tls", "--cert", "c"], "--cert: needs the private key, --key"),
      (["--tls", "--key", "k"], "--key: needs the certificate, --cert"),
      (["--tls", "--keyform", "pem"], "--keyform: needs the private key, --key"),
      (["--tls", "--key-pw-from", "prompt"], "--key-pw-from: needs the private key, --key"),
      (["--tls", "--psk-identity", "me"], "--psk-identity: needs the key, --psk"),
      (["--psk", "00"], "--psk: needs the key's name, --psk-identity"),
      (
        ["--psk", "00", "--psk-identity", "me", "--cafile", "a"],
        "--cafile: is about certificates, and --psk takes their place; give one of them"
      ),
      (
        ["--psk", "00", "--psk-identity", "me", "--insecure"],
        "--insecure: is about certificates, and --psk takes their place; give one of them"
      ),
      (
        ["--tls", "--insecure", "--tls-pin", String(repeating: "00", count: 32)],
        "--insecure: verifies nothing, and --tls-pin asks for a certain key; give one of them"
      ),
      (["--cert", "c", "--key", "k"], "--cert: needs TLS, which --tls asks for"),
      (["--insecure"], "--insecure: needs TLS, which --tls asks for"),
      (["--tls-version", "tlsv1.3"], "--tls-version: needs TLS, which --tls asks for"),
    ])
  func contradictions(words: [String], message: String) {
    #expect(throws: UsageError(message)) { try connecting(words) }
  }

  @Test("under the name of a mosquitto client an option that needs TLS counts for nothing without it")
  func idleOptions() throws {
    let words = ["--cert", "c", "--key", "k", "--insecure", "--tls-version", "tlsv1.2", "--psk-identity", "me"]
    #expect(try connecting(words, as: "mosquitto_pub").tls == nil)
  }

  @Test(
    "a wrong value about TLS is told with what is right",
    arguments: [
      (["--cafile", ""], "--cafile: \"\" is no path"),
      (["--tls-pin", "sha256//AA=="], "--tls-pin: \"sha256//AA==\" is neither"),
      (["--tls-pin", "00"], "--tls-pin: \"00\" is neither sha256// and a SHA-256 in Base64 nor 64 hexadecimal digits"),
      (["--psk", "0"], "--psk: is not an even number of hexadecimal digits, 512 at most"),
      (["--psk", "secret"], "--psk: is not an even number of hexadecimal digits, 512 at most"),
      (["--psk", ""], "--psk: is not an even number of hexadecimal digits, 512 at most"),
      (["--psk-identity", ""], "--psk-identity: \"\" is not of 1 to 255 bytes"),
      (["--tls-version", "tlsv1.1"], "--tls-version: TLS below 1.2 is not safe, and not spoken"),
      (["--tls-version", "1.3"], "--tls-version: \"1.3\" is neither tlsv1.2 nor tlsv1.3"),
      (["--ciphers", ":"], "--ciphers: \":\" names no cipher"),
      (["--tls-alpn", ""], "--tls-alpn: \"\" is not of 1 to 255 bytes"),
      (["--keyform", "engine"], "--keyform: OpenSSL 3 has no engines"),
      (["--keyform", "der"], "--keyform: \"der\" is not pem"),
      (["--tls-engine", "pkcs11"], "--tls-engine: OpenSSL 3 has no engines"),
      (["--tls-engine-kpass-sha1", "00"], "--tls-engine-kpass-sha1: OpenSSL 3 has no engines"),
    ])
  func wrongValues(words: [String], message: String) {
    let error = #expect(throws: UsageError.self) { try connecting(words) }
    #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
  }
}
