extension JSONValue {
  /// Appends the value for people: each member of an object on its line, indented by tabs, as mosquitto_sub's --pretty
  /// does it. Numbers, strings and the order stay as they are.
  public func appendOnManyLines(isForTerminal: Bool, to output: inout OutputBuffer) {
    // What closes the containers that are open. Those of ours around a payload make it one deeper.
    withUnsafeTemporaryAllocation(byteCount: JSONScanner.maximumDepth + 1, alignment: 1) {
      appendOnManyLines($0, isForTerminal: isForTerminal, to: &output)
    }
  }

  private func appendOnManyLines(
    _ closers: UnsafeMutableRawBufferPointer, isForTerminal: Bool, to output: inout OutputBuffer
  ) {
    var depth = 0
    var position = 0
    while position < bytes.count {
      let byte = bytes[position]
      var end = position + 1
      switch byte {
      case UInt8(ascii: "\""):
        end = JSONScanner.endOfString(bytes, from: position)
        let string = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
        if isForTerminal {
          JSONText.appendSafely(string, to: &output)
        } else {
          output.append(string)
        }
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        closers[depth] = byte == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]")
        depth += 1
        output.append(byte)
        if byte == UInt8(ascii: "{") {
          while JSONScanner.isBlank(bytes[end]) { end += 1 }
          // Of an empty object the line stays out, but its end does not.
          if bytes[end] != UInt8(ascii: "}") { appendLine(depth, to: &output) }
        }
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if byte == UInt8(ascii: "}") { appendLine(depth, to: &output) }
        output.append(byte)
      case UInt8(ascii: ","):
        output.append(byte)
        if closers[depth - 1] == UInt8(ascii: "}") {
          appendLine(depth, to: &output)
        } else {
          output.append(UInt8(ascii: " "))
        }
      case UInt8(ascii: ":"): output.append(":\t")
      case _ where JSONScanner.isBlank(byte): break
      default: output.append(byte)
      }
      position = end
    }
  }

  private func appendLine(_ depth: Int, to output: inout OutputBuffer) {
    output.append(UInt8(ascii: "\n"))
    output.append(UInt8(ascii: "\t"), count: depth)
  }
}
