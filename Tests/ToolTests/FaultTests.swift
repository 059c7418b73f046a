import Foundation
import TestSupport
import Testing

/// What goes wrong between a user and a broker: each ends in one line from which a stranger knows the cause and the next step,
/// with its exit status.
@Suite(.serialized, .needs("mosquitto", "openssl")) struct FaultTests {
  /// A fault, and what is said of it.
  struct Fault: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let status: Int32
    /// What the line says of the cause, and of what to do.
    let words: [String]
    /// The words that make a tool do its smallest piece of work.
    var command = ["mqpub", "-t", "t", "-m", "x", "-q", "1"]
    /// Plants it: the options that lead there. What is appended to `kept` lives until the tool has ended.
    let plant: @Sendable (_ kept: inout [Any]) throws -> [String]
  }

  private static let subscribing = ["mqsub", "-t", "home/+"]

  @Test("a planted fault ends in one line and its status", arguments: faults)
  func line(fault: Fault) throws {
    var kept: [Any] = []
    let options = try fault.plant(&kept)
    let tool = try ToolProcess.run(
      fault.command[0], Array(fault.command.dropFirst()) + options, timeout: .seconds(20))
    #expect(tool.end == .exited(fault.status), "\(tool.errorText)")
    #expect(tool.output.isEmpty)
    #expect(tool.errorText.split(separator: "\n").count == 1, "\(tool.errorText)")
    #expect(tool.errorText.hasPrefix("\(fault.command[0]): Error: "), "\(tool.errorText)")
    for words in fault.words { #expect(tool.errorText.contains(words), "\(tool.errorText)") }
    for case let broker as ScriptedBroker in kept { try broker.finish() }
    // Scripts/interop shows the lines as they are read.
    if ProcessInfo.processInfo.environment["MQTOOLS_INTEROP"] != nil {
      print("| \(fault.testDescription) | \(fault.status) | `\(tool.errorText.split(separator: "\n").first ?? "")` |")
    }
  }

  static let faults = ways + tls + silences + strangers + refusals + conversations

  // MARK: - The way there

  private static let ways: [Fault] = [
    Fault(testDescription: "the name is wrong", status: 20, words: ["no-such-host.invalid", "spelled right?"]) { _ in
      ["-h", "no-such-host.invalid"]
    },
    Fault(
      testDescription: "nothing listens there", status: 14, words: ["Connection refused", "is the broker running"]
    ) { _ in
      ["-h", "127.0.0.1", "-p", "\(try freePort())"]
    },
    // No machine can be reached by TCP at the address of all.
    Fault(
      testDescription: "the network is unreachable", status: 14, words: ["255.255.255.255:1883", "is the network up"]
    ) { _ in
      ["-h", "255.255.255.255"]
    },
    Fault(
      testDescription: "there is no such unix socket", status: 14, words: ["/nowhere/mqtt.sock", "is the path right?"]
    ) { _ in
      ["--unix", "/nowhere/mqtt.sock"]
    },
    Fault(
      testDescription: "the SOCKS proxy wants a password", status: 16,
      words: ["it wants a user and a password", "--proxy"]
    ) { kept in
      try proxy(&kept, "05 ff")
    },
    Fault(
      testDescription: "the SOCKS proxy forbids it", status: 16,
      words: ["broker.example:1883", "its rules do not allow it"]
    ) { kept in
      try proxy(&kept, "05 00", "05 02 00 01 00000000 0000")
    },
    Fault(
      testDescription: "the SOCKS proxy does not find the host", status: 16,
      words: ["broker.example:1883", "name not found"]
    ) { kept in
      try proxy(&kept, "05 00", "05 04 00 01 00000000 0000")
    },
    Fault(
      testDescription: "the HTTP proxy forbids it", status: 16,
      words: ["broker.example:1883", "403 Forbidden", "let everybody"]
    ) { kept in
      try httpProxy(&kept, "HTTP/1.1 403 Forbidden")
    },
    Fault(
      testDescription: "the HTTP proxy wants a password", status: 16, words: ["407", "--proxy http://USER:PASSWORD@"]
    ) { kept in
      try httpProxy(&kept, "HTTP/1.1 407 Proxy Authentication Required")
    },
    Fault(
      testDescription: "the path of WebSocket is wrong", status: 16, words: ["404 Not Found", "see --ws-path"]
    ) { kept in
      try webSocket(&kept, "HTTP/1.1 404 Not Found")
    },
    Fault(
      testDescription: "an HTTP server that has no WebSocket", status: 16,
      words: ["200 OK", "is it a WebSocket server"]
    ) { kept in
      try webSocket(&kept, "HTTP/1.1 200 OK")
    },
  ]

  private static func proxy(_ kept: inout [Any], _ answers: WireNotation...) throws -> [String] {
    let broker = try scripted(&kept) { connection in
      for answer in answers {
        _ = try connection.read(count: 3)
        try connection.send(answer)
      }
    }
    return ["--proxy", "socks5h://127.0.0.1:\(broker.port)", "-h", "broker.example"]
  }

  private static func httpProxy(_ kept: inout [Any], _ status: String) throws -> [String] {
    ["--proxy", "http://127.0.0.1:\(try httpServer(&kept, status).port)", "-h", "broker.example"]
  }

  private static func webSocket(_ kept: inout [Any], _ status: String) throws -> [String] {
    ["-L", "ws://127.0.0.1:\(try httpServer(&kept, status).port)/mqtt"]
  }

  private static func httpServer(_ kept: inout [Any], _ status: String) throws -> ScriptedBroker {
    try scripted(&kept) { connection in
      _ = try connection.readText(until: "\r\n\r\n")
      try connection.sendBytes(Array("\(status)\r\nContent-Length: 0\r\n\r\n".utf8))
    }
  }

  // MARK: - TLS

  private static let tls: [Fault] = [
    Fault(
      testDescription: "TLS: the certificate is for another name", status: 8,
      words: ["is for \"broker.example\", not for \"localhost\"", "see --tls-name"]
    ) { kept in
      try tlsBroker(&kept, try Certificates.shared().issue(names: ["DNS:broker.example"]))
    },
    Fault(
      testDescription: "TLS: the certificate has expired", status: 8, words: ["certificate expired on 2024-01-31"]
    ) { kept in
      try tlsBroker(&kept, try Certificates.shared().issue(days: ("20230131", "20240131")))
    },
    Fault(
      testDescription: "TLS: the certificate's authority is unknown", status: 8,
      words: ["\"CN=Other Root\"", "--cafile"]
    ) { kept in
      let certificates = try Certificates.shared()
      return try tlsBroker(&kept, try certificates.issue(by: certificates.otherRoot))
    },
    Fault(
      testDescription: "TLS: a client certificate is missing", status: 8,
      words: ["wants a client certificate", "--cert and --key"]
    ) { kept in
      let certificates = try Certificates.shared()
      let lines = ["cafile \(certificates.root.certificate)", "require_certificate true"]
      return try tlsBroker(&kept, try certificates.issue(), lines: lines)
    },
    Fault(testDescription: "plain MQTT to a port of TLS", status: 14, words: ["TLS", "--tls"]) { kept in
      let broker = try RealBroker(listeners: [.tls(try Certificates.shared().issue())])
      kept.append(broker)
      return ["-h", "127.0.0.1", "-p", "\(broker.port(of: .tls(try Certificates.shared().issue())))"]
    },
    Fault(testDescription: "TLS to a port of plain MQTT", status: 23, words: ["TLS", "port"]) { kept in
      let broker = try RealBroker()
      kept.append(broker)
      return broker.options + ["--tls"]
    },
    Fault(testDescription: "TLS: the server is silent", status: 27, words: ["TLS handshake", "is it a port for TLS?"]) {
      kept in
      try silent(&kept).options + limit + ["--tls"]
    },
  ]

  private static func tlsBroker(
    _ kept: inout [Any], _ pair: Certificates.Pair, lines: [String] = []
  ) throws -> [String] {
    let broker = try RealBroker(listeners: [.tls(pair, lines: lines)])
    kept.append(broker)
    let port = broker.port(of: .tls(pair, lines: lines))
    return ["-h", "localhost", "-p", "\(port)", "--cafile", try Certificates.shared().root.certificate]
  }

  // MARK: - Silence

  private static let limit = ["--connect-timeout", "300ms"]

  private static let silences: [Fault] = [
    Fault(
      testDescription: "nobody answers TCP", status: 27,
      words: ["no answer from 127.0.0.1:", "firewall", "--connect-timeout"]
    ) { kept in
      let port = try DeafPort()
      kept.append(port)
      return ["-h", "127.0.0.1", "-p", "\(port.port)"] + limit
    },
    Fault(
      testDescription: "no CONNACK comes", status: 27, words: ["sent no CONNACK within 300 ms", "is it an MQTT broker"]
    ) { kept in
      try silent(&kept).options + limit
    },
    Fault(
      testDescription: "the WebSocket server is silent", status: 27,
      words: ["WebSocket request", "is it a port for WebSocket?"]
    ) { kept in
      try silent(&kept).options + limit + ["--ws"]
    },
    Fault(testDescription: "the SOCKS proxy is silent", status: 27, words: ["the proxy", "broker.example:1883"]) {
      kept in
      ["--proxy", "socks5h://127.0.0.1:\(try silent(&kept).port)", "-h", "broker.example"] + limit
    },
    Fault(testDescription: "the HTTP proxy is silent", status: 27, words: ["the proxy", "broker.example:1883"]) {
      kept in
      ["--proxy", "http://127.0.0.1:\(try silent(&kept).port)", "-h", "broker.example"] + limit
    },
    Fault(
      testDescription: "no SUBACK comes", status: 27, words: ["timed out", "while waiting for SUBACK"],
      command: subscribing
    ) { kept in
      try answering(&kept, "20 03 00 00 00", then: nil).options + ["-W", "500ms"]
    },
    Fault(
      testDescription: "no acknowledgement comes", status: 27, words: ["ran out", "1 message was not acknowledged"]
    ) { kept in
      try answering(&kept, "20 03 00 00 00", then: nil).options + ["-W", "500ms"]
    },
    Fault(
      testDescription: "the broker falls silent", status: 19, words: ["keep alive of 1 s", "is the network up?"],
      command: subscribing + ["--no-reconnect"]
    ) { kept in
      try answering(&kept, "20 03 00 00 00", then: nil).options + ["-k", "1"]
    },
  ]

  /// Connections are accepted by the system, and nobody looks at them.
  private static func silent(_ kept: inout [Any]) throws -> Silence {
    let silence = Silence(broker: try ScriptedBroker())
    kept.append(silence)
    return silence
  }

  private struct Silence {
    let broker: ScriptedBroker
    var port: Int { broker.port }
    var options: [String] { broker.options }
  }

  // MARK: - Something else at the other end

  private static let strangers: [Fault] = [
    Fault(
      testDescription: "an HTTP server at the port", status: 21, words: ["an HTTP server answers there", "see --ws"]
    ) { kept in
      try scripted(&kept) { connection in
        _ = try connection.read(count: 8)
        try connection.sendBytes(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
      }.options
    },
    Fault(
      testDescription: "an SSH server at the port", status: 21,
      words: ["SSH is spoken there, not MQTT", "is the port right?"]
    ) { kept in
      try scripted(&kept) { connection in
        try connection.sendBytes(Array("SSH-2.0-OpenSSH_9.2\r\n".utf8))
      }.options
    },
    Fault(
      testDescription: "a packet that is none", status: 21, words: ["the broker broke the protocol", "--trace"]
    ) { kept in
      try answering(&kept, "20 03 00 00 00  f7 00", then: nil).options + ["-V", "5"]
    },
    Fault(
      testDescription: "a broker that closes at once", status: 14, words: ["instead of answering CONNECT", "see -V"]
    ) { kept in
      try scripted(&kept) { $0.close() }.options + ["-V", "311"]
    },
    Fault(
      testDescription: "a broker that resets at once", status: 14, words: ["instead of answering CONNECT", "see -V"]
    ) { kept in
      try scripted(&kept) { connection in
        try connection.expectConnect()
        connection.reset()
      }.options + ["-V", "311"]
    },
  ]

  // MARK: - Refusals in CONNACK

  private static let refusals: [Fault] = [
    Fault(
      testDescription: "3.1.1: the version is refused", status: 1, words: ["unsupported protocol version", "-V"]
    ) { kept in
      try refusing(&kept, "20 02 00 01").options + ["-V", "311"]
    },
    Fault(
      testDescription: "5: the broker speaks 3.x", status: 1, words: ["unsupported protocol version", "try -V 311"]
    ) { kept in
      try refusing(&kept, "20 02 00 01").options + ["-V", "5"]
    },
    Fault(
      testDescription: "3.1.1: the client identifier is refused", status: 2, words: ["client identifier", "-i"]
    ) { kept in
      try refusing(&kept, "20 02 00 02").options + ["-V", "311"]
    },
    Fault(testDescription: "3.1.1: the service is unavailable", status: 3, words: ["unavailable", "later"]) { kept in
      try refusing(&kept, "20 02 00 03").options + ["-V", "311"]
    },
    Fault(testDescription: "3.1.1: bad user name or password", status: 4, words: ["user name", "-u and -P"]) { kept in
      try refusing(&kept, "20 02 00 04").options + ["-V", "311"]
    },
    Fault(testDescription: "3.1.1: not authorized", status: 5, words: ["not authorized", "-u and -P"]) { kept in
      try refusing(&kept, "20 02 00 05").options + ["-V", "311"]
    },
    Fault(
      testDescription: "5: the client identifier is refused", status: 133, words: ["client identifier", "-i"]
    ) { kept in
      try refusing(&kept, "20 03 00 85 00").options + ["-V", "5"]
    },
    Fault(
      testDescription: "5: not authorized, with the broker's own words", status: 135,
      words: ["not authorized (see -u and -P): after hours"]
    ) { kept in
      try refusing(&kept, "20 r* 00 87 [ 1f s* 'after hours' ]").options + ["-V", "5"]
    },
    Fault(testDescription: "5: the broker is busy", status: 137, words: ["server busy", "later"]) { kept in
      try refusing(&kept, "20 03 00 89 00").options + ["-V", "5"]
    },
    Fault(
      testDescription: "5: the broker does not prove that it knows the password", status: 21,
      words: ["did not prove that it knows the password", "is it the right one?"],
      command: ["mqpub", "-t", "t", "-m", "x", "-u", "ann", "-P", "sesame", "--auth-method", "SCRAM-SHA-256"]
    ) { kept in
      try scripted(&kept) { connection in
        try connection.expectConnect(level: 5)
        try connection.send("20 03 00 00 00")
        try connection.expect("e0 01 87")
        try connection.waitForClose()
      }.options
    },
    Fault(
      testDescription: "5: the broker has moved", status: 157, words: ["server moved", "at other.example"]
    ) { kept in
      try refusing(&kept, "20 r* 00 9d [ 1c s* 'other.example' ]").options + ["-V", "5"]
    },
  ]

  // MARK: - After CONNACK

  private static let conversations: [Fault] = [
    Fault(
      testDescription: "5: the subscription is refused", status: 135, words: ["'home/+'", "not authorized"],
      command: subscribing
    ) { kept in
      try answering(&kept, "20 03 00 00 00", then: "90 04 0001 00 87").options + ["-V", "5"]
    },
    Fault(testDescription: "5: the message is refused", status: 135, words: ["topic 't'", "not authorized"]) { kept in
      try answering(&kept, "20 03 00 00 00", then: "40 04 0001 87 00").options + ["-V", "5"]
    },
    Fault(
      testDescription: "3.1.1: the message is refused by closing", status: 7,
      words: [
        "closed the connection", "may mean that it refuses the topic, QoS or size", "1 message was not acknowledged",
      ]
    ) { kept in
      try scripted(&kept) { connection in
        try connection.expectConnect()
        try connection.send("20 02 00 00")
        _ = try connection.nextPacket()
        connection.close()
      }.options + ["-V", "311"]
    },
    Fault(
      testDescription: "5: the message is too large", status: 25, words: ["20"],
      command: ["mqpub", "-t", "t", "-m", String(repeating: "x", count: 50)]
    ) { kept in
      try answering(&kept, "20 08 00 00 05 27 00000014", then: nil).options + ["-V", "5"]
    },
    Fault(
      testDescription: "5: the broker keeps no retained messages", status: 10, words: ["retained"],
      command: ["mqpub", "-t", "t", "-m", "x", "-r"]
    ) { kept in
      try answering(&kept, "20 05 00 00 02 25 00", then: nil).options + ["-V", "5"]
    },
    Fault(
      testDescription: "5: another client takes the session over", status: 142, words: ["session taken over"],
      command: subscribing
    ) { kept in
      try answering(&kept, "20 03 00 00 00", then: "e0 01 8e").options + ["-V", "5"]
    },
  ]

  /// A broker with a script for its only connection, which is closed when the script ends.
  private static func scripted(
    _ kept: inout [Any], _ script: @escaping @Sendable (ScriptedConnection) throws -> Void
  ) throws -> ScriptedBroker {
    let broker = try ScriptedBroker()
    broker.start { broker in
      let connection = try broker.accept()
      try script(connection)
      connection.close()
    }
    kept.append(broker)
    return broker
  }

  private static func refusing(_ kept: inout [Any], _ connack: WireNotation) throws -> ScriptedBroker {
    try scripted(&kept) { connection in
      try connection.expectConnect()
      try connection.send(connack)
      try connection.waitForClose()
    }
  }

  /// Answers CONNECT, then the next packet, if at all, and reads the rest.
  private static func answering(
    _ kept: inout [Any], _ connack: WireNotation, then answer: WireNotation?
  ) throws -> ScriptedBroker {
    try scripted(&kept) { connection in
      try connection.expectConnect()
      try connection.send(connack)
      if let answer {
        _ = try connection.nextPacket()
        try connection.send(answer)
      }
      while (try? connection.nextPacket()) != nil {}
    }
  }
}
