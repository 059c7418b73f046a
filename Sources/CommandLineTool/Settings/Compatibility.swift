public import MQTT

/// All the differences between a tool under its own name and under that of the mosquitto client it replaces. Tools ask
/// here, never for their name.
public struct Compatibility: Sendable {
  /// The tool.
  public var tool: ToolName
  /// The name that the tool was called by, for messages.
  public var program: String
  /// The names of the configuration files, the first that exists is read.
  public var fileNames: [String]
  /// Whether variables such as MQTOOLS_URL stand for options.
  public var readsEnvironment: Bool
  /// What `--help` and `--version` exit with.
  public var helpStatus: ExitStatus
  /// The version of MQTT that is spoken unless something else is asked for.
  public var version: VersionChoice
  /// Whether a publishing tool sends to its last topic only, instead of to each.
  public var lastTopicWins: Bool
  /// Whether a client without an identifier leaves the choice to the broker, where the version allows it, instead of
  /// making one up.
  public var letsBrokerNameClient: Bool
  /// Whether a session that is kept without a limit given is kept for ever, instead of for seven days.
  public var keepsSessionsForEver: Bool
  /// Whether WebSocket is looked for at the ports of HTTP, instead of at those of MQTT.
  private var usesPortsOfHTTP: Bool
  /// Whether an option about TLS counts for nothing where nothing asks for TLS, instead of being a mistake.
  public var ignoresIdleTLSOptions: Bool
  /// Whether `--remove-retained` is done when the broker has sent what it kept, instead of going on.
  public var endsAfterRemoving: Bool
  /// How a subscriber takes leave when a signal or its time limit ends it: whether its will is to be published.
  public var interruptionReason: ReasonCode
  /// Whether output on a terminal has colours unless they are refused.
  public var colorsTerminals: Bool
  /// Whether a request is made only with a response topic that the user names.
  public var needsResponseTopic: Bool
  private var connectFailure: ExitStatus?

  /// The broker's port where nobody said it.
  func port(usesTLS: Bool, usesWebSocket: Bool) -> Int {
    if usesWebSocket && usesPortsOfHTTP { return usesTLS ? 443 : 80 }
    return usesTLS ? TLSPlan.port : 1883
  }

  /// The status to exit with when the connection could not be made for the reason `status`.
  public func status(ofConnectFailure status: ExitStatus) -> ExitStatus { connectFailure ?? status }

  /// What is the case without the option, if anything is.
  func standardValue(of option: OptionDescription) -> String? {
    switch option.name {
    case "--protocol-version" where version == .fixed(.v311): "311"
    case "--id" where letsBrokerNameClient: "the broker's choice"
    case "--color" where !colorsTerminals: "never"
    default: option.defaultValue
    }
  }

  /// A tool under its own name.
  public static func own(_ tool: ToolName) -> Compatibility {
    Compatibility(
      tool: tool, program: tool.rawValue, fileNames: [tool.rawValue] + (mosquittoName(of: tool).map { [$0] } ?? []),
      readsEnvironment: true, helpStatus: .ok, version: .auto, lastTopicWins: false, letsBrokerNameClient: false,
      keepsSessionsForEver: false, usesPortsOfHTTP: true, ignoresIdleTLSOptions: false, endsAfterRemoving: true,
      interruptionReason: .normalDisconnection, colorsTerminals: true, needsResponseTopic: false,
      connectFailure: nil)
  }

  /// A tool in the place of the client `program`.
  static func strict(_ tool: ToolName, program: String) -> Compatibility {
    Compatibility(
      tool: tool, program: program, fileNames: [program], readsEnvironment: false, helpStatus: .usage,
      version: .fixed(tool == .mqrr ? .latest : .v311), lastTopicWins: true, letsBrokerNameClient: true,
      keepsSessionsForEver: true, usesPortsOfHTTP: false, ignoresIdleTLSOptions: true, endsAfterRemoving: false,
      interruptionReason: .disconnectWithWillMessage, colorsTerminals: false, needsResponseTopic: true,
      connectFailure: .usage)
  }

  /// What holds for `tool` when it was called as `path`.
  public static func of(_ tool: ToolName, calledAs path: [UInt8]) -> Compatibility {
    let name = path[(path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...]
    guard let program = mosquittoName(of: tool), name.elementsEqual(program.utf8) else { return own(tool) }
    return strict(tool, program: program)
  }

  private static func mosquittoName(of tool: ToolName) -> String? {
    switch tool {
    case .mqpub: "mosquitto_pub"
    case .mqsub: "mosquitto_sub"
    case .mqrr: "mosquitto_rr"
    case .mqshell, .mqbench: nil
    }
  }
}

/// Which version of MQTT to speak.
public enum VersionChoice: Hashable, Sendable {
  /// The latest; an older one where the broker will not.
  case auto
  /// This one and no other.
  case fixed(ProtocolVersion)
}
