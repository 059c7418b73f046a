internal import MQTT

/// Asks an HTTP proxy for a connection to the broker: CONNECT (RFC 9110, section 9.3.6), with Basic credentials (RFC 7617) if
/// there are any. After the answer it hands all bytes on as they are.
final class HTTPConnectLayer: Layer {
  let stage = ConnectionStage.proxy
  private(set) var isOpen = false
  private let proxy: ProxySettings
  /// `HOST:PORT` of the broker.
  private let target: String
  private var reader = HTTPResponse.Reader()

  init(_ proxy: ProxySettings, to target: Endpoint) {
    self.proxy = proxy
    self.target = target.description
  }

  func start(down: inout ByteQueue) throws(ConnectionError) {
    var request = Array("CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n".utf8)
    if proxy.userName != nil || proxy.password != nil {
      let credentials = (proxy.userName ?? []) + [UInt8(ascii: ":")] + (proxy.password ?? [])
      request += Array("Proxy-Authorization: Basic ".utf8) + Base64.encoded(credentials) + Array("\r\n".utf8)
    }
    down.append(request + Array("\r\n".utf8))
  }

  func receive(
    _ bytes: UnsafeRawBufferPointer, up: inout ByteQueue, down: inout ByteQueue
  ) throws(ConnectionError) {
    if isOpen { return up.append(bytes) }
    guard let (response, count) = try answer(in: bytes) else { return }
    guard (200..<300).contains(response.status) else { throw refusal(response) }
    isOpen = true
    up.append(UnsafeRawBufferPointer(rebasing: bytes[count...]))
  }

  private func answer(
    in bytes: UnsafeRawBufferPointer
  ) throws(ConnectionError) -> (response: HTTPResponse, count: Int)? {
    do throws(HTTPHead.Fault) { return try reader.take(bytes) } catch {
      throw .notLetThrough(
        explanation: "the proxy \(proxy.endpoint) \(error.explanation) (is it an HTTP proxy?)", isTransient: false)
    }
  }

  private func refusal(_ response: HTTPResponse) -> ConnectionError {
    var advice = ""
    switch response.status {
    // tinyproxy says 401 of credentials that are wrong.
    case 401 where proxy.userName == nil, 407 where proxy.userName == nil:
      advice = " (it wants a user and a password: --proxy http://USER:PASSWORD@...)"
    case 401, 407: advice = " (user or password of --proxy are wrong)"
    case 403: advice = " (it does not let everybody through to this host and port)"
    case 405, 400, 404, 501: advice = " (is it a proxy that has CONNECT?)"
    default: break
    }
    return .notLetThrough(
      explanation: "the proxy \(proxy.endpoint) gave no connection to \(target): \(response.statusText)\(advice)",
      isTransient: response.status >= 500 && response.status != 501)
  }

  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) throws(ConnectionError) { down.append(bytes) }

  func finish(down: inout ByteQueue) {}

  func receivedEnd() throws(ConnectionError) {
    if isOpen { return }
    throw .notLetThrough(
      explanation: "the proxy \(proxy.endpoint) closed the connection without an answer (is it an HTTP proxy?)",
      isTransient: true)
  }
}
