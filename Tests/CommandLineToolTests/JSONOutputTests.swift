import Foundation
import MQTT
import TestSupport
import Testing

@testable import CommandLineTool

/// The line of a message.
private func line(_ message: SampleMessage, isForTerminal: Bool = false) throws -> String {
  try message.with { message in
    var json = JSONOutput(isForTerminal: isForTerminal, timestamp: .fixed)
    return outputText { json.append(message, at: .fixed, to: &$0) }
  }
}

/// What stands behind the payload's key in the line of a message with this payload.
private func payloadPart(_ payload: [UInt8], isForTerminal: Bool = false) throws -> String {
  let digits = payload.map { String(format: "%02x", $0) }.joined()
  let line = try line(SampleMessage(body: WireNotation("s* 't' [] \(digits)")), isForTerminal: isForTerminal)
  let start = #"{"time":"2026-11-22T12:55:34.539884+01:00","topic":"t","qos":0,"retain":false,"dup":false,"#
  #expect(line.hasPrefix(start))
  #expect(line.hasSuffix("}"))
  return String(line.dropFirst(start.count).dropLast())
}

struct JSONOutputTests {
  @Test("every field and property of a message has its place in the line")
  func everything() throws {
    let message = SampleMessage(
      body: """
        s* 'a/b' m7 [ 0b v5 01 01 26 s* 'k' s* 'v' 02 N3600 03 s* 'text/plain' 08 s* 're/ply' 23 n3
          09 n4 00ff10ab 26 s* 'k' s* 'w' 0b v268435455 26 s* '' s* '' ] 'text'
        """, flags: 0b1011)
    #expect(
      try line(message)
        == #"{"time":"2026-11-22T12:55:34.539884+01:00","topic":"a/b","qos":1,"retain":true,"dup":true,"id":7,"#
        + #""payload":"text","properties":{"payload_format_indicator":1,"message_expiry_interval":3600,"#
        + #""content_type":"text/plain","response_topic":"re/ply","topic_alias":3,"#
        + #""correlation_data_base64":"AP8Qqw==","subscription_identifiers":[5,268435455],"#
        + #""user_properties":[["k","v"],["k","w"],["",""]]}}"#)
  }

  @Test("a message of QoS 0 has no id, one without properties no properties", arguments: ProtocolVersion.allCases)
  func little(version: ProtocolVersion) throws {
    let body: WireNotation = version == .v5 ? "s* 'a/b' [] 'x'" : "s* 'a/b' 'x'"
    #expect(
      try line(SampleMessage(body: body, flags: 0, version: version))
        == #"{"time":"2026-11-22T12:55:34.539884+01:00","topic":"a/b","qos":0,"retain":false,"dup":false,"#
        + #""payload":"x"}"#)
  }

  @Test("properties that are lists stand alone as well")
  func lists() throws {
    #expect(
      try line(SampleMessage(body: "s* 't' [ 26 s* 'k' s* 'v' ]"))
        .hasSuffix(#""payload":"","properties":{"user_properties":[["k","v"]]}}"#))
    #expect(
      try line(SampleMessage(body: "s* 't' [ 0b v1 ]"))
        .hasSuffix(#""payload":"","properties":{"subscription_identifiers":[1]}}"#))
  }

  @Test("tolerated properties that a PUBLISH does not have are left out")
  func misplaced() throws {
    #expect(try line(SampleMessage(body: "s* 't' [ 18 N9 ]")).hasSuffix(#""payload":""}"#))
  }

  @Test(
    "text is written as text, in JSON's escapes where it must",
    arguments: [
      ("", #""payload":"""#), ("text", #""payload":"text""#), (#"a"b\c/d"#, #""payload":"a\"b\\c/d""#),
      ("\u{8}\u{C}\n\r\t", #""payload":"\b\f\n\r\t""#),
      ("\u{1}\u{1B}[2J\u{1F}\u{7F}", #""payload":"\u0001\u001b[2J\u001f\#u{7F}""#),
      ("é 日本 😀 \u{202E}\u{9B}", "\"payload\":\"é 日本 😀 \u{202E}\u{9B}\""),
      ("\u{FFFF}\u{10FFFF}", "\"payload\":\"\u{FFFF}\u{10FFFF}\""),
    ])
  func text(payload: String, written: String) throws {
    let written = Array(written.utf8)
    #expect(Array(try payloadPart(bytes(payload)).utf8) == written)
  }

  @Test(
    "what JSON text cannot carry exactly is written in Base64",
    arguments: [
      ([0x00], "AA=="), ([0x61, 0x00], "YQA="), ([0xFF, 0xFE], "//4="), ([0xC3], "ww=="), ([0xED, 0xA0, 0x80], "7aCA"),
    ] as [([UInt8], String)])
  func binary(payload: [UInt8], digits: String) throws {
    #expect(try payloadPart(payload) == "\"payload_base64\":\"\(digits)\"")
  }

  @Test(
    "a payload that is one JSON text stands there again, verbatim but for the blanks between its parts",
    arguments: [
      ("21.50", "21.50"), ("null", "null"), (" true\n", "true"), ("\"a\\u0041/ \"", "\"a\\u0041/ \""),
      ("{\n  \"a\": 9007199254740993,\r\n\t\"a\": [1e400, -0]\n}\n", #"{"a":9007199254740993,"a":[1e400,-0]}"#),
    ])
  func json(payload: String, json: String) throws {
    let part = try payloadPart(bytes(payload))
    #expect(part.hasSuffix(",\"json\":\(json)"))
    #expect(!part.contains("\n"))
  }

  @Test("a payload that only begins like JSON is text", arguments: ["21.50 V", "{} {}", "nul", "{\"a\":1,}", "0x10"])
  func notJSON(payload: String) throws {
    #expect(try !payloadPart(bytes(payload)).contains("\"json\""))
  }

  @Test("on a terminal, what would steer it is escaped, in json as well")
  func terminal() throws {
    let payload = bytes("[\"\u{202E}\u{9B}\u{7F}é\"]")
    #expect(try payloadPart(payload).hasSuffix(",\"json\":[\"\u{202E}\u{9B}\u{7F}é\"]"))
    #expect(
      try payloadPart(payload, isForTerminal: true)
        == #""payload":"[\"\u202e\u009b\u007fé\"]","json":["\u202e\u009b\u007fé"]"#)
    #expect(
      try payloadPart(bytes("\u{80}\u{9F}\u{2066}\u{200F}"), isForTerminal: true)
        == #""payload":"\u0080\u009f\u2066\u200f""#)
  }

  @Test("whatever the payload, another parser reads the line and finds the payload in it")
  func anotherParser() throws {
    var random = SeededRandom(state: 1)
    for _ in 0..<500 {
      let payload: [UInt8] = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        Bool.random(using: &random)
          ? UInt8.random(in: 0x20...0x7E, using: &random) : UInt8.random(in: 0...255, using: &random)
      }
      let part = try payloadPart(payload)
      let object = try JSONSerialization.jsonObject(with: Data("{\(part)}".utf8)) as? [String: Any]
      if let text = object?["payload"] as? String {
        #expect(Array(text.utf8) == payload)
      } else {
        let digits = try #require(object?["payload_base64"] as? String)
        #expect(Data(base64Encoded: digits) == Data(payload))
      }
    }
  }
}
