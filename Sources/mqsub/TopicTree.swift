internal import CSystem
internal import MQTT

/// Figures of every topic that messages came for, as a tree of topic levels.
///
/// Made for counting fifty thousand messages a second while somebody looks on: a message costs one look-up by the bytes of
/// its whole topic, and no memory once the topic is known. Rates are found once a second (`tick`), and what lies below a
/// level is added up only when it is to be shown (`sumUp`).
///
/// Nodes are never removed, so that a node's index is its identity, and a parent's index is smaller than its children's.
/// How much is kept is limited: messages of topics for which there is no room are counted at the root.
struct TopicTree {
  /// What came, either for one topic or for all topics of a branch.
  struct Figures: Equatable {
    var topics = 0
    var messages = 0
    /// Bytes of payloads.
    var bytes = 0
    /// Messages a second, over the last five.
    var rate = 0.0
    /// When the last message came.
    var latest: Instant?
  }

  /// A topic, or a level that topics have in common.
  struct Node {
    let parent: Int
    /// Levels from the root, which is 0.
    let depth: Int
    /// Where the topic up to this level stands in `names`.
    fileprivate let path: Range<Int>
    /// Where in there the last level begins.
    fileprivate let levelStart: Int
    fileprivate(set) var firstChild: Int?
    fileprivate(set) var nextSibling: Int?
    /// Of the topic that ends here.
    fileprivate(set) var own = Figures()
    /// Of the same and of all below, as `sumUp` found it.
    fileprivate(set) var total = Figures()
    /// The last message: its properties as they stood in the packet, behind them its payload, as far as it is kept.
    fileprivate var content: [UInt8] = []
    fileprivate var propertyCount = 0
    /// The whole length of the last payload.
    fileprivate(set) var payloadCount = 0
    fileprivate(set) var qos = QoS.atMostOnce
    fileprivate(set) var isRetained = false

    /// Whether a message came for the topic that ends here.
    var isTopic: Bool { own.messages > 0 }

    /// The last payload as far as it is kept.
    var payload: ArraySlice<UInt8> { content[propertyCount...] }

    /// The properties of the last message as far as they are kept.
    var properties: ArraySlice<UInt8> { content[..<propertyCount] }
  }

  /// How much is kept.
  struct Limits {
    var nodes = 200_000
    /// Bytes of topics.
    var names = 32 << 20
    /// Bytes of last messages. Beyond it only the beginning of each is kept.
    var contents = 64 << 20
    /// Bytes of one last message.
    var content = 16 << 10
    /// Bytes of one last message when there is no room for more.
    var leastContent = 128
    /// Levels of a topic; all behind them counts as one.
    var depth = 64
  }

  /// Where a node is found by its path. The hash stands here as well: most nodes that are not meant are passed without a look.
  private struct Place {
    var index: UInt32 = 0
    var hash: UInt32 = 0
    var isFree: Bool { index == 0 }
  }

  private let limits: Limits
  /// The root, which stands for no level, and all else behind it.
  private(set) var nodes: [Node]
  private var names: [UInt8] = []
  /// Nodes at the place that the hash of their path says, or at the next one that was free.
  private var places: [Place]
  private var contentCapacity = 0

  /// The number of messages of each node at the last ticks, `span` of them for each node.
  private var marks: [Int]
  /// When those ticks were.
  private var ticks: [Instant]
  private var tickNumber = 0
  private static let span = 5

  /// A tree of nothing, for messages that come from `start` on.
  init(at start: Instant, limits: Limits = Limits()) {
    self.limits = limits
    nodes = [Node(parent: 0, depth: 0, path: 0..<0, levelStart: 0)]
    places = [Place](repeating: Place(), count: 1024)
    marks = [Int](repeating: 0, count: Self.span)
    ticks = [Instant](repeating: start, count: Self.span)
  }

  // MARK: - Counting

  /// Takes a message into account.
  mutating func count(_ message: MessageView, at now: Instant) {
    let index = place(of: message.topic)
    nodes[index].own.messages &+= 1
    nodes[index].own.bytes &+= message.payload.count
    nodes[index].own.latest = now
    nodes[index].payloadCount = message.payload.count
    nodes[index].qos = message.qos
    nodes[index].isRetained = message.retain
    keep(message, at: index)
  }

  private mutating func keep(_ message: MessageView, at index: Int) {
    let before = nodes[index].content.capacity
    let limit = contentCapacity < limits.contents ? limits.content : max(limits.leastContent, before)
    let properties = message.propertyBytes.prefix(limit / 2)
    nodes[index].content.removeAll(keepingCapacity: true)
    nodes[index].content.append(contentsOf: properties)
    nodes[index].content.append(contentsOf: message.payload.prefix(limit - properties.count))
    nodes[index].propertyCount = properties.count
    contentCapacity += nodes[index].content.capacity - before
  }

  /// Finds the rates. To be called about once a second.
  mutating func tick(at now: Instant) {
    let slot = tickNumber % Self.span
    let seconds = Double((now - ticks[slot]).nanoseconds) / 1e9
    guard seconds > 0 else { return }
    for index in nodes.indices {
      let messages = nodes[index].own.messages
      nodes[index].own.rate = Double(messages - marks[index * Self.span + slot]) / seconds
      marks[index * Self.span + slot] = messages
    }
    ticks[slot] = now
    tickNumber += 1
  }

  /// Adds up what lies below each node. At the root this is everything.
  mutating func sumUp() {
    for index in nodes.indices {
      nodes[index].total = nodes[index].own
      nodes[index].total.topics = nodes[index].isTopic && index > 0 ? 1 : 0
    }
    for index in nodes.indices.reversed() where index > 0 {
      let total = nodes[index].total
      let parent = nodes[index].parent
      nodes[parent].total.topics += total.topics
      nodes[parent].total.messages &+= total.messages
      nodes[parent].total.bytes &+= total.bytes
      nodes[parent].total.rate += total.rate
      if let latest = total.latest { nodes[parent].total.latest = max(latest, nodes[parent].total.latest ?? latest) }
    }
  }

  /// Messages of topics for which there was no room.
  var unlistedMessages: Int { nodes[0].own.messages }

  // MARK: - Names

  /// Lends the topic up to the level that the node stands for.
  func withPath<Result>(of index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    let path = nodes[index].path
    return names.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[path])) }
  }

  /// Lends the level that the node stands for.
  func withLevel<Result>(of index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    let node = nodes[index]
    return names.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[node.levelStart..<node.path.upperBound])) }
  }

  /// The index of the topic's node, made when it is new; the root where there is no room.
  private mutating func place(of topic: UnsafeRawBufferPointer) -> Int {
    let hash = Self.hash(topic)
    return find(topic, hash) ?? add(topic)
  }

  private func find(_ path: UnsafeRawBufferPointer, _ hash: UInt32) -> Int? {
    var number = Int(hash) & (places.count - 1)
    while !places[number].isFree {
      if places[number].hash == hash, isPath(path, of: Int(places[number].index)) { return Int(places[number].index) }
      number = (number + 1) & (places.count - 1)
    }
    return nil
  }

  private func isPath(_ path: UnsafeRawBufferPointer, of index: Int) -> Bool {
    withPath(of: index) { own in
      guard own.count == path.count else { return false }
      return path.isEmpty || memcmp(own.baseAddress!, path.baseAddress!, path.count) == 0
    }
  }

  // Kept out of `count`, which is rarely here.
  @inline(never)
  private mutating func add(_ topic: UnsafeRawBufferPointer) -> Int {
    guard nodes.count + limits.depth <= limits.nodes, names.count + topic.count <= limits.names else { return 0 }
    let base = names.count
    names.append(contentsOf: topic)
    var parent = 0
    var levelStart = 0
    for depth in 1...limits.depth {
      let rest = topic[levelStart...]
      let slash = depth < limits.depth ? rest.firstIndex(of: UInt8(ascii: "/")) : nil
      let end = slash ?? topic.count
      let path = UnsafeRawBufferPointer(rebasing: topic[..<end])
      let hash = Self.hash(path)
      if let known = find(path, hash) {
        parent = known
      } else {
        let node = Node(
          parent: parent, depth: depth, path: base..<(base + end), levelStart: base + levelStart,
          nextSibling: nodes[parent].firstChild)
        nodes[parent].firstChild = nodes.count
        parent = nodes.count
        insert(node, hash)
      }
      if slash == nil { break }
      levelStart = end + 1
    }
    return parent
  }

  private mutating func insert(_ node: Node, _ hash: UInt32) {
    nodes.append(node)
    marks.append(contentsOf: repeatElement(0, count: Self.span))
    if nodes.count * 2 > places.count {
      let former = places
      places = [Place](repeating: Place(), count: former.count * 2)
      for place in former where !place.isFree { occupy(place) }
    }
    occupy(Place(index: UInt32(nodes.count - 1), hash: hash))
  }

  private mutating func occupy(_ place: Place) {
    var number = Int(place.hash) & (places.count - 1)
    while !places[number].isFree { number = (number + 1) & (places.count - 1) }
    places[number] = place
  }

  /// Seeded in each process, so that nobody can publish topics that meet in one place.
  private static func hash(_ path: UnsafeRawBufferPointer) -> UInt32 {
    var hasher = Hasher()
    hasher.combine(bytes: path)
    return UInt32(truncatingIfNeeded: hasher.finalize())
  }
}
