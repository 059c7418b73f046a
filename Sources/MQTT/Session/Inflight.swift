/// Packets that carry a packet identifier of ours and have not come to their end: QoS 1 and 2 publishes, SUBSCRIBE and
/// UNSUBSCRIBE, in the order in which they were handed over.
///
/// Each gets the next *sequence number*, and its packet identifier is `sequence % 65,535 + 1`. So an identifier leads straight
/// to its entry, without a table, and identifiers can never meet: nothing is taken in while the oldest
/// open entry is 65,535 sequence numbers back. The encoded PUBLISH is kept until the end, for a connection that breaks.
struct Inflight: ~Copyable, Sendable {
  enum State: UInt8, Sendable {
    case done, awaitingPuback, awaitingPubrec, awaitingRelease, awaitingPubcomp, awaitingSuback, awaitingUnsuback
  }

  struct Entry: BitwiseCopyable, Sendable {
    var state: State
    /// Whether the packet has been on a network connection of this session.
    var wasSent = false
    /// Whether it counts against the send quota of the network connection.
    var holdsQuota = false
    /// Where the packet begins, counted over everything that was ever kept.
    var offset = 0
    /// Bytes of the packet; of SUBSCRIBE and UNSUBSCRIBE the number of filters.
    var count = 0
  }

  private var entries = Ring<Entry>()
  private var packets = ByteQueue()
  /// Offset of the first byte in `packets`.
  private var packetsStart = 0
  /// Bytes in `packets` whose entries are not done.
  private(set) var liveBytes = 0

  /// Sequence number of the oldest entry.
  private(set) var first = 0
  /// Sequence number that the next entry gets.
  var next: Int { first + entries.count }
  /// Sequence number of the first entry that was not sent on this network connection.
  var unsent = 0
  /// Publishes that have not come to their end.
  private(set) var publishCount = 0

  var isFull: Bool { entries.count >= 65_535 }

  subscript(sequence: Int) -> Entry {
    get { entries[sequence - first] }
    set { entries[sequence - first] = newValue }
  }

  static func packetIdentifier(_ sequence: Int) -> UInt16 { UInt16(sequence % 65_535 + 1) }

  /// Sequence number of the open entry with `packetIdentifier`.
  func sequence(of packetIdentifier: UInt16) -> Int? {
    guard packetIdentifier > 0 else { return nil }
    var distance = Int(packetIdentifier) - 1 - first % 65_535
    if distance < 0 { distance += 65_535 }
    guard distance < entries.count, entries[distance].state != .done else { return nil }
    return first + distance
  }

  /// Begins with sequence number `sequence`, where an earlier process left off. Nothing may be in flight.
  mutating func begin(at sequence: Int) {
    precondition(entries.isEmpty)
    first = sequence
    unsent = sequence
  }

  /// Takes a publish in; `write` appends its packet.
  mutating func appendPublish<E: Error>(_ state: State, _ write: (inout ByteQueue) throws(E) -> Void) throws(E) -> Int {
    let before = packets.count
    try write(&packets)
    let count = packets.count - before
    entries.append(Entry(state: state, offset: packetsStart + before, count: count))
    liveBytes += count
    publishCount += 1
    return next - 1
  }

  /// Takes a SUBSCRIBE or UNSUBSCRIBE of `filterCount` filters in.
  mutating func appendRequest(_ state: State, filterCount: Int) -> Int {
    entries.append(Entry(state: state, wasSent: true, offset: packetsStart + packets.count, count: filterCount))
    return next - 1
  }

  /// Leaves a hole: the sequence number is used up, and nothing is in flight under it.
  mutating func appendNothing() {
    entries.append(Entry(state: .done, offset: packetsStart + packets.count))
    removeDone()
  }

  func withPacket<R>(_ sequence: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    let entry = self[sequence]
    let start = entry.offset - packetsStart
    return packets.withBytes { body(UnsafeRawBufferPointer(rebasing: $0[start..<start + entry.count])) }
  }

  /// The entry has come to its end.
  mutating func complete(_ sequence: Int) {
    let entry = self[sequence]
    precondition(entry.state != .done)
    if entry.state != .awaitingSuback && entry.state != .awaitingUnsuback {
      liveBytes -= entry.count
      publishCount -= 1
    }
    self[sequence].state = .done
    removeDone()
  }

  private mutating func removeDone() {
    while !entries.isEmpty, entries[0].state == .done {
      entries.removeFirst()
      first += 1
    }
    unsent = max(unsent, first)
    let start = entries.isEmpty ? packetsStart + packets.count : entries[0].offset
    packets.consume(start - packetsStart)
    packetsStart = start
    // One publish that stays open must not hold the memory of all that came after it.
    if packets.count > 1 << 20, packets.count / 2 > liveBytes { compact() }
  }

  private mutating func compact() {
    var kept = ByteQueue()
    for index in 0..<entries.count {
      let entry = entries[index]
      let holdsPacket = entry.state != .done && entry.state != .awaitingSuback && entry.state != .awaitingUnsuback
      let start = entry.offset - packetsStart
      entries[index].offset = packetsStart + kept.count
      guard holdsPacket else { continue }
      packets.withBytes { kept.append(UnsafeRawBufferPointer(rebasing: $0[start..<start + entry.count])) }
    }
    packets = kept
  }
}
