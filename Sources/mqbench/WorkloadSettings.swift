internal import CommandLineTool
internal import MQTTClient

/// What was typed about what clients are like, and topics and payloads.
struct WorkloadSettings: Sendable {
  var popularity: Popularity?
  var names = TopicNames()
  /// Subscriptions that nobody publishes to.
  var idleCount = 0
  var payload = PayloadChoice.random
  var size: PayloadSize?
  var hasHeader = true
  /// The path of a table of who the clients are.
  var identities: [UInt8]?
  var addresses = SourceAddresses()

  /// What payloads are made of and how long they are; reads what there is to be read.
  func payloadRule() throws(UsageError) -> PayloadRule {
    if size != nil, payload.hasSizes { throw UsageError("--size: what --payload reads has sizes of its own") }
    var rule = PayloadRule(size: size ?? .within(64...64), hasHeader: hasHeader)
    do throws(UsageError) { rule.content = try payload.content() } catch {
      throw UsageError("--payload: \(error.message)")
    }
    if case .within(let range) = rule.size, range.lowerBound < rule.leastSize, !payload.hasSizes {
      throw UsageError(
        "--size: \(payload == .json ? "JSON" : "a payload") needs \(rule.leastSize) bytes"
          + (hasHeader ? " to tell which message it is, and fewer with --no-sequence" : ""))
    }
    return rule
  }

  /// The order of topics, where they have a popularity.
  func cycle(_ topics: Int, seed: UInt64) throws(UsageError) -> TopicCycle? {
    guard let popularity, topics > 1 else { return nil }
    guard topics <= TopicCycle.topicLimit else {
      throw UsageError("--popularity: goes for \(TopicCycle.topicLimit) topics at most")
    }
    return TopicCycle(topics: topics, popularity, seed: seed)
  }

  /// Who so many clients are, where it was told.
  func identities(
    for count: Int, _ client: ClientSettings, _ diagnostics: Diagnostics
  ) throws(UsageError) -> Identities? {
    guard let path = identities else { return nil }
    do throws(UsageError) {
      let identities = try Identities(file: path, diagnostics)
      guard identities.count >= count else {
        throw UsageError("\(count) clients need a line each, and there are \(identities.count)")
      }
      if identities.haveCertificates, client.tls == nil {
        throw UsageError("there are certificates in it, and no TLS: --tls asks for it")
      }
      return identities
    } catch {
      throw UsageError("--identities: \(error.message)")
    }
  }

  /// The options that are about the clients, which `connect` has, too.
  static let clientOptions: [Option<WorkloadSettings>] = [
    Option(
      OptionDescription(
        long: "identities", value: .one("FILE.csv"), section: .connection,
        summary: "take each client's identifier, user name and so on from a line of a table",
        details: """
          Its columns are id,username,password,cert,key, as many of them as there are; a first line of these names chooses others. \
          Fields may stand in quotes, as in RFC 4180; an empty one leaves it to the other options. The first lines are the \
          publishers', the next ones the subscribers'. There have to be as many as clients.
          """)
    ) { (settings, value) throws(UsageError) in settings.identities = value.bytes },
    Option(
      OptionDescription(
        long: "source-address", value: .one("ADDRESS"), section: .connection,
        summary: "IP address, or FIRST..LAST, for clients to connect from in turn; may be repeated",
        details: "One address has as many ports as the system gives to outgoing connections.")
    ) { (settings, value) throws(UsageError) in try settings.addresses.append(value) },
  ]

  static let options: [Option<WorkloadSettings>] =
    [
      Option(
        OptionDescription(
          long: "popularity", value: .one("HOW"), section: .messages,
          summary: "let every publisher send to all topics, which are equally popular (uniform) or not (zipf:S)",
          details: """
            They come in random order. With zipf:1 the first topic gets twice as many messages as the second and three times as many as \
            the third; with a larger number the first ones get more.
            """)
      ) { (settings, value) throws(UsageError) in settings.popularity = try value.popularity() },
      Option(
        OptionDescription(
          long: "topic-levels", value: .one("N"), section: .messages, summary: "levels of each topic (3)")
      ) { (settings, value) throws(UsageError) in
        settings.names.levels = try value.number(in: TopicNames.levelRange)
      },
      Option(
        OptionDescription(
          long: "filter", value: .one("HOW"), section: .messages,
          summary: "what subscriptions have of their topic: exact, plus or hash (exact)",
          details:
            "With plus there are wildcards + in place of the levels that do not tell topics apart, with hash # at its end."
        )
      ) { (settings, value) throws(UsageError) in
        settings.names.filter = try value.choice([("exact", .exact), ("plus", .plus), ("hash", .hash)])
      },
      Option(
        OptionDescription(
          long: "idle-subscriptions", value: .one("N"), section: .messages,
          summary: "further subscriptions that nobody publishes to, over all subscribers (0)")
      ) { (settings, value) throws(UsageError) in
        settings.idleCount = try value.number(in: 0...100_000_000)
      },
      Option(
        OptionDescription(
          long: "size", value: .one("SIZE"), section: .messages,
          summary: "bytes of a payload, from least to most as in 64..1k, or normal:MEAN,DEVIATION (64)",
          details: """
            At least 16, which tell who sent which message. Normally distributed ones are no shorter, and no more than six standard \
            deviations away from the mean.
            """)
      ) { (settings, value) throws(UsageError) in settings.size = try value.payloadSize() },
      Option(
        OptionDescription(
          long: "payload", value: .one("WHAT"), section: .messages,
          summary: "what payloads hold: random, zero, json, file:DIR or record:FILE (random)",
          details: """
            Random bytes cannot be compressed. JSON is an object with numbers in it. The files of a folder, in the order of their names, \
            and the payloads of what mqsub --record wrote come in turn, behind the 16 bytes that tell who sent which message.
            """)
      ) { (settings, value) throws(UsageError) in settings.payload = try PayloadChoice(value) },
      Option(
        OptionDescription(
          long: "no-sequence", section: .messages, summary: "send payloads without a word of which message they are",
          details: """
            They are exactly what {--payload} and {--size} say, down to no byte at all. Nobody can tell then whether one is lost, a \
            duplicate or out of order, nor how long it took: deliveries are counted, and the report is about acknowledgements, or at \
            QoS 0 about the send delay.
            """)
      ) { $0.hasHeader = false },
    ] + clientOptions
}

extension Argument {
  fileprivate func popularity() throws(UsageError) -> Popularity {
    if bytes.elementsEqual("uniform".utf8) { return .uniform }
    let zipf = Array("zipf:".utf8)
    guard bytes.starts(with: zipf), let exponent = Double(String(decoding: bytes.dropFirst(zipf.count), as: UTF8.self)),
      exponent > 0, exponent <= 5
    else { throw UsageError("\(quoted) is not uniform, or zipf:S with S above 0, up to 5") }
    return .zipf(exponent)
  }

  fileprivate func payloadSize() throws(UsageError) -> PayloadSize {
    let normal = Array("normal:".utf8)
    let isNormal = bytes.starts(with: normal)
    let words = Argument(isNormal ? Array(bytes.dropFirst(normal.count)) : bytes, from: source)
    let (first, second) = words.divided(at: isNormal ? "," : "..")
    let low = try first.size()
    let high = try second?.size() ?? low
    let limit = PayloadRule.sizeLimit
    if isNormal, second != nil, low <= limit, high <= limit, low + 6 * high <= limit {
      return .normal(mean: low, deviation: high)
    }
    guard !isNormal, low <= high, high <= limit else {
      throw UsageError("\(quoted) is not a size such as 64, 4k, 64..1k or normal:1000,200")
    }
    return .within(low...high)
  }

  /// What stands before and behind the first of these signs.
  private func divided(at signs: String) -> (Argument, Argument?) {
    guard let place = bytes.indices.first(where: { bytes[$0...].starts(with: signs.utf8) }) else { return (self, nil) }
    return (
      Argument(Array(bytes[..<place]), from: source),
      Argument(Array(bytes[(place + signs.utf8.count)...]), from: source)
    )
  }
}
