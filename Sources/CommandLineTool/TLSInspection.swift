internal import MQTT
internal import MQTTClient

/// `--tls-info`: connects, and shows what TLS agreed on.
enum TLSInspection {
  /// What TLS agreed on. All is told in this thread.
  private final class Finding: @unchecked Sendable {
    var report: TLSReport?
  }

  /// Connects as the plan says, once, and prints what was found.
  static func run(
    _ plan: ConnectionPlan, _ compatibility: Compatibility, _ diagnostics: Diagnostics
  ) -> ExitStatus {
    let finding = Finding()
    var settings = plan.client(retryLimit: .retries(0), lifetime: .networkConnection)
    settings.reportTLS = { finding.report = $0 }
    let client = Client(settings)
    client.trace(to: diagnostics)
    var driver = Driver()
    driver.add(client)
    let limit = plan.timeout.map { Instant.now + $0 }
    var failure: (text: String, status: ExitStatus)?
    wait: while true {
      switch driver.next(until: limit) {
      // Only now it is known whether the broker has taken our certificate.
      case .client(_, .session(.connected)): client.disconnect(at: driver.now)
      case .client(_, .closed): break wait
      case .client(_, .failed(let error)), .client(_, .outage(let error, _)):
        // That the broker wants a password says nothing about TLS.
        if case .refused = error { break wait }
        failure = ("\(error)", compatibility.status(of: error))
        break wait
      case .deadline:
        failure = ("timed out after \(plan.timeout.map { "\($0)" } ?? "")", .timedOut)
        break wait
      default: break
      }
    }
    if let report = finding.report, let status = print(report, to: settings.endpoint, diagnostics) { return status }
    guard let failure else { return .ok }
    diagnostics.error(failure.text)
    return failure.status
  }

  private static func print(
    _ report: TLSReport, to endpoint: Endpoint, _ diagnostics: Diagnostics
  ) -> ExitStatus? {
    var output = OutputBuffer(descriptor: 1)
    func row(_ name: String, _ value: String) {
      output.append(name + String(repeating: " ", count: max(1, 14 - name.utf8.count)))
      TerminalText.append(value, to: &output)
      output.append(UInt8(ascii: "\n"))
    }
    row("broker", "\(endpoint)")
    row("version", report.version ?? "none")
    row("cipher", report.cipher ?? "none")
    row("key exchange", report.group ?? "none")
    row("ALPN", report.applicationProtocol.map { String(decoding: $0, as: UTF8.self) } ?? "none")
    row("resumed", report.isResumed ? "yes" : "no")
    switch report.proof {
    case .certificate: row("verified", "as \(report.name)")
    case .sharedKey: row("verified", "by the shared key")
    case nil: row("verified", "no")
    }
    for (index, certificate) in report.certificates.enumerated() {
      output.append("\ncertificate \(index + 1)\n")
      row("  subject", certificate.subject)
      row("  names", certificate.names.isEmpty ? "none" : certificate.names.joined(separator: ", "))
      row("  issuer", certificate.issuer)
      row("  valid", "\(certificate.notBefore) to \(certificate.notAfter) UTC")
      row("  public key", certificate.pin)
    }
    do throws(OutputError) {
      try output.flush()
      return nil
    } catch {
      guard case .system(let error) = error else { return nil }
      diagnostics.error("standard output: \(error.explanation)")
      return .output
    }
  }
}

extension ConnectionSettings {
  /// Does what `--tls-info` asks for, if it was given, instead of all else.
  public func showTLS(_ invocation: Invocation) throws(UsageError) -> ExitStatus? {
    guard tls.showsInfo else { return nil }
    var plan = try plan(invocation.compatibility)
    guard plan.tls != nil else { throw UsageError("--tls-info: needs TLS, see --tls and --no-tls") }
    let diagnostics = diagnostics(invocation.compatibility)
    try plan.readPassword(invocation, diagnostics)
    return TLSInspection.run(plan, invocation.compatibility, diagnostics)
  }
}
