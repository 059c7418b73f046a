/// What stands between MQTT and those who connect to a server of ours: the other side of `ClientSettings.layers`.
package struct ServerLayers {
  private let context: TLSContext?
  private let usesWebSocket: Bool

  /// Nil for MQTT as it is.
  ///
  /// - Parameter tls: whose identity is the server's; without one the server signs for itself, and nobody can verify it.
  package init?(tls: TLSConfiguration?, usesWebSocket: Bool) throws(ConnectionError) {
    guard tls != nil || usesWebSocket else { return nil }
    do throws(TLSFailure) {
      context = try tls.map { (tls) throws(TLSFailure) in try TLSContext(tls, isServer: true) }
    } catch {
      throw .tls(error)
    }
    self.usesWebSocket = usesWebSocket
  }

  /// The layers of one network connection.
  package func make() throws(ConnectionError) -> LayerStack {
    var layers: [any Layer] = []
    do throws(TLSFailure) {
      if let context { layers.append(try TLSServerLayer(context)) }
    } catch {
      throw .tls(error)
    }
    if usesWebSocket { layers.append(WebSocketServerLayer()) }
    let stack = LayerStack(layers)
    try stack.start()
    return stack
  }
}
