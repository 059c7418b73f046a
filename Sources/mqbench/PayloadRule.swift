internal import CSystem

/// What the payloads of a group hold, and how long they are. Both are a function of seed, publisher and sequence number, so that a
/// run can be repeated.
struct PayloadRule: Sendable {
  enum Content: Sendable {
    /// Bytes that cannot be compressed.
    case random
    case zero
    /// Valid JSON text.
    case json
    /// These in turn, each whole. Sizes are theirs.
    case given([[UInt8]])
  }

  var content = Content.random
  var size = PayloadSize.within(64...64)
  /// Whether payloads say who sent them and which message they are. Without that they are exactly what was asked for.
  var hasHeader = true

  /// Bytes that a payload needs at least.
  var leastSize: Int {
    switch content {
    case .random, .zero, .given: hasHeader ? MessageHeader.size : 0
    case .json: jsonHead.count + Self.jsonTail.count
    }
  }

  /// Bytes that a payload may have.
  static let sizeLimit = 268_435_000

  /// What stands before and behind the numbers in a payload of JSON.
  var jsonHead: [UInt8] {
    if !hasHeader { return Array(#"{"values":["#.utf8) }
    let digits = [UInt8](repeating: UInt8(ascii: "0"), count: 2 * MessageHeader.size)
    return MessageHeader.jsonPrefix + digits + Array(#"","values":["#.utf8)
  }

  static let jsonTail = Array("]}".utf8)

  /// Bytes of the longest payload.
  var mostSize: Int {
    if case .given(let payloads) = content { return payloads.lazy.map(\.count).max()! + leastSize }
    return size.most
  }
}

/// How many bytes payloads have.
enum PayloadSize: Hashable, Sendable {
  case within(ClosedRange<Int>)
  /// Normally distributed around a mean, and no more than six standard deviations away from it.
  case normal(mean: Int, deviation: Int)

  var most: Int {
    switch self {
    case .within(let range): range.upperBound
    case .normal(let mean, let deviation): mean + 6 * deviation
    }
  }

  /// The size of message `sequence` of `publisher`.
  func bytes(_ publisher: Int, _ sequence: Int, seed: UInt64) -> Int {
    if case .within(let range) = self, range.count == 1 { return range.lowerBound }
    let random = Schedule.mix(Schedule.mix(seed ^ 0x7369_7A65 ^ UInt64(publisher) << 32) &+ UInt64(sequence))
    switch self {
    case .within(let range):
      return range.lowerBound + Int(random.multipliedFullWidth(by: UInt64(range.count)).high)
    case .normal(let mean, let deviation):
      // Box and Muller: two uniform numbers, the first of which is not 0.
      let radius = (-2 * log(Double(random >> 11 | 1) * 0x1p-53)).squareRoot()
      let normal = radius * cos(2 * Double.pi * Double(Schedule.mix(random) >> 11) * 0x1p-53)
      return mean + Int((Double(deviation) * min(max(normal, -6), 6)).rounded())
    }
  }
}
