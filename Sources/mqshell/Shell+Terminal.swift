internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// The shell at a terminal.
extension Shell {
  /// Runs the lines that are typed, until the end.
  func runInteractively() {
    let editor = LineEditor { [self] line, start in completions(line, wordFrom: start) }
    for line in history?.lines ?? [] { editor.remember(line) }
    self.editor = editor
    screen.editor = editor
    screen.prompt = { [self] in prompt }
    defer {
      editor.end()
      screen.editor = nil
      self.editor = nil
    }
    while !isLeaving, outputFailure == nil {
      flush()
      beginLine()
      guard (try? wait(until: nil, for: { typedLine != nil || isLeaving })) == true, let result = typedLine else {
        isCancelled = false
        continue
      }
      typedLine = nil
      screen.read()
      guard case .line(let line) = result else {
        if !editor.hasEndedLastLine { screen.line("") }
        return
      }
      // What was pasted may have several.
      for line in lines(of: line) {
        isCancelled = false
        remember(line, editor)
        if run(line) != nil || isLeaving { break }
      }
      isCancelled = false
    }
  }

  /// Lets the next line be typed.
  func beginLine() {
    guard let editor, !editor.isActive, typedLine == nil else { return }
    screen.beginLine()
    driver.watch(0, .readable)
  }

  private var prompt: String {
    guard let currentName, let connection = try? connection(named: currentName) else { return "mq> " }
    let state =
      switch connection.state {
      case .connected: ""
      case .connecting: " (connecting)"
      case .waiting: " (reconnecting)"
      case .over: " (closed)"
      }
    let unread = screen.unreadCount > 0 ? " [\(screen.unreadCount) unread]" : ""
    return "\(currentName)\(state)\(unread)> "
  }

  private func remember(_ line: [UInt8], _ editor: LineEditor) {
    guard line.contains(where: { !isBlank($0) }), let masked = Secrets.masked(line) else { return }
    typed.append(masked)
    editor.remember(masked)
    history?.append(masked)
  }
}
