/// Where payloads come from.
public enum PayloadSource: Hashable, Sendable {
  /// These bytes; none for a message without payload.
  case bytes([UInt8])
  /// The whole file.
  case file(path: [UInt8])
  /// All of standard input.
  case standardInput
  /// Each line of standard input is a message.
  case lines(LineFormat)
}

/// What is a line of standard input, and what stands in it.
public struct LineFormat: Hashable, Sendable {
  /// What a line consists of.
  public enum Content: Hashable, Sendable {
    /// The payload.
    case payload
    /// The topic, this separator (nil: a blank or a TAB), and the payload.
    case topicAndPayload(separator: [UInt8]?)
    /// A JSON object, as `JSONInput` reads it.
    case json
  }

  /// What a line consists of.
  public var content = Content.payload
  /// The byte behind each line.
  public var end = UInt8(ascii: "\n")

  /// The payload, ended by LF.
  public init() {}
}

extension PayloadSource {
  /// The payload, read before anything is connected; empty where each line of standard input is to be one.
  ///
  /// - Throws: why it cannot be read, or is not what the encoding says.
  public func load(_ encoding: PayloadEncoding = .text) throws(UsageError) -> [UInt8] {
    switch self {
    case .lines: return []
    case .bytes(let bytes): return try Self.decode(bytes, encoding, from: "-m")
    case .file(let path):
      let place = "-f: \(String(decoding: path, as: UTF8.self))"
      let contents: [UInt8]
      do {
        contents = try System.contents(of: path)
      } catch {
        throw UsageError(error.explanation).at(place)
      }
      return try Self.decode(contents, encoding, from: place)
    case .standardInput:
      let contents: [UInt8]
      do {
        contents = try System.contents(descriptor: 0)
      } catch {
        throw UsageError("-s: standard input: \(error.explanation)")
      }
      // An empty pipe is more often a program that failed than a message without payload.
      if contents.isEmpty { throw UsageError("-s: standard input is empty; -n publishes a message without payload") }
      return try Self.decode(contents, encoding, from: "-s: standard input")
    }
  }

  private static func decode(
    _ bytes: [UInt8], _ encoding: PayloadEncoding, from place: String
  ) throws(UsageError) -> [UInt8] {
    if encoding == .text { return bytes }
    do { return try encoding.decode(bytes) } catch { throw error.at(place) }
  }
}
