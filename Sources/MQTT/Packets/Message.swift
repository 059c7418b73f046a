/// An application message: what is published, and what a will publishes.
public struct Message: Hashable, Sendable {
  /// Where it is published to.
  public var topic: TopicName
  /// Its bytes; a will has up to 65,535 of them.
  public var payload: [UInt8]
  /// How surely it is delivered.
  public var qos: QoS
  /// Whether the server keeps it for later subscribers.
  public var retain: Bool
  /// A will's list has the will delay interval as well.
  public var properties: Properties

  /// A message of QoS 0 that is not retained, unless it is said.
  public init(
    topic: TopicName, payload: [UInt8] = [], qos: QoS = .atMostOnce, retain: Bool = false,
    properties: Properties = Properties()
  ) {
    self.topic = topic
    self.payload = payload
    self.qos = qos
    self.retain = retain
    self.properties = properties
  }
}
