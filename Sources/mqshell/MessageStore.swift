internal import CommandLineTool
internal import MQTT

/// A message that came, kept as it stood on the wire.
struct KeptMessage {
  /// When it came.
  let time: WallTime
  private let flags: UInt8
  private let body: [UInt8]
  private let version: ProtocolVersion
  /// Whether an expectation has had it.
  fileprivate(set) var isConsumed = false

  /// A copy of a message.
  init(_ message: MessageView, version: ProtocolVersion, at time: WallTime) {
    self.time = time
    self.version = version
    flags =
      (message.isDuplicate ? 0b1000 : 0) | message.qos.rawValue << 1 | (message.retain ? 1 : 0)
    var body = Self.twoBytes(message.topic.count)
    body += message.topic
    if message.qos != .atMostOnce { body += Self.twoBytes(Int(message.packetIdentifier)) }
    if version.hasProperties {
      body += Self.variableByteInteger(message.propertyBytes.count)
      body += message.propertyBytes
    }
    self.body = body + message.payload
  }

  private static func twoBytes(_ number: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
  }

  private static func variableByteInteger(_ number: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = number
    repeat {
      bytes.append(UInt8(truncatingIfNeeded: rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
      rest >>= 7
    } while rest > 0
    return bytes
  }

  /// Bytes that it takes in memory.
  var size: Int { body.count + 64 }

  /// Lends the message as everything takes it that shows and tests messages.
  func withView<Result>(_ body: (MessageView) -> Result) -> Result {
    self.body.withUnsafeBytes { bytes in
      do {
        return body(try MessageView.decode(flags: flags, body: bytes, version: version))
      } catch {
        preconditionFailure("it was decoded when it came")
      }
    }
  }

  var topic: [UInt8] { withView { Array($0.topic) } }
  var payload: [UInt8] { withView { Array($0.payload) } }
  var qos: QoS { withView { $0.qos } }
  var retain: Bool { withView { $0.retain } }
  var responseTopic: [UInt8]? { property(.responseTopic) }
  var correlationData: [UInt8]? { property(.correlationData) }

  private func property<Value>(_ key: PropertyKey<Value>) -> [UInt8]? {
    withView { view in
      view.propertyViews.first { $0.property.identifier == key.property.identifier }.map { Array($0.bytes) }
    }
  }

  /// The part of a JSON payload that `.PATH` names: the text of a string, the JSON of everything else.
  func json(_ path: String) -> [UInt8]? {
    guard let path = try? JSONPath(Array(".\(path)".utf8)) else { return nil }
    return withView { message in
      guard let whole = try? JSONValue(text: message.payload), let part = path.find(in: whole) else { return nil }
      guard let string = part.string else { return Array(part.bytes) }
      var bytes: [UInt8] = []
      string.append(to: &bytes)
      return bytes
    }
  }
}

/// The messages of a connection in the order in which they came, each with a mark of whether an expectation has consumed it.
struct MessageStore {
  /// The messages that are still there, the oldest first. An index says for ever how many came before.
  private(set) var messages: ArraySlice<KeptMessage> = []
  /// Messages that had to go although no expectation had consumed them.
  private(set) var lostCount = 0
  private var size = 0

  /// As many messages, and bytes of them, as are kept.
  static let limit = 10_000
  static let sizeLimit = 64 << 20

  /// How many messages have ever come, which is the index of the next one.
  var end: Int { messages.endIndex }

  mutating func append(_ message: KeptMessage) {
    messages.append(message)
    size += message.size
    while messages.count > Self.limit || size > Self.sizeLimit && messages.count > 1 {
      let first = messages.removeFirst()
      size -= first.size
      if !first.isConsumed { lostCount += 1 }
    }
  }

  /// The first unconsumed message from `start` on that passes.
  func firstUnconsumed(from start: Int, _ passes: (KeptMessage) -> Bool) -> Int? {
    guard start < messages.endIndex else { return nil }
    return messages[max(start, messages.startIndex)...].firstIndex { !$0.isConsumed && passes($0) }
  }

  mutating func consume(_ index: Int) { messages[index].isConsumed = true }
}
