internal import CReadline

/// The line that is being typed, edited by GNU readline through its callback interface: the driver says when a key can be read, and
/// nothing waits in here.
///
/// While it is active, whoever writes to the terminal calls `hide` before and `show` after.
final class LineEditor {
  /// What came of a line.
  enum Result {
    case line([UInt8])
    /// Ctrl-D in an empty line, or the terminal has gone.
    case end
  }

  /// Whether a line is being edited now.
  private(set) var isActive = false

  /// An editor that asks `completions` what the word before the cursor could become.
  init(completions: @escaping (_ line: [UInt8], _ wordStart: Int) -> Completions) {
    complete = completions
    setUpReadline("mqshell", { text, start, end in candidates(text, start, end) })
    using_history()
  }

  /// Begins a line.
  func begin(prompt: String) {
    result = nil
    isActive = true
    rl_callback_handler_install(prompt) { line in finished(line) }
  }

  /// Reads what was typed; the line, when that ended it.
  func read() -> Result? {
    rl_callback_read_char()
    guard let result = mqshell.result else { return nil }
    mqshell.result = nil
    isActive = false
    return result
  }

  /// Gives up what was typed.
  func discard() {
    guard isActive else { return }
    discardReadline()
    end()
  }

  /// Leaves the terminal to others while `body` runs.
  func aside(_ body: () -> Void) {
    if isActive { leaveReadline() }
    body()
    if isActive { resumeReadline() }
  }

  /// Leaves the terminal as it was found.
  func end() {
    guard isActive else { return }
    isActive = false
    rl_callback_handler_remove()
  }

  /// Takes the line off the screen.
  func hide() { if isActive { hideReadline() } }

  /// Puts it back, behind `prompt`.
  func show(prompt: String) {
    guard isActive else { return }
    // A search has a prompt of its own.
    if !isReadlineSearching() { rl_set_prompt(prompt) }
    showReadline()
  }

  /// The terminal has another size.
  func resize() { if isActive { resizeReadline() } }

  /// Whether the cursor is below the line in which Ctrl-D was typed.
  var hasEndedLastLine: Bool { endsReadlineLastLine() }

  /// A line that the arrow keys bring back. An equal one goes, so that each is there once.
  func remember(_ line: [UInt8]) {
    withString(line) { line in
      var index: Int32 = 0
      while let entry = history_get(firstHistoryNumber() + index) {
        if let other = entry.pointee.line, strcmp(other, line) == 0 {
          _ = free_history_entry(remove_history(index))
        } else {
          index += 1
        }
      }
      add_history(line)
    }
  }

  private func withString(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Void) {
    (bytes + [0]).withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
  }
}

/// What a word could become.
struct Completions {
  var words: [[UInt8]] = []
  /// What stands behind the word when there is one choice: a blank, or nothing where more is to come.
  var endsWord = true
  /// Whether it is the name of a file.
  var isFile = false
}

// Readline calls plain functions of C, and there is one terminal.
nonisolated(unsafe) private var result: LineEditor.Result?
nonisolated(unsafe) private var complete: (([UInt8], Int) -> Completions)?
nonisolated(unsafe) private var pending: [[UInt8]] = []

private func finished(_ line: UnsafeMutablePointer<CChar>?) {
  if let line {
    result = .line([UInt8](UnsafeRawBufferPointer(start: line, count: strlen(line))))
    free(line)
  } else {
    result = .end
  }
  rl_callback_handler_remove()
}

private func candidates(
  _ text: UnsafePointer<CChar>?, _ start: Int32, _ end: Int32
) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
  endCompletion()
  guard let text, let buffer = readlineBuffer() else { return nil }
  let line = [UInt8](UnsafeRawBufferPointer(start: buffer, count: Int(end)))
  guard let completions = complete?(line, Int(start)) else { return nil }
  if completions.isFile {
    completeFileNames()
    return rl_completion_matches(text, rl_filename_completion_function)
  }
  pending = completions.words.reversed()
  setCompletionEnd(completions.endsWord ? 0x20 : 0)
  return rl_completion_matches(text) { _, _ in
    pending.popLast().map { word in
      (word + [0]).withUnsafeBytes { strdup($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
    }
  }
}
