import Foundation
public import Testing

/// Expectations that stay readable when they fail.
public enum Expect {
  /// The bytes are the expected ones; a failure shows the counts and the first difference with what stands around it.
  @discardableResult
  public static func bytes(
    _ got: some Collection<UInt8>, _ expected: some Collection<UInt8>, _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Bool {
    let got = Array(got)
    let expected = Array(expected)
    guard let explanation = difference(got, expected) else { return true }
    let prefix = comment.map { "\($0.rawValue): " } ?? ""
    Issue.record("\(prefix)\(explanation)", sourceLocation: sourceLocation)
    return false
  }

  /// The bytes are the expected text in UTF-8.
  @discardableResult
  public static func text(
    _ got: some Collection<UInt8>, _ expected: String, _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Bool {
    bytes(got, expected.utf8, comment, sourceLocation: sourceLocation)
  }

  /// The condition comes true within the time limit; for what has no event to wait for.
  @discardableResult
  public static func eventually(
    within limit: Duration = .seconds(10), _ what: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () throws -> Bool
  ) rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while try !condition() {
      guard ContinuousClock.now < deadline else {
        let prefix = what.map { "\($0.rawValue): " } ?? ""
        Issue.record("\(prefix)not so within \(limit)", sourceLocation: sourceLocation)
        return false
      }
      usleep(2_000)
    }
    return true
  }

  /// What a failing `bytes` says; nil if there is no difference.
  static func difference(_ got: [UInt8], _ expected: [UInt8]) -> String? {
    guard got != expected else { return nil }
    let shared = zip(got, expected).prefix { $0 == $1 }.count
    return """
      got \(got.count) bytes, expected \(expected.count); first difference at offset \(shared)
        got:      \(excerpt(got, around: shared))
        expected: \(excerpt(expected, around: shared))
      """
  }

  private static func excerpt(_ bytes: [UInt8], around offset: Int) -> String {
    let start = max(0, offset - 16)
    let end = min(bytes.count, offset + 32)
    let digits = (start..<end).map { ($0 == offset ? ">" : "") + hex(bytes[$0]) }.joined(separator: " ")
    let text = String(
      decoding: bytes[start..<end].map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: ".") }, as: UTF8.self)
    let tail = offset >= bytes.count ? " >end" : end < bytes.count ? " …" : ""
    return (start > 0 ? "… " : "") + digits + tail + "   \"\(text)\""
  }
}
