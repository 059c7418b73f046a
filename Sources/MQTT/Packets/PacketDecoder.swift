/// A whole packet in the receive buffer, not decoded yet. It is valid until the decoder's next `append` or `reset`.
public struct PacketSlice {
  /// The packet's type.
  public var type: PacketType
  /// The low four bits of the first byte.
  public var flags: UInt8
  /// All bytes behind the fixed header.
  public var body: UnsafeRawBufferPointer
  /// All bytes, with the fixed header.
  public var bytes: UnsafeRawBufferPointer
  /// What its fixed header did that is tolerated.
  public var tolerated: Tolerance?
}

/// Cuts what a network connection received into control packets.
///
/// The buffer grows with what arrives, never with what a remaining length promises.
public struct PacketDecoder: ~Copyable, Sendable {
  /// The version whose rules the fixed headers follow.
  public private(set) var version: ProtocolVersion
  /// The largest packet that is accepted, in bytes, its fixed header counted.
  public var maximumPacketSize: Int
  private var received = ByteQueue()
  /// How much of `received` was handed out; it is consumed with the next append, so that slices stay where they are.
  private var handedOut = 0

  /// A decoder for a new network connection. The default is the largest packet that MQTT knows.
  public init(version: ProtocolVersion, maximumPacketSize: Int = 268_435_460) {
    self.version = version
    self.maximumPacketSize = maximumPacketSize
  }

  /// How many bytes were received and not handed out yet.
  public var bufferedCount: Int { received.count - handedOut }

  /// Takes in received bytes.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    consumeHandedOut()
    received.append(bytes)
  }

  /// Lets `body` write received bytes straight into the buffer, at least `minimumCapacity` of them; it returns how many
  /// it wrote.
  public mutating func append<E: Error>(
    minimumCapacity: Int, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) {
    consumeHandedOut()
    try received.append(minimumCapacity: minimumCapacity, body)
  }

  /// Starts again for a new network connection.
  public mutating func reset(version: ProtocolVersion) {
    self.version = version
    received.removeAll()
    handedOut = 0
  }

  private mutating func consumeHandedOut() {
    received.consume(handedOut)
    handedOut = 0
  }

  /// The next whole packet, or nil until more has been received. It borrows the receive buffer until the next append.
  ///
  /// Throws what is wrong with the fixed header as soon as it can be seen; the decoder stays there.
  public mutating func nextSlice() throws(ProtocolError) -> PacketSlice? {
    let available = received.count &- handedOut
    guard available > 0, let start = received.bytes.baseAddress.map({ $0 + handedOut }) else { return nil }
    let (type, flags) = try fixedHeader(start.load(as: UInt8.self))
    let afterType = UnsafeRawBufferPointer(start: start + 1, count: available &- 1)
    guard let length = try VariableByteInteger(prefixOf: afterType) else { return nil }
    guard length.isMinimal || !version.requiresMinimalLengths else { throw VariableByteInteger.notMinimal }
    let headerSize = 1 &+ length.size
    let size = headerSize &+ length.value
    guard size <= maximumPacketSize else {
      throw .packetTooLarge("\(type) of \(size) bytes is more than the \(maximumPacketSize) that are accepted")
    }
    guard size <= available else { return nil }
    handedOut &+= size
    return PacketSlice(
      type: type, flags: flags, body: UnsafeRawBufferPointer(start: start + headerSize, count: length.value),
      bytes: UnsafeRawBufferPointer(start: start, count: size), tolerated: length.isMinimal ? nil : .lengthNotMinimal)
  }

  /// The next whole packet, decoded.
  public mutating func nextPacket() throws(ProtocolError) -> ControlPacket? {
    guard let slice = try nextSlice() else { return nil }
    return try ControlPacket.decode(slice, version: version)
  }

  /// Type and flags of a packet's first byte (2.1.2, 2.1.3) [MQTT-2.1.3-1].
  @inline(__always)
  private func fixedHeader(_ byte: UInt8) throws(ProtocolError) -> (PacketType, UInt8) {
    guard let type = PacketType(rawValue: byte >> 4), type != .auth || version.hasAuthentication else {
      throw .malformed("packet type \(byte >> 4) is reserved")
    }
    let flags = byte & 0x0F
    // PUBLISH checks its own.
    guard type == .publish || flags == type.flags || isDuplicate(type, flags) else {
      throw .malformed("\(type) has flags \(flags)")
    }
    return (type, flags)
  }

  private func isDuplicate(_ type: PacketType, _ flags: UInt8) -> Bool {
    version.hasDuplicateFlagBeyondPublish && type.flags != 0 && flags == type.flags | 0b1000
  }
}
