import Foundation

/// A proxy in front of an MQTT broker on 127.0.0.1 that notes when each message of a load passes, both ways, and plants faults among
/// those that go to clients: what a measuring tool says can be compared with what was done.
///
/// It knows of MQTT where a PUBLISH begins and ends, and of a payload's first 16 bytes: `mq`, the run (2), group and check (1 each),
/// publisher (4), sequence number (6). It passes everything else on as it is, and does not prove anything about it.
public final class MessageProxy: Sendable {
  /// What is done to messages on their way to clients.
  public enum Fault: Sendable {
    /// Each so-manieth comes so much later, and nothing else does.
    case delay(every: Int, by: Duration)
    /// Each so-manieth does not come. At QoS 0 only.
    case drop(every: Int)
    /// Each so-manieth comes behind the next one of its connection.
    case swap(every: Int)
    /// Each so-manieth comes twice.
    case double(every: Int)
  }

  /// A message that was passed on, or was to be.
  public struct Passage: Sendable {
    /// The number of the publisher that it is from.
    public var publisher: Int
    /// Its number among that publisher's messages.
    public var sequence: Int
    /// From the broker to a client; else from a client to the broker.
    public var isDelivery: Bool
    /// When it was received by the proxy (of a delivery: sent), in nanoseconds of a clock that goes on.
    public var time: Int64
  }

  /// The port on 127.0.0.1 to connect to.
  public let port: Int
  private let state: Monitor<State>
  private let wakeUp: (reading: Descriptor, writing: Descriptor)

  fileprivate struct State {
    var isAbandoned = false
    var passages: [Passage] = []
    var faults = 0
  }

  /// Listens on a free port and passes connections on to another port of this machine.
  public init(to port: Int, planting fault: Fault? = nil) throws {
    let (listener, address) = try Address.ipv4(port: 0).listen()
    self.port = address.port
    state = Monitor(State())
    wakeUp = try Descriptor.pipe()
    let relay = MessageRelay(
      listener: listener, server: .ipv4(port: port), fault: fault, state: state, wokenUp: wakeUp.reading)
    Thread.detachNewThread { relay.run() }
  }

  deinit {
    state.withLock { $0.isAbandoned = true }
    wakeUp.writing.write([0])
  }

  /// All messages so far.
  public var passages: [Passage] { state.withLock { $0.passages } }
  /// How many faults were planted so far.
  public var faults: Int { state.withLock { $0.faults } }
}

/// One direction of a connection.
private struct PacketFlow {
  let source, sink: Descriptor
  let isDelivery: Bool
  /// What was received and is no whole packet yet.
  var input: [UInt8] = []
  /// What is to be sent.
  var output: [UInt8] = []
  /// A message that goes behind the next one.
  var swapped: (passage: MessageProxy.Passage, packet: [UInt8])?
  var isOver = false
}

/// The thread that does it.
private final class MessageRelay: @unchecked Sendable {
  private let listener: Descriptor
  private let server: Address
  private let fault: MessageProxy.Fault?
  private let state: Monitor<MessageProxy.State>
  private let wokenUp: Descriptor
  /// Both directions of each connection, one behind the other.
  private var flows: [PacketFlow] = []
  /// The protocol level of each connection's CONNECT, by the flow's index without its last bit.
  private var levels: [UInt8] = []
  private var delayed: [(due: Int64, flow: Int, packet: [UInt8])] = []
  private var passages: [MessageProxy.Passage] = []
  private var deliveries = 0
  private var faults = 0

  init(
    listener: Descriptor, server: Address, fault: MessageProxy.Fault?, state: Monitor<MessageProxy.State>,
    wokenUp: Descriptor
  ) {
    (self.listener, self.server, self.fault, self.state, self.wokenUp) = (listener, server, fault, state, wokenUp)
  }

  private var now: Int64 { Int64(DispatchTime.now().uptimeNanoseconds) }

  func run() {
    while true {
      var entries = [
        pollfd(fd: wokenUp.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0),
      ]
      for flow in flows {
        let source = flow.isOver ? -1 : flow.source.number
        entries.append(pollfd(fd: source, events: Int16(POLLIN), revents: 0))
        entries.append(pollfd(fd: flow.output.isEmpty ? -1 : flow.sink.number, events: Int16(POLLOUT), revents: 0))
      }
      let wait = delayed.map(\.due).min().map { max(0, ($0 - now) / 1_000_000) } ?? 1000
      poll(&entries, nfds_t(entries.count), Int32(min(wait, 1000)))
      if entries[0].revents != 0 { return }
      for index in flows.indices where entries[2 + 2 * index].revents != 0 { receive(index) }
      passDelayed()
      for index in flows.indices { send(index) }
      if entries[1].revents != 0 { accept() }
      state.withLock { state in
        state.passages += passages
        state.faults = faults
      }
      passages.removeAll(keepingCapacity: true)
    }
  }

  private func accept() {
    while let client = listener.accept() {
      guard let server = try? server.connect(until: .now + .seconds(5)) else { continue }
      flows.append(PacketFlow(source: client, sink: server, isDelivery: false))
      flows.append(PacketFlow(source: server, sink: client, isDelivery: true))
      levels.append(4)
    }
  }

  private func receive(_ index: Int) {
    switch flows[index].source.read(1 << 16) {
    case .bytes(let bytes): flows[index].input += bytes
    case .nothingYet: return
    case .end:
      flows[index].isOver = true
      return passSwapped(index)
    }
    var start = 0
    while let size = Self.packetSize(flows[index].input[start...]) {
      pass(flows[index].input[start..<start + size], index)
      start += size
    }
    flows[index].input.removeFirst(start)
  }

  /// Bytes of the packet at the front; nil when it is not whole.
  private static func packetSize(_ bytes: ArraySlice<UInt8>) -> Int? {
    var (length, shift) = (0, 0)
    for (place, byte) in bytes.dropFirst().prefix(4).enumerated() {
      length |= Int(byte & 0x7F) << shift
      shift += 7
      if byte < 0x80 {
        let size = 2 + place + length
        return size <= bytes.count ? size : nil
      }
    }
    return nil
  }

  private func pass(_ packet: ArraySlice<UInt8>, _ index: Int) {
    if packet.first! >> 4 == 1 {
      // Fixed header, length of the name, name, level.
      let body = packet.drop { $0 != UInt8(ascii: "M") }
      levels[index / 2] = body.dropFirst(body.starts(with: "MQIsdp".utf8) ? 6 : 4).first ?? 4
    }
    guard packet.first! >> 4 == 3, let (publisher, sequence) = header(packet, level: levels[index / 2]) else {
      flows[index].output += packet
      return
    }
    let isDelivery = flows[index].isDelivery
    func note() {
      passages.append(.init(publisher: publisher, sequence: sequence, isDelivery: isDelivery, time: now))
    }
    guard isDelivery, let fault else {
      note()
      flows[index].output += packet
      return
    }
    deliveries += 1
    func isChosen(_ every: Int) -> Bool {
      let isChosen = deliveries % every == 0
      if isChosen { faults += 1 }
      return isChosen
    }
    switch fault {
    case .delay(let every, let delay) where isChosen(every):
      delayed.append((now + Int64(delay / .nanoseconds(1)), index, Array(packet)))
      return
    case .drop(let every) where isChosen(every): return
    case .double(let every) where isChosen(every):
      note()
      flows[index].output += packet
    case .swap(let every) where flows[index].swapped == nil && isChosen(every):
      let passage = MessageProxy.Passage(publisher: publisher, sequence: sequence, isDelivery: true, time: 0)
      flows[index].swapped = (passage, Array(packet))
      return
    default: break
    }
    note()
    flows[index].output += packet
    passSwapped(index)
  }

  private func passSwapped(_ index: Int) {
    guard var swapped = flows[index].swapped else { return }
    flows[index].swapped = nil
    swapped.passage.time = now
    passages.append(swapped.passage)
    flows[index].output += swapped.packet
  }

  /// Publisher and sequence number of a message of a load.
  private func header(_ packet: ArraySlice<UInt8>, level: UInt8) -> (publisher: Int, sequence: Int)? {
    let bytes = Array(packet)
    var place = 1
    while bytes[place] >= 0x80 { place += 1 }
    place += 1
    place += 2 + Int(bytes[place]) << 8 + Int(bytes[place + 1])
    if bytes[0] & 0x06 != 0 { place += 2 }
    if level == 5 {
      guard place < bytes.count, bytes[place] < 0x80 else { return nil }
      place += 1 + Int(bytes[place])
    }
    guard place + 16 <= bytes.count, bytes[place...].starts(with: "mq".utf8) else { return nil }
    func number(_ range: Range<Int>) -> Int { bytes[range].reduce(0) { $0 << 8 | Int($1) } }
    return (number(place + 6..<place + 10), number(place + 10..<place + 16))
  }

  private func passDelayed() {
    let now = now
    for item in delayed where item.due <= now {
      if let (publisher, sequence) = header(item.packet[...], level: levels[item.flow / 2]) {
        passages.append(.init(publisher: publisher, sequence: sequence, isDelivery: true, time: now))
      }
      flows[item.flow].output += item.packet
    }
    delayed.removeAll { $0.due <= now }
  }

  private func send(_ index: Int) {
    if !flows[index].output.isEmpty {
      let sent = flows[index].output.withUnsafeBytes { flows[index].sink.send($0) }
      flows[index].output.removeFirst(sent ?? flows[index].output.count)
    }
    if flows[index].isOver, flows[index].output.isEmpty { flows[index].sink.finishSending() }
  }
}
