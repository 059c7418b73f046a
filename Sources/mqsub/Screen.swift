internal import CommandLineTool

/// The lines of a terminal that is filled: only those that have changed are sent, a frame at a time, and the next frame is not
/// begun before the last one was taken.
struct Screen: ~Copyable {
  private var terminal: FullScreen
  private var output: OutputBuffer
  private(set) var size: (columns: Int, rows: Int)
  /// What the terminal shows, from the top; empty when that is not known.
  private var shown: [[UInt8]] = []

  /// Where keys come from and frames go to.
  let descriptor: Int32
  /// Where the terminal's events come from.
  let eventDescriptor: Int32

  init(_ terminal: consuming FullScreen) {
    descriptor = terminal.descriptor
    eventDescriptor = terminal.eventDescriptor
    output = OutputBuffer(descriptor: terminal.descriptor, limit: .max)
    size = terminal.size
    self.terminal = terminal
  }

  /// Takes the terminal.
  mutating func enter() {
    terminal.enter()
    redraw()
  }

  /// Gives the terminal back.
  mutating func leave() {
    output.removeAll()
    terminal.leave()
  }

  /// Appends what was typed; false when the terminal has gone.
  func read(into keys: inout [UInt8]) -> Bool { terminal.read(into: &keys) }

  /// Deals with the terminal's events. Returns whether there were any, after which everything is to be shown again.
  mutating func followEvents() -> Bool {
    var hasChanged = false
    while let event = terminal.nextEvent() {
      hasChanged = true
      switch event {
      case .resized: break
      case .suspended:
        output.removeAll()
        terminal.suspend()
      case .resumed: terminal.enter()
      }
    }
    if hasChanged { redraw() }
    return hasChanged
  }

  /// Makes the next frame a whole one.
  mutating func redraw() {
    size = terminal.size
    shown = []
  }

  /// Whether the terminal has yet to take the last frame.
  var isBusy: Bool { output.count > 0 }

  /// Shows lines from the top; what is below them is empty.
  mutating func show(_ lines: [[UInt8]]) {
    let wanted = (0..<size.rows).map { $0 < lines.count ? lines[$0] : [] }
    let isKnown = shown.count == wanted.count
    if isKnown, shown == wanted { return }
    // Terminals that know the mode show a frame when it is whole; others ignore it.
    output.append("\u{1B}[?2026h")
    if !isKnown { output.append("\u{1B}[0m\u{1B}[2J") }
    for row in wanted.indices where !isKnown || shown[row] != wanted[row] {
      output.append("\u{1B}[\(row + 1);1H\u{1B}[2K")
      output.append(wanted[row])
      output.append("\u{1B}[0m")
    }
    output.append("\u{1B}[?2026l")
    shown = wanted
  }

  /// Sends what the terminal takes.
  mutating func send() throws(OutputError) { try output.flushWithoutWaiting() }
}

/// A line of a screen while it is composed: it never takes more columns than it has, and nothing from the network in it steers
/// the terminal.
struct ScreenLine: ~Copyable {
  /// How a part of a line stands out (ECMA-48, 8.3.117).
  enum Style: String {
    case plain = "\u{1B}[0m"
    case bold = "\u{1B}[1m"
    case reversed = "\u{1B}[7m"
  }

  private var output = OutputBuffer(descriptor: -1, limit: .max)
  private(set) var column = 0
  /// Whether the terminal is surely there as well: they differ in how wide they show some characters.
  private var isColumnCertain = true
  let width: Int

  init(width: Int) { self.width = width }

  /// Changes how what follows stands out.
  mutating func style(_ style: Style) { output.append(style.rawValue) }

  /// Appends text, cut where it does not fit into `columns`, or into the line.
  mutating func append(_ text: UnsafeRawBufferPointer, columns: Int = .max) {
    column += TerminalText.append(text, columns: min(columns, width - column), to: &output)
    if !text.allSatisfy({ $0 < 0x80 }) { isColumnCertain = false }
  }

  /// Appends text, cut where it does not fit into `columns`, or into the line.
  mutating func append(_ text: String, columns: Int = .max) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0), columns: columns) }
  }

  /// Appends text that ends `columns` from here.
  mutating func append(_ text: String, rightAlignedIn columns: Int) {
    move(to: column + columns - text.utf8.count)
    append(text)
  }

  /// Fills up with blanks to a column.
  mutating func move(to column: Int) {
    let column = min(column, width)
    guard column > self.column else { return }
    output.append(UInt8(ascii: " "), count: column - self.column)
    self.column = column
    if !isColumnCertain, column < width { output.append("\u{1B}[\(column + 1)G") }
    isColumnCertain = true
  }

  /// A line that stands out as a whole.
  static func bar(_ text: String, width: Int) -> [UInt8] {
    var line = ScreenLine(width: width)
    line.style(.reversed)
    line.append(text)
    line.move(to: width)
    return line.bytes()
  }

  consuming func bytes() -> [UInt8] { output.withBytes { Array($0) } }
}
