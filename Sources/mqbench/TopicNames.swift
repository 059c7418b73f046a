/// What the topics of a run are called, and by which filters they are subscribed to.
struct TopicNames: Hashable, Sendable {
  /// What a filter has of its topic.
  enum Filter: Hashable, Sendable {
    /// All of it.
    case exact
    /// `+` in place of the levels that do not tell topics apart.
    case plus
    /// `#` in place of all that comes after the levels that do.
    case hash
  }

  /// Levels of a topic: `mqbench/bafo/17`, and with more than three `mqbench/bafo/17/4/5`.
  var levels = 3
  var filter = Filter.exact

  static let levelRange = 3...200

  func name(_ topic: Int, run: String) -> [UInt8] {
    var name = "mqbench/\(run)/\(topic)"
    for level in 4..<(levels + 1) { name += "/\(level)" }
    return Array(name.utf8)
  }

  /// The filter that one topic matches.
  func filter(_ topic: Int, run: String) -> [UInt8] {
    switch filter {
    case .exact: name(topic, run: run)
    case .plus: Array("+/\(run)/\(topic)".utf8) + Array(repeatElement("/+", count: levels - 3).joined().utf8)
    case .hash: Array("mqbench/\(run)/\(topic)/#".utf8)
    }
  }

  /// A filter that nobody publishes to.
  static func idleFilter(_ number: Int, run: String) -> [UInt8] { Array("mqbench/\(run)/idle/\(number)".utf8) }
}
