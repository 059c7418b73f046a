import TestSupport
import Testing

/// The sink over everything that a broker is talked to over, and what it is for.
struct BenchSinkTests {
  enum Way: String, CaseIterable, Sendable {
    case tls, webSocket, webSocketOverTLS
    /// Each with another one.
    var qos: String { self == .tls ? "2" : self == .webSocket ? "1" : "0" }
    var options: [String] {
      switch self {
      case .tls: ["--tls"]
      case .webSocket: ["--ws"]
      case .webSocketOverTLS: ["--ws", "--tls"]
      }
    }
  }

  @Test("a load, a publisher and a subscriber find the sink over TLS, WebSocket and both", arguments: Way.allCases)
  func ways(way: Way) throws {
    let port = try freePort()
    let sink = try ToolProcess(
      "mqbench", ["sink", "--forward", "-h", "127.0.0.1", "-p", "\(port)", "--log", "notice"] + way.options)
    try sink.waitForErrors("sink on port \(port)")
    #expect(sink.errorText.contains("nobody can verify") == (way != .webSocket))
    let options = ["-h", "127.0.0.1", "-p", "\(port)"] + way.options + (way == .webSocket ? [] : ["--insecure"])
    let tool = try ToolProcess.run(
      "mqbench",
      ["load"] + options + [
        "--rate", "1000", "--size", "16..9000", "--warm-up", "0", "--duration", "1", "--qos", way.qos, "--json",
      ])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect(
      report.counts("offered", "sent", "delivered", "lost", "lost_connections", "corrupted") == [
        1000, 1000, 1000, 0, 0, 0,
      ])
    #expect(report.text.contains(#""TLS":"TLSv1.3, TLS_"#) == (way != .webSocket))
    let subscriber = try ToolProcess("mqsub", options + ["-t", "a/+", "-q", "1", "-C", "1", "-v"])
    let long = String(repeating: "x", count: 100_000)
    // The sink keeps nothing: the subscription has to be there.
    #expect(
      Expect.eventually {
        let publisher = try? ToolProcess.run("mqpub", options + ["-t", "a/b", "-q", "1", "-m", long])
        return publisher?.end == .exited(0) && subscriber.end != nil
      })
    #expect(try subscriber.wait() == .exited(0) && subscriber.outputText == "a/b \(long)\n", "\(subscriber.errorText)")
    sink.signal(15)
    #expect(try sink.wait() == .exited(0))
  }

  @Test("a port that is taken is told")
  func takenPort() throws {
    let taken = try DeafPort()
    let tool = try ToolProcess.run("mqbench", ["sink", "-p", "\(taken.port)"], timeout: .seconds(20))
    #expect(tool.end == .exited(14))
    #expect(
      tool.errorText
        == "mqbench: Error: cannot listen at 127.0.0.1:\(taken.port): Address already in use (does something else listen there? see --port)\n"
    )
  }

  @Test("with a certificate the sink is who it says, and who does not trust it is not served")
  func certificate() throws {
    let pair = try Certificates.shared().issue()
    let port = try freePort()
    let sink = try ToolProcess(
      "mqbench",
      [
        "sink", "--forward", "-h", "127.0.0.1", "-p", "\(port)", "--log", "notice", "--cert", pair.certificate, "--key",
        pair.key,
      ])
    try sink.waitForErrors("sink on port \(port)")
    let options = ["-h", "localhost", "-p", "\(port)", "--cafile", try Certificates.shared().root.certificate]
    #expect(try ToolProcess.run("mqpub", options + ["-t", "a", "-m", "b", "-q", "1"]).end == .exited(0))
    let other = try ToolProcess.run(
      "mqpub",
      [
        "-h", "localhost", "-p", "\(port)", "--cafile", try Certificates.shared().otherRoot.certificate, "-t", "a",
        "-m", "b",
      ])
    #expect(other.end == .exited(8), "\(other.errorText)")
    // What speaks no TLS, or breaks off, harms nobody.
    #expect(
      try ToolProcess.run("mqpub", ["-h", "127.0.0.1", "-p", "\(port)", "-t", "a", "-m", "b", "--retry", "0"]).end
        != .exited(0))
    #expect(try ToolProcess.run("mqpub", options + ["-t", "a", "-m", "b", "-q", "2"]).end == .exited(0))
    let missing = try ToolProcess.run(
      "mqbench", ["sink", "-p", "\(port)", "--cert", "nowhere.pem", "--key", "nowhere.pem"])
    #expect(missing.errorText.contains("--cert: \"nowhere.pem\" cannot be read"), "\(missing.errorText)")
    let folder = try TemporaryFolder()
    let file = try folder.write("options", "--psk ab\n--psk-identity x\n")
    let shared = try ToolProcess.run("mqbench", ["sink", "-p", "\(port)", "-o", file])
    #expect(shared.end == .exited(1) && shared.errorText.contains("not with --psk"), "\(shared.errorText)")
  }

  @Test(
    "mqbench measures itself over the same transport, with the version and the cipher that the broker chose",
    .needs("mosquitto"))
  func calibration() throws {
    let pair = try Certificates.shared().issue()
    let listener = RealBroker.Listener.webSocketTLS(
      certificate: pair.certificate, key: pair.key, lines: ["tls_version tlsv1.2"])
    let plain = RealBroker.Listener.tls(pair)
    let broker = try RealBroker(listeners: [listener, plain])
    for (port, way, text) in [
      (broker.port(of: plain), [String](), "over TLS (TLSv1.3, "),
      (broker.port(of: listener), ["--ws", "--tls-version", "tlsv1.2"], "over TLS (TLSv1."),
    ] {
      let tool = try ToolProcess.run(
        "mqbench",
        ["load", "-h", "localhost", "-p", "\(port)", "--cafile", try Certificates.shared().root.certificate] + way + [
          "--rate", "100", "--warm-up", "0", "--duration", "1", "--calibrate",
        ], timeout: .seconds(60))
      #expect(tool.end == .exited(0), "\(tool.errorText)")
      let words = tool.outputText.split { " \n".contains($0) }.joined(separator: " ")
      #expect(
        words.contains("floor: p50 ") && words.contains("ceiling: ") && words.contains(text), "\(tool.outputText)")
    }
  }
}
