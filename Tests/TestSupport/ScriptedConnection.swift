import Foundation
public import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// One network connection under the control of a test, which reads and writes it in wire notation.
///
/// A `ScriptedBroker` accepts them; a test that wants to be the client makes one by connecting. Every wait has a time
/// limit and ends in a `TestFailure` with the transcript. It belongs to one thread at a time.
///
/// It proves which bytes were exchanged and in which order, not that a broker would have behaved like this: see
/// `RealBroker`.
public final class ScriptedConnection: @unchecked Sendable {
  /// A whole control packet as it came.
  public struct Packet: Sendable, CustomStringConvertible {
    /// All of it, with the fixed header.
    public let bytes: [UInt8]
    /// What follows the remaining length.
    public let body: [UInt8]

    /// The type, 1 for CONNECT to 15 for AUTH.
    public var type: UInt8 { bytes[0] >> 4 }
    /// The lower half of the first byte.
    public var flags: UInt8 { bytes[0] & 0x0f }
    /// The type in words, as `PUBLISH`.
    public var name: String { packetName(bytes[0]) }
    /// The name and the notation.
    public var description: String { "\(name) \(WireNotation.describe(bytes, limit: 200))" }
  }

  /// How the other side ended the connection.
  public enum Closing: Equatable, Sendable {
    /// With the end of its data.
    case orderly
    /// With a reset: it aborted, or it never read what we sent.
    case reset
  }

  /// The CONNECT that `expectConnect` read.
  public private(set) var connect: ReceivedConnect?

  private var descriptor: Descriptor?
  private let transcript: Transcript
  private let number: Int
  private var unread: [UInt8] = []
  private var closing: Closing?

  init(_ descriptor: Descriptor, number: Int, transcript: Transcript) {
    (self.descriptor, self.number, self.transcript) = (descriptor, number, transcript)
  }

  /// Connects to a port of this machine.
  public convenience init(
    to family: SocketFamily = .ipv4, port: Int, timeout: Duration = .seconds(10)
  ) throws {
    precondition(family != .unix, "a unix socket has a path")
    let address: Address = family == .ipv6 ? .ipv6(port: port) : .ipv4(port: port)
    self.init(try address.connect(until: .now + timeout), number: 1, transcript: Transcript())
  }

  /// Connects to a unix socket.
  public convenience init(path: String, timeout: Duration = .seconds(10)) throws {
    self.init(try Address.unix(path: path).connect(until: .now + timeout), number: 1, transcript: Transcript())
  }

  // MARK: Reading

  /// Reads as many packets as the notation has and compares them with it; returns them in one.
  @discardableResult
  public func expect(
    _ notation: WireNotation, timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [UInt8] {
    if let fault = notation.fault { throw failure(fault, sourceLocation) }
    let deadline = ContinuousClock.now + timeout
    var packets: [[UInt8]] = []
    while true {
      switch notation.compare(with: packets) {
      case .matches:
        return packets.flatMap { $0 }
      case .needsAnotherPacket:
        packets.append(try nextPacket(until: deadline, awaiting: notation.description, sourceLocation).bytes)
      case .differs(let offset, let explanation):
        throw failure(
          """
          not what was expected, at offset \(offset): \(explanation)
            expected: \(notation)
            received: \(WireNotation.describe(packets.flatMap { $0 }, limit: max(400, offset + 100)))
          """, sourceLocation)
      }
    }
  }

  /// Reads the next packet, whatever it is.
  public func nextPacket(
    timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Packet {
    try nextPacket(until: .now + timeout, awaiting: "a packet", sourceLocation)
  }

  private func nextPacket(
    until deadline: ContinuousClock.Instant, awaiting what: String, _ location: SourceLocation
  ) throws -> Packet {
    while true {
      if let length = variableByteInteger(unread.dropFirst()) {
        let header = 1 + length.length
        if unread.count >= header + length.value {
          let bytes = take(header + length.value, isPacket: true)
          return Packet(bytes: bytes, body: Array(bytes.dropFirst(header)))
        }
      } else if unread.count >= 5 {
        throw failure("no control packet: \(WireNotation.describe(unread, limit: 100))", location)
      }
      try receive(until: deadline, awaiting: what, location)
    }
  }

  /// Reads a CONNECT with any content, and remembers its fields.
  ///
  /// - Parameter level: The protocol level it must have, if it matters: 3, 4 or 5.
  @discardableResult
  public func expectConnect(
    level: UInt8? = nil, timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> ReceivedConnect {
    let packet = try nextPacket(until: .now + timeout, awaiting: "CONNECT", sourceLocation)
    guard let connect = ReceivedConnect(packet) else {
      throw failure("expected a CONNECT, received \(packet)", sourceLocation)
    }
    if let level, connect.protocolLevel != level {
      throw failure("expected protocol level \(level), received \(connect.protocolLevel)", sourceLocation)
    }
    self.connect = connect
    return connect
  }

  /// Reads exactly so many bytes, for what is no control packet.
  public func read(
    count: Int, timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [UInt8] {
    let deadline = ContinuousClock.now + timeout
    while unread.count < count {
      try receive(until: deadline, awaiting: "\(count) bytes", sourceLocation)
    }
    return take(count, isPacket: false)
  }

  /// Reads text up to and with an end mark, for the head of a WebSocket handshake.
  public func readText(
    until mark: String, timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let deadline = ContinuousClock.now + timeout
    while true {
      if let range = Data(unread).range(of: Data(mark.utf8)) {
        return String(decoding: take(range.upperBound, isPacket: false), as: UTF8.self)
      }
      try receive(until: deadline, awaiting: "\"\(mark)\"", sourceLocation)
    }
  }

  /// Nothing comes for so long, and the connection stays open.
  public func silence(for duration: Duration, sourceLocation: SourceLocation = #_sourceLocation) throws {
    try receiveOnce(until: .now + duration)
    if !unread.isEmpty {
      throw failure("expected silence, received \(WireNotation.describe(unread, limit: 200))", sourceLocation)
    }
    if let closing { throw failure("expected silence, the connection was closed: \(closing)", sourceLocation) }
  }

  /// The other side closes the connection, and sends nothing before that.
  @discardableResult
  public func waitForClose(
    timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Closing {
    let deadline = ContinuousClock.now + timeout
    while true {
      if !unread.isEmpty {
        throw failure("expected the close, received \(WireNotation.describe(unread, limit: 200))", sourceLocation)
      }
      if let closing { return closing }
      guard try receiveOnce(until: deadline) else { throw failure("not closed within \(timeout)", sourceLocation) }
    }
  }

  private func take(_ count: Int, isPacket: Bool) -> [UInt8] {
    let bytes = Array(unread.prefix(count))
    unread.removeFirst(count)
    transcript.received(bytes, on: number, isPacket: isPacket)
    return bytes
  }

  private func receive(
    until deadline: ContinuousClock.Instant, awaiting what: String, _ location: SourceLocation
  ) throws {
    let partial = unread.isEmpty ? "" : "\n  incomplete: \(WireNotation.describe(unread, limit: 200))"
    guard closing == nil else {
      throw failure("closed by the other side, still expected: \(what)\(partial)", location)
    }
    guard try receiveOnce(until: deadline) else {
      throw failure("nothing more came in time, expected: \(what)\(partial)", location)
    }
  }

  /// Reads once what is there; false when the deadline comes first.
  @discardableResult
  private func receiveOnce(until deadline: ContinuousClock.Instant) throws -> Bool {
    guard closing == nil else { return true }
    guard let descriptor else { throw TestFailure("connection \(number) is closed on our side\n\(transcript.text)") }
    while descriptor.wait(for: POLLIN, until: deadline) {
      switch descriptor.read(1 << 16) {
      case .bytes(let bytes):
        unread += bytes
        return true
      case .nothingYet:
        continue
      case .end(let code):
        closing = code == 0 ? .orderly : .reset
        transcript.note("\(number) ← closed, \(closing == .reset ? "reset" : "orderly")")
        return true
      }
    }
    return false
  }

  // MARK: Writing

  /// Sends the bytes of a notation.
  public func send(
    _ notation: WireNotation, timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    if let fault = notation.fault { throw failure(fault, sourceLocation) }
    guard let bytes = notation.bytes else {
      throw failure("notation \"\(notation)\" leaves bytes open", sourceLocation)
    }
    try sendBytes(bytes, timeout: timeout, sourceLocation: sourceLocation)
  }

  /// Sends bytes as they are.
  public func sendBytes(
    _ bytes: [UInt8], timeout: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    guard let descriptor else { throw failure("closed on our side, nothing can be sent", sourceLocation) }
    transcript.sent(bytes, on: number)
    let deadline = ContinuousClock.now + timeout
    var position = 0
    while position < bytes.count {
      let count = bytes.withUnsafeBytes { descriptor.send(UnsafeRawBufferPointer(rebasing: $0[position...])) }
      guard let count else { throw failure("the other side is gone, nothing can be sent", sourceLocation) }
      position += count
      if position < bytes.count, !descriptor.wait(for: POLLOUT, until: deadline) {
        throw failure("only \(position) of \(bytes.count) bytes were taken within \(timeout)", sourceLocation)
      }
    }
  }

  /// Answers the CONNECT that was read: in the form of its version, as MQTT 3.1.1 when none was read.
  ///
  /// - Parameters:
  ///   - code: The return code (3.x) or reason code (5).
  ///   - properties: Left out on 3.x.
  public func respondConnack(
    sessionPresent: Bool = false, code: UInt8 = 0, properties: WireNotation = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let head = "20 r* \(hex(sessionPresent ? 1 : 0)) \(hex(code))"
    let hasProperties = connect?.protocolLevel == 5
    try send(
      hasProperties ? "\(head) [ \(properties.description) ]" : "\(head)", sourceLocation: sourceLocation)
  }

  /// Ends the connection in an orderly way.
  public func close() {
    guard descriptor != nil else { return }
    transcript.note("\(number) → closed, orderly")
    // What was not read would turn the close into a reset.
    if closing == nil { while (try? receiveOnce(until: .now)) == true, closing == nil {} }
    descriptor = nil
  }

  /// Ends our direction only: the other side sees the end of data and may still send.
  public func finishSending() {
    transcript.note("\(number) → end of data")
    descriptor?.finishSending()
  }

  /// Ends the connection with a reset.
  public func reset() {
    transcript.note("\(number) → reset")
    descriptor?.makeCloseAReset()
    descriptor = nil
  }

  private func failure(_ what: String, _ location: SourceLocation) -> TestFailure {
    TestFailure("\(location.fileID):\(location.line): connection \(number): \(what)\n\(transcript.text)")
  }
}
