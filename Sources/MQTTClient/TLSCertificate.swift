internal import COpenSSL
internal import CSystem

extension TLSCertificate {
  /// Reads a certificate of OpenSSL's.
  init(_ certificate: OpaquePointer) {
    subject = Self.text(X509_get_subject_name(certificate))
    issuer = Self.text(X509_get_issuer_name(certificate))
    names = Self.names(certificate)
    notBefore = Self.text(X509_get0_notBefore(certificate))
    notAfter = Self.text(X509_get0_notAfter(certificate))
    pin = Self.pinText(Self.keyDigest(certificate) ?? [])
  }

  /// The SHA-256 of the public key and its algorithm (RFC 7469, section 2.4); nil where it cannot be read.
  static func keyDigest(_ certificate: OpaquePointer) -> [UInt8]? {
    var digest = [UInt8](repeating: 0, count: 32)
    return certificateKeyDigest(certificate, &digest) == 1 ? digest : nil
  }

  /// As curl writes it.
  static func pinText(_ digest: [UInt8]) -> String {
    var text = [UInt8](repeating: 0, count: 4 * ((digest.count + 2) / 3) + 1)
    let count = EVP_EncodeBlock(&text, digest, Int32(digest.count))
    return "sha256//" + String(decoding: text.prefix(Int(count)), as: UTF8.self)
  }

  /// The day of a time.
  static func day(_ time: String) -> Substring { time.prefix { $0 != " " } }

  /// The host names and addresses among the subject alternative names.
  private static func names(_ certificate: OpaquePointer) -> [String] {
    guard let names = certificateNames(certificate) else { return [] }
    defer { namesFree(names) }
    var result: [String] = []
    for index in 0..<namesCount(names) {
      var (type, count): (Int32, Int32) = (0, 0)
      guard let start = namesBytes(names, index, &type, &count) else { continue }
      let bytes = UnsafeRawBufferPointer(start: start, count: Int(count))
      if type == GEN_DNS {
        result.append(String(decoding: bytes, as: UTF8.self))
      } else if let address = SocketAddress.text(ofAddress: bytes) {
        result.append(address)
      }
    }
    return result
  }

  private static func text(_ name: OpaquePointer?) -> String {
    guard let memory = BIO_new(BIO_s_mem()) else { return "" }
    defer { BIO_free(memory) }
    guard let name, namePrint(memory, name) >= 0 else { return "" }
    var start: UnsafeMutablePointer<CChar>?
    let count = memoryBytes(memory, &start)
    return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  }

  /// `2026-01-31 23:59:59`.
  private static func text(_ time: UnsafePointer<ASN1_TIME>?) -> String {
    var fields = tm()
    guard let time, timeFields(time, &fields) == 1 else { return "an unreadable time" }
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(fields.tm_year + 1900)-\(two(fields.tm_mon + 1))-\(two(fields.tm_mday)) "
      + "\(two(fields.tm_hour)):\(two(fields.tm_min)):\(two(fields.tm_sec))"
  }
}
