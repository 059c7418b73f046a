internal import CSystem
internal import CommandLineTool

/// What `--template` makes of the topics and of the payload, anew for each message.
final class MessageTemplates {
  private let topics: [Template]
  private let payloadTemplate: Template?
  private var values = TemplateValues()
  private var payload = OutputBuffer(descriptor: -1, limit: .max)
  private var topic = OutputBuffer(descriptor: -1, limit: .max)

  /// - Parameter payload: nil where the payload is none.
  init(topics: [[UInt8]], payload: [UInt8]?) throws(UsageError) {
    self.topics = try topics.map { (topic) throws(UsageError) in try Self.template(topic, of: "-t") }
    payloadTemplate = try payload.map { (payload) throws(UsageError) in try Self.template(payload, of: "payload") }
  }

  private static func template(_ text: [UInt8], of place: String) throws(UsageError) -> Template {
    do { return try Template(text) } catch { throw UsageError("--template: \(place): \(error.message)") }
  }

  /// Goes on to the next message.
  func next() {
    values.next(at: .now)
    payload.removeAll()
    payloadTemplate?.append(&values, to: &payload)
  }

  /// Lends a topic of the present message, and its payload: `given` unless that is a template.
  func withMessage(
    topic index: Int, payload given: UnsafeRawBufferPointer,
    _ body: (_ topic: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) -> Void
  ) {
    topic.removeAll()
    topics[index].append(&values, to: &topic)
    topic.withBytes { topic in
      if payloadTemplate == nil { body(topic, given) } else { payload.withBytes { body(topic, $0) } }
    }
  }
}

extension WallTime {
  fileprivate static var now: WallTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(seconds: Int64(time.tv_sec), nanoseconds: time.tv_nsec)
  }
}
