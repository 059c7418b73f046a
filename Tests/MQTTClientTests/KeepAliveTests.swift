import Foundation
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// Silence, and reading that the application puts off. One second is the shortest keep alive there is.
  @Suite struct Silence {
    @Test("[MQTT-3.1.2-20] PINGREQ is sent while there is nothing else to send")
    func anIdleConnectionIsKeptAlive() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        for _ in 1...2 {
          try connection.expect("c0 00", timeout: .milliseconds(1400))
          try connection.send("d0 00")
        }
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), keepAlive: 1)
        var run = ClientRun(client)
        try run.wait(for: "0 pong")
        try run.wait(for: "0 pong")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test("[MQTT-3.1.2-21] the server's keep alive is used")
    func theServersKeepAliveIsUsed() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect(properties: "13 n1")
        try connection.expect("c0 00", timeout: .milliseconds(1400))
        try connection.send("d0 00")
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), keepAlive: 600)
        var run = ClientRun(client)
        try run.wait(for: "0 pong")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test(arguments: [CuttingProxy.Direction.both, .toClient])
    func aSilentNetworkIsFoundOut(direction: CuttingProxy.Direction) throws {
      let target = try ScriptedBroker()
      let proxy = try CuttingProxy(to: target.port)
      let done = DispatchSemaphore(value: 0)
      try target.play { broker in
        let connection = try broker.acceptConnect()
        done.wait()
        connection.reset()
      } against: { _ in
        let client = Client(.local(proxy.port), keepAlive: 1)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        proxy.cut(.silence(direction))
        let time = try time {
          let line = try run.wait(for: "0 failed")
          #expect(line.contains("nothing came from the broker for 1.5 times the keep alive of 1 s"))
        }
        #expect(time > .milliseconds(1300) && time < .milliseconds(1800))
        done.signal()
      }
    }

    @Test func silenceIsFoundOutWhileWePublish() throws {
      let done = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        // It takes everything and answers nothing.
        while done.wait(timeout: .now()) != .success { _ = try? connection.nextPacket(timeout: .milliseconds(50)) }
      } against: { broker in
        let client = Client(.local(broker.port), keepAlive: 1)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        let start = Instant.now
        while !run.lines.contains("0 silent"), Instant.now < start + .seconds(4) {
          try client.publish("a", "b")
          run.run(for: .milliseconds(100))
        }
        #expect(Instant.now - start < .milliseconds(1800))
        done.signal()
      }
    }

    @Test func aProcessThatWasStoppedReadsBeforeItCallsTheBrokerSilent() throws {
      let isAsked = DispatchSemaphore(value: 0)
      let isAnswered = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        try connection.expect("c0 00")
        isAsked.wait()
        try connection.send("d0 00")
        isAnswered.signal()
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), keepAlive: 1)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        run.run(for: .milliseconds(1100))
        isAsked.signal()
        isAnswered.wait()
        // The process sleeps while PINGRESP lies in its socket.
        Thread.sleep(forTimeInterval: 0.7)
        try run.wait(for: "0 pong")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    // MARK: - Reading later

    @Test func whileReadingIsPausedNothingIsReadAndMemoryDoesNotGrow() throws {
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
        run.run(for: .milliseconds(50))
        let before = run.lines.count
        let buffered = client.connection.session.inputCount
        let used = processorTime { run.run(for: .milliseconds(300)) }
        #expect(run.lines.count == before)
        #expect(client.connection.session.inputCount == buffered)
        #expect(buffered < 1 << 18)
        #expect(used < .milliseconds(50))
        client.resumeReading(at: .now)
        try run.wait(for: "0 message")
        flood.stop()
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func keepAliveGoesOnWhileReadingIsPaused() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        for _ in 1...2 { try connection.expect("c0 00", timeout: .milliseconds(1400)) }
        try connection.send("d0 00 | d0 00")
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), keepAlive: 1)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        client.pauseReading()
        run.run(for: .milliseconds(2300))
        #expect(run.lines == ["0 connected"])
        client.resumeReading(at: .now)
        try run.wait(for: "0 pong")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func aConnectionThatBreaksWhileReadingIsPausedWaitsForTheReader() throws {
      let isReset = DispatchSemaphore(value: 0)
      let isPaused = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        isPaused.wait()
        try connection.send("30 r* s* 'a' [] 'last'")
        connection.reset()
        isReset.signal()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        client.pauseReading()
        run.run(for: .milliseconds(10))
        isPaused.signal()
        isReset.wait()
        let used = processorTime { run.run(for: .milliseconds(300)) }
        #expect(used < .milliseconds(50))
        #expect(run.lines == ["0 connected"])
        // Sending finds it out, and does not lose what was there before.
        try client.publish("a", "into the void")
        let usedAfter = processorTime { run.run(for: .milliseconds(300)) }
        #expect(usedAfter < .milliseconds(50))
        client.resumeReading(at: .now)
        try run.wait(for: "0 failed")
        #expect(run.lines[1] == "0 message a last")
      }
    }

    @Test func aPauseOutlastsAnOutage() throws {
      try ScriptedBroker().play { broker in
        try broker.acceptConnect().reset()
        let connection = try broker.acceptConnect()
        try connection.expect("c0 00")
        try connection.send("30 r* s* 'a' [] 'x'")
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), reconnect: ReconnectPolicy(.forever))
        var run = ClientRun(client)
        try run.wait(for: "0 outage")
        client.pauseReading()
        try run.wait(for: "0 connected")
        client.ping()
        run.run(for: .milliseconds(100))
        #expect(run.lines.last == "0 connected")
        client.resumeReading(at: .now)
        try run.wait(for: "0 message a x")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }
  }
}
