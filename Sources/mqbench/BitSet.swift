/// A set of small numbers, one bit each.
struct BitSet: Sendable {
  private var words: [UInt64] = []

  /// How many words there are.
  var wordCount: Int { words.count }

  /// How many numbers are in it.
  var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// 64 of the bits.
  func word(_ index: Int) -> UInt64 { index < words.count ? words[index] : 0 }

  func contains(_ number: Int) -> Bool { word(number >> 6) >> UInt64(number & 63) & 1 == 1 }

  /// Returns whether it was not in the set.
  @discardableResult
  mutating func insert(_ number: Int) -> Bool {
    let index = number >> 6
    // Arrays double by themselves; asking them for a little more each time would copy all of it each time.
    while words.count <= index { words.append(0) }
    let bit = UInt64(1) << UInt64(number & 63)
    let isNew = words[index] & bit == 0
    words[index] |= bit
    return isNew
  }

  mutating func remove(_ number: Int) {
    guard number >> 6 < words.count else { return }
    words[number >> 6] &= ~(1 << UInt64(number & 63))
  }

  mutating func formUnion(_ other: BitSet) {
    while words.count < other.words.count { words.append(0) }
    for index in other.words.indices { words[index] |= other.words[index] }
  }
}
