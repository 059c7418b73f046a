internal import CSystem

/// Where a domain has its brokers: the hosts and ports of its SRV records (RFC 2782).
struct ServiceRecord: Hashable {
  /// Hosts with lower numbers come first.
  var priority: UInt16
  /// How large a share of the clients is for this host, among those of its priority.
  var weight: UInt16
  var port: UInt16
  /// The host, without the dot at its end; empty where the domain says that it has no broker.
  var target: String

  /// The SRV records in an answer of the DNS (RFC 1035, section 4.1); nil where it is cut off or broken.
  ///
  ///     ID 2 │ flags 2 │ questions 2 │ answers 2 │ authorities 2 │ additional 2 │ question... │ answer...
  ///     question: NAME │ type 2 │ class 2
  ///     answer:   NAME │ type 2 │ class 2 │ time to live 4 │ length 2 │ of SRV: priority 2 │ weight 2 │ port 2 │ NAME
  static func records(in message: [UInt8]) -> [ServiceRecord]? {
    var reader = DNSReader(message, at: 4)
    guard let questions = reader.uint16(), let answers = reader.uint16(), reader.skip(4) else { return nil }
    for _ in 0..<questions { guard reader.name() != nil, reader.skip(4) else { return nil } }
    var records: [ServiceRecord] = []
    for _ in 0..<answers {
      guard reader.name() != nil, let type = reader.uint16(), let kind = reader.uint16(), reader.skip(4),
        let length = reader.uint16()
      else { return nil }
      var data = reader
      guard reader.skip(Int(length)) else { return nil }
      // The way to the records may lead over others, as CNAME.
      guard type == UInt16(DNSTypeSRV), kind == UInt16(DNSClassIN) else { continue }
      guard let priority = data.uint16(), let weight = data.uint16(), let port = data.uint16(),
        let target = data.name(),
        data.position == reader.position
      else { return nil }
      records.append(ServiceRecord(priority: priority, weight: weight, port: port, target: target))
    }
    return records
  }

  /// The records in the order in which to try them: by priority, and within one by lot, so that each comes first as often as its
  /// weight says.
  static func inOrder(
    _ records: [ServiceRecord], using random: inout some RandomNumberGenerator
  ) -> [ServiceRecord] {
    // Those without weight stand first, where the lot hardly ever falls (RFC 2782, "Weight").
    var rest = records.sorted { ($0.priority, $0.weight > 0 ? 1 : 0) < ($1.priority, $1.weight > 0 ? 1 : 0) }
    var ordered: [ServiceRecord] = []
    while let first = rest.first {
      let equals = rest.prefix { $0.priority == first.priority }
      let lot = Int.random(in: 0...equals.reduce(0) { $0 + Int($1.weight) }, using: &random)
      var sum = 0
      let index = equals.firstIndex { record in
        sum += Int(record.weight)
        return sum >= lot
      }
      ordered.append(rest.remove(at: index ?? 0))
    }
    return ordered
  }
}

extension Resolver {
  /// The addresses of a service's hosts, those of each host by themselves, in the order in which to try them.
  ///
  /// - Parameters:
  ///   - name: as `_mqtt._tcp.example.com`.
  ///   - lookUp: finds the addresses of a host.
  static func addresses(ofService name: String, lookUp: LookUp) -> Result<[[SocketAddress]], ConnectionError> {
    var answer = [UInt8](repeating: 0, count: 1 << 16)
    var fault: Int32 = 0
    let length = askDNS(name, DNSTypeSRV, &answer, Int32(answer.count), &fault)
    guard length >= 0 else {
      let isTemporary = fault == TRY_AGAIN || fault == NETDB_INTERNAL
      return .failure(
        .serviceNotFound(
          name: name, reason: isTemporary ? "the DNS does not answer" : "there is no such SRV record",
          isTemporary: isTemporary))
    }
    guard let records = ServiceRecord.records(in: Array(answer.prefix(Int(length)))) else {
      return .failure(.serviceNotFound(name: name, reason: "the DNS answers nonsense", isTemporary: true))
    }
    var random = SystemRandomNumberGenerator()
    return addresses(of: ServiceRecord.inOrder(records, using: &random), ofService: name, lookUp: lookUp)
  }

  static func addresses(
    of records: [ServiceRecord], ofService name: String, lookUp: LookUp
  ) -> Result<[[SocketAddress]], ConnectionError> {
    let targets = records.filter { !$0.target.isEmpty }
    guard !targets.isEmpty else {
      let reason = records.isEmpty ? "there is no such SRV record" : "the record says that there is no broker"
      return .failure(.serviceNotFound(name: name, reason: reason, isTemporary: false))
    }
    var found: [[SocketAddress]] = []
    var firstError: ConnectionError?
    for target in targets {
      switch lookUp(target.target, target.port) {
      case .success(let addresses): found.append(addresses)
      case .failure(let error): firstError = firstError ?? error
      }
    }
    if found.isEmpty, let firstError { return .failure(firstError) }
    return .success(found)
  }
}

/// Reads a message of the DNS, in which nothing is taken for granted.
private struct DNSReader {
  private let bytes: [UInt8]
  private(set) var position: Int

  init(_ bytes: [UInt8], at position: Int) {
    self.bytes = bytes
    self.position = position
  }

  mutating func skip(_ count: Int) -> Bool {
    guard count <= bytes.count - position else { return false }
    position += count
    return true
  }

  mutating func uint16() -> UInt16? {
    let start = position
    return skip(2) ? UInt16(bytes[start]) << 8 | UInt16(bytes[start + 1]) : nil
  }

  /// A name as labels with dots between them (RFC 1035, section 4.1.4); nil where it is none that a host can have.
  mutating func name() -> String? {
    var labels: [String] = []
    var characters = 0
    var place = position
    // Where the name ends for whoever reads on: behind the first pointer.
    var end: Int?
    while place < bytes.count {
      let length = Int(bytes[place])
      switch length {
      case 0:
        position = end ?? place + 1
        return labels.joined(separator: ".")
      case 1...63:
        guard length < bytes.count - place else { return nil }
        let label = bytes[(place + 1)...(place + length)]
        // RFC 1035, section 2.3.4: 255 bytes with their lengths. A dot inside would read as another name.
        characters += length + 1
        guard characters < 255, label.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ".") }) else {
          return nil
        }
        labels.append(String(decoding: label, as: UTF8.self))
        place += 1 + length
      case 0xC0...0xFF:
        guard place + 1 < bytes.count else { return nil }
        let target = (length & 0x3F) << 8 | Int(bytes[place + 1])
        // Only to what stands before, so that it comes to an end.
        guard target < place else { return nil }
        end = end ?? place + 2
        place = target
      default: return nil
      }
    }
    return nil
  }
}
