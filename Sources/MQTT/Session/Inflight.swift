/// Packets that carry a packet identifier of ours and have not come to their end: QoS 1 and 2 publishes, SUBSCRIBE and
/// UNSUBSCRIBE, in the order in which they were handed over.
///
/// Each gets the next *sequence number*, and its packet identifier is `sequence % 65,535 + 1`. So an identifier leads straight
/// to its entry, without a table. The encoded PUBLISH is kept until the end, for a connection that breaks.
///
/// Identifiers never meet: when the next one is still in use, its entry is the oldest of all, 65,535 sequence numbers back. It
/// moves to the sequence number that has come round to its identifier, and one later is given out. It is then resent behind
/// younger ones, whose acknowledgements the broker let overtake it.
struct Inflight: ~Copyable, Sendable {
  enum State: UInt8, Sendable {
    case done, awaitingPuback, awaitingPubrec, awaitingRelease, awaitingPubcomp, awaitingSuback, awaitingUnsuback

    /// SUBSCRIBE and UNSUBSCRIBE.
    var isRequest: Bool { self == .awaitingSuback || self == .awaitingUnsuback }
  }

  struct Entry: BitwiseCopyable, Sendable {
    var state: State
    /// What PUBREC said, which PUBCOMP does not repeat.
    var pubrecReasonCode = ReasonCode.success
    /// Whether the packet has been on a network connection of this session.
    var wasSent = false
    /// Whether it is on this network connection, and counts against its send quota.
    var holdsQuota = false
    /// The sequence number that the entry began with: what the application calls it.
    var number = 0
    /// Where the packet begins, counted over everything that was ever kept.
    var offset = 0
    /// Bytes of the packet; of SUBSCRIBE and UNSUBSCRIBE the number of filters.
    var count = 0

    /// Whether `offset` and `count` are those of a packet.
    var keepsPacket: Bool { state != .done && !state.isRequest }
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
  private var requestCount = 0

  private static let identifierCount = 65_535
  /// Identifiers that publishes leave to SUBSCRIBE and UNSUBSCRIBE.
  private static let reservedForRequests = 535

  /// Whether there is no packet identifier left.
  var isFullForRequests: Bool { publishCount + requestCount >= Self.identifierCount }
  /// Whether there is none left for a publish.
  var isFull: Bool { publishCount >= Self.identifierCount - Self.reservedForRequests || isFullForRequests }

  subscript(sequence: Int) -> Entry {
    get { entries[sequence - first] }
    set { entries[sequence - first] = newValue }
  }

  static func packetIdentifier(_ sequence: Int) -> UInt16 { UInt16(sequence % identifierCount + 1) }

  /// Sequence number of the open entry with `packetIdentifier`.
  func sequence(of packetIdentifier: UInt16) -> Int? {
    guard packetIdentifier > 0 else { return nil }
    var distance = Int(packetIdentifier) - 1 - first % Self.identifierCount
    if distance < 0 { distance += Self.identifierCount }
    guard distance < entries.count, entries[distance].state != .done else { return nil }
    return first + distance
  }

  /// Sequence number of the open entry that the application calls `number`.
  func sequence(ofNumber number: Int) -> Int? {
    guard number >= 0, let sequence = sequence(of: Self.packetIdentifier(number)), self[sequence].number == number
    else {
      return nil
    }
    return sequence
  }

  /// Goes on with sequence number `sequence`: anywhere while nothing is in flight, else forwards.
  mutating func begin(at sequence: Int) {
    if entries.isEmpty { (first, unsent) = (sequence, sequence) }
    precondition(sequence >= max(next, 0) && sequence - first < Self.identifierCount)
    let isAllSent = unsent == next
    while next < sequence { entries.append(Entry(state: .done, offset: packetsStart + packets.count)) }
    if isAllSent { unsent = next }
  }

  /// Takes in what was published before and awaits PUBCOMP; it cannot be published again.
  mutating func appendReleased() {
    let offset = packetsStart + packets.count
    entries.append(Entry(state: .awaitingPubcomp, wasSent: true, holdsQuota: true, number: next, offset: offset))
    publishCount += 1
  }

  /// Forgets everything.
  mutating func removeAll() {
    (first, unsent) = (next, next)
    entries.removeAll()
    packets.removeAll()
    (packetsStart, liveBytes, publishCount, requestCount) = (0, 0, 0, 0)
  }

  /// The packet identifier that the next entry gets.
  mutating func nextPacketIdentifier() -> UInt16 {
    while entries.count == Self.identifierCount { moveFirstRound() }
    return Self.packetIdentifier(next)
  }

  /// Takes a publish in under `nextPacketIdentifier`; `write` appends its packet.
  mutating func appendPublish<E: Error>(_ state: State, _ write: (inout ByteQueue) throws(E) -> Void) throws(E) -> Int {
    let before = packets.count
    try write(&packets)
    let count = packets.count - before
    entries.append(Entry(state: state, number: next, offset: packetsStart + before, count: count))
    liveBytes += count
    publishCount += 1
    return next - 1
  }

  /// Takes a SUBSCRIBE or UNSUBSCRIBE of `filterCount` filters in under `nextPacketIdentifier`.
  mutating func appendRequest(_ state: State, filterCount: Int) -> Int {
    entries.append(
      Entry(state: state, wasSent: true, number: next, offset: packetsStart + packets.count, count: filterCount))
    requestCount += 1
    return next - 1
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
    if entry.keepsPacket {
      liveBytes -= entry.count
      publishCount -= 1
    } else {
      requestCount -= 1
    }
    self[sequence].state = .done
    removeDone()
  }

  private mutating func moveFirstRound() {
    var entry = entries[0]
    entries[0].state = .done
    if entry.keepsPacket {
      let start = entry.offset - packetsStart
      let packet = packets.withBytes { Array($0[start..<start + entry.count]) }
      entry.offset = packetsStart + packets.count
      packets.append(packet)
    } else {
      entry.offset = packetsStart + packets.count
    }
    let isAllSent = unsent == next
    entries.append(entry)
    if isAllSent { unsent = next }
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
      let start = entry.offset - packetsStart
      entries[index].offset = packetsStart + kept.count
      guard entry.keepsPacket else { continue }
      packets.withBytes { kept.append(UnsafeRawBufferPointer(rebasing: $0[start..<start + entry.count])) }
    }
    packets = kept
  }
}
