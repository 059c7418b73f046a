internal import MQTTClient

extension ConnectionSettings {
  /// The options about TLS.
  static let tlsOptions: [Option<ConnectionSettings>] = [
    Option(
      OptionDescription(
        long: "tls", section: .tls, summary: "speak TLS, and trust the authorities that the system trusts",
        details: """
          TLS is spoken also when the port is 8883 or the URL begins with mqtts://, and when an authority or a shared key \
          is named with {--cafile}, {--capath} or {--psk}. Without {--port} the port is then 8883. The certificate has to \
          be for {--host}, among its subject alternative names; its common name counts for nothing. SSL_CERT_FILE and \
          SSL_CERT_DIR say where the system's authorities are, and the machine's openssl.cnf holds. A session is kept in \
          the cache folder of the user, so that the next run begins faster.
          """)
    ) { $0.tls.isAsked = true },
    Option(
      OptionDescription(
        long: "tls-use-os-certs", section: .tls, setting: "--tls", summary: "the same as {--tls}")
    ) { $0.tls.isAsked = true },
    Option(
      OptionDescription(
        long: "no-tls", section: .tls, summary: "do without TLS, whatever else is said about it, and on port 8883 too")
    ) { $0.tls.isOff = true },
    Option(
      byUse: OptionDescription(
        long: "cafile", value: .one("FILE"), section: .tls,
        summary: "trust the authorities in this PEM file instead of the system's",
        details: "The variable says whom to trust where TLS is spoken; it does not ask for TLS.",
        environment: "MQTOOLS_CAFILE")
    ) { (settings, use) throws(UsageError) in
      let path = try Argument(use.words[0], from: use.source).path()
      if use.source.kind == .environment {
        settings.tls.standardAuthorityFile = path
      } else {
        settings.tls.authorityFile = path
      }
    },
    Option(
      OptionDescription(
        long: "capath", value: .one("FOLDER"), section: .tls,
        summary: "trust the authorities in this folder instead of the system's",
        details: "Their names are those that `openssl rehash` makes.")
    ) { (settings, value) throws(UsageError) in settings.tls.authorityFolder = try value.path() },
    Option(
      OptionDescription(
        long: "cert", value: .one("FILE"), section: .tls, summary: "PEM file of the client's certificate",
        details: "Behind it the file may have those of intermediate authorities. It needs {--key}.")
    ) { (settings, value) throws(UsageError) in settings.tls.certificateFile = try value.path() },
    Option(
      OptionDescription(
        long: "key", value: .one("FILE"), section: .tls, summary: "PEM file of the client's private key")
    ) { (settings, value) throws(UsageError) in settings.tls.keyFile = try value.path() },
    Option(
      OptionDescription(
        long: "keyform", value: .one("pem"), section: .tls, summary: "form of the private key (pem)",
        details: "It is there because mosquitto's clients have it; engine is refused, as OpenSSL 3 has none.")
    ) { (settings, value) throws(UsageError) in
      if value.bytes.elementsEqual("engine".utf8) { throw UsageError.noEngines }
      settings.tls.keyForm = try value.choice([("pem", true)])
    },
    Option(
      OptionDescription(
        long: "key-pw-from", value: .one("SOURCE"), section: .tls,
        summary: "where the passphrase of an encrypted key is: SOURCE as for {--pw-from}",
        details: "It is read once, also from a command.", secret: { SecretSource.secret(in: $0[0]) })
    ) { (settings, value) throws(UsageError) in settings.tls.passphrase = try value.secretSource() },
    Option(
      OptionDescription(
        long: "insecure", section: .tls, summary: "verify nothing: anybody on the way can be the broker",
        details: """
          Neither the certificate's issuer nor its dates nor its names count. For a broker with a name of its own \
          {--tls-name} is the safe way, and for one that signs for itself {--cafile} with its own certificate.
          """)
    ) { $0.tls.isInsecure = true },
    Option(
      OptionDescription(
        long: "tls-name", value: .one("NAME"), section: .tls,
        summary: "the name or address that the certificate has to be for, if not that of {--host}",
        details: "The broker is also asked for this name (SNI).")
    ) { (settings, value) throws(UsageError) in settings.tls.name = try value.hostName() },
    Option(
      OptionDescription(
        long: "tls-pin", value: .one("SHA256"), section: .tls, summary: "the one public key that the broker may have",
        details: """
          The SHA-256 of the key as a SubjectPublicKeyInfo, as sha256// and Base64 (so curl and {--tls-info} show it) or as \
          64 hexadecimal digits. All else is verified besides.
          """)
    ) { (settings, value) throws(UsageError) in settings.tls.pin = try value.pin() },
    Option(
      OptionDescription(
        long: "psk", value: .one("HEX"), section: .tls,
        summary: "a key that the broker knows too, in place of certificates; needs {--psk-identity}",
        details: "Other users can see it for a moment; {--psk-from} has not this weakness.",
        secret: { $0[0].indices })
    ) { (settings, value) throws(UsageError) in settings.tls.sharedKey = .bytes(try TLSPlan.sharedKey(value.bytes)) },
    Option(
      OptionDescription(
        long: "psk-from", value: .one("SOURCE"), section: .tls, setting: "--psk",
        summary: "where the key of {--psk} is: SOURCE as for {--pw-from}",
        details: "In hexadecimal digits. It is read once, also from a command.",
        secret: { SecretSource.secret(in: $0[0]) })
    ) { (settings, value) throws(UsageError) in settings.tls.sharedKey = .source(try value.secretSource()) },
    Option(
      OptionDescription(
        long: "psk-identity", value: .one("NAME"), section: .tls,
        summary: "the name under which the broker knows the key")
    ) { (settings, value) throws(UsageError) in
      guard (1...255).contains(value.bytes.count), !value.bytes.contains(0) else {
        throw UsageError("\(value.quoted) is not of 1 to 255 bytes")
      }
      settings.tls.sharedKeyIdentity = value.bytes
    },
    Option(
      OptionDescription(
        long: "tls-version", value: .one("VERSION"), section: .tls,
        summary: "tlsv1.2 is that or newer, tlsv1.3 is that and nothing else (tlsv1.2)")
    ) { (settings, value) throws(UsageError) in
      switch String(decoding: lowercased(value.bytes), as: UTF8.self) {
      case "tlsv1", "tlsv1.0", "tlsv1.1": throw UsageError("TLS below 1.2 is not safe, and not spoken")
      case "tlsv1.2": settings.tls.version = .tls12
      case "tlsv1.3": settings.tls.version = .tls13
      default: throw UsageError("\(value.quoted) is neither tlsv1.2 nor tlsv1.3")
      }
    },
    Option(
      OptionDescription(
        long: "ciphers", value: .one("LIST"), section: .tls,
        summary: "the ciphers that may be used, with colons between them",
        details: """
          Names that begin with TLS_ are for TLS 1.3, all others for 1.2; a version of which none is named keeps its \
          standard. `openssl ciphers -v` shows them.
          """)
    ) { (settings, value) throws(UsageError) in
      let names = try value.text().split(separator: ":", omittingEmptySubsequences: true).map(String.init)
      guard !names.isEmpty, !value.bytes.contains(0) else { throw UsageError("\(value.quoted) names no cipher") }
      settings.tls.ciphers = names
    },
    Option(
      OptionDescription(
        long: "tls-alpn", value: .one("PROTOCOL"), section: .tls,
        summary: "the application protocol to ask for, as some brokers on port 443 want it")
    ) { (settings, value) throws(UsageError) in
      guard (1...255).contains(value.bytes.count) else { throw UsageError("\(value.quoted) is not of 1 to 255 bytes") }
      settings.tls.applicationProtocol = value.bytes
    },
    Option(
      OptionDescription(
        long: "tls-keylog", value: .one("FILE"), section: .tls,
        summary: "append what Wireshark needs to decrypt the connection",
        details: "Whoever has the file can read everything. SSLKEYLOGFILE in the environment does the same.")
    ) { (settings, value) throws(UsageError) in settings.tls.keyLogFile = try value.path() },
    Option(
      OptionDescription(
        long: "tls-info", section: .tls, summary: "connect, print what TLS agreed on and all certificates, and end",
        details: """
          Nothing is published or subscribed to. A certificate that is refused is shown too; the exit status is that of \
          the connection.
          """,
        isForCommandLineOnly: true)
    ) { $0.tls.showsInfo = true },
    Option(
      OptionDescription(
        long: "tls-engine", value: .one("ENGINE"), section: .tls, summary: "refused: OpenSSL 3 has no engines")
    ) { (_, _) throws(UsageError) in throw UsageError.noEngines },
    Option(
      OptionDescription(
        long: "tls-engine-kpass-sha1", value: .one("HEX"), section: .tls,
        summary: "refused like {--tls-engine}")
    ) { (_, _) throws(UsageError) in throw UsageError.noEngines },
  ]
}

extension UsageError {
  fileprivate static let noEngines = UsageError(
    "OpenSSL 3 has no engines: give the private key as a PEM file with --key")
}

extension Argument {
  /// The word as the name of a file.
  fileprivate func path() throws(UsageError) -> [UInt8] {
    guard !bytes.isEmpty, !bytes.contains(0) else { throw UsageError("\(quoted) is no path") }
    return bytes
  }

  /// The word as the SHA-256 of a public key.
  fileprivate func pin() throws(UsageError) -> [UInt8] {
    let prefix = Array("sha256//".utf8)
    let digest = bytes.starts(with: prefix) ? Base64.decode(bytes.dropFirst(prefix.count)) : Hex.decode(bytes)
    guard let digest, digest.count == 32 else {
      throw UsageError("\(quoted) is neither sha256// and a SHA-256 in Base64 nor 64 hexadecimal digits")
    }
    return digest
  }
}

extension TLSPlan {
  /// The bytes of a shared key in hexadecimal digits. No message shows them.
  static func sharedKey(_ digits: [UInt8]) throws(UsageError) -> [UInt8] {
    // OpenSSL takes no longer one.
    guard let key = Hex.decode(digits), (1...256).contains(key.count) else {
      throw UsageError("is not an even number of hexadecimal digits, 512 at most")
    }
    return key
  }
}
