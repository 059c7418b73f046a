internal import MQTT

/// The rows of topics and their figures: which columns have room, and what stands in them.
struct TopicTable {
  private enum Column: String {
    case count, rate, bytes, age
    case qos = "q"

    var width: Int {
      switch self {
      case .count, .rate: 7
      case .bytes: 6
      case .age: 4
      case .qos: 2
      }
    }
  }

  private let width: Int
  private let order: TopicOutline.Order
  private let figures: [Column]
  private let topicWidth: Int
  /// 0 where the last value has no room.
  private let valueWidth: Int

  /// A table that is as wide as the screen. Where not everything has room, topics have more right to it than figures.
  init(columns: Int, order: TopicOutline.Order) {
    width = columns
    self.order = order
    var figures: [Column] = [.count, .rate, .bytes, .age, .qos]
    var room = 0
    repeat {
      room = columns - figures.reduce(0) { $0 + $1.width + 1 }
    } while room < 20 && figures.popLast() != nil
    self.figures = figures
    if room >= 40 {
      topicWidth = max(24, room * 45 / 100)
      valueWidth = room - topicWidth - 1
    } else {
      topicWidth = max(0, room)
      valueWidth = 0
    }
  }

  /// The names of the columns.
  func titles() -> [UInt8] {
    var line = ScreenLine(width: width)
    line.style(.reversed)
    append(title: "TOPIC", isChosen: order == .topic, to: &line)
    line.move(to: topicWidth)
    for column in figures {
      line.move(to: line.column + 1)
      let end = line.column + column.width
      let title = column.rawValue.uppercased()
      line.move(to: end - title.utf8.count)
      append(title: title, isChosen: column.rawValue == order.rawValue, to: &line)
    }
    if valueWidth > 0 {
      line.append(" LAST VALUE")
    }
    line.move(to: width)
    return line.bytes()
  }

  private func append(title: String, isChosen: Bool, to line: inout ScreenLine) {
    if isChosen { line.style(.bold) }
    line.append(title)
    line.style(.plain)
    line.style(.reversed)
  }

  /// The row of a node.
  func line(
    _ index: Int, of tree: TopicTree, isOpen: Bool, isSelected: Bool, showsHexadecimal: Bool, at now: Instant
  ) -> [UInt8] {
    let node = tree.nodes[index]
    var line = ScreenLine(width: width)
    if isSelected { line.style(.reversed) }
    // Deep levels must not run out of their column.
    line.append(String(repeating: " ", count: min(2 * (node.depth - 1), topicWidth / 2)))
    line.append(node.firstChild == nil ? "  " : isOpen ? "- " : "+ ")
    tree.withLevel(of: index) { level in
      if level.isEmpty {
        line.append("\"\"", columns: topicWidth - line.column)
      } else {
        line.append(level, columns: topicWidth - line.column)
      }
    }
    line.move(to: topicWidth)
    for column in figures {
      line.append(" ")
      line.append(text(column, node, at: now), rightAlignedIn: column.width)
    }
    if valueWidth > 0, node.isTopic {
      line.append(" ")
      append(valueOf: node, showsHexadecimal: showsHexadecimal, to: &line)
    }
    if isSelected { line.move(to: width) }
    return line.bytes()
  }

  private func text(_ column: Column, _ node: TopicTree.Node, at now: Instant) -> String {
    switch column {
    case .count: ShortText.count(node.total.messages)
    case .rate: ShortText.rate(node.total.rate)
    case .bytes: ShortText.bytes(node.total.bytes)
    case .age: node.total.latest.map { ShortText.age(now - $0) } ?? ""
    case .qos: node.isTopic ? "\(node.qos.rawValue)\(node.isRetained ? "r" : " ")" : ""
    }
  }

  private func append(valueOf node: TopicTree.Node, showsHexadecimal: Bool, to line: inout ScreenLine) {
    if showsHexadecimal {
      var digits = ""
      for byte in node.payload.prefix(valueWidth) {
        digits += (byte < 16 ? "0" : "") + String(byte, radix: 16) + " "
      }
      line.append(digits, columns: valueWidth)
    } else {
      node.payload.withUnsafeBytes { line.append($0, columns: valueWidth) }
    }
  }
}
