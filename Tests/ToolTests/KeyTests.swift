import Testing

@testable import mqsub

struct KeyTests {
  private func keys(_ pieces: [String]) -> [Key] {
    var reader = KeyReader()
    var keys: [Key] = []
    for piece in pieces {
      reader.append(Array(piece.utf8))
      while let key = reader.next() { keys.append(key) }
    }
    while let key = reader.next(isComplete: true) { keys.append(key) }
    return keys
  }

  static let known: [(String, [Key])] = [
    ("q", [.character("q")]), ("é€😀", [.character("é"), .character("€"), .character("😀")]),
    ("\u{1b}[A\u{1b}[B\u{1b}[C\u{1b}[D", [.up, .down, .right, .left]),
    ("\u{1b}OA\u{1b}OB\u{1b}OC\u{1b}OD", [.up, .down, .right, .left]),
    (
      "\u{1b}[H\u{1b}[F\u{1b}OH\u{1b}OF\u{1b}[1~\u{1b}[4~\u{1b}[7~\u{1b}[8~",
      [.home, .end, .home, .end, .home, .end, .home, .end]
    ),
    ("\u{1b}[5~\u{1b}[6~", [.pageUp, .pageDown]), ("\r\n\u{7f}\u{8}", [.enter, .enter, .backspace, .backspace]),
    ("\u{1b}", [.escape]), ("\u{1b}q", [.escape, .character("q")]), ("\u{1b}\u{1b}[A", [.escape, .up]),
    // Keys that mean nothing here leave no rubbish behind: F5, Delete, Ctrl-Right.
    ("\u{1b}[15~\u{1b}[3~x", [.character("x")]), ("\u{1b}[1;5C", [.right]),
  ]

  @Test("what a terminal sends becomes keys, in one piece or byte by byte", arguments: known)
  func sequences(text: String, expected: [Key]) {
    #expect(keys([text]) == expected)
    var reader = KeyReader()
    var found: [Key] = []
    for byte in text.utf8 {
      reader.append([byte])
      while let key = reader.next() { found.append(key) }
    }
    while let key = reader.next(isComplete: true) { found.append(key) }
    #expect(found == expected)
  }

  @Test("bytes that are no UTF-8 are no keys")
  func invalid() {
    var reader = KeyReader()
    reader.append([0xFF, 0x80, 0x61])
    #expect(reader.next() == .character("a"))
    #expect(reader.next() == nil)
    #expect(!reader.isWaiting)
  }
}

struct ShortTextTests {
  @Test("figures keep to their columns")
  func figures() {
    #expect(
      [0, 7, 999, 1_000, 12_345, 1_234_567].map(ShortText.grouped) == ["0", "7", "999", "1,000", "12,345", "1,234,567"])
    #expect(
      [0, 999_999, 1_000_000, 9_994_000, 9_995_000, 99_949_999, 99_950_000, 999_499_999, 999_500_000, .max].map(
        ShortText.count)
        == ["0", "999999", "1.00M", "9.99M", "10.0M", "99.9M", "100M", "999M", "1.00G", "9.22E"])
    #expect([0, 999, 1_000, 1_006, 87_000].map(ShortText.bytes) == ["0", "999", "1.00k", "1.01k", "87.0k"])
    #expect(
      [0, 0.04, 0.05, 0.2, 9.96, 99.9, 99.96, 46_169, 2e6].map(ShortText.rate)
        == ["", "", "0.1", "0.2", "10.0", "99.9", "100", "46169", "2.00M"])
    #expect(
      [-1, 0, 59, 60, 3_599, 3_600, 86_399, 86_400].map { ShortText.age(.seconds($0)) }
        == ["0s", "0s", "59s", "1m", "59m", "1h", "23h", "1d"])
  }
}
