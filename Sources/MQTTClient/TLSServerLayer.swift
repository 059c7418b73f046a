internal import COpenSSL
internal import MQTT

/// The server's side of TLS. It asks nobody for a certificate.
final class TLSServerLayer: Layer {
  let stage = ConnectionStage.tls
  private(set) var isOpen = false
  private let records: TLSRecords

  /// - Parameter context: a server's.
  init(_ context: TLSContext) throws(TLSFailure) {
    records = try TLSRecords(context)
    SSL_set_accept_state(records.connection)
  }

  func start(down: inout ByteQueue) {}

  func receive(
    _ bytes: UnsafeRawBufferPointer, up: inout ByteQueue, down: inout ByteQueue
  ) throws(ConnectionError) {
    records.take(bytes)
    defer { records.drain(into: &down) }
    do throws(TLSRecords.Fault) {
      if !isOpen { isOpen = try records.shakeHands() }
      if isOpen { try records.read(into: &up) }
    } catch { throw Self.failure() }
  }

  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) throws(ConnectionError) {
    defer { records.drain(into: &down) }
    do throws(TLSRecords.Fault) { try records.write(bytes) } catch { throw Self.failure() }
  }

  func finish(down: inout ByteQueue) {
    records.finish()
    records.drain(into: &down)
  }

  func receivedEnd() {}

  private static func failure() -> ConnectionError {
    .tls(TLSFailure(.handshake, "TLS failed: \(OpenSSLError.take().text)"))
  }
}
