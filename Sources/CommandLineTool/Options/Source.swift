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

/// The values of an option that may be given several times: all that the strongest source gave, in its order. What a
/// stronger source says replaces what the weaker ones said.
public struct Accumulated<Element: Sendable>: Sendable {
  /// The values that hold.
  public private(set) var values: [Element]
  /// The kind of source that they are from.
  private(set) var kind: SourceKind?

  /// No values yet.
  public init() { values = [] }

  /// Takes one more value. Sources come weakest first.
  public mutating func append(_ value: Element, from source: Source) {
    if kind != source.kind { values = [] }
    kind = source.kind
    values.append(value)
  }
}

/// The value that one of several options gave, of which a source may have only one: `-m` or `-f`, `-i` or `-I`. The
/// strongest source decides, and in it the last use.
public struct Exclusive<Value: Sendable>: Sendable {
  /// The value that holds.
  public private(set) var value: Value?
  private var option = ""
  private var kind: SourceKind?

  /// No value yet.
  public init() {}

  /// Takes the value of `option`. Throws when another option gave one in the same source. Sources come weakest first.
  public mutating func set(_ value: Value, by option: String, from source: Source) throws(UsageError) {
    if kind == source.kind, self.option != option { throw UsageError("cannot stand together with \(self.option)") }
    self.value = value
    self.option = option
    kind = source.kind
  }
}
