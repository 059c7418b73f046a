internal import CSystem
internal import CommandLineTool
internal import MQTTClient

/// What is found out before anything is sent: whether the broker is one that may be loaded without a word, and whether the system
/// has what so many connections need.
extension LoadPlan {
  /// Messages a second and clients that do nobody any harm.
  static let modestRate = 100.0
  static let modestClients = 100

  private var isModest: Bool {
    !isClosed && max(clientCount, idleCount) <= Self.modestClients && (!connectsOnly || connectRate <= Self.modestRate)
      && messagesPerSecond * max(1, routing.deliveriesPerMessage) <= Self.modestRate
  }

  private var idleCount: Int { groups.reduce(0) { $0 + ($1.subscribing?.idleCount ?? 0) } }

  /// Refuses to load a broker beyond loopback and private networks above a modest rate, unless that is wanted for sure.
  func checkBroker() throws(UsageError) {
    if isModest { return }
    let reach: NetworkReach
    do throws(ConnectionError) {
      reach = try client.endpoint.reach()
    } catch {
      // It will be told when the connection fails; with a proxy in between the name may be for the proxy alone.
      if client.proxy == nil { return }
      reach = .public
    }
    if reach == .private { return }
    throw UsageError(
      "\(client.endpoint) is beyond this machine and private networks: --yes says that it may be loaded with more than "
        + "\(Int(Self.modestRate)) messages a second, \(Self.modestClients) clients or idle subscriptions, or as fast as it can"
    )
  }
}

extension [LoadGroup] {
  /// Clients of all groups.
  private var clientCount: Int { reduce(0) { $0 + $1.count } }

  /// Raises the limit of descriptors as far as needed.
  func checkDescriptors() throws(UsageError) {
    // Standard streams, signals, pollers, reports; and a pipe for each look-up that is under way.
    let needed = clientCount + 64
    let limit = raiseDescriptorLimit(needed)
    guard limit < needed else { return }
    throw UsageError(
      "\(clientCount) clients need \(needed) descriptors, and this process may have \(limit): ulimit -Hn \(needed), or "
        + "LimitNOFILE= in a systemd unit, allows more")
  }

  /// Connections from one address to one port of one host need a port each.
  func checkPorts() throws(UsageError) {
    if case .unix = first?.client.endpoint { return }
    guard let range = Host.portRange else { return }
    for (addresses, groups) in Dictionary(grouping: self, by: \.addresses) {
      let ports = range.count * Swift.max(1, addresses.count)
      guard groups.clientCount > ports else { continue }
      throw UsageError(
        "\(groups.clientCount) clients need a port each, and the system gives \(ports) to outgoing connections: "
          + "sysctl net.ipv4.ip_local_port_range='1024 65535' gives 64512, and --source-address as many for each address"
      )
    }
  }
}
