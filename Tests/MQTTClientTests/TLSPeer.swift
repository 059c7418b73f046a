import COpenSSL
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

/// A TLS server in memory: OpenSSL's own, so that it proves what our side makes of OpenSSL, and not OpenSSL.
final class TLSPeer {
  private let context: OpaquePointer
  private let connection: OpaquePointer
  private let input: OpaquePointer
  private let output: OpaquePointer
  /// Plain bytes that came.
  private(set) var received: [UInt8] = []
  /// Whether close_notify came.
  private(set) var isClosed = false

  convenience init(_ pair: Certificates.Pair, maximumVersion: Int32 = TLS1_3_VERSION) throws {
    let context = try #require(SSL_CTX_new(TLS_server_method()))
    defer { SSL_CTX_free(context) }
    try #require(SSL_CTX_use_certificate_chain_file(context, pair.certificate) == 1)
    try #require(SSL_CTX_use_PrivateKey_file(context, pair.key, SSL_FILETYPE_PEM) == 1)
    // The macros that set versions have no functions.
    try #require(SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(maximumVersion), nil) == 1)
    try self.init(context)
  }

  /// The same server for the next connection.
  func next() throws -> TLSPeer { try TLSPeer(context) }

  private init(_ context: OpaquePointer) throws {
    SSL_CTX_up_ref(context)
    self.context = context
    connection = try #require(SSL_new(context))
    input = try #require(BIO_new(BIO_s_mem()))
    output = try #require(BIO_new(BIO_s_mem()))
    SSL_set_bio(connection, input, output)
    SSL_set_accept_state(connection)
  }

  deinit {
    SSL_free(connection)
    SSL_CTX_free(context)
  }

  var isResumed: Bool { SSL_session_reused(connection) == 1 }

  var isOpen: Bool { SSL_is_init_finished(connection) == 1 }

  /// Takes what the client sent.
  func take(_ bytes: [UInt8]) {
    BIO_write(input, bytes, Int32(bytes.count))
    var space = [UInt8](repeating: 0, count: 65_536)
    while true {
      var count = 0
      let result = SSL_read_ex(connection, &space, space.count, &count)
      if result == 1 {
        received += space[..<count]
      } else {
        if SSL_get_error(connection, result) == SSL_ERROR_ZERO_RETURN { isClosed = true }
        ERR_clear_error()
        return
      }
    }
  }

  func send(_ bytes: [UInt8]) {
    var count = 0
    #expect(SSL_write_ex(connection, bytes, bytes.count, &count) == 1)
  }

  func close() { _ = SSL_shutdown(connection) }

  /// Changes its keys and asks the client to do the same (RFC 8446, section 4.6.3).
  func updateKeys() {
    #expect(SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED) == 1)
    #expect(SSL_do_handshake(connection) == 1)
  }

  /// What is to go to the client.
  func output(limit: Int = .max) -> [UInt8] {
    var start: UnsafeMutablePointer<CChar>?
    let count = min(memoryBytes(output, &start), limit)
    var bytes = [UInt8](repeating: 0, count: count)
    if count > 0 { BIO_read(output, &bytes, Int32(count)) }
    return bytes
  }
}

/// Our layer and its peer.
struct TLSPair {
  let layer: LayerStack
  let peer: TLSPeer
  var received: [UInt8] = []

  /// - Parameter name: what the client expects the certificate to be for.
  init(maximumVersion: Int32 = TLS1_3_VERSION, name: String = "localhost") throws {
    let certificates = try Certificates.shared()
    try self.init(with: TLSPeer(try certificates.issue(), maximumVersion: maximumVersion), name: name)
  }

  init(with peer: TLSPeer, name: String = "localhost", sessionFolder: String? = nil) throws {
    self.peer = peer
    var configuration = TLSConfiguration()
    configuration.authorityFile = Array(try Certificates.shared().root.certificate.utf8)
    configuration.sessionFolder = sessionFolder.map { Array($0.utf8) }
    layer = LayerStack([try TLSLayer(try TLSContext(configuration), host: name, place: "test", now: 0)])
    try layer.start()
  }

  /// Carries bytes to and fro, so many at a time, until there are none.
  mutating func run(piece: Int = .max) throws {
    while true {
      let down = Array(layer.output.prefix(piece))
      _ = layer.outputTaken(down.count)
      if !down.isEmpty { peer.take(down) }
      let up = peer.output(limit: piece)
      if !up.isEmpty { received += try layer.take(up) }
      if down.isEmpty, up.isEmpty { return }
    }
  }

  func send(_ bytes: [UInt8]) throws {
    #expect(try bytes.withBytes { (bytes) throws(ConnectionError) in try layer.send(bytes) } == bytes.count)
  }
}
