import Foundation
import MQTT
import Testing

@testable import CommandLineTool

struct SpoolTests {
  private let folder: SpoolFolder

  init() throws { folder = try SpoolFolder() }

  // MARK: Opening

  @Test("a new spool is its owner's alone")
  func modes() throws {
    try folder.spool().store("1")
    for name in ["", "/new", "/rel", "/bad", "/tmp"] {
      let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + name)
      #expect(attributes[.posixPermissions] as? Int == 0o700)
    }
    for name in ["spool-id", "seq", "enqueue.lock", "new/0000000000000001"] {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/\(name)")
      #expect(attributes[.posixPermissions] as? Int == 0o600)
    }
  }

  @Test("the client identifier is made once, and is one that every broker takes")
  func clientIdentifier() throws {
    let identifier = try #require(try folder.spool().clientIdentifier)
    #expect(try folder.spool().clientIdentifier == identifier)
    #expect(identifier.hasPrefix("mqpub-"))
    #expect(identifier.utf8.count == 23)
    #expect(try SpoolFolder().spool().clientIdentifier != identifier)
  }

  @Test(
    "the spool of another broker or user is refused",
    arguments: [
      SpoolOwner(broker: bytes("broker.example:1884"), user: bytes("bob")),
      SpoolOwner(broker: bytes("broker.example:1883"), user: bytes("Bob")),
      SpoolOwner(broker: bytes("broker.example:1883"), user: nil),
    ])
  func foreign(other: SpoolOwner) throws {
    _ = try folder.spool()
    let error = #expect(throws: SpoolError.self) { try Spool(bytes(folder.path), of: other, creating: true) }
    #expect(error.map { ExitStatus($0) } == .foreignSpool)
    #expect(error?.description.contains("broker.example:1883, user bob") == true)
    _ = try Spool(bytes(folder.path), of: nil, creating: false)
  }

  @Test("a user name of any bytes is told from another, and looks harmless in a message")
  func strangeUser() throws {
    let strange = SpoolOwner(broker: bytes("b"), user: bytes("a b%\n\"\\") + [0x1B])
    _ = try Spool(bytes(folder.path), of: strange, creating: true)
    _ = try Spool(bytes(folder.path), of: strange, creating: true)
    let error = #expect(throws: SpoolError.self) { try Spool(bytes(folder.path), of: owner, creating: true) }
    #expect(error?.description.contains("user a%20b%25%0A%22%5C%1B (") == true)
  }

  @Test("a newer version's spool is refused")
  func newerVersion() throws {
    _ = try folder.spool()
    // The checksum is CRC-32 of "2\nanything new\n", as Python's zlib.crc32 has it.
    try folder.write(bytes("mqtools spool 2 3be60cc3\nanything new\n"), to: "spool-id")
    let error = #expect(throws: SpoolError.self) { try folder.spool() }
    #expect(error.map { ExitStatus($0) } == .foreignSpool)
  }

  @Test("a spool that is only looked at must be there")
  func missing() {
    let error = #expect(throws: SpoolError.self) { try Spool(bytes(folder.path), of: nil, creating: false) }
    #expect(error.map { ExitStatus($0) } == .usage)
    #expect(!FileManager.default.fileExists(atPath: folder.path))
  }

  @Test("a folder with other things in it is no spool")
  func notASpool() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    try folder.write([], to: "letters")
    #expect(throws: SpoolError.self) { try folder.spool() }
    #expect(try folder.names("") == ["letters"])
  }

  @Test("what others can read or write is refused", arguments: ["", "/new", "/rel", "/bad", "/tmp"], [0o770, 0o705])
  func openToOthers(name: String, mode: Int) throws {
    _ = try folder.spool()
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: folder.path + name)
    let error = #expect(throws: SpoolError.self) { try folder.spool() }
    #expect(error.map { ExitStatus($0) } == .cannotSpool)
    #expect(error?.description.contains("others can read or write it") == true)
  }

  @Test(
    "no link is followed",
    arguments: ["", "/", "/new", "/rel", "/bad", "/tmp", "/enqueue.lock", "/seq", "/new/0000000000000001"])
  func links(name: String) throws {
    try folder.spool().store("1")
    let place = folder.path + (name == "/" ? "" : name)
    try FileManager.default.moveItem(atPath: place, toPath: folder.path + ".elsewhere")
    try FileManager.default.createSymbolicLink(atPath: place, withDestinationPath: folder.path + ".elsewhere")
    let slash = name == "/" ? "/" : ""
    do throws(SpoolError) {
      let spool = try Spool(bytes(folder.path + slash), of: owner, creating: true)
      // Files are replaced, and what waits is not what the link leads to.
      #expect(name == "/seq" || name.hasPrefix("/new/"))
      _ = try spool.enqueue(Message(topic: try! TopicName("a"), qos: .atLeastOnce), at: wallTime)
      #expect(try spool.status().waitingCount == (name == "/seq" ? 2 : 1))
    } catch {
      #expect(ExitStatus(error) == .cannotSpool)
      #expect("\(error)".contains("a link"))
    }
  }

  @Test("locks that do not work are found out")
  func noLocks() throws {
    _ = try folder.spool()
    let system = FaultySystem()
    system.agreesToEveryLock = true
    let error = #expect(throws: SpoolError.self) { try folder.spool(system) }
    #expect(error.map { ExitStatus($0) } == .cannotSpool)
    #expect(error?.description.contains("locks do not work") == true)
  }

  // MARK: Storing

  @Test("a message comes back as it was stored")
  func contents() throws {
    var properties = Properties()
    properties[.contentType] = "text/plain"
    properties[.correlationData] = [0, 1, 255]
    properties[.messageExpiryInterval] = 3600
    properties.userProperties = [UserProperty("é", "e\u{301}")]
    let stored = Message(
      topic: try TopicName("weiß/↑"), payload: [0, 10, 255], qos: .exactlyOnce, retain: true, properties: properties)
    let spool = try folder.spool()
    _ = try spool.enqueue(stored, at: wallTime)
    guard case .message(let found) = try folder.spool().read(1) else { return #expect(Bool(false)) }
    #expect(found.message == stored)
    #expect(found.storedAt == wallTime)
  }

  @Test("a topic alias means nothing on another connection")
  func topicAlias() throws {
    var stored = try message("1")
    stored.properties[.topicAlias] = 3
    let spool = try folder.spool()
    _ = try spool.enqueue(stored, at: wallTime)
    guard case .message(let found) = try spool.read(1) else { return #expect(Bool(false)) }
    #expect(found.message.properties.isEmpty)
  }

  @Test("the file has the layout that is documented")
  func layout() throws {
    _ = try folder.spool().enqueue(try message("p", topic: "a/b", qos: .atLeastOnce), at: wallTime)
    // The checksum is that of Python's zlib.crc32 over the bytes behind it.
    var expected = bytes("mqspool\n") + [0, 0, 0, 1]
    expected += try #require(Hex.decode(bytes("002e78c2")))
    expected += try #require(Hex.decode(bytes("000000000000000b" + "18ea594fa10f8000")))
    expected += [0x32, 9, 0, 3] + bytes("a/b") + [0, 1, 0] + bytes("p")
    #expect(try folder.contents("new/0000000000000001") == expected)
  }

  @Test("a file with a flipped bit, or one that is cut off, is no message")
  func damagedFile() throws {
    let file = try StoredMessage.file(for: message("payload", topic: "a/b", expiry: 60), at: wallTime)
    _ = try StoredMessage(sequence: 1, file: file)
    for bit in 0..<(file.count * 8) {
      var damaged = file
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: DamagedFile.self, "bit \(bit)") { try StoredMessage(sequence: 1, file: damaged) }
    }
    for count in 0..<file.count {
      #expect(throws: DamagedFile.self) { try StoredMessage(sequence: 1, file: Array(file[..<count])) }
    }
    #expect(throws: DamagedFile.self) { try StoredMessage(sequence: 1, file: file + [0]) }
  }

  @Test("when storing returns the disk has message, number and names, in this order")
  func syncs() throws {
    let system = FaultySystem()
    let spool = try folder.spool(system)
    system.notes = []
    try spool.store("1")
    #expect(
      system.notes == [
        "create message", "write message", "fsync message", "close message", "create seq", "write seq", "fsync seq",
        "close seq",
        "rename tmp/seq \(folder.path)/seq", "rename tmp/message new/0000000000000001", "fsync new",
        "fsync \(folder.path)",
      ])
  }

  @Test("every system call of storing may fail: the run knows, and nothing older is lost")
  func failures() throws {
    try enqueueThroughFaults { .failure(at: $0) }
  }

  @Test("storing may be killed at every system call: what was stored before is there, in order, and storing goes on")
  func deaths() throws {
    try enqueueThroughFaults { .death(at: $0) }
  }

  private func enqueueThroughFaults(_ fault: (Int) -> FaultySystem.Fault) throws {
    var number = 0
    while true {
      number += 1
      let folder = try SpoolFolder()
      try folder.spool().store("1")
      let system = FaultySystem(fault(number))
      var isStored = false
      do throws(SpoolError) {
        let spool = try folder.spool(system)
        _ = try spool.enqueue(Message(topic: try! TopicName("a"), payload: bytes("2"), qos: .exactlyOnce), at: wallTime)
        isStored = true
      } catch {
        #expect(ExitStatus(error) == .cannotSpool, "call \(number)")
      }
      let wasFaultMet = system.callCount >= number
      let spool = try folder.spool()
      try spool.store("3")
      let broker = MemoryBroker()
      let outcome = try DeliveryRun().deliver(spool, to: broker)
      #expect(outcome?.isComplete == true)
      #expect(outcome?.quarantined == 0)
      // One that was not acknowledged may be there as well: the very last calls come after it was.
      #expect(
        broker.delivered == (isStored || broker.delivered.count == 3 ? ["1", "2", "3"] : ["1", "3"]), "call \(number)")
      if !wasFaultMet { break }
    }
    #expect(number > 20)
  }

  @Test("making a spool may be killed at every system call: the next run makes it whole")
  func deathsWhileMaking() throws {
    var number = 0
    while true {
      number += 1
      let folder = try SpoolFolder()
      let system = FaultySystem(.death(at: number))
      let isMade = (try? folder.spool(system)) != nil
      let spool = try folder.spool()
      #expect(try spool.store("1") == 1)
      #expect(try folder.names("new") == ["0000000000000001"])
      if isMade { break }
    }
    #expect(number > 20)
  }

  @Test("several threads store at once: nothing is lost, and each one's messages keep their order")
  func concurrency() throws {
    let path = bytes(folder.path)
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      for number in 0..<20 {
        do throws(SpoolError) {
          let spool = try Spool(path, of: owner, creating: true)
          let payload = bytes("\(thread) \(number)")
          _ = try spool.enqueue(Message(topic: try! TopicName("a"), payload: payload, qos: .exactlyOnce), at: wallTime)
        } catch {
          Issue.record("\(error)")
        }
      }
    }
    let broker = MemoryBroker()
    _ = try DeliveryRun().deliver(try folder.spool(), to: broker)
    #expect(broker.delivered.count == 160)
    for thread in 0..<8 {
      let mine = broker.delivered.filter { $0.hasPrefix("\(thread) ") }
      #expect(mine == (0..<20).map { "\(thread) \($0)" })
    }
  }

  @Test("sequence numbers go on where files were moved, restored or lost by hand")
  func numbers() throws {
    let spool = try folder.spool()
    for payload in ["1", "2", "3"] { try spool.store(payload) }
    // An older counter, as from a backup.
    try folder.write(bytes("1 1 40 520c40d0\n"), to: "seq")
    #expect(try spool.store("4") == 4)
    try FileManager.default.moveItem(
      atPath: folder.path + "/new/0000000000000004", toPath: folder.path + "/bad/0000000000000007")
    try FileManager.default.removeItem(atPath: folder.path + "/seq")
    #expect(try spool.store("5") == 8)
    try folder.write(bytes("nonsense"), to: "seq")
    #expect(try spool.store("6") == 9)
    #expect(spool.takeWarnings().count == 1)
    try spool.quarantine(2, reason: "test")
    try folder.write(bytes("nonsense"), to: "seq")
    #expect(try spool.store("7") == 10)
  }

  // MARK: Bounds

  @Test("the count is bounded, and what is delivered makes room")
  func maximumCount() throws {
    let spool = try folder.spool()
    spool.limits.maximumCount = 3
    for payload in ["1", "2", "3"] { try spool.store(payload) }
    let error = #expect(throws: SpoolError.self) { try spool.enqueue(try! message("4"), at: wallTime) }
    #expect(error.map { ExitStatus($0) } == .cannotSpool)
    let broker = MemoryBroker()
    _ = try DeliveryRun().deliver(spool, to: broker)
    #expect(broker.delivered == ["1", "2", "3"])
    #expect(try spool.store("5") == 4)
  }

  @Test("the bytes are bounded, messages put aside among them")
  func maximumBytes() throws {
    let spool = try folder.spool()
    spool.limits.maximumBytes = 1000
    try spool.store(String(repeating: "x", count: 400))
    try spool.quarantine(1, reason: "test")
    try spool.store(String(repeating: "y", count: 400))
    let error = #expect(throws: SpoolError.self) {
      try spool.enqueue(try! message(String(repeating: "z", count: 200)), at: wallTime)
    }
    #expect(error?.description.contains("(1 of them are in bad/)") == true)
    try spool.store("small")
  }

  @Test("some of the disk stays free")
  func freeSpace() throws {
    let system = FaultySystem()
    let spool = try folder.spool(system)
    system.free = SpoolLimits.freeSpaceKept + 30
    let error = #expect(throws: SpoolError.self) { try spool.enqueue(try! message("1"), at: wallTime) }
    #expect(error.map { ExitStatus($0) } == .cannotSpool)
    system.free = SpoolLimits.freeSpaceKept + 100
    try spool.store("1")
  }

  @Test("where it may, a new message drops the oldest, and counts them")
  func dropsOldest() throws {
    let spool = try folder.spool()
    spool.limits.maximumCount = 2
    spool.limits.dropsOldest = true
    for payload in ["1", "2"] { try spool.store(payload) }
    #expect(try spool.enqueue(try message("3"), at: wallTime).dropped == 1)
    spool.limits.maximumBytes = 200
    #expect(try spool.enqueue(try message(String(repeating: "4", count: 120)), at: wallTime).dropped == 2)
    #expect(try folder.names("new") == ["0000000000000004"])
    #expect(throws: SpoolError.self) {
      try spool.enqueue(try! message(String(repeating: "5", count: 200)), at: wallTime)
    }
    #expect(try folder.names("new") == ["0000000000000004"])
  }

  // MARK: The latest

  @Test("the latest message of a topic replaces the waiting ones, and has the place of a new one")
  func latest() throws {
    let spool = try folder.spool()
    for (payload, topic) in [("1", "a"), ("2", "b"), ("3", "a"), ("4", "a/b")] {
      try spool.store(payload, topic: topic)
    }
    #expect(try spool.enqueue(try message("5", topic: "a"), replacing: true, at: wallTime).replaced == 2)
    let broker = MemoryBroker()
    _ = try DeliveryRun().deliver(spool, to: broker)
    #expect(broker.delivered == ["2", "4", "5"])
  }

  @Test("topics are the same only byte by byte")
  func latestByBytes() throws {
    let spool = try folder.spool()
    try spool.store("1", topic: "\u{E9}")
    #expect(try spool.enqueue(try message("2", topic: "e\u{301}"), replacing: true, at: wallTime).replaced == 0)
  }

  @Test("replacing may be killed at every system call: one of the two is there, the new one if it was acknowledged")
  func latestThroughDeaths() throws {
    var number = 0
    while true {
      number += 1
      let folder = try SpoolFolder()
      try folder.spool().store("old")
      let system = FaultySystem(.death(at: number))
      let isStored =
        (try? folder.spool(system).enqueue(try message("new"), replacing: true, at: wallTime)) != nil
      let broker = MemoryBroker()
      _ = try DeliveryRun().deliver(try folder.spool(), to: broker)
      #expect([["old"], ["old", "new"], ["new"]].contains(broker.delivered))
      if isStored { #expect(broker.delivered.last == "new") }
      if system.callCount < number {
        #expect(broker.delivered == ["new"])
        break
      }
    }
  }

  // MARK: Looking

  @Test("the status counts what is there")
  func status() throws {
    let spool = try folder.spool()
    _ = try spool.enqueue(try message("1"), at: wallTime)
    try spool.store("2")
    for payload in ["3", "4"] { try spool.store(payload) }
    try spool.accept(3)
    try spool.quarantine(4, reason: "test")
    _ = try spool.beginOutage(at: Instant(nanoseconds: wallTime.nanoseconds + 5_000_000_000))
    let status = try folder.spool().status()
    #expect((status.waitingCount, status.waitingBytes, status.releasedCount, status.badCount) == (2, 82, 1, 1))
    #expect(status.oldest == wallTime)
    #expect(status.lastDelivery == nil)
    let json = outputText {
      status.appendJSON(at: Instant(nanoseconds: wallTime.nanoseconds + 61_900_000_000), to: &$0)
    }
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(object["waiting"] as? Int == 2)
    #expect(object["waiting_bytes"] as? Int == 82)
    #expect(object["oldest_age_seconds"] as? Int == 61)
    #expect(object["released"] as? Int == 1)
    #expect(object["bad"] as? Int == 1)
    #expect(object["last_delivery"] is NSNull)
    #expect(object["broker"] as? String == "broker.example:1883")
    #expect(object["client_identifier"] as? String == spool.clientIdentifier)
    #expect(json.hasSuffix("}\n") && json.utf8.filter { $0 == 10 }.count == 1)
  }

  @Test("an outage is told once, by whoever is first")
  func outage() throws {
    #expect(try folder.spool().beginOutage(at: wallTime))
    #expect(try !folder.spool().beginOutage(at: Instant(nanoseconds: wallTime.nanoseconds + 1)))
    #expect(try folder.spool().endOutage() == wallTime)
    #expect(try folder.spool().endOutage() == nil)
    #expect(try folder.spool().beginOutage(at: wallTime))
    for nonsense in ["", "-9223372036854775808\n", "99999999999999999999\n", "x"] {
      try folder.write(bytes(nonsense), to: "outage")
      #expect(try folder.spool().status().outageSince == nil)
    }
    #expect(try folder.spool().endOutage() == nil)
    #expect(try folder.spool().beginOutage(at: wallTime))
  }

  @Test("what was put aside has its reason beside it, and may wait again in its old place")
  func retryBad() throws {
    let spool = try folder.spool()
    for payload in ["1", "2"] { try spool.store(payload) }
    try spool.quarantine(1, reason: "not authorized")
    #expect(try folder.names("bad") == ["0000000000000001", "0000000000000001.reason"])
    #expect(try folder.contents("bad/0000000000000001.reason") == bytes("not authorized\n"))
    #expect(try spool.retryBad() == 1)
    #expect(try folder.names("bad") == [])
    #expect(try folder.names("new") == ["0000000000000001", "0000000000000002"])
  }
}
