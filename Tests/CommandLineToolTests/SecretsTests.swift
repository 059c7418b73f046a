import Foundation
import Testing

@testable import CommandLineTool

/// A source as it is typed.
private func source(_ word: String) throws(UsageError) -> SecretSource {
  try Argument(bytes(word), from: Source(.commandLine)).secretSource()
}

private func read(_ source: SecretSource, within time: Duration = .seconds(10)) throws(SecretError) -> String {
  let quiet = Diagnostics(program: "mqpub", level: .quiet)
  return String(decoding: try source.read(asking: "Password", within: time, until: nil, quiet), as: UTF8.self)
}

struct SecretSourceTests {
  @Test(
    "a source is a kind and what belongs to it",
    arguments: [
      ("file:/etc/pw", SecretSource.file(path: bytes("/etc/pw"))), ("file:a:b", .file(path: bytes("a:b"))),
      ("env:SECRET", .variable(name: "SECRET")), ("fd:0", .descriptor(0)), ("fd:9", .descriptor(9)),
      ("prompt", .prompt), ("command:pass show a | head -1", .command(bytes("pass show a | head -1"))),
    ])
  func kinds(word: String, expected: SecretSource) throws {
    #expect(try source(word) == expected)
  }

  @Test(
    "what is no source is told without being shown: it may be the password itself",
    arguments: ["", "hunter2", "file:", "env:", "fd:", "command:", "prompt:", "Prompt", "pass:hunter2"])
  func noSource(word: String) {
    #expect(throws: UsageError("is not file:PATH, env:NAME, fd:N, prompt or command:CMD")) { try source(word) }
  }

  @Test(
    "one end of line behind a secret does not belong to it",
    arguments: [
      ("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r\n\r\n", "a\r\n"), ("a\r", "a\r"),
      (" a b \n", " a b "), ("\na", "\na"),
    ])
  func endOfLine(contents: String, secret: String) throws {
    let file = try TemporaryFolder().write(contents, to: "secret")
    #expect(throws: SecretError.self) { try read(.file(path: bytes(file))) }  // The folder has gone.
    let folder = try TemporaryFolder()
    #expect(try read(.file(path: bytes(try folder.write(contents, to: "secret")))) == secret)
    let pipe = TestPipe()
    contents.withCString { _ = write(pipe.writing, $0, strlen($0)) }
    pipe.closeWriting()
    #expect(try read(.descriptor(dup(pipe.reading))) == secret)
  }

  @Test(
    "what cannot be a password is refused",
    arguments: [
      ("", "is empty"), ("\n", "is empty"), ("\r\n", "is empty"), ("a\0b", "has a NUL in it"),
      (String(repeating: "a", count: 65_536), "is longer than 65,535 bytes"),
      (String(repeating: "a", count: 1_000_000), "is longer than 65,535 bytes"),
    ])
  func refused(contents: String, fault: String) throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(contents, to: "secret")
    #expect(throws: SecretError.unusable("\"\(file)\" \(fault)")) { try read(.file(path: bytes(file))) }
  }

  @Test("the longest password that MQTT can carry is taken, with its end of line [MQTT-1.5.6]")
  func longest() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(String(repeating: "a", count: 65_535) + "\r\n", to: "secret")
    #expect(try read(.file(path: bytes(file))).utf8.count == 65_535)
  }

  @Test("links are not followed, and nothing but a regular file is read")
  func files() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("a", to: "secret")
    let link = folder.path + "/link"
    let pipe = folder.path + "/pipe"
    symlink(file, link)
    mkfifo(pipe, 0o600)
    let notRegular = "is not a regular file; fd:N reads from a pipe"
    for (path, fault) in [
      (link, "\"\(link)\" is a link; name the file itself"), (pipe, "\"\(pipe)\" \(notRegular)"),
      (folder.path, "\"\(folder.path)\" \(notRegular)"), ("/dev/null", "\"/dev/null\" \(notRegular)"),
      (file + "s", "\"\(file)s\": No such file or directory"),
    ] {
      #expect(throws: SecretError.unusable(fault)) { try read(.file(path: bytes(path))) }
    }
  }

  @Test("a variable is taken out of the environment when it was read")
  func variables() throws {
    setenv("MQTOOLS_TEST_SECRET", "a", 1)
    #expect(try read(.variable(name: "MQTOOLS_TEST_SECRET")) == "a")
    #expect(getenv("MQTOOLS_TEST_SECRET") == nil)
    #expect(throws: SecretError.unusable("the variable MQTOOLS_TEST_SECRET is not set")) {
      try read(.variable(name: "MQTOOLS_TEST_SECRET"))
    }
  }

  @Test("a descriptor is closed when it was read, and has to be open")
  func descriptors() throws {
    let pipe = TestPipe()
    pipe.closeWriting()
    let descriptor = dup(pipe.reading)
    #expect(throws: SecretError.unusable("descriptor \(descriptor) is empty")) { try read(.descriptor(descriptor)) }
    #expect(throws: SecretError.unusable("descriptor 1000000: Bad file descriptor")) {
      try read(.descriptor(1_000_000))
    }
  }
}

struct SecretCommandTests {
  @Test("a command's output is the secret, and it has nothing to read")
  func output() throws {
    #expect(try read(.command(bytes("printf 'a b\\n'"))) == "a b")
    #expect(try read(.command(bytes("cat; echo a"))) == "a")
    #expect(try read(.command(bytes("echo a; exec >&-; sleep 0.05"))) == "a")
  }

  @Test(
    "a command that fails is told with its status, and nothing of what it said",
    arguments: [
      ("echo hunter2; exit 3", "the command failed with status 3; run it to see why"),
      ("echo hunter2 >&2; exit 1", "the command failed with status 1; run it to see why"),
      ("no-such-command-of-ours", "the command failed with status 127; run it to see why"),
      ("echo hunter2; kill -9 $$", "the command ended by signal 9; run it to see why"),
      ("true", "what the command printed is empty"), ("printf 'a\\0b'", "what the command printed has a NUL in it"),
      ("yes | head -c 70000", "the command printed more than 65,535 bytes"),
    ])
  func failure(command: String, explanation: String) {
    #expect(throws: SecretError.commandFailed(explanation)) { try read(.command(bytes(command))) }
  }

  @Test("a command has limited time, and ends together with all that it started")
  func timeLimit() throws {
    let folder = try TemporaryFolder()
    let pipe = folder.path + "/pipe"
    mkfifo(pipe, 0o600)
    // Whoever still holds the pipe open keeps its reader from the end.
    let command = bytes("exec 3<>'\(pipe)'; echo ready >&3; sleep 100 & echo a; wait")
    let reader = open(pipe, O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    #expect(throws: SecretError.commandFailed("the command took longer than 0.3 seconds")) {
      try read(.command(command), within: .milliseconds(300))
    }
    var entry = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
    var text = [UInt8](repeating: 0, count: 64)
    #expect(Foundation.read(reader, &text, 64) == 6)
    #expect(poll(&entry, 1, 5_000) == 1)
    #expect(Foundation.read(reader, &text, 64) == 0)
  }

  @Test("a command that closes its output and goes on has limited time too")
  func timeLimitBehindOutput() {
    #expect(throws: SecretError.commandFailed("the command took longer than 0.1 seconds")) {
      try read(.command(bytes("echo a; exec >&-; sleep 100")), within: .milliseconds(100))
    }
  }

  @Test("a signal ends the waiting")
  func signals() async {
    await #expect(processExitsWith: .exitCode(0)) {
      var all = sigset_t()
      sigfillset(&all)
      pthread_sigmask(SIG_UNBLOCK, &all, nil)
      let signals = try Signals()
      #expect(throws: SecretError.interrupted) { try read(.command(bytes("kill -TERM \(getpid()); sleep 100"))) }
      #expect(signals.next() == .terminate)
    }
  }

  @Test("a failure is seen also where the caller of the tool ignores the end of children")
  func ignoredChildren() async {
    await #expect(processExitsWith: .exitCode(0)) {
      signal(SIGCHLD, SIG_IGN)
      #expect(throws: SecretError.self) { try read(.command(bytes("echo a; exit 3"))) }
    }
  }

  @Test("a command has signals as any process has them: SIGPIPE is not ignored")
  func surroundings() throws {
    signal(SIGPIPE, SIG_IGN)
    // Bit 12 of the ignored signals is SIGPIPE.
    let ignored = try read(.command(bytes("sed -n 's/^SigIgn:[^0-9a-f]*//p' /proc/self/status")))
    let mask = try #require(UInt64(ignored, radix: 16))
    #expect(mask & 1 << 12 == 0)
  }
}

struct SecretPlaceTests {
  /// What of the words is hidden from other users.
  private func hidden(_ words: [String]) throws -> [String] {
    let words = ["mqpub"] + words
    var shown = words.map { Array($0.utf8) }
    _ = try Publishing.tool.commandLine.request(
      shown, .own(.mqpub), environment: { _ in nil },
      hide: { word, bytes in for position in bytes { shown[word][position] = UInt8(ascii: "*") } })
    return shown.dropFirst().map { String(decoding: $0, as: UTF8.self) }
  }

  @Test(
    "of the words that were typed, exactly the secret bytes are hidden",
    arguments: [
      (["-P", "secret"], ["-P", "******"]), (["-Psecret"], ["-P******"]), (["--pw", "secret"], ["--pw", "******"]),
      (["--pw=secret"], ["--pw=******"]), (["-P", ""], ["-P", ""]), (["-P", "a", "-P", "b"], ["-P", "*", "-P", "*"]),
      (["-P", "é"], ["-P", "**"]), (["-m", "-P", "-t", "secret"], ["-m", "-P", "-t", "secret"]),
      (["-L", "mqtt://u:secret@h/t"], ["-L", "mqtt://u:******@h/t"]), (["-Lmqtt://u:s@h"], ["-Lmqtt://u:*@h"]),
      (["--url", "mqtt://:s@h"], ["--url", "mqtt://:*@h"]),
      (["--url=mqtt://u:a:b@c@h:1/t@x:y@z"], ["--url=mqtt://u:*****@h:1/t@x:y@z"]),
      (["-L", "mqtt://u@h:1"], ["-L", "mqtt://u@h:1"]), (["-L", "mqtt://h:1/a:b@c"], ["-L", "mqtt://h:1/a:b@c"]),
      (["-L", "other://u:secret@h"], ["-L", "other://u:******@h"]), (["-L", "u:secret@h"], ["-L", "u:******@h"]),
      (["-D", "connect", "authentication-data", "secret"], ["-D", "connect", "authentication-data", "******"]),
      (["-D", "connect", "Authentication-Data", "s"], ["-D", "connect", "Authentication-Data", "*"]),
      (["-D", "connect", "user-property", "a", "b"], ["-D", "connect", "user-property", "a", "b"]),
      (["--pw-from", "command:curl -u a:b"], ["--pw-from", "command:***********"]),
      (["--pw-from=file:/etc/pw"], ["--pw-from=file:/etc/pw"]), (["--pw-file", "/etc/pw"], ["--pw-file", "/etc/pw"]),
    ])
  func places(words: [String], shown: [String]) throws {
    #expect(try hidden(words) == shown)
  }
}
