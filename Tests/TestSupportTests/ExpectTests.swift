import Testing

@testable import TestSupport

@Suite struct ExpectTests {
  @Test func equalBytesAreNoIssue() {
    #expect(Expect.bytes([1, 2, 3], [1, 2, 3][...]))
    #expect(Expect.text([0x68, 0x69], "hi"))
  }

  @Test func textIsComparedAsBytes() {
    // "é" composed and decomposed are equal Strings and different bytes.
    withKnownIssue { Expect.text([0x65, 0xcc, 0x81], "\u{e9}") }
  }

  @Test func aDifferenceIsShownWithoutTheWholeArrays() throws {
    var got = [UInt8](repeating: 0x61, count: 300_000)
    let expected = got
    got[1_000] = 0x62
    let explanation = try #require(Expect.difference(got, expected))
    #expect(explanation.contains("got 300000 bytes, expected 300000; first difference at offset 1000"))
    #expect(explanation.contains("61 >62 61"))
    #expect(explanation.utf8.count < 600)
  }

  @Test func aMissingTailIsShown() throws {
    let explanation = try #require(Expect.difference([0x61], [0x61, 0x62]))
    #expect(explanation.contains("got:      61 >end"))
    #expect(explanation.contains("expected: 61 >62"))
  }

  @Test func eventuallyAsksAgain() {
    var asked = 0
    #expect(
      Expect.eventually {
        asked += 1
        return asked == 3
      })
    withKnownIssue { Expect.eventually(within: .milliseconds(10)) { false } }
  }
}
