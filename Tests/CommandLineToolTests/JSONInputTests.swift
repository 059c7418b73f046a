import MQTT
import TestSupport
import Testing

@testable import CommandLineTool

/// The message of an object.
private func read(_ text: String) throws -> JSONInput {
  var input = JSONInput()
  try bytes(text).withUnsafeBytes { try input.read($0) }
  return input
}

/// What is wrong with an object.
private func mistake(_ text: String) -> String? {
  do {
    _ = try read(text)
    return nil
  } catch {
    return "\(error)"
  }
}

struct JSONInputTests {
  @Test("a topic is enough; what is not said is left to others")
  func topicOnly() throws {
    let input = try read(#"{"topic":"a/b"}"#)
    #expect(input.topic?.utf8 == bytes("a/b"))
    #expect(input.payload == [])
    #expect(input.qos == nil)
    #expect(input.retain == nil)
    #expect(input.properties.isEmpty)
  }

  @Test("not even a topic is needed")
  func nothing() throws {
    #expect(try read(" { } ").topic == nil)
  }

  @Test("everything that can be published is read")
  func everything() throws {
    let input = try read(
      #"""
      {"properties":{"user_properties":[["k","v"],["k","\u00e9"]],"correlation_data_base64":"AP8Qqw==",
       "payload_format_indicator":1,"message_expiry_interval":4294967295,"content_type":"text/plain",
       "response_topic":"re/ply"},
       "retain":true,"qos":2,"payload":"a\"\n\u0000\ud83d\ude00","topic":"a\/b"}
      """#)
    #expect(input.topic?.utf8 == bytes("a/b"))
    #expect(input.payload == bytes("a\"\n\u{0}😀"))
    #expect(input.qos == .exactlyOnce)
    #expect(input.retain == true)
    #expect(input.properties[.payloadFormatIndicator] == 1)
    #expect(input.properties[.messageExpiryInterval] == 4_294_967_295)
    #expect(input.properties[.contentType] == "text/plain")
    #expect(input.properties[.responseTopic] == "re/ply")
    #expect(input.properties[.correlationData] == [0, 0xFF, 0x10, 0xAB])
    #expect(input.properties.userProperties == [UserProperty("k", "v"), UserProperty("k", "é")])
  }

  @Test(
    "the payload is text, or Base64, or else the text of any JSON value",
    arguments: [
      (#"{"payload":"é"}"#, "é"), (#"{"payload_base64":"w6k="}"#, "é"), (#"{"payload_base64":"\u0077\u0036k="}"#, "é"),
      (#"{"payload_base64":"Pz8\/"}"#, "???"),
      (#"{"json":{"a": [1.50, "x"]}}"#, #"{"a": [1.50, "x"]}"#), (#"{"json": null }"#, "null"),
      (#"{"json":"x"}"#, "\"x\""),
      (#"{"payload":"1.50","json":1.5}"#, "1.50"), (#"{"json":1.5,"payload":"1.50"}"#, "1.50"),
      (#"{"json":1,"payload":""}"#, ""),
      (#"{"payload":null}"#, ""), (#"{"payload":null,"json":7}"#, "7"),
      (#"{"payload":null,"payload_base64":"QQ=="}"#, "A"),
    ])
  func payloads(text: String, payload: String) throws {
    #expect(try read(text).payload == bytes(payload))
  }

  @Test("what only a received message has is ignored, whatever it is")
  func ignored() throws {
    let input = try read(
      #"{"time":7,"dup":"x","id":[],"properties":{"subscription_identifiers":"x","topic_alias":{}},"topic":"t","qos":null,"retain":null}"#
    )
    #expect(input.topic?.utf8 == bytes("t"))
    #expect(input.properties.isEmpty)
    #expect(input.qos == nil)
    #expect(input.retain == nil)
  }

  @Test("nothing of a message is left for the next one")
  func reuse() throws {
    var input = JSONInput()
    try bytes(#"{"topic":"t","payload":"x","qos":1,"retain":true,"properties":{"content_type":"c"}}"#).withUnsafeBytes {
      try input.read($0)
    }
    try bytes("{}").withUnsafeBytes { try input.read($0) }
    #expect(input.topic == nil)
    #expect(input.payload == [])
    #expect(input.qos == nil)
    #expect(input.retain == nil)
    #expect(input.properties.isEmpty)
  }

  @Test(
    "what is wrong is told with its place",
    arguments: [
      ("", "byte 1: the end comes too early"), ("[1]", "byte 1: a message is an object in braces"),
      (#"{"topic":"t"} x"#, "byte 15: something follows the value"),
      (#"{"topic":"t","Payload":"x"}"#, "byte 14: there is no such key"),
      (#"{"topic":"t","topic":"u"}"#, "byte 14: this key stands there twice"),
      (#"{"topic":7}"#, "byte 10: this is a string in quotes"),
      (#"{"topic":""}"#, "byte 10: a topic name is at least one character long"),
      (#"{"topic":"a/#"}"#, "byte 10: a topic name has no wildcards + and #"),
      (#"{"topic":"a\u0000"}"#, "byte 10: a topic name is UTF-8 without U+0000"),
      (#"{"payload":21.5}"#, "byte 12: this is a string in quotes"),
      (#"{"payload":"","payload_base64":""}"#, "byte 32: payload and payload_base64 exclude each other"),
      (#"{"payload_base64":"Zg="}"#, "byte 19: this is not Base64"),
      (#"{"qos":3}"#, "byte 8: qos is 0, 1 or 2"), (#"{"qos":"1"}"#, "byte 8: qos is 0, 1 or 2"),
      (#"{"qos":1.0}"#, "byte 8: qos is 0, 1 or 2"), (#"{"qos":-0}"#, "byte 8: qos is 0, 1 or 2"),
      (#"{"retain":1}"#, "byte 11: retain is true or false"),
      (#"{"properties":[]}"#, "byte 15: properties are an object in braces"),
      (#"{"properties":{"content-type":"x"}}"#, "byte 16: there is no such key"),
      (#"{"properties":{"content_type":1}}"#, "byte 31: this is a string in quotes"),
      (#"{"properties":{"content_type":"\u0000"}}"#, "byte 31: a text is not UTF-8 or contains U+0000"),
      (#"{"properties":{"payload_format_indicator":2}}"#, "byte 43: payload-format-indicator is 2"),
      (#"{"properties":{"payload_format_indicator":256}}"#, "byte 43: this is a number up to 255"),
      (#"{"properties":{"message_expiry_interval":4294967296}}"#, "byte 42: this is a number up to 4,294,967,295"),
      (#"{"properties":{"response_topic":"a/+"}}"#, "byte 33: response-topic is no topic name"),
      (#"{"properties":{"correlation_data_base64":"x"}}"#, "byte 42: this is not Base64"),
      (
        #"{"properties":{"user_properties":{"k":"v"}}}"#,
        "byte 34: user_properties are an array of arrays of two strings"
      ),
      (
        #"{"properties":{"user_properties":[["k"]]}}"#, "byte 35: user_properties are an array of arrays of two strings"
      ),
      (#"{"properties":{"user_properties":[["k",1]]}}"#, "byte 40: this is a string in quotes"),
    ])
  func mistakes(text: String, explanation: String) {
    #expect(mistake(text) == explanation)
  }

  @Test("what mqsub --json writes of any message is read back as that message")
  func bothWays() throws {
    var random = SeededRandom(state: 7)
    for _ in 0..<500 {
      let packet = PublishPacket.random(&random)
      let line = try packet.with { message in
        var json = JSONOutput(isForTerminal: random.chance)
        return output { json.append(message, at: .fixed, to: &$0) }
      }
      #expect(!line.contains(UInt8(ascii: "\n")))
      var input = JSONInput()
      try line.withUnsafeBytes { try input.read($0) }
      #expect(input.topic?.utf8 == packet.topic)
      #expect(input.payload == packet.payload)
      #expect(input.qos == packet.qos)
      #expect(input.retain == packet.retain)
      #expect(input.properties == packet.properties)
    }
  }
}
