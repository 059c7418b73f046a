/// What outlives a connection: the identifiers of QoS 2 that were answered with PUBREC and not yet released.
final class CountedSession {
  let clientIdentifier: [UInt8]
  var isKept = false
  weak var connection: CountedConnection?
  private var held = IdentifierSet()

  init(_ clientIdentifier: [UInt8]) {
    self.clientIdentifier = clientIdentifier
  }

  func holds(_ identifier: UInt16) -> Bool { held.contains(identifier) }
  func hold(_ identifier: UInt16) { _ = held.insert(identifier) }
  func release(_ identifier: UInt16) { _ = held.remove(identifier) }
}

/// Packet identifiers, a bit each.
struct IdentifierSet {
  private(set) var count = 0
  private var words = [UInt64](repeating: 0, count: 1_024)

  func contains(_ identifier: UInt16) -> Bool {
    words[Int(identifier >> 6)] & 1 << UInt64(identifier & 63) != 0
  }

  /// False if it was there already.
  mutating func insert(_ identifier: UInt16) -> Bool {
    guard !contains(identifier) else { return false }
    words[Int(identifier >> 6)] |= 1 << UInt64(identifier & 63)
    count += 1
    return true
  }

  /// False if it was not there.
  mutating func remove(_ identifier: UInt16) -> Bool {
    guard contains(identifier) else { return false }
    words[Int(identifier >> 6)] &= ~(1 << UInt64(identifier & 63))
    count -= 1
    return true
  }
}

/// One connection of a `CountingServer`.
final class CountedConnection {
  let descriptor: Descriptor
  var input = RawBuffer(capacity: 1 << 18)
  var output = RawBuffer(capacity: 1 << 12)
  var delayed: [(due: ContinuousClock.Instant, bytes: [UInt8], acknowledgements: Int)] = []
  var level: UInt8 = 0
  var session: CountedSession?
  var packetsLeft: Int?
  var isEnded = false
  var aliases: [UInt16: [UInt8]] = [:]
  var aliasedTopic: [UInt8] = []
  /// PUBLISH packets of QoS 1 and 2 whose last acknowledgement is not sent.
  var unacknowledged = 0
  /// Last acknowledgements among the bytes that wait to be sent: the client cannot know of them yet.
  var acknowledgedInOutput = 0

  var flood: CountingPeer.Flood?
  var floodSent = 0
  var floodIdentifiers = IdentifierSet()
  var nextIdentifier: UInt16 = 1
  var clientReceiveMaximum = 65_535

  init(_ descriptor: Descriptor) {
    self.descriptor = descriptor
  }

  deinit {
    input.deallocate()
    output.deallocate()
  }

  var wantsToWrite: Bool { !output.isEmpty || canFlood }
  var nextDue: ContinuousClock.Instant? { delayed.first?.due }

  /// Takes the answers back out of the output that came after a mark, whole packets, and sends them later.
  func delayAnswers(after mark: (bytes: Int, acknowledgements: Int), by delay: Duration) {
    guard output.count > mark.bytes else { return }
    let answers = Array(output.bytes.dropFirst(mark.bytes))
    delayed.append((.now + delay, answers, acknowledgedInOutput - mark.acknowledgements))
    output.truncate(toCount: mark.bytes)
    acknowledgedInOutput = mark.acknowledgements
  }

  func releaseDelayed() {
    while let first = delayed.first, first.due <= .now {
      output.append(first.bytes)
      acknowledgedInOutput += first.acknowledgements
      delayed.removeFirst()
    }
  }

  /// SUBACK or UNSUBACK.
  func appendGroup(_ first: UInt8, _ identifier: UInt16, _ reasons: [UInt8]) {
    var body = [UInt8(identifier >> 8), UInt8(identifier & 0xff)]
    if level == 5 { body.append(0) }
    body += reasons
    output.append([first] + variableByteIntegerBytes(body.count) + body)
  }

  // MARK: Flood

  var canFlood: Bool {
    guard let flood, floodSent < flood.count else { return false }
    return flood.qos == 0
      || floodIdentifiers.count < clientReceiveMaximum && !floodIdentifiers.contains(nextIdentifier)
  }

  /// Appends PUBLISH packets until a good piece for one send is there.
  func fillWithFlood(_ counts: inout CountingPeer.Counts) {
    guard let flood, canFlood, output.count < 1 << 17 else { return }
    let topic = Array(flood.topic.utf8)
    let before = floodSent
    while canFlood, output.count < 1 << 18 {
      floodSent += 1
      let digits = max(flood.payloadSize, decimalDigits(floodSent))
      let length = 2 + topic.count + (flood.qos > 0 ? 2 : 0) + (level == 5 ? 1 : 0) + digits
      output.append(0x30 | flood.qos << 1)
      var rest = length
      repeat {
        output.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
        rest >>= 7
      } while rest > 0
      output.append(UInt8(topic.count >> 8), UInt8(topic.count & 0xff))
      output.append(topic)
      if flood.qos > 0 {
        _ = floodIdentifiers.insert(nextIdentifier)
        output.append(UInt8(nextIdentifier >> 8), UInt8(nextIdentifier & 0xff))
        nextIdentifier = nextIdentifier == .max ? 1 : nextIdentifier + 1
      }
      if level == 5 { output.append(0) }
      output.append(decimal: floodSent, digits: digits)
    }
    counts.floodSent += floodSent - before
  }

  private func decimalDigits(_ number: Int) -> Int {
    var digits = 1
    var rest = number / 10
    while rest > 0 {
      digits += 1
      rest /= 10
    }
    return digits
  }
}
