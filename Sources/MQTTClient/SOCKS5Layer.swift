internal import CSystem
internal import MQTT

/// Asks a SOCKS5 proxy for a connection to the broker (RFC 1928), with user and password if there are any (RFC 1929). Names go to
/// the proxy as they are: it looks them up. After the answer all bytes are handed on as they are.
final class SOCKS5Layer: Layer {
  let stage = ConnectionStage.proxy
  var isOpen: Bool { step == .open }
  private let proxy: ProxySettings
  private let host: String
  private let port: UInt16
  private var step = Step.method
  /// What came and is not a whole answer yet; the longest has 262 bytes.
  private var answer: [UInt8] = []

  private enum Step {
    /// Which of our ways to log in the proxy takes: VER, METHOD.
    case method
    /// Whether user and password are right: VER, STATUS.
    case login
    /// Whether there is a connection: VER, REP, RSV, ATYP, BND.ADDR, BND.PORT.
    case reply
    case open
  }

  private static let version: UInt8 = 5
  private static let noLogin: UInt8 = 0
  private static let userAndPassword: UInt8 = 2

  init(_ proxy: ProxySettings, toHost host: String, port: UInt16) {
    self.proxy = proxy
    self.host = host
    self.port = port
  }

  private var hasCredentials: Bool { proxy.userName != nil || proxy.password != nil }

  func start(down: inout ByteQueue) throws(ConnectionError) {
    down.append(
      hasCredentials ? [Self.version, 2, Self.noLogin, Self.userAndPassword] : [Self.version, 1, Self.noLogin])
  }

  func receive(
    _ bytes: UnsafeRawBufferPointer, up: inout ByteQueue, down: inout ByteQueue
  ) throws(ConnectionError) {
    var rest = bytes[...]
    while step != .open, let byte = rest.popFirst() {
      answer.append(byte)
      // The answer to user and password has the version of that negotiation in front, 1; some proxies write 5.
      guard answer[0] == Self.version || answer[0] == 1 && step == .login else {
        let name = peerProtocol(answer + rest.prefix(8)) ?? "no SOCKS5"
        throw refusal("it speaks \(name)\(name == "HTTP" ? " (is it a proxy for http://?)" : "")", isTransient: false)
      }
      guard answer.count == answerCount else { continue }
      switch step {
      case .method: try methodChosen(answer[1], &down)
      case .login:
        guard answer[1] == 0 else { throw refusal("user or password of --proxy are wrong", isTransient: false) }
        try request(&down)
      case .reply: try replied(answer[1])
      case .open: break
      }
      answer.removeAll()
    }
    if !rest.isEmpty { up.append(UnsafeRawBufferPointer(rebasing: rest)) }
  }

  /// How many bytes the answer has that is awaited, as far as it is known.
  private var answerCount: Int {
    guard step == .reply else { return 2 }
    // A refusal often has no address worth the name: nothing behind its code is waited for.
    if answer.count >= 2, answer[1] != 0 { return answer.count }
    guard answer.count > 4 else { return 5 }
    switch answer[3] {
    case AddressType.ipv4: return 4 + 4 + 2
    case AddressType.ipv6: return 4 + 16 + 2
    default: return 4 + 1 + Int(answer[4]) + 2
    }
  }

  private func methodChosen(_ method: UInt8, _ down: inout ByteQueue) throws(ConnectionError) {
    switch method {
    case Self.noLogin: try request(&down)
    case Self.userAndPassword where hasCredentials:
      let (name, password) = (proxy.userName ?? [], proxy.password ?? [])
      guard name.count <= 255, password.count <= 255 else {
        throw refusal("SOCKS5 knows no user and no password longer than 255 bytes", isTransient: false)
      }
      down.append([1, UInt8(name.count)] + name + [UInt8(password.count)] + password)
      step = .login
    case 0xFF where hasCredentials: throw refusal("it takes no user and password", isTransient: false)
    default:
      throw refusal("it wants a user and a password: --proxy socks5h://USER:PASSWORD@...", isTransient: false)
    }
  }

  private enum AddressType {
    static let ipv4: UInt8 = 1
    static let name: UInt8 = 3
    static let ipv6: UInt8 = 4
  }

  /// VER, CMD (1: connect), RSV, ATYP, DST.ADDR, DST.PORT
  private func request(_ down: inout ByteQueue) throws(ConnectionError) {
    var request: [UInt8] = [Self.version, 1, 0]
    if let address = addressBytes(host, AF_INET, 4) {
      request += [AddressType.ipv4] + address
    } else if let address = addressBytes(host, AF_INET6, 16) {
      request += [AddressType.ipv6] + address
    } else {
      let name = Array(host.utf8)
      guard name.count <= 255 else { throw refusal("a host name is longer than 255 bytes", isTransient: false) }
      request += [AddressType.name, UInt8(name.count)] + name
    }
    down.append(request + [UInt8(port >> 8), UInt8(port & 0xFF)])
    step = .reply
  }

  private func replied(_ code: UInt8) throws(ConnectionError) {
    if code == 0 {
      step = .open
      return
    }
    let (words, isTransient): (String, Bool) =
      switch code {
      case 1: ("general failure", true)
      case 2: ("its rules do not allow it", false)
      case 3: ("network unreachable", true)
      case 4: ("host unreachable, or its name not found", true)
      case 5: ("connection refused", true)
      case 6: ("time to live expired", true)
      case 7: ("it makes no connections for others", false)
      case 8: ("it does not know this kind of address", false)
      default: ("reply \(code)", false)
      }
    throw refusal(words, isTransient: isTransient)
  }

  private func refusal(_ words: String, isTransient: Bool) -> ConnectionError {
    .notLetThrough(
      explanation:
        "the proxy \(proxy.endpoint) gave no connection to \(Endpoint.tcp(host: host, port: port)): \(words)",
      isTransient: isTransient)
  }

  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) throws(ConnectionError) { down.append(bytes) }

  func finish(down: inout ByteQueue) {}

  func receivedEnd() throws(ConnectionError) {
    if isOpen { return }
    throw refusal("it closed the connection without an answer (is it a SOCKS5 proxy?)", isTransient: true)
  }
}

/// The bytes of an address as the system reads it; nil when `text` is none.
private func addressBytes(_ text: String, _ family: Int32, _ count: Int) -> [UInt8]? {
  var bytes = [UInt8](repeating: 0, count: count)
  return inet_pton(family, text, &bytes) == 1 ? bytes : nil
}
