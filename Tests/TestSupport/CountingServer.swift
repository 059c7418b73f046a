import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The thread of a `CountingPeer`: one poll, raw buffers, answers in batches.
///
/// All that it does after a poll happens under the lock of the shared state: who has seen an answer finds it counted.
final class CountingServer: @unchecked Sendable {
  private let listener: Descriptor
  private let wokenUp: Descriptor
  private let state: Monitor<CountingPeer.State>
  private var random: SplitMix
  private var connections: [CountedConnection] = []
  private var sessions: [[UInt8]: CountedSession] = [:]
  private var assignedIdentifiers = 0

  init(listener: Descriptor, wokenUp: Descriptor, state: Monitor<CountingPeer.State>, random: SplitMix) {
    (self.listener, self.wokenUp, self.state, self.random) = (listener, wokenUp, state, random)
  }

  func run() {
    var reads = state.withLock { $0.rules.reads }
    while true {
      var entries = [
        pollfd(fd: wokenUp.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0),
      ]
      for connection in connections {
        let events = (reads ? POLLIN : 0) | (connection.wantsToWrite ? POLLOUT : 0)
        // An entry without events would still report hang-ups, again and again.
        entries.append(
          pollfd(fd: events == 0 ? -1 : connection.descriptor.number, events: Int16(events), revents: 0))
      }
      let due = connections.lazy.compactMap(\.nextDue).min()
      poll(&entries, nfds_t(entries.count), due?.millisecondsLeft ?? -1)
      if entries[0].revents != 0 { _ = wokenUp.read(64) }

      let goesOn = state.withLock { state -> Bool in
        if state.isAbandoned { return false }
        reads = state.rules.reads
        if state.dropsAll {
          connections.forEach { end($0, &state) }
          state.dropsAll = false
        }
        for (index, connection) in connections.enumerated() where !connection.isEnded {
          if reads, entries[2 + index].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
            receive(connection, &state)
          }
          send(connection, &state)
        }
        connections.removeAll(where: \.isEnded)
        if entries[1].revents != 0 { accept() }
        return true
      }
      if !goesOn { return }
    }
  }

  private func accept() {
    while let descriptor = listener.accept() {
      connections.append(CountedConnection(descriptor))
    }
  }

  private func end(_ connection: CountedConnection, _ state: inout CountingPeer.State) {
    guard !connection.isEnded else { return }
    connection.isEnded = true
    state.counts.ended += 1
    guard let session = connection.session, session.connection === connection else { return }
    session.connection = nil
    if !session.isKept { sessions[session.clientIdentifier] = nil }
  }

  // MARK: Sending

  private func send(_ connection: CountedConnection, _ state: inout CountingPeer.State) {
    guard !connection.isEnded else { return }
    connection.releaseDelayed()
    // Not until the socket is full: the others have a turn too.
    for _ in 0..<8 {
      connection.fillWithFlood(&state.counts)
      guard connection.output.send(to: connection.descriptor) else {
        end(connection, &state)
        return
      }
      guard connection.output.isEmpty else { return }
      connection.unacknowledged = max(0, connection.unacknowledged - connection.acknowledgedInOutput)
      connection.acknowledgedInOutput = 0
      guard connection.canFlood else { return }
    }
  }

  // MARK: Receiving

  private func receive(_ connection: CountedConnection, _ state: inout CountingPeer.State) {
    // Several reads before answering would only make the batches larger; one keeps many connections fair.
    guard connection.input.receive(from: connection.descriptor) else {
      end(connection, &state)
      return
    }
    let answered = (bytes: connection.output.count, acknowledgements: connection.acknowledgedInOutput)
    let publishes = state.counts.publishes
    defer {
      if state.counts.publishes > publishes {
        let now = ContinuousClock.now
        if state.counts.firstPublish == nil { state.counts.firstPublish = now }
        state.counts.lastPublish = now
      }
      if state.rules.answerDelay > .zero { connection.delayAnswers(after: answered, by: state.rules.answerDelay) }
    }
    var position = 0
    let bytes = connection.input.bytes
    while !connection.isEnded, position + 2 <= bytes.count {
      var length = 0
      var shift = 0
      var body = position + 1
      while true {
        guard body < bytes.count else { break }
        let byte = bytes[body]
        length |= Int(byte & 0x7f) << shift
        body += 1
        shift += 7
        if byte & 0x80 == 0 {
          shift = 0
          break
        }
        if shift == 28 {
          violation("remaining length of more than four bytes [MQTT5 §1.5.5]", connection, &state)
          return
        }
      }
      guard shift == 0 else { break }
      guard body + length <= bytes.count else {
        connection.input.reserve(body + length - position)
        break
      }
      let packet = UnsafeRawBufferPointer(rebasing: bytes[body..<(body + length)])
      handle(bytes[position], packet, connection, &state)
      position = body + length
    }
    connection.input.remove(position)
    connection.input.makeSpace()
  }

  /// Notes what a client must not do, and ends its connection.
  private func violation(_ text: String, _ connection: CountedConnection, _ state: inout CountingPeer.State) {
    state.counts.note(violation: text)
    end(connection, &state)
  }

  private func handle(
    _ first: UInt8, _ body: UnsafeRawBufferPointer, _ connection: CountedConnection,
    _ state: inout CountingPeer.State
  ) {
    let outputBefore = connection.output.count
    if connection.session == nil {
      guard first == 0x10 else { return violation("the first packet is no CONNECT [MQTT-3.1.0-1]", connection, &state) }
      connect(body, connection, &state)
      return
    }
    switch first >> 4 {
    case 3: publish(first, body, connection, &state)
    case 4, 5, 7: acknowledgement(first, body, connection, &state)
    case 6: release(first, body, connection, &state)
    case 8: subscribe(first, body, connection, &state)
    case 10: unsubscribe(first, body, connection, &state)
    case 12:
      state.counts.pings += 1
      connection.output.append(0xd0, 0x00)
    case 14:
      state.counts.disconnects += 1
      _ = connection.output.send(to: connection.descriptor)
      end(connection, &state)
    default:
      violation("\(packetName(first)) from a client", connection, &state)
    }
    if let packetsLeft = connection.packetsLeft {
      connection.packetsLeft = packetsLeft - 1
      if packetsLeft == 1, !connection.isEnded {
        state.counts.dropped += 1
        connection.output.truncate(toCount: outputBefore)
        _ = connection.output.send(to: connection.descriptor)
        end(connection, &state)
      }
    }
  }

  // MARK: Packets

  private func publish(
    _ first: UInt8, _ body: UnsafeRawBufferPointer, _ connection: CountedConnection,
    _ state: inout CountingPeer.State
  ) {
    state.counts.publishes += 1
    let qos = first >> 1 & 0x03
    let isDuplicate = first & 0x08 != 0
    if isDuplicate { state.counts.resent += 1 }
    var reader = RawReader(body)
    guard qos < 3, let topic = reader.string(), let identifier = qos == 0 ? 0 : reader.twoBytes() else {
      return violation("malformed PUBLISH [MQTT5 §3.3]", connection, &state)
    }
    if qos == 0, isDuplicate { state.counts.note(violation: "duplicate flag at QoS 0 [MQTT-3.3.1-2]") }
    if qos > 0, identifier == 0 {
      return violation("packet identifier 0 [MQTT-2.2.1-3]", connection, &state)
    }
    if connection.level == 5 {
      if let maximum = state.rules.maximumQoS, qos > maximum {
        return violation("QoS \(qos) above the maximum \(maximum) [MQTT-3.2.2-11]", connection, &state)
      }
      guard let properties = reader.properties() else {
        return violation("malformed PUBLISH properties", connection, &state)
      }
      if topic.isEmpty || !properties.isEmpty {
        guard resolveAlias(topic, properties, connection, &state) else { return }
      }
    } else if topic.isEmpty {
      return violation("empty topic name [MQTT-4.7.3-1]", connection, &state)
    }
    let payload = reader.rest

    if qos > 0 {
      connection.unacknowledged += 1
      if connection.level == 5, let maximum = state.rules.receiveMaximum, connection.unacknowledged > maximum {
        state.counts.note(violation: "more than \(maximum) PUBLISH unacknowledged [MQTT-3.3.4-7]")
      }
    }
    var reason: UInt8 = 0
    if connection.level == 5, qos > 0, let refusal = state.rules.refusal, state.counts.received >= refusal.after {
      reason = refusal.reasonCode
    }
    var isDelivered = reason < 0x80
    if qos == 2, let session = connection.session {
      if session.holds(identifier) {
        // It was accepted before: what is answered now cannot undo that.
        (isDelivered, reason) = (false, 0)
        state.counts.suppressed += 1
        if !isDuplicate {
          state.counts.note(violation: "identifier \(identifier) used again before PUBCOMP [MQTT-2.2.1-4]")
        }
      } else if isDelivered {
        session.hold(identifier)
      }
    }
    if isDelivered {
      state.counts.received += 1
      state.counts.payloadBytes += payload.count
      if let number = decimalNumber(payload) { state.counts.numbers.insert(number) }
      if state.rules.recordsMessages {
        let topic = topic.isEmpty ? connection.aliasedTopic : Array(topic)
        state.messages.append(
          CountingPeer.Message(topic: topic, payload: Array(payload), qos: qos, retain: first & 0x01 != 0))
      }
    } else if reason >= 0x80 {
      state.counts.refused += 1
    }
    guard qos > 0, state.rules.acknowledges else { return }
    // A refused PUBLISH is over, as one of QoS 1 is; else PUBCOMP ends it.
    if qos == 1 || reason >= 0x80 { connection.acknowledgedInOutput += 1 }
    connection.output.appendAcknowledgement(qos == 1 ? 0x40 : 0x50, identifier, reason)
  }

  /// Learns or looks up a topic alias; false if it ended the connection.
  private func resolveAlias(
    _ topic: UnsafeRawBufferPointer, _ properties: UnsafeRawBufferPointer, _ connection: CountedConnection,
    _ state: inout CountingPeer.State
  ) -> Bool {
    guard let alias = topicAlias(properties) else {
      if topic.isEmpty { violation("no topic name and no topic alias [MQTT5 §3.3.2.1]", connection, &state) }
      return !topic.isEmpty
    }
    guard alias > 0, alias <= state.rules.topicAliasMaximum ?? 0 else {
      violation("topic alias \(alias) [MQTT-3.3.2-9]", connection, &state)
      return false
    }
    if topic.isEmpty {
      guard let known = connection.aliases[alias] else {
        violation("unknown topic alias \(alias) [MQTT5 §3.3.2.3.4]", connection, &state)
        return false
      }
      connection.aliasedTopic = known
    } else {
      connection.aliases[alias] = Array(topic)
    }
    return true
  }

  private func release(
    _ first: UInt8, _ body: UnsafeRawBufferPointer, _ connection: CountedConnection,
    _ state: inout CountingPeer.State
  ) {
    var reader = RawReader(body)
    guard first == 0x62, let identifier = reader.twoBytes(), let session = connection.session else {
      return violation("malformed PUBREL [MQTT-3.6.1-1]", connection, &state)
    }
    let wasHeld = session.holds(identifier)
    session.release(identifier)
    guard state.rules.acknowledges else { return }
    connection.acknowledgedInOutput += 1
    // Not found: also when PUBCOMP was lost and PUBREL comes again, so it is no violation (MQTT 5 §3.7.2.1).
    connection.output.appendAcknowledgement(0x70, identifier, wasHeld || connection.level != 5 ? 0 : 0x92)
  }

  /// PUBACK, PUBREC and PUBCOMP for a flood.
  private func acknowledgement(
    _ first: UInt8, _ body: UnsafeRawBufferPointer, _ connection: CountedConnection,
    _ state: inout CountingPeer.State
  ) {
    var reader = RawReader(body)
    guard let identifier = reader.twoBytes() else {
      return violation("malformed \(packetName(first))", connection, &state)
    }
    let reason = reader.rest.first ?? 0
    if first >> 4 == 5, reason < 0x80 {
      connection.output.appendAcknowledgement(0x62, identifier, 0)
      return
    }
    guard connection.floodIdentifiers.remove(identifier) else {
      return state.counts.note(violation: "\(packetName(first)) for identifier \(identifier), which is not in use")
    }
    state.counts.floodAcknowledged += 1
  }

  private func subscribe(
    _ first: UInt8, _ body: UnsafeRawBufferPointer, _ connection: CountedConnection,
    _ state: inout CountingPeer.State
  ) {
    var reader = RawReader(body)
    guard first == 0x82, let identifier = reader.twoBytes(), connection.level != 5 || reader.properties() != nil else {
      return violation("malformed SUBSCRIBE [MQTT-3.8.1-1]", connection, &state)
    }
    var granted: [UInt8] = []
    while !reader.rest.isEmpty {
      guard let filter = reader.string(), !filter.isEmpty, let options = reader.byte(), options & 0x03 < 3 else {
        return violation("malformed SUBSCRIBE [MQTT5 §3.8]", connection, &state)
      }
      granted.append(min(options & 0x03, state.rules.maximumQoS ?? 2))
    }
    guard !granted.isEmpty else { return violation("SUBSCRIBE without filter [MQTT-3.8.3-2]", connection, &state) }
    state.counts.subscriptions += granted.count
    connection.appendGroup(0x90, identifier, granted)
    if var flood = state.rules.flood, connection.flood == nil {
      flood.qos = min(flood.qos, granted.max() ?? 0)
      connection.flood = flood
    }
  }

  private func unsubscribe(
    _ first: UInt8, _ body: UnsafeRawBufferPointer, _ connection: CountedConnection,
    _ state: inout CountingPeer.State
  ) {
    var reader = RawReader(body)
    guard first == 0xa2, let identifier = reader.twoBytes(), connection.level != 5 || reader.properties() != nil else {
      return violation("malformed UNSUBSCRIBE [MQTT-3.10.1-1]", connection, &state)
    }
    var reasons: [UInt8] = []
    while !reader.rest.isEmpty {
      guard reader.string() != nil else { return violation("malformed UNSUBSCRIBE", connection, &state) }
      reasons.append(0)
    }
    connection.appendGroup(0xb0, identifier, connection.level == 5 ? reasons : [])
  }

  private func connect(
    _ body: UnsafeRawBufferPointer, _ connection: CountedConnection, _ state: inout CountingPeer.State
  ) {
    var reader = RawReader(body)
    guard let name = reader.string(), let level = reader.byte(), let flags = reader.byte(), reader.twoBytes() != nil,
      Array(name) == Array((level == 3 ? "MQIsdp" : "MQTT").utf8), (3...5).contains(level),
      let properties = level == 5 ? reader.properties() : UnsafeRawBufferPointer(start: nil, count: 0),
      let identifier = reader.string().map({ Array($0) })
    else {
      return violation("malformed CONNECT [MQTT5 §3.1]", connection, &state)
    }
    connection.level = level
    let isClean = flags & 0x02 != 0
    var expires = isClean
    if level == 5 {
      expires = true
      let isWalked = walkProperties(properties) { property, value in
        switch property {
        case 0x11: expires = value == 0
        case 0x21: connection.clientReceiveMaximum = max(1, value)
        default: break
        }
      }
      guard isWalked else { return violation("malformed CONNECT properties", connection, &state) }
    }
    let keeps = state.rules.keepsSessions && !expires

    var clientIdentifier = identifier
    if identifier.isEmpty {
      assignedIdentifiers += 1
      clientIdentifier = Array("assigned-\(assignedIdentifiers)".utf8)
    }
    let former = sessions[clientIdentifier]
    if let other = former?.connection {
      // Taken over (MQTT 5 §3.1.4).
      if other.level == 5 { other.output.append([0xe0, 0x01, 0x8e]) }
      _ = other.output.send(to: other.descriptor)
      end(other, &state)
    }
    let resumed = isClean ? nil : sessions[clientIdentifier]
    let session = resumed ?? CountedSession(clientIdentifier)
    session.isKept = keeps
    session.connection = connection
    sessions[clientIdentifier] = session
    connection.session = session
    state.counts.connects += 1
    if resumed != nil { state.counts.resumedSessions += 1 }
    if let range = state.rules.dropsAfter, state.rules.drops > 0 {
      state.rules.drops -= 1
      connection.packetsLeft = max(1, Int.random(in: range, using: &random))
    }

    // MQTT 3.1 has no session present flag.
    var answer: [UInt8] = [resumed != nil && level > 3 ? 1 : 0, 0]
    if level == 5 {
      var properties: [UInt8] = []
      if let maximum = state.rules.receiveMaximum { properties += [0x21, UInt8(maximum >> 8), UInt8(maximum & 0xff)] }
      if let maximum = state.rules.topicAliasMaximum {
        properties += [0x22, UInt8(maximum >> 8), UInt8(maximum & 0xff)]
      }
      if let maximum = state.rules.maximumQoS, maximum < 2 { properties += [0x24, maximum] }
      if identifier.isEmpty { properties += [0x12, 0, UInt8(clientIdentifier.count)] + clientIdentifier }
      answer += [UInt8(properties.count)] + properties
    }
    connection.output.append([0x20, UInt8(answer.count)] + answer)
  }
}
