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
