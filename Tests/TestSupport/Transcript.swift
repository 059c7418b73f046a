import Foundation

/// What the connections of a scripted broker received and sent, and when; it is printed when an expectation fails.
final class Transcript: Sendable {
  private struct Entry {
    var time: Duration
    var text: String
  }

  private let start = ContinuousClock.now
  private let entries = Monitor<[Entry]>([])

  func received(_ bytes: [UInt8], on connection: Int, isPacket: Bool) {
    note("\(connection) ← \(describe(bytes, isPacket: isPacket))")
  }

  func sent(_ bytes: [UInt8], on connection: Int) {
    note("\(connection) → \(describe(bytes, isPacket: true))")
  }

  func note(_ text: String) {
    let entry = Entry(time: ContinuousClock.now - start, text: text)
    entries.withLock { $0.append(entry) }
  }

  private func describe(_ bytes: [UInt8], isPacket: Bool) -> String {
    let name = isPacket ? bytes.first.map { packetName($0) + " " } ?? "" : "\(bytes.count) bytes "
    return name + WireNotation.describe(bytes, limit: 200)
  }

  /// The last entries, a line each.
  var text: String {
    let entries = entries.withLock { $0 }
    let shown = entries.suffix(60)
    var lines = shown.map { String(format: "%9.3f s  ", $0.time / .seconds(1)) + $0.text }
    if shown.count < entries.count { lines.insert("… \(entries.count - shown.count) earlier entries", at: 0) }
    return lines.joined(separator: "\n")
  }
}
