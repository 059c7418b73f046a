import Foundation
import Testing

@testable import CommandLineTool

/// What every option table has to keep; each tool's test calls it with the tool's own.
func checkInvariants(of options: [OptionDescription], sourceLocation: SourceLocation = #_sourceLocation) {
  let spellings = options.flatMap(\.spellings)
  let repeated = Set(spellings.filter { spelling in spellings.filter { $0 == spelling }.count > 1 })
  #expect(repeated.isEmpty, "spelled twice", sourceLocation: sourceLocation)
  for option in options {
    let isShortRight = option.short.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "z") ~= $0 }
    #expect(isShortRight && option.short.count <= 2, "\(option.name)", sourceLocation: sourceLocation)
    let isLongRight = option.long.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
    #expect(isLongRight && option.long.count != 1, "\(option.name)", sourceLocation: sourceLocation)
    #expect(!option.summary.isEmpty && !option.summary.hasSuffix("."), "\(option.name)", sourceLocation: sourceLocation)
    #expect(option.details.isEmpty || option.details.hasSuffix("."), "\(option.name)", sourceLocation: sourceLocation)
    #expect(
      option.setting.isEmpty || options.contains { $0.name == option.setting && $0.setting.isEmpty },
      "\(option.name) is about no setting", sourceLocation: sourceLocation)
    if let value = option.valueName {
      #expect(!value.isEmpty, "\(option.name) does not name its value", sourceLocation: sourceLocation)
    } else {
      #expect(option.environment.isEmpty, "\(option.name) is a switch", sourceLocation: sourceLocation)
    }
  }
}

struct HelpTextTests {
  private var tool: CommandLineReader { sampleTool.commandLine }

  @Test("the sample's table keeps the rules of all tables")
  func invariants() {
    checkInvariants(of: tool.options)
  }

  @Test("help lists every option once, in its section, within 80 columns")
  func help() {
    let help = HelpText.text(tool.description, options: tool.options)
    let expected = """
      Usage: mqpub [OPTION]... -t TOPIC -m TEXT

      Messages:
        -m, --message TEXT        the payload
        -n                        an empty payload
        -t, --topic TOPIC         the topic; may be repeated
        -D, --property COMMAND NAME VALUE
                                  a property

      Output:
        -vv                       be loud

      Connection:
        -h, --host HOST           the broker's host
        -p, --port PORT           the broker's port (1883)

      General:
        -o FILE                   read options from FILE
            --profile NAME        read options about the connection from a profile
            --show-settings       print every setting and where it came from, and end
            --help                print this text
            --version             print the version

      Examples:
        # One message.
        mqpub -t a/b -m 'it''s'

      Exit status: 0 when all that was asked for happened; see 'man mqpub'.

      """
    #expect(help == expected)
  }

  @Test("long summaries are broken at blanks")
  func wrapping() {
    var options = tool.options
    options[0].summary = String(repeating: "word ", count: 41) + "end"
    let lines = HelpText.text(tool.description, options: options).split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 80 })
    #expect(lines.contains { $0.hasPrefix("  -h, --host HOST           word word") })
    #expect(lines.contains { $0.hasPrefix("                            word") && $0.hasSuffix(" end") })
  }
}

struct ManPageTests {
  private var tool: CommandLineReader { sampleTool.commandLine }

  @Test("the page has all its parts, each byte escaped for roff")
  func page() {
    let page = tool.manualPage
    #expect(page == tool.manualPage)
    for line in [
      ".SH NAME\nmqpub \\- publish messages to an MQTT broker\n",
      ".SH SYNOPSIS\n\\fBmqpub\\fR [\\fIOPTION\\fR]... \\fB\\-t\\fR \\fITOPIC\\fR \\fB\\-m\\fR \\fITEXT\\fR\n",
      "It needs \\fB\\-\\-topic\\fR.\n.PP\nA \\e and a \\(aqquote\\(aq.\n",
      ".SS Connection\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-host\\fR \\fIHOST\\fR\nThe broker\\(aqs host.\n",
      "The broker\\(aqs port (1883).\nWith \\fB\\-\\-host\\fR it says where the broker is.\n",
      ".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\nAll that was asked for happened.\n",
      ".TP\n\\fB75\\fR\nStored safely and not delivered yet.\n",
      ".SH ENVIRONMENT\n.TP\n\\fBSAMPLE_PORT\\fR\nStands for \\fB\\-\\-port\\fR, which is stronger.\n",
      ".TP\n\\fBMQTOOLS_PROFILE\\fR\nStands for \\fB\\-\\-profile\\fR, which is stronger.\n",
      ".TP\n\\fBTZ\\fR\nThe time zone.\n",
      "mqpub \\-t a/b \\-m \\(aqit\\(aq\\(aqs\\(aq\n",
    ] { #expect(page.contains(line), "\(line)") }
    #expect(!page.contains("generate"))
    #expect(!page.contains("goal was not met"))
    #expect(page.utf8.allSatisfy { $0 < 0x80 })
  }

  @Test(
    "man(1) has nothing to say against it", .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/man")))
  func warnings() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(tool.manualPage, to: "mqpub.1")
    let man = Process()
    man.executableURL = URL(fileURLWithPath: "/usr/bin/man")
    man.arguments = ["--warnings", "-l", file]
    man.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANROFFOPT": "-ww", "MANWIDTH": "80"]
    let (standardOutput, standardError) = (Pipe(), Pipe())
    man.standardOutput = standardOutput
    man.standardError = standardError
    try man.run()
    let text = String(decoding: standardOutput.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let warnings = String(decoding: standardError.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    man.waitUntilExit()
    #expect(warnings == "")
    #expect(text.contains("mqpub [OPTION]... -t TOPIC -m TEXT"))
    #expect(text.contains("A \\ and a 'quote'."))
  }

  @Test("a text that names an option that does not exist is found out")
  func crossReferences() {
    #expect(ManualText.unknownOptions(in: tool.description, tool.options) == [])
    var description = tool.description
    description.paragraphs = ["{-t} and {--topics} in {n} {braces}, {--host}{-x", "}"]
    #expect(ManualText.unknownOptions(in: description, tool.options) == ["--topics"])
    var options = tool.options
    options[0].details = "See {-y}."
    #expect(ManualText.unknownOptions(in: tool.description, options) == ["-y"])
  }

  @Test("the page is printed by the tool itself, unless it names an option that does not exist")
  func generation() throws {
    guard case .text(let page, .ok) = try request(["--generate", "man"], as: "mosquitto_pub") else {
      return #expect(Bool(false))
    }
    #expect(page == tool.manualPage)
    #expect(throws: UsageError("--generate: \"html\" is not man")) { try request(["--generate", "html"]) }
    var description = tool.description
    description.paragraphs = ["See {--topics} and {-y}."]
    let wrong = CommandLineReader(description, options: tool.options, otherTools: [])
    #expect(throws: UsageError("--generate: the manual names options that do not exist: --topics -y")) {
      try wrong.request([bytes("mqpub"), bytes("--generate=man")], .own(.mqpub), environment: { _ in nil })
    }
  }
}
