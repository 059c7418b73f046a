internal import MQTT

extension ClientSettings {
  /// Makes what stands between the network connection, or the proxy, and MQTT, the lowest first; nil when nothing does.
  var layers: Connection.MakeLayers? {
    guard tls != nil || webSocket != nil else { return nil }
    return { [endpoint, tls, tlsFiles, reportTLS, webSocket] () throws(ConnectionError) in
      // A unix socket leads to no name that the server could be meant by.
      var (host, port) = ("localhost", UInt16?.none)
      switch endpoint {
      case .tcp(let name, let number): (host, port) = (name, number)
      // The DNS may lead anywhere: what counts is the name that was asked for.
      case .service(let domain, _): host = domain
      case .unix: break
      }
      var layers: [any Layer] = []
      do throws(TLSFailure) {
        if let tls {
          let context = if let tlsFiles { try tlsFiles.context(tls) } else { try TLSContext(tls) }
          layers.append(
            try TLSLayer(context, host: host, place: endpoint.description, now: wallClock(), report: reportTLS))
        }
      } catch {
        throw .tls(error)
      }
      if let webSocket { layers.append(WebSocketLayer(webSocket, host: host, port: port, isOverTLS: tls != nil)) }
      return layers
    }
  }
}
