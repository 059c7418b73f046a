/// What a server speaks, by the look of the first bytes that came from it: for errors about a wrong port.
public enum PeerProtocol: String, Sendable, Hashable {
  case mqtt = "MQTT"
  case tls = "TLS"
  case http = "HTTP"
  case ssh = "SSH"
  case socks5 = "SOCKS5"

  /// Judges by as many bytes as there are, of which eight are enough; nil when nobody knows.
  init?(firstBytes bytes: UnsafeRawBufferPointer) {
    guard let first = bytes.first else { return nil }
    let start = bytes.prefix(5)
    if start.elementsEqual("HTTP/".utf8.prefix(start.count)) {
      self = .http
    } else if start.elementsEqual("SSH-2".utf8.prefix(start.count)) {
      self = .ssh
    } else if first == 0x15 || first == 0x16, bytes.count == 1 || bytes[1] == 3 {
      self = .tls  // an alert or a handshake record (RFC 8446, section 5.1)
    } else if first == 0x20 || first == 0xE0 {
      self = .mqtt  // CONNACK, DISCONNECT
    } else if first == 5 {
      self = .socks5
    } else {
      return nil
    }
  }
}
