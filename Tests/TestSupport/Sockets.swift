import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where a helper listens: always on this machine alone.
public enum SocketFamily: CaseIterable, Sendable {
  /// 127.0.0.1, a free port.
  case ipv4
  /// ::1, a free port.
  case ipv6
  /// A unix socket in a temporary folder.
  case unix
}

/// A place on this machine to listen at or to connect to.
enum Address: Sendable {
  case ipv4(port: Int)
  case ipv6(port: Int)
  case unix(path: String)

  var port: Int {
    switch self {
    case .ipv4(let port), .ipv6(let port): port
    case .unix: 0
    }
  }

  private var family: Int32 {
    switch self {
    case .ipv4: AF_INET
    case .ipv6: AF_INET6
    case .unix: AF_UNIX
    }
  }

  /// Calls the body with the address as the system wants it.
  private func withSystemAddress<Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result
  ) rethrows -> Result {
    func call<Specific>(_ address: Specific) throws -> Result {
      try withUnsafeBytes(of: address) { bytes in
        try body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
      }
    }
    switch self {
    case .ipv4(let port):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = in_port_t(port).bigEndian
      address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
      return try call(address)
    case .ipv6(let port):
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = in_port_t(port).bigEndian
      address.sin6_addr = in6addr_loopback
      return try call(address)
    case .unix(let path):
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
      return try call(address)
    }
  }

  private func makeSocket() throws -> Descriptor {
    #if os(Linux)
      let type = Int32(SOCK_STREAM.rawValue)
    #else
      let type = SOCK_STREAM
    #endif
    let number = socket(family, type, 0)
    guard number >= 0 else { throw TestFailure.system("socket") }
    let descriptor = Descriptor(number)
    descriptor.makeNonBlocking()
    return descriptor
  }

  /// Listens; port 0 becomes a free port in the address that is returned.
  func listen(backlog: Int32 = 1_024) throws -> (Descriptor, Address) {
    let descriptor = try makeSocket()
    descriptor.setOption(SOL_SOCKET, SO_REUSEADDR)
    try withSystemAddress { address, length in
      guard bind(descriptor.number, address, length) == 0 else { throw TestFailure.system("bind \(self)") }
    }
    guard systemListen(descriptor.number, backlog) == 0 else { throw TestFailure.system("listen") }
    switch self {
    case .ipv4: return (descriptor, .ipv4(port: descriptor.boundPort))
    case .ipv6: return (descriptor, .ipv6(port: descriptor.boundPort))
    case .unix: return (descriptor, self)
    }
  }

  /// Connects; throws at once when nobody listens.
  func connect(until deadline: ContinuousClock.Instant) throws -> Descriptor {
    let descriptor = try makeSocket()
    let result = withSystemAddress { systemConnect(descriptor.number, $0, $1) }
    if result != 0 {
      guard errno == EINPROGRESS else { throw TestFailure.system("connect \(self)") }
      guard descriptor.wait(for: POLLOUT, until: deadline) else { throw TestFailure("connect \(self): took too long") }
      let code = descriptor.pendingError
      guard code == 0 else { throw TestFailure.system("connect \(self)", errno: code) }
    }
    descriptor.prepareConnection()
    return descriptor
  }
}

// Inside Address these names would mean its own methods.
private func systemListen(_ descriptor: Int32, _ backlog: Int32) -> Int32 { listen(descriptor, backlog) }
private func systemConnect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
  connect(descriptor, address, length)
}

/// A listening socket, and what to connect to.
struct ListeningPlace {
  let listener: Descriptor
  /// 127.0.0.1 or ::1; the path for a unix socket.
  let host: String
  /// Zero for a unix socket.
  let port: Int
  /// Empty for a port.
  let path: String
  /// Where the unix socket is.
  let folder: TemporaryFolder?

  init(_ family: SocketFamily) throws {
    switch family {
    case .ipv4, .ipv6:
      let address: Address = family == .ipv4 ? .ipv4(port: 0) : .ipv6(port: 0)
      let bound = try address.listen()
      (listener, port) = (bound.0, bound.1.port)
      (host, path, folder) = (family == .ipv4 ? "127.0.0.1" : "::1", "", nil)
    case .unix:
      let folder = try TemporaryFolder()
      path = folder.path("broker.sock")
      listener = try Address.unix(path: path).listen().0
      (host, port, self.folder) = (path, 0, folder)
    }
  }
}

/// A loopback port that answers no attempt to connect, as behind a firewall.
public final class DeafPort: Sendable {
  /// The port on 127.0.0.1.
  public let port: Int
  private let descriptors: [Descriptor]

  /// Listens, and fills the queue of those who wait to be accepted: the system ignores whoever comes then.
  public init() throws {
    let (listener, address) = try Address.ipv4(port: 0).listen(backlog: 0)
    port = address.port
    let waiting = (0..<3).map { _ in try? address.connect(until: .now + .milliseconds(100)) }
    descriptors = [listener] + waiting.compactMap { $0 }
  }
}

/// A loopback port that nobody listened at a moment ago.
public func freePort() throws -> Int {
  try Address.ipv4(port: 0).listen().1.port
}

extension Descriptor {
  /// Waits for readiness; false when the deadline comes first.
  func wait(for events: Int32, until deadline: ContinuousClock.Instant) -> Bool {
    var entry = pollfd(fd: number, events: Int16(events), revents: 0)
    while true {
      let result = poll(&entry, 1, deadline.millisecondsLeft)
      if result > 0 { return true }
      if result == 0, deadline <= .now { return false }
    }
  }

  /// Accepts a connection that waits; nil if there is none.
  func accept() -> Descriptor? {
    #if canImport(Glibc)
      let accepted = Glibc.accept(number, nil, nil)
    #elseif canImport(Musl)
      let accepted = Musl.accept(number, nil, nil)
    #else
      let accepted = Darwin.accept(number, nil, nil)
    #endif
    guard accepted >= 0 else { return nil }
    let descriptor = Descriptor(accepted)
    descriptor.makeNonBlocking()
    descriptor.prepareConnection()
    return descriptor
  }

  /// Sends what the socket takes now; the number of bytes, nil if the connection is gone.
  func send(_ bytes: UnsafeRawBufferPointer) -> Int? {
    var result: Int
    repeat {
      #if canImport(Glibc)
        result = Glibc.send(number, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      #elseif canImport(Musl)
        result = Musl.send(number, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      #else
        result = Darwin.send(number, bytes.baseAddress, bytes.count, 0)
      #endif
    } while result < 0 && errno == EINTR
    if result >= 0 { return result }
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : nil
  }

  /// Ends our direction of the connection; the other stays open.
  func finishSending() {
    shutdown(number, Int32(SHUT_WR))
  }

  /// The next close is a reset instead of an orderly end.
  func makeCloseAReset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }

  fileprivate func prepareConnection() {
    setOption(Int32(IPPROTO_TCP), TCP_NODELAY)
    #if canImport(Darwin)
      setOption(SOL_SOCKET, SO_NOSIGPIPE)
    #endif
  }

  /// Sets an option of type int; options that do not apply to a unix socket are let be.
  func setOption(_ level: Int32, _ name: Int32, _ value: Int32 = 1) {
    var value = value
    setsockopt(number, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  fileprivate var pendingError: Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &length)
    return code
  }

  /// The port of an IPv4 or IPv6 socket: it stands at the same place in both addresses.
  fileprivate var boundPort: Int {
    var address = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    withUnsafeMutableBytes(of: &address) { bytes in
      _ = getsockname(number, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
    }
    return Int(in_port_t(bigEndian: address.sin6_port))
  }
}
