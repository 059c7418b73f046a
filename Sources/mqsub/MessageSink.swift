internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Where the messages go that a subscriber wants: standard output, commands, a live view. It says when a message is
/// acknowledged, and when it has enough.
///
/// The subscriber's loop is the only one: a sink never waits, but has the driver watch what it waits for.
protocol MessageSink: AnyObject {
  /// The session is about to begin.
  func prepare(_ client: Client)

  /// The run begins.
  func start(_ driver: inout Driver)

  /// Takes a message; its bytes are good until this returns. The delivery is for `Client.acknowledge` when the sink has done
  /// its part; messages of QoS 0 have none.
  func take(_ message: MessageView, _ delivery: Delivery?)

  /// Works: all that has arrived was taken, or a descriptor of the sink is ready, or its deadline has passed.
  func work(_ client: Client, _ driver: inout Driver) -> SinkState

  /// A descriptor that the sink has the driver watch is ready; `work` follows.
  func ready(_ descriptor: Int32, _ readiness: Readiness)

  /// When to `work` though nothing has happened.
  var deadline: Instant? { get }

  /// Something in the session that may concern the sink: that one of its publishes was acknowledged.
  func handle(_ event: Session.Event)

  /// A retained message was removed at the broker.
  func removed(_ topic: [UInt8])

  /// A signal asks for the end: nothing new is to be begun. Returns how long what has begun may take.
  func stop() -> Duration

  /// The last call: what the driver watches for the sink is given up, and a terminal is as it was.
  func end(_ driver: inout Driver)
}

/// How far a sink is with what it took.
enum SinkState {
  /// All is dealt with.
  case done
  /// Something is left to do, and more may come.
  case busy
  /// Something is left to do, and nothing more is to be read before that.
  case full
  /// The run ends with this status, the reason of which was told.
  case over(ExitStatus)
}

extension MessageSink {
  func prepare(_ client: Client) {}
  func start(_ driver: inout Driver) {}
  func ready(_ descriptor: Int32, _ readiness: Readiness) {}
  var deadline: Instant? { nil }
  func handle(_ event: Session.Event) {}
  func removed(_ topic: [UInt8]) {}
  func stop() -> Duration { .zero }
  func end(_ driver: inout Driver) {}
}

extension StandardOutput {
  /// Writes what the reader takes: `.done` when that was all.
  mutating func work(_ driver: inout Driver, _ diagnostics: Diagnostics) -> SinkState {
    switch write(&driver, diagnostics) {
    case .written: .done
    case .waiting: .full
    case .over(let status): .over(status)
    }
  }
}
