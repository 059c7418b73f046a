internal import MQTT

/// What stands between `//` and the path of a URL (RFC 3986, section 3.2): `[USER[:PASSWORD]@]HOST[:PORT]`
///
/// Each part may write any byte as `%` and two hexadecimal digits, and has to write those so that end it. An IPv6 address stands
/// in brackets.
struct URLAuthority {
  var userName: [UInt8]?
  var password: [UInt8]?
  var host: String
  var port: Int?

  /// Reads an authority. No message shows the part that may hold a password.
  ///
  /// - Parameter isWhole: false where the text may end too early, because a password has a slash in it: then no message shows
  ///   the port, which may be the beginning of that password.
  init(_ text: ArraySlice<UInt8>, from source: Source, isWhole: Bool) throws(UsageError) {
    var text = text
    if let at = text.lastIndex(of: UInt8(ascii: "@")) {
      let credentials = text[..<at]
      text = text[(at + 1)...]
      let name = credentials.prefix { $0 != UInt8(ascii: ":") }
      if !name.isEmpty { userName = try Self.percentDecoded(name, "user name") }
      if name.endIndex < credentials.endIndex {
        password = try Self.percentDecoded(credentials[(name.endIndex + 1)...], "password")
      }
    }
    let (hostBytes, portBytes) = try Self.hostAndPort(text)
    host = try Argument(try Self.percentDecoded(hostBytes, "host"), from: source).hostName()
    guard let portBytes, !portBytes.isEmpty else { return }
    do throws(UsageError) { port = try Argument(Array(portBytes), from: source).port() } catch {
      if isWhole { throw error }
      throw UsageError("the port is not a number from 1 to 65535; a / in the URL's password is written %2F")
    }
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

  /// Where in a URL the password is, if there is one, whatever else is wrong with it.
  static func password(in url: [UInt8]) -> Range<Int>? {
    let slash = UInt8(ascii: "/")
    let start = url.firstIndex(of: slash).map { $0 + 1 } ?? 0
    let authority = url[start...].drop { $0 == slash }.prefix { $0 != slash }
    guard let at = authority.lastIndex(of: UInt8(ascii: "@")),
      let colon = authority[..<at].firstIndex(of: UInt8(ascii: ":"))
    else { return nil }
    return colon + 1..<at
  }

  /// The bytes that a part of a URL stands for; messages call it `what`.
  static func percentDecoded(_ text: ArraySlice<UInt8>, _ what: String) throws(UsageError) -> [UInt8] {
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

/// ASCII letters made small.
func lowercased(_ bytes: some Sequence<UInt8>) -> [UInt8] {
  bytes.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
}
