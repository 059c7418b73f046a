internal import CSystem
internal import MQTT

/// What is to be known of a descriptor, or is known of it now.
public struct Readiness: OptionSet, Sendable {
  /// One bit for each member below.
  public let rawValue: UInt8
  /// A set of these bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// Something can be read, or the end is reached.
  public static let readable = Readiness(rawValue: 1)
  /// Something can be written.
  public static let writable = Readiness(rawValue: 2)
  /// The other side is gone, or the descriptor is broken; told without being asked for.
  public static let hungUp = Readiness(rawValue: 4)
}

/// Waits for descriptors: few of them by poll(2), which needs nothing set up, many by epoll(7) where there is one, whose cost does
/// not grow with those that are quiet.
package struct Poller: ~Copyable {
  /// A descriptor that is ready.
  package struct Found {
    package var token: Int
    package var descriptor: Int32
    package var readiness: Readiness
  }

  private var descriptors: [pollfd] = []
  private var tokens: [Int] = []
  /// Index is the descriptor, value its place in `descriptors`, or -1.
  private var places: [Int32] = []
  #if os(Linux)
    private var many: ManyPoller?
    /// So many descriptors cost poll(2) what epoll(7) costs.
    private static let few = 32
  #endif

  package init() {}

  /// Watches `descriptor`, from now on for `interest`; `token` is handed back with what is found.
  ///
  /// A descriptor that is watched for another token was closed, and the system has given its number to somebody new.
  package mutating func watch(_ descriptor: Int32, _ interest: Readiness, token: Int) {
    while places.count <= Int(descriptor) { places.append(-1) }
    let entry = pollfd(fd: descriptor, events: Self.events(interest), revents: 0)
    let place = Int(places[Int(descriptor)])
    if place >= 0 {
      descriptors[place] = entry
      tokens[place] = token
    } else {
      places[Int(descriptor)] = Int32(descriptors.count)
      descriptors.append(entry)
      tokens.append(token)
    }
    #if os(Linux)
      if many == nil, descriptors.count > Self.few {
        many = ManyPoller()
        for entry in descriptors { many?.watch(entry.fd, entry.events) }
      } else {
        many?.watch(descriptor, entry.events)
      }
    #endif
  }

  /// Watches `descriptor` no more, unless it is watched for another token by now.
  package mutating func remove(_ descriptor: Int32, token: Int) {
    let place = Int(places[Int(descriptor)])
    guard place >= 0, tokens[place] == token else { return }
    places[Int(descriptor)] = -1
    let last = descriptors.removeLast()
    let lastToken = tokens.removeLast()
    if place < descriptors.count {
      descriptors[place] = last
      tokens[place] = lastToken
      places[Int(last.fd)] = Int32(place)
    }
    #if os(Linux)
      many?.remove(descriptor)
    #endif
  }

  /// Waits until something is ready or `timeout` has passed (nil: for ever), and appends what is ready to `found`.
  ///
  /// A signal that matters has made its pipe readable: the caller looks at the time and comes back.
  package mutating func wait(_ timeout: Duration?, into found: inout [Found]) {
    let nanoseconds = timeout.map { max(0, $0.nanoseconds) } ?? -1
    #if os(Linux)
      if many != nil {
        many?.wait(nanoseconds) { descriptor, events in
          let place = Int(places[Int(descriptor)])
          // It may have been closed without a word.
          if place >= 0 {
            found.append(Found(token: tokens[place], descriptor: descriptor, readiness: Self.readiness(events)))
          }
        }
        return
      }
    #endif
    var count = pollFor(&descriptors, nfds_t(descriptors.count), nanoseconds)
    guard count > 0 else { return }
    for index in descriptors.indices where descriptors[index].revents != 0 {
      let readiness = Self.readiness(Int32(descriptors[index].revents))
      found.append(Found(token: tokens[index], descriptor: descriptors[index].fd, readiness: readiness))
      count -= 1
      if count == 0 { break }
    }
  }

  private static func events(_ interest: Readiness) -> Int16 {
    var events: Int32 = 0
    if interest.contains(.readable) { events |= POLLIN }
    if interest.contains(.writable) { events |= POLLOUT }
    return Int16(events)
  }

  private static func readiness(_ events: Int32) -> Readiness {
    var readiness: Readiness = []
    if events & (POLLIN | POLLHUP | POLLERR) != 0 { readiness.insert(.readable) }
    if events & (POLLOUT | POLLERR) != 0 { readiness.insert(.writable) }
    if events & (POLLHUP | POLLERR | POLLNVAL) != 0 { readiness.insert(.hungUp) }
    return readiness
  }
}

#if os(Linux)
  /// epoll(7). Its event bits are those of poll(2).
  private final class ManyPoller {
    private let epoll: Int32
    private var found = [EpollFound](repeating: EpollFound(), count: 64)

    /// Nil where the system has none to give.
    init?() {
      epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
      if epoll < 0 { return nil }
    }

    deinit { close(epoll) }

    func watch(_ descriptor: Int32, _ events: Int16) {
      // A descriptor that was closed is not registered any more, whatever we think.
      let events = UInt32(UInt16(bitPattern: events))
      if changeEpoll(epoll, EPOLL_CTL_MOD, descriptor, events, UInt64(descriptor)) == 0 { return }
      _ = changeEpoll(epoll, EPOLL_CTL_ADD, descriptor, events, UInt64(descriptor))
    }

    func remove(_ descriptor: Int32) { _ = changeEpoll(epoll, EPOLL_CTL_DEL, descriptor, 0, 0) }

    func wait(_ nanoseconds: Int64, _ body: (_ descriptor: Int32, _ events: Int32) -> Void) {
      if nanoseconds != 0 {
        // epoll_wait(2) counts in milliseconds.
        var entry = pollfd(fd: epoll, events: Int16(POLLIN), revents: 0)
        if pollFor(&entry, 1, nanoseconds) <= 0 { return }
      }
      let count = found.withUnsafeMutableBufferPointer { lookAtEpoll(epoll, $0.baseAddress) }
      for index in 0..<max(0, Int(count)) { body(Int32(found[index].token), Int32(bitPattern: found[index].events)) }
    }
  }
#endif
