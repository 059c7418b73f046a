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
  /// Each line of a recording is a message.
  case recording(Replay)
}

/// Messages that were recorded, and how fast they are published.
public struct Replay: Hashable, Sendable {
  /// The file; nil for standard input.
  public var path: [UInt8]?
  /// How many times as fast as they came; nil for as fast as the broker takes them.
  public var speed: Double? = 1
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
  /// The option by which standard input is read, if it is.
  var optionForStandardInput: String? {
    switch self {
    case .bytes, .file: nil
    case .standardInput: "-s"
    case .lines(let format): format.content == .json ? "--stdin-json" : "-l"
    case .recording(let replay): replay.path == nil ? "--replay -" : nil
    }
  }

  /// Whether it is many messages, of which each comes when it comes.
  var isManyMessages: Bool {
    switch self {
    case .lines, .recording: true
    case .bytes, .file, .standardInput: false
    }
  }

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
    case .recording: "--replay"
    }
  }

  private func contents(until deadline: Instant?) throws(UsageError) -> [UInt8] {
    do throws(SystemError) {
      switch self {
      case .lines, .recording: return []
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

extension Replay {
  /// A descriptor to read from. A pipe need not have a writer yet.
  public func open() throws(SystemError) -> Int32 {
    guard let path else { return 0 }
    return try System.openWithoutWaiting(path)
  }
}
