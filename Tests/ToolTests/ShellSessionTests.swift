import Foundation
import TestSupport
import Testing

/// The session that the README shows: its commands are typed, and what is seen then has to stand there.
@Suite(.needs("mosquitto", "mosquitto_pub"))
struct ShellSessionTests {
  /// The block of the README that begins with the command.
  private func session() throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    let block = try #require(readme.components(separatedBy: "```\n$ mqshell\n").dropFirst().first)
    return try #require(block.components(separatedBy: "```").first)
  }

  /// The text with what differs from run to run replaced by what it is.
  private func masked(_ text: String, port: Int) -> String {
    text.replacing(" -p \(port)", with: "").replacing("localhost:\(port)", with: "localhost:1883")
      .replacing(#/\d\d:\d\d:\d\d/#, with: "TIME").replacing(
        #/[0-9.]+ m?s$/#.anchorsMatchLineEndings(), with: "DURATION"
      )
      .replacing(#/mosquitto [0-9.]+/#, with: "mosquitto VERSION")
  }

  @Test("the first five minutes, as the README shows them")
  func readme() throws {
    let broker = try RealBroker()
    let publish = { (topic: String, payload: String, options: [String]) in
      expectSuccess(try ToolProcess.run("mosquitto_pub", broker.options + ["-t", topic, "-m", payload] + options))
    }
    try publish("home/desk/temp", "21.5", ["-r"])
    try publish("home/desk/lamp", "{\"state\":\"ON\"}", ["-r"])

    let terminal = try Terminal("mqshell", ["--color", "never"])
    let expected = masked(try session(), port: broker.port)
    var soFar = ""
    for line in expected.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      guard let command = line.firstMatch(of: #/^(mq|localhost)> (.*)$/#) else {
        soFar += line + "\n"
        continue
      }
      soFar += "\(command.1)> "
      let seen = { masked(Paper(terminal.output).text, port: broker.port) }
      Expect.eventually("\(seen())\n-- instead of --\n\(soFar)") { seen() == soFar }
      soFar += "\(command.2)\n"
      try terminal.type(command.2.replacing("open localhost", with: "open localhost -p \(broker.port)") + "\r")
      if command.2.hasPrefix("expect") {
        Expect.eventually { seen() == soFar }
        try publish("home/desk/temp", "21.7", [])
      }
    }
    #expect(try terminal.wait() == .exited(0))
    Expect.text(Array(masked(Paper(terminal.output).text, port: broker.port).utf8), expected)
  }
}

/// What stands on a terminal of endless length on which lines are edited, none of them so long that it is wrapped.
private struct Paper {
  private var rows: [[Character]] = [[]]
  private var column = 0

  init(_ bytes: [UInt8]) {
    var rest = String(decoding: bytes, as: UTF8.self).unicodeScalars[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "\r": column = 0
      case "\n": rows.append([])
      case "\u{8}": column = max(0, column - 1)
      case "\u{7}": break
      case "\u{1B}":
        let sequence = rest.prefix { !($0.properties.isAlphabetic || $0 == "@") }
        rest = rest.dropFirst(sequence.count)
        obey(rest.popFirst() ?? " ", Int(String(sequence.dropFirst())))
      default: write(Character(scalar))
      }
    }
  }

  private mutating func obey(_ final: Unicode.Scalar, _ number: Int?) {
    let last = rows.count - 1
    switch final {
    case "K", "J": rows[last] = Array(rows[last].prefix(column))
    case "C": column += number ?? 1
    case "D": column = max(0, column - (number ?? 1))
    case "A": break  // Only to the row in which it is already.
    default: break  // Marks of pasted text.
    }
  }

  private mutating func write(_ character: Character) {
    let last = rows.count - 1
    while rows[last].count < column { rows[last].append(" ") }
    if column < rows[last].count { rows[last][column] = character } else { rows[last].append(character) }
    column += 1
  }

  var text: String { rows.map { String($0) }.joined(separator: "\n") }
}
