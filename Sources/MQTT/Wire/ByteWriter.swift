/// The body of a packet that is being encoded. It knows the dialect as `ByteReader` does.
///
/// PUBLISH and the plain acknowledgements do not come here: they are written straight into the queue.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []
  var version: ProtocolVersion

  init(version: ProtocolVersion) {
    self.version = version
  }

  mutating func write(_ byte: UInt8) {
    bytes.append(byte)
  }

  mutating func write(_ number: UInt16) {
    bytes.append(UInt8(truncatingIfNeeded: number >> 8))
    bytes.append(UInt8(truncatingIfNeeded: number))
  }

  mutating func write(_ number: UInt32) {
    write(UInt16(truncatingIfNeeded: number >> 16))
    write(UInt16(truncatingIfNeeded: number))
  }

  mutating func write(variableByteInteger value: Int) throws(ProtocolError) {
    guard (0...VariableByteInteger.maximum).contains(value) else {
      throw .malformed("\(value) does not fit a variable byte integer")
    }
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  mutating func write(packetIdentifier: UInt16) throws(ProtocolError) {
    guard packetIdentifier != 0 else { throw .protocolError("packet identifier 0") }
    write(packetIdentifier)
  }

  mutating func write(binary: [UInt8]) throws(ProtocolError) {
    guard let length = UInt16(exactly: binary.count) else {
      throw .malformed("binary data is longer than 65,535 bytes")
    }
    write(length)
    bytes += binary
  }

  mutating func write(_ text: Text) {
    write(utf8: text.utf8)
  }

  /// Bytes that are known to be UTF-8 and no longer than 65,535 bytes: what Text, TopicName and TopicFilter hold.
  mutating func write(utf8: [UInt8]) {
    write(UInt16(truncatingIfNeeded: utf8.count))
    bytes += utf8
  }

  /// Bytes as they are.
  mutating func write(_ rest: [UInt8]) {
    bytes += rest
  }

  /// The list with its length; nothing in a version without properties.
  mutating func write(_ properties: Properties, for context: PropertyContext) throws(ProtocolError) {
    guard version.hasProperties else { return }
    try properties.check(for: context)
    try write(variableByteInteger: properties.bytes.count)
    bytes += properties.bytes
  }
}
