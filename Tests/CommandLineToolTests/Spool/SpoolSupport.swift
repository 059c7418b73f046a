import Foundation
import MQTT
import Testing

@testable import CommandLineTool

/// A system whose calls are counted and noted, and fail where a test wants it. It does not wait for the disk.
final class FaultySystem: SpoolSystem, @unchecked Sendable {
  /// What happens at a call, counted from 1.
  enum Fault {
    case none
    /// This one call fails.
    case failure(at: Int)
    /// The process ends before this call: nothing that it does from then on has an effect. Of a write half is done.
    case death(at: Int)
  }

  var fault = Fault.none
  private(set) var callCount = 0
  /// The calls that change something, with names; tests may add what the network did.
  var notes: [String] = []
  /// Bytes that are free, where not those of the disk.
  var free: Int?
  /// Locks that all succeed, as those of some network file systems do.
  var agreesToEveryLock = false
  private var names: [Int32: String] = [:]

  init(_ fault: Fault = .none) { self.fault = fault }

  private func step(_ call: String) throws(SystemError) {
    callCount += 1
    switch fault {
    case .failure(let number) where callCount == number: throw SystemError(call: call, number: EIO)
    case .death(let number) where callCount >= number: throw SystemError(call: call, number: ECANCELED)
    default: break
    }
  }

  private func named(_ name: FileName, _ descriptor: consuming Descriptor) -> Descriptor {
    names[descriptor.number] = name.text
    return descriptor
  }

  override func openFolder(_ name: FileName, in folder: Int32) throws(SystemError) -> Descriptor {
    try step("open")
    return named(name, try super.openFolder(name, in: folder))
  }

  override func openParent(_ path: FileName) throws(SystemError) -> Descriptor {
    try step("open")
    return named("parent", try super.openParent(path))
  }

  override func makeFolder(_ name: FileName, in folder: Int32) throws(SystemError) {
    try step("mkdir")
    notes.append("mkdir \(name.text)")
    try super.makeFolder(name, in: folder)
  }

  override func forEachName(
    in folder: borrowing Descriptor, _ body: (UnsafeRawBufferPointer, Bool) -> Void
  ) throws(SystemError) {
    try step("readdir")
    try super.forEachName(in: folder, body)
  }

  override func openToRead(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) -> Descriptor {
    try step("open")
    return named(name, try super.openToRead(name, in: folder))
  }

  override func makeFile(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) -> Descriptor {
    try step("open")
    notes.append("create \(name.text)")
    return named(name, try super.makeFile(name, in: folder))
  }

  override func openToLock(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) -> Descriptor {
    try step("open")
    return named(name, try super.openToLock(name, in: folder))
  }

  override func write(_ bytes: UnsafeRawBufferPointer, to file: borrowing Descriptor) throws(SystemError) {
    do throws(SystemError) {
      try step("write")
    } catch {
      if case .death(let number) = fault, number == callCount {
        try super.write(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]), to: file)
      }
      throw error
    }
    notes.append("write \(names[file.number] ?? "?")")
    try super.write(bytes, to: file)
  }

  override func read(_ file: borrowing Descriptor, size: Int) throws(SystemError) -> [UInt8] {
    try step("read")
    return try super.read(file, size: size)
  }

  override func sync(_ descriptor: borrowing Descriptor) throws(SystemError) {
    try step("fsync")
    notes.append("fsync \(names[descriptor.number] ?? "?")")
  }

  override func close(_ file: consuming Descriptor) throws(SystemError) {
    try step("close")
    notes.append("close \(names[file.number] ?? "?")")
    try super.close(file)
  }

  override func move(
    _ name: FileName, in folder: borrowing Descriptor, to newName: FileName, in newFolder: borrowing Descriptor
  ) throws(SystemError) {
    try step("rename")
    try super.move(name, in: folder, to: newName, in: newFolder)
    notes.append(
      "rename \(names[folder.number] ?? "?")/\(name.text) \(names[newFolder.number] ?? "?")/\(newName.text)")
  }

  override func remove(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) {
    try step("unlink")
    try super.remove(name, in: folder)
    notes.append("unlink \(names[folder.number] ?? "?")/\(name.text)")
  }

  override func information(
    _ name: FileName, in folder: borrowing Descriptor
  ) throws(SystemError) -> SpoolSystem.Information? {
    try step("stat")
    return try super.information(name, in: folder)
  }

  override func information(_ descriptor: borrowing Descriptor) throws(SystemError) -> SpoolSystem.Information {
    try step("stat")
    return try super.information(descriptor)
  }

  override func lock(_ file: borrowing Descriptor, waiting: Bool) throws(SystemError) -> Bool {
    try step("flock")
    if agreesToEveryLock { return true }
    return try super.lock(file, waiting: waiting)
  }

  override func freeSpace(_ folder: borrowing Descriptor) throws(SystemError) -> Int {
    try step("statvfs")
    if let free { return free }
    return try super.freeSpace(folder)
  }
}

/// A broker without a network: it keeps sessions, receives by method B (figure 4.3 of MQTT 3.1.1), and remembers what it
/// would have delivered onward.
final class MemoryBroker {
  /// The payloads delivered onward, in order.
  private(set) var delivered: [String] = []
  /// Every packet from clients, as `PUBLISH 1`, `PUBLISH 1 dup`, `PUBREL 1`, `CONNECT clean`.
  private(set) var received: [String] = []
  /// Each session's packet identifiers that PUBREL has not come for.
  private(set) var sessions: [Text: Set<UInt16>] = [:]
  /// Those of all sessions.
  var openIdentifiers: Set<UInt16> { sessions.values.reduce(into: []) { $0.formUnion($1) } }
  /// Reason codes for payloads that are refused.
  var refusals: [String: ReasonCode] = [:]
  /// PUBLISH, PUBREL and DISCONNECT packets until the connection is cut; the answer to the last one is lost.
  var packetsUntilCut: Int?
  /// What CONNACK announces.
  var connackProperties = Properties()
  /// Hears of each packet.
  var observer: (String) -> Void = { _ in }

  /// The broker loses everything that it kept in memory.
  func forgetSessions() { sessions = [:] }

  final class Link {
    fileprivate let broker: MemoryBroker
    private let version: ProtocolVersion
    private var decoder: PacketDecoder
    private var client: Text?
    private(set) var isOpen = true
    private var answers = ByteQueue()

    fileprivate init(_ broker: MemoryBroker, _ version: ProtocolVersion) {
      (self.broker, self.version) = (broker, version)
      decoder = PacketDecoder(version: version)
    }

    /// Takes bytes from the client.
    func receive(_ bytes: UnsafeRawBufferPointer) throws {
      guard isOpen else { return }
      decoder.append(bytes)
      while isOpen, let packet = try decoder.nextPacket() { try handle(packet) }
    }

    /// What the broker has to say.
    func takeAnswers() -> [UInt8] {
      defer { answers.removeAll() }
      return isOpen ? answers.withBytes { Array($0) } : []
    }

    private func answer(_ packet: ControlPacket) throws { try packet.encode(as: version, to: &answers) }

    private func note(_ text: String) {
      broker.received.append(text)
      broker.observer(text)
    }

    private func handle(_ packet: ControlPacket) throws {
      switch packet {
      case .connect(let connect):
        note("CONNECT" + (connect.cleanStart ? " clean" : ""))
        let name = connect.clientIdentifier
        let isPresent = !connect.cleanStart && broker.sessions[name] != nil
        if !isPresent { broker.sessions[name] = [] }
        client = name
        let properties = version.hasProperties ? broker.connackProperties : Properties()
        try answer(.connack(ConnackPacket(sessionPresent: isPresent, reasonCode: .success, properties: properties)))
      case .publish(let publish):
        let identifier = publish.packetIdentifier
        note("PUBLISH \(identifier)" + (publish.isDuplicate ? " dup" : ""))
        let payload = String(decoding: publish.payload, as: UTF8.self)
        let reason = version.hasReasonCodes ? broker.refusals[payload] ?? .success : .success
        if publish.qos == .atLeastOnce {
          if !reason.isFailure { broker.delivered.append(payload) }
          try answer(.puback(.init(type: .puback, packetIdentifier: identifier, reasonCode: reason)))
        } else {
          if !reason.isFailure, let client, broker.sessions[client]?.insert(identifier).inserted == true {
            broker.delivered.append(payload)
          }
          try answer(.pubrec(.init(type: .pubrec, packetIdentifier: identifier, reasonCode: reason)))
        }
        cut()
      case .pubrel(let pubrel):
        note("PUBREL \(pubrel.packetIdentifier)")
        let isKnown = client.flatMap { broker.sessions[$0]?.remove(pubrel.packetIdentifier) } != nil
        let reason = isKnown || !version.hasReasonCodes ? ReasonCode.success : .packetIdentifierNotFound
        try answer(.pubcomp(.init(type: .pubcomp, packetIdentifier: pubrel.packetIdentifier, reasonCode: reason)))
        cut()
      case .disconnect(let packet):
        note("DISCONNECT")
        if packet.properties[.sessionExpiryInterval] == 0, let client { broker.sessions[client] = nil }
        isOpen = false
      default: Issue.record("the broker was sent \(packet)")
      }
    }

    private func cut() {
      guard let rest = broker.packetsUntilCut else { return }
      broker.packetsUntilCut = rest > 1 ? rest - 1 : nil
      if rest <= 1 { isOpen = false }
    }
  }

  func open(_ version: ProtocolVersion) -> Link { Link(self, version) }
}

/// A run of a program that delivers a spool, as mqpub is one.
struct DeliveryRun {
  var version = ProtocolVersion.v5
  var policy = SessionLossPolicy.republish
  var time = wallTime
  /// Whether each packet leaves by itself, or all together when nothing else is to be done.
  var isEager = false
  /// Network connections that may be lost.
  var reconnects = 10

  struct Outcome {
    var isComplete = false
    var delivered = 0
    var expired = 0
    var quarantined = 0
    var possiblyDuplicated = 0
    var backOff: ReasonCode?
  }

  /// A process that another test is just starting has our descriptors until its exec, the lock of the spool among them.
  private func drain(_ spool: Spool) throws -> SpoolDrain? {
    for _ in 0..<200 {
      if let drain = try spool.drain(onSessionLoss: policy) { return drain }
      usleep(1_000)
    }
    return nil
  }

  /// Delivers what is in the spool; nil where another run does.
  func deliver(_ spool: Spool, to broker: MemoryBroker) throws -> Outcome? {
    guard var drain = try drain(spool) else { return nil }
    let identifier = try Text(try #require(spool.clientIdentifier))
    var properties = Properties()
    if version.hasProperties { properties[.sessionExpiryInterval] = Spool.sessionExpiry }
    var settings = SessionSettings(
      connect: ConnectPacket(protocolVersion: version, clientIdentifier: identifier, properties: properties),
      version: version)
    settings.lifetime = .persistent
    settings.startsClean = drain.startsClean
    var session = Session(settings)
    session.releasesByItself = false
    session.resendsByItself = false
    let now = Instant(nanoseconds: 0)
    var outcome = Outcome()
    for _ in 0...reconnects {
      let link = broker.open(version)
      try session.connectionOpened(at: now)
      var isLeaving = false
      while true {
        try transfer(&session, link)
        if !link.isOpen { break }
        while let event = session.nextEvent(at: now) {
          if case .connected(let packet, _) = event { try drain.connected(sessionPresent: packet.sessionPresent) }
          if case .failed(let error) = event { throw error }
          try drain.handle(event)
        }
        var mayGoOn = session.isConnected
        while mayGoOn {
          switch try drain.next(canPublish: session.canPublish, at: time) {
          case .publish(let stored, let isDuplicate):
            try publish(stored, isDuplicate: isDuplicate, &session, &drain)
          case .resumeRelease(let sequence): session.resumeRelease(sequence)
          case .release(let sequence): session.release(sequence)
          case .ping: session.ping(at: now)
          case .wait: mayGoOn = false
          case .done:
            mayGoOn = false
            isLeaving = true
          case .backOff(let reasonCode):
            outcome.backOff = reasonCode
            mayGoOn = false
            isLeaving = true
          }
          if isEager { try transfer(&session, link) }
        }
        if isLeaving {
          outcome.isComplete = try drain.finish(at: time)
          var properties = Properties()
          if outcome.isComplete, version.hasProperties { properties[.sessionExpiryInterval] = 0 }
          session.disconnect(properties: properties)
          try transfer(&session, link)
          break
        }
        let isSomethingOnTheWay = session.outputCount > 0 || session.inputCount > 0
        if link.isOpen, !isSomethingOnTheWay, !transferredAnything(&session, link) {
          Issue.record("the run waits, and nothing will happen")
          return outcome
        }
      }
      session.connectionClosed()
      if isLeaving { break }
    }
    outcome.delivered = drain.deliveredCount
    outcome.expired = drain.expiredCount
    outcome.quarantined = drain.quarantinedCount
    outcome.possiblyDuplicated = drain.possiblyDuplicatedCount
    return outcome
  }

  private func publish(
    _ stored: StoredMessage, isDuplicate: Bool, _ session: inout Session, _ drain: inout SpoolDrain
  ) throws {
    session.begin(at: stored.sequence)
    do throws(ProtocolError) {
      let message = stored.message
      let number = try message.topic.utf8.withBytes { (topic) throws(ProtocolError) in
        try message.payload.withBytes { (payload) throws(ProtocolError) in
          try session.publish(
            topic: topic, payload: payload, qos: message.qos, retain: message.retain, isDuplicate: isDuplicate,
            properties: message.properties, at: Instant(nanoseconds: 0))
        }
      }
      #expect(number == stored.sequence)
    } catch {
      try drain.refused(stored.sequence, error)
    }
  }

  private func transfer(_ session: inout Session, _ link: MemoryBroker.Link) throws {
    let count = try session.withOutput { output in
      try link.receive(output)
      return output.count
    }
    session.outputTaken(count, at: Instant(nanoseconds: 0))
    _ = transferredAnything(&session, link)
  }

  private func transferredAnything(_ session: inout Session, _ link: MemoryBroker.Link) -> Bool {
    let answers = link.takeAnswers()
    answers.withUnsafeBytes { session.receive($0, at: Instant(nanoseconds: 0)) }
    return !answers.isEmpty
  }
}

/// 22 November 2026, 11:06:40 UTC.
let wallTime = Instant(nanoseconds: 1_795_345_600_000_000_000)

let owner = SpoolOwner(broker: bytes("broker.example:1883"), user: bytes("bob"))

/// A folder for a spool, which is not made yet.
final class SpoolFolder {
  private let parent: TemporaryFolder
  let path: String

  init() throws {
    parent = try TemporaryFolder()
    path = parent.path + "/spool"
  }

  /// Opens the spool as a new process would, and makes it where there is none.
  func spool(_ system: SpoolSystem = FaultySystem()) throws(SpoolError) -> Spool {
    try Spool(bytes(path), of: owner, creating: true, system: system)
  }

  /// The names in a folder of the spool, in order.
  func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)").sorted()
  }

  func contents(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
  }

  func write(_ contents: [UInt8], to name: String) throws {
    try Data(contents).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
  }
}

func message(
  _ payload: String, topic: String = "a", qos: QoS = .exactlyOnce, expiry: UInt32? = nil
) throws -> Message {
  var properties = Properties()
  if let expiry { properties[.messageExpiryInterval] = expiry }
  return Message(topic: try TopicName(topic), payload: bytes(payload), qos: qos, properties: properties)
}

extension Spool {
  @discardableResult
  func store(_ payload: String, topic: String = "a", qos: QoS = .exactlyOnce) throws -> Int {
    try enqueue(try message(payload, topic: topic, qos: qos), at: wallTime).sequence
  }
}
