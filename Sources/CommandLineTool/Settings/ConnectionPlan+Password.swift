internal import MQTT
internal import MQTTClient

extension ConnectionPlan {
  /// Reads the password if it is somewhere else than in the settings, and takes care that no child gets to see it. A
  /// command is not run yet: each attempt to connect does that.
  ///
  /// To be called when all else that was typed is known to be right, and before the tool catches signals.
  public mutating func readPassword(
    _ invocation: Invocation, _ diagnostics: Diagnostics
  ) throws(UsageError) {
    for path in invocation.exposedFiles { diagnostics.advice(SecretSource.exposure(of: "\"\(path)\"")) }
    switch passwordSource {
    case .command, nil: break
    case let source?:
      connect.password = try secret(
        source, "password", asking: question, until: timeout.map { .now + $0 }, diagnostics)
      passwordSource = nil
    }
    switch proxyPasswordSource {
    case .command, nil: break
    case let source?:
      let question = "Password for the proxy \(proxy?.host ?? "")"
      let password = try secret(source, "--proxy-pw-from", asking: question, diagnostics)
      proxy?.password = password
      proxyPasswordSource = nil
    }
    try readTLSSecrets(diagnostics)
    for option in [ConnectionSettings.passwordDescription, ConnectionSettings.urlDescription] {
      let variable = option.environment
      if let value = System.environment(variable), option.secret?([value]) != nil {
        System.removeFromEnvironment(variable)
      }
    }
    if tls == nil, authentication == nil, !isLoopback, connect.password != nil || passwordSource != nil {
      diagnostics.advice("the password goes to \(host) unencrypted: whoever is on the way can read it")
    }
  }

  /// Whether `readPassword` asks somebody at the terminal, and so must not be called while the tool catches signals.
  public var asksAtTerminal: Bool {
    [passwordSource, proxyPasswordSource, tls?.passphraseSource, tls?.sharedKeySource].contains(.prompt)
  }

  private mutating func readTLSSecrets(_ diagnostics: Diagnostics) throws(UsageError) {
    guard var plan = tls else { return }
    if let source = plan.passphraseSource {
      plan.configuration.identity?.passphrase = try secret(
        source, "--key-pw-from", asking: "Passphrase of --key", diagnostics)
      plan.passphraseSource = nil
    }
    if let source = plan.sharedKeySource {
      let digits = try secret(source, "--psk-from", asking: "Key of --psk", diagnostics)
      do { plan.configuration.sharedKey?.key = try TLSPlan.sharedKey(digits) } catch { throw error.at("--psk-from") }
      plan.sharedKeySource = nil
    }
    if !plan.configuration.verifies, !isLoopback {
      diagnostics.advice("--insecure verifies nothing: whoever is on the way to \(host) can be the broker")
    }
    tls = plan
  }

  private func secret(
    _ source: SecretSource, _ option: String, asking question: String, until limit: Instant? = nil,
    _ diagnostics: Diagnostics
  ) throws(UsageError) -> [UInt8] {
    do throws(SecretError) {
      return try source.read(asking: question, within: connectTimeout, until: limit, diagnostics)
    } catch {
      if error == .interrupted, !goesOnAfterInterrupt { Signals.die(of: .interrupt) }
      throw UsageError("\(option): \(error.explanation)", status: error == .timedOut ? .timedOut : .usage)
    }
  }

  /// Throws where messages and password are to come from standard input.
  public func checkInput(for payload: PayloadSource) throws(UsageError) {
    guard passwordSource == .descriptor(0), let option = payload.optionForStandardInput else { return }
    throw UsageError("--pw-from: fd:0 is standard input, which \(option) reads; use another descriptor")
  }

  private var question: String {
    connect.userName.map { "Password of \($0) at \(host)" } ?? "Password for \(host)"
  }

  /// Whether the broker is on this machine by the look of its name.
  private var isLoopback: Bool {
    if unixPath != nil { return true }
    let name = lowercased(host.utf8)
    if name.starts(with: "127.".utf8) { return name.allSatisfy { $0 < UInt8(ascii: ":") } }  // 127.example is far away.
    return name.elementsEqual("localhost".utf8) || name.elementsEqual("::1".utf8)
  }

  /// What runs the command before each attempt to connect.
  ///
  /// It has no longer than the whole run. When that is over, or a signal comes, it is for the tool to hear of first.
  func password(ofCommand command: [UInt8]) -> @Sendable () throws(ConnectionError) -> [UInt8]? {
    let end = timeout.map { Instant.now + $0 }
    return { [connectTimeout] () throws(ConnectionError) in
      let limit = end.map { min($0 - .now, connectTimeout) } ?? connectTimeout
      do throws(SecretError) {
        return try SecretSource.secret(ofCommand: command, within: limit)
      } catch {
        if error == .interrupted { return nil }
        if let end, Instant.now >= end { return nil }
        throw .noPassword(explanation: error.explanation)
      }
    }
  }
}
