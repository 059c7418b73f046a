internal import MQTT

/// `mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]`, or `mqtts://`
///
/// USER and PASSWORD may write any byte as `%` and two hexadecimal digits, and have to write `/`, `%` and, in USER, `:`
/// so. An IPv6 address stands in brackets. TOPIC is all behind the first `/` as it is: `#` and `%` mean themselves.
public struct BrokerURL: Sendable {
  /// Whether the scheme asks for TLS.
  var usesTLS: Bool
  var host: String
  var port: Int?
  var userName: Text?
  var password: [UInt8]?
  /// All behind the first `/`; nil when there is nothing.
  public var topic: Argument?

  /// Reads a URL. No message shows the part that may hold a password.
  public init(_ argument: Argument) throws(UsageError) {
    let bytes = argument.bytes
    let scheme = bytes.prefix { $0 != UInt8(ascii: ":") }
    let separator = Array("://".utf8)
    switch String(decoding: lowercased(scheme), as: UTF8.self) {
    case "mqtt" where bytes[scheme.endIndex...].starts(with: separator): usesTLS = false
    case "mqtts" where bytes[scheme.endIndex...].starts(with: separator): usesTLS = true
    // Not quoted: there may be a password in it.
    default: throw UsageError("the URL does not begin with mqtt:// or mqtts://")
    }
    var authority = bytes[(scheme.count + separator.count)...].prefix { $0 != UInt8(ascii: "/") }
    if authority.endIndex < bytes.endIndex - 1 {
      topic = Argument(Array(bytes[(authority.endIndex + 1)...]), from: argument.source)
    }
    if let at = authority.lastIndex(of: UInt8(ascii: "@")) {
      let credentials = authority[..<at]
      authority = authority[(at + 1)...]
      let name = credentials.prefix { $0 != UInt8(ascii: ":") }
      if !name.isEmpty {
        userName = try Argument(try percentDecoded(name, "user name"), from: argument.source).mqttText()
      }
      if name.endIndex < credentials.endIndex {
        let password = try percentDecoded(credentials[(name.endIndex + 1)...], "password")
        self.password = try Argument(password, from: argument.source).binary()
      }
    }
    let (hostBytes, portBytes) = try Self.hostAndPort(authority)
    host = try Argument(Array(hostBytes), from: argument.source).hostName()
    guard let portBytes else { return }
    let port = Argument(Array(portBytes), from: argument.source)
    do throws(UsageError) { self.port = try port.port() } catch {
      guard topic?.bytes.contains(UInt8(ascii: "@")) == true else { throw error }
      // Not quoted: it may be the beginning of a password that ends behind the slash.
      throw UsageError("the port is not a number from 1 to 65535; a / in the URL's password is written %2F")
    }
  }

  /// Where in a URL the password is, if there is one, whatever else is wrong with it.
  static func password(in url: [UInt8]) -> Range<Int>? {
    let authority = authority(of: url)
    guard let at = authority.lastIndex(of: UInt8(ascii: "@")),
      let colon = authority[..<at].firstIndex(of: UInt8(ascii: ":"))
    else { return nil }
    return colon + 1..<at
  }

  /// What stands before the path: `[USER[:PASSWORD]@]HOST[:PORT]`.
  private static func authority(of url: [UInt8]) -> ArraySlice<UInt8> {
    let slash = UInt8(ascii: "/")
    let start = url.firstIndex(of: slash).map { $0 + 1 } ?? 0
    return url[start...].drop { $0 == slash }.prefix { $0 != slash }
  }

  /// Parts `HOST`, `HOST:PORT`, `[ADDRESS]` and `[ADDRESS]:PORT`.
  private static func hostAndPort(
    _ text: ArraySlice<UInt8>
  ) throws(UsageError) -> (host: ArraySlice<UInt8>, port: ArraySlice<UInt8>?) {
    let colon = UInt8(ascii: ":")
    var host = text.prefix { $0 != colon }
    var rest = text[host.endIndex...]
    if text.first == UInt8(ascii: "[") {
      guard let bracket = text.firstIndex(of: UInt8(ascii: "]")) else {
        throw UsageError("an address in the URL lacks its closing bracket")
      }
      host = text[(text.startIndex + 1)..<bracket]
      rest = text[(bracket + 1)...]
    }
    if rest.isEmpty { return (host, nil) }
    guard rest.first == colon else { throw UsageError("something stands behind the address in the URL") }
    guard !rest.dropFirst().contains(colon) else {
      throw UsageError("an IPv6 address in a URL stands in brackets, as in mqtt://[::1]:1883")
    }
    return (host, rest.dropFirst())
  }
}

extension Argument {
  /// The word as a host's name or address.
  func hostName() throws(UsageError) -> String {
    let name = try text()
    guard !name.isEmpty else { throw UsageError("the host is missing") }
    guard !bytes.contains(0) else { throw UsageError("\(quoted) is no host") }
    return name
  }

  /// The word as a port to connect to.
  func port() throws(UsageError) -> Int { try number(in: 1...65_535) }
}

private func percentDecoded(_ text: ArraySlice<UInt8>, _ what: String) throws(UsageError) -> [UInt8] {
  var decoded: [UInt8] = []
  var rest = text
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "%") else {
      decoded.append(byte)
      continue
    }
    guard rest.count >= 2, let value = Hex.decode(rest.prefix(2)) else {
      throw UsageError("a % in the URL's \(what) is not followed by two hexadecimal digits; write %25 for it")
    }
    decoded += value
    rest = rest.dropFirst(2)
  }
  return decoded
}

/// ASCII letters made small.
func lowercased(_ bytes: some Sequence<UInt8>) -> [UInt8] {
  bytes.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
}
