import Foundation
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// However the network cuts what is sent, it means the same.
  @Suite struct Pieces {
    @Test(arguments: [ProtocolVersion.v311, .v5])
    func packetsThatArriveInTwoPiecesMeanTheSame(version: ProtocolVersion) throws {
      let none = version == .v5 ? "00" : ""
      let long = String(repeating: "x", count: 130)
      let bytes = wire(
        """
        20 r* 00 00 \(none) | 30 r* s* 'a' \(none) 'one' | 32 r* s* 'a' m5 \(none) 'two' | d0 00 \
        | 34 r* s* 'b' m6 \(none) 'three' | 30 r* s* 'c' \(none) '\(long)'
        """)
      for border in 1..<bytes.count {
        let isSent = DispatchSemaphore(value: 0)
        let isRead = DispatchSemaphore(value: 0)
        try ScriptedBroker().play { broker in
          let connection = try broker.accept()
          try connection.expectConnect()
          try connection.sendBytes(Array(bytes[..<border]))
          isSent.signal()
          isRead.wait()
          try connection.sendBytes(Array(bytes[border...]))
          try connection.expect("e0 ...")
        } against: { broker in
          let client = Client(.local(broker.port), version: version)
          var run = ClientRun(client)
          while isSent.wait(timeout: .now()) != .success { run.run(for: .milliseconds(1)) }
          run.run(for: .milliseconds(1))
          isRead.signal()
          try run.wait(for: "0 message c")
          client.disconnect(at: .now)
          try run.wait(for: "0 closed")
          #expect(
            run.lines == [
              "0 connected", "0 message a one", "0 message a two", "0 pong", "0 message b three", "0 message c \(long)",
              "0 closed",
            ], "cut at \(border)")
        }
      }
    }
  }
}
