import MQTT
import TestSupport
import Testing

@testable import CommandLineTool

/// QoS 1, identifier 7, every property; the payload is `message`.
private let full = SampleMessage(
  body: """
    s* 'a/topic' m7 [ 23 n3 03 s* 'text/plain' 08 s* 're/ply' 26 s* 'k' s* 'v' 09 n3 61 00 ff 02 N3600 01 01 0b v5
      26 s* 'k' s* 'w' ] 'message'
    """, flags: 0b0010)

/// QoS 0, no properties; the payload is `message`.
private let bare = SampleMessage(body: "s* 'a/topic' [] 'message'", flags: 0b0001)

private func sample(_ payload: [UInt8], topic: String = "t") -> SampleMessage {
  let digits = payload.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  return SampleMessage(body: WireNotation("s* '\(topic)' [] \(digits)"))
}

private func show(
  _ message: SampleMessage, _ style: MessageFormat.Style, _ change: (inout MessageFormat.Options) -> Void = { _ in }
) throws -> [UInt8] {
  var options = MessageFormat.Options()
  change(&options)
  var format = MessageFormat(style, options, timestamp: .fixed) { conversion, second in
    Array("<\(String(decoding: [conversion], as: UTF8.self)) \(second)>".utf8)
  }
  return try message.with { message in output { format.append(message, at: .fixed, to: &$0) } }
}

private func shown(
  _ message: SampleMessage, _ style: MessageFormat.Style, _ change: (inout MessageFormat.Options) -> Void = { _ in }
) throws -> String { String(decoding: try show(message, style, change), as: UTF8.self) }

private func format(_ text: String) throws -> MessageFormat.Style { .custom(try FormatString(bytes(text))) }

struct MessageFormatTests {
  @Test(
    "each letter of -F stands for its value",
    arguments: [
      ("%t", "a/topic"), ("%p", "message"), ("%x", "6d657373616765"), ("%X", "6D657373616765"), ("%l", "7"),
      ("%q", "1"),
      ("%r", "0"), ("%m", "7"), ("%A", "3"), ("%C", "text/plain"), ("%E", "3600"), ("%F", "1"), ("%R", "re/ply"),
      ("%S", "5"), ("%P", "k:v k:w"), ("%I", "2026-11-22T12:55:34+0100"), ("%U", "1795348534.539884001"), ("%%", "%"),
      ("%5%", "%"), ("@Y", "<Y 1795348534>"), ("@Y@m", "<Y 1795348534><m 1795348534>"), ("@N", "539884001"),
      ("@@", "@"),
      ("\\\\\\a\\e\\n\\r\\t\\v", "\\\u{7}\u{1B}\n\r\t\u{B}"), ("", ""), ("é %t: %p.", "é a/topic: message."),
    ])
  func letters(text: String, expected: String) throws {
    #expect(try shown(full, format(text)) == expected + "\n")
  }

  @Test("correlation data and NUL are bytes like others")
  func binary() throws {
    #expect(try show(full, format("%D\\0")) == [0x61, 0x00, 0xFF, 0x00, 0x0A])
  }

  @Test(
    "what a message does not have is empty",
    arguments: [
      ("%A|", "|"), ("%5A|", "     |"), ("%05A|", "00000|"), ("%-5A|", "     |"), ("%3E%3F%3S|", "         |"),
      ("%C|", "|"),
      ("%4C|", "    |"), ("%04C|", "    |"), ("%R|", "|"), ("%10R|", "|"), ("%D%P|", "|"), ("%5D%5P|", "|"),
      ("%m|", "0|"),
      ("%q%r|", "01|"),
    ])
  func missing(text: String, expected: String) throws {
    #expect(try shown(bare, format(text)) == expected + "\n")
  }

  @Test(
    "texts are cut by the precision and filled up with blanks to the width",
    arguments: [
      ("%10t|", "   a/topic|"), ("%-10t|", "a/topic   |"), ("%010t|", "   a/topic|"), ("%-010t|", "a/topic   |"),
      ("%.3t|", "a/t|"), ("%5.3t|", "  a/t|"), ("%-5.3t|", "a/t  |"), ("%.0t|", "|"), ("%.t|", "|"),
      ("%3t|", "a/topic|"),
      ("%0t|", "a/topic|"), ("%-0t|", "a/topic|"), ("%00012t|", "     a/topic|"), ("%12C|", "  text/plain|"),
      ("%.4C|", "text|"),
      ("%-8R|", "re/ply  |"), ("%.2R|", "re|"), ("%26I|", "  2026-11-22T12:55:34+0100|"), ("%.10I|", "2026-11-22|"),
      ("% t|", "a/topic|"), ("%:t|", "a/topic|"), ("%-9.3-t|", "a/t      |"),
    ])
  func texts(text: String, expected: String) throws {
    #expect(try shown(full, format(text)) == expected + "\n")
  }

  @Test(
    "numbers are filled up with blanks or zeros, and single digits never",
    arguments: [
      ("%4l|", "   7|"), ("%04l|", "0007|"), ("%-4l|", "7   |"), ("%-04l|", "7   |"), ("%.3l|", "7|"),
      ("%4.3l|", "   7|"),
      ("%6E|", "  3600|"), ("%06E|", "003600|"), ("%2E|", "3600|"), ("%030l|", "000000000000000000000000000007|"),
      ("%3A%3m%3S|", "  3  7  5|"), ("%5q%05r|", "10|"), ("%30U|", "1795348534.539884001|"),
    ])
  func numbers(text: String, expected: String) throws {
    #expect(try shown(full, format(text)) == expected + "\n")
  }

  @Test(
    "the payload is cut by the width, and on the left the blanks are as many as it misses or exceeds it",
    arguments: [
      ("%3p|", "mes|"), ("%12p|", "     message|"), ("%012p|", "00000message|"), ("%-12p|", "message     |"),
      ("%-012p|", "message     |"), ("%-3p|", "mes|"), ("%-p|", "message       |"), ("%0p|", "message|"),
      ("%.2p|", "message|"),
      ("%10.2p|", "   message|"),
    ])
  func payloads(text: String, expected: String) throws {
    #expect(try shown(full, format(text)) == expected + "\n")
  }

  @Test(
    "hexadecimal digits: the width cuts bytes and fills up digits, the precision makes groups",
    arguments: [
      ("%5x|", "6d65737361|"), ("%18x|", "    6d657373616765|"), ("%018X|", "00006D657373616765|"),
      ("%-18x|", "6d657373616765    |"), ("%-5x|", "6d65737361     |"), ("%-x|", "6d657373616765       |"),
      ("%1x|", "6d|"),
      ("%.2x|", "6d 65 73 73 61 67 65|"), ("%.2:x|", "6d:65:73:73:61:67:65|"), ("%.3x|", "6d6 573 736 167 65|"),
      ("%.2-X|", "6D-65-73-73-61-67-65|"), ("%.1 x|", "6 d 6 5 7 3 7 3 6 1 6 7 6 5|"), ("%:x|", "6d657373616765|"),
      ("%.0:x|", "6d657373616765|"), ("%.50x|", "6d657373616765|"), ("%4.2:x|", "6d:65:73:73|"),
      ("%018.2:x|", "00:00:6d:65:73:73:61:67:65|"), ("%16.4x|", "  6d 6573 7361 6765|"),
    ])
  func hexadecimal(text: String, expected: String) throws {
    #expect(try shown(full, format(text)) == expected + "\n")
  }

  @Test(
    "floats and doubles are read in this machine's byte order and written like printf",
    arguments: [
      ("%f|", "21.500000|"), ("%.1f|", "21.5|"), ("%.0f|", "22|"), ("%8.2f|", "   21.50|"), ("%-8.2f|", "21.50   |"),
      ("%08.2f|", "00021.50|"),
    ])
  func floats(text: String, expected: String) throws {
    let single = withUnsafeBytes(of: Float(21.5)) { Array($0) }
    let double = withUnsafeBytes(of: Double(21.5)) { Array($0) }
    #expect(try shown(sample(single), format(text)) == expected + "\n")
    #expect(try shown(sample(double), format(text.replacing("f", with: "d"))) == expected + "\n")
  }

  @Test("extreme doubles are written in full")
  func extremeDoubles() throws {
    func text(_ number: Double, _ text: String) throws -> String {
      try shown(sample(withUnsafeBytes(of: number) { Array($0) }), format(text))
    }
    #expect(try text(-1e308, "%.0d").hasPrefix("-1000000000000000010979063629440455417404923096773118463368106829"))
    #expect(try text(-1e308, "%.0d").count == 311)
    #expect(try text(0.1, "%.60d") == "0.100000000000000005551115123125782702118158340454101562500000\n")
    #expect(try text(.nan, "%06d").hasSuffix("nan\n"))
    #expect(try text(-.infinity, "%d") == "-inf\n")
    #expect(try text(1, "%5000.4000d").count == 5001)
  }

  @Test("a payload that is no float leaves an empty place, and that is told", arguments: [0, 3, 5, 8])
  func noFloat(count: Int) throws {
    var format = MessageFormat(try format("a%8.2fb"))
    let message = sample([UInt8](repeating: 0x30, count: count))
    let text = try message.with { message in outputText { format.append(message, at: .fixed, to: &$0) } }
    #expect(text == "ab\n")
    let problem = try message.with { message in
      var buffer = OutputBuffer(descriptor: -1, limit: .max)
      return format.append(message, at: .fixed, to: &buffer)
    }
    #expect(problem == .payloadIsNoNumber)
  }

  @Test(
    "mistakes are told before anything is received",
    arguments: [
      ("%", "something is missing behind the last %"), ("a%-05.2", "something is missing behind the last %"),
      ("%z", "there is no '%z'; for a percent sign write %%"),
      ("%-5.3z", "there is no '%-5.3z'; for a percent sign write %%"),
      ("%*t", nil), ("%+5t", "there is no '%+5'; for a percent sign write %%"),
      ("%é", "there is no '%\u{FFFD}'; for a percent sign write %%"),
      ("%--5t", "there is no '%--5'; for a percent sign write %%"), ("@", "a letter is missing behind the last @"),
      ("\\", "a letter is missing behind the last \\"), ("\\q", "there is no '\\q'; for a backslash write \\\\"),
      ("%100001t", "a width is 100,000 at most"), ("%.99999999999999999999999t", "a width is 100,000 at most"),
      ("%100000t", nil),
    ] as [(String, String?)])
  func mistakes(text: String, message: String?) {
    if let message {
      #expect(throws: UsageError(message)) { try FormatString(bytes(text)) }
    } else {
      #expect(throws: Never.self) { try FormatString(bytes(text)) }
    }
  }

  // MARK: Ways to show a message

  @Test("plain output is the payload and the end of a line; without payload it is nothing")
  func plain() throws {
    #expect(try show(sample([0x00, 0xFF, 0x0A]), .payload) == [0x00, 0xFF, 0x0A, 0x0A])
    #expect(try shown(sample([]), .payload) == "")
    #expect(try shown(bare, .payload) { $0.terminator = nil } == "message")
    #expect(try shown(bare, .payload) { $0.terminator = 0 } == "message\0")
    #expect(try shown(sample([]), .payload) { $0.terminator = 0 } == "\0")
  }

  @Test("-v puts the topic in front, and the time with -vv")
  func verbose() throws {
    #expect(try shown(bare, .verbose(showsTime: false)) == "a/topic message\n")
    #expect(try shown(sample([]), .verbose(showsTime: false)) == "t (null)\n")
    #expect(try shown(bare, .verbose(showsTime: false)) { $0.terminator = nil } == "a/topic message")
    #expect(try shown(sample([]), .verbose(showsTime: false)) { $0.terminator = nil } == "")
    #expect(try shown(bare, .verbose(showsTime: true)) == "2026-11-22T12:55:34.539884+01:00 a/topic message\n")
  }

  @Test("colours set time and topic apart from the payload")
  func colors() throws {
    func colored(_ message: SampleMessage, _ style: MessageFormat.Style) throws -> String {
      try shown(message, style) { $0.isColored = true }
    }
    #expect(try colored(bare, .payload) == "message\n")
    #expect(
      try colored(bare, .verbose(showsTime: true))
        == "\u{1B}[2m2026-11-22T12:55:34.539884+01:00\u{1B}[0m \u{1B}[36ma/topic\u{1B}[0m message\n")
    #expect(
      try colored(sample([]), .verbose(showsTime: false)) == "\u{1B}[36mt\u{1B}[0m \u{1B}[2m(null)\u{1B}[0m\n")
    #expect(try colored(sample([]), .hexadecimalDump(showsTopic: true)) == "\u{1B}[36mt\u{1B}[0m (0 bytes)\n")
    #expect(try colored(bare, format("%t")) == "a/topic\n")
  }

  @Test("the clock is asked for formats that show the time only")
  func showsTime() throws {
    for text in ["%I", "%U", "@H", "@N", "%j", "%J"] { #expect(MessageFormat(try format(text)).showsTime, "\(text)") }
    #expect(MessageFormat(.json).showsTime)
    #expect(MessageFormat(.verbose(showsTime: true)).showsTime)
    for style in [.payload, .verbose(showsTime: false), try format("%t %p @@")] as [MessageFormat.Style] {
      #expect(!MessageFormat(style).showsTime)
    }
  }

  @Test("--json is one line a message")
  func json() throws {
    #expect(
      try shown(bare, .json)
        == #"{"time":"2026-11-22T12:55:34.539884+01:00","topic":"a/topic","qos":0,"retain":true,"dup":false,"payload":"message"}"#
        + "\n")
  }

  @Test("on a terminal the message's own bytes are made safe, a format's are not")
  func terminal() throws {
    let hostile = SampleMessage(
      body: """
        s* 'a\u{1B}' [ 03 s* 'c\u{1B}' 08 s* 'r\u{1B}' 09 n2 ff1b 26 s* 'k\u{1B}' s* 'v\u{1B}' ] '\u{1B}[2J' 0aff
        """)
    func terminal(_ style: MessageFormat.Style) throws -> String {
      try shown(hostile, style) { $0.isForTerminal = true }
    }
    #expect(try terminal(.payload) == "\\x1B[2J\\n\\xFF\n")
    #expect(try terminal(.verbose(showsTime: false)) == "a\\x1B \\x1B[2J\\n\\xFF\n")
    #expect(try terminal(.hexadecimalDump(showsTopic: true)).hasPrefix("a\\x1B (6 bytes)\n00000000  1b 5b"))
    #expect(
      try terminal(format("\\e[1m%t\\n%p %C %R %D %P\\e[0m"))
        == "\u{1B}[1ma\\x1B\n\\x1B[2J\\n\\xFF c\\x1B r\\x1B \\xFF\\x1B k\\x1B:v\\x1B\u{1B}[0m\n")
    #expect(try terminal(format("%5p|%-3.2t|")) == "\\x1B[2J\\n|a\\x1B |\n")
    #expect(try show(hostile, format("%t%p")) == bytes("a\u{1B}\u{1B}[2J\n") + [0xFF, 0x0A])
    for style in [.json, try format("%j")] as [MessageFormat.Style] {
      let shown = try terminal(style).dropLast()
      #expect(shown.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7F || $0 == "\u{FFFD}" })
    }
  }

  @Test(
    "--hexdump shows 16 bytes a line",
    arguments: [
      ("", ""), ("a", "00000000  61                                                |a|\n"),
      ("0123456789abcdef", "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"),
      (
        "0123456789abcdef\u{0}~é",
        """
        00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|
        00000010  00 7e c3 a9                                       |.~..|

        """
      ),
    ])
  func dump(payload: String, expected: String) throws {
    #expect(try shown(sample(bytes(payload)), .hexadecimalDump(showsTopic: false)) == expected)
    #expect(
      try shown(sample(bytes(payload)), .hexadecimalDump(showsTopic: true))
        == "t (\(payload.utf8.count) byte\(payload.utf8.count == 1 ? "" : "s"))\n" + expected)
  }

  // MARK: %j and %J

  @Test("%j has mosquitto_sub's keys in their order, and properties as they came")
  func mosquittoJSON() throws {
    #expect(
      try shown(full, format("%j"))
        == #"{"tst":"2026-11-22T12:55:34.539884+0100","topic":"a/topic","qos":1,"retain":false,"payloadlen":7,"mid":7,"#
        + #""properties":{"topic-alias":3,"content-type":"text/plain","response-topic":"re/ply","#
        + #""user-properties":[{"k":"v"},{"k":"w"}],"correlation-data":"a\u0000\ufffd","message-expiry-interval":3600,"#
        + #""payload-format-indicator":1,"subscription-identifier":5},"payload":"message"}"# + "\n")
    #expect(
      try shown(bare, format("%10j|"))
        == #"{"tst":"2026-11-22T12:55:34.539884+0100","topic":"a/topic","qos":0,"retain":true,"payloadlen":7,"payload":"message"}|"#
        + "\n")
  }

  @Test(
    "%j shows any payload as a string, %J JSON as it is",
    arguments: [
      ([], "null", "null"), (bytes("1.50"), "\"1.50\"", "1.50"),
      (
        bytes(" {\"a\": [1e400,\n9007199254740993], \"a\":1} "), #"" {\"a\": [1e400,\n9007199254740993], \"a\":1} ""#,
        #"{"a":[1e400,9007199254740993],"a":1}"#
      ),
      ([0x61, 0x00, 0x62, 0xFF], #""a\u0000b\ufffd""#, nil), (bytes("not JSON"), "\"not JSON\"", nil),
      (bytes("1 2"), "\"1 2\"", nil),
    ] as [([UInt8], String, String?)])
  func mosquittoPayloads(payload: [UInt8], asString: String, asJSON: String?) throws {
    #expect(try shown(sample(payload), format("%j")).hasSuffix(",\"payload\":\(asString)}\n"))
    let shown = try shown(sample(payload), format("<%J>"))
    if let asJSON {
      #expect(shown.hasSuffix(",\"payload\":\(asJSON)}>\n"))
    } else {
      #expect(shown == "<>\n")
    }
  }

  @Test("a payload that is not JSON is told with %J")
  func noJSON() throws {
    var format = MessageFormat(try format("%J"))
    let problem = try bare.with { message in
      var buffer = OutputBuffer(descriptor: -1, limit: .max)
      return format.append(message, at: .fixed, to: &buffer)
    }
    #expect(problem == .payloadIsNotJSON)
  }

  @Test("--pretty puts each member on a line of its own")
  func pretty() throws {
    let message = sample(bytes(#"{"a" : 1.50,"b":[1,{"x":[]},{}, [ { } ]],"c":{"d":{}},"e":"{,:\""}"#))
    #expect(
      try shown(message, format("%J")) { $0.isPretty = true } == """
        {
        \t"tst":\t"2026-11-22T12:55:34.539884+0100",
        \t"topic":\t"t",
        \t"qos":\t0,
        \t"retain":\tfalse,
        \t"payloadlen":\t66,
        \t"payload":\t{
        \t\t"a":\t1.50,
        \t\t"b":\t[1, {
        \t\t\t\t"x":\t[]
        \t\t\t}, {
        \t\t\t}, [{
        \t\t\t\t}]],
        \t\t"c":\t{
        \t\t\t"d":\t{
        \t\t\t}
        \t\t},
        \t\t"e":\t"{,:\\""
        \t}
        }

        """)
    #expect(
      try shown(sample(bytes("[1,{\"a\":2}]")), .verbose(showsTime: false)) { $0.isPretty = true }
        == "t [1, {\n\t\t\"a\":\t2\n\t}]\n")
    #expect(try shown(sample(bytes("no {} JSON")), .payload) { $0.isPretty = true } == "no {} JSON\n")
    #expect(try shown(sample(bytes("{\"a\":2}")), format("%p")) { $0.isPretty = true } == "{\"a\":2}\n")
    #expect(
      try shown(sample(bytes("{\"\u{202E}\":2}")), .payload) {
        $0.isPretty = true
        $0.isForTerminal = true
      } == "{\n\t\"\\u202e\":\t2\n}\n")
  }

  @Test("the deepest JSON that is accepted can be made pretty, around it our own object")
  func prettyDepth() throws {
    let payload = bytes(String(repeating: "[", count: 512) + String(repeating: "]", count: 512))
    let shown = try shown(sample(payload), format("%J")) { $0.isPretty = true }
    #expect(shown.hasSuffix(String(repeating: "]", count: 512) + "\n}\n"))
  }

  @Test("the time is the system's in the zone of the environment")
  func systemTime() throws {
    var format = MessageFormat(try format("@s @H:@M:@S %I"))
    let time = WallTime(seconds: 1_795_348_534, nanoseconds: 0)
    let text = try bare.with { message in outputText { format.append(message, at: time, to: &$0) } }
    let local = System.localTime(time.seconds)
    #expect(text.hasPrefix("1795348534 "))
    let clock = [local.hour, local.minute, local.second].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    #expect(text.contains(" \(clock) "))
    #expect(text.contains("T\(clock)"))
  }

  @Test("a new second brings new texts")
  func passingTime() throws {
    var format = MessageFormat(try format("@s"))
    let texts = try bare.with { message in
      [1, 1, 2].map { second in
        outputText { format.append(message, at: WallTime(seconds: second, nanoseconds: 0), to: &$0) }
      }
    }
    #expect(texts == ["1\n", "1\n", "2\n"])
  }
}
