import CommandLineTool
import Testing

struct TerminalTextTests {
  @Test(
    "what could steer a terminal is shown, not sent",
    arguments: [
      ("plain text ~ 21.5 °C µ 日本 😀", "plain text ~ 21.5 °C µ 日本 😀"),
      ("", ""), ("a\nb\r\tc", "a\\nb\\r\\tc"), ("\u{0}\u{7}\u{1B}[2J\u{7F}", "\\x00\\x07\\x1B[2J\\x7F"),
      ("\u{80}\u{9B}\u{9F}\u{A0}", "\\u{0080}\\u{009B}\\u{009F}\u{A0}"),
      ("\u{202A}\u{202E}\u{2066}\u{2069}", "\\u{202A}\\u{202E}\\u{2066}\\u{2069}"),
      ("\u{200E}\u{200F}\u{061C}", "\\u{200E}\\u{200F}\\u{061C}"),
      ("\u{2029}\u{202F}\u{2065}\u{206A}\u{200D}", "\u{2029}\u{202F}\u{2065}\u{206A}\u{200D}"),
      ("C:\\new", "C:\\new"),
    ])
  func steering(text: String, shown: String) {
    #expect(Array(outputText { TerminalText.append(text, to: &$0) }.utf8) == Array(shown.utf8))
  }

  @Test(
    "bytes that are no UTF-8 are shown in hexadecimal",
    arguments: [
      ([0xFF], "\\xFF"), ([0x61, 0x80, 0x62], "a\\x80b"), ([0xC3], "\\xC3"), ([0xC3, 0x41], "\\xC3A"),
      ([0xC0, 0x80], "\\xC0\\x80"), ([0xC1, 0xBF], "\\xC1\\xBF"), ([0xE0, 0x9F, 0xBF], "\\xE0\\x9F\\xBF"),
      ([0xED, 0xA0, 0x80], "\\xED\\xA0\\x80"), ([0xF0, 0x8F, 0xBF, 0xBF], "\\xF0\\x8F\\xBF\\xBF"),
      ([0xF4, 0x90, 0x80, 0x80], "\\xF4\\x90\\x80\\x80"), ([0xF5, 0x80, 0x80, 0x80], "\\xF5\\x80\\x80\\x80"),
      ([0xE2, 0x82], "\\xE2\\x82"), ([0xE2, 0x82, 0xAC], "€"), ([0xF4, 0x8F, 0xBF, 0xBD], "\u{10FFFD}"),
      ([0xEE, 0x80, 0x80], "\u{E000}"), ([0xC2, 0xC2, 0xA9], "\\xC2©"),
    ] as [([UInt8], String)])
  func invalidText(bytes: [UInt8], shown: String) {
    #expect(outputText { output in bytes.withUnsafeBytes { TerminalText.append($0, to: &output) } } == shown)
  }

  @Test("every byte by itself comes out visible")
  func singleBytes() {
    for byte in UInt8.min...UInt8.max {
      let shown = output { output in withUnsafeBytes(of: byte) { TerminalText.append($0, to: &output) } }
      #expect(shown.allSatisfy { (0x20...0x7E).contains($0) }, "byte \(byte)")
      #expect(shown == [byte] || shown.first == UInt8(ascii: "\\"), "byte \(byte)")
    }
  }
}
