internal import CommandLineTool

/// The addresses that clients connect from, in turn: one has no more ports than the system gives to outgoing connections.
struct SourceAddresses: Hashable, Sendable {
  private enum Item: Hashable {
    case address(String)
    /// Of IPv4, from the first to the last.
    case range(ClosedRange<UInt32>)
  }

  private var items: [Item] = []

  var isEmpty: Bool { items.isEmpty }

  /// How many there are.
  var count: Int {
    items.reduce(0) { sum, item in
      switch item {
      case .address: sum + 1
      case .range(let range): sum + range.count
      }
    }
  }

  /// Adds an address, or from first to last as in `10.0.0.1..10.0.0.9`.
  mutating func append(_ word: Argument) throws(UsageError) {
    let text = try word.text()
    guard let dots = word.bytes.indices.first(where: { word.bytes[$0...].starts(with: "..".utf8) }) else {
      guard Self.number(word.bytes[...]) != nil || text.contains(":") else {
        throw UsageError("\(word.quoted) is not an address such as 10.0.0.1, or 10.0.0.1..10.0.0.9")
      }
      items.append(.address(text))
      return
    }
    guard let first = Self.number(word.bytes[..<dots]), let last = Self.number(word.bytes[(dots + 2)...]), first <= last
    else { throw UsageError("\(word.quoted) is not from one IPv4 address to a later one as in 10.0.0.1..10.0.0.9") }
    items.append(.range(first...last))
  }

  /// The address of a client; there has to be one.
  func address(of client: Int) -> String {
    var place = client % count
    for item in items {
      switch item {
      case .address(let address):
        if place == 0 { return address }
        place -= 1
      case .range(let range):
        if place < range.count { return Self.text(range.lowerBound + UInt32(place)) }
        place -= range.count
      }
    }
    preconditionFailure("the places of all items add up to their count")
  }

  /// Four decimal numbers with points between them.
  private static func number(_ text: ArraySlice<UInt8>) -> UInt32? {
    let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var number: UInt32 = 0
    for part in parts {
      guard part.count <= 3, part.first != UInt8(ascii: "+"), let byte = UInt8(String(decoding: part, as: UTF8.self))
      else { return nil }
      number = number << 8 | UInt32(byte)
    }
    return number
  }

  private static func text(_ number: UInt32) -> String {
    "\(number >> 24).\(number >> 16 & 0xFF).\(number >> 8 & 0xFF).\(number & 0xFF)"
  }
}
