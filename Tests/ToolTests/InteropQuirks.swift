import TestSupport

/// What a broker does not have, or has otherwise than the specification: known, no fault of the tools, and told by them.
struct Quirk {
  let make: BrokerMake
  let feature: Feature
  /// The words after `-V` that it shows with; nil for all.
  var versions: [String?]?
  /// The transports that it shows with.
  var transports = ForeignBroker.Transport.allCases
  /// What the trial of the feature says then: how a tool ends, or what was delivered.
  let words: String
  /// What there is to know of it.
  let meaning: String

  func isAbout(
    _ make: BrokerMake, _ feature: Feature, version: String?, over transport: ForeignBroker.Transport
  ) -> Bool {
    self.make == make && self.feature == feature && versions?.contains(version) ?? true
      && transports.contains(transport)
  }

  static let all: [Quirk] =
    [
      Quirk(
        make: .mosquitto, feature: .largePayload, transports: [.ws, .wss], words: "timed out",
        meaning: "2.0.11 sends 4 KiB each tenth of a second over WebSocket, 5 MB in two minutes"),
      Quirk(
        make: .rumqttd, feature: .largePayload, transports: [.ws, .wss], words: "timed out",
        meaning: "it takes them over WebSocket, but never sends them"),
      Quirk(
        make: .rabbitmq, feature: .qos2, words: "came with QoS 1",
        meaning: "it grants QoS 1, and answers a publish at QoS 2 with PUBACK"),
      Quirk(
        make: .rabbitmq, feature: .retainedByWildcard, words: "timed out", meaning: "found by the exact topic only"),
      Quirk(
        make: .natsDebian, feature: .qos2, words: "1 message was not acknowledged",
        meaning: "it closes the connection"),
      Quirk(
        make: .ejabberd, feature: .sharedSubscription, versions: ["311"], words: "instead of answering SUBSCRIBE",
        meaning: "on 3.1.1 it closes the connection, on 5 it says that it has none"),
      Quirk(
        make: .ejabberd, feature: .sharedSubscription, versions: ["5", nil],
        words: "the broker has no shared subscriptions",
        meaning: "on 3.1.1 it closes the connection, on 5 it says that it has none"),
      Quirk(
        make: .amqtt, feature: .offlineSession, words: "timed out",
        meaning: "it keeps nothing for clients without a user name"),
      Quirk(
        make: .amqtt, feature: .takeover, words: "timed out",
        meaning: "both connections stay, and both get the messages"),
    ]
    + [.rabbitmq, .nats, .natsDebian, .activemq, .amqtt].map { make in
      Quirk(
        make: make, feature: .sharedSubscription, words: "of 20 messages for two subscribers 0 came",
        meaning: "$share/... is a topic like any other")
    }
}
