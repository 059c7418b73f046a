/// A command-line tool: what it is, which options it takes, and the way that all tools share from the words that were
/// typed to an exit status.
public struct Tool<Settings: Sendable>: Sendable {
  /// The part that needs no settings.
  public let commandLine: CommandLineReader
  @usableFromInline let options: Options<Settings>
  @usableFromInline let initialSettings: @Sendable () -> Settings

  /// A tool that begins with `settings` and changes them with `options`. `otherTools` are for advice.
  ///
  /// What is generic here is inlinable so that the executable gets it without generics, whose metadata costs time at
  /// each start.
  @inlinable
  public init(
    _ description: ToolDescription, settings: @escaping @autoclosure @Sendable () -> Settings,
    options: Options<Settings>,
    otherTools: [OptionTable.Tool] = []
  ) {
    commandLine = CommandLineReader(description, options: options.descriptions, otherTools: otherTools)
    self.options = options
    initialSettings = settings
  }

  /// Does what the command line asks for, and exits. `run` throws when the settings mean nothing together.
  @inlinable
  public func main(_ run: (Settings, Invocation) throws(UsageError) -> ExitStatus) -> Never {
    let invocation = commandLine.begin()
    var settings = initialSettings()
    do {
      try apply(invocation.uses, to: &settings)
      if invocation.showsSettings { commandLine.showSettings(invocation) }
      invocation.exit(try run(settings, invocation))
    } catch {
      invocation.exit(error)
    }
  }

  /// Changes `settings` as the options say, in their order.
  @inlinable
  public func apply(_ uses: [OptionUse], to settings: inout Settings) throws(UsageError) {
    for use in uses where use.option < options.descriptions.count {  // The others change no settings.
      do { try options.apply(&settings, use.option, use) } catch { throw use.mistake(error) }
    }
  }
}

/// What a run begins with besides its settings.
public struct Invocation: Sendable {
  /// Every option of every source, the weakest source first: where each setting came from.
  public var uses: [OptionUse]
  /// What the name that the tool was called by changes.
  public var compatibility: Compatibility
  /// Whether the settings are to be shown, and nothing else is to be done.
  @usableFromInline var showsSettings = false
  /// Whether standard error gets JSON.
  var logsJSON = false
  /// Files of options that others than their owner can read although there are secrets in them.
  var exposedFiles: [String] = []

  /// Ends the program with `status`. What had to be written is written by now.
  public func exit(_ status: ExitStatus) -> Never { System.exit(status.rawValue) }

  /// Ends the program because of what was typed.
  public func exit(_ error: UsageError) -> Never {
    diagnostics.usage(error)
    exit(error.status)
  }

  /// For what is wrong before a tool runs.
  fileprivate var diagnostics: Diagnostics { Diagnostics(program: compatibility.program, isJSON: logsJSON) }
}

/// Reads what a tool was told: the command line, and the weaker sources of options.
public struct CommandLineReader: Sendable {
  /// What help and manual page say of the tool.
  public let description: ToolDescription
  /// The tool's own options, then those that every tool has.
  public let options: [OptionDescription]
  private let otherTools: [OptionTable.Tool]

  private static let logJSON = ConnectionSettings.logJSONDescription.name
  private static let profile = "--profile"

  /// A reader for a tool with these options.
  public init(_ description: ToolDescription, options: [OptionDescription], otherTools: [OptionTable.Tool]) {
    self.description = description
    self.options = options + Self.generalOptions
    self.otherTools = otherTools
  }

  /// The manual page that man/ holds.
  public var manualPage: String { ManPage.text(description, options: options) }

  /// What a command line asks for.
  enum Request {
    case text(String, ExitStatus)
    case run(Invocation)
  }

  /// Reads everything. Exits when there is nothing to run: after `--help`, and after a mistake.
  public func begin() -> Invocation {
    System.fillStandardDescriptors()
    System.keepNoLargeMemory()
    Signals.ignoreBrokenPipes()
    let words = System.arguments()
    let invocation = Invocation(
      uses: [], compatibility: .of(description.name, calledAs: words.isEmpty ? [] : words[0]),
      logsJSON: words.contains { $0.elementsEqual(Self.logJSON.utf8) })
    do {
      let request = try request(
        words, invocation.compatibility, environment: System.environment, hide: System.hideArgument)
      switch request {
      case .run(let invocation): return invocation
      case .text(let text, let status): invocation.exit(printed(text, invocation) ?? status)
      }
    } catch {
      invocation.exit(error)
    }
  }

  /// Prints what holds and where it came from, and ends the program.
  @usableFromInline func showSettings(_ invocation: Invocation) -> Never {
    invocation.exit(printed(SettingsText.text(invocation, options: options), invocation) ?? .ok)
  }

  /// Prints what was asked for. Returns a status if that fails, and nil otherwise.
  private func printed(_ text: String, _ invocation: Invocation) -> ExitStatus? {
    var output = OutputBuffer(descriptor: 1)
    output.append(text)
    do {
      try output.flush()
    } catch {
      guard case .system(let error) = error else { return nil }
      invocation.diagnostics.error("standard output: \(error.explanation)")
      return .output
    }
    return nil
  }

  /// Reads the command line (`words`, with the program's name in front) and the weaker sources of options. `hide` gets
  /// the place of each secret on the command line: the word, and the bytes in it.
  func request(
    _ words: [[UInt8]], _ compatibility: Compatibility, environment: (String) -> [UInt8]?,
    hide: (Int, Range<Int>) -> Void = { _, _ in }
  ) throws(UsageError) -> Request {
    let table = OptionTable(
      tool: description.name.rawValue, options: options, otherTools: otherTools, hints: description.hints)
    let commands = description.commands
    var parser = OptionParser(words, from: 1, table: table)
    var typed: [OptionUse] = []
    /// Files of options that were named, in their order.
    var files: [OptionUse] = []
    var showsSettings = false
    while let use = try parser.next() {
      if let value = use.words.last, let secret = options[use.option].secret?(use.words) {
        let word = parser.position - 1
        let start = words[word].count - value.count  // The option may stand before its value in the same word.
        hide(word, start + secret.lowerBound..<start + secret.upperBound)
      }
      switch options[use.option].name {
      case "--help": return .text(help(commands, typed), compatibility.helpStatus)
      case "--version": return .text("\(compatibility.program) (mqtools) \(Version.number)\n", compatibility.helpStatus)
      case "--generate":
        do { return .text(try generated(Argument(use.words[0], from: use.source)), .ok) } catch {
          throw use.mistake(error)
        }
      case "--show-settings": showsSettings = true
      case "-o", Self.profile:
        files.removeAll { $0.option == use.option }
        files.append(use)
      default: break
      }
      typed.append(use)
    }
    if !commands.isEmpty {
      let words = operands(typed)
      if let first = words.first, first.elementsEqual("help".utf8) {
        return .text(help(commands, Array(typed.dropFirst())), .ok)
      }
      if !(showsSettings && words.isEmpty) { try check(typed, against: commands) }
    }

    var invocation = Invocation(uses: [], compatibility: compatibility, showsSettings: showsSettings)
    let isProfile = { (use: OptionUse) in options[use.option].name == Self.profile }
    if files.allSatisfy(isProfile) { try readOwnFile(table, environment, into: &invocation) }
    if compatibility.readsEnvironment {
      let variables = variables(environment)
      if let use = variables.first(where: isProfile), !files.contains(where: isProfile) {
        try readProfile(of: use, table, environment, into: &invocation)
      }
      invocation.uses += variables
    }
    for use in files {
      if isProfile(use) {
        try readProfile(of: use, table, environment, into: &invocation)
      } else {
        try readFile(of: use, table, into: &invocation)
      }
    }
    invocation.uses += typed
    invocation.logsJSON = invocation.uses.contains { options[$0.option].name == Self.logJSON }
    return .run(invocation)
  }

  // MARK: - Commands

  /// The words that are no options.
  private func operands(_ uses: [OptionUse]) -> [[UInt8]] {
    uses.filter { options[$0.option].isOperand }.map { $0.words[0] }
  }

  /// The help of the command that was typed, or of the tool.
  private func help(_ commands: [ToolDescription.Command], _ typed: [OptionUse]) -> String {
    guard !commands.isEmpty else { return HelpText.text(description, options: options) }
    guard let word = operands(typed).first, let command = commands.first(where: { word.elementsEqual($0.name.utf8) })
    else { return HelpText.overview(description, commands) }
    let names = command.optionNames()
    return HelpText.text(
      description, command,
      options: options.filter { names.contains($0.name) || ($0.section == .general && !$0.isOperand) })
  }

  /// Refuses options that the command that was typed does not take, and says whose they are. (Files and variables may hold what
  /// other commands take.)
  private func check(_ typed: [OptionUse], against commands: [ToolDescription.Command]) throws(UsageError) {
    let name = description.name.rawValue
    let list = "'\(name) help' lists them"
    guard let word = operands(typed).first else {
      throw UsageError("which command? \(commands.map(\.name).joined(separator: ", ")); \(list)")
    }
    guard let command = commands.first(where: { word.elementsEqual($0.name.utf8) }) else {
      let word = Argument(word, from: Source(.commandLine))
      throw UsageError("\(word.quoted) is not one of \(commands.map(\.name).joined(separator: ", ")); \(list)")
    }
    let names = command.optionNames()
    for use in typed {
      let option = options[use.option]
      if option.section == .general || option.isOperand || names.contains(option.name) { continue }
      let owners = commands.filter { $0.optionNames().contains(option.name) }.map(\.name)
      if owners.isEmpty {
        let hint = description.hints.first { $0.name == option.name }.map { ManualText.plain($0.explanation) }
        throw UsageError("\(use.spelling): means nothing here: \(hint ?? "no command takes it")")
      }
      throw UsageError(
        "\(use.spelling): not an option of '\(name) \(command.name)', but of \(owners.joined(separator: ", ")); "
          + "'\(name) \(command.name) --help' lists all")
    }
  }

  /// What goes into the project's man/.
  private func generated(_ what: Argument) throws(UsageError) -> String {
    let page = try what.choice([("man", manualPage)])
    let unknown = ManualText.unknownOptions(in: description, options)
    guard unknown.isEmpty else {
      throw UsageError("the manual names options that do not exist: \(unknown.joined(separator: " "))")
    }
    return page
  }

  /// Reads the first configuration file that exists.
  private func readOwnFile(
    _ table: OptionTable, _ environment: (String) -> [UInt8]?, into invocation: inout Invocation
  ) throws(UsageError) {
    guard let folder = Self.configurationFolder(environment) else { return }
    for name in invocation.compatibility.fileNames {
      let path = folder + Array("/\(name)".utf8)
      let file: (contents: [UInt8], isExposed: Bool)
      do {
        file = try System.contentsAndExposure(of: path)
      } catch  where error.isMissingFile {
        continue
      } catch {
        throw UsageError("\(String(decoding: path, as: UTF8.self)): \(error.explanation)")
      }
      return try read(file, path, .ownFile, table, into: &invocation)
    }
  }

  /// Where the user's configuration files are; nil where there is no home.
  static func configurationFolder(_ environment: (String) -> [UInt8]?) -> [UInt8]? {
    if let folder = environment("XDG_CONFIG_HOME"), !folder.isEmpty { return folder }
    guard let home = environment("HOME"), !home.isEmpty else { return nil }
    return home + Array("/.config".utf8)
  }

  /// Reads the profile that `use` names.
  private func readProfile(
    of use: OptionUse, _ table: OptionTable, _ environment: (String) -> [UInt8]?, into invocation: inout Invocation
  ) throws(UsageError) {
    let name = Argument(use.words[0], from: use.source)
    do throws(UsageError) {
      invocation.uses += try Profile.uses(
        of: name, kind: use.source.kind == .environment ? .environment : .optionsFile,
        in: Self.configurationFolder(environment), table: table)
    } catch {
      throw use.mistake(error)
    }
  }

  /// Reads the file that `use` names.
  private func readFile(
    of use: OptionUse, _ table: OptionTable, into invocation: inout Invocation
  ) throws(UsageError) {
    let path = Argument(use.words[0], from: use.source)
    let file: (contents: [UInt8], isExposed: Bool)
    do {
      file = try System.contentsAndExposure(of: path.bytes)
    } catch {
      throw use.mistake(UsageError("\(path.quoted): \(error.explanation)"))
    }
    try read(file, path.bytes, .optionsFile, table, into: &invocation)
  }

  /// Takes the options in a file.
  private func read(
    _ file: (contents: [UInt8], isExposed: Bool), _ path: [UInt8], _ kind: SourceKind, _ table: OptionTable,
    into invocation: inout Invocation
  ) throws(UsageError) {
    let path = String(decoding: path, as: UTF8.self)
    let uses = try OptionsFile.uses(in: file.contents, path: path, kind: kind, table: table)
    if file.isExposed, uses.contains(where: { options[$0.option].secret?($0.words) != nil }) {
      invocation.exposedFiles.append(path)
    }
    invocation.uses += uses
  }

  /// The options that variables stand for. An empty variable counts as none.
  private func variables(_ environment: (String) -> [UInt8]?) -> [OptionUse] {
    var uses: [OptionUse] = []
    for (index, option) in options.enumerated() where !option.environment.isEmpty {
      guard let value = environment(option.environment), !value.isEmpty else { continue }
      let source = Source(.environment, place: option.environment)
      uses.append(OptionUse(option: index, spelling: "", words: [value], source: source))
    }
    return uses
  }

  /// The options of every tool, which change no settings.
  private static let generalOptions = [
    OptionDescription(
      short: "o", value: .one("FILE"), section: .general, summary: "read options from FILE",
      details: """
        One option a line, a blank, and its value as it is: quotes, further blanks and all the rest of the line belong \
        to it. A line with # in its first column is a comment. The file takes the place of the configuration file, \
        and options on the command line are stronger than those in it.
        """,
      isForCommandLineOnly: true),
    OptionDescription(
      long: "profile", value: .one("NAME"), section: .general,
      summary: "read options about the connection from a profile",
      details: """
        It is a file as for {-o}, ~/.config/mqtools/profiles/NAME, that nobody but its owner may read. Options on the \
        command line are stronger, and the configuration file is read besides. It has no client identifier, because two \
        tools with one throw each other out; a prefix, -I, gives each its own.
        """,
      environment: "MQTOOLS_PROFILE", isForCommandLineOnly: true),
    OptionDescription(
      long: "show-settings", section: .general, summary: "print every setting and where it came from, and end",
      details: """
        From the command line, a line of a file, the environment, or nowhere. Secrets are shown as ****. No connection \
        is made, and no password is read or asked for.
        """,
      isForCommandLineOnly: true),
    OptionDescription(long: "help", section: .general, summary: "print this text", isForCommandLineOnly: true),
    OptionDescription(long: "version", section: .general, summary: "print the version", isForCommandLineOnly: true),
    OptionDescription(
      long: "generate", value: .one("man"), section: .general, summary: "print the manual page",
      isForCommandLineOnly: true, isHidden: true),
  ]
}
