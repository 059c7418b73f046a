public import MQTT

/// What is in a spool.
public struct SpoolStatus: Sendable {
  /// The client identifier of its session.
  public var clientIdentifier: String?
  /// The broker and user it belongs to.
  public var owner: SpoolOwner?
  /// Messages that wait for delivery.
  public var waitingCount = 0
  /// The bytes of their files.
  public var waitingBytes = 0
  /// When the oldest of them was stored, in nanoseconds since the beginning of 1970.
  public var oldest: Instant?
  /// QoS 2 messages that the broker has and has not released.
  public var releasedCount = 0
  /// Messages that were put aside.
  public var badCount = 0
  /// When a message was last delivered.
  public var lastDelivery: Instant?
  /// Since when the broker was not reached.
  public var outageSince: Instant?
}

extension Spool {
  /// Looks at everything, and changes nothing. It does not tell whether a run is delivering: to try the lock would send away
  /// a run that came at that moment.
  public func status() throws(SpoolError) -> SpoolStatus {
    var status = SpoolStatus(clientIdentifier: clientIdentifier, owner: identity?.owner)
    for sequence in try sequences(in: waiting) {
      let information = try attempt { () throws(SystemError) in
        try system.information(FileName(sequence), in: waiting)
      }
      guard let information else { continue }
      status.waitingCount += 1
      status.waitingBytes += min(information.size, StoredMessage.maximumFileSize)
      if status.oldest == nil, case .message(let stored) = try read(sequence) { status.oldest = stored.storedAt }
    }
    status.releasedCount = try sequences(in: released).count
    status.badCount = try sequences(in: bad).count
    status.lastDelivery = try instant(in: "delivered")
    status.outageSince = try instant(in: "outage")
    return status
  }

  // MARK: What is told once

  /// The broker was not reached. True for the first to say so since it was: an outage is told once, not by every run.
  public func beginOutage(at time: Instant) throws(SpoolError) -> Bool {
    do throws(SystemError) {
      let file = try system.makeFile("outage", in: root)
      let contents = Array("\(time.nanoseconds)\n".utf8)
      try contents.withBytes { (bytes) throws(SystemError) in try system.write(bytes, to: file) }
      try system.close(file)
      return true
    } catch  where error.isNameTaken {
      return false
    } catch {
      throw SpoolError(error, place: place)
    }
  }

  /// The broker was reached. Returns since when it was not, where that was told and can be read.
  public func endOutage() throws(SpoolError) -> Instant? {
    guard try has("outage", in: root) else { return nil }
    let since = try instant(in: "outage")
    try attempt { () throws(SystemError) in try removeIfThere("outage", in: root) }
    return since
  }

  /// Nothing but the status depends on it.
  func noteDelivery(at time: Instant) {
    do throws(SpoolError) {
      try replace("delivered", with: Array("\(time.nanoseconds)\n".utf8))
    } catch {
      warn("the time of the delivery could not be noted: \(error)")
    }
  }

  /// The point in time that a file holds; nil where there is none, or no sensible one.
  private func instant(in name: FileName) throws(SpoolError) -> Instant? {
    guard let contents = try contents(of: name, in: root) else { return nil }
    let digits = String(decoding: contents.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    guard let nanoseconds = Int64(digits), nanoseconds >= 0 else { return nil }
    return Instant(nanoseconds: nanoseconds)
  }
}

// MARK: - Output

extension SpoolStatus {
  /// Lines for people.
  public func appendText(at time: Instant, to output: inout OutputBuffer) {
    var timestamp = Timestamp()
    output.append("waiting: \(waitingCount) messages, \(waitingBytes) bytes")
    if let oldest {
      output.append(", the oldest since ")
      timestamp.append(oldest, to: &output)
      output.append(" (\(Self.seconds(from: oldest, to: time)) s)")
    }
    output.append("\nreleased: \(releasedCount)\nput aside: \(badCount)\nlast delivery: ")
    if let lastDelivery { timestamp.append(lastDelivery, to: &output) } else { output.append("never") }
    output.append("\noutage: ")
    if let outageSince {
      output.append("since ")
      timestamp.append(outageSince, to: &output)
    } else {
      output.append("none")
    }
    output.append("\n")
    if let owner { output.append("broker: \(owner)\n") }
    if let clientIdentifier { output.append("client identifier: \(clientIdentifier)\n") }
  }

  /// One JSON object on a line, for monitoring; what is not known is null.
  public func appendJSON(at time: Instant, to output: inout OutputBuffer) {
    var timestamp = Timestamp()
    func append(_ instant: Instant?, to output: inout OutputBuffer) {
      guard let instant else { return output.append("null") }
      output.append("\"")
      timestamp.append(instant, to: &output)
      output.append("\"")
    }
    output.append("{\"waiting\":\(waitingCount),\"waiting_bytes\":\(waitingBytes),\"oldest\":")
    append(oldest, to: &output)
    output.append(",\"oldest_age_seconds\":\(oldest.map { "\(Self.seconds(from: $0, to: time))" } ?? "null")")
    output.append(",\"released\":\(releasedCount),\"bad\":\(badCount),\"last_delivery\":")
    append(lastDelivery, to: &output)
    output.append(",\"outage_since\":")
    append(outageSince, to: &output)
    // Escaped in `spool-id` already, so that nothing in them means anything to JSON.
    let broker = owner.map { "\"\(SpoolIdentity.escaped($0.broker))\"" } ?? "null"
    let user = owner?.user.map { "\"\(SpoolIdentity.escaped($0))\"" } ?? "null"
    let identifier = clientIdentifier.map { "\"\(SpoolIdentity.escaped(Array($0.utf8)))\"" } ?? "null"
    output.append(
      ",\"broker\":\(broker),\"user\":\(user),\"client_identifier\":\(identifier)}\n")
  }

  private static func seconds(from start: Instant, to end: Instant) -> Int64 {
    let (difference, overflow) = end.nanoseconds.subtractingReportingOverflow(start.nanoseconds)
    return overflow ? 0 : max(0, difference / 1_000_000_000)
  }
}

extension Timestamp {
  fileprivate mutating func append(_ instant: Instant, to output: inout OutputBuffer) {
    append(seconds: instant.nanoseconds / 1_000_000_000, zone: .extended, to: &output)
  }
}
