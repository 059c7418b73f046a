internal import CSystem
internal import MQTT

/// Tries the addresses of a host until one connects: the next begins when one has failed, or after 250 ms without
/// an answer while the earlier ones go on (RFC 8305, section 5), families in turn. Where there are several hosts, the next one's turn
/// comes when all addresses of one have failed, or gave no answer for two seconds.
struct Dialer: ~Copyable {
  /// Of each host those that were not tried.
  private var waiting: [[SocketAddress]]
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
  static let hostDelay: Duration = .seconds(2)
  /// How long to wait before a unix socket is tried again whose queue of clients is full: the system tells no other way.
  static let queueDelay: Duration = .milliseconds(10)

  /// - Parameters:
  ///   - addresses: those of each host by themselves.
  ///   - locals: the addresses to connect from, one of each family at most; nil leaves it to the system.
  init(_ addresses: [[SocketAddress]], from locals: [SocketAddress]? = nil, at now: Instant) throws(ConnectionError) {
    waiting = addresses.map { addresses in
      Self.familiesInTurn(
        addresses.filter { address in locals?.contains { $0.family == address.family } ?? true })
    }
    waiting.removeAll(where: \.isEmpty)
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
    // The next host has to wait until all of this one have failed.
    if attempts.isEmpty || hasMoreOfThisHost { try startNext(at: now) }
    return nil
  }

  private mutating func startNext(at now: Instant) throws(ConnectionError) {
    nextAttempt = nil
    while let address = takeNext() {
      do throws(ConnectionError) {
        let local = locals?.first { $0.family == address.family }
        attempts.append(Attempt(try Socket.connecting(to: address, from: local), address))
      } catch {
        if case .system("connect", EAGAIN, _) = error {
          waiting[0].insert(address, at: 0)
          nextAttempt = now + Self.queueDelay
          return
        }
        firstError = firstError ?? error
        if hasMoreOfThisHost { continue }
      }
      if attempts.isEmpty { continue }
      if hasMoreOfThisHost {
        nextAttempt = now + Self.attemptDelay
      } else if waiting.count > 1 {
        nextAttempt = now + Self.hostDelay
      }
      return
    }
    if attempts.isEmpty, let firstError { throw firstError }
  }

  private var hasMoreOfThisHost: Bool { waiting.first?.isEmpty == false }

  private mutating func takeNext() -> SocketAddress? {
    if waiting.first?.isEmpty == true { waiting.removeFirst() }
    return waiting.isEmpty ? nil : waiting[0].removeFirst()
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
