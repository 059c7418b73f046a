import Testing

@testable import TestSupport

@Suite struct CuttingProxyTests {
  let broker: ScriptedBroker
  let proxy: CuttingProxy

  init() throws {
    broker = try ScriptedBroker()
    proxy = try CuttingProxy(to: broker.port)
  }

  private func connect() throws -> (client: ScriptedConnection, server: ScriptedConnection) {
    (try ScriptedConnection(port: proxy.port), try broker.accept())
  }

  @Test func bytesPassBothWays() throws {
    let (client, server) = try connect()
    let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }
    broker.start { _ in try client.sendBytes(bytes) }
    Expect.bytes(try server.read(count: bytes.count), bytes)
    try broker.finish()
    broker.start { _ in try server.sendBytes(bytes) }
    Expect.bytes(try client.read(count: bytes.count), bytes)
    try broker.finish()
    Expect.eventually { proxy.bytesPassed(.toServer) == 1_000_000 && proxy.bytesPassed(.both) == 2_000_000 }
    #expect(proxy.cuts == 0)
  }

  @Test func theEndOfDataIsPassedOnAloneAndAResetToo() throws {
    let (client, server) = try connect()
    client.finishSending()
    #expect(try server.waitForClose() == .orderly)
    try server.send("d0 00")
    try client.expect("d0 00")
    server.reset()
    #expect(try client.waitForClose() == .reset)
  }

  @Test(arguments: [CuttingProxy.Cut.orderly, .reset])
  func aCutOnCommandIsSeenOnBothSides(cut: CuttingProxy.Cut) throws {
    let (client, server) = try connect()
    try client.send("c0 00")
    try server.expect("c0 00")
    proxy.cut(cut)
    #expect(try client.waitForClose() == (cut == .reset ? .reset : .orderly))
    #expect(try server.waitForClose() == (cut == .reset ? .reset : .orderly))
    #expect(proxy.cuts == 1)
    // And the next connection is taken.
    let (client2, server2) = try connect()
    try client2.send("c0 00")
    try server2.expect("c0 00")
    #expect(proxy.connections == 2)
  }

  @Test(arguments: [CuttingProxy.Cut.orderly, .reset])
  func aCutComesAfterExactlySoManyBytes(cut: CuttingProxy.Cut) throws {
    proxy.cutEach(after: 5, .toServer, cut, times: 2)
    for _ in 1...2 {
      let (client, server) = try connect()
      try server.send("d0 00 d0 00 d0 00")
      try client.expect("d0 00 | d0 00 | d0 00")
      try client.send("c0 00 c0 00 c0 00")
      try server.expect("c0 00 | c0 00")
      Expect.bytes(try server.read(count: 1), [0xc0])
      try server.waitForClose()
      try client.waitForClose()
    }
    #expect(proxy.cuts == 2)
    // Both times are used up.
    let (client, server) = try connect()
    try client.send("c0 00 c0 00 c0 00")
    try server.expect("c0 00 | c0 00 | c0 00")
  }

  @Test func randomCutsAreRepeatedByTheSeed() throws {
    func cuts(seed: UInt64) throws -> [Int] {
      proxy.cutEach(afterRandom: 1...1_000, .toServer, .orderly, seed: seed)
      return try (1...5).map { _ in
        let (client, server) = try connect()
        let before = proxy.bytesPassed(.toServer)
        try client.sendBytes([UInt8](repeating: 0xc0, count: 1_000))
        try client.waitForClose()
        _ = server
        return proxy.bytesPassed(.toServer) - before
      }
    }
    let first = try cuts(seed: 7)
    #expect(Set(first).count > 1)
    #expect(first.allSatisfy { (1...1_000).contains($0) })
    #expect(try cuts(seed: 7) == first)
    #expect(try cuts(seed: 8) != first)
    proxy.cutNoMore()
    let (client, server) = try connect()
    try client.sendBytes([UInt8](repeating: 0xc0, count: 2_000))
    #expect(try server.read(count: 2_000).count == 2_000)
  }

  @Test func silenceKeepsTheConnectionAndPassesNothing() throws {
    let (client, server) = try connect()
    proxy.cut(.silence(.toServer))
    try client.send("c0 00")
    try server.send("d0 00")
    try client.expect("d0 00")
    try server.silence(for: .milliseconds(30))
    proxy.cut(.silence(.both))
    try server.send("d0 00")
    client.close()
    try server.silence(for: .milliseconds(30))
    proxy.cut(.reset)
    #expect(try server.waitForClose() == .reset)
    #expect(proxy.cuts == 3)
  }

  @Test func aDelayIsKept() throws {
    let (client, server) = try connect()
    proxy.delay(by: .milliseconds(60))
    let start = ContinuousClock.now
    try client.send("c0 00")
    try server.expect("c0 00")
    #expect(ContinuousClock.now - start >= .milliseconds(60))
  }

  @Test func aLimitIsKept() throws {
    let (client, server) = try connect()
    proxy.limit(toBytesPerSecond: 100_000)
    let start = ContinuousClock.now
    try client.sendBytes([UInt8](repeating: 0xc0, count: 30_000))
    _ = try server.read(count: 30_000)
    // A tenth of a second's bytes may have been saved up.
    #expect(ContinuousClock.now - start >= .milliseconds(190))
    proxy.limit(toBytesPerSecond: nil)
    try client.sendBytes([UInt8](repeating: 0xc0, count: 3_000_000))
    #expect(try server.read(count: 3_000_000).count == 3_000_000)
  }

  @Test func connectionsAreRefusedAndTakenAgain() throws {
    proxy.refuse()
    #expect(throws: TestFailure.self) { try ScriptedConnection(port: proxy.port) }
    proxy.acceptAgain()
    let (client, server) = try connect()
    try client.send("c0 00")
    try server.expect("c0 00")
  }

  @Test func withoutServerAConnectionIsReset() throws {
    broker.stopListening()
    do {
      #expect(try ScriptedConnection(port: proxy.port).waitForClose() == .reset)
    } catch let failure as TestFailure {
      // The reset may come before connect is done.
      #expect(failure.description.contains("Connection reset by peer"))
    }
  }
}
