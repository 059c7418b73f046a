import MQTT
import Testing

@Suite("The packet decoder")
struct PacketDecoderTests {
  /// The flags that the specification's table 2-2 gives to each type; PUBLISH has its own.
  private static let flags: [UInt8: UInt8] = [
    1: 0, 2: 0, 4: 0, 5: 0, 6: 2, 7: 0, 8: 2, 9: 0, 10: 2, 11: 0, 12: 0, 13: 0, 14: 0, 15: 0,
  ]

  @Test(
    "[MQTT-2.1.3-1] refuses flags that a type does not have, with the first byte", arguments: ProtocolVersion.allCases)
  func refusesFlags(version: ProtocolVersion) {
    for byte in UInt8.min...UInt8.max where byte >> 4 != 3 {
      let isReserved = byte >> 4 == 0 || (byte >> 4 == 15 && version != .v5)
      // MQTT 3.1 marks PUBREL, SUBSCRIBE and UNSUBSCRIBE as sent again.
      let isDuplicate = version == .v31 && [0x6A, 0x8A, 0xAA].contains(byte)
      let isRight = !isReserved && (byte & 0x0F == Self.flags[byte >> 4] || isDuplicate)
      #expect((refusal([byte], version) == nil) == isRight, "\(byte)")
      if !isRight { #expect(refusal([byte], version) == .malformedPacket) }
    }
  }

  @Test("[MQTT-3.3.1-4] [MQTT-3.3.1-2] refuses QoS 3, and DUP with QoS 0", arguments: ProtocolVersion.allCases)
  func refusesPublishFlags(version: ProtocolVersion) {
    for flags in UInt8(0)..<16 {
      let bytes = packet(0x30 | flags, wire("0001 'a' 0001") + (version == .v5 ? [0] : []))
      let isRight = flags & 0b0110 != 0b0110 && flags & 0b1110 != 0b1000
      let expected: ReasonCode? = isRight ? nil : .malformedPacket
      if flags & 0b0110 == 0 && version == .v5 {
        // At QoS 0 the two bytes are property lengths.
        #expect(refusal(packet(0x30 | flags, wire("0001 'a' 00")), version) == expected, "\(flags)")
      } else {
        #expect(refusal(bytes, version) == expected, "\(flags)")
      }
    }
  }

  @Test("[MQTT-1.5.5-1] refuses lengths that take more bytes than they need on MQTT 5 and tolerates them on 3.x")
  func readsLengths() throws {
    for notation in ["c0 8000", "c0 808000", "c0 80808000", "40 8200 0001", "40 828000 0001"] {
      #expect(refusal(wire(notation), .v5) == .malformedPacket, "\(notation)")
      for version in [ProtocolVersion.v31, .v311] {
        var decoder = PacketDecoder(version: version)
        wire(notation).withUnsafeBytes { decoder.append($0) }
        let slice = try #require(try decoder.nextSlice())
        #expect(slice.tolerated == .lengthNotMinimal)
        #expect(slice.bytes.count == wire(notation).count)
      }
    }
  }

  @Test("refuses a length of five bytes, with the fourth", arguments: ProtocolVersion.allCases)
  func refusesLongLengths(version: ProtocolVersion) throws {
    #expect(refusal(wire("30 808080"), version) == nil)
    #expect(refusal(wire("30 80808080"), version) == .malformedPacket)
    #expect(refusal(wire("30 8080808001"), version) == .malformedPacket)
    #expect(refusal(wire("30 ffffffff7f"), version) == .malformedPacket)
  }

  @Test("[MQTT-3.1.2-24] refuses a packet above the maximum packet size before it has arrived")
  func refusesLargePackets() throws {
    var decoder = PacketDecoder(version: .v5, maximumPacketSize: 10)
    wire("30 08 0001 'a' 00 'abcd'").withUnsafeBytes { decoder.append($0) }
    #expect(try decoder.nextSlice()?.bytes.count == 10)
    wire("30 09").withUnsafeBytes { decoder.append($0) }
    #expect(throws: ProtocolError(.packetTooLarge, "PUBLISH of 11 bytes is more than the 10 that are accepted")) {
      try decoder.nextSlice()
    }
  }

  @Test("takes no memory for a length that is only promised")
  func growsWithWhatArrives() throws {
    var decoder = PacketDecoder(version: .v5)
    wire("30 ffffff7f 0001 'a'").withUnsafeBytes { decoder.append($0) }
    #expect(try decoder.nextSlice() == nil)
    var room = 0
    decoder.append(minimumCapacity: 1) { buffer in
      room = buffer.count
      return 0
    }
    #expect(room < 1_000)
    #expect(decoder.bufferedCount == 8)
  }

  @Test("keeps all slices of one append where they are")
  func slicesStayValid() throws {
    var decoder = PacketDecoder(version: .v311)
    let bytes = wire("30 04 0001 'a' '1'  30 04 0001 'b' '2'  30 04 0001 'c' '3'  30 04 0001")
    decoder.append(minimumCapacity: bytes.count) { buffer in
      buffer.copyBytes(from: bytes)
      return bytes.count
    }
    var slices: [PacketSlice] = []
    while let slice = try decoder.nextSlice() { slices.append(slice) }
    #expect(slices.map { Array($0.body) } == [wire("0001 'a1'"), wire("0001 'b2'"), wire("0001 'c3'")])
    #expect(decoder.bufferedCount == 4)
    wire("'d' '4'").withUnsafeBytes { decoder.append($0) }
    #expect(try decoder.nextSlice().map { Array($0.bytes) } == wire("30 04 0001 'd4'"))
  }

  @Test("stays at what it refused")
  func staysAtAnError() throws {
    var decoder = PacketDecoder(version: .v5)
    wire("d0 00 00 d0 00").withUnsafeBytes { decoder.append($0) }
    #expect(try decoder.nextPacket() == .pingresp)
    for _ in 0..<2 { #expect(throws: ProtocolError.self) { try decoder.nextSlice() } }
  }

  @Test("forgets everything when a new network connection begins")
  func forgetsOnReset() throws {
    var decoder = PacketDecoder(version: .v5)
    wire("30 20 0001").withUnsafeBytes { decoder.append($0) }
    #expect(try decoder.nextSlice() == nil)
    decoder.reset(version: .v311)
    #expect(decoder.bufferedCount == 0)
    #expect(decoder.version == .v311)
    wire("d0 00").withUnsafeBytes { decoder.append($0) }
    #expect(try decoder.nextPacket() == .pingresp)
  }
}

@Suite("Variable byte integers (1.5.5)")
struct VariableByteIntegerTests {
  @Test(
    "are those of table 1-1",
    arguments: [
      (0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (2_097_151, "ffff7f"),
      (2_097_152, "80808001"), (268_435_455, "ffffff7f"),
    ])
  func areRead(value: Int, notation: String) throws {
    try wire(notation).withUnsafeBytes { bytes throws in
      var reader = ByteReader(bytes, version: .v5)
      #expect(try reader.variableByteInteger() == value)
      #expect(reader.isAtEnd)
    }
  }

  @Test("reader throws where bytes end too early, and reads on from there")
  func readerEnds() throws {
    let bytes = wire("01 0002 00000003 8001 0001 'a' 00")
    try bytes.withUnsafeBytes { bytes throws in
      var reader = ByteReader(bytes, version: .v5)
      #expect(try reader.uint8() == 1)
      #expect(try reader.uint16() == 2)
      #expect(try reader.uint32() == 3)
      #expect(try reader.variableByteInteger() == 128)
      #expect(try reader.text() == "a")
      #expect(reader.remaining == 1)
      #expect(throws: ProtocolError.self) { try reader.uint16() }
      #expect(throws: ProtocolError.self) { try reader.uint32() }
      #expect(throws: ProtocolError.self) { try reader.bytes(2) }
      #expect(throws: ProtocolError.self) { try reader.bytes(-1) }
      #expect(Array(reader.rest()) == [0])
      #expect(throws: ProtocolError.self) { try reader.uint8() }
      #expect(throws: ProtocolError.self) { try reader.variableByteInteger() }
    }
    var empty = ByteReader(UnsafeRawBufferPointer(start: nil, count: 0), version: .v5)
    #expect(empty.isAtEnd)
    #expect(throws: ProtocolError.self) { try empty.uint8() }
    #expect(empty.rest().isEmpty)
  }
}
