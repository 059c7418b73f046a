public import MQTT

/// Why a spool could not do what was asked of it. What was stored before stays stored.
public enum SpoolError: Error, Sendable {
  /// A system call failed.
  case system(SystemError, place: String)
  /// There is no spool.
  case missing(place: String)
  /// A file or folder of the spool is not ours alone; the text says what is wrong.
  case unsafe(place: String, problem: String)
  /// The folder holds something else.
  case notASpool(place: String)
  /// The file system does not keep two processes apart.
  case noLocks(place: String)
  /// The spool belongs to another broker or user.
  case foreign(place: String, owner: String)
  /// A newer version of these tools made the spool.
  case newerVersion(place: String)
  /// The message would go over a bound, or leave too little free space.
  case full(place: String, reason: String)
  /// MQTT cannot carry the message.
  case notSendable(ProtocolError)
  /// The broker forgot its session, so that messages would be published twice.
  case sessionLost(place: String)
}

extension SpoolError {
  /// A system call failed on `place`.
  init(_ error: SystemError, place: String) {
    self =
      error.isOfAnotherKind ? .unsafe(place: place, problem: "a link, or not a folder") : .system(error, place: place)
  }
}

extension SpoolError: CustomStringConvertible {
  /// One line: what happened, and what to do.
  public var description: String {
    switch self {
    case .system(let error, let place): "\(place): \(error.call): \(error.explanation)"
    case .missing(let place): "\(place): there is no spool"
    case .unsafe(let place, let problem): "\(place): \(problem)"
    case .notASpool(let place): "\(place): not a spool, and not empty (name a folder of its own)"
    case .noLocks(let place): "\(place): locks do not work on this file system (put the spool on a local disk)"
    case .foreign(let place, let owner):
      "\(place): the spool belongs to \(owner) (use a spool for each broker and user)"
    case .newerVersion(let place): "\(place): a newer version of mqtools made the spool"
    case .full(let place, let reason): "\(place): \(reason)"
    case .notSendable(let error): error.explanation
    case .sessionLost(let place):
      "\(place): the broker forgot the session, and messages would come twice (--on-session-loss republish delivers them)"
    }
  }
}

extension ExitStatus {
  /// The status for what a spool could not do.
  public init(_ error: SpoolError) {
    switch error {
    case .missing: self = .usage
    case .foreign, .newerVersion: self = .foreignSpool
    case .notSendable(let error): self = ExitStatus(error)
    case .sessionLost: self = .spooled
    case .system, .unsafe, .notASpool, .noLocks, .full: self = .cannotSpool
    }
  }
}
