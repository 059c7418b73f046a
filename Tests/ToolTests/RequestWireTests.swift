import TestSupport
import Testing

/// What mqrr sends, and what it does with refusals, against brokers that follow a script.
@Suite struct RequestWireTests {
  @Test("the request follows SUBACK, with response topic and correlation data, and retained messages are not wanted")
  func request() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqrr",
      broker.options + ["-V", "5", "-i", "me", "-t", "get", "-e", "got", "-m", "x", "-q", "1"]
        + ["-D", "publish", "content-type", "c", "-D", "subscribe", "user-property", "k", "v"])
    let connection = try broker.acceptConnect()
    try connection.expect("82 r* m1 [ 26 s* 'k' s* 'v' ] s* 'got' 21")
    try connection.silence(for: .milliseconds(100))
    try connection.send("90 r* m1 00 01")
    let data = ".. .. .. .. .. .. .. .. .. .. .. .."
    let publish = try connection.expect("32 r* s* 'get' m2 [ 03 s* 'c' 08 s* 'got' 09 000c \(data) ] 'x'")
    try connection.send("40 02 m2")
    try connection.sendBytes(
      [0x30, 22, 0, 3] + Array("got".utf8) + [15, 9, 0, 12] + publish.dropLast().suffix(12) + [0x79])
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "y\n")
  }

  @Test("[MQTT-3.1.2-28] the broker is asked for response information, and the response topic begins with it")
  func responseInformation() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqrr", broker.options + ["-V", "5", "-i", "me", "-t", "get", "-m", "x"])
    let connection = try broker.acceptUnanswered()
    Expect.bytes(connection.connect?.properties ?? [], [0x19, 1])
    try connection.send("20 r* 00 00 [ 1a s* 'replies/7' ]")
    try connection.expect("82 r* m1 00 s? ..")
    try connection.send("90 r* m1 00 00")
    let publish = try connection.nextPacket()
    #expect(String(decoding: publish.bytes, as: UTF8.self).contains("replies/7/mqrr/me/"))
    tool.signal(2)
    #expect(try tool.wait() == .signaled(2))
  }

  @Test("128: a refused subscription ends it before the request is made", arguments: ["311", "5"])
  func refusedSubscription(version: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqrr", broker.options + ["-V", version, "-t", "get", "-e", "got", "-m", "x"])
    let connection = try broker.acceptConnect()
    let identifier = try connection.nextPacket().body.prefix(2)
    try connection.sendBytes(version == "5" ? [0x90, 4] + identifier + [0, 0x87] : [0x90, 3] + identifier + [0x80])
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(version == "5" ? 135 : 128))
    #expect(tool.errorText.contains("refused the subscription to 'got'"))
  }

  @Test("135: a refused request", arguments: ["1", "2"])
  func refusedRequest(qos: String) throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqrr", broker.options + ["-V", "5", "-t", "get", "-m", "x", "-q", qos])
    let connection = try broker.acceptConnect()
    _ = try connection.nextPacket()
    try connection.send("90 r* m1 00 00")
    _ = try connection.nextPacket()
    try connection.send(qos == "1" ? "40 03 m2 87" : "50 03 m2 87")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(135))
    #expect(tool.errorText == "mqrr: Error: topic 'get': the broker refused: not authorized\n")
  }

  @Test("7: the connection is lost before the reply")
  func lost() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqrr", broker.options + ["-V", "5", "-t", "get", "-m", "x"])
    let connection = try broker.acceptConnect()
    _ = try connection.nextPacket()
    try connection.send("90 r* m1 00 00")
    _ = try connection.nextPacket()
    connection.close()
    #expect(try tool.wait() == .exited(7))
    #expect(tool.errorText.split(separator: "\n").count == 1)
  }

  @Test("10: a broker of 3.1.1 only cannot tell the responder where to reply; with -e it can be asked")
  func olderBroker() throws {
    for (words, status) in [([], Int32(10)), (["-e", "got"], 0)] {
      let broker = try ScriptedBroker()
      let tool = try ToolProcess("mqrr", broker.options + ["-t", "get", "-m", "x"] + words)
      let refused = try broker.acceptUnanswered()
      try refused.send("20 02 00 01")
      let connection = try broker.acceptConnect(level: 4)
      if status == 0 {
        try connection.expect("82 r* m1 s* 'got' 00")
        try connection.send("90 r* m1 00")
        try connection.expect("30 r* s* 'get' 'x'")
        try connection.send("30 r* s* 'got' 'y'")
      }
      try connection.expect("e0 00")
      connection.close()
      #expect(try tool.wait() == .exited(status))
      if status != 0 { #expect(tool.errorText.contains("-e"), "\(tool.errorText)") }
    }
  }

  @Test("what comes before the request is sent is no reply, and nobody keeps it waiting for an acknowledgement")
  func tooEarly() throws {
    let broker = try ScriptedBroker()
    let tool = try ToolProcess("mqrr", broker.options + ["-V", "311", "-t", "get", "-e", "got", "-m", "x", "-q", "1"])
    let connection = try broker.acceptConnect()
    try connection.expect("82 r* m1 s* 'got' 01")
    try connection.send("32 r* s* 'got' m9 'early' | 90 r* m1 01")
    try connection.expect("32 r* s* 'get' m2 'x' | 40 02 m9")
    try connection.send("40 02 m2 | 32 r* s* 'got' m10 'reply'")
    try connection.expect("40 02 m10 | e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "reply\n")
  }

  @Test("1: what cannot be, said before anything is sent")
  func usage() throws {
    let rows: [(words: [String], text: String)] = [
      (["-m", "x"], "-t"), (["-t", "t"], "-m"), (["-t", "a/+", "-m", "x"], "-t: 'a/+'"),
      (["-t", "t", "-m", "x", "-n"], "-m"),
      (["-t", "t", "-m", "x", "-V", "311"], "-e"), (["-t", "t", "-m", "x", "-e", "a/#"], "-e"),
      (["-t", "t", "-m", "x", "-D", "publish", "response-topic", "r"], "-e"),
      (["-t", "t", "-l", "-D", "publish", "correlation-data", "r"], "-l"), (["-t", "t", "-m", "x", "-C", "0"], "-C"),
      (["-t", "t", "-m", "x", "--goal", "p99<1ms"], "--ping"), (["-t", "t", "-m", "x", "--exec-jobs", "2"], "--serve"),
      (["--ping", "--idle", "1"], "--idle"), (["--ping", "-l"], "-l"), (["--ping", "-e", "x"], "-t"),
      (["--ping", "--serve-echo"], "--ping"), (["--ping", "--goal", "rate>5"], "rate"), (["--serve-echo"], "-t"),
      (["--serve", "cat", "-t", "t", "-m", "x"], "--serve"),
      (["--serve", "cat", "-t", "#", "-e", "a"], "requests again"),
      (["--serve-echo", "-t", "t", "--exec-timeout", "1"], "--serve"),
      (["-t", "t", "-m", "x", "-r"], "it belongs to mqpub"),
      (["-t", "t", "-m", "x", "-T", "y"], "it belongs to mqsub"),
    ]
    for row in rows {
      let tool = try ToolProcess.run("mqrr", ["-h", "127.0.0.1", "-p", "1"] + row.words)
      #expect(tool.end == .exited(1), "\(row.words)")
      #expect(tool.errorText.contains(row.text), "\(row.words): \(tool.errorText)")
      #expect(tool.errorText.split(separator: "\n").count == 1)
    }
  }

  @Test("under mosquitto_rr's name the response topic has to be named, and MQTT 5 is spoken")
  func strict() throws {
    let missing = try ToolProcess.run("mqrr", ["-t", "get", "-m", "x"], arg0: "mosquitto_rr")
    #expect(missing.end == .exited(1))
    #expect(missing.errorText == "mosquitto_rr: no response topic: name one with -e\n")
    let port = try freePort()
    let lost = try ToolProcess.run(
      "mqrr", ["-h", "127.0.0.1", "-p", "\(port)", "-t", "get", "-e", "got", "-m", "x"], arg0: "mosquitto_rr")
    #expect(lost.end == .exited(1))
    let broker = try ScriptedBroker()
    let tool = try ToolProcess(
      "mqrr", broker.options + ["-t", "first", "-t", "get", "-e", "got", "-m", "x"], arg0: "mosquitto_rr")
    let connection = try broker.acceptConnect(level: 5)
    #expect(connection.connect?.clientIdentifier == "")
    try connection.expect("82 r* m1 00 s* 'got' 20")
    try connection.send("90 r* m1 00 00")
    try connection.expect("30 r* s* 'get' ...")
    try connection.send("30 r* s* 'got' 00 'y'")
    try connection.expect("e0 00")
    connection.close()
    #expect(try tool.wait() == .exited(0))
    #expect(tool.outputText == "y\n")
  }
}
