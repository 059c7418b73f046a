/// A message that wants an acknowledgement, as handed to the application.
public struct Delivery: Hashable, Sendable {
  let number: Int
  let packetIdentifier: UInt16
}

/// Received QoS 1 and 2 messages that the application or the broker has not finished with.
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

  /// What PUBACK and PUBREC have not left for.
  private var entries = Ring<Entry>()
  private var nextNumber = 0
  private var atLeastOnceCount = 0
  /// QoS 2 messages that came on this network connection and were not released by the broker yet (section 4.3.3, method B).
  private var received = PacketIdentifierSet()
  /// QoS 2 messages that came on earlier ones only.
  private var receivedBefore = PacketIdentifierSet()
  /// Of those, the ones that the application still held when the network connection closed.
  private var held: [Delivery] = []

  /// Messages that the broker has sent and we have not acknowledged.
  var count: Int { entries.count }

  /// Messages that count against our receive maximum: PUBCOMP is the end of QoS 2, and an earlier network connection does
  /// not count (section 4.9).
  var quotaInUse: Int { atLeastOnceCount + received.count }

  /// QoS 2 messages of this network connection that PUBREC has left for and the broker has not released.
  var unreleasedCount: Int { received.count - (entries.count - atLeastOnceCount) }

  /// Packet identifiers of QoS 2 messages that the application has finished with and the broker has not released, in rising order.
  var finishedIdentifiers: [UInt16] {
    guard received.count + receivedBefore.count > 0 else { return [] }
    var set = received
    set.formUnion(receivedBefore)
    for index in 0..<entries.count where entries[index].isExactlyOnce && !entries[index].isFinished {
      set.remove(entries[index].packetIdentifier)
    }
    for delivery in held { set.remove(delivery.packetIdentifier) }
    var identifiers: [UInt16] = []
    set.forEach { identifiers.append($0) }
    return identifiers.sorted()
  }

  /// An earlier process has finished with these QoS 2 messages, and the broker has not released them.
  mutating func resume(_ packetIdentifiers: [UInt16]) {
    for identifier in packetIdentifiers { receivedBefore.insert(identifier) }
  }

  enum Arrival { case new(Delivery), duplicate }

  mutating func atLeastOnce(_ packetIdentifier: UInt16) -> Delivery {
    atLeastOnceCount += 1
    return append(packetIdentifier, isExactlyOnce: false, isFinished: false)
  }

  mutating func exactlyOnce(_ packetIdentifier: UInt16) -> Arrival {
    if received.contains(packetIdentifier) {
      // Nothing to do where PUBREC is still to come.
      if entryIndex(ofExactlyOnce: packetIdentifier) == nil {
        _ = append(packetIdentifier, isExactlyOnce: true, isFinished: true)
      }
      return .duplicate
    }
    received.insert(packetIdentifier)
    guard receivedBefore.remove(packetIdentifier) else {
      return .new(append(packetIdentifier, isExactlyOnce: true, isFinished: false))
    }
    if let index = held.firstIndex(where: { $0.packetIdentifier == packetIdentifier }) {
      let delivery = held.remove(at: index)
      entries.append(
        Entry(packetIdentifier: packetIdentifier, isExactlyOnce: true, isFinished: false, number: delivery.number))
    } else {
      _ = append(packetIdentifier, isExactlyOnce: true, isFinished: true)
    }
    return .duplicate
  }

  enum Release { case done, unknown, early }

  /// PUBREL: the identifier is free again. It is early where PUBREC has not left.
  mutating func release(_ packetIdentifier: UInt16) -> Release {
    if received.contains(packetIdentifier) {
      if entryIndex(ofExactlyOnce: packetIdentifier) != nil { return .early }
      received.remove(packetIdentifier)
      return .done
    }
    if held.contains(where: { $0.packetIdentifier == packetIdentifier }) { return .early }
    return receivedBefore.remove(packetIdentifier) ? .done : .unknown
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
    if !entry.isExactlyOnce { atLeastOnceCount -= 1 }
    return (entry.packetIdentifier, entry.isExactlyOnce)
  }

  /// Whatever is unacknowledged will be sent again, if the broker keeps the session.
  mutating func connectionClosed() {
    for index in 0..<entries.count where entries[index].isExactlyOnce && !entries[index].isFinished {
      held.append(Delivery(number: entries[index].number, packetIdentifier: entries[index].packetIdentifier))
    }
    entries.removeAll()
    atLeastOnceCount = 0
    receivedBefore.formUnion(received)
    received.removeAll()
  }

  /// The broker has forgotten the session: identifiers mean nothing any more.
  mutating func sessionLost() {
    receivedBefore.removeAll()
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
