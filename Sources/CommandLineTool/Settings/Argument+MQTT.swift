public import MQTT

extension Argument {
  // Each of these types takes bytes as well, of any collection; a String costs a tool's start less.

  /// The word as a text that MQTT can carry.
  func mqttText() throws(UsageError) -> Text {
    let text = try text()
    do { return try Text(text) } catch { throw UsageError("\(quoted): \(error.explanation)") }
  }

  /// The word as a topic to publish to.
  func topicName() throws(UsageError) -> TopicName {
    let text = try text()
    do { return try TopicName(text) } catch { throw UsageError("\(quoted): \(error.explanation)") }
  }

  /// The word as a topic filter.
  package func topicFilter() throws(UsageError) -> TopicFilter {
    let text = try text()
    do { return try TopicFilter(text) } catch { throw UsageError("\(quoted): \(error.explanation)") }
  }

  /// The word as one of the three levels.
  public func qos() throws(UsageError) -> QoS {
    try choice([("0", .atMostOnce), ("1", .atLeastOnce), ("2", .exactlyOnce)])
  }

  /// The word as bytes whose length MQTT writes in two.
  func binary() throws(UsageError) -> [UInt8] {
    guard bytes.count <= UInt16.max else { throw UsageError("is longer than 65,535 bytes") }
    return bytes
  }
}
