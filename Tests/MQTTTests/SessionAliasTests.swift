import MQTT
import TestSupport
import Testing

/// Topic aliases of publishes that leave (3.3.2.3.4).
@Suite struct SessionAliasTests {
  /// A session whose broker takes aliases up to `maximum`.
  private func connected(_ maximum: Int) throws -> SessionPair {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "22 n\(maximum)")
    return pair
  }

  private func alias(_ number: UInt16) -> Properties {
    var properties = Properties()
    properties[.topicAlias] = number
    return properties
  }

  @Test("[MQTT-3.3.2-18] A topic gets an alias the second time, and is left to it from the third on")
  func oneTopic() throws {
    let pair = try connected(10)
    for _ in 0..<4 { try pair.publish("home/temp", "x", .atMostOnce) }
    pair.expectSent(
      """
      30 r* s* 'home/temp' 00 'x' | 30 r* s* 'home/temp' 03 23 0001 'x'
      | 30 r* s* '' 03 23 0001 'x' | 30 r* s* '' 03 23 0001 'x'
      """)
  }

  @Test("[MQTT-3.3.2-17] A broker that names no maximum gets no alias, nor does one of 3.1.1")
  func none() throws {
    for pair in [SessionPair(.v5), SessionPair(.v311)] {
      try pair.connect()
      let p = pair.version.noProperties
      for _ in 0..<3 { try pair.publish("home/temp", "x", .atMostOnce) }
      pair.expectSent(WireNotation(Array(repeating: "30 r* s* 'home/temp' \(p) 'x'", count: 3).joined(separator: "|")))
    }
  }

  @Test("Topics that take turns get an alias each; what comes when all are given goes without")
  func severalTopics() throws {
    let pair = try connected(2)
    for topic in ["aaaa", "bbbb", "aaaa", "bbbb"] { try pair.publish(topic, "", .atMostOnce) }
    _ = pair.output()
    for topic in ["aaaa", "bbbb", "cccc", "cccc", "bbbb"] { try pair.publish(topic, "", .atMostOnce) }
    pair.expectSent(
      """
      30 r* s* '' 03 23 0001 | 30 r* s* '' 03 23 0002 | 30 r* s* 'cccc' 00 | 30 r* s* 'cccc' 00
      | 30 r* s* '' 03 23 0002
      """)
  }

  @Test("A topic that is not longer than an alias gets none")
  func shortTopic() throws {
    let pair = try connected(10)
    for _ in 0..<3 { try pair.publish("abc", "", .atMostOnce) }
    pair.expectSent("30 r* s* 'abc' 00 | 30 r* s* 'abc' 00 | 30 r* s* 'abc' 00")
  }

  @Test(
    "Publishes that are kept until they are acknowledged have their topic", arguments: [QoS.atLeastOnce, .exactlyOnce])
  func kept(_ qos: QoS) throws {
    let pair = try connected(10)
    for _ in 0..<3 { try pair.publish("home/temp", "", .atMostOnce) }
    _ = pair.output()
    try pair.publish("home/temp", "x", qos)
    pair.expectSent("3\(qos == .atLeastOnce ? "2" : "4") r* s* 'home/temp' m1 00 'x'")
  }

  @Test("[MQTT-3.3.2-7] Aliases end with their network connection")
  func endWithTheConnection() throws {
    let pair = try connected(10)
    for _ in 0..<3 { try pair.publish("home/temp", "x", .atMostOnce) }
    pair.session.outputTaken(pair.session.outputCount, at: pair.now)
    pair.close()
    try pair.connect(properties: "22 000a")
    try pair.publish("home/temp", "y", .atMostOnce)
    pair.expectSent("30 r* s* 'home/temp' 00 'y'")
  }

  @Test("QoS 0 publishes that were not sent get their topics back, with the application's aliases too")
  func unsent() throws {
    let pair = try connected(10)
    for index in 0..<3 { try pair.publish("home/temp", "\(index)", .atMostOnce, retain: index == 2) }
    for index in 0..<2 { try pair.publish("mine", "\(index)", .atMostOnce, properties: alias(9)) }
    pair.close()
    try pair.connect()
    pair.expectSent(
      """
      30 r* s* 'home/temp' 00 '0' | 30 r* s* 'home/temp' 00 '1' | 31 r* s* 'home/temp' 00 '2'
      | 30 r* s* 'mine' 00 '0' | 30 r* s* 'mine' 00 '1'
      """)
  }

  @Test("An alias of the application's comes with its topic first and then stands for it, as with mosquitto_pub")
  func given() throws {
    let pair = try connected(10)
    for _ in 0..<3 { try pair.publish("t", "x", .atMostOnce, properties: alias(7)) }
    pair.expectSent(
      "30 r* s* 't' 03 23 0007 'x' | 30 r* s* '' 03 23 0007 'x' | 30 r* s* '' 03 23 0007 'x'")
  }

  @Test("An alias that the application gives to several topics stands for none")
  func shared() throws {
    let pair = try connected(10)
    for topic in ["aaaa", "bbbb", "aaaa"] { try pair.publish(topic, "", .atMostOnce, properties: alias(1)) }
    try pair.publish("aaaa", "", .atMostOnce)
    pair.expectSent(
      """
      30 r* s* 'aaaa' 03 23 0001 | 30 r* s* 'bbbb' 03 23 0001 | 30 r* s* 'aaaa' 03 23 0001
      | 30 r* s* 'aaaa' 00
      """)
  }

  @Test("A publish that could not be sent defines no alias")
  func tooLarge() throws {
    let pair = SessionPair(.v5)
    try pair.connect(properties: "22 000a 27 N30")
    try pair.publish("home/temp", "x", .atMostOnce)
    let payload = String(repeating: "x", count: 40)
    #expect(reasonCode { try pair.publish("home/temp", payload, .atMostOnce) } == .packetTooLarge)
    try pair.publish("home/temp", "x", .atMostOnce)
    pair.expectSent("30 r* s* 'home/temp' 00 'x' | 30 r* s* 'home/temp' 03 23 0001 'x'")
  }
}
