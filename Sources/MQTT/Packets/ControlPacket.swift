/// The type of a control packet: the high four bits of its first byte (2.1.2).
public enum PacketType: UInt8, CaseIterable, Sendable, CustomStringConvertible {
  /// 1 to 15.
  case connect = 1, connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback, unsubscribe, unsuback,
    pingreq, pingresp, disconnect, auth

  /// The specification's name, as in `CONNACK`.
  public var description: String {
    switch self {
    case .connect: "CONNECT"
    case .connack: "CONNACK"
    case .publish: "PUBLISH"
    case .puback: "PUBACK"
    case .pubrec: "PUBREC"
    case .pubrel: "PUBREL"
    case .pubcomp: "PUBCOMP"
    case .subscribe: "SUBSCRIBE"
    case .suback: "SUBACK"
    case .unsubscribe: "UNSUBSCRIBE"
    case .unsuback: "UNSUBACK"
    case .pingreq: "PINGREQ"
    case .pingresp: "PINGRESP"
    case .disconnect: "DISCONNECT"
    case .auth: "AUTH"
    }
  }

  /// The low four bits of the first byte, which only PUBLISH is free to set (2.1.3).
  var flags: UInt8 {
    switch self {
    case .pubrel, .subscribe, .unsubscribe: 0b0010
    default: 0
    }
  }

  /// Where its properties stand.
  var propertyContext: PropertyContext {
    switch self {
    case .connect: .connect
    case .connack: .connack
    case .publish: .publish
    case .puback: .puback
    case .pubrec: .pubrec
    case .pubrel: .pubrel
    case .pubcomp: .pubcomp
    case .subscribe: .subscribe
    case .suback: .suback
    case .unsubscribe: .unsubscribe
    case .unsuback: .unsuback
    case .pingreq, .pingresp: []
    case .disconnect: .disconnect
    case .auth: .auth
    }
  }
}

/// One of MQTT's 15 control packets. They have MQTT 5's shape: on 3.x properties are empty and reason codes left out.
///
///     bit      7   6   5   4   3   2   1   0
///            ┌───────────────┬───────────────┐
///     byte 1 │  packet type  │     flags     │  fixed header (2.1.1)
///            ├───────────────┴───────────────┤
///     2…5    │       remaining length        │  variable byte integer: the bytes that follow
///            ├───────────────────────────────┤
///            │  variable header and payload  │  see the file of each packet
///            └───────────────────────────────┘
///
/// The hot path does not come here: see `MessageView` and `ByteQueue.appendPublish`.
public enum ControlPacket: Hashable, Sendable {
  case connect(ConnectPacket)
  case connack(ConnackPacket)
  case publish(PublishPacket)
  case puback(AcknowledgementPacket)
  case pubrec(AcknowledgementPacket)
  case pubrel(AcknowledgementPacket)
  case pubcomp(AcknowledgementPacket)
  case subscribe(SubscribePacket)
  case suback(SubackPacket)
  case unsubscribe(UnsubscribePacket)
  case unsuback(UnsubackPacket)
  case pingreq
  case pingresp
  case disconnect(DisconnectPacket)
  case auth(AuthPacket)

  /// An acknowledgement in the case of its type.
  public init(_ acknowledgement: AcknowledgementPacket) {
    switch acknowledgement.type {
    case .puback: self = .puback(acknowledgement)
    case .pubrec: self = .pubrec(acknowledgement)
    case .pubrel: self = .pubrel(acknowledgement)
    case .pubcomp: self = .pubcomp(acknowledgement)
    }
  }

  /// The packet's type.
  public var type: PacketType {
    switch self {
    case .connect: .connect
    case .connack: .connack
    case .publish: .publish
    case .puback: .puback
    case .pubrec: .pubrec
    case .pubrel: .pubrel
    case .pubcomp: .pubcomp
    case .subscribe: .subscribe
    case .suback: .suback
    case .unsubscribe: .unsubscribe
    case .unsuback: .unsuback
    case .pingreq: .pingreq
    case .pingresp: .pingresp
    case .disconnect: .disconnect
    case .auth: .auth
    }
  }

  // MARK: Encoding

  /// Appends the packet to the queue; the queue is left as it was when the packet says what MQTT does not allow.
  /// CONNECT is encoded as the version that it names itself.
  public func encode(as version: ProtocolVersion, to queue: inout ByteQueue) throws(ProtocolError) {
    var writer = ByteWriter(version: version)
    switch self {
    case .publish(let packet): return try packet.encode(as: version, to: &queue)
    case .puback(let packet), .pubrec(let packet), .pubrel(let packet), .pubcomp(let packet):
      guard packet.type.packetType == type else { throw .protocolError("\(packet.type.packetType) is not \(type)") }
      return try packet.encode(as: version, to: &queue)
    case .connect(let packet): try packet.write(to: &writer)
    case .connack(let packet): try packet.write(to: &writer)
    case .subscribe(let packet): try packet.write(to: &writer)
    case .suback(let packet): try packet.write(to: &writer)
    case .unsubscribe(let packet): try packet.write(to: &writer)
    case .unsuback(let packet): try packet.write(to: &writer)
    case .pingreq, .pingresp: break
    case .disconnect(let packet): try packet.write(to: &writer)
    case .auth(let packet): try packet.write(to: &writer)
    }
    try queue.append(type, body: writer.bytes)
  }

  // MARK: Decoding

  /// Decodes a whole packet, from a client or a server.
  public static func decode(_ packet: PacketSlice, version: ProtocolVersion) throws(ProtocolError) -> ControlPacket {
    var reader = ByteReader(packet.body, version: version)
    let decoded: ControlPacket
    switch packet.type {
    case .connect: decoded = .connect(try ConnectPacket(from: &reader))
    case .connack: decoded = .connack(try ConnackPacket(from: &reader))
    case .publish:
      let message = try MessageView.decode(flags: packet.flags, body: packet.body, version: version)
      return .publish(PublishPacket(message))
    case .puback: decoded = .puback(try AcknowledgementPacket(.puback, from: &reader))
    case .pubrec: decoded = .pubrec(try AcknowledgementPacket(.pubrec, from: &reader))
    case .pubrel: decoded = .pubrel(try AcknowledgementPacket(.pubrel, from: &reader))
    case .pubcomp: decoded = .pubcomp(try AcknowledgementPacket(.pubcomp, from: &reader))
    case .subscribe: decoded = .subscribe(try SubscribePacket(from: &reader))
    case .suback: decoded = .suback(try SubackPacket(from: &reader))
    case .unsubscribe: decoded = .unsubscribe(try UnsubscribePacket(from: &reader))
    case .unsuback: decoded = .unsuback(try UnsubackPacket(from: &reader))
    case .pingreq: decoded = .pingreq
    case .pingresp: decoded = .pingresp
    case .disconnect: decoded = .disconnect(try DisconnectPacket(from: &reader))
    case .auth: decoded = .auth(try AuthPacket(from: &reader))
    }
    guard reader.isAtEnd else { throw .malformed("\(packet.type) goes on behind its last field") }
    return decoded
  }
}

extension ByteQueue {
  /// Appends a packet whose body is known.
  mutating func append(_ type: PacketType, body: [UInt8]) throws(ProtocolError) {
    guard body.count <= VariableByteInteger.maximum else { throw Self.packetTooLarge(body.count) }
    var place = reserve(5 + body.count)
    let start = place
    Self.writeFixedHeader(type, flags: type.flags, remainingLength: body.count, at: &place)
    body.withUnsafeBytes { Self.write($0, at: &place) }
    commit(place - start)
  }

  static func packetTooLarge(_ remainingLength: Int) -> ProtocolError {
    .packetTooLarge("a packet of \(remainingLength) bytes is more than MQTT can say")
  }

  // MARK: Through a pointer into reserved memory

  @inline(__always)
  static func writeFixedHeader(
    _ type: PacketType, flags: UInt8, remainingLength: Int, at place: inout UnsafeMutableRawPointer
  ) {
    write(type.rawValue << 4 | flags, at: &place)
    write(variableByteInteger: remainingLength, at: &place)
  }

  @inline(__always)
  static func write(variableByteInteger value: Int, at place: inout UnsafeMutableRawPointer) {
    var rest = value
    while rest >= 0x80 {
      write(UInt8(truncatingIfNeeded: rest) | 0x80, at: &place)
      rest >>= 7
    }
    write(UInt8(truncatingIfNeeded: rest), at: &place)
  }

  @inline(__always)
  static func write<I: FixedWidthInteger & BitwiseCopyable>(_ number: I, at place: inout UnsafeMutableRawPointer) {
    place.storeBytes(of: number.bigEndian, as: I.self)
    place += MemoryLayout<I>.size
  }

  @inline(__always)
  static func write(_ bytes: UnsafeRawBufferPointer, at place: inout UnsafeMutableRawPointer) {
    guard let source = bytes.baseAddress else { return }
    place.copyMemory(from: source, byteCount: bytes.count)
    place += bytes.count
  }
}
