import Foundation
import Testing

@testable import TestSupport

@Suite(.needs("mosquitto", "mosquitto_pub", "mosquitto_sub")) struct RealBrokerTests {
  private func publish(_ broker: RealBroker, _ arguments: [String]) throws -> ToolProcess {
    try ToolProcess.run("mosquitto_pub", ["-h", "127.0.0.1", "-p", "\(broker.port)"] + arguments)
  }

  private func receiveOne(_ broker: RealBroker, _ arguments: [String]) throws -> ToolProcess {
    try ToolProcess.run(
      "mosquitto_sub", ["-h", "127.0.0.1", "-p", "\(broker.port)", "-C", "1", "-W", "5"] + arguments)
  }

  @Test func aMessageGoesThrough() throws {
    let broker = try RealBroker()
    #expect(try publish(broker, ["-t", "a/b", "-m", "hello", "-r"]).end == .exited(0))
    Expect.text(try receiveOne(broker, ["-t", "a/b"]).output, "hello\n")
    #expect(broker.log.contains("New client connected"))
  }

  @Test func retainedMessagesSurviveAStopWithPersistence() throws {
    let broker = try RealBroker(persistence: .atStop)
    let port = broker.port
    #expect(try publish(broker, ["-t", "a", "-m", "kept", "-r"]).end == .exited(0))
    try broker.stop()
    #expect(broker.pid == nil)
    #expect(try publish(broker, ["-t", "a", "-m", "nobody there"]).end == .exited(1))
    try broker.restart()
    #expect(broker.port == port)
    Expect.text(try receiveOne(broker, ["-t", "a"]).output, "kept\n")
    #expect(broker.log.components(separatedBy: "mosquitto version").count - 1 >= 2)
  }

  @Test func retainedMessagesSurviveAKillOnlyWhenEveryChangeIsSaved() throws {
    for (persistence, isKept) in [(RealBroker.Persistence.everyChanges(1), true), (.off, false)] {
      let broker = try RealBroker(persistence: persistence)
      #expect(try publish(broker, ["-t", "a", "-m", "kept", "-r", "-q", "1"]).end == .exited(0))
      if isKept { Expect.eventually { (try? contains(broker.folder.read("mosquitto.db"), "kept")) ?? false } }
      try broker.kill()
      try broker.restart()
      // Retained messages come in the order of the filters, and the version is always there.
      let first = try receiveOne(broker, ["-t", "a", "-t", "$SYS/broker/version"])
      Expect.text(first.output, isKept ? "kept\n" : "mosquitto version \(RealBroker.version)\n")
    }
  }

  @Test func otherListenersAnswer() throws {
    let broker = try RealBroker(listeners: [.ipv6, .unix, .webSocket])
    for arguments in [["-h", "::1", "-p", "\(broker.port(of: .ipv6))"], ["--unix", broker.unixPath]] {
      let tool = try ToolProcess.run("mosquitto_pub", arguments + ["-t", "a", "-m", "b", "-q", "1"])
      #expect(tool.end == .exited(0), "\(tool.errorText)")
    }
    let port = broker.port(of: .webSocket)
    let connection = try ScriptedConnection(to: .ipv4, port: port)
    try connection.send(
      """
      'GET /mqtt HTTP/1.1' 0d0a 'Host: localhost' 0d0a 'Upgrade: websocket' 0d0a 'Connection: Upgrade' 0d0a
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' 0d0a 'Sec-WebSocket-Version: 13' 0d0a
      'Sec-WebSocket-Protocol: mqtt' 0d0a0d0a
      """)
    #expect(try connection.readText(until: "\r\n\r\n").hasPrefix("HTTP/1.1 101 "))
  }

  @Test(.needs("openssl")) func tlsListenersAnswer() throws {
    let folder = try TemporaryFolder()
    let made = try ToolProcess.run(
      "openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
        "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "certificate.pem",
      ], home: folder)
    #expect(made.end == .exited(0), "\(made.errorText)")
    let (certificate, key) = (folder.path("certificate.pem"), folder.path("key.pem"))
    let secure = RealBroker.Listener.tls(certificate: certificate, key: key)
    let broker = try RealBroker(listeners: [secure, .webSocketTLS(certificate: certificate, key: key)])
    let tool = try ToolProcess.run(
      "mosquitto_pub",
      ["-h", "localhost", "-p", "\(broker.port(of: secure))", "--cafile", certificate, "-t", "a", "-m", "b", "-q", "1"])
    #expect(tool.end == .exited(0), "\(tool.errorText)")
  }

  @Test func usersAndAccessListsAreKept() throws {
    let broker = try RealBroker(users: ["ann": "secret"], acl: "user ann\ntopic readwrite mine/#\n")
    #expect(try publish(broker, ["-t", "a", "-m", "b"]).end == .exited(5))
    #expect(try publish(broker, ["-u", "ann", "-P", "wrong", "-t", "a", "-m", "b"]).end == .exited(5))
    #expect(try publish(broker, ["-u", "ann", "-P", "secret", "-t", "mine/a", "-m", "b", "-r"]).end == .exited(0))
    Expect.text(try receiveOne(broker, ["-u", "ann", "-P", "secret", "-t", "mine/a"]).output, "b\n")
  }

  @Test func aConfigurationThatIsWrongIsAFailureThatShowsTheLog() throws {
    let failure = try #require(throws: TestFailure.self) { try RealBroker(lines: ["no_such_setting 1"]) }
    #expect(failure.description.contains("no_such_setting"))
  }

  @Test func itsVersionIsKnown() {
    #expect(RealBroker.version.split(separator: ".").count == 3)
  }

  @Test func itEndsWithItsLastReference() throws {
    var broker: RealBroker? = try RealBroker()
    let pid = try #require(broker?.pid)
    broker = nil
    Expect.eventually { kill(pid, 0) != 0 }
  }
}
