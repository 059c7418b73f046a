internal import CommandLineTool
internal import MQTT

/// Where messages come from: lines of standard input, or one message that is known from the start.
protocol MessageSource: AnyObject {
  /// Hands over what there is now, one message after the other, as long as `take` returns true. One that it did not take comes
  /// again next time. `isDelivered` says whether everything that was taken has been delivered.
  func handOver(at now: Instant, isDelivered: () -> Bool, _ take: (OutgoingItem) -> Bool)

  /// Whether everything was handed over.
  var isExhausted: Bool { get }
  /// Messages that are there and were not handed over.
  var remainingCount: Int { get }

  /// When there is more to hand over, if time alone decides it.
  var awaitedTime: Instant? { get }
  /// What it is called in a message about reading.
  var place: String { get }
  /// What to read from.
  var descriptor: Int32? { get }
  /// Whether there is nothing to hand over before something more was read.
  var wantsToRead: Bool { get }
  /// Reads once; to be called when the descriptor is readable. After an error the source is at its end.
  func read() throws(SystemError)
}

/// What a source hands over.
enum OutgoingItem {
  case message(OutgoingMessage)
  /// A line that is no message.
  case fault(line: Int, explanation: String)
  /// A line that was cut off while it was recorded, which is nobody's fault.
  case fragment(line: Int)
}

/// A message on its way from its source to the broker. The bytes are the source's; what is nil, the plan says.
struct OutgoingMessage {
  var topic: UnsafeRawBufferPointer?
  var payload: UnsafeRawBufferPointer
  var qos: QoS?
  var retain: Bool?
  var properties: Properties?
  /// The number of the line that it comes from, from 1.
  var line: Int?
}

extension MessageSource {
  var place: String { "standard input" }
}
