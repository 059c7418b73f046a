import TestSupport
import Testing

@Suite struct ForeignBrokerTests {
  @Test(.needs("mosquitto")) func mosquittoListensWithEveryTransportThatNeedsNoCertificate() throws {
    let broker = try ForeignBroker(.mosquitto, certificates: nil)
    #expect(broker.listeners.map(\.transport) == [.tcp, .ws, .unix])
    let listener = try #require(broker.listener(.tcp, version: "5"))
    let connection = try ScriptedConnection(port: listener.port)
    try connection.send("10 r* s* 'MQTT' 05 02 n10 00 s* 'here'")
    #expect(try connection.nextPacket().name == "CONNACK")
    #expect(broker.isRunning)
    try broker.stop()
    #expect(!broker.isRunning)
  }
}
