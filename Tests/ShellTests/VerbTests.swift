import CommandLineTool
import MQTT
import Testing

@testable import mqshell

struct VerbTests {
  @Test("help of a verb fits on a screen of 80 columns and 24 rows, with three examples that are commands")
  func help() throws {
    for verb in Verb.all {
      #expect(verb.help.count <= 24, "\(verb.name): \(verb.help.count) lines")
      #expect(verb.help.allSatisfy { $0.count <= 80 }, "\(verb.name)")
      #expect(verb.examples.count == 3, "\(verb.name)")
      for example in verb.examples {
        guard case .commands(let commands) = try Line(Array(example.command.utf8)) else { continue }
        #expect(commands.allSatisfy { Verb.named($0) != nil }, "\(example.command)")
      }
    }
  }

  @Test("no verb is there twice, and no option twice in one")
  func table() {
    #expect(Set(Verb.all.map(\.name)).count == Verb.all.count)
    for verb in Verb.all {
      let spellings = verb.options.flatMap(\.spellings)
      #expect(Set(spellings).count == spellings.count, "\(verb.name)")
    }
  }

  @Test("options have the names, values and texts that they have in the other tools")
  func sameOptions() {
    let others =
      PublishSettings.options.map(\.description) + SubscribeSettings.options.map(\.description)
      + ConnectionSettings.options.map(\.description)
    for verb in Verb.all {
      for option in verb.options where option.short != "C" {
        guard let other = others.first(where: { $0.name == option.name }) else { continue }
        #expect(other.short == option.short && other.valueName == option.valueName, "\(verb.name) \(option.name)")
      }
    }
  }

  @Test("the command line keeps six letters of the connection options; -c runs commands")
  func letters() {
    let options = ShellSettings.tool.commandLine.options
    #expect(
      options.filter { !$0.short.isEmpty && !$0.isHidden }.map(\.short).sorted()
        == ["P", "V", "c", "h", "i", "o", "p", "u"])
    #expect(options.first { $0.short == "c" }?.valueName == "COMMANDS")
    #expect(options.contains { $0.long == "disable-clean-session" && $0.short.isEmpty })
  }
}

struct MessageStoreTests {
  private func message(_ topic: String, _ payload: [UInt8] = []) throws -> KeptMessage {
    var packet: [UInt8] = [0, UInt8(topic.utf8.count)] + Array(topic.utf8)
    // Properties: content type "a".
    packet += [4, 0x03, 0, 1, 0x61] + payload
    return try packet.withUnsafeBytes { body in
      KeptMessage(
        try MessageView.decode(flags: 1, body: body, version: .latest), version: .latest,
        at: WallTime(seconds: 0, nanoseconds: 0))
    }
  }

  @Test("a message is kept as it came")
  func kept() throws {
    let stored = try message("a/b", [0, 255])
    #expect(stored.topic == Array("a/b".utf8) && stored.payload == [0, 255] && stored.retain)
    #expect(stored.withView { $0.properties[.contentType] } == "a")
  }

  @Test("parts of JSON are found by their path")
  func json() throws {
    let stored = try message("t", Array(#"{"a":{"b":[1,"x\ty"]},"n":1.50}"#.utf8))
    #expect(stored.json("a.b[1]").map { text($0) } == "x\ty")
    #expect(stored.json("n").map { text($0) } == "1.50")
    #expect(stored.json("a.b").map { text($0) } == #"[1,"x\ty"]"#)
    #expect(stored.json("c") == nil)
  }

  @Test("the last 10,000 are kept, in no more than 64 MiB, and unconsumed ones that go are counted")
  func limits() throws {
    var store = MessageStore()
    let small = try message("t")
    for _ in 0..<(MessageStore.limit + 5) { store.append(small) }
    #expect(store.messages.count == MessageStore.limit && store.lostCount == 5)
    #expect(store.end == MessageStore.limit + 5)
    let index = try #require(store.firstUnconsumed(from: 0) { _ in true })
    store.consume(index)
    #expect(store.firstUnconsumed(from: 0) { _ in true } == index + 1)
    store.append(small)
    #expect(store.lostCount == 5)

    var large = MessageStore()
    let megabyte = try message("t", [UInt8](repeating: 0, count: 1 << 20))
    for _ in 0..<100 { large.append(megabyte) }
    #expect(large.messages.count == 63 && large.lostCount == 37)
  }
}

struct VariablesTests {
  @Test(
    "names that mqshell sets itself, and what is no name, cannot be set",
    arguments: ["run", "last", "env", "a b", "", "a/b"])
  func names(name: String) {
    var variables = Variables(run: [])
    let term = Term(bytes: Array(name.utf8), isBare: true, blanks: [], column: 1)
    #expect(throws: ShellError.self) { try variables.set(term, to: []) }
  }
}
