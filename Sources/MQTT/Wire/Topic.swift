/// Where an application message is published to: 1 to 65,535 bytes of UTF-8 without U+0000, `+` and `#` (4.7).
public struct TopicName: Hashable, Sendable, CustomStringConvertible {
  /// The name on the wire, without its length.
  public let utf8: [UInt8]

  /// Throws `topicNameInvalid`.
  public init(_ string: String) throws(ProtocolError) {
    try self.init(utf8: string.utf8)
  }

  /// Throws `topicNameInvalid`.
  public init(utf8 bytes: some Collection<UInt8>) throws(ProtocolError) {
    let utf8 = Array(bytes)
    try utf8.withBytes { (bytes) throws(ProtocolError) in try Self.check(bytes) }
    self.utf8 = utf8
  }

  /// The name as a String.
  public var description: String { String(decoding: utf8, as: UTF8.self) }

  /// Throws `topicNameInvalid` where the bytes are no topic name.
  static func check(_ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
    guard bytes.count > 0, bytes.count <= UInt16.max, Text.isValidWithoutWildcards(bytes) else {
      throw .topicNameInvalid(problem(of: bytes, as: "topic name") ?? "a topic name has no wildcards + and #")
    }
  }

  /// What a topic name and a topic filter have in common (4.7.3).
  fileprivate static func problem(of bytes: UnsafeRawBufferPointer, as what: String) -> String? {
    if bytes.count == 0 { return "a \(what) is at least one character long" }
    if bytes.count > UInt16.max { return "a \(what) is at most 65,535 bytes long" }
    if !Text.isValid(bytes) { return "a \(what) is UTF-8 without U+0000" }
    return nil
  }
}

/// What is subscribed with: a topic name whose levels may be `+`, and the last one `#` (4.7.1); or a shared
/// subscription `$share/NAME/FILTER` (4.8.2).
public struct TopicFilter: Hashable, Sendable, CustomStringConvertible {
  /// The whole filter on the wire, without its length.
  public let utf8: [UInt8]
  /// Where the filter that topic names are matched with begins: behind `$share/NAME/`, or at 0.
  private let matchedFrom: Int

  private static let sharePrefix = Array("$share/".utf8)

  /// Throws `topicFilterInvalid`.
  public init(_ string: String) throws(ProtocolError) {
    try self.init(utf8: string.utf8)
  }

  /// Throws `topicFilterInvalid`.
  public init(utf8 bytes: some Collection<UInt8>) throws(ProtocolError) {
    utf8 = Array(bytes)
    if let problem = utf8.withUnsafeBytes({ TopicName.problem(of: $0, as: "topic filter") }) {
      throw .topicFilterInvalid(problem)
    }
    matchedFrom = try Self.lengthOfShare(utf8)
    try Self.checkWildcards(utf8[matchedFrom...])
  }

  /// How many bytes `$share/NAME/` takes: 0 where the subscription is not shared [MQTT-4.8.2-1] [MQTT-4.8.2-2].
  private static func lengthOfShare(_ utf8: [UInt8]) throws(ProtocolError) -> Int {
    guard utf8.starts(with: sharePrefix) else { return 0 }
    let afterPrefix = utf8[sharePrefix.count...]
    guard let slash = afterPrefix.firstIndex(of: UInt8(ascii: "/")), slash > afterPrefix.startIndex,
      slash + 1 < utf8.count
    else { throw .topicFilterInvalid("a shared subscription is $share/NAME/FILTER") }
    guard !afterPrefix[..<slash].contains(where: Text.isWildcard) else {
      throw .topicFilterInvalid("a share name has no wildcards + and #")
    }
    return slash + 1
  }

  /// A wildcard stands alone in its level, and `#` in the last one [MQTT-4.7.1-1] [MQTT-4.7.1-2].
  private static func checkWildcards(_ filter: ArraySlice<UInt8>) throws(ProtocolError) {
    let slash = UInt8(ascii: "/")
    for index in filter.indices where Text.isWildcard(filter[index]) {
      let isFirst = index == filter.startIndex || filter[index - 1] == slash
      let isLast = index + 1 == filter.endIndex || filter[index + 1] == slash
      guard isFirst && isLast else { throw .topicFilterInvalid("+ and # take a whole level of a topic filter") }
      guard filter[index] != UInt8(ascii: "#") || index + 1 == filter.endIndex else {
        throw .topicFilterInvalid("# is the last level of a topic filter")
      }
    }
  }

  /// The filter as a String.
  public var description: String { String(decoding: utf8, as: UTF8.self) }

  /// Whether it is a shared subscription.
  public var isShared: Bool { matchedFrom > 0 }

  /// NAME of `$share/NAME/FILTER`.
  public var shareName: Text? {
    guard isShared else { return nil }
    return utf8.withUnsafeBytes { Text(validated: .init(rebasing: $0[Self.sharePrefix.count..<(matchedFrom - 1)])) }
  }

  /// Whether a level is `+` or `#`.
  public var hasWildcard: Bool { utf8[matchedFrom...].contains(where: Text.isWildcard) }

  // MARK: Matching (4.7.1, 4.7.2)

  /// Whether messages of the topic name come with this subscription. Nothing is allocated.
  public func matches(_ topic: UnsafeRawBufferPointer) -> Bool {
    utf8.withUnsafeBytes { Self.matches(filter: .init(rebasing: $0[matchedFrom...]), topic: topic) }
  }

  /// Whether messages of the topic name come with this subscription.
  public func matches(_ topic: TopicName) -> Bool {
    topic.utf8.withUnsafeBytes { matches($0) }
  }

  private static func matches(filter: UnsafeRawBufferPointer, topic: UnsafeRawBufferPointer) -> Bool {
    let slash = UInt8(ascii: "/")
    // A wildcard in the first level does not match the server's own topics [MQTT-4.7.2-1].
    if topic.first == UInt8(ascii: "$"), let first = filter.first, Text.isWildcard(first) { return false }
    var position = 0
    for index in filter.indices {
      switch filter[index] {
      case UInt8(ascii: "#"):
        return true
      case UInt8(ascii: "+"):
        while position < topic.count, topic[position] != slash { position += 1 }
      case let byte where position < topic.count:
        guard topic[position] == byte else { return false }
        position += 1
      case let byte:
        // "sport/#" matches "sport" too: # includes the parent level.
        return byte == slash && index + 2 == filter.count && filter[index + 1] == UInt8(ascii: "#")
      }
    }
    return position == topic.count
  }
}
