import Testing

@testable import CommandLineTool

/// Hands the value of a text to `body`.
private func value<Result>(_ text: String, _ body: (JSONValue) throws -> Result) throws -> Result {
  try bytes(text).withUnsafeBytes { text in try body(try JSONValue(text: text)) }
}

private func text(_ value: JSONValue?) -> String? { value.map { String(decoding: $0.bytes, as: UTF8.self) } }

/// What stands at `path`.
private func find(_ path: String, in text: String) throws -> String? {
  let path = try JSONPath(bytes(path))
  return try value(text) { CommandLineToolTests.text(path.find(in: $0)) }
}

struct JSONValueTests {
  @Test(
    "a value's kind shows in its first byte",
    arguments: [
      (" {} ", JSONValue.Kind.object), ("[]", .array), ("\"\"", .string), ("-1", .number), ("0", .number),
      ("true", .boolean), ("false", .boolean), ("null", .null),
    ])
  func kinds(text: String, kind: JSONValue.Kind) throws {
    let found = try value(text) { $0.kind }
    #expect(found == kind)
  }

  @Test("members and elements come in order, duplicates too, and verbatim")
  func children() throws {
    try value(#" { "a" : 1.50 , "b":[ 1 , {"x":"]}"} ] ,"a":"\"," } "#) { object in
      let members = object.members.map { (name: $0.name, value: text($0.value)) }
      #expect(members.map { $0.name == bytes("a") } == [true, false, true])
      #expect(members.map(\.value) == ["1.50", #"[ 1 , {"x":"]}"} ]"#, #""\",""#])
      #expect(Array(object.elements).isEmpty)
      #expect(object.member(bytes("b"))!.elements.map { text($0) } == ["1", #"{"x":"]}"}"#])
      #expect(Array(object.member(bytes("b"))!.members.map(\.name)).isEmpty)
    }
    try value("[[],[ ],{},{ }, 0]") { array in
      #expect(array.elements.map { text($0) } == ["[]", "[ ]", "{}", "{ }", "0"])
      #expect(array.elements.allSatisfy { Array($0.elements).isEmpty && Array($0.members.map(\.name)).isEmpty })
    }
  }

  @Test(
    "a path leads to a value",
    arguments: [
      (".", #"{"a":{"b":[10,[20,21],{"c":null}]},"a b":1,"é":2,"":3}"#), (".a.b[0]", "10"), (".a.b[1][1]", "21"),
      (".a.b[2].c", "null"), (".a.b[2]", #"{"c":null}"#), (".a b", "1"), (".é", "2"), (".a.b[3]", nil), (".a.c", nil),
      (".a.b.c", nil), (".a[0]", nil), (".[0]", nil), (".b", nil),
    ])
  func paths(path: String, found: String?) throws {
    #expect(try find(path, in: #"{"a":{"b":[10,[20,21],{"c":null}]},"a b":1,"é":2,"":3}"#) == found)
  }

  @Test("`.[N]` is an element of the whole")
  func elementOfWhole() throws {
    #expect(try find(".[0]", in: #"[1,{"a":2}]"#) == "1")
    #expect(try find(".[1].a", in: #"[1,{"a":2}]"#) == "2")
  }

  @Test("of members with one name the last counts")
  func duplicates() throws {
    #expect(try find(".a.b", in: #"{"a":1,"a":{"b":2,"b":3}}"#) == "3")
    #expect(try find(".a.b", in: #"{"a":{"b":2},"\u0061":{"b":4}}"#) == "4")
  }

  @Test(
    "other paths are refused",
    arguments: ["", "a", "..", ".a.", ".a..b", ".a[", ".a[]", ".a[-1]", ".a[1", ".a[x]", ".a[1]b", ".a[12345678901]"])
  func wrongPaths(path: String) {
    #expect(throws: UsageError.self) { try JSONPath(bytes(path)) }
  }

  @Test(
    "7: escapes stand for their characters",
    arguments: [
      ("\"\"", ""), ("\"plain é 😀\"", "plain é 😀"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
      (#""a\u00e9b\u65E5\ud83D\uDE00c""#, "aéb日😀c"),
      (#""\u0000\u007f\u0080\u07ff\u0800\uffff""#, "\u{0}\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}"),
      (#""\ud800\udc00\udbff\udfff""#, "\u{10000}\u{10FFFF}"), (#""\\u0041""#, "\\u0041"),
    ])
  func strings(quoted: String, expected: String) throws {
    try value(quoted) { value in
      let string = value.string!
      var decoded: [UInt8] = []
      string.append(to: &decoded)
      #expect(decoded == bytes(expected))
      #expect(string == bytes(expected))
      #expect(!(string == bytes(expected + "x")))
      #expect(expected.isEmpty || !(string == bytes(expected).dropLast()))
      #expect(string.plain.map { Array($0) } == (quoted.contains("\\") ? nil : bytes(expected)))
    }
  }

  @Test("strings are compared byte by byte, not by their looks")
  func normalization() throws {
    try value(#""e\u0301""#) {
      #expect($0.string! == bytes("e\u{301}"))
      #expect(!($0.string! == bytes("\u{E9}")))
    }
  }

  @Test(
    "on one line nothing changes but the blanks between tokens",
    arguments: [
      (
        "{\n\t\"a b\\n \" : [ 1.50 ,\r\n 1e400, \"\\u0041 \\\" , \" ] ,\n \"a b\\n \" : { } }\n",
        "{\"a b\\n \":[1.50,1e400,\"\\u0041 \\\" , \"],\"a b\\n \":{}}"
      ),
      (" 7 ", "7"), ("\" \"", "\" \""), ("[]", "[]"),
    ])
  func oneLine(original: String, shortened: String) throws {
    try value(original) { value in #expect(outputText { value.appendOnOneLine(to: &$0) } == shortened) }
  }
}
