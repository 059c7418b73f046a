import MQTT
import TestSupport
import Testing

@testable import mqsub

struct TopicTreeTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  /// Counts a message as it stands in a PUBLISH of MQTT 5, 3.3.
  private func count(
    _ topic: [UInt8], _ payload: [UInt8] = [], properties: [UInt8] = [], retain: Bool = false, at now: Instant? = nil,
    in tree: inout TopicTree
  ) throws {
    var body = [UInt8(topic.count >> 8), UInt8(topic.count & 0xFF)] + topic
    body += [UInt8(properties.count)] + properties + payload
    try body.withUnsafeBytes { body in
      tree.count(try MessageView.decode(flags: retain ? 1 : 0, body: body, version: .v5), at: now ?? start)
    }
  }

  private func count(_ topic: String, _ payload: String = "", at now: Instant? = nil, in tree: inout TopicTree) throws {
    try count(Array(topic.utf8), Array(payload.utf8), at: now, in: &tree)
  }

  private func path(_ tree: TopicTree, _ index: Int) -> [UInt8] { tree.withPath(of: index) { Array($0) } }

  private func index(_ tree: TopicTree, _ topic: String) throws -> Int {
    try #require((1..<tree.nodes.count).first { path(tree, $0) == Array(topic.utf8) })
  }

  @Test("it counts as a dictionary does, with topics compared as bytes", arguments: 1...5)
  func model(seed: UInt64) throws {
    struct Expected { var topics: Set<[UInt8]> = [], messages = 0, bytes = 0, own = 0, payload: [UInt8] = [] }
    var random = SplitMix(state: seed)
    var tree = TopicTree(at: start)
    var model: [[UInt8]: Expected] = [:]
    // Composed and decomposed é are two topics, and empty levels are levels.
    let levels = ["", "a", "b", "é", "e\u{301}", "日本", "A", "a b", "$x", "longer-than-fifteen-bytes"].map {
      Array($0.utf8)
    }
    for _ in 0..<2_000 {
      var path = levels.randomElement(using: &random)!
      var paths = [path]
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        path += [0x2F] + levels.randomElement(using: &random)!
        paths.append(path)
      }
      if path.isEmpty { continue }
      let payload = (0..<Int.random(in: 0...20, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      try count(path, payload, in: &tree)
      for above in paths {
        model[above, default: Expected()].messages += 1
        model[above]!.bytes += payload.count
        model[above]!.topics.insert(path)
      }
      model[path]!.own += 1
      model[path]!.payload = payload
    }
    tree.sumUp()
    #expect(Set((1..<tree.nodes.count).map { path(tree, $0) }) == Set(model.keys))
    #expect(tree.nodes.count == model.count + 1)
    for (index, node) in tree.nodes.enumerated() where index > 0 {
      let topic = path(tree, index)
      let expected = try #require(model[topic])
      #expect(node.own.messages == expected.own)
      #expect(node.isTopic == (expected.own > 0))
      #expect(Array(node.payload) == expected.payload)
      #expect(node.total.messages == expected.messages)
      #expect(node.total.bytes == expected.bytes)
      #expect(node.total.topics == expected.topics.count)
      #expect(node.parent < index)
      let level = topic.split(separator: 0x2F, omittingEmptySubsequences: false).last!
      #expect(tree.withLevel(of: index) { Array($0) } == Array(level))
    }
    #expect(tree.nodes[0].total.messages == model.values.reduce(0) { $0 + $1.own })
  }

  @Test("children are those whose topic goes on one level")
  func children() throws {
    var tree = TopicTree(at: start)
    for topic in ["a/b/c", "a", "a/d", "/", "//x", "a/b"] { try count(topic, in: &tree) }
    var children: [[UInt8]: Set<[UInt8]>] = [:]
    for index in tree.nodes.indices {
      var child = tree.nodes[index].firstChild
      while let next = child {
        #expect(tree.nodes[next].parent == index)
        #expect(tree.nodes[next].depth == tree.nodes[index].depth + 1)
        children[index == 0 ? [0] : path(tree, index), default: []].insert(path(tree, next))
        child = tree.nodes[next].nextSibling
      }
    }
    let expected: [String: [String]] = [
      "\0": ["a", ""], "a": ["a/b", "a/d"], "a/b": ["a/b/c"], "": ["/"], "/": ["//x"],
    ]
    #expect(
      children
        == Dictionary(uniqueKeysWithValues: expected.map { (Array($0.utf8), Set($1.map { Array($0.utf8) })) }))
  }

  @Test("a rate is that of the last five seconds, and of what there is before")
  func rates() throws {
    var tree = TopicTree(at: start)
    func second(_ number: Int) -> Instant { start + .seconds(number) }
    let rate = { (tree: TopicTree) in tree.nodes[1].own.rate }
    for _ in 0..<10 { try count("t", in: &tree) }
    tree.tick(at: second(1))
    #expect(rate(tree) == 10)
    tree.tick(at: second(2))
    #expect(rate(tree) == 5)
    for _ in 0..<40 { try count("t", in: &tree) }
    for number in 3...5 { tree.tick(at: second(number)) }
    #expect(rate(tree) == 10)
    tree.tick(at: second(6))
    #expect(rate(tree) == 8)
    for number in 7...8 { tree.tick(at: second(number)) }
    #expect(rate(tree) == 0)
    // A tick that comes late counts the time that has passed.
    for _ in 0..<60 { try count("t", in: &tree) }
    tree.tick(at: second(10))
    #expect(rate(tree) == 10)
    tree.sumUp()
    #expect(tree.nodes[0].total.rate == 10)
  }

  @Test("a flood of topics takes no more memory than is allowed, and is counted all the same")
  func flood() throws {
    var limits = TopicTree.Limits()
    (limits.nodes, limits.depth) = (1_000, 4)
    var tree = TopicTree(at: start, limits: limits)
    for number in 0..<5_000 { try count("flood/\(number)", in: &tree) }
    try count("flood/1", in: &tree)
    tree.sumUp()
    #expect(tree.nodes.count <= 1_000)
    #expect(tree.nodes[0].total.topics > 990)
    #expect(tree.nodes[0].total.messages == 5_001)
    #expect(tree.unlistedMessages == 5_000 - tree.nodes[0].total.topics)
    #expect(tree.nodes[try index(tree, "flood/1")].own.messages == 2)

    (limits.nodes, limits.names) = (100_000, 1_000)
    tree = TopicTree(at: start, limits: limits)
    for number in 0..<100 { try count(String(repeating: "\(number % 10)", count: 100) + "\(number)", in: &tree) }
    #expect(tree.nodes.count == 10)
    #expect(tree.unlistedMessages == 91)
  }

  @Test("a topic of sixty thousand levels is a few nodes")
  func deep() throws {
    var tree = TopicTree(at: start)
    let topic = [UInt8](repeating: 0x2F, count: 65_535)
    try count(topic, in: &tree)
    try count(topic, in: &tree)
    #expect(tree.nodes.count == 65)
    #expect(path(tree, 64) == topic)
    #expect(tree.nodes[64].own.messages == 2)
  }

  @Test("last messages are kept, the large ones in part, and all of them within the limit")
  func contents() throws {
    var limits = TopicTree.Limits()
    (limits.content, limits.leastContent, limits.contents) = (1_000, 100, 20_000)
    var tree = TopicTree(at: start, limits: limits)
    // Content type "x", 3.3.2.3.9.
    try count(
      Array("first".utf8), [UInt8](repeating: 7, count: 5_000), properties: [3, 0, 1, 0x78], retain: true, in: &tree)
    #expect(tree.nodes[1].payloadCount == 5_000)
    #expect(Array(tree.nodes[1].properties) == [3, 0, 1, 0x78])
    #expect(Array(tree.nodes[1].payload) == [UInt8](repeating: 7, count: 996))
    #expect(tree.nodes[1].isRetained)
    for number in 0..<200 { try count(Array("\(number)".utf8), [UInt8](repeating: 1, count: 5_000), in: &tree) }
    let kept = tree.nodes.reduce(0) { $0 + $1.payload.count }
    #expect(kept > 20_000)
    #expect(kept < 20_000 + 1_000 + 200 * 128)
    #expect(tree.nodes[try index(tree, "199")].payload.count >= 100)
    // The next message takes the place of the last.
    try count("first", "short", in: &tree)
    #expect(Array(tree.nodes[1].payload) == Array("short".utf8))
    #expect(tree.nodes[1].properties.isEmpty)
  }

  @Test("a copy stays as it was while messages are counted")
  func copies() throws {
    var tree = TopicTree(at: start)
    try count("t", "before", in: &tree)
    let copy = tree
    try count("t", "after", in: &tree)
    try count("u", "new", in: &tree)
    #expect(copy.nodes.count == 2)
    #expect(Array(copy.nodes[1].payload) == Array("before".utf8))
    #expect(tree.nodes[1].own.messages == 2)
  }
}
