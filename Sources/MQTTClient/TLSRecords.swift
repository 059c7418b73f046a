internal import COpenSSL
internal import MQTT

/// OpenSSL's half of one connection, of either side, and the memory that its records come from and go to.
final class TLSRecords {
  /// For everything that is not about records.
  let connection: OpaquePointer
  /// From the network and to it; they belong to `connection`.
  private let input, output: OpaquePointer

  /// Something failed; why is in OpenSSL's error queue.
  struct Fault: Error {}

  init(_ context: TLSContext) throws(TLSFailure) {
    guard let connection = SSL_new(context.pointer), let input = BIO_new(BIO_s_mem()),
      let output = BIO_new(BIO_s_mem())
    else {
      throw TLSFailure(.handshake, "OpenSSL cannot begin: \(OpenSSLError.take().text)")
    }
    SSL_set_bio(connection, input, output)
    (self.connection, self.input, self.output) = (connection, input, output)
  }

  deinit { SSL_free(connection) }

  /// Takes bytes from the network.
  func take(_ bytes: UnsafeRawBufferPointer) { BIO_write(input, bytes.baseAddress, Int32(clamping: bytes.count)) }

  /// Goes on with the handshake; true when it is done, false when more has to come.
  func shakeHands() throws(Fault) -> Bool {
    let result = SSL_do_handshake(connection)
    if result == 1 { return true }
    if SSL_get_error(connection, result) != SSL_ERROR_WANT_READ { throw Fault() }
    return false
  }

  /// The plain text of a record, at most (RFC 8446, section 5.1).
  private static let recordSize = 16_384

  /// Appends what came to `up`.
  func read(into up: inout ByteQueue) throws(Fault) {
    while true {
      var count = 0
      var result: Int32 = 0
      up.append(minimumCapacity: Self.recordSize) { space in
        result = SSL_read_ex(connection, space.baseAddress, space.count, &count)
        return result == 1 ? count : 0
      }
      if result == 1 { continue }
      switch SSL_get_error(connection, result) {
      case SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN: return
      default: throw Fault()
      }
    }
  }

  /// Puts bytes into records.
  func write(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
    var count = 0
    guard bytes.isEmpty || SSL_write_ex(connection, bytes.baseAddress, bytes.count, &count) == 1 else { throw Fault() }
  }

  /// Tells the other side that nothing more will come.
  func finish() {
    _ = SSL_shutdown(connection)
    OpenSSLError.clear()
  }

  /// Moves what is for the network to `down`.
  func drain(into down: inout ByteQueue) {
    var start: UnsafeMutablePointer<CChar>?
    let count = memoryBytes(output, &start)
    guard count > 0 else { return }
    down.append(UnsafeRawBufferPointer(start: start, count: count))
    memoryClear(output)
  }
}
