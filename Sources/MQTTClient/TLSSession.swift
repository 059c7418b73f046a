internal import COpenSSL

/// A session of TLS that may be resumed, and what is to be known of the certificate that the broker had shown.
///
/// The certificate stands beside the session, because to read it takes longer than all else that resuming takes in this process.
struct TLSSession: Equatable {
  /// When the certificate ends, in seconds since the beginning of 1970.
  private let end: Int64
  /// The SHA-256 of its public key.
  private let keyDigest: [UInt8]
  private let certificate: [UInt8]
  /// As OpenSSL writes it, without the certificate.
  private let session: [UInt8]

  /// Takes what OpenSSL offers for later connections.
  ///
  /// - Parameter resumed: The session that this one goes back to, if that was resumed: the certificate was its.
  init?(_ pointer: OpaquePointer, resumed: TLSSession?) {
    guard let session = Self.bytes({ i2d_SSL_SESSION(pointer, $0) }).flatMap(Self.withoutCertificate) else {
      return nil
    }
    self.session = session
    if let peer = SSL_SESSION_get0_peer(pointer) {
      guard let digest = TLSCertificate.keyDigest(peer), let bytes = Self.bytes({ i2d_X509(peer, $0) }) else {
        return nil
      }
      (end, keyDigest, certificate) = (certificateEnd(peer), digest, bytes)
    } else if let resumed {
      (end, keyDigest, certificate) = (resumed.end, resumed.keyDigest, resumed.certificate)
    } else {
      return nil
    }
  }

  /// Whether the certificate would be accepted today: it does not come again. All else that counted when it was judged is part of
  /// the name under which the session is kept.
  func isGood(at now: Int64, pin: [UInt8]?) -> Bool {
    now < end && (pin == nil || pin == keyDigest)
  }

  /// Offers the session on a connection that has not begun yet; false where OpenSSL makes nothing of it.
  func offer(on connection: OpaquePointer) -> Bool {
    let session = self.session.withUnsafeBufferPointer { buffer in
      var start = buffer.baseAddress
      return d2i_SSL_SESSION(nil, &start, buffer.count)
    }
    defer {
      SSL_SESSION_free(session)
      OpenSSLError.clear()
    }
    guard let session else { return false }
    return SSL_SESSION_is_resumable(session) == 1 && SSL_set_session(connection, session) == 1
  }

  /// The broker's certificate.
  func readCertificate() -> TLSCertificate? {
    let certificate = self.certificate.withUnsafeBufferPointer { buffer in
      var start = buffer.baseAddress
      return d2i_X509(nil, &start, buffer.count)
    }
    defer { X509_free(certificate) }
    return certificate.map { TLSCertificate($0) }
  }

  // MARK: - As bytes

  /// `end` in 8 bytes, the digest in 32, the certificate's length in 4, the certificate, the session. Numbers begin with their
  /// highest byte.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    withUnsafeBytes(of: end.bigEndian) { bytes += $0 }
    bytes += keyDigest
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: certificate.count).bigEndian) { bytes += $0 }
    return bytes + certificate + session
  }

  /// Reads what `bytes` wrote; nil where it is something else.
  init?(bytes: [UInt8]) {
    guard bytes.count > 44 else { return nil }
    end = bytes[..<8].reduce(0) { $0 << 8 | Int64($1) }
    keyDigest = Array(bytes[8..<40])
    let length = bytes[40..<44].reduce(0) { $0 << 8 | Int($1) }
    guard length < bytes.count - 44 else { return nil }
    certificate = Array(bytes[44..<44 + length])
    session = Array(bytes[(44 + length)...])
  }

  /// What one of OpenSSL's functions writes as DER.
  private static func bytes(_ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32) -> [UInt8]? {
    let count = Int(write(nil))
    guard count > 0 else { return nil }
    return [UInt8](unsafeUninitializedCapacity: count) { space, initialized in
      var start = space.baseAddress
      initialized = max(0, Int(write(&start)))
    }
  }

  /// Leaves out the element [3] of the sequence that a session is.
  ///
  ///     30 LENGTH  { TAG LENGTH CONTENT }...      A3 is the certificate's tag
  static func withoutCertificate(_ session: [UInt8]) -> [UInt8]? {
    var rest = session[...]
    guard let sequence = popElement(&rest), sequence.tag == 0x30, rest.isEmpty else { return nil }
    rest = sequence.content
    var kept: [UInt8] = []
    while !rest.isEmpty {
      let start = rest.startIndex
      guard let element = popElement(&rest) else { return nil }
      if element.tag != 0xA3 { kept += session[start..<rest.startIndex] }
    }
    var length = [UInt8(truncatingIfNeeded: kept.count)]
    switch kept.count {
    case ...0x7F: break
    case ...0xFF: length = [0x81] + length
    case ...0xFFFF: length = [0x82, UInt8(truncatingIfNeeded: kept.count >> 8)] + length
    default: return nil
    }
    return [0x30] + length + kept
  }

  /// The first element of DER (X.690, section 8.1) with a tag of one byte; nil where it is not whole.
  private static func popElement(_ bytes: inout ArraySlice<UInt8>) -> (tag: UInt8, content: ArraySlice<UInt8>)? {
    guard let tag = bytes.popFirst(), tag & 0x1F != 0x1F, let first = bytes.popFirst() else { return nil }
    var length = Int(first)
    if first > 0x7F {
      let count = Int(first & 0x7F)
      guard (1...3).contains(count), bytes.count >= count else { return nil }
      length = bytes.prefix(count).reduce(0) { $0 << 8 | Int($1) }
      bytes = bytes.dropFirst(count)
    }
    guard length <= bytes.count else { return nil }
    let content = bytes.prefix(length)
    bytes = bytes.dropFirst(length)
    return (tag, content)
  }
}
