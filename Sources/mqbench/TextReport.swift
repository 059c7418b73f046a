internal import MQTT
internal import MQTTClient

/// The report for eyes: all that matters on one screen.
enum TextReport {
  static func text(_ summary: Summary) -> String {
    let (plan, measured) = (summary.plan, summary.measured)
    let topology = plan.topology
    var text = ""
    func line(_ words: String = "") { text += words + "\n" }
    line(
      "mqbench load, run \(plan.run): \(topology.publishers) publishers, \(topology.subscribers) subscribers, "
        + "\(topology.topics) topics, QoS \(plan.qos.rawValue), \(sizes(plan)) bytes")
    line("broker \(plan.client.endpoint), \(plan.client.session.version)")
    line()
    line(
      "                    offered       sent  acknowledged  delivered   a second, in \(decimals(summary.seconds, 1)) s"
    )
    line(
      "rate           " + right(plan.isClosed ? "–" : rate(summary.offeredRate), 12) + right(rate(summary.sentRate), 11)
        + right(plan.qos == .atMostOnce ? "–" : rate(summary.acknowledgedRate), 14)
        + right(topology.subscribers == 0 ? "–" : rate(summary.deliveredRate), 11))
    line()
    line("time, ms" + String(repeating: " ", count: 10) + heads.map { right($0, 9) }.joined())
    if topology.subscribers > 0, !plan.isClosed { line(row("end to end", measured.endToEnd)) }
    if plan.qos != .atMostOnce {
      if !plan.isClosed { line(row("acknowledgement", measured.acknowledgement)) }
      line(row("  from sent", measured.acknowledgementService))
    }
    if !plan.isClosed {
      line(row("send delay", measured.sendDelay))
      line(row("  window", measured.sendDelayWindow))
      line(row("  network", measured.sendDelaySocket))
      line(row("  tool", measured.sendDelayTool))
    }
    line(row("connect", measured.connect.connack))
    line()
    if topology.subscribers > 0 {
      line(
        "deliveries: \(summary.expected) expected, \(measured.delivered) came, \(summary.lost) lost, "
          + "\(measured.duplicates) duplicates, \(measured.reordered) reordered, \(measured.corrupted) corrupted, "
          + "\(measured.foreign) foreign")
    }
    let refused = measured.refused.values.reduce(0, +)
    line(
      "messages: \(summary.offered) due, \(measured.sent) sent, \(measured.acknowledged) acknowledged, \(refused) refused, "
        + "\(measured.inDoubt) in doubt; \(measured.lostConnections) connections lost")
    let signs = summary.evidence.signs.map(\.rawValue).joined(separator: ", ")
    line("limited by: \(summary.verdict.rawValue)\(signs.isEmpty ? "" : " (\(signs))")")
    return text
  }

  private static let heads = ["p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"]
  private static let percentiles = [5000, 9000, 9900, 9990, 9999]

  private static func row(_ name: String, _ times: Times) -> String {
    var columns = percentiles.map { value(times.percentile($0)) }
    columns.append(times.isEmpty ? "–" : times.endless > 0 ? "lost" : milliseconds(times.maximum))
    columns.append(times.isEmpty ? "–" : milliseconds(Int64(times.mean)))
    return name + String(repeating: " ", count: 18 - name.count) + columns.map { right($0, 9) }.joined()
  }

  private static func value(_ value: Times.Value) -> String {
    switch value {
    case .nanoseconds(let time): milliseconds(time)
    case .endless: "lost"
    case .unknown: "–"
    }
  }

  private static func milliseconds(_ nanoseconds: Int64) -> String {
    let time = Double(nanoseconds) / 1e6
    return decimals(time, time < 10 ? 3 : time < 100 ? 2 : time < 1000 ? 1 : 0)
  }

  private static func rate(_ rate: Double) -> String { decimals(rate, rate < 100 ? 1 : 0) }

  /// A number with so many decimals.
  static func decimals(_ number: Double, _ count: Int) -> String {
    let scale = (0..<count).reduce(1) { scale, _ in scale * 10 }
    let scaled = Int((number * Double(scale)).rounded())
    guard count > 0 else { return "\(scaled)" }
    let fraction = "\(scaled % scale)"
    return "\(scaled / scale)." + String(repeating: "0", count: count - fraction.count) + fraction
  }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func sizes(_ plan: LoadPlan) -> String {
    plan.size.count == 1 ? "\(plan.size.lowerBound)" : "\(plan.size.lowerBound)..\(plan.size.upperBound)"
  }
}
