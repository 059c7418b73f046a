import MQTT

@testable import MQTTClient

/// A layer with a bit of everything that real ones have. It says `?` and is open when `!` has come. Then bytes go in frames, a
/// length in two bytes and so many bytes, each XORed with the key. A frame of no bytes is a farewell; the length `ffff` is a fault.
final class ToyLayer: Layer {
  let stage: ConnectionStage
  private let key: UInt8
  private(set) var isOpen = false
  private var held: [UInt8] = []

  init(_ stage: ConnectionStage, key: UInt8) {
    (self.stage, self.key) = (stage, key)
  }

  func start(down: inout ByteQueue) { down.append(UInt8(ascii: "?")) }

  func receive(
    _ bytes: UnsafeRawBufferPointer, up: inout ByteQueue, down: inout ByteQueue
  ) throws(ConnectionError) {
    held += bytes
    if !isOpen, let first = held.first {
      guard first == UInt8(ascii: "!") else { throw .closed(stage) }
      held.removeFirst()
      isOpen = true
    }
    while isOpen, held.count >= 2 {
      let length = Int(held[0]) << 8 | Int(held[1])
      guard length != 0xFFFF else {
        down.append(Self.framed(Array("fault".utf8), key))
        throw .timedOut(stage, endpoint: "toy", after: .seconds(1))
      }
      guard held.count >= 2 + length else { return }
      up.append(held[2..<2 + length].map { $0 ^ key })
      held.removeFirst(2 + length)
    }
  }

  func send(_ bytes: UnsafeRawBufferPointer, down: inout ByteQueue) { down.append(Self.framed(Array(bytes), key)) }

  func finish(down: inout ByteQueue) { down.append([0, 0]) }

  func receivedEnd() throws(ConnectionError) {
    if !isOpen { throw .silent(keepAlive: Int(key)) }
  }

  /// A frame as it is on the wire.
  static func framed(_ bytes: [UInt8], _ key: UInt8) -> [UInt8] {
    [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes.map { $0 ^ key }
  }
}

/// The other side of two toy layers, the lower with key 1 and the upper with key 2: what goes up and down in bytes.
enum ToyPeer {
  static func layers() -> [any Layer] { [ToyLayer(.proxy, key: 1), ToyLayer(.tls, key: 2)] }

  /// What the peer sends for these bytes.
  static func encoded(_ bytes: [UInt8]) -> [UInt8] {
    var encoded: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 100) {
      encoded += ToyLayer.framed(ToyLayer.framed(Array(bytes[start..<min(bytes.count, start + 100)]), 2), 1)
    }
    return encoded
  }

  /// What was meant by bytes that came after the handshakes; nil unless they are whole frames.
  static func decoded(_ bytes: [UInt8]) -> [UInt8]? {
    unframed(bytes, 1).flatMap { unframed($0, 2) }
  }

  private static func unframed(_ bytes: [UInt8], _ key: UInt8) -> [UInt8]? {
    var rest = bytes[...]
    var result: [UInt8] = []
    while rest.count >= 2 {
      let length = Int(rest.removeFirst()) << 8 | Int(rest.removeFirst())
      guard rest.count >= length else { return nil }
      result += rest.prefix(length).map { $0 ^ key }
      rest = rest.dropFirst(length)
    }
    guard rest.isEmpty else { return nil }
    return result
  }
}
