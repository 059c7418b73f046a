/// What is wrong with the words that were typed. The message never names the option or the file: whoever knows them
/// puts them in front with `at(_:)`.
public struct UsageError: Error, Hashable, Sendable {
  /// Where and what, as it is shown after the tool's name.
  public var message: String

  /// What the tool exits with.
  public var status: ExitStatus

  /// A mistake described by `message`: no full stop, and what to do next where that is not plain.
  public init(_ message: String, status: ExitStatus = .usage) {
    self.message = message
    self.status = status
  }

  /// The same mistake with its place in front: an option, a line of a file, a variable.
  public func at(_ place: String) -> UsageError {
    place.isEmpty ? self : UsageError("\(place): \(message)", status: status)
  }
}
