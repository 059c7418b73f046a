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
    case .json: jsonFrame.head.count + Self.jsonTail.count
    }
  }

  /// Bytes that a payload may have.
  static let sizeLimit = 268_435_000

  /// What stands before the digits of a payload of JSON, and where its header's digits stand in it.
  fileprivate var jsonFrame: (head: [UInt8], digits: Int) {
    if !hasHeader { return (Array(#"{"values":["#.utf8), 0) }
    let digits = [UInt8](repeating: UInt8(ascii: "0"), count: 2 * MessageHeader.size)
    return (MessageHeader.jsonPrefix + digits + Array(#"","values":["#.utf8), MessageHeader.jsonPrefix.count)
  }

  fileprivate static let jsonTail = Array("]}".utf8)

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

/// Makes the payloads of a group, one after the other in the same memory.
final class PayloadMaker {
  private let rule: PayloadRule
  private let seed: UInt64
  private let leastSize: Int
  /// Where the header goes.
  private let digits: Int
  private let memory: UnsafeMutableRawBufferPointer
  /// What payloads of JSON have between their brackets: numbers of five digits with commas behind them.
  private let numbers: [UInt8]

  /// Payloads of random bytes and numbers begin at different places of as many bytes.
  private static let spread = 1 << 20
  private static let numberSize = 6

  init(_ rule: PayloadRule, seed: UInt64) {
    self.rule = rule
    self.seed = seed
    leastSize = rule.leastSize
    let most = max(rule.mostSize, leastSize)
    switch rule.content {
    case .random:
      memory = .allocate(byteCount: Self.spread + most + 16, alignment: 16)
      for place in stride(from: 0, to: memory.count - 7, by: 8) {
        memory.storeBytes(of: Schedule.mix(seed &+ UInt64(place)), toByteOffset: place, as: UInt64.self)
      }
      (digits, numbers) = (0, [])
    case .zero, .given:
      memory = .allocate(byteCount: most + 16, alignment: 16)
      memory.initializeMemory(as: UInt8.self, repeating: 0)
      (digits, numbers) = (0, [])
    case .json:
      memory = .allocate(byteCount: most + 16, alignment: 16)
      let frame = rule.jsonFrame
      memory.copyBytes(from: frame.head)
      digits = frame.digits
      numbers = Self.numbers(Self.spread + most, seed)
    }
  }

  deinit { memory.deallocate() }

  private static func numbers(_ count: Int, _ seed: UInt64) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(count + numberSize)
    while text.count < count {
      var number = 10_000 + Schedule.mix(seed &+ UInt64(text.count)) % 90_000
      text.append(contentsOf: [0, 0, 0, 0, 0, UInt8(ascii: ",")])
      for place in 2...numberSize {
        text[text.count - place] = UInt8(ascii: "0") + UInt8(number % 10)
        number /= 10
      }
    }
    return text
  }

  /// The payload of a message; valid until the next one.
  func payload(_ header: MessageHeader) -> UnsafeRawBufferPointer {
    let (publisher, sequence) = (Int(header.publisher), Int(header.sequence))
    if case .given(let payloads) = rule.content {
      let given = payloads[(publisher + sequence) % payloads.count]
      let payload = UnsafeMutableRawBufferPointer(rebasing: memory[..<(leastSize + given.count)])
      UnsafeMutableRawBufferPointer(rebasing: payload[leastSize...]).copyBytes(from: given)
      if rule.hasHeader { header.write(to: payload, count: payload.count) }
      return UnsafeRawBufferPointer(payload)
    }
    let size = max(leastSize, rule.size.bytes(publisher, sequence, seed: seed))
    if case .json = rule.content { return json(header, size) }
    var start = 0
    if case .random = rule.content { start = (sequence &* 4099) & (Self.spread - 1) & ~15 }
    let payload = UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + size)])
    if rule.hasHeader { header.write(to: payload, count: size) }
    return UnsafeRawBufferPointer(payload)
  }

  private func json(_ header: MessageHeader, _ size: Int) -> UnsafeRawBufferPointer {
    let payload = UnsafeMutableRawBufferPointer(rebasing: memory[..<size])
    if rule.hasHeader { header.writeJSON(to: payload, count: size) }
    let tail = PayloadRule.jsonTail.count
    let count = size - leastSize
    let body = UnsafeMutableRawBufferPointer(rebasing: payload[(leastSize - tail)..<(size - tail)])
    let start = Int(header.sequence % UInt64(Self.spread / Self.numberSize)) * Self.numberSize
    numbers.withUnsafeBytes { body.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<(start + count)])) }
    // A number that ends where the next one would begin gets a digit more.
    if count > 0, body[count - 1] == UInt8(ascii: ",") { body[count - 1] = UInt8(ascii: "0") }
    UnsafeMutableRawBufferPointer(rebasing: payload[(size - tail)...]).copyBytes(from: PayloadRule.jsonTail)
    return UnsafeRawBufferPointer(payload)
  }
}
