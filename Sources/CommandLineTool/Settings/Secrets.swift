public import MQTT

/// Where a secret is that nobody types as a word of a command: `file:PATH`, `env:NAME`, `fd:N`, `prompt` or
/// `command:CMD`.
///
/// One end of line, LF or CR LF, at the end of what is found there does not belong to the secret.
public enum SecretSource: Hashable, Sendable {
  /// A regular file, no link.
  case file(path: [UInt8])
  /// A variable of the environment. Children do not get it.
  case variable(name: String)
  /// A descriptor that the tool was started with, read to its end.
  case descriptor(Int32)
  /// Somebody at the terminal is asked.
  case prompt
  /// What a command prints: as secrets of this kind expire, it is run again when one is needed again.
  case command([UInt8])
}

/// Why there is no secret. No message shows what may be a part of it.
public enum SecretError: Error, Hashable, Sendable {
  /// It is not there, or cannot be one.
  case unusable(String)
  /// The command did not succeed. Another time it may.
  case commandFailed(String)
  /// A signal came before the command ended, or Ctrl-C instead of an answer.
  case interrupted
  /// Nobody answered a prompt in time.
  case timedOut

  /// What is wrong, after the name of the secret.
  public var explanation: String {
    switch self {
    case .unusable(let explanation), .commandFailed(let explanation): explanation
    case .interrupted: "a signal came"
    case .timedOut: "nobody typed one before the time limit ran out"
    }
  }
}

extension SecretSource {
  /// The longest secret that MQTT can carry, in bytes.
  private static let limit = 65_535

  /// Reads the secret.
  ///
  /// - Parameters:
  ///   - question: what a prompt says, such as `Password of ann at broker.example`.
  ///   - time: how long a command may take.
  ///   - deadline: when a prompt gives up.
  ///   - diagnostics: for advice about a file that others can read.
  public func read(
    asking question: String, within time: Duration, until deadline: Instant?, _ diagnostics: Diagnostics
  ) throws(SecretError) -> [UInt8] {
    switch self {
    case .file(let path):
      let name = "\"\(String(decoding: path, as: UTF8.self))\""
      let (contents, isExposed) = try Self.contents(ofFile: path, name, limit: Self.limit + 2)
      if isExposed { diagnostics.advice(Self.exposure(of: name)) }
      return try Self.secret(in: contents, name)
    case .variable(let name):
      guard let value = System.environment(name) else { throw .unusable("the variable \(name) is not set") }
      System.removeFromEnvironment(name)
      return try Self.secret(in: value, "the variable \(name)")
    case .descriptor(let number):
      return try Self.secret(in: try Self.contents(ofDescriptor: number), "descriptor \(number)")
    case .prompt:
      let line: [UInt8]
      do { line = try Prompt.secret(question, until: deadline) } catch {
        if error.isTimeout { throw .timedOut }
        if error.isInterruption { throw .interrupted }
        throw .unusable("there is no terminal to ask at: \(error.explanation)")
      }
      return try Self.secret(in: line, "what was typed")
    case .command(let command): return try Self.secret(ofCommand: command, within: time)
    }
  }

  /// What a file holds that has secrets among other things. It has to be a regular file, no link; about one that others can read
  /// there is advice.
  public static func contents(
    ofFile path: [UInt8], _ diagnostics: Diagnostics
  ) throws(SecretError) -> [UInt8] {
    let name = "\"\(String(decoding: path, as: UTF8.self))\""
    let (contents, isExposed) = try Self.contents(ofFile: path, name, limit: .max)
    if isExposed { diagnostics.advice(Self.exposure(of: name)) }
    return contents
  }

  /// The advice about a file that others than its owner can read; messages call it `name`.
  static func exposure(of name: String) -> String {
    "there is a secret in \(name), and others can read the file: chmod 600"
  }

  /// What the command prints.
  static func secret(ofCommand command: [UInt8], within time: Duration) throws(SecretError) -> [UInt8] {
    let output = try output(of: command, within: time)
    do { return try secret(in: output, "what the command printed") } catch { throw .commandFailed(error.explanation) }
  }

  /// What of `found`, which messages call `name`, is the secret.
  private static func secret(in found: [UInt8], _ name: String) throws(SecretError) -> [UInt8] {
    var secret = found
    if secret.last == UInt8(ascii: "\n") {
      secret.removeLast()
      if secret.last == UInt8(ascii: "\r") { secret.removeLast() }
    }
    if secret.isEmpty { throw .unusable("\(name) is empty") }
    if secret.contains(0) { throw .unusable("\(name) has a NUL in it") }
    if secret.count > limit { throw .unusable("\(name) is longer than 65,535 bytes") }
    return secret
  }

  private static func contents(
    ofFile path: [UInt8], _ name: String, limit: Int
  ) throws(SecretError) -> (contents: [UInt8], isExposed: Bool) {
    let file: System.SecretFile
    do { file = try System.secretFile(path, limit: limit) } catch {
      throw .unusable("\(name): \(error.explanation)")
    }
    switch file {
    case .link: throw .unusable("\(name) is a link; name the file itself")
    case .notRegular: throw .unusable("\(name) is not a regular file\(limit == .max ? "" : "; fd:N reads from a pipe")")
    case .contents(let contents, let isExposed): return (contents, isExposed)
    }
  }

  private static func contents(ofDescriptor number: Int32) throws(SecretError) -> [UInt8] {
    // A file behind it could be read again by a child that inherits it.
    defer { if number > 2 { System.closeDescriptor(number) } }
    do { return try System.contents(descriptor: number, limit: limit + 2) } catch {
      throw .unusable("descriptor \(number): \(error.explanation)")
    }
  }

  private static func output(of command: [UInt8], within time: Duration) throws(SecretError) -> [UInt8] {
    do { return try Helper.output(of: command, limit: limit + 2, within: time) } catch {
      switch error {
      case .interrupted: throw .interrupted
      case .notStarted, .timedOut: throw .commandFailed("the command \(error.explanation)")
      // What it said itself could hold the secret.
      case .exited, .signalled: throw .commandFailed("the command \(error.explanation); run it to see why")
      case .tooLong: throw .commandFailed("the command printed more than 65,535 bytes")
      }
    }
  }
}

extension SecretSource {
  /// Where in a word for a source something is that is for the user's eyes only: a command may have a password in it.
  static func secret(in word: [UInt8]) -> Range<Int>? {
    let kind = Array("command:".utf8)
    return word.starts(with: kind) ? kind.count..<word.count : nil
  }
}

extension Argument {
  /// The word as a source of secrets.
  func secretSource() throws(UsageError) -> SecretSource {
    if bytes.elementsEqual("prompt".utf8) { return .prompt }
    let kind = bytes.prefix { $0 != UInt8(ascii: ":") }
    let rest = Argument(Array(bytes[kind.endIndex...].dropFirst()), from: source)
    switch String(decoding: kind, as: UTF8.self) {
    case "file" where !rest.bytes.isEmpty: return .file(path: rest.bytes)
    case "env" where !rest.bytes.isEmpty: return .variable(name: try rest.text())
    case "fd" where !rest.bytes.isEmpty: return .descriptor(Int32(try rest.number(in: 0...1_048_576)))
    case "command" where !rest.bytes.isEmpty: return .command(rest.bytes)
    default:
      // Not quoted: somebody may have typed the password itself.
      throw UsageError("is not file:PATH, env:NAME, fd:N, prompt or command:CMD")
    }
  }
}
