import Foundation
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// Layers between the network connection and MQTT, with toys for layers.
  @Suite struct Layers {
    // MARK: In memory

    private func opened() throws -> LayerStack {
      let stack = LayerStack(ToyPeer.layers())
      try stack.start()
      try stack.take(Array("!".utf8) + ToyLayer.framed(Array("!".utf8), 1))
      _ = stack.outputTaken(stack.outputCount)
      try #require(stack.isOpen)
      return stack
    }

    @Test func eachLayerIsStartedWhenTheOneBelowIsOpen() throws {
      let stack = LayerStack(ToyPeer.layers())
      #expect(stack.stage == .proxy)
      try stack.start()
      #expect(stack.output == Array("?".utf8))
      _ = stack.outputTaken(1)
      try stack.take(Array("!".utf8))
      #expect(!stack.isOpen)
      #expect(stack.stage == .tls)
      #expect(stack.output == [0, 1, UInt8(ascii: "?") ^ 1])
      _ = stack.outputTaken(3)
      try stack.take([0, 1, UInt8(ascii: "!") ^ 1])
      #expect(stack.isOpen)
      #expect(stack.stage == nil)
      #expect(stack.output == [])
    }

    @Test func bytesMeanTheSameHoweverTheyAreCut() throws {
      let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
      for size in [1, 2, 3, 7, 100, 4000] {
        let stack = try opened()
        let encoded = ToyPeer.encoded(bytes)
        var received: [UInt8] = []
        for start in stride(from: 0, to: encoded.count, by: size) {
          received += try stack.take(Array(encoded[start..<min(encoded.count, start + size)]))
        }
        #expect(received == bytes, "in pieces of \(size)")
      }
    }

    @Test func whatIsSentGoesThroughAllLayers() throws {
      let stack = try opened()
      let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0) }
      #expect(try bytes.withBytes { (bytes) throws(ConnectionError) in try stack.send(bytes) } == bytes.count)
      #expect(ToyPeer.decoded(stack.output) == bytes)
    }

    @Test func bytesCountAsSentWhenTheLastByteOfTheirFrameWasTaken() throws {
      let stack = try opened()
      func send(_ count: Int) throws -> Int {
        let before = stack.outputCount
        _ = try [UInt8](repeating: 0x78, count: count).withBytes { (bytes) throws(ConnectionError) in
          try stack.send(bytes)
        }
        return stack.outputCount - before
      }
      let first = try send(10)
      let second = try send(20)
      #expect(stack.unsentCount == 30)
      for _ in 1..<first { #expect(stack.outputTaken(1) == 0) }
      #expect(stack.outputTaken(1) == 10)
      #expect(stack.unsentCount == 20)
      let third = try send(30)
      #expect(stack.outputTaken(second + third - 1) == 20)
      #expect(stack.outputTaken(1) == 30)
      #expect(stack.unsentCount == 0)
    }

    @Test func noMoreIsTakenFromAboveThanTheNetworkTakes() throws {
      let stack = try opened()
      let bytes = [UInt8](repeating: 0x78, count: 1_000_000)
      let count = try bytes.withBytes { (bytes) throws(ConnectionError) in try stack.send(bytes) }
      #expect(count < 200_000)
      #expect(try bytes.withBytes { (bytes) throws(ConnectionError) in try stack.send(bytes) } == 0)
      #expect(stack.outputTaken(stack.outputCount) == count)
      #expect(try bytes.withBytes { (bytes) throws(ConnectionError) in try stack.send(bytes) } > 0)
    }

    @Test func takingLeaveBeginsAtTheTopAndHappensOnce() throws {
      let stack = try opened()
      try stack.finish()
      try stack.finish()
      #expect(stack.output == [0, 2, 0 ^ 1, 0 ^ 1, 0, 0])
    }

    // MARK: Over a network connection

    private static func handshake(_ connection: ScriptedConnection) throws {
      #expect(try connection.read(count: 1) == Array("?".utf8))
      try connection.sendBytes(Array("!".utf8))
      #expect(try connection.read(count: 3) == [0, 1, UInt8(ascii: "?") ^ 1])
      // Nothing of MQTT before all layers are open.
      try connection.silence(for: .milliseconds(20))
      try connection.sendBytes([0, 1, UInt8(ascii: "!") ^ 1])
    }

    /// Reads frames until they hold as many packets as the notation, which must not leave lengths open.
    private static func expect(_ connection: ScriptedConnection, _ notation: WireNotation) throws {
      let expected = ToyPeer.encoded(try #require(notation.bytes))
      #expect(ToyPeer.decoded(try connection.read(count: expected.count)) == notation.bytes)
    }

    private static func send(_ connection: ScriptedConnection, _ notation: WireNotation) throws {
      try connection.sendBytes(ToyPeer.encoded(try #require(notation.bytes)))
    }

    private static let connect: WireNotation = "10 r* s* 'MQTT' 05 02 n60 [] s* 'me'"

    private func client(_ port: Int, reconnect: ReconnectPolicy = ReconnectPolicy(.retries(0))) -> Client {
      Client(.local(port), reconnect: reconnect, layers: { ToyPeer.layers() })
    }

    @Test func aConversationGoesThroughTheLayersToItsEnd() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try Self.handshake(connection)
        try Self.expect(connection, Self.connect)
        try Self.send(connection, "20 r* 00 00 [] | 32 r* s* 'a' m5 [] 'one'")
        try Self.expect(connection, "40 02 m5")
        try Self.send(connection, "30 r* s* 'b' [] 'two'")
        try Self.expect(connection, "e0 00")
        // The layers take their leave, then comes the end of data.
        #expect(try connection.read(count: 6) == [0, 2, 0 ^ 1, 0 ^ 1, 0, 0])
        try connection.waitForClose()
      } against: { broker in
        let client = client(broker.port)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try run.wait(for: "0 message a one")
        client.acknowledgeAll()
        try run.wait(for: "0 message b two")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
        #expect(run.lines == ["0 connected", "0 message a one", "0 message b two", "0 closed"])
      }
    }

    @Test func aLargePacketArrivesWhole() throws {
      let payload = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try Self.handshake(connection)
        try Self.expect(connection, Self.connect)
        try Self.send(connection, "20 r* 00 00 []")
        // The fixed header has four bytes, topic and properties the same. Two frames around each piece, two bytes of length each.
        let count = 8 + payload.count
        let frames = try connection.read(count: count + 4 * ((count + 16_383) / 16_384))
        let packet = try #require(ToyPeer.decoded(frames))
        #expect(packet.suffix(payload.count) == payload[...])
        try Self.expect(connection, "e0 00")
      } against: { broker in
        let client = client(broker.port)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try client.publish("a", payload)
        // What the other side decodes at its leisure is on its way when all was taken.
        let deadline = Instant.now + .seconds(5)
        while client.unsentCount > 0, Instant.now < deadline { run.run(for: .milliseconds(1)) }
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func aStalledBrokerHoldsTheOutputBack() throws {
      let done = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try Self.handshake(connection)
        try Self.expect(connection, Self.connect)
        try Self.send(connection, "20 r* 00 00 []")
        done.wait()
        connection.reset()
      } against: { broker in
        let client = client(broker.port)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try client.publish("a", [UInt8](repeating: 0, count: 20_000_000))
        run.run(for: .milliseconds(200))
        #expect(client.publishesUnsent == 1)
        #expect(client.unsentCount < 20_000_000)
        let used = processorTime { run.run(for: .milliseconds(300)) }
        #expect(used < .milliseconds(50))
        done.signal()
        try run.wait(for: "0 failed")
      }
    }

    @Test(arguments: [ConnectionStage.proxy, .tls]) func theStageOfATimeoutIsTheFirstLayerThatIsNotOpen(
      _ stage: ConnectionStage
    ) throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        _ = try connection.read(count: 1)
        if stage == .tls {
          try connection.sendBytes(Array("!".utf8))
          _ = try connection.read(count: 3)
        }
        try connection.waitForClose()
      } against: { broker in
        let client = Client(.local(broker.port), connectTimeout: .milliseconds(100), layers: { ToyPeer.layers() })
        var run = ClientRun(client)
        let line = try run.wait(for: "0 failed")
        #expect(line.contains(stage == .proxy ? "the proxy gave no connection" : "did not finish the TLS handshake"))
      }
    }

    @Test(arguments: [false, true]) func anEndInTheHandshakeIsTheLayersToExplain(isReset: Bool) throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        _ = try connection.read(count: 1)
        try connection.sendBytes(Array("!".utf8))
        _ = try connection.read(count: 3)
        if isReset { connection.reset() } else { connection.close() }
      } against: { broker in
        var run = ClientRun(client(broker.port))
        let line = try run.wait(for: "0 failed")
        #expect(line.contains("keep alive of 2 s"))
      }
    }

    @Test func whatCameBeforeAFaultIsDeliveredAndTheFaultIsAnswered() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try Self.handshake(connection)
        try Self.expect(connection, Self.connect)
        try connection.sendBytes(
          ToyPeer.encoded(try #require(("20 r* 00 00 [] | 30 r* s* 'a' [] 'last'" as WireNotation).bytes)) + [
            0xFF, 0xFF,
          ])
        #expect(try connection.read(count: 7) == ToyLayer.framed(Array("fault".utf8), 1))
        try connection.waitForClose()
      } against: { broker in
        var run = ClientRun(client(broker.port))
        try run.wait(for: "0 failed")
        #expect(run.lines.dropLast() == ["0 connected", "0 message a last"])
        #expect(run.lines.last?.contains("proxy") == true)
      }
    }

    @Test func anOutageBringsNewLayers() throws {
      try ScriptedBroker().play { broker in
        for _ in 0..<2 {
          let connection = try broker.accept()
          try Self.handshake(connection)
          try Self.expect(connection, Self.connect)
          try Self.send(connection, "20 r* 00 00 []")
          connection.close()
        }
      } against: { broker in
        var run = ClientRun(client(broker.port, reconnect: ReconnectPolicy(.forever)))
        try run.wait(for: "0 connected")
        try run.wait(for: "0 outage")
        try run.wait(for: "0 connected")
        try run.wait(for: "0 outage")
      }
    }
  }
}

extension LayerStack {
  /// What goes up for these bytes.
  @discardableResult
  func take(_ bytes: [UInt8]) throws -> [UInt8] {
    var up: [UInt8] = []
    try bytes.withUnsafeBytes { bytes in try receive(bytes) { up += $0 } }
    return up
  }

  /// All bytes for the network.
  var output: [UInt8] { withOutput { Array($0) } }
}
