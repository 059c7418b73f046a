import Foundation
import TestSupport
import Testing

/// `mqsub --json | mqpub --stdin-json` copies a stream of messages.
@Suite(.needs("mosquitto"))
struct CopyTests {
  @Test("10,000 random messages change only in what brokers change", .timeLimit(.minutes(2)))
  func copy() throws {
    let count = 10_000
    let (source, target) = (try RealBroker(), try RealBroker())
    var random = SplitMix(state: 7)
    let messages = (0..<count).map { Self.message($0, &random) }

    let subscribe = ["-V", "5", "-q", "2", "-t", "#", "--retain-as-published", "--json", "-C", "\(count)"]
    let log = ["--log", "notice"]
    let received = try ToolProcess("mqsub", target.options + subscribe + log)
    try received.waitForErrors("subscribed to")
    let (mqsub, mqpub) = (try locate("mqsub"), try locate("mqpub"))
    let copy = try ToolProcess(
      "sh",
      [
        "-c",
        "\"$0\" \(source.options.joined(separator: " ")) \"$@\" | '\(mqpub)' -V 5 \(target.options.joined(separator: " ")) --stdin-json",
        mqsub,
      ] + subscribe + log)
    try copy.waitForErrors("subscribed to")
    let lines = try messages.map { try JSONSerialization.data(withJSONObject: $0) + [0x0A] }.joined()
    let published = try ToolProcess.run(
      "mqpub", source.options + ["-V", "5", "--stdin-json"], input: .bytes(Array(lines)), timeout: .seconds(60))
    expectSuccess(published)
    #expect(try copy.wait(timeout: .seconds(60)) == .exited(0), "\(copy.errorText)")
    #expect(try received.wait(timeout: .seconds(60)) == .exited(0), "\(received.errorText)")

    // Messages of different QoS may overtake each other, so their topics have numbers.
    var byTopic: [String: NSDictionary] = [:]
    for line in received.output.split(separator: 0x0A) {
      let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? NSDictionary)
      byTopic[object["topic"] as? String ?? ""] = object
    }
    #expect(byTopic.count == count)
    var differences = 0
    for message in messages where differences < 5 {
      let got = try #require(byTopic[message["topic"] as? String ?? ""])
      guard let difference = Self.difference(got, message as NSDictionary) else { continue }
      differences += 1
      Issue.record("\(difference): got \(got), expected \(message)")
    }
  }

  /// What differs that a copy must not change.
  private static func difference(_ got: NSDictionary, _ expected: NSDictionary) -> String? {
    for key in ["qos", "retain", "payload", "payload_base64"] where got[key] as? NSObject != expected[key] as? NSObject
    {
      return key
    }
    if (got["json"] != nil) != (expected["payload"] as? String).map(isJSON) ?? false { return "json" }
    var properties = got["properties"] as? [String: NSObject] ?? [:]
    var wanted = expected["properties"] as? [String: NSObject] ?? [:]
    let interval = properties.removeValue(forKey: "message_expiry_interval") as? Int
    if let asked = wanted.removeValue(forKey: "message_expiry_interval") as? Int {
      guard let interval, interval <= asked, interval >= asked - 120 else { return "message_expiry_interval" }
    } else if interval != nil {
      return "message_expiry_interval"
    }
    return properties as NSDictionary == wanted as NSDictionary ? nil : "properties"
  }

  private static func isJSON(_ text: String) -> Bool {
    (try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)) != nil
  }

  // MARK: - Random messages

  static func message(_ number: Int, _ random: inout SplitMix) -> [String: NSObject] {
    var message: [String: NSObject] = [
      "topic": "\(text(1...12, &random).filter { !"+#$".contains($0) })/\(number)" as NSString,
      "qos": Int.random(in: 0...2, using: &random) as NSNumber, "retain": Bool.random(using: &random) as NSNumber,
    ]
    var isText = true
    switch Int.random(in: 0...3, using: &random) {
    case 0:
      let bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0 ... .max, using: &random)
      }
      isText = String(validating: bytes, as: UTF8.self) != nil && !bytes.contains(0)
      message[isText ? "payload" : "payload_base64"] =
        isText ? String(decoding: bytes, as: UTF8.self) as NSString : Data(bytes).base64EncodedString() as NSString
    case 1:
      message["payload"] = "{\"a\":[1.50,1e400,\"\(Int.random(in: 0...99, using: &random))\"],\"a\":null}" as NSString
    case 2: message["payload"] = "\u{1}\u{1B}[2J\n\r\t\"\\\u{7F}\u{202E}" + text(0...20, &random) as NSString
    default: message["payload"] = text(0...60, &random) as NSString
    }
    var properties: [String: NSObject] = [:]
    func sometimes(_ key: String, _ value: @autoclosure () -> NSObject) {
      if Bool.random(using: &random) { properties[key] = value() }
    }
    // What is marked as text has to be text.
    sometimes("payload_format_indicator", Int.random(in: 0...(isText ? 1 : 0), using: &random) as NSNumber)
    sometimes("message_expiry_interval", Int.random(in: 3600...4_294_967_295, using: &random) as NSNumber)
    sometimes("content_type", text(0...10, &random) as NSString)
    sometimes("response_topic", "answer/\(number)" as NSString)
    let data = (0..<Int.random(in: 0...20, using: &random)).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
    sometimes("correlation_data_base64", Data(data).base64EncodedString() as NSString)
    let pairs = (0..<Int.random(in: 0...3, using: &random)).map { _ in
      [text(0...5, &random) as NSString, text(0...5, &random) as NSString] as NSArray
    }
    if !pairs.isEmpty { properties["user_properties"] = pairs as NSArray }
    if !properties.isEmpty { message["properties"] = properties as NSDictionary }
    return message
  }

  /// Text that mosquitto takes in topics and properties: no control characters.
  private static func text(_ length: ClosedRange<Int>, _ random: inout SplitMix) -> String {
    let alphabet = Array("aZ09 \"\\/{}[]:,%@é日😀\u{FFFD}\u{2028}e\u{301}\u{202E}".unicodeScalars)
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: length, using: &random) { text.append(alphabet.randomElement(using: &random)!) }
    return String(text)
  }
}
