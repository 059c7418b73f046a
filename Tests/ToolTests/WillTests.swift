import TestSupport
import Testing

/// The will of mqpub: in CONNECT, and as a broker publishes it.
@Suite struct WillTests {
  static let properties: [String] =
    [
      ["will-delay-interval", "7"], ["payload-format-indicator", "1"], ["message-expiry-interval", "60"],
      ["content-type", "text/plain"], ["response-topic", "r"], ["correlation-data", "hex:00ff"],
    ].flatMap { ["-D", "will"] + $0 } + [
      "-D", "will", "user-property", "k", "v", "-D", "will", "user-property", "k", "w",
    ]

  @Test("[MQTT-3.1.2-9] the will and all its properties stand in CONNECT")
  func connect() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqpub",
      broker.options + ["-i", "me", "-t", "t", "-n", "--will-topic", "gone", "--will-payload", "bye"]
        + ["--will-qos", "2", "--will-retain"] + Self.properties)
    let connection = try broker.accept()
    try connection.expect(
      """
      10 r* s* 'MQTT' 05 36 003c 00 s* 'me'
      [ 18 00000007  01 01  02 0000003c  03 s* 'text/plain'  08 s* 'r'  09 0002 00ff  26 s* 'k' s* 'v'  26 s* 'k' s* 'w' ]
      s* 'gone' s* 'bye'
      """)
    try connection.send("20 03 00 00 00")
    try connection.expect("30 r* s* 't' 00")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
  }

  @Test(
    "a broker publishes the will of a client that dies, and not that of one that leaves",
    .needs("mosquitto", "mosquitto_sub"), arguments: versions)
  func published(version: String) throws {
    let broker = try RealBroker(lines: ["log_type all"])
    let will = ["--will-topic", "gone", "--will-payload", "bye", "--will-qos", "1"]
    let properties = version == "5" ? ["-D", "will", "content-type", "text/plain"] : []
    let subscriber = try ToolProcess(
      "mosquitto_sub", broker.options + ["-V", "5", "-t", "#", "-q", "1", "-C", "2", "-W", "20", "-F", "%t %q %p %C"])
    Expect.eventually { broker.log.contains("Sending SUBACK") }
    let options = broker.options + ["-V", version, "-t", "t"] + will + properties
    expectSuccess(try ToolProcess.run("mqpub", options + ["-m", "left"]))
    let tool = try ToolProcess("mqpub", options + ["-l", "--log", "notice"], input: .held)
    try tool.waitForErrors("connected to")
    tool.signal(9)
    try subscriber.wait(timeout: .seconds(20))
    #expect(subscriber.outputText == "t 0 left \ngone 1 bye \(version == "5" ? "text/plain" : "")\n")
  }
}
