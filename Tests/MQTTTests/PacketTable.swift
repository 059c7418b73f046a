import MQTT
import Testing

/// A packet and what it is on the wire, typed from the specification.
struct PacketRow: CustomTestStringConvertible, Sendable {
  var name: String
  var versions: [ProtocolVersion]
  var packet: ControlPacket
  var bytes: [UInt8]
  /// A longer form that is decoded too, but never written.
  var isDecodedOnly = false

  var testDescription: String { "\(name), \(versions.map(\.description).joined(separator: ", "))" }

  init(
    _ name: String, _ versions: [ProtocolVersion], _ packet: ControlPacket, _ notation: String,
    isDecodedOnly: Bool = false
  ) {
    self.name = name
    self.versions = versions
    self.packet = packet
    bytes = wire(notation)
    self.isDecodedOnly = isDecodedOnly
  }
}

private let all = ProtocolVersion.allCases
private let v3: [ProtocolVersion] = [.v31, .v311]

private func publish(
  _ topic: String, _ payload: String, _ qos: QoS = .atMostOnce, retain: Bool = false, duplicate: Bool = false,
  identifier: UInt16 = 0, properties: Properties = Properties()
) -> ControlPacket {
  .publish(
    PublishPacket(
      topic: Array(topic.utf8), payload: Array(payload.utf8), qos: qos, retain: retain, isDuplicate: duplicate,
      packetIdentifier: identifier, properties: properties))
}

private func acknowledgement(
  _ type: AcknowledgementPacket.AcknowledgementType, _ identifier: UInt16, _ reason: ReasonCode = .success,
  _ properties: Properties = Properties()
) -> ControlPacket {
  ControlPacket(
    AcknowledgementPacket(type: type, packetIdentifier: identifier, reasonCode: reason, properties: properties))
}

private func filter(_ text: String) -> TopicFilter { try! TopicFilter(text) }

private let will = Message(
  topic: try! TopicName("w/t"), payload: Array("bye".utf8), qos: .atLeastOnce,
  properties: properties { $0[.willDelayInterval] = 30 })
private let will3 = Message(topic: try! TopicName("w/t"), payload: Array("bye".utf8), qos: .atLeastOnce)

/// 3.1
private let connectRows = [
  PacketRow(
    "CONNECT", [.v31],
    .connect(ConnectPacket(protocolVersion: .v31, clientIdentifier: "abcd", keepAlive: 60)),
    "10 12  0006 'MQIsdp' 03 02 003c  0004 'abcd'"),
  PacketRow(
    "CONNECT", [.v311],
    .connect(ConnectPacket(protocolVersion: .v311, clientIdentifier: "abcd", keepAlive: 60)),
    "10 10  0004 'MQTT' 04 02 003c  0004 'abcd'"),
  PacketRow(
    "CONNECT", [.v5],
    .connect(ConnectPacket(protocolVersion: .v5, clientIdentifier: "abcd", keepAlive: 60)),
    "10 11  0004 'MQTT' 05 02 003c 00  0004 'abcd'"),
  PacketRow(
    "CONNECT that keeps its session, without identifier", [.v5],
    .connect(ConnectPacket(protocolVersion: .v5, cleanStart: false)),
    "10 0d  0004 'MQTT' 05 00 0000 00  0000"),
  PacketRow(
    "CONNECT with everything", [.v5],
    .connect(
      ConnectPacket(
        protocolVersion: .v5, clientIdentifier: "c", keepAlive: 10, userName: "u", password: Array("pw".utf8),
        will: will, properties: properties { $0[.sessionExpiryInterval] = 10 })),
    "10 2a  0004 'MQTT' 05 ce 000a  05 11 0000000a  0001 'c'  05 18 0000001e  0003 'w/t' 0003 'bye'  0001 'u'  0002 'pw'"
  ),
  PacketRow(
    "CONNECT with everything", [.v311],
    .connect(
      ConnectPacket(
        protocolVersion: .v311, clientIdentifier: "c", keepAlive: 10, userName: "u", password: Array("pw".utf8),
        will: will3)),
    "10 1e  0004 'MQTT' 04 ce 000a  0001 'c'  0003 'w/t' 0003 'bye'  0001 'u'  0002 'pw'"),
  PacketRow(
    "CONNECT with a retained will of QoS 2", [.v31],
    .connect(
      ConnectPacket(
        protocolVersion: .v31, clientIdentifier: "id", cleanStart: false, keepAlive: 65535,
        will: Message(topic: try! TopicName("t"), qos: .exactlyOnce, retain: true))),
    "10 15  0006 'MQIsdp' 03 34 ffff  0002 'id'  0001 't' 0000"),
  PacketRow(
    "CONNECT with a password alone [3.1.2.9]", [.v5],
    .connect(ConnectPacket(protocolVersion: .v5, password: [0x00, 0xFF])),
    "10 11  0004 'MQTT' 05 42 0000 00  0000  0002 00ff"),
  PacketRow(
    "CONNECT with all its properties", [.v5],
    .connect(
      ConnectPacket(
        protocolVersion: .v5,
        properties: properties {
          $0[.sessionExpiryInterval] = 0xFFFF_FFFF
          $0[.receiveMaximum] = 1
          $0[.maximumPacketSize] = 256
          $0[.topicAliasMaximum] = 10
          $0[.requestResponseInformation] = true
          $0[.requestProblemInformation] = false
          $0.userProperties = [UserProperty("k", "v"), UserProperty("k", "")]
          $0[.authenticationMethod] = "m"
          $0[.authenticationData] = [0]
        })),
    """
    10 36  0004 'MQTT' 05 02 0000 \
    29 11 ffffffff 21 0001 27 00000100 22 000a 19 01 17 00 26 0001 'k' 0001 'v' 26 0001 'k' 0000 15 0001 'm' 16 0001 00 \
    0000
    """),
]

/// 3.2
private let connackRows = [
  PacketRow("CONNACK", v3, .connack(ConnackPacket(returnCode: 0)), "20 02 00 00"),
  PacketRow(
    "CONNACK, session present", [.v311], .connack(ConnackPacket(sessionPresent: true, returnCode: 0)), "20 02 01 00"),
  PacketRow("CONNACK, not authorized", v3, .connack(ConnackPacket(returnCode: 5)), "20 02 00 05"),
  PacketRow("CONNACK with an unknown return code", v3, .connack(ConnackPacket(returnCode: 0x82)), "20 02 00 82"),
  PacketRow(
    "CONNACK in the form of 3.x to an MQTT 5 CONNECT", [.v5], .connack(ConnackPacket(returnCode: 1)), "20 02 00 01"),
  PacketRow("CONNACK", [.v5], .connack(ConnackPacket()), "20 03 00 00 00"),
  PacketRow("CONNACK, session present", [.v5], .connack(ConnackPacket(sessionPresent: true)), "20 03 01 00 00"),
  PacketRow("CONNACK, not authorized", [.v5], .connack(ConnackPacket(reasonCode: .notAuthorized)), "20 03 00 87 00"),
  PacketRow(
    "CONNACK with all its properties", [.v5],
    .connack(
      ConnackPacket(
        properties: properties {
          $0[.sessionExpiryInterval] = 60
          $0[.receiveMaximum] = 20
          $0[.maximumQoS] = .atLeastOnce
          $0[.retainAvailable] = false
          $0[.maximumPacketSize] = 4096
          $0[.assignedClientIdentifier] = "abc"
          $0[.topicAliasMaximum] = 10
          $0[.reasonString] = "ok"
          $0.userProperties = [UserProperty("k", "v")]
          $0[.wildcardSubscriptionAvailable] = true
          $0[.subscriptionIdentifierAvailable] = false
          $0[.sharedSubscriptionAvailable] = true
          $0[.serverKeepAlive] = 30
          $0[.responseInformation] = "r"
          $0[.serverReference] = "s"
          $0[.authenticationMethod] = "m"
          $0[.authenticationData] = [0xFF]
        })),
    """
    20 42  00 00 \
    3f 11 0000003c 21 0014 24 01 25 00 27 00001000 12 0003 'abc' 22 000a 1f 0002 'ok' 26 0001 'k' 0001 'v' \
    28 01 29 00 2a 01 13 001e 1a 0001 'r' 1c 0001 's' 15 0001 'm' 16 0001 ff
    """),
]

/// 3.3
private let publishRows = [
  PacketRow("PUBLISH", v3, publish("a/b", "hi"), "30 07  0003 'a/b'  'hi'"),
  PacketRow("PUBLISH", [.v5], publish("a/b", "hi"), "30 08  0003 'a/b' 00  'hi'"),
  PacketRow("PUBLISH without payload, retained", v3, publish("a/b", "", retain: true), "31 05  0003 'a/b'"),
  PacketRow(
    "PUBLISH with QoS 1, retained", v3, publish("a/b", "hi", .atLeastOnce, retain: true, identifier: 10),
    "33 09  0003 'a/b' 000a  'hi'"),
  PacketRow(
    "PUBLISH with QoS 1, retained", [.v5], publish("a/b", "hi", .atLeastOnce, retain: true, identifier: 10),
    "33 0a  0003 'a/b' 000a 00  'hi'"),
  PacketRow(
    "PUBLISH with QoS 2, a duplicate", v3, publish("a/b", "", .exactlyOnce, duplicate: true, identifier: 65535),
    "3c 07  0003 'a/b' ffff"),
  PacketRow(
    "PUBLISH with QoS 2, a duplicate", [.v5], publish("a/b", "", .exactlyOnce, duplicate: true, identifier: 65535),
    "3c 08  0003 'a/b' ffff 00"),
  PacketRow(
    "PUBLISH of 127 bytes", v3, publish("a/b", String(repeating: "x", count: 122)),
    "30 7f  0003 'a/b'  '\(String(repeating: "x", count: 122))'"),
  PacketRow(
    "PUBLISH of 128 bytes", v3, publish("a/b", String(repeating: "x", count: 123)),
    "30 8001  0003 'a/b'  '\(String(repeating: "x", count: 123))'"),
  PacketRow(
    "PUBLISH with a topic that is not ASCII", v3, publish("ü/\u{1F321}", "1"),
    "30 0a  0007 c3bc 2f f09f8ca1  '1'"),
  PacketRow(
    "PUBLISH with all its properties", [.v5],
    publish(
      "a/b", "x",
      properties: properties {
        $0[.payloadFormatIndicator] = 1
        $0[.messageExpiryInterval] = 3600
        $0[.topicAlias] = 5
        $0[.responseTopic] = "r"
        $0[.correlationData] = [0, 1]
        $0.userProperties = [UserProperty("k", "v")]
        $0.subscriptionIdentifiers = [128, 1]
        $0[.contentType] = "text"
      }),
    """
    30 2d  0003 'a/b' \
    26 01 01 02 00000e10 23 0005 08 0001 'r' 09 0002 0001 26 0001 'k' 0001 'v' 0b 8001 0b 01 03 0004 'text' \
    'x'
    """),
  PacketRow(
    "PUBLISH with a topic alias alone [3.3.2.3.4]", [.v5],
    publish("", "x", properties: properties { $0[.topicAlias] = 1 }), "30 07  0000 03 23 0001  'x'"),
]

/// 3.4 to 3.7
private let acknowledgementRows = [
  PacketRow("PUBACK", all, acknowledgement(.puback, 1), "40 02  0001"),
  PacketRow("PUBREC", all, acknowledgement(.pubrec, 256), "50 02  0100"),
  PacketRow("PUBREL", all, acknowledgement(.pubrel, 65535), "62 02  ffff"),
  PacketRow("PUBCOMP", all, acknowledgement(.pubcomp, 1), "70 02  0001"),
  PacketRow(
    "PUBACK with a reason", [.v5], acknowledgement(.puback, 1, .noMatchingSubscribers), "40 03  0001 10"),
  PacketRow("PUBREC with a reason", [.v5], acknowledgement(.pubrec, 1, .quotaExceeded), "50 03  0001 97"),
  PacketRow("PUBREL with a reason", [.v5], acknowledgement(.pubrel, 1, .packetIdentifierNotFound), "62 03  0001 92"),
  PacketRow("PUBCOMP with a reason", [.v5], acknowledgement(.pubcomp, 1, .packetIdentifierNotFound), "70 03  0001 92"),
  PacketRow(
    "PUBACK with properties", [.v5],
    acknowledgement(.puback, 1, .unspecifiedError, properties { $0[.reasonString] = "why" }),
    "40 0a  0001 80  06 1f 0003 'why'"),
  PacketRow(
    "PUBREL with properties and success", [.v5],
    acknowledgement(.pubrel, 1, .success, properties { $0.userProperties = [UserProperty("k", "v")] }),
    "62 0b  0001 00  07 26 0001 'k' 0001 'v'"),
  PacketRow(
    "PUBACK, success in three bytes", [.v5], acknowledgement(.puback, 1), "40 03  0001 00", isDecodedOnly: true),
  PacketRow(
    "PUBACK, success in four bytes", [.v5], acknowledgement(.puback, 1), "40 04  0001 00 00", isDecodedOnly: true),
  PacketRow(
    "PUBREC with an unknown reason", [.v5], acknowledgement(.pubrec, 1, ReasonCode(rawValue: 0xEE)), "50 03  0001 ee"),
]

/// 3.8 to 3.11
private let subscriptionRows = [
  PacketRow(
    "SUBSCRIBE, the specification's example", v3,
    .subscribe(
      SubscribePacket(
        packetIdentifier: 10,
        subscriptions: [
          Subscription(filter: filter("a/b"), options: SubscriptionOptions(qos: .atLeastOnce)),
          Subscription(filter: filter("c/d"), options: SubscriptionOptions(qos: .exactlyOnce)),
        ])),
    "82 0e  000a  0003 'a/b' 01  0003 'c/d' 02"),
  PacketRow(
    "SUBSCRIBE, the specification's example", [.v5],
    .subscribe(
      SubscribePacket(
        packetIdentifier: 10,
        subscriptions: [
          Subscription(filter: filter("a/b"), options: SubscriptionOptions(qos: .atLeastOnce)),
          Subscription(filter: filter("c/d"), options: SubscriptionOptions(qos: .exactlyOnce)),
        ])),
    "82 0f  000a 00  0003 'a/b' 01  0003 'c/d' 02"),
  PacketRow(
    "SUBSCRIBE with all options", [.v5],
    .subscribe(
      SubscribePacket(
        packetIdentifier: 10,
        subscriptions: [
          Subscription(
            filter: filter("a/#"),
            options: SubscriptionOptions(
              qos: .atLeastOnce, noLocal: true, retainAsPublished: true, retainHandling: .doNotSend)),
          Subscription(
            filter: filter("$share/g/+"),
            options: SubscriptionOptions(retainHandling: .sendIfNew)),
        ],
        properties: properties { $0[.subscriptionIdentifier] = 268_435_455 })),
    "82 1b  000a  05 0b ffffff7f  0003 'a/#' 2d  000a '$share/g/+' 10"),
  PacketRow(
    "SUBACK", v3,
    .suback(
      SubackPacket(packetIdentifier: 10, reasonCodes: [.grantedQoS0, .grantedQoS2, .unspecifiedError])),
    "90 05  000a  00 02 80"),
  PacketRow(
    "SUBACK", [.v5],
    .suback(
      SubackPacket(packetIdentifier: 10, reasonCodes: [.grantedQoS0, .grantedQoS1, .topicFilterInvalid])),
    "90 06  000a 00  00 01 8f"),
  PacketRow(
    "SUBACK with properties", [.v5],
    .suback(
      SubackPacket(
        packetIdentifier: 10, reasonCodes: [.notAuthorized], properties: properties { $0[.reasonString] = "no" })),
    "90 09  000a  05 1f 0002 'no'  87"),
  PacketRow(
    "UNSUBSCRIBE, the specification's example", v3,
    .unsubscribe(UnsubscribePacket(packetIdentifier: 10, filters: [filter("a/b"), filter("c/d")])),
    "a2 0c  000a  0003 'a/b'  0003 'c/d'"),
  PacketRow(
    "UNSUBSCRIBE, the specification's example", [.v5],
    .unsubscribe(UnsubscribePacket(packetIdentifier: 10, filters: [filter("a/b"), filter("c/d")])),
    "a2 0d  000a 00  0003 'a/b'  0003 'c/d'"),
  PacketRow("UNSUBACK", v3, .unsuback(UnsubackPacket(packetIdentifier: 10)), "b0 02  000a"),
  PacketRow(
    "UNSUBACK", [.v5],
    .unsuback(UnsubackPacket(packetIdentifier: 10, reasonCodes: [.success, .noSubscriptionExisted])),
    "b0 05  000a 00  00 11"),
]

/// 3.12 to 3.15
private let otherRows = [
  PacketRow("PINGREQ", all, .pingreq, "c0 00"),
  PacketRow("PINGRESP", all, .pingresp, "d0 00"),
  PacketRow("DISCONNECT", all, .disconnect(DisconnectPacket()), "e0 00"),
  PacketRow(
    "DISCONNECT with a reason", [.v5], .disconnect(DisconnectPacket(reasonCode: .sessionTakenOver)), "e0 01  8e"),
  PacketRow(
    "DISCONNECT with properties", [.v5],
    .disconnect(DisconnectPacket(properties: properties { $0[.sessionExpiryInterval] = 0 })),
    "e0 07  00  05 11 00000000"),
  PacketRow(
    "DISCONNECT, normal in one byte", [.v5], .disconnect(DisconnectPacket()), "e0 01  00", isDecodedOnly: true),
  PacketRow(
    "DISCONNECT, normal in two bytes", [.v5], .disconnect(DisconnectPacket()), "e0 02  00 00", isDecodedOnly: true),
  PacketRow("AUTH", [.v5], .auth(AuthPacket()), "f0 00"),
  PacketRow("AUTH, success in two bytes", [.v5], .auth(AuthPacket()), "f0 02  00 00", isDecodedOnly: true),
  PacketRow(
    "AUTH", [.v5],
    .auth(
      AuthPacket(
        reasonCode: .continueAuthentication,
        properties: properties {
          $0[.authenticationMethod] = "SCRAM"
          $0[.authenticationData] = [1, 2]
        })),
    "f0 0f  18  0d 15 0005 'SCRAM' 16 0002 0102"),
]

let packetTable = connectRows + connackRows + publishRows + acknowledgementRows + subscriptionRows + otherRows
