public import MQTT

/// How much a spool holds at most.
public struct SpoolLimits: Sendable {
  /// Bytes of all messages together.
  public var maximumBytes = 64 << 20
  /// Messages.
  public var maximumCount = 100_000
  /// Whether the oldest messages make room for a new one, instead of it being refused.
  public var dropsOldest = false

  /// Bytes on the file system that are left free for others.
  static let freeSpaceKept = 16 << 20

  /// The defaults.
  public init() {}
}

/// What became of a message that was to be stored: it is on the disk.
public struct StoreReceipt: Sendable {
  /// Its sequence number.
  public var sequence: Int
  /// Older messages that were dropped to make room.
  public var dropped = 0
  /// Older messages of the same topic that it replaced.
  public var replaced = 0
}

extension Spool {
  /// Stores a message of QoS 1 or 2: when this returns, the disk has it.
  ///
  /// - Parameters:
  ///   - isLatest: whether it replaces the waiting messages of its topic.
  ///   - time: the wall clock, in nanoseconds since the beginning of 1970.
  public func enqueue(
    _ message: Message, replacing isLatest: Bool = false, at time: Instant
  ) throws(SpoolError) -> StoreReceipt {
    precondition(message.qos != .atMostOnce, "a message of QoS 0 need not be stored")
    let file: [UInt8]
    do throws(ProtocolError) {
      file = try StoredMessage.file(for: message, at: time)
    } catch {
      throw .notSendable(error)
    }
    return try locked { () throws(SpoolError) in
      try store(file, replacing: isLatest ? waitingMessages(to: message.topic) : [])
    }
  }

  private func store(_ file: [UInt8], replacing older: [Int]) throws(SpoolError) -> StoreReceipt {
    var ledger = try ledger()
    let dropped = try makeRoom(for: file.count, replacing: older, &ledger)

    try attempt { () throws(SystemError) in try write(file, to: "message") }
    let sequence = try nextSequence(after: ledger.last)
    try write(Ledger(last: sequence, count: ledger.count + 1, bytes: ledger.bytes + file.count))
    try attempt { () throws(SystemError) in
      try system.move("message", in: temporary, to: FileName(sequence), in: waiting)
      try system.sync(waiting)
      try system.sync(root)
    }
    // The new one first: between the two there are both, not none.
    do throws(SpoolError) {
      if !older.isEmpty { try discard(older) }
    } catch {
      warn("the message is stored, but one that it replaces is still there: \(error)")
    }
    return StoreReceipt(sequence: sequence, dropped: dropped, replaced: older.count)
  }

  private func waitingMessages(to topic: TopicName) throws(SpoolError) -> [Int] {
    var found: [Int] = []
    for sequence in try sequences(in: waiting) {
      if case .message(let stored) = try read(sequence), stored.message.topic == topic { found.append(sequence) }
    }
    return found
  }

  /// A sequence number that no file has, whatever was moved or restored by hand.
  private func nextSequence(after last: Int) throws(SpoolError) -> Int {
    var sequence = last + 1
    while try isTaken(FileName(sequence)) { sequence += 1 }
    return sequence
  }

  private func isTaken(_ name: FileName) throws(SpoolError) -> Bool {
    if try has(name, in: waiting) { return true }
    if try has(name, in: released) { return true }
    return try has(name, in: bad)
  }

  // MARK: Room

  /// Throws where the bounds leave no room; drops the oldest messages if it may. Returns how many.
  private func makeRoom(for size: Int, replacing older: [Int], _ ledger: inout Ledger) throws(SpoolError) -> Int {
    var dropped = 0
    if !limits.allow(ledger, more: size) {
      ledger = try countedLedger(last: ledger.last)
      for sequence in older { ledger.remove(try self.size(of: sequence, in: waiting)) }
      if limits.dropsOldest, !limits.allow(ledger, more: size), size <= limits.maximumBytes {
        let limit = try inFlightLimit()
        for sequence in try sequences(in: waiting) where !older.contains(sequence) {
          if limits.allow(ledger, more: size) { break }
          ledger.remove(try self.size(of: sequence, in: waiting))
          try discard(sequence, inFlightBelow: limit)
          dropped += 1
        }
      }
      guard limits.allow(ledger, more: size) else { throw .full(place: place, reason: try fullReason(size)) }
    }
    let free = try attempt { () throws(SystemError) in try system.freeSpace(root) }
    guard free - size >= SpoolLimits.freeSpaceKept else {
      throw .full(
        place: place,
        reason: "only \(max(0, free) >> 20) MiB are free on the disk, and \(SpoolLimits.freeSpaceKept >> 20) are kept")
    }
    return dropped
  }

  private func fullReason(_ size: Int) throws(SpoolError) -> String {
    let aside = try sequences(in: bad).count
    return "the spool is full: a message of \(size) bytes would go over \(limits.maximumCount) messages or "
      + "\(limits.maximumBytes) bytes" + (aside > 0 ? " (\(aside) of them are in bad/)" : "")
      + " (see --spool-max-count, --spool-max-bytes, --spool-drop-oldest)"
  }

  private func size(of sequence: Int, in folder: borrowing Descriptor) throws(SpoolError) -> Int {
    do throws(SystemError) {
      return try system.information(FileName(sequence), in: folder)?.size ?? 0
    } catch {
      throw SpoolError(error, place: place)
    }
  }

  private func discard(_ sequences: [Int]) throws(SpoolError) {
    let limit = try inFlightLimit()
    for sequence in sequences { try discard(sequence, inFlightBelow: limit) }
  }

  /// Takes a waiting message out, undelivered.
  ///
  /// Where it may be in flight, the broker may hold its packet identifier, and would take a message that gets it later for a
  /// duplicate. An empty file in `rel` stays behind, for which PUBREL is sent.
  func discard(_ sequence: Int, inFlightBelow limit: Int) throws(SpoolError) {
    if sequence < limit { try keepIdentifier(sequence) }
    try attempt { () throws(SystemError) in try removeIfThere(FileName(sequence), in: waiting) }
  }

  /// Notes that a packet identifier is to be freed at the broker.
  func keepIdentifier(_ sequence: Int) throws(SpoolError) {
    try attempt { () throws(SystemError) in
      do throws(SystemError) {
        _ = try system.makeFile(FileName(sequence), in: released)
      } catch  where error.isNameTaken {
        // Another run has just got PUBREC for it.
      }
    }
  }

  /// Messages with smaller sequence numbers may be in flight.
  ///
  /// What was sent before the oldest came to its end was less than a window ahead of it.
  func inFlightLimit() throws(SpoolError) -> Int {
    guard try has("session", in: root) else { return 0 }
    let oldest = [try sequences(in: waiting).first, try sequences(in: released).first].compactMap(\.self).min()
    return oldest.map { $0 + SpoolDrain.window } ?? 0
  }

  func removeIfThere(_ name: FileName, in folder: borrowing Descriptor) throws(SystemError) {
    do throws(SystemError) {
      try system.remove(name, in: folder)
    } catch  where error.isNoSuchFile {
      // Another run was faster.
    }
  }

  // MARK: The ledger

  private func ledger() throws(SpoolError) -> Ledger {
    switch try contents(of: "seq", in: root).map(Ledger.init(file:)) {
    case .some(.some(let ledger)): return ledger
    case .some(nil):
      warn("seq was damaged: the messages were counted anew")
      return try countedLedger(last: lastSequence())
    case nil: return try countedLedger(last: lastSequence())
    }
  }

  /// The greatest sequence number that a file has.
  private func lastSequence() throws(SpoolError) -> Int {
    let found = try sequences(in: waiting) + sequences(in: released) + sequences(in: bad)
    return found.filter { $0 <= Ledger.greatestSequence }.max() ?? 0
  }

  /// Counts what is there.
  private func countedLedger(last: Int) throws(SpoolError) -> Ledger {
    var ledger = Ledger(last: last, count: 0, bytes: 0)
    for sequence in try sequences(in: waiting) { ledger.add(try size(of: sequence, in: waiting)) }
    for sequence in try sequences(in: released) { ledger.add(try size(of: sequence, in: released)) }
    for sequence in try sequences(in: bad) { ledger.add(try size(of: sequence, in: bad)) }
    return ledger
  }

  private func write(_ ledger: Ledger) throws(SpoolError) {
    try replace("seq", with: ledger.file)
  }
}

extension SpoolLimits {
  fileprivate func allow(_ ledger: Ledger, more size: Int) -> Bool {
    ledger.count < maximumCount && ledger.bytes <= maximumBytes && size <= maximumBytes - ledger.bytes
  }
}

/// The file `seq`: the last sequence number, and no fewer messages and bytes than there are.
///
/// Delivery takes messages away without telling. So the numbers are bounds from above, and only where they would be too large
/// everything is counted anew.
private struct Ledger {
  var last: Int
  var count: Int
  var bytes: Int

  /// Greater numbers are no work of ours.
  static let greatestSequence = 9_000_000_000_000_000

  init(last: Int, count: Int, bytes: Int) {
    (self.last, self.count, self.bytes) = (last, count, bytes)
  }

  /// Nil where the file is damaged.
  init?(file: [UInt8]) {
    let words = String(decoding: file, as: UTF8.self).split { $0 == " " || $0 == "\n" }
    guard words.count == 4, let last = Int(words[0]), let count = Int(words[1]), let bytes = Int(words[2]) else {
      return nil
    }
    self.init(last: last, count: count, bytes: bytes)
    guard file.elementsEqual(self.file), (0...Self.greatestSequence).contains(last), count >= 0, bytes >= 0 else {
      return nil
    }
  }

  var file: [UInt8] {
    let text = "\(last) \(count) \(bytes)"
    return Array("\(text) \(String(Checksum.of(text), radix: 16))\n".utf8)
  }

  mutating func add(_ size: Int) {
    count += 1
    let (sum, overflow) = bytes.addingReportingOverflow(size)
    bytes = overflow ? .max : sum
  }

  mutating func remove(_ size: Int) {
    count -= 1
    bytes = max(0, bytes - size)
  }
}
