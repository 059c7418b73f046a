import MQTT
import Testing

private func isText(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { Text.isValid($0) } }

@Suite("Text")
struct TextTests {
  static let wellFormed = [
    "", "61", "'ASCII text, longer than eight bytes'", "7f", "01", "1f", "c280", "dfbf", "e0a080", "e1bfbf", "ed9fbf",
    "ee8080", "efbfbd", "f0908080", "f48fbfbf", "41 c3a9", "'1234567' c3a9", "'12345678' c3a9", "efbbbf 41",
  ]

  @Test("[MQTT-1.5.4-1] is UTF-8", arguments: wellFormed)
  func takesUTF8(notation: String) throws {
    #expect(try Text(utf8: wire(notation)).utf8 == wire(notation))
    #expect(isText(wire(notation)))
  }

  @Test("may hold noncharacters (1.5.4)", arguments: ["efbfbe", "efbfbf", "efb790", "f09fbfbf", "f48fbfbe"])
  func takesNoncharacters(notation: String) {
    #expect(isText(wire(notation)))
  }

  @Test(
    "[MQTT-1.5.4-1] is refused when it is not UTF-8",
    arguments: [
      "80", "bf", "c0", "c080", "c1bf", "c2", "c27f", "c2c0", "e0", "e080", "e09f80", "e0a0", "e0a07f", "e28228a1",
      "ed", "f0", "f08080", "f0808080", "f08fbfbf", "f090", "f09080", "f0908041", "f4908080", "f5808080", "f8888080",
      "fe", "ff", "'12345678' ff", "'1234567890' c3", "c3a9 c3", "'abc' e282",
    ])
  func refusesOtherBytes(notation: String) {
    #expect(!isText(wire(notation)))
    #expect(throws: ProtocolError.self) { try Text(utf8: wire(notation)) }
  }

  @Test("[MQTT-1.5.4-1] holds no surrogates", arguments: ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbfbf"])
  func refusesSurrogates(notation: String) {
    #expect(!isText(wire(notation)))
  }

  @Test("[MQTT-1.5.4-2] holds no U+0000, wherever it stands")
  func refusesNull() {
    for count in 1...40 {
      for index in 0..<count {
        var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: count)
        #expect(isText(bytes))
        bytes[index] = 0
        #expect(!isText(bytes), "\(index) of \(count)")
        bytes[index] = 0x80
        #expect(!isText(bytes), "\(index) of \(count)")
        bytes[index] = 1
        #expect(isText(bytes))
      }
    }
  }

  @Test("is checked as the standard library checks it: all pairs, and what borders on the rules, wherever it stands")
  func agreesWithTheStandardLibrary() {
    func check(_ bytes: [UInt8]) {
      let expected = String(validating: bytes, as: UTF8.self) != nil && !bytes.contains(0)
      if isText(bytes) != expected { Issue.record("\(hex(bytes)) is \(expected ? "" : "not ")UTF-8") }
    }
    for first in UInt8.min...UInt8.max {
      for second in UInt8.min...UInt8.max { check([first, second]) }
    }
    let borders: [UInt8] = [0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
    for first in UInt8(0xC0)...0xFF {
      for second in borders {
        for third in borders {
          check([first, second, third])
          for fourth in borders { check([0x41, first, second, third, fourth]) }
          check(Array("12345".utf8) + [first, second, third] + Array("1234567".utf8))
        }
      }
    }
  }

  @Test("is compared byte by byte: é has two spellings")
  func comparesBytes() {
    let (composed, decomposed) = (Text("\u{E9}"), Text("e\u{301}"))
    #expect(composed != decomposed)
    #expect("\u{E9}" == "e\u{301}")
  }

  @Test("is at most 65,535 bytes long")
  func isLimited() throws {
    #expect(try Text(String(repeating: "a", count: 65_535)).utf8.count == 65_535)
    #expect(throws: ProtocolError.self) { try Text(String(repeating: "a", count: 65_536)) }
  }
}
