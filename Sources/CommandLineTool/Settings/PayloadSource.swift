public import MQTT

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
  /// The payload, read before anything is connected; empty where each line of standard input is to be one. A pipe is waited
  /// for until the run has to end.
  ///
  /// - Throws: why it cannot be read, or is not what the encoding says.
  public func load(_ encoding: PayloadEncoding = .text, until deadline: Instant? = nil) throws(UsageError) -> [UInt8] {
    do throws(UsageError) {
      let written = try contents(until: deadline)
      // An empty pipe is more often a program that failed than a message without payload.
      if self == .standardInput, written.isEmpty {
        throw UsageError("nothing is there; -n publishes a message without payload")
      }
      return encoding == .text ? written : try encoding.decode(written)
    } catch {
      throw error.at(place)
    }
  }

  private var place: String {
    switch self {
    case .bytes: "-m"
    case .file(let path): "-f: \(String(decoding: path, as: UTF8.self))"
    case .standardInput: "-s: standard input"
    case .lines: "-l"
    }
  }

  private func contents(until deadline: Instant?) throws(UsageError) -> [UInt8] {
    do throws(SystemError) {
      switch self {
      case .lines: return []
      case .bytes(let bytes): return bytes
      case .file(let path): return try System.contents(of: path, until: deadline)
      case .standardInput: return try System.contents(descriptor: 0, until: deadline)
      }
    } catch {
      guard error.isTimeout else { throw UsageError(error.explanation) }
      throw UsageError("the time limit ran out before its end", status: .timedOut)
    }
  }
}
