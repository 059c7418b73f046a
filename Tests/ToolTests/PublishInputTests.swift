import Foundation
import TestSupport
import Testing

/// What mqpub takes from standard input and files, message for message.
@Suite struct PublishInputTests {
  /// A peer that keeps what it gets.
  private func recorder() throws -> CountingPeer {
    var rules = CountingPeer.Rules()
    rules.recordsMessages = true
    return try CountingPeer(rules: rules)
  }

  /// The messages as `topic=payload`.
  private func messages(_ peer: CountingPeer) -> [String] {
    peer.messages.map { "\(String(decoding: $0.topic, as: UTF8.self))=\(String(decoding: $0.payload, as: UTF8.self))" }
  }

  private func publish(_ peer: CountingPeer, _ options: [String], _ input: String) throws -> ToolProcess {
    try ToolProcess.run("mqpub", peer.options + ["-q", "1"] + options, input: .text(input))
  }

  @Test("-0 ends messages with NUL, and lines are part of them")
  func zero() throws {
    let peer = try recorder()
    expectSuccess(try publish(peer, ["-t", "t", "-l", "-0"], "one\ntwo\0\0last\n"))
    #expect(messages(peer) == ["t=one\ntwo", "t=", "t=last\n"])
  }

  @Test(
    "with --line-topic the topic stands first on each line",
    arguments: [
      ([], "a/b one two\nc\tthree\nd  x\nlast \n", ["a/b=one two", "c=three", "d= x", "last="]),
      (["-0"], "a x\ny\0b z\0", ["a=x\ny", "b=z"]),
      (["--line-separator", ";;"], "a b;c;;d;;e\nf;;\n", ["a b;c=d;;e", "f="]),
      (["--encoding", "hex"], "a 4142\nb \n", ["a=AB", "b="]),
      (["--encoding", "base64"], "a QUI=\n", ["a=AB"]),
    ])
  func lineTopic(options: [String], input: String, expected: [String]) throws {
    let peer = try recorder()
    expectSuccess(try publish(peer, ["--line-topic"] + options, input))
    #expect(messages(peer) == expected)
  }

  @Test("a line that is no message is counted and reported once with its number; the others go out with status 18")
  func faults() throws {
    let peer = try recorder()
    let tool = try publish(peer, ["--line-topic"], "a 1\nnothing\nb 2\na/# 3\n\nc 4\n")
    #expect(tool.end == .exited(18))
    #expect(messages(peer) == ["a=1", "b=2", "c=4"])
    let lines = tool.errorText.split(separator: "\n")
    #expect(
      lines == [
        "mqpub: Error: line 2: no blank or TAB ends a topic", "mqpub: Error: 3 messages were not published",
      ])
  }

  @Test("an invalid topic on a line is named")
  func invalidTopic() throws {
    let peer = try recorder()
    let tool = try publish(peer, ["--line-topic"], "ok 1\na/+/b 2\n")
    #expect(tool.end == .exited(18))
    #expect(
      tool.errorText == "mqpub: Error: line 2: topic 'a/+/b': a topic name has no wildcards + and #\n")
    #expect(messages(peer) == ["ok=1"])
  }

  @Test("lines that fail for different reasons are status 36")
  func differentReasons() throws {
    var rules = CountingPeer.Rules()
    rules.refusal = (0x87, 1)
    let peer = try CountingPeer(rules: rules)
    let tool = try publish(peer, ["--line-topic"], "a 1\nb 2\nbad\n")
    #expect(tool.end == .exited(36), "\(tool.errorText)")
    #expect(tool.errorText.contains("not authorized"))
    #expect(tool.errorText.contains("line 3: "))
    #expect(tool.errorText.hasSuffix("mqpub: Error: 2 messages were not published\n"))
  }

  @Test("--encoding reads -m, -f, -s and lines", arguments: [("hex", "00 ff0a\n"), ("base64", "AP\n8K\n")])
  func encoding(name: String, written: String) throws {
    let peer = try recorder()
    let folder = try TemporaryFolder()
    let options = ["-t", "t", "--encoding", name]
    expectSuccess(try publish(peer, options + ["-m", written], ""))
    expectSuccess(try publish(peer, options + ["-f", folder.write("payload", Array(written.utf8))], ""))
    expectSuccess(try publish(peer, options + ["-s"], written))
    expectSuccess(try publish(peer, options + ["-l", "-0"], written))
    #expect(peer.messages.map(\.payload) == Array(repeating: [0, 0xFF, 0x0A], count: 4))
  }

  @Test("a line that is not in its encoding is counted, a message that is not is a usage error")
  func badEncoding() throws {
    let peer = try recorder()
    let lines = try publish(peer, ["-t", "t", "-l", "--encoding", "hex"], "41\n4\n42\n")
    #expect(lines.end == .exited(18))
    #expect(lines.errorText == "mqpub: Error: line 2: not pairs of hexadecimal digits\n")
    #expect(messages(peer) == ["t=A", "t=B"])
    let message = try publish(peer, ["-t", "t", "-m", "4", "--encoding", "hex"], "")
    #expect(message.end == .exited(1))
    #expect(message.errorText == "mqpub: -m: not pairs of hexadecimal digits\n")
  }

  @Test("each line goes to each topic, in order, though the broker takes few at a time")
  func severalTopics() throws {
    var rules = CountingPeer.Rules()
    rules.recordsMessages = true
    rules.receiveMaximum = 2
    let peer = try CountingPeer(rules: rules)
    expectSuccess(try publish(peer, ["-V", "5", "-t", "a", "-t", "b", "-t", "c", "-l"], "1\n2\n3\n"))
    #expect(messages(peer) == ["a=1", "b=1", "c=1", "a=2", "b=2", "c=2", "a=3", "b=3", "c=3"])
    #expect(peer.counts.violations == [])
  }
}
