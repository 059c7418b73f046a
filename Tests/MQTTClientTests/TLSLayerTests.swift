import COpenSSL
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// TLS in memory, against a server of OpenSSL's.
  @Suite(.needs("openssl")) struct TLS {
    static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]
    private let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    @Test("handshake, data both ways and leave, however they are cut", arguments: versions, [1, 2, 5, 100, Int.max])
    func pieces(version: Int32, piece: Int) throws {
      var pair = try TLSPair(maximumVersion: version)
      try pair.run(piece: piece)
      #expect(pair.layer.isOpen)
      #expect(pair.peer.isOpen)
      try pair.send(bytes)
      pair.peer.send(bytes)
      try pair.run(piece: piece)
      #expect(pair.peer.received == bytes)
      #expect(pair.received == bytes)
      try pair.layer.finish()
      try pair.run(piece: piece)
      #expect(pair.peer.isClosed)
    }

    @Test("data that comes with the last bytes of the handshake is not lost", arguments: versions)
    func dataRightBehindTheHandshake(version: Int32) throws {
      var pair = try TLSPair(maximumVersion: version)
      pair.peer.take(pair.layer.output)
      _ = pair.layer.outputTaken(pair.layer.outputCount)
      pair.received += try pair.layer.take(pair.peer.output())
      pair.peer.take(pair.layer.output)
      _ = pair.layer.outputTaken(pair.layer.outputCount)
      #expect(pair.peer.isOpen)
      pair.peer.send([1, 2, 3])
      try pair.run()
      #expect(pair.received == [1, 2, 3])
    }

    @Test("the broker's close_notify and the end behind it are no faults [RFC 8446, 6.1]", arguments: versions)
    func closing(version: Int32) throws {
      var pair = try TLSPair(maximumVersion: version)
      try pair.run()
      pair.peer.send([1])
      pair.peer.close()
      try pair.run()
      #expect(pair.received == [1])
      try pair.layer.receivedEnd()
      // It may still be sent to.
      try pair.send([2])
    }

    @Test("keys that change do not disturb what goes through [RFC 8446, 4.6.3]")
    func keyUpdate() throws {
      var pair = try TLSPair()
      try pair.run()
      for number: UInt8 in 0..<3 {
        pair.peer.updateKeys()
        pair.peer.send([number])
        try pair.run()
        try pair.send([number, number])
        try pair.run()
      }
      #expect(pair.received == [0, 1, 2])
      #expect(pair.peer.received == [0, 0, 1, 1, 2, 2])
    }

    @Test("a record that was changed on its way ends the connection, and the other side is told", arguments: versions)
    func changedRecord(version: Int32) throws {
      var pair = try TLSPair(maximumVersion: version)
      try pair.run()
      pair.peer.send([1])
      let good = pair.peer.output()
      pair.peer.send([2])
      var bad = pair.peer.output()
      bad[bad.count - 1] ^= 1
      var received: [UInt8] = []
      #expect(throws: ConnectionError.self) {
        try (good + bad).withUnsafeBytes { bytes in try pair.layer.receive(bytes) { received += $0 } }
      }
      #expect(received == [1])
      #expect(pair.layer.outputCount > 0)
    }

    @Test("a certificate for another name is refused before anything else is sent")
    func refusal() throws {
      var pair = try TLSPair(name: "elsewhere.example")
      let error = #expect(throws: ConnectionError.self) { try pair.run() }
      guard case .tls(let failure) = error else { return #expect(Bool(false)) }
      #expect(failure.kind == .certificate)
      #expect(!failure.isTransient)
      #expect(!pair.layer.isOpen)
      // The alert bad_certificate.
      pair.peer.take(pair.layer.output)
      #expect(!pair.peer.isOpen)
    }

    @Test("the end of data in the handshake is a failure that may pass")
    func endInTheHandshake() throws {
      let pair = try TLSPair()
      let error = #expect(throws: ConnectionError.self) { try pair.layer.receivedEnd() }
      #expect(error?.isTransient == true)
    }

    @Test("a session is kept without its certificate, and resumed [RFC 8446, 2.2]", arguments: versions)
    func resuming(version: Int32) throws {
      let folder = try TemporaryFolder()
      let certificates = try Certificates.shared()
      let peer = try TLSPeer(try certificates.issue(), maximumVersion: version)
      for isResumed in [false, true, true] {
        var pair = try TLSPair(with: peer.next(), sessionFolder: folder.path("tls"))
        try pair.run()
        #expect(pair.peer.isResumed == isResumed)
        try pair.send([1])
        try pair.layer.finish()
        try pair.run()
        #expect(pair.peer.received == [1])
      }
    }

    @Test("the certificate is cut out of a session, and nothing else [X.690, 8.1]")
    func withoutCertificate() {
      let parts: [[UInt8]] = [[0x02, 0x01, 0x01], [0xA1, 0x03, 0x02, 0x01, 0x05], [0xA4, 0x02, 0x04, 0x00]]
      let certificate: [UInt8] = [0xA3, 0x82, 0x01, 0x00] + [UInt8](repeating: 0x30, count: 256)
      let body = parts[0] + parts[1] + certificate + parts[2]
      let session: [UInt8] = [0x30, 0x82, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body
      #expect(TLSSession.withoutCertificate(session) == [0x30, 0x0C] + parts[0] + parts[1] + parts[2])
      for count in 0..<session.count { #expect(TLSSession.withoutCertificate(Array(session.prefix(count))) == nil) }
      #expect(TLSSession.withoutCertificate(session + [0]) == nil)
      #expect(TLSSession.withoutCertificate([0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]) == nil)
      for length in [0x7F, 0x80, 0xFF, 0x100] {
        let long: [UInt8] =
          [0x04, 0x82, UInt8(length >> 8), UInt8(length & 0xFF)] + [UInt8](repeating: 7, count: length)
        let whole: [UInt8] = [0x30, 0x82, UInt8(long.count >> 8), UInt8(long.count & 0xFF)] + long
        // Made shorter where that is possible, as DER wants it.
        #expect(TLSSession.withoutCertificate(whole)?.suffix(long.count) == long[...])
        #expect(TLSSession.withoutCertificate(whole)?.count == long.count + (long.count > 0xFF ? 4 : 3))
      }
    }

    @Test("what is read of a kept session is within it, whatever stands there")
    func keptSession() {
      let bytes = [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 7, count: 32) + [0, 0, 0, 2, 8, 9, 1, 2, 3]
      #expect(TLSSession(bytes: bytes)?.bytes == bytes)
      for count in 0...46 { #expect(TLSSession(bytes: Array(bytes.prefix(count))) == nil) }
      #expect(TLSSession(bytes: Array(bytes[..<40]) + [0xFF, 0xFF, 0xFF, 0xFF, 1]) == nil)
      let end: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 100]
      let session = TLSSession(bytes: end + bytes[8...])
      #expect(session?.isGood(at: 99, pin: nil) == true)
      #expect(session?.isGood(at: 100, pin: nil) == false)
      #expect(session?.isGood(at: 99, pin: [UInt8](repeating: 7, count: 32)) == true)
      #expect(session?.isGood(at: 99, pin: [UInt8](repeating: 8, count: 32)) == false)
    }

    @Test("whatever stands in a file of sessions, what is read of it is within it")
    func sessionFiles() {
      let sessions: [[UInt8]] = [[1, 2, 3], [4], [UInt8](repeating: 5, count: 300)]
      let bytes = TLSSessionCache.bytes(of: sessions)
      #expect(Array(bytes.prefix(11)) == [0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 1])
      #expect(TLSSessionCache.sessions(in: bytes) == sessions)
      for count in 0..<bytes.count {
        #expect(sessions.starts(with: TLSSessionCache.sessions(in: Array(bytes.prefix(count)))))
      }
      #expect(TLSSessionCache.sessions(in: [0xFF, 0xFF, 0xFF, 0xFF, 1]) == [])
      #expect(TLSSessionCache.sessions(in: [0, 0, 0, 0, 0, 0, 0, 1, 1]) == [])
      #expect(TLSSessionCache.bytes(of: [[UInt8](repeating: 0, count: 70_000), [1]]) == [0, 0, 0, 1, 1])
    }
  }
}
