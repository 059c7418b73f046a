internal import CommandLineTool
internal import MQTT

/// A message for each line of a descriptor.
final class LineSource: MessageSource {
  private var lines: InputLines
  private let content: LineFormat.Content
  private let encoding: PayloadEncoding
  private var json = JSONInput()

  init(_ format: LineFormat, _ encoding: PayloadEncoding, descriptor: Int32) {
    lines = InputLines(descriptor: descriptor, end: format.end)
    content = format.content
    self.encoding = encoding
  }

  var isExhausted: Bool { lines.isExhausted }
  var remainingCount: Int { lines.remainingCount }
  var awaitedTime: Instant? { nil }
  var descriptor: Int32? { lines.descriptor }
  var wantsToRead: Bool { lines.isDry && !lines.isAtEnd }

  func read() throws(SystemError) { try lines.read() }

  func handOver(at now: Instant, isDelivered: () -> Bool, _ take: (OutgoingItem) -> Bool) {
    if content == .payload, encoding == .text {
      lines.forEachLine { line, number in take(.message(OutgoingMessage(payload: line, line: number))) }
    } else if content == .json {
      lines.forEachLine { line, number in withObject(line, number, take) }
    } else {
      lines.forEachLine { line, number in withMessage(line, number, take) }
    }
  }

  private func withObject(_ line: UnsafeRawBufferPointer, _ number: Int, _ take: (OutgoingItem) -> Bool) -> Bool {
    do throws(JSONError) {
      try json.read(line)
    } catch {
      return take(.fault(line: number, explanation: error.description))
    }
    return json.withMessage(line: number) { take(.message($0)) }
  }

  private func withMessage(_ line: UnsafeRawBufferPointer, _ number: Int, _ take: (OutgoingItem) -> Bool) -> Bool {
    var message = OutgoingMessage(payload: line, line: number)
    switch content {
    case .payload, .json: break
    case .topicAndPayload(let separator):
      guard let (start, end) = Self.place(of: separator, in: line) else {
        let expected = separator.map { "'\(String(decoding: $0, as: UTF8.self))'" } ?? "blank or TAB"
        return take(.fault(line: number, explanation: "no \(expected) ends a topic"))
      }
      message.topic = UnsafeRawBufferPointer(rebasing: line[..<start])
      message.payload = UnsafeRawBufferPointer(rebasing: line[end...])
    }
    if encoding == .text { return take(.message(message)) }
    let payload: [UInt8]
    do throws(UsageError) {
      payload = try encoding.decode(message.payload)
    } catch {
      return take(.fault(line: number, explanation: error.message))
    }
    return payload.withUnsafeBytes { payload in
      message.payload = payload
      return take(.message(message))
    }
  }

  /// Where the separator begins and ends.
  private static func place(of separator: [UInt8]?, in line: UnsafeRawBufferPointer) -> (Int, Int)? {
    guard let separator else {
      return line.firstIndex { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.map { ($0, $0 + 1) }
    }
    var start = 0
    while let found = line[start...].firstIndex(of: separator[0]) {
      if line[found...].starts(with: separator) { return (found, found + separator.count) }
      start = found + 1
    }
    return nil
  }
}

extension JSONInput {
  /// Lends what was read last as a message to publish.
  func withMessage<Result>(line: Int, _ body: (OutgoingMessage) -> Result) -> Result {
    payload.withUnsafeBytes { payload in
      var message = OutgoingMessage(
        payload: payload, qos: qos, retain: retain, properties: properties.isEmpty ? nil : properties, line: line)
      guard let topic else { return body(message) }
      return topic.utf8.withUnsafeBytes { topic in
        message.topic = topic
        return body(message)
      }
    }
  }
}
