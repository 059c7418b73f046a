import Foundation
import Testing

@testable import CommandLineTool

/// Where the value stands, or what is wrong.
private func scan(_ text: [UInt8]) -> Result<Range<Int>, JSONError> {
  text.withUnsafeBytes { text in Result { () throws(JSONError) in try JSONScanner.scan(text) } }
}

private func isJSON(_ text: [UInt8]) -> Bool {
  if case .success = scan(text) { true } else { false }
}

struct JSONScannerTests {
  @Test(
    "RFC 8259: one text of any kind, with the four blanks around its tokens",
    arguments: [
      "null", "true", "false", "0", "-0", "-0.0", "1e400", "1E+2", "1.5e-07", "9007199254740993", "\"\"", "[]", "{}",
      "[[]]", "[{}]", "{\"\":{}}", " \t\r\n[ 1 , 2 ]\n", "{ \"a\" : 1 , \"a\" : [ ] }", "[null,true,false]",
      "{\"a\":{\"b\":[{\"c\":[]},{}]},\"d\":0}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uFFFF\\uabCD\"",
      "\"\\ud83d\\ude00\"", "\"é 日本 😀 \u{7F} \u{2028}\"", "\"\\u0000\"", "[0.1,-1]", "123456789012345678901234567890",
    ])
  func valid(text: String) {
    #expect(isJSON(bytes(text)))
  }

  @Test(
    "anything else is refused where it goes wrong",
    arguments: [
      ("", 0), (" ", 1), ("nul", 3), ("nulL", 3), ("True", 0), ("NaN", 0), ("Infinity", 0), ("'a'", 0), ("+1", 0),
      (".5", 0), ("1.", 2), ("1.e1", 2), ("1e", 2), ("1e+", 3), ("-", 1), ("--1", 1), ("01", 1), ("-01", 2), ("0x1", 1),
      ("1 2", 2), ("1,", 1), ("[1,]", 3), ("[,1]", 1), ("[1 2]", 3), ("[1", 2), ("]", 0), ("[}", 1), ("{]", 1),
      ("[1}", 2), ("{\"a\":1]", 6), ("{a:1}", 1), ("{\"a\"}", 4), ("{\"a\":}", 5), ("{\"a\":1,}", 7), ("{,}", 1),
      ("{1:1}", 1), ("{\"a\" 1}", 5), ("{\"a\":1 \"b\":2}", 7), ("\"", 1), ("\"a", 2), ("\"\\\"", 3), ("\"\\x\"", 2),
      ("\"\\u12\"", 5), ("\"\\u12G4\"", 5), ("\"\n\"", 1), ("\"\u{0}\"", 1), ("\"\u{1F}\"", 1), ("\u{FEFF}1", 0),
      ("1\u{0}", 1), ("\u{A0}1", 0), ("1\u{B}", 1), ("// a\n1", 0), ("[1]x", 3), ("{}{}", 2),
      ("\"\\ud800\"", 1), ("\"\\udc00\"", 1), ("\"\\ud800\\u0041\"", 1), ("\"\\ud800x\"", 1), ("\"\\ud800\\n\"", 1),
      ("\"\\udc00\\ud800\"", 1),
    ])
  func invalid(text: String, offset: Int) {
    guard case .failure(let error) = scan(bytes(text)) else {
      Issue.record("accepted")
      return
    }
    #expect(error.offset == offset)
  }

  @Test(
    "8.1: strings are UTF-8 (Unicode, table 3-7)",
    arguments: [
      [0xFF], [0x80], [0xC3], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xE2, 0x82],
      [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC3, 0x41],
    ] as [[UInt8]])
  func invalidUTF8(content: [UInt8]) {
    guard case .failure(let error) = scan([0x22, 0x61] + content + [0x22]) else {
      Issue.record("accepted")
      return
    }
    #expect(error == JSONError(offset: 2, explanation: "this is not UTF-8"))
  }

  @Test("the value's place leaves the blanks around it out")
  func place() {
    #expect(scan(bytes(" \n[1] ")) == .success(2..<5))
    #expect(scan(bytes("7")) == .success(0..<1))
  }

  @Test("a text cut short anywhere is refused at its end")
  func cutShort() {
    let text = bytes(#"{"a":[1.5e+3,true,null,"x\n\ud83d\ude00é"],"b":{"c":false}}"#)
    #expect(isJSON(text))
    for count in 0..<text.count { #expect(!isJSON(Array(text[..<count])), "\(count) bytes") }
  }

  @Test(
    "9: containers may be nested 512 deep, and a million deep do no harm", arguments: [("[", "]"), ("{\"\":", "}")])
  func depth(opening: String, closing: String) {
    func nested(_ depth: Int) -> [UInt8] {
      bytes(String(repeating: opening, count: depth) + "0" + String(repeating: closing, count: depth))
    }
    #expect(isJSON(nested(512)))
    #expect(!isJSON(nested(513)))
    #expect(!isJSON(nested(1_000_000)))
    #expect(!isJSON(bytes(String(repeating: "[", count: 1_000_000))))
  }

  @Test("what is wrong is told with its place, the first byte being byte 1")
  func description() {
    guard case .failure(let error) = scan(bytes("{\"a\":1 2}")) else {
      Issue.record("accepted")
      return
    }
    #expect("\(error)" == "byte 8: a comma or } is missing")
    #expect("\(JSONError(offset: 0, explanation: "x"))" == "byte 1: x")
  }

  @Test("damaged texts are judged as another parser judges them, and nothing that is accepted is hard to walk")
  func damage() {
    let whole = bytes(
      #"{"a":[1.5,-20,true,false,null,"x\n\"y\\ "],"b b":{"c":{},"d":[[],[{}]]},"\u00e9":"long enough a string"}"#)
    let alphabet = bytes(#"{}[]",:0123456789.-+ truefalsn\/b"# + "\n\t\u{1}")
    var random = SeededRandom(state: 3)
    var accepted = 0
    for _ in 0..<10_000 {
      var text = whole
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        let place = Int.random(in: 0..<text.count, using: &random)
        switch Int.random(in: 0...2, using: &random) {
        case 0: text.remove(at: place)
        case 1: text.insert(alphabet.randomElement(using: &random)!, at: place)
        default: text[place] = alphabet.randomElement(using: &random)!
        }
      }
      let other = (try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)) != nil
      // It lets a comma stand behind the last one, which RFC 8259 does not.
      let string = String(decoding: text, as: UTF8.self)
      #expect(isJSON(text) == other || other && string.contains(/,\s*[}\]]/), "\(string)")
      text.withUnsafeBytes { bytes in
        guard let value = try? JSONValue(text: bytes) else { return }
        accepted += 1
        let short = output { value.appendOnOneLine(to: &$0) }
        let long = output { value.appendOnManyLines(isForTerminal: false, to: &$0) }
        let shortAgain = long.withUnsafeBytes { long in
          output { output in _ = try? JSONValue(text: long).appendOnOneLine(to: &output) }
        }
        #expect(short == shortAgain)
        for member in value.members {
          _ = member.value.members.map(\.value).count + member.value.elements.map(\.bytes).count
        }
      }
    }
    #expect(accepted > 500)
  }
}
