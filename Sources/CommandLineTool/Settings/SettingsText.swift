internal import MQTT

/// The text of `--show-settings`: each setting, its value, and where that came from, in the order of the tables.
struct SettingsText {
  private let options: [OptionDescription]
  private let compatibility: Compatibility
  /// For each option, the uses that are about its setting, the weakest first.
  private var uses: [[Use]]

  /// A use of an option, as it is shown.
  private struct Use {
    var option: Int
    var value: String
    var source: Source
    var isOfURL = false
    /// For the user name and password of a URL: the host that they belong to.
    var host: String?
  }

  private static let host = "--host"
  private static let yes = "yes"
  private static let no = "no"
  private static let url = ConnectionSettings.urlDescription.name
  private static let masked = "****"
  /// Columns for values; longer ones push what stands behind them aside.
  private static let widestValue = 32

  /// The whole text.
  static func text(_ invocation: Invocation, options: [OptionDescription]) -> String {
    var text = SettingsText(
      options: options, compatibility: invocation.compatibility, uses: Array(repeating: [], count: options.count))
    for use in invocation.uses { text.take(use) }
    return text.text()
  }

  // MARK: - What was given

  private mutating func take(_ use: OptionUse) {
    let option = options[use.option]
    if option.name == Self.url {
      take(url: Argument(use.words[0], from: use.source))
    } else {
      let value = option.valueName == nil ? Self.yes : Self.shown(use.words, secret: option.secret?(use.words))
      take(Use(option: use.option, value: value, source: use.source))
    }
  }

  private mutating func take(_ use: Use) {
    let setting = options[use.option].setting
    uses[setting.isEmpty ? use.option : index(of: setting) ?? use.option].append(use)
  }

  /// A URL is not a setting of its own, but says several.
  private mutating func take(url argument: Argument) {
    guard let url = try? BrokerURL(argument) else { return }  // The options were carried out before: it is one.
    if let path = url.unixPath { return take("--unix", Self.shown(Array(path.utf8)), argument.source) }
    let host = Self.shown(Array(url.host.utf8))
    take(Self.host, host, argument.source)
    let usesWebSocket = url.scheme.usesWebSocket
    let port = compatibility.port(usesTLS: url.scheme.usesTLS, usesWebSocket: usesWebSocket)
    take("--port", "\(url.port ?? port)", argument.source)
    if usesWebSocket || index(of: "--ws").map({ !uses[$0].isEmpty }) == true {
      take("--ws", usesWebSocket ? Self.yes : Self.no, argument.source)
    }
    if let path = url.webSocketPath { take("--ws-path", Self.shown(path), argument.source) }
    if let name = url.userName { take("--username", Self.shown(name.utf8), argument.source, host: host) }
    if url.password != nil { take("--pw", Self.masked, argument.source, host: host) }
    if let topic = url.topic { take("--topic", Self.shown(topic.bytes), argument.source) }
  }

  private mutating func take(_ option: String, _ value: String, _ source: Source, host: String? = nil) {
    guard let option = index(of: option) else { return }  // mqbench has no topic.
    take(Use(option: option, value: value, source: source, isOfURL: true, host: host))
  }

  private func index(of option: String) -> Int? { options.firstIndex { $0.name == option } }

  // MARK: - What holds

  /// The uses that hold in the end: the last one, or all of the strongest source where they add up.
  private func holding(_ option: Int) -> [Use] {
    var uses = uses[option]
    if let host = uses.last?.host, host.utf8.elementsEqual(brokerHost.utf8) == false {
      uses.removeAll { $0.host != nil }
    }
    guard let last = uses.last else { return [] }
    return options[option].isRepeatable ? uses.filter { $0.source.kind == last.source.kind } : [last]
  }

  private func given(_ option: String) -> Bool { index(of: option).map { !uses[$0].isEmpty } ?? false }

  private var brokerHost: String { index(of: Self.host).flatMap { uses[$0].last?.value } ?? "" }

  private func text() -> String {
    var rows: [(section: OptionDescription.Section, name: String, value: String, source: String)] = []
    for (index, option) in options.enumerated() {
      if option.isHidden || option.isForCommandLineOnly || !option.setting.isEmpty || option.name == Self.url {
        continue
      }
      let uses = holding(index)
      for use in uses { rows.append((option.section, options[use.option].name, use.value, Self.place(use))) }
      if uses.isEmpty, let implication = option.implications.first(where: { given($0.by) }) {
        rows.append((option.section, option.name, implication.value, "because of \(implication.by)"))
      } else if uses.isEmpty {
        let value = compatibility.standardValue(of: option) ?? (option.valueName == nil ? Self.no : "none")
        rows.append((option.section, option.name, value, "default"))
      }
    }
    let nameWidth = rows.map { columns($0.name) }.max() ?? 0
    let valueWidth = min(rows.map { columns($0.value) }.max() ?? 0, Self.widestValue)
    var lines: [String] = []
    for section in OptionDescription.Section.allCases {
      let members = rows.filter { $0.section == section }
      if !members.isEmpty { lines += [(lines.isEmpty ? "" : "\n") + "\(section.rawValue):"] }
      for row in members {
        lines.append("  \(padded(row.name, nameWidth))  \(padded(row.value, valueWidth))  \(row.source)")
      }
    }
    return lines.map { $0 + "\n" }.joined()
  }

  // MARK: - How it is shown

  private static func place(_ use: Use) -> String {
    switch use.source.kind {
    case .environment: "environment, \(use.source.place)"
    case .commandLine: use.isOfURL ? "command line, \(url)" : "command line"
    case .optionsFile, .ownFile: use.isOfURL ? "\(use.source.place), \(url)" : use.source.place
    }
  }

  /// Words with the secret part of the last one masked.
  private static func shown(_ words: [[UInt8]], secret: Range<Int>?) -> String {
    var texts = words.map(shown)
    if let secret, let last = words.last {
      // Not the length either.
      texts[words.count - 1] = shown(Array(last[..<secret.lowerBound] + masked.utf8 + last[secret.upperBound...]))
    }
    return texts.joined(separator: " ")
  }

  /// Bytes made safe for a terminal, in quotes where they would hardly be seen.
  private static func shown(_ bytes: [UInt8]) -> String {
    var buffer = OutputBuffer(descriptor: -1, limit: .max)
    bytes.withUnsafeBytes { TerminalText.append($0, to: &buffer) }
    let text = buffer.withBytes { String(decoding: $0, as: UTF8.self) }
    let blank = UInt8(ascii: " ")
    return bytes.isEmpty || bytes.first == blank || bytes.last == blank ? "\"\(text)\"" : text
  }
}

private func columns(_ text: String) -> Int { text.unicodeScalars.count }

private func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - columns(text)))
}
