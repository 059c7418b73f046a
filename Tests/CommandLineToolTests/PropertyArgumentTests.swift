import MQTT
import Testing

@testable import CommandLineTool

struct PropertyArgumentTests {
  private func list(
    _ command: PropertyArgument.Command, _ words: [[String]]
  ) throws(UsageError) -> Properties {
    var arguments = Accumulated<PropertyArgument>()
    for words in words {
      let words = words.map { Argument(bytes($0), from: Source(.commandLine)) }
      arguments.append(try PropertyArgument(words), from: Source(.commandLine))
    }
    return try arguments.properties(for: command)
  }

  @Test("[table 2-4] each property that a client may send can be given")
  func everyProperty() throws {
    let texts: [PropertyType: [String]] = [
      .byte: ["1"], .twoByteInteger: ["7"], .fourByteInteger: ["7"], .variableByteInteger: ["7"], .text: ["a/b"],
      .binary: ["a"], .userProperty: ["a", "b"],
    ]
    let expected: [PropertyArgument.Command: [String]] = [
      .connect: [
        "session-expiry-interval", "authentication-method", "authentication-data", "request-problem-information",
        "request-response-information", "receive-maximum", "topic-alias-maximum", "user-property",
        "maximum-packet-size",
      ],
      .publish: [
        "payload-format-indicator", "message-expiry-interval", "content-type", "response-topic", "correlation-data",
        "topic-alias", "user-property",
      ],
      .subscribe: ["subscription-identifier", "user-property"],
      .unsubscribe: ["user-property"],
      .disconnect: ["session-expiry-interval", "server-reference", "reason-string", "user-property"],
      .will: [
        "payload-format-indicator", "message-expiry-interval", "content-type", "response-topic", "correlation-data",
        "will-delay-interval", "user-property",
      ],
    ]
    for command in PropertyArgument.Command.allCases {
      var taken: [String] = []
      for property in PropertyDescription.all {
        let words = [command.rawValue, property.name] + texts[property.type]!
        guard let properties = try? list(command, [words]) else { continue }
        #expect(properties.map(\.property.identifier) == [property.identifier])
        taken.append(property.name)
      }
      #expect(taken == expected[command])
    }
  }

  @Test("numbers, texts, bytes and pairs")
  func values() throws {
    let words = [
      ["PUBLISH", "Message-Expiry-Interval", "4294967295"], ["publish", "content-type", "text/é"],
      ["publish", "correlation-data", "hex:00ff"], ["publish", "user-property", "k", "v"],
      ["publish", "USER-PROPERTY", "k", ""], ["will", "will-delay-interval", "1"],
    ]
    let expected = properties {
      $0[.messageExpiryInterval] = 4_294_967_295
      $0[.contentType] = "text/é"
      $0[.correlationData] = [0x00, 0xFF]
      $0.userProperties = [UserProperty("k", "v"), UserProperty("k", "")]
    }
    #expect(try list(.publish, words) == expected)
    #expect(try list(.will, words) == properties { $0[.willDelayInterval] = 1 })
    #expect(try list(.connect, words).isEmpty)
  }

  @Test(
    "bytes can be written in three ways",
    arguments: [
      ("plain", [0x70, 0x6C, 0x61, 0x69, 0x6E]), ("", []), ("hex:", []), ("hex:00FFab", [0, 255, 0xAB]),
      ("base64:AP8=", [0, 255]), ("HEX:00", Array("HEX:00".utf8)),
    ] as [(String, [UInt8])])
  func binary(text: String, bytes: [UInt8]) throws {
    #expect(try list(.publish, [["publish", "correlation-data", text]])[.correlationData] == bytes)
  }

  @Test(
    "mistakes are told with what would be right",
    arguments: [
      (
        ["puback", "reason-string", "x"],
        "\"puback\" is not connect, publish, subscribe, unsubscribe, disconnect or will"
      ),
      (
        ["subscribe", "topic-alias", "1"],
        "\"topic-alias\" is not one of the properties for subscribe: subscription-identifier, user-property"
      ),
      (
        ["publish", "subscription-identifier", "1"],
        """
        "subscription-identifier" is not one of the properties for publish: payload-format-indicator, \
        message-expiry-interval, content-type, response-topic, correlation-data, topic-alias, user-property
        """
      ),
      (["connect", "receive-maximum", "0"], "\"0\": receive-maximum is 0"),
      (["connect", "receive-maximum", "65536"], "\"65536\" is not a number from 0 to 65535"),
      (["publish", "payload-format-indicator", "2"], "\"2\": payload-format-indicator is 2"),
      (["publish", "topic-alias", "0"], "\"0\": topic-alias is 0"),
      (["publish", "response-topic", "a/+"], "\"a/+\": response-topic is no topic name"),
      (["publish", "message-expiry-interval", "1m"], "\"1m\" is not a number from 0 to 4294967295"),
      (["subscribe", "subscription-identifier", "0"], "\"0\": subscription-identifier is 0"),
      (["subscribe", "subscription-identifier", "268435456"], "\"268435456\" is not a number from 0 to 268435455"),
      (["publish", "correlation-data", "hex:0"], "\"hex:0\" is not what its beginning says"),
      (["publish", "correlation-data", "base64:AP8"], "\"base64:AP8\" is not what its beginning says"),
      (["publish", "content-type", "a\u{0}b"], "\"a\u{0}b\": a text is not UTF-8 or contains U+0000"),
    ])
  func mistakes(words: [String], message: String) {
    #expect(throws: UsageError(message)) { try list(.publish, [words]) }
  }

  @Test("[MQTT-3.3.2-15] a property that may stand once is refused twice, for one packet only")
  func duplicates() throws {
    let expiry = ["publish", "message-expiry-interval", "1"]
    #expect(throws: UsageError("-D: message-expiry-interval is given twice for publish")) {
      try list(.publish, [expiry, expiry])
    }
    #expect(try list(.publish, [expiry, ["will", "message-expiry-interval", "2"]])[.messageExpiryInterval] == 1)
  }
}
