import Foundation
import Testing

@testable import TestSupport

@Suite struct ToolProcessTests {
  @Test func outputErrorsAndStatusAreCollected() throws {
    let tool = try ToolProcess.run("/bin/sh", ["-c", "echo out; echo err >&2; exit 3"])
    Expect.text(tool.output, "out\n")
    Expect.text(tool.errors, "err\n")
    #expect(tool.end == .exited(3))
  }

  @Test func muchOutputAndInputDoNotBlockEachOther() throws {
    let bytes = (0..<4_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    let tool = try ToolProcess.run("cat", input: .bytes(bytes), timeout: .seconds(30))
    Expect.bytes(tool.output, bytes)
    #expect(tool.end == .exited(0))
  }

  @Test func inputIsHeldOpenUntilItIsClosed() throws {
    let tool = try ToolProcess("cat", input: .held)
    tool.write("one\n")
    try tool.waitForOutput(lines: 1)
    #expect(tool.end == nil)
    tool.write([0x00, 0xff])
    tool.closeInput()
    #expect(try tool.wait() == .exited(0))
    Expect.bytes(tool.output, Array("one\n".utf8) + [0x00, 0xff])
  }

  @Test func inputComesFromAFile() throws {
    let home = try TemporaryFolder()
    let file = try home.write("in/message", "from a file")
    Expect.text(try ToolProcess.run("cat", input: .file(file)).output, "from a file")
    // The home folder is where the process runs.
    Expect.text(try ToolProcess.run("cat", ["in/message"], home: home).output, "from a file")
  }

  @Test func noInputIsAtItsEnd() throws {
    #expect(try ToolProcess.run("cat").end == .exited(0))
  }

  @Test func theEnvironmentIsCleanAndTakesChanges() throws {
    let tool = try ToolProcess.run("env", environment: ["PATH": nil, "MQTEST": "é=1", "TZ": "CET"])
    let variables = Set(tool.outputText.split(separator: "\n").map(String.init))
    #expect(variables.isSuperset(of: ["HOME=\(tool.home.path)", "MQTEST=é=1", "TZ=CET", "SWIFT_BACKTRACE=enable=no"]))
    #expect(variables.contains("XDG_CONFIG_HOME=\(tool.home.path)/.config"))
    #expect(!variables.contains { $0.hasPrefix("PATH=") || $0.hasPrefix("USER=") })
  }

  @Test func theNameThatAProgramSeesCanBeSet() throws {
    let tool = try ToolProcess.run("/bin/sh", ["-c", "tr '\\0' ' ' < /proc/$$/cmdline"], arg0: "mosquitto_pub")
    #expect(tool.outputText.hasPrefix("mosquitto_pub -c "))
  }

  @Test func aSignalEndsIt() throws {
    let tool = try ToolProcess("sleep", ["60"])
    tool.signal(SIGTERM)
    #expect(try tool.wait() == .signaled(SIGTERM))
    tool.signal(SIGTERM)  // nobody is there any more
  }

  @Test func signalsAreAtTheirDefaults() throws {
    let former = signal(SIGPIPE, SIG_IGN)
    defer { signal(SIGPIPE, former) }
    let tool = try ToolProcess("/bin/sh", ["-c", "read line; echo lost; echo still here >&2"], input: .held)
    try tool.closeOutput()
    tool.write("go\n")
    #expect(try tool.wait() == .signaled(SIGPIPE))
    Expect.text(tool.errors, "")
  }

  @Test func whatDoesNotEndInTimeIsAFailureThatShowsTheOutput() throws {
    let tool = try ToolProcess("/bin/sh", ["-c", "echo waiting; sleep 60"])
    try tool.waitForOutput("waiting")
    let failure = try #require(throws: TestFailure.self) { try tool.wait(timeout: .milliseconds(20)) }
    #expect(failure.description.contains("did not end within"))
    #expect(failure.description.contains("last: waiting"))
  }

  @Test func waitingForOutputStopsAtTheEnd() throws {
    let tool = try ToolProcess("/bin/echo", ["nothing"])
    let failure = try #require(throws: TestFailure.self) { try tool.waitForOutput("something") }
    #expect(failure.description.contains("before the end"))
  }

  @Test func itIsKilledWithItsLastReference() throws {
    var tool: ToolProcess? = try ToolProcess("sleep", ["60"])
    let pid = try #require(tool?.pid)
    tool = nil
    Expect.eventually { kill(pid, 0) != 0 }
  }

  @Test func itsChildrenAreKilledWithIt() throws {
    var tool: ToolProcess? = try ToolProcess("/bin/sh", ["-c", "sleep 60 & echo $!; wait"])
    try tool?.waitForOutput(lines: 1)
    let child = try #require(Int32(tool?.outputText.dropLast() ?? ""))
    #expect(kill(child, 0) == 0)
    tool = nil
    // Whoever adopts it may be slow to reap it.
    Expect.eventually { kill(child, 0) != 0 || hasDied(child) }
  }

  private func hasDied(_ pid: Int32) -> Bool {
    (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8).contains(") Z ")) ?? false
  }

  @Test func thereIsNoTerminal() throws {
    #expect(try ToolProcess.run("/bin/sh", ["-c", "exec 3</dev/tty"]).end != .exited(0))
  }

  @Test func descriptorsOfTheTestsAreNotInherited() throws {
    let open = try Descriptor.pipe()
    _ = fcntl(open.writing.number, F_SETFD, 0)
    let tool = try ToolProcess.run("ls", ["/proc/self/fd"])
    // The fourth is the folder that ls reads.
    Expect.text(tool.output, "0\n1\n2\n3\n")
  }

  @Test func usageTellsTimeAndMemory() throws {
    let tool = try ToolProcess.run(
      "/bin/sh", ["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"], timeout: .seconds(30))
    let usage = try #require(tool.usage)
    #expect(usage.cpuTime > .milliseconds(1))
    #expect(usage.cpuTime < .seconds(20))
    #if os(Linux)
      // Less than this test process itself holds: wait4's figure would be at least that.
      let memory = try #require(usage.maximumResidentBytes)
      #expect((100_000..<8_000_000).contains(memory))
    #endif
  }

  @Test func aProgramThatIsNotThereIsAFailure() {
    #expect(throws: TestFailure.self) { try ToolProcess("no-such-program") }
    #expect(throws: TestFailure.self) { try ToolProcess("/no/such/program") }
  }

  @Test func ourToolsAreFoundBesideTheTests() throws {
    #expect(try locate("mqpub").hasSuffix("/mqpub"))
  }
}
