import Foundation
import Testing

@testable import CommandLineTool

/// A folder that lives as long as the value.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/mqtools-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, to name: String) throws -> String {
    let file = URL(fileURLWithPath: path).appendingPathComponent(name)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
    return file.path
  }
}

struct OptionsFileTests {
  private func settings(inFile text: String) throws -> SampleSettings {
    let folder = try TemporaryFolder()
    return try CommandLineToolTests.settings(["-o", try folder.write(text, to: "options")])
  }

  @Test(
    "the value is the rest of the line behind one blank",
    arguments: [
      ("-m hello", "hello"), ("-m  hello ", " hello "), ("-m \"a b\"", "\"a b\""), ("   -m x # y", "x # y"),
      ("-m x\r\n", "x"), ("-m ", ""), ("--message=x", "x"), ("-mx", "x"), ("-m -n", "-n"),
      ("# -m no\n\n   \n-m yes\n", "yes"), ("-m \t", "\t"),
    ])
  func values(text: String, message: String) throws {
    #expect(try settings(inFile: text).message == bytes(message))
  }

  @Test("a line of any length is one line")
  func longLines() throws {
    let payload = String(repeating: "0123456789", count: 10_000)
    #expect(try settings(inFile: "-m \(payload)\n-t a").message == bytes(payload))
  }

  @Test("switches stand alone, and blanks behind them do not matter")
  func switches() throws {
    #expect(try settings(inFile: "-n").isNull)
    #expect(try settings(inFile: "-n  \n").isNull)
  }

  @Test("the last word of several is the rest of the line")
  func severalWords() throws {
    let text = "-D connect user-property site two words \n--property publish content-type text/plain; x=1\n"
    #expect(
      try settings(inFile: text).properties == [
        ["connect", "user-property", "site", "two words "], ["publish", "content-type", "text/plain; x=1"],
      ])
  }

  @Test(
    "mistakes name the file and the line",
    arguments: [
      ("-t a\n-p x", ":2: -p: \"x\" is not a number from 1 to 65535"),
      ("-p", ":1: -p: needs PORT behind it"),
      ("\n\n  # late", ":3: \"#\" is not an option; 'mqpub --help' lists them"),
      ("-n yes", ":1: -n: \"yes\" is more than the option takes"),
      ("-D publish content-type", ":1: -D: needs COMMAND NAME VALUE behind it"),
      ("--prot 1", ":1: --prot: unknown option; did you mean --port?"),
      ("--message=a b", ":1: --message: \"b\" is more than the option takes"),
      ("-o other", ":1: -o: is for the command line only"),
      ("--help", ":1: --help: is for the command line only"),
    ])
  func mistakes(text: String, message: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(text, to: "options")
    let error = #expect(throws: UsageError.self) { try CommandLineToolTests.settings(["-o", path]) }
    #expect(error?.message == path + message)
  }

  @Test("a file that is named must exist")
  func missingFile() {
    #expect(throws: UsageError("-o: \"/nonexistent/file\": No such file or directory")) {
      try CommandLineToolTests.settings(["-o", "/nonexistent/file"])
    }
  }
}

struct PrecedenceTests {
  @Test("the command line wins over -o, the environment and the own file, in this order")
  func order() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("-h own\n-p 1\n-m own\n", to: "mqpub")
    let file = try folder.write("-h file\n-p 3\n", to: "options")
    let environment = ["XDG_CONFIG_HOME": folder.path, "SAMPLE_PORT": "2"]

    let own = try settings([], environment: ["XDG_CONFIG_HOME": folder.path])
    #expect((own.network.host, own.network.port) == ("own", 1))
    let variable = try settings([], environment: environment)
    #expect((variable.network.host, variable.network.port) == ("own", 2))
    // -o takes the place of the own file altogether.
    let named = try settings(["-o", file], environment: environment)
    #expect((named.network.host, named.network.port, named.message) == ("file", 3, []))
    let typed = try settings(["-p", "4", "-o", file], environment: environment)
    #expect((typed.network.host, typed.network.port) == ("file", 4))
  }

  @Test("a source that accumulates replaces what weaker ones gave")
  func accumulation() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("-t a\n-t b\n", to: "options")
    #expect(try settings(["-o", file]).topics == ["a", "b"])
    #expect(try settings(["-o", file, "-t", "c", "-t", "d"]).topics == ["c", "d"])
  }

  @Test("without an own file mosquitto's is read; under mosquitto's name only that")
  func mosquittoFile() throws {
    let folder = try TemporaryFolder()
    let environment = ["HOME": folder.path, "SAMPLE_PORT": "2"]
    #expect(try settings([], environment: environment).network == .init(host: "localhost", port: 2))
    _ = try folder.write("-h mosquitto\n", to: ".config/mosquitto_pub")
    #expect(try settings([], environment: environment).network == .init(host: "mosquitto", port: 2))
    _ = try folder.write("-h own\n", to: ".config/mqpub")
    #expect(try settings([], environment: environment).network == .init(host: "own", port: 2))
    #expect(
      try settings([], as: "/usr/bin/mosquitto_pub", environment: environment).network
        == .init(host: "mosquitto", port: 1883))
  }

  @Test("each option remembers where it came from")
  func sources() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("# comment\n-h own\n", to: "mqpub")
    let environment = ["XDG_CONFIG_HOME": folder.path, "SAMPLE_PORT": "2"]
    guard case .run(let invocation) = try request(["-t", "a"], environment: environment) else {
      return #expect(Bool(false))
    }
    let found = invocation.uses.map { "\(sampleTool.commandLine.options[$0.option].name) \($0.source.place)" }
    #expect(found == ["--host \(folder.path)/mqpub:2", "--port SAMPLE_PORT", "--topic "])
    #expect(invocation.uses.map(\.source.kind) == [.ownFile, .environment, .commandLine])
  }

  @Test("a wrong value in a variable names the variable")
  func wrongVariable() {
    #expect(throws: UsageError("SAMPLE_PORT: \"x\" is not a number from 1 to 65535")) {
      try settings([], environment: ["SAMPLE_PORT": "x"])
    }
  }

  @Test("an empty variable is none")
  func emptyVariable() throws {
    #expect(try settings([], environment: ["SAMPLE_PORT": "", "XDG_CONFIG_HOME": ""]) == SampleSettings())
  }

  @Test("a folder in the place of the own file is a mistake, a path that leads nowhere is not")
  func unreadableOwnFile() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("", to: "mqpub/file")
    #expect(throws: UsageError("\(folder.path)/mqpub: Is a directory")) {
      try settings([], environment: ["XDG_CONFIG_HOME": folder.path])
    }
    #expect(try settings([], environment: ["XDG_CONFIG_HOME": file]) == SampleSettings())
  }
}
