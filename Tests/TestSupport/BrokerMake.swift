import Foundation

/// A make of broker that Debian or PyPI has, and how one of it is started for a test.
///
/// `Scripts/interop` installs them; those of PyPI are looked for in the folder that $MQTOOLS_BROKERS names.
public enum BrokerMake: String, CaseIterable, Sendable {
  case mosquitto, rabbitmq, nats
  case natsDebian = "nats-deb"
  case ejabberd, activemq, amqtt, rumqttd

  /// What each client has to say to be let in.
  public var credentials: (user: String, password: String)? {
    // It lets everybody in who has a name and a password that is not empty.
    self == .ejabberd ? ("anybody", "anything") : nil
  }

  /// How long it may take to start on a busy machine.
  var patience: Duration { self == .rabbitmq || self == .ejabberd ? .seconds(120) : .seconds(60) }

  func configure(_ setup: inout BrokerSetup) throws {
    switch self {
    case .mosquitto: preconditionFailure("RealBroker starts mosquitto")
    case .rabbitmq: try configureRabbitMQ(&setup)
    case .nats: try configureNATS(&setup, program: Self.fromPyPI("nats-server"))
    case .natsDebian: try configureNATS(&setup, program: "/usr/sbin/nats-server")
    case .ejabberd: try configureEjabberd(&setup)
    case .activemq: try configureActiveMQ(&setup)
    case .amqtt: try configureAMQTT(&setup)
    case .rumqttd: try configureRumqttd(&setup)
    }
  }

  private static func fromPyPI(_ program: String) throws -> String {
    guard let folder = ProcessInfo.processInfo.environment["MQTOOLS_BROKERS"] else {
      throw TestFailure("\(program): run Scripts/interop, which installs brokers from PyPI")
    }
    return "\(folder)/bin/\(program)"
  }

  // MARK: - Erlang

  private func configureRabbitMQ(_ setup: inout BrokerSetup) throws {
    let versions = ["31", "311"]
    var lines = [
      "listeners.tcp = none",
      "mqtt.listeners.tcp.1 = 127.0.0.1:\(try setup.listen(.tcp, versions))",
      "web_mqtt.tcp.ip = 127.0.0.1",
      "web_mqtt.tcp.port = \(try setup.listen(.ws, versions, path: "/ws"))",
      "mqtt.allow_anonymous = true",
      "vm_memory_high_watermark.absolute = 1GB",
      "disk_free_limit.absolute = 50MB",
      "log.console = true",
      "log.file = false",
    ]
    if let tls = setup.tls {
      lines.append("mqtt.listeners.ssl.1 = 127.0.0.1:\(try setup.listen(.tls, versions))")
      lines.append("web_mqtt.ssl.ip = 127.0.0.1")
      lines.append("web_mqtt.ssl.port = \(try setup.listen(.wss, versions, path: "/ws"))")
      for prefix in ["ssl_options", "web_mqtt.ssl"] {
        lines.append("\(prefix).cacertfile = \(tls.authority)")
        lines.append("\(prefix).certfile = \(tls.certificate)")
        lines.append("\(prefix).keyfile = \(tls.key)")
      }
    }
    let (distribution, portMapper) = (try setup.port(), try setup.port())
    let folder = setup.folder
    let environment: [String: String?] = [
      "RABBITMQ_NODENAME": "interop\(distribution)@localhost",
      "RABBITMQ_CONFIG_FILE": try folder.write("rabbitmq.conf", lines.joined(separator: "\n") + "\n"),
      "RABBITMQ_ENABLED_PLUGINS_FILE": try folder.write("plugins", "[rabbitmq_mqtt,rabbitmq_web_mqtt].\n"),
      "RABBITMQ_ADVANCED_CONFIG_FILE": folder.path("none.config"),
      "RABBITMQ_CONF_ENV_FILE": folder.path("none.conf"),
      "RABBITMQ_MNESIA_BASE": folder.path("mnesia"),
      "RABBITMQ_LOG_BASE": folder.path("log"),
      "RABBITMQ_DIST_PORT": "\(distribution)",
      "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
      "ERL_EPMD_ADDRESS": "127.0.0.1",
      "ERL_EPMD_PORT": "\(portMapper)",
    ]
    // Started by the node it would become a daemon, which nobody ends.
    setup.start("epmd", [], environment: environment)
    setup.start("/usr/lib/rabbitmq/bin/rabbitmq-server", [], environment: environment)
  }

  private func configureEjabberd(_ setup: inout BrokerSetup) throws {
    let versions = ["311", "5"]
    var head = """
      hosts: [localhost]
      loglevel: info
      auth_method: [anonymous]
      anonymous_protocol: login_anon
      allow_multiple_connections: true
      modules: {mod_mqtt: {match_retained_limit: infinity}}

      """
    func listener(_ port: Int, isWebSocket: Bool, isTLS: Bool) -> String {
      let module =
        isWebSocket
        ? "module: ejabberd_http, request_handlers: {\"/mqtt\": mod_mqtt}" : "module: mod_mqtt, backlog: 100"
      return "  - {port: \(port), ip: \"127.0.0.1\", tls: \(isTLS), \(module)}\n"
    }
    var listeners = listener(try setup.listen(.tcp, versions), isWebSocket: false, isTLS: false)
    listeners += listener(try setup.listen(.ws, versions, path: "/mqtt"), isWebSocket: true, isTLS: false)
    let folder = setup.folder
    if let tls = setup.tls {
      let files = try [tls.certificate, tls.authority, tls.key].map { try String(contentsOfFile: $0, encoding: .utf8) }
      head += "certfiles: [\(try folder.write("server.pem", files.joined()))]\nca_file: \(tls.authority)\n"
      listeners += listener(try setup.listen(.tls, versions), isWebSocket: false, isTLS: true)
      listeners += listener(try setup.listen(.wss, versions, path: "/mqtt"), isWebSocket: true, isTLS: true)
    }
    // Debian keeps each release's code in a folder named after it.
    let libraries = try FileManager.default.contentsOfDirectory(atPath: "/usr/lib").map { "/usr/lib/" + $0 }
    guard let library = libraries.first(where: { path in (try? ejabberdFolder(in: path)) ?? nil != nil }) else {
      throw TestFailure("ejabberd is not installed")
    }
    // Without distribution there is neither a port mapper nor another port.
    setup.start(
      "erl", ["+S", "2:2", "-noinput", "-mnesia", "dir", "\"\(folder.path("data"))\"", "-s", "ejabberd"],
      environment: [
        "EJABBERD_CONFIG_PATH": try folder.write("ejabberd.yml", head + "listen:\n" + listeners),
        "EJABBERD_LOG_PATH": folder.path("ejabberd.log"),
        "ERL_CRASH_DUMP_BYTES": "0",
        "ERL_LIBS": library,
      ])
  }

  private func ejabberdFolder(in path: String) throws -> String? {
    try FileManager.default.contentsOfDirectory(atPath: path).first { $0.hasPrefix("ejabberd-") }
  }

  // MARK: - Go

  private func configureNATS(_ setup: inout BrokerSetup, program: String) throws {
    // One process has one MQTT listener: plain and TLS are two servers that know nothing of each other.
    for isTLS in setup.tls == nil ? [false] : [false, true] {
      let mqtt = try setup.listen(isTLS ? .tls : .tcp, ["311"])
      let webSocket = try setup.listen(isTLS ? .wss : .ws, ["311"], path: "/mqtt")
      let security =
        setup.tls.map { isTLS ? "tls { cert_file: \"\($0.certificate)\", key_file: \"\($0.key)\" }" : "" } ?? ""
      let name = isTLS ? "tls" : "plain"
      let file = try setup.folder.write(
        "\(name).conf",
        """
        server_name: \(name)
        host: 127.0.0.1
        port: \(try setup.port())
        max_payload: 8MB
        jetstream { store_dir: "\(setup.folder.path(name))", max_mem: 64MB, max_file: 256MB }
        mqtt { host: 127.0.0.1, port: \(mqtt), \(security) }
        websocket { host: 127.0.0.1, port: \(webSocket), \(isTLS ? security : "no_tls: true") }

        """)
      setup.start(program, ["-c", file])
    }
  }

  // MARK: - Java

  private func configureActiveMQ(_ setup: inout BrokerSetup) throws {
    let versions = ["31", "311"]
    let folder = setup.folder
    var connectors = ["mqtt://127.0.0.1:\(try setup.listen(.tcp, versions))"]
    var arguments = ["-Xmx256m"]
    if let tls = setup.tls {
      let store = folder.path("server.p12")
      let tool = try ToolProcess.run(
        "openssl",
        ["pkcs12", "-export", "-in", tls.certificate, "-inkey", tls.key, "-out", store, "-passout", "pass:changeit"])
      guard tool.end == .exited(0) else { throw TestFailure("openssl pkcs12: \(tool.errorText)") }
      connectors.append("mqtt+ssl://127.0.0.1:\(try setup.listen(.tls, versions))")
      arguments += [
        "-Djavax.net.ssl.keyStore=\(store)", "-Djavax.net.ssl.keyStorePassword=changeit",
        "-Djavax.net.ssl.keyStoreType=PKCS12",
      ]
    }
    try folder.write(
      "log4j.properties",
      """
      log4j.rootLogger=INFO, console
      log4j.appender.console=org.apache.log4j.ConsoleAppender
      log4j.appender.console.layout=org.apache.log4j.SimpleLayout

      """)
    let home = "/usr/share/activemq"
    let own = try FileManager.default.contentsOfDirectory(atPath: home + "/lib").map { "\(home)/lib/\($0)" }
    let others = ["mqtt-client", "hawtdispatch", "slf4j-api", "slf4j-log4j12", "log4j-1.2"].map {
      "/usr/share/java/\($0).jar"
    }
    let classPath = ([folder.path] + own.filter { $0.hasSuffix(".jar") } + others).joined(separator: ":")
    // All of the configuration stands in the address, so that neither Spring nor its files are needed.
    let broker = "broker:(\(connectors.joined(separator: ",")))?persistent=false&useJmx=false&brokerName=interop"
    arguments += [
      "-Dactivemq.home=\(home)", "-Dactivemq.base=\(folder.path)", "-Dactivemq.data=\(folder.path("data"))",
      "-cp", classPath, "org.apache.activemq.console.Main", "start",
      broker + "&dataDirectory=\(folder.path("data"))",
    ]
    setup.start("java", arguments)
  }

  // MARK: - Python and Rust

  private func configureAMQTT(_ setup: inout BrokerSetup) throws {
    var lines = ["listeners:"]
    lines.append("  default: {type: tcp, bind: '127.0.0.1:\(try setup.listen(.tcp, ["311"]))'}")
    lines.append("  web: {type: ws, bind: '127.0.0.1:\(try setup.listen(.ws, ["311"], path: "/"))'}")
    if let tls = setup.tls {
      let files = "ssl: true, certfile: '\(tls.certificate)', keyfile: '\(tls.key)'"
      lines.append("  secure: {type: tcp, bind: '127.0.0.1:\(try setup.listen(.tls, ["311"]))', \(files)}")
      let web = try setup.listen(.wss, ["311"], path: "/")
      lines.append("  secureweb: {type: ws, bind: '127.0.0.1:\(web)', \(files)}")
    }
    lines.append("plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}")
    let file = try setup.folder.write("amqtt.yaml", lines.joined(separator: "\n") + "\n")
    setup.start(try Self.fromPyPI("amqtt"), ["-c", file])
  }

  private func configureRumqttd(_ setup: inout BrokerSetup) throws {
    var text = """
      id = 0
      [router]
      id = 0
      max_connections = 1000
      max_outgoing_packet_count = 200
      max_segment_size = 104857600
      max_segment_count = 10
      [console]
      listen = "127.0.0.1:\(try setup.port())"

      """
    func add(_ table: String, _ port: Int, isTLS: Bool) {
      text += "[\(table)]\nname = \"\(table)\"\nlisten = \"127.0.0.1:\(port)\"\nnext_connection_delay_ms = 1\n"
      if isTLS, let tls = setup.tls {
        text += "[\(table).tls]\ncapath = \"\(tls.authority)\"\n"
        text += "certpath = \"\(tls.certificate)\"\nkeypath = \"\(tls.key)\"\n"
      }
      text += """
        [\(table).connections]
        connection_timeout_ms = 60000
        max_payload_size = 8388608
        max_inflight_count = 100
        dynamic_filters = true

        """
    }
    // Each version has its listeners; WebSocket has 3.1.1 only.
    for isTLS in setup.tls == nil ? [false] : [false, true] {
      let number = isTLS ? 2 : 1
      add("v4.\(number)", try setup.listen(isTLS ? .tls : .tcp, ["311"]), isTLS: isTLS)
      add("v5.\(number)", try setup.listen(isTLS ? .tls : .tcp, ["5"]), isTLS: isTLS)
      add("ws.\(number)", try setup.listen(isTLS ? .wss : .ws, ["311"], path: "/"), isTLS: isTLS)
    }
    let file = try setup.folder.write("rumqttd.toml", text)
    setup.start(try Self.fromPyPI("python"), ["-m", "iotcore", "--config", file])
  }
}
