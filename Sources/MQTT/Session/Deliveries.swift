/// A message that wants an acknowledgement, as handed to the application.
public struct Delivery: Hashable, Sendable {
  let number: Int
  let packetIdentifier: UInt16
}

/// Received QoS 1 and 2 messages that the application has not finished with.
///
/// PUBACK and PUBREC leave in the order in which the PUBLISH packets came [MQTT-4.6.0-2] [MQTT-4.6.0-3], however the application
/// finishes them; and a QoS 2 message that the broker sends again over a new connection is not handed out a second time.
struct Deliveries: Sendable {
  private struct Entry: BitwiseCopyable, Sendable {
    var packetIdentifier: UInt16
    var isExactlyOnce: Bool
    var isFinished: Bool
    /// What the application holds: differs from the entry's own number after a redelivery.
    var number: Int
  }

  private var entries = Ring<Entry>()
  private var nextNumber = 0
  /// QoS 2 messages handed to the application and not released by the broker yet (section 4.3.3, method B).
  private var received = PacketIdentifierSet()
  /// Of those, the ones that the application still held when the network connection closed.
  private var held: [Delivery] = []

  /// Messages that the broker has sent and we have not acknowledged.
  var count: Int { entries.count }

  /// QoS 2 messages that the broker has not released.
  var unreleasedCount: Int { received.count }

  enum Arrival { case new(Delivery), duplicate }

  mutating func atLeastOnce(_ packetIdentifier: UInt16) -> Delivery {
    append(packetIdentifier, isExactlyOnce: false, isFinished: false)
  }

  mutating func exactlyOnce(_ packetIdentifier: UInt16) -> Arrival {
    if received.contains(packetIdentifier) {
      if entryIndex(ofExactlyOnce: packetIdentifier) != nil { return .duplicate }  // PUBREC is still to come
      if let index = held.firstIndex(where: { $0.packetIdentifier == packetIdentifier }) {
        let delivery = held.remove(at: index)
        entries.append(
          Entry(packetIdentifier: packetIdentifier, isExactlyOnce: true, isFinished: false, number: delivery.number))
        return .duplicate
      }
      _ = append(packetIdentifier, isExactlyOnce: true, isFinished: true)
      return .duplicate
    }
    received.insert(packetIdentifier)
    return .new(append(packetIdentifier, isExactlyOnce: true, isFinished: false))
  }

  /// PUBREL: the identifier is free again. False when it was not in use.
  mutating func release(_ packetIdentifier: UInt16) -> Bool {
    received.remove(packetIdentifier)
  }

  /// The application has done its part.
  mutating func finish(_ delivery: Delivery) {
    // Numbers rise from front to back but for redeliveries, so the distance is a good guess.
    if !entries.isEmpty {
      let guess = delivery.number - entries[0].number
      if guess >= 0, guess < entries.count, entries[guess].number == delivery.number {
        entries[guess].isFinished = true
        return
      }
      for index in 0..<entries.count where entries[index].number == delivery.number {
        entries[index].isFinished = true
        return
      }
    }
    // Held over a lost connection: the broker's redelivery is answered at once from now on.
    held.removeAll { $0 == delivery }
  }

  mutating func finishAll() {
    for index in 0..<entries.count { entries[index].isFinished = true }
    held.removeAll()
  }

  /// The next acknowledgement that may leave: PUBREC where `isExactlyOnce`, else PUBACK.
  mutating func nextFinished() -> (packetIdentifier: UInt16, isExactlyOnce: Bool)? {
    guard !entries.isEmpty, entries[0].isFinished else { return nil }
    let entry = entries[0]
    entries.removeFirst()
    return (entry.packetIdentifier, entry.isExactlyOnce)
  }

  /// Whatever is unacknowledged will be sent again, if the broker keeps the session.
  mutating func connectionClosed() {
    for index in 0..<entries.count where entries[index].isExactlyOnce && !entries[index].isFinished {
      held.append(Delivery(number: entries[index].number, packetIdentifier: entries[index].packetIdentifier))
    }
    entries.removeAll()
  }

  /// The broker has forgotten the session: identifiers mean nothing any more.
  mutating func sessionLost() {
    received.removeAll()
    held.removeAll()
  }

  private mutating func append(_ packetIdentifier: UInt16, isExactlyOnce: Bool, isFinished: Bool) -> Delivery {
    let number = nextNumber
    nextNumber += 1
    entries.append(
      Entry(packetIdentifier: packetIdentifier, isExactlyOnce: isExactlyOnce, isFinished: isFinished, number: number))
    return Delivery(number: number, packetIdentifier: packetIdentifier)
  }

  private func entryIndex(ofExactlyOnce packetIdentifier: UInt16) -> Int? {
    for index in 0..<entries.count
    where entries[index].isExactlyOnce && entries[index].packetIdentifier == packetIdentifier { return index }
    return nil
  }
}

/// A set of packet identifiers that costs nothing while it is small, which it nearly always is.
struct PacketIdentifierSet: Sendable {
  private var few: [UInt16] = []
  /// A bit for each of 65,536 identifiers, once there are more than a few.
  private var bits: [UInt64] = []
  private(set) var count = 0

  func contains(_ identifier: UInt16) -> Bool {
    if bits.isEmpty { return few.contains(identifier) }
    return bits[Int(identifier >> 6)] & (1 << UInt64(identifier & 63)) != 0
  }

  mutating func insert(_ identifier: UInt16) {
    guard !contains(identifier) else { return }
    count += 1
    if bits.isEmpty, few.count < 32 { return few.append(identifier) }
    if bits.isEmpty {
      bits = [UInt64](repeating: 0, count: 1024)
      for known in few { bits[Int(known >> 6)] |= 1 << UInt64(known & 63) }
      few = []
    }
    bits[Int(identifier >> 6)] |= 1 << UInt64(identifier & 63)
  }

  /// True when it was there.
  mutating func remove(_ identifier: UInt16) -> Bool {
    guard contains(identifier) else { return false }
    count -= 1
    if bits.isEmpty {
      few.removeAll { $0 == identifier }
    } else {
      bits[Int(identifier >> 6)] &= ~(1 << UInt64(identifier & 63))
    }
    return true
  }

  mutating func removeAll() {
    few = []
    bits = []
    count = 0
  }
}
