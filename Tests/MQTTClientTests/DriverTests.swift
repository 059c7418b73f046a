import Foundation
import Glibc
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// Waiting: for several clients, for other descriptors, and never in a circle.
  @Suite struct Waiting {
    @Test func idleIsToldOnceAfterABatchAndBeforeOutputIsSent() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        try connection.send("30 r* s* 'a' [] '1' | 30 r* s* 'a' [] '2' | 30 r* s* 'a' [] '3'")
        try connection.expect("30 r* s* 'b' [] 'answer'")
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 message a 3")
        let before = run.idleCount
        nonisolated(unsafe) var isPublished = false
        run.whenIdle = { now in
          if !isPublished { try? client.publish("b", "answer", at: now) }
          isPublished = true
        }
        run.run(for: .milliseconds(100))
        #expect(run.idleCount - before == 1)
        #expect(client.connection.session.outputCount == 0)
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func whoPublishesWhenIdleIsAskedAgainUntilAllIsPublished() throws {
      let count = 20_000
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        for _ in 0..<count { _ = try connection.nextPacket() }
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        var published = 0
        let payload = [UInt8](repeating: 0x78, count: 100)
        run.whenIdle = { now in
          while client.canPublish, published < count {
            try? client.publish("a", payload, at: now)
            published += 1
          }
          if published == count { client.disconnect(at: now) }
        }
        try run.wait(for: "0 closed", within: .seconds(20))
      }
    }

    @Test func aFloodDoesNotKeepTheDeadlineFromBeingTold() throws {
      let flood = Flood()
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        try flood.send(on: connection)
      } against: { broker in
        let client = Client(.local(broker.port))
        var driver = Driver()
        driver.add(client)
        var deadline = Instant.now + .seconds(10)
        var idleCount = 0
        var messages = 0
        wait: while Instant.now < deadline + .seconds(5) {
          switch driver.next(until: deadline) {
          case .deadline: break wait
          case .idle: idleCount += 1
          case .client(_, .session(.message)):
            if messages == 0 { deadline = driver.now + .milliseconds(500) }
            messages += 1
          default: break
          }
        }
        flood.stop()
        #expect(Instant.now < deadline + .seconds(1))
        #expect(messages > 1000)
        #expect(idleCount > 3)
      }
    }

    @Test func aDescriptorIsWatchedUntilItIsNot() throws {
      var run = ClientRun()
      let (reading, writing) = try pipe()
      run.driver.watch(reading.number, .readable)
      run.run(for: .milliseconds(30))
      #expect(run.lines == [])
      writing.write("x")
      try run.wait(for: "ready \(reading.number) readable")
      // Nobody has read: it is told again.
      try run.wait(for: "ready \(reading.number) readable")
      run.driver.watch(reading.number, nil)
      let count = run.lines.count
      run.run(for: .milliseconds(30))
      #expect(run.lines.count == count)
    }

    @Test func theEndOfAReaderIsToldOnceAndWithoutAnInterest() throws {
      var run = ClientRun()
      let (reading, writing) = try pipe()
      run.driver.watch(writing.number, [])
      run.run(for: .milliseconds(30))
      #expect(run.lines == [])
      reading.close()
      let line = try run.wait(for: "ready \(writing.number)")
      #expect(line.hasSuffix("hungUp"))
      let used = processorTime { run.run(for: .milliseconds(300)) }
      #expect(run.lines.count == 1)
      #expect(used < .milliseconds(50))
      run.driver.watch(writing.number, nil)
      run.driver.watch(writing.number, .writable)
      try run.wait(for: "ready \(writing.number)")
    }

    @Test func aConnectionThatIsIdleCostsNoProcessorTime() throws {
      try ScriptedBroker().play {
        try $0.acceptConnect().expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        let used = processorTime { run.run(for: .milliseconds(300)) }
        #expect(used < .milliseconds(50))
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func aStalledBrokerCostsNoProcessorTime() throws {
      let done = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect()
        done.wait()
        connection.reset()
      } against: { broker in
        let client = Client(.local(broker.port))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try client.publish("a", [UInt8](repeating: 0, count: 20_000_000))
        run.run(for: .milliseconds(200))
        #expect(client.connection.session.outputCount > 0)
        let used = processorTime { run.run(for: .milliseconds(300)) }
        #expect(used < .milliseconds(50))
        done.signal()
      }
    }

    @Test func twoClientsShareADriver() throws {
      let second = try ScriptedBroker()
      try ScriptedBroker().play { first in
        let one = try first.acceptConnect()
        let other = try second.acceptConnect()
        try one.send("30 r* s* 'a' [] '1'")
        try other.send("30 r* s* 'a' [] '2'")
        try one.expect("e0 ...")
        try other.expect("e0 ...")
      } against: { first in
        let clients = [Client(.local(first.port)), Client(.local(second.port))]
        var run = ClientRun(clients[0], clients[1])
        try run.wait(for: "0 message a 1")
        if !run.lines.contains("1 message a 2") { try run.wait(for: "1 message a 2") }
        for client in clients { client.disconnect(at: .now) }
        try run.wait(for: "0 closed")
        if !run.lines.contains("1 closed") { try run.wait(for: "1 closed") }
      }
    }

    @Test func aDescriptorNumberThatAnotherTakesOverIsWatchedForTheOther() throws {
      try ScriptedBroker().play { broker in
        try broker.acceptConnect().close()
        let other = try broker.acceptConnect()
        try other.send("30 r* s* 'a' [] 'x'")
        try other.expect("e0 ...")
      } against: { broker in
        let first = Client(.local(broker.port))
        var run = ClientRun(first)
        // A connection is lost, and before the driver comes to wait the application opens something with its number.
        try run.wait(for: "0 failed")
        let (reading, writing) = try pipe()
        run.driver.watch(reading.number, .readable)
        run.driver.watch(writing.number, [])
        let second = Client(.local(broker.port))
        run.driver.add(second)
        try run.wait(for: "1 message a x")
        writing.write("x")
        try run.wait(for: "ready \(reading.number) readable")
        run.driver.watch(reading.number, nil)
        second.disconnect(at: .now)
        try run.wait(for: "1 closed")
      }
    }

    @Test func twoClientsThatComeAndGoTakeEachOthersDescriptors() throws {
      let stop = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        while stop.wait(timeout: .now()) != .success {
          // Refused as 3.1.1, so that each client connects twice in a row.
          guard let connection = try? broker.accept(timeout: .milliseconds(100)) else { continue }
          try connection.expectConnect()
          if connection.connect?.protocolLevel == 5 {
            connection.close()
          } else {
            try connection.respondConnack(code: 3)
          }
        }
      } against: { broker in
        for _ in 0..<20 {
          func client() -> Client { Client(.local(broker.port), fallback: [.v311]) }
          var run = ClientRun(client(), client(), client())
          for index in 0..<3 where !run.lines.contains(where: { $0.hasPrefix("\(index) failed") }) {
            try run.wait(for: "\(index) failed")
          }
        }
        stop.signal()
      }
    }

    @Test func noDescriptorIsLeftBehind() throws {
      func descriptorCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
      }
      let refused = try freePort()
      let stop = DispatchSemaphore(value: 0)
      try ScriptedBroker().play { broker in
        while stop.wait(timeout: .now()) != .success {
          guard let connection = try? broker.acceptConnect(timeout: .milliseconds(100)) else { continue }
          try connection.expect("e0 ...")
        }
      } against: { broker in
        let before = try descriptorCount()
        for _ in 0..<200 {
          let connected = Client(.local(broker.port))
          let failed = Client(.local(refused))
          let unresolved = Client(.tcp(host: "no name", port: 1))
          let abandoned = Client(.tcp(host: "127.1", port: UInt16(refused)))
          var run = ClientRun(connected, failed, unresolved, abandoned)
          abandoned.disconnect(at: .now)
          try run.wait(for: "0 connected")
          connected.disconnect(at: .now)
          try run.wait(for: "0 closed")
          for index in 1...2 where !run.lines.contains(where: { $0.hasPrefix("\(index) failed") }) {
            try run.wait(for: "\(index) failed")
          }
        }
        stop.signal()
        // Tests of other modules run at the same time, and have some of their own.
        try Expect.eventually { try descriptorCount() < before + 100 }
      }
    }
  }
}

/// One end of a pipe.
final class PipeEnd {
  private(set) var number: Int32

  init(_ number: Int32) { self.number = number }

  deinit { close() }

  func close() {
    if number >= 0 { _ = Glibc.close(number) }
    number = -1
  }

  func write(_ text: String) { _ = Glibc.write(number, text, text.utf8.count) }
}

func pipe() throws -> (reading: PipeEnd, writing: PipeEnd) {
  var ends: [Int32] = [-1, -1]
  try #require(Glibc.pipe(&ends) == 0)
  return (PipeEnd(ends[0]), PipeEnd(ends[1]))
}

/// Messages without end, until it is stopped or the other side has gone.
final class Flood: @unchecked Sendable {
  private let lock = NSLock()
  private var isStopped = false

  func stop() { lock.withLock { isStopped = true } }

  func send(on connection: ScriptedConnection) throws {
    let batch = Array((0..<5_000).map { _ in wire("30 r* s* 'a' [] 'message'") }.joined())
    while !lock.withLock({ isStopped }) {
      do { try connection.sendBytes(batch, timeout: .milliseconds(500)) } catch { return }
    }
  }
}
