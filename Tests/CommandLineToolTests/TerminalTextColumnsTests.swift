import CommandLineTool
import Testing

struct TerminalTextColumnsTests {
  private func shown(_ text: String, _ columns: Int) -> (text: String, columns: Int) {
    var used = 0
    let result = outputText { output in
      Array(text.utf8).withUnsafeBytes { used = TerminalText.append($0, columns: columns, to: &output) }
    }
    return (result, used)
  }

  @Test(
    "what does not fit is cut, and says so",
    arguments: [
      ("", 3, "", 0), ("abc", 3, "abc", 3), ("abcd", 3, "ab…", 3), ("abc", 1, "…", 1), ("abc", 0, "", 0),
      // Cut between characters: a wide one is never halved, an escape sequence neither.
      ("日本語", 6, "日本語", 6), ("日本語", 5, "日本…", 5), ("日本語", 4, "日…", 3), ("日本語", 2, "…", 1),
      ("a\nb", 4, "a\\nb", 4), ("a\nb", 3, "a…", 2), ("\u{1b}[2J", 7, "\\x1B[2J", 7), ("\u{1b}[2J", 6, "\\x1B[…", 6),
      ("\u{202e}x", 9, "\\u{202E}x", 9), ("\u{202e}x", 8, "…", 1),
      // An accent belongs to its letter.
      ("e\u{301}e", 2, "e\u{301}e", 2), ("e\u{301}ee", 2, "e\u{301}…", 2), ("x\u{200d}y", 2, "x\u{200d}y", 2),
      ("😀😀", 4, "😀😀", 4), ("😀😀", 3, "😀…", 3), ("21.5 °C", 7, "21.5 °C", 7), ("한글", 4, "한글", 4),
    ])
  func cut(text: String, columns: Int, expected: String, used: Int) {
    let result = shown(text, columns)
    #expect(Array(result.text.utf8) == Array(expected.utf8))
    #expect(result.columns == used)
  }

  @Test("bytes that are no UTF-8 take four columns each")
  func invalid() {
    [UInt8]([0xFF, 0xC3]).withUnsafeBytes {
      #expect(TerminalText.prefix(of: $0, columns: 8) == (2, 8))
      #expect(TerminalText.prefix(of: $0, columns: 7) == (1, 4))
    }
  }

  @Test("accents without end are cut")
  func accents() {
    let result = shown("a" + String(repeating: "\u{301}", count: 10_000), 10)
    #expect(result.text.utf8.count < 100)
    #expect(result.text.utf8.suffix(3).elementsEqual("…".utf8))
  }
}
