import MQTT
import Testing

@Suite("A topic name")
struct TopicNameTests {
  @Test(
    "is any text without wildcards (4.7)",
    arguments: ["a", "/", "//", "/finance", "a/b", "Accounts payable", "$SYS/uptime", "ü/\u{1F321}", "a b/\t"])
  func isTaken(name: String) throws {
    #expect(try TopicName(name).utf8 == Array(name.utf8))
    #expect(try TopicName(name).description == name)
  }

  @Test(
    "[MQTT-4.7.0-1] [MQTT-4.7.3-1] is not empty and has no wildcards and no U+0000",
    arguments: ["", "+", "#", "a/+/b", "a/#", "a+", "#a", "a\0b", "\0", "a long topic name/with a plus at its end/+"])
  func isRefused(name: String) {
    #expect(reason(try TopicName(name)) == .topicNameInvalid)
  }

  @Test("has its wildcards found wherever they stand")
  func wildcardsAreFound() {
    for count in 1...40 {
      for index in 0..<count {
        for wildcard in "+#".utf8 {
          var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: count)
          // Bytes that differ from a wildcard in one bit.
          for (offset, near) in "*!'-;k/,c\"%".utf8.enumerated() where offset < count { bytes[offset] = near }
          #expect((try? TopicName(utf8: bytes)) != nil)
          bytes[index] = wildcard
          #expect((try? TopicName(utf8: bytes)) == nil, "\(index) of \(count)")
          if count > 2, index > 1 {
            bytes[0] = 0xC3
            bytes[1] = 0xA9
            #expect((try? TopicName(utf8: bytes)) == nil, "\(index) of \(count), behind é")
          }
        }
      }
    }
  }

  @Test("is at most 65,535 bytes long [MQTT-4.7.3-3]")
  func isLimited() throws {
    #expect(try TopicName(utf8: [UInt8](repeating: 0x61, count: 65_535)).utf8.count == 65_535)
    #expect((try? TopicName(utf8: [UInt8](repeating: 0x61, count: 65_536))) == nil)
  }

  @Test("is compared byte by byte")
  func comparesBytes() throws {
    #expect(try TopicName("\u{E9}") != TopicName("e\u{301}"))
    #expect(try TopicName("a") != TopicName("A"))
  }
}

@Suite("A topic filter")
struct TopicFilterTests {
  @Test(
    "has a wildcard in a level of its own, # in the last one (4.7.1)",
    arguments: [
      "#", "sport/#", "sport/tennis/player1/#", "+", "+/tennis/#", "sport/+/player1", "+/+", "/+", "/", "a", "$SYS/#",
      "$share", "$sharea/b", "//#", "ü/+",
    ])
  func isTaken(filter: String) throws {
    #expect(try TopicFilter(filter).utf8 == Array(filter.utf8))
    #expect(try !TopicFilter(filter).isShared)
    #expect(try TopicFilter(filter).shareName == nil)
  }

  @Test(
    "[MQTT-4.7.1-1] [MQTT-4.7.1-2] is refused otherwise",
    arguments: [
      "", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "a/#/b", "#/", "##", "+#", "++", "a/+b", "a+/b", "#a",
      "a\0", "/#/",
    ])
  func isRefused(filter: String) {
    #expect(reason(try TopicFilter(filter)) == .topicFilterInvalid)
  }

  @Test(
    "says whether it has wildcards", arguments: [("a/b", false), ("a/+", true), ("#", true), ("$share/g/a", false)])
  func hasWildcard(filter: String, expected: Bool) throws {
    #expect(try TopicFilter(filter).hasWildcard == expected)
  }

  @Test(
    "[MQTT-4.8.2-1] is shared as $share/NAME/FILTER",
    arguments: [
      ("$share/consumer1/sport/tennis/+", "consumer1", "sport/tennis/x"), ("$share/g/#", "g", "a/b"),
      ("$share/g//finance", "g", "/finance"), ("$share/a b/c", "a b", "c"),
    ])
  func isShared(filter: String, name: String, topic: String) throws {
    let filter = try TopicFilter(filter)
    #expect(filter.isShared)
    #expect(filter.shareName?.description == name)
    #expect(try filter.matches(TopicName(topic)))
    #expect(try !filter.matches(TopicName(filter.hasWildcard ? "$share/g" : "other")))
  }

  @Test(
    "[MQTT-4.8.2-2] is refused as a shared subscription without a proper name or filter",
    arguments: [
      "$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/a#/b", "$share/#", "$share/g/a#",
    ])
  func isRefusedAsShared(filter: String) {
    #expect(reason(try TopicFilter(filter)) == .topicFilterInvalid)
  }

  static let matching: [(String, String)] = [
    ("sport/tennis/player1/#", "sport/tennis/player1"), ("sport/tennis/player1/#", "sport/tennis/player1/ranking"),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"), ("sport/#", "sport"), ("sport/#", "sport/"),
    ("#", "a"), ("#", "/"), ("#", "a/b/c"), ("sport/tennis/+", "sport/tennis/player1"), ("sport/+", "sport/"),
    ("+", "finance"), ("+/+", "/finance"), ("/+", "/finance"), ("+/tennis/#", "sport/tennis"), ("+/#", "a"),
    ("+/#", "a/b"), ("$SYS/#", "$SYS/"), ("$SYS/#", "$SYS"), ("$SYS/monitor/+", "$SYS/monitor/Clients"),
    ("a/$b/+", "a/$b/c"), ("a/+", "a/$b"), ("a", "a"), ("/", "/"), ("ü/+/é", "ü/x/é"), ("+/b/+/d", "a/b/c/d"),
    ("+/+/#", "a/b"), ("//#", "/"), ("a/+/#", "a/"),
  ]

  @Test("matches (4.7.1, 4.7.2)", arguments: matching)
  func matches(filter: String, topic: String) throws {
    #expect(try TopicFilter(filter).matches(TopicName(topic)))
  }

  @Test(
    "does not match (4.7.1, 4.7.2, 4.7.3)",
    arguments: [
      ("sport/tennis/+", "sport/tennis/player1/ranking"), ("sport/+", "sport"), ("+", "/finance"),
      ("#", "$SYS/monitor"), ("+/monitor/Clients", "$SYS/monitor/Clients"), ("+/#", "$SYS"), ("sport/#", "sports"),
      ("sport/tennis/#", "sport"), ("a", "A"), ("a", "/a"), ("a/", "a"), ("a", "a/"), ("a/b", "a"), ("a", "a/b"),
      ("+/+", "a"), ("\u{E9}", "e\u{301}"), ("a//#", "a"), ("//#", "a"), ("a/+/c", "a/c"),
    ])
  func doesNotMatch(filter: String, topic: String) throws {
    #expect(try !TopicFilter(filter).matches(TopicName(topic)))
  }

  /// Matching as the specification tells it, level by level.
  private func matchesByLevel(_ filter: String, _ topic: String) -> Bool {
    if topic.hasPrefix("$"), filter.hasPrefix("+") || filter.hasPrefix("#") { return false }
    func match(_ filter: ArraySlice<Substring>, _ topic: ArraySlice<Substring>) -> Bool {
      guard let level = filter.first else { return topic.isEmpty }
      if level == "#" { return true }
      guard let name = topic.first else { return false }
      return (level == "+" || level == name) && match(filter.dropFirst(), topic.dropFirst())
    }
    return match(
      filter.split(separator: "/", omittingEmptySubsequences: false)[...],
      topic.split(separator: "/", omittingEmptySubsequences: false)[...])
  }

  @Test("matches as levels compared one by one do, all short filters with all short topics")
  func agreesWithLevels() throws {
    func words(of letters: String, upTo length: Int) -> [String] {
      var all: [String] = []
      var last = [""]
      for _ in 1...length {
        last = last.flatMap { word in letters.map { word + String($0) } }
        all += last
      }
      return all
    }
    let topics = try words(of: "a/$", upTo: 4).map { ($0, try TopicName($0)) }
    for text in words(of: "a/+#$", upTo: 5) {
      guard let filter = try? TopicFilter(text) else { continue }
      for (topic, name) in topics where filter.matches(name) != matchesByLevel(text, topic) {
        Issue.record("\(text) and \(topic)")
      }
    }
  }
}
