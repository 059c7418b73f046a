import TestSupport
import Testing

/// `-S`: brokers that are found by SRV records.
@Suite(.needs("mosquitto", "openssl"), .enabled(if: NameServer.isPossible, "needs root, and unshare"))
struct ServiceTests {
  @Test("RFC 2782: the first host of the domain that takes the connection is the broker, whichever tool asks")
  func hosts() throws {
    let broker = try RealBroker()
    let names = try NameServer([
      "_mqtt._tcp.example.test": [
        .init(20, 0, broker.port, "localhost"), .init(10, 5, try freePort(), "localhost"),
        .init(10, 5, 1883, "gone.example.test"),
      ]
    ])
    let options = ["--srv", "-h", "example.test"]
    let tools: [(name: String, words: [String])] = [
      ("mqpub", ["-t", "t", "-m", "21.5", "-q", "1", "-r"]), ("mqsub", ["-t", "t", "-C", "1"]),
      ("mqrr", ["--ping", "-C", "1"]), ("mqshell", ["-c", "get t"]),
    ]
    for tool in tools {
      let run = try names.start(tool.name, options + tool.words)
      #expect(try run.wait() == .exited(0), "\(tool.name): \(run.errorText)")
      if ["mqsub", "mqshell"].contains(tool.name) { #expect(run.outputText.contains("21.5"), "\(run.outputText)") }
    }
    #expect(names.questions.filter { $0 == "_mqtt._tcp.example.test" }.count >= 4)
  }

  @Test("with TLS the records are others, and the certificate is for the domain, wherever they lead")
  func certificates() throws {
    let certificates = try Certificates.shared()
    for (name, status) in [("example.test", 0), ("localhost", 8)] as [(String, Int32)] {
      let listener = RealBroker.Listener.tls(try certificates.issue(names: ["DNS:\(name)"]))
      let broker = try RealBroker(listeners: [listener])
      let port = broker.port(of: listener)
      let names = try NameServer(["_secure-mqtt._tcp.example.test": [.init(1, 1, port, "localhost")]])
      let words = ["-L", "mqtts://example.test", "-S", "--cafile", certificates.root.certificate, "-t", "t", "-m", "x"]
      let run = try names.start("mqpub", words)
      #expect(try run.wait() == .exited(status), "\(run.errorText)")
      if status == 8 { #expect(run.errorText.contains("is for \"localhost\", not for \"example.test\"")) }
    }
  }

  @Test("20: no record, a record that says no, and a name server that is not there, each in one line")
  func nothing() throws {
    let names = try NameServer(["_mqtt._tcp.closed.test": [.init(0, 0, 0, "")]])
    for (host, words) in [
      (
        "example.test",
        "no broker is found as _mqtt._tcp.example.test: there is no such SRV record (is the domain right?"
      ),
      ("closed.test", "no broker is found as _mqtt._tcp.closed.test: the record says that there is no broker"),
    ] {
      let run = try names.start("mqpub", ["-S", "-h", host, "-t", "t", "-m", "x"])
      #expect(try run.wait() == .exited(20))
      #expect(run.errorText.hasPrefix("mqpub: Error: \(words)"), "\(run.errorText)")
      #expect(run.errorText.split(separator: "\n").count == 1)
    }
  }

  @Test("1: what SRV records leave no room for")
  func contradictions() throws {
    for (words, text) in [
      (["-p", "1883"], "-p: the port is part of the SRV record"), (["--ws"], "no SRV records for WebSocket"),
      (["--unix", "/run/m.sock"], "a unix socket has no SRV record"),
      (["--proxy", "socks5://127.0.0.1"], "a proxy looks no SRV records up"),
    ] {
      let run = try ToolProcess.run("mqpub", ["-S", "-h", "example.test", "-t", "t", "-m", "x"] + words)
      #expect(run.end == .exited(1))
      #expect(run.errorText.contains(text), "\(run.errorText)")
    }
  }
}
