internal import CommandLineTool
internal import MQTT

/// All about one topic, as lines for a screen: its figures, and its last message.
struct TopicDetails {
  private(set) var lines: [[UInt8]] = []
  private let width: Int
  private static let labelWidth = 12
  /// In front of each line of a payload: none of them can be taken for one of ours.
  private static let mark = "| "

  /// The lines for a node of the tree, `width` columns at most. `time` is what the clock on the wall says at `now`.
  init(
    of index: Int, in tree: TopicTree, showsHexadecimal: Bool, width: Int, at now: Instant,
    time: (Instant) -> String
  ) {
    self.width = width
    let node = tree.nodes[index]
    tree.withPath(of: index) { append("Topic", $0) }
    if node.isTopic {
      append("Messages", Self.text(node.own))
      if node.firstChild != nil { append("With below", Self.text(node.total)) }
      if let latest = node.own.latest {
        append("Last", "\(time(latest)), \(ShortText.age(now - latest)) ago")
      }
      append("QoS", "\(node.qos.rawValue)\(node.isRetained ? ", retained" : "")")
      node.properties.withUnsafeBytes { bytes in
        for view in PropertyViews(bytes) { append(view) }
      }
      append(payloadOf: node, showsHexadecimal: showsHexadecimal)
    } else {
      append("Below", Self.text(node.total))
    }
  }

  private static func text(_ figures: TopicTree.Figures) -> String {
    let rate = ShortText.rate(figures.rate)
    let topics = figures.topics > 1 ? " on \(ShortText.grouped(figures.topics)) topics" : ""
    return "\(ShortText.grouped(figures.messages))\(topics), \(rate.isEmpty ? "0" : rate)/s, "
      + "\(ShortText.grouped(figures.bytes)) bytes"
  }

  // MARK: The message

  private mutating func append(_ view: PropertyView) {
    let name = view.property.name
    switch view.property.type {
    case .text: append("", name, view.bytes)
    case .binary:
      var digits = OutputBuffer(descriptor: -1, limit: .max)
      Hex.append(view.bytes, uppercase: false, to: &digits)
      digits.withBytes { append("", name, $0) }
    case .userProperty:
      var text = Array(view.bytes)
      text += Array(" = ".utf8)
      text += view.second
      text.withUnsafeBytes { append("", name, $0) }
    default: Array("\(view.number)".utf8).withUnsafeBytes { append("", name, $0) }
    }
  }

  private mutating func append(payloadOf node: TopicTree.Node, showsHexadecimal: Bool) {
    let kept = node.payload.count
    let part = kept < node.payloadCount ? ", of which the first \(ShortText.grouped(kept)) were kept" : ""
    append("Payload", "\(ShortText.grouped(node.payloadCount)) bytes\(part)")
    node.payload.withUnsafeBytes { payload in
      var text = OutputBuffer(descriptor: -1, limit: .max)
      if showsHexadecimal {
        Hex.appendDump(of: payload, to: &text)
      } else if let value = try? JSONValue(text: payload) {
        value.appendOnManyLines(isForTerminal: false, to: &text)
        return text.withBytes { append(linesOfJSON: $0) }
      } else {
        text.append(payload)
      }
      text.withBytes { text in
        for line in Self.lines(of: text) { wrap(UnsafeRawBufferPointer(rebasing: line), behind: Self.mark) }
      }
    }
  }

  private static func lines(of text: UnsafeRawBufferPointer) -> [Slice<UnsafeRawBufferPointer>] {
    text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
  }

  /// Tabs in there are between the parts of the JSON text, never inside them.
  private mutating func append(linesOfJSON text: UnsafeRawBufferPointer) {
    for line in Self.lines(of: text) {
      let depth = line.prefix { $0 == UInt8(ascii: "\t") }.count
      let parts = line.dropFirst(depth).map { $0 == UInt8(ascii: "\t") ? UInt8(ascii: " ") : $0 }
      parts.withUnsafeBytes { wrap($0, behind: Self.mark + String(repeating: "  ", count: depth)) }
    }
  }

  // MARK: Lines

  private mutating func append(_ label: String, _ text: String) {
    var text = text
    text.withUTF8 { append(label, UnsafeRawBufferPointer($0)) }
  }

  private mutating func append(_ label: String, _ text: UnsafeRawBufferPointer) {
    wrap(text, behind: label + String(repeating: " ", count: max(1, Self.labelWidth - label.utf8.count)))
  }

  private mutating func append(_ label: String, _ name: String, _ text: UnsafeRawBufferPointer) {
    let bytes = Array("\(name): ".utf8) + Array(text)
    bytes.withUnsafeBytes { append(label, $0) }
  }

  /// Appends a text on as many lines as it takes, the first of them behind `head`.
  private mutating func wrap(_ text: UnsafeRawBufferPointer, behind head: String) {
    var head = head
    var rest = text
    repeat {
      var line = ScreenLine(width: width)
      line.append(head)
      let part = TerminalText.prefix(of: rest, columns: max(1, width - line.column))
      // What is wider than the whole screen is cut, to go on at all.
      let count = part.count > 0 ? part.count : rest.count
      line.append(UnsafeRawBufferPointer(rebasing: rest[..<count]))
      lines.append(line.bytes())
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      if head.hasPrefix(Self.mark) { continue }
      head = String(repeating: " ", count: Self.labelWidth)
    } while !rest.isEmpty
  }
}
