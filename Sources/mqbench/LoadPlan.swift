internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// What a run of load does.
struct LoadPlan: Sendable {
  var topology: Topology
  var schedule: Schedule
  /// Bytes of a payload, header and all.
  var size: ClosedRange<Int>
  var qos: QoS
  /// The subscribers'.
  var subscriptionQoS: QoS
  var retain: Bool
  /// QoS 1 and 2 messages that a publisher may have unacknowledged, besides what the broker says.
  var window: Int?
  /// Nothing but connections, which are held for the window.
  var connectsOnly = false
  /// As fast as the window allows, instead of by schedule.
  var isClosed = false
  /// Connections begun in a second.
  var connectRate: Double
  var warmUp: Duration
  var duration: Duration
  var settle = Duration.seconds(1)
  /// How long after the last message of the window others may come.
  var drainLimit: Duration
  var workers: Int
  var observation = Observation()
  /// What it is a part of; nil when it is all there is.
  var part: Part?
  /// When the arrivals, or nothing but connections, begin; nil as soon as all is ready.
  var startTime: WallTime?
  /// Four letters that other runs hardly have; topics and client identifiers begin with them.
  var run: RunWord
  /// How to connect; the client identifier in it is replaced.
  var client: ClientSettings

  /// Nanoseconds from the start of the arrivals to the start and the end of the window.
  var windowStart: Int64 { schedule.ramp + warmUp.nanoseconds }
  var windowEnd: Int64 { windowStart + duration.nanoseconds }

  /// Seconds before the window, the first of which may be short.
  var leadSeconds: Int { Int((windowStart + 999_999_999) / 1_000_000_000) }

  /// The number of the second in which this time falls, so that the window begins with second `leadSeconds`.
  func second(at time: Int64) -> Int { (Int(time - windowStart) + leadSeconds * 1_000_000_000) / 1_000_000_000 }

  /// When the second with this number ends.
  func end(ofSecond second: Int) -> Int64 { windowStart + Int64(second + 1 - leadSeconds) * 1_000_000_000 }

  /// Which times the report is about.
  var headline: Headline {
    if connectsOnly { return .connect }
    if topology.subscribers > 0 { return .endToEnd }
    return qos == .atMostOnce ? .sendDelay : .acknowledgement
  }

  enum Headline: Sendable { case endToEnd, acknowledgement, sendDelay, connect }

  /// Whether each message goes to several subscribers.
  var fansOut: Bool { !topology.isShared && topology.deliveriesPerMessage > 1 }

  /// The name of a topic.
  func topicName(_ topic: Int) -> [UInt8] { Array("mqbench/\(run)/\(topic)".utf8) }

  /// The clients of a run, publishers first.
  var clientCount: Int { topology.publishers + topology.subscribers }
}

/// A word that tells runs apart.
struct RunWord: Hashable, Sendable, CustomStringConvertible {
  let number: UInt16

  init() { number = .random(in: 0 ... .max) }

  /// Four letters: `bafo`.
  var description: String {
    let consonants = Array("bdfghjklmnprstvz".utf8)
    let vowels = Array("aeio".utf8)
    let bits = Int(number)
    let letters = [
      consonants[bits >> 12], vowels[bits >> 10 & 3], consonants[bits >> 6 & 15], vowels[bits >> 4 & 3],
      consonants[bits & 15],
    ]
    return String(decoding: letters, as: UTF8.self)
  }
}
