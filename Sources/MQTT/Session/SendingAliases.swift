/// Topics that QoS 0 publishes of ours name by a number on this network connection (section 3.3.2.3.4).
///
/// A topic gets an alias when it is published to a second time while it is still remembered, so that one that comes once costs
/// no byte. An alias that was given keeps its topic as long as the network connection lasts: what stands in the output
/// without its topic can always be told whose it is.
struct SendingAliases: ~Copyable, Sendable {
  /// How to write a topic.
  enum Form: Equatable {
    case plain
    /// With this alias, which stands for it from now on.
    case defining(UInt16)
    /// As this alias alone.
    case alias(UInt16)
  }

  private struct Entry {
    var topic: [UInt8]
    /// The application gave the alias to other topics as well: it cannot stand for any.
    var isShared = false
  }

  /// The highest alias that is given without being asked for.
  private let ownMaximum: Int
  /// Index is the alias.
  private var entries: [Entry?] = [nil]
  /// The alias that was used last: it is likely to be the next.
  private var latest = 0
  /// Hashes of topics that were published to and have no alias.
  private var recent: [UInt64] = []
  private var recentNext = 0

  /// So many aliases at most are given without being asked for, and so many topics are remembered: looking one up is a walk.
  private static let capacity = 32
  /// An alias takes three bytes.
  private static let shortestTopic = 4

  /// Nothing named yet; `maximum` is the broker's.
  init(maximum: Int) {
    ownMaximum = min(maximum, Self.capacity)
  }

  /// Whether a packet may be in the output that has an alias.
  var isUsed: Bool { entries.count > 1 }

  /// How to write the topic of a publish that has no alias of the application's.
  mutating func form(of topic: UnsafeRawBufferPointer) -> Form {
    guard ownMaximum > 0, topic.count >= Self.shortestTopic else { return .plain }
    if names(latest, topic) { return .alias(UInt16(latest)) }
    for alias in 1..<max(1, min(entries.count, ownMaximum + 1)) where names(alias, topic) {
      latest = alias
      return .alias(UInt16(alias))
    }
    guard let free = (1...ownMaximum).first(where: { $0 >= entries.count || entries[$0] == nil }) else { return .plain }
    return isRemembered(topic) ? .defining(UInt16(free)) : .plain
  }

  /// How to write the topic of a publish to which the application gave `alias`.
  func form(of topic: UnsafeRawBufferPointer, with alias: UInt16) -> Form {
    names(Int(alias), topic) ? .alias(alias) : .defining(alias)
  }

  /// A packet that defines `alias` is in the output.
  mutating func define(_ alias: UInt16, as topic: UnsafeRawBufferPointer) {
    let index = Int(alias)
    while entries.count <= index { entries.append(nil) }
    if entries[index] == nil { entries[index] = Entry(topic: Array(topic)) } else { entries[index]?.isShared = true }
  }

  /// The topic of a publish that has `alias` alone.
  func topic(of alias: UInt16) -> [UInt8]? {
    Int(alias) < entries.count ? entries[Int(alias)]?.topic : nil
  }

  private func names(_ alias: Int, _ topic: UnsafeRawBufferPointer) -> Bool {
    guard alias < entries.count, let entry = entries[alias], !entry.isShared, entry.topic.count == topic.count else {
      return false
    }
    return entry.topic.withUnsafeBytes { $0.elementsEqual(topic) }
  }

  /// Whether the topic was published to lately; it is remembered from now on. Two topics with one hash only get their alias
  /// a little early.
  private mutating func isRemembered(_ topic: UnsafeRawBufferPointer) -> Bool {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
    for byte in topic { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    if recent.contains(hash) { return true }
    if recent.count < Self.capacity { recent.append(hash) } else { recent[recentNext] = hash }
    recentNext = (recentNext + 1) % Self.capacity
    return false
  }
}
