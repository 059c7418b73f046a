import Foundation
import TestSupport
import Testing

/// Every feature with our tools, over every version and transport of a broker: `Scripts/interop` runs it with the brokers that
/// it is told, and a short form with mosquitto is among the tests.
@Suite(.serialized, .needs("mosquitto")) struct Interop {
  typealias Transport = ForeignBroker.Transport

  /// The brokers that $MQTOOLS_INTEROP names.
  private static let named = ProcessInfo.processInfo.environment["MQTOOLS_INTEROP"]?.split(separator: " ").map(
    String.init)
  static let makes = named.map { $0.compactMap(BrokerMake.init(rawValue:)) } ?? [.mosquitto]
  private static let isShort = named == nil

  /// One way to speak to a broker.
  private struct Column: Hashable {
    /// The word after `-V`; nil leaves it to the tool.
    var version: String?
    var transport: Transport
  }

  private enum Outcome {
    case works
    /// As the list of quirks has it.
    case absent
    case fails(String)

    var mark: String {
      switch self {
      case .works: "✓"
      case .absent: "–"
      case .fails: "✗"
      }
    }
  }

  @Test("a broker does what it offers, over every version and transport", arguments: makes)
  func matrix(make: BrokerMake) throws {
    let certificates = Self.isShort ? nil : try Certificates.shared()
    let broker = try ForeignBroker(make, certificates: certificates)
    let columns = columns(of: broker)
    var rows: [(feature: Feature, outcomes: [Outcome?])] = []
    var number = 0
    for feature in Feature.allCases {
      var outcomes: [Outcome?] = []
      for column in columns {
        number += 1
        let outcome = try outcome(of: feature, column, broker, number: number)
        if case .fails(let explanation)? = outcome {
          Issue.record(
            "\(make.rawValue), \(feature.rawValue), \(column.version ?? "auto") over \(column.transport): \(explanation)"
          )
        }
        outcomes.append(outcome)
      }
      rows.append((feature, outcomes))
    }
    if !Self.isShort { show(make, columns, rows) }
    #expect(broker.isRunning, "\(broker.log.suffix(2_000))")
    try broker.stop()
  }

  private func columns(of broker: ForeignBroker) -> [Column] {
    var columns: [Column] = []
    for transport in Self.isShort ? [Transport.tcp] : Transport.allCases {
      for version in versions where broker.listener(transport, version: version) != nil {
        columns.append(Column(version: version, transport: transport))
      }
      if broker.listeners.contains(where: { $0.transport == transport }) {
        columns.append(Column(transport: transport))
      }
    }
    return columns
  }

  /// Nil where there is nothing to try.
  private func outcome(
    of feature: Feature, _ column: Column, _ broker: ForeignBroker, number: Int
  ) throws -> Outcome? {
    // Of brokers that have a listener for each version, the tool is left to find the older one out.
    let version = column.version ?? "311"
    guard let listener = broker.listener(column.transport, version: version) else { return nil }
    let hasProperties = column.version == "5" || column.version == nil && listener.versions.contains("5")
    if feature == .properties, !hasProperties { return nil }
    let quirk = Quirk.all.first { $0.isAbout(broker.make, feature, version: column.version, over: column.transport) }
    let trial = FeatureTrial(
      version: column.version, hasProperties: hasProperties,
      options: try options(for: listener, of: broker.make),
      prefix: "interop/\(number)", patience: quirk == nil ? 8 : 2)
    do {
      try trial.show(feature)
      return .works
    } catch let failure as FeatureFailure {
      if let quirk, failure.description.contains(quirk.words) { return .absent }
      return .fails(failure.description)
    }
  }

  private func options(for listener: ForeignBroker.Listener, of make: BrokerMake) throws -> [String] {
    var options = ["-h", "127.0.0.1", "-p", "\(listener.port)"]
    switch listener.transport {
    case .tcp, .tls: break
    case .ws, .wss: options += ["--ws", "--ws-path", listener.path]
    case .unix: options = ["--unix", listener.path]
    }
    if listener.transport == .tls || listener.transport == .wss {
      options += ["--cafile", try Certificates.shared().root.certificate]
    }
    if let (user, password) = make.credentials { options += ["-u", user, "-P", password] }
    return options
  }

  // MARK: - The table

  private func show(_ make: BrokerMake, _ columns: [Column], _ rows: [(feature: Feature, outcomes: [Outcome?])]) {
    let width = 1 + Feature.allCases.map(\.rawValue.count).max()!
    func line(_ head: String, _ cells: [String]) -> String {
      let cells = cells.map { $0 + String(repeating: " ", count: max(0, 5 - $0.count)) }.joined(separator: " ")
      return head + String(repeating: " ", count: max(0, width - head.count)) + cells
    }
    var lines = [
      line(make.rawValue, columns.map { $0.transport.rawValue }), line("", columns.map { $0.version ?? "auto" }),
    ]
    lines += rows.map { row in line(row.feature.rawValue, row.outcomes.map { $0?.mark ?? "" }) }
    let quirks = Set(Quirk.all.filter { $0.make == make }.map { "– \($0.feature.rawValue): \($0.meaning)" })
    print((lines + quirks.sorted()).joined(separator: "\n"))
  }
}
