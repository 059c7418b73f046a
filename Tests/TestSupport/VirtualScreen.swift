/// What a person would see of what a program sent to its terminal: a small terminal that knows the sequences that full-screen
/// programs of ours send, and calls everything else a mistake.
///
/// It knows no wrapping, no scrolling and no colours, and shows an accent as part of the character before it.
public struct VirtualScreen {
  /// Columns of a row that stand out as reversed.
  public typealias Columns = Range<Int>

  /// The size.
  public let columns, rows: Int
  /// Whether the other screen is shown, the one that goes away at the end.
  public private(set) var isAlternate = false
  /// Whether the cursor is seen.
  public private(set) var isCursorVisible = true
  /// Whether lines that are too long go on in the next one.
  public private(set) var wraps = true
  /// Sequences that it does not know, and characters that should have been escaped.
  public private(set) var mistakes: [String] = []

  private struct Cell {
    var text = " "
    var isReversed = false
    var isBold = false
  }

  private var cells: [[Cell]]
  private var row = 0
  private var column = 0
  private var isReversed = false
  private var isBold = false

  /// A screen that was sent `bytes`.
  public init(columns: Int, rows: Int, _ bytes: [UInt8] = []) {
    (self.columns, self.rows) = (columns, rows)
    cells = Array(repeating: Array(repeating: Cell(), count: columns), count: rows)
    feed(bytes)
  }

  // MARK: What is seen

  /// The text of a row, without blanks at its end.
  public func text(_ row: Int) -> String {
    var text = cells[row].map(\.text).joined()
    while text.last == " " { text.removeLast() }
    return text
  }

  /// The texts of all rows.
  public var texts: [String] { (0..<rows).map(text) }

  /// Rows that stand out as reversed from their first column to their last.
  public var reversedRows: [Int] { (0..<rows).filter { cells[$0].allSatisfy(\.isReversed) } }

  /// The first row with this text in it.
  public func row(with text: String) -> Int? { (0..<rows).first { self.text($0).contains(text) } }

  // MARK: What is sent

  private mutating func feed(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while let byte = rest.first {
      if byte == 0x1B {
        guard let sequence = Self.sequence(rest) else { return }  // More is to come.
        rest = rest.dropFirst(sequence.count)
        obey(String(decoding: sequence.dropFirst(), as: UTF8.self))
      } else {
        let length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
        guard rest.count >= length else { return }
        show(String(decoding: rest.prefix(length), as: UTF8.self).unicodeScalars.first!)
        rest = rest.dropFirst(length)
      }
    }
  }

  /// ESC [, parameters, and a final byte; ESC and a byte otherwise.
  private static func sequence(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard bytes.count > 1 else { return nil }
    guard bytes[bytes.startIndex + 1] == UInt8(ascii: "[") else { return bytes.prefix(2) }
    guard let end = bytes.dropFirst(2).firstIndex(where: { (0x40...0x7E).contains($0) }) else { return nil }
    return bytes[...end]
  }

  private mutating func obey(_ sequence: String) {
    let parameters = sequence.dropFirst().dropLast().split(separator: ";").map { Int($0) ?? -1 }
    switch (sequence.last, sequence) {
    case (_, "[?1049h"), (_, "[?1049l"): isAlternate = sequence.hasSuffix("h")
    case (_, "[?25h"), (_, "[?25l"): isCursorVisible = sequence.hasSuffix("h")
    case (_, "[?7h"), (_, "[?7l"): wraps = sequence.hasSuffix("h")
    case (_, "[?2026h"), (_, "[?2026l"): break  // A frame begins or ends.
    case (_, "[2J"): cells = Array(repeating: Array(repeating: Cell(), count: columns), count: rows)
    case (_, "[2K"): if row < rows { cells[row] = Array(repeating: Cell(), count: columns) }
    case (_, "[0m"): (isReversed, isBold) = (false, false)
    case (_, "[1m"): isBold = true
    case (_, "[7m"): isReversed = true
    case ("H", _) where parameters.count == 2: (row, column) = (parameters[0] - 1, parameters[1] - 1)
    case ("G", _) where parameters.count == 1: column = parameters[0] - 1
    default: mistakes.append("ESC \(sequence)")
    }
  }

  private mutating func show(_ scalar: Unicode.Scalar) {
    if scalar.value == 0x0D || scalar.value == 0x0A {
      // What the shell or the driver says on the main screen.
      if isAlternate { mistakes.append("end of line") }
      return
    }
    if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) { mistakes.append("U+\(scalar.value)") }
    guard isAlternate, row < rows else { return }
    if scalar.properties.generalCategory == .nonspacingMark {
      if column > 0, column <= columns { cells[row][column - 1].text.unicodeScalars.append(scalar) }
      return
    }
    let isWide =
      (0x1100...0x115F).contains(scalar.value) || (0x2E80...0xFF60).contains(scalar.value)
      || (0x1F300...0x1FAFF).contains(scalar.value)
    if column + (isWide ? 2 : 1) > columns {
      mistakes.append("'\(scalar)' beyond the end of row \(row)")
      return
    }
    cells[row][column] = Cell(text: String(scalar), isReversed: isReversed, isBold: isBold)
    if isWide { cells[row][column + 1] = Cell(text: "", isReversed: isReversed, isBold: isBold) }
    column += isWide ? 2 : 1
  }
}

extension Terminal {
  /// What is seen on it now, if it has that size.
  public func screen(columns: Int = 80, rows: Int = 24) -> VirtualScreen {
    VirtualScreen(columns: columns, rows: rows, output)
  }

  /// Waits until what is seen on it is as wanted, and returns that.
  @discardableResult
  public func waitForScreen(
    _ what: String, columns: Int = 80, rows: Int = 24, timeout: Duration = .seconds(10),
    _ condition: (VirtualScreen) -> Bool
  ) throws -> VirtualScreen {
    let screen = wait(timeout: timeout) { output -> VirtualScreen? in
      let screen = VirtualScreen(columns: columns, rows: rows, output)
      return condition(screen) ? screen : nil
    }
    if let screen { return screen }
    let last = self.screen(columns: columns, rows: rows)
    let lines = last.texts.enumerated().map { (last.reversedRows.contains($0) ? "> " : "| ") + $1 }
    throw TestFailure("\(what): not seen within \(timeout); the screen is\n\(lines.joined(separator: "\n"))")
  }
}
