/// The head of an HTTP message (RFC 9112, sections 2 to 5): what comes before the empty line.
struct HTTPHead {
  /// Who sent it: a server, or somebody who asks one.
  enum Kind: String {
    case response, request

    fileprivate var beginning: [UInt8] { Array((self == .response ? "HTTP/1." : "GET ").utf8) }
  }

  /// What is no head, in words that can follow "the server".
  struct Fault: Error {
    var explanation: String
  }

  /// The first line, without its end.
  let firstLine: [UInt8]
  private var fields: [(name: [UInt8], value: [UInt8])] = []

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
  private init(_ bytes: [UInt8], _ kind: Kind) throws(Fault) {
    var lines = bytes.split(separator: UInt8(ascii: "\n")).map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
    lines.removeAll { $0.isEmpty }
    firstLine = Array(lines.first ?? [])
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
        throw Fault(explanation: "sent an HTTP \(kind.rawValue) with a line that is no field")
      }
      fields.append((trimmed(line[..<colon]).map(small), Array(trimmed(line[(colon + 1)...]))))
    }
  }

  /// Takes a head in, in whatever pieces it comes.
  struct Reader {
    private let kind: Kind
    private let beginning: [UInt8]
    private var head: [UInt8] = []

    /// What no honest head exceeds.
    static let limit = 16_384

    init(_ kind: Kind) {
      self.kind = kind
      beginning = kind.beginning
    }

    /// Takes what came. The head and the number of bytes that belong to it, when it is complete.
    mutating func take(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> (head: HTTPHead, count: Int)? {
      for (index, byte) in bytes.enumerated() {
        head.append(byte)
        if head.count <= beginning.count, byte != beginning[head.count - 1] {
          throw Fault(explanation: "speaks \(peerProtocol(head + bytes[(index + 1)...].prefix(8)) ?? "no HTTP")")
        }
        if head.count > Self.limit { throw Fault(explanation: "sent an HTTP \(kind.rawValue) without end") }
        if byte == UInt8(ascii: "\n"), head.suffix(2) == [0x0A, 0x0A] || head.suffix(3) == [0x0A, 0x0D, 0x0A] {
          return (try HTTPHead(head, kind), index + 1)
        }
      }
      return nil
    }
  }
}

/// What a server speaks that begins with these bytes; nil when nobody knows.
func peerProtocol(_ bytes: [UInt8]) -> String? { bytes.withUnsafeBytes { PeerProtocol(firstBytes: $0)?.rawValue } }

/// Without the blanks and tabs around it.
func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
  let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
  var text = text.drop(while: isBlank)
  while let last = text.last, isBlank(last) { text.removeLast() }
  return text
}

/// ASCII letters made small.
private func small(_ byte: UInt8) -> UInt8 {
  (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}
