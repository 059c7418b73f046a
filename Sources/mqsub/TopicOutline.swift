internal import MQTT

/// Which nodes of a topic tree are shown, in which order, and which of them is selected.
///
/// A selected node stays selected wherever its row moves. Rows change only when `arrange` is called.
struct TopicOutline {
  /// By what the children of a node are ordered.
  enum Order: String, CaseIterable {
    case topic, count, rate, bytes, age
  }

  /// The order, the other way round where it is reversed: topics from first to last, counts from most to least, the latest first.
  var order = Order.topic
  var isReversed = false
  /// Only topics with these bytes in them are shown, whatever the case of letters in ASCII; with none of them, all.
  var filter: [UInt8] = []

  /// Indexes of nodes, from the top.
  private(set) var rows: [Int] = []
  /// The index of a node.
  private(set) var selection: Int?
  /// The row that is the first on the screen, and how many there are.
  private(set) var firstRow = 0
  private var height = 0

  /// Which nodes show what is below them, by index; behind the end, `expandsNew` holds. Nil until somebody expands or collapses:
  /// until then as many levels are shown as have room.
  private var expanded: [Bool]?
  private var expandsNew = false
  private var automaticDepth = 1

  /// Of the last arrangement: which nodes have the filter in their own topic, and which have it there or below.
  private var matches: [Bool] = []
  private var leadsToMatch: [Bool] = []

  // MARK: - Arranging

  /// Finds the rows anew, for a screen with room for `height` of them.
  mutating func arrange(_ tree: TopicTree, height: Int) {
    self.height = height
    match(tree)
    if expanded == nil { automaticDepth = Self.depth(of: tree, shown: leadsToMatch, fitting: height) }
    rows.removeAll(keepingCapacity: true)
    appendChildren(of: 0, tree)
    while let node = selection, node != 0, !rows.contains(node) { selection = tree.nodes[node].parent }
    if selection == 0 { selection = nil }
    scroll()
  }

  private mutating func match(_ tree: TopicTree) {
    let count = tree.nodes.count
    matches = [Bool](repeating: filter.isEmpty, count: count)
    leadsToMatch = matches
    if filter.isEmpty { return }
    for index in 1..<max(1, count) {
      matches[index] =
        matches[tree.nodes[index].parent] || tree.withPath(of: index) { Self.contains($0, ignoringCase: filter) }
    }
    for index in (1..<max(1, count)).reversed() where matches[index] || leadsToMatch[index] {
      leadsToMatch[index] = true
      leadsToMatch[tree.nodes[index].parent] = true
    }
  }

  private static func contains(_ text: UnsafeRawBufferPointer, ignoringCase part: [UInt8]) -> Bool {
    guard text.count >= part.count else { return false }
    return (0...(text.count - part.count)).contains { start in
      part.indices.allSatisfy { lowercased(text[start + $0]) == lowercased(part[$0]) }
    }
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }

  /// The greatest number of levels of which all nodes have room, but one.
  private static func depth(of tree: TopicTree, shown: [Bool], fitting height: Int) -> Int {
    var counts: [Int] = []
    for (index, node) in tree.nodes.enumerated() where shown[index] {
      while counts.count <= node.depth { counts.append(0) }
      counts[node.depth] += 1
    }
    var sum = 0
    for (depth, count) in counts.enumerated().dropFirst() {
      sum += count
      if sum > height { return max(1, depth - 1) }
    }
    return max(1, counts.count - 1)
  }

  private mutating func appendChildren(of parent: Int, _ tree: TopicTree) {
    var children: [Int] = []
    var next = tree.nodes[parent].firstChild
    while let child = next {
      if leadsToMatch[child] { children.append(child) }
      next = tree.nodes[child].nextSibling
    }
    sort(&children, tree)
    for child in children {
      rows.append(child)
      if isOpen(child, tree) { appendChildren(of: child, tree) }
    }
  }

  private func sort(_ nodes: inout [Int], _ tree: TopicTree) {
    if order == .topic {
      nodes.sort { isReversed ? Self.precedes($1, $0, tree) : Self.precedes($0, $1, tree) }
      return
    }
    var keyed = nodes.map { (key: key(of: tree.nodes[$0].total), node: $0) }
    keyed.sort { first, second in
      if first.key == second.key { return Self.precedes(first.node, second.node, tree) }
      return isReversed ? first.key < second.key : first.key > second.key
    }
    nodes = keyed.map(\.node)
  }

  private func key(of figures: TopicTree.Figures) -> Double {
    switch order {
    case .topic: 0
    case .count: Double(figures.messages)
    case .rate: figures.rate
    case .bytes: Double(figures.bytes)
    case .age: Double(figures.latest?.nanoseconds ?? 0)
    }
  }

  private static func precedes(_ first: Int, _ second: Int, _ tree: TopicTree) -> Bool {
    tree.withLevel(of: first) { first in
      tree.withLevel(of: second) { second in first.lexicographicallyPrecedes(second) }
    }
  }

  // MARK: - Expanding

  /// Whether what is below a node is shown.
  func isOpen(_ node: Int, _ tree: TopicTree) -> Bool {
    guard tree.nodes[node].firstChild != nil else { return false }
    // The way to a match is open.
    if node < matches.count, !matches[node], leadsToMatch[node] { return true }
    guard let expanded else { return tree.nodes[node].depth < automaticDepth }
    return node < expanded.count ? expanded[node] : expandsNew
  }

  private mutating func setOpen(_ node: Int, _ isOpen: Bool, _ tree: TopicTree) {
    var flags = expanded ?? tree.nodes.map { $0.depth < automaticDepth }
    while flags.count <= node { flags.append(expandsNew) }
    flags[node] = isOpen
    expanded = flags
  }

  /// Expands or collapses every node, those to come as well.
  mutating func setAllOpen(_ isOpen: Bool) {
    expanded = []
    expandsNew = isOpen
  }

  /// Expands the selected node if it is collapsed, and the other way round.
  mutating func toggle(_ tree: TopicTree) {
    if let selection { setOpen(selection, !isOpen(selection, tree), tree) }
  }

  /// Expands the selected node; if it is expanded, goes to the first one below.
  mutating func goInside(_ tree: TopicTree) {
    guard let selection, tree.nodes[selection].firstChild != nil else { return }
    if isOpen(selection, tree) { move(by: 1) } else { setOpen(selection, true, tree) }
  }

  /// Collapses the selected node; if there is nothing to collapse, goes to the one above it.
  mutating func goOutside(_ tree: TopicTree) {
    guard let node = selection else { return }
    if isOpen(node, tree) {
      setOpen(node, false, tree)
    } else if tree.nodes[node].parent != 0 {
      selection = tree.nodes[node].parent
      scroll()
    }
  }

  // MARK: - Moving

  /// Selects the row so many below the selected one, above it if negative. Without a selection the first on the screen is taken.
  mutating func move(by count: Int) {
    let current = selection.flatMap { rows.firstIndex(of: $0) }
    select(row: current.map { $0 + count } ?? firstRow)
  }

  /// Selects the row a screen below, above if negative.
  mutating func move(byPages count: Int) { move(by: count * max(1, height - 1)) }

  /// Selects the first row, or the last.
  mutating func moveToStart() { select(row: 0) }
  mutating func moveToEnd() { select(row: rows.count - 1) }

  private mutating func select(row: Int) {
    guard !rows.isEmpty else { return }
    selection = rows[min(max(0, row), rows.count - 1)]
    scroll()
  }

  /// Keeps the selected row on the screen.
  private mutating func scroll() {
    if let row = selection.flatMap({ rows.firstIndex(of: $0) }) {
      firstRow = min(firstRow, row)
      firstRow = max(firstRow, row - height + 1)
    }
    firstRow = max(0, min(firstRow, rows.count - height))
  }
}
