/// What is wrong with the words that were typed. The message never names the option or the file: whoever knows them
/// puts them in front with `at(_:)`.
public struct UsageError: Error, Hashable, Sendable {
  /// Where and what, as it is shown after the tool's name.
  public var message: String

  /// A mistake described by `message`: no full stop, and what to do next where that is not plain.
  public init(_ message: String) { self.message = message }

  /// The same mistake with its place in front: an option, a line of a file, a variable.
  func at(_ place: String) -> UsageError { place.isEmpty ? self : UsageError("\(place): \(message)") }
}

/// Where options come from, the weakest first. Each source is read in full before the next stronger one.
public enum SourceKind: UInt8, Comparable, Sendable {
  case ownFile, environment, optionsFile, commandLine

  /// Stronger sources are greater.
  public static func < (one: SourceKind, other: SourceKind) -> Bool { one.rawValue < other.rawValue }
}

/// The place an option was read from.
public struct Source: Hashable, Sendable {
  /// How strong the source is.
  public var kind: SourceKind
  /// `FILE:LINE` or the name of a variable; empty for the command line.
  public var place: String

  /// A place in a source of the kind `kind`.
  public init(_ kind: SourceKind, place: String = "") {
    self.kind = kind
    self.place = place
  }
}

/// A word given to an option. It is bytes: payloads, passwords and file names need not be text.
public struct Argument: Hashable, Sendable {
  /// The word as it was typed.
  public var bytes: [UInt8]
  /// Where the word stands.
  public var source: Source

  /// A word and where it stands.
  public init(_ bytes: [UInt8], from source: Source) {
    self.bytes = bytes
    self.source = source
  }
}

/// The values of an option that may be given several times: all that the strongest source gave, in its order. What a
/// stronger source says replaces what the weaker ones said.
public struct Accumulated<Element: Sendable>: Sendable {
  /// The values that hold.
  public private(set) var values: [Element]
  private var kind: SourceKind?

  /// No values yet.
  public init() { values = [] }

  /// Takes one more value. Sources come weakest first.
  public mutating func append(_ value: Element, from source: Source) {
    if kind != source.kind { values = [] }
    kind = source.kind
    values.append(value)
  }
}
