import CommandLineTool
import Foundation
import MQTT
import MQTTClient
import Testing

@testable import mqbench

private func word(_ text: String) -> Argument { Argument(Array(text.utf8), from: Source(.commandLine)) }

/// What is wrong, in words; empty when nothing is.
private func mistake(_ body: () throws(UsageError) -> Void) -> String {
  do throws(UsageError) { try body() } catch { return error.message }
  return ""
}

struct TopicCycleTests {
  @Test("topic k is published to in proportion to 1/(k+1)^S, and each at least once", arguments: [0.5, 1.0, 2.0])
  func zipf(exponent: Double) {
    let cycle = TopicCycle(topics: 100, .zipf(exponent), seed: 3)
    let sum = (1...100).reduce(0) { $0 + pow(Double($1), -exponent) }
    #expect((0..<100).reduce(0) { $0 + cycle.count(of: $1) } == cycle.length)
    for topic in 0..<100 {
      let share = Double(cycle.count(of: topic)) / Double(cycle.length)
      #expect(abs(share * sum * pow(Double(topic + 1), exponent) - 1) < 0.07, "topic \(topic)")
    }
    // What one publisher does is what the table says, from wherever it begins.
    var counts = [Int](repeating: 0, count: 100)
    for sequence in 500..<(500 + cycle.length) { counts[cycle.place(ofPublisher: 7, sequence).topic] += 1 }
    #expect(counts == (0..<100).map { cycle.count(of: $0) })
  }

  @Test("the messages of a publisher on a topic are numbered without gaps, over the end of the table too")
  func numbers() {
    let cycle = TopicCycle(topics: 20, .zipf(1), seed: 9)
    for publisher in 0..<3 {
      var next: [Int: Int] = [:]
      var gaps = 0
      for sequence in 0..<(2 * cycle.length + 1000) {
        let (topic, index) = cycle.place(ofPublisher: publisher, sequence)
        if next[topic, default: index] != index { gaps += 1 }
        next[topic] = index + 1
      }
      #expect(gaps == 0 && next.count == 20)
    }
  }

  @Test("the order is that of the seed, looks random, and is another for each publisher")
  func order() {
    let topics = self.topics(0, 1)
    #expect(topics == self.topics(0, 1))
    #expect(topics != self.topics(1, 1))
    #expect(topics != self.topics(0, 2))
    // Of two that follow one another, one in ten pairs is the same topic twice.
    let same = zip(topics, topics.dropFirst()).count { $0 == $1 }
    #expect((850...1150).contains(same), "\(same)")
    #expect((0..<10).allSatisfy { topic in (850...1150).contains(topics.count { $0 == topic }) })
  }

  private func topics(_ publisher: Int, _ seed: UInt64) -> [Int] {
    let cycle = TopicCycle(topics: 10, .uniform, seed: seed)
    return (0..<10_000).map { cycle.place(ofPublisher: publisher, $0).topic }
  }
}

struct PayloadTests {
  private let run: UInt16 = 0xCAFE

  private func header(_ publisher: UInt32, _ sequence: UInt64) -> MessageHeader {
    MessageHeader(run: run, group: 1, publisher: publisher, sequence: sequence)
  }

  private func payload(_ maker: PayloadMaker, _ publisher: UInt32 = 2, _ sequence: UInt64 = 5) -> [UInt8] {
    Array(maker.payload(header(publisher, sequence)))
  }

  private func reading(_ payload: [UInt8]) -> MessageHeader.Reading {
    payload.withUnsafeBytes { MessageHeader.read($0, ofRun: run) }
  }

  private func isRead(_ payload: [UInt8], as header: MessageHeader) -> Bool {
    if case .header(header) = reading(payload) { return true }
    return false
  }

  private static let contents: [(String, PayloadRule.Content)] = [
    ("random", .random), ("zero", .zero), ("json", .json), ("given", .given([[1, 2, 3], [], Array("hello".utf8)])),
  ]

  @Test("whatever payloads are made of, they say who sent them, and have the size that was asked for", arguments: 0..<4)
  func headers(content: Int) {
    let rule = PayloadRule(content: Self.contents[content].1, size: .within(58...300))
    let maker = PayloadMaker(rule, seed: 4)
    let again = PayloadMaker(rule, seed: 4)
    var sizes: Set<Int> = []
    for sequence in (0..<2000).map({ UInt64($0 * 12_347) }) {
      let bytes = payload(maker, 0xABCD_EF01, sequence)
      #expect(isRead(bytes, as: header(0xABCD_EF01, sequence)), "\(sequence)")
      #expect(bytes == payload(again, 0xABCD_EF01, sequence))
      sizes.insert(bytes.count)
    }
    if content == 3 {
      #expect(sizes == [16, 19, 21])
    } else {
      #expect(sizes == Set(58...300))
    }
  }

  @Test("a payload of JSON is valid JSON with numbers in it, at every length", arguments: [true, false])
  func json(hasHeader: Bool) throws {
    var rule = PayloadRule(content: .json, hasHeader: hasHeader)
    for size in rule.leastSize...(rule.leastSize + 40) {
      rule.size = .within(size...size)
      let maker = PayloadMaker(rule, seed: 4)
      for sequence in UInt64(0)..<20 {
        let text = payload(maker, 2, sequence)
        #expect(text.count == size)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
        #expect((object["values"] as? [Int]) != nil)
        #expect((object["mqbench"] as? String)?.utf8.count == (hasHeader ? 32 : nil))
      }
    }
    #expect(rule.leastSize == (hasHeader ? 58 : 13))
  }

  @Test("the digits in JSON are those of the sixteen bytes, and what is changed in them is found")
  func digits() {
    var rule = PayloadRule(content: .json)
    rule.size = .within(80...80)
    let text = payload(PayloadMaker(rule, seed: 1), 0x0102_0304, 0x0A0B_0C0D_0E0F)
    var bytes = [UInt8](repeating: 0, count: 80)
    bytes.withUnsafeMutableBytes { header(0x0102_0304, 0x0A0B_0C0D_0E0F).write(to: $0, count: 80) }
    let digits = bytes[..<16].map { String(format: "%02x", $0) }.joined()
    #expect(String(decoding: text[..<44], as: UTF8.self) == #"{"mqbench":""# + digits)
    for place in 12..<44 {
      for bit in 0..<8 {
        var wrong = text
        wrong[place] ^= 1 << UInt8(bit)
        let isOurs = place >= 20  // Magic and run stand in the first eight digits.
        switch reading(wrong) {
        case .header: Issue.record("byte \(place), bit \(bit)")
        case .corrupted: break
        case .foreign: #expect(!isOurs)
        }
      }
    }
    if case .corrupted = reading(Array(text.dropLast())) {} else { Issue.record("a byte less") }
    if case .foreign = reading(Array(#"{"mqbenxh":""#.utf8) + text[12...]) {} else { Issue.record("another key") }
    if case .foreign = reading(Array(text[..<43])) {} else { Issue.record("a digit less") }
  }

  @Test("without a header payloads are exactly what was asked for, down to nothing")
  func bare() {
    #expect(payload(PayloadMaker(.init(content: .zero, size: .within(0...0), hasHeader: false), seed: 1)) == [])
    #expect(payload(PayloadMaker(.init(content: .zero, size: .within(3...3), hasHeader: false), seed: 1)) == [0, 0, 0])
    let given = PayloadMaker(.init(content: .given([[1], [2, 3]]), hasHeader: false), seed: 1)
    #expect(payload(given, 0, 0) == [1])
    #expect(payload(given, 0, 1) == [2, 3])
    #expect(payload(given, 1, 1) == [1])
    let random = PayloadMaker(.init(size: .within(4096...4096), hasHeader: false), seed: 1)
    #expect(Set(payload(random)).count == 256)
    #expect(payload(random, 0, 1) != payload(random, 0, 2))
  }

  @Test("sizes are drawn from the seed: normal ones have their mean and deviation")
  func sizes() {
    let size = PayloadSize.normal(mean: 1000, deviation: 100)
    let sizes = (0..<20_000).map { Double(size.bytes($0 % 7, $0, seed: 11)) }
    let mean = sizes.reduce(0, +) / 20_000
    let deviation = (sizes.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000).squareRoot()
    #expect(abs(mean - 1000) < 3 && abs(deviation - 100) < 3, "\(mean) \(deviation)")
    #expect(abs(Double(sizes.count { abs($0 - 1000) <= 100 }) / 20_000 - 0.683) < 0.02)
    #expect(sizes != (0..<20_000).map { Double(size.bytes($0 % 7, $0, seed: 12)) })
    // As short as a header allows, never less.
    let maker = PayloadMaker(PayloadRule(size: .normal(mean: 10, deviation: 50)), seed: 1)
    #expect((0..<1000).map { payload(maker, 0, UInt64($0)).count }.min() == 16)
  }

  @Test("payloads come from the files of a folder in the order of their names, and from a recording")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mqbench-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func choice(_ text: String) throws -> [[UInt8]] {
      guard case .given(let payloads) = try PayloadChoice(word(text)).content() else { return [] }
      return payloads
    }
    #expect(
      mistake { () throws(UsageError) in _ = try PayloadChoice(word("file:\(folder.path)")).content() }
        .hasSuffix("has no files"))
    for (name, text) in [("b", "two"), ("a", "one"), ("c", ""), (".hidden", "no")] {
      try Data(text.utf8).write(to: folder.appendingPathComponent(name))
    }
    #expect(try choice("file:\(folder.path)") == [Array("one".utf8), Array("two".utf8), []])
    let lines = #"""
      {"time":"2026-11-22T12:55:34.539884+00:00","topic":"a","qos":0,"payload":"x\ny"}
      {"time":"2026-11-22T12:55:35.539884+00:00","topic":"a","qos":1,"payload_base64":"AP8="}
      {"time":"2026-11-22T12:55:35.5398
      """#
    let file = folder.appendingPathComponent("recording")
    try Data(lines.utf8).write(to: file)
    #expect(try choice("record:\(file.path)") == [Array("x\ny".utf8), [0, 0xFF]])
    #expect(
      mistake { () throws(UsageError) in _ = try PayloadChoice(word("record:/no/such")).content() }
        == #""/no/such": No such file or directory"#)
    #expect(mistake { () throws(UsageError) in _ = try PayloadChoice(word("xml")) }.contains("is not random, zero"))
  }
}

struct IdentitiesTests {
  private func settings(_ csv: String, _ row: Int) throws -> ClientSettings {
    var settings = ClientSettings(
      endpoint: .tcp(host: "localhost", port: 1883),
      session: SessionSettings(
        connect: ConnectPacket(protocolVersion: .v5, clientIdentifier: "standard", userName: "all", password: [1]),
        version: .v5), reconnect: ReconnectPolicy(.retries(0)))
    settings.tls = TLSConfiguration()
    try Identities(Array(csv.utf8)).apply(row, to: &settings)
    return settings
  }

  @Test(
    "each row is a client; fields in quotes may hold commas, quotation marks and ends of lines",
    arguments: ["\n", "\r\n"])
  func rows(end: String) throws {
    let csv = ["a,ann,secret,c.pem,k.pem", "\"b,1\",\"b\"\"b\",\"two\nlines\"", "", "c,,"].joined(separator: end)
    let first = try settings(csv, 0)
    #expect(first.session.connect.clientIdentifier == "a")
    #expect(first.session.connect.userName == "ann")
    #expect(first.session.connect.password == Array("secret".utf8))
    #expect(
      first.tls?.identity
        == .init(certificateFile: Array("c.pem".utf8), keyFile: Array("k.pem".utf8)))
    let second = try settings(csv, 1).session.connect
    #expect(
      second.clientIdentifier == "b,1" && second.userName == "b\"b" && second.password == Array("two\nlines".utf8))
    // What is empty is as it is for all.
    let third = try settings(csv + end, 2).session.connect
    #expect(third.clientIdentifier == "c" && third.userName == "all" && third.password == [1])
    #expect(try Identities(Array(csv.utf8)).count == 3)
  }

  @Test("one word of a first line may be a client's own")
  func password() throws {
    #expect(try settings("a,b,password\n", 0).session.connect.password == Array("password".utf8))
  }

  @Test("a first line of names chooses the columns and their order")
  func columns() throws {
    let connect = try settings("\u{FEFF}password,id\nsecret,a\n", 0).session.connect
    #expect(connect.clientIdentifier == "a" && connect.password == Array("secret".utf8) && connect.userName == "all")
    #expect(try Identities(Array("id,username\n".utf8)).count == 0)
  }

  @Test(
    "what is wrong is told by its line, without what stands there",
    arguments: [
      ("a,b,hidden,d,e,hidden", "line 1 has 6 fields, and the columns are id,username,password,cert,key"),
      ("id,password\na,\"hidden", "line 2: a quotation mark is missing"),
      ("id,password\na,\"hidden\"x", "line 2: a comma is missing"),
      ("a,\"x\ny\",hidden\nb\na,,hidden", "lines 1 and 4 have the same id"),
      ("user,password,clientid\na,b,c", "line 1 names columns, and not only such as there are: id,username"),
      ("a,b,hidden,cert.pem", "line 1 has cert and no key"),
      ("id\nhid\0den", "line 2: id is not what MQTT takes"),
    ])
  func mistakes(csv: String, text: String) {
    let message = mistake { () throws(UsageError) in _ = try Identities(Array(csv.utf8)) }
    #expect(message.hasPrefix(text), "\(message)")
    #expect(!message.contains("hidden"))
  }
}

struct AddressTests {
  @Test("clients take the addresses in turn, those of ranges one by one")
  func turns() throws {
    var addresses = SourceAddresses()
    try addresses.append(word("10.0.0.255..10.0.1.1"))
    try addresses.append(word("::1"))
    try addresses.append(word("127.0.0.9"))
    #expect(addresses.count == 5)
    #expect(
      (0..<6).map { addresses.address(of: $0) } == [
        "10.0.0.255", "10.0.1.0", "10.0.1.1", "::1", "127.0.0.9", "10.0.0.255",
      ])
    for text in ["", "10.0.0", "10.0.0.1..", "10.0.0.2..10.0.0.1", "10.0.0.256", "::1..::2", "10.0.0.1..10.0.0.x"] {
      #expect(!mistake { () throws(UsageError) in try addresses.append(word(text)) }.isEmpty, "\(text)")
    }
  }

  @Test("topics have as many levels as wanted, and their filters tell them apart")
  func topics() throws {
    let run = RunWord()
    func texts(_ levels: Int, _ filter: TopicNames.Filter) -> [String] {
      let names = TopicNames(levels: levels, filter: filter)
      return [names.name(17, run: "\(run)"), names.filter(17, run: "\(run)")].map {
        String(decoding: $0, as: UTF8.self)
      }
    }
    #expect(texts(3, .exact) == ["mqbench/\(run)/17", "mqbench/\(run)/17"])
    #expect(texts(5, .exact) == ["mqbench/\(run)/17/4/5", "mqbench/\(run)/17/4/5"])
    #expect(texts(5, .plus) == ["mqbench/\(run)/17/4/5", "+/\(run)/17/+/+"])
    #expect(texts(3, .plus)[1] == "+/\(run)/17")
    #expect(texts(4, .hash) == ["mqbench/\(run)/17/4", "mqbench/\(run)/17/#"])
  }
}
