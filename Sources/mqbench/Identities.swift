internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// Who the clients are, one row of a table each: client identifier, user name, password, certificate and key.
///
/// The table is comma-separated values as in RFC 4180. Its columns are `id,username,password,cert,key`, as many of them as there are,
/// unless a first line names those that there are. An empty field leaves it to what holds for all clients.
struct Identities: Sendable {
  /// What one client is told to be.
  struct Identity: Sendable {
    var identifier: Text?
    var userName: Text?
    var password: [UInt8]?
    var certificate: TLSConfiguration.Identity?
  }

  private let identities: ArraySlice<Identity>

  private init(_ identities: ArraySlice<Identity>) { self.identities = identities }

  /// Those behind the first ones.
  func dropFirst(_ count: Int) -> Identities { Identities(identities.dropFirst(count)) }

  var count: Int { identities.count }
  var haveCertificates: Bool { identities.contains { $0.certificate != nil } }

  /// Makes the settings those of the client in this row.
  func apply(_ row: Int, to settings: inout ClientSettings) {
    guard row < identities.count else { return }
    let identity = identities[identities.startIndex + row]
    if let identifier = identity.identifier { settings.session.connect.clientIdentifier = identifier }
    if let userName = identity.userName { settings.session.connect.userName = userName }
    if let password = identity.password {
      settings.session.connect.password = password
      settings.password = nil
    }
    if let certificate = identity.certificate { settings.tls?.identity = certificate }
  }

  // MARK: - Reading

  private enum Column: String, CaseIterable {
    case id, username, password, cert, key
  }

  init(file path: [UInt8], _ diagnostics: Diagnostics) throws(UsageError) {
    let contents: [UInt8]
    do { contents = try SecretSource.contents(ofFile: path, diagnostics) } catch {
      throw UsageError(error.explanation)
    }
    try self.init(contents)
  }

  /// - Throws: what is wrong in which line. No message shows what stands in a field.
  init(_ text: [UInt8]) throws(UsageError) {
    var columns = Column.allCases
    var identities: [Identity] = []
    /// The lines of the client identifiers.
    var lines: [[UInt8]: Int] = [:]
    var table = CommaSeparated(text)
    var isFirst = true
    while let fields = try table.nextRecord() {
      let line = table.line
      defer { isFirst = false }
      let names = fields.compactMap { Column(rawValue: String(decoding: $0, as: UTF8.self)) }
      if isFirst, names.count == fields.count, Set(names).count == names.count {
        columns = names
        continue
      }
      if isFirst, fields.count(where: Self.isHeading) > 1 {
        throw UsageError("line \(line) names columns, and not only such as there are: \(Self.list(Column.allCases))")
      }
      guard fields.count <= columns.count else {
        throw UsageError("line \(line) has \(fields.count) fields, and the columns are \(Self.list(columns))")
      }
      var values: [Column: [UInt8]] = [:]
      for (column, field) in zip(columns, fields) where !field.isEmpty { values[column] = field }
      if let identifier = values[.id], let other = lines.updateValue(line, forKey: identifier) {
        throw UsageError(
          "lines \(other) and \(line) have the same id: a broker throws one client out for the other")
      }
      identities.append(try Self.identity(values, line))
    }
    self.identities = identities[...]
  }

  private static func identity(_ values: [Column: [UInt8]], _ line: Int) throws(UsageError) -> Identity {
    func text(_ column: Column) throws(UsageError) -> Text? {
      guard let value = values[column] else { return nil }
      do { return try Text(utf8: value) } catch {
        throw UsageError("line \(line): \(column) is not what MQTT takes: \(error.explanation)")
      }
    }
    var identity = Identity(identifier: try text(.id), userName: try text(.username), password: values[.password])
    guard identity.password?.count ?? 0 <= 65_535 else {
      throw UsageError("line \(line): password is longer than 65,535 bytes")
    }
    switch (values[.cert], values[.key]) {
    case (let certificate?, let key?): identity.certificate = .init(certificateFile: certificate, keyFile: key)
    case (nil, nil): break
    case (_?, nil): throw UsageError("line \(line) has cert and no key")
    case (nil, _?): throw UsageError("line \(line) has key and no cert")
    }
    return identity
  }

  /// Whether a field is a word that stands at the head of a column: one of them may be somebody's password, two are not.
  private static func isHeading(_ field: [UInt8]) -> Bool {
    let words = ["id", "clientid", "client_id", "user", "username", "name", "password", "pass", "pw", "cert", "key"]
    return words.contains(String(decoding: field, as: UTF8.self).lowercased())
  }

  private static func list(_ columns: [Column]) -> String { columns.map(\.rawValue).joined(separator: ",") }
}

extension [LoadGroup] {
  /// Reads who the clients are; groups with the same table take its lines one after the other.
  ///
  /// - Parameters:
  ///   - whole: the groups of the whole load. Those of a shard have the lines that their clients have there.
  mutating func readIdentities(
    _ shard: Shard?, of whole: [LoadGroup], _ diagnostics: Diagnostics
  ) throws(UsageError) {
    /// What of each table nobody has taken.
    var tables: [[UInt8]: Identities] = [:]
    for index in indices {
      guard let path = self[index].identitiesFile else { continue }
      do throws(UsageError) {
        if tables[path] == nil { tables[path] = try Identities(file: path, diagnostics) }
        let count = whole[index].count
        guard let table = tables[path], table.count >= count else {
          throw UsageError("\(self[index].name) need \(count) lines, and \(tables[path]?.count ?? 0) are left for them")
        }
        if table.haveCertificates, self[index].client.tls == nil {
          throw UsageError("there are certificates in it, and no TLS: --tls asks for it")
        }
        self[index].identities = table.dropFirst(shard?.first(of: count) ?? 0)
        tables[path] = table.dropFirst(count)
      } catch {
        throw UsageError("--identities: \(error.message)")
      }
    }
  }
}

/// Records of comma-separated values (RFC 4180), with either end of line. Empty lines are no records.
private struct CommaSeparated {
  private let text: [UInt8]
  private var place: Int
  /// The line in which the last record began.
  private(set) var line = 0
  private var nextLine = 1

  init(_ text: [UInt8]) {
    self.text = text
    // Spreadsheets write a byte order mark.
    place = text.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  mutating func nextRecord() throws(UsageError) -> [[UInt8]]? {
    while skipLineEnd() {}
    guard place < text.count else { return nil }
    line = nextLine
    var fields = [try field()]
    while place < text.count, text[place] == UInt8(ascii: ",") {
      place += 1
      fields.append(try field())
    }
    guard place == text.count || skipLineEnd() else {
      throw UsageError("line \(line): a comma is missing behind a field in quotes")
    }
    return fields
  }

  private mutating func skipLineEnd() -> Bool {
    let rest = text[place...].prefix(2)
    if rest.first == UInt8(ascii: "\n") {
      place += 1
    } else if rest.elementsEqual("\r\n".utf8) {
      place += 2
    } else {
      return false
    }
    nextLine += 1
    return true
  }

  private mutating func field() throws(UsageError) -> [UInt8] {
    guard place < text.count, text[place] == UInt8(ascii: "\"") else {
      var end = text[place...].firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\n") } ?? text.endIndex
      let isLineEnd = end < text.endIndex && text[end] == UInt8(ascii: "\n")
      if isLineEnd, end > place, text[end - 1] == UInt8(ascii: "\r") { end -= 1 }
      defer { place = end }
      return Array(text[place..<end])
    }
    var field: [UInt8] = []
    place += 1
    while let quote = text[place...].firstIndex(of: UInt8(ascii: "\"")) {
      let part = text[place..<quote]
      nextLine += part.count { $0 == UInt8(ascii: "\n") }
      field += part
      place = quote + 1
      guard place < text.count, text[place] == UInt8(ascii: "\"") else { return field }
      // Two of them are one.
      field.append(UInt8(ascii: "\""))
      place += 1
    }
    throw UsageError("line \(line): a quotation mark is missing behind a field")
  }
}
