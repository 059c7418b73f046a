import Foundation
import MQTT
import TestSupport
import Testing

@testable import CommandLineTool

/// The same PUBLISH packets go to our formats and to mosquitto's client 2.0; where 2.1 writes the same, so must we.
@Suite(.needs("mosquitto_sub"))
struct MosquittoFormatTests {
  /// What mosquitto_sub prints of the packets.
  private func mosquittoOutput(
    _ packets: [PublishPacket], version: ProtocolVersion, _ options: [String]
  ) throws -> [UInt8] {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mosquitto_sub",
      ["-h", broker.host, "-p", "\(broker.port)", "-V", version == .v5 ? "5" : "311", "-t", "#"]
        + ["-C", "\(packets.count)"] + options)
    let connection = try broker.acceptConnect()
    let subscribe = try connection.nextPacket()
    let identifier = Array(subscribe.body.prefix(2))
    try connection.sendBytes(version == .v5 ? [0x90, 4] + identifier + [0, 0] : [0x90, 3] + identifier + [0])
    try connection.sendBytes(packets.flatMap { try $0.encoded(as: version) })
    #expect(try tool.wait() == .exited(0), "\(tool.errorText)")
    return tool.output
  }

  /// What we print of them.
  private func ourOutput(
    _ packets: [PublishPacket], version: ProtocolVersion, _ style: MessageFormat.Style,
    terminator: UInt8? = UInt8(ascii: "\n"), isPretty: Bool = false
  ) throws -> [UInt8] {
    var options = MessageFormat.Options()
    options.terminator = terminator
    options.isPretty = isPretty
    var format = MessageFormat(style, options)
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let time = WallTime(seconds: Int64(now.tv_sec), nanoseconds: now.tv_nsec)
    var buffer = OutputBuffer(descriptor: -1, limit: .max)
    for packet in packets {
      try packet.with(version: version) { message in _ = format.append(message, at: time, to: &buffer) }
    }
    return buffer.withBytes { Array($0) }
  }

  /// Messages that mosquitto's library accepts; it refuses control characters in texts.
  private func messages(
    seed: UInt64, _ change: (inout PublishPacket, inout SeededRandom) -> Void = { _, _ in }
  )
    -> [PublishPacket]
  {
    var random = SeededRandom(state: seed)
    random.alphabet = Array("aZ09 \"\\/{}[]:,%@é日😀\u{FFFD}\u{2028}e\u{301}".unicodeScalars)
    return (0..<200).map { index in
      var packet = PublishPacket.random(&random)
      // The script does not complete QoS 2.
      if packet.qos == .exactlyOnce { packet.qos = .atLeastOnce }
      // It writes those beyond as negative numbers.
      if let interval = packet.properties[.messageExpiryInterval] {
        packet.properties[.messageExpiryInterval] = interval & 0x7FFF_FFFF
      }
      if random.chance { packet.properties[.subscriptionIdentifier] = Int.random(in: 1...268_435_455, using: &random) }
      if random.chance { packet.properties[.topicAlias] = UInt16.random(in: 1...10, using: &random) }
      change(&packet, &random)
      return packet
    }
  }

  /// Each letter with all flags, widths and precisions.
  private static let fields: String = {
    var fields: [String] = []
    for letter in "ACEFlmRSt" {
      for flags in ["", "-", "0", "-0"] {
        for width in ["", "1", "7", "12", "40"] {
          for precision in ["", ".0", ".3", ".", ".20"] { fields.append("%\(flags)\(width)\(precision)\(letter)") }
        }
      }
    }
    for flags in ["", "-", "0", "-0"] {
      for width in ["", "1", "7", "70"] { fields += ["%\(flags)\(width)p", "%\(flags)\(width).3p"] }
      fields += ["%\(flags)x", "%\(flags)X"]
    }
    fields += ["%q", "%5q", "%r", "%-05r", "%P", "%20P", "%D", "%-9D", "%%", "%5%", "%.10I", "%-30.10I", "%030.4I"]
    fields += ["@Y-@m-@d", "@@", "@%", "@E", "@Q", "@n", "@j", "é", "\\\\", "\\0", "\\a\\e\\n\\r\\t\\v"]
    return fields.joined(separator: "|")
  }()

  @Test("every letter of -F with every flag, width and precision", arguments: [ProtocolVersion.v5, .v311])
  func fields(version: ProtocolVersion) throws {
    let messages = messages(seed: 11)
    let ours = try ourOutput(messages, version: version, .custom(FormatString(bytes(Self.fields))))
    Expect.bytes(ours, try mosquittoOutput(messages, version: version, ["-F", Self.fields]))
    #expect(ours.count > 1_000_000)
  }

  @Test("plain and -v, with and without -N", arguments: [ProtocolVersion.v5, .v311])
  func plain(version: ProtocolVersion) throws {
    let messages = messages(seed: 12) { packet, random in if random.chance { packet.payload = [] } }
    for (terminator, option) in [(UInt8(ascii: "\n"), []), (nil, ["-N"])] as [(UInt8?, [String])] {
      Expect.bytes(
        try ourOutput(messages, version: version, .payload, terminator: terminator),
        try mosquittoOutput(messages, version: version, option))
      Expect.bytes(
        try ourOutput(messages, version: version, .verbose(showsTime: false), terminator: terminator),
        try mosquittoOutput(messages, version: version, option + ["-v"]))
    }
  }

  @Test(
    "%j and %J, but for what 2.1 changed: the time, retain, and user properties",
    arguments: [ProtocolVersion.v5, .v311], [false, true])
  func json(version: ProtocolVersion, isPretty: Bool) throws {
    for letter in ["j", "J"] {
      let messages = messages(seed: 13) { packet, random in
        // 2.0 writes 0 for a topic alias, cuts texts at NUL, and copies what is no UTF-8.
        packet.properties[.topicAlias] = nil
        packet.properties.userProperties = []
        if packet.properties[.correlationData] != nil { packet.properties[.correlationData] = random.text(0...9).utf8 }
        packet.payload = letter == "j" ? random.text(0...30).utf8 : random.json(depth: 4).utf8.map { $0 }
      }
      let ours = try ourOutput(
        messages, version: version, .custom(FormatString(bytes("%\(letter)"))), isPretty: isPretty)
      let theirs = try mosquittoOutput(
        messages, version: version, ["-F", "%\(letter)"] + (isPretty ? ["--pretty"] : []))
      Expect.text(bytes(normalized(ours)), normalized(theirs))
    }
  }

  private func normalized(_ output: [UInt8]) -> String {
    String(decoding: output, as: UTF8.self)
      .replacing(/"tst":(\t?)"[^"]*"/) { "\"tst\":\($0.output.1)\"\"" }
      .replacing(/"retain":(\t?)(0|false)/) { "\"retain\":\($0.output.1)false" }
      .replacing(/"retain":(\t?)(1|true)/) { "\"retain\":\($0.output.1)true" }
  }
}

extension SeededRandom {
  /// JSON that mosquitto_sub, which reads numbers as doubles, writes as it was, blanks apart.
  fileprivate mutating func json(depth: Int) -> String {
    let blank = chance ? "" : [" ", "\n", "\t", "\r\n"].randomElement(using: &self)!
    let string = { (random: inout SeededRandom) in
      "\"" + "\(random.text(0...6))".replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
    switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &self) {
    case 0: return "\(blank)\(Int.random(in: -1000...1000, using: &self))\(blank)"
    case 1: return ["true", "false", "null"].randomElement(using: &self)!
    case 2: return "\(Int.random(in: -9...9, using: &self)).5"
    case 3, 4: return string(&self) + blank
    case 5:
      let elements = (0..<Int.random(in: 0...3, using: &self)).map { _ in json(depth: depth - 1) }
      return "[" + blank + elements.joined(separator: "," + blank) + "]"
    default:
      let members = (0..<Int.random(in: 0...3, using: &self)).map { _ in
        string(&self) + blank + ":" + json(depth: depth - 1)
      }
      return "{" + blank + members.joined(separator: "," + blank) + "}"
    }
  }
}
