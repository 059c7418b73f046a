/// What is wanted of TLS. Files are named by their bytes, and read anew for each network connection: certificates are renewed
/// while a program runs.
public struct TLSConfiguration: Hashable, Sendable {
  /// A version of TLS.
  public enum Version: Int32, Sendable {
    case tls12 = 0x0303
    case tls13 = 0x0304
  }

  /// The client's certificate, with those of its intermediate authorities behind it, and its private key, in PEM files.
  public struct Identity: Hashable, Sendable {
    var certificateFile: [UInt8]
    var keyFile: [UInt8]
    /// What opens the key, if it is encrypted.
    public var passphrase: [UInt8]?

    /// A certificate and its key.
    public init(certificateFile: [UInt8], keyFile: [UInt8], passphrase: [UInt8]? = nil) {
      self.certificateFile = certificateFile
      self.keyFile = keyFile
      self.passphrase = passphrase
    }
  }

  /// A key that client and broker share, instead of certificates.
  public struct SharedKey: Hashable, Sendable {
    var identity: [UInt8]
    /// The key.
    public var key: [UInt8]

    /// A key and its name.
    public init(identity: [UInt8], key: [UInt8]) {
      self.identity = identity
      self.key = key
    }
  }

  /// A PEM file of the authorities to trust. With neither this nor `authorityFolder` the system's are trusted.
  public var authorityFile: [UInt8]?
  /// A folder of authorities to trust, under hashed names as `openssl rehash` gives them.
  public var authorityFolder: [UInt8]?
  /// Who the client is.
  public var identity: Identity?
  /// The key in place of certificates.
  public var sharedKey: SharedKey?
  /// The name or address that the broker's certificate must be for, where that is not the host.
  public var name: String?
  /// The SHA-256 of the broker's public key (its SubjectPublicKeyInfo), if it has to be a certain one.
  public var pin: [UInt8]?
  /// Whether it matters who the broker is.
  public var verifies = true
  /// Versions below are not spoken.
  public var minimumVersion = Version.tls12
  /// Versions above are not spoken; nil leaves it to OpenSSL.
  public var maximumVersion: Version?
  /// Which ciphers TLS 1.2 may use, as OpenSSL has it; nil leaves it to OpenSSL.
  public var ciphers: String?
  /// Which TLS 1.3 may use.
  public var cipherSuites: String?
  /// The protocol that is asked for (ALPN, RFC 7301), of 1 to 255 bytes.
  public var applicationProtocol: [UInt8]?
  /// Where the secrets of connections are appended, for a network analyser.
  public var keyLogFile: [UInt8]?
  /// Where sessions are kept for the next run; nil keeps none.
  public var sessionFolder: [UInt8]?

  /// TLS with the system's authorities.
  public init() {}
}

/// Why there is no TLS.
public struct TLSFailure: Error, Hashable, Sendable {
  /// What failed.
  public enum Kind: Sendable {
    /// A file cannot be read, or a value means nothing to OpenSSL.
    case settings
    /// A certificate: the broker's was refused by us or ours by the broker, or ours is unusable.
    case certificate
    /// The handshake, before a certificate was judged.
    case handshake
  }

  /// What failed.
  public var kind: Kind
  /// What it was, and what to do where that is not plain, in one line.
  public var explanation: String
  /// Whether another attempt could end otherwise.
  public var isTransient = false
  /// Whether a session of an earlier connection was offered, which may have been the reason.
  var wasResuming = false

  init(_ kind: Kind, _ explanation: String, isTransient: Bool = false) {
    self.kind = kind
    self.explanation = explanation
    self.isTransient = isTransient
  }
}

/// What was agreed on, or how far it came.
public struct TLSReport: Sendable {
  /// What proves who the broker is.
  public enum Proof: Sendable {
    case certificate, sharedKey
  }

  /// As `TLSv1.3`; nil where the handshake did not come so far, like the next two.
  public var version: String?
  /// As OpenSSL calls it.
  public var cipher: String?
  /// How the key was exchanged, as `x25519`.
  public var group: String?
  /// The protocol that the broker chose.
  public var applicationProtocol: [UInt8]?
  /// Whether a session of an earlier connection was resumed.
  public var isResumed = false
  /// What proves who the broker is; nil where nothing does.
  public var proof: Proof?
  /// The name or address that was expected.
  public var name: String
  /// What the broker sent, its own certificate first. Of a resumed session only that one is known.
  public var certificates: [TLSCertificate] = []
  /// Why it came to nothing.
  public var failure: TLSFailure?
}

/// What a certificate says.
public struct TLSCertificate: Sendable {
  /// Whose it is, as `CN=localhost,O=Example`.
  public var subject: String
  /// Who vouches for it.
  public var issuer: String
  /// The host names and addresses that it is for.
  public var names: [String]
  /// The first and the last second of its life, as `2026-01-31 23:59:59`, in UTC.
  public var notBefore, notAfter: String
  /// The SHA-256 of its public key, as `sha256//` and Base64.
  public var pin: String
}
