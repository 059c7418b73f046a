internal import COpenSSL

/// Why OpenSSL refused the broker's certificate, with the names and dates found.
struct CertificateRefusal {
  let failure: TLSFailure

  /// - Parameters:
  ///   - verification: one that has failed.
  ///   - name: what the certificate should have been for.
  init(_ verification: OpaquePointer, name: String, isAddress: Bool) {
    let code = X509_STORE_CTX_get_error(verification)
    let depth = X509_STORE_CTX_get_error_depth(verification)
    let faulty = X509_STORE_CTX_get_current_cert(verification) ?? X509_STORE_CTX_get0_cert(verification)
    failure = TLSFailure(
      .certificate,
      Self.text(code, isOwn: depth == 0, faulty.map { TLSCertificate($0) }, name: name, isAddress: isAddress))
  }

  /// - Parameter isOwn: whether it is the broker's own certificate, not that of an authority.
  private static func text(
    _ code: Int32, isOwn: Bool, _ certificate: TLSCertificate?, name: String, isAddress: Bool
  ) -> String {
    let words = X509_verify_cert_error_string(Int(code)).map { String(cString: $0) } ?? "error \(code)"
    guard let certificate else { return "the broker's certificate is refused: \(words)" }
    let subject = isOwn ? "the broker's certificate" : "the authority \"\(certificate.subject)\" of the certificate"
    switch code {
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      return mismatch(certificate, name, isAddress: isAddress)
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "\(subject) expired on \(TLSCertificate.day(certificate.notAfter))"
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "\(subject) is not valid before \(TLSCertificate.day(certificate.notBefore))"
        + " (is the clock of this machine right?)"
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "the broker's certificate, \"\(certificate.subject)\", is signed by itself:"
        + " if it is the right one, give it with --cafile"
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "the broker's certificate is from the unknown authority \"\(certificate.subject)\":"
        + " give the authority's certificate with --cafile"
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      let remedy = "give the authority's certificate with --cafile"
      return isOwn
        ? "the broker's certificate has an unknown issuer, \"\(certificate.issuer)\": \(remedy), "
          + "or, if that is an intermediate one, have the broker send it along"
        : "\(subject) has an unknown issuer, \"\(certificate.issuer)\": \(remedy)"
    case X509_V_ERR_INVALID_PURPOSE where isOwn:
      return "the broker's certificate is not for servers: its key usage allows other things only"
    case X509_V_ERR_INVALID_CA, X509_V_ERR_KEYUSAGE_NO_CERTSIGN, X509_V_ERR_INVALID_PURPOSE:
      return "\"\(certificate.subject)\" signed the broker's certificate, and is no authority that may sign"
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "\(subject) has a signature that is not its issuer's, \"\(certificate.issuer)\""
        + " (another authority of the same name?)"
    default: return "\(subject) is refused: \(words)"
    }
  }

  private static func mismatch(_ certificate: TLSCertificate, _ name: String, isAddress: Bool) -> String {
    let wanted = isAddress ? "the address \(name)" : "\"\(name)\""
    guard !certificate.names.isEmpty else {
      return "the broker's certificate names no host or address, only its subject \"\(certificate.subject)\","
        + " which counts for nothing: it has to be made with \(wanted) as subject alternative name"
    }
    let found = certificate.names.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
    let rest = certificate.names.count > 8 ? " and \(certificate.names.count - 8) more" : ""
    let wildcard =
      certificate.names.contains { $0.utf8.contains(UInt8(ascii: "*")) }
      ? "; a wildcard stands for one whole label with at least two behind it" : ""
    return "the broker's certificate is for \(found)\(rest), not for \(wanted) (see --tls-name)\(wildcard)"
  }
}

extension TLSFailure {
  /// The broker and we have no version in common.
  ///
  /// - Parameter hasBoth: whether we may speak TLS 1.2 and 1.3.
  static func noVersion(hasBoth: Bool) -> TLSFailure {
    TLSFailure(
      .handshake,
      hasBoth
        ? "the broker speaks neither TLS 1.2 nor 1.3; older versions are not safe"
        : "the broker does not speak the version of TLS that --tls-version or openssl.cnf asks for")
  }

  /// What an alert (RFC 8446, section 6.2) from the broker means.
  static func alert(_ alert: Int32, hasBothVersions: Bool, usesSharedKey: Bool) -> TLSFailure {
    let name = String(cString: SSL_alert_desc_string_long(alert))
    switch alert {
    case SSL_AD_PROTOCOL_VERSION: return noVersion(hasBoth: hasBothVersions)
    case SSL_AD_CERTIFICATE_REQUIRED:
      return TLSFailure(.certificate, "the broker wants a client certificate: give one with --cert and --key")
    case SSL_AD_UNKNOWN_PSK_IDENTITY:
      return TLSFailure(.handshake, "the broker does not know the identity of --psk-identity")
    case SSL_AD_DECRYPT_ERROR where usesSharedKey, SSL_AD_BAD_RECORD_MAC where usesSharedKey,
      SSL_AD_ILLEGAL_PARAMETER where usesSharedKey:
      return TLSFailure(.handshake, "the broker's key for this --psk-identity is not that of --psk (\(name))")
    case SSL_AD_UNKNOWN_CA, SSL_AD_BAD_CERTIFICATE, SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_REVOKED,
      SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_ACCESS_DENIED:
      return TLSFailure(.certificate, "the broker refuses our certificate: \(name) (see --cert)")
    case SSL_AD_HANDSHAKE_FAILURE where usesSharedKey:
      return TLSFailure(
        .handshake, "the broker does not know the identity of --psk-identity, or has no cipher for it: \(name)")
    case SSL_AD_HANDSHAKE_FAILURE, SSL_AD_INSUFFICIENT_SECURITY:
      return TLSFailure(
        .handshake,
        "the broker and we have no cipher or key in common, or it wants a client certificate: \(name)"
          + " (see --ciphers, --cert, --psk)")
    case SSL_AD_UNRECOGNIZED_NAME:
      return TLSFailure(.handshake, "the broker does not serve the host that was asked for: \(name) (see --tls-name)")
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return TLSFailure(.handshake, "the broker does not offer the protocol asked for: \(name) (see --tls-alpn)")
    default:
      return TLSFailure(.handshake, "the broker ended the TLS handshake: \(name)", isTransient: true)
    }
  }
}
