internal import MQTT

/// How single values are written: cut, filled up and aligned by rules that differ from kind to kind, as they do in
/// mosquitto_sub, whose output scripts rely on.
extension MessageFormat {
  /// Bytes of the message as they are, or safe for a terminal.
  func append(own bytes: UnsafeRawBufferPointer, to output: inout OutputBuffer) {
    if options.isForTerminal {
      TerminalText.append(bytes, to: &output)
    } else {
      output.append(bytes)
    }
  }

  /// A text, which no zeros fill up: the precision cuts it and the width is the least it takes, both in bytes.
  func append(text: UnsafeRawBufferPointer, _ layout: FormatString.Layout, to output: inout OutputBuffer) {
    let text = UnsafeRawBufferPointer(rebasing: text.prefix(layout.precision ?? .max))
    let missing = layout.width - text.count
    if !layout.isLeft { output.append(UInt8(ascii: " "), count: missing) }
    append(own: text, to: &output)
    if layout.isLeft { output.append(UInt8(ascii: " "), count: missing) }
  }

  func append(integer: Int, _ layout: FormatString.Layout, to output: inout OutputBuffer) {
    var digits = 1
    var rest = integer
    while rest >= 10 {
      rest /= 10
      digits += 1
    }
    let missing = layout.width - digits
    if !layout.isLeft { output.append(layout.padding, count: missing) }
    output.append(decimal: integer)
    if layout.isLeft { output.append(UInt8(ascii: " "), count: missing) }
  }

  func append(number: Double, _ layout: FormatString.Layout, to output: inout OutputBuffer) {
    let flags = layout.isLeft ? "-" : layout.padding == UInt8(ascii: "0") ? "0" : ""
    output.append(
      System.decimalText(number, flags: flags, width: layout.width, precision: layout.precision ?? 6))
  }

  /// A property that is a number; one that is not there leaves its place empty.
  func append<Value>(
    property key: PropertyKey<Value>, of message: MessageView, _ layout: FormatString.Layout,
    to output: inout OutputBuffer
  ) {
    if let view = message.first(key) {
      append(integer: Int(view.number), layout, to: &output)
    } else {
      output.append(layout.padding, count: layout.width)
    }
  }

  func appendUserProperties(_ message: MessageView, to output: inout OutputBuffer) {
    var isFirst = true
    for view in message.propertyViews where view.property.type == .userProperty {
      if !isFirst { output.append(UInt8(ascii: " ")) }
      isFirst = false
      append(own: view.bytes, to: &output)
      output.append(UInt8(ascii: ":"))
      append(own: view.second, to: &output)
    }
  }

  // MARK: Payload

  func append(wholePayload payload: UnsafeRawBufferPointer, to output: inout OutputBuffer) {
    if options.isPretty, let value = try? JSONValue(text: payload) {
      value.appendOnManyLines(isForTerminal: options.isForTerminal, to: &output)
    } else {
      append(own: payload, to: &output)
    }
  }

  /// `%p`: the width both cuts and fills up.
  func append(payload: UnsafeRawBufferPointer, _ layout: FormatString.Layout, to output: inout OutputBuffer) {
    let shown = layout.width > 0 ? min(payload.count, layout.width) : payload.count
    let missing = layout.width - shown
    if !layout.isLeft { output.append(layout.padding, count: missing) }
    append(own: UnsafeRawBufferPointer(rebasing: payload[..<shown]), to: &output)
    appendLeftPadding(missing, layout, to: &output)
  }

  /// `%x`: the width cuts to as many bytes, not digits, and fills up to as many digits. What fills up is grouped too.
  func append(
    hexadecimal payload: UnsafeRawBufferPointer, _ layout: FormatString.Layout, uppercase: Bool,
    to output: inout OutputBuffer
  ) {
    let shown = layout.width > 0 ? min(payload.count, layout.width) : payload.count
    let missing = layout.width > 0 ? layout.width - 2 * shown : -payload.count
    let digits = UnsafeRawBufferPointer(rebasing: payload[..<shown])
    let groupSize = layout.precision ?? 0
    if groupSize == 0 {
      if !layout.isLeft { output.append(layout.padding, count: missing) }
      Hex.append(digits, uppercase: uppercase, to: &output)
    } else {
      let before = layout.isLeft ? 0 : max(0, missing)
      for index in 0..<(before + 2 * shown) {
        if index > 0, index % groupSize == 0 { output.append(layout.separator) }
        if index < before {
          output.append(layout.padding)
        } else {
          let byte = digits[(index - before) / 2]
          output.append(Hex.digit((index - before) % 2 == 0 ? byte >> 4 : byte & 0x0F, uppercase: uppercase))
        }
      }
    }
    appendLeftPadding(missing, layout, to: &output)
  }

  /// What fills up on the right. Where more was shown than there was room for, mosquitto_sub puts as many blanks.
  private func appendLeftPadding(_ missing: Int, _ layout: FormatString.Layout, to output: inout OutputBuffer) {
    if layout.isLeft { output.append(UInt8(ascii: " "), count: abs(missing)) }
  }

  func appendDump(_ message: MessageView, showsTopic: Bool, to output: inout OutputBuffer) {
    if showsTopic {
      if options.isColored { output.append(literal: TextColor.topic.start) }
      append(own: message.topic, to: &output)
      if options.isColored { output.append(literal: TextColor.end) }
      output.append(literal: " (")
      output.append(decimal: message.payload.count)
      output.append(literal: message.payload.count == 1 ? " byte)" : " bytes)")
      if !message.payload.isEmpty { output.append(UInt8(ascii: "\n")) }
    }
    Hex.appendDump(of: message.payload, to: &output)
  }

  // MARK: %j and %J

  /// mosquitto_sub's JSON: other names than ours, times without a colon, user properties as objects. `payloadIsJSON`
  /// copies the payload, which is a string else; there bytes that are no UTF-8 become U+FFFD.
  func appendMosquittoJSON(
    _ message: MessageView, payloadIsJSON: Bool, at time: WallTime, _ timestamp: inout Timestamp,
    to output: inout OutputBuffer
  ) throws(Problem) {
    var payload: JSONValue?
    if payloadIsJSON, !message.payload.isEmpty {
      do { payload = try JSONValue(text: message.payload) } catch { throw .payloadIsNotJSON }
    }
    guard options.isPretty else {
      appendCompactJSON(message, payload, at: time, &timestamp, to: &output)
      return
    }
    var compact = OutputBuffer(descriptor: -1, limit: .max)
    appendCompactJSON(message, payload, at: time, &timestamp, to: &compact)
    compact.withBytes {
      JSONValue(checked: $0).appendOnManyLines(isForTerminal: options.isForTerminal, to: &output)
    }
  }

  private func appendCompactJSON(
    _ message: MessageView, _ payload: JSONValue?, at time: WallTime, _ timestamp: inout Timestamp,
    to output: inout OutputBuffer
  ) {
    output.append(literal: "{\"tst\":\"")
    timestamp.append(seconds: time.seconds, nanoseconds: time.nanoseconds, zone: .basic, to: &output)
    output.append(literal: "\",\"topic\":")
    append(string: message.topic, to: &output)
    output.append(literal: ",\"qos\":")
    output.append(decimal: Int(message.qos.rawValue))
    output.append(literal: message.retain ? ",\"retain\":true" : ",\"retain\":false")
    output.append(literal: ",\"payloadlen\":")
    output.append(decimal: message.payload.count)
    if message.qos != .atMostOnce {
      output.append(literal: ",\"mid\":")
      output.append(decimal: Int(message.packetIdentifier))
    }
    appendJSONProperties(message, to: &output)
    output.append(literal: ",\"payload\":")
    if let payload {
      payload.appendOnOneLine(isForTerminal: options.isForTerminal, to: &output)
    } else if message.payload.isEmpty {
      output.append(literal: "null")
    } else {
      append(string: message.payload, to: &output)
    }
    output.append(UInt8(ascii: "}"))
  }

  private func appendJSONProperties(_ message: MessageView, to output: inout OutputBuffer) {
    var isEmpty = true
    var hasUserProperties = false
    for view in message.propertyViews {
      if view.property.type == .userProperty, hasUserProperties { continue }
      output.append(literal: isEmpty ? ",\"properties\":{\"" : ",\"")
      isEmpty = false
      output.append(literal: Self.name(of: view.property))
      output.append(literal: "\":")
      switch view.property.type {
      case .userProperty:
        hasUserProperties = true
        appendUserPropertyObjects(message, to: &output)
      case .text, .binary: append(string: view.bytes, to: &output)
      default: output.append(decimal: Int(view.number))
      }
    }
    if !isEmpty { output.append(UInt8(ascii: "}")) }
  }

  /// The specification's names in lower case (2.2.2.2, table 2-4); all user properties are under one.
  private static func name(of property: PropertyDescription) -> StaticString {
    switch property.identifier {
    case 0x01: "payload-format-indicator"
    case 0x02: "message-expiry-interval"
    case 0x03: "content-type"
    case 0x08: "response-topic"
    case 0x09: "correlation-data"
    case 0x0B: "subscription-identifier"
    case 0x23: "topic-alias"
    case 0x26: "user-properties"
    default: ""
    }
  }

  private func appendUserPropertyObjects(_ message: MessageView, to output: inout OutputBuffer) {
    var isFirst = true
    for view in message.propertyViews where view.property.type == .userProperty {
      output.append(literal: isFirst ? "[{" : ",{")
      isFirst = false
      append(string: view.bytes, to: &output)
      output.append(UInt8(ascii: ":"))
      append(string: view.second, to: &output)
      output.append(UInt8(ascii: "}"))
    }
    output.append(UInt8(ascii: "]"))
  }

  private func append(string bytes: UnsafeRawBufferPointer, to output: inout OutputBuffer) {
    JSONText.append(bytes, isForTerminal: options.isForTerminal, to: &output)
  }
}

extension MessageView {
  /// The first property of its kind, where it lies.
  func first<Value>(_ key: PropertyKey<Value>) -> PropertyView? {
    let identifier = key.property.identifier
    return propertyViews.first { $0.property.identifier == identifier }
  }
}
