/// How a part of the output stands out on a terminal (ECMA-48, 8.3.117).
enum TextColor {
  case topic, time
  /// What stands for something that is not there.
  case nothing

  /// Begins it.
  var start: StaticString {
    switch self {
    case .topic: "\u{1B}[36m"  // cyan
    case .time, .nothing: "\u{1B}[2m"  // faint
    }
  }

  /// Ends any of them.
  static let end: StaticString = "\u{1B}[0m"
}

/// Whether a tool's output has colours.
public enum ColorChoice: Hashable, Sendable {
  /// On a terminal that has them, unless NO_COLOR is set.
  case auto
  case always
  case never

  /// What that means for an output.
  public func isColored(isTerminal: Bool) -> Bool {
    switch self {
    case .always: return true
    case .never: return false
    case .auto:
      guard isTerminal, System.environment("NO_COLOR") ?? [] == [] else { return false }
      return System.environment("TERM").map { !$0.elementsEqual("dumb".utf8) } ?? false
    }
  }
}
