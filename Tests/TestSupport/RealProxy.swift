import Foundation

/// A proxy as people run it, on a free port of this machine: Debian's microsocks for SOCKS5, tinyproxy for HTTP CONNECT.
///
/// It is ended when the last reference goes away.
public final class RealProxy: Sendable {
  /// Which of them.
  public enum Kind: String, CaseIterable, Sendable {
    /// SOCKS5, names resolved by the proxy.
    case microsocks
    /// HTTP CONNECT.
    case tinyproxy

    /// What a URL of such a proxy begins with.
    public var scheme: String { self == .microsocks ? "socks5h" : "http" }
  }

  /// Which it is.
  public let kind: Kind
  /// The port on 127.0.0.1.
  public let port: Int
  private let process: ToolProcess
  private let folder: TemporaryFolder

  /// Starts a proxy and waits until it takes connections.
  ///
  /// - Parameters:
  ///   - user: Who may use it, with which password; everybody if nil.
  ///   - allowedPort: The only port that tinyproxy connects to; any if nil.
  public init(_ kind: Kind, user: (name: String, password: String)? = nil, allowedPort: Int? = nil) throws {
    self.kind = kind
    folder = try TemporaryFolder()
    for attempt in 1... {
      let port = try freePort()
      let process: ToolProcess
      switch kind {
      case .microsocks:
        let login = user.map { ["-u", $0.name, "-P", $0.password] } ?? []
        process = try ToolProcess("microsocks", ["-i", "127.0.0.1", "-p", "\(port)"] + login)
      case .tinyproxy:
        var lines = ["Port \(port)", "Listen 127.0.0.1", "Timeout 60", "Allow 127.0.0.1", "LogLevel Info"]
        lines += ["User root", "Group root"].filter { _ in geteuid() == 0 }
        if let user { lines.append("BasicAuth \(user.name) \(user.password)") }
        if let allowedPort { lines.append("ConnectPort \(allowedPort)") }
        let file = try folder.write("tinyproxy.conf", lines.joined(separator: "\n") + "\n")
        process = try ToolProcess("tinyproxy", ["-d", "-c", file])
      }
      if Self.isThere(port, process) {
        (self.port, self.process) = (port, process)
        return
      }
      // Between choosing a port and listening somebody else may have taken it.
      guard attempt < 5 else { throw TestFailure("\(kind) did not start: \(process.outputText)\(process.errorText)") }
    }
    preconditionFailure("attempts have no end")
  }

  /// All that it wrote.
  public var log: String { process.outputText + process.errorText }

  private static func isThere(_ port: Int, _ process: ToolProcess) -> Bool {
    let deadline = ContinuousClock.now + .seconds(10)
    while process.end == nil, .now < deadline {
      if (try? Address.ipv4(port: port).connect(until: deadline)) != nil { return true }
      usleep(2_000)
    }
    return false
  }
}
