internal import MQTT

extension Argument {
  /// What `make` makes of the word's bytes, with the word in front of what it says against them.
  private func checked<Value>(_ make: ([UInt8]) throws(ProtocolError) -> Value) throws(UsageError) -> Value {
    do { return try make(bytes) } catch { throw UsageError("\(quoted): \(error.explanation)") }
  }

  /// The word as a text that MQTT can carry.
  func mqttText() throws(UsageError) -> Text {
    try checked { (bytes) throws(ProtocolError) in try Text(utf8: bytes) }
  }

  /// The word as a topic to publish to.
  func topicName() throws(UsageError) -> TopicName {
    try checked { (bytes) throws(ProtocolError) in try TopicName(utf8: bytes) }
  }

  /// The word as a topic filter.
  func topicFilter() throws(UsageError) -> TopicFilter {
    try checked { (bytes) throws(ProtocolError) in try TopicFilter(utf8: bytes) }
  }

  /// The word as one of the three levels.
  func qos() throws(UsageError) -> QoS {
    try choice([("0", .atMostOnce), ("1", .atLeastOnce), ("2", .exactlyOnce)])
  }

  /// The word as bytes whose length MQTT writes in two.
  func binary() throws(UsageError) -> [UInt8] {
    guard bytes.count <= UInt16.max else { throw UsageError("is longer than 65,535 bytes") }
    return bytes
  }
}
