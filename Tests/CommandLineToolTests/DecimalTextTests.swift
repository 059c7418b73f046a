import Testing

@testable import CommandLineTool

/// How two texts compare as numbers; nil if one is none.
private func compare(_ one: String, _ other: String) -> Int? {
  bytes(one).withUnsafeBytes { one in
    bytes(other).withUnsafeBytes { other in
      guard let one = DecimalText(one), let other = DecimalText(other) else { return nil }
      return one.compare(with: other)
    }
  }
}

struct DecimalTextTests {
  @Test(
    "one value has many spellings",
    arguments: [
      ["0", "-0", "+0", "0.0", ".0", "0.", "000", "0e5", "-0.00e-99999999999999999999999"],
      ["1", "1.0", "01", "+1", "1.", "10e-1", "0.1e1", ".1E+1", "0.0001e4", "1e0", "1000000e-6", " 1\r\n\t"],
      ["1230", "1.23e3", "1230.000", "0.00123E6", "12300e-1"],
      ["-0.05", "-.05", "-5e-2", "-0.5e-1", "-00.0500"],
      ["9007199254740993", "9007199254740993.0", "9.007199254740993e15"],
      ["1e400", "10e399", "0.1e401", "1" + String(repeating: "0", count: 400)],
    ])
  func spellings(texts: [String]) {
    for one in texts { for other in texts { #expect(compare(one, other) == 0, "\(one), \(other)") } }
  }

  @Test("the order is that of the values, nothing is rounded")
  func order() {
    let texts = [
      "-1e401", "-1e400", "-100", "-99.5", "-10", "-9", "-1.5", "-1", "-0.1", "-0.05", "-1e-400", "0", "1e-400", "0.05",
      "0.0500000000000000000000000000001", "0.1", "0.9", "1", "1.05", "1.5", "9", "9.99", "10", "99.5", "100", "101",
      "9007199254740992", "9007199254740993", "123456789012345678901234567890", "123456789012345678901234567891",
      "1e400",
      "1e401",
    ]
    for (index, one) in texts.enumerated() {
      for (otherIndex, other) in texts.enumerated() {
        #expect(compare(one, other) == (index - otherIndex).signum(), "\(one), \(other)")
      }
    }
  }

  @Test("exponents without end do no harm")
  func hugeExponents() {
    #expect(compare("1e99999999999999999999999999", "2") == 1)
    #expect(compare("1e-99999999999999999999999999", "2") == -1)
    #expect(compare("-1e99999999999999999999999999", "2") == -1)
  }

  @Test(
    "other text is no number",
    arguments: [
      "", " ", "-", "+", ".", "e5", ".e5", "1e", "1e+", "1e5.0", "1,5", "1 2", "--1", "+-1", "0x10", "1_000", "1a",
      "NaN", "inf", "\u{0}1", "1\u{0}", "1.2.3", "１",
    ])
  func noNumbers(text: String) {
    #expect(compare(text, "1") == nil)
  }
}
