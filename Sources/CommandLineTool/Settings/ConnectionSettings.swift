public import MQTT
public import MQTTClient

/// What was typed about the broker, the connection, the client and its session.
public struct ConnectionSettings: Sendable {
  // MARK: Broker

  /// The host, as a name or an address.
  public internal(set) var host = "localhost" {
    didSet { unixPath = nil }
  }
  /// The unix socket that takes the place of the host.
  var unixPath: String?
  var port: Int?
  /// `-S`: the host is a domain whose SRV records say where the broker is.
  var usesService = false
  var bindAddress: String?
  var userName = Credential<[UInt8]>()
  var password = Credential<Password>()
  var authentication: SCRAMMechanism?

  // MARK: What lies between

  var usesWebSocket = false
  var webSocketPath: [UInt8]?
  var webSocketFields = Accumulated<WebSocketSettings.HeaderField>()
  var proxy: ProxySettings?
  var proxyPassword: SecretSource?
  // MARK: TLS

  var tls = TLSSettings()

  // MARK: Client and session

  var identity = Exclusive<Identity>()
  var version: VersionChoice?
  var keepsSession = false
  var sessionExpiryInterval: UInt32?
  var keepAlive: UInt16 = 60
  var maximumInflight: UInt16?
  var properties = Accumulated<PropertyArgument>()

  // MARK: Will

  var willTopic: TopicName?
  var willPayload: [UInt8]?
  var willQoS = QoS.atMostOnce
  var willRetain = false

  // MARK: Time

  var connectTimeout = Duration.seconds(10)
  var timeout: Duration?
  var retryLimit: RetryLimit?
  var retryTime: Duration?
  var reconnects = true

  // MARK: Diagnostics

  var level: Diagnostics.Level?
  var logsJSON = false
  var isStrict = false

  /// A client identifier, or how it begins.
  enum Identity: Sendable {
    case identifier(Text)
    case prefix(Text)
  }

  /// A password, or where it is.
  enum Password: Sendable {
    case bytes([UInt8])
    case source(SecretSource)
  }

  /// A user name or password. One inside a URL belongs to the URL's host and to no other.
  struct Credential<Value: Sendable>: Sendable {
    private var typed: Value?
    private var ofURL: Value?
    private var host = ""

    mutating func set(_ value: Value) {
      typed = value
      ofURL = nil
    }

    mutating func set(_ value: Value, forHost host: String) {
      ofURL = value
      self.host = host
    }

    func value(forHost host: String) -> Value? {
      ofURL != nil && self.host.utf8.elementsEqual(host.utf8) ? ofURL : typed
    }
  }

  /// The defaults.
  public init() {}

  /// Whether the user has chosen the client identifier, so that another client may have the same.
  var hasGivenIdentifier: Bool {
    if case .identifier = identity.value { true } else { false }
  }

  /// The same settings for another client: not under an identifier that was meant for one.
  public var forAnotherClient: ConnectionSettings {
    var settings = self
    settings.identity = Exclusive()
    return settings
  }

  /// What standard error gets to see.
  public func diagnostics(_ compatibility: Compatibility) -> Diagnostics {
    Diagnostics(program: compatibility.program, level: level, isJSON: logsJSON)
  }

  /// Takes what a URL says, except its topic. It says all about the way to the broker that there is behind the proxy.
  public mutating func take(_ url: BrokerURL) {
    usesWebSocket = url.scheme.usesWebSocket
    webSocketPath = url.webSocketPath
    if !usesWebSocket { webSocketFields = Accumulated() }
    port = url.port
    tls.isOfURL = url.scheme.usesTLS
    guard url.unixPath == nil else {
      unixPath = url.unixPath
      return
    }
    host = url.host
    if let name = url.userName { userName.set(name.utf8, forHost: host) }
    if let password = url.password { self.password.set(.bytes(password), forHost: host) }
  }
}

/// How often to try again after a failure.
public enum RetryLimit: Hashable, Sendable {
  /// So many times in a row.
  case times(Int)
  /// As long as it takes.
  case forever
}

/// What the settings mean together: all that a client needs to know to connect.
public struct ConnectionPlan: Hashable, Sendable {
  /// The broker's name or address.
  public var host: String
  /// The broker's TCP port.
  public var port: UInt16
  /// The broker's unix socket, which takes the place of host and port.
  public var unixPath: String?
  /// Whether the host is a domain whose SRV records say where the broker is.
  public var usesService: Bool
  /// How an HTTP server is asked to speak WebSocket, if one is.
  public var webSocket: WebSocketSettings?
  /// What stands between, if something does.
  public var proxy: ProxySettings?
  /// Where the proxy's password is that is not in its settings.
  public var proxyPasswordSource: SecretSource?
  /// TLS, if it is to be spoken.
  public var tls: TLSPlan?
  /// The local name or address to connect from, if it matters.
  public var bindAddress: String?
  /// The versions to try.
  public var version: VersionChoice
  /// The CONNECT packet in the version that is tried first.
  public var connect: ConnectPacket
  /// Whether the user has chosen the client identifier, so that another client may have the same.
  public var hasGivenIdentifier: Bool
  /// Where the password is that is not in the packet.
  public var passwordSource: SecretSource?
  /// How to prove that we know the password, if it is not sent.
  public var authentication: SCRAMMechanism?
  /// The properties of the DISCONNECT packet that ends the connection.
  public var disconnectProperties: Properties
  /// How many messages of QoS 1 and 2 may wait for their acknowledgement at a time, besides what the broker says.
  public var maximumInflight: UInt16?
  /// How long an attempt to connect may take, from the name to CONNACK.
  public var connectTimeout: Duration
  /// How long the whole run may take.
  public var timeout: Duration?
  /// How often to try again, unless the tool decides.
  public var retryLimit: RetryLimit?
  /// How long to try again.
  public var retryTime: Duration?
  /// Whether a connection that was lost is made again.
  public var reconnects: Bool
  /// Whether the connection ends at anything that would be tolerated otherwise.
  public var isStrict: Bool
  /// Whether Ctrl-C at a question for a secret ends the question only, and not the process.
  public var goesOnAfterInterrupt = false

  /// Where the broker listens.
  public var endpoint: Endpoint {
    if let unixPath { return .unix(path: unixPath) }
    return usesService ? .service(domain: host, isSecure: tls != nil) : .tcp(host: host, port: port)
  }
}

extension ConnectionSettings {
  /// What the settings mean to a server: its certificate asks for TLS, and host and port are where it listens.
  public func serverPlan(_ compatibility: Compatibility) throws(UsageError) -> ConnectionPlan {
    var settings = self
    if tls.certificateFile != nil || tls.keyFile != nil { settings.tls.isAsked = true }
    return try settings.plan(compatibility)
  }

  /// What the settings mean together, or why they mean nothing. `option` is one of the tool's that needs MQTT 5.
  public func plan(
    _ compatibility: Compatibility, forLatestVersion option: String? = nil
  ) throws(UsageError) -> ConnectionPlan {
    let version = try versionChoice(compatibility, forLatestVersion: option)
    let first = if case .fixed(let version) = version { version } else { ProtocolVersion.latest }
    let unixPath = try unixSocket()
    let host = unixPath ?? host
    let userName = try userName.value(forHost: host).map { (name) throws(UsageError) in try Self.text(name, of: "-u") }
    var password: [UInt8]?
    var passwordSource: SecretSource?
    switch self.password.value(forHost: host) {
    case .bytes(let bytes): password = bytes
    case .source(let source): passwordSource = source
    case nil: break
    }
    guard password == nil && passwordSource == nil || userName != nil || first.hasPasswordAlone else {
      throw UsageError("a password needs a user name on \(first): give one with -u")
    }
    if authentication != nil, userName == nil || password == nil && passwordSource == nil {
      throw UsageError("--auth-method: needs a user name and a password: give them with -u and --pw-from")
    }
    let connect = ConnectPacket(
      protocolVersion: first, clientIdentifier: try clientIdentifier(compatibility, first), cleanStart: !keepsSession,
      keepAlive: keepAlive, userName: userName, password: password, will: try will(),
      properties: try connectProperties(compatibility))
    let tls = try tls.plan(port: port, compatibility)
    let webSocket = try webSocketSettings()
    let standardPort = compatibility.port(usesTLS: tls != nil, usesWebSocket: webSocket != nil)
    var plan = ConnectionPlan(
      host: host, port: UInt16(port ?? standardPort), unixPath: unixPath, usesService: usesService,
      webSocket: webSocket, tls: tls,
      bindAddress: bindAddress, version: version, connect: connect, hasGivenIdentifier: hasGivenIdentifier,
      passwordSource: passwordSource, authentication: authentication,
      disconnectProperties: try properties.properties(for: .disconnect),
      maximumInflight: maximumInflight,
      connectTimeout: connectTimeout, timeout: timeout, retryLimit: retryLimit, retryTime: retryTime,
      reconnects: reconnects, isStrict: isStrict)
    if usesService { try checkService(plan) }
    plan.proxy = try proxySettings(to: plan.endpoint)
    plan.proxyPasswordSource = proxyPassword
    return plan
  }

  /// Refuses what SRV records leave no room for.
  private func checkService(_ plan: ConnectionPlan) throws(UsageError) {
    let others: [(String, Bool)] = [
      ("-p: the port is part of the SRV record that -S looks for", port != nil),
      ("-S: a unix socket has no SRV record", plan.unixPath != nil),
      ("-S: there are no SRV records for WebSocket", plan.webSocket != nil),
      ("-S: a proxy looks no SRV records up", proxy != nil),
    ]
    if let other = others.first(where: \.1) { throw UsageError(other.0) }
  }

  /// The path of the unix socket, if that is what is meant: port 0 makes the host one.
  private func unixSocket() throws(UsageError) -> String? {
    if unixPath != nil || port != 0 { return unixPath }
    guard host.utf8.contains(UInt8(ascii: "/")) else {
      throw UsageError("-p: 0 makes the host the path of a unix socket, and \"\(host)\" is none: see --unix")
    }
    return host
  }

  /// Options that only the latest version can carry out ask for it, and contradict an older one.
  private func versionChoice(
    _ compatibility: Compatibility, forLatestVersion option: String?
  ) throws(UsageError) -> VersionChoice {
    var needing = option
    if sessionExpiryInterval != nil { needing = "-x" }
    if !properties.values.isEmpty { needing = "-D" }
    if authentication != nil { needing = "--auth-method" }
    guard let needing else { return version ?? compatibility.version }
    if case .fixed(let version) = version, !version.hasProperties {
      throw UsageError("\(needing): needs \(ProtocolVersion.latest), and -V asks for \(version)")
    }
    return .fixed(.latest)
  }

  private func clientIdentifier(
    _ compatibility: Compatibility, _ version: ProtocolVersion
  ) throws(UsageError) -> Text {
    if case .identifier(let identifier) = identity.value { return identifier }
    // Under any other identifier nobody finds the session again.
    if keepsSession { throw UsageError("-c: needs a client identifier, -i") }
    if sessionExpiryInterval == .max {
      throw UsageError("-x: a session that never expires needs a client identifier, -i")
    }
    if case .prefix(let prefix) = identity.value {
      return try Self.text(prefix.utf8 + Array("\(System.processIdentifier)".utf8), of: "-I")
    }
    if compatibility.letsBrokerNameClient && version.hasEmptyClientIdentifier { return "" }
    return Self.randomIdentifier(compatibility.tool)
  }

  private static func text(_ bytes: [UInt8], of option: String) throws(UsageError) -> Text {
    do { return try Text(utf8: bytes) } catch { throw UsageError("\(option): \(error.explanation)") }
  }

  /// The tool's name and as many random letters and digits as every server must take (MQTT 5, 3.1.3.1): 23 together.
  public static func randomIdentifier(_ tool: ToolName) -> Text {
    var identifier = Array("\(tool.rawValue)-".utf8)
    while identifier.count < 23 {
      var random = UInt64.random(in: 0 ... .max)  // One call to the system is good for twelve characters.
      for _ in 0..<min(12, 23 - identifier.count) {
        let digit = UInt8(truncatingIfNeeded: random % 36)
        identifier.append(digit < 26 ? UInt8(ascii: "a") + digit : UInt8(ascii: "0") + digit - 26)
        random /= 36
      }
    }
    return Text(stringLiteral: String(decoding: identifier, as: UTF8.self))
  }

  private func will() throws(UsageError) -> Message? {
    guard let willTopic else {
      if willPayload != nil { throw UsageError("--will-payload: needs --will-topic") }
      if willRetain { throw UsageError("--will-retain: needs --will-topic") }
      return nil
    }
    return Message(
      topic: willTopic, payload: willPayload ?? [], qos: willQoS, retain: willRetain,
      properties: try properties.properties(for: .will))
  }

  private func connectProperties(_ compatibility: Compatibility) throws(UsageError) -> Properties {
    var properties = try properties.properties(for: .connect)
    guard authentication == nil || properties.isEmpty || properties[.authenticationMethod] == nil else {
      throw UsageError("--auth-method: says the same as -D connect authentication-method; give one of them")
    }
    let given = properties.isEmpty ? nil : properties[.sessionExpiryInterval]
    guard given == nil || sessionExpiryInterval == nil else {
      throw UsageError("-x: says the same as -D connect session-expiry-interval; give one of them")
    }
    var interval = sessionExpiryInterval
    if interval == nil && given == nil && keepsSession {
      interval = compatibility.keepsSessionsForEver ? .max : 7 * 86_400
    }
    if let interval, interval > 0 { properties[.sessionExpiryInterval] = interval }
    return properties
  }
}
