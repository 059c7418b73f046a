/// Topics that the broker named by a number on this network connection (section 3.3.2.3.4).
struct TopicAliases: ~Copyable, @unchecked Sendable {
  /// The highest alias that we allowed in CONNECT; 0 allows none.
  private let maximum: Int
  /// Index is the alias; memory of its own for each topic, so that a borrowed topic stays where it is.
  private var topics: [UnsafeMutableRawBufferPointer?] = []

  init(maximum: Int) {
    self.maximum = maximum
  }

  deinit {
    for topic in topics { topic?.deallocate() }
  }

  /// The topic of a received PUBLISH that carries `alias`: remembered when the packet has one, looked up when it has none.
  ///
  /// - Throws: topic alias invalid [MQTT-3.3.2-9], or protocol error for an alias that was never defined.
  mutating func resolve(_ alias: UInt16, topic: UnsafeRawBufferPointer) throws(ProtocolError) -> UnsafeRawBufferPointer
  {
    let index = Int(alias)
    guard index >= 1, index <= maximum else {
      throw .topicAliasInvalid("topic alias \(alias) is not within the \(maximum) that were allowed")
    }
    if topic.isEmpty {
      guard index < topics.count, let known = topics[index] else {
        throw .protocolError("topic alias \(alias) was never defined")
      }
      return UnsafeRawBufferPointer(known)
    }
    while topics.count <= index { topics.append(nil) }
    topics[index]?.deallocate()
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: topic.count, alignment: 1)
    copy.copyMemory(from: topic)
    topics[index] = copy
    return topic
  }
}
