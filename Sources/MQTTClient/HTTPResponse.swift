/// The head of an HTTP response (RFC 9112, sections 2 to 5): what came before the empty line.
struct HTTPResponse {
  /// What is no HTTP response, in words that can follow "the server".
  struct Fault: Error {
    var explanation: String
  }

  /// The status code: 101, 200, 404.
  var status: Int
  /// The words behind the code; often empty.
  var reason: String
  private var fields: [(name: [UInt8], value: [UInt8])] = []

  /// `404 Not Found`
  var statusText: String { reason.isEmpty ? "\(status)" : "\(status) \(reason)" }

  /// The values of the fields of this name, which is written in small letters.
  func values(_ name: String) -> [[UInt8]] {
    fields.filter { $0.name.elementsEqual(name.utf8) }.map(\.value)
  }

  /// Whether a list of words, separated by commas, has this one, which is written in small letters.
  func hasWord(_ word: String, in name: String) -> Bool {
    values(name).contains { value in
      value.split(separator: UInt8(ascii: ",")).contains { trimmed($0).map(small).elementsEqual(word.utf8) }
    }
  }

  /// A head as it stood on the wire, with its empty line.
  private init(head: [UInt8]) throws(Fault) {
    var lines = head.split(separator: UInt8(ascii: "\n")).map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
    lines.removeAll { $0.isEmpty }
    // HTTP/1.1 101 Switching Protocols
    let parts = (lines.first ?? []).split(separator: blank, maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, parts[1].count == 3, let status = Int(String(decoding: parts[1], as: UTF8.self)),
      status >= 100
    else { throw Fault(explanation: "sent an HTTP response without a status") }
    self.status = status
    reason = parts.count > 2 ? String(decoding: trimmed(parts[2]), as: UTF8.self) : ""
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
        throw Fault(explanation: "sent an HTTP response with a line that is no field")
      }
      fields.append((trimmed(line[..<colon]).map(small), Array(trimmed(line[(colon + 1)...]))))
    }
  }

  /// Takes the head of a response in, in whatever pieces it comes.
  struct Reader {
    private var head: [UInt8] = []

    /// What no honest head exceeds.
    static let limit = 16_384
    private static let beginning = Array("HTTP/1.".utf8)

    /// Takes what came. The response and the number of bytes that belong to it, when it is complete.
    mutating func take(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> (response: HTTPResponse, count: Int)? {
      for (index, byte) in bytes.enumerated() {
        head.append(byte)
        if head.count <= Self.beginning.count, byte != Self.beginning[head.count - 1] {
          throw Fault(explanation: "speaks \(peerProtocol(head + bytes[(index + 1)...].prefix(8)) ?? "no HTTP")")
        }
        if head.count > Self.limit { throw Fault(explanation: "sent an HTTP response without end") }
        if byte == UInt8(ascii: "\n"), head.suffix(2) == [0x0A, 0x0A] || head.suffix(3) == [0x0A, 0x0D, 0x0A] {
          return (try HTTPResponse(head: head), index + 1)
        }
      }
      return nil
    }
  }
}

/// What a server speaks that begins with these bytes; nil when nobody knows.
func peerProtocol(_ bytes: [UInt8]) -> String? { bytes.withUnsafeBytes { PeerProtocol(firstBytes: $0)?.rawValue } }

private let blank = UInt8(ascii: " ")

/// Without the blanks and tabs around it.
private func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
  let isBlank = { (byte: UInt8) in byte == blank || byte == UInt8(ascii: "\t") }
  var text = text.drop(while: isBlank)
  while let last = text.last, isBlank(last) { text.removeLast() }
  return text
}

/// ASCII letters made small.
private func small(_ byte: UInt8) -> UInt8 {
  (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}
