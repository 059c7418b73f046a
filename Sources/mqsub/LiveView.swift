internal import CommandLineTool
internal import MQTT

/// What `--top` shows, and what its keys do: the tree of topics, one topic in full, or the list of keys.
struct LiveView: ScreenContent {
  private enum Page: Equatable {
    case topics, keys
    case details(node: Int, firstLine: Int)
  }

  private(set) var tree: TopicTree
  /// What is shown while the display stands still, and when that was so.
  private var frozen: (tree: TopicTree, now: Instant)?
  private var now: Instant
  private var outline = TopicOutline()
  private var page = Page.topics
  /// The filter as it is typed.
  private var typed: [UInt8]?
  private var showsHexadecimal = false
  private var nextTick: Instant
  /// Whether rows are to be found anew: a key was pressed, there are new topics, or new rates.
  private var isOutOfOrder = true
  private var arrangedNodes = 0
  private var arrangedHeight = 0
  /// The most that details can be scrolled, known when they are shown.
  private var lastFirstLine = 0

  init(at now: Instant) {
    tree = TopicTree(at: now)
    self.now = now
    nextTick = now + .seconds(1)
  }

  /// Takes a message into account.
  mutating func take(_ message: MessageView, at now: Instant) { tree.count(message, at: now) }

  // MARK: - Keys

  /// Does what a key is for.
  mutating func press(_ key: Key) -> ScreenWish? {
    // Keys that come together find the rows as each left them.
    if isOutOfOrder { arrange(height: arrangedHeight) }
    isOutOfOrder = true
    if typed != nil, type(key) { return nil }
    if case .text(let bytes) = key, let byte = bytes.first, bytes.count == 1 {
      switch byte {
      case UInt8(ascii: "q"): return .quit
      case 0x0C: return .redraw  // Ctrl-L
      case _ where page == .keys: page = .topics
      case UInt8(ascii: "p"): frozen = frozen == nil ? (tree, now) : nil
      case UInt8(ascii: "x"): showsHexadecimal.toggle()
      default: pressOnPage(byte)
      }
      return nil
    }
    switch page {
    case .topics: pressOnTopics(key)
    case .keys: page = .topics
    case .details(let node, let firstLine): pressOnDetails(key, node, firstLine)
    }
    return nil
  }

  private mutating func pressOnPage(_ byte: UInt8) {
    switch (page, byte) {
    case (_, UInt8(ascii: "?")): page = .keys
    case (_, UInt8(ascii: "j")): _ = press(.down)
    case (_, UInt8(ascii: "k")): _ = press(.up)
    case (.details, UInt8(ascii: "d")): page = .topics
    case (.details, _), (.keys, _): break
    case (.topics, UInt8(ascii: "d")):
      if let node = outline.selection { page = .details(node: node, firstLine: 0) }
    case (.topics, UInt8(ascii: "h")): outline.goOutside(shown)
    case (.topics, UInt8(ascii: "l")): outline.goInside(shown)
    case (.topics, UInt8(ascii: " ")): outline.toggle(shown)
    case (.topics, UInt8(ascii: "E")): outline.setAllOpen(true)
    case (.topics, UInt8(ascii: "C")): outline.setAllOpen(false)
    case (.topics, UInt8(ascii: "r")): outline.isReversed.toggle()
    case (.topics, UInt8(ascii: "s")):
      let orders = TopicOutline.Order.allCases
      outline.order = orders[(orders.firstIndex(of: outline.order)! + 1) % orders.count]
    case (.topics, UInt8(ascii: "/")): typed = outline.filter
    default: break
    }
  }

  private mutating func pressOnTopics(_ key: Key) {
    switch key {
    case .up: outline.move(by: -1)
    case .down: outline.move(by: 1)
    case .pageUp: outline.move(byPages: -1)
    case .pageDown: outline.move(byPages: 1)
    case .home: outline.moveToStart()
    case .end: outline.moveToEnd()
    case .left: outline.goOutside(shown)
    case .right: outline.goInside(shown)
    case .enter: outline.toggle(shown)
    case .escape: outline.filter = []
    case .backspace, .text: break
    }
  }

  private mutating func pressOnDetails(_ key: Key, _ node: Int, _ firstLine: Int) {
    let pageHeight = max(1, arrangedHeight - 1)
    let line: Int
    switch key {
    case .up: line = firstLine - 1
    case .down: line = firstLine + 1
    case .pageUp: line = firstLine - pageHeight
    case .pageDown: line = firstLine + pageHeight
    case .home: line = 0
    case .end: line = .max
    case .left, .escape:
      page = .topics
      return
    default: return
    }
    page = .details(node: node, firstLine: max(0, min(line, lastFirstLine)))
  }

  /// Takes a key for the filter that is typed. Returns false for one that moves about.
  private mutating func type(_ key: Key) -> Bool {
    guard var text = typed else { return false }
    switch key {
    case .text(let bytes):
      if bytes == [0x15] { text = [] }  // Ctrl-U
      if bytes[0] >= 0x20 { text += bytes }
    case .backspace:
      // All bytes of a character, of which the first is the only one that does not begin with the bits 10.
      while let last = text.popLast(), last & 0xC0 == 0x80 {}
    case .enter: typed = nil
    case .escape:
      typed = nil
      text = []
    default: return false
    }
    if typed != nil { typed = text }
    outline.filter = text
    return true
  }

  // MARK: - The screen

  /// What the tree is shown from.
  private var shown: TopicTree { frozen?.tree ?? tree }

  /// The lines of the whole screen.
  mutating func lines(columns: Int, rows: Int, at now: Instant, _ status: ScreenStatus) -> [[UInt8]] {
    let headerHeight = max(0, min(3, rows - 2))
    let footerHeight = rows > 1 ? 1 : 0
    let height = rows - headerHeight - footerHeight
    count(at: now)
    if frozen == nil {
      tree.sumUp()
      self.now = now
    }
    let tree = shown
    if isOutOfOrder || arrangedHeight != height || arrangedNodes != tree.nodes.count { arrange(height: height) }
    var lines = [connectionLine(columns, at: now, status), totalsLine(columns, tree)]
    let table = TopicTable(columns: columns, order: outline.order)
    lines.append(page == .topics ? table.titles() : ScreenLine.bar(title, width: columns))
    lines.removeLast(lines.count - headerHeight)
    var body: [[UInt8]] = []
    switch page {
    case .topics:
      for row in outline.rows.dropFirst(outline.firstRow).prefix(height) {
        body.append(
          table.line(
            row, of: tree, isOpen: outline.isOpen(row, tree), isSelected: row == outline.selection,
            showsHexadecimal: showsHexadecimal, at: self.now))
      }
    case .keys: body = Self.keys(columns)
    case .details(let node, let firstLine):
      let details = TopicDetails(
        of: node, in: tree, showsHexadecimal: showsHexadecimal, width: columns, at: self.now,
        time: status.time)
      lastFirstLine = max(0, details.lines.count - height)
      body = Array(details.lines.dropFirst(min(firstLine, lastFirstLine)))
    }
    lines += body.prefix(height)
    while lines.count < headerHeight + height { lines.append([]) }
    if footerHeight > 0 { lines.append(footer(columns, status)) }
    return lines
  }

  private mutating func arrange(height: Int) {
    let tree = shown
    outline.arrange(tree, height: height)
    (isOutOfOrder, arrangedNodes, arrangedHeight) = (false, tree.nodes.count, height)
  }

  /// Rates are found once a second, and rows keep their places in between: they could not be read if they never stood still.
  private mutating func count(at now: Instant) {
    guard now >= nextTick else { return }
    tree.tick(at: now)
    nextTick = max(nextTick + .seconds(1), now)
    isOutOfOrder = true
  }

  private var title: String { page == .keys ? "KEYS" : "DETAILS" }

  private func connectionLine(_ columns: Int, at now: Instant, _ status: ScreenStatus) -> [UInt8] {
    var line = ScreenLine(width: columns)
    let right = "\(status.connection)  \(status.time(now))"
    line.style(.bold)
    line.append(status.endpoint, columns: columns - right.utf8.count - 2)
    line.style(.plain)
    line.append("  ")
    line.append(status.filters, columns: columns - right.utf8.count - 2 - line.column)
    line.append(right, rightAlignedIn: columns - line.column)
    return line.bytes()
  }

  private func totalsLine(_ columns: Int, _ tree: TopicTree) -> [UInt8] {
    let total = tree.nodes[0].total
    var line = ScreenLine(width: columns)
    let rate = ShortText.rate(total.rate)
    line.append("\(ShortText.grouped(total.topics)) topics, \(ShortText.grouped(total.messages)) messages, ")
    line.append("\(rate.isEmpty ? "0" : rate)/s, \(ShortText.bytes(total.bytes))B")
    if tree.unlistedMessages > 0 {
      line.append(" … and \(ShortText.grouped(tree.unlistedMessages)) messages of more topics than there is room for")
    }
    line.append("; by \(outline.order.rawValue)\(outline.isReversed ? " reversed" : "")")
    if frozen != nil {
      line.append("  ")
      line.style(.reversed)
      line.append(" PAUSED ")
      line.style(.plain)
    }
    return line.bytes()
  }

  private func footer(_ columns: Int, _ status: ScreenStatus) -> [UInt8] {
    var line = ScreenLine(width: columns)
    if let typed {
      line.append("filter: ")
      typed.withUnsafeBytes { line.append($0) }
      line.style(.reversed)
      line.append(" ")
    } else if let notice = status.notice {
      line.style(.bold)
      line.append(notice)
    } else {
      if !outline.filter.isEmpty {
        line.append("filter: ")
        outline.filter.withUnsafeBytes { line.append($0, columns: columns / 2) }
        line.append(" (Esc: none)  ")
      }
      line.append("? keys  q quit  s sort  / filter  d details  p pause")
    }
    return line.bytes()
  }

  private static func keys(_ columns: Int) -> [[UInt8]] {
    LiveKeys.all.map { key, meaning in
      var line = ScreenLine(width: columns)
      line.append("  ")
      line.style(.bold)
      line.append(key)
      line.style(.plain)
      line.move(to: 24)
      line.append(meaning)
      return line.bytes()
    }
  }
}
