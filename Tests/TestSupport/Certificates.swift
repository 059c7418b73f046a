import Foundation

/// Certificates and keys as a test wants them, made by the `openssl` command in a temporary folder. They are made when they are
/// first asked for, and kept for the process.
///
/// All have the same elliptic key, save the authorities.
public final class Certificates: Sendable {
  /// The paths of two PEM files.
  public struct Pair: Hashable, Sendable {
    /// The certificate; behind it those of intermediate authorities, if it was issued so.
    public let certificate: String
    /// Its private key.
    public let key: String
  }

  /// An authority whose name is `CN=Test Root`.
  public let root: Pair
  /// Another authority, `CN=Other Root`.
  public let otherRoot: Pair
  /// The key of all other certificates, and the same encrypted with the passphrase `sesame`, in the older PEM form and as PKCS #8.
  public let key, encryptedKey, encryptedKey8: String

  private let folder: TemporaryFolder
  private let issued = Monitor<[String: Pair]>([:])

  private static let made = Result {
    let certificates = try Certificates()
    path.withLock { $0 = certificates.folder.path }
    atexit { try? FileManager.default.removeItem(atPath: Certificates.path.withLock { $0 }) }
    return certificates
  }
  private static let path = Monitor("")

  /// Those of this process.
  public static func shared() throws -> Certificates { try made.get() }

  private init() throws {
    folder = try TemporaryFolder()
    key = folder.path("key.pem")
    encryptedKey = folder.path("key-encrypted.pem")
    encryptedKey8 = folder.path("key-encrypted8.pem")
    (root, otherRoot) = (
      Pair(certificate: folder.path("root.pem"), key: folder.path("root.key")),
      Pair(certificate: folder.path("other.pem"), key: folder.path("other.key"))
    )
    // A folder in its order of issue, as `openssl ca` wants it: it is the command that takes any dates.
    try folder.write(
      "ca.conf",
      """
      [ca]
      default_ca = authority
      [authority]
      dir = \(folder.path)
      database = $dir/index.txt
      new_certs_dir = $dir
      rand_serial = yes
      unique_subject = no
      default_md = sha256
      policy = any
      [any]
      organizationName = optional
      commonName = optional

      """)
    try folder.write("index.txt", "")
    try run("ecparam -name prime256v1 -genkey -noout -out \(key)")
    try run("ec -in \(key) -aes128 -passout pass:sesame -out \(encryptedKey)")
    try run("pkcs8 -topk8 -in \(key) -passout pass:sesame -out \(encryptedKey8)")
    try run("req -new -key \(key) -subj /CN=request -out \(folder.path("request.pem"))")
    for (authority, name) in [(root, "Test Root"), (otherRoot, "Other Root")] {
      try run("ecparam -name prime256v1 -genkey -noout -out \(authority.key)")
      try run(
        ["req", "-x509", "-new", "-key", authority.key, "-subj", "/CN=\(name)", "-days", "3650"]
          + ["-out", authority.certificate])
    }
  }

  /// A certificate that the arguments describe; the same arguments give the same one.
  ///
  /// - Parameters:
  ///   - subject: As `/CN=localhost`.
  ///   - names: Subject alternative names, as `DNS:localhost`.
  ///   - extensions: More lines for the extensions, as `extendedKeyUsage=clientAuth`.
  ///   - issuer: Who signs it, if not the root.
  ///   - days: Its first and its last day, as `20240131`, or with the time behind it, as `20240131235959`, in UTC.
  ///   - intermediates: Certificates to stand behind it in its file.
  public func issue(
    _ subject: String = "/CN=localhost", names: [String] = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"],
    extensions: [String] = [], by issuer: Pair? = nil, days: (first: String, last: String) = ("20200101", "20991231"),
    with intermediates: [Pair] = []
  ) throws -> Pair {
    let issuer = issuer ?? root
    let description = "\(subject) \(names) \(extensions) \(issuer) \(days) \(intermediates)"
    return try issued.withLock { issued in
      if let pair = issued[description] { return pair }
      let number = issued.count + 1
      let pair = Pair(certificate: folder.path("\(number).pem"), key: key)
      let lines = (names.isEmpty ? [] : ["subjectAltName=" + names.joined(separator: ",")]) + extensions
      let extensionFile = try folder.write("\(number).ext", lines.map { $0 + "\n" }.joined())
      try run(
        ["ca", "-batch", "-notext", "-config", folder.path("ca.conf"), "-in", folder.path("request.pem")]
          + ["-subj", subject, "-cert", issuer.certificate, "-keyfile", issuer.key, "-extfile", extensionFile]
          + ["-startdate", Self.time(days.first), "-enddate", Self.time(days.last), "-out", pair.certificate])
      for intermediate in intermediates {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: intermediate.certificate))
        try folder.write("\(number).pem", try Data(contentsOf: URL(fileURLWithPath: pair.certificate)) + bytes)
      }
      issued[description] = pair
      return pair
    }
  }

  /// A certificate for an authority between the root and others.
  public func intermediate(
    _ subject: String = "/CN=Test Intermediate", days: (first: String, last: String) = ("20200101", "20991231")
  ) throws -> Pair {
    try issue(
      subject, names: [], extensions: ["basicConstraints=critical,CA:true", "keyUsage=keyCertSign"], days: days)
  }

  /// A certificate that its own key has signed.
  public func selfSigned() throws -> Pair {
    try issued.withLock { issued in
      if let pair = issued["self"] { return pair }
      let pair = Pair(certificate: folder.path("self.pem"), key: key)
      try run([
        "req", "-x509", "-new", "-key", key, "-subj", "/CN=localhost", "-days", "30", "-out", pair.certificate,
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
      ])
      issued["self"] = pair
      return pair
    }
  }

  /// The SHA-256 of a certificate's public key in Base64, by the recipe of curl's manual.
  public func pin(_ pair: Pair) throws -> String {
    let recipe = """
      openssl x509 -in '\(pair.certificate)' -pubkey -noout | openssl pkey -pubin -outform der \
      | openssl dgst -sha256 -binary | openssl enc -base64
      """
    let tool = try ToolProcess.run("sh", ["-c", recipe])
    return String(tool.outputText.prefix { $0 != "\n" })
  }

  /// A folder with a certificate under the hashed name that OpenSSL looks for.
  public func hashedFolder(_ pair: Pair) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let tool = try ToolProcess.run("openssl", ["x509", "-in", pair.certificate, "-noout", "-hash"])
    let name = String(tool.outputText.prefix { $0 != "\n" }) + ".0"
    try folder.write(name, try Data(contentsOf: URL(fileURLWithPath: pair.certificate)))
    return folder
  }

  private static func time(_ day: String) -> String { day + (day.utf8.count == 8 ? "000000Z" : "Z") }

  private func run(_ words: String) throws { try run(words.split(separator: " ").map(String.init)) }

  private func run(_ words: [String]) throws {
    let tool = try ToolProcess.run("openssl", words, timeout: .seconds(30))
    guard tool.end == .exited(0) else {
      throw TestFailure("openssl \(words.joined(separator: " ")): \(tool.errorText)")
    }
  }
}
