#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Bytes between a socket and a `CountingServer`, without Array's checks; its owner deallocates it.
struct RawBuffer {
  private var memory: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0

  init(capacity: Int) {
    memory = .allocate(byteCount: capacity, alignment: 16)
  }

  func deallocate() {
    memory.deallocate()
  }

  var isEmpty: Bool { start == end }
  var count: Int { end - start }
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[start..<end]) }

  // MARK: Writing to its end

  @inline(__always)
  private mutating func makeSpace(_ count: Int) {
    if end + count > memory.count { grow(count) }
  }

  private mutating func grow(_ count: Int) {
    let larger = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(memory.count * 2, end - start + count), alignment: 16)
    larger.copyMemory(from: bytes)
    memory.deallocate()
    (memory, start, end) = (larger, 0, end - start)
  }

  mutating func append(_ byte: UInt8) {
    makeSpace(1)
    memory[end] = byte
    end += 1
  }

  mutating func append(_ first: UInt8, _ second: UInt8) {
    append(first)
    append(second)
  }

  mutating func append(_ bytes: [UInt8]) {
    makeSpace(bytes.count)
    UnsafeMutableRawBufferPointer(rebasing: memory[end...]).copyBytes(from: bytes)
    end += bytes.count
  }

  mutating func append(decimal number: Int, digits: Int) {
    makeSpace(digits)
    var rest = number
    for index in stride(from: end + digits - 1, through: end, by: -1) {
      memory[index] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    }
    end += digits
  }

  /// PUBACK, PUBREC, PUBREL or PUBCOMP; a reason code of zero is left out, as MQTT 5 allows and 3.x demands.
  mutating func appendAcknowledgement(_ first: UInt8, _ identifier: UInt16, _ reason: UInt8) {
    makeSpace(5)
    memory[end] = first
    memory[end + 1] = reason == 0 ? 2 : 3
    memory[end + 2] = UInt8(identifier >> 8)
    memory[end + 3] = UInt8(identifier & 0xff)
    memory[end + 4] = reason
    end += reason == 0 ? 4 : 5
  }

  /// Takes bytes back that were appended.
  mutating func truncate(toCount count: Int) {
    end = start + min(count, self.count)
  }

  // MARK: Reading from its start

  mutating func remove(_ count: Int) {
    start += count
    if start == end { (start, end) = (0, 0) }
  }

  /// Makes room for a whole packet of so many bytes.
  mutating func reserve(_ packet: Int) {
    if packet > memory.count { grow(packet) }
  }

  /// Moves what is left to the front when little room is behind it.
  mutating func makeSpace() {
    guard start > 0, memory.count - end < memory.count / 2 else { return }
    memory.copyMemory(from: bytes)
    (start, end) = (0, end - start)
  }

  // MARK: Sockets

  /// Reads once, behind what is there; false at the end of the connection.
  mutating func receive(from descriptor: Descriptor) -> Bool {
    if end == memory.count { grow(memory.count) }
    var result: Int
    repeat {
      result = recv(descriptor.number, memory.baseAddress! + end, memory.count - end, 0)
    } while result < 0 && errno == EINTR
    if result > 0 { end += result }
    return result > 0 || result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
  }

  /// Sends what the socket takes; false if the connection is gone.
  mutating func send(to descriptor: Descriptor) -> Bool {
    while !isEmpty {
      guard let count = descriptor.send(bytes) else { return false }
      if count == 0 { return true }
      remove(count)
    }
    return true
  }
}

/// Takes fields off the front of a packet; nil when they are cut off.
struct RawReader {
  private(set) var rest: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) {
    rest = bytes
  }

  @inline(__always)
  mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
    guard count <= rest.count else { return nil }
    let taken = UnsafeRawBufferPointer(rebasing: rest[..<count])
    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    return taken
  }

  @inline(__always)
  mutating func byte() -> UInt8? {
    take(1)?.first
  }

  @inline(__always)
  mutating func twoBytes() -> UInt16? {
    guard let bytes = take(2) else { return nil }
    return UInt16(bytes[0]) << 8 | UInt16(bytes[1])
  }

  @inline(__always)
  mutating func string() -> UnsafeRawBufferPointer? {
    guard let length = twoBytes() else { return nil }
    return take(Int(length))
  }

  mutating func variableByteInteger() -> Int? {
    var value = 0
    for index in 0..<4 {
      guard let byte = byte() else { return nil }
      value |= Int(byte & 0x7f) << (7 * index)
      if byte & 0x80 == 0 { return value }
    }
    return nil
  }

  /// The properties' bytes, after their length.
  mutating func properties() -> UnsafeRawBufferPointer? {
    guard let length = variableByteInteger() else { return nil }
    return take(length)
  }
}

/// Visits properties (MQTT 5 §2.2.2.2) with the value of those that are integers, zero for others; false if malformed.
func walkProperties(_ bytes: UnsafeRawBufferPointer, _ visit: (_ property: UInt8, _ value: Int) -> Void) -> Bool {
  var reader = RawReader(bytes)
  while let property = reader.byte() {
    switch property {
    case 0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a:
      guard let value = reader.byte() else { return false }
      visit(property, Int(value))
    case 0x13, 0x21, 0x22, 0x23:
      guard let value = reader.twoBytes() else { return false }
      visit(property, Int(value))
    case 0x02, 0x11, 0x18, 0x27:
      guard let high = reader.twoBytes(), let low = reader.twoBytes() else { return false }
      visit(property, Int(high) << 16 | Int(low))
    case 0x0b:
      guard let value = reader.variableByteInteger() else { return false }
      visit(property, value)
    case 0x26:
      guard reader.string() != nil, reader.string() != nil else { return false }
      visit(property, 0)
    case 0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f:
      guard reader.string() != nil else { return false }
      visit(property, 0)
    default:
      return false
    }
  }
  return true
}

/// The topic alias among a PUBLISH packet's properties.
func topicAlias(_ properties: UnsafeRawBufferPointer) -> UInt16? {
  var alias: UInt16?
  _ = walkProperties(properties) { property, value in
    if property == 0x23 { alias = UInt16(value) }
  }
  return alias
}

/// The number that a payload is, when it is only digits.
@inline(__always)
func decimalNumber(_ payload: UnsafeRawBufferPointer) -> Int? {
  var number = 0
  for byte in payload {
    let digit = byte &- UInt8(ascii: "0")
    guard digit < 10, number < 1 << 40 else { return nil }
    number = number * 10 + Int(digit)
  }
  return payload.isEmpty ? nil : number
}
