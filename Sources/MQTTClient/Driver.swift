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

/// Waits for any number of clients, and for whatever else a program waits for: standard input, signals, a deadline of its own.
///
/// The only place that waits. A program is a loop around `next`.
public struct Driver: ~Copyable {
  /// What happened.
  public enum Occurrence {
    /// Something about the client at this index.
    case client(Int, Client.Event)
    /// All that has arrived so far is dealt with, and the driver is about to send and to wait: the moment to write output.
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

  private struct Registration: Equatable {
    var descriptor: Int32
    var interest: Readiness
  }

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

  /// Waits for `descriptor` as well: `.ready` says when. An empty interest still tells when the other side has gone; nil ends it.
  public mutating func watch(_ descriptor: Int32, _ interest: Readiness?) {
    let index = watched.firstIndex { $0.descriptor == descriptor }
    switch (index, interest) {
    case (nil, let interest?):
      watched.append(Registration(descriptor: descriptor, interest: interest))
      poller.add(descriptor, interest, token: -1)
    case (let index?, let interest?):
      if watched[index].interest == interest { return }
      watched[index].interest = interest
      poller.update(descriptor, interest)
    case (let index?, nil):
      watched.remove(at: index)
      ready.removeAll { $0.descriptor == descriptor }
      poller.remove(descriptor)
    case (nil, nil): break
    }
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
      if !isIdleTold {
        isIdleTold = true
        return .idle
      }
      now = .now
      send()
      if agenda.current != nil { continue }
      if let deadline, now >= deadline { return .deadline }
      wait(until: deadline)
    }
  }

  /// Hands the output of all clients that had something to do to the system.
  private mutating func send() {
    while let index = agenda.nextServed() {
      let client = clients[index]
      client.send(at: now)
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
    for old in registrations[index] { poller.remove(old.descriptor) }
    registrations[index].removeAll()
    var wanted: [Registration] = []
    clients[index].connection.forEachInterest { wanted.append(Registration(descriptor: $0, interest: $1)) }
    for registration in wanted { poller.add(registration.descriptor, registration.interest, token: index) }
    registrations[index] = wanted
  }

  private mutating func wait(until deadline: Instant?) {
    var earliest = deadline
    for client in clients {
      if let deadline = client.deadline { earliest = min(deadline, earliest ?? deadline) }
    }
    found.removeAll(keepingCapacity: true)
    poller.wait(earliest.map { $0 - now }, into: &found)
    now = .now
    for item in found {
      if item.token < 0 {
        ready.append(Registration(descriptor: item.descriptor, interest: item.readiness))
      } else {
        clients[item.token].ready(item.descriptor, item.readiness, at: now)
      }
    }
    for client in clients {
      if let deadline = client.deadline, now >= deadline { client.deadlineReached(at: now) }
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
    while isAsking.count <= index {
      isAsking.append(false)
      isServing.append(false)
    }
    if !isAsking[index] {
      isAsking[index] = true
      asking.append(index)
    }
    if !isServing[index] {
      isServing[index] = true
      serving.append(index)
    }
  }

  /// Clients that may have output now, once each.
  func nextServed() -> Int? {
    guard let index = serving.popLast() else { return nil }
    isServing[index] = false
    return index
  }
}
