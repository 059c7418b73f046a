internal import MQTT

extension ClientSettings {
  /// Makes what stands between the network connection, or the proxy, and MQTT; nil when nothing does.
  var layers: Connection.MakeLayers? {
    guard let webSocket else { return nil }
    let endpoint = endpoint
    return { () throws(ConnectionError) in
      switch endpoint {
      case .tcp(let host, let port): [WebSocketLayer(webSocket, host: host, port: port == 80 ? nil : port)]
      // There is no name that the server could be meant by.
      case .unix: [WebSocketLayer(webSocket, host: "localhost", port: nil)]
      }
    }
  }
}
