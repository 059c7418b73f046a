import Foundation
import TestSupport
import Testing

/// `mqsub -F` beside Debian's mosquitto_sub, on the same messages of a real broker.
@Suite(.needs("mosquitto", "mosquitto_sub")) struct FormatTests {
  /// Each letter with flags, widths and precisions; the times of arrival and `%j` are left out, where the two differ.
  private static let format: String = {
    var fields: [String] = []
    for letter in "ACDEFPRSlmpqrtxX" {
      for flags in ["", "-", "0", "-0"] {
        for width in ["", "1", "12"] {
          // 2.0 takes a precision where it has no meaning for a part of the field's name.
          for precision in "ACEFRSlmt".contains(letter) ? ["", ".0", ".3"] : [""] {
            if "xX".contains(letter), !width.isEmpty { continue }
            fields.append("%\(flags)\(width)\(precision)\(letter)")
          }
        }
      }
    }
    return (fields + ["%%", "@@", "@%", "é", "\\\\", "\\a\\e\\n\\r\\t\\v"]).joined(separator: "|")
  }()

  @Test("each conversion prints the same of 200 random messages", arguments: ["311", "5"], ["0", "1", "2"])
  func conversions(version: String, qos: String) throws {
    let broker = try RealBroker(lines: ["max_queued_messages 0", "log_type all"])
    var options = broker.options + ["-V", version, "-q", qos, "-t", "#", "-C", "200", "-F", Self.format]
    // mosquitto 2.0 sends more than its client's receive maximum of 20, and that ends with a protocol error.
    if version == "5" { options += ["-D", "connect", "receive-maximum", "65535"] }
    let ours = try ToolProcess("mqsub", options + ["--log", "notice"])
    try ours.waitForErrors("subscribed to")
    let theirs = try ToolProcess("mosquitto_sub", options)
    Expect.eventually { broker.log.components(separatedBy: "Received SUBSCRIBE").count > 2 }
    var random = SplitMix(state: 3)
    let messages = (0..<200).map { number in
      var message = CopyTests.message(number, &random)
      message["qos"] = 2 as NSNumber
      // Its remaining seconds are counted when each of the two is served.
      var properties = message["properties"] as? [String: NSObject] ?? [:]
      properties["message_expiry_interval"] = nil
      message["properties"] = properties as NSDictionary
      return message
    }
    let lines = try messages.map { try JSONSerialization.data(withJSONObject: $0) + [0x0A] }.joined()
    expectSuccess(
      try ToolProcess.run("mqpub", broker.options + ["-V", "5", "--stdin-json"], input: .bytes(Array(lines))))
    #expect(try ours.wait() == .exited(0), "\(ours.errorText)")
    #expect(try theirs.wait() == .exited(0), "\(theirs.errorText)")
    #expect(ours.output.count > 200_000)
    Expect.bytes(ours.output, theirs.output)
  }
}
