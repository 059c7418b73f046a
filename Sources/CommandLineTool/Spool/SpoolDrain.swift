public import MQTT

/// What becomes of messages that may have been delivered already, when the broker has forgotten the session.
public enum SessionLossPolicy: Sendable {
  /// They are published again, and counted: nothing is lost.
  case republish
  /// Nothing is published any more: nothing comes twice.
  case fail
}

/// The delivery of a spool's messages: what to do next, as far as the files and the broker have come.
///
/// It neither waits nor talks to the network. The caller has a `Session` of QoS 1 and 2 publishes that neither resends nor
/// releases by itself, hands its events to `handle`, and carries out what `next` says until that is `wait` or an end. Sequence
/// numbers are the session's numbers, so that packet identifiers follow from them.
///
/// - QoS 1: the file is removed at PUBACK.
/// - QoS 2: at PUBREC the file moves from `new` to `rel`. PUBREL leaves when the disk has that, one fsync for all PUBREC packets
///   that came together. At PUBCOMP the file is removed.
/// - A connection that finds the session: PUBREL for everything in `rel`; then PUBLISH for everything in `new`, as duplicates as far as
///   they may have been sent. One that does not: `rel` goes back to `new`, and all is published.
///
/// A message after which the broker ends a connection without having acknowledged anything is a suspect. From then on it is
/// published alone, on a connection that has just answered a PINGREQ; when the broker ends three such, the message is put aside.
///
/// PUBLISH packets leave in the order of the sequence numbers, and never more than `window` numbers ahead of the oldest
/// in flight, so that what an interrupted run may have sent is known without having been written.
public struct SpoolDrain: ~Copyable {
  /// What the caller is to do.
  public enum Step {
    /// Publish the message under its sequence number (`Session.begin`), and tell `refused` where that throws.
    case publish(StoredMessage, isDuplicate: Bool)
    /// Send PUBREL for the publish of an earlier network connection (`Session.resumeRelease`).
    case resumeRelease(Int)
    /// Send PUBREL (`Session.release`).
    case release(Int)
    /// Send PINGREQ.
    case ping
    /// Nothing until something happens.
    case wait
    /// Nothing is left. Call `finish` and take leave.
    case done
    /// The broker does not take messages at the moment, for this reason. Call `finish` and take leave.
    case backOff(ReasonCode)
  }

  /// Publishes that may be in flight at a time.
  public static let window = 100

  /// Messages that the broker has acknowledged.
  public private(set) var deliveredCount = 0
  /// Messages that were older than their message expiry interval, and dropped.
  public private(set) var expiredCount = 0
  /// Messages that were put aside.
  public private(set) var quarantinedCount = 0
  /// QoS 2 messages that were published again after the broker had forgotten the session.
  public private(set) var possiblyDuplicatedCount = 0

  /// Whether the first connection is to begin with a clean start: nothing that an earlier run sent can be open.
  public let startsClean: Bool

  private enum Phase { case disconnected, releasing, publishing, backingOff(ReasonCode) }

  private struct Entry {
    var sequence: Int
    /// PUBREC has come.
    var isAccepted: Bool
    /// Whether its end is the delivery of a message, and not only of a packet identifier's use.
    var isMessage = true
  }

  private let spool: Spool
  private let policy: SessionLossPolicy
  /// Held as long as the value lives: two runs with one client identifier would throw each other out.
  private let lock: Descriptor
  private var phase = Phase.disconnected
  private var isSessionPresent = false
  /// `rel` of earlier connections, PUBREL still to be sent.
  private var toResume: ArraySlice<Int> = []
  /// Waiting messages to be published.
  private var queue: ArraySlice<Int> = []
  private var inFlight: [Entry] = []
  /// PUBREC has come, and the disk may not have it.
  private var accepted: [Int] = []
  /// The disk has it.
  private var toRelease: ArraySlice<Int> = []
  /// Messages below this sequence number may have been sent on an earlier connection.
  private var sentLimit: Int
  private var wasReleasedUsed = false
  private var suspect: Suspect?
  /// How far the question is whether the connection is sound.
  private var soundness = Soundness.unknown
  /// Whether the broker has acknowledged something on this connection.
  private var hasProgress = false

  private enum Soundness { case unknown, asked, sound }

  /// Connections that the broker ends after a suspect before that is put aside.
  private static let suspectLimit = 3

  fileprivate init(
    _ spool: Spool, lock: consuming Descriptor, policy: SessionLossPolicy, sentLimit: Int, startsClean: Bool,
    suspect: Suspect?
  ) {
    self.spool = spool
    self.lock = lock
    self.policy = policy
    self.sentLimit = sentLimit
    self.startsClean = startsClean
    self.suspect = suspect
  }

  // MARK: - What happened

  /// CONNACK came. No byte may leave before this returns.
  public mutating func connected(sessionPresent: Bool) throws(SpoolError) {
    (inFlight, accepted, toRelease, toResume) = ([], [], [], [])
    (soundness, hasProgress) = (.unknown, false)
    isSessionPresent = sessionPresent
    if sessionPresent {
      toResume = try spool.sequences(in: spool.released)[...]
      // An earlier connection may have ended, or an earlier run, between the rename and this.
      if !toResume.isEmpty { try spool.syncReleased() }
    } else {
      if policy == .fail, try spool.hasAccepted() { throw .sessionLost(place: spool.place) }
      try spool.withdrawAccepted()
    }
    try spool.openSession()
    queue = try spool.sequences(in: spool.waiting)[...]
    phase = .releasing
  }

  /// The broker ended the connection on which `connected` was called, and may have had a message as its reason.
  public mutating func connectionEnded() throws(SpoolError) {
    guard case .publishing = phase, !hasProgress, let first = inFlight.first, !first.isAccepted else { return }
    if suspect?.sequence != first.sequence {
      suspect = Suspect(sequence: first.sequence, count: 0)
    } else if soundness == .sound {
      suspect?.count += 1
    }
    try spool.note(suspect)
  }

  /// Takes what happened in the session.
  public mutating func handle(_ event: Session.Event) throws(SpoolError) {
    switch event {
    case .received(let sequence):
      guard let index = inFlight.firstIndex(where: { $0.sequence == sequence }) else { return }
      hasProgress = true
      try spool.accept(sequence)
      inFlight[index].isAccepted = true
      accepted.append(sequence)
    case .published(let sequence, let reasonCode, let reasonString):
      guard let index = inFlight.firstIndex(where: { $0.sequence == sequence }) else { return }
      hasProgress = true
      let entry = inFlight.remove(at: index)
      if reasonCode.isFailure, !entry.isAccepted {
        return try failed(sequence, reasonCode, "\(reasonCode)" + (reasonString.map { ": \($0)" } ?? ""))
      }
      try spool.complete(sequence, wasAccepted: entry.isAccepted)
      if entry.isAccepted { wasReleasedUsed = true }
      if entry.isMessage { deliveredCount += 1 }
    case .pong: soundness = .sound
    default: break
    }
  }

  /// The session would not publish a message: the broker's limits or the specification forbid it.
  public mutating func refused(_ sequence: Int, _ error: ProtocolError) throws(SpoolError) {
    inFlight.removeAll { $0.sequence == sequence }
    try failed(sequence, error.reasonCode, error.explanation)
  }

  private mutating func failed(_ sequence: Int, _ reasonCode: ReasonCode, _ reason: String) throws(SpoolError) {
    if reasonCode.mayChange {
      phase = .backingOff(reasonCode)
    } else {
      quarantinedCount += 1
      try spool.quarantine(sequence, reason: reason)
    }
  }

  // MARK: - What must happen next

  /// The next thing to do. Ask when everything that arrived has been handed to `handle`, so that one fsync does for all of it.
  ///
  /// - Parameters:
  ///   - canPublish: whether the session would send a publish now.
  ///   - time: the wall clock, in nanoseconds since the beginning of 1970.
  public mutating func next(canPublish: Bool, at time: Instant) throws(SpoolError) -> Step {
    if !accepted.isEmpty {
      try spool.syncReleased()
      toRelease += accepted
      accepted = []
    }
    if let sequence = toRelease.popFirst() { return .release(sequence) }
    switch phase {
    case .disconnected: return .wait
    case .backingOff(let reasonCode): return inFlight.isEmpty ? .backOff(reasonCode) : .wait
    case .releasing:
      // All of them first: the broker counts them against what it takes at a time (section 4.9).
      if let sequence = toResume.first {
        guard isInWindow(sequence) else { return .wait }
        toResume.removeFirst()
        inFlight.append(Entry(sequence: sequence, isAccepted: true))
        return .resumeRelease(sequence)
      }
      guard inFlight.isEmpty else { return .wait }
      phase = .publishing
      return try nextPublish(canPublish, at: time)
    case .publishing: return try nextPublish(canPublish, at: time)
    }
  }

  private mutating func nextPublish(_ canPublish: Bool, at time: Instant) throws(SpoolError) -> Step {
    while true {
      if queue.isEmpty { try lookAgain() }
      guard let sequence = queue.first else { return inFlight.isEmpty ? .done : .wait }
      guard canPublish, isInWindow(sequence) else { return .wait }
      if let step = try stepForSuspect(sequence) { return step }
      queue.removeFirst()
      switch try spool.read(sequence) {
      case .gone: continue
      case .damaged(let problem):
        quarantinedCount += 1
        let isIdentifierOpen = try keepIdentifier(sequence)
        try spool.quarantine(sequence, reason: "the file is damaged: \(problem)")
        if isIdentifierOpen { return .resumeRelease(sequence) }
      case .message(var stored):
        let expiry = stored.expiry(at: time)
        if expiry == 0 {
          expiredCount += 1
          let isIdentifierOpen = stored.message.qos == .exactlyOnce ? try keepIdentifier(sequence) : false
          try spool.discard(sequence, inFlightBelow: 0)
          if isIdentifierOpen { return .resumeRelease(sequence) }
          continue
        }
        if let suspect, suspect.count >= Self.suspectLimit {
          quarantinedCount += 1
          let isIdentifierOpen = stored.message.qos == .exactlyOnce ? try keepIdentifier(sequence) : false
          try spool.quarantine(
            sequence,
            reason: "the broker ended the connection each of the \(suspect.count) times that it got this message")
          try acquit()
          if isIdentifierOpen { return .resumeRelease(sequence) }
          continue
        }
        if let expiry { stored.message.properties[.messageExpiryInterval] = expiry }
        return try publish(stored)
      }
    }
  }

  /// What has to happen before a message is published because of a suspect.
  private mutating func stepForSuspect(_ sequence: Int) throws(SpoolError) -> Step? {
    guard let suspect else { return nil }
    if !inFlight.isEmpty { return .wait }
    // It was acknowledged, or somebody took it away.
    guard sequence == suspect.sequence else {
      try acquit()
      return nil
    }
    switch soundness {
    case .sound: return nil
    case .asked: return .wait
    case .unknown:
      soundness = .asked
      return .ping
    }
  }

  private mutating func acquit() throws(SpoolError) {
    suspect = nil
    try spool.note(nil)
  }

  private func isInWindow(_ sequence: Int) -> Bool {
    inFlight.first.map { sequence < $0.sequence + Self.window } ?? true
  }

  private mutating func publish(_ stored: StoredMessage) throws(SpoolError) -> Step {
    let mayHaveBeenSent = stored.sequence < sentLimit
    if mayHaveBeenSent, !isSessionPresent, stored.message.qos == .exactlyOnce {
      if policy == .fail { throw .sessionLost(place: spool.place) }
      possiblyDuplicatedCount += 1
    }
    inFlight.append(Entry(sequence: stored.sequence, isAccepted: false))
    sentLimit = max(sentLimit, stored.sequence + 1)
    return .publish(stored, isDuplicate: mayHaveBeenSent && isSessionPresent)
  }

  /// The message is not going to be sent again. True where the broker may hold its packet identifier, which is in `rel` then.
  private mutating func keepIdentifier(_ sequence: Int) throws(SpoolError) -> Bool {
    guard sequence < sentLimit, isSessionPresent else { return false }
    try spool.keepIdentifier(sequence)
    inFlight.append(Entry(sequence: sequence, isAccepted: true, isMessage: false))
    return true
  }

  /// Finds what was stored meanwhile. What has a smaller number than those in flight must wait for them.
  private mutating func lookAgain() throws(SpoolError) {
    let sequences = try spool.sequences(in: spool.waiting)
    guard let last = inFlight.last?.sequence else {
      queue = sequences[...]
      return
    }
    queue = sequences.drop { $0 <= last }
  }

  // MARK: - The end

  /// Whether all is delivered, as far as is known: then DISCONNECT may end the broker's session.
  ///
  /// Call it once, before taking leave. Give the value up when the connection is closed; if all was delivered, look again then
  /// (`Spool.hasWaiting`): a message may have been stored by a run that left its delivery to this one.
  public mutating func finish(at time: Instant) throws(SpoolError) -> Bool {
    if deliveredCount > 0 { spool.noteDelivery(at: time) }
    guard case .publishing = phase, inFlight.isEmpty, queue.isEmpty else { return false }
    // What comes back after a power failure would be published again, and the broker would not know it.
    if wasReleasedUsed { try spool.syncReleased() }
    try spool.closeSession()
    if suspect != nil { try acquit() }
    return true
  }
}

extension Spool {
  /// Begins to deliver; nil where another run does that already.
  public func drain(onSessionLoss policy: SessionLossPolicy = .republish) throws(SpoolError) -> SpoolDrain? {
    guard let lock = try lock("drain.lock", waiting: false) else { return nil }
    let last = try sequences(in: released).last
    let isSessionOpen = try has("session", in: root)
    // PUBREC has come for everything in `rel`, whether the note of the session is still there or not.
    return SpoolDrain(
      self, lock: lock, policy: policy, sentLimit: max(try inFlightLimit(), (last ?? -1) + 1),
      startsClean: last == nil && !isSessionOpen, suspect: try noted())
  }

  /// Whether messages wait for delivery.
  public var hasWaiting: Bool {
    get throws(SpoolError) {
      if try !sequences(in: waiting).isEmpty { return true }
      return try !sequences(in: released).isEmpty
    }
  }
}

extension ReasonCode {
  /// Whether the broker may take the same message at another time. All others keep it for an administrator.
  fileprivate var mayChange: Bool {
    switch self {
    case .unspecifiedError, .implementationSpecificError, .packetIdentifierInUse, .messageRateTooHigh, .quotaExceeded:
      true
    default: false
    }
  }
}
