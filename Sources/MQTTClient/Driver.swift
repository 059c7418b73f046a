internal import CSystem
public import MQTT

extension Instant {
  /// The time of a clock that goes on while the machine sleeps, where there is one: keep alive and time limits are the broker's time.
  public static var now: Instant {
    var time = timespec()
    #if os(Linux)
      clock_gettime(CLOCK_BOOTTIME, &time)
    #else
      clock_gettime(CLOCK_MONOTONIC, &time)
    #endif
    return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }
}

/// Seconds since the beginning of 1970: what certificates count.
func wallClock() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec)
}

/// Waits for any number of clients, and for whatever else a program waits for: standard input, signals, a deadline of its own.
///
/// The only place that waits. A program is a loop around `next`.
public struct Driver: ~Copyable {
  /// What happened.
  public enum Occurrence {
    /// Something about the client at this index.
    case client(Int, Client.Event)
    /// All that has arrived so far is dealt with, and the driver is about to send and to wait: the moment to write output and to
    /// publish. It is told once after anything else was told, and again when `canPublish` has become true by sending.
    case idle
    /// A descriptor that `watch` named is ready.
    case ready(Int32, Readiness)
    /// The deadline has passed.
    case deadline
  }

  /// The clients, by index.
  public private(set) var clients: [Client] = []
  /// The time at which the driver last looked at the clock: when it began to work on what it found.
  public private(set) var now = Instant.now

  private let agenda = Agenda()
  private var poller = Poller()
  /// For each client, what the poller watches for it.
  private var registrations: [[Registration]] = []
  private var watched: [Registration] = []
  private var found: [Poller.Found] = []
  /// What was found ready of `watched` and has not been told.
  private var ready: [Registration] = []
  private var isIdleTold = true
  /// No client's deadline is earlier than this one. A deadline that has moved away since costs one look at all clients when its
  /// time comes, instead of one before every wait.
  private var earliestDeadline: Instant?
  /// The deadlines have not been looked at since the last wait.
  private var hasWaited = false

  private struct Registration: Equatable {
    var descriptor: Int32
    var interest: Readiness
  }

  /// A wait that would be shorter is spent looking again and again: the system wakes a sleeper some tens of microseconds late.
  public var spinLimit = Duration.zero
  /// The time that was spent looking in vain.
  public private(set) var spun = Duration.zero
  /// Stands for `watched` in the poller.
  private static let ownToken = -1

  /// A driver with nothing to wait for.
  public init() {}

  /// Runs `client` from now on.
  ///
  /// - Returns: its index.
  @discardableResult
  public mutating func add(_ client: Client) -> Int {
    let index = clients.count
    clients.append(client)
    registrations.append([])
    client.join(agenda, as: index)
    now = .now
    client.start(at: now)
    return index
  }

  /// Runs `client` in the place of one that has ended, under its index.
  public mutating func replace(_ index: Int, with client: Client) {
    for old in registrations[index] { poller.remove(old.descriptor, token: index) }
    registrations[index] = []
    clients[index] = client
    client.join(agenda, as: index)
    now = .now
    client.start(at: now)
  }

  /// Waits for `descriptor` as well: `.ready` says when, again and again while it is so. With an empty interest `.ready` tells once
  /// that the other side has gone. Nil ends it, and is due before the descriptor is closed.
  public mutating func watch(_ descriptor: Int32, _ interest: Readiness?) {
    let index = watched.firstIndex { $0.descriptor == descriptor }
    guard let interest else {
      guard let index else { return }
      watched.remove(at: index)
      ready.removeAll { $0.descriptor == descriptor }
      poller.remove(descriptor, token: Self.ownToken)
      return
    }
    if let index {
      if watched[index].interest == interest { return }
      watched[index] = Registration(descriptor: descriptor, interest: interest)
    } else {
      watched.append(Registration(descriptor: descriptor, interest: interest))
    }
    poller.watch(descriptor, interest, token: Self.ownToken)
  }

  /// What happened next, or the deadline.
  public mutating func next(until deadline: Instant? = nil) -> Occurrence {
    while true {
      while let index = agenda.current {
        if let event = clients[index].nextEvent(at: now) {
          isIdleTold = false
          return .client(index, event)
        }
        agenda.advance()
      }
      if let first = ready.popLast() {
        isIdleTold = false
        return .ready(first.descriptor, first.interest)
      }
      // Only now, when all is dealt with that had arrived when the wait ended: it may be what the deadline was for, and this
      // process may have been stopped for a while.
      if hasWaited {
        hasWaited = false
        lookAtDeadlines()
        if agenda.current != nil { continue }
        if let deadline, now >= deadline { return .deadline }
      }
      if !isIdleTold {
        isIdleTold = true
        return .idle
      }
      now = .now
      send()
      wait(until: deadline)
      hasWaited = true
    }
  }

  /// Hands the output of all clients that had something to do to the system.
  private mutating func send() {
    while let index = agenda.nextServed() {
      let client = clients[index]
      let couldPublish = client.canPublish
      client.send(at: now)
      if client.hasEnded { agenda.ask(index) }
      // Whoever was held back by the output has to be asked again.
      if !couldPublish, client.canPublish { isIdleTold = false }
      if let deadline = client.deadline { earliestDeadline = min(deadline, earliestDeadline ?? deadline) }
      var place = 0
      var isSame = true
      client.connection.forEachInterest { descriptor, interest in
        let wanted = Registration(descriptor: descriptor, interest: interest)
        if place >= registrations[index].count || registrations[index][place] != wanted { isSame = false }
        place += 1
      }
      if !isSame || place != registrations[index].count { register(index) }
    }
  }

  private mutating func register(_ index: Int) {
    for old in registrations[index] { poller.remove(old.descriptor, token: index) }
    registrations[index].removeAll()
    var wanted: [Registration] = []
    clients[index].connection.forEachInterest { wanted.append(Registration(descriptor: $0, interest: $1)) }
    for registration in wanted { poller.watch(registration.descriptor, registration.interest, token: index) }
    registrations[index] = wanted
  }

  private mutating func lookAtDeadlines() {
    guard let earliest = earliestDeadline, now >= earliest else { return }
    earliestDeadline = nil
    for client in clients {
      guard let deadline = client.deadline else { continue }
      if now >= deadline {
        client.deadlineReached(at: now)
      } else {
        earliestDeadline = min(deadline, earliestDeadline ?? deadline)
      }
    }
  }

  private mutating func wait(until deadline: Instant?) {
    var earliest = earliestDeadline
    if let deadline { earliest = min(deadline, earliest ?? deadline) }
    var timeout = earliest.map { $0 - now }
    // With more to do at once, this is only a look at what has arrived meanwhile.
    if agenda.current != nil || !isIdleTold { timeout = .zero }
    let spins = timeout.map { $0 > .zero && $0 <= spinLimit } ?? false
    found.removeAll(keepingCapacity: true)
    poller.wait(spins ? .zero : timeout, into: &found)
    let before = now
    now = .now
    if spins, found.isEmpty { spun += now - before }
    for item in found {
      if item.token == Self.ownToken {
        ready.append(Registration(descriptor: item.descriptor, interest: item.readiness))
        hangUp(item)
      } else {
        clients[item.token].ready(item.descriptor, item.readiness, at: now)
      }
    }
  }

  /// A hang-up that was asked for alone is not looked for again: the poller would find it for ever.
  private mutating func hangUp(_ item: Poller.Found) {
    guard item.readiness.contains(.hungUp) else { return }
    if watched.contains(Registration(descriptor: item.descriptor, interest: [])) {
      poller.remove(item.descriptor, token: Self.ownToken)
    }
  }
}

/// Which clients have something to do: those of which something was found, and those of which the application asked something.
final class Agenda {
  /// To be asked for events, last first.
  private var asking: [Int] = []
  /// To be sent for before the next wait.
  private var serving: [Int] = []
  /// For each client, whether it is in the lists.
  private var isAsking: [Bool] = []
  private var isServing: [Bool] = []

  /// The client to ask for events.
  var current: Int? { asking.last }

  /// The current client has no more events.
  func advance() { isAsking[asking.removeLast()] = false }

  func append(_ index: Int) {
    if index < isAsking.count, isAsking[index], isServing[index] { return }
    while isAsking.count <= index {
      isAsking.append(false)
      isServing.append(false)
    }
    ask(index)
    if !isServing[index] {
      isServing[index] = true
      serving.append(index)
    }
  }

  /// This client has an event.
  func ask(_ index: Int) {
    if isAsking[index] { return }
    isAsking[index] = true
    asking.append(index)
  }

  /// Clients that may have output now, once each.
  func nextServed() -> Int? {
    guard let index = serving.popLast() else { return nil }
    isServing[index] = false
    return index
  }
}
