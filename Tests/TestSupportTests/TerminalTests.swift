import Foundation
import Testing

@testable import TestSupport

@Suite struct TerminalTests {
  @Test func allThreeStreamsAreItsControllingTerminal() throws {
    let terminal = try Terminal(
      "/bin/sh", ["-c", "test -t 0 && test -t 1 && test -t 2 && echo yes > /dev/tty; exit 4"])
    #expect(try terminal.wait() == .exited(4))
    Expect.text(terminal.output, "yes\r\n")
  }

  @Test func itHasASizeThatChanges() throws {
    let script = "stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done"
    let terminal = try Terminal("/bin/sh", ["-c", script], columns: 100, rows: 30)
    #expect(try terminal.read(until: "ready") == "30 100\r\nready")
    try terminal.resize(columns: 61, rows: 17)
    try terminal.read(until: "17 61")
    #expect(try terminal.wait() == .exited(0))
  }

  @Test func keysArriveAndAreEchoed() throws {
    let terminal = try Terminal("/bin/sh", ["-c", "printf 'name? '; read name; echo \"hello, $name\""])
    #expect(try terminal.read(until: "? ") == "name? ")
    try terminal.type("world\r")
    #expect(try terminal.read(until: "hello, world\r\n") == "world\r\nhello, world\r\n")
    #expect(try terminal.wait() == .exited(0))
  }

  @Test func ctrlCInterrupts() throws {
    let terminal = try Terminal("/bin/sh", ["-c", "echo ready; exec cat"])
    try terminal.read(until: "ready")
    try terminal.type("\u{3}")
    #expect(try terminal.wait() == .signaled(SIGINT))
  }

  @Test func ctrlDEndsTheInput() throws {
    let terminal = try Terminal("cat")
    try terminal.type("\u{4}")
    #expect(try terminal.wait() == .exited(0))
  }

  @Test func whatIsNotShownIsAFailure() throws {
    let terminal = try Terminal("/bin/sh", ["-c", "echo something; exec cat"])
    try terminal.read(until: "some")
    let late = try #require(throws: TestFailure.self) { try terminal.read(until: "else", timeout: .milliseconds(30)) }
    #expect(late.description.contains("\"else\" was not shown within"))
    terminal.signal(SIGTERM)
    let over = try #require(throws: TestFailure.self) { try terminal.read(until: "else") }
    #expect(over.description.contains("before the end"))
    #expect(over.description.contains("something"))
  }

  @Test func itIsKilledWithItsLastReference() throws {
    var terminal: Terminal? = try Terminal("sleep", ["60"])
    let pid = try #require(terminal?.pid)
    terminal = nil
    Expect.eventually { kill(pid, 0) != 0 }
  }
}
