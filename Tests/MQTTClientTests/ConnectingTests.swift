import CSystem
import Foundation
import Glibc
import MQTT
import TestSupport
import Testing

@testable import MQTTClient

extension MQTTClientTests {
  /// From an endpoint to CONNACK.
  @Suite struct Connecting {
    @Test(arguments: SocketFamily.allCases, [ProtocolVersion.v31, .v311, .v5])
    func aBrokerAtAnAddressIsReached(family: SocketFamily, version: ProtocolVersion) throws {
      try ScriptedBroker(family).play { broker in
        let connection = try broker.acceptConnect(level: version.rawValue)
        try connection.expect("30 ... | e0 ...")
        try connection.waitForClose()
      } against: { broker in
        let endpoint: Endpoint =
          family == .unix ? .unix(path: broker.path) : .tcp(host: broker.host, port: UInt16(broker.port))
        let client = Client(endpoint, version: version)
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        try client.publish("a", "b")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
        #expect(run.lines == ["0 connected", "0 closed"])
      }
    }

    /// `127.1` is an address to the system's resolver only.
    @Test(arguments: [("localhost", SocketFamily.ipv4), ("localhost", .ipv6), ("127.1", .ipv4)])
    func aNameIsResolved(host: String, family: SocketFamily) throws {
      try ScriptedBroker(family).play {
        try $0.acceptConnect().expect("e0 ...")
      } against: { broker in
        let client = Client(.tcp(host: host, port: UInt16(broker.port)))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test(.enabled(if: nameOfThisMachine != nil, "/etc/hosts gives no name but localhost to 127.0.0.1"))
    func aNameOfTheHostsFileIsResolved() throws {
      let host = try #require(nameOfThisMachine)
      try ScriptedBroker().play {
        try $0.acceptConnect().expect("e0 ...")
      } against: { broker in
        let client = Client(.tcp(host: host, port: UInt16(broker.port)))
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func aNameThatDoesNotResolveIsAFailureThatSaysSo() throws {
      var run = ClientRun(Client(.tcp(host: "no name", port: 1883)))
      let line = try run.wait(for: "0 failed")
      #expect(line.hasPrefix("0 failed: host name \"no name\" cannot be resolved: "))
      #expect(run.lines.count == 1)
    }

    @Test func aNameWithoutAddressesIsAFailure() throws {
      var run = ClientRun(Client(.tcp(host: "empty", port: 1883), lookUp: { _, _ in .success([]) }))
      try run.wait(for: "0 failed")
    }

    @Test func afterARefusedAddressTheNextIsTriedAtOnce() throws {
      let refused = try freePort()
      try ScriptedBroker().play {
        try $0.acceptConnect().expect("e0 ...")
      } against: { broker in
        let client = Client(
          .tcp(host: "two", port: 1), lookUp: addresses([("127.0.0.1", refused), ("127.0.0.1", broker.port)]))
        var run = ClientRun(client)
        let time = try time { try run.wait(for: "0 connected") }
        #expect(time < .milliseconds(200))
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func whenAllAddressesRefuseTheFirstIsNamed() throws {
      let ports = [try freePort(), try freePort(), try freePort()]
      var run = ClientRun(
        Client(.tcp(host: "three", port: 1), lookUp: addresses(ports.map { ("127.0.0.1", $0) })))
      let line = try run.wait(for: "0 failed")
      #expect(line.contains("cannot connect to 127.0.0.1:\(ports[0]): Connection refused"))
    }

    @Test("an address that does not answer costs 250 ms (RFC 8305, section 5)")
    func anAddressThatDoesNotAnswerCostsAQuarterOfASecond() throws {
      let blackHole = try BlackHole()
      try ScriptedBroker().play {
        try $0.acceptConnect().expect("e0 ...")
      } against: { broker in
        let client = Client(
          .tcp(host: "two", port: 1), lookUp: addresses([("127.0.0.1", blackHole.port), ("127.0.0.1", broker.port)]))
        var run = ClientRun(client)
        let time = try time { try run.wait(for: "0 connected") }
        #expect(time >= .milliseconds(250) && time < .milliseconds(900))
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test("IPv6 and IPv4 take turns (RFC 8305, section 4)")
    func familiesTakeTurns() throws {
      let blackHole = try BlackHole()
      // By the resolver's order the broker would be the third to be tried, after half a second.
      try ScriptedBroker(.ipv6).play {
        try $0.acceptConnect().expect("e0 ...")
      } against: { broker in
        let client = Client(
          .tcp(host: "three", port: 1),
          lookUp: addresses([("127.0.0.1", blackHole.port), ("127.0.0.1", blackHole.port), ("::1", broker.port)]))
        var run = ClientRun(client)
        let time = try time { try run.wait(for: "0 connected") }
        #expect(time < .milliseconds(450))
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func anAddressOfOursIsConnectedFrom() throws {
      try ScriptedBroker().play {
        try $0.acceptConnect().expect("e0 ...")
      } against: { broker in
        let client = Client(.local(broker.port), from: "127.0.0.9")
        var run = ClientRun(client)
        try run.wait(for: "0 connected")
        let file = try #require(FileHandle(forReadingAtPath: "/proc/self/net/tcp"))
        let table = try file.readToEnd() ?? Data()
        #expect(String(decoding: table, as: UTF8.self).contains("0900007F:"), "127.0.0.9 in the system's notation")
        client.disconnect(at: .now)
        try run.wait(for: "0 closed")
      }
    }

    @Test func anAddressThatIsNotOursIsAFailure() throws {
      var run = ClientRun(Client(.local(1883), from: "198.51.100.1"))
      let line = try run.wait(for: "0 failed")
      #expect(
        line
          == "0 failed: cannot connect from 198.51.100.1:0: Cannot assign requested address (is it an address of this machine, and has it ports left?)"
      )
    }

    @Test func aUnixSocketThatIsNotThereIsAFailure() throws {
      var run = ClientRun(Client(.unix(path: "/nowhere/broker.sock")))
      let line = try run.wait(for: "0 failed")
      #expect(line.contains("cannot connect to /nowhere/broker.sock: No such file"))
      var long = ClientRun(Client(.unix(path: "/" + String(repeating: "x", count: 107))))
      let longLine = try long.wait(for: "0 failed")
      #expect(longLine.contains("File name too long"))
    }

    // MARK: The time limit

    @Test func aResolverThatDoesNotAnswerIsNotWaitedFor() throws {
      let blocked = DispatchSemaphore(value: 0)
      defer { blocked.signal() }
      let client = Client(
        .tcp(host: "slow.example", port: 1883), connectTimeout: .milliseconds(300),
        lookUp: { _, _ in
          blocked.wait()
          return .success([])
        })
      var run = ClientRun(client)
      let time = try time {
        let line = try run.wait(for: "0 failed")
        #expect(line.contains("no answer within 300 ms when looking up slow.example:1883"))
      }
      #expect(time >= .milliseconds(300) && time < .seconds(3))
    }

    @Test func anAddressThatDoesNotAnswerIsNotWaitedFor() throws {
      let blackHole = try BlackHole()
      var run = ClientRun(Client(.local(blackHole.port), connectTimeout: .milliseconds(300)))
      let line = try run.wait(for: "0 failed")
      #expect(line.contains("no answer from 127.0.0.1:\(blackHole.port) within 300 ms"))
    }

    @Test func aBrokerThatSendsNoConnackIsNotWaitedFor() throws {
      try ScriptedBroker().play { broker in
        let connection = try broker.accept()
        try connection.expectConnect()
        try connection.waitForClose()
      } against: { broker in
        var run = ClientRun(Client(.local(broker.port), connectTimeout: .milliseconds(300)))
        let line = try run.wait(for: "0 failed")
        #expect(line.contains("sent no CONNACK within 300 ms"))
      }
    }
  }
}

/// A resolver that knows these addresses.
private func addresses(_ list: [(String, Int)]) -> Resolver.LookUp {
  let addresses = list.map { SocketAddress(literal: $0.0, port: UInt16($0.1))! }
  return { _, _ in .success(addresses) }
}

/// A name for 127.0.0.1 that is not handled by ourselves.
private let nameOfThisMachine: String? = {
  let hosts = (try? String(contentsOfFile: "/etc/hosts", encoding: .utf8)) ?? ""
  for line in hosts.split(separator: "\n") {
    let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
    if words.count > 1, words[0] == "127.0.0.1", words[1] != "localhost" { return words[1] }
  }
  return nil
}()

/// A port on 127.0.0.1 that answers no SYN: a listener whose backlog is full.
final class BlackHole {
  let port: Int
  private var descriptors: [Int32] = []

  init() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    descriptors = [listener]
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = bind(listener, address, length)
        _ = listen(listener, 0)
        _ = getsockname(listener, address, &length)
      }
    }
    port = Int(in_port_t(bigEndian: address.sin_port))
    // Connections fill the backlog until one gets no answer.
    while true {
      try #require(descriptors.count < 10, "the backlog does not fill")
      let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
      descriptors.append(filler)
      _ = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(filler, $0, length) }
      }
      var entry = pollfd(fd: filler, events: Int16(POLLOUT), revents: 0)
      if poll(&entry, 1, 100) == 0 { return }
    }
  }

  deinit { for descriptor in descriptors { close(descriptor) } }
}
