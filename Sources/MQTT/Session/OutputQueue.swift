/// Control packets on their way to the network, whole ones only: a packet leaves the queue when its last byte was taken.
///
/// Because the front is always a packet's first byte, what a broken connection left unsent can be told apart: a QoS 0
/// publish that the system never took whole was not delivered, and is kept for the next connection.
struct OutputQueue: ~Copyable, Sendable {
  private var packets = ByteQueue()
  /// Bytes at the front that the network has taken already; less than the front packet's length unless all is taken.
  private var taken = 0
  /// Bytes at the front that the observer has seen.
  private var observed = 0

  /// Bytes not yet taken by the network.
  var count: Int { packets.count - taken }

  /// QoS 0 publishes in it.
  var publishCount: Int { packets.withBytes(Self.publishCount) }

  /// Lets `write` append packets at the back.
  mutating func append<R, E: Error>(_ write: (inout ByteQueue) throws(E) -> R) throws(E) -> R {
    try write(&packets)
  }

  /// What the network may take now.
  func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    let taken = taken
    return try packets.withBytes { (bytes) throws(E) in try body(UnsafeRawBufferPointer(rebasing: bytes[taken...])) }
  }

  /// The network took `count` bytes more.
  mutating func consume(_ count: Int) {
    taken += count
    precondition(taken <= packets.count)
    var whole = taken
    if taken < packets.count {
      // Only a socket that is full leads here: find the border of the packet that was cut.
      whole = 0
      let taken = taken
      packets.withBytes { bytes in
        while let length = Self.packetLength(bytes, at: whole), whole + length <= taken { whole += length }
      }
    }
    packets.consume(whole)
    taken -= whole
    observed = max(0, observed - whole)
  }

  /// Shows every packet that was not shown yet.
  mutating func observe(_ observer: (UnsafeRawBufferPointer) -> Void) {
    var offset = observed
    packets.withBytes { bytes in
      while let length = Self.packetLength(bytes, at: offset) {
        observer(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]))
        offset += length
      }
    }
    observed = offset
  }

  /// The network connection is gone: empties the queue, and moves QoS 0 publishes that were not taken whole to `unsent`.
  ///
  /// All other packets are made anew by the session, or are void with the connection.
  mutating func connectionClosed(keepingPublishesIn unsent: inout ByteQueue) {
    var kept = ByteQueue()
    packets.withBytes { bytes in
      var offset = 0
      while let length = Self.packetLength(bytes, at: offset) {
        if Self.isAtMostOnce(bytes[offset]) {
          kept.append(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]))
        }
        offset += length
      }
    }
    // Those kept from an earlier connection, and not even queued on this one, are younger than what was queued.
    unsent.withBytes { bytes in kept.append(bytes) }
    unsent = kept
    packets.removeAll()
    taken = 0
    observed = 0
  }

  // MARK: - Packets of our own, which need no checking

  /// Length of the packet that begins at `offset`; nil at the end.
  static func packetLength(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int? {
    guard offset < bytes.count else { return nil }
    let (headerSize, remainingLength) = fixedHeader(bytes, at: offset)
    return headerSize + remainingLength
  }

  /// QoS 0 publishes among packets.
  static func publishCount(_ bytes: UnsafeRawBufferPointer) -> Int {
    var (count, offset) = (0, 0)
    while let length = packetLength(bytes, at: offset) {
      if isAtMostOnce(bytes[offset]) { count += 1 }
      offset += length
    }
    return count
  }

  /// Whether a packet with this first byte is a PUBLISH of QoS 0.
  private static func isAtMostOnce(_ firstByte: UInt8) -> Bool { firstByte & 0xF6 == 0x30 }

  /// The message in a PUBLISH.
  static func message(_ packet: UnsafeRawBufferPointer, version: ProtocolVersion) -> MessageView? {
    let body = UnsafeRawBufferPointer(rebasing: packet[fixedHeader(packet, at: 0).size...])
    return try? MessageView.decode(flags: packet[0] & 0x0F, body: body, version: version)
  }

  private static func fixedHeader(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> (size: Int, remainingLength: Int)
  {
    var length = 0
    var shift = 0
    var index = offset + 1
    while true {
      let byte = Int(bytes[index])
      length |= (byte & 0x7F) << shift
      index += 1
      shift += 7
      if byte & 0x80 == 0 { return (index - offset, length) }
    }
  }
}
