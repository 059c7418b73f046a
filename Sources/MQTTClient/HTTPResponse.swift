/// The head of an HTTP response.
struct HTTPResponse {
  /// The status code: 101, 200, 404.
  var status: Int
  /// The words behind the code; often empty.
  var reason: String
  private let head: HTTPHead

  /// `404 Not Found`
  var statusText: String { reason.isEmpty ? "\(status)" : "\(status) \(reason)" }

  /// The values of the fields of this name, which is written in small letters.
  func values(_ name: String) -> [[UInt8]] { head.values(name) }

  /// Whether a list of words, separated by commas, has this one, which is written in small letters.
  func hasWord(_ word: String, in name: String) -> Bool { head.hasWord(word, in: name) }

  private init(_ head: HTTPHead) throws(HTTPHead.Fault) {
    // HTTP/1.1 101 Switching Protocols
    let parts = head.firstLine.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, parts[1].count == 3, let status = Int(String(decoding: parts[1], as: UTF8.self)),
      status >= 100
    else { throw HTTPHead.Fault(explanation: "sent an HTTP response without a status") }
    self.status = status
    reason = parts.count > 2 ? String(decoding: trimmed(parts[2]), as: UTF8.self) : ""
    self.head = head
  }

  /// Takes a response in, in whatever pieces it comes.
  struct Reader {
    private var reader = HTTPHead.Reader(.response)

    /// Takes what came. The response and the number of bytes that belong to it, when it is complete.
    mutating func take(
      _ bytes: UnsafeRawBufferPointer
    ) throws(HTTPHead.Fault) -> (response: HTTPResponse, count: Int)? {
      guard let (head, count) = try reader.take(bytes) else { return nil }
      return (try HTTPResponse(head), count)
    }
  }
}
