import MQTT
import TestSupport
import Testing

@testable import MQTTClient

@Suite struct ServiceLookupTests {
  private func message(_ notation: String) throws -> [UInt8] { try #require(WireNotation(notation).bytes) }

  private let question = "05 '_mqtt' 04 '_tcp' 01 'a' 01 'b' 00 0021 0001"

  @Test("RFC 1035, 4.1; RFC 2782: priority, weight, port and target, with names that point back")
  func records() throws {
    let bytes = try message(
      """
      1234 8180 0001 0003 0000 0000 \(question) \
      c00c 0005 0001 0000003c 0004 01 'x' c017 \
      c00c 0021 0001 0000003c 000b 0005 0000 075b 02 'b1' c017 \
      c00c 0021 0001 0000003c 000c 000a 0007 22b3 02 'b2' 01 'c' 00
      """)
    #expect(
      ServiceRecord.records(in: bytes) == [
        ServiceRecord(priority: 5, weight: 0, port: 1883, target: "b1.a.b"),
        ServiceRecord(priority: 10, weight: 7, port: 8883, target: "b2.c"),
      ])
    // Cut off anywhere it is nothing.
    for count in bytes.indices { #expect(ServiceRecord.records(in: Array(bytes[..<count])) == nil, "\(count)") }
  }

  @Test(
    "what no name server may answer is nothing",
    arguments: [
      // A name that points to itself, forwards, or on and on.
      "0008 0000 0000 0001 c032", "0008 0000 0000 0001 c034", "000a 0000 0000 0001 01 'x' c032",
      // Bits that mean nothing, a dot and a blank in a label, a length that is not the record's.
      "0009 0000 0000 0001 80 'x' 00", "000a 0000 0000 0001 02 '.x' 00", "000a 0000 0000 0001 02 ' x' 00",
      "000a 0000 0000 0001 01 'x' 00 00", "0006 0000 0000 0001", "0002 0000",
    ])
  func nonsense(data: String) throws {
    let bytes = try message("1234 8180 0001 0001 0000 0000 \(question) c00c 0021 0001 0000003c \(data)")
    #expect(ServiceRecord.records(in: bytes) == nil)
  }

  @Test("whatever comes from the network, reading ends, and traps nowhere")
  func anything() throws {
    let good = try message(
      """
      1234 8180 0001 0002 0000 0000 \(question) \
      c00c 0021 0001 0000003c 000b 0005 0000 075b 02 'b1' c017 \
      c00c 0021 0001 0000003c 000b 0005 0000 075b 02 'b2' c017
      """)
    var random = SplitMix(state: 2782)
    for _ in 0..<50_000 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0 ... .max, using: &random)
      }
      for record in ServiceRecord.records(in: bytes) ?? [] { #expect(record.target.utf8.count < 255) }
    }
  }

  @Test("RFC 2782: by priority, and within one by weight")
  func order() {
    func record(_ priority: UInt16, _ weight: UInt16, _ target: String) -> ServiceRecord {
      ServiceRecord(priority: priority, weight: weight, port: 1, target: target)
    }
    let records = [record(2, 9, "last"), record(1, 1, "small"), record(1, 3, "large"), record(1, 0, "none")]
    var random = SplitMix(state: 1)
    var first: [String: Int] = [:]
    for _ in 0..<4_000 {
      let order = ServiceRecord.inOrder(records, using: &random).map(\.target)
      #expect(Set(order).count == 4 && order[3] == "last")
      first[order[0], default: 0] += 1
    }
    // The lot is one of 0, 1, 2, 3, 4, and 0 is that of the record without weight.
    #expect((700...900).contains(first["none"]!) && (700...900).contains(first["small"]!))
    #expect((2_250...2_550).contains(first["large"]!))
    #expect(first["last"] == nil)
  }

  @Test("a domain may say that it has no broker; a host without addresses is passed over")
  func targets() throws {
    func record(_ target: String) -> ServiceRecord { ServiceRecord(priority: 0, weight: 0, port: 1, target: target) }
    let unknown = ConnectionError.nameNotFound(host: "gone", reason: "gone", isTemporary: false)
    let lookUp: Resolver.LookUp = { host, port in
      host == "gone" ? .failure(unknown) : .success([SocketAddress(literal: "127.0.0.1", port: port)!])
    }
    let found = try Resolver.addresses(of: [record("gone"), record("there")], ofService: "_s", lookUp: lookUp).get()
    #expect(found.map { $0.map(\.description) } == [["127.0.0.1:1"]])
    for (records, words) in [
      ([record("")], "says that there is no broker"), ([], "there is no such SRV record"),
      ([record("gone")], "\"gone\""),
    ] {
      guard case .failure(let error) = Resolver.addresses(of: records, ofService: "_s", lookUp: lookUp) else {
        Issue.record("\(records) lead somewhere")
        continue
      }
      #expect(error.description.contains(words))
    }
  }
}

extension MQTTClientTests {
  @Suite struct HostsOfAService {
    @Test("the next host's turn comes when all addresses of one have failed, or were silent for two seconds")
    func order() throws {
      func addresses(_ ports: Int...) -> [SocketAddress] {
        ports.map { SocketAddress(literal: "127.0.0.1", port: UInt16($0))! }
      }
      let blackHole = try BlackHole()
      let broker = try ScriptedBroker()
      let start = Instant.now
      var dialer = try Dialer([addresses(try freePort(), blackHole.port), addresses(broker.port)], at: start)
      // The first address of the first host refuses: its second one is tried at once, and the second host's turn is far.
      let refused = try #require(dialer.descriptors.first)
      #expect(try dialer.ended(refused, at: start) == nil)
      #expect(dialer.descriptors.count == 1)
      #expect(dialer.deadline == start + .seconds(2))
      try dialer.deadlineReached(at: start + .seconds(2))
      #expect(dialer.descriptors.count == 2)
      #expect(dialer.deadline == nil)
    }
  }
}
