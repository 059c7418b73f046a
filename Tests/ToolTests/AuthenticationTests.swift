import Foundation
import TestSupport
import Testing

/// `--auth-method`: SCRAM against a broker that plays the server's part of RFC 5802 by hand. No real broker among those that are
/// tried here has it.
@Suite(.needs("openssl")) struct AuthenticationTests {
  @Test(
    "[MQTT-4.12.0] SCRAM proves the password and has the broker prove it; CONNECT has neither user nor password",
    arguments: [("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256"), ("SCRAM-SHA-512", "sha512")])
  func success(method: String, hash: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqpub", broker.options + ["--auth-method", method, "-u", "ann", "-P", "sesame", "-t", "t", "-m", "x"])
    var server = Server(hash: hash, password: "sesame")
    let connection = try broker.accept()
    let connect = try connection.expectConnect(level: 5)
    #expect(connect.userName == nil && connect.password == nil)
    let first = try fields(connect.properties)
    #expect(first.method == method && first.data.hasPrefix("n,,n=ann,r="))
    try connection.send(auth(method, server.first(first.data)))
    let packet = try connection.nextPacket()
    #expect(packet.bytes[0] == 0xF0 && packet.body[0] == 0x18)
    let final = try fields(Array(packet.body.dropFirst(2)))
    #expect(final.method == method)
    let signature = try server.final(final.data)
    try connection.respondConnack(properties: "15 s* '\(method)' 16 s* '\(try #require(signature))'")
    try connection.expect("30 r5 s1 't' 00 'x'")
    try connection.expect("e0 ...")
    connection.close()
    try tool.wait()
    expectSuccess(tool)
  }

  @Test("a broker that sees a wrong proof refuses; one that proves nothing is left, and told")
  func failures() throws {
    let method = "SCRAM-SHA-256"
    let options = ["--auth-method", method, "-u", "ann", "-P", "wrong", "-t", "t", "-m", "x", "-q", "1"]
    func run(
      _ status: Int32, _ words: String, sourceLocation: SourceLocation = #_sourceLocation,
      _ play: (ScriptedConnection, String) throws -> Void
    ) throws {
      let broker = try ScriptedBroker()
      let tool = try ToolProcess("mqpub", broker.options + options)
      let connection = try broker.accept()
      try play(connection, try fields(connection.expectConnect(level: 5).properties).data)
      #expect(try tool.wait() == .exited(status), "\(tool.errorText)", sourceLocation: sourceLocation)
      #expect(tool.errorText.contains(words), "\(tool.errorText)", sourceLocation: sourceLocation)
      #expect(tool.errorText.split(separator: "\n").count == 1, sourceLocation: sourceLocation)
    }
    var server = Server(hash: "sha256", password: "sesame")
    try run(135, "not authorized (see -u and -P)") { connection, data in
      try connection.send(auth(method, server.first(data)))
      let packet = try connection.nextPacket()
      #expect(try server.final(fields(Array(packet.body.dropFirst(2))).data) == nil)
      try connection.respondConnack(code: 0x87)
    }
    try run(140, "bad authentication method") { connection, _ in try connection.respondConnack(code: 0x8C) }
    // A broker without enhanced authentication, and one who only pretends to know the password.
    try run(21, "authentication: the broker did not prove that it knows the password") { connection, _ in
      try connection.respondConnack()
      try connection.expect("e0 01 87")
    }
    try run(21, "authentication: the broker did not prove that it knows the password") { connection, data in
      try connection.send(auth(method, server.first(data)))
      _ = try connection.nextPacket()
      try connection.respondConnack(properties: "15 s* '\(method)' 16 s* 'v=c2VzYW1l'")
      try connection.expect("e0 01 87")
    }
    try run(21, "hashed 1 times, and 4096 to 10000000 are safe") { connection, data in
      try connection.send(auth(method, server.first(data, iterations: 1)))
    }
  }

  @Test("each connection has an exchange of its own")
  func reconnecting() throws {
    let method = "SCRAM-SHA-256"
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqsub",
      broker.options + ["--auth-method", method, "-u", "ann", "--pw-from", "command:echo sesame", "-t", "t", "-C", "1"])
    var nonces: Set<String> = []
    for round in 1...2 {
      var server = Server(hash: "sha256", password: "sesame")
      let connection = try broker.accept()
      let first = try fields(connection.expectConnect(level: 5).properties).data
      nonces.insert(first)
      try connection.send(auth(method, server.first(first)))
      let signature = try server.final(fields(Array(connection.nextPacket().body.dropFirst(2))).data)
      try connection.respondConnack(
        sessionPresent: round == 2, properties: "15 s* '\(method)' 16 s* '\(try #require(signature))'")
      if round == 1 {
        try connection.expect("82 r* m? [] s1 't' ..")
        try connection.send("90 04 0001 00 00")
        connection.close()
      } else {
        try connection.send("30 r* s1 't' [] 'x'")
        try connection.expect("e0 ...")
        connection.close()
      }
    }
    try tool.wait()
    #expect(tool.outputText == "x\n", "\(tool.errorText)")
    #expect(nonces.count == 2)
  }

  @Test("1: what it needs, and what says the same")
  func mistakes() throws {
    let method = ["--auth-method", "SCRAM-SHA-256"]
    for (words, text) in [
      (method, "needs a user name and a password"), (method + ["-u", "ann"], "needs a user name and a password"),
      (["--auth-method", "SCRAM-MD5"], "\"SCRAM-MD5\" is not SCRAM-SHA-1, SCRAM-SHA-256 or SCRAM-SHA-512"),
      (method + ["-u", "ann", "-P", "x", "-V", "311"], "--auth-method: needs MQTT 5"),
      (
        method + ["-u", "ann", "-P", "x", "-D", "connect", "authentication-method", "X"],
        "says the same as -D connect authentication-method"
      ),
    ] {
      let run = try ToolProcess.run("mqpub", ["-t", "t", "-m", "x"] + words)
      #expect(run.end == .exited(1))
      #expect(run.errorText.contains(text), "\(run.errorText)")
    }
  }

  // MARK: - The broker's part

  private func auth(_ method: String, _ data: String) -> WireNotation {
    "f0 r* 18 [ 15 s* '\(method)' 16 s* '\(data)' ]"
  }

  /// Authentication method and data of properties that begin with others of fixed length, or with their own length.
  private func fields(_ properties: [UInt8]) throws -> (method: String, data: String) {
    func string(_ identifier: UInt8) throws -> String {
      // The method begins with S, and the data with n or c.
      let start = try #require(
        properties.indices.first { index in
          index + 3 < properties.count && properties[index] == identifier
            && ["S", "n", "c"].contains(Character(UnicodeScalar(properties[index + 3])))
        })
      let count = Int(properties[start + 1]) << 8 | Int(properties[start + 2])
      return String(decoding: properties[(start + 3)..<(start + 3 + count)], as: UTF8.self)
    }
    return (try string(0x15), try string(0x16))
  }

  /// The server of RFC 5802, section 3, with the digests of the openssl command, so that ours are not compared with themselves.
  private struct Server {
    let hash: String
    let password: String
    private let salt: [UInt8] = Array("salt of the sea".utf8)
    private var iterations = 4096
    private var clientFirst = ""
    private var serverFirst = ""

    init(hash: String, password: String) {
      self.hash = hash
      self.password = password
    }

    mutating func first(_ message: String, iterations: Int = 4096) -> String {
      self.iterations = iterations
      clientFirst = String(message.dropFirst(3))
      let nonce = clientFirst.split(separator: ",").last!.dropFirst(2)
      serverFirst = "r=\(nonce)3rfcNHYJY1,s=\(Data(salt).base64EncodedString()),i=\(iterations)"
      return serverFirst
    }

    /// The answer to the client's proof; nil where it is wrong.
    func final(_ message: String) throws -> String? {
      let parts = message.components(separatedBy: ",p=")
      try #require(parts.count == 2, "\(message)")
      let proof = try #require(Data(base64Encoded: parts[1]))
      try #require(parts[0].hasPrefix("c=biws,") && serverFirst.hasPrefix(parts[0].dropFirst(7) + ","), "\(message)")
      let length = ["sha1": 20, "sha256": 32, "sha512": 64][hash]!
      let salted = try openssl([
        "kdf", "-binary", "-keylen", "\(length)", "-kdfopt", "digest:\(hash)", "-kdfopt", "pass:\(password)", "-kdfopt",
        "hexsalt:\(hex(salt))", "-kdfopt", "iter:\(iterations)", "PBKDF2",
      ])
      let exchange = Array("\(clientFirst),\(serverFirst),\(parts[0])".utf8)
      let storedKey = try openssl(["dgst", "-\(hash)", "-binary"], try code("Client Key", key: salted))
      let clientSignature = try code(exchange, key: storedKey)
      let clientKey = zip(proof, clientSignature).map { $0 ^ $1 }
      guard try openssl(["dgst", "-\(hash)", "-binary"], clientKey) == storedKey else { return nil }
      let signature = try code(exchange, key: try code("Server Key", key: salted))
      return "v=\(Data(signature).base64EncodedString())"
    }

    private func code(_ text: String, key: [UInt8]) throws -> [UInt8] { try code(Array(text.utf8), key: key) }

    private func code(_ bytes: [UInt8], key: [UInt8]) throws -> [UInt8] {
      try openssl(["dgst", "-\(hash)", "-binary", "-mac", "HMAC", "-macopt", "hexkey:\(hex(key))"], bytes)
    }

    private func openssl(_ words: [String], _ input: [UInt8] = []) throws -> [UInt8] {
      let tool = try ToolProcess.run("openssl", words, input: .bytes(input))
      try #require(tool.end == .exited(0), "\(tool.errorText)")
      return tool.output
    }

    private func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
  }
}
