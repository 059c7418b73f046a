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

  @Test("-f reads pipes: a named one, and one that a shell made for <(...)")
  func pipes() throws {
    let peer = try recorder()
    let payload = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
    expectSuccess(
      try ToolProcess.run("mqpub", peer.options + ["-t", "t", "-q", "1", "-f", "/dev/stdin"], input: .bytes(payload)))
    let folder = try TemporaryFolder()
    let pipe = folder.path("pipe")
    try #require(mkfifo(pipe, 0o600) == 0)
    let tool = try ToolProcess("mqpub", peer.options + ["-t", "t", "-q", "1", "-f", pipe])
    let writer = try ToolProcess("sh", ["-c", "cat > '\(pipe)'"], input: .bytes(payload))
    #expect(try tool.wait() == .exited(0), "\(tool.errorText)")
    try writer.wait()
    #expect(peer.messages.map(\.payload) == [payload, payload])
  }

  @Test("a file that cannot be read is a usage error that names it, before anything is connected")
  func unreadableFiles() throws {
    let peer = try recorder()
    for (path, reason) in [("/", "Is a directory"), ("/no/such/file", "No such file or directory")] {
      let tool = try publish(peer, ["-t", "t", "-f", path], "")
      #expect(tool.end == .exited(1))
      #expect(tool.errorText == "mqpub: -f: \(path): \(reason)\n")
    }
    let empty = try publish(peer, ["-t", "t", "-s"], "")
    #expect(empty.end == .exited(1))
    #expect(empty.errorText == "mqpub: -s: standard input: nothing is there; -n publishes a message without payload\n")
    #expect(peer.counts.connects == 0)
    expectSuccess(try publish(peer, ["-t", "t", "-f", "/dev/null"], ""))
    #expect(messages(peer) == ["t="])
  }

  // MARK: - --stdin-json

  @Test("an object says what it says, and the options say the rest")
  func json() throws {
    let peer = try recorder()
    let input = """
      {"topic":"a","payload":"x","qos":2,"retain":true}
      {"payload_base64":"AP8="}
      {"topic":"b","time":"2026-11-22T12:55:34.539884+01:00","dup":true,"id":7,"payload":"\\u00e9\\n"}
      {}

      """
    expectSuccess(try publish(peer, ["--stdin-json", "-t", "default"], input))
    let expected: [(String, [UInt8], UInt8, Bool)] = [
      ("a", Array("x".utf8), 2, true), ("default", [0, 0xFF], 1, false), ("b", Array("é\n".utf8), 1, false),
      ("default", [], 1, false),
    ]
    #expect(peer.messages.count == expected.count)
    // QoS 2 is delivered at PUBREL: the messages may have overtaken each other.
    for (topic, payload, qos, retain) in expected {
      #expect(
        peer.messages.contains { message in
          message.topic == Array(topic.utf8) && message.payload == payload && message.qos == qos
            && message.retain == retain
        }, "\(topic)")
    }
  }

  @Test("properties of an object take the place of those of -D")
  func jsonProperties() throws {
    let broker = try ScriptedBroker()
    let input = """
      {"topic":"t","payload":"1"}
      {"topic":"t","payload":"2","properties":{"message_expiry_interval":60,"user_properties":[["k","v"],["k","w"]]}}

      """
    let tool = try ToolProcess(
      "mqpub", broker.options + ["--stdin-json", "-D", "publish", "content-type", "c"], input: .text(input))
    let connection = try broker.acceptUnanswered()
    try connection.send("20 03 00 00 00")
    try connection.expect("30 r* s* 't' 04 03 s* 'c' '1'")
    try connection.expect("30 r* s* 't' 13 02 0000003c 26 s* 'k' s* 'v' 26 s* 'k' s* 'w' '2'")
    // Any object may be one of QoS 2, so the session was to outlive a lost connection; this ends it.
    try connection.expect("e0 07 00 05 11 00000000")
    connection.close()
    #expect(try tool.wait() == .exited(0))
  }

  @Test("properties that the version cannot carry are told once")
  func jsonPropertiesLost() throws {
    let peer = try recorder()
    let line = #"{"topic":"t","properties":{"content_type":"x"}}"#
    let tool = try publish(peer, ["--stdin-json", "-V", "311"], "{\"topic\":\"t\"}\n\(line)\n\(line)\n")
    #expect(tool.end == .exited(0))
    #expect(
      tool.errorText == "mqpub: Warning: line 2: properties are left out, for MQTT 3.1.1 has none\n")
    #expect(peer.counts.received == 3)
  }

  @Test(
    "a line that is no message in JSON is left out with status 18",
    arguments: [
      ("{\"topic\":\"a/#\"}", "line 2: byte 10: a topic name has no wildcards + and #"),
      ("{\"topic\":\"a\"", "line 2: byte 13: the end comes too early"),
      ("{\"topic\":\"a\",\"colour\":1}", "line 2: byte 14: there is no such key"),
      ("", "line 2: byte 1: the end comes too early"),
      ("{}", "line 2: no topic, neither there nor with -t"),
    ])
  func jsonFaults(line: String, message: String) throws {
    let peer = try recorder()
    let good = #"{"topic":"t"}"#
    let tool = try publish(peer, ["--stdin-json"], "\(good)\n\(line)\n\(good)\n")
    #expect(tool.end == .exited(18))
    #expect(tool.errorText == "mqpub: Error: \(message)\n")
    #expect(messages(peer) == ["t=", "t="])
  }

  @Test("a QoS 0 object cannot be held to --require-subscribers")
  func jsonRequiredSubscribers() throws {
    let peer = try recorder()
    let tool = try ToolProcess.run(
      "mqpub", peer.options + ["--stdin-json", "--require-subscribers"], input: .text(#"{"topic":"t","qos":0}"#))
    #expect(tool.end == .exited(1))
    #expect(
      tool.errorText == "mqpub: Error: line 1: topic 't': QoS 0 cannot tell whether somebody subscribes to it\n")
  }

  // MARK: - --template

  @Test("--template fills in topics and payload, one number and one UUID for a message")
  func template() throws {
    let peer = try recorder()
    expectSuccess(
      try publish(
        peer, ["-t", "a/{n}/{uuid}", "-t", "b", "-m", "{{{n}}} {uuid} {random:4}", "--template", "--repeat", "2"], ""))
    let all = messages(peer).map { $0.split { "/= ".contains($0) }.map(String.init) }
    try #require(all.count == 4)
    for (index, parts) in all.enumerated() {
      let number = "\(index / 2 + 1)"
      if index % 2 == 0 {
        #expect(parts[0...1] == ["a", number])
        #expect(parts[2] == parts[4])
        #expect(parts[5].count == 4)
      }
      #expect(parts[parts.count - 3] == "{\(number)}")
    }
    #expect(Set(all.map { $0[$0.count - 2] }).count == 2, "one UUID a message")
  }

  @Test("a file is a template; lines and encoded payloads are not, though their topic is")
  func templateSources() throws {
    let peer = try recorder()
    let folder = try TemporaryFolder()
    let file = try folder.write("payload", Array("{n}".utf8))
    let options = ["-t", "t{n}", "--template"]
    expectSuccess(try publish(peer, options + ["-f", file], ""))
    expectSuccess(try publish(peer, options + ["-s"], "<{n}>"))
    expectSuccess(try publish(peer, options + ["-l"], "{n}\n{x\n"))
    expectSuccess(try publish(peer, options + ["-m", "7b6e7d", "--encoding", "hex"], ""))
    #expect(messages(peer) == ["t1=1", "t1=<1>", "t1={n}", "t2={x", "t1={n}"])
  }

  @Test("a variable, and what is wrong with a template is told before anything is connected")
  func templateMistakes() throws {
    let peer = try recorder()
    let home = try ToolProcess.run(
      "mqpub", peer.options + ["-q", "1", "-t", "t", "-m", "{env:WHAT}", "--template"], environment: ["WHAT": "it"])
    expectSuccess(home)
    #expect(messages(peer) == ["t=it"])
    let payload = try publish(peer, ["-t", "t", "-m", "{now}", "--template"], "")
    #expect(payload.end == .exited(1))
    #expect(payload.errorText.hasPrefix("mqpub: --template: payload: {now} is none of"))
    let topic = try publish(peer, ["-t", "{", "-m", "x", "--template"], "")
    #expect(topic.errorText == "mqpub: --template: -t: a brace by itself: write {{ for one\n")
    #expect(peer.counts.connects == 1)
  }

  @Test("a topic that its template makes invalid is status 18")
  func templateTopic() throws {
    let peer = try recorder()
    let tool = try ToolProcess.run(
      "mqpub", peer.options + ["-t", "a{env:WHAT}", "-m", "x", "--template"], environment: ["WHAT": "/#"])
    #expect(tool.end == .exited(18))
    #expect(tool.errorText == "mqpub: Error: topic 'a/#': a topic name has no wildcards + and #\n")
  }
}
