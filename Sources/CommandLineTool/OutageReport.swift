public import MQTTClient

/// What is said of an outage: one line when it begins and one when it ends; single attempts are for whoever looks for a mistake.
public struct OutageReport: Sendable {
  /// Whether an outage has begun and not ended.
  public private(set) var isOpen = false

  /// No outage.
  public init() {}

  /// An attempt failed or the connection was lost, and another attempt will be made; `consequence` follows in the same line.
  public mutating func failed(_ error: ConnectionError, _ consequence: String = "", to diagnostics: Diagnostics) {
    if isOpen {
      diagnostics.debug("\(error)")
    } else {
      diagnostics.warning("\(error); trying again\(consequence)")
    }
    isOpen = true
  }

  /// The same with words of the caller's for the reason.
  public mutating func failed(_ reason: String, _ consequence: String, to diagnostics: Diagnostics) {
    diagnostics.warning("\(reason); trying again\(consequence)")
    isOpen = true
  }

  /// The broker accepted.
  public mutating func connected(to endpoint: Endpoint, _ diagnostics: Diagnostics) {
    if isOpen { diagnostics.warning("connected again to \(endpoint)") }
    isOpen = false
  }
}
