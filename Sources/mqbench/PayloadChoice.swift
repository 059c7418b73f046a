internal import CommandLineTool
internal import MQTT

/// What payloads are made of, as it was typed.
enum PayloadChoice: Hashable, Sendable {
  case random, zero, json
  /// The files of a folder, in the order of their names.
  case folder([UInt8])
  /// The payloads that `mqsub --record` has kept.
  case recording([UInt8])

  init(_ word: Argument) throws(UsageError) {
    for (kind, make) in [("file:", Self.folder), ("record:", Self.recording)] where word.bytes.starts(with: kind.utf8) {
      let path = Array(word.bytes.dropFirst(kind.utf8.count))
      guard !path.isEmpty, !path.contains(0) else { throw UsageError("\(word.quoted): the path is missing") }
      self = make(path)
      return
    }
    let choices = [("random", Self.random), ("zero", .zero), ("json", .json)]
    guard let choice = choices.first(where: { word.bytes.elementsEqual($0.0.utf8) }) else {
      throw UsageError("\(word.quoted) is not random, zero, json, file:DIR or record:FILE")
    }
    self = choice.1
  }

  /// Whether sizes are given by what is read.
  var hasSizes: Bool {
    switch self {
    case .random, .zero, .json: false
    case .folder, .recording: true
    }
  }

  /// Reads what there is to be read.
  func content() throws(UsageError) -> PayloadRule.Content {
    switch self {
    case .random: return .random
    case .zero: return .zero
    case .json: return .json
    case .folder(let path):
      return try Self.given(path, "has no files") { () throws(SystemError) in
        var payloads: [[UInt8]] = []
        for name in try System.fileNames(in: path) {
          payloads.append(try System.contents(of: path + [UInt8(ascii: "/")] + name))
        }
        return payloads
      }
    case .recording(let path):
      let text = try Self.reading(path) { () throws(SystemError) in try System.contents(of: path) }
      let payloads = try Self.payloads(ofRecording: text, Self.name(path))
      return try Self.given(path, "has no messages") { payloads }
    }
  }

  /// The payload of each line of a recording. A last line that was cut off is left out.
  static func payloads(ofRecording text: [UInt8], _ name: String) throws(UsageError) -> [[UInt8]] {
    var payloads: [[UInt8]] = []
    var json = JSONInput()
    var start = text.startIndex
    var number = 0
    while let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) {
      number += 1
      do throws(JSONError) {
        try Array(text[start..<end]).withBytes { (line) throws(JSONError) in try json.read(line) }
      } catch {
        throw UsageError("\(name), line \(number): \(error)")
      }
      payloads.append(json.payload)
      start = end + 1
    }
    return payloads
  }

  private static func given(
    _ path: [UInt8], _ nothing: String, _ read: () throws(SystemError) -> [[UInt8]]
  ) throws(UsageError) -> PayloadRule.Content {
    let payloads = try reading(path, read)
    guard !payloads.isEmpty else { throw UsageError("\(name(path)) \(nothing)") }
    let limit = PayloadRule.sizeLimit - MessageHeader.size
    guard payloads.allSatisfy({ $0.count <= limit }) else {
      throw UsageError("\(name(path)): a payload may have \(limit) bytes at most")
    }
    return .given(payloads)
  }

  private static func reading<Value>(
    _ path: [UInt8], _ read: () throws(SystemError) -> Value
  ) throws(UsageError) -> Value {
    do throws(SystemError) { return try read() } catch { throw UsageError("\(name(path)): \(error.explanation)") }
  }

  private static func name(_ path: [UInt8]) -> String { Argument(path, from: Source(.commandLine)).quoted }
}
