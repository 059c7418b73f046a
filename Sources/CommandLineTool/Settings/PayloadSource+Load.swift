extension PayloadSource {
  /// The payload, read before anything is connected; nil where each line of standard input is to be one.
  ///
  /// - Throws: why it cannot be read.
  public func load() throws(UsageError) -> [UInt8]? {
    switch self {
    case .bytes(let bytes): return bytes
    case .lines: return nil
    case .file(let path):
      do {
        return try System.contents(of: path)
      } catch {
        throw UsageError("-f: \(String(decoding: path, as: UTF8.self)): \(error.explanation)")
      }
    case .standardInput:
      let contents: [UInt8]
      do {
        contents = try System.contents(descriptor: 0)
      } catch {
        throw UsageError("-s: standard input: \(error.explanation)")
      }
      // An empty pipe is more often a program that failed than a message without payload.
      if contents.isEmpty { throw UsageError("-s: standard input is empty; -n publishes a message without payload") }
      return contents
    }
  }
}
