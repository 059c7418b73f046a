internal import CSystem

/// An address that a socket can connect to: IPv4, IPv6 or a path.
struct SocketAddress: CustomStringConvertible, Sendable {
  private var storage = sockaddr_storage()
  private var length: socklen_t

  /// The loopback addresses, which the name `localhost` means by definition (RFC 6761, section 6.3).
  static func loopback(port: UInt16) -> [SocketAddress] {
    [SocketAddress(literal: "::1", port: port)!, SocketAddress(literal: "127.0.0.1", port: port)!]
  }

  /// An address as getaddrinfo gives it.
  init(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) {
    self.length = length
    withUnsafeMutableBytes(of: &storage) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: min(Int(length), $0.count)))
    }
  }

  /// An IPv4 or IPv6 literal; nil when `text` is neither.
  init?(literal text: String, port: UInt16) {
    var v4 = sockaddr_in()
    if inet_pton(AF_INET, text, &v4.sin_addr) == 1 {
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = port.bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v4, as: sockaddr_in.self) }
      return
    }
    var v6 = sockaddr_in6()
    guard inet_pton(AF_INET6, text, &v6.sin6_addr) == 1 else { return nil }
    v6.sin6_family = sa_family_t(AF_INET6)
    v6.sin6_port = port.bigEndian
    length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v6, as: sockaddr_in6.self) }
  }

  /// A unix socket; nil when `path` is longer than the system allows (107 bytes on Linux).
  init?(path: String) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    length = socklen_t(MemoryLayout<sockaddr_un>.size)
    withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: address, as: sockaddr_un.self) }
  }

  /// The address that a socket is bound to, or with `peerName` the one that it is connected to.
  init?(
    of descriptor: Int32,
    by name: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32 = socketName
  ) {
    length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutablePointer(to: &storage) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { name(descriptor, $0, &length) }
    }
    guard result == 0 else { return nil }
  }

  /// The TCP port.
  var port: UInt16 {
    withUnsafeBytes(of: storage) { bytes in
      // It stands at the same place in both families' addresses.
      UInt16(
        bigEndian: bytes.loadUnaligned(
          fromByteOffset: MemoryLayout<sockaddr_in>.offset(of: \.sin_port)!, as: UInt16.self))
    }
  }

  /// The 4 or 16 bytes of the host's address; none of a unix socket.
  var host: [UInt8] {
    let place: Range<Int>
    switch family {
    case AF_INET: place = MemoryLayout<sockaddr_in>.offset(of: \.sin_addr)!..<8
    case AF_INET6: place = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!..<24
    default: return []
    }
    return withUnsafeBytes(of: storage) { Array($0[place]) }
  }

  var family: Int32 { Int32(storage.ss_family) }

  var isInternet: Bool { family != AF_UNIX }

  func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  /// `127.0.0.1:1883`, `[::1]:1883` or the path.
  var description: String {
    if family == AF_UNIX {
      return withUnsafeBytes(of: storage) { bytes in
        let path = bytes[MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!...].prefix { $0 != 0 }
        return String(decoding: path, as: UTF8.self)
      }
    }
    return withUnsafeBytes(of: storage) { bytes in
      var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      if family == AF_INET {
        var address = bytes.loadUnaligned(as: sockaddr_in.self)
        inet_ntop(AF_INET, &address.sin_addr, &text, socklen_t(text.count))
        return "\(Self.text(text)):\(UInt16(bigEndian: address.sin_port))"
      }
      var address = bytes.loadUnaligned(as: sockaddr_in6.self)
      inet_ntop(AF_INET6, &address.sin6_addr, &text, socklen_t(text.count))
      return "[\(Self.text(text))]:\(UInt16(bigEndian: address.sin6_port))"
    }
  }

  /// The text of an address that is 4 or 16 bytes long; nil for other lengths.
  static func text(ofAddress bytes: UnsafeRawBufferPointer) -> String? {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes.baseAddress, &text, socklen_t(text.count))
    return Self.text(text)
  }

  /// What inet_ntop wrote, up to its NUL.
  private static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
