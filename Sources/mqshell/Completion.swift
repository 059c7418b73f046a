internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// The topics that were seen, for completion: as many as are of use, and none that a terminal or the language would take for
/// something else.
struct TopicMemory {
  private var topics: Set<[UInt8]> = []
  private static let limit = 20_000

  mutating func insert(_ topic: [UInt8]) {
    guard topics.count < Self.limit, !topics.contains(topic), Self.isPlain(topic) else { return }
    topics.insert(topic)
  }

  private static func isPlain(_ topic: [UInt8]) -> Bool {
    topic.count <= 300 && topic.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"'\";\\{}[]".utf8.contains($0) }
  }

  /// What could follow `prefix`, one level at a time: `home/` may become `home/desk/`.
  func completions(of prefix: [UInt8]) -> Set<[UInt8]> {
    var found: Set<[UInt8]> = []
    for topic in topics where topic.starts(with: prefix) {
      let rest = topic[prefix.count...]
      let end = rest.firstIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? rest.endIndex
      found.insert(Array(topic[..<end]))
      if found.count >= 200 { break }
    }
    return found
  }
}

/// What TAB offers.
extension Shell {
  func completions(_ line: [UInt8], wordFrom start: Int) -> Completions {
    let prefix = Array(line[start...])
    var before =
      line[..<start].split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).last.map {
        $0.split { isBlank($0) }.map { Array($0) }
      } ?? []
    let isConnectionWord = { (word: [UInt8]) in word.first == UInt8(ascii: "@") }
    if let first = before.first, isConnectionWord(first) { before.removeFirst() }
    // Commands in commands: fails, finally and every.
    while let outer = before.first, let count = Self.wordsBeforeCommand[text(outer)] {
      let rest = before.dropFirst()
      let skipped = rest.prefix(count).prefix { word in word.first.map { $0 - 48 < 10 } ?? false }
      if rest.count < count, outer.elementsEqual("every".utf8) { return Completions() }
      before = Array(rest.dropFirst(skipped.count))
      if let first = before.first, isConnectionWord(first) { before.removeFirst() }
    }
    if isConnectionWord(prefix), before.isEmpty {
      return choose(connections.map { "@\($0.name)" }, prefix)
    }
    guard let verb = before.first.flatMap({ Verb.named($0) }) else {
      return before.isEmpty ? choose(Verb.all.map(\.name), prefix) : Completions()
    }
    return completions(prefix, of: verb, behind: Array(before.dropFirst()))
  }

  /// How many words stand between these verbs and the command behind them.
  private static var wordsBeforeCommand: [String: Int] { ["fails": 1, "finally": 0, "every": 1] }

  private func completions(_ prefix: [UInt8], of verb: Verb, behind words: [[UInt8]]) -> Completions {
    if let last = words.last, let option = verb.options.first(where: { $0.spellings.contains(text(last)) }) {
      switch option.name {
      case "--property": return choose(PropertyArgument.Command.allCases.map(\.rawValue), prefix)
      case _ where option.valueName == "PATH" || option.valueName == "FILE" || option.valueName == "DIR":
        return Completions(isFile: true)
      case "--qos", "--will-qos": return choose(["0", "1", "2"], prefix)
      case "--protocol-version": return choose(["auto", "5", "311", "31"], prefix)
      case "--retain-handling": return choose(["always", "new", "never"], prefix)
      case _ where option.valueName != nil: return Completions()
      default: break
      }
    }
    if words.count >= 2, ["-D", "--property"].contains(text(words[words.count - 2])),
      let command = PropertyArgument.Command(rawValue: text(words[words.count - 1]))
    {
      let properties = PropertyDescription.all.filter { $0.contexts.contains(command.context) }
      return choose(properties.map(\.name), prefix)
    }
    if prefix.first == UInt8(ascii: "-") { return choose(verb.options.map(\.name), prefix) }
    switch verb.name {
    case "open": return choose(brokers, prefix)
    case "close", "use", "info": return choose(connections.map(\.name), prefix)
    case "help": return choose(Verb.all.map(\.name) + ["language", "variables", "tests", "scripts"], prefix)
    case "source": return Completions(isFile: true)
    case "save": return Completions(isFile: true)
    case "trace": return choose(["on", "off"], prefix)
    case "set":
      let settings = ["qos", "retain", "within", "format", "mute", "keep-going"]
      if words.isEmpty { return choose(settings, prefix) }
      return choose(
        words[0].elementsEqual("format".utf8) ? ["short", "verbose", "json", "hexdump"] : ["on", "off"], prefix)
    case "unsub":
      guard let name = currentName, let connection = try? connection(named: name) else { return Completions() }
      return choose(connection.subscriptions.map { "\($0.filter)" }, prefix)
    case "pub" where prefix.first == UInt8(ascii: "@"): return Completions()
    case "expect" where words.isEmpty:
      return merged(choose(["next", "no", "retained", "closed"], prefix), topicCompletions(prefix))
    case "pub", "sub", "get", "clear", "req", "serve", "expect", "last": return topicCompletions(prefix)
    default: return Completions()
    }
  }

  private var brokers: [String] {
    Array(Set(["localhost"] + connections.map(\.plan.host) + ConnectionSettings.profileNames))
  }

  private func choose(_ words: [String], _ prefix: [UInt8]) -> Completions {
    Completions(words: words.map { Array($0.utf8) }.filter { $0.starts(with: prefix) })
  }

  private func merged(_ one: Completions, _ other: Completions) -> Completions {
    Completions(words: one.words + other.words, endsWord: other.words.isEmpty ? one.endsWord : other.endsWord)
  }

  private func topicCompletions(_ prefix: [UInt8]) -> Completions {
    askForRetained(prefix)
    let words = topics.completions(of: prefix)
    let isOpenEnded = words.contains { $0.last == UInt8(ascii: "/") }
    return Completions(words: Array(words), endsWord: !isOpenEnded)
  }

  /// Learns the topics of the values that the broker keeps below `prefix`, once for each level.
  private func askForRetained(_ prefix: [UInt8]) {
    guard let name = currentName, let connection = try? connection(named: name), connection.isConnected else { return }
    let level = prefix.lastIndex(of: UInt8(ascii: "/")).map { Array(prefix[...$0]) } ?? []
    guard connection.askedLevels.insert(level).inserted, let filter = try? TopicFilter(utf8: level + Array("#".utf8))
    else {
      return
    }
    isCompleting = true
    driver.watch(0, nil)
    defer {
      isCompleting = false
      driver.watch(0, .readable)
    }
    let found = try? retained(filter, like: connection.plan, idle: .milliseconds(50), limit: .milliseconds(500))
    for message in found ?? [] { topics.insert(message.topic) }
  }
}
