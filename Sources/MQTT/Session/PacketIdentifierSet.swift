/// A set of packet identifiers that costs nothing while it is small, which it nearly always is.
struct PacketIdentifierSet: Sendable {
  private var few: [UInt16] = []
  /// A bit for each of 65,536 identifiers, once there are more than a few.
  private var bits: [UInt64] = []
  private(set) var count = 0

  func contains(_ identifier: UInt16) -> Bool {
    if bits.isEmpty { return few.contains(identifier) }
    return bits[Int(identifier >> 6)] & Self.bit(identifier) != 0
  }

  mutating func insert(_ identifier: UInt16) {
    guard !contains(identifier) else { return }
    count += 1
    if bits.isEmpty {
      if few.count < 32 { return few.append(identifier) }
      bits = [UInt64](repeating: 0, count: 1024)
      for known in few { bits[Int(known >> 6)] |= Self.bit(known) }
      few = []
    }
    bits[Int(identifier >> 6)] |= Self.bit(identifier)
  }

  /// True when it was there.
  @discardableResult
  mutating func remove(_ identifier: UInt16) -> Bool {
    guard contains(identifier) else { return false }
    count -= 1
    if bits.isEmpty {
      few.removeAll { $0 == identifier }
    } else {
      bits[Int(identifier >> 6)] &= ~Self.bit(identifier)
    }
    return true
  }

  mutating func formUnion(_ other: PacketIdentifierSet) {
    other.forEach { insert($0) }
  }

  func forEach(_ body: (UInt16) -> Void) {
    for identifier in few { body(identifier) }
    for (index, word) in bits.enumerated() where word != 0 {
      for bit in 0..<64 where word & (1 << UInt64(bit)) != 0 { body(UInt16(index * 64 + bit)) }
    }
  }

  mutating func removeAll() {
    few.removeAll(keepingCapacity: true)
    bits = []
    count = 0
  }

  private static func bit(_ identifier: UInt16) -> UInt64 { 1 << UInt64(identifier & 63) }
}
