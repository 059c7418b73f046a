import MQTT
import Testing

@Suite("Each packet of the table")
struct PacketTableTests {
  @Test("the table has all 15 packets")
  func theTableIsComplete() {
    for version in ProtocolVersion.allCases {
      let types = Set(packetTable.filter { $0.versions.contains(version) }.map { $0.packet.type })
      #expect(types.count == (version.hasAuthentication ? 15 : 14), "\(version)")
    }
  }

  @Test("is encoded as its bytes", arguments: packetTable.filter { !$0.isDecodedOnly })
  func isEncoded(row: PacketRow) throws {
    for version in row.versions {
      #expect(hex(try encode(row.packet, version)) == hex(row.bytes), "\(version)")
    }
  }

  @Test("is decoded from its bytes", arguments: packetTable)
  func isDecoded(row: PacketRow) throws {
    for version in row.versions {
      #expect(try decode(row.bytes, version) == row.packet, "\(version)")
    }
  }

  @Test("is decoded from single bytes, with the last one", arguments: packetTable)
  func isDecodedFromSingleBytes(row: PacketRow) throws {
    for version in row.versions {
      var decoder = PacketDecoder(version: version)
      for (index, byte) in row.bytes.enumerated() {
        withUnsafeBytes(of: byte) { decoder.append($0) }
        let packet = try decoder.nextPacket()
        #expect(packet == (index == row.bytes.count - 1 ? row.packet : nil), "\(version), byte \(index)")
      }
      #expect(decoder.bufferedCount == 0)
    }
  }

  @Test("is decoded wherever two receives split it, with a packet before and behind it", arguments: packetTable)
  func isDecodedWhereverItIsSplit(row: PacketRow) throws {
    for version in row.versions {
      let bytes = wire("d0 00") + row.bytes + wire("c0 00")
      for split in 0...bytes.count {
        var decoder = PacketDecoder(version: version)
        var packets: [ControlPacket] = []
        for part in [bytes[..<split], bytes[split...]] {
          part.withUnsafeBytes { decoder.append($0) }
          while let packet = try decoder.nextPacket() { packets.append(packet) }
        }
        #expect(packets == [.pingresp, row.packet, .pingreq], "\(version), split at \(split)")
      }
    }
  }

  @Test("is not decoded when a byte at its end is missing and the length says so", arguments: packetTable)
  func isNotDecodedWhenItsBodyIsCut(row: PacketRow) throws {
    for version in row.versions where row.bytes[1] < 0x80 {
      for length in 0..<Int(row.bytes[1]) {
        let cut = packet(row.bytes[0], Array(row.bytes[2..<(2 + length)]))
        if let decoded = try? decode(cut, version), !row.isDecodedOnly {
          #expect(decoded != row.packet, "\(version), body of \(length)")
        }
      }
    }
  }

  @Test("is refused when a byte follows its last field", arguments: packetTable)
  func isRefusedWithTrailingBytes(row: PacketRow) {
    // A payload takes all the rest; so do lists of reason codes.
    let takesTheRest: Set<PacketType> = [.publish, .suback]
    for version in row.versions where row.bytes[1] < 0x7F && !takesTheRest.contains(row.packet.type) {
      var longer = row.bytes + [0x00]
      longer[1] += 1
      switch (row.packet, row.bytes.count) {
      case (.unsuback, _) where version.hasReasonCodes: continue
      // The form of 3.x becomes that of MQTT 5.
      case (.connack(let packet), _) where version.hasReasonCodes && packet.returnCode != nil: continue
      // The short forms: the byte is a reason code, or the length of no properties.
      case (.puback, 4...5), (.pubrec, 4...5), (.pubrel, 4...5), (.pubcomp, 4...5), (.disconnect, 2...3):
        if version.hasReasonCodes { continue }
      default: break
      }
      #expect(refusal(longer, version) == .malformedPacket, "\(version) \(hex(longer))")
    }
  }

  @Test("does not trap with any byte changed, and what is decoded then can be encoded and decoded again")
  func survivesMutations() {
    for row in packetTable where row.bytes.count < 100 {
      for version in row.versions {
        var bytes = row.bytes
        for index in bytes.indices {
          let original = bytes[index]
          for value in UInt8.min...UInt8.max {
            bytes[index] = value
            checkRoundTrip(bytes, version)
          }
          bytes[index] = original
        }
      }
    }
  }

  @Test("200,000 random packets do not trap, and what is decoded can be encoded and decoded again")
  func survivesRandomBytes() {
    var random = SeededGenerator(state: 2026)
    // Lengths and identifiers are small numbers; random ones would seldom get beyond the first field.
    let likely = wire("00 00 00 01 02 03 04 05 11 15 16 21 23 24 26 0b 1f 27 2b 2f 61 80 ff") + Array("MQTT".utf8)
    for round in 0..<200_000 {
      let version = ProtocolVersion.allCases[round % 3]
      let length = Int.random(in: 0..<40, using: &random)
      var bytes: [UInt8] = [UInt8.random(in: .min ... .max, using: &random), UInt8(length)]
      for _ in 0..<length {
        let byte =
          Bool.random(using: &random)
          ? likely.randomElement(using: &random)! : UInt8.random(in: .min ... .max, using: &random)
        bytes.append(byte)
      }
      if round.isMultiple(of: 7), bytes.count > 1 { bytes[1] = UInt8.random(in: .min ... .max, using: &random) }
      checkRoundTrip(bytes, version)
    }
  }

  private func checkRoundTrip(_ bytes: [UInt8], _ version: ProtocolVersion) {
    guard let packet = try? decode(bytes, version) else { return }
    var written = version
    if case .connect(let connect) = packet { written = connect.protocolVersion }
    // Not all that is decoded may be written: a tolerated wildcard, say.
    guard let encoded = try? encode(packet, written) else { return }
    guard let again = try? decode(encoded, written), again == packet else {
      Issue.record("\(version): \(hex(bytes)) decodes, and \(hex(encoded)) does not decode to the same")
      return
    }
  }
}
