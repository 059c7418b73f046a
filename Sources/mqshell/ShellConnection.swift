internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// A connection of the shell: a client, what it was told by its broker, and what came.
///
/// Commands ask for something, run the driver, and look here for the answer. Connections that a command makes for itself, to ask
/// for retained messages or to probe, are of this kind too; nobody sees them.
final class ShellConnection {
  enum State {
    case connecting
    case connected
    /// It was lost or refused, and is tried again.
    case waiting(ConnectionError)
    /// It is over: as we wished, or for this reason.
    case over(ConnectionError?)
  }

  /// The end of a network connection that was the broker's or the network's doing.
  struct Closure {
    let error: ConnectionError
    /// What the broker gave as its reason, if it said anything.
    let reason: ReasonCode?
    fileprivate(set) var isConsumed = false

    fileprivate init(_ error: ConnectionError) {
      self.error = error
      if case .disconnected(let packet) = error { reason = packet.reasonCode } else { reason = nil }
    }
  }

  /// How it is called; empty where nobody sees it.
  let name: String
  let plan: ConnectionPlan
  let endpoint: Endpoint
  let client: Client

  private(set) var state = State.connecting
  /// The answer to the last CONNECT.
  private(set) var connack: ConnackPacket?
  /// When the last CONNECT was asked for, and how long CONNACK took.
  private(set) var connectTime: Duration?
  private var began = Instant.now
  var store = MessageStore()
  /// What it is subscribed to, in the order in which it was asked for.
  var subscriptions: [Subscription] = []
  /// Whether the broker had kept a session, whose subscriptions nobody told us.
  private(set) var hasForeignSession = false
  private(set) var closures: [Closure] = []
  /// How often a network connection was made.
  private(set) var connectionCount = 0

  private(set) var acknowledgements: [Int: (reason: ReasonCode, text: Text?)] = [:]
  private(set) var subacks: [Int: SubackPacket] = [:]
  private(set) var unsubacks: [Int: UnsubackPacket?] = [:]
  private(set) var pongCount = 0
  private(set) var pingCount = 0

  /// Whether messages are acknowledged; a probe may want to see what the broker does if not.
  var acknowledges = true
  /// Levels of topics below which the broker was asked for retained messages, for completion.
  var askedLevels: Set<[UInt8]> = []
  /// What to do when another client has the same identifier.
  let takeover: Takeover
  private var takeoverWatch: TakeoverWatch

  /// Whether packets are shown.
  var isTraced = false
  /// Where a message stood when `test` or the beginning was.
  var testMark = 0

  init(name: String, plan: ConnectionPlan, retryLimit: ReconnectPolicy.Limit, takeover: Takeover = .exit) {
    self.name = name
    self.plan = plan
    self.takeover = takeover
    takeoverWatch = TakeoverWatch(identifierWasChosen: plan.hasGivenIdentifier)
    var settings = plan.client(retryLimit: retryLimit, lifetime: .networkConnection)
    settings.retriesTakeover = takeover == .retry
    endpoint = settings.endpoint
    client = Client(settings)
  }

  var isConnected: Bool { if case .connected = state { true } else { false } }

  /// Whether there will be no network connection any more.
  var isOver: Bool { if case .over = state { true } else { false } }

  /// Why there is no connection now.
  var failure: ConnectionError? {
    switch state {
    case .waiting(let error), .over(let error?): error
    default: nil
    }
  }

  /// Shows every packet to `show` while `isTraced`.
  func observe(isDetailed: Bool, _ show: @escaping (_ line: String) -> Void) {
    var trace = PacketTrace(isDetailed: isDetailed)
    client.observe { [weak self] isSent, packet in
      guard let self, let first = packet.first else { return }
      if isSent, first == 0xC0 { pingCount += 1 }
      // It has to see CONNECT to know the version.
      guard isTraced || isSent && first == 0x10 else { return }
      let line = trace.line(packet)
      if isTraced { show((isSent ? "sent " : "received ") + line) }
    }
  }

  /// Takes note of what happened.
  func handle(_ event: Client.Event) {
    switch event {
    case .session(let event): handle(event)
    case .outage(let error, _):
      ended(error)
      state = .waiting(error)
    case .failed(let error):
      ended(error)
      state = .over(error)
    case .closed: state = .over(failure)
    }
  }

  /// What is to be said of an end that another client with the same identifier has brought about; nil for any other.
  ///
  /// The connection is then given up, or made again after a while.
  func rival(_ error: ConnectionError) -> String? {
    guard let sign = takeoverWatch.ended(error, at: .now) else { return nil }
    let explanation = sign.explanation(identifier: plan.connect.clientIdentifier)
    if takeover == .exit {
      client.drop()
      return explanation
    }
    client.holdOff(until: .now + Self.takeoverPause)
    return explanation + "; trying again in \(Self.takeoverPause.components.seconds) s"
  }

  private static let takeoverPause: Duration = .seconds(30)

  private func ended(_ error: ConnectionError) {
    if isConnected { closures.append(Closure(error)) }
    began = .now
  }

  private func handle(_ event: Session.Event) {
    switch event {
    case .connected(let packet, _):
      connack = packet
      connectTime = .now - began
      connectionCount += 1
      takeoverWatch.connected(at: .now)
      // What was not answered on the connection before never will be.
      pingCount = pongCount
      if packet.sessionPresent, connectionCount == 1 { hasForeignSession = true }
      state = .connected
    case .message(let message, let delivery):
      store.append(KeptMessage(message, version: client.version, at: .now))
      if let delivery, acknowledges { client.acknowledge(delivery) }
    case .published(let number, let reason, let text): acknowledgements[number] = (reason, text)
    case .dropped: break
    case .subscribed(let number, let packet): subacks[number] = packet
    case .unsubscribed(let number, let packet): unsubacks[number] = packet
    case .pong: pongCount += 1
    default: break
    }
  }

  // MARK: What commands ask for

  /// The answer to a publish, which is asked for once.
  func takeAcknowledgement(_ number: Int) -> (reason: ReasonCode, text: Text?)? {
    acknowledgements.removeValue(forKey: number)
  }

  func takeSuback(_ number: Int) -> SubackPacket? { subacks.removeValue(forKey: number) }

  /// Nil while there is none; the packet itself is nil where the broker never answered.
  func takeUnsuback(_ number: Int) -> UnsubackPacket?? { unsubacks.removeValue(forKey: number) }

  /// Consumes the first end of a network connection that no expectation has consumed, for that reason if one is given.
  func consumeClosure(for reason: ReasonCode?) -> ConnectionError? {
    for index in closures.indices
    where !closures[index].isConsumed && (reason == nil || closures[index].reason == reason) {
      closures[index].isConsumed = true
      return closures[index].error
    }
    return nil
  }

  /// Whether a message that the filter matches can come at all.
  func mayReceive(_ filter: TopicFilter) -> Bool {
    hasForeignSession || subscriptions.contains { $0.filter.overlaps(filter) }
  }
}

extension TopicFilter {
  /// Whether there are topic names that both filters match.
  func overlaps(_ other: TopicFilter) -> Bool {
    Self.overlaps(matchedLevels[...], other.matchedLevels[...], isFirst: true)
  }

  /// The levels that topic names are matched with.
  private var matchedLevels: [ArraySlice<UInt8>] {
    let levels = utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return isShared ? Array(levels[2...]) : levels
  }

  private static func overlaps(
    _ one: ArraySlice<ArraySlice<UInt8>>, _ other: ArraySlice<ArraySlice<UInt8>>, isFirst: Bool
  ) -> Bool {
    let (all, any) = (UInt8(ascii: "#"), UInt8(ascii: "+"))
    guard let first = one.first, let second = other.first else {
      // "a/#" matches "a" too.
      return one.isEmpty && other.isEmpty || (one.first ?? other.first)?.elementsEqual([all]) == true
    }
    // A wildcard in the first level does not match the server's own topics [MQTT-4.7.2-1].
    let (wildFirst, wildSecond) = (first.elementsEqual([all]), second.elementsEqual([all]))
    let isWild = (wildFirst || first.elementsEqual([any]), wildSecond || second.elementsEqual([any]))
    if isFirst, isWild.0 && second.first == UInt8(ascii: "$") || isWild.1 && first.first == UInt8(ascii: "$") {
      return false
    }
    if wildFirst || wildSecond { return true }
    guard isWild.0 || isWild.1 || first.elementsEqual(second) else { return false }
    return overlaps(one.dropFirst(), other.dropFirst(), isFirst: false)
  }
}
