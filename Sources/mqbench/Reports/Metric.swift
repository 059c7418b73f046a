/// The times that a report has, with what they mean: the one place for names and definitions.
enum TimeMetric: String, CaseIterable, Hashable, Sendable {
  case endToEnd = "end_to_end"
  case endToEndService = "end_to_end_service"
  case fanOut = "fan_out"
  case acknowledgement
  case acknowledgementService = "acknowledgement_service"
  case receipt
  case sendDelay = "send_delay"
  case sendDelayWindow = "send_delay_window"
  case sendDelaySocket = "send_delay_socket"
  case sendDelayTool = "send_delay_tool"
  case connect
  case name = "connect_name"
  case transport = "connect_transport"
  case layers = "connect_layers"
  case suback = "connect_suback"
  case roundTrip = "tcp_round_trip"
  case loopLag = "loop_lag"

  /// Whether the screen has room for it; pages have all.
  var isOnScreen: Bool {
    switch self {
    case .name, .transport, .layers, .suback, .roundTrip, .loopLag: false
    default: true
    }
  }

  /// Whether it is about the stages of connecting.
  var isStage: Bool {
    switch self {
    case .name, .transport, .layers, .connect, .suback: true
    default: false
    }
  }

  /// For tables; what is a part of the one above is indented.
  var title: String {
    switch self {
    case .endToEnd: "end to end"
    case .endToEndService: "  since sent"
    case .fanOut: "  to all"
    case .acknowledgement: "acknowledged"
    case .acknowledgementService: "  since sent"
    case .receipt: "  PUBREC"
    case .sendDelay: "send delay"
    case .sendDelayWindow: "  for window"
    case .sendDelaySocket: "  for network"
    case .sendDelayTool: "  in mqbench"
    case .name: "  name"
    case .transport: "  transport"
    case .layers: "  TLS and so on"
    case .connect: "connect"
    case .suback: "  SUBACK"
    case .roundTrip: "TCP round trip"
    case .loopLag: "loop lag"
    }
  }

  var definition: String {
    switch self {
    case .endToEnd:
      """
      From the moment at which a message was due to the return of the system call that completed it at a subscriber; one sample for \
      each delivery. What was owed and never came counts as longer than anything.
      """
    case .endToEndService:
      "From the moment at which the system had taken the message's last byte to the same. With one thread only."
    case .fanOut:
      """
      From due to the last of a message's deliveries; one sample for each message, where several subscribers get it. With one thread \
      only.
      """
    case .acknowledgement:
      "From due to the last acknowledgement: PUBACK at QoS 1, PUBCOMP at QoS 2."
    case .acknowledgementService: "From the moment at which the system had taken the message's last byte to the same."
    case .receipt: "From the last byte sent to PUBREC, at QoS 2."
    case .sendDelay:
      "From due to the moment at which the system had taken the last byte. Its parts add up to it."
    case .sendDelayWindow: "The part of the send delay in which too many messages were unacknowledged."
    case .sendDelaySocket: "The part in which the connection took no more bytes, or was lost."
    case .sendDelayTool: "The rest: mqbench was late itself."
    case .name: "From the moment at which an attempt to connect was due until the broker's name was looked up."
    case .transport: "From due until TCP, or the unix socket, was connected."
    case .layers: "From due until TLS, WebSocket and proxies were agreed on."
    case .connect: "From due to CONNACK."
    case .suback: "From due to SUBACK."
    case .roundTrip:
      """
      What the system measured of TCP at the end, one sample for each connection: with acknowledgements that the other side put off.
      """
    case .loopLag:
      """
      How late a thread was at what it had to do at a certain time; of a message that was held back, from when it could be handed over.
      """
    }
  }
}

/// What a report counts, over the messages that were due in the window.
enum CountMetric: String, CaseIterable, Hashable, Sendable {
  case offered, sent, acknowledged, expected, delivered, lost, duplicates
  case allowedDuplicates = "duplicates_with_dup"
  case reordered
  case largestDisplacement = "largest_displacement"
  case corrupted, foreign, refused
  case withoutSubscribers = "without_subscribers"
  case inDoubt = "in_doubt"
  case undeliverable, clients, connected
  case lostConnections = "lost_connections"
  case failedAttempts = "failed_attempts"
  case reconnections
  case publishBytes = "publish_bytes"
  case publishBytesReceived = "publish_bytes_received"

  var definition: String {
    switch self {
    case .offered: "Messages that were due in the window."
    case .sent: "Those of them that the system took whole, however late."
    case .acknowledged: "Those of them with a last acknowledgement below 0x80."
    case .expected:
      """
      Deliveries that the broker owes: of each message that it answers for (acknowledged, or at QoS 0 sent), one to each \
      subscriber of its topic whose connection lived, or one to a group that shares it.
      """
    case .delivered: "Deliveries that came, each once."
    case .lost: "Expected deliveries that had not come at the end of the drain."
    case .duplicates: "Further arrivals of a message at a subscriber that had it."
    case .allowedDuplicates: "Those of them at QoS 1 with DUP, the only ones that MQTT allows."
    case .reordered:
      """
      Arrivals with a lower number than one before, of the same publisher and topic at the same subscriber (RFC 4737); not \
      counted for subscribers that share a topic.
      """
    case .largestDisplacement: "How many numbers behind the highest one the worst of them came."
    case .corrupted: "Messages of this run with a wrong length or check byte."
    case .foreign: "Messages of other runs or programs."
    case .refused: "Messages with an acknowledgement of 0x80 or above."
    case .withoutSubscribers: "Messages that the broker acknowledged as having no subscribers (0x10)."
    case .inDoubt: "Messages whose connection was lost before the last acknowledgement: neither delivered nor lost."
    case .undeliverable:
      "Deliveries to subscribers that were away, because their connection was lost or they left by plan; not expected."
    case .lostConnections: "Connections that were lost."
    case .reconnections: "Clients that left by plan and came again while the window was open."
    case .failedAttempts: "Attempts to connect that failed."
    case .publishBytes: "Bytes of the PUBLISH packets that were sent, headers and all."
    case .publishBytesReceived: "The same of those that came, further arrivals too."
    case .clients: "Clients that were to connect (connect only)."
    case .connected: "Those of them that the broker accepted."
    }
  }
}

/// Numbers of messages a second over the window.
enum RateMetric: String, CaseIterable, Hashable, Sendable {
  case offered, sent, acknowledged, delivered, connected
  case bytesSent = "bytes_sent"
  case bytesReceived = "bytes_received"

  /// Whether it is about messages or connections, and not about bytes.
  var isCount: Bool { self != .bytesSent && self != .bytesReceived }

  var definition: String {
    switch self {
    case .offered: "Messages that were due in the window, divided by its length."
    case .sent: "Messages that were sent while the window was open, divided by its length."
    case .acknowledged: "The same of acknowledgements."
    case .delivered: "The same of deliveries."
    case .connected:
      "Connections that the broker accepted, by the time from when the first was due to the last CONNACK (connect only)."
    case .bytesSent:
      "Bytes that the system took for all connections, whatever they were: acknowledgements, TLS and WebSocket too."
    case .bytesReceived: "The same of bytes that came."
    }
  }
}
