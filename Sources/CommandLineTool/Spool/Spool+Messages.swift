internal import MQTT

/// What is done with messages that are in the spool.
extension Spool {
  enum Contents {
    case message(StoredMessage)
    /// Somebody else took it away.
    case gone
    case damaged(String)
  }

  /// Reads a waiting message.
  func read(_ sequence: Int) throws(SpoolError) -> Contents {
    let file: [UInt8]
    do throws(SpoolError) {
      guard let contents = try contents(of: FileName(sequence), in: waiting) else { return .gone }
      file = contents
    } catch .system(let error, _) where error.call == "read" {
      return .damaged(error.explanation)
    }
    do throws(DamagedFile) {
      return .message(try StoredMessage(sequence: sequence, file: file))
    } catch {
      return .damaged(error.problem)
    }
  }

  /// PUBREC has come: the broker has the message. The disk may not have that until `syncReleased`.
  func accept(_ sequence: Int) throws(SpoolError) {
    let name = FileName(sequence)
    try attempt { () throws(SystemError) in
      do throws(SystemError) {
        try system.move(name, in: waiting, to: name, in: released)
      } catch  where error.isNoSuchFile {
        // It was discarded meanwhile, and has left its identifier in `rel`.
      }
    }
  }

  /// Waits until the disk has what happened in `rel`.
  func syncReleased() throws(SpoolError) {
    try attempt { () throws(SystemError) in try system.sync(released) }
  }

  /// The handshake has come to its end.
  func complete(_ sequence: Int, wasAccepted: Bool) throws(SpoolError) {
    try attempt { () throws(SystemError) in
      let name = FileName(sequence)
      if wasAccepted { try removeIfThere(name, in: released) } else { try removeIfThere(name, in: waiting) }
    }
  }

  /// Puts a waiting message aside, with the reason beside it.
  func quarantine(_ sequence: Int, reason: String) throws(SpoolError) {
    let name = FileName(sequence)
    let note = FileName(sequence, suffix: ".reason")
    try attempt { () throws(SystemError) in
      try write(Array((reason + "\n").utf8), to: "reason")
      try system.move("reason", in: temporary, to: note, in: bad)
      do throws(SystemError) {
        try system.move(name, in: waiting, to: name, in: bad)
      } catch  where error.isNoSuchFile {
        try removeIfThere(note, in: bad)
      }
      try system.sync(bad)
    }
    warn("message \(sequence) was put aside: \(reason) (see \(place)/bad, --spool-retry-bad)")
  }

  /// Lets all messages that were put aside wait again, in their old places.
  ///
  /// - Returns: how many.
  public func retryBad() throws(SpoolError) -> Int {
    try locked { () throws(SpoolError) in try moveBad() }
  }

  private func moveBad() throws(SpoolError) -> Int {
    var count = 0
    for sequence in try sequences(in: bad) where try !has(FileName(sequence), in: waiting) {
      try attempt { () throws(SystemError) in
        try system.move(FileName(sequence), in: bad, to: FileName(sequence), in: waiting)
        try removeIfThere(FileName(sequence, suffix: ".reason"), in: bad)
      }
      count += 1
    }
    if count > 0 {
      try attempt { () throws(SystemError) in
        try system.sync(waiting)
        try system.sync(bad)
      }
    }
    return count
  }

  // MARK: The suspect

  /// The suspect of earlier runs.
  func noted() throws(SpoolError) -> Suspect? {
    guard let contents = try contents(of: "suspect", in: root) else { return nil }
    let numbers = contents.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }.map {
      Int(String(decoding: $0, as: UTF8.self))
    }
    guard numbers.count == 2, let sequence = numbers[0], let count = numbers[1] else { return nil }
    return Suspect(sequence: sequence, count: count)
  }

  /// Notes the suspect for later runs.
  func note(_ suspect: Suspect?) throws(SpoolError) {
    if let suspect { return try replace("suspect", with: Array("\(suspect.sequence) \(suspect.count)\n".utf8)) }
    try attempt { () throws(SystemError) in try removeIfThere("suspect", in: root) }
  }

  // MARK: The session

  /// Notes that the broker may hold something of ours from now on; the disk has it when this returns.
  func openSession() throws(SpoolError) {
    guard try !has("session", in: root) else { return }
    try attempt { () throws(SystemError) in
      let file = try system.makeFile("session", in: root)
      try system.close(file)
      try system.sync(root)
    }
  }

  /// Notes that the broker holds nothing of ours.
  func closeSession() throws(SpoolError) {
    try attempt { () throws(SystemError) in try removeIfThere("session", in: root) }
  }

  /// The broker has forgotten what it had received: everything in `rel` waits again.
  func withdrawAccepted() throws(SpoolError) {
    let sequences = try sequences(in: released)
    guard !sequences.isEmpty else { return }
    try attempt { () throws(SystemError) in
      for sequence in sequences {
        let name = FileName(sequence)
        if try isEmpty(name) {
          try removeIfThere(name, in: released)
        } else {
          // No work of ours has both; the waiting one is not to be overwritten.
          let isTaken = try system.information(name, in: waiting) != nil
          if isTaken {
            try system.move(name, in: released, to: name, in: bad)
          } else {
            try system.move(name, in: released, to: name, in: waiting)
          }
        }
      }
      // Before anything is published: PUBREL for a message that the new session has not got would lose it.
      try system.sync(waiting)
      try system.sync(released)
    }
  }

  /// Whether `rel` has messages, and not only packet identifiers that are to be freed.
  func hasAccepted() throws(SpoolError) -> Bool {
    for sequence in try sequences(in: released) {
      if try attempt({ () throws(SystemError) in try !isEmpty(FileName(sequence)) }) { return true }
    }
    return false
  }

  private func isEmpty(_ name: FileName) throws(SystemError) -> Bool {
    try system.information(name, in: released)?.size == 0
  }
}

/// A message that may be the reason why the broker ends connections.
struct Suspect: Hashable, Sendable {
  var sequence: Int
  /// Sound connections that ended after this message alone.
  var count: Int
}
