internal import COpenSSL
internal import MQTT

/// SCRAM (RFC 5802, RFC 7677), as an authentication method of MQTT 5 (section 4.12): the client proves that it knows the password, which
/// nobody on the way and no imposter learns by that, and the broker proves the same.
///
///     CONNECT  n,,n=USER,r=OURS                          ──▶
///              ◀── r=OURS+THEIRS,s=SALT,i=ITERATIONS     AUTH
///     AUTH     c=biws,r=OURS+THEIRS,p=PROOF              ──▶
///              ◀── v=SIGNATURE                           CONNACK
///
/// Channel binding is not offered: MQTT has no way to agree on it.
struct SCRAM {
  /// The hash that it is used with.
  let mechanism: SCRAMMechanism
  private let userName: [UInt8]
  /// Good for exchanges that begin later.
  var password: [UInt8]
  /// What the proof is about so far: the client's first message without its header.
  private var clientFirst: [UInt8] = []
  private var nonce: [UInt8] = []
  /// How the broker has to sign; nil as long as it has not asked for our proof.
  private var signature: [UInt8]?

  /// Times that a password is hashed: fewer would let whoever plays the broker try passwords fast (RFC 7677, section 4), more would take
  /// many seconds.
  private static let iterations = 4096...10_000_000

  init(_ mechanism: SCRAMMechanism, userName: [UInt8], password: [UInt8]) {
    self.mechanism = mechanism
    self.userName = userName
    self.password = password
  }

  /// The first message of an exchange.
  mutating func begin() -> [UInt8] {
    var random = [UInt8](repeating: 0, count: 18)
    var generator = SystemRandomNumberGenerator()
    for index in random.indices { random[index] = generator.next() }
    return begin(nonce: Base64.encoded(random))
  }

  mutating func begin(nonce: [UInt8]) -> [UInt8] {
    self.nonce = nonce
    signature = nil
    // What would end the name stands as its number in hexadecimal digits (RFC 5802, section 5.1).
    let name = userName.flatMap { byte in
      switch byte {
      case UInt8(ascii: "="): Array("=3D".utf8)
      case UInt8(ascii: ","): Array("=2C".utf8)
      default: [byte]
      }
    }
    clientFirst = "n=".utf8 + name + ",r=".utf8 + nonce
    return Self.header + clientFirst
  }

  /// The answer to the broker's first message: the proof.
  mutating func proof(for serverFirst: [UInt8]) throws(SCRAMFailure) -> [UInt8] {
    guard signature == nil else { throw SCRAMFailure("the broker asks twice for proof") }
    let fields = serverFirst.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    // An extension before the nonce would be one that must be understood.
    guard fields.count >= 3, let whole = Self.value("r", fields[0]), let salt = Self.value("s", fields[1]),
      let digits = Self.value("i", fields[2]), let salt = Base64.decode(salt)
    else { throw SCRAMFailure("the broker's message is none of \(mechanism.rawValue)") }
    guard whole.starts(with: nonce), whole.count > nonce.count else {
      throw SCRAMFailure("the broker answers somebody else: its nonce does not begin with ours")
    }
    guard let iterations = Int(String(decoding: digits, as: UTF8.self)), Self.iterations.contains(iterations) else {
      throw SCRAMFailure(
        "the broker wants the password hashed \(String(decoding: digits.prefix(20), as: UTF8.self)) times, and "
          + "\(Self.iterations.lowerBound) to \(Self.iterations.upperBound) are safe")
    }
    let salted = try mechanism.saltedPassword(password, salt: salt, iterations: iterations)
    let clientKey = try mechanism.code(of: Array("Client Key".utf8), key: salted)
    let final = "c=".utf8 + Base64.encoded(Self.header) + ",r=".utf8 + whole
    let exchange = clientFirst + [UInt8(ascii: ",")] + serverFirst + [UInt8(ascii: ",")] + final
    let ours = try mechanism.code(of: exchange, key: try mechanism.digest(clientKey))
    let serverKey = try mechanism.code(of: Array("Server Key".utf8), key: salted)
    signature = try mechanism.code(of: exchange, key: serverKey)
    return final + ",p=".utf8 + Base64.encoded(zip(clientKey, ours).map { $0 ^ $1 })
  }

  /// Looks at what came with the broker's consent: whether it knows the password, too.
  func verify(_ serverFinal: [UInt8]?) throws(SCRAMFailure) {
    let fields = (serverFinal ?? []).split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard let signature, let first = fields.first, let proof = Self.value("v", first), Base64.decode(proof) == signature
    else {
      throw SCRAMFailure("the broker did not prove that it knows the password (is it the right one?)")
    }
  }

  /// What says that channel binding is not used, and that nobody else is to be acted for.
  private static let header = Array("n,,".utf8)

  /// The value of a field of the form `name=value`.
  private static func value(_ name: String, _ field: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    field.starts(with: "\(name)=".utf8) ? field.dropFirst(2) : nil
  }
}

/// Why there is no proof.
struct SCRAMFailure: Error {
  var explanation: String

  init(_ explanation: String) { self.explanation = explanation }
}

/// The hash that SCRAM is used with; the names are those of SASL mechanisms.
public enum SCRAMMechanism: String, CaseIterable, Sendable {
  case sha1 = "SCRAM-SHA-1"
  case sha256 = "SCRAM-SHA-256"
  case sha512 = "SCRAM-SHA-512"

  private var hash: OpaquePointer? {
    switch self {
    case .sha1: EVP_sha1()
    case .sha256: EVP_sha256()
    case .sha512: EVP_sha512()
    }
  }

  /// H of RFC 5802, section 2.2.
  fileprivate func digest(_ bytes: [UInt8]) throws(SCRAMFailure) -> [UInt8] {
    try result { EVP_Digest(bytes, bytes.count, $0, nil, hash, nil) == 1 }
  }

  /// HMAC.
  fileprivate func code(of bytes: [UInt8], key: [UInt8]) throws(SCRAMFailure) -> [UInt8] {
    try result { HMAC(hash, key, Int32(key.count), bytes, bytes.count, $0, nil) != nil }
  }

  /// Hi.
  fileprivate func saltedPassword(
    _ password: [UInt8], salt: [UInt8], iterations: Int
  ) throws(SCRAMFailure) -> [UInt8] {
    try result { result in
      password.withUnsafeBytes { password in
        PKCS5_PBKDF2_HMAC(
          password.bindMemory(to: CChar.self).baseAddress, Int32(password.count), salt, Int32(salt.count),
          Int32(iterations), hash, EVP_MD_get_size(hash), result)
      } == 1
    }
  }

  /// What `body` writes, which is as long as the hash. OpenSSL may be set up to do less than it could.
  private func result(_ body: (UnsafeMutablePointer<UInt8>) -> Bool) throws(SCRAMFailure) -> [UInt8] {
    var isMade = false
    let result = [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { space, count in
      isMade = body(space.baseAddress!)
      count = isMade ? Int(EVP_MD_get_size(hash)) : 0
    }
    guard isMade else { throw SCRAMFailure("OpenSSL cannot: \(OpenSSLError.take().text)") }
    return result
  }
}
