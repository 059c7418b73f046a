import MQTT
import MQTTClient
import Testing

@testable import CommandLineTool

struct ConnectionOptionTests {
  static let rows: [Row<ConnectionPlan>] = [
    Row("-h", "broker.example") { $0.host = "broker.example" },
    Row("--host", "::1") { $0.host = "::1" },
    Row("-p", "1884") { $0.port = 1884 },
    Row("--port", "65535") { $0.port = 65_535 },
    Row("-A", "192.0.2.1") { $0.bindAddress = "192.0.2.1" },
    Row("-u", "bob") { $0.connect.userName = "bob" },
    Row("--username", "", "-P", "") { ($0.connect.userName, $0.connect.password) = ("", []) },
    Row("-u", "bob", "-P", "a b") { ($0.connect.userName, $0.connect.password) = ("bob", bytes("a b")) },
    Row("--pw", "s", "-u", "é") { ($0.connect.userName, $0.connect.password) = ("é", bytes("s")) },
    Row("-P", "alone") { $0.connect.password = bytes("alone") },
    Row("--pw-from", "file:pw") { $0.passwordSource = .file(path: bytes("pw")) },
    Row("--pw-from=command:pass show a", "-u", "bob") {
      ($0.connect.userName, $0.passwordSource) = ("bob", .command(bytes("pass show a")))
    },
    Row("--pw-file", "a b") { $0.passwordSource = .file(path: bytes("a b")) },
    Row("-P", "other", "--pw-from", "prompt") { $0.passwordSource = .prompt },
    Row("--pw-from", "prompt", "-P", "s") { $0.connect.password = bytes("s") },
    Row("--nodelay") { _ in },
    Row("-L", "mqtt://broker.example") { $0.host = "broker.example" },
    Row("--url", "MQTT://b:p%40%2F%25@[::1]:1884/a/b") {
      ($0.host, $0.port) = ("::1", 1884)
      ($0.connect.userName, $0.connect.password) = ("b", bytes("p@/%"))
    },
    Row("-V", "auto") { $0.version = .auto },
    Row("-V", "5") { $0.version = .fixed(.v5) },
    Row("-V", "mqttv5") { $0.version = .fixed(.v5) },
    Row("-V", "311") { ($0.version, $0.connect.protocolVersion) = (.fixed(.v311), .v311) },
    Row("--protocol-version", "mqttv311") { ($0.version, $0.connect.protocolVersion) = (.fixed(.v311), .v311) },
    Row("-V31") { ($0.version, $0.connect.protocolVersion) = (.fixed(.v31), .v31) },
    Row("-V", "mqttv31") { ($0.version, $0.connect.protocolVersion) = (.fixed(.v31), .v31) },
    Row("-i", "sensor 7") { $0.connect.clientIdentifier = "sensor 7" },
    Row("--id", "é") { $0.connect.clientIdentifier = "é" },
    Row("-c") {
      $0.connect.cleanStart = false
      $0.connect.properties[.sessionExpiryInterval] = 604_800
    },
    Row("--disable-clean-session", "-x", "10") {
      $0.version = .fixed(.v5)
      $0.connect.cleanStart = false
      $0.connect.properties[.sessionExpiryInterval] = 10
    },
    Row("-c", "-D", "connect", "session-expiry-interval", "5") {
      $0.version = .fixed(.v5)
      $0.connect.cleanStart = false
      $0.connect.properties[.sessionExpiryInterval] = 5
    },
    Row("-c", "-V", "311") {
      ($0.version, $0.connect.protocolVersion) = (.fixed(.v311), .v311)
      $0.connect.cleanStart = false
      $0.connect.properties[.sessionExpiryInterval] = 604_800
    },
    Row("-x", "0") { $0.version = .fixed(.v5) },
    Row("-x", "7d") {
      $0.version = .fixed(.v5)
      $0.connect.properties[.sessionExpiryInterval] = 604_800
    },
    Row("-k", "0") { $0.connect.keepAlive = 0 },
    Row("-k", "1") { $0.connect.keepAlive = 1 },
    Row("--keepalive", "65535") { $0.connect.keepAlive = 65_535 },
    Row("-k", "5m") { $0.connect.keepAlive = 300 },
    Row("-M", "1") { $0.maximumInflight = 1 },
    Row("-M", "65535") { $0.maximumInflight = 65_535 },
    Row("-D", "connect", "receive-maximum", "5", "--property", "disconnect", "user-property", "a", "b") {
      $0.version = .fixed(.v5)
      $0.connect.properties[.receiveMaximum] = 5
      $0.disconnectProperties.userProperties = [UserProperty("a", "b")]
    },
    Row("--will-topic", "gone") { $0.connect.will = Message(topic: topic("gone")) },
    Row("--will-qos", "2") { _ in },
    Row("--will-topic", "gone", "--will-payload", "yes", "--will-qos", "2", "--will-retain") {
      $0.connect.will = Message(topic: topic("gone"), payload: bytes("yes"), qos: .exactlyOnce, retain: true)
    },
    Row("--will-topic", "gone", "-D", "will", "will-delay-interval", "3") {
      $0.version = .fixed(.v5)
      $0.connect.will = Message(topic: topic("gone"), properties: properties { $0[.willDelayInterval] = 3 })
    },
    Row("-S", "-h", "example.com") {
      $0.host = "example.com"
      $0.usesService = true
    },
    Row("--auth-method", "SCRAM-SHA-256", "-u", "ann", "-P", "sesame") {
      $0.version = .fixed(.v5)
      $0.connect.userName = "ann"
      $0.connect.password = bytes("sesame")
      $0.authentication = .sha256
    },
    Row("-W", "0.5") { $0.timeout = .milliseconds(500) },
    Row("--timeout", "5m") { $0.timeout = .seconds(300) },
    Row("--connect-timeout", "3") { $0.connectTimeout = .seconds(3) },
    Row("--retry", "0") { $0.retryLimit = .times(0) },
    Row("--retry", "7") { $0.retryLimit = .times(7) },
    Row("--retry", "forever") { $0.retryLimit = .forever },
    Row("--retry-max-time", "1h") { $0.retryTime = .seconds(3600) },
    Row("--no-reconnect") { $0.reconnects = false },
    Row("--strict") { $0.isStrict = true },
    Row("-d") { _ in }, Row("--debug") { _ in }, Row("--trace") { _ in }, Row("--quiet") { _ in },
    Row("--log", "notice") { _ in }, Row("--log-json") { _ in },
  ]

  @Test("each option means what the interface says", arguments: rows)
  func meaning(row: Row<ConnectionPlan>) throws {
    var expected = try connecting(["-i", "me"])
    row.change(&expected)
    #expect(try connecting(["-i", "me"] + row.words) == expected)
  }

  @Test("what no option means")
  func defaults() throws {
    let plan = try connecting(["-i", "me"])
    #expect((plan.host, plan.port, plan.bindAddress) == ("localhost", 1883, nil))
    #expect(plan.version == .auto)
    #expect(plan.connect == ConnectPacket(protocolVersion: .v5, clientIdentifier: "me", keepAlive: 60))
    #expect(plan.disconnectProperties.isEmpty)
    #expect((plan.maximumInflight, plan.connectTimeout, plan.timeout) == (nil, .seconds(10), nil))
    #expect((plan.retryLimit, plan.retryTime, plan.reconnects, plan.isStrict) == (nil, nil, true, false))
  }

  @Test("every option of the group has a row above")
  func completeness() {
    let refused = ["--tls-engine", "--tls-engine-kpass-sha1"]
    let rows = Self.rows + TransportOptionTests.rows + TLSOptionTests.rows
    let words = rows.flatMap(\.words) + ["-I", "--id-prefix", "--tls-info"] + refused
    for option in ConnectionSettings.options.map(\.description) + [ConnectionSettings.urlDescription] {
      #expect(option.spellings.contains { words.contains($0) }, "\(option.name)")
    }
  }

  @Test(
    "a session's expiry is read as C reads numbers, and more",
    arguments: [
      ("-1", 0xFFFF_FFFF), ("∞", 0xFFFF_FFFF), ("4294967295", 0xFFFF_FFFF), ("0x10", 16), ("0XfF", 255), ("010", 8),
      ("10", 10), ("2m", 120), ("1.5m", 90), ("09", 9),
    ] as [(String, UInt32)])
  func sessionExpiry(text: String, seconds: UInt32) throws {
    #expect(try connecting(["-i", "me", "-x", text]).connect.properties[.sessionExpiryInterval] == seconds)
  }

  @Test(
    "a wrong value is told with what is right",
    arguments: [
      (["-h", ""], "-h: the host is missing"),
      (["-p", "0"], "-p: 0 makes the host the path of a unix socket, and \"localhost\" is none: see --unix"),
      (["-p", "65536"], "-p: \"65536\" is not a number from 0 to 65535"),
      (["-V", "4"], "-V: \"4\" is not auto, 5, 311, 31, mqttv5, mqttv311 or mqttv31"),
      (["-i", ""], "-i: is empty; leave it out to have one made up"),
      (["-k", "65536"], "-k: \"65536\" is not a whole number of seconds up to 65535"),
      (["-k", "1.5"], "-k: \"1.5\" is not a whole number of seconds up to 65535"),
      (["-k", "-1"], "-k: \"-1\" is not a time such as 10, 0.5, 500ms, 2s, 5m, 1h or 7d"),
      (["-x", "0x+5"], "-x: \"0x+5\" is not a time such as 10, 0.5, 500ms, 2s, 5m, 1h or 7d"),
      (["-x", "4294967296"], "-x: \"4294967296\" is not a whole number of seconds up to 4294967295"),
      (["-x", "-2"], "-x: \"-2\" is not a time such as 10, 0.5, 500ms, 2s, 5m, 1h or 7d"),
      (["-M", "0"], "-M: \"0\" is not a number from 1 to 65535"),
      (["-M", "65536"], "-M: \"65536\" is not a number from 1 to 65535"),
      (["--will-topic", "a/#"], "--will-topic: \"a/#\": a topic name has no wildcards + and #"),
      (["--will-topic", ""], "--will-topic: \"\": a topic name is at least one character long"),
      (["--will-qos", "3"], "--will-qos: \"3\" is not 0, 1 or 2"),
      (["-W", "0"], "-W: \"0\" is not a time above zero"),
      (["--connect-timeout", "0"], "--connect-timeout: \"0\" is not a time above zero"),
      (["--retry", "often"], "--retry: \"often\" is not a number from 0"),
      (["--log", "info"], "--log: \"info\" is not error, warning, notice, debug or trace"),
      (["-L", "mqtt://"], "-L: the host is missing"),
      (["-L", "mqtt://:1883"], "-L: the host is missing"),
      (["-L", "mqtt://h:x/t"], "-L: \"x\" is not a number from 1 to 65535"),
      (["-L", "mqtt://::1/t"], "-L: an IPv6 address in a URL stands in brackets, as in mqtt://[::1]:1883"),
      (["-L", "mqtt://[::1/t"], "-L: an address in the URL lacks its closing bracket"),
      (["-L", "mqtt://[::1]x/t"], "-L: something stands behind the address in the URL"),
      (
        ["-L", "mqtt://u:100%@h"],
        "-L: a % in the URL's password is not followed by two hexadecimal digits; write %25 for it"
      ),
      (
        ["-u", String(repeating: "a", count: 65_536)],
        "-u: \"\(String(repeating: "a", count: 77))...\": a text is longer than 65,535 bytes"
      ),
      (["-P", String(repeating: "a", count: 65_536)], "-P: is longer than 65,535 bytes"),
      (["--pw-from", "secret"], "--pw-from: is not file:PATH, env:NAME, fd:N, prompt or command:CMD"),
      (["--pw-file", ""], "--pw-file: the path is missing"),
      (["--will-payload", String(repeating: "a", count: 65_536)], "--will-payload: is longer than 65,535 bytes"),
    ])
  func wrongValues(words: [String], message: String) {
    #expect(throws: UsageError(message)) { try connecting(words) }
  }

  @Test(
    "what does not go together is told before anything is sent",
    arguments: [
      (["-i", "a", "-I", "b"], "-I: cannot stand together with -i"),
      (["--id-prefix", "b", "--id", "a"], "--id: cannot stand together with -I"),
      (["-c"], "-c: needs a client identifier, -i"),
      (["-c", "-x", "10"], "-c: needs a client identifier, -i"),
      (["-c", "-I", "prefix"], "-c: needs a client identifier, -i"),
      (["-x", "-1"], "-x: a session that never expires needs a client identifier, -i"),
      (["-V", "311", "-x", "10"], "-x: needs MQTT 5, and -V asks for MQTT 3.1.1"),
      (["-D", "connect", "receive-maximum", "5", "-V", "31"], "-D: needs MQTT 5, and -V asks for MQTT 3.1"),
      (["-V", "311", "-P", "secret"], "a password needs a user name on MQTT 3.1.1: give one with -u"),
      (["-V", "31", "--pw-from", "prompt"], "a password needs a user name on MQTT 3.1: give one with -u"),
      (["--will-payload", ""], "--will-payload: needs --will-topic"),
      (["--will-retain"], "--will-retain: needs --will-topic"),
      (
        ["-x", "5", "-D", "connect", "session-expiry-interval", "5"],
        "-x: says the same as -D connect session-expiry-interval; give one of them"
      ),
    ])
  func contradictions(words: [String], message: String) {
    #expect(throws: UsageError(message)) { try connecting(words) }
  }

  @Test("a CONNECT packet that is planned can be sent", arguments: rows)
  func encoding(row: Row<ConnectionPlan>) throws {
    let plan = try connecting(["-i", "me"] + row.words)
    var queue = ByteQueue()
    try ControlPacket.connect(plan.connect).encode(as: plan.connect.protocolVersion, to: &queue)
    #expect(queue.count > 10)
  }
}

struct ClientIdentifierTests {
  @Test("[MQTT-3.1.3-5] a made-up identifier is one that every server must take, and each time another")
  func madeUp() throws {
    var seen: Set<Text> = []
    for _ in 0..<20 {
      let identifier = try connecting([]).connect.clientIdentifier
      #expect(identifier.utf8.count == 23)
      #expect(identifier.description.hasPrefix("mqpub-"))
      #expect(identifier.utf8.dropFirst(6).allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789".utf8.contains($0) })
      seen.insert(identifier)
    }
    #expect(seen.count == 20)
    #expect(try subscribing(["-t", "a"]).connection.connect.clientIdentifier.description.hasPrefix("mqsub-"))
  }

  @Test("a prefix is followed by the process's number")
  func prefix() throws {
    let own = "\(System.processIdentifier)"
    #expect(try connecting(["-I", "site-"]).connect.clientIdentifier.description == "site-\(own)")
    #expect(try connecting(["--id-prefix", ""]).connect.clientIdentifier.description == own)
  }

  @Test("under mosquitto's name the broker chooses, where the version has that")
  func strictMode() throws {
    #expect(try connecting([], as: "mosquitto_pub").connect.clientIdentifier == "")
    #expect(try connecting(["-V", "5"], as: "mosquitto_pub").connect.clientIdentifier == "")
    #expect(try connecting(["-V", "31"], as: "mosquitto_pub").connect.clientIdentifier.utf8.count == 23)
  }

  @Test("a stronger source may name a client that a weaker one gave a prefix")
  func sources() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("-I site-\n", to: "options")
    #expect(try connecting(["-o", file, "-i", "me"]).connect.clientIdentifier == "me")
  }
}

struct VersionTests {
  @Test(
    "MQTT 5 first under the own name, 3.1.1 under mosquitto's, and 5 wherever an option needs it",
    arguments: [
      ("mqpub", [], VersionChoice.auto), ("mosquitto_pub", [], .fixed(.v311)), ("mqpub", ["-x", "5"], .fixed(.v5)),
      ("mosquitto_pub", ["-x", "5"], .fixed(.v5)), ("mqpub", ["-V", "auto", "-x", "5"], .fixed(.v5)),
      ("mosquitto_pub", ["-V", "auto"], .auto), ("mosquitto_pub", ["-V", "31"], .fixed(.v31)),
    ])
  func choice(program: String, words: [String], version: VersionChoice) throws {
    #expect(try connecting(words, as: program).version == version)
  }

  @Test("a kept session lasts seven days, under mosquitto's name for ever")
  func keptSessions() throws {
    #expect(try connecting(["-c", "-i", "a"]).connect.properties[.sessionExpiryInterval] == 604_800)
    #expect(
      try connecting(["-c", "-i", "a"], as: "mosquitto_pub").connect.properties[.sessionExpiryInterval] == 0xFFFF_FFFF)
  }
}

struct CredentialTests {
  private func user(_ words: [String], _ environment: [String: String] = [:]) throws -> String {
    let connect = try connecting(words, environment: environment).connect
    let password = connect.password.map { String(decoding: $0, as: UTF8.self) }
    return "\(connect.userName?.description ?? "-"):\(password ?? "-")"
  }

  @Test(
    "a user inside a URL belongs to that URL's host",
    arguments: [
      (["-L", "mqtt://a:b@h1/t"], "a:b"),
      (["-L", "mqtt://a:b@h1/t", "-h", "h1"], "a:b"),
      (["-L", "mqtt://a:b@h1/t", "-p", "99"], "a:b"),
      (["-L", "mqtt://a:b@h1/t", "-h", "h2"], "-:-"),
      (["-L", "mqtt://a:b@h1/t", "-L", "mqtt://h2/t"], "-:-"),
      (["-L", "mqtt://a:b@h1/t", "-L", "mqtt://h1/u"], "a:b"),
      (["-L", "mqtt://a:b@h1/t", "-u", "c", "-h", "h2"], "c:-"),
      (["-u", "c", "-P", "d", "-L", "mqtt://a:b@h1/t"], "a:b"),
      (["-u", "c", "-P", "d", "-L", "mqtt://a:b@h1/t", "-h", "h2"], "c:d"),
      (["-u", "c", "-P", "d", "-L", "mqtt://h1/t"], "c:d"),
      (["-L", "mqtt://a@h1/t"], "a:-"),
      (["-L", "mqtt://:b@h1/t"], "-:b"),
      (["-L", "mqtt://a:@h1/t"], "a:"),
      (["-L", "mqtt://a:b:c@d@h1/t"], "a:b:c@d"),
      (["-L", "mqtt://%C3%A9%3A:b@h1/t"], "é::b"),
    ])
  func urls(words: [String], user: String) throws {
    #expect(try self.user(words) == user)
  }

  @Test("the environment gives a URL, a user and a password, weaker than the command line")
  func environment() throws {
    let environment = ["MQTOOLS_URL": "mqtt://a:b@h1", "MQTOOLS_USERNAME": "c", "MQTOOLS_PASSWORD": "d"]
    #expect(try user([], environment) == "c:d")
    #expect(try connecting([], environment: environment).host == "h1")
    #expect(try user(["-u", "e"], environment) == "e:d")
    #expect(try user([], ["MQTOOLS_URL": "mqtt://a:b@h1"]) == "a:b")
    #expect(try user(["-h", "h2"], ["MQTOOLS_URL": "mqtt://a:b@h1"]) == "-:-")
    let error = #expect(throws: UsageError.self) { try user([], ["MQTOOLS_URL": "h1"]) }
    #expect(error?.message == "MQTOOLS_URL: the URL does not begin with mqtt://, mqtts://, ws://, wss:// or unix:")
    #expect(try connecting([], as: "mosquitto_pub", environment: environment).host == "localhost")
  }

  @Test("a user inside a URL belongs to its host also when they come from different places")
  func sources() throws {
    let folder = try TemporaryFolder()
    let url = try folder.write("-L mqtt://a:b@h1\n", to: "url")
    let host = try folder.write("-h h2\n", to: "host")
    let user = try folder.write("-u c\n-P d\n-h h2\n", to: "user")
    let variable = ["MQTOOLS_URL": "mqtt://a:b@h1"]
    #expect(try self.user(["-o", url]) == "a:b")
    #expect(try self.user(["-o", url, "-h", "h1"]) == "a:b")
    #expect(try self.user(["-o", url, "-h", "h2"]) == "-:-")
    #expect(try self.user(["-o", host], variable) == "-:-")
    #expect(try self.user(["-o", user], variable) == "c:d")
    #expect(try self.user(["-o", user, "-h", "h1"], variable) == "c:d")
    #expect(try self.user(["-L", "mqtt://h2"], variable) == "-:-")
    // What is named apart from a URL goes to every host.
    #expect(try self.user(["-L", "mqtt://h3"], ["MQTOOLS_USERNAME": "c", "MQTOOLS_PASSWORD": "d"]) == "c:d")
    _ = try folder.write("-L mqtt://e:f@h1\n", to: ".config/mqpub")
    let home = ["HOME": folder.path]
    #expect(try self.user([], home) == "e:f")
    #expect(try self.user([], home.merging(variable) { $1 }) == "a:b")
    #expect(try self.user(["-h", "h2"], home.merging(variable) { $1 }) == "-:-")
    #expect(try self.user([], home.merging(["MQTOOLS_URL": "mqtt://h2"]) { $1 }) == "-:-")
    #expect(try self.user(["-o", host], home) == "-:-")
  }

  @Test("a password from a source belongs to every host, one of a URL only to its own")
  func passwordSources() throws {
    let url = ["-L", "mqtt://a:b@h1"]
    #expect(try connecting(url + ["--pw-from", "prompt"]).passwordSource == .prompt)
    #expect(try connecting(url + ["--pw-from", "prompt"]).connect.password == nil)
    #expect(try connecting(["--pw-from", "prompt"] + url).connect.password == bytes("b"))
    #expect(try connecting(["--pw-from", "prompt"] + url).passwordSource == nil)
    #expect(try connecting(["--pw-from", "prompt"] + url + ["-h", "h2"]).passwordSource == .prompt)
    #expect(try connecting(["--pw-from", "prompt"], environment: ["MQTOOLS_PASSWORD": "b"]).passwordSource == .prompt)
  }

  @Test("the port of a URL is 1883 unless it says another; a later -p wins")
  func port() throws {
    #expect(try connecting(["-p", "99", "-L", "mqtt://h/t"]).port == 1883)
    #expect(try connecting(["-L", "mqtt://h:98/t", "-p", "99"]).port == 99)
    #expect(try connecting(["-L", "mqtt://h:98/t"]).port == 98)
  }

  @Test("no message shows a password of a URL")
  func secrecy() {
    for url in [
      "http://a:secret@h", "ws://a:secret@h:x", "ws://a:secret/more@h", "mqtt://a:secret%@h", "mqtt://a:secret@h:x",
      "mqtt://a:secret@", "mqtt://a:secret/more@h",
    ] {
      let error = #expect(throws: UsageError.self) { try connecting(["-L", url]) }
      #expect(error?.message.contains("secret") == false)
    }
  }
}

struct DiagnosticsSettingsTests {
  @Test(
    "the last of the options about the level decides",
    arguments: [
      (["-d"], Diagnostics.Level.debug), (["--debug", "--trace"], .trace), (["--trace", "--quiet"], .quiet),
      (["--quiet", "--log", "error"], .error), (["--log", "warning"], .warning), (["--log", "notice"], .notice),
      (["--log", "debug"], .debug), (["--log", "trace"], .trace),
    ])
  func levels(words: [String], level: Diagnostics.Level) throws {
    let (settings, compatibility) = try typed(Publishing.tool, words, as: "mosquitto_pub", environment: [:])
    let diagnostics = settings.connection.diagnostics(compatibility)
    #expect(diagnostics.level == level)
    #expect(diagnostics.program == "mosquitto_pub")
  }
}
