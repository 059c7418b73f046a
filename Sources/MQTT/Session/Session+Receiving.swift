/// What received packets mean.
extension Session {
  // Inlined, like handlePublish: an event that is handed from function to function is copied at each step, 10 ns a time.
  @inline(__always)
  mutating func handle(_ slice: PacketSlice, at now: Instant) throws(ProtocolError) -> Event? {
    guard phase == .connected || slice.type == .connack || slice.type == .auth else {
      throw .protocolError("\(slice.type) came before CONNACK")  // [MQTT-3.2.0-1]
    }
    let version = settings.version
    switch slice.type {
    case .publish: return try handlePublish(slice)
    case .puback: return try handlePuback(AcknowledgementPacket(.puback, slice, version: version))
    case .pubrec: return try handlePubrec(AcknowledgementPacket(.pubrec, slice, version: version))
    case .pubrel: return try handlePubrel(AcknowledgementPacket(.pubrel, slice, version: version))
    case .pubcomp: return try handlePubcomp(AcknowledgementPacket(.pubcomp, slice, version: version))
    default: return try handleRare(slice, at: now)
    }
  }

  /// What does not come by the hundred thousand: it passes through the large enum, whose room on the stack costs 20 ns.
  @inline(never)
  private mutating func handleRare(_ slice: PacketSlice, at now: Instant) throws(ProtocolError) -> Event? {
    let version = settings.version
    switch try ControlPacket.decode(slice, version: version) {
    case .connack(let packet): return try handleConnack(packet, at: now)
    case .suback(let packet): return try handleSuback(packet)
    case .unsuback(let packet): return try handleUnsuback(packet)
    case .pingresp:
      keepAlive.answered()
      return .pong
    case .disconnect(let packet) where version.hasServerDisconnect:
      phase = .over
      return .disconnected(packet)
    case .auth(let packet):
      guard settings.connect.properties[.authenticationMethod] != nil else {
        throw .protocolError("AUTH came, but CONNECT named no authentication method")  // [MQTT-4.12.0-6]
      }
      return .authentication(packet)
    default:
      throw .protocolError("\(slice.type) is not for a client")
    }
  }

  /// Lives with something that no broker should do, and says so once; strict mode does not live with it.
  mutating func tolerate(_ tolerance: Tolerance?) throws(ProtocolError) {
    guard let tolerance else { return }
    if settings.isStrict { throw tolerance.error }
    if tolerated.insert(tolerance).inserted { pending.append(.tolerated(tolerance)) }
  }

  /// The one place that answers what the broker did against the protocol (section 4.13).
  mutating func fail(_ error: ProtocolError) {
    if settings.version.hasReasonCodes { append(.disconnect(DisconnectPacket(reasonCode: error.reasonCode))) }
    phase = .over
    pending.append(.failed(error))
  }

  // MARK: CONNACK

  private mutating func handleConnack(_ packet: ConnackPacket, at now: Instant) throws(ProtocolError) -> Event? {
    guard phase == .awaitingConnack else { throw .protocolError("a second CONNACK came") }
    let isOfAnotherVersion = packet.returnCode != nil && settings.version.hasReasonCodes
    // Told by the refusal itself, and no news where an older version is tried next.
    if isOfAnotherVersion, settings.isStrict { throw Tolerance.version3Connack.error }
    if isOfAnotherVersion || packet.reasonCode.isFailure {
      phase = .over
      return .refused(packet)
    }
    guard packet.reasonCode == .success else {
      throw .protocolError("CONNACK has \(packet.reasonCode), which it cannot have")
    }
    if sentCleanStart, packet.sessionPresent {
      throw .protocolError("CONNACK says session present after a clean start")  // [MQTT-3.2.2-2]
    }
    phase = .connected
    wasConnected = true
    // On 3.x there are no properties, which leaves the specification's defaults.
    limits = ServerLimits(packet.properties)
    sendingAliases = SendingAliases(maximum: limits.topicAliasMaximum)
    if let identifier = packet.properties[.assignedClientIdentifier] { settings.connect.clientIdentifier = identifier }
    keepAliveSeconds = Int(packet.properties[.serverKeepAlive] ?? settings.connect.keepAlive)
    keepAlive.start(interval: .seconds(keepAliveSeconds), at: now)
    // 3.1 has no session present flag: the broker's promise to keep the session has to do.
    let sessionPresent = packet.sessionPresent || (!settings.version.hasSessionPresent && !sentCleanStart)
    if !sessionPresent { deliveries.sessionLost() }
    return .connected(packet, republished: resume(sessionPresent: sessionPresent))
  }

  // MARK: Messages

  @inline(__always)
  private mutating func handlePublish(_ slice: PacketSlice) throws(ProtocolError) -> Event? {
    var message = try MessageView.decode(flags: slice.flags, body: slice.body, version: settings.version)
    try tolerate(message.tolerated)
    if let alias = message.topicAlias {
      message.topic = try aliases.resolve(alias, topic: message.topic)
    }
    switch message.qos {
    case .atMostOnce:
      return .message(message, nil)
    case .atLeastOnce:
      let delivery = deliveries.atLeastOnce(message.packetIdentifier)
      try checkReceiveMaximum()
      return .message(message, delivery)
    case .exactlyOnce:
      let arrival = deliveries.exactlyOnce(message.packetIdentifier)
      try checkReceiveMaximum()
      switch arrival {
      case .new(let delivery):
        return .message(message, delivery)
      case .duplicate:
        sendAcknowledgements()
        return nil
      }
    }
  }

  /// More than all packet identifiers cannot be unacknowledged at a time, so that is not lived with.
  private mutating func checkReceiveMaximum() throws(ProtocolError) {
    let count = deliveries.quotaInUse
    guard count > receiveMaximum || count > 65_535 else { return }
    guard count <= 65_535 else { throw Tolerance.receiveMaximumExceeded.error }
    try tolerate(.receiveMaximumExceeded)  // [MQTT-3.3.4-9]
  }

  private mutating func handlePubrel(_ packet: AcknowledgementPacket) throws(ProtocolError) -> Event? {
    try tolerate(packet.tolerated)
    switch deliveries.release(packet.packetIdentifier) {
    case .done: append(.pubcomp, packet.packetIdentifier)
    case .unknown: append(.pubcomp, packet.packetIdentifier, .packetIdentifierNotFound)
    case .early:
      throw .protocolError("PUBREL for packet identifier \(packet.packetIdentifier) came before PUBREC had left")
    }
    return tellsReleases ? .released : nil
  }

  // MARK: Acknowledgements of publishes

  /// The publish that an acknowledgement is for, if it was ever sent.
  private func publish(with packetIdentifier: UInt16) -> Int? {
    guard let sequence = inflight.sequence(of: packetIdentifier), inflight[sequence].wasSent else { return nil }
    return sequence
  }

  private mutating func handlePuback(_ packet: AcknowledgementPacket) throws(ProtocolError) -> Event? {
    guard let sequence = publish(with: packet.packetIdentifier) else { throw .notInUse(packet) }
    switch inflight[sequence].state {
    case .awaitingPuback: break
    case .awaitingPubrec: try tolerate(.pubackForExactlyOnce)
    default: throw .notAwaited(packet)
    }
    try tolerate(packet.tolerated)
    return end(sequence, packet.reasonCode, packet.properties)
  }

  private mutating func handlePubrec(_ packet: AcknowledgementPacket) throws(ProtocolError) -> Event? {
    try tolerate(packet.tolerated)
    guard let sequence = publish(with: packet.packetIdentifier) else {
      // Something of an earlier process: it must be let go of (section 4.3.3).
      if !packet.reasonCode.isFailure { append(.pubrel, packet.packetIdentifier, .packetIdentifierNotFound) }
      return nil
    }
    switch inflight[sequence].state {
    case .awaitingPubrec:
      if packet.reasonCode.isFailure { return end(sequence, packet.reasonCode, packet.properties) }
      if packet.reasonCode == .noMatchingSubscribers { inflight[sequence].hasSubscribers = false }
      guard releasesByItself else {
        inflight[sequence].state = .awaitingRelease
        return .received(inflight[sequence].number)
      }
      inflight[sequence].state = .awaitingPubcomp
      sendRelease(sequence)
      return nil
    case .awaitingPubcomp:
      sendRelease(sequence)
      return nil
    case .awaitingRelease:
      return nil
    default:
      throw .notAwaited(packet)
    }
  }

  private mutating func handlePubcomp(_ packet: AcknowledgementPacket) throws(ProtocolError) -> Event? {
    try tolerate(packet.tolerated)
    // A PUBREL that was sent twice is answered twice: the second answer finds nothing.
    guard let sequence = publish(with: packet.packetIdentifier) else { return nil }
    guard inflight[sequence].state == .awaitingPubcomp else { throw .notAwaited(packet) }
    // 0x92 tells that the broker had released it before: delivered all the same (section 4.3.3).
    var reasonCode = packet.reasonCode == .packetIdentifierNotFound ? .success : packet.reasonCode
    if reasonCode == .success, !inflight[sequence].hasSubscribers { reasonCode = .noMatchingSubscribers }
    return end(sequence, reasonCode, packet.properties)
  }

  /// Takes a publish out of flight and gives its quota to the next.
  private mutating func end(_ sequence: Int, _ reasonCode: ReasonCode, _ properties: Properties) -> Event {
    let entry = inflight[sequence]
    if entry.holdsQuota { quota += 1 }
    inflight.complete(sequence)
    sendUnsent()
    return .published(entry.number, reasonCode, reasonString: properties.isEmpty ? nil : properties[.reasonString])
  }

  // MARK: Answers to SUBSCRIBE and UNSUBSCRIBE

  private mutating func handleSuback(_ packet: SubackPacket) throws(ProtocolError) -> Event {
    guard let sequence = request(with: packet.packetIdentifier, .awaitingSuback) else {
      throw .protocolError("SUBACK for packet identifier \(packet.packetIdentifier), which no SUBSCRIBE has")
    }
    try check(packet.reasonCodes, of: sequence)
    try tolerate(packet.tolerated)
    return .subscribed(endRequest(sequence), packet)
  }

  private mutating func handleUnsuback(_ packet: UnsubackPacket) throws(ProtocolError) -> Event? {
    guard let sequence = request(with: packet.packetIdentifier, .awaitingUnsuback) else {
      // It may come after we have given it up.
      if tolerated.contains(.missingUnsuback) { return nil }
      throw .protocolError("UNSUBACK for packet identifier \(packet.packetIdentifier), which no UNSUBSCRIBE has")
    }
    // On 3.x UNSUBACK holds no reason codes.
    if settings.version.hasReasonCodes { try check(packet.reasonCodes, of: sequence) }
    try tolerate(packet.tolerated)
    return .unsubscribed(endRequest(sequence), packet)
  }

  private func request(with packetIdentifier: UInt16, _ state: Inflight.State) -> Int? {
    guard let sequence = inflight.sequence(of: packetIdentifier), inflight[sequence].state == state else { return nil }
    return sequence
  }

  private func check(_ reasonCodes: [ReasonCode], of sequence: Int) throws(ProtocolError) {
    let filterCount = inflight[sequence].count
    guard reasonCodes.count == filterCount else {
      throw .protocolError("\(reasonCodes.count) reason codes came for \(filterCount) topic filters")  // [MQTT-3.8.4-6]
    }
  }

  private mutating func endRequest(_ sequence: Int) -> Int {
    let number = inflight[sequence].number
    inflight.complete(sequence)
    requests.removeAll { $0.number == number }
    return number
  }

  /// The oldest request has waited too long.
  mutating func requestUnanswered() {
    guard let number = requests.first?.number, let sequence = inflight.sequence(ofNumber: number) else { return }
    do throws(ProtocolError) {
      guard inflight[sequence].state == .awaitingUnsuback else {
        throw .protocolError("SUBSCRIBE was not answered within \(Self.requestTimeLimit.components.seconds) s")
      }
      try tolerate(.missingUnsuback)
      pending.append(.unsubscribed(endRequest(sequence), nil))
    } catch {
      fail(error)
    }
  }
}

extension ProtocolError {
  fileprivate static func notInUse(_ packet: AcknowledgementPacket) -> Self {
    .protocolError("\(packet.type.packetType) for packet identifier \(packet.packetIdentifier), which is not in use")
  }

  fileprivate static func notAwaited(_ packet: AcknowledgementPacket) -> Self {
    .protocolError(
      "\(packet.type.packetType) for packet identifier \(packet.packetIdentifier), which awaits something else")
  }
}
