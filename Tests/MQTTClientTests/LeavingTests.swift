import Foundation
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// Taking leave, and the last words of the other side.
  @Suite struct Leaving {
    /// Runs until `closed`, which must come within a second.
    private func leave(_ client: Client, _ run: inout ClientRun) throws {
      client.disconnect(at: .now)
      let line = try run.wait(for: "0 closed", within: .seconds(1))
      #expect(line == run.lines.last)
    }

    @Test func leavingWhileTheNameIsLookedUpEndsAtOnce() throws {
      let blocked = DispatchSemaphore(value: 0)
      defer { blocked.signal() }
      let client = Client(
        .tcp(host: "slow.example", port: 1883),
        lookUp: { _, _ in
          blocked.wait()
          return .success([])
        })
      var run = ClientRun(client)
      run.run(for: .milliseconds(30))
      try leave(client, &run)
    }

    @Test func leavingWhileConnectingEndsAtOnce() throws {
      let blackHole = try BlackHole()
      let client = Client(.local(blackHole.port))
      var run = ClientRun(client)
      run.run(for: .milliseconds(30))
      try leave(client, &run)
    }

    @Test func leavingBeforeConnackEndsAtOnce() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try connection.expectConnect()
        try connection.waitForClose()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        run.run(for: .milliseconds(30))
        try leave(client, &run)
      }
    }

    @Test func leavingBeforeTheDriverRunsEndsAtOnce() throws {
      let client = Client(.local(1))
      client.disconnect(at: .now)
      var run = ClientRun(client)
      try run.wait(for: "0 closed", within: .seconds(1))
    }

    @Test func leavingWhileWaitingForTheNextAttemptEndsAtOnce() throws {
      let client = Client(.local(try freePort()), reconnect: ReconnectPolicy(.forever))
      var run = ClientRun(client)
      try run.wait(for: "0 outage")
      try leave(client, &run)
    }

    @Test func leavingABrokerThatDoesNotCloseTakesHalfASecond() throws {
      let done = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        try connection.expect("e0 ...")
        done.wait()
        connection.close()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        let time = try time { try leave(client, &run) }
        #expect(time > .milliseconds(450))
        done.signal()
      }
    }

    @Test func leavingWhileReadingIsPausedIsNotHeldUp() throws {
      let flood = Flood()
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        try flood.send(on: connection)
        connection.close()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 message")
        client.pauseReading()
        run.run(for: .milliseconds(100))
        flood.stop()
        try leave(client, &run)
      }
    }

    @Test func leavingAFloodKeepsNothingOfIt() throws {
      let flood = Flood()
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        try flood.send(on: connection)
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 message")
        client.disconnect(at: .now)
        let kept = client.connection.session.inputCount
        try run.wait(for: "0 closed", within: .seconds(1))
        #expect(client.connection.session.inputCount <= kept)
        flood.stop()
      }
    }

    @Test func aSlowBrokerIsGivenAllOutputBeforeTheEnd() throws {
      let payload = [UInt8](repeating: 0x78, count: 8_000_000)
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        // More time than a broker is given that has taken all and does not close.
        Thread.sleep(forTimeInterval: 0.7)
        let packet = try connection.nextPacket()
        #expect(packet.body.count == payload.count + 4)
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try client.publish("a", payload)
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func outputThatTheBrokerNeverTookIsNoSuccess() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        _ = try connection.read(count: 1000)
        connection.reset()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try client.publish("a", [UInt8](repeating: 0x78, count: 20_000_000))
        client.disconnect(at: .now)
        try run.wait(for: "0 failed")
      }
    }

    @Test func aBrokerThatClosesJustBeforeDisconnectIsLeftAllTheSame() throws {
      let closed = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        try broker.acceptConnect().reset()
        closed.signal()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        closed.wait()
        // Nothing but DISCONNECT is lost.
        try leave(client, &run)
      }
    }

    @Test("[MQTT-3.14.4-1] a QoS 0 publish right before DISCONNECT arrives", .needs("mosquitto"))
    func aPublishBeforeDisconnectArrives() throws {
      let broker = try RealBroker()
      let noise = Client(.local(broker.port), as: "noise")
      let observer = try ScriptedConnection(port: broker.port)
      try observer.send("10 r* s* 'MQTT' 04 02 n60 s* 'observer'")
      try observer.expect("20 02 00 00")
      try observer.send("82 r* m1 s* 'count' 00")
      try observer.expect("90 03 m1 00")
      var noiseRun = ClientRun(noise)
      try noiseRun.wait(for: "0 connected")
      for number in 1...200 {
        let client = Client(.local(broker.port))
        try client.subscribe("noise")
        var run = ClientRun(client)
        try run.wait(for: "0 subscribed")
        // So that bytes are on their way to a socket that is about to be closed.
        for _ in 0..<20 { try noise.publish("noise", [UInt8](repeating: 0x78, count: 5000)) }
        noiseRun.run(for: .zero)
        try client.publish("count", "\(number)")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed", within: .seconds(1))
        try observer.expect("30 r* s* 'count' '\(number)'")
      }
    }

    // MARK: - Last words

    @Test(arguments: [false, true])
    func theReasonOfARefusalIsToldThoughTheConnectionIsGone(isReset: Bool) throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try connection.expectConnect(level: 5)
        try connection.send("20 r* 00 87 [ 1f s* 'not you' ]")
        if isReset { connection.reset() } else { connection.close() }
      } against: { broker in
        let client = Client(.local(broker.port))
        // The driver comes to look when all has happened.
        var run = ClientRun(client)
        let line = try run.wait(for: "0 failed")
        #expect(line.hasSuffix(": not you"))
      }
    }

    @Test(arguments: [false, true])
    func theReasonOfADisconnectIsToldThoughTheConnectionIsGone(isReset: Bool) throws {
      let gone = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        try connection.send("30 r* s* 'a' [] 'last' | e0 02 8e 00")
        if isReset { connection.reset() } else { connection.close() }
        gone.signal()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        gone.wait()
        try client.publish("a", "into the void")
        try run.wait(for: "0 failed")
        #expect(run.lines[1...2] == ["0 message a last", "0 disconnected 142"])
        #expect(run.lines.count == 4)
      }
    }

    @Test(arguments: [false, true])
    func theReasonComesOutWhileMuchIsSent(isReset: Bool) throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        _ = try connection.read(count: 100_000)
        try connection.send("e0 02 97 00")
        if isReset {
          connection.reset()
        } else {
          connection.finishSending()
          _ = try? connection.waitForClose(timeout: .milliseconds(500))
        }
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        run.whenIdle = { now in
          while client.canPublish { try? client.publish("a", [UInt8](repeating: 0x78, count: 10_000), at: now) }
        }
        let line = try run.wait(for: "0 failed")
        #expect(line.contains("quota exceeded"), "\(run.lines)")
      }
    }

    @Test func aConnectionThatBreaksWhileMuchIsSentEndsInOneFailure() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        _ = try connection.read(count: 100_000)
        connection.reset()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        run.whenIdle = { now in
          while client.canPublish { try? client.publish("a", [UInt8](repeating: 0x78, count: 10_000), at: now) }
        }
        try run.wait(for: "0 failed")
        run.run(for: .milliseconds(20))
        #expect(run.lines.count == 2)
      }
    }
  }
}
