internal import CSystem
internal import MQTT

/// Tries the addresses of a host until one connects: the next begins when one has failed, or after 250 ms without
/// an answer while the earlier ones go on (RFC 8305, section 5), families in turn.
struct Dialer: ~Copyable {
  private var waiting: [SocketAddress]
  private let locals: [SocketAddress]?
  private var attempts: [Attempt] = []
  private var nextAttempt: Instant?
  private var firstError: ConnectionError?

  /// A class, because an array cannot hold what is owned once.
  private final class Attempt {
    var socket: Socket?
    let address: SocketAddress

    init(_ socket: consuming Socket, _ address: SocketAddress) {
      self.socket = consume socket
      self.address = address
    }
  }

  static let attemptDelay: Duration = .milliseconds(250)

  /// - Parameter locals: the addresses to connect from, one of each family at most; nil leaves it to the system.
  init(_ addresses: [SocketAddress], from locals: [SocketAddress]? = nil, at now: Instant) throws(ConnectionError) {
    let reachable = locals.map { locals in
      addresses.filter { address in locals.contains { $0.family == address.family } }
    }
    waiting = Self.familiesInTurn(reachable ?? addresses)
    self.locals = locals
    if waiting.isEmpty {
      throw .system(call: "connect", errno: EAFNOSUPPORT, place: locals?.first?.description ?? "no address")
    }
    try startNext(at: now)
  }

  /// When `next(at:)` is due.
  var deadline: Instant? { nextAttempt }

  /// Descriptors that become writable when an attempt has ended.
  var descriptors: [Int32] { attempts.compactMap { $0.socket?.descriptor } }

  /// The delay is over: begins the next attempt.
  mutating func deadlineReached(at now: Instant) throws(ConnectionError) {
    if let nextAttempt, now >= nextAttempt { try startNext(at: now) }
  }

  /// An attempt has ended: its socket, if it is connected.
  ///
  /// - Throws: the first failure, when no address is left.
  mutating func ended(_ descriptor: Int32, at now: Instant) throws(ConnectionError) -> Socket? {
    guard let index = attempts.firstIndex(where: { $0.socket?.descriptor == descriptor }) else { return nil }
    let attempt = attempts.remove(at: index)
    guard let socket = attempt.socket.take() else { return nil }
    let code = socket.connectResult()
    if code == 0 {
      attempts.removeAll()
      return socket
    }
    firstError = firstError ?? .system(call: "connect", errno: code, place: attempt.address.description)
    try startNext(at: now)
    return nil
  }

  private mutating func startNext(at now: Instant) throws(ConnectionError) {
    nextAttempt = nil
    while !waiting.isEmpty {
      let address = waiting.removeFirst()
      do throws(ConnectionError) {
        let local = locals?.first { $0.family == address.family }
        attempts.append(Attempt(try Socket.connecting(to: address, from: local), address))
        if !waiting.isEmpty { nextAttempt = now + Self.attemptDelay }
        return
      } catch {
        firstError = firstError ?? error
      }
    }
    if attempts.isEmpty, let firstError { throw firstError }
  }

  /// IPv6 and IPv4 alternate, the system's first choice first (RFC 8305, section 4).
  private static func familiesInTurn(_ addresses: [SocketAddress]) -> [SocketAddress] {
    guard let first = addresses.first else { return [] }
    var preferred = addresses.filter { $0.family == first.family }[...]
    var others = addresses.filter { $0.family != first.family }[...]
    var result: [SocketAddress] = []
    while !preferred.isEmpty || !others.isEmpty {
      if let address = preferred.popFirst() { result.append(address) }
      if let address = others.popFirst() { result.append(address) }
    }
    return result
  }
}
