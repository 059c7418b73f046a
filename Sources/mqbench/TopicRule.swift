internal import CommandLineTool
internal import MQTT

/// Which topics each client of a group has.
enum TopicRule: Hashable, Sendable, CustomStringConvertible {
  /// Made up, and shared out among the clients.
  case numbered(NumberedTopics)
  /// Typed.
  case named([TopicPattern])

  var description: String {
    switch self {
    case .numbered(let topics): "\(topics.count) topics"
    case .named(let patterns): patterns.map(\.description).joined(separator: " and ")
    }
  }

  /// The topics of a client, by its number in the group.
  func topics(of member: Int, run: String) -> [[UInt8]] {
    switch self {
    case .numbered(let topics): topics.topics(of: member).map { topics.names.name($0, run: run) }
    case .named(let patterns): patterns.map { $0.name(of: member, run: run) }
    }
  }

  /// The filters of a client that subscribes to its topics.
  func filters(of member: Int, run: String) -> [[UInt8]] {
    switch self {
    case .numbered(let topics): topics.topics(of: member).map { topics.names.filter($0, run: run) }
    case .named: topics(of: member, run: run)
    }
  }

  /// Whether all clients have the same.
  var isCommon: Bool {
    switch self {
    case .numbered(let topics): topics.isCommon
    case .named: false
    }
  }

  /// How many they are.
  func topicCount(of member: Int) -> Int {
    switch self {
    case .numbered(let topics): topics.topicCount(of: member)
    case .named(let patterns): patterns.count
    }
  }
}

/// Topics with numbers, `mqbench/bafo/17`, shared out evenly.
///
/// Where there are more topics than members, member i has the topics t with t mod members = i in turn; otherwise it has topic
/// i mod count. So with P publishers, S subscribers and T topics, P = S = T is one to one, S = 1 fan-in, and P = T = 1 fan-out.
struct NumberedTopics: Hashable, Sendable {
  var count: Int
  /// Clients of the group.
  var members: Int
  /// Whether each member has all of them, instead of its share.
  var isCommon = false
  var names = TopicNames()

  func topics(of member: Int) -> [Int] {
    if isCommon { return Array(0..<count) }
    return count > members ? Array(stride(from: member, to: count, by: members)) : [member % count]
  }

  func topicCount(of member: Int) -> Int {
    if isCommon { return count }
    return count > members ? (count - member + members - 1) / members : 1
  }
}

/// A topic name or filter with places: `%c` stands for the client's number in its group, `%r` for the run's word, `%%` for %.
struct TopicPattern: Hashable, Sendable, CustomStringConvertible {
  private var text: [UInt8]

  init(topic: Argument) throws(UsageError) {
    try self.init(topic) { (name) throws(ProtocolError) in _ = try TopicName(utf8: name) }
  }

  init(filter: Argument) throws(UsageError) {
    try self.init(filter) { (name) throws(ProtocolError) in _ = try TopicFilter(utf8: name) }
    if text.starts(with: "$share/".utf8) {
      throw UsageError("\(filter.quoted): --share makes shared subscriptions of filters")
    }
  }

  private init(_ argument: Argument, check: ([UInt8]) throws(ProtocolError) -> Void) throws(UsageError) {
    text = argument.bytes
    var rest = text[...]
    while let place = rest.firstIndex(of: UInt8(ascii: "%")) {
      rest = rest[(place + 1)...]
      guard let letter = rest.popFirst(), "cr%".utf8.contains(letter) else {
        throw UsageError("\(argument.quoted): %c is the client's number, %r the run's word, and %% stands for %")
      }
    }
    do { try check(name(of: 0, run: Routing.run)) } catch { throw UsageError("\(argument.quoted): \(error)") }
  }

  var description: String { String(decoding: text, as: UTF8.self) }

  /// Whether it is another one in each run.
  var isOfRun: Bool { name(of: 0, run: "one") != name(of: 0, run: "other") }

  func name(of member: Int, run: String) -> [UInt8] {
    var name: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%"), let letter = rest.popFirst() else {
        name.append(byte)
        continue
      }
      switch letter {
      case UInt8(ascii: "c"): name += "\(member)".utf8
      case UInt8(ascii: "r"): name += run.utf8
      default: name.append(letter)
      }
    }
    return name
  }
}
