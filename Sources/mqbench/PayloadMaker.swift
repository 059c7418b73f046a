/// Makes the payloads of a group, one after the other in the same memory.
final class PayloadMaker {
  private let rule: PayloadRule
  private let seed: UInt64
  private let leastSize: Int
  /// What the rule says, looked at for each message: the only size, if there is no other; whether payloads are parts of the memory
  /// as it is, and how much of it they may begin in.
  private let size: Int?
  private let isPlain: Bool
  private let hasHeader: Bool
  private let startMask: Int
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
    hasHeader = rule.hasHeader
    if case .within(let range) = rule.size, range.count == 1 {
      size = max(leastSize, range.lowerBound)
    } else {
      size = nil
    }
    switch rule.content {
    case .random: (isPlain, startMask) = (true, (Self.spread - 1) & ~15)
    case .zero: (isPlain, startMask) = (true, 0)
    case .json, .given: (isPlain, startMask) = (false, 0)
    }
    let most = max(rule.mostSize, leastSize)
    switch rule.content {
    case .random:
      memory = .allocate(byteCount: Self.spread + most + 16, alignment: 16)
      for place in stride(from: 0, to: memory.count - 7, by: 8) {
        memory.storeBytes(of: Schedule.mix(seed &+ UInt64(place)), toByteOffset: place, as: UInt64.self)
      }
      numbers = []
    case .zero, .given:
      memory = .allocate(byteCount: most + 16, alignment: 16)
      memory.initializeMemory(as: UInt8.self, repeating: 0)
      numbers = []
    case .json:
      memory = .allocate(byteCount: most + 16, alignment: 16)
      memory.copyBytes(from: rule.jsonHead)
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
    guard isPlain else { return made(header) }
    let size = size ?? drawnSize(header)
    let start = (Int(header.sequence) &* 4099) & startMask
    let payload = UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + size)])
    if hasHeader { header.write(to: payload, count: size) }
    return UnsafeRawBufferPointer(payload)
  }

  private func drawnSize(_ header: MessageHeader) -> Int {
    max(leastSize, rule.size.bytes(Int(header.publisher), Int(header.sequence), seed: seed))
  }

  /// One that is put together.
  private func made(_ header: MessageHeader) -> UnsafeRawBufferPointer {
    guard case .given(let payloads) = rule.content else { return json(header, size ?? drawnSize(header)) }
    let given = payloads[(Int(header.publisher) + Int(header.sequence)) % payloads.count]
    let payload = UnsafeMutableRawBufferPointer(rebasing: memory[..<(leastSize + given.count)])
    UnsafeMutableRawBufferPointer(rebasing: payload[leastSize...]).copyBytes(from: given)
    if hasHeader { header.write(to: payload, count: payload.count) }
    return UnsafeRawBufferPointer(payload)
  }

  private func json(_ header: MessageHeader, _ size: Int) -> UnsafeRawBufferPointer {
    let payload = UnsafeMutableRawBufferPointer(rebasing: memory[..<size])
    if hasHeader { header.writeJSON(to: payload, count: size) }
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
