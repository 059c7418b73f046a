internal import MQTT
public import MQTTClient

/// What was typed about TLS.
public struct TLSSettings: Sendable {
  /// `--tls`, and whatever else can only mean it.
  var isAsked = false
  /// The scheme of the URL asks for it.
  var isOfURL = false
  /// `--no-tls`, which is stronger than all others.
  var isOff = false
  var authorityFile: [UInt8]?
  /// From MQTOOLS_CAFILE, which says whom to trust where TLS is spoken, not that it is.
  var standardAuthorityFile: [UInt8]?
  var authorityFolder: [UInt8]?
  var certificateFile: [UInt8]?
  var keyFile: [UInt8]?
  var keyForm = false
  var passphrase: SecretSource?
  var isInsecure = false
  var name: String?
  var pin: [UInt8]?
  var sharedKey: SharedKey?
  var sharedKeyIdentity: [UInt8]?
  var version: TLSConfiguration.Version?
  var ciphers: [String] = []
  var applicationProtocol: [UInt8]?
  var keyLogFile: [UInt8]?
  var showsInfo = false

  /// A key in place of certificates, or where it is.
  enum SharedKey: Sendable {
    case bytes([UInt8])
    case source(SecretSource)
  }
}

/// What is to be done about TLS.
public struct TLSPlan: Hashable, Sendable {
  /// For the client; secrets that are elsewhere are not in it yet.
  public var configuration: TLSConfiguration
  /// Where the passphrase of the client's key is, if it is elsewhere.
  var passphraseSource: SecretSource?
  /// Where the shared key is, in hexadecimal digits, if it is elsewhere.
  var sharedKeySource: SecretSource?

  /// The port of MQTT over TLS (IANA: secure-mqtt).
  static let port = 8883
}

extension TLSSettings {
  /// What the settings mean together; nil without TLS.
  ///
  /// - Parameter port: the broker's, where it was given.
  func plan(port: Int?, _ compatibility: Compatibility) throws(UsageError) -> TLSPlan? {
    if isOff { return nil }
    let isMeant =
      isAsked || isOfURL || authorityFile != nil || authorityFolder != nil || sharedKey != nil || port == TLSPlan.port
    guard isMeant else {
      // To speak in the clear to somebody who gave a certificate would be the worst answer.
      if let idle = optionThatNeedsTLS, !compatibility.ignoresIdleTLSOptions {
        throw UsageError("\(idle): needs TLS, which --tls asks for")
      }
      return nil
    }
    try check()
    var configuration = TLSConfiguration()
    configuration.authorityFile =
      authorityFile ?? (authorityFolder == nil && sharedKey == nil ? standardAuthorityFile : nil)
    configuration.authorityFolder = authorityFolder
    if let certificateFile, let keyFile {
      configuration.identity = TLSConfiguration.Identity(certificateFile: certificateFile, keyFile: keyFile)
    }
    var sharedKeySource: SecretSource?
    if let sharedKeyIdentity {
      switch sharedKey {
      case .bytes(let key): configuration.sharedKey = .init(identity: sharedKeyIdentity, key: key)
      case .source(let source):
        configuration.sharedKey = .init(identity: sharedKeyIdentity, key: [])
        sharedKeySource = source
      case nil: break
      }
    }
    configuration.verifies = !isInsecure
    configuration.name = name
    configuration.pin = pin
    configuration.minimumVersion = version ?? .tls12
    configuration.ciphers = list(of: ciphers.filter { !Self.isSuite($0) })
    configuration.cipherSuites = list(of: ciphers.filter(Self.isSuite))
    configuration.applicationProtocol = applicationProtocol
    configuration.keyLogFile = keyLogFile
    return TLSPlan(
      configuration: configuration, passphraseSource: passphrase, sharedKeySource: sharedKeySource)
  }

  /// Refuses what contradicts itself, and halves.
  private func check() throws(UsageError) {
    if certificateFile != nil, keyFile == nil { throw UsageError("--cert: needs the private key, --key") }
    if keyFile != nil, certificateFile == nil { throw UsageError("--key: needs the certificate, --cert") }
    if keyForm, keyFile == nil { throw UsageError("--keyform: needs the private key, --key") }
    if passphrase != nil, keyFile == nil { throw UsageError("--key-pw-from: needs the private key, --key") }
    if isInsecure, pin != nil {
      throw UsageError("--insecure: verifies nothing, and --tls-pin asks for a certain key; give one of them")
    }
    guard sharedKey != nil else {
      if sharedKeyIdentity != nil { throw UsageError("--psk-identity: needs the key, --psk") }
      return
    }
    if sharedKeyIdentity == nil { throw UsageError("--psk: needs the key's name, --psk-identity") }
    let others: [(String, Bool)] = [
      ("--cafile", authorityFile != nil), ("--capath", authorityFolder != nil), ("--cert", certificateFile != nil),
      ("--tls-pin", pin != nil), ("--insecure", isInsecure),
    ]
    if let other = others.first(where: \.1) {
      throw UsageError("\(other.0): is about certificates, and --psk takes their place; give one of them")
    }
  }

  /// An option that was given and means nothing without TLS.
  private var optionThatNeedsTLS: String? {
    let given: [(String, Bool)] = [
      ("--cert", certificateFile != nil), ("--key", keyFile != nil), ("--key-pw-from", passphrase != nil),
      ("--keyform", keyForm), ("--insecure", isInsecure), ("--tls-name", name != nil), ("--tls-pin", pin != nil),
      ("--psk-identity", sharedKeyIdentity != nil), ("--tls-version", version != nil), ("--ciphers", !ciphers.isEmpty),
      ("--tls-alpn", applicationProtocol != nil), ("--tls-keylog", keyLogFile != nil), ("--tls-info", showsInfo),
    ]
    return given.first(where: \.1)?.0
  }

  /// Names of TLS 1.3 begin so, and those of earlier versions, as OpenSSL has them, do not.
  private static func isSuite(_ name: String) -> Bool { name.utf8.starts(with: "TLS_".utf8) }

  private func list(of names: [String]) -> String? { names.isEmpty ? nil : names.joined(separator: ":") }
}

extension TLSPlan {
  /// The configuration with what a client takes from its surroundings.
  var clientConfiguration: TLSConfiguration {
    var configuration = configuration
    configuration.sessionFolder = System.cacheFolder.map { $0 + Array("/tls".utf8) }
    configuration.keyLogFile =
      configuration.keyLogFile ?? System.environment("SSLKEYLOGFILE").flatMap { $0.isEmpty ? nil : $0 }
    return configuration
  }
}
