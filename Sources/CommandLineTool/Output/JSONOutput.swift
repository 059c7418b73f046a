public import MQTT

/// Received messages as JSON, one object a line, from which each can be published again exactly as it was.
///
///     {"time":"2026-11-22T12:55:34.539884+01:00","topic":"a/b","qos":1,"retain":false,"dup":false,"id":7,
///      "payload":"text",          if it is UTF-8 without U+0000, else
///      "payload_base64":"…",
///      "json":{…},                the payload again, if it is one JSON text
///      "properties":{"payload_format_indicator":1,"message_expiry_interval":3600,"content_type":"…",
///        "response_topic":"…","correlation_data_base64":"…","topic_alias":3,"subscription_identifiers":[5],
///        "user_properties":[["k","v"],["k","w"]]}}
///
/// A message of QoS 0 has no `id`, and one without properties no `properties`.
public struct JSONOutput: Sendable {
  private let isForTerminal: Bool
  private var timestamp = Timestamp()

  /// A writer. On a terminal what would steer it is escaped, also in `json`, which is not quite verbatim then.
  public init(isForTerminal: Bool) { self.isForTerminal = isForTerminal }

  /// For tests, with another clock's zone.
  init(isForTerminal: Bool, timestamp: Timestamp) {
    self.isForTerminal = isForTerminal
    self.timestamp = timestamp
  }

  /// Appends the line of a message that came at `time`, without its end.
  public mutating func append(_ message: MessageView, at time: WallTime, to output: inout OutputBuffer) {
    output.append("{\"time\":\"")
    timestamp.append(seconds: time.seconds, nanoseconds: time.nanoseconds, zone: .extended, to: &output)
    output.append("\",\"topic\":")
    JSONText.append(message.topic, isForTerminal: isForTerminal, to: &output)
    output.append(",\"qos\":")
    output.append(decimal: Int(message.qos.rawValue))
    output.append(message.retain ? ",\"retain\":true" : ",\"retain\":false")
    output.append(message.isDuplicate ? ",\"dup\":true" : ",\"dup\":false")
    if message.qos != .atMostOnce {
      output.append(",\"id\":")
      output.append(decimal: Int(message.packetIdentifier))
    }
    append(payload: message.payload, to: &output)
    append(message.propertyViews, to: &output)
    output.append(UInt8(ascii: "}"))
  }

  private func append(payload: UnsafeRawBufferPointer, to output: inout OutputBuffer) {
    guard Text.isValid(payload) else {
      output.append(",\"payload_base64\":\"")
      Base64.append(payload, to: &output)
      output.append(UInt8(ascii: "\""))
      return
    }
    output.append(",\"payload\":")
    JSONText.append(payload, isForTerminal: isForTerminal, to: &output)
    if let value = try? JSONValue(text: payload) {
      output.append(",\"json\":")
      value.appendOnOneLine(isForTerminal: isForTerminal, to: &output)
    }
  }

  // MARK: Properties

  private func append(_ properties: PropertyViews, to output: inout OutputBuffer) {
    var isFirst = true
    for view in properties {
      guard let key = Self.key(of: view.property) else { continue }
      output.append(isFirst ? ",\"properties\":{" : ",")
      isFirst = false
      output.append(key)
      switch view.property.type {
      case .binary:
        output.append(UInt8(ascii: "\""))
        Base64.append(view.bytes, to: &output)
        output.append(UInt8(ascii: "\""))
      case .text: JSONText.append(view.bytes, isForTerminal: isForTerminal, to: &output)
      default: output.append(decimal: Int(view.number))
      }
    }
    appendList("\"subscription_identifiers\":[", of: .variableByteInteger, properties, &isFirst, to: &output)
    appendList("\"user_properties\":[", of: .userProperty, properties, &isFirst, to: &output)
    if !isFirst { output.append(UInt8(ascii: "}")) }
  }

  /// The key of a property that stands at most once in a PUBLISH (2.2.2.2, table 2-4).
  private static func key(of property: PropertyDescription) -> String? {
    switch property.identifier {
    case 0x01: "\"payload_format_indicator\":"
    case 0x02: "\"message_expiry_interval\":"
    case 0x03: "\"content_type\":"
    case 0x08: "\"response_topic\":"
    case 0x09: "\"correlation_data_base64\":"
    case 0x23: "\"topic_alias\":"
    default: nil
    }
  }

  /// A property that may stand several times.
  private func appendList(
    _ opening: String, of type: PropertyType, _ properties: PropertyViews, _ isFirst: inout Bool,
    to output: inout OutputBuffer
  ) {
    var isEmpty = true
    for view in properties where view.property.type == type {
      if isEmpty {
        output.append(isFirst ? ",\"properties\":{" : ",")
        output.append(opening)
        isFirst = false
      } else {
        output.append(UInt8(ascii: ","))
      }
      isEmpty = false
      if type == .userProperty {
        output.append(UInt8(ascii: "["))
        JSONText.append(view.bytes, isForTerminal: isForTerminal, to: &output)
        output.append(UInt8(ascii: ","))
        JSONText.append(view.second, isForTerminal: isForTerminal, to: &output)
        output.append(UInt8(ascii: "]"))
      } else {
        output.append(decimal: Int(view.number))
      }
    }
    if !isEmpty { output.append(UInt8(ascii: "]")) }
  }
}
