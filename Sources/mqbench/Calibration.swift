internal import CSystem
internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What mqbench and the system can do by themselves: the same load with a sink in place of the broker.
struct Calibration {
  /// The headline's p50, p99 and p99.9 at the load's own rate.
  private(set) var floor: [Times.Value] = []
  /// What TLS agreed on with the sink, where it was spoken.
  private var tls: TLSReport?
  /// The highest rate, in messages a second, at which mqbench was not the limit; nil when it was at each.
  private(set) var ceiling: Double?
  /// Whether it was at a higher one.
  private(set) var isCeilingReached = false

  static let percentiles = [5000, 9900, 9990]

  /// Takes the run at `factor` times the rate.
  mutating func take(_ summary: Summary, factor: Double) {
    if factor == 1 {
      floor = Self.percentiles.map { summary.headline.percentile($0) }
      tls = summary.tls
    }
    // A closed loop is always limited by something.
    if summary.plan.isClosed ? summary.verdict != .tool : summary.verdict == .none {
      ceiling = summary.plan.isClosed ? summary.sentRate : summary.offeredRate
    } else {
      isCeilingReached = true
    }
  }

  /// For the report; `measured` is the p99 of the load itself.
  func items(_ measured: Times.Value) -> [Report.Item] {
    let values = zip(["p50", "p99", "p99.9"], floor).map { name, value in
      switch value {
      case .nanoseconds(let time): "\(name) \(Figures.milliseconds(time)) ms"
      case .endless: "\(name) lost"
      case .unknown: "\(name) –"
      }
    }
    var text = values.joined(separator: ", ") + " without a broker"
    if let version = tls?.version, let cipher = tls?.cipher { text += ", over TLS (\(version), \(cipher))" }
    if case .nanoseconds(let own) = floor[1], case .nanoseconds(let time) = measured, time <= 2 * own {
      text += "; the p99 is within twice of that: it says little of the broker"
    }
    let rate =
      switch ceiling {
      case nil: "mqbench cannot carry this load here"
      case let rate?:
        (isCeilingReached ? "" : "at least ") + "\(Figures.rate(rate)) messages a second that mqbench carries here"
      }
    return [Report.Item(name: "floor", value: text), Report.Item(name: "ceiling", value: rate)]
  }
}

extension LoadPlan {
  /// Refuses what there can be no sink for.
  func checkCalibration() throws(UsageError) {
    for group in groups {
      let client = group.client
      if client.proxy != nil { throw UsageError("--calibrate: there is no proxy between mqbench and its sink") }
      if client.tls?.sharedKey != nil {
        throw UsageError("--calibrate: the sink speaks TLS with certificates, not with --psk")
      }
      if (client.tls == nil) != (self.client.tls == nil) || (client.webSocket == nil) != (self.client.webSocket == nil)
      {
        throw UsageError("--calibrate: the sink cannot be talked to in several ways, as the broker is")
      }
    }
  }
}

extension Measurement {
  /// Puts the same load on a sink in a process of its own. Nil when a signal came.
  ///
  /// - Parameter agreed: what TLS agreed on with the broker, and is to agree on with the sink.
  func calibrate(_ plan: LoadPlan, agreed: TLSReport?) throws -> Calibration? {
    // The sink inherits the socket as its standard input, and whoever connects before it looks waits in its queue.
    let listener = try Socket.listening(on: "127.0.0.1", port: 0)
    let layers = (plan.client.tls == nil ? "" : " --tls") + (plan.client.webSocket == nil ? "" : " --ws")
    let sink = try ShellProcess(
      Array("exec /proc/\(getpid())/exe sink --forward\(layers)".utf8), input: .descriptor(listener.descriptor),
      output: .null,
      errors: .null)
    defer { sink.terminate() }
    var plan = plan.changingClients { client in
      client.endpoint = .tcp(host: "127.0.0.1", port: listener.port)
      client.tls = client.tls.map { Self.tls($0, agreed) }
    }
    plan.startTime = nil
    plan.warmUp = min(plan.warmUp, .seconds(2))
    plan.duration = min(plan.duration, .seconds(10))
    plan.drainLimit = min(plan.drainLimit, .seconds(5))
    let rate = plan.messagesPerSecond
    var calibration = Calibration()
    for factor in plan.isClosed ? [1] : [1.0, 2, 4] {
      let plan = plan.publishing(rate * factor)
      if diagnostics.isTerminal {
        diagnostics.notice("calibrating with \(Figures.rate(rate * factor)) messages a second")
      }
      guard let summary = try run(plan), !summary.isInterrupted else { return nil }
      calibration.take(summary, factor: factor)
      if summary.verdict != .none { break }
    }
    return calibration
  }

  /// TLS with a sink that nobody vouches for, and which speaks as the broker did.
  private static func tls(_ settings: TLSConfiguration, _ agreed: TLSReport?) -> TLSConfiguration {
    var tls = settings
    (tls.verifies, tls.pin, tls.identity, tls.sessionFolder) = (false, nil, nil, nil)
    guard let version = agreed?.version, let cipher = agreed?.cipher else { return tls }
    if version == "TLSv1.3" {
      (tls.minimumVersion, tls.cipherSuites) = (.tls13, cipher)
    } else {
      (tls.maximumVersion, tls.ciphers) = (.tls12, cipher)
    }
    return tls
  }
}
