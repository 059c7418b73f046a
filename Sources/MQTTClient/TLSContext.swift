internal import COpenSSL
internal import CSystem
internal import MQTT

/// Keeps what a configuration's files hold for many clients with the same one, all of one thread: to read the authorities takes longer
/// than a handshake. Certificates that are renewed meanwhile are not seen.
public final class TLSFiles: @unchecked Sendable {
  private var kept: TLSContext?

  /// Nothing is read yet.
  public init() {}

  func context(_ configuration: TLSConfiguration) throws(TLSFailure) -> TLSContext {
    if let kept, kept.configuration == configuration { return kept }
    let context = try TLSContext(configuration)
    kept = context
    return context
  }
}

/// OpenSSL's part of a configuration: authorities, certificate, key and what may be spoken.
final class TLSContext {
  let pointer: OpaquePointer
  let configuration: TLSConfiguration
  private var keyLog: Int32 = -1
  private var isTrusting = false

  /// What OpenSSL does once in a process, without the parts that nobody here asks for: 3.6 of the 11.9 million instructions until
  /// there is an SSL_CTX. Names of ciphers are needed for encrypted keys only, and texts for faults that have texts of ours.
  private static let begin: Void = {
    OPENSSL_init_crypto(
      UInt64(OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS), nil)
  }()

  /// Reads all files but the authorities'.
  ///
  /// - Parameter isServer: whether it is for those who connect to us; the identity is then the server's.
  init(_ configuration: TLSConfiguration, isServer: Bool = false) throws(TLSFailure) {
    _ = Self.begin
    // SSL_CTX_new reads openssl.cnf, which may ask for more than we do.
    guard let pointer = SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
      throw TLSFailure(.settings, "OpenSSL cannot begin: \(OpenSSLError.take().text) (see openssl.cnf)")
    }
    self.pointer = pointer
    self.configuration = configuration
    try restrict()
    if let file = configuration.authorityFile { try requireReadable(file, "--cafile") }
    if let folder = configuration.authorityFolder { try requireReadable(folder, "--capath") }
    if let identity = configuration.identity { try identify(identity) } else if isServer { try signForItself() }
    if let path = configuration.keyLogFile { try logKeys(to: path) }
  }

  deinit {
    SSL_CTX_free(pointer)
    if keyLog >= 0 { close(keyLog) }
  }

  // MARK: - What may be spoken

  private func restrict() throws(TLSFailure) {
    let minimum = configuration.minimumVersion.rawValue
    if contextMinimumVersion(pointer) < minimum { _ = contextSetMinimumVersion(pointer, minimum) }
    if let maximum = configuration.maximumVersion { _ = contextSetMaximumVersion(pointer, maximum.rawValue) }
    contextForbidRenegotiation(pointer)
    // With a key that is shared no other kind of proof must come in by the back door; without encryption nothing is proved.
    let ciphers = configuration.ciphers ?? (configuration.sharedKey == nil ? nil : "PSK:!eNULL")
    if let ciphers, SSL_CTX_set_cipher_list(pointer, ciphers) != 1 {
      throw TLSFailure(.settings, "--ciphers: OpenSSL knows none of \"\(ciphers)\" (see openssl ciphers)")
    }
    if let suites = configuration.cipherSuites, SSL_CTX_set_ciphersuites(pointer, suites) != 1 {
      throw TLSFailure(.settings, "--ciphers: OpenSSL does not know all of \"\(suites)\" (see openssl ciphers)")
    }
  }

  /// Whether TLS 1.2 and 1.3 may be spoken.
  var hasBothVersions: Bool {
    let maximum = contextMaximumVersion(pointer)
    return contextMinimumVersion(pointer) <= TLSConfiguration.Version.tls12.rawValue
      && (maximum == 0 || maximum >= TLSConfiguration.Version.tls13.rawValue)
  }

  // MARK: - Authorities

  /// Reads the authorities: when a certificate is to be judged, for a session that is resumed needs none.
  ///
  /// - Parameter sent: the chain that the broker sent. Where the authority is in it, as Mosquitto sends it, it is not parsed once
  ///   more: OpenSSL 3.0 takes as long for one certificate as for half of the verification.
  func trust(_ sent: OpaquePointer?) throws(TLSFailure) {
    if isTrusting { return }
    isTrusting = true
    guard configuration.authorityFile != nil || configuration.authorityFolder != nil else { return trustSystem() }
    if let file = configuration.authorityFile {
      if configuration.authorityFolder == nil,
        let authority = withPath(file, { chainCertificateOfFile(sent, $0) }),
        X509_STORE_add_cert(SSL_CTX_get_cert_store(pointer), authority) == 1
      {
        return
      }
      guard withPath(file, { SSL_CTX_load_verify_file(pointer, $0) }) == 1 else {
        OpenSSLError.clear()
        throw TLSFailure(.settings, "--cafile: there is no certificate in PEM form in \(quoted(file))")
      }
    }
    if let folder = configuration.authorityFolder {
      guard Self.holdsHashedNames(folder) else {
        throw TLSFailure(
          .settings, "--capath: no certificate in \(quoted(folder)) has a hashed name: run openssl rehash on it")
      }
      _ = withPath(folder) { SSL_CTX_load_verify_dir(pointer, $0) }
    }
  }

  /// The system's authorities as OpenSSL finds them, SSL_CERT_FILE and SSL_CERT_DIR included. A folder with hashed names costs
  /// nothing until a certificate is looked up in it; to parse a whole bundle takes ten times as long as all else of a handshake.
  private func trustSystem() {
    let isFileNamed = getenv(X509_get_default_cert_file_env()) != nil
    let isFolderNamed = getenv(X509_get_default_cert_dir_env()) != nil
    if isFileNamed { _ = SSL_CTX_set_default_verify_file(pointer) }
    if isFolderNamed || Self.holdsHashedNames(bytes(X509_get_default_cert_dir())) {
      _ = SSL_CTX_set_default_verify_dir(pointer)
    } else if !isFileNamed {
      let bundles = [
        String(cString: X509_get_default_cert_file()), "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
      ]
      _ = bundles.first { SSL_CTX_load_verify_file(pointer, $0) == 1 }
    }
    // What is not there makes its trouble when a certificate is judged.
    OpenSSLError.clear()
  }

  /// Whether there is a name such as `002c0b4f.0`.
  private static func holdsHashedNames(_ folder: [UInt8]) -> Bool {
    guard let stream = withPath(folder, { opendir($0) }) else { return false }
    defer { closedir(stream) }
    let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
    while let entry = readdir(stream) {
      let name = UnsafeRawPointer(entry) + offset
      let characters = UnsafeRawBufferPointer(
        start: name, count: strlen(name.assumingMemoryBound(to: CChar.self)))
      if characters.count >= 10, characters[8] == UInt8(ascii: "."), characters.prefix(8).allSatisfy(isHexDigit) {
        return true
      }
    }
    return false
  }

  // MARK: - Who we are

  private func identify(_ identity: TLSConfiguration.Identity) throws(TLSFailure) {
    try requireReadable(identity.certificateFile, "--cert")
    try requireReadable(identity.keyFile, "--key")
    guard withPath(identity.certificateFile, { SSL_CTX_use_certificate_chain_file(pointer, $0) }) == 1 else {
      let error = OpenSSLError.take()
      let certificate = "--cert: \(quoted(identity.certificateFile))"
      switch error.reason {
      case SSL_R_EE_KEY_TOO_SMALL, SSL_R_CA_MD_TOO_WEAK, SSL_R_CA_KEY_TOO_SMALL:
        throw TLSFailure(.certificate, "\(certificate) is too weak: \(error.text)")
      default: throw TLSFailure(.certificate, "\(certificate) begins with no certificate in PEM form")
      }
    }
    // What keys in the older PEM form are encrypted with.
    for cipher in [EVP_aes_128_cbc(), EVP_aes_192_cbc(), EVP_aes_256_cbc(), EVP_des_ede3_cbc()] {
      EVP_add_cipher(cipher)
    }
    let passphrase = Passphrase(identity.passphrase)
    SSL_CTX_set_default_passwd_cb_userdata(pointer, Unmanaged.passUnretained(passphrase).toOpaque())
    SSL_CTX_set_default_passwd_cb(pointer) { space, capacity, _, passphrase in
      guard let space, let passphrase else { return -1 }
      return Unmanaged<Passphrase>.fromOpaque(passphrase).takeUnretainedValue().copy(
        to: UnsafeMutableRawBufferPointer(start: space, count: Int(capacity)))
    }
    let isLoaded = withPath(identity.keyFile) { SSL_CTX_use_PrivateKey_file(pointer, $0, SSL_FILETYPE_PEM) } == 1
    SSL_CTX_set_default_passwd_cb_userdata(pointer, nil)
    guard !isLoaded else { return }
    let error = OpenSSLError.take()
    let key = "--key: \(quoted(identity.keyFile))"
    if error.library == ERR_LIB_X509 {
      throw TLSFailure(
        .certificate, "\(key) is not the key of the certificate \(quoted(identity.certificateFile))")
    }
    guard passphrase.wasAsked else { throw TLSFailure(.certificate, "\(key) is no private key in PEM form") }
    throw TLSFailure(
      .certificate,
      passphrase.bytes == nil
        ? "\(key) is encrypted: say where its passphrase is with --key-pw-from (prompt asks at the terminal)"
        : "\(key) is not opened by the passphrase of --key-pw-from")
  }

  /// Keys and certificates that nobody vouches for, and that are in memory only: of both kinds that ciphers of TLS 1.2 ask for.
  private func signForItself() throws(TLSFailure) {
    for key in [newEllipticKey(), newRSAKey()] where contextSignForItself(pointer, key) == 0 {
      throw TLSFailure(.settings, "OpenSSL makes no certificate: \(OpenSSLError.take().text)")
    }
  }

  /// What OpenSSL asks for when a key is encrypted.
  private final class Passphrase {
    let bytes: [UInt8]?
    private(set) var wasAsked = false

    init(_ bytes: [UInt8]?) { self.bytes = bytes }

    func copy(to space: UnsafeMutableRawBufferPointer) -> Int32 {
      wasAsked = true
      guard let bytes, bytes.count <= space.count else { return -1 }
      space.copyBytes(from: bytes)
      return Int32(bytes.count)
    }
  }

  // MARK: - The key log

  private func logKeys(to path: [UInt8]) throws(TLSFailure) {
    keyLog = withPath(path) { openIn(AT_FDCWD, $0, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK) }
    guard keyLog >= 0 else {
      throw TLSFailure(.settings, "the key log \(quoted(path)) cannot be written: \(systemError())")
    }
    SSL_CTX_set_keylog_callback(pointer) { connection, line in
      guard let connection, let line, let layer = TLSLayer.owner(of: connection) else { return }
      layer.logKey(line)
    }
  }

  /// Appends a line in one piece, so that several processes can write to one file.
  func logKey(_ line: UnsafePointer<CChar>) {
    let bytes = Array(UnsafeRawBufferPointer(start: line, count: strlen(line))) + [UInt8(ascii: "\n")]
    _ = write(keyLog, bytes, bytes.count)
  }

  // MARK: - Files

  private func requireReadable(_ path: [UInt8], _ option: String) throws(TLSFailure) {
    let descriptor = withPath(path) { openIn(AT_FDCWD, $0, O_RDONLY | O_NONBLOCK) }
    guard descriptor >= 0 else {
      throw TLSFailure(.settings, "\(option): \(quoted(path)) cannot be read: \(systemError())")
    }
    close(descriptor)
  }
}

/// What OpenSSL's error queue says.
struct OpenSSLError {
  private let code: UInt

  /// The last error; the queue is empty then.
  static func take() -> OpenSSLError {
    let error = OpenSSLError(code: ERR_peek_last_error())
    ERR_clear_error()
    return error
  }

  /// Empties the queue.
  static func clear() { ERR_clear_error() }

  /// As `SSL_R_UNSUPPORTED_PROTOCOL`, within a library.
  var reason: Int32 { errorIsOfSystem(code) != 0 ? 0 : ERR_GET_REASON(code) }

  /// As `ERR_LIB_SSL`.
  var library: Int32 { ERR_GET_LIB(code) }

  /// The alert that came from the other side, if it was one.
  var alert: Int32? {
    library == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : nil
  }

  /// In OpenSSL's words.
  var text: String {
    ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(String(code, radix: 16)) (see openssl errstr)"
  }
}

/// Lends `path` to C.
func withPath<R>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> R) -> R {
  (path + [0]).withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
}

/// The path for a message.
func quoted(_ path: [UInt8]) -> String { "\"\(String(decoding: path, as: UTF8.self))\"" }

private func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
  Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
}

private func systemError() -> String { String(cString: strerror(currentErrno())) }

private func isHexDigit(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
  default: false
  }
}
