#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why a helper gave up: what it waited for, and what it saw instead.
///
/// Helpers throw it instead of recording an issue, because scripts run in threads that belong to no test.
public struct TestFailure: Error, CustomStringConvertible {
  /// The whole story, over several lines where that helps.
  public let description: String

  init(_ description: String) {
    self.description = description
  }

  /// A system call that failed, with errno as it stands.
  static func system(_ call: String, errno code: Int32 = errno) -> TestFailure {
    TestFailure("\(call): \(String(cString: strerror(code)))")
  }
}
