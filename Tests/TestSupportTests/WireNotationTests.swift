import Testing

@testable import TestSupport

@Suite struct WireNotationTests {
  static let rows: [(WireNotation, [UInt8])] = [
    ("", []),
    ("d0 00", [0xd0, 0x00]),
    ("0004 FFfe", [0x00, 0x04, 0xff, 0xfe]),
    ("m1 m65535", [0x00, 0x01, 0xff, 0xff]),
    ("n60 N300", [0x00, 0x3c, 0x00, 0x00, 0x01, 0x2c]),
    ("r0 r127 r128", [0x00, 0x7f, 0x80, 0x01]),
    ("v16383 v16384 v268435455", [0xff, 0x7f, 0x80, 0x80, 0x01, 0xff, 0xff, 0xff, 0x7f]),
    ("s9 'abc'", [0x00, 0x09, 0x61, 0x62, 0x63]),
    ("s* 'abc'", [0x00, 0x03, 0x61, 0x62, 0x63]),
    ("'é'", [0xc3, 0xa9]),
    ("s* '' 'it''s' ''''", [0x00, 0x00, 0x69, 0x74, 0x27, 0x73, 0x27]),
    ("20 r* 00 00", [0x20, 0x02, 0x00, 0x00]),
    (
      "32 r16 s5 'topic' m1 'payload'",
      [
        0x32, 0x10, 0x00, 0x05, 0x74, 0x6f, 0x70, 0x69, 0x63, 0x00, 0x01, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
      ]
    ),
    ("20 r* 00 00 []", [0x20, 0x03, 0x00, 0x00, 0x00]),
    ("20 r* 00 00 [ 21 n20 22 n10 ]", [0x20, 0x09, 0x00, 0x00, 0x06, 0x21, 0x00, 0x14, 0x22, 0x00, 0x0a]),
    ("40 r* m1 | c0 r*|40 r* m2", [0x40, 0x02, 0x00, 0x01, 0xc0, 0x00, 0x40, 0x02, 0x00, 0x02]),
  ]

  @Test("[MQTT5 §1.5] a notation stands for its bytes", arguments: rows)
  func notationStandsForBytes(notation: WireNotation, bytes: [UInt8]) {
    Expect.bytes(wire(notation), bytes)
  }

  @Test func variableByteIntegerLengthsFollowTheTable() {
    // MQTT 5 table 1-1: the least and the greatest value of each size.
    for (value, size) in [
      (0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (2_097_151, 3), (2_097_152, 4), (268_435_455, 4),
    ] {
      let bytes = variableByteIntegerBytes(value)
      #expect(bytes.count == size)
      #expect(variableByteInteger(bytes[...])?.value == value)
      #expect(variableByteInteger(bytes.dropLast()) == nil)
    }
    #expect(variableByteInteger([0x80, 0x80, 0x80, 0x80, 0x01]) == nil)
  }

  @Test func interpolationWritesIdentifiers() {
    let identifier = 513
    Expect.bytes(wire("62 r2 m\(identifier)"), [0x62, 0x02, 0x02, 0x01])
  }

  @Test(arguments: ["3", "xy", "s*", "s* m1", "'open", "[ 21", "] 00", "m65536", "r268435456", "n", "m*"])
  func whatCannotBeReadIsAFault(text: String) {
    #expect(WireNotation(text).fault != nil)
  }

  @Test func anOpenNotationHasNoBytes() {
    #expect(WireNotation("32 r* s? m? ...").bytes == nil)
    withKnownIssue { _ = wire("..") }
    withKnownIssue { _ = wire("zz") }
  }

  @Test(arguments: [
    "32 r16 s5 'topic' m1 'payload'", "32 r? s? m? ...", "32 r* s* 'topic' m? 'payload'", "32 .. ...",
    "32 r* s? m1 'pay' .. 'oad'",
  ])
  func openNotationsMatch(notation: WireNotation) {
    #expect(notation.compare(with: [wire("32 r16 s5 'topic' m1 'payload'")]) == .matches)
  }

  @Test func aMismatchNamesTheFirstByteThatDiffers() {
    let packet = wire("32 r16 s5 'topic' m1 'payload'")
    #expect(
      WireNotation("32 r16 s5 'topik' m1 'payload'").compare(with: [packet])
        == .differs(at: 8, "expected 6b, received 63"))
    #expect(WireNotation("32 r16 s5").compare(with: [packet]) == .differs(at: 4, "14 bytes more than expected"))
    #expect(WireNotation("\(WireNotation.describe(packet)) 00").compare(with: [packet]) == .needsAnotherPacket)
  }

  @Test func severalPacketsMatchOneNotation() {
    let notation: WireNotation = "30 ... | 32 r* s* 'b' m? ..."
    let first = wire("30 r* s* 'a' 'x'")
    #expect(notation.compare(with: [first]) == .needsAnotherPacket)
    #expect(notation.compare(with: [first, wire("32 r* s* 'b' m7 'y'")]) == .matches)
    #expect(
      notation.compare(with: [first, wire("32 r* s* 'c' m7 'y'")]) == .differs(at: 10, "expected 62, received 63"))
  }

  @Test func restMayBeEmpty() {
    #expect(WireNotation("d0 00 ...").compare(with: [[0xd0, 0x00]]) == .matches)
  }

  @Test func descriptionsReadWell() {
    #expect(
      WireNotation.describe(wire("32 r* s* 'topic' m1 'pay' 00 'load' | c0 00"))
        == "32 r17 s5 'topic' m1 'pay' 00 'load' | c0 r0")
    #expect(WireNotation.describe(wire("82 r* m9 s* 'a/b' 01")) == "82 r8 m9 s3 'a/b' 01")
    #expect(
      WireNotation.describe(wire("10 r* s* 'MQTT' 04 02 n60 s* 'it''s'")) == "10 r16 s4 'MQTT' 04 02 00 3c s4 'it''s'")
    #expect(WireNotation.describe(wire("30 r* s* 't' 'payload'"), limit: 8) == "30 r10 s1 't' 'pay' … and 4 bytes more")
  }

  @Test func everyDescriptionStandsForItsBytes() {
    var random = SplitMix(state: 42)
    for _ in 0..<2_000 {
      var bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      // Every other one is made to look more like a packet.
      if bytes.count > 4, bytes[0] & 1 == 0 { bytes[1] = UInt8(bytes.count - 2) }
      if bytes.count > 4, bytes[0] & 2 == 0 { (bytes[2], bytes[3]) = (0, bytes[3] & 7) }
      Expect.bytes(wire(WireNotation(WireNotation.describe(bytes))), bytes, "\(WireNotation.describe(bytes))")
    }
  }
}
