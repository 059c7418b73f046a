import Foundation

/// A folder of its own for a test; it goes away with the last reference to it.
///
/// Its path is short enough for a unix socket inside it.
public final class TemporaryFolder: Sendable {
  /// The absolute path, without a slash at the end.
  public let path: String

  /// Creates an empty folder.
  public init() throws {
    var template = Array("/tmp/mqtools-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure.system("mkdtemp") }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The absolute path of something in the folder, whether it exists or not.
  public func path(_ name: String) -> String {
    path + "/" + name
  }

  /// Writes a file, and the folders on the way to it; returns its absolute path.
  @discardableResult
  public func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let file = URL(fileURLWithPath: path(name))
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
    return file.path
  }

  /// Writes a text file; returns its absolute path.
  @discardableResult
  public func write(_ name: String, _ text: String) throws -> String {
    try write(name, text.utf8)
  }

  /// The content of a file.
  public func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path(name))))
  }
}
