import Foundation
import Glibc
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// A thousand connections.
  @Suite struct Many {
    @Test func aThousandConnectionsShareADriver() throws {
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      limit.rlim_cur = min(limit.rlim_max, 8192)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)

      let peer = try CountingPeer()
      let clients = (0..<1000).map { Client(.local(peer.port), as: Text(stringLiteral: "client\($0)")) }
      var driver = Driver()
      for client in clients { driver.add(client) }
      var connected = 0
      var published = 0
      var closed = 0
      let deadline = Instant.now + .seconds(30)
      while closed < clients.count {
        switch driver.next(until: deadline) {
        case .client(let index, .session(.connected)):
          connected += 1
          for _ in 0..<10 { try clients[index].publish("a", "b", qos: .atLeastOnce, at: driver.now) }
        case .client(let index, .session(.published)):
          published += 1
          if clients[index].publishesInFlight == 0 { clients[index].disconnect(at: driver.now) }
        case .client(_, .closed): closed += 1
        case .client(let index, .failed(let error)):
          Issue.record("client \(index): \(error)")
          return
        case .deadline:
          Issue.record("only \(connected) connected, \(published) published, \(closed) closed")
          return
        default: break
        }
      }
      #expect(connected == 1000)
      #expect(published == 10_000)
      #expect(peer.counts.publishes == 10_000)
      #expect(peer.counts.violations.isEmpty)
    }
  }
}
