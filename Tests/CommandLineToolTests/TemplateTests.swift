import Testing

@testable import CommandLineTool

private func values(seed: UInt64 = 1) -> TemplateValues {
  var random = SeededRandom(state: seed)
  return TemplateValues(random: Xoshiro256(seededBy: &random), timestamp: .fixed)
}

private let environment = ["HOST": bytes("desk {n}"), "EMPTY": [], "BINARY": [0xFF]] as [String: [UInt8]]

private func template(_ text: String) throws -> Template { try Template(bytes(text)) { environment[$0] } }

/// What the template becomes in the first messages.
private func fill(_ text: String, count: Int = 1) throws -> [String] {
  let template = try template(text)
  var values = values()
  return (0..<count).map { _ in
    values.next(at: .fixed)
    return outputText { template.append(&values, to: &$0) }
  }
}

struct TemplateTests {
  @Test(
    "places are filled in, doubled braces are braces",
    arguments: [
      ("", ""), ("plain é", "plain é"), ("{n}", "1"), ("a{n}b{n}c", "a1b1c"), ("{{n}}", "{n}"), ("{{{n}}}", "{1}"),
      (#"{{"value":{n}}}"#, #"{"value":1}"#), ("{timestamp}", "2026-11-22T12:55:34.539884+01:00"),
      ("on {env:HOST}{env:EMPTY}!", "on desk {n}!"), ("}}{{", "}{"),
    ])
  func places(text: String, filled: String) throws {
    #expect(try fill(text) == [filled])
  }

  @Test("messages are numbered from 1 on")
  func numbers() throws {
    #expect(try fill("m{n}", count: 3) == ["m1", "m2", "m3"])
  }

  @Test("a variable may hold any bytes")
  func binaryVariable() throws {
    let template = try template("{env:BINARY}")
    var values = values()
    #expect(output { template.append(&values, to: &$0) } == [0xFF])
  }

  @Test("RFC 9562, 5.4: a UUID has its version and variant, stays the same in a message and changes with the next")
  func uuids() throws {
    let filled = try fill("{uuid}/{uuid}", count: 200)
    for pair in filled {
      let parts = pair.split(separator: "/")
      #expect(parts.count == 2 && parts[0] == parts[1])
      #expect(
        parts[0].wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil, "\(pair)"
      )
    }
    #expect(Set(filled).count == 200)
    #expect(Set(filled.map { Array($0)[19] }).count == 4)
  }

  @Test("random letters and digits are others at each place, and all of them come")
  func randomLetters() throws {
    let text = try fill("{random:5}-{random:10000}")[0]
    let parts = text.split(separator: "-")
    #expect(parts.map(\.count) == [5, 10_000])
    #expect(!parts[1].hasPrefix(parts[0]))
    #expect(Set(parts[1]).sorted() == Array("0123456789abcdefghijklmnopqrstuvwxyz"))
  }

  @Test("two runs get different random numbers")
  func seeds() throws {
    let template = try template("{random:20}")
    let texts = (0..<2).map { _ in
      var values = TemplateValues()
      return outputText { template.append(&values, to: &$0) }
    }
    #expect(texts[0] != texts[1])
  }

  @Test("the published first numbers of xoshiro256** come from the state 1, 2, 3, 4")
  func generator() {
    struct Counting: RandomNumberGenerator {
      var number: UInt64 = 0
      mutating func next() -> UInt64 {
        number += 1
        return number
      }
    }
    var counting = Counting()
    var random = Xoshiro256(seededBy: &counting)
    #expect((0..<4).map { _ in random.next() } == [11520, 0, 1_509_978_240, 1_215_971_899_390_074_240])
  }

  @Test(
    "whether all messages get the same is known",
    arguments: [("a{{b}}", true), ("{env:HOST}", true), ("", true), ("{n}", false), ("{random:1}", false)])
  func constants(text: String, isConstant: Bool) throws {
    #expect(try template(text).isConstant == isConstant)
  }

  @Test(
    "mistakes are told before anything is sent",
    arguments: [
      ("{", "a brace by itself: write {{ for one"), ("a}", "a brace by itself: write }} for one"),
      ("{n}}", "a brace by itself: write }} for one"),
      ("{m}", "{m} is none of {n}, {timestamp}, {uuid}, {random:N} and {env:NAME}; for a brace write it twice"),
      ("{}", "{} is none of {n}, {timestamp}, {uuid}, {random:N} and {env:NAME}; for a brace write it twice"),
      ("{N}", "{N} is none of {n}, {timestamp}, {uuid}, {random:N} and {env:NAME}; for a brace write it twice"),
      ("{random:}", "{random:}: the number of letters is 1 to 1,000,000"),
      ("{random:0}", "{random:0}: the number of letters is 1 to 1,000,000"),
      ("{random:1000001}", "{random:1000001}: the number of letters is 1 to 1,000,000"),
      ("{random:x}", "{random:x}: the number of letters is 1 to 1,000,000"),
      ("{env:NOPE}", "the variable \"NOPE\" is not set"), ("{env:}", "the variable \"\" is not set"),
    ])
  func mistakes(text: String, message: String) {
    #expect(throws: UsageError(message)) { try template(text) }
  }
}
