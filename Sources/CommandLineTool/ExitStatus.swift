/// What a tool's exit status says. The numbers are part of the interface: scripts test them.
///
/// 0, 1, 7, 27, the return codes 1–5 of MQTT 3.x and the reason codes 128–162 of MQTT 5 are those of mosquitto's
/// clients, most others those of its library. Above 128 the number may also be the shell's word for a signal.
public struct ExitStatus: RawRepresentable, Hashable, Sendable {
  /// The number that the system is given.
  public var rawValue: Int32

  /// The status with the number `rawValue`.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// All that was asked for happened.
  public static let ok = ExitStatus(rawValue: 0)
  /// A wrong option, value, file or combination.
  public static let usage = ExitStatus(rawValue: 1)
  /// MQTT 3.x: the client identifier was refused.
  public static let identifierRefused = ExitStatus(rawValue: 2)
  /// MQTT 3.x: the broker is there, its service is not.
  public static let unavailable = ExitStatus(rawValue: 3)
  /// MQTT 3.x: bad user name or password.
  public static let badCredentials = ExitStatus(rawValue: 4)
  /// MQTT 3.x: not authorised.
  public static let notAuthorized = ExitStatus(rawValue: 5)
  /// No value, or no subscriber.
  public static let nothingThere = ExitStatus(rawValue: 6)
  /// The connection ended with work unfinished.
  public static let connectionLost = ExitStatus(rawValue: 7)
  /// A certificate was refused.
  public static let certificate = ExitStatus(rawValue: 8)
  /// The broker does not offer it.
  public static let notSupported = ExitStatus(rawValue: 10)
  /// No network connection.
  public static let cannotConnect = ExitStatus(rawValue: 14)
  /// A proxy or the WebSocket upgrade refused.
  public static let proxy = ExitStatus(rawValue: 16)
  /// Not UTF-8, or not a topic, found while running.
  public static let badText = ExitStatus(rawValue: 18)
  /// Keep alive ran out.
  public static let silence = ExitStatus(rawValue: 19)
  /// The host's name was not found.
  public static let nameNotFound = ExitStatus(rawValue: 20)
  /// The broker broke the protocol.
  public static let brokerFault = ExitStatus(rawValue: 21)
  /// TLS failed before a certificate was judged.
  public static let handshake = ExitStatus(rawValue: 23)
  /// A message above the maximum packet size.
  public static let tooLarge = ExitStatus(rawValue: 25)
  /// A time limit ran out.
  public static let timedOut = ExitStatus(rawValue: 27)
  /// A script's expectation was not met.
  public static let expectationNotMet = ExitStatus(rawValue: 30)
  /// A measured goal was not met.
  public static let goalMissed = ExitStatus(rawValue: 31)
  /// The measurement proves nothing.
  public static let notMeasurable = ExitStatus(rawValue: 32)
  /// A comparison found a difference.
  public static let differs = ExitStatus(rawValue: 33)
  /// Some items failed, for different reasons.
  public static let partly = ExitStatus(rawValue: 36)
  /// A command that was to be run failed for good.
  public static let helper = ExitStatus(rawValue: 69)
  /// A mistake in the tool itself.
  public static let internalError = ExitStatus(rawValue: 70)
  /// Neither delivered nor stored.
  public static let cannotSpool = ExitStatus(rawValue: 73)
  /// The output could not be written.
  public static let output = ExitStatus(rawValue: 74)
  /// Stored, not delivered yet.
  public static let spooled = ExitStatus(rawValue: 75)
  /// Messages were put aside.
  public static let quarantined = ExitStatus(rawValue: 76)
  /// A spool that belongs to somebody else.
  public static let foreignSpool = ExitStatus(rawValue: 78)

  /// The status of a return code above 0 in a CONNACK of MQTT 3.1 or 3.1.1 (table 3.1). Some brokers put reason codes
  /// of MQTT 5 there; the numbers in between are reserved, and a broker that sends one is at fault.
  public static func returnCode(_ code: UInt8) -> ExitStatus {
    switch code {
    case 1...5: ExitStatus(rawValue: Int32(code))
    case 128...: reasonCode(code)
    default: brokerFault
    }
  }

  /// The status of a reason code of 0x80 and above (MQTT 5, table 2-6). One that is not in the specification counts as
  /// an unspecified error.
  public static func reasonCode(_ code: UInt8) -> ExitStatus {
    ExitStatus(rawValue: (128...162).contains(code) ? Int32(code) : 128)
  }

  /// Whether the same run could succeed a little later, so that trying again is worth it.
  public var isTransient: Bool {
    switch rawValue {
    case 128...162:
      switch UInt8(rawValue) {
      case 0x80, 0x83: true  // unspecified, implementation specific: the broker does not say
      case 0x88, 0x89, 0x8B: true  // unavailable, busy, shutting down
      case 0x8D, 0xA0: true  // keep alive time-out, maximum connect time: a new connection is what is asked for
      case 0x96, 0x97, 0x9F: true  // message rate, quota, connection rate
      case 0x9C: true  // use another server, for the time being
      default: false
      }
    default: Self.table.first { $0.status == self }?.isTransient ?? false
    }
  }
}

extension ExitStatus {
  /// What the manual says of a status.
  public struct Row: Sendable {
    /// The status.
    public var status: ExitStatus
    /// One sentence without a full stop.
    public var meaning: String
    /// Whether to try again helps.
    public var isTransient: Bool
    /// The tools that can end so.
    public var tools: [ToolName]

    init(_ status: ExitStatus, _ meaning: String, transient: Bool = false, _ tools: ToolName...) {
      self.status = status
      self.meaning = meaning
      self.isTransient = transient
      self.tools = tools.isEmpty ? ToolName.allCases : tools
    }
  }

  /// Every status with a number of its own, in the order of the numbers. A row that names no tool is for all.
  public static let table: [Row] = [
    Row(.ok, "all that was asked for happened"),
    Row(
      .usage, "a wrong option, value, file or combination; on MQTT 3.x also: the broker refuses the protocol version"),
    Row(.identifierRefused, "MQTT 3.x: the broker refuses the client identifier"),
    Row(.unavailable, "MQTT 3.x: the broker's service is unavailable", transient: true),
    Row(.badCredentials, "MQTT 3.x: bad user name or password"),
    Row(.notAuthorized, "MQTT 3.x: not authorised to connect"),
    Row(.nothingThere, "nothing there: no retained value, or no subscriber", .mqpub, .mqsub, .mqshell),
    Row(.connectionLost, "the connection was lost for good with work unfinished", transient: true),
    Row(.certificate, "a TLS certificate was refused, or the own certificate or key is unusable"),
    Row(.notSupported, "the broker's limits forbid what was asked for"),
    Row(.cannotConnect, "no connection: refused, unreachable or reset", transient: true),
    Row(.proxy, "the proxy or the WebSocket upgrade refused", transient: true),
    Row(.badText, "a topic or a line that was read is not valid UTF-8 or not a valid topic"),
    Row(.silence, "the broker fell silent and keep alive ran out", transient: true),
    Row(.nameNotFound, "the broker's host name was not found", transient: true),
    Row(.brokerFault, "the broker sent a malformed packet or broke the protocol"),
    Row(.handshake, "TLS failed before a certificate was judged", transient: true),
    Row(.tooLarge, "a message is larger than the broker takes", .mqpub, .mqrr, .mqshell),
    Row(.timedOut, "a time limit ran out", transient: true),
    Row(.expectationNotMet, "an expectation of a script was not met", .mqshell),
    Row(.goalMissed, "a goal was not met", .mqrr, .mqbench),
    Row(
      .notMeasurable, "the measurement proves nothing: the tool or its host was the limit, or samples were too few",
      .mqrr, .mqbench),
    Row(.differs, "a comparison found a difference to the worse beyond the noise", .mqbench),
    Row(.partly, "some of several items failed, for different reasons", .mqpub, .mqsub, .mqrr),
    Row(.helper, "a command that was to be run could not be started or failed for good"),
    Row(.internalError, "a mistake in the tool itself; please report it"),
    Row(.cannotSpool, "neither delivered nor stored: the spool could not take the message", .mqpub),
    Row(.output, "standard output or a file could not be written", .mqsub, .mqrr, .mqshell, .mqbench),
    Row(.spooled, "stored safely and not delivered yet", transient: true, .mqpub),
    Row(.quarantined, "the spool was worked off, but messages were put aside as undeliverable", .mqpub),
    Row(.foreignSpool, "the spool belongs to another broker or user, or to a newer version", .mqpub),
  ]
}

/// The tools by name.
public enum ToolName: String, CaseIterable, Sendable {
  case mqpub, mqsub, mqrr, mqshell, mqbench
}
