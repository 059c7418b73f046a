import TestSupport
import Testing

/// mqbench against a real broker, its own sink, and nobody.
struct BenchTests {
  private let brief = ["--warm-up", "0.2", "--duration", "1", "--publishers", "4", "--subscribers", "2", "--json"]
  private var short: [String] { brief + ["--rate", "200"] }

  @Test(
    "every message of the window is accounted for", .needs("mosquitto"),
    arguments: [("0", ["--topics", "4"]), ("1", ["--topics", "1"]), ("2", ["--topics", "8", "--size", "16..2k"])])
  func account(qos: String, words: [String]) throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run("mqbench", ["load"] + broker.options + short + ["--qos", qos] + words)
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    // With one topic each message goes to both subscribers.
    let deliveries = words == ["--topics", "1"] ? 400 : 200
    let report = try BenchReport(tool)
    #expect(report.counts("expected", "delivered") == [deliveries, deliveries], "\(report.text)")
    #expect(report.counts("lost", "duplicates", "reordered", "corrupted", "foreign") == [0, 0, 0, 0, 0])
    #expect(report.counts("offered", "sent", "acknowledged") == [200, 200, qos == "0" ? 0 : 200], "\(report.text)")
    #expect(report.counts("refused", "in_doubt", "lost_connections") == [0, 0, 0])
    #expect(Expect.eventually { broker.log.contains("disconnected") })
  }

  @Test(
    "over TLS and WebSocket all is accounted for, too, and so are the bytes that they add",
    .needs("mosquitto", "openssl"),
    arguments: [Transport.tcp, .tls, .webSocket, .webSocketOverTLS])
  func layers(transport: Transport) throws {
    let way = try Way(transport)
    let tool = try ToolProcess.run("mqbench", ["load"] + way.options + short)
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let report = try BenchReport(tool)
    #expect(report.counts("sent", "acknowledged", "delivered", "lost") == [200, 200, 200, 0], "\(report.text)")
    // Fixed header 2, topic 2 + 15, packet identifier 2, no properties 1, payload 64 (MQTT 5, 3.3).
    #expect(report.counts("publish_bytes", "publish_bytes_received") == [200 * 86, 200 * 86], "\(report.text)")
    // In the second of the window each message went and came, and so did its PUBACK of 4 bytes. A TLS 1.3 record adds 22 bytes,
    // a masked WebSocket frame 6 and one of the broker 2: for one packet each, or for several.
    let (sent, received) = (report.rate("bytes_sent"), report.rate("bytes_received"))
    #expect(sent > 150 * 90 && received > 150 * 90 && sent < 300 * 140 && received < 300 * 140, "\(sent) \(received)")
    // The broker puts several packets into one frame when it is busy.
    if transport != .tcp { #expect(sent > 200 * 92, "\(sent)") }
    if transport.usesTLS { #expect(received > 200 * 91, "\(received)") }
    #expect(report.text.contains("\"TLS\":\"TLSv1.3, TLS_AES_") == transport.usesTLS, "\(report.text)")
  }

  @Test("subscribers that share a topic get each message once between them", .needs("mosquitto"))
  func shared() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run("mqbench", ["load"] + broker.options + short + ["--topics", "1", "--share"])
    #expect(try BenchReport(tool).counts("expected", "delivered", "lost") == [200, 200, 0], "\(tool.outputText)")
  }

  @Test("a broker that delivers nothing has not carried the load, and that is said without a goal, too")
  func nothingComes() throws {
    let port = try freePort()
    let sink = try ToolProcess("mqbench", ["sink", "-h", "127.0.0.1", "-p", "\(port)", "--log", "notice"])
    try sink.waitForErrors("sink on port \(port)")
    let tool = try ToolProcess.run(
      "mqbench",
      ["load", "-h", "127.0.0.1", "-p", "\(port)", "--warm-up", "0", "--duration", "1", "--drain", "1", "--json"])
    let report = try BenchReport(tool)
    #expect(report.counts("expected", "lost", "delivered") == [100, 100, 0])
    #expect(report.signs.contains("messages lost") || report.verdict == "tool", "\(report.signs)")
    #expect(tool.end == .exited(0) && tool.errorText.contains("100 of 100 deliveries were lost"), "\(tool.errorText)")
  }

  @Test("a thread whose clients only subscribe follows the messages of the other one's", .needs("mosquitto"))
  func threadWithoutPublishers() throws {
    let broker = try RealBroker()
    let tool = try ToolProcess.run(
      "mqbench",
      ["load"] + broker.options + ["--publishers", "1", "--subscribers", "4", "--topics", "1", "--threads", "2"] + [
        "--warm-up", "0", "--duration", "1", "--json",
      ])
    #expect(tool.end == .exited(0), "\(tool.end) \(tool.errorText)")
    #expect(try BenchReport(tool).counts("expected", "delivered", "corrupted") == [400, 400, 0])
  }

  @Test("the sink acknowledges and forwards, in a closed loop too")
  func sink() throws {
    let port = try freePort()
    let sink = try ToolProcess("mqbench", ["sink", "--forward", "-h", "127.0.0.1", "-p", "\(port)", "--log", "notice"])
    try sink.waitForErrors("sink on port \(port)")
    for words in [
      short + ["--qos", "0"], short + ["--qos", "2"], brief + ["--qos", "1", "--closed", "--window", "5"],
    ] {
      let tool = try ToolProcess.run("mqbench", ["load", "-h", "127.0.0.1", "-p", "\(port)"] + words)
      #expect(tool.end == .exited(0), "\(tool.errorText)")
      let report = try BenchReport(tool)
      #expect(report.counts("lost", "duplicates", "reordered") == [0, 0, 0], "\(report.text)")
      #expect(report.count("expected") == report.count("delivered") && report.count("delivered") > 100)
    }
    sink.signal(15)
    #expect(try sink.wait() == .exited(0))
  }

  @Test("what cannot work is said in one line, with its status")
  func mistakes() throws {
    let port = try freePort()
    for (words, status, text) in [
      ([], 1, "which command? load,"),
      (["lode"], 1, "\"lode\" is not one of load,"),
      (["load", "--size", "15"], 1, "--size: a payload needs 16 bytes"),
      (["load", "--qos", "0", "--window", "3"], 1, "--window: counts unacknowledged messages"),
      (["load", "-h", "127.0.0.1", "-p", "\(port)"], 14, "cannot connect to 127.0.0.1:\(port)"),
    ] as [([String], Int32, String)] {
      let tool = try ToolProcess.run("mqbench", words)
      #expect(tool.end == .exited(status), "\(words)")
      #expect(tool.errorText.contains(text), "\(tool.errorText)")
      #expect(tool.outputText == "")
    }
  }
}
