import CommandLineTool
import Foundation
import Testing

struct DiagnosticsTests {
  private func lines(
    _ level: Diagnostics.Level?, isJSON: Bool = false, _ body: (Diagnostics) -> Void
  ) -> String {
    let pipe = TestPipe()
    body(Diagnostics(program: "mqsub", level: level, isJSON: isJSON, descriptor: pipe.writing))
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

  @Test("in JSON each line is an object with time, level, tool and message, and nothing else")
  func json() throws {
    let before = Date.now
    let lines = lines(.trace, isJSON: true, sayEverything).split(separator: "\n")
    let expected = [
      ("error", "-q: \"3\" is not 0, 1 or 2"), ("error", "not authorised"), ("warning", "QoS 2 is not offered"),
      ("notice", "connected"), ("debug", "connecting"), ("trace", "CONNECT"),
    ]
    #expect(lines.count == expected.count)
    let format = Date.ISO8601FormatStyle(timeZone: .current).year().month().day()
      .time(includingFractionalSeconds: true).timeZone(separator: .colon)
    for (line, (level, message)) in zip(lines, expected) {
      #expect(
        line.hasPrefix("{\"time\":\"") && line.contains("\",\"level\":\"\(level)\",\"tool\":\"mqsub\",\"message\":"))
      let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
      #expect(Set(object.keys) == ["time", "level", "tool", "message"])
      #expect(object["message"] == message)
      let time = try #require(object["time"])
      #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d/) != nil)
      let instant = try format.parse(time)
      #expect(instant > before - 1 && instant < Date.now + 1)
    }
  }

  @Test("in JSON, too, text from elsewhere stays on its line and steers nothing")
  func jsonOfRemoteText() throws {
    let text = "\u{1B}[31m\"no\"\\\n\u{202E}é\u{85}"
    let line = lines(.error, isJSON: true) { $0.error(text) }
    #expect(line.utf8.filter { $0 < 0x20 } == [0x0A])
    #expect(line.hasSuffix("\"message\":\"\\u001b[31m\\\"no\\\"\\\\\\n\\u202eé\\u0085\"}\n"))
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
    #expect(object?["message"] == text)
  }
}
