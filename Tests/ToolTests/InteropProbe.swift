import Foundation
import TestSupport
import Testing

/// What `probe` of mqshell finds out about brokers of other makes; `Scripts/interop` runs it with those that it is told.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["MQTOOLS_INTEROP"] != nil))
struct InteropProbe {
  private struct Report: Decodable {
    struct Result: Decodable { var section, name, verdict, detail: String }
    var results: [Result]
  }

  /// All that is no yes, as these versions of the brokers are known to be; the others are shown only.
  private static let known: [BrokerMake: [String]] = [
    .mosquitto: [
      "response information: no", "unacknowledged at a time: 20 messages", "overlapping subscriptions: 2 copies",
      "topic aliases from the broker: no", "topic with U+FFFF: no", "topic with a control character: no",
    ],
    .rabbitmq: [
      "MQTT 5: no", "QoS 2: no", "unacknowledged at a time: 10 messages", "found by wildcard: no",
      "shared subscriptions: no", "overlapping subscriptions: one copy", "$SYS topics: no", "topic with a dot: no",
    ],
    .nats: [
      "MQTT 3.1: no", "MQTT 5: no", "unacknowledged at a time: 100 messages or more", "shared subscriptions: no",
      "overlapping subscriptions: 2 copies", "$SYS topics: no", "topic with a blank: no", "all of ASCII: no",
    ],
    .natsDebian: [
      "MQTT 3.1: no", "MQTT 5: no", "QoS 2: no", "unacknowledged at a time: 100 messages or more",
      "shared subscriptions: no", "overlapping subscriptions: 2 copies", "$SYS topics: no", "topic with a blank: no",
      "topic with a dot: no",
    ],
    .ejabberd: [
      "MQTT 3.1: no", "without user name and password: no", "shared subscriptions: no", "response information: no",
      "unacknowledged at a time: 1 message", "topics that begin with $: no", "shared subscriptions: no",
      "overlapping subscriptions: 2 copies", "$SYS topics: no", "tells when none existed (0x11): no",
      "expired messages are gone: no", "topic aliases from the broker: no", "client's maximum packet size kept: no",
      "topic of many levels: 8 levels", "longest one: 1023 bytes",
    ],
  ]

  /// Values that a broker tells or that depend on its configuration.
  private static let isTold = [
    "software", "unknown authentication method", "receive maximum", "maximum QoS", "maximum packet size",
    "topic alias maximum", "server keep alive", "session expiry interval",
  ]

  @Test("probe finds what is known of a broker, and nothing of it is left there", arguments: Interop.makes)
  func probe(make: BrokerMake) throws {
    let broker = try ForeignBroker(make, certificates: nil)
    let listener = try #require(broker.listener(.tcp, version: "5") ?? broker.listener(.tcp, version: "311"))
    let access = make.credentials.map { ["-u", $0.user, "-P", $0.password] } ?? []
    let options = ["-h", "127.0.0.1", "-p", "\(listener.port)"] + access
    let tool = try ToolProcess.run("mqshell", options + ["-c", "probe --json"], timeout: .seconds(80))
    #expect(tool.end == .exited(0), "\(tool.errorText)")
    let results = try JSONDecoder().decode(Report.self, from: Data(tool.output)).results
    let found = results.filter { $0.verdict != "yes" && !Self.isTold.contains($0.name) }.map { result in
      "\(result.name): \(result.verdict == "value" ? result.detail : result.verdict)"
    }
    print(
      "\(make.rawValue), \(results.count) answers of probe, of which these are no yes: \(found.joined(separator: ", "))"
    )
    if let known = Self.known[make] { #expect(found == known) }
    // Not all brokers find retained messages by wildcard; those that do have none.
    let left = try ToolProcess.run("mqshell", options + ["-c", "get mqshell-probe/#"], timeout: .seconds(20))
    #expect(left.end == .exited(6), "\(left.outputText)")
  }
}
