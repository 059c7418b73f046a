/// What is put into the output.
extension Session {
  // MARK: Publishes

  /// Publishes at QoS 0. Only here the topic may be left to an alias: what is kept to be sent again has its topic.
  ///
  /// - Parameter given: the topic alias among the properties.
  mutating func publishAtMostOnce(
    topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, retain: Bool, properties: borrowing Properties,
    topicAlias given: UInt16?
  ) throws(ProtocolError) {
    let version = settings.version
    let limit = limits.maximumPacketSize
    let form =
      if let given { sendingAliases.form(of: topic, with: given) } else { sendingAliases.form(of: topic) }
    fillOutput()
    var (name, alias) = (topic, given)
    switch form {
    case .plain: break
    case .defining(let number): alias = number
    case .alias(let number): (name, alias) = (UnsafeRawBufferPointer(start: nil, count: 0), number)
    }
    try output.append { (queue) throws(ProtocolError) in
      let before = queue.count
      try queue.appendPublish(
        topic: name, payload: payload, qos: .atMostOnce, retain: retain, properties: properties,
        topicAlias: given == nil ? alias : nil, version: version)
      try queue.checkSize(from: before, limit: limit)
    }
    if case .defining(let number) = form { sendingAliases.define(number, as: topic) }
  }

  /// Whether `sendUnsent` would send this publish and nothing else.
  func canSendUnsent(_ sequence: Int) -> Bool { phase == .connected && quota > 0 && inflight.unsent == sequence }

  /// Sends what waits for quota, in order, as far as the send quota goes [MQTT-4.9.0-2] [MQTT-4.6.0-1].
  mutating func sendUnsent() {
    deferredCount = 0
    guard phase == .connected else { return }
    while inflight.unsent < inflight.next {
      let sequence = inflight.unsent
      let entry = inflight[sequence]
      if !entry.holdsQuota, entry.state == .awaitingPuback || entry.state == .awaitingPubrec {
        guard quota > 0 else { return }
        quota -= 1
        inflight[sequence].holdsQuota = true
        inflight[sequence].wasSent = true
        output.append { queue in
          inflight.withPacket(sequence) { packet in
            queue.append(packet[0] | (entry.wasSent ? 0x08 : 0))  // DUP [MQTT-3.3.1-1]
            queue.append(UnsafeRawBufferPointer(rebasing: packet[1...]))
          }
        }
      }
      inflight.unsent += 1
    }
  }

  /// CONNACK has come: sends what earlier network connections left, PUBREL packets and then publishes, each in their order
  /// [MQTT-4.4.0-1] [MQTT-4.6.0-1].
  ///
  /// A QoS 2 publish that awaits PUBCOMP takes its part of the send quota from the start, because the broker holds it: one
  /// publish too many and a broker closes (section 4.9).
  ///
  /// - Returns: how many publishes begin anew that the broker may have delivered before, because it has forgotten the session.
  mutating func resume(sessionPresent: Bool) -> Int {
    // Only MQTT 5 brokers can tell what they take.
    let maximum =
      settings.maximumInflight ?? (settings.version.hasProperties ? Self.inflightAtMost : Self.inflightWithoutLimits)
    quota = min(limits.receiveMaximum, maximum)
    var republished = 0
    for sequence in inflight.first..<inflight.next where sequence >= inflight.first && inflight[sequence].keepsPacket {
      let entry = inflight[sequence]
      if !sessionPresent, entry.wasSent {
        republished += 1
        inflight[sequence].wasSent = false
        if entry.state != .awaitingPuback { inflight[sequence].state = .awaitingPubrec }
      }
      switch inflight[sequence].state {
      case .awaitingPuback, .awaitingPubrec:
        guard let refusal = inflight.withPacket(sequence, { refusal(of: $0) }) else { break }
        inflight.complete(sequence)
        pending.append(.published(entry.number, refusal.reasonCode, reasonString: nil))
      case .awaitingPubcomp, .awaitingRelease:
        quota -= 1
        inflight[sequence].holdsQuota = true
        if entry.state == .awaitingPubcomp { sendRelease(sequence) } else { pending.append(.received(entry.number)) }
      case .done, .awaitingSuback, .awaitingUnsuback: break
      }
    }
    inflight.unsent = inflight.first
    sendUnsent()
    sendUnsentAtMostOnce()
    return republished
  }

  /// QoS 0 publishes that were not sent get their topics back: an alias is void with its network connection.
  mutating func restoreTopics() {
    guard sendingAliases.isUsed else { return }
    let version = settings.version
    var restored = ByteQueue()
    unsentAtMostOnce.withBytes { bytes in
      var rest = bytes
      while let length = OutputQueue.packetLength(rest, at: 0) {
        let packet = UnsafeRawBufferPointer(rebasing: rest[..<length])
        rest = UnsafeRawBufferPointer(rebasing: rest[length...])
        guard let message = OutputQueue.message(packet, version: version), let alias = message.topicAlias else {
          restored.append(packet)
          continue
        }
        var publish = PublishPacket(message)
        if publish.topic.isEmpty { publish.topic = sendingAliases.topic(of: alias) ?? [] }
        publish.properties[.topicAlias] = nil
        do throws(ProtocolError) {
          try publish.encode(as: version, to: &restored)
        } catch {
          pending.append(.dropped(error))
        }
      }
    }
    unsentAtMostOnce = restored
  }

  /// QoS 0 publishes that the broker would not take any more are dropped.
  private mutating func sendUnsentAtMostOnce() {
    unsentAtMostOnce.withBytes { bytes in
      var rest = bytes
      while let length = OutputQueue.packetLength(rest, at: 0) {
        let packet = UnsafeRawBufferPointer(rebasing: rest[..<length])
        if let refusal = refusal(of: packet) {
          pending.append(.dropped(refusal))
        } else {
          output.append { queue in queue.append(packet) }
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[length...])
      }
    }
    unsentAtMostOnce.removeAll()
  }

  /// Why the broker would not take a PUBLISH that was encoded for an earlier network connection.
  private func refusal(of packet: UnsafeRawBufferPointer) -> ProtocolError? {
    if packet.count > limits.maximumPacketSize {
      return .packetTooLarge("the broker takes smaller packets than before")
    }
    guard let message = OutputQueue.message(packet, version: settings.version) else { return nil }
    if message.topic.isEmpty { return .topicAliasInvalid("the topic alias was that of another network connection") }
    return limits.refusal(qos: message.qos, retain: message.retain, topicAlias: message.topicAlias)
  }

  mutating func sendRelease(_ sequence: Int) {
    append(.pubrel, Inflight.packetIdentifier(sequence))
  }

  // MARK: Acknowledgements

  mutating func sendAcknowledgements() {
    guard phase == .connected else { return }
    while let (identifier, isExactlyOnce) = deliveries.nextFinished() {
      append(isExactlyOnce ? .pubrec : .puback, identifier)
    }
  }

  mutating func append(
    _ type: AcknowledgementPacket.AcknowledgementType, _ packetIdentifier: UInt16, _ reasonCode: ReasonCode = .success
  ) {
    let version = settings.version
    output.append { queue in
      // It throws for packet identifier 0 only, which neither the decoder nor Inflight lets in.
      try! queue.appendAcknowledgement(
        type, packetIdentifier: packetIdentifier, reasonCode: reasonCode, version: version)
    }
  }

  // MARK: SUBSCRIBE, UNSUBSCRIBE and the rest

  func check(_ filter: TopicFilter) throws(ProtocolError) {
    if filter.isShared, !limits.sharedSubscriptionAvailable {
      throw .init(.sharedSubscriptionsNotSupported, "the broker has no shared subscriptions")
    }
    if filter.hasWildcard, !limits.wildcardSubscriptionAvailable {
      throw .init(.wildcardSubscriptionsNotSupported, "the broker takes no wildcards in topic filters")
    }
  }

  mutating func requestIdentifier() throws(ProtocolError) -> UInt16 {
    guard !inflight.isFullForRequests else { throw .init(.quotaExceeded, "all packet identifiers are in use") }
    return inflight.nextPacketIdentifier()
  }

  /// Puts a SUBSCRIBE or UNSUBSCRIBE into the output unless the broker would not take its size.
  mutating func request(_ packet: ControlPacket) throws(ProtocolError) {
    let version = settings.version
    let limit = limits.maximumPacketSize
    try output.append { (queue) throws(ProtocolError) in
      let before = queue.count
      try packet.encode(as: version, to: &queue)
      try queue.checkSize(from: before, limit: limit)
    }
  }

  mutating func requestSent(_ state: Inflight.State, filterCount: Int, at now: Instant) -> Int {
    let isAllSent = inflight.unsent == inflight.next
    let sequence = inflight.appendRequest(state, filterCount: filterCount)
    if isAllSent { inflight.unsent = inflight.next }
    requests.append((sequence, now + Self.requestTimeLimit))
    return sequence
  }

  /// Appends a packet of ours that cannot be wrong.
  mutating func append(_ packet: ControlPacket) {
    let version = settings.version
    do throws(ProtocolError) {
      try output.append { (queue) throws(ProtocolError) in try packet.encode(as: version, to: &queue) }
    } catch {
      preconditionFailure(error.explanation)
    }
  }
}

extension ByteQueue {
  /// Takes back what was appended behind `start` where that is more than the broker takes.
  mutating func checkSize(from start: Int, limit: Int) throws(ProtocolError) {
    let size = count - start
    guard size > limit else { return }
    truncate(to: start)
    throw .packetTooLarge("the packet has \(size) bytes, and the broker takes \(limit) at most")
  }
}
