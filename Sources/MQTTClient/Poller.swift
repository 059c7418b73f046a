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

/// Waits for descriptors, by poll(2). The interface is that of a registration, so that epoll and kqueue fit behind it.
struct Poller: ~Copyable {
  /// A descriptor that is ready.
  struct Found {
    var token: Int
    var descriptor: Int32
    var readiness: Readiness
  }

  private var descriptors: [pollfd] = []
  private var tokens: [Int] = []
  /// Index is the descriptor, value its place in `descriptors`, or -1.
  private var places: [Int32] = []

  /// Watches `descriptor`, from now on for `interest`; `token` is handed back with what is found.
  ///
  /// A descriptor that is watched for another token was closed, and the system has given its number to somebody new.
  mutating func watch(_ descriptor: Int32, _ interest: Readiness, token: Int) {
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
  }

  /// Watches `descriptor` no more, unless it is watched for another token by now.
  mutating func remove(_ descriptor: Int32, token: Int) {
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
  }

  /// Waits until something is ready or `timeout` has passed (nil: for ever), and appends what is ready to `found`.
  mutating func wait(_ timeout: Duration?, into found: inout [Found]) {
    var milliseconds: Int32 = -1
    if let timeout {
      // Rounded up: waking before the deadline would only mean waiting again.
      let wanted = max(0, timeout.nanoseconds) / 1_000_000 + (timeout.nanoseconds % 1_000_000 > 0 ? 1 : 0)
      milliseconds = Int32(clamping: wanted)
    }
    var count = poll(&descriptors, nfds_t(descriptors.count), milliseconds)
    // A signal that matters has made its pipe readable: the caller looks at the time and comes back.
    guard count > 0 else { return }
    for index in descriptors.indices where descriptors[index].revents != 0 {
      let events = Int32(descriptors[index].revents)
      var readiness: Readiness = []
      if events & (POLLIN | POLLHUP | POLLERR) != 0 { readiness.insert(.readable) }
      if events & (POLLOUT | POLLERR) != 0 { readiness.insert(.writable) }
      if events & (POLLHUP | POLLERR | POLLNVAL) != 0 { readiness.insert(.hungUp) }
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
}
