/// Sees to it that QoS 2 messages are printed once, also when the process is killed between any two of its steps and another run goes
/// on with the session.
///
/// Where the output is a file, the disk knows where each message is about to be written before it is, and the length of the file
/// tells the next run which ones were; one that was written in part is cut off. Where it is a pipe or a terminal, the disk knows what
/// was written when it was, and a process that is killed right between may have its last messages printed again by the next.
///
///     journal.delivered                                 for `Session.resumeDeliveries`
///     journal.append(identifier, at: start..<end)       a message is in the buffer
///     try journal.willWrite(delivered: …)               before output or anything else leaves
///     try journal.hasWritten(delivered: …)              the buffer is empty: now its messages may be acknowledged
public struct PrintJournal: ~Copyable {
  /// Messages that an earlier run has printed and the broker has not released, by packet identifier.
  public let delivered: [UInt16]

  private var file: StateFile
  private let output: Int32
  /// In the buffer: where each message begins and ends there.
  private var pending: [(packetIdentifier: UInt16, place: Range<Int>)] = []

  /// A journal for the session that `owner` describes, and for the descriptor `output`.
  public init(_ path: [UInt8], owner: String, output: Int32) throws(StateFileError) {
    var file = try StateFile.open(path, owner: owner)
    do throws(SystemError) {
      let state = try Self.printed(file.state, in: output)
      // What the next bytes of output would make look printed must be gone before them.
      if state != file.state { try file.save(state) }
    } catch {
      throw .system(error)
    }
    delivered = file.state.entries.map { $0.packetIdentifier }
    self.file = file
    self.output = output
  }

  /// What of a state was printed, as far as the output can tell.
  private static func printed(_ state: StateFile.State, in output: Int32) throws(SystemError) -> StateFile.State {
    guard let found = try System.outputFile(output), found.identity == state.output else {
      // It was written to another file then, for all we know.
      return StateFile.State(entries: state.entries.map { .init(packetIdentifier: $0.packetIdentifier, place: nil) })
    }
    var printed = state
    printed.entries = []
    for entry in state.entries {
      guard let place = entry.place else {
        printed.entries.append(entry)
        continue
      }
      if found.size >= place.upperBound {
        printed.entries.append(.init(packetIdentifier: entry.packetIdentifier, place: nil))
      } else if found.size > place.lowerBound {
        try System.cut(output, to: Int(clamping: place.lowerBound))
      }
    }
    return printed
  }

  /// A message of QoS 2 takes this place in the buffer in front of the output.
  public mutating func append(_ packetIdentifier: UInt16, at place: Range<Int>) {
    pending.append((packetIdentifier, place))
  }

  /// To be called before the buffer is written and before anything is sent, with what the session says is delivered.
  public mutating func willWrite(delivered: [UInt16]) throws(SystemError) {
    var state = StateFile.State(entries: delivered.map { .init(packetIdentifier: $0, place: nil) })
    if let found = pending.isEmpty ? nil : try System.outputFile(output) {
      state.output = found.identity
      for (identifier, place) in pending {
        let (start, end) = (UInt64(place.lowerBound), UInt64(place.upperBound))
        state.entries.append(.init(packetIdentifier: identifier, place: found.position + start..<found.position + end))
      }
    }
    try save(state)
  }

  /// To be called when the buffer is empty, before what it held is acknowledged.
  public mutating func hasWritten(delivered: [UInt16]) throws(SystemError) {
    guard !pending.isEmpty else { return }
    if try System.outputFile(output) == nil {
      let entries = (delivered + pending.map { $0.packetIdentifier }).map { StateFile.Entry(packetIdentifier: $0) }
      try save(StateFile.State(entries: entries))
    } else {
      try System.sync(output)
    }
    pending.removeAll(keepingCapacity: true)
  }

  private mutating func save(_ state: StateFile.State) throws(SystemError) {
    var state = state
    state.entries.sort { $0.packetIdentifier < $1.packetIdentifier }
    if !state.isSame(as: file.state) { try file.save(state) }
  }
}

extension StateFile.State {
  /// Whether the same messages are known in both. Where one was about to be written and now was, nothing has to be saved.
  fileprivate func isSame(as other: Self) -> Bool {
    guard entries.count == other.entries.count else { return false }
    return zip(entries, other.entries).allSatisfy { entry, saved in
      entry.packetIdentifier == saved.packetIdentifier && (entry.place == nil || entry == saved)
    }
  }
}
