/// Who a spool is, and whose: the file `spool-id`.
///
///     mqtools spool 1 5d1a09ce
///     client-identifier mqpub-3v1mhzk0q8w2xg5pa
///     broker mqtt.example.org:8883
///     user sensors
///
/// The first line ends with the version, which later versions keep there, and the checksum of all the rest.
struct SpoolIdentity: Equatable {
  /// Random, not made from a path or a host: a spool that is made anew must not meet the session of the old one, whose
  /// packet identifiers would make its messages look like duplicates.
  var clientIdentifier: String
  var owner: SpoolOwner?

  enum Parsed: Equatable { case identity(SpoolIdentity), newerVersion, damaged }

  private static let title = "mqtools spool "
  private static let version = "1"
  private static let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

  init(clientIdentifier: String, owner: SpoolOwner?) {
    self.clientIdentifier = clientIdentifier
    self.owner = owner
  }

  /// A new one. 17 characters hold 88 random bits, and with the prefix 23: what every broker takes (MQTT 3.1.1, 3.1.3.1).
  init(of owner: SpoolOwner?, random: inout some RandomNumberGenerator) {
    let characters = (0..<17).map { _ in Self.alphabet.randomElement(using: &random)! }
    self.init(clientIdentifier: "mqpub-" + String(decoding: characters, as: UTF8.self), owner: owner)
  }

  var file: [UInt8] {
    var rest = "client-identifier \(clientIdentifier)\n"
    if let owner {
      rest += "broker \(Self.escaped(owner.broker))\n"
      if let user = owner.user { rest += "user \(Self.escaped(user))\n" }
    }
    return Array("\(Self.title)\(Self.version) \(Self.checksum(Self.version, rest))\n\(rest)".utf8)
  }

  static func parse(_ file: [UInt8]) -> Parsed {
    let lines = String(decoding: file, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    guard let first = lines.first, first.utf8.starts(with: title.utf8) else { return .damaged }
    let words = first.utf8.dropFirst(title.utf8.count).split(separator: UInt8(ascii: " ")).map { String(Substring($0)) }
    let rest = lines.dropFirst().joined(separator: "\n")
    guard words.count == 2, checksum(words[0], rest).utf8.elementsEqual(words[1].utf8) else { return .damaged }
    guard words[0].utf8.elementsEqual(version.utf8) else { return .newerVersion }

    var identity = SpoolIdentity(clientIdentifier: "", owner: nil)
    for line in lines.dropFirst() {
      let parts = line.utf8.split(separator: UInt8(ascii: " "), maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { continue }
      let value = Substring(parts[1])
      switch String(Substring(parts[0])) {
      case "client-identifier": identity.clientIdentifier = String(value)
      case "broker": identity.owner = SpoolOwner(broker: unescaped(value), user: nil)
      case "user": identity.owner?.user = unescaped(value)
      default: break
      }
    }
    return identity.clientIdentifier.isEmpty ? .damaged : .identity(identity)
  }

  private static func checksum(_ version: String, _ rest: String) -> String {
    let digits = String(Checksum.of("\(version)\n\(rest)"), radix: 16)
    return String(repeating: "0", count: 8 - digits.utf8.count) + digits
  }

  /// Visible ASCII as it is, all else as `%` and two digits.
  static func escaped(_ bytes: [UInt8]) -> String {
    var text = ""
    for byte in bytes {
      if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "%"), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += (byte < 0x10 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
      }
    }
    return text
  }

  private static func unescaped(_ text: Substring) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let decoded = Hex.decode(rest.prefix(2)), decoded.count == 1 {
        bytes += decoded
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return bytes
  }
}

/// The broker and the user that a spool belongs to: its session, and what may be published where, are theirs.
public struct SpoolOwner: Hashable, Sendable {
  /// Where the broker listens, as text.
  public var broker: [UInt8]
  /// The user name; nil without one.
  public var user: [UInt8]?

  /// A broker, and a user on it.
  public init(broker: [UInt8], user: [UInt8]?) {
    self.broker = broker
    self.user = user
  }
}

extension SpoolOwner: CustomStringConvertible {
  /// As in `localhost:1883, user bob`.
  public var description: String {
    SpoolIdentity.escaped(broker) + (user.map { ", user \(SpoolIdentity.escaped($0))" } ?? ", no user name")
  }
}
