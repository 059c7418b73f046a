public import MQTT
public import MQTTClient

extension ConnectionPlan {
  /// The client that the plan describes.
  ///
  /// - Parameters:
  ///   - retryLimit: how often to try again where nobody said it.
  ///   - lifetime: how long the broker keeps the session where nobody asked for it to be kept.
  public func client(retryLimit: ReconnectPolicy.Limit, lifetime: SessionLifetime) -> ClientSettings {
    var session = SessionSettings(connect: connect, version: connect.protocolVersion)
    let limit = limit(retryLimit)
    // What no second connection will look for need not outlive the first.
    let mayBeResumed = reconnects && limit != .retries(0)
    session.lifetime = connect.cleanStart ? (mayBeResumed ? lifetime : .networkConnection) : .persistent
    session.maximumInflight = maximumInflight.map { Int($0) }
    session.isStrict = isStrict
    var client = ClientSettings(
      endpoint: endpoint, session: session,
      reconnect: ReconnectPolicy(limit, maximumTime: retryTime, outlivesConnection: reconnects))
    client.authentication = authentication
    client.proxy = proxy
    client.webSocket = webSocket
    client.localAddress = bindAddress
    client.connectTimeout = connectTimeout
    client.tls = tls?.clientConfiguration
    if case .command(let command) = passwordSource { client.password = password(ofCommand: command) }
    if case .command(let command) = proxyPasswordSource { client.proxyPassword = password(ofCommand: command) }
    if case .auto = version { VersionMemory.choose(for: &client) }
    return client
  }

  private func limit(_ standard: ReconnectPolicy.Limit) -> ReconnectPolicy.Limit {
    switch retryLimit {
    case .times(let count): .retries(count)
    case .forever: .forever
    // Whoever says how long to try again wants it tried again.
    case nil: retryTime == nil ? standard : .forever
    }
  }
}
