import CommandLineTool
import Testing

struct DiagnosticsTests {
  private func lines(_ level: Diagnostics.Level?, _ body: (Diagnostics) -> Void) -> String {
    let pipe = TestPipe()
    body(Diagnostics(program: "mqsub", level: level, descriptor: pipe.writing))
    pipe.closeWriting()
    return String(decoding: pipe.read(), as: UTF8.self)
  }

  private func sayEverything(_ diagnostics: Diagnostics) {
    diagnostics.usage(UsageError("-q: \"3\" is not 0, 1 or 2"))
    diagnostics.error("not authorised")
    diagnostics.warning("QoS 2 is not offered")
    diagnostics.advice("everybody can read the password")
    diagnostics.notice("connected")
    diagnostics.debug("connecting")
    diagnostics.trace("CONNECT")
  }

  @Test("each level includes those before it")
  func levels() {
    let lines = [
      "mqsub: -q: \"3\" is not 0, 1 or 2\n", "mqsub: Error: not authorised\n",
      "mqsub: Warning: QoS 2 is not offered\n", "mqsub: connected\n", "mqsub: connecting\n", "mqsub: CONNECT\n",
    ]
    let levels: [Diagnostics.Level] = [.quiet, .error, .warning, .notice, .debug, .trace]
    for (index, level) in levels.enumerated() {
      #expect(self.lines(level, sayEverything) == lines[...index].joined())
    }
  }

  @Test("in a pipe only warnings and worse are said, and no advice")
  func pipes() {
    #expect(
      lines(nil, sayEverything)
        == "mqsub: -q: \"3\" is not 0, 1 or 2\nmqsub: Error: not authorised\nmqsub: Warning: QoS 2 is not offered\n")
  }

  @Test("text from elsewhere stays on its line and steers nothing")
  func remoteText() {
    #expect(
      lines(.error) { $0.error("refused: \u{1B}[31mno\nmqsub: fine\u{202E}") }
        == "mqsub: Error: refused: \\x1B[31mno\\nmqsub: fine\\u{202E}\n")
  }

  @Test("what is not said is not even put together")
  func laziness() {
    var count = 0
    func text() -> String {
      count += 1
      return ""
    }
    _ = lines(.warning) { $0.debug(text()) }
    #expect(count == 0)
  }

  @Test("a closed standard error stops nobody")
  func closedDescriptor() {
    Diagnostics(program: "mqsub", descriptor: -1).error("nobody hears this")
  }
}
