internal import COpenSSL
internal import MQTT

/// TLS (RFC 8446, RFC 5246) by OpenSSL, which reads and writes memory: the layer gives it what came and takes what is to be sent.
///
/// Who the broker is, is judged inside the handshake, so that it is told with an alert and gets nothing that is secret.
final class TLSLayer: Layer {
  let stage = ConnectionStage.tls
  private(set) var isOpen = false

  private let context: TLSContext
  private var configuration: TLSConfiguration { context.configuration }
  private let records: TLSRecords
  private var connection: OpaquePointer { records.connection }
  /// The name or address that the certificate must be for.
  private let name: String
  private let isAddress: Bool
  private let cache: TLSSessionCache?
  private let report: ((TLSReport) -> Void)?
  /// Sessions that the broker offered for later connections.
  private var sessions: [TLSSession] = []
  /// The session of an earlier connection that was offered to the broker.
  private var offered: TLSSession?
  /// Why the broker's certificate was refused.
  private var refusal: TLSFailure?
  private var refusedChain: [TLSCertificate] = []
  /// The first bytes that came: they tell what answers where it is not TLS.
  private var beginning: [UInt8] = []
  private var isFailed = false

  /// - Parameters:
  ///   - host: what was asked for, with or without a name of its own.
  ///   - place: what else distinguishes the broker, for the cache.
  ///   - now: seconds since the beginning of 1970.
  ///   - report: told once what was agreed on, or what failed.
  init(
    _ context: TLSContext, host: String, place: String, now: Int64, report: ((TLSReport) -> Void)? = nil
  ) throws(TLSFailure) {
    records = try TLSRecords(context)
    self.context = context
    self.report = report
    let wanted = context.configuration.name ?? host
    name = wanted.hasSuffix(".") ? String(wanted.dropLast()) : wanted
    isAddress = SocketAddress(literal: name, port: 0) != nil
    let keeps = context.configuration.verifies && context.configuration.sharedKey == nil
    cache = keeps ? TLSSessionCache(context.configuration, name: name, place: place) : nil
    connectionSetOwner(connection, Unmanaged.passUnretained(self).toOpaque())
    SSL_set_connect_state(connection)
    try ask()
    verify()
    resume(at: now)
  }

  deinit {
    // A session is worth keeping only when all went well, and nobody waits here.
    if !isFailed, isOpen {
      // Before TLS 1.3 a session may be resumed again, and a broker may offer no new one.
      if sessions.isEmpty, let offered, SSL_session_reused(connection) == 1,
        SSL_version(connection) < TLS1_3_VERSION
      {
        sessions = [offered]
      }
      cache?.put(sessions)
    }
  }

  /// The layer that `connection` is in.
  static func owner(of connection: OpaquePointer) -> TLSLayer? {
    connectionOwner(connection).map { Unmanaged<TLSLayer>.fromOpaque($0).takeUnretainedValue() }
  }

  func logKey(_ line: UnsafePointer<CChar>) { context.logKey(line) }

  // MARK: - Before the handshake

  private func ask() throws(TLSFailure) {
    // An address is no server name (RFC 6066, section 3).
    if !isAddress, connectionSetServerName(connection, name) != 1 {
      OpenSSLError.clear()
      throw TLSFailure(.settings, "\"\(name)\" cannot be a host name for TLS")
    }
    if let wanted = configuration.applicationProtocol {
      let list = [UInt8(truncatingIfNeeded: wanted.count)] + wanted
      SSL_set_alpn_protos(connection, list, UInt32(list.count))
    }
    if configuration.sharedKey != nil {
      SSL_set_psk_client_callback(connection) { connection, _, identity, identityLimit, key, keyLimit in
        guard let connection, let shared = TLSLayer.owner(of: connection)?.configuration.sharedKey, let identity,
          let key, shared.identity.count < Int(identityLimit), shared.key.count <= Int(keyLimit)
        else { return 0 }
        UnsafeMutableRawBufferPointer(start: identity, count: Int(identityLimit)).copyBytes(
          from: shared.identity + [0])
        UnsafeMutableRawBufferPointer(start: key, count: Int(keyLimit)).copyBytes(from: shared.key)
        return UInt32(shared.key.count)
      }
    }
  }

  private func verify() {
    guard configuration.verifies else { return SSL_set_verify(connection, SSL_VERIFY_NONE, nil) }
    SSL_set_verify(connection, SSL_VERIFY_PEER, nil)
    let parameters = SSL_get0_param(connection)
    if isAddress {
      X509_VERIFY_PARAM_set1_ip_asc(parameters, name)
    } else {
      // What is in the common name has meant nothing since RFC 6125; wildcards stand for whole labels.
      X509_VERIFY_PARAM_set_hostflags(
        parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
      X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count)
    }
    SSL_CTX_set_cert_verify_callback(
      context.pointer,
      { verification, _ in
        guard let verification, let owner = verificationOwner(verification) else { return 0 }
        return Unmanaged<TLSLayer>.fromOpaque(owner).takeUnretainedValue().judge(verification) ? 1 : 0
      }, nil)
  }

  /// Offers a session of an earlier connection, if there is a good one.
  private func resume(at now: Int64) {
    guard let cache else { return }
    contextHandOutSessions(context.pointer) { connection, session in
      if let connection, let session { TLSLayer.owner(of: connection)?.keep(session) }
      return 0  // It stays OpenSSL's.
    }
    while let session = cache.take() {
      guard session.isGood(at: now, pin: configuration.pin), session.offer(on: connection) else { continue }
      offered = session
      return
    }
  }

  private func keep(_ session: OpaquePointer) {
    if let session = TLSSession(session, resumed: offered) { sessions.append(session) }
  }

  // MARK: - Layer

  func start(down: inout ByteQueue) throws(ConnectionError) {
    defer { records.drain(into: &down) }
    try shakeHands()
  }

  func receive(
    _ bytes: UnsafeRawBufferPointer, up: inout ByteQueue, down: inout ByteQueue
  ) throws(ConnectionError) {
    if beginning.count < 5 { beginning += bytes.prefix(5 - beginning.count) }
    records.take(bytes)
    defer { records.drain(into: &down) }
    if !isOpen {
      try shakeHands()
      guard isOpen else { return }
    }
    do throws(TLSRecords.Fault) { try records.read(into: &up) } catch { throw fail(explanation()) }
  }

  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) throws(ConnectionError) {
    defer { records.drain(into: &down) }
    do throws(TLSRecords.Fault) { try records.write(bytes) } catch { throw fail(explanation()) }
  }

  func finish(down: inout ByteQueue) {
    records.finish()
    records.drain(into: &down)
  }

  func receivedEnd() throws(ConnectionError) {
    guard !isOpen else { return }
    throw fail(endInHandshake)
  }

  private func shakeHands() throws(ConnectionError) {
    do throws(TLSRecords.Fault) { isOpen = try records.shakeHands() } catch { throw fail(explanation()) }
    if isOpen, let report { report(agreement()) }
  }

  // MARK: - What came of it

  private func fail(_ failure: TLSFailure) -> ConnectionError {
    isFailed = true
    var failure = failure
    failure.wasResuming = offered != nil
    if !isOpen, let report {
      var agreement = agreement()
      agreement.failure = failure
      if agreement.certificates.isEmpty { agreement.certificates = refusedChain }
      report(agreement)
    }
    return .tls(failure)
  }

  private func agreement() -> TLSReport {
    var report = TLSReport(name: name)
    if isOpen, configuration.verifies { report.proof = configuration.sharedKey == nil ? .certificate : .sharedKey }
    // OpenSSL says so of a shared key, too.
    report.isResumed = offered != nil && SSL_session_reused(connection) == 1
    if let cipher = SSL_get_current_cipher(connection) {
      report.version = String(cString: SSL_get_version(connection))
      report.cipher = String(cString: SSL_CIPHER_get_name(cipher))
      report.group = connectionGroup(connection).map { String(cString: $0) }
    }
    var start: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(connection, &start, &count)
    if count > 0 { report.applicationProtocol = Array(UnsafeBufferPointer(start: start, count: Int(count))) }
    let chain = SSL_get_peer_cert_chain(connection)
    report.certificates = (0..<chainCount(chain)).compactMap { chainCertificate(chain, $0).map { TLSCertificate($0) } }
    if report.isResumed, let certificate = offered?.readCertificate() { report.certificates = [certificate] }
    return report
  }

  /// Judges the broker's certificate; false refuses it.
  private func judge(_ verification: OpaquePointer) -> Bool {
    do throws(TLSFailure) {
      try context.trust(X509_STORE_CTX_get0_untrusted(verification))
    } catch {
      refusal = error
      X509_STORE_CTX_set_error(verification, X509_V_ERR_APPLICATION_VERIFICATION)
      return false
    }
    let isValid = X509_verify_cert(verification) == 1
    let certificate = X509_STORE_CTX_get0_cert(verification)
    if isValid {
      guard let pin = configuration.pin, let certificate else { return true }
      let digest = TLSCertificate.keyDigest(certificate) ?? []
      if digest == pin { return true }
      X509_STORE_CTX_set_error(verification, X509_V_ERR_APPLICATION_VERIFICATION)
      refusal = TLSFailure(
        .certificate, "the broker's public key is \(TLSCertificate.pinText(digest)), not that of --tls-pin")
    } else {
      refusal = CertificateRefusal(verification, name: name, isAddress: isAddress).failure
    }
    if report != nil {
      let chain = X509_STORE_CTX_get0_untrusted(verification)
      refusedChain = (0..<chainCount(chain)).compactMap { chainCertificate(chain, $0).map { TLSCertificate($0) } }
      if refusedChain.isEmpty, let certificate { refusedChain = [TLSCertificate(certificate)] }
    }
    return false
  }

  /// What OpenSSL's error, or what came instead of TLS, means.
  private func explanation() -> TLSFailure {
    let error = OpenSSLError.take()
    if let refusal { return refusal }
    if let other = otherProtocol { return other }
    if let alert = error.alert {
      return TLSFailure.alert(
        alert, hasBothVersions: context.hasBothVersions, usesSharedKey: configuration.sharedKey != nil)
    }
    let isOurs = error.library == ERR_LIB_SSL
    switch error.reason {
    case SSL_R_UNSUPPORTED_PROTOCOL where isOurs:
      return .noVersion(hasBoth: context.hasBothVersions)
    case SSL_R_NO_CIPHERS_AVAILABLE where isOurs, SSL_R_NO_PROTOCOLS_AVAILABLE where isOurs:
      return TLSFailure(.settings, "nothing is left to offer the broker of --ciphers, --tls-version and openssl.cnf")
    default:
      return TLSFailure(.handshake, "TLS failed: \(error.text)")
    }
  }

  /// What answers, where its first bytes are not those of TLS.
  private var otherProtocol: TLSFailure? {
    guard !isOpen, let first = beginning.first else { return nil }
    // An alert or a handshake record (RFC 8446, section 5.1).
    if first == 0x15 || first == 0x16 { return nil }
    if beginning.elementsEqual("HTTP/".utf8) {
      return TLSFailure(.handshake, "an HTTP server without TLS answers there (is the port right?)")
    }
    if first & 0xF0 == 0x20 || first & 0xF0 == 0xE0 {
      return TLSFailure(.handshake, "plain MQTT answers there, without TLS (is the port right? --no-tls does without)")
    }
    return TLSFailure(.handshake, "what answers there does not speak TLS (is the port right?)")
  }

  /// The other side closed before the handshake was done.
  private var endInHandshake: TLSFailure {
    if let other = otherProtocol { return other }
    var text = "the broker closed the connection in the TLS handshake"
    if beginning.isEmpty {
      text += " without an answer (perhaps it is not a port for TLS: --no-tls does without)"
    } else if configuration.sharedKey != nil {
      text += " (perhaps --psk or --psk-identity is wrong)"
    } else if configuration.identity == nil {
      text += " (perhaps it wants a client certificate: --cert and --key)"
    }
    return TLSFailure(.handshake, text, isTransient: true)
  }
}
