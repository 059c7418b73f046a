import COpenSSL
import Foundation

/// TLS in front of a port of this machine. What goes to the client goes in records of a few bytes, so that nothing inside them
/// begins or ends where they do.
public final class TLSGateway: Sendable {
  /// The port on 127.0.0.1.
  public let port: Int
  private let isAbandoned = Monitor(false)

  /// What all connections share.
  private final class Context: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pair: Certificates.Pair) throws {
      guard let pointer = SSL_CTX_new(TLS_server_method()),
        SSL_CTX_use_certificate_chain_file(pointer, pair.certificate) == 1,
        SSL_CTX_use_PrivateKey_file(pointer, pair.key, SSL_FILETYPE_PEM) == 1
      else { throw TestFailure("OpenSSL takes no certificate from \(pair.certificate)") }
      self.pointer = pointer
    }

    deinit {
      SSL_CTX_free(pointer)
    }
  }

  /// Listens on a free port, and passes what is in TLS on to another port.
  public init(to port: Int, _ pair: Certificates.Pair) throws {
    let (listener, address) = try Address.ipv4(port: 0).listen()
    self.port = address.port
    let (context, isAbandoned) = (try Context(pair), isAbandoned)
    Thread.detachNewThread {
      while !isAbandoned.withLock({ $0 }) {
        guard listener.wait(for: POLLIN, until: .now + .milliseconds(50)), let client = listener.accept() else {
          continue
        }
        Thread.detachNewThread {
          if let server = try? Address.ipv4(port: port).connect(until: .now + .seconds(10)) {
            Self.pass(client, server, context)
          }
        }
      }
    }
  }

  deinit {
    isAbandoned.withLock { $0 = true }
  }

  private static func pass(_ client: Descriptor, _ server: Descriptor, _ context: Context) {
    guard let connection = SSL_new(context.pointer), let input = BIO_new(BIO_s_mem()),
      let output = BIO_new(BIO_s_mem())
    else { return }
    defer { SSL_free(connection) }
    SSL_set_bio(connection, input, output)
    SSL_set_accept_state(connection)
    var random = SplitMix(state: 8446)
    var plain = [UInt8](repeating: 0, count: 1 << 14)
    var isClientDone = false
    while true {
      var entries = [
        pollfd(fd: isClientDone ? -1 : client.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: server.number, events: Int16(POLLIN), revents: 0),
      ]
      guard poll(&entries, 2, 60_000) > 0 else { return }
      if entries[0].revents != 0 {
        switch client.read(1 << 14) {
        case .bytes(let bytes): BIO_write(input, bytes, Int32(bytes.count))
        case .nothingYet: break
        case .end: isClientDone = true
        }
        var count = 0
        while SSL_read_ex(connection, &plain, plain.count, &count) == 1 {
          guard send(Array(plain[..<count]), to: server) else { return }
        }
        ERR_clear_error()
        if isClientDone { server.finishSending() }
      }
      var isServerDone = false
      if entries[1].revents != 0 {
        switch server.read(1 << 12) {
        case .bytes(let bytes):
          var rest = bytes[...]
          while !rest.isEmpty {
            let piece = Array(rest.prefix(Int.random(in: 1...7, using: &random)))
            var count = 0
            guard SSL_write_ex(connection, piece, piece.count, &count) == 1 else { return }
            rest = rest.dropFirst(piece.count)
          }
        case .nothingYet: break
        case .end:
          _ = SSL_shutdown(connection)
          isServerDone = true
        }
      }
      var start: UnsafeMutablePointer<CChar>?
      let count = memoryBytes(output, &start)
      let bytes = Array(UnsafeRawBufferPointer(start: start, count: count))
      memoryClear(output)
      guard send(bytes, to: client), !isServerDone else { return client.finishSending() }
    }
  }

  private static func send(_ bytes: [UInt8], to descriptor: Descriptor) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard descriptor.wait(for: POLLOUT, until: .now + .seconds(60)),
        let count = rest.withUnsafeBytes({ descriptor.send($0) })
      else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }
}
