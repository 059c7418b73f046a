internal import CommandLineTool

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The lines that were typed, in `~/.local/state/mqshell/history`, which nobody else can read. Each line is there once, where it was
/// typed last. Lines come with their secrets masked.
struct History {
  private(set) var lines: [[UInt8]]
  private let path: [UInt8]

  /// As many lines as are kept.
  private static let limit = 2_000

  /// The history of this user; nil where there is no place for one.
  init?() {
    var folder = System.environment("XDG_STATE_HOME") ?? []
    if folder.first != UInt8(ascii: "/") {
      guard let home = System.environment("HOME"), home.first == UInt8(ascii: "/") else { return nil }
      folder = home + Array("/.local/state".utf8)
    }
    folder += Array("/mqshell".utf8)
    guard Self.makeFolder(folder) else { return nil }
    path = folder + Array("/history".utf8)
    let stored = (try? System.contents(of: path)).map { mqshell.lines(of: $0) } ?? []
    lines = Self.withoutRepeats(stored).suffix(Self.limit)
    // Other shells append meanwhile, so it is written anew only when it has grown.
    if stored.count > 2 * Self.limit { rewrite() }
  }

  mutating func append(_ line: [UInt8]) {
    lines.removeAll { $0 == line }
    lines.append(line)
    write(line + [UInt8(ascii: "\n")], to: path, O_APPEND)
  }

  private func rewrite() {
    let new = path + Array(".new".utf8)
    guard write(lines.flatMap { $0 + [UInt8(ascii: "\n")] }, to: new, O_TRUNC) else { return }
    withString(new) { new in withString(path) { path in _ = rename(new, path) } }
  }

  /// Of equal lines the last.
  private static func withoutRepeats(_ lines: [[UInt8]]) -> [[UInt8]] {
    var seen: Set<[UInt8]> = []
    return lines.reversed().filter { !$0.isEmpty && seen.insert($0).inserted }.reversed()
  }

  @discardableResult
  private func write(_ bytes: [UInt8], to path: [UInt8], _ flags: Int32) -> Bool {
    let descriptor = withString(path) { open($0, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0o600) }
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    fchmod(descriptor, 0o600)
    return writeAll(bytes, to: descriptor)
  }

  private static func makeFolder(_ path: [UInt8]) -> Bool {
    for end in path.indices.dropFirst() where path[end] == UInt8(ascii: "/") {
      withString(Array(path[..<end])) { _ = mkdir($0, 0o700) }
    }
    return withString(path) { mkdir($0, 0o700) == 0 || errno == EEXIST }
  }
}

/// A file that was not there before.
enum NewFile {
  static func write(_ bytes: [UInt8], to path: [UInt8]) throws(SystemError) {
    let descriptor = withString(path) { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { close(descriptor) }
    guard writeAll(bytes, to: descriptor) else { throw SystemError(call: "write", number: errno) }
  }
}

private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return false }
  }
  return true
}

private func withString<Result>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
  (bytes + [0]).withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
}
