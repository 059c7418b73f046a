import Foundation
import MQTT
import Testing

@testable import CommandLineTool

struct SpoolDrainTests {
  private let folder: SpoolFolder
  private let broker = MemoryBroker()

  init() throws { folder = try SpoolFolder() }

  private func stored(_ payloads: ClosedRange<Int>, qos: QoS = .exactlyOnce) throws -> Spool {
    let spool = try folder.spool()
    for payload in payloads { try spool.store("\(payload)", qos: qos) }
    return spool
  }

  @Test("messages are delivered in their order, and nothing stays behind", arguments: [QoS.atLeastOnce, .exactlyOnce])
  func order(qos: QoS) throws {
    let spool = try stored(1...250, qos: qos)
    for version in [ProtocolVersion.v5, .v311] {
      _ = try spool.store("x", qos: qos)
      let outcome = try #require(try DeliveryRun(version: version).deliver(spool, to: broker))
      #expect(outcome.isComplete)
    }
    #expect(broker.delivered == (1...250).map { "\($0)" } + ["x", "x"])
    #expect(try folder.names("new") + folder.names("rel") + folder.names("bad") == [])
    #expect(try !spool.hasWaiting)
    #expect(try spool.status().lastDelivery == wallTime)
  }

  @Test("[MQTT-2.2.1-3] the packet identifier is the sequence number, and begins again at 1 behind 65,535")
  func packetIdentifiers() throws {
    let spool = try folder.spool()
    try folder.write(bytes("65532 0 0 e25fba5f\n"), to: "seq")
    for payload in 1...4 { try spool.store("\(payload)", qos: .atLeastOnce) }
    _ = try DeliveryRun().deliver(spool, to: broker)
    #expect(
      broker.received.filter { $0.hasPrefix("PUBLISH") } == [
        "PUBLISH 65534", "PUBLISH 65535", "PUBLISH 1", "PUBLISH 2",
      ])
  }

  @Test("nothing is released before the disk has it, and one fsync does for all that came together")
  func releaseAfterSync() throws {
    _ = try stored(1...5)
    let system = FaultySystem()
    broker.observer = { if $0.hasPrefix("PUBREL") { system.notes.append($0) } }
    _ = try DeliveryRun().deliver(try folder.spool(system), to: broker)
    let notes = system.notes.filter { $0.hasPrefix("PUBREL") || $0 == "fsync rel" || $0.hasPrefix("rename new/") }
    let renames = (1...5).map { "rename new/\(FileName($0).text) rel/\(FileName($0).text)" }
    #expect(notes == renames + ["fsync rel"] + (2...6).map { "PUBREL \($0)" } + ["fsync rel"])
  }

  @Test("[MQTT-3.1.2-4] with nothing left open the session begins clean, and a complete delivery ends it")
  func sessionEnds() throws {
    let spool = try stored(1...3)
    _ = try DeliveryRun().deliver(spool, to: broker)
    #expect(broker.received.first == "CONNECT clean")
    #expect(broker.sessions.isEmpty)
    try spool.store("4")
    _ = try DeliveryRun(version: .v311).deliver(spool, to: broker)
    // A clean session of MQTT 3.1.1 would end with its connection.
    #expect(broker.received.filter { $0.hasPrefix("CONNECT") } == ["CONNECT clean", "CONNECT"])
  }

  @Test("the broker hears of a session before anything is published, and the spool remembers it")
  func sessionIsNoted() throws {
    _ = try stored(1...1)
    let system = FaultySystem()
    broker.observer = { if !$0.hasPrefix("PUBREL") { system.notes.append($0) } }
    _ = try DeliveryRun().deliver(try folder.spool(system), to: broker)
    let notes = system.notes.filter {
      $0.hasPrefix("P") || $0.hasSuffix("session") || $0.hasPrefix("fsync /") || $0 == "DISCONNECT"
    }
    #expect(
      notes == [
        "create session", "close session", "fsync \(folder.path)", "PUBLISH 2", "unlink \(folder.path)/session",
        "DISCONNECT",
      ])
  }

  @Test("two runs do not deliver at a time")
  func drainLock() throws {
    let spool = try stored(1...2)
    let drain = try spool.drain()
    if drain == nil { Issue.record("nobody else delivers") }
    #expect(try DeliveryRun().deliver(try folder.spool(), to: broker) == nil)
    _ = consume drain
    #expect(try DeliveryRun().deliver(try folder.spool(), to: broker)?.delivered == 2)
  }

  @Test("what is stored while another run delivers is delivered by that one")
  func storedMeanwhile() throws {
    let spool = try stored(1...2)
    let other = try folder.spool()
    var rest = ["3", "4", "5"]
    broker.observer = {
      if $0.hasPrefix("PUBREL"), let payload = rest.first {
        rest.removeFirst()
        _ = try? other.store(payload)
      }
    }
    _ = try DeliveryRun().deliver(spool, to: broker)
    #expect(broker.delivered == ["1", "2", "3", "4", "5"])
  }

  // MARK: Connections that break

  @Test(
    "[MQTT-4.4.0-1] a connection may break at every packet: QoS 2 exactly once",
    arguments: [ProtocolVersion.v5, .v311], [false, true])
  func cuts(version: ProtocolVersion, isEager: Bool) throws {
    for packets in 1...16 {
      let folder = try SpoolFolder()
      let broker = MemoryBroker()
      let spool = try folder.spool()
      for payload in 1...5 { try spool.store("\(payload)") }
      broker.packetsUntilCut = packets
      let outcome = try DeliveryRun(version: version, isEager: isEager).deliver(spool, to: broker)
      #expect(outcome?.isComplete == true)
      #expect(outcome?.possiblyDuplicated == 0)
      #expect(broker.delivered == (1...5).map { "\($0)" }, "\(packets) packets")
      #expect(broker.openIdentifiers.isEmpty)
    }
  }

  @Test("[MQTT-3.3.1-1] what may have been sent is a duplicate, PUBREL goes first and in order")
  func resume() throws {
    _ = try stored(1...4)
    // The last answers are lost: two messages are at the broker, and the run ends.
    broker.packetsUntilCut = 6
    _ = try DeliveryRun(isEager: false, reconnects: 0).deliver(try folder.spool(), to: broker)
    #expect(
      broker.received == ["CONNECT clean", "PUBLISH 2", "PUBLISH 3", "PUBLISH 4", "PUBLISH 5", "PUBREL 2", "PUBREL 3"])
    #expect(try folder.names("rel").count == 4)
    try FileManager.default.moveItem(
      atPath: folder.path + "/rel/0000000000000004", toPath: folder.path + "/new/0000000000000004")
    let first = broker.received.count
    let outcome = try #require(try DeliveryRun().deliver(try folder.spool(), to: broker))
    #expect(
      Array(broker.received[first...]) == [
        "CONNECT", "PUBREL 2", "PUBREL 3", "PUBREL 4", "PUBLISH 5 dup", "PUBREL 5", "DISCONNECT",
      ])
    #expect(outcome.isComplete && outcome.possiblyDuplicated == 0)
    #expect(broker.delivered == ["1", "2", "3", "4"])
  }

  @Test("what an earlier run moved is synced before it is released: it may have been killed before its fsync")
  func resumeAfterSync() throws {
    _ = try stored(1...2)
    broker.packetsUntilCut = 3
    _ = try DeliveryRun(reconnects: 0).deliver(try folder.spool(), to: broker)
    let system = FaultySystem()
    broker.observer = { if $0.hasPrefix("PUBREL") { system.notes.append($0) } }
    _ = try DeliveryRun().deliver(try folder.spool(system), to: broker)
    let notes = system.notes.filter { $0.hasPrefix("PUBREL") || $0 == "fsync rel" }
    #expect(notes == ["fsync rel", "PUBREL 2", "PUBREL 3", "fsync rel"])
  }

  @Test("what was put into rel by hand does not overwrite the waiting message of its number")
  func bothPlaces() throws {
    let spool = try stored(1...2)
    try folder.write(bytes("nonsense"), to: "rel/0000000000000001")
    let outcome = try #require(try DeliveryRun().deliver(spool, to: broker))
    #expect(outcome.isComplete)
    #expect(broker.delivered == ["1", "2"])
    #expect(try folder.contents("bad/0000000000000001") == bytes("nonsense"))
  }

  @Test("a session that the broker forgot: everything is published again, and counted")
  func sessionLoss() throws {
    _ = try stored(1...3)
    broker.packetsUntilCut = 4
    _ = try DeliveryRun(reconnects: 0).deliver(try folder.spool(), to: broker)
    #expect(try folder.names("rel").count == 3)
    broker.forgetSessions()
    let first = broker.received.count
    let outcome = try #require(try DeliveryRun().deliver(try folder.spool(), to: broker))
    #expect(Array(broker.received[first...].prefix(4)) == ["CONNECT", "PUBLISH 2", "PUBLISH 3", "PUBLISH 4"])
    #expect(outcome.possiblyDuplicated == 3)
    #expect(broker.delivered == ["1", "2", "3", "1", "2", "3"])
  }

  @Test("a session that is forgotten while it is resumed: what was not released is published again")
  func sessionLossWhileResuming() throws {
    _ = try stored(1...3)
    broker.packetsUntilCut = 4
    _ = try DeliveryRun(reconnects: 0).deliver(try folder.spool(), to: broker)
    #expect(try folder.names("rel").count == 3)
    let first = broker.received.count
    broker.packetsUntilCut = 1
    broker.observer = { [broker] in if $0 == "PUBREL 2" { broker.forgetSessions() } }
    let outcome = try #require(try DeliveryRun(isEager: true).deliver(try folder.spool(), to: broker))
    #expect(
      Array(broker.received[first...].prefix(6)) == [
        "CONNECT", "PUBREL 2", "CONNECT", "PUBLISH 2", "PUBLISH 3", "PUBLISH 4",
      ])
    #expect(outcome.isComplete)
    #expect((outcome.delivered, outcome.possiblyDuplicated) == (3, 3))
  }

  @Test("a session that the broker forgot may be a failure: nothing is published, nothing is lost")
  func sessionLossFails() throws {
    _ = try stored(1...3)
    broker.packetsUntilCut = 4
    _ = try DeliveryRun(reconnects: 0).deliver(try folder.spool(), to: broker)
    broker.forgetSessions()
    let error = #expect(throws: SpoolError.self) {
      try DeliveryRun(policy: .fail).deliver(try folder.spool(), to: broker)
    }
    #expect(error.map { ExitStatus($0) } == .spooled)
    #expect(broker.delivered == ["1", "2", "3"])
    #expect(try folder.names("rel").count == 3)
  }

  @Test("an outage before anything was sent duplicates nothing")
  func outageBefore() throws {
    _ = try stored(1...3)
    broker.forgetSessions()
    let outcome = try DeliveryRun(policy: .fail).deliver(try folder.spool(), to: broker)
    #expect(outcome?.possiblyDuplicated == 0)
    #expect(outcome?.isComplete == true)
  }

  // MARK: Deaths

  @Test(
    "delivery may be killed at every system call: QoS 2 exactly once, in order, from the runs that follow",
    arguments: [ProtocolVersion.v5, .v311], [false, true])
  func deaths(version: ProtocolVersion, isEager: Bool) throws {
    try deliverThroughFaults(version, isEager, .exactlyOnce) { .death(at: $0) }
  }

  @Test(
    "every system call of delivery may fail: the run ends, and the next ones deliver exactly once",
    arguments: [false, true])
  func failures(isEager: Bool) throws {
    try deliverThroughFaults(.v5, isEager, .exactlyOnce) { .failure(at: $0) }
  }

  @Test("delivery may be killed at every system call: QoS 1 loses nothing", arguments: [false, true])
  func deathsAtLeastOnce(isEager: Bool) throws {
    try deliverThroughFaults(.v5, isEager, .atLeastOnce) { .death(at: $0) }
  }

  private func deliverThroughFaults(
    _ version: ProtocolVersion, _ isEager: Bool, _ qos: QoS, _ fault: (Int) -> FaultySystem.Fault
  ) throws {
    let payloads = (1...6).map { "\($0)" }
    var number = 0
    while true {
      number += 1
      let folder = try SpoolFolder()
      let broker = MemoryBroker()
      let spool = try folder.spool()
      for payload in payloads { try spool.store(payload, qos: qos) }
      let system = FaultySystem(fault(number))
      do throws(any Error) {
        _ = try DeliveryRun(version: version, isEager: isEager).deliver(try folder.spool(system), to: broker)
      } catch is SpoolError {
        // As it should be.
      }
      // A file that cannot be read is damaged, and put aside.
      let retried = try spool.retryBad()
      // The second run is killed as well, a little later each time; the third is left alone.
      _ = try? DeliveryRun(version: version, isEager: isEager).deliver(
        try folder.spool(FaultySystem(.death(at: 20 + number % 60))), to: broker)
      let outcome = try #require(try DeliveryRun(version: version).deliver(try folder.spool(), to: broker))
      #expect(outcome.isComplete)
      #expect(outcome.quarantined == 0 && outcome.possiblyDuplicated == 0)
      if retried > 0 {
        #expect(broker.delivered.sorted() == payloads, "call \(number)")
      } else if qos == .exactlyOnce {
        #expect(broker.delivered == payloads, "call \(number)")
      } else {
        var seen: [String] = []
        for payload in broker.delivered where !seen.contains(payload) { seen.append(payload) }
        #expect(seen == payloads, "call \(number)")
      }
      #expect(try !spool.hasWaiting)
      if system.callCount < number { break }
    }
    #expect(number > 60)
  }

  // MARK: Refusals

  @Test(
    "a refusal that will not change puts the message aside with its reason, and the run goes on",
    arguments: [ReasonCode.notAuthorized, .topicNameInvalid, .packetTooLarge, .payloadFormatInvalid],
    [QoS.atLeastOnce, .exactlyOnce])
  func refusedForGood(reasonCode: ReasonCode, qos: QoS) throws {
    let spool = try stored(1...3, qos: qos)
    broker.refusals["2"] = reasonCode
    let outcome = try #require(try DeliveryRun().deliver(spool, to: broker))
    #expect(outcome.isComplete)
    #expect((outcome.delivered, outcome.quarantined) == (2, 1))
    #expect(broker.delivered == ["1", "3"])
    #expect(try folder.contents("bad/0000000000000002.reason") == bytes("\(reasonCode)\n"))
    #expect(spool.takeWarnings().count == 1)
    broker.refusals = [:]
    #expect(try spool.retryBad() == 1)
    _ = try DeliveryRun().deliver(spool, to: broker)
    #expect(broker.delivered == ["1", "3", "2"])
  }

  @Test(
    "a refusal for now keeps the message, and nothing more is published",
    arguments: [ReasonCode.implementationSpecificError, .quotaExceeded], [QoS.atLeastOnce, .exactlyOnce])
  func refusedForNow(reasonCode: ReasonCode, qos: QoS) throws {
    let spool = try stored(1...3, qos: qos)
    broker.refusals["1"] = reasonCode
    broker.connackProperties[.receiveMaximum] = 1
    let outcome = try #require(try DeliveryRun().deliver(spool, to: broker))
    #expect(!outcome.isComplete)
    #expect(outcome.backOff == reasonCode)
    #expect(broker.delivered == [])
    broker.refusals = [:]
    let second = try #require(try DeliveryRun().deliver(spool, to: broker))
    #expect(second.isComplete && second.possiblyDuplicated == 0)
    #expect(broker.delivered == ["1", "2", "3"])
  }

  @Test("what the broker's limits forbid is put aside without being sent")
  func limits() throws {
    let spool = try stored(1...1)
    try spool.store(String(repeating: "x", count: 200))
    try spool.store("3")
    broker.connackProperties[.maximumPacketSize] = 100
    let outcome = try #require(try DeliveryRun().deliver(spool, to: broker))
    #expect(outcome.isComplete && outcome.quarantined == 1)
    #expect(broker.delivered == ["1", "3"])
  }

  // MARK: Expiry

  @Test("[MQTT-3.3.2-6] the message expiry interval shrinks by the time waited")
  func expiryShrinks() throws {
    let stored = StoredMessage(sequence: 1, storedAt: wallTime, message: try message("1", expiry: 60))
    func later(_ nanoseconds: Int64) -> UInt32? {
      stored.expiry(at: Instant(nanoseconds: wallTime.nanoseconds + nanoseconds))
    }
    #expect(later(0) == 60)
    #expect(later(999_999_999) == 60)
    #expect(later(59_999_999_999) == 1)
    #expect(later(60_000_000_000) == 0)
    #expect(later(-5_000_000_000) == 60, "a clock that was set back")
    #expect(stored.expiry(at: Instant(nanoseconds: .max)) == 0)
    #expect(stored.expiry(at: Instant(nanoseconds: .min)) == 60)
    #expect(StoredMessage(sequence: 1, storedAt: wallTime, message: try message("1")).expiry(at: wallTime) == nil)
  }

  @Test("what has expired is dropped and counted")
  func expired() throws {
    let spool = try folder.spool()
    for (payload, expiry) in [("1", 60), ("2", 61), ("3", nil)] as [(String, UInt32?)] {
      _ = try spool.enqueue(try message(payload, expiry: expiry), at: wallTime)
    }
    let time = Instant(nanoseconds: wallTime.nanoseconds + 60_000_000_000)
    let outcome = try #require(try DeliveryRun(time: time).deliver(spool, to: broker))
    #expect(outcome.isComplete && outcome.expired == 1)
    #expect(broker.delivered == ["2", "3"])
  }

  @Test("a message that expired in flight is not sent again, and its packet identifier is freed")
  func expiredInFlight() throws {
    _ = try folder.spool().enqueue(try message("1", expiry: 60), at: wallTime)
    try folder.spool().store("2")
    broker.packetsUntilCut = 1
    _ = try DeliveryRun(isEager: true, reconnects: 0).deliver(try folder.spool(), to: broker)
    let first = broker.received.count
    let time = Instant(nanoseconds: wallTime.nanoseconds + 60_000_000_000)
    let outcome = try #require(try DeliveryRun(time: time).deliver(try folder.spool(), to: broker))
    #expect(Array(broker.received[first...]) == ["CONNECT", "PUBREL 2", "PUBLISH 3 dup", "PUBREL 3", "DISCONNECT"])
    #expect(outcome.isComplete)
    #expect((outcome.expired, outcome.delivered) == (1, 1))
    #expect(try !folder.spool().hasWaiting)
  }

  @Test("a message that is replaced in flight leaves its packet identifier to be freed")
  func replacedInFlight() throws {
    _ = try stored(1...1)
    broker.packetsUntilCut = 1
    _ = try DeliveryRun(version: .v311, reconnects: 0).deliver(try folder.spool(), to: broker)
    _ = try folder.spool().enqueue(try message("new"), replacing: true, at: wallTime)
    let first = broker.received.count
    let outcome = try #require(try DeliveryRun(version: .v311).deliver(try folder.spool(), to: broker))
    #expect(Array(broker.received[first...]) == ["CONNECT", "PUBREL 2", "PUBLISH 3 dup", "PUBREL 3", "DISCONNECT"])
    #expect(outcome.isComplete)
    #expect(broker.openIdentifiers.isEmpty)
  }

  // MARK: Damage

  @Test("200 damaged spools: no crash, and at most the damaged message is missing", arguments: 0..<8)
  func damage(part: Int) throws {
    for seed in (part * 25)..<(part * 25 + 25) {
      var random = SplitMix(state: UInt64(seed))
      let folder = try SpoolFolder()
      let broker = MemoryBroker()
      let spool = try folder.spool()
      for payload in 1...7 { try spool.store("\(payload)") }
      if seed % 2 == 0 {
        broker.packetsUntilCut = Int.random(in: 1...14, using: &random)
        _ = try DeliveryRun(isEager: seed % 4 == 0, reconnects: 0).deliver(spool, to: broker)
      }
      let damaged = try damage(folder, &random)
      for _ in 0..<2 {
        let outcome = try #require(try DeliveryRun().deliver(try folder.spool(), to: broker))
        #expect(outcome.isComplete, "seed \(seed)")
      }
      #expect(
        Set(broker.delivered).isSubset(of: Set((1...7).map { "\($0)" })), "seed \(seed): what is damaged is not sent")
      let missing = Set((1...7).map { "\($0)" }).subtracting(broker.delivered)
      #expect(
        missing.isSubset(of: damaged.map { [$0] } ?? []),
        "seed \(seed): \(missing) is missing, \(damaged ?? "nothing") was damaged")
    }
  }

  /// Damages one thing, and returns the message that it was.
  private func damage(_ folder: SpoolFolder, _ random: inout SplitMix) throws -> String? {
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted().filter { name in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: "\(folder.path)/\(name)", isDirectory: &isFolder)
        && !isFolder.boolValue
    }
    let name = files.randomElement(using: &random)!
    var contents = try folder.contents(name)
    switch Int.random(in: 0..<5, using: &random) {
    case 0 where !contents.isEmpty, 1 where !contents.isEmpty:
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let position = contents.indices.randomElement(using: &random)!
        contents[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      }
    case 2: contents.removeLast(Int.random(in: 0...contents.count, using: &random))
    case 3: contents = (0..<Int.random(in: 0...100, using: &random)).map { _ in .random(in: 0...255, using: &random) }
    default:
      try addExtra(to: folder, &random)
      return nil
    }
    try folder.write(contents, to: name)
    return name.contains("/") ? Int(name.suffix(16)).map { "\($0)" } : nil
  }

  private func addExtra(to folder: SpoolFolder, _ random: inout SplitMix) throws {
    let place = ["new", "rel", "bad", "tmp", "."].randomElement(using: &random)!
    let name = ["0000000000000003", "0000000000000009", "9999999999999999", "notes", "message", "seq", ".hidden"]
      .randomElement(using: &random)!
    let path = "\(folder.path)/\(place)/\(name)"
    guard !FileManager.default.fileExists(atPath: path) else { return }
    switch Int.random(in: 0..<4, using: &random) {
    case 0 where place == "new" || place == "bad" || place == ".":
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    case 1: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/zero")
    case 2: _ = mkfifo(path, 0o600)
    default: try folder.write(bytes("anything"), to: "\(place)/\(name)")
    }
  }
}

/// Random numbers that a seed decides.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
