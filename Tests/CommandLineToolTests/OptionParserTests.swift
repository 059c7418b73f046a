import Testing

@testable import CommandLineTool

func request(
  _ words: [String], as name: String = "mqpub", environment: [String: String] = [:]
) throws(UsageError) -> CommandLineReader.Request {
  try sampleTool.commandLine.request(
    [bytes(name)] + words.map(bytes), .of(.mqpub, calledAs: bytes(name)),
    environment: { environment[$0].map(bytes) })
}

struct OptionParserTests {
  @Test(
    "an option and its value stand together or apart",
    arguments: [
      ["-p", "1884"], ["-p1884"], ["--port", "1884"], ["--port=1884"], ["-p", "1", "--port=1884"],
      ["--port", "1", "-p1884"],
    ])
  func spellings(words: [String]) throws {
    var expected = SampleSettings()
    expected.network.port = 1884
    #expect(try settings(words) == expected)
  }

  @Test(
    "the word behind an option is its value, whatever it looks like",
    arguments: [
      (["-m", "-n"], "-n"), (["--message", "--help"], "--help"), (["-m", ""], ""), (["--message="], ""),
      (["-m=x"], "=x"), (["--message=a=b"], "a=b"), (["-m-n"], "-n"), (["-m", "--"], "--"), (["-m", "a b "], "a b "),
    ])
  func values(words: [String], message: String) throws {
    var expected = SampleSettings()
    expected.message = bytes(message)
    #expect(try settings(words) == expected)
  }

  @Test("a value need not be text")
  func binaryValues() throws {
    let request = try sampleTool.commandLine.request(
      [bytes("mqpub"), bytes("-m"), [0xFF, 0x00, 0x80]], .own(.mqpub), environment: { _ in nil })
    guard case .run(let invocation) = request else { return #expect(Bool(false)) }
    #expect(invocation.uses[0].words[0] == [0xFF, 0x00, 0x80])
  }

  @Test("an exact spelling wins over a letter with its value")
  func exactSpelling() throws {
    #expect(try settings(["-vv"]).isLoud)
  }

  @Test("options of several words take as many as they need")
  func severalWords() throws {
    let words = ["-D", "connect", "user-property", "-n", "-m", "--property", "publish", "content-type", "x", "-n"]
    var expected = SampleSettings()
    expected.properties = [["connect", "user-property", "-n", "-m"], ["publish", "content-type", "x"]]
    expected.isNull = true
    #expect(try settings(words) == expected)
  }

  @Test("what accumulates keeps its order")
  func accumulation() throws {
    #expect(try settings(["-t", "b", "-t", "a", "-tb"]).topics == ["b", "a", "b"])
  }

  @Test(
    "mistakes are told in one line with their place",
    arguments: [
      (["-p"], "-p: needs PORT behind it"),
      (["-D", "publish", "content-type"], "-D: needs COMMAND NAME VALUE behind it"),
      (["--port=abc"], "--port: \"abc\" is not a number from 1 to 65535"),
      (["-p", "1883junk"], "-p: \"1883junk\" is not a number from 1 to 65535"),
      (["-p0"], "-p: \"0\" is not a number from 1 to 65535"),
      (["-nn"], "-n: takes no value, but \"-nn\" gives it one; options are not joined, write each by itself"),
      (["--message", "a", "b"], "\"b\" is not an option; 'mqpub --help' lists them"),
      (["-"], "\"-\" is not an option; 'mqpub --help' lists them"),
      (["--"], "--: unknown option; 'mqpub --help' lists all"),
      (["-q", "1"], "-q: unknown option; 'mqpub --help' lists all"),
      (["-C", "1"], "-C: unknown option; it belongs to mqsub"),
      (["-C1"], "-C1: unknown option; it belongs to mqsub"),
      (["--prot", "1"], "--prot: unknown option; did you mean --port?"),
      (["--mess=x"], "--mess: unknown option; did you mean --message?"),
      (["--hots=x"], "--hots: unknown option; did you mean --host?"),
      (["--generat"], "--generat: unknown option; 'mqpub --help' lists all"),
      (["--por", "1"], "--por: unknown option; did you mean --port?"),
      (["--entirely-else"], "--entirely-else: unknown option; 'mqpub --help' lists all"),
      (["--é"], "--é: unknown option; 'mqpub --help' lists all"),
    ])
  func mistakes(words: [String], message: String) {
    let error = #expect(throws: UsageError.self) { try settings(words) }
    #expect(error?.message == message)
  }

  @Test("words that are no options are taken by a tool that has use for them")
  func operands() throws {
    let table = OptionTable(
      tool: "mqbench",
      options: [OptionDescription(value: .one("FILE"), section: .general, summary: "a report to compare")])
    var parser = OptionParser([bytes("mqbench"), bytes("a.json"), bytes("-")], from: 1, table: table)
    #expect(try parser.next()?.words == [bytes("a.json")])
    #expect(try parser.next()?.words == [bytes("-")])
    #expect(try parser.next() == nil)
  }
}
