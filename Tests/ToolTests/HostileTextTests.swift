import Foundation
import TestSupport
import Testing

/// What messages could do to a terminal, and that a pipe gets every byte of it.
@Suite struct HostileTextTests {
  /// A hundred sequences that move cursors, change titles and colours, forge lines, turn writing, or are no text at all.
  static let corpus: [[UInt8]] = {
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    var corpus: [[UInt8]] = []
    // Every control character of ASCII but NUL, which MQTT forbids in topics, and of Latin-1 in UTF-8.
    for byte in (UInt8(1)..<0x20) where ![0x0A, 0x0D, 0x09, 0x1B].contains(byte) { corpus.append([0x61, byte, 0x62]) }
    corpus.append([0x7F])
    for byte: UInt8 in [0x80, 0x84, 0x85, 0x8D, 0x90, 0x9B, 0x9C, 0x9D, 0x9F] {
      corpus.append([0xC2, byte] + bytes("31mx"))
      corpus.append([byte] + bytes("31mx"))  // The same as one byte is no UTF-8.
    }
    corpus += [
      "\u{1B}[2J", "\u{1B}[H", "\u{1B}[1;1H", "\u{1B}[31mred", "\u{1B}[0m", "\u{1B}[?1049h", "\u{1B}[?25l", "\u{1B}[6n",
      "\u{1B}[c", "\u{1B}[5i", "\u{1B}[999B", "\u{1B}[K", "\u{1B}c", "\u{1B}7", "\u{1B}8", "\u{1B}D", "\u{1B}M",
      "\u{1B}]0;title\u{7}", "\u{1B}]2;title\u{1B}\\", "\u{1B}]8;;http://evil.example\u{1B}\\link\u{1B}]8;;\u{1B}\\",
      "\u{1B}]52;c;ZXZpbA==\u{7}", "\u{1B}]4;1;?\u{7}", "\u{1B}P+q544e\u{1B}\\", "\u{1B}_Gf=24;AAAA\u{1B}\\",
      "\u{1B}^private\u{1B}\\", "\u{1B}(0lqqk", "\u{1B}#8", "\u{1B}[4h", "\u{1B}[20l", "\u{1B}=", "\u{1B}%G", "\u{1B}",
      "ends with \u{1B}", "\u{1B}[", "\u{1B}]", "\u{1B}[200~rm -rf\r\n\u{1B}[201~",
      "a\nmqsub: Error: forged", "a\r\nforged", "first\rlast", "a\tb", "\n", "\r", "\n\n\n", "\u{8}\u{8}\u{8}over",
      "\u{202E}gnp.exe", "\u{202D}x\u{202C}", "\u{2066}a\u{2069}", "\u{2067}a\u{2069}", "\u{2068}a\u{2069}", "\u{200E}",
      "\u{200F}", "\u{061C}", "\u{202A}a", "\u{202B}a",
    ].map(bytes)
    corpus += [
      [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x9B], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x9B],
      [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF, 0xFE], [0xC2], [0xE2, 0x80],
      [0xF0, 0x9F, 0x92],
      [0x00], [0x00, 0x1B, 0x5B, 0x32, 0x4A], [0xC2, 0x1B, 0x5B, 0x32, 0x4A],
    ]
    return corpus
  }()

  /// Whether it may be a topic name: UTF-8 without NUL and wildcards.
  private static func isTopic(_ bytes: [UInt8]) -> Bool {
    String(validating: bytes, as: UTF8.self) != nil && !bytes.contains { [0, 0x23, 0x2B].contains($0) }
  }

  /// Sends each sequence as a payload, and as a topic where it can be one, to a tool that ends behind them.
  private func send(to broker: ScriptedBroker) throws {
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    try connection.sendBytes([0x90, 3] + identifier + [0])
    var packets: [UInt8] = []
    for sequence in Self.corpus {
      let topic = Self.isTopic(sequence) ? sequence : Array("t".utf8)
      packets += [0x30, UInt8(2 + topic.count + sequence.count), 0, UInt8(topic.count)] + topic + sequence
    }
    try connection.sendBytes(packets)
    try connection.expect("e0 00", timeout: .seconds(10))
    connection.close()
  }

  private func options(_ broker: ScriptedBroker) -> [String] {
    broker.options + ["-V", "311", "-t", "#", "-C", "\(Self.corpus.count)"]
  }

  @Test(
    "a hundred sequences in payloads and topics never reach a terminal raw, and forge no line",
    arguments: [["-v"], [], ["-vv"], ["-F", "%t %p"], ["--json"], ["--hexdump", "-v"], ["--pretty"], ["-F", "%j"]])
  func terminal(format: [String]) throws {
    #expect(Self.corpus.count >= 100)
    let broker = try ScriptedBroker()
    let terminal = try Terminal("mqsub", options(broker) + ["--color", "never", "--quiet"] + format)
    try send(to: broker)
    #expect(try terminal.wait() == .exited(0))
    // A terminal turns each end of line into CR LF; there is no other control character.
    let shown = terminal.outputText.replacing("\r\n", with: "\n")
    for scalar in shown.unicodeScalars where scalar != "\n" {
      switch scalar.value {
      case ..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069,
        0xFFFD where format != ["-F", "%j"] && format != ["--json"]:
        Issue.record("U+\(String(scalar.value, radix: 16)) was shown")
        return
      default: break
      }
    }
    if format != ["--hexdump", "-v"] {
      #expect(shown.split(separator: "\n", omittingEmptySubsequences: false).count == Self.corpus.count + 1)
    }
  }

  @Test("with colours the only escape sequences are our own")
  func colors() throws {
    let broker = try ScriptedBroker()
    let terminal = try Terminal("mqsub", options(broker) + ["-v", "--quiet"])
    try send(to: broker)
    #expect(try terminal.wait() == .exited(0))
    let shown = terminal.outputText
    #expect(shown.components(separatedBy: "\u{1B}[36m").count == Self.corpus.count + 1)
    let rest = shown.replacing("\u{1B}[36m", with: "").replacing("\u{1B}[0m", with: "")
    #expect(!rest.utf8.contains(0x1B))
  }

  @Test("a pipe gets them byte for byte, and so does a terminal with --raw", arguments: [false, true])
  func exact(isTerminal: Bool) throws {
    let broker = try ScriptedBroker()
    let format = ["-F", "%t>%p", "-N", "--quiet"]
    let expected = Self.corpus.flatMap { (Self.isTopic($0) ? $0 : Array("t".utf8)) + Array(">".utf8) + $0 }
    if isTerminal {
      let terminal = try Terminal("mqsub", options(broker) + format + ["--raw"])
      try send(to: broker)
      #expect(try terminal.wait() == .exited(0))
      // The terminal's line discipline puts a CR before each LF.
      Expect.bytes(terminal.output, expected.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] })
    } else {
      let tool = try ToolProcess("mqsub", options(broker) + format)
      try send(to: broker)
      #expect(try tool.wait() == .exited(0))
      Expect.bytes(tool.output, expected)
    }
  }

  @Test("reason strings and topics are safe in what is said on standard error")
  func diagnostics() throws {
    let broker = try ScriptedBroker()
    let terminal = try Terminal("mqsub", broker.options + ["-V", "5", "-t", "a\u{1B}[2J\u{202E}", "--log", "debug"])
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    let reason = Array("\u{1B}]0;x\u{7}\nmqsub: forged".utf8)
    try connection.sendBytes(
      [0x90, UInt8(2 + 1 + 3 + reason.count + 1)] + identifier + [
        UInt8(3 + reason.count), 0x1F, 0, UInt8(reason.count),
      ]
        + reason + [0x87])
    try connection.expect("e0 00")
    connection.close()
    #expect(try terminal.wait() == .exited(135))
    #expect(!terminal.output.contains(0x1B))
    #expect(!terminal.output.contains(0x07))
    #expect(!terminal.outputText.contains("\nmqsub: forged"))
    #expect(!terminal.outputText.contains("\u{202E}"))
  }
}
