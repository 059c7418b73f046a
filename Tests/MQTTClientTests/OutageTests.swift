import Foundation
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

private let patient = ReconnectPolicy(.forever)

extension MQTTClientTests {
  /// What is told of an outage, what outlasts it, and which version is spoken after it.
  @Suite struct Outages {
    @Test func anOutageIsToldOncePerFailureAndEndsWithAConnection() throws {
      try ScriptedBroker().play { broker in
        try broker.acceptConnect().reset()
        try broker.accept().close()
        try broker.acceptConnect().expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), reconnect: patient)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try run.wait(for: "0 connected")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
        #expect(run.lines.count == 5)
        #expect(run.lines[1].hasPrefix("0 outage: connection lost: recv: Connection reset by peer"))
        #expect(run.lines[2].hasPrefix("0 outage: the broker closed the connection instead of answering CONNECT"))
      }
    }

    @Test func aBrokerThatComesBackIsFoundAgain() throws {
      let proxyTarget = try ScriptedBroker()
      let proxy = try CuttingProxy(to: proxyTarget.port)
      try proxyTarget.play { broker in
        let first = try broker.acceptConnect()
        try first.waitForClose()
        try broker.acceptConnect().expect("e0 ...")
      } against: { _ in
        let client = Client(.local(proxy.port), reconnect: patient)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        proxy.refuse()
        proxy.cut(.reset)
        try run.wait(for: "0 outage")
        try run.wait(for: "0 outage: cannot connect")
        proxy.acceptAgain()
        try run.wait(for: "0 connected")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    // MARK: Subscriptions

    @Test(arguments: [ProtocolVersion.v311, .v5])
    func subscriptionsAreMadeAgainWhenTheSessionIsGone(version: ProtocolVersion) throws {
      let none = version == .v5 ? "00" : ""
      try ScriptedBroker().play { broker in
        for _ in 1...2 {
          let connection = try broker.acceptConnect()
          let subscribe = try connection.expect("82 r* .. .. \(none) s* 'a/#' 01")
          try connection.send("90 r* \(hex(subscribe[2])) \(hex(subscribe[3])) \(none) 01")
          try connection.send("30 r* s* 'a' \(none) 'x'")
          if try connection.nextPacket().name == "PINGREQ" { connection.reset() }
        }
      } against: { broker in
        let client = Client(.local(broker.port), version: version, reconnect: patient)
        try client.subscribe("a/#", qos: .atLeastOnce)
        var run = ClientRun(client)
        try run.wait(for: "0 message a x")
        client.ping()
        try run.wait(for: "0 outage")
        try run.wait(for: "0 message a x")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test(arguments: [ProtocolVersion.v311, .v5])
    func subscriptionsAreNotMadeAgainWhenTheSessionIsPresent(version: ProtocolVersion) throws {
      let none = version == .v5 ? "00" : ""
      try ScriptedBroker().play { broker in
        let first = try broker.acceptConnect()
        let subscribe = try first.expect("82 r* .. .. \(none) s* 'a' 00")
        try first.send("90 r* \(hex(subscribe[2])) \(hex(subscribe[3])) \(none) 00")
        try first.expect("c0 00")
        first.reset()
        let second = try broker.acceptConnect(sessionPresent: true)
        try second.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), version: version, lifetime: .persistent, reconnect: patient)
        try client.subscribe("a")
        var run = ClientRun(client)
        try run.wait(for: "0 subscribed")
        client.ping()
        try run.wait(for: "0 connected session present")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func whatWasNotAnsweredBeforeAnOutageOrAskedForInItIsAskedForWhenTheSessionIsPresent() throws {
      try ScriptedBroker().play { broker in
        let first = try broker.acceptConnect()
        let subscribe = try first.expect("82 r* m? 00 s* 'known' 00 s* 'old' 00")
        try first.send("90 r* \(hex(subscribe[2])) \(hex(subscribe[3])) 00 00 00")
        try first.expect("82 r* m? 00 s* 'unanswered' 00")
        first.reset()
        let second = try broker.acceptConnect(sessionPresent: true)
        try second.expect("a2 r* m? 00 s* 'old'")
        try second.expect("82 r* m? 00 s* 'unanswered' 00")
        try second.expect("82 r* m? 00 s* 'new' 00")
        try second.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), lifetime: .process, reconnect: patient)
        try client.subscribe([try subscription("known"), try subscription("old")], at: .now)
        var run = ClientRun(client)
        try run.wait(for: "0 subscribed")
        try client.subscribe("unanswered")
        try run.wait(for: "0 outage")
        try client.unsubscribe([try TopicFilter("old")], at: .now)
        try client.subscribe("new")
        try run.wait(for: "0 connected session present")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test("a subscription that the broker's limits forbid is not asked for again [MQTT5 3.2.2.3.13]")
    func aForbiddenSubscriptionIsNotKept() throws {
      try ScriptedBroker().play { broker in
        try broker.acceptConnect(properties: "2a 00").reset()
        try broker.acceptConnect(properties: "2a 00").expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), reconnect: patient)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        #expect(throws: ProtocolError.self) { try client.subscribe("$share/a/b") }
        try run.wait(for: "0 connected")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func aSubscriptionThatTheBrokerDoesNotOfferEndsTheClientWithDisconnect() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.acceptConnect(properties: "2a 00")
        try connection.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), reconnect: patient)
        try client.subscribe("$share/a/b")
        var run = ClientRun(client)
        try run.wait(for: "0 failed: the broker has no shared subscriptions")
      }
    }

    // MARK: Publishes

    @Test("[MQTT-4.4.0-1] QoS 1 and 2 publishes are sent again with their identifiers", arguments: [1, 2] as [UInt8])
    func unacknowledgedPublishesAreSentAgain(qos: UInt8) throws {
      let first = 0x30 | qos << 1
      try ScriptedBroker().play { broker in
        let lost = try broker.acceptConnect()
        try lost.expect("\(hex(first)) r* s* 'a' m1 00 'one' | \(hex(first)) r* s* 'a' m2 00 'two'")
        if qos == 2 {
          try lost.send("50 02 m1")
          try lost.expect("62 02 m1")
        } else {
          try lost.send("40 02 m1")
        }
        lost.reset()
        let found = try broker.acceptConnect(sessionPresent: true)
        if qos == 2 {
          try found.expect("62 02 m1 | \(hex(first | 8)) r* s* 'a' m2 00 'two'")
          try found.send("70 02 m1 | 50 02 m2")
          try found.expect("62 02 m2")
          try found.send("70 02 m2")
        } else {
          try found.expect("\(hex(first | 8)) r* s* 'a' m2 00 'two'")
          try found.send("40 02 m2")
        }
        try found.expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), lifetime: .process, reconnect: patient)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try client.publish("a", "one", qos: QoS(rawValue: qos)!)
        try client.publish("a", "two", qos: QoS(rawValue: qos)!)
        try run.wait(for: "0 published 1 0")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
        #expect(run.lines.filter { $0.hasPrefix("0 published") } == ["0 published 0 0", "0 published 1 0"])
      }
    }

    // MARK: Versions

    /// How a broker says that it does not speak MQTT 5.
    enum Refusal: CaseIterable { case reasonCode, returnCode, acceptanceInOldForm, close, reset }

    @Test(arguments: Refusal.allCases)
    func anOlderVersionIsTriedWhenTheBrokerDoesNotSpeakMQTT5(refusal: Refusal) throws {
      try ScriptedBroker().play { broker in
        let first = try broker.accept()
        try first.expectConnect(level: 5)
        switch refusal {
        case .reasonCode: try first.send("20 03 00 84 00")
        case .returnCode: try first.send("20 02 00 01")
        case .acceptanceInOldForm: try first.send("20 02 00 00")
        case .close: first.close()
        case .reset: first.reset()
        }
        try broker.acceptConnect(level: 4).reset()
        // What was found holds for the connections to come.
        try broker.acceptConnect(level: 4).expect("e0 00")
      } against: { broker in
        let client = Client(.local(broker.port), fallback: [.v311], reconnect: patient)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        #expect(client.version == .v311)
        #expect(!run.lines.contains { $0.contains("outage") })
        try run.wait(for: "0 connected")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test(arguments: Refusal.allCases)
    func aVersionThatWasAskedForIsTheOnlyOne(refusal: Refusal) throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try connection.expectConnect(level: 5)
        switch refusal {
        case .reasonCode: try connection.send("20 03 00 84 00")
        case .returnCode: try connection.send("20 02 00 01")
        case .acceptanceInOldForm: try connection.send("20 02 00 00")
        case .close: connection.close()
        case .reset: connection.reset()
        }
        try broker.noConnection(for: .milliseconds(50))
      } against: { broker in
        var run = ClientRun(Client(.local(broker.port)))
        let line = try run.wait(for: "0 failed")
        #expect(line.contains("version"))
      }
    }

    @Test func anyOtherRefusalIsNoReasonForAnOlderVersion() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try connection.expectConnect(level: 5)
        try connection.send("20 03 00 87 00")
        try broker.noConnection(for: .milliseconds(50))
      } against: { broker in
        var run = ClientRun(Client(.local(broker.port), fallback: [.v311], reconnect: patient))
        try run.wait(for: "0 failed")
        #expect(run.lines.first == "0 refused 135")
      }
    }

    @Test func aBrokerThatOnlyStartsIsAskedForTheNewestVersionAgain() throws {
      try ScriptedBroker().play { broker in
        for level in [5, 4] as [UInt8] {
          let connection = try broker.accept()
          try connection.expectConnect(level: level)
          connection.close()
        }
        try broker.acceptConnect(level: 5).expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), fallback: [.v311], reconnect: patient)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }
  }
}

/// A byte in wire notation.
func hex(_ byte: UInt8) -> String { String(format: "%02x", byte) }

extension Client {
  /// PINGREQ, for a script that waits for a sign.
  func ping() {
    connection.session.ping(at: .now)
    publishNothing()
  }

  /// Tells the driver that there is output.
  private func publishNothing() { acknowledgeAll() }
}
